//! The framer against an independent reader, cut at every place.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod recorded;

use bytes::Bytes;
use futures::{StreamExt, executor::block_on, stream};
use pilotlight_wire::sse::{Frame, Framer, TooLarge};
use proptest::prelude::*;

fn frames(pieces: &[&[u8]]) -> Vec<Frame> {
    let mut framer = Framer::default();
    let mut frames = Vec::new();
    for piece in pieces {
        framer.push(piece);
        while let Some(frame) = framer.next_frame().unwrap() {
            frames.push(frame);
        }
    }
    frames
}

/// The (name, data) pairs that a reader of the stream sees.
fn events(frames: &[Frame]) -> Vec<(String, String)> {
    let text = |bytes: &Option<Bytes>| String::from_utf8_lossy(bytes.as_deref().unwrap_or_default()).into_owned();
    frames.iter().filter(|frame| frame.is_event()).map(|frame| (text(&frame.name), text(&frame.data))).collect()
}

fn oracle(bytes: &[u8]) -> Vec<(String, String)> {
    let body = stream::iter([Ok::<_, std::io::Error>(Bytes::copy_from_slice(bytes))]);
    let stream = sse_stream::SseByteStream::new(body);
    block_on(stream.collect::<Vec<_>>())
        .into_iter()
        .map(|event| event.expect("the oracle reads it"))
        .filter(|event| event.data.as_ref().is_some_and(|data| !data.is_empty()))
        .map(|event| (event.event.unwrap_or_default(), event.data.unwrap_or_default()))
        .collect()
}

fn split<'a>(bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    cuts.sort_unstable();
    let mut pieces = Vec::new();
    let mut from = 0;
    for cut in cuts.into_iter().chain([bytes.len()]) {
        pieces.push(&bytes[from..cut]);
        from = cut;
    }
    pieces
}

#[test]
fn reads_what_the_standard_says() {
    let table: &[(&str, &[(&str, &str)])] = &[
        ("data: a\n\n", &[("", "a")]),
        ("data:a\r\rdata: b\r\n\r\ndata:  c\n\n", &[("", "a"), ("", "b"), ("", " c")]),
        ("\u{feff}data: a\n\n", &[("", "a")]),
        ("event: x\ndata: a\ndata: b\ndata\n\n", &[("x", "a\nb\n")]),
        (": comment\n\ndata: a\n\n", &[("", "a")]),
        ("event: lost\n\ndata: a\n\n", &[("", "a")]),
        ("\n\n\ndata: a\n\n\n\n", &[("", "a")]),
        ("id: 1\nretry: 5\nnonsense\ndata: a:b: c\n\n", &[("", "a:b: c")]),
        ("data: a\n", &[]),
        ("data: ü€😀\n\n", &[("", "ü€😀")]),
    ];
    for (text, expected) in table {
        let expected: Vec<_> = expected.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        assert_eq!(events(&frames(&[text.as_bytes()])), expected, "{text:?}");
        let single: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        assert_eq!(events(&frames(&single)), expected, "{text:?} byte by byte");
    }
}

#[test]
fn an_event_that_has_not_ended_is_held_back() {
    let mut framer = Framer::default();
    framer.push(b"data: a\n\ndata: b\n");
    assert_eq!(framer.next_frame().unwrap().unwrap().raw.as_ref(), b"data: a\n\n");
    assert_eq!(framer.next_frame().unwrap(), None);
    assert!(framer.is_within_event());
    assert_eq!(framer.finish().unwrap().data.unwrap().as_ref(), b"b");
}

#[test]
fn gives_an_event_at_its_last_cr_without_waiting_for_a_line_feed() {
    let mut framer = Framer::default();
    framer.push(b"data: a\r\n\r");
    assert!(framer.next_frame().unwrap().is_some());
    framer.push(b"\n");
    assert_eq!(framer.next_frame().unwrap(), None);
    assert!(!framer.is_within_event(), "the line feed belongs to what was given");
    framer.push(b"data: b\r\n\r\n");
    assert_eq!(framer.next_frame().unwrap().unwrap().data.unwrap().as_ref(), b"b");
}

#[test]
fn gives_up_on_what_is_too_large() {
    let mut framer = Framer::new(20);
    framer.push(b"data: 0123456789\n\n");
    assert!(framer.next_frame().unwrap().is_some());
    framer.push(b"data: 0123456789012345");
    assert_eq!(framer.next_frame(), Err(TooLarge(20)));
}

#[test]
fn ten_megabytes_in_small_pieces() {
    let mut text = b"data: ".to_vec();
    text.extend(std::iter::repeat_n(b'x', 10_000_000));
    text.extend(b"\n\n");
    let pieces: Vec<&[u8]> = text.chunks(1400).collect();
    assert_eq!(frames(&pieces)[0].data.as_ref().unwrap().len(), 10_000_000);
}

#[test]
fn reads_the_recorded_streams_as_the_oracle_does() {
    for recording in recorded::recordings() {
        let text: String = recording.payloads.iter().map(|payload| format!("data: {payload}\r\n\r\n")).collect();
        let pieces: Vec<&[u8]> = text.as_bytes().chunks(37).collect();
        let seen = events(&frames(&pieces));
        assert_eq!(seen.len(), recording.payloads.len(), "{}", recording.file);
        assert_eq!(seen, oracle(text.as_bytes()), "{}", recording.file);
    }
}

fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        "data: ?[a-zé😀:{}\" ]{0,12}",
        "event: ?[a-z_.]{0,8}",
        ":[ a-z]{0,6}",
        Just("data".to_owned()),
        "id: [0-9]{1,3}",
        "[b-c]{1,4}:? ?[a-z]{0,4}",
        Just(String::new()),
        Just(String::new()),
    ]
}

fn text() -> impl Strategy<Value = String> {
    let end = prop_oneof![Just("\n"), Just("\r\n"), Just("\r")];
    // One kind of line end to a stream, so that a CR and an LF that are two ends never meet by chance.
    (any::<bool>(), end, prop::collection::vec(line(), 0..30)).prop_map(|(bom, end, lines)| {
        let mut text = if bom { "\u{feff}".to_owned() } else { String::new() };
        for line in lines {
            text += &line;
            text += end;
        }
        text
    })
}

proptest! {
    #[test]
    fn agrees_with_the_oracle_wherever_it_is_cut(text in text(), cuts in prop::collection::vec(any::<usize>(), 0..12)) {
        let whole = frames(&[text.as_bytes()]);
        let cut = frames(&split(text.as_bytes(), &cuts));
        prop_assert_eq!(events(&whole), oracle(text.as_bytes()));
        prop_assert_eq!(events(&cut), events(&whole));
    }

    #[test]
    fn loses_no_byte(bytes in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(b':'), any::<u8>()], 0..200),
                     cuts in prop::collection::vec(any::<usize>(), 0..12)) {
        let mut framer = Framer::default();
        let mut out = Vec::new();
        for piece in split(&bytes, &cuts) {
            framer.push(piece);
            while let Some(frame) = framer.next_frame().unwrap() {
                out.extend_from_slice(&frame.raw);
            }
        }
        out.extend_from_slice(framer.pending());
        prop_assert_eq!(out, bytes);
    }
}
