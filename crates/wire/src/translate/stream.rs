//! One answer from an upstream of one API to a client of another: read, kept for the conversation's history, written.
//!
//! Must not know: sockets, clocks, whether another upstream could be asked.

use bytes::Bytes;

use super::answer::{Reader, read_answer};
use super::keep::Keep;
use super::tell::{Writer, whole};
use super::{Asked, Event, Note, Opening};
use crate::failure::Failure;
use crate::sse::Frame;
use crate::{ClientApi, UpstreamApi, Usage};

/// The most bytes of an answer that are kept for its history.
const LONGEST_HISTORY: usize = 8 * 1024 * 1024;

/// Translates a stream, one event of the upstream's at a time.
#[derive(Debug)]
pub struct StreamTranslator {
    reader: Reader,
    keep: Keep,
    writer: Writer,
    /// Whether the upstream may tell its usage after it has finished, as Chat does.
    late_usage: bool,
    said: Option<Said>,
    failure: Option<Failure>,
}

impl StreamTranslator {
    /// A translator of a stream that begins.
    #[must_use]
    pub fn new(asked: &Asked, api: ClientApi, opening: Opening) -> Self {
        Self {
            reader: Reader::new(asked),
            keep: Keep::new(asked),
            writer: Writer::new(api, opening),
            late_usage: asked.api == UpstreamApi::OpenaiCompletions,
            // Only Responses goes on from an answer by its id.
            said: (api == ClientApi::Responses).then(Said::default),
            failure: None,
        }
    }

    /// What the client is sent for an event of the upstream's (of Ollama, a line): whole events of its own API. It may
    /// be nothing, and nothing of it is content before [`Self::has_content`].
    pub fn push(&mut self, frame: &Frame) -> Bytes {
        if self.writer.is_over() {
            return Bytes::new();
        }
        let events = self.keep.pass(self.reader.read(frame));
        let counted = events.iter().any(|event| matches!(event, Event::Usage(_)));
        let out = self.tell(&events);
        // The end waits for what may come after it: a count, or the word that nothing does.
        let done =
            !self.late_usage || counted || frame.data.as_deref().is_some_and(|data| data.trim_ascii() == b"[DONE]");
        if self.writer.is_finished() && done { join(out, self.writer.end()) } else { out }
    }

    /// What the client is sent when the upstream's body has ended: what was missing yet of the end, or an error where
    /// the answer was not whole.
    pub fn end(&mut self) -> Bytes {
        if self.writer.is_over() {
            return Bytes::new();
        }
        let events = self.keep.pass(self.reader.end());
        let out = self.tell(&events);
        let last = self.writer.end();
        if self.failure.is_none() && !self.writer.is_finished() {
            self.failure = Some(Failure::new("the answer broke off before its end"));
        }
        join(out, last)
    }

    /// Whether a word, a thought or a call was written. Before that, what was written may be thrown away and another
    /// upstream asked.
    #[must_use]
    pub fn has_content(&self) -> bool {
        self.writer.has_content()
    }

    /// How the upstream failed, if it did. The client's error event has been written then.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// Whether the upstream's answer is whole: a body that ends now was not cut.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.writer.is_finished()
    }

    /// Whether the last byte was written.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.writer.is_over()
    }

    /// The tokens told so far.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        self.writer.usage()
    }

    /// What was left out so far.
    #[must_use]
    pub fn notes(&self) -> &[Note] {
        self.writer.notes()
    }

    /// What the model said, for the history of a Responses client's next request; each block's growth is one
    /// [`Event::Delta`]. Empty for the other APIs, and when it is too long to keep (8 MiB).
    #[must_use]
    pub fn said(&self) -> &[Event] {
        self.said.as_ref().map(|said| said.events.as_slice()).unwrap_or_default()
    }

    fn tell(&mut self, events: &[Event]) -> Bytes {
        if let Some(said) = &mut self.said
            && !events.iter().all(|event| said.keep(event))
        {
            self.said = None;
        }
        if let Some(Event::Failed(failure)) = events.last() {
            self.failure = Some(failure.clone());
        }
        self.writer.write_all(events)
    }
}

/// A whole body for a client, and what happens in it.
///
/// # Errors
/// When the upstream failed, or the body holds no answer.
pub fn translate_answer(
    asked: &Asked,
    api: ClientApi,
    opening: &Opening,
    body: &[u8],
) -> Result<(Bytes, Vec<Event>), Failure> {
    let events = Keep::new(asked).pass(read_answer(asked, body));
    whole(api, opening, &events).map(|body| (body, events))
}

#[derive(Debug, Default)]
struct Said {
    events: Vec<Event>,
    bytes: usize,
}

impl Said {
    /// False when it is too long.
    fn keep(&mut self, event: &Event) -> bool {
        match event {
            Event::Life | Event::Usage(_) | Event::Dropped(_) => return true,
            Event::Delta(text) => {
                self.bytes += text.len();
                if let Some(Event::Delta(before)) = self.events.last_mut() {
                    before.push_str(text);
                    return self.bytes <= LONGEST_HISTORY;
                }
            }
            Event::End { opaque: Some(opaque) } => self.bytes += opaque.value.len(),
            _ => self.bytes += size_of::<Event>(),
        }
        self.events.push(event.clone());
        self.bytes <= LONGEST_HISTORY
    }
}

fn join(first: Bytes, second: Bytes) -> Bytes {
    match (first.is_empty(), second.is_empty()) {
        (true, _) => second,
        (_, true) => first,
        _ => [first, second].concat().into(),
    }
}
