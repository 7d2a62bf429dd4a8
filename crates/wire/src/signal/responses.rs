//! Events of OpenAI's Responses API.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::silence::{Response as Ended, item_says_something, says_words};
use super::{Signal, StreamReader, failure, parse, says_something, string};
use crate::failure::Failure;

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    sequence_number: Option<&'a RawValue>,
    #[serde(borrow)]
    response: Option<&'a RawValue>,
    #[serde(borrow)]
    delta: Option<&'a RawValue>,
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    part: Option<&'a RawValue>,
    #[serde(borrow)]
    item: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Response<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    status: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
}

impl StreamReader {
    pub(super) fn read_responses(&mut self, name: &str, data: &[u8]) -> Signal {
        let event: Event<'_> = match parse(data) {
            Ok(Some(event)) => event,
            Ok(None) => return Signal::Lifecycle,
            Err(malformed) => return malformed,
        };
        let sequence = event.sequence_number.and_then(|raw| serde_json::from_str::<u64>(raw.get()).ok());
        self.last_sequence = sequence.or(self.last_sequence);
        let typed = string(event.kind);
        let kind = typed.clone().unwrap_or_else(|| name.to_owned());
        let response = event.response.and_then(|raw| serde_json::from_str::<Response<'_>>(raw.get()).ok());
        if let Some(response) = &response {
            if self.response_id.is_none() {
                self.response_id = string(response.id);
            }
            self.saw_usage(response.usage);
        }
        match kind.as_str() {
            "response.completed" | "response.incomplete" => {
                let failed = response
                    .as_ref()
                    .is_some_and(|response| response.status.is_some_and(|status| status.get() == "\"failed\""));
                if failed {
                    Signal::Error { failure: of_response(response.as_ref()), own: false }
                } else {
                    self.saw_end(event.response);
                    Signal::Terminal
                }
            }
            "response.failed" | "response.cancelled" => {
                Signal::Error { failure: of_response(response.as_ref()), own: kind == "response.failed" }
            }
            "error" => Signal::Error { failure: failure(data), own: typed.is_some() },
            _ if name == "error" || says_something(event.error) => Signal::Error { failure: failure(data), own: false },
            // What opens an empty container says nothing yet.
            "response.created"
            | "response.in_progress"
            | "response.queued"
            | "response.content_part.added"
            | "response.reasoning_summary_part.added" => Signal::Lifecycle,
            "response.output_item.added" => {
                let item = event.item.and_then(|raw| serde_json::from_str::<Item<'_>>(raw.get()).ok());
                match item.and_then(|item| string(item.kind)).as_deref() {
                    Some("message" | "reasoning") | None => Signal::Lifecycle,
                    Some(_) => Signal::Content,
                }
            }
            delta if delta.ends_with(".delta") && !says_something(event.delta) => Signal::Lifecycle,
            // An empty container is closed as it was opened.
            "response.output_text.done" | "response.reasoning_text.done" | "response.reasoning_summary_text.done"
                if !says_something(event.text) =>
            {
                Signal::Lifecycle
            }
            "response.content_part.done" | "response.reasoning_summary_part.done" if !says_words(event.part) => {
                Signal::Lifecycle
            }
            "response.output_item.done" if !event.item.is_some_and(item_says_something) => Signal::Lifecycle,
            other if other.starts_with("response.") => Signal::Content,
            _ => Signal::Lifecycle,
        }
    }
}

impl StreamReader {
    /// Where nothing was said until now, the response as it ends may say it.
    fn saw_end(&mut self, response: Option<&RawValue>) {
        let ended = response.filter(|_| !self.spoke).map(RawValue::get);
        if let Some(response) = ended.and_then(|raw| serde_json::from_str::<Ended<'_>>(raw).ok()) {
            self.spoke = response.says_something();
            self.reason = response.reason();
        }
    }
}

fn of_response(response: Option<&Response<'_>>) -> Failure {
    let error = response.and_then(|response| response.error);
    match error.and_then(|raw| serde_json::from_str::<serde_json::Value>(raw.get()).ok()) {
        Some(serde_json::Value::String(message)) => Failure::new(message),
        Some(error) => Failure::read_error(&error),
        None => Failure::new("the response failed without saying why"),
    }
}
