//! Requests as each upstream API wants them. One file per API; what they share stands in files of its own: the order of
//! the conversation, the tools' names, how much to think, what is known of families of models.
//!
//! What an API has no place for is left out with a [`Note`]; where that would change what the request means, it is
//! refused. `docs/translation.md` lists both. Must not know: who asked, how the answer is read, what is tried next.

mod cache;
mod chat;
mod effort;
mod family;
mod form;
mod function;
mod gemini;
mod messages;
mod names;
mod ollama;
mod picture;
mod responses;
mod schema;
mod thread;
mod words;

use serde_json::{Map, Value};

use super::{Note, Outgoing, Prompt, Upstream};
use crate::UpstreamApi;
use crate::error::{ApiError, ErrorKind};
use crate::translate::exact;
use names::ToolNames;
use thread::{IdRule, Step};

/// Writes a request for an upstream.
///
/// # Errors
/// When the upstream's API cannot be asked for this without changing what it means, or is none that we speak: the error
/// says what and names the request's key.
pub fn write_request(prompt: &Prompt, upstream: &Upstream) -> Result<Outgoing, ApiError> {
    if prompt.previous_response_id.is_some() && upstream.api != UpstreamApi::OpenaiResponses {
        return Err(ApiError::new(
            ErrorKind::InvalidRequest,
            "previous_response_not_found",
            "the earlier response is not known here, and the model that answers keeps none: send the whole conversation \
             in input instead",
        )
        .about("previous_response_id"));
    }
    let draft = Draft::new(prompt, upstream)?;
    match &upstream.api {
        UpstreamApi::OpenaiCompletions => chat::write(draft),
        UpstreamApi::OpenaiResponses => responses::write(draft),
        UpstreamApi::AnthropicMessages => messages::write(draft),
        UpstreamApi::GoogleGenerativeAi => gemini::write(draft),
        UpstreamApi::Ollama => ollama::write(draft),
        other @ UpstreamApi::Other(_) => Err(ApiError::new(
            ErrorKind::InvalidRequest,
            "unsupported_api",
            format!("requests cannot be translated into the API {}; ask another model", other.name()),
        )),
    }
}

/// A request while it is written.
struct Draft<'a> {
    prompt: &'a Prompt,
    upstream: &'a Upstream,
    tools: ToolNames<'a>,
    notes: Vec<Note>,
}

impl<'a> Draft<'a> {
    fn new(prompt: &'a Prompt, upstream: &'a Upstream) -> Result<Self, ApiError> {
        let tools = ToolNames::new(prompt, &upstream.api)?;
        let mut draft = Self { prompt, upstream, tools, notes: prompt.notes.clone() };
        if upstream.compat.tools == Some(false) && !prompt.tools.is_empty() {
            draft.tools.offer_none();
            draft.left_out("tools");
        }
        Ok(draft)
    }

    /// The conversation, in the order that every API takes.
    fn steps(&mut self, ids: IdRule) -> Result<Vec<Step<'a>>, ApiError> {
        thread::steps(self.prompt, self.upstream, &self.tools, ids, &mut self.notes)
    }

    fn left_out(&mut self, what: &'static str) {
        self.notes.push(Note::dropped(what));
    }

    fn left_out_if(&mut self, said: bool, what: &'static str) {
        if said {
            self.left_out(what);
        }
    }

    /// The most tokens to write: as asked, but no more than the configuration lets it.
    fn max_output(&self) -> Option<u64> {
        let asked = self.prompt.max_output?;
        Some(self.upstream.max_tokens.map_or(asked, |most| asked.min(most)))
    }

    fn finish(mut self, path: String, query: Option<&str>, body: Map<String, Value>) -> Outgoing {
        self.notes.sort();
        self.notes.dedup();
        Outgoing {
            path,
            query: query.map(ToOwned::to_owned),
            headers: Vec::new(),
            body: exact::release(Value::Object(body).to_string()).into(),
            names: self.tools.into_names(),
            notes: self.notes,
        }
    }
}

/// Writes a key when there is a value.
fn set<T: Into<Value>>(map: &mut Map<String, Value>, key: &str, value: Option<T>) {
    if let Some(value) = value {
        map.insert(key.to_owned(), value.into());
    }
}

/// Something that cannot be left out, for an upstream that has no place for it.
fn refused(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorKind::InvalidRequest, "unsupported_content", message)
}

/// A short name for a text: FNV-1a, which is the same in every run, so that what an upstream has cached stays the same.
fn digest(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
