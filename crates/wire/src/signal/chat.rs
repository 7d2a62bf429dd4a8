//! Events of Chat Completions and Completions.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Signal, StreamReader, failure, parse, says_something, string};
use crate::failure::Failure;

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow)]
    choices: Option<&'a RawValue>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    error_type: Option<&'a RawValue>,
    #[serde(borrow)]
    error_message: Option<&'a RawValue>,
    #[serde(borrow)]
    object: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow)]
    index: Option<&'a RawValue>,
    #[serde(borrow)]
    delta: Option<&'a RawValue>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    finish_reason: Option<&'a RawValue>,
}

/// The keys of a delta that a person or an agent gets something from, in every dialect that was seen.
#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    reasoning_content: Option<&'a RawValue>,
    #[serde(borrow)]
    reasoning: Option<&'a RawValue>,
    #[serde(borrow)]
    reasoning_text: Option<&'a RawValue>,
    #[serde(borrow)]
    reasoning_details: Option<&'a RawValue>,
    #[serde(borrow)]
    thinking: Option<&'a RawValue>,
    #[serde(borrow)]
    refusal: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_calls: Option<&'a RawValue>,
    #[serde(borrow)]
    function_call: Option<&'a RawValue>,
    #[serde(borrow)]
    audio: Option<&'a RawValue>,
    #[serde(borrow)]
    images: Option<&'a RawValue>,
}

fn is_content(delta: Option<&RawValue>) -> bool {
    let Some(delta) = delta.and_then(|raw| serde_json::from_str::<Delta<'_>>(raw.get()).ok()) else { return false };
    [
        delta.content,
        delta.reasoning_content,
        delta.reasoning,
        delta.reasoning_text,
        delta.reasoning_details,
        delta.thinking,
        delta.refusal,
        delta.tool_calls,
        delta.function_call,
        delta.audio,
        delta.images,
    ]
    .into_iter()
    .any(says_something)
}

fn choices(raw: Option<&RawValue>) -> Vec<Choice<'_>> {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
}

fn has_failed(choice: &Choice<'_>) -> bool {
    choice.finish_reason.is_some_and(|reason| reason.get() == "\"error\"")
}

/// The failure of a whole answer one of whose choices ended in an error.
pub(super) fn failed_choice(raw: Option<&RawValue>) -> Option<Failure> {
    choices(raw).iter().any(has_failed).then(|| Failure::new("the answer ended with finish_reason \"error\""))
}

/// Why the choices of a whole answer ended, where none of them has content; none where one has.
pub(super) fn silent_choices(raw: Option<&RawValue>) -> Option<Option<String>> {
    let choices = choices(raw);
    let speaks = |choice: &Choice<'_>| is_content(choice.message) || says_something(choice.text);
    (!choices.iter().any(speaks)).then(|| choices.iter().find_map(|choice| string(choice.finish_reason)))
}

impl StreamReader {
    pub(super) fn read_chat(&mut self, name: &str, data: &[u8]) -> Signal {
        let chunk: Chunk<'_> = match parse(data) {
            Ok(Some(chunk)) => chunk,
            Ok(None) => return Signal::Lifecycle,
            Err(malformed) => return malformed,
        };
        let says_error = says_something(chunk.error);
        let is_error = says_error
            || name == "error"
            || says_something(chunk.error_type)
            || says_something(chunk.error_message)
            || string(chunk.object).as_deref() == Some("error");
        if is_error {
            let own = chunk.error.is_some_and(|error| error.get().starts_with('{'));
            return Signal::Error { failure: failure(data), own };
        }
        self.saw_usage(chunk.usage);
        let mut content = false;
        for choice in choices(chunk.choices) {
            if has_failed(&choice) {
                let failure = Failure::new("the answer ended with finish_reason \"error\"");
                return Signal::Error { failure, own: false };
            }
            let index: u32 = choice.index.and_then(|index| serde_json::from_str(index.get()).ok()).unwrap_or(0);
            let bit = 1 << index.min(63);
            self.begun |= bit;
            if says_something(choice.finish_reason) {
                self.finished |= bit;
                self.reason = string(choice.finish_reason);
            }
            content |= is_content(choice.delta) || is_content(choice.message) || says_something(choice.text);
        }
        if content { Signal::Content } else { Signal::Lifecycle }
    }
}
