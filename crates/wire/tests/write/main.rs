//! Requests as they are written for each upstream API: case by case, and for any request that each body keeps the rules
//! of its API.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod chat;
mod gemini;
mod messages;
mod ollama;
#[path = "../prompts/mod.rs"]
mod prompts;
mod responses;

use std::collections::HashSet;

use pilotlight_wire::UpstreamApi;
use pilotlight_wire::error::ApiError;
use pilotlight_wire::translate::prompt::{Tool, ToolCall};
use pilotlight_wire::translate::{Compat, Outgoing, Part, Prompt, Role, Turn, Upstream, write_request};
use serde_json::Value;

/// A server of no vendor's.
fn server(api: UpstreamApi) -> Upstream {
    Upstream {
        api,
        provider: prompts::PROVIDER.into(),
        model: "local-model".into(),
        max_tokens: None,
        vendor: false,
        images: None,
        compat: Compat::default(),
    }
}

/// The vendor of the API itself.
fn vendor(api: UpstreamApi, model: &str) -> Upstream {
    Upstream { vendor: true, model: model.into(), ..server(api) }
}

fn json_of(outgoing: &Outgoing) -> Value {
    serde_json::from_slice(&outgoing.body).unwrap()
}

fn body(prompt: &Prompt, upstream: &Upstream) -> Value {
    json_of(&write_request(prompt, upstream).unwrap())
}

fn error(prompt: &Prompt, upstream: &Upstream) -> ApiError {
    write_request(prompt, upstream).unwrap_err()
}

fn notes(prompt: &Prompt, upstream: &Upstream) -> Vec<String> {
    write_request(prompt, upstream).unwrap().notes.iter().map(|note| note.name().to_owned()).collect()
}

fn turn(role: Role, parts: Vec<Part>) -> Turn {
    Turn { role, parts }
}

fn say(role: Role, text: &str) -> Turn {
    turn(role, vec![Part::text(text)])
}

fn ask(turns: Vec<Turn>) -> Prompt {
    Prompt { turns, ..Prompt::default() }
}

fn call(id: &str, name: &str, arguments: &str) -> Part {
    Part::ToolCall(ToolCall { id: id.into(), name: name.into(), arguments: arguments.into(), ..ToolCall::default() })
}

fn result(id: &str, text: &str) -> Part {
    results(id, vec![Part::text(text)])
}

fn results(id: &str, content: Vec<Part>) -> Part {
    Part::ToolResult { call_id: id.into(), content, is_error: false, custom: false, cache: None }
}

fn tool(name: &str) -> Tool {
    Tool { name: name.into(), ..Tool::default() }
}

/// Every string in it.
fn strings(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(list) => list.iter().flat_map(strings).collect(),
        Value::Object(map) => map.values().flat_map(strings).collect(),
        _ => Vec::new(),
    }
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Whether this is a name or id of letters, digits, `_` and `-`, not longer than this.
fn is_plain(text: &str, longest: usize) -> bool {
    !text.is_empty()
        && text.len() <= longest
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// Words of people, of the model and of tools are all there, whatever became of their order.
fn all_words_are_there(prompt: &Prompt, body: &Value) {
    let there = strings(body);
    let mut parts: Vec<&Part> = prompt.turns.iter().flat_map(|turn| &turn.parts).collect();
    while let Some(part) = parts.pop() {
        match part {
            Part::Text { text, .. } | Part::Refusal(text) if !text.trim().is_empty() => {
                assert!(there.iter().any(|other| other.contains(text.trim_end())), "{text:?} is lost");
            }
            Part::Image { source: pilotlight_wire::translate::prompt::Source::Data { data, .. }, .. } => {
                assert!(there.iter().any(|other| other.ends_with(data)), "the picture {data} is lost");
            }
            Part::ToolResult { content, .. } => parts.extend(content),
            _ => {}
        }
    }
}

/// Each name that the upstream is told leads back to one tool of the client's, and each tool is told but those that were
/// not allowed.
fn names_lead_back(prompt: &Prompt, outgoing: &Outgoing, told: &[String]) {
    let mut back = HashSet::new();
    for name in told {
        assert!(is_plain(name, 64), "{name}");
        let tool = outgoing.names.of_upstream(name);
        let offered = prompt.tools.iter().any(|other| {
            (&other.name, &other.namespace, other.custom.is_some()) == (&tool.name, &tool.namespace, tool.custom)
        });
        let called = prompt.turns.iter().flat_map(|turn| &turn.parts).any(
            |part| matches!(part, Part::ToolCall(call) if (&call.name, &call.namespace) == (&tool.name, &tool.namespace)),
        );
        assert!(offered || called, "{name} is no tool of the client's: {tool:?}");
        assert!(back.insert(tool), "{name} stands twice");
    }
}
