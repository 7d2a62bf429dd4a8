//! Arbitrary bytes: the first ones choose edits, the others are the text, and after a NUL a second text into which the
//! comments of the first are put. Run from `crates/json5-edit`: `cargo +nightly fuzz run edits`.
#![no_main]

#[path = "../../tests/invariants/mod.rs"]
mod invariants;

use invariants::{Choose, edited, meant, some_edit};
use json5_edit::{Document, restore_comments};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

/// Chooses by the fuzzer's bytes, and always the first when they are used up.
struct Bytes<'a>(std::slice::Iter<'a, u8>);

impl Choose for Bytes<'_> {
    fn choose(&mut self, count: usize) -> usize {
        self.0.next().map_or(0, |byte| usize::from(*byte) % count.max(1))
    }
}

fuzz_target!(|data: &[u8]| {
    let (head, body) = data.split_at(data.len().min(12));
    let Ok(body) = std::str::from_utf8(body) else { return };
    let (text, other) = body.split_once('\0').unwrap_or((body, ""));

    let read = json5::from_str::<Value>(text);
    let Ok(mut document) = Document::parse(text) else {
        // Only what nests too deeply may be refused though `json5` reads it.
        assert!(read.is_err() || text.matches(['[', '{']).count() > Document::MAX_DEPTH, "{text:?}");
        return;
    };
    assert_eq!(document.value(), &read.unwrap());

    let mut choice = Bytes(head.iter());
    let check = if choice.choose(16) == 0 { edited } else { meant };
    let edit = some_edit(&document, &mut choice);
    document = check(&document, &edit).unwrap_or(document);

    if let Ok(new) = Document::parse(other) {
        let (restored, lost) = restore_comments(&document, &new);
        assert_eq!(restored.value(), new.value());
        let count = |document: &Document| document.comments().len();
        assert!(count(&restored) + lost.len() >= count(&document).max(count(&new)));
    }
});
