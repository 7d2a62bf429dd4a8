//! A configuration as one value, each part of which knows the file and place it came from. No I/O: the files come in
//! as documents.

use std::path::PathBuf;

use indexmap::IndexMap;
use json5_edit::{Document, Path, Step};
use serde_json::Value;

use crate::diagnostic::{Diagnostic, Fix, Severity};

/// One file.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub path: PathBuf,
    pub document: Document,
}

/// Where a part came from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Origin {
    /// Which of the sources.
    pub file: usize,
    /// Its path in that file, which is what an edit needs.
    pub path: Path,
    /// The byte where it starts.
    pub offset: usize,
    /// The byte where its key starts, where it has one.
    pub key: Option<usize>,
}

/// A part of the configuration.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tree {
    pub data: Data,
    pub origin: Origin,
}

/// What it is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Data {
    Scalar(Value),
    Array(Vec<Tree>),
    Object(IndexMap<String, Tree>),
}

impl Tree {
    /// What it is, in a person's words.
    pub(crate) fn type_name(&self) -> &'static str {
        match &self.data {
            Data::Scalar(Value::String(_)) => "a string",
            Data::Scalar(Value::Bool(_)) => "true or false",
            Data::Scalar(Value::Number(_)) => "a number",
            Data::Scalar(_) => "null",
            Data::Array(_) => "an array",
            Data::Object(_) => "an object",
        }
    }

    /// `later` over `self`, as OpenClaw merges what it includes: arrays are joined, objects merged, and of anything else
    /// the later one is taken.
    pub(crate) fn merged(self, later: Self) -> Self {
        match (self.data, later.data) {
            (Data::Array(mut items), Data::Array(more)) => {
                items.extend(more);
                Self { data: Data::Array(items), origin: later.origin }
            }
            (Data::Object(mut members), Data::Object(more)) => {
                for (key, value) in more {
                    let value = match members.get(&key) {
                        Some(before) => before.clone().merged(value),
                        None => value,
                    };
                    members.insert(key, value);
                }
                Self { data: Data::Object(members), origin: later.origin }
            }
            (_, data) => Self { data, origin: later.origin },
        }
    }
}

/// A part of the configuration with its path in the whole, for reading.
#[derive(Clone, Debug)]
pub(crate) struct At<'a> {
    pub tree: &'a Tree,
    pub path: Path,
}

impl<'a> At<'a> {
    pub(crate) fn root(tree: &'a Tree) -> Self {
        Self { tree, path: Path::root() }
    }

    /// A member that is there and not null.
    pub(crate) fn get(&self, key: &str) -> Option<Self> {
        self.member(key).filter(|at| !at.is_null())
    }

    /// A member, null or not.
    pub(crate) fn member(&self, key: &str) -> Option<Self> {
        match &self.tree.data {
            Data::Object(members) => members.get(key).map(|tree| self.below(tree, key)),
            _ => None,
        }
    }

    /// A member below members; none as soon as one is missing.
    pub(crate) fn at(&self, keys: &[&str]) -> Option<Self> {
        keys.iter().try_fold(self.clone(), |at, key| at.get(key))
    }

    pub(crate) fn is_null(&self) -> bool {
        self.tree.data == Data::Scalar(Value::Null)
    }

    /// The string it is, with nothing said if it is none.
    pub(crate) fn as_str(&self) -> Option<&'a str> {
        match &self.tree.data {
            Data::Scalar(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    fn below(&self, tree: &'a Tree, step: impl Into<Step>) -> Self {
        Self { tree, path: self.path.then(step) }
    }
}

/// Reading with a word about whatever is not as it should be.
pub(crate) struct Report<'s> {
    sources: &'s [Source],
    pub diagnostics: Vec<Diagnostic>,
}

impl<'s> Report<'s> {
    pub(crate) fn new(sources: &'s [Source]) -> Self {
        Self { sources, diagnostics: Vec::new() }
    }

    pub(crate) fn error(&mut self, code: &'static str, at: &At<'_>, message: impl Into<String>) {
        self.add(Severity::Error, code, at, message);
    }

    pub(crate) fn warning(&mut self, code: &'static str, at: &At<'_>, message: impl Into<String>) {
        self.add(Severity::Warning, code, at, message);
    }

    pub(crate) fn add(&mut self, severity: Severity, code: &'static str, at: &At<'_>, message: impl Into<String>) {
        self.add_at(severity, code, &at.tree.origin, at.tree.origin.offset, &at.path, message.into());
    }

    /// The same, at the key rather than the value.
    pub(crate) fn at_key(&mut self, severity: Severity, code: &'static str, at: &At<'_>, message: impl Into<String>) {
        let origin = &at.tree.origin;
        self.add_at(severity, code, origin, origin.key.unwrap_or(origin.offset), &at.path, message.into());
    }

    fn add_at(
        &mut self,
        severity: Severity,
        code: &'static str,
        origin: &Origin,
        offset: usize,
        path: &Path,
        message: String,
    ) {
        let Some(source) = self.sources.get(origin.file) else { return };
        let (line, column) = source.document.position(offset);
        let file = source.path.clone();
        self.diagnostics.push(Diagnostic {
            severity,
            code,
            file,
            path: path.to_string(),
            line,
            column,
            message,
            fix: None,
        });
    }

    /// What would mend that which was said last.
    pub(crate) fn mend(&mut self, fix: Option<Fix>) {
        if let Some(last) = self.diagnostics.last_mut() {
            last.fix = fix;
        }
    }

    /// What was expected and is not.
    pub(crate) fn wrong_type(&mut self, at: &At<'_>, expected: &str) {
        self.error("wrong-type", at, format!("expected {expected}, found {}", at.tree.type_name()));
    }

    pub(crate) fn string<'a>(&mut self, at: &At<'a>) -> Option<&'a str> {
        let text = at.as_str();
        if text.is_none() {
            self.wrong_type(at, "a string");
        }
        text
    }

    pub(crate) fn boolean(&mut self, at: &At<'_>) -> Option<bool> {
        match &at.tree.data {
            Data::Scalar(Value::Bool(value)) => Some(*value),
            _ => {
                self.wrong_type(at, "true or false");
                None
            }
        }
    }

    pub(crate) fn float(&mut self, at: &At<'_>) -> Option<f64> {
        match &at.tree.data {
            Data::Scalar(Value::Number(value)) => value.as_f64(),
            _ => {
                self.wrong_type(at, "a number");
                None
            }
        }
    }

    /// A whole number that is not negative.
    pub(crate) fn count(&mut self, at: &At<'_>) -> Option<u64> {
        let value = self.float(at)?;
        // Up to 2^53 every whole number is exact.
        if (0.0..=9_007_199_254_740_992.0).contains(&value) && value.fract() == 0.0 {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            return Some(value as u64);
        }
        self.error("wrong-type", at, format!("expected a whole number from 0, found {value}"));
        None
    }

    pub(crate) fn members<'a>(&mut self, at: &At<'a>) -> Vec<(&'a str, At<'a>)> {
        match &at.tree.data {
            Data::Object(members) => {
                members.iter().map(|(key, tree)| (key.as_str(), at.below(tree, key.as_str()))).collect()
            }
            _ => {
                self.wrong_type(at, "an object");
                Vec::new()
            }
        }
    }

    pub(crate) fn items<'a>(&mut self, at: &At<'a>) -> Vec<At<'a>> {
        match &at.tree.data {
            Data::Array(items) => items.iter().enumerate().map(|(index, tree)| at.below(tree, index)).collect(),
            _ => {
                self.wrong_type(at, "an array");
                Vec::new()
            }
        }
    }
}
