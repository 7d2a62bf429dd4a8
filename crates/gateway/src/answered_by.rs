//! Which model an answer says it is from: LM Studio answers an unknown name with whatever is loaded.

use pilotlight_wire::sse::Frame;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::attempt::Held;

/// The `model` that a held answer names, as its upstream wrote it. None where it names none.
pub fn answered_by(held: &Held) -> Option<String> {
    match held {
        Held::Stream(stream) => match stream.source.model() {
            Some(model) => Some(model.to_owned()),
            None => stream.frames.iter().find_map(of_frame),
        },
        Held::Whole(whole) if whole.model.is_some() => whole.model.clone(),
        Held::Whole(whole) if whole.status.is_success() => of_json(&whole.body),
        Held::Whole(_) => None,
    }
}

/// The same of one event.
pub fn of_frame(frame: &Frame) -> Option<String> {
    of_json(frame.data.as_ref()?)
}

/// Chat and a whole body have `model` at the top, Responses' events in `response`, Messages' first in `message`.
pub fn of_json(json: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Named<'a> {
        #[serde(borrow)]
        model: Option<&'a RawValue>,
        #[serde(borrow)]
        response: Option<&'a RawValue>,
        #[serde(borrow)]
        message: Option<&'a RawValue>,
    }
    #[derive(Deserialize)]
    struct Inner {
        model: Option<String>,
    }
    let named: Named<'_> = serde_json::from_slice(json).ok()?;
    let text = |raw: &RawValue| serde_json::from_str::<String>(raw.get()).ok();
    let inner = |raw: &RawValue| serde_json::from_str::<Inner>(raw.get()).ok()?.model;
    named
        .model
        .and_then(text)
        .or_else(|| named.response.or(named.message).and_then(inner))
        .filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_name_in_each_api() {
        let table = [
            (r#"{"id":"x","model":"qwen","choices":[]}"#, Some("qwen")),
            (r#"{"type":"response.created","response":{"id":"r","model":"qwen"}}"#, Some("qwen")),
            (r#"{"type":"message_start","message":{"model":"qwen","usage":{}}}"#, Some("qwen")),
            (r#"{"choices":[]}"#, None),
            (r#"{"model":""}"#, None),
            (r#"{"model":7,"message":"text"}"#, None),
            ("[DONE]", None),
        ];
        for (json, expected) in table {
            assert_eq!(of_json(json.as_bytes()).as_deref(), expected, "{json}");
        }
    }
}
