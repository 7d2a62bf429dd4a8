//! Google's Gemini: `generateContent`, and `streamGenerateContent` with and without `alt=sse`. Source: Google's API
//! reference, and recorded streams.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Event, data};
use crate::answer::{Answer, End, ToolCall};
use crate::options::ReasoningForm;
use crate::request::Asked;

/// What every signature of ours begins with, so that one that is given back is known.
pub(crate) const SIGNATURE: &str = "SimThought";

/// A response for each piece; the last has the reason and the signature.
pub(crate) fn events(asked: &Asked, answer: &Answer) -> Vec<Event> {
    let mut responses: Vec<(Value, bool)> = Vec::new();
    let shown = thoughts_wanted(asked);
    let thoughts =
        if answer.reasoning_form == ReasoningForm::OneShot { vec![answer.thought()] } else { answer.thoughts.clone() };
    for thought in thoughts.iter().filter(|thought| shown && !thought.is_empty()) {
        responses.push((response(answer, json!([{"text": thought, "thought": true}]), None), true));
    }
    for word in &answer.words {
        responses.push((response(answer, json!([{"text": word}]), None), true));
    }
    let mut last = json!({"text": ""});
    let calls = calls(answer);
    if !calls.is_empty() {
        responses.push((response(answer, Value::Array(calls), None), true));
    } else if signs(answer) {
        last["thoughtSignature"] = signature(answer);
    }
    responses.push((response(answer, json!([last]), Some(finish_reason(answer))), false));
    let count = responses.len();
    let frame = |(at, (value, content)): (usize, (Value, bool))| {
        let bytes = if asked.sse { data(&value) } else { in_list(&value, at, count) };
        if content { Event::content(bytes, answer.word_delay) } else { Event::frame(bytes) }
    };
    responses.into_iter().enumerate().map(frame).collect()
}

/// The same answer in one piece.
pub(crate) fn body(asked: &Asked, answer: &Answer) -> Value {
    let mut parts = Vec::new();
    if thoughts_wanted(asked) && !answer.thoughts.is_empty() {
        parts.push(json!({"text": answer.thought(), "thought": true}));
    }
    let mut text = json!({"text": answer.text()});
    let calls = calls(answer);
    if calls.is_empty() && signs(answer) {
        text["thoughtSignature"] = signature(answer);
    }
    parts.push(text);
    parts.extend(calls);
    response(answer, Value::Array(parts), Some(finish_reason(answer)))
}

/// What `countTokens` answers.
pub(crate) fn count(asked: &Asked) -> Value {
    let tokens = asked.input_tokens;
    json!({"totalTokens": tokens, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": tokens}]})
}

/// Without `alt=sse`, a stream is one list that grows.
fn in_list(value: &Value, at: usize, count: usize) -> Bytes {
    let before = if at == 0 { "[" } else { ",\r\n" };
    let after = if at + 1 == count { "]" } else { "" };
    Bytes::from(format!("{before}{value}{after}"))
}

fn response(answer: &Answer, parts: Value, finish: Option<&str>) -> Value {
    let mut candidate = json!({"content": {"parts": parts, "role": "model"}, "index": 0});
    if let Some(finish) = finish {
        candidate["finishReason"] = json!(finish);
    }
    let mut usage = json!({
        "promptTokenCount": answer.input_tokens,
        "candidatesTokenCount": answer.output_tokens - answer.reasoning_tokens,
        "totalTokenCount": answer.input_tokens + answer.output_tokens,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": answer.input_tokens}],
    });
    if answer.reasoning_tokens > 0 {
        usage["thoughtsTokenCount"] = json!(answer.reasoning_tokens);
    }
    json!({"candidates": [candidate], "usageMetadata": usage, "modelVersion": answer.model, "responseId": answer.id})
}

/// Of several calls in one answer only the first is signed.
fn calls(answer: &Answer) -> Vec<Value> {
    let part = |(at, call): (usize, &ToolCall)| {
        let mut part = json!({"functionCall": {"name": call.name, "args": call.arguments}});
        if at == 0 && signs(answer) {
            part["thoughtSignature"] = signature(answer);
        }
        part
    };
    answer.calls.iter().enumerate().map(part).collect()
}

/// Models that think sign what they say.
fn signs(answer: &Answer) -> bool {
    !answer.thoughts.is_empty() || answer.model.starts_with("gemini-3")
}

fn signature(answer: &Answer) -> Value {
    json!(format!("{SIGNATURE}{}==", answer.id))
}

/// Thoughts are shown only to whoever asks for them.
fn thoughts_wanted(asked: &Asked) -> bool {
    asked.body.pointer("/generationConfig/thinkingConfig/includeThoughts").and_then(Value::as_bool) == Some(true)
}

fn finish_reason(answer: &Answer) -> &'static str {
    if answer.end == End::Length { "MAX_TOKENS" } else { "STOP" }
}
