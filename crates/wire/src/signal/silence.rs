//! What an answer without any content means: a model may have nothing to say, but a server that ends a stream as if it
//! had answered, without a word and without a token, has not.
//!
//! Sources: LM Studio's users (a prompt that overflows the context can end so), the APIs' published reasons to stop.

use serde_json::value::RawValue;

use super::{StreamReader, chat, says_something, string};
use crate::{ClientApi, Usage};

/// An answer without content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// It is meant: tokens were written that show nothing, or the reason says why there are none.
    Meant,
    /// The request fills the model's context: it stopped for length before the first token.
    Full,
    /// It ended as if all were well, and by its own count no token was written.
    Nothing,
    /// As [`Self::Nothing`], by an upstream that tells no counts.
    Uncounted,
}

impl Silence {
    /// By the API's own reason to stop, and the tokens written as the upstream counts them.
    #[must_use]
    pub fn of(reason: Option<&str>, written: Option<u64>) -> Self {
        match (reason.unwrap_or_default(), written) {
            ("model_context_window_exceeded", _) => Self::Full,
            (_, Some(1..)) => Self::Meant,
            ("length" | "max_tokens" | "max_output_tokens", Some(0)) => Self::Full,
            ("" | "stop" | "end_turn" | "completed", Some(0)) => Self::Nothing,
            ("" | "stop" | "end_turn" | "completed", None) => Self::Uncounted,
            _ => Self::Meant,
        }
    }

    /// Of a whole body that is an answer of this API; none where it has content.
    #[must_use]
    pub fn of_body(api: ClientApi, body: &[u8], usage: Option<Usage>) -> Option<Self> {
        #[derive(serde::Deserialize)]
        struct Whole<'a> {
            #[serde(borrow)]
            choices: Option<&'a RawValue>,
            #[serde(borrow)]
            content: Option<&'a RawValue>,
            #[serde(borrow)]
            stop_reason: Option<&'a RawValue>,
        }
        let whole: Whole<'_> = serde_json::from_slice(body).ok()?;
        let reason = match api {
            ClientApi::Embeddings => return None,
            ClientApi::Chat | ClientApi::Completions => chat::silent_choices(whole.choices)?,
            ClientApi::Messages => {
                let blocks: Vec<&RawValue> = serde_json::from_str(whole.content?.get()).ok()?;
                if blocks.into_iter().any(block_says_something) {
                    return None;
                }
                string(whole.stop_reason)
            }
            ClientApi::Responses => {
                let response: Response<'_> = serde_json::from_slice(body).ok()?;
                if response.says_something() {
                    return None;
                }
                response.reason()
            }
        };
        Some(Self::of(reason.as_deref(), usage.map(|usage| usage.output)))
    }
}

/// A response as it ends.
#[derive(serde::Deserialize)]
pub(super) struct Response<'a> {
    #[serde(borrow)]
    output: Option<&'a RawValue>,
    #[serde(borrow)]
    incomplete_details: Option<&'a RawValue>,
    #[serde(borrow)]
    status: Option<&'a RawValue>,
}

impl Response<'_> {
    /// Whether its output holds more than empty containers.
    pub(super) fn says_something(&self) -> bool {
        let items: Vec<&RawValue> =
            self.output.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
        items.into_iter().any(item_says_something)
    }

    /// Why it ended.
    pub(super) fn reason(&self) -> Option<String> {
        #[derive(serde::Deserialize)]
        struct Details<'a> {
            #[serde(borrow)]
            reason: Option<&'a RawValue>,
        }
        let details = self.incomplete_details.and_then(|raw| serde_json::from_str::<Details<'_>>(raw.get()).ok());
        details.and_then(|details| string(details.reason)).or_else(|| string(self.status))
    }
}

/// Whether an item of a response's output holds more than an empty container does.
pub(super) fn item_says_something(item: &RawValue) -> bool {
    #[derive(serde::Deserialize)]
    struct Item<'a> {
        #[serde(borrow, rename = "type")]
        kind: Option<&'a RawValue>,
        #[serde(borrow)]
        content: Option<&'a RawValue>,
        #[serde(borrow)]
        summary: Option<&'a RawValue>,
        #[serde(borrow)]
        encrypted_content: Option<&'a RawValue>,
    }
    let Ok(item) = serde_json::from_str::<Item<'_>>(item.get()) else { return false };
    match string(item.kind).as_deref() {
        Some("message" | "reasoning") => {
            let parts: Option<Vec<&RawValue>> = item.content.and_then(|raw| serde_json::from_str(raw.get()).ok());
            parts.map_or(says_something(item.content), |parts| parts.into_iter().any(|part| says_words(Some(part))))
                || says_something(item.summary)
                || says_something(item.encrypted_content)
        }
        Some(_) => true,
        None => false,
    }
}

/// Whether a block of a message holds more than a text without words.
fn block_says_something(block: &RawValue) -> bool {
    #[derive(serde::Deserialize)]
    struct Block<'a> {
        #[serde(borrow, rename = "type")]
        kind: Option<&'a RawValue>,
    }
    let kind = serde_json::from_str::<Block<'_>>(block.get()).ok().and_then(|block| string(block.kind));
    kind.as_deref() != Some("text") || says_words(Some(block))
}

/// Whether a part of a message holds words.
pub(super) fn says_words(part: Option<&RawValue>) -> bool {
    #[derive(serde::Deserialize)]
    struct Part<'a> {
        #[serde(borrow)]
        text: Option<&'a RawValue>,
        #[serde(borrow)]
        refusal: Option<&'a RawValue>,
    }
    let part = part.and_then(|raw| serde_json::from_str::<Part<'_>>(raw.get()).ok());
    part.is_some_and(|part| says_something(part.text) || says_something(part.refusal))
}

impl StreamReader {
    /// What it means that no content came. To be asked at the end; `usage`: the tokens, where more is known of them
    /// than the stream has told.
    #[must_use]
    pub fn silence(&self, usage: Option<Usage>) -> Option<Silence> {
        let written = usage.map(|usage| usage.output).or(self.written);
        (!self.spoke).then(|| Silence::of(self.reason.as_deref(), written))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use crate::signal::{Answer, read_body};
    use crate::sse::Framer;
    use ClientApi::{Chat, Completions, Messages, Responses};

    fn of_stream(api: ClientApi, events: &[&str]) -> Option<Silence> {
        let (mut framer, mut reader) = (Framer::default(), StreamReader::new(api));
        events.iter().for_each(|event| framer.push(format!("data: {event}\n\n").as_bytes()));
        while let Some(frame) = framer.next_frame().unwrap() {
            reader.read(&frame);
        }
        assert!(reader.is_whole(), "{events:?}");
        reader.silence(None)
    }

    #[test]
    fn streams_without_content() {
        let role = r#"{"choices":[{"delta":{"role":"assistant","content":""}}]}"#;
        let stop = r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#;
        let length = r#"{"choices":[{"delta":{},"finish_reason":"length"}]}"#;
        let filtered = r#"{"choices":[{"delta":{},"finish_reason":"content_filter"}]}"#;
        let none = r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":0}}"#;
        let some = r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2}}"#;
        let word = r#"{"choices":[{"delta":{"content":"a"}}]}"#;
        let done = "[DONE]";
        assert_eq!(of_stream(Chat, &[role, stop, done]), Some(Silence::Uncounted));
        assert_eq!(of_stream(Chat, &[done]), Some(Silence::Uncounted));
        assert_eq!(of_stream(Chat, &[role, stop, none, done]), Some(Silence::Nothing));
        assert_eq!(of_stream(Chat, &[role, stop, some, done]), Some(Silence::Meant));
        assert_eq!(of_stream(Chat, &[role, length, none, done]), Some(Silence::Full));
        assert_eq!(of_stream(Chat, &[role, length, done]), Some(Silence::Meant));
        assert_eq!(of_stream(Chat, &[role, filtered, none, done]), Some(Silence::Meant));
        assert_eq!(of_stream(Chat, &[role, word, stop, none, done]), None);

        let start = r#"{"type":"message_start","message":{"usage":{"input_tokens":9,"output_tokens":1}}}"#;
        let end = |reason: &str, output: u32| {
            format!(
                r#"{{"type":"message_delta","delta":{{"stop_reason":"{reason}"}},"usage":{{"output_tokens":{output}}}}}"#
            )
        };
        let stop = r#"{"type":"message_stop"}"#;
        assert_eq!(of_stream(Messages, &[start, &end("end_turn", 0), stop]), Some(Silence::Nothing));
        assert_eq!(of_stream(Messages, &[start, &end("end_turn", 3), stop]), Some(Silence::Meant));
        assert_eq!(of_stream(Messages, &[start, &end("refusal", 0), stop]), Some(Silence::Meant));
        assert_eq!(of_stream(Messages, &[start, &end("model_context_window_exceeded", 0), stop]), Some(Silence::Full));

        let ended = |output: &str| {
            let usage = r#""usage":{"input_tokens":9,"output_tokens":0}"#;
            let response = format!(r#"{{"id":"r","status":"completed","output":{output},{usage}}}"#);
            format!(r#"{{"type":"response.completed","response":{response}}}"#)
        };
        let part =
            |text: &str| format!(r#"[{{"type":"message","content":[{{"type":"output_text","text":"{text}"}}]}}]"#);
        assert_eq!(of_stream(Responses, &[&ended("[]")]), Some(Silence::Nothing));
        assert_eq!(of_stream(Responses, &[&ended(&part(""))]), Some(Silence::Nothing));
        assert_eq!(of_stream(Responses, &[&ended(&part("told at the end alone"))]), None);
        assert_eq!(of_stream(Responses, &[&ended(r#"[{"type":"function_call"}]"#)]), None);
    }

    #[test]
    fn bodies_without_content() {
        let of = |api, body: &str| {
            let Answer::Whole(usage) = read_body(api, body.as_bytes()) else { panic!("{body}") };
            Silence::of_body(api, body.as_bytes(), usage)
        };
        let chat = |message: &str, tokens: u32| {
            let choice = format!(r#"{{"message":{message},"finish_reason":"stop"}}"#);
            format!(r#"{{"choices":[{choice}],"usage":{{"prompt_tokens":9,"completion_tokens":{tokens}}}}}"#)
        };
        assert_eq!(of(Chat, &chat(r#"{"content":""}"#, 0)), Some(Silence::Nothing));
        assert_eq!(of(Chat, &chat(r#"{"content":null}"#, 1)), Some(Silence::Meant));
        assert_eq!(of(Chat, &chat(r#"{"content":null,"tool_calls":[{}]}"#, 0)), None);
        assert_eq!(of(Chat, r#"{"choices":[]}"#), Some(Silence::Uncounted));
        assert_eq!(of(Completions, r#"{"choices":[{"text":"","finish_reason":"stop"}]}"#), Some(Silence::Uncounted));
        assert_eq!(of(Completions, r#"{"choices":[{"text":"a","finish_reason":"stop"}]}"#), None);
        assert_eq!(of(Messages, r#"{"content":[],"stop_reason":"end_turn"}"#), Some(Silence::Uncounted));
        assert_eq!(of(Messages, r#"{"content":[{"type":"text","text":""}]}"#), Some(Silence::Uncounted));
        assert_eq!(of(Messages, r#"{"content":[{"type":"text","text":"a"}]}"#), None);
        assert_eq!(of(Responses, r#"{"output":[],"status":"completed"}"#), Some(Silence::Uncounted));
        let cut = r#"{"output":[],"status":"incomplete","incomplete_details":{"reason":"content_filter"}}"#;
        assert_eq!(of(Responses, cut), Some(Silence::Meant));
        assert_eq!(of(ClientApi::Embeddings, r#"{"data":[]}"#), None);
    }
}
