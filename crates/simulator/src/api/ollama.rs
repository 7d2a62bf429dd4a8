//! Ollama's own form: `/api/chat`, `/api/generate` and `/api/embed`, whose streams are lines of JSON. Source: Ollama's
//! API documentation, and lines that a running server sent.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Event, vector};
use crate::answer::{Answer, End, ToolCall, rfc3339};
use crate::request::{Api, Asked};

/// A line for each piece, and the last with the reason and the counts.
pub(crate) fn events(asked: &Asked, answer: &Answer) -> Vec<Event> {
    let mut out = Vec::new();
    for thought in &answer.thoughts {
        out.push(Event::content(line(&piece(asked, answer, "", Some(thought))), answer.word_delay));
    }
    for word in &answer.words {
        out.push(Event::content(line(&piece(asked, answer, word, None)), answer.word_delay));
    }
    if let Some(calls) = calls(asked, answer) {
        let mut call = piece(asked, answer, "", None);
        call["message"]["tool_calls"] = calls;
        out.push(Event::content(line(&call), answer.word_delay));
    }
    out.push(Event::frame(line(&ended(asked, answer, "", None))));
    out
}

/// The same answer in one piece.
pub(crate) fn body(asked: &Asked, answer: &Answer) -> Value {
    let thought = Some(answer.thought()).filter(|thought| !thought.is_empty());
    let mut body = ended(asked, answer, &answer.text(), thought.as_deref());
    if let Some(calls) = calls(asked, answer) {
        body["message"]["tool_calls"] = calls;
    }
    body
}

/// The answer to a request that asks for none: it loads, or with a `keep_alive` of 0 unloads.
pub(crate) fn without_words(asked: &Asked, model: &str, created: u64, reason: &str) -> Value {
    let mut body = json!({"model": model, "created_at": rfc3339(created)});
    if asked.api == Api::OllamaChat {
        body["message"] = json!({"role": "assistant", "content": ""});
    } else {
        body["response"] = json!("");
    }
    body["done"] = json!(true);
    body["done_reason"] = json!(reason);
    body
}

/// A vector for each input.
pub(crate) fn embeddings(asked: &Asked, model: &str) -> Value {
    let inputs = match asked.body.get("input") {
        Some(Value::Array(items)) => items.clone(),
        Some(one) => vec![one.clone()],
        None => Vec::new(),
    };
    let length = asked.body.get("dimensions").and_then(Value::as_u64);
    let rows: Vec<Vec<f32>> = inputs.iter().map(|text| vector(&text.to_string(), length)).collect();
    json!({"model": model, "embeddings": rows, "total_duration": 1_000_000, "load_duration": 100_000,
        "prompt_eval_count": asked.input_tokens})
}

/// One line of a stream.
pub(crate) fn line(value: &Value) -> Bytes {
    Bytes::from(format!("{value}\n"))
}

fn piece(asked: &Asked, answer: &Answer, text: &str, thought: Option<&str>) -> Value {
    let mut piece = json!({"model": answer.model, "created_at": rfc3339(answer.created)});
    if asked.api == Api::OllamaChat {
        piece["message"] = json!({"role": "assistant", "content": text});
        if let Some(thought) = thought {
            piece["message"]["thinking"] = json!(thought);
        }
    } else {
        piece["response"] = json!(text);
        if let Some(thought) = thought {
            piece["thinking"] = json!(thought);
        }
    }
    piece["done"] = json!(false);
    piece
}

/// Arguments are an object. A call ends in `stop` like everything else.
fn calls(asked: &Asked, answer: &Answer) -> Option<Value> {
    if asked.api != Api::OllamaChat || answer.calls.is_empty() {
        return None;
    }
    let call = |(index, call): (usize, &ToolCall)| {
        let function = json!({"index": index, "name": call.name, "arguments": call.arguments});
        json!({"id": format!("call_{}", &call.id[..8]), "function": function})
    };
    Some(answer.calls.iter().enumerate().map(call).collect())
}

fn ended(asked: &Asked, answer: &Answer, text: &str, thought: Option<&str>) -> Value {
    let mut last = piece(asked, answer, text, thought);
    last["done"] = json!(true);
    last["done_reason"] = json!(if answer.end == End::Length { "length" } else { "stop" });
    let nanoseconds = |time: std::time::Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let writing = nanoseconds(answer.writing_time()).max(1);
    last["total_duration"] = json!(writing.saturating_add(2_000_000));
    last["load_duration"] = json!(1_000_000);
    last["prompt_eval_count"] = json!(answer.input_tokens);
    last["prompt_eval_duration"] = json!(1_000_000);
    last["eval_count"] = json!(answer.output_tokens);
    last["eval_duration"] = json!(writing);
    last
}
