//! Events of Anthropic's Messages API.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Signal, StreamReader, failure, parse, says_something, string};

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow)]
    content_block: Option<&'a RawValue>,
    #[serde(borrow)]
    delta: Option<&'a RawValue>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Start<'a> {
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Stop<'a> {
    #[serde(borrow)]
    stop_reason: Option<&'a RawValue>,
}

/// A content block, or a delta of one: the values that hold its content, by whatever type.
#[derive(Deserialize)]
struct Piece<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    thinking: Option<&'a RawValue>,
    #[serde(borrow)]
    partial_json: Option<&'a RawValue>,
}

impl StreamReader {
    pub(super) fn read_messages(&mut self, name: &str, data: &[u8]) -> Signal {
        let event: Event<'_> = match parse(data) {
            Ok(Some(event)) => event,
            Ok(None) => return Signal::Lifecycle,
            Err(malformed) => return malformed,
        };
        let kind = string(event.kind).unwrap_or_else(|| name.to_owned());
        if kind == "error" || name == "error" || says_something(event.error) {
            // LM Studio leaves the `type` out; clients that look at it would take the event for none.
            let typed = event.kind.is_some_and(|kind| kind.get() == "\"error\"");
            let own = typed && event.error.is_some_and(|error| error.get().starts_with('{'));
            return Signal::Error { failure: failure(data), own };
        }
        match kind.as_str() {
            "message_start" => {
                let start = event.message.and_then(|raw| serde_json::from_str::<Start<'_>>(raw.get()).ok());
                self.saw_usage(start.and_then(|start| start.usage));
                Signal::Lifecycle
            }
            "content_block_start" => piece(event.content_block, |piece, kind| {
                // An empty text or thinking block says nothing; a tool's name, or a search result, does.
                !matches!(kind, "text" | "thinking") || says_something(piece.text) || says_something(piece.thinking)
            }),
            "content_block_delta" => piece(event.delta, |piece, kind| match kind {
                "text_delta" => says_something(piece.text),
                "thinking_delta" => says_something(piece.thinking),
                "input_json_delta" => says_something(piece.partial_json),
                _ => true,
            }),
            "message_delta" => {
                let stop = event.delta.and_then(|raw| serde_json::from_str::<Stop<'_>>(raw.get()).ok());
                self.reason = stop.and_then(|stop| string(stop.stop_reason)).or(self.reason.take());
                self.saw_usage(event.usage);
                Signal::Lifecycle
            }
            "message_stop" => Signal::Terminal,
            _ => Signal::Lifecycle,
        }
    }
}

fn piece(raw: Option<&RawValue>, is_content: impl Fn(&Piece<'_>, &str) -> bool) -> Signal {
    let Some(piece) = raw.and_then(|raw| serde_json::from_str::<Piece<'_>>(raw.get()).ok()) else {
        return Signal::Lifecycle;
    };
    let kind = string(piece.kind).unwrap_or_default();
    if is_content(&piece, &kind) { Signal::Content } else { Signal::Lifecycle }
}
