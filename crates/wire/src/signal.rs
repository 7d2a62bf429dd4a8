//! What an event of a stream, or a whole body, means for the request: content, a sign of life, an error, the end.
//!
//! The bytes themselves are passed on; this only reads along. Unknown fields and events are no errors. Reasoning and
//! tool calls are content.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::failure::Failure;
use crate::sse::Frame;
use crate::{ClientApi, Usage};

mod chat;
mod messages;
mod responses;
mod silence;

pub use silence::Silence;

/// What one event means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signal {
    /// The upstream is alive and has said nothing yet: a comment, a ping, an event that opens something.
    Lifecycle,
    /// Text, reasoning, a tool call.
    Content,
    /// The end of a whole answer. Nothing but a closing `[DONE]` may follow.
    Terminal,
    /// The upstream failed.
    Error {
        /// What it says.
        failure: Failure,
        /// Whether the event is in the form of this API, so that its clients understand it.
        own: bool,
    },
    /// No event of any API: the data is not JSON.
    Malformed(String),
    /// It came after the end, where nothing may come.
    Surplus,
}

/// Reads along a stream of one API.
#[derive(Debug)]
pub struct StreamReader {
    api: ClientApi,
    end: End,
    /// Bit sets of the `index` of Chat's choices: begun, and finished.
    begun: u64,
    finished: u64,
    usage: Option<Usage>,
    response_id: Option<String>,
    last_sequence: Option<u64>,
    /// Whether content has come.
    spoke: bool,
    /// Tokens of output as counted last: Anthropic's first count is a guess.
    written: Option<u64>,
    /// Why the answer ends, in its API's word.
    reason: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Open,
    /// The last event of a whole answer came, but not the `[DONE]` that may follow it.
    Terminal,
    /// An error came that the API follows up by another event.
    Error,
    /// Nothing more may come.
    Closed,
}

impl StreamReader {
    /// A reader of a stream that begins.
    #[must_use]
    pub fn new(api: ClientApi) -> Self {
        Self {
            api,
            end: End::Open,
            begun: 0,
            finished: 0,
            usage: None,
            response_id: None,
            last_sequence: None,
            spoke: false,
            written: None,
            reason: None,
        }
    }

    /// The tokens told so far.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// The id of the response that began (Responses only).
    #[must_use]
    pub fn response_id(&self) -> Option<&str> {
        self.response_id.as_deref()
    }

    /// The `sequence_number` that an event after the last one would have (Responses only).
    #[must_use]
    pub fn next_sequence(&self) -> u64 {
        self.last_sequence.map_or(0, |last| last.saturating_add(1))
    }

    /// Whether the answer is whole: a stream that ends now was not cut.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        match self.end {
            End::Open => self.begun != 0 && self.begun == self.finished,
            End::Terminal | End::Closed => true,
            End::Error => false,
        }
    }

    /// Whether the last event of the answer was read.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.end != End::Open
    }

    /// Reads one event.
    pub fn read(&mut self, frame: &Frame) -> Signal {
        let Some(data) = frame.data.as_ref().filter(|data| !data.is_empty()) else {
            return if self.end == End::Open { Signal::Lifecycle } else { Signal::Surplus };
        };
        let done = data.trim_ascii() == b"[DONE]";
        match self.end {
            End::Closed => return Signal::Surplus,
            End::Terminal if done => {
                self.end = End::Closed;
                return Signal::Terminal;
            }
            End::Terminal => return Signal::Surplus,
            End::Open | End::Error => {}
        }
        if done {
            return self.read_done();
        }
        let signal = match self.api {
            ClientApi::Responses => self.read_responses(frame.name(), data),
            ClientApi::Chat | ClientApi::Completions | ClientApi::Embeddings => self.read_chat(frame.name(), data),
            ClientApi::Messages => self.read_messages(frame.name(), data),
        };
        if self.end == End::Error && !matches!(signal, Signal::Error { own: true, .. }) {
            return Signal::Surplus;
        }
        self.spoke |= signal == Signal::Content;
        match &signal {
            Signal::Terminal => self.end = if self.api == ClientApi::Messages { End::Closed } else { End::Terminal },
            // OpenAI's Responses API follows an `error` up by `response.failed`.
            Signal::Error { own: true, .. } if self.api == ClientApi::Responses && self.end == End::Open => {
                self.end = if is_response_failed(frame.name(), data) { End::Closed } else { End::Error };
            }
            Signal::Error { .. } => self.end = End::Closed,
            _ => {}
        }
        signal
    }

    /// `[DONE]` ends Chat's streams. In the other APIs it is only a courtesy after the end, and proves nothing.
    fn read_done(&mut self) -> Signal {
        match (self.api, self.end) {
            (ClientApi::Chat | ClientApi::Completions | ClientApi::Embeddings, End::Open) => {
                self.end = End::Closed;
                Signal::Terminal
            }
            (_, End::Open) => Signal::Lifecycle,
            _ => Signal::Surplus,
        }
    }

    fn saw_usage(&mut self, usage: Option<&RawValue>) {
        let Some(raw) = usage else { return };
        let Ok(value) = serde_json::from_str::<Value>(raw.get()) else { return };
        if let Some(usage) = Usage::read(&value) {
            self.written = Some(usage.output);
            self.usage = Some(usage.or_earlier(self.usage));
        }
    }
}

fn is_response_failed(name: &str, data: &Bytes) -> bool {
    #[derive(Deserialize)]
    struct Kind<'a> {
        #[serde(borrow, rename = "type")]
        kind: Option<&'a RawValue>,
    }
    let kind = serde_json::from_slice::<Kind<'_>>(data).ok().and_then(|kind| kind.kind).map(RawValue::get);
    kind.map_or(name == "response.failed", |kind| kind == "\"response.failed\"")
}

/// Reads the data of an event. What is JSON of an unexpected shape is no error of the stream: it says nothing.
fn parse<'a, T: Deserialize<'a>>(data: &'a [u8]) -> Result<Option<T>, Signal> {
    match serde_json::from_slice(data) {
        Ok(event) => Ok(Some(event)),
        Err(error) if error.classify() == serde_json::error::Category::Data => Ok(None),
        Err(error) => Err(Signal::Malformed(format!("an event whose data is not JSON: {error}"))),
    }
}

/// The error within the data of an event, of which it is known that it holds one.
fn failure(data: &[u8]) -> Failure {
    let value: Value = serde_json::from_slice(data).unwrap_or_default();
    Failure::read(&value).unwrap_or_else(|| Failure::read_error(&value))
}

/// A string's text; none for anything else.
fn string(raw: Option<&RawValue>) -> Option<String> {
    serde_json::from_str(raw?.get()).ok()
}

/// Whether a value holds anything.
fn says_something(raw: Option<&RawValue>) -> bool {
    raw.is_some_and(|raw| !matches!(raw.get(), "null" | "\"\"" | "[]" | "{}"))
}

/// What a whole body means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// An answer of this API, with the tokens it tells.
    Whole(Option<Usage>),
    /// An error under a status that promised none.
    Failed(Failure),
    /// Neither.
    Malformed(String),
}

/// Reads a whole body that came with a good status.
#[must_use]
pub fn read_body(api: ClientApi, body: &[u8]) -> Answer {
    #[derive(Deserialize)]
    struct Whole<'a> {
        #[serde(borrow)]
        choices: Option<&'a RawValue>,
        #[serde(borrow)]
        output: Option<&'a RawValue>,
        #[serde(borrow)]
        content: Option<&'a RawValue>,
        #[serde(borrow)]
        data: Option<&'a RawValue>,
        #[serde(borrow)]
        usage: Option<&'a RawValue>,
        #[serde(borrow)]
        status: Option<&'a RawValue>,
        #[serde(borrow)]
        error: Option<&'a RawValue>,
    }
    if body.trim_ascii().is_empty() {
        return Answer::Malformed("an empty body".to_owned());
    }
    let whole: Whole<'_> = match serde_json::from_slice(body) {
        Ok(whole) => whole,
        Err(_) => return Answer::Malformed(format!("not a JSON object: {}", Failure::read_body(body).message)),
    };
    let error = says_something(whole.error);
    let failed = whole.status.is_some_and(|status| status.get() == "\"failed\"");
    let answer = match api {
        ClientApi::Responses => whole.output,
        ClientApi::Chat | ClientApi::Completions => whole.choices,
        ClientApi::Messages => whole.content,
        ClientApi::Embeddings => whole.data,
    };
    if error || failed || answer.is_none() {
        let value: Value = serde_json::from_slice(body).unwrap_or_default();
        return match Failure::read(&value) {
            Some(failure) => Answer::Failed(failure),
            None if failed => Answer::Failed(Failure::new("the response's status is failed")),
            None => Answer::Malformed(format!("no {} answer: {}", api.title(), Failure::read_body(body).message)),
        };
    }
    if let Some(failure) = chat::failed_choice(whole.choices) {
        return Answer::Failed(failure);
    }
    let usage = whole.usage.and_then(|raw| serde_json::from_str::<Value>(raw.get()).ok());
    Answer::Whole(usage.as_ref().and_then(Usage::read))
}
