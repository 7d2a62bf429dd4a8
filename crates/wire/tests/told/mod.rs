//! Answers made by hand.
#![allow(dead_code, clippy::unwrap_used, missing_docs)]

use pilotlight_wire::Usage;
use pilotlight_wire::translate::{Block, ClientTool, Event, Finish, Names, Opaque, OpaqueKind, Opening};
use serde_json::json;

pub fn opening() -> Opening {
    let mut names = Names::default();
    let patch = ClientTool { name: "apply_patch".to_owned(), namespace: None, custom: true };
    assert!(names.add("apply_patch", patch));
    let search = ClientTool { name: "search".to_owned(), namespace: Some("docs".to_owned()), custom: false };
    assert!(names.add("docs__search", search));
    Opening {
        id: "abc123".to_owned(),
        created: 1_760_000_000,
        model: "lmstudio/minimax-m2.1".to_owned(),
        usage_wanted: true,
        input_estimate: 4321,
        names,
        echo: json!({
            "model": "primary", "input": "hi", "stream": true, "instructions": "be brief", "temperature": 0.5,
            "reasoning": {"effort": "high"}, "tools": [{"type": "custom", "name": "apply_patch"}], "store": false,
        }),
    }
}

pub fn start() -> Event {
    Event::Start { id: Some("up".to_owned()), model: None, usage: None }
}

pub fn delta(text: &str) -> Event {
    Event::Delta(text.to_owned())
}

pub const END: Event = Event::End { opaque: None };

pub fn block(block: Block, pieces: &[&str]) -> Vec<Event> {
    let mut events = vec![Event::Begin(block)];
    events.extend(pieces.iter().map(|piece| delta(piece)));
    events.push(END);
    events
}

pub fn call(id: &str, name: &str, pieces: &[&str]) -> Vec<Event> {
    block(Block::ToolCall { id: id.to_owned(), name: name.to_owned(), custom: false }, pieces)
}

pub fn opaque(kind: OpaqueKind, value: &str) -> Opaque {
    Opaque { provider: Some("elsewhere".to_owned()), kind, value: value.to_owned(), id: None }
}

pub fn proven(which: Block, pieces: &[&str], proof: Opaque) -> Vec<Event> {
    let mut events = block(which, pieces);
    *events.last_mut().unwrap() = Event::End { opaque: Some(proof) };
    events
}

pub fn usage() -> Usage {
    Usage { input: 100, output: 20, cache_read: 50, cache_write: 7, reasoning: 5 }
}

pub fn answer(parts: &[Vec<Event>], finish: Finish) -> Vec<Event> {
    let mut events = vec![start()];
    events.extend(parts.iter().flatten().cloned());
    events.extend([Event::Usage(usage()), Event::Finish(finish)]);
    events
}
