//! Events as lines that a test can name, and a check that they come in an order that can be told. The fuzz targets use it as
//! well.
#![allow(dead_code)]

use pilotlight_wire::UpstreamApi;
use pilotlight_wire::lines::LineFramer;
use pilotlight_wire::sse::Framer;
use pilotlight_wire::translate::{Asked, Block, Event, Reader};
use serde_json::Value;

/// A request to some model of this API.
pub fn asked(api: UpstreamApi) -> Asked {
    Asked::new(api, "studio", "some-model")
}

/// A request to MiniMax M2.
pub fn asked_minimax(api: UpstreamApi) -> Asked {
    Asked::new(api, "studio", "lmstudio-community/MiniMax-M2.1-GGUF")
}

/// The events of a stream that comes in pieces of this size.
pub fn read(asked: &Asked, bytes: &[u8], piece: usize) -> Vec<Event> {
    let mut reader = Reader::new(asked);
    let mut events = Vec::new();
    if asked.api == UpstreamApi::Ollama {
        let mut framer = LineFramer::default();
        for piece in bytes.chunks(piece) {
            framer.push(piece);
            while let Some(frame) = framer.next_frame().unwrap() {
                events.extend(reader.read(&frame));
            }
        }
        events.extend(framer.finish().into_iter().flat_map(|frame| reader.read(&frame)));
    } else {
        let mut framer = Framer::default();
        for piece in bytes.chunks(piece) {
            framer.push(piece);
            while let Some(frame) = framer.next_frame().unwrap() {
                events.extend(reader.read(&frame));
            }
        }
        events.extend(framer.finish().into_iter().flat_map(|frame| reader.read(&frame)));
    }
    events.extend(reader.end());
    assert!(reader.end().is_empty(), "an end is told once");
    events
}

/// The same, as [`lines`]; however the bytes are cut.
pub fn told(asked: &Asked, bytes: &[u8]) -> Vec<String> {
    let events = read(asked, bytes, usize::MAX);
    for piece in [1, 7] {
        assert_eq!(read(asked, bytes, piece), events, "in pieces of {piece}");
    }
    lines(&events)
}

/// What the events tell, a line for each block and each other thing, without signs of life and the start.
pub fn lines(events: &[Event]) -> Vec<String> {
    let mut out = Vec::new();
    let mut open = None::<String>;
    let (mut over, mut ids) = (false, Vec::new());
    for (at, event) in events.iter().enumerate() {
        assert!(!over || matches!(event, Event::Usage(_) | Event::Dropped(_)), "{event:?} after the end");
        match event {
            Event::Start { .. } => {
                assert!(events[..at].iter().all(|event| *event == Event::Life), "a start is first");
            }
            Event::Life => {}
            Event::Begin(block) => {
                assert_eq!(open, None, "blocks do not overlap");
                open = Some(match block {
                    Block::Text => "text ".to_owned(),
                    Block::Reasoning => "thought ".to_owned(),
                    Block::Summary => "summary ".to_owned(),
                    Block::Refusal => "refusal ".to_owned(),
                    Block::ToolCall { id, name, custom } => {
                        assert!(!id.is_empty() && !name.is_empty() && !ids.contains(id), "{id} {name}");
                        ids.push(id.clone());
                        let id = if id.starts_with("call_") && id.len() == 23 { "made" } else { id };
                        format!("{} {id} {name} ", if *custom { "custom" } else { "call" })
                    }
                });
            }
            Event::Delta(text) => {
                assert!(!text.is_empty());
                open.as_mut().unwrap().push_str(text);
            }
            Event::End { opaque } => {
                let mut line = open.take().unwrap().trim_end_matches(' ').to_owned();
                if let Some(opaque) = opaque {
                    assert_eq!(opaque.provider.as_deref(), Some("studio"));
                    line = format!("{line} | {:?} {}", opaque.kind, opaque.value);
                }
                out.push(line);
            }
            Event::Citation { url, title } => {
                assert!(open.as_ref().unwrap().starts_with("text"));
                out.push(format!("cites {url} {}", title.as_deref().unwrap_or("-")));
            }
            Event::Usage(usage) => out.push(format!("usage {} {}", usage.total_input(), usage.output)),
            Event::Dropped(note) => out.push(format!("dropped {}", note.name())),
            Event::Finish(finish) => {
                assert_eq!(open, None);
                out.push(format!("finish {finish:?}"));
                over = true;
            }
            Event::Failed(failure) => {
                let code = failure.code.as_deref().unwrap_or("-");
                out.extend(open.take().map(|line| format!("{line} …")));
                out.push(format!("failed {code} {}", failure.message));
                over = true;
            }
        }
    }
    assert!(over, "an answer ends");
    out
}

/// Payloads as server-sent events.
pub fn stream(payloads: &[Value]) -> Vec<u8> {
    payloads.iter().map(|payload| format!("data: {payload}\n\n")).collect::<String>().into_bytes()
}
