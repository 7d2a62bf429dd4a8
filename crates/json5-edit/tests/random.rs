//! Random documents in random handwriting, under random edits: `json5` reads exactly what was intended, and every byte
//! outside the edit is as it was.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use json5_edit::{Document, EditError, Path, Step};
use proptest::prelude::*;
use serde_json::{Map, Value};

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
        1 => Just("/* { * */"), 1 => Just("/* two\nlines */"), 1 => Just("//\r"), 1 => Just("\u{a0}"), 1 => Just("// ls\u{2028}"),
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

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        Just(Value::from("\u{2028}'\"\\\r\n\u{feff}")),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::vec((".{0,3}", inner), 0..3)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// Every path of a value, and for each container one that is missing.
fn paths(value: &Value, here: &Path, all: &mut Vec<Path>) {
    all.push(here.clone());
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(key, inner)| paths(inner, &here.then(key.as_str()), all));
            all.push(here.then("new one"));
            all.push(here.then("new").then(0).then("deeper"));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, inner)| paths(inner, &here.then(index), all));
            all.push(here.then(items.len()));
        }
        _ => {}
    }
}

/// The intended value, computed on its own.
fn intended(root: &Value, steps: &[Step], value: &Value) -> Value {
    let Some((step, deeper)) = steps.split_first() else { return value.clone() };
    match (step, root) {
        (Step::Key(key), Value::Object(members)) => {
            let mut members = members.clone();
            let inner = intended(members.get(key).unwrap_or(&Value::Null), deeper, value);
            members.insert(key.clone(), inner);
            Value::Object(members)
        }
        (Step::Key(key), _) => Value::Object(Map::from_iter([(key.clone(), intended(&Value::Null, deeper, value))])),
        (Step::Index(index), Value::Array(items)) => {
            let mut items = items.clone();
            let inner = intended(items.get(*index).unwrap_or(&Value::Null), deeper, value);
            if *index < items.len() {
                items[*index] = inner
            } else {
                items.push(inner)
            }
            Value::Array(items)
        }
        (Step::Index(_), _) => Value::Array(vec![intended(&Value::Null, deeper, value)]),
    }
}

/// What is left of a text without white space: what no edit may lose.
fn ink(text: &str) -> Vec<char> {
    text.chars().filter(|c| !c.is_whitespace() && *c != '\u{feff}').collect()
}

fn is_subsequence(short: &[char], long: &[char]) -> bool {
    let mut long = long.iter();
    short.iter().all(|c| long.any(|other| other == c))
}

/// How many documents are tried: `PROPTEST_CASES`, for a long run, else as many as take a few seconds.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(1500)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn a_set_means_what_was_intended_and_touches_nothing_else(
        text in document(), pick in any::<prop::sample::Index>(), value in value()
    ) {
        let before = Document::parse(&text).unwrap();
        let mut all = Vec::new();
        paths(before.value(), &Path::root(), &mut all);
        let path = pick.get(&all);
        let after = match before.set(path, &value) {
            Ok(after) => after,
            // Random keys repeat; only that may stand in the way.
            Err(EditError::DuplicateKey { .. }) => return Ok(()),
            Err(error) => panic!("{path}: {error}\n{text}"),
        };
        let read: Value = json5::from_str(after.text()).unwrap();
        prop_assert_eq!(read.to_string(), intended(before.value(), path.steps(), &value).to_string());
        match before.locate(path) {
            Some(place) => {
                prop_assert!(after.text().starts_with(&text[..place.span.start]));
                prop_assert!(after.text().ends_with(&text[place.span.end..]));
            }
            None => prop_assert!(is_subsequence(&ink(&text), &ink(after.text())), "{}", after.text()),
        }
    }

    #[test]
    fn an_item_is_moved_or_inserted_and_no_ink_is_lost(
        items in prop::collection::vec((trivia(), scalar(), trivia()), 1..6), trailing in any::<bool>(),
        from in any::<prop::sample::Index>(), to in any::<prop::sample::Index>()
    ) {
        let count = items.len();
        let mut text = String::from("{ list: ");
        Written::Array(items, trailing).text(&mut text);
        text.push('}');
        let before = Document::parse(&text).unwrap();
        let (from, to) = (from.index(count), to.index(count));
        let path = Path::of(&["list"]);

        let moved = before.move_item(&path, from, to).unwrap();
        let mut list = before.value()["list"].as_array().unwrap().clone();
        let item = list.remove(from);
        list.insert(to, item);
        prop_assert_eq!(moved.value()["list"].as_array().unwrap(), &list);
        let sorted = |text: &str| { let mut ink = ink(text); ink.sort_unstable(); ink };
        prop_assert_eq!(sorted(moved.text()), sorted(&text));

        let inserted = before.insert_item(&path, to, &Value::from("new")).unwrap();
        prop_assert_eq!(&inserted.value()["list"][to], &Value::from("new"));
        prop_assert!(is_subsequence(&ink(&text), &ink(inserted.text())));
    }

    #[test]
    fn no_text_makes_it_panic(text in "[\\[\\]{}:,'\"/*\\\\ \n\ra1u.-]{0,40}") {
        match Document::parse(&text) {
            Ok(document) => prop_assert_eq!(document.text(), text),
            Err(error) => prop_assert!(error.offset <= text.len() && !error.message.is_empty()),
        }
    }
}
