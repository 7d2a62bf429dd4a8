//! Which text edit makes a model the primary. No I/O.

use json5_edit::{Document, EditError, Path};
use pilotlight_wire::ModelRef;
use serde_json::{Value, json};

use crate::model::ModelConfiguration;
use crate::resolve::is_own;
use crate::tree::{At, Data, Source, Tree};

/// An edit of one of the files.
#[derive(Clone, Debug)]
pub(crate) struct Edit {
    /// Which of the sources.
    pub file: usize,
    /// The path in the configuration as a whole.
    pub whole: Path,
    /// Where in the file.
    pub path: Path,
    pub kind: EditKind,
}

#[derive(Clone, Debug)]
pub(crate) enum EditKind {
    Set(Value),
    Insert(usize, Value),
    Move {
        from: usize,
        to: usize,
    },
    /// The value that it is to change places with.
    Swap(Path),
}

/// The fallbacks stand in several files, so their order cannot be changed in one.
pub(crate) struct Spread {
    pub path: Path,
}

impl Edit {
    /// The file with the edit made.
    pub(crate) fn apply(&self, sources: &[Source]) -> Result<Document, EditError> {
        let document = &sources[self.file].document;
        match &self.kind {
            EditKind::Set(value) => document.set(&self.path, value),
            EditKind::Insert(at, value) => document.insert_item(&self.path, *at, value),
            EditKind::Move { from, to } => document.move_item(&self.path, *from, *to),
            EditKind::Swap(other) => document.swap(&self.path, other),
        }
    }

    /// The line at which the new text has the value.
    pub(crate) fn line(&self, after: &Document) -> u32 {
        let path = match &self.kind {
            EditKind::Set(_) | EditKind::Swap(_) => self.path.clone(),
            EditKind::Insert(at, _) | EditKind::Move { to: at, .. } => self.path.then(*at),
        };
        after.locate(&path).map_or(1, |place| place.line)
    }
}

/// The edit that makes `model` the first of the chain; none when it is already.
///
/// Usually that is the primary's value. A fallback of the same file changes places with it, so that neither loses its
/// comments or its place in the chain. Where OpenClaw is connected through us (its primary is ours), the real chain is
/// the fallbacks, so the model is moved to their front, or inserted there.
pub(crate) fn make_primary(
    tree: &Tree,
    sources: &[Source],
    configuration: &ModelConfiguration,
    model: &ModelRef,
) -> Result<Option<Edit>, Spread> {
    let value = Value::from(model.to_string());
    let root = At::root(tree);
    let is_it = |at: &At<'_>| at.as_str().and_then(|name| configuration.resolve(name)).as_ref() == Some(model);

    let keys = ["agents", "defaults", "model"];
    let mut at = root.clone();
    for (depth, key) in keys.iter().enumerate() {
        match at.member(key) {
            // What is missing, or null, is made with everything below it.
            None => {
                let missing = wrap(&keys[depth + 1..], json!({ "primary": value }));
                return Ok(Some(set_below(sources, &at, key, missing)));
            }
            Some(member) if member.is_null() => {
                return Ok(Some(set(sources, &member, wrap(&keys[depth + 1..], json!({ "primary": value })))));
            }
            Some(member) => at = member,
        }
    }
    if let Some(name) = at.as_str() {
        if is_own(name) {
            return Ok(Some(set(sources, &at, json!({ "primary": name, "fallbacks": [value] }))));
        }
        return Ok((!is_it(&at)).then(|| set(sources, &at, value)));
    }
    let Some(primary) = at.member("primary") else { return Ok(Some(set_below(sources, &at, "primary", value))) };
    if !primary.as_str().is_some_and(is_own) {
        if is_it(&primary) {
            return Ok(None);
        }
        let fallback = at.get("fallbacks").and_then(|fallbacks| fallbacks.items().find(is_it));
        let edit = set(sources, &primary, value);
        return Ok(Some(match fallback.map(|fallback| &fallback.tree.origin) {
            Some(origin) if origin.file == edit.file && primary.as_str().is_some() => {
                Edit { kind: EditKind::Swap(origin.path(sources)), ..edit }
            }
            _ => edit,
        }));
    }
    let Some(fallbacks) = at.member("fallbacks") else {
        return Ok(Some(set_below(sources, &at, "fallbacks", json!([value]))));
    };
    let Data::Array(_) = &fallbacks.tree.data else { return Ok(Some(set(sources, &fallbacks, json!([value])))) };
    let items: Vec<At<'_>> = fallbacks.items().collect();
    // Joined from several files, an item's index in the whole is not its index in its file.
    let origin = &fallbacks.tree.origin;
    let path = origin.path(sources);
    let in_place = |(index, item): (usize, &At<'_>)| {
        item.tree.origin.file == origin.file && item.tree.origin.path(sources) == path.then(index)
    };
    if !items.iter().enumerate().all(in_place) {
        return Err(Spread { path: fallbacks.path() });
    }
    let own = |item: &At<'_>| item.as_str().is_some_and(is_own);
    let first = items.iter().position(|item| !own(item)).unwrap_or(items.len());
    let kind = match items.iter().position(is_it) {
        Some(index) if index == first => return Ok(None),
        Some(index) => EditKind::Move { from: index, to: first },
        None => EditKind::Insert(first, value),
    };
    Ok(Some(Edit { file: origin.file, whole: fallbacks.path(), path, kind }))
}

fn set(sources: &[Source], at: &At<'_>, value: Value) -> Edit {
    let origin = &at.tree.origin;
    Edit { file: origin.file, whole: at.path(), path: origin.path(sources), kind: EditKind::Set(value) }
}

fn set_below(sources: &[Source], at: &At<'_>, key: &str, value: Value) -> Edit {
    let origin = &at.tree.origin;
    let (whole, path) = (at.path().then(key), origin.path(sources).then(key));
    Edit { file: origin.file, whole, path, kind: EditKind::Set(value) }
}

fn wrap(keys: &[&str], value: Value) -> Value {
    keys.iter().rev().fold(value, |value, key| json!({ *key: value }))
}
