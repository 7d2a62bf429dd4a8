//! What to try: some edit of some document.

use json5_edit::{Document, Edit, Expected, Kind, Node, Path, Position, Step};
use serde_json::Value;

/// A source of choices: random numbers, or the bytes of a fuzzer.
pub trait Choose {
    /// A number below `count`.
    fn choose(&mut self, count: usize) -> usize;
}

/// Numbers that are the same for the same seed (splitmix64).
pub struct Seeded(pub u64);

impl Choose for Seeded {
    fn choose(&mut self, count: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % count.max(1) as u64).unwrap()
    }
}

/// Some edit of a document.
pub fn some_edit(document: &Document, choice: &mut impl Choose) -> Edit {
    let mut places = Vec::new();
    all_places(document.root(), &Path::root(), &mut places);
    let path = places[choice.choose(places.len())].clone();
    let expected = Expected::Anything;
    match choice.choose(7) {
        0 => Edit::Set { path, value: some_value(choice, 2), expected },
        1 => {
            let missing = match document.get(&path).map(|node| &node.kind) {
                Some(Kind::Object(_)) => path.then(KEYS[choice.choose(KEYS.len())]),
                Some(Kind::Array(items)) => path.then(items.len()),
                _ => path,
            };
            let path = if choice.choose(4) == 0 { missing.then("deeper").then(0) } else { missing };
            Edit::Set { path, value: some_value(choice, 2), expected }
        }
        2 => {
            let (path, node) = container(document, path);
            let is_object = matches!(node.kind, Kind::Object(_));
            let key = is_object.then(|| KEYS[choice.choose(KEYS.len())].to_owned());
            let position = some_position(node, choice);
            Edit::Insert { path, key, position, value: some_value(choice, 2), expected }
        }
        3 => Edit::Remove { path, expected },
        4 => Edit::Rename { path, key: KEYS[choice.choose(KEYS.len())].to_owned(), expected },
        5 => {
            let other = places[choice.choose(places.len())].clone();
            Edit::Swap { path, other, expected, expected_other: Expected::Anything }
        }
        _ => {
            let (path, node) = container(document, path);
            let entry = some_entry(node, choice);
            let position = some_position(node, choice);
            Edit::Move { path, entry, position, expected, anchor: Expected::Anything }
        }
    }
}

const KEYS: [&str; 12] =
    ["new", "a", "b-c", "anthropic/claude", "ключ", "it's", "two \"2\"", "", "\u{2028}", "x.y", "Infinity", "$_1"];

fn container(document: &Document, path: Path) -> (Path, &Node) {
    let node = document.get(&path).unwrap();
    match (&node.kind, path.split_last()) {
        (Kind::Scalar(_), Some((parent, _))) => {
            let node = document.get(&parent).unwrap();
            (parent, node)
        }
        _ => (path, node),
    }
}

fn some_entry(node: &Node, choice: &mut impl Choose) -> Step {
    match &node.kind {
        Kind::Object(members) if !members.is_empty() && choice.choose(4) > 0 => {
            Step::Key(members[choice.choose(members.len())].key.clone())
        }
        Kind::Object(members) => Step::Index(choice.choose(members.len().max(1))),
        Kind::Array(items) => Step::Index(choice.choose(items.len().max(1))),
        Kind::Scalar(_) => Step::Index(0),
    }
}

fn some_position(node: &Node, choice: &mut impl Choose) -> Position {
    match choice.choose(5) {
        0 => Position::Start,
        1 => Position::End,
        2 => Position::Before(some_entry(node, choice)),
        3 => Position::After(some_entry(node, choice)),
        _ => Position::At(match some_entry(node, choice) {
            Step::Index(index) => index,
            Step::Key(_) => 0,
        }),
    }
}

pub fn all_places(node: &Node, here: &Path, all: &mut Vec<Path>) {
    all.push(here.clone());
    match &node.kind {
        Kind::Scalar(_) => {}
        Kind::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| all_places(item, &here.then(index), all));
        }
        Kind::Object(members) => {
            // Of members with the same key, a path leads to the last.
            for (at, member) in members.iter().enumerate() {
                if !members[at + 1..].iter().any(|later| later.key == member.key) {
                    all_places(&member.value, &here.then(member.key.as_str()), all);
                }
            }
        }
    }
}

pub fn some_value(choice: &mut impl Choose, depth: usize) -> Value {
    match choice.choose(if depth == 0 { 8 } else { 10 }) {
        0 => Value::Null,
        1 => Value::Bool(choice.choose(2) == 0),
        2 => Value::from(choice.choose(1 << 20)),
        3 => Value::from(-(choice.choose(1000) as i64)),
        4 => Value::from(choice.choose(1000) as f64 / 8.0),
        5 => Value::from([u64::MAX as f64, 1e300, -1e-300, 9.1e15][choice.choose(4)]),
        6 => {
            Value::from(["", "x", "/* no */", "// no", "\u{2028}'\"\\\r\n\u{feff}", "${KEY}", "日本"][choice.choose(7)])
        }
        7 => Value::from("lmstudio/minimax-m2.1-gs32"),
        8 => (0..choice.choose(4)).map(|_| some_value(choice, depth - 1)).collect(),
        _ => Value::Object(
            (0..choice.choose(4))
                .map(|_| (KEYS[choice.choose(KEYS.len())].to_owned(), some_value(choice, depth - 1)))
                .collect(),
        ),
    }
}
