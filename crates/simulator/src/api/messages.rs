//! `/v1/messages`: Anthropic's, and LM Studio's imitation of it. Source: recorded streams of Anthropic.

use serde_json::{Value, json};

use super::responses::pieces;
use super::{Event, named};
use crate::answer::{Answer, End};
use crate::options::Kind;
use crate::request::Asked;

/// From `message_start` to `message_stop`; a block each for thinking, text and the tool.
pub(crate) fn events(_asked: &Asked, answer: &Answer) -> Vec<Event> {
    let event = |mut value: Value, kind: &str| {
        value["type"] = json!(kind);
        named(kind, &value)
    };
    let mut opening = envelope(answer);
    opening["usage"]["output_tokens"] = json!(1);
    let mut out = vec![Event::frame(event(json!({"type": "", "message": opening}), "message_start"))];
    for (index, block) in blocks(answer).into_iter().enumerate() {
        let start = json!({"type": "", "index": index, "content_block": block.start});
        out.push(Event::frame(event(start, "content_block_start")));
        if index == 0 {
            out.push(Event::frame(named("ping", &json!({"type": "ping"}))));
        }
        for delta in block.deltas {
            let bytes = event(json!({"type": "", "index": index, "delta": delta}), "content_block_delta");
            out.push(Event::content(bytes, answer.word_delay));
        }
        out.push(Event::frame(event(json!({"type": "", "index": index}), "content_block_stop")));
    }
    let delta = json!({"stop_reason": stop_reason(answer), "stop_sequence": answer.stopped_at});
    out.push(Event::frame(event(json!({"type": "", "delta": delta, "usage": usage(answer)}), "message_delta")));
    out.push(Event::frame(named("message_stop", &json!({"type": "message_stop"}))));
    out
}

/// The same answer in one piece.
pub(crate) fn body(answer: &Answer) -> Value {
    let mut body = envelope(answer);
    body["content"] = blocks(answer).into_iter().map(|block| block.whole).collect();
    body["stop_reason"] = json!(stop_reason(answer));
    body["stop_sequence"] = json!(answer.stopped_at);
    body
}

struct Block {
    start: Value,
    deltas: Vec<Value>,
    whole: Value,
}

fn blocks(answer: &Answer) -> Vec<Block> {
    let mut blocks = Vec::new();
    if !answer.thoughts.is_empty() {
        let mut deltas: Vec<Value> =
            answer.thoughts.iter().map(|t| json!({"type": "thinking_delta", "thinking": t})).collect();
        let mut whole = json!({"type": "thinking", "thinking": answer.thought(), "signature": ""});
        // Only Anthropic signs its thinking, and takes it back only with its own signature.
        if answer.kind == Kind::Anthropic {
            let signature = format!("sig{}", answer.id);
            deltas.push(json!({"type": "signature_delta", "signature": signature}));
            whole["signature"] = json!(signature);
        }
        blocks.push(Block { start: json!({"type": "thinking", "thinking": "", "signature": ""}), deltas, whole });
    }
    blocks.push(Block {
        start: json!({"type": "text", "text": ""}),
        deltas: answer.words.iter().map(|w| json!({"type": "text_delta", "text": w})).collect(),
        whole: json!({"type": "text", "text": answer.text()}),
    });
    for call in &answer.calls {
        let id = format!("toolu_{}", call.id);
        let arguments = call.arguments.to_string();
        let texts = std::iter::once(String::new()).chain(pieces(&arguments));
        blocks.push(Block {
            start: json!({"type": "tool_use", "id": id, "name": call.name, "input": {}}),
            deltas: texts.map(|piece| json!({"type": "input_json_delta", "partial_json": piece})).collect(),
            whole: json!({"type": "tool_use", "id": id, "name": call.name, "input": call.arguments}),
        });
    }
    blocks
}

fn envelope(answer: &Answer) -> Value {
    json!({"model": answer.model, "id": format!("msg_{}", answer.id), "type": "message", "role": "assistant",
        "content": [], "stop_reason": null, "stop_sequence": null, "usage": usage(answer)})
}

fn stop_reason(answer: &Answer) -> &'static str {
    match answer.end {
        End::Stop if answer.stopped_at.is_some() => "stop_sequence",
        End::Stop => "end_turn",
        End::Length => "max_tokens",
        End::Tool => "tool_use",
    }
}

fn usage(answer: &Answer) -> Value {
    json!({"input_tokens": answer.input_tokens, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
        "output_tokens": answer.output_tokens})
}
