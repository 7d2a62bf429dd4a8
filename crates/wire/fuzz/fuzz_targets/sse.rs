//! Arbitrary bytes as a stream of each upstream API: however they are cut, the frames and what they tell are the same, and
//! the events come in an order that can be told. The first byte chooses the API, the next three the cuts. Run from
//! `crates/wire`: `cargo +nightly fuzz run sse`.
#![no_main]

#[path = "../../tests/chat_answers/told.rs"]
mod told;

use libfuzzer_sys::fuzz_target;
use pilotlight_wire::UpstreamApi;
use pilotlight_wire::lines::LineFramer;
use pilotlight_wire::sse::Framer;
use pilotlight_wire::translate::{Event, read_answer};
use told::{asked, lines, read};

fuzz_target!(|data: &[u8]| {
    let Some(([api, cuts @ ..], body)) = data.split_first_chunk::<4>() else { return };
    let api = match api % 5 {
        0 => UpstreamApi::OpenaiCompletions,
        1 => UpstreamApi::OpenaiResponses,
        2 => UpstreamApi::AnthropicMessages,
        3 => UpstreamApi::GoogleGenerativeAi,
        _ => UpstreamApi::Ollama,
    };
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| usize::from(*cut) * (body.len() + 1) / 256).collect();
    cuts.extend([0, body.len()]);
    cuts.sort_unstable();
    let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &body[pair[0]..pair[1]]).collect();

    let (whole, rest) = frames(&[body]);
    assert_eq!(frames(&pieces), (whole.clone(), rest));
    // Every byte is in a frame, in its place. A line feed may stand alone after the last: it ends the carriage return
    // that ended the frame.
    assert!(body.starts_with(&whole.concat()), "the frames are the stream");
    if api == UpstreamApi::Ollama {
        assert_eq!(cut_lines(&pieces), cut_lines(&[body]));
    }

    let asked = asked(api);
    let events = read(&asked, body, usize::MAX);
    // A line feed that comes alone is a sign of life of its own.
    let telling = |events: &[Event]| events.iter().filter(|event| **event != Event::Life).cloned().collect::<Vec<_>>();
    assert_eq!(telling(&read(&asked, body, 1 + cuts[1])), telling(&events));
    lines(&events);
    lines(&read_answer(&asked, body));
});

/// The bytes of the frames, and whether something was left.
fn frames(pieces: &[&[u8]]) -> (Vec<Vec<u8>>, bool) {
    let mut framer = Framer::default();
    let mut out = Vec::new();
    for piece in pieces {
        framer.push(piece);
        while let Ok(Some(frame)) = framer.next_frame() {
            out.push(frame.raw.to_vec());
        }
    }
    // Where a carriage return ends a frame at the end of a piece, the line feed of its pair comes with the next frame.
    let rest = framer.is_within_event();
    out.extend(framer.finish().map(|frame| frame.raw.to_vec()));
    (joined(out), rest)
}

/// The same with every such line feed put back.
fn joined(frames: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let mut out: Vec<Vec<u8>> = Vec::new();
    for mut frame in frames {
        if let (Some(last), [b'\n', rest @ ..]) = (out.last_mut().filter(|last| last.ends_with(b"\r")), &frame[..]) {
            last.push(b'\n');
            frame = rest.to_vec();
        }
        out.push(frame);
    }
    // At the end of the stream nothing comes with which that line feed could be given.
    if let Some(last) = out.last_mut().filter(|last| last.ends_with(b"\r\n")) {
        last.pop();
    }
    out
}

fn cut_lines(pieces: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut framer = LineFramer::default();
    let mut out = Vec::new();
    for piece in pieces {
        framer.push(piece);
        while let Ok(Some(frame)) = framer.next_frame() {
            out.push(frame.data.unwrap_or_default().to_vec());
        }
    }
    out.extend(framer.finish().map(|frame| frame.data.unwrap_or_default().to_vec()));
    out
}
