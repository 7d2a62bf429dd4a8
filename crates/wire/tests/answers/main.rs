//! Answers of Responses, Messages and Gemini upstreams, with the ways in which servers really differ.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod gemini;
mod messages;
mod responses;

use pilotlight_wire::UpstreamApi;
use pilotlight_wire::sse::Framer;
use pilotlight_wire::translate::{Asked, Block, Event, Reader, read_answer};
use serde_json::Value;

fn asked(api: &UpstreamApi) -> Asked {
    Asked::new(api.clone(), "studio", "some-model")
}

/// Reads payloads as a stream whose events have no names.
fn read(api: &UpstreamApi, payloads: &[Value]) -> Vec<String> {
    read_text(api, &payloads.iter().map(|payload| format!("data: {payload}\n\n")).collect::<String>())
}

/// Reads a stream.
fn read_text(api: &UpstreamApi, text: &str) -> Vec<String> {
    let mut reader = Reader::new(&asked(api));
    let (mut framer, mut events) = (Framer::default(), Vec::new());
    framer.push(text.as_bytes());
    while let Some(frame) = framer.next_frame().unwrap() {
        events.extend(reader.read(&frame));
    }
    if let Some(frame) = framer.finish() {
        events.extend(reader.read(&frame));
    }
    events.extend(reader.end());
    brief(&events)
}

/// Reads a whole body.
fn read_whole(api: &UpstreamApi, body: &str) -> Vec<String> {
    brief(&read_answer(&asked(api), body.as_bytes()))
}

/// A line for each block, and for whatever else happens; signs of life are left out.
fn brief(events: &[Event]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut open = String::new();
    for event in events {
        match event {
            Event::Start { id, model, usage } => {
                let counted = usage.map(|usage| format!(" {}", usage.total_input())).unwrap_or_default();
                lines.push(format!("start {} {}{counted}", or_dash(id), or_dash(model)));
            }
            Event::Life => {}
            Event::Begin(block) => {
                open = match block {
                    Block::ToolCall { id, name, custom: false } => format!("call {id} {name} "),
                    Block::ToolCall { id, name, custom: true } => format!("custom {id} {name} "),
                    other => format!("{} ", format!("{other:?}").to_lowercase()),
                };
            }
            Event::Delta(text) => open.push_str(text),
            Event::End { opaque } => {
                let seal = opaque.as_ref().map(|opaque| {
                    assert_eq!(opaque.provider.as_deref(), Some("studio"));
                    format!(
                        " [{:?} {}{}]",
                        opaque.kind,
                        opaque.value,
                        opaque.id.as_deref().map_or(String::new(), |id| format!(" of {id}"))
                    )
                });
                lines.push(format!("{}{}", std::mem::take(&mut open).trim_end(), seal.unwrap_or_default()));
            }
            Event::Citation { url, title } => open.push_str(&format!("<{url} {}>", or_dash(title))),
            Event::Usage(usage) => lines.push(format!(
                "usage {}+{}r+{}w {} ({})",
                usage.input, usage.cache_read, usage.cache_write, usage.output, usage.reasoning
            )),
            Event::Dropped(note) => lines.push(format!("dropped {}", note.name())),
            Event::Finish(finish) => lines.push(format!("finish {finish:?}")),
            Event::Failed(failure) => {
                if !open.is_empty() {
                    lines.push(format!("open {open}").trim_end().to_owned());
                }
                lines.push(format!("failed {} {}", or_dash(&failure.code), failure.message));
            }
        }
    }
    lines
}

fn or_dash(text: &Option<String>) -> &str {
    text.as_deref().unwrap_or("-")
}
