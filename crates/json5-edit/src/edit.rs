//! What can be done to a document, as data: edits can be kept, sent, and made again on a text that changed meanwhile.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::document::Document;
use crate::path::{Path, Step};

/// One edit. The `expected` of an edit says what must stand at its place for it to be made; where something else
/// does, it is refused as a [`EditError::Conflict`]. [`Edit::against`] fills it in from a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "edit", rename_all = "snake_case")]
pub enum Edit {
    /// Replaces the value at `path`, or adds it at the end, with the parents that are missing. A string keeps the
    /// quotes of the one it replaces. An index right after an array's last item adds one.
    Set {
        /// Of the value.
        path: Path,
        /// The new value.
        value: Value,
        /// What stands there.
        #[serde(default, skip_serializing_if = "Expected::is_anything")]
        expected: Expected,
    },
    /// Adds a member to an object or an item to an array.
    Insert {
        /// Of the object or array.
        path: Path,
        /// The new member's key; none in an array.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<String>,
        /// Where in it.
        position: Position,
        /// The new value.
        value: Value,
        /// What stands where `position` points before the edit.
        #[serde(default, skip_serializing_if = "Expected::is_anything")]
        expected: Expected,
    },
    /// Removes a member or an item with its comments: those behind it on its line, and those above it as far as no
    /// blank line stands between.
    Remove {
        /// Of the value.
        path: Path,
        /// What stands there.
        #[serde(default, skip_serializing_if = "Expected::is_anything")]
        expected: Expected,
    },
    /// Gives a member another key, in the quotes of the old one.
    Rename {
        /// Of the value, with the old key.
        path: Path,
        /// The new key.
        key: String,
        /// What stands there.
        #[serde(default, skip_serializing_if = "Expected::is_anything")]
        expected: Expected,
    },
    /// Moves a member or an item, with its comments, within its object or array.
    Move {
        /// Of the object or array.
        path: Path,
        /// The member's key, or the place of the item (or member), counted from 0.
        entry: Step,
        /// Where it goes.
        position: Position,
        /// What is moved.
        #[serde(default, skip_serializing_if = "Expected::is_anything")]
        expected: Expected,
        /// What stands where `position` points before the edit.
        #[serde(default, skip_serializing_if = "Expected::is_anything")]
        anchor: Expected,
    },
    /// Exchanges two values, in whatever arrays and objects they stand; none may stand in the other. Each takes its
    /// comments along, as it is written. A member's key stays, with the comments between it and the value, and with
    /// those above it as far as one is a line that has the member commented out (`// key: …`).
    Swap {
        /// Of the one value.
        path: Path,
        /// Of the other.
        other: Path,
        /// What stands at `path`.
        #[serde(default, skip_serializing_if = "Expected::is_anything")]
        expected: Expected,
        /// What stands at `other`.
        #[serde(default, skip_serializing_if = "Expected::is_anything")]
        expected_other: Expected,
    },
}

/// A place among the entries (items or members) of an array or object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Position {
    /// Before all others.
    Start,
    /// After all others.
    End,
    /// Right before this one.
    Before(Step),
    /// Right after this one.
    After(Step),
    /// So that it is the one with this number, counted from 0.
    At(usize),
}

/// What must stand somewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expected {
    /// Whatever is there.
    #[default]
    Anything,
    /// Nothing.
    Nothing,
    /// Exactly this. Numbers that JSON has no words for are `null`.
    Value(Value),
}

/// Why an edit was not made. The document is as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// A key on the path stands more than once in its object; which one is meant is not for an editor to guess.
    #[error("{path} stands more than once (lines {}): remove all but one", join(lines))]
    DuplicateKey {
        /// The key's path.
        path: Path,
        /// Where, in the text's order.
        lines: Vec<u32>,
    },
    /// The path goes on below something that holds nothing, or not in this way.
    #[error("line {line}: {} is {found}, so nothing can stand below it", named(path))]
    NotAContainer {
        /// What it goes on below.
        path: Path,
        /// Its line.
        line: u32,
        /// What that is.
        found: &'static str,
    },
    /// An array has no such item, nor is it the place right after its last.
    #[error("{} has {length} items, so there is no place {index}", named(path))]
    NoSuchItem {
        /// The array's path.
        path: Path,
        /// How many it has.
        length: usize,
        /// What was asked for.
        index: usize,
    },
    /// Nothing stands where something must.
    #[error("there is no {path}")]
    Missing {
        /// What there is not.
        path: Path,
    },
    /// The new key is that of another member.
    #[error("line {line}: {path} is there already: choose another key, or change that one")]
    KeyExists {
        /// That member.
        path: Path,
        /// Its line.
        line: u32,
    },
    /// An object's member needs a key, and an array's item has none.
    #[error("{} is {found}: {}", named(path), if *.found == "an object" { "say under which key" } else { "its items have no keys" })]
    WrongKey {
        /// The object or array.
        path: Path,
        /// What it is.
        found: &'static str,
    },
    /// One of two values that were to change places stands in the other.
    #[error("{other} stands in {path}, so the two cannot change places")]
    Within {
        /// The outer one.
        path: Path,
        /// The inner one.
        other: Path,
    },
    /// The outermost value can be replaced, but not removed, renamed or moved.
    #[error("the whole document can be replaced, but not removed, renamed or moved")]
    Root,
    /// The new text would be nested too deeply to be read again.
    #[error("{} would be nested more than {} levels deep: flatten it", named(path), Document::MAX_DEPTH)]
    TooDeep {
        /// What was to be edited.
        path: Path,
    },
    /// The document changed since the edit was thought of: something else stands at its place now.
    #[error("{} is not what it was when this change was made: look at both and choose", named(&.0.path))]
    Conflict(Box<Conflict>),
    /// The new text would not have meant exactly what was intended, so it was thrown away.
    #[error("{} cannot be edited here without changing something else; edit it by hand", named(path))]
    Unverified {
        /// What was to be edited.
        path: Path,
    },
}

/// What an edit was made for, and what it found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The place.
    pub path: Path,
    /// What the edit was made for.
    pub expected: Expected,
    /// What stands there; none when nothing does.
    pub found: Option<Value>,
}

fn named(path: &Path) -> String {
    if path.steps().is_empty() { "the document".to_owned() } else { path.to_string() }
}

fn join(lines: &[u32]) -> String {
    lines.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}

impl Expected {
    /// Whether everything will do.
    #[must_use]
    pub fn is_anything(&self) -> bool {
        *self == Self::Anything
    }

    fn at(document: &Document, path: &Path) -> Self {
        document.get(path).map_or(Self::Nothing, |node| Self::Value(node.to_value()))
    }
}

impl Position {
    /// The entry that it names, if it names one.
    pub(crate) fn anchor(&self) -> Option<Step> {
        match self {
            Self::Before(step) | Self::After(step) => Some(step.clone()),
            Self::At(index) => Some(Step::Index(*index)),
            Self::Start | Self::End => None,
        }
    }
}

impl Edit {
    /// What it edits.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Set { path, .. }
            | Self::Insert { path, .. }
            | Self::Remove { path, .. }
            | Self::Rename { path, .. }
            | Self::Move { path, .. }
            | Self::Swap { path, .. } => path,
        }
    }

    /// The same edit, to be made only where the same still stands as in `document`.
    #[must_use]
    pub fn against(mut self, document: &Document) -> Self {
        match &mut self {
            Self::Set { path, expected, .. }
            | Self::Remove { path, expected }
            | Self::Rename { path, expected, .. } => {
                *expected = Expected::at(document, path);
            }
            Self::Insert { path, position, expected, .. } => {
                *expected = anchored(document, path, position);
            }
            Self::Move { path, entry, position, expected, anchor } => {
                *expected = entry_value(document, path, entry);
                *anchor = anchored(document, path, position);
            }
            Self::Swap { path, other, expected, expected_other } => {
                *expected = Expected::at(document, path);
                *expected_other = Expected::at(document, other);
            }
        }
        self
    }
}

fn anchored(document: &Document, path: &Path, position: &Position) -> Expected {
    position.anchor().map_or(Expected::Anything, |step| entry_value(document, path, &step))
}

fn entry_value(document: &Document, path: &Path, entry: &Step) -> Expected {
    let node = document.get(path).and_then(|container| container.entry(entry));
    node.map_or(Expected::Nothing, |node| Expected::Value(node.to_value()))
}
