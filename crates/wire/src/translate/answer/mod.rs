//! What an upstream answers, as [`Event`]s: one reader for each upstream API.
//!
//! Servers that speak the same API differ; what they really send decides, not only what the API's description says. Must
//! not know: clients, sockets, clocks.

mod assembly;
mod blocks;
mod calls;
mod chat;
mod gemini;
mod json;
mod messages;
mod ollama;
mod partial_args;
mod responses;
mod think;
mod tool_xml;
mod value;

use std::hash::{DefaultHasher, Hasher};

use serde_json::Value;

use super::{Asked, Event};
use crate::UpstreamApi;
use crate::failure::Failure;
use crate::sse::{Frame, Framer};

/// Reads a stream.
#[derive(Debug)]
pub struct Reader {
    inner: Inner,
}

/// One per API. Each has `new(&Asked)`, `read(&mut self, &Frame) -> Vec<Event>` and `end(&mut self) -> Vec<Event>`, and
/// beside it a `whole(&Asked, &[u8]) -> Vec<Event>`.
#[derive(Debug)]
enum Inner {
    Responses(Box<responses::Responses>),
    Messages(Box<messages::Messages>),
    Gemini(Box<gemini::Gemini>),
    Chat(Box<chat::Reader>),
    Ollama(Box<ollama::Reader>),
    /// Of an API that is not spoken: it fails at once, and once.
    Unspoken(Option<Failure>),
}

impl Reader {
    /// A reader of a stream that begins.
    #[must_use]
    pub fn new(asked: &Asked) -> Self {
        let inner = match &asked.api {
            UpstreamApi::OpenaiResponses => Inner::Responses(Box::new(responses::Responses::new(asked))),
            UpstreamApi::AnthropicMessages => Inner::Messages(Box::new(messages::Messages::new(asked))),
            UpstreamApi::GoogleGenerativeAi => Inner::Gemini(Box::new(gemini::Gemini::new(asked))),
            UpstreamApi::OpenaiCompletions => Inner::Chat(Box::new(chat::Reader::new(asked))),
            UpstreamApi::Ollama => Inner::Ollama(Box::new(ollama::Reader::new(asked))),
            UpstreamApi::Other(_) => Inner::Unspoken(Some(unspoken(asked))),
        };
        Self { inner }
    }

    /// Reads one event of the stream (of Ollama: one line, by [`crate::lines::LineFramer`]).
    pub fn read(&mut self, frame: &Frame) -> Vec<Event> {
        match &mut self.inner {
            Inner::Responses(reader) => reader.read(frame),
            Inner::Messages(reader) => reader.read(frame),
            Inner::Gemini(reader) => reader.read(frame),
            Inner::Chat(reader) => reader.read(frame),
            Inner::Ollama(reader) => reader.read(frame),
            Inner::Unspoken(failure) => failure.take().map(Event::Failed).into_iter().collect(),
        }
    }

    /// The body has ended. A stream that ends without its API's terminal has failed.
    pub fn end(&mut self) -> Vec<Event> {
        match &mut self.inner {
            Inner::Responses(reader) => reader.end(),
            Inner::Messages(reader) => reader.end(),
            Inner::Gemini(reader) => reader.end(),
            Inner::Chat(reader) => reader.end(),
            Inner::Ollama(reader) => reader.end(),
            Inner::Unspoken(failure) => failure.take().map(Event::Failed).into_iter().collect(),
        }
    }
}

/// Reads a whole body that came with a good status. What is an error all the same, or no answer at all, is
/// [`Event::Failed`]. A server that streams though it was asked not to is understood as well.
#[must_use]
pub fn read_answer(asked: &Asked, body: &[u8]) -> Vec<Event> {
    if is_stream(body) {
        return read_stream(asked, body);
    }
    match &asked.api {
        UpstreamApi::OpenaiResponses => responses::whole(asked, body),
        UpstreamApi::AnthropicMessages => messages::whole(asked, body),
        UpstreamApi::GoogleGenerativeAi => gemini::whole(asked, body),
        UpstreamApi::OpenaiCompletions => chat::whole(asked, body),
        UpstreamApi::Ollama => ollama::whole(asked, body),
        UpstreamApi::Other(_) => vec![Event::Failed(unspoken(asked))],
    }
}

/// Whether a body is server-sent events, by its first field.
fn is_stream(body: &[u8]) -> bool {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body).trim_ascii_start();
    [&b"data:"[..], b"event:", b"id:", b"retry:", b":"].iter().any(|field| body.starts_with(field))
}

fn read_stream(asked: &Asked, body: &[u8]) -> Vec<Event> {
    let (mut reader, mut framer) = (Reader::new(asked), Framer::default());
    let mut events = Vec::new();
    framer.push(body);
    while let Ok(Some(frame)) = framer.next_frame() {
        events.extend(reader.read(&frame));
    }
    events.extend(framer.finish().into_iter().flat_map(|frame| reader.read(&frame)));
    events.extend(reader.end());
    events
}

/// What a frame of a stream holds.
#[derive(Debug)]
enum Payload<'a> {
    /// Nothing that a reader of events would see: a comment, a field alone.
    Nothing,
    /// `[DONE]`.
    Done,
    /// JSON text, by the first look at it.
    Json(&'a [u8]),
    /// An error or another whole body that was sent without the form of an event.
    Bare(&'a [u8]),
}

/// Looks at a frame.
fn payload(frame: &Frame) -> Payload<'_> {
    match frame.data.as_deref().map(<[u8]>::trim_ascii).filter(|data| !data.is_empty()) {
        Some(b"[DONE]") => Payload::Done,
        Some(data) => Payload::Json(data),
        None if frame.raw.trim_ascii_start().starts_with(b"{") => Payload::Bare(frame.raw.trim_ascii()),
        None => Payload::Nothing,
    }
}

/// An id for a call whose upstream gave none: the same for the same answer, another for another. `seed` is the answer's
/// own id, or what else tells it apart from the answers before it in the conversation.
fn made_id(seed: &[u8], number: usize) -> String {
    let mut hasher = DefaultHasher::new();
    hasher.write(seed);
    format!("call_{:016x}{number:02}", hasher.finish())
}

/// The failure of a stream that ended before its answer did.
fn cut() -> Failure {
    Failure::new("the stream ended before its answer did")
}

/// The failure of data that is not JSON.
fn malformed(error: &serde_json::Error) -> Failure {
    Failure::new(format!("an event whose data is not JSON: {error}"))
}

/// The failure of a whole body that holds no answer.
fn no_answer(body: &[u8]) -> Failure {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    Failure::read(&value)
        .unwrap_or_else(|| Failure::new(format!("no answer of its API: {}", Failure::read_body(body).message)))
}

fn unspoken(asked: &Asked) -> Failure {
    Failure::new(format!("answers of the API {} cannot be translated", asked.api.name()))
}
