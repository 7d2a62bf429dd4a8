//! `/v1/chat/completions`. Source: recorded streams of OpenAI and of servers that imitate it.

use bytes::Bytes;
use serde_json::{Value, json};

use super::responses::pieces;
use super::{Event, data};
use crate::answer::{Answer, End};
use crate::options::Kind;
use crate::request::Asked;

/// The role, the pieces, the finish reason, the usage where it is asked for, and `[DONE]`.
pub(crate) fn events(asked: &Asked, answer: &Answer) -> Vec<Event> {
    let chunk = |delta: Value, finish: Option<&str>| {
        let mut chunk = json!({
            "id": format!("chatcmpl-{}", answer.id),
            "object": "chat.completion.chunk",
            "created": answer.created,
            "model": answer.model,
            "system_fingerprint": answer.model,
            "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}],
        });
        if asked.include_usage {
            chunk["usage"] = Value::Null;
        }
        data(&chunk)
    };
    let mut out = vec![Event::frame(chunk(json!({"role": "assistant", "content": ""}), None))];
    for thought in &answer.thoughts {
        out.push(Event::content(chunk(json!({reasoning_key(answer): thought}), None), answer.word_delay));
    }
    for word in &answer.words {
        out.push(Event::content(chunk(json!({"content": word}), None), answer.word_delay));
    }
    if let Some(call) = &answer.tool {
        let opening = json!({"tool_calls": [{"index": 0, "id": format!("call_{}", answer.id), "type": "function",
            "function": {"name": call.name, "arguments": ""}}]});
        out.push(Event::content(chunk(opening, None), answer.word_delay));
        for piece in pieces(&call.arguments.to_string()) {
            let delta = json!({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]});
            out.push(Event::content(chunk(delta, None), answer.word_delay));
        }
    }
    out.push(Event::frame(chunk(json!({}), Some(finish_reason(answer)))));
    if asked.include_usage {
        out.push(Event::frame(data(&json!({
            "id": format!("chatcmpl-{}", answer.id),
            "object": "chat.completion.chunk",
            "created": answer.created,
            "model": answer.model,
            "system_fingerprint": answer.model,
            "choices": [],
            "usage": usage(answer),
        }))));
    }
    out.push(Event::frame(Bytes::from_static(b"data: [DONE]\n\n")));
    out
}

/// The same answer in one piece.
pub(crate) fn body(answer: &Answer) -> Value {
    let mut message = json!({"role": "assistant", "content": answer.text()});
    if !answer.thoughts.is_empty() {
        message[reasoning_key(answer)] = json!(answer.thought());
    }
    if let Some(call) = &answer.tool {
        message["tool_calls"] = json!([{"id": format!("call_{}", answer.id), "type": "function",
            "function": {"name": call.name, "arguments": call.arguments.to_string()}}]);
    }
    let mut body = json!({
        "id": format!("chatcmpl-{}", answer.id),
        "object": "chat.completion",
        "created": answer.created,
        "model": answer.model,
        "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": finish_reason(answer)}],
        "usage": usage(answer),
        "system_fingerprint": answer.model,
    });
    if answer.kind == Kind::LmStudio {
        body["stats"] = json!({});
    }
    body
}

/// Servers differ; so Ollama calls it.
fn reasoning_key(answer: &Answer) -> &'static str {
    if answer.kind == Kind::Ollama { "reasoning" } else { "reasoning_content" }
}

fn finish_reason(answer: &Answer) -> &'static str {
    match answer.end {
        End::Stop => "stop",
        End::Length => "length",
        End::Tool => "tool_calls",
    }
}

/// Usage, as chat and completions count it.
pub(super) fn usage(answer: &Answer) -> Value {
    json!({
        "prompt_tokens": answer.input_tokens,
        "completion_tokens": answer.output_tokens,
        "total_tokens": answer.input_tokens + answer.output_tokens,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": answer.reasoning_tokens},
    })
}
