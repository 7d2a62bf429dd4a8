//! A configuration as one value, each part of which knows the file and place it came from. No I/O: the files come in
//! as documents.

use std::cell::OnceCell;
use std::path::PathBuf;
use std::rc::Rc;

use json5_edit::{Document, Kind, Node, Path};
use serde_json::Value;

use crate::diagnostic::{Diagnostic, Fix, Severity, sentence};
use crate::members::{Keys, Members};
use crate::trail::{Down, Trail};

/// One file.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub path: PathBuf,
    pub document: Rc<Document>,
    /// Where its lines start, once somebody asks: what is wrong may be wrong on every line.
    lines: OnceCell<Vec<usize>>,
}

impl Source {
    pub(crate) fn new(path: PathBuf, document: Document) -> Self {
        Self { path, document: Rc::new(document), lines: OnceCell::new() }
    }

    /// Line and column of a byte, as [`Document::position`] gives them.
    pub(crate) fn position(&self, offset: usize) -> (u32, u32) {
        let text = self.document.text();
        let starts = self.lines.get_or_init(|| {
            let bytes = text.as_bytes();
            // Of a carriage return and a line feed together, the first ends the line.
            let ends = (0..bytes.len())
                .filter(|at| bytes[*at] == b'\r' || bytes[*at] == b'\n' && (*at == 0 || bytes[at - 1] != b'\r'));
            std::iter::once(0).chain(ends.map(|at| at + 1)).collect()
        });
        let line = starts.partition_point(|start| *start <= offset);
        let start = starts.get(line.saturating_sub(1)).copied().unwrap_or_default();
        let before = text.get(start..offset).unwrap_or_default();
        let unseen = if start == 0 { '\u{feff}' } else { '\n' };
        let before = before.strip_prefix(unseen).unwrap_or(before);
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        (number(line), number(before.chars().count() + 1))
    }

    /// Something to say about a place of this file.
    pub(crate) fn diagnostic(
        &self,
        severity: Severity,
        code: &'static str,
        offset: usize,
        path: &Path,
        message: String,
    ) -> Diagnostic {
        let (line, column) = self.position(offset);
        let message = sentence(message);
        Diagnostic { severity, code, file: self.path.clone(), path: path.to_string(), line, column, message, fix: None }
    }

    /// The path of a part of this file, by the byte where it starts.
    pub(crate) fn path_of(&self, offset: usize) -> Path {
        let mut path = Trail::default();
        let mut node = self.document.root();
        while node.span.start < offset {
            node = match &node.kind {
                Kind::Object(members) => {
                    let at = members.partition_point(|member| member.value.span.end <= offset);
                    let Some(member) = members.get(at) else { break };
                    path = path.then(member.key.as_str());
                    &member.value
                }
                Kind::Array(items) => {
                    let at = items.partition_point(|item| item.span.end <= offset);
                    let Some(item) = items.get(at) else { break };
                    path = path.then(at);
                    item
                }
                Kind::Scalar(_) => break,
            };
        }
        path.path()
    }
}

/// Where a part came from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Origin {
    /// Which of the sources.
    pub file: usize,
    /// The byte where it starts, from which [`Origin::path`] finds the rest.
    pub offset: usize,
    /// The byte where its key starts, where it has one.
    pub key: Option<usize>,
}

impl Origin {
    /// Its path in its file, which is what an edit needs.
    pub(crate) fn path(&self, sources: &[Source]) -> Path {
        sources.get(self.file).map(|source| source.path_of(self.offset)).unwrap_or_default()
    }
}

/// A part of the configuration.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    pub data: Data,
    pub origin: Origin,
}

/// What it is.
#[derive(Clone, Debug)]
pub(crate) enum Data {
    Scalar(Value),
    Array(Vec<Tree>),
    Object(Members),
}

impl Tree {
    /// What a node of one file is by itself. `key` is where its key starts, where it has one.
    pub(crate) fn of(file: usize, node: &Node, key: Option<usize>) -> Self {
        Self::built(file, node, key, &mut Keys::default())
    }

    fn built(file: usize, node: &Node, key: Option<usize>, keys: &mut Keys) -> Self {
        let data = match &node.kind {
            Kind::Scalar(value) => Data::Scalar(value.clone()),
            Kind::Array(items) => Data::Array(items.iter().map(|item| Self::built(file, item, None, keys)).collect()),
            Kind::Object(members) => {
                let mut object = Members::with_capacity(members.len());
                for member in members {
                    let tree = Self::built(file, &member.value, Some(member.key_span.start), keys);
                    object.insert(keys.shared(&member.key), tree);
                }
                Data::Object(object)
            }
        };
        Self { data, origin: Origin { file, offset: node.span.start, key } }
    }

    /// What it is as a plain value.
    pub(crate) fn value(&self) -> Value {
        match &self.data {
            Data::Scalar(value) => value.clone(),
            Data::Array(items) => items.iter().map(Self::value).collect(),
            Data::Object(members) => members.iter().map(|(key, tree)| (key.to_owned(), tree.value())).collect(),
        }
    }

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
            (Data::Object(members), Data::Object(more)) => {
                Self { data: Data::Object(members.merged(more, Self::merged)), origin: later.origin }
            }
            (_, data) => Self { data, origin: later.origin },
        }
    }
}

/// A part of the configuration with its path in the whole, for reading.
#[derive(Clone, Debug)]
pub(crate) struct At<'a> {
    pub tree: &'a Tree,
    trail: Trail<'a>,
}

impl<'a> At<'a> {
    pub(crate) fn root(tree: &'a Tree) -> Self {
        Self { tree, trail: Trail::default() }
    }

    /// A member that is there and not null.
    pub(crate) fn get(&self, key: &str) -> Option<Self> {
        self.member(key).filter(|at| !at.is_null())
    }

    /// A member, null or not.
    pub(crate) fn member(&self, key: &str) -> Option<Self> {
        match &self.tree.data {
            Data::Object(members) => members.entry(key).map(|(key, tree)| self.below(tree, key)),
            _ => None,
        }
    }

    /// A member below members; none as soon as one is missing.
    pub(crate) fn at(&self, keys: &[&str]) -> Option<Self> {
        keys.iter().try_fold(self.clone(), |at, key| at.get(key))
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self.tree.data, Data::Scalar(Value::Null))
    }

    /// The string it is, with nothing said if it is none.
    pub(crate) fn as_str(&self) -> Option<&'a str> {
        match &self.tree.data {
            Data::Scalar(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// Its path in the configuration as a whole.
    pub(crate) fn path(&self) -> Path {
        self.trail.path()
    }

    /// Its members with their keys, null or not; none where it is no object.
    pub(crate) fn members(&self) -> impl Iterator<Item = (&'a str, Self)> + use<'a> {
        let members = match &self.tree.data {
            Data::Object(members) => Some(members),
            _ => None,
        };
        let above = self.clone();
        members.into_iter().flat_map(Members::iter).map(move |(key, tree)| (key, above.below(tree, key)))
    }

    /// Its items; none where it is no array.
    pub(crate) fn items(&self) -> impl Iterator<Item = Self> + use<'a> {
        let items = match &self.tree.data {
            Data::Array(items) => Some(items),
            _ => None,
        };
        let above = self.clone();
        items.into_iter().flatten().enumerate().map(move |(index, tree)| above.below(tree, index))
    }

    fn below(&self, tree: &'a Tree, step: impl Into<Down<'a>>) -> Self {
        Self { tree, trail: self.trail.then(step) }
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
        self.add_at(severity, code, &at.tree.origin, at.tree.origin.offset, &at.path(), message.into());
    }

    /// The same, at the key rather than the value.
    pub(crate) fn at_key(&mut self, severity: Severity, code: &'static str, at: &At<'_>, message: impl Into<String>) {
        let origin = &at.tree.origin;
        self.add_at(severity, code, origin, origin.key.unwrap_or(origin.offset), &at.path(), message.into());
    }

    /// The same where what is said concerns another path, such as that of a key which is missing in the part.
    pub(crate) fn about(
        &mut self,
        severity: Severity,
        code: &'static str,
        part: &At<'_>,
        at_key: bool,
        path: &Path,
        message: &str,
    ) {
        let origin = &part.tree.origin;
        let offset = origin.key.filter(|_| at_key).unwrap_or(origin.offset);
        self.add_at(severity, code, origin, offset, path, message.to_owned());
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
        self.diagnostics.push(source.diagnostic(severity, code, offset, path, message));
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

    /// Says so where it is no object.
    pub(crate) fn object(&mut self, at: &At<'_>) -> bool {
        let is_one = matches!(at.tree.data, Data::Object(_));
        if !is_one {
            self.wrong_type(at, "an object");
        }
        is_one
    }

    pub(crate) fn members<'a>(&mut self, at: &At<'a>) -> Vec<(&'a str, At<'a>)> {
        self.object(at);
        at.members().collect()
    }

    pub(crate) fn items<'a>(&mut self, at: &At<'a>) -> Vec<At<'a>> {
        if !matches!(at.tree.data, Data::Array(_)) {
            self.wrong_type(at, "an array");
        }
        at.items().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_told_as_the_document_tells_it() {
        for text in ["\u{feff}{ a: 1,\r\n b: [2,\r'ä', {c: 3}],\n\n\n d: null }", "{}", "[[[1]],\n 2]"] {
            let source = Source::new(PathBuf::from("c"), Document::parse(text).unwrap());
            for (at, _) in text.char_indices() {
                assert_eq!(source.position(at), source.document.position(at), "{text:?} at {at}");
            }
            let tree = Tree::of(0, source.document.root(), None);
            let mut left = vec![At::root(&tree)];
            while let Some(at) = left.pop() {
                assert_eq!(source.path_of(at.tree.origin.offset), at.path(), "{text:?}");
                left.extend(at.items().chain(at.members().map(|(_, at)| at)));
            }
        }
    }
}
