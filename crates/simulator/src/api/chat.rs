//! `/v1/chat/completions`. Source: recorded streams of OpenAI and of servers that imitate it.

use bytes::Bytes;
use serde_json::{Value, json};

use super::responses::pieces;
use super::{Event, data};
use crate::answer::{Answer, End, ToolCall};
use crate::options::Kind;
use crate::request::Asked;

/// The role, the pieces, the finish reason, the usage where it is asked for, and `[DONE]`.
pub(crate) fn events(asked: &Asked, answer: &Answer) -> Vec<Event> {
    let mut out = Vec::new();
    for index in 0..answer.times {
        choice_events(asked, answer, index, &mut out);
    }
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

fn choice_events(asked: &Asked, answer: &Answer, choice: usize, out: &mut Vec<Event>) {
    let chunk = |delta: Value, finish: Option<&str>| {
        let mut chunk = json!({
            "id": format!("chatcmpl-{}", answer.id),
            "object": "chat.completion.chunk",
            "created": answer.created,
            "model": answer.model,
            "system_fingerprint": answer.model,
            "choices": [{"index": choice, "delta": delta, "logprobs": null, "finish_reason": finish}],
        });
        if asked.include_usage {
            chunk["usage"] = Value::Null;
        }
        data(&chunk)
    };
    out.push(Event::frame(chunk(json!({"role": "assistant", "content": ""}), None)));
    for thought in &answer.thoughts {
        out.push(Event::content(chunk(json!({reasoning_key(answer): thought}), None), answer.word_delay));
    }
    for word in &answer.words {
        out.push(Event::content(chunk(json!({"content": word}), None), answer.word_delay));
    }
    for (index, call) in answer.calls.iter().enumerate() {
        let opening = json!({"tool_calls": [{"index": index, "id": format!("call_{}", call.id), "type": "function",
            "function": {"name": call.name, "arguments": ""}}]});
        out.push(Event::content(chunk(opening, None), answer.word_delay));
        for piece in pieces(&call.arguments.to_string()) {
            let delta = json!({"tool_calls": [{"index": index, "function": {"arguments": piece}}]});
            out.push(Event::content(chunk(delta, None), answer.word_delay));
        }
    }
    out.push(Event::frame(chunk(json!({}), Some(finish_reason(answer)))));
}

/// The same answer in one piece.
pub(crate) fn body(answer: &Answer) -> Value {
    let mut message = json!({"role": "assistant", "content": answer.text()});
    if !answer.thoughts.is_empty() {
        message[reasoning_key(answer)] = json!(answer.thought());
    }
    if !answer.calls.is_empty() {
        let call = |call: &ToolCall| {
            json!({"id": format!("call_{}", call.id), "type": "function",
                "function": {"name": call.name, "arguments": call.arguments.to_string()}})
        };
        message["tool_calls"] = answer.calls.iter().map(call).collect();
    }
    let choice =
        |index| json!({"index": index, "message": message, "logprobs": null, "finish_reason": finish_reason(answer)});
    let choices: Vec<Value> = (0..answer.times).map(choice).collect();
    let mut body = json!({
        "id": format!("chatcmpl-{}", answer.id),
        "object": "chat.completion",
        "created": answer.created,
        "model": answer.model,
        "choices": choices,
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
    let written = answer.output_tokens * answer.times as u64;
    json!({
        "prompt_tokens": answer.input_tokens,
        "completion_tokens": written,
        "total_tokens": answer.input_tokens + written,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": answer.reasoning_tokens},
    })
}
