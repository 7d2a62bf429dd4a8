//! Comments that another program dropped when it rewrote a file. No I/O.
//!
//! OpenClaw writes plain JSON with no comment left. That is told from a person who deletes a comment on purpose by there
//! being none left at all, in a text that is JSON to the letter.

use json5_edit::{Document, Lost, restore_comments};

/// How many comments of `old` are gone in `new` because another program rewrote it, and have a place to go back to.
pub(crate) fn dropped(old: &str, new: &str) -> usize {
    if old == new || serde_json::from_str::<serde::de::IgnoredAny>(new.trim_start_matches('\u{feff}')).is_err() {
        return 0;
    }
    restorable(old, new)
}

/// How many comments of `old` are missing in `new` and have a place to go back to.
pub(crate) fn restorable(old: &str, new: &str) -> usize {
    let (Ok(old), Ok(new)) = (Document::parse(old), Document::parse(new)) else { return 0 };
    if old.comments().is_empty() {
        return 0;
    }
    let (restored, _) = restore_comments(&old, &new);
    restored.comments().len().saturating_sub(new.comments().len())
}

/// `new` with the comments of `old`, and those that found no place; none where a text cannot be read.
pub(crate) fn restored(old: &str, new: &str) -> Option<(String, Vec<Lost>)> {
    let (old, new) = (Document::parse(old).ok()?, Document::parse(new).ok()?);
    let (restored, lost) = restore_comments(&old, &new);
    Some((restored.text().to_owned(), lost))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "// head\n{\n  a: 1, // one\n  b: { c: [2] }, /* two */\n}\n";

    #[test]
    fn a_rewrite_as_json_drops_comments_and_a_person_who_deletes_one_does_not() {
        assert_eq!(dropped(OLD, "{\n  \"a\": 1,\n  \"b\": { \"c\": [2] }\n}"), 3);
        assert_eq!(dropped(OLD, "{\"a\": 1, \"d\": 1}"), 2);
        assert_eq!(dropped(OLD, "{ a: 1, b: { c: [2] } }"), 0);
        assert_eq!(dropped(OLD, OLD), 0);
        assert_eq!(dropped("{ a: 1 }", "{\"a\":1}"), 0);
        assert_eq!(dropped(OLD, "{"), 0);
    }

    #[test]
    fn what_is_put_back_is_no_longer_missing() {
        let (text, lost) = restored(OLD, "{\n  \"a\": 7\n}\n").unwrap();
        assert_eq!(text, "// head\n{\n  \"a\": 7 // one\n}\n");
        assert_eq!(lost.len(), 1);
        assert_eq!(restorable(OLD, &text), 0);
    }
}
