//! Arbitrary text as the content of an answer, with thoughts and calls between tags or without: however it comes in pieces,
//! the same is told, and nothing but the tags and the blanks around them is lost. The first byte says whether the model is
//! MiniMax, the next five cut. Run from `crates/wire`: `cargo +nightly fuzz run think`.
#![no_main]

#[path = "../../tests/chat_answers/told.rs"]
mod told;

use libfuzzer_sys::fuzz_target;
use pilotlight_wire::UpstreamApi;
use pilotlight_wire::translate::{Asked, Event, read_answer};
use serde_json::json;
use told::{asked, asked_minimax, lines, read, stream};

fuzz_target!(|data: &[u8]| {
    let Some(([minimax, cuts @ ..], text)) = data.split_first_chunk::<6>() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let minimax = minimax % 2 == 1;
    let api = UpstreamApi::OpenaiCompletions;
    let asked = if minimax { asked_minimax(api) } else { asked(api) };

    let mut cuts: Vec<usize> = cuts.iter().map(|cut| usize::from(*cut) * (text.len() + 1) / 256).collect();
    cuts.extend([0, text.len()]);
    cuts.retain(|cut| text.is_char_boundary(*cut));
    cuts.sort_unstable();
    let pieces: Vec<&str> = cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();

    let whole = tell(&asked, &[text]);
    assert_eq!(tell(&asked, &pieces), whole);
    let body = json!({"id": "c1", "choices": [{"message": {"content": text}, "finish_reason": "stop"}]});
    assert_eq!(lines(&read_answer(&asked, body.to_string().as_bytes())), whole);

    let said: String = read(&asked, &answer(&[text]), usize::MAX).iter().filter_map(words).collect();
    if !minimax {
        // Only a pair of tags, and blanks around them, is not told.
        let count = |text: &str| text.chars().filter(|letter| !letter.is_whitespace()).count();
        let tags = "<think></think>".len();
        assert!(count(&said) + tags >= count(text), "{text:?} was told as {said:?}");
        assert!(said.len() <= text.len());
    }
});

fn words(event: &Event) -> Option<&str> {
    if let Event::Delta(text) = event { Some(text) } else { None }
}

fn answer(pieces: &[&str]) -> Vec<u8> {
    let chunk = |piece: &&str| json!({"id": "c1", "choices": [{"delta": {"content": piece}}]});
    let chunks: Vec<_> = pieces.iter().map(chunk).collect();
    [stream(&chunks), b"data: [DONE]\n\n".to_vec()].concat()
}

fn tell(asked: &Asked, pieces: &[&str]) -> Vec<String> {
    lines(&read(asked, &answer(pieces), usize::MAX))
}
