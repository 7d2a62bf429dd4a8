//! `/v1/completions`, the oldest of them: text, and nothing of tools. Source: a recorded stream of OpenAI.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Event, chat, data};
use crate::answer::{Answer, End};
use crate::request::Asked;

/// The words, the finish reason, the usage where it is asked for, and `[DONE]`.
pub(crate) fn events(asked: &Asked, answer: &Answer) -> Vec<Event> {
    let chunk = |text: &str, finish: Option<&str>| {
        let mut chunk =
            envelope(answer, json!([{"text": text, "index": 0, "logprobs": null, "finish_reason": finish}]));
        if asked.include_usage {
            chunk["usage"] = Value::Null;
        }
        data(&chunk)
    };
    let mut out: Vec<Event> =
        answer.words.iter().map(|word| Event::content(chunk(word, None), answer.word_delay)).collect();
    out.push(Event::frame(chunk("", Some(finish_reason(answer)))));
    if asked.include_usage {
        let mut last = envelope(answer, json!([]));
        last["usage"] = chat::usage(answer);
        out.push(Event::frame(data(&last)));
    }
    out.push(Event::frame(Bytes::from_static(b"data: [DONE]\n\n")));
    out
}

/// The same answer in one piece.
pub(crate) fn body(answer: &Answer) -> Value {
    let choice = json!({"text": answer.text(), "index": 0, "logprobs": null, "finish_reason": finish_reason(answer)});
    let mut body = envelope(answer, json!([choice]));
    body["usage"] = chat::usage(answer);
    body
}

fn envelope(answer: &Answer, choices: Value) -> Value {
    json!({"id": format!("cmpl-{}", answer.id), "object": "text_completion", "created": answer.created,
        "model": answer.model, "choices": choices})
}

fn finish_reason(answer: &Answer) -> &'static str {
    if answer.end == End::Length { "length" } else { "stop" }
}
