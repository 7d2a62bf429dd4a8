//! Edits made: each gives a new document, or leaves everything as it was and says why.

use serde_json::Value;

use crate::check;
use crate::document::Document;
use crate::edit::{Edit, EditError, Expected, Position};
use crate::path::{Path, Step};
use crate::plan::{Planner, wrapped};

impl Document {
    /// Makes several edits, one after the other, as one: all or none. Between them only the places are found anew; what
    /// comes out is given out only when `json5` reads it as exactly what was intended.
    ///
    /// # Errors
    /// That of the first edit that cannot be made; this document is never changed.
    pub fn apply(&self, edits: &[Edit]) -> Result<Self, EditError> {
        let mut edited: Option<Self> = None;
        for edit in edits {
            let before = edited.as_ref().unwrap_or(self);
            if let Some(after) = before.step(edit)? {
                edited = Some(after);
            }
        }
        let Some(edited) = edited else { return Ok(self.clone()) };
        if check::agrees(&edited.text, &edited.root) {
            Ok(edited)
        } else {
            let path = edits.last().map(|edit| edit.path().clone()).unwrap_or_default();
            Err(EditError::Unverified { path })
        }
    }

    /// Replaces the value at `path`, or adds it, with the parents that are missing, in the style around it. A string
    /// keeps the quotes of the one it replaces. An index right after an array's last item adds one.
    ///
    /// # Errors
    /// [`EditError`]; this document is never changed.
    pub fn set(&self, path: &Path, value: &Value) -> Result<Self, EditError> {
        self.apply(&[Edit::Set { path: path.clone(), value: value.clone(), expected: Expected::Anything }])
    }

    /// Adds a member (with a key) to the object or an item (without) to the array at `path`.
    ///
    /// # Errors
    /// [`EditError`]; this document is never changed.
    pub fn insert(&self, path: &Path, key: Option<&str>, position: Position, value: &Value) -> Result<Self, EditError> {
        self.apply(&[Edit::Insert {
            path: path.clone(),
            key: key.map(str::to_owned),
            position,
            value: value.clone(),
            expected: Expected::Anything,
        }])
    }

    /// Adds an item to the array at `path`, before the one that is now at `index`, or at the end.
    ///
    /// # Errors
    /// [`EditError`]; this document is never changed.
    pub fn insert_item(&self, path: &Path, index: usize, value: &Value) -> Result<Self, EditError> {
        self.insert(path, None, Position::At(index), value)
    }

    /// Removes the member or item at `path`, with its comments: those behind it on its line, and those above it as far
    /// as no blank line stands between.
    ///
    /// # Errors
    /// [`EditError`]; this document is never changed.
    pub fn remove(&self, path: &Path) -> Result<Self, EditError> {
        self.apply(&[Edit::Remove { path: path.clone(), expected: Expected::Anything }])
    }

    /// Gives the member at `path` another key, in the quotes of the old one.
    ///
    /// # Errors
    /// [`EditError`]; this document is never changed.
    pub fn rename(&self, path: &Path, key: &str) -> Result<Self, EditError> {
        self.apply(&[Edit::Rename { path: path.clone(), key: key.to_owned(), expected: Expected::Anything }])
    }

    /// Moves a member or item of the object or array at `path`, with its comments: those behind it on its line, and
    /// those above it as far as no blank line stands between.
    ///
    /// # Errors
    /// [`EditError`]; this document is never changed.
    pub fn relocate(&self, path: &Path, entry: impl Into<Step>, position: Position) -> Result<Self, EditError> {
        self.apply(&[Edit::Move {
            path: path.clone(),
            entry: entry.into(),
            position,
            expected: Expected::Anything,
            anchor: Expected::Anything,
        }])
    }

    /// Moves an item of the array at `path` so that it stands at index `to`. Its comments go with it.
    ///
    /// # Errors
    /// [`EditError`]; this document is never changed.
    pub fn move_item(&self, path: &Path, from: usize, to: usize) -> Result<Self, EditError> {
        self.relocate(path, from, Position::At(to))
    }

    /// Exchanges the values at two paths, each with its comments. See [`Edit::Swap`].
    ///
    /// # Errors
    /// [`EditError`]; this document is never changed.
    pub fn swap(&self, path: &Path, other: &Path) -> Result<Self, EditError> {
        self.apply(&[Edit::Swap {
            path: path.clone(),
            other: other.clone(),
            expected: Expected::Anything,
            expected_other: Expected::Anything,
        }])
    }

    /// The document after one edit, before `json5` was asked; none where nothing changes.
    fn step(&self, edit: &Edit) -> Result<Option<Self>, EditError> {
        let wrapped = wrapped(self, edit)?;
        match Planner::new(self).plan(edit, wrapped.as_ref())? {
            None => Ok(None),
            Some(change) => {
                let unverified = || EditError::Unverified { path: edit.path().clone() };
                change.made(self).map(Some).ok_or_else(unverified)
            }
        }
    }
}
