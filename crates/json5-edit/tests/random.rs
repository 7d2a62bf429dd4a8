//! Random documents in random handwriting, under random edits: `json5` reads exactly what was intended, and every byte
//! outside the edit is as it was.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod invariants;

use invariants::{Seeded, edited, has_duplicates, owners, some_edit};
use json5_edit::{Document, Step, restore_comments};
use proptest::prelude::*;

/// A document as it is written: what is between the tokens is random too.
#[derive(Clone, Debug)]
enum Written {
    Scalar(String),
    Array(Vec<(String, Written, String)>, bool),
    Object(Vec<(String, String, String, Written, String)>, bool),
}

impl Written {
    fn text(&self, out: &mut String) {
        let (open, close, count, trailing) = match self {
            Self::Scalar(text) => return out.push_str(text),
            Self::Array(items, trailing) => ('[', ']', items.len(), *trailing),
            Self::Object(members, trailing) => ('{', '}', members.len(), *trailing),
        };
        out.push(open);
        for at in 0..count {
            match self {
                Self::Array(items, _) => {
                    let (before, item, after) = &items[at];
                    out.push_str(before);
                    item.text(out);
                    out.push_str(after);
                }
                Self::Object(members, _) => {
                    let (before, key, colon, value, after) = &members[at];
                    for part in [before, key, colon] {
                        out.push_str(part);
                    }
                    value.text(out);
                    out.push_str(after);
                }
                Self::Scalar(_) => {}
            }
            if at + 1 < count || trailing {
                out.push(',');
            }
        }
        out.push_str(if trailing { "\n" } else { "" });
        out.push(close);
    }
}

fn trivia() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => Just(" "), 2 => Just("\n"), 1 => Just("\r\n  "), 1 => Just("\t"), 1 => Just("// a, ]} note\n"),
        1 => Just("/* { * */"), 1 => Just("// a: 1\n"), 1 => Just("/* two\nlines */"), 1 => Just("//\r"), 1 => Just("\u{a0}"), 1 => Just("// ls\u{2028}"),
    ];
    prop::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("a"),
        Just("b"),
        Just("'b'"),
        Just("\"c\""),
        Just("\\u0064"),
        Just("'x/y'"),
        Just("$e_1"),
        Just("\"q\\\"\""),
        Just("ключ"),
        Just("'tab\\t'"),
        Just("Infinity"),
    ]
    .prop_map(str::to_owned)
}

fn scalar() -> impl Strategy<Value = Written> {
    prop_oneof![
        Just("1"),
        Just("+.5"),
        Just("0xFf"),
        Just("-Infinity"),
        Just("NaN"),
        Just("5."),
        Just("1e3"),
        Just("true"),
        Just("null"),
        Just("'one\\\ntwo'"),
        Just("\"a // no comment\""),
        Just("'it\\'s'"),
        Just("\"\\u263a\""),
        Just("'\u{2028}'"),
        Just("''"),
    ]
    .prop_map(|text| Written::Scalar(text.to_owned()))
}

fn written() -> impl Strategy<Value = Written> {
    scalar().prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            (prop::collection::vec((trivia(), inner.clone(), trivia()), 0..5), any::<bool>())
                .prop_map(|(items, trailing)| Written::Array(items.clone(), trailing && !items.is_empty())),
            (prop::collection::vec((trivia(), key(), trivia(), trivia(), inner, trivia()), 0..5), any::<bool>())
                .prop_map(|(members, trailing)| {
                    let members: Vec<_> =
                        members.into_iter().map(|(b, k, c, d, v, a)| (b, k, format!("{c}:{d}"), v, a)).collect();
                    let trailing = trailing && !members.is_empty();
                    Written::Object(members, trailing)
                }),
        ]
    })
}

fn document() -> impl Strategy<Value = String> {
    (any::<bool>(), trivia(), written(), trivia()).prop_map(|(bom, before, written, after)| {
        let mut text = if bom { "\u{feff}".to_owned() } else { String::new() };
        text.push_str(&before);
        written.text(&mut text);
        text + &after
    })
}

/// How many documents are tried: `PILOTLIGHT_EDITS`, for a long run, else as many as take a few seconds.
fn cases() -> u32 {
    std::env::var("PILOTLIGHT_EDITS").ok().and_then(|edits| edits.parse().ok()).unwrap_or(400)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases()) })]

    #[test]
    fn an_edit_means_what_was_intended_and_touches_nothing_else(text in document(), seed in any::<u64>()) {
        let mut document = Document::parse(&text).unwrap();
        let mut choice = Seeded(seed);
        // The first edits stand at random places, the others where the first ones were too.
        for _ in 0..3 {
            let edit = some_edit(&document, &mut choice);
            document = edited(&document, &edit).unwrap_or(document);
        }
    }

    #[test]
    fn several_edits_at_once_are_those_edits_one_after_the_other(text in document(), seed in any::<u64>()) {
        let before = Document::parse(&text).unwrap();
        let mut choice = Seeded(seed);
        let mut document = before.clone();
        let mut edits = Vec::new();
        for _ in 0..3 {
            let edit = some_edit(&document, &mut choice);
            if let Ok(after) = document.apply(std::slice::from_ref(&edit)) {
                edits.push(edit.against(&document));
                document = after;
            }
        }
        let together = before.apply(&edits).unwrap();
        prop_assert_eq!(together.text(), document.text());
    }

    #[test]
    fn comments_are_put_back_where_their_places_are(text in document(), seed in any::<u64>(), changed in any::<bool>()) {
        let old = Document::parse(&text).unwrap();
        if has_duplicates(old.root()) {
            return Ok(());
        }
        let mut choice = Seeded(seed);
        let mut other = old.clone();
        for _ in 0..if changed { 3 } else { 0 } {
            let edit = some_edit(&other, &mut choice);
            other = other.apply(&[edit]).unwrap_or(other);
        }
        let new = match seed % 2 {
            0 => serde_json::to_string_pretty(other.value()).unwrap(),
            _ => other.value().to_string(),
        };
        let new = Document::parse(&new).unwrap();
        let (restored, lost) = restore_comments(&old, &new);
        prop_assert_eq!(restored.value(), new.value());
        prop_assert_eq!(restored.comments().len() + lost.len(), old.comments().len(), "{}", restored.text());
        if !changed {
            prop_assert_eq!(&lost, &[], "{}", restored.text());
            prop_assert_eq!(owners(&restored), owners(&old), "{}", restored.text());
        }
        for comment in &lost {
            // What it stood in or with is gone, or is something else now.
            let kind = |document: &Document| document.get(&comment.path).map(|node| std::mem::discriminant(&node.kind));
            prop_assert!(
                kind(&new) != kind(&old) || comment.path.steps().iter().any(|step| matches!(step, Step::Index(_))),
                "{comment:?}\n{}", new.text()
            );
        }
        let (again, lost_again) = restore_comments(&old, &restored);
        prop_assert_eq!(again.text(), restored.text());
        prop_assert_eq!(lost_again, lost);
    }

    #[test]
    fn no_text_makes_it_panic(text in "[\\[\\]{}:,'\"/*\\\\ \n\ra1u.-]{0,40}") {
        match Document::parse(&text) {
            Ok(document) => prop_assert_eq!(document.text(), text),
            Err(error) => prop_assert!(error.offset <= text.len() && !error.message.is_empty()),
        }
    }
}
