//! `/v1/responses`: OpenAI's events, and where LM Studio differs (it sends a tool's arguments in one `done` without
//! deltas, and its reasoning as `reasoning_text`). Source: recorded streams of both.

use serde_json::{Value, json};

use super::{Event, named};
use crate::answer::{Answer, End, unix_seconds};
use crate::options::{Kind, ReasoningForm};
use crate::request::Asked;

/// The whole sequence, from `response.created` to `response.completed` (or `incomplete`).
pub(crate) fn events(asked: &Asked, answer: &Answer) -> Vec<Event> {
    let mut out = Sequence { events: Vec::new(), next: 0 };
    let opening = envelope(asked, answer, "in_progress", &[], false);
    out.frame(json!({"type": "response.created", "response": opening}));
    out.frame(json!({"type": "response.in_progress", "response": opening}));
    let items = items(answer, "completed");
    for (index, item) in items.iter().enumerate() {
        match item["type"].as_str() {
            Some("reasoning") => reasoning_events(&mut out, answer, index, item),
            Some("message") => message_events(&mut out, answer, index, item),
            _ => call_events(&mut out, answer, index, item),
        }
    }
    let (kind, status) = match answer.end {
        End::Length => ("response.incomplete", "incomplete"),
        End::Stop | End::Tool => ("response.completed", "completed"),
    };
    out.frame(json!({"type": kind, "response": envelope(asked, answer, status, &items, true)}));
    out.events
}

/// The same answer in one piece.
pub(crate) fn body(asked: &Asked, answer: &Answer) -> Value {
    let status = if answer.end == End::Length { "incomplete" } else { "completed" };
    envelope(asked, answer, status, &items(answer, "completed"), true)
}

struct Sequence {
    events: Vec<Event>,
    next: u64,
}

impl Sequence {
    fn bytes(&mut self, mut event: Value) -> bytes::Bytes {
        event["sequence_number"] = Value::from(self.next);
        self.next += 1;
        let name = event["type"].as_str().unwrap_or_default().to_owned();
        named(&name, &event)
    }

    fn frame(&mut self, event: Value) {
        let bytes = self.bytes(event);
        self.events.push(Event::frame(bytes));
    }

    fn content(&mut self, answer: &Answer, event: Value) {
        let bytes = self.bytes(event);
        self.events.push(Event::content(bytes, answer.word_delay));
    }
}

fn reasoning_events(out: &mut Sequence, answer: &Answer, index: usize, item: &Value) {
    let id = &item["id"];
    let text = answer.thought();
    let hosted = answer.kind != Kind::LmStudio;
    let empty = json!({"id": id, "type": "reasoning", "status": "in_progress", "summary": [], "content": []});
    out.frame(json!({"type": "response.output_item.added", "output_index": index, "item": empty}));
    // OpenAI shows a summary of its reasoning, LM Studio the reasoning itself.
    let (kind, part_kind, part, part_index) = if hosted {
        ("response.reasoning_summary_text", "response.reasoning_summary_part", "summary_text", "summary_index")
    } else {
        ("response.reasoning_text", "response.content_part", "reasoning_text", "content_index")
    };
    let place = |kind: String| json!({"type": kind, "item_id": id, "output_index": index, part_index: 0});
    let with = |mut event: Value, name: &str, value: Value| {
        event[name] = value;
        event
    };
    if answer.reasoning_form == ReasoningForm::Deltas {
        let opened = json!({"type": part, "text": ""});
        out.frame(with(place(format!("{part_kind}.added")), "part", opened));
        for thought in &answer.thoughts {
            out.content(answer, with(place(format!("{kind}.delta")), "delta", json!(thought)));
        }
        out.frame(with(place(format!("{kind}.done")), "text", json!(text)));
        out.frame(with(place(format!("{part_kind}.done")), "part", json!({"type": part, "text": text})));
    } else {
        out.content(answer, with(place(format!("{kind}.done")), "text", json!(text)));
    }
    out.frame(json!({"type": "response.output_item.done", "output_index": index, "item": item}));
}

fn message_events(out: &mut Sequence, answer: &Answer, index: usize, item: &Value) {
    let id = &item["id"];
    let empty = json!({"id": id, "type": "message", "status": "in_progress", "content": [], "role": "assistant"});
    out.frame(json!({"type": "response.output_item.added", "output_index": index, "item": empty}));
    out.frame(json!({"type": "response.content_part.added", "item_id": id, "output_index": index, "content_index": 0,
        "part": text_part("")}));
    for word in &answer.words {
        out.content(
            answer,
            json!({"type": "response.output_text.delta", "item_id": id, "output_index": index, "content_index": 0,
                "delta": word, "logprobs": []}),
        );
    }
    let text = answer.text();
    out.frame(json!({"type": "response.output_text.done", "item_id": id, "output_index": index, "content_index": 0,
        "text": text, "logprobs": []}));
    out.frame(json!({"type": "response.content_part.done", "item_id": id, "output_index": index, "content_index": 0,
        "part": text_part(&text)}));
    out.frame(json!({"type": "response.output_item.done", "output_index": index, "item": item}));
}

fn call_events(out: &mut Sequence, answer: &Answer, index: usize, item: &Value) {
    let id = &item["id"];
    let mut empty = item.clone();
    empty["status"] = json!("in_progress");
    empty["arguments"] = json!("");
    out.frame(json!({"type": "response.output_item.added", "output_index": index, "item": empty}));
    let arguments = item["arguments"].as_str().unwrap_or_default();
    let done = json!({"type": "response.function_call_arguments.done", "item_id": id, "output_index": index,
        "arguments": arguments});
    if answer.kind == Kind::LmStudio {
        out.content(answer, done);
    } else {
        for piece in pieces(arguments) {
            out.content(
                answer,
                json!({"type": "response.function_call_arguments.delta", "item_id": id, "output_index": index,
                    "delta": piece}),
            );
        }
        out.frame(done);
    }
    out.frame(json!({"type": "response.output_item.done", "output_index": index, "item": item}));
}

/// Cuts a tool's arguments into pieces of a few characters, as they are streamed.
pub(super) fn pieces(arguments: &str) -> Vec<String> {
    let characters: Vec<char> = arguments.chars().collect();
    characters.chunks(6).map(|piece| piece.iter().collect()).collect()
}

fn text_part(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
}

/// The finished output items, in order: reasoning, message, call.
pub(crate) fn items(answer: &Answer, status: &str) -> Vec<Value> {
    let id = &answer.id;
    let mut items = Vec::new();
    if !answer.thoughts.is_empty() {
        let mut item = json!({"id": format!("rs_{id}"), "type": "reasoning", "status": status, "summary": []});
        if answer.kind == Kind::LmStudio {
            item["content"] = json!([{"type": "reasoning_text", "text": answer.thought()}]);
        } else {
            item["summary"] = json!([{"type": "summary_text", "text": answer.thought()}]);
        }
        items.push(item);
    }
    let status = if answer.end == End::Length { "incomplete" } else { status };
    items.push(json!({"id": format!("msg_{id}"), "type": "message", "status": status,
        "content": [text_part(&answer.text())], "role": "assistant"}));
    for call in &answer.calls {
        let id = &call.id;
        items.push(json!({"id": format!("fc_{id}"), "type": "function_call", "status": status,
            "arguments": call.arguments.to_string(), "call_id": format!("call_{id}"), "name": call.name}));
    }
    items
}

fn envelope(asked: &Asked, answer: &Answer, status: &str, output: &[Value], finished: bool) -> Value {
    let given = |name: &str, otherwise: Value| asked.body.get(name).cloned().unwrap_or(otherwise);
    let usage = if finished {
        json!({"input_tokens": answer.input_tokens, "output_tokens": answer.output_tokens,
            "total_tokens": answer.input_tokens + answer.output_tokens,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": answer.reasoning_tokens}})
    } else {
        Value::Null
    };
    let incomplete = if status == "incomplete" { json!({"reason": "max_output_tokens"}) } else { Value::Null };
    let setting = |name: &str| asked.body.pointer(&format!("/reasoning/{name}")).cloned().unwrap_or_default();
    let reasoning = json!({"summary": setting("summary"), "effort": setting("effort")});
    json!({
        "id": format!("resp_{}", answer.id),
        "object": "response",
        "created_at": answer.created,
        "completed_at": if finished { json!(unix_seconds()) } else { Value::Null },
        "status": status,
        "incomplete_details": incomplete,
        "model": answer.model,
        "previous_response_id": given("previous_response_id", Value::Null),
        "instructions": given("instructions", Value::Null),
        "output": output,
        "error": null,
        "tools": given("tools", json!([])),
        "tool_choice": given("tool_choice", json!("auto")),
        "truncation": given("truncation", json!("auto")),
        "parallel_tool_calls": given("parallel_tool_calls", json!(true)),
        "text": given("text", json!({"format": {"type": "text"}})),
        "top_p": given("top_p", json!(0.95)),
        "presence_penalty": 0,
        "frequency_penalty": 0,
        "top_logprobs": 0,
        "temperature": given("temperature", json!(0.8)),
        "reasoning": reasoning,
        "usage": usage,
        "max_output_tokens": given("max_output_tokens", Value::Null),
        "max_tool_calls": null,
        "store": given("store", json!(true)),
        "background": false,
        "service_tier": "default",
        "metadata": given("metadata", json!({})),
        "safety_identifier": null,
        "prompt_cache_key": given("prompt_cache_key", Value::Null),
    })
}
