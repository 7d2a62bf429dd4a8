//! The configuration as one value, and where in its files an edit of that value stands. No I/O.

use json5_edit::{Document, Edit, Expected, Path, Position, Step};
use serde_json::Value;

use crate::tree::{Data, Source, Tree};

/// An edit of one file.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    /// Which of the sources.
    pub file: usize,
    /// The edit, by its path in that file.
    pub edit: Edit,
}

/// Where an edit of the whole stands. It is known to fit the whole's value; whether what comes out is what was meant is
/// for the caller to see, since one value may be put together from several files. None where it cannot be one edit of
/// one file.
pub(crate) fn place(tree: &Tree, sources: &[Source], edit: &Edit) -> Option<Placed> {
    let expected = Expected::Anything;
    match edit {
        Edit::Set { path, value, .. } => {
            let (file, path) = value_place(tree, sources, path);
            Some(Placed { file, edit: Edit::Set { path, value: value.clone(), expected } })
        }
        Edit::Remove { path, .. } => {
            let (file, path) = entry_place(tree, sources, path)?;
            Some(Placed { file, edit: Edit::Remove { path, expected } })
        }
        Edit::Rename { path, key, .. } => {
            let (file, path) = entry_place(tree, sources, path)?;
            Some(Placed { file, edit: Edit::Rename { path, key: key.clone(), expected } })
        }
        Edit::Insert { path, key, position, value, .. } => {
            let container = get(tree, path)?;
            let (file, path, position) = position_place(container, sources, position)?;
            Some(Placed {
                file,
                edit: Edit::Insert { path, key: key.clone(), position, value: value.clone(), expected },
            })
        }
        Edit::Move { path, entry, position, .. } => {
            let container = get(tree, path)?;
            let from = index_of(container, entry)?;
            let position = match position {
                // After the move it has this number, so what it is put behind or before depends on where it comes from.
                Position::At(to) if *to > from => Position::After(Step::Index(*to)),
                Position::At(to) if *to < from => Position::Before(Step::Index(*to)),
                Position::At(_) => Position::Before(Step::Index(from)),
                other => other.clone(),
            };
            let moved = entry_at(container, from)?;
            let moved_path = moved.origin.path(sources);
            let (parent, step) = moved_path.split_last()?;
            let (file, path, position) = position_place(container, sources, &position)?;
            if (moved.origin.file, &parent) != (file, &path) {
                return None;
            }
            let edit =
                Edit::Move { path, entry: step.clone(), position, expected: Expected::Anything, anchor: expected };
            Some(Placed { file, edit })
        }
        Edit::Swap { path, other, .. } => {
            let (file, path) = entry_place(tree, sources, path)?;
            let (other_file, other) = entry_place(tree, sources, other)?;
            let edit = Edit::Swap { path, other, expected: Expected::Anything, expected_other: expected };
            (file == other_file).then_some(Placed { file, edit })
        }
    }
}

/// Where a path of the whole leads: the part and the place in a file; for what is missing, where it is to be added.
fn value_place(tree: &Tree, sources: &[Source], path: &Path) -> (usize, Path) {
    let mut at = tree;
    for (depth, step) in path.steps().iter().enumerate() {
        if let Some(next) = entry(at, step) {
            at = next;
            continue;
        }
        let rest = path.steps().get(depth + 1..).unwrap_or_default();
        // An array may be joined from several files: what comes after its last item goes where that stands.
        let (file, place) = match (&at.data, step) {
            (Data::Array(items), Step::Index(_)) => match items.last().and_then(|item| after(item, sources)) {
                Some(place) => place,
                None => (at.origin.file, at.origin.path(sources).then(0)),
            },
            _ => (at.origin.file, at.origin.path(sources).then(step.clone())),
        };
        return (file, place.steps().iter().chain(rest).cloned().collect());
    }
    (at.origin.file, at.origin.path(sources))
}

/// The place right after an item.
fn after(item: &Tree, sources: &[Source]) -> Option<(usize, Path)> {
    match item.origin.path(sources).split_last()? {
        (parent, Step::Index(index)) => Some((item.origin.file, parent.then(index + 1))),
        (_, Step::Key(_)) => None,
    }
}

/// Where a member or item stands: what is the root of an included file is an entry where it is included.
fn entry_place(tree: &Tree, sources: &[Source], path: &Path) -> Option<(usize, Path)> {
    let found = get(tree, path)?;
    if !found.origin.path(sources).steps().is_empty() {
        return Some((found.origin.file, found.origin.path(sources)));
    }
    let (parent, step) = path.split_last()?;
    let parent = get(tree, &parent)?;
    let place = parent.origin.path(sources).then(step.clone());
    sources.get(parent.origin.file)?.document.get(&place)?;
    Some((parent.origin.file, place))
}

/// The file, the container in it, and the position there.
fn position_place(container: &Tree, sources: &[Source], position: &Position) -> Option<(usize, Path, Position)> {
    let count = entries(container);
    let here = |position| Some((container.origin.file, container.origin.path(sources), position));
    let (anchor, before) = match position {
        Position::Start if count > 0 => (0, true),
        Position::At(index) if *index < count => (*index, true),
        Position::Before(step) => (index_of(container, step)?, true),
        Position::After(step) => (index_of(container, step)?, false),
        // A new member goes where the object itself is written; a new item behind the last one.
        _ if count > 0 && matches!(container.data, Data::Array(_)) => (count - 1, false),
        _ => return here(Position::End),
    };
    let anchor = entry_at(container, anchor)?;
    let path = anchor.origin.path(sources);
    let (path, step) = path.split_last()?;
    let position = if before { Position::Before(step.clone()) } else { Position::After(step.clone()) };
    Some((anchor.origin.file, path, position))
}

/// The edits that make one object or array of another, member by member and item by item. None where it has no parts.
pub(crate) fn parts(path: &Path, now: &Value, new: &Value) -> Option<Vec<Edit>> {
    let set = |path: Path, value: &Value| Edit::Set { path, value: value.clone(), expected: Expected::Anything };
    let change = |path: Path, now: &Value, new: &Value| match parts(&path, now, new) {
        _ if now == new => Vec::new(),
        Some(edits) => edits,
        None => vec![set(path, new)],
    };
    let remove = |path: Path| Edit::Remove { path, expected: Expected::Anything };
    match (now, new) {
        (Value::Object(now), Value::Object(new)) => {
            let gone = now.keys().filter(|key| !new.contains_key(*key)).map(|key| remove(path.then(key.as_str())));
            let stays = new.iter().flat_map(|(key, value)| match now.get(key) {
                Some(now) => change(path.then(key.as_str()), now, value),
                None => vec![set(path.then(key.as_str()), value)],
            });
            Some(gone.chain(stays).collect())
        }
        (Value::Array(now), Value::Array(new)) => {
            let gone = (new.len()..now.len()).rev().map(|index| remove(path.then(index)));
            let stays = new.iter().enumerate().flat_map(|(index, value)| match now.get(index) {
                Some(now) => change(path.then(index), now, value),
                None => vec![set(path.then(index), value)],
            });
            Some(gone.chain(stays).collect())
        }
        _ => None,
    }
}

pub(crate) fn get<'a>(tree: &'a Tree, path: &Path) -> Option<&'a Tree> {
    path.steps().iter().try_fold(tree, entry)
}

fn entry<'a>(tree: &'a Tree, step: &Step) -> Option<&'a Tree> {
    match (&tree.data, step) {
        (Data::Object(members), Step::Key(key)) => members.get(key),
        (Data::Array(items), Step::Index(index)) => items.get(*index),
        _ => None,
    }
}

fn entries(tree: &Tree) -> usize {
    match &tree.data {
        Data::Object(members) => members.len(),
        Data::Array(items) => items.len(),
        Data::Scalar(_) => 0,
    }
}

fn entry_at(tree: &Tree, index: usize) -> Option<&Tree> {
    match &tree.data {
        Data::Object(members) => members.at(index),
        Data::Array(items) => items.get(index),
        Data::Scalar(_) => None,
    }
}

fn index_of(tree: &Tree, step: &Step) -> Option<usize> {
    match (&tree.data, step) {
        (Data::Object(members), Step::Key(key)) => members.place(key),
        (_, Step::Index(index)) => (*index < entries(tree)).then_some(*index),
        _ => None,
    }
}

/// The whole as a document of its own, for edits to be tried on.
pub(crate) fn whole(value: &Value) -> Option<Document> {
    Document::parse(&value.to_string()).ok()
}
