//! What must hold for every edit of every document, computed without the editor: what `json5` reads before and after,
//! where each comment belongs before and after, and which bytes are the same.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code, missing_docs)]

mod choices;

pub use choices::*;
use json5::char::{is_json5_line_terminator, is_json5_whitespace};
use json5_edit::{Comment, CommentPlace, Document, Edit, EditError, Kind, Node, Path, Position, Step, TextChange};
use serde_json::{Map, Value};

/// Makes one edit and checks it. The edited document, unless the edit was refused with a good reason.
pub fn edited(before: &Document, edit: &Edit) -> Option<Document> {
    let after = meant(before, edit)?;
    let context = || format!("{edit:?}\n--- before\n{}\n--- after\n{}\n", shown(before), shown(&after));
    differences_lead_there(before, &after, &context);
    // As data it is the same edit, and against its own document it finds what it expects.
    let sent: Edit = serde_json::from_str(&serde_json::to_string(edit).unwrap()).unwrap();
    assert_eq!(&sent, edit);
    let expecting = edit.clone().against(before);
    let again = before.apply(&[expecting]).map(|again| again.text().to_owned());
    assert_eq!(again.as_deref(), Ok(after.text()), "{}", context());
    Some(after)
}

/// The same without a look at how the edit is told and kept, which takes most of the time.
pub fn meant(before: &Document, edit: &Edit) -> Option<Document> {
    let after = match before.apply(std::slice::from_ref(edit)) {
        Ok(after) => after,
        Err(error) => {
            assert!(may_refuse(before, edit, &error), "{edit:?}\n{error:?}\n{}", shown(before));
            return None;
        }
    };
    let context = || format!("{edit:?}\n--- before\n{}\n--- after\n{}\n", shown(before), shown(&after));
    value_is_intended(before, edit, &after, &context);
    comments_stay(before, edit, &after, &context);
    bytes_stay(before, edit, &after, &context);
    Some(after)
}

fn shown(document: &Document) -> String {
    format!("{}\n    {:?}", document.text(), document.text())
}

fn may_refuse(before: &Document, edit: &Edit, error: &EditError) -> bool {
    match error {
        EditError::DuplicateKey { .. } => !before.text().is_empty() && has_duplicates(before.root()),
        EditError::KeyExists { .. } => matches!(edit, Edit::Insert { .. } | Edit::Rename { .. }),
        EditError::Root => {
            edit.path().steps().is_empty() || matches!(edit, Edit::Swap { other, .. } if other.steps().is_empty())
        }
        EditError::NoSuchItem { .. } | EditError::Missing { .. } | EditError::NotAContainer { .. } => true,
        EditError::WrongKey { .. } => matches!(edit, Edit::Insert { .. } | Edit::Rename { .. }),
        EditError::TooDeep { .. } => {
            edit.path().steps().len() > 100
                || (matches!(edit, Edit::Swap { .. }) && before.text().matches(['[', '{']).count() > 64)
        }
        EditError::Within { path, other } => path != other && below(path, other).is_some(),
        EditError::Conflict(_) | EditError::Unverified { .. } => false,
    }
}

pub fn has_duplicates(node: &Node) -> bool {
    match &node.kind {
        Kind::Scalar(_) => false,
        Kind::Array(items) => items.iter().any(has_duplicates),
        Kind::Object(members) => members.iter().enumerate().any(|(at, member)| {
            members[..at].iter().any(|earlier| earlier.key == member.key) || has_duplicates(&member.value)
        }),
    }
}

// --- what it means

fn value_is_intended(before: &Document, edit: &Edit, after: &Document, context: &dyn Fn() -> String) {
    let read: Value = json5::from_str(after.text()).unwrap_or_else(|error| panic!("{error}\n{}", context()));
    assert_eq!(&read, after.value(), "{}", context());
    if has_duplicates(before.root()) {
        // The last of them counts, so that a move may change the value; only places can be compared then.
        return;
    }
    let mut intended: Value = json5::from_str(before.text()).unwrap();
    make(&mut intended, edit);
    // Printed, the order of members counts too.
    assert_eq!(read.to_string(), intended.to_string(), "{}", context());
}

/// The edit, made on a value.
fn make(root: &mut Value, edit: &Edit) {
    match edit {
        Edit::Set { path, value, .. } => put(root, path.steps(), value),
        Edit::Insert { path, key, position, value, .. } => match at(root, path.steps()) {
            Value::Array(items) => {
                let place = place(position, items.len(), |step| index(step).unwrap());
                items.insert(place, value.clone());
            }
            Value::Object(members) => {
                let mut list: Vec<_> = std::mem::take(members).into_iter().collect();
                let place = place(position, list.len(), |step| member(&list, step));
                list.insert(place, (key.clone().unwrap(), value.clone()));
                *members = list.into_iter().collect();
            }
            _ => panic!("nothing can be inserted into a scalar"),
        },
        Edit::Remove { path, .. } => {
            let (parent, step) = path.split_last().unwrap();
            match (at(root, parent.steps()), step) {
                (Value::Array(items), Step::Index(index)) => drop(items.remove(*index)),
                (Value::Object(members), Step::Key(key)) => drop(members.shift_remove(key).unwrap()),
                _ => panic!("nothing can be removed from this"),
            }
        }
        Edit::Rename { path, key, .. } => {
            let (parent, step) = path.split_last().unwrap();
            let Value::Object(members) = at(root, parent.steps()) else { panic!("no object") };
            let renamed = std::mem::take(members)
                .into_iter()
                .map(|(old, value)| if Step::Key(old.clone()) == *step { (key.clone(), value) } else { (old, value) });
            *members = renamed.collect();
        }
        Edit::Move { path, entry, position, .. } => match at(root, path.steps()) {
            Value::Array(items) => {
                let mut list = std::mem::take(items);
                shift(&mut list, index(entry).unwrap(), position, |step| index(step).unwrap());
                *items = list;
            }
            Value::Object(members) => {
                let mut list: Vec<_> = std::mem::take(members).into_iter().collect();
                let keys = list.clone();
                shift(&mut list, member(&keys, entry), position, |step| member(&keys, step));
                *members = list.into_iter().collect();
            }
            _ => panic!("nothing can be moved in a scalar"),
        },
        Edit::Swap { path, other, .. } => {
            let [one, two] = [path, other].map(|path| at(root, path.steps()).take());
            *at(root, path.steps()) = if path == other { one.clone() } else { two };
            *at(root, other.steps()) = one;
        }
    }
}

fn index(step: &Step) -> Option<usize> {
    match step {
        Step::Index(index) => Some(*index),
        Step::Key(_) => None,
    }
}

fn member(members: &[(String, Value)], step: &Step) -> usize {
    match step {
        Step::Index(index) => *index,
        Step::Key(key) => members.iter().position(|(other, _)| other == key).unwrap(),
    }
}

fn place(position: &Position, count: usize, number: impl Fn(&Step) -> usize) -> usize {
    match position {
        Position::Start => 0,
        Position::End => count,
        Position::Before(step) => number(step),
        Position::After(step) => number(step) + 1,
        Position::At(index) => *index,
    }
}

fn shift<T>(list: &mut Vec<T>, from: usize, position: &Position, number: impl Fn(&Step) -> usize) {
    let to = destination(list.len(), from, position, number);
    let moved = list.remove(from);
    list.insert(to, moved);
}

fn destination(count: usize, from: usize, position: &Position, number: impl Fn(&Step) -> usize) -> usize {
    let to = place(position, count, number);
    if !matches!(position, Position::At(_)) && to > from { to - 1 } else { to }
}

fn at<'a>(node: &'a mut Value, steps: &[Step]) -> &'a mut Value {
    steps.iter().fold(node, |node, step| match step {
        Step::Key(key) => node.get_mut(key).unwrap(),
        Step::Index(index) => node.get_mut(index).unwrap(),
    })
}

fn put(node: &mut Value, steps: &[Step], value: &Value) {
    let Some((step, deeper)) = steps.split_first() else {
        *node = value.clone();
        return;
    };
    match step {
        Step::Key(key) => {
            if !node.is_object() {
                *node = Value::Object(Map::new());
            }
            put(node.as_object_mut().unwrap().entry(key.clone()).or_insert(Value::Null), deeper, value);
        }
        Step::Index(index) => {
            if !node.is_array() {
                *node = Value::Array(Vec::new());
            }
            let items = node.as_array_mut().unwrap();
            if *index == items.len() {
                items.push(Value::Null);
            }
            put(&mut items[*index], deeper, value);
        }
    }
}

// --- whose comments

/// Each comment with what it belongs to and from where it is seen; the container's own are not told apart, because which
/// of its entries is the last one changes.
pub fn owners(document: &Document) -> Vec<(String, String, &'static str)> {
    let mut all: Vec<_> = document
        .comments()
        .into_iter()
        .map(|comment| (document.text()[comment.span].to_owned(), comment.path.to_string(), class(comment.place)))
        .collect();
    all.sort();
    all
}

fn class(place: CommentPlace) -> &'static str {
    match place {
        CommentPlace::Head => "head",
        CommentPlace::Tail => "tail",
        CommentPlace::Above => "above",
        CommentPlace::Inside => "inside",
        CommentPlace::Behind => "behind",
        CommentPlace::Opening | CommentPlace::Between | CommentPlace::Closing => "container",
    }
}

fn comments_stay(before: &Document, edit: &Edit, after: &Document, context: &dyn Fn() -> String) {
    let unchanged = before.text() == after.text();
    let replaced = match edit {
        Edit::Set { path, .. } if !unchanged => before.locate(path).map(|place| place.span),
        _ => None,
    };
    let mut expected: Vec<_> = before
        .comments()
        .into_iter()
        .filter(|comment| {
            !replaced.as_ref().is_some_and(|gone| gone.start <= comment.span.start && comment.span.end <= gone.end)
        })
        .filter_map(|comment| {
            let path = if unchanged { Some(comment.path) } else { moved(before, edit, &comment) }?;
            Some((before.text()[comment.span].to_owned(), path.to_string(), class(comment.place)))
        })
        .collect();
    expected.sort();
    assert_eq!(owners(after), expected, "{}", context());
}

/// Where what stood at a path stands after the edit; none when it is gone.
fn moved(before: &Document, edit: &Edit, comment: &Comment) -> Option<Path> {
    let path = &comment.path;
    let own = |parent: &Path| below(parent, path)?.split_first();
    let with = |parent: &Path, step: Step, rest: &[Step]| {
        Path::from_iter(parent.steps().iter().cloned().chain([step]).chain(rest.iter().cloned()))
    };
    let number = |parent: &Path, step: &Step| match (step, &before.get(parent).unwrap().kind) {
        (Step::Key(key), Kind::Object(members)) => members.iter().position(|member| member.key == *key).unwrap(),
        (Step::Index(index), _) => *index,
        _ => panic!("no such entry"),
    };
    let count = |parent: &Path| match &before.get(parent).unwrap().kind {
        Kind::Array(items) => items.len(),
        Kind::Object(members) => members.len(),
        Kind::Scalar(_) => 0,
    };
    let is_array = |parent: &Path| matches!(before.get(parent).unwrap().kind, Kind::Array(_));
    match edit {
        Edit::Set { .. } => Some(path.clone()),
        Edit::Insert { path: parent, position, .. } => match own(parent) {
            Some((Step::Index(index), rest)) if is_array(parent) => {
                let place = self::place(position, count(parent), |step| number(parent, step));
                Some(with(parent, Step::Index(index + usize::from(*index >= place)), rest))
            }
            _ => Some(path.clone()),
        },
        Edit::Remove { path: removed, .. } => {
            let (parent, step) = removed.split_last().unwrap();
            match (own(&parent), step) {
                (Some((own, _)), step) if own == step => None,
                (Some((Step::Index(index), rest)), Step::Index(gone)) if index > gone => {
                    Some(with(&parent, Step::Index(index - 1), rest))
                }
                _ => Some(path.clone()),
            }
        }
        Edit::Rename { path: renamed, key, .. } => {
            let (parent, step) = renamed.split_last().unwrap();
            match own(&parent) {
                Some((own, rest)) if own == step => Some(with(&parent, Step::Key(key.clone()), rest)),
                _ => Some(path.clone()),
            }
        }
        Edit::Move { path: parent, entry, position, .. } => match own(parent) {
            Some((Step::Index(index), rest)) if is_array(parent) => {
                let from = number(parent, entry);
                let to = destination(count(parent), from, position, |step| number(parent, step));
                let mut order: Vec<usize> = (0..count(parent)).collect();
                let item = order.remove(from);
                order.insert(to, item);
                let place = order.iter().position(|other| other == index).unwrap();
                Some(with(parent, Step::Index(place), rest))
            }
            _ => Some(path.clone()),
        },
        Edit::Swap { path: one, other: two, .. } => [(one, two), (two, one)]
            .into_iter()
            .find_map(|(from, to)| {
                let rest = below(from, path)?;
                let goes = !rest.is_empty() || !is_the_keys(before, comment);
                Some(if goes { to.steps().iter().chain(rest).cloned().collect() } else { path.clone() })
            })
            .or_else(|| Some(path.clone())),
    }
}

/// The steps from one path to another below it.
fn below<'a>(parent: &Path, path: &'a Path) -> Option<&'a [Step]> {
    path.steps().strip_prefix(parent.steps())
}

/// Whether a comment stays with its member's key when another value comes there.
fn is_the_keys(before: &Document, comment: &Comment) -> bool {
    let Some((_, Step::Key(key))) = comment.path.split_last() else { return false };
    let commented_out = |other: &Comment| {
        let behind = before.text()[other.span.end..]
            .trim_start_matches(|c| is_json5_whitespace(c) && !is_json5_line_terminator(c));
        if !behind.starts_with(is_json5_line_terminator) {
            return false;
        }
        let text = before.text()[other.span.clone()].trim_start_matches(['/', '*']);
        let text = text.trim_start_matches(|c: char| c.is_whitespace() || c == '"' || c == '\'');
        !key.is_empty()
            && text.starts_with(key.as_str())
            && text[key.len()..]
                .trim_start_matches(|c: char| c.is_whitespace() || c == '"' || c == '\'')
                .starts_with(':')
    };
    match comment.place {
        CommentPlace::Inside => true,
        CommentPlace::Above => before.comments().iter().any(|other| {
            other.path == comment.path
                && other.place == CommentPlace::Above
                && other.span.start >= comment.span.start
                && commented_out(other)
        }),
        _ => false,
    }
}

// --- which bytes

fn bytes_stay(before: &Document, edit: &Edit, after: &Document, context: &dyn Fn() -> String) {
    let (old, new) = (before.text(), after.text());
    let same_outside = |span: std::ops::Range<usize>| {
        assert!(new.len() >= span.start + old.len() - span.end, "{}", context());
        assert!(new.starts_with(&old[..span.start]) && new.ends_with(&old[span.end..]), "{}", context());
    };
    let sorted = |text: &str| {
        let mut ink: Vec<char> = ink(text).into_iter().filter(|c| *c != ',').collect();
        ink.sort_unstable();
        ink
    };
    match edit {
        Edit::Set { path, .. } => match before.locate(path) {
            Some(place) => same_outside(place.span),
            None => {
                let mut parent = path.clone();
                while before.get(&parent).is_none() {
                    parent = parent.split_last().unwrap().0;
                }
                same_outside(before.get(&parent).unwrap().span.clone());
                assert!(is_subsequence(&ink(old), &ink(new)), "{}", context());
            }
        },
        Edit::Insert { path, .. } => {
            same_outside(before.get(path).unwrap().span.clone());
            assert!(is_subsequence(&ink(old), &ink(new)), "{}", context());
        }
        Edit::Remove { path, .. } => {
            let (parent, _) = path.split_last().unwrap();
            same_outside(before.get(&parent).unwrap().span.clone());
            assert!(is_subsequence(&ink(new), &ink(old)), "{}", context());
        }
        Edit::Rename { path, .. } => same_outside(before.locate(path).unwrap().key_span.unwrap()),
        Edit::Move { path, .. } => {
            same_outside(before.get(path).unwrap().span.clone());
            assert_eq!(sorted(old), sorted(new), "{}", context());
        }
        Edit::Swap { path, other, .. } => {
            let shared = path.steps().iter().zip(other.steps()).take_while(|(one, two)| one == two).count();
            let outer: Path = path.steps()[..shared.min(path.steps().len() - 1)].iter().cloned().collect();
            same_outside(before.get(&outer).unwrap().span.clone());
            assert_eq!(sorted(old), sorted(new), "{}", context());
        }
    }
    kept_as_written(before, edit, after, context);
}

/// Every key and scalar that the edit did not name is written as it was, and wherever it went.
fn kept_as_written(before: &Document, edit: &Edit, after: &Document, context: &dyn Fn() -> String) {
    let words = |document: &Document| {
        let mut all = Vec::new();
        written(document.text(), document.root(), &mut all);
        all.sort();
        all
    };
    let (old, new) = (words(before), words(after));
    match edit {
        Edit::Move { .. } | Edit::Swap { .. } => assert_eq!(old, new, "{}", context()),
        Edit::Insert { .. } => assert!(is_subsequence(&old, &new), "{}", context()),
        Edit::Remove { .. } => assert!(is_subsequence(&new, &old), "{}", context()),
        _ => {}
    }
}

fn written(text: &str, node: &Node, all: &mut Vec<String>) {
    match &node.kind {
        Kind::Scalar(_) => all.push(text[node.span.clone()].to_owned()),
        Kind::Array(items) => items.iter().for_each(|item| written(text, item, all)),
        Kind::Object(members) => {
            for member in members {
                all.push(text[member.key_span.clone()].to_owned());
                written(text, &member.value, all);
            }
        }
    }
}

/// What is left of a text without white space and commas: what no edit may lose.
fn ink(text: &str) -> Vec<char> {
    text.chars().filter(|c| !c.is_whitespace() && !matches!(c, '\u{feff}' | ',')).collect()
}

pub fn is_subsequence<T: PartialEq>(short: &[T], long: &[T]) -> bool {
    let mut long = long.iter();
    short.iter().all(|item| long.any(|other| other == item))
}

// --- how it is told

pub fn differences_lead_there(before: &Document, after: &Document, context: &dyn Fn() -> String) {
    let changes = before.changes_to(after);
    assert_eq!(TextChange::apply(before.text(), &changes).as_deref(), Some(after.text()), "{}", context());
    for change in &changes {
        let old = &before.text()[change.range.clone()];
        let same_start = old.chars().next().is_some_and(|c| change.replacement.starts_with(c));
        let same_end = old.chars().next_back().is_some_and(|c| change.replacement.ends_with(c));
        assert!(!same_start && !same_end, "{change:?}\n{}", context());
    }
    assert_eq!(changes.is_empty(), before.text() == after.text(), "{}", context());
    let diff = before.diff_to(after, "a.json5");
    assert_eq!(patched(before.text(), &diff), after.text(), "{diff}\n{}", context());
}

/// What a unified diff makes of a text.
fn patched(old: &str, diff: &str) -> String {
    let old: Vec<&str> = old.split_inclusive('\n').collect();
    let mut new = String::new();
    let mut at = 0;
    let mut rows = diff.split_inclusive('\n').skip(2).peekable();
    while let Some(row) = rows.next() {
        if let Some(header) = row.strip_prefix("@@ -") {
            let range = header.split(' ').next().unwrap();
            let (line, count) = range.split_once(',').unwrap_or((range, "1"));
            let line: usize = line.parse().unwrap();
            let start = if count == "0" { line } else { line - 1 };
            new.extend(old[at..start].iter().copied());
            at = start;
            continue;
        }
        if row.starts_with('\\') {
            continue;
        }
        let no_end = rows.peek().is_some_and(|next| next.starts_with('\\'));
        let text = if no_end { row[1..].trim_end_matches('\n') } else { &row[1..] };
        if row.starts_with([' ', '-']) {
            assert_eq!(old[at], text, "{diff}");
            at += 1;
        }
        if row.starts_with([' ', '+']) {
            new.push_str(text);
        }
    }
    new.extend(old[at..].iter().copied());
    new
}
