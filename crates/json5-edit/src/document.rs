//! The document: its text, its value, and where each key and value stands.

use std::ops::Range;
use std::sync::OnceLock;

use serde_json::Value;

use crate::check;
use crate::explain::explain;
use crate::path::{Path, Step};
use crate::scan;

/// A JSON5 text that was read, with the place of everything in it. It never changes: an edit gives a new one.
#[derive(Clone, Debug)]
pub struct Document {
    pub(crate) text: String,
    pub(crate) root: Node,
    /// Every comment, in the text's order; a line comment without its line end.
    pub(crate) comments: Vec<Range<usize>>,
    /// Made when it is first asked for.
    value: OnceLock<Value>,
}

/// Why a text is no JSON5.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct ParseError {
    /// Counted from 1.
    pub line: u32,
    /// In characters, counted from 1.
    pub column: u32,
    /// In bytes, from the text's start.
    pub offset: usize,
    /// What is wrong and what to do, for a person.
    pub message: String,
}

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Its bytes, with the quotes or brackets.
    pub span: Range<usize>,
    /// What it is.
    pub kind: Kind,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A string, number, boolean or null.
    Scalar(Value),
    /// Its items.
    Array(Vec<Node>),
    /// Its members, in the text's order. Of two with the same key, the later is meant.
    Object(Vec<Member>),
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// The key as it is meant, without quotes and escapes.
    pub key: String,
    /// Its bytes, with the quotes if it has any.
    pub key_span: Range<usize>,
    /// The value.
    pub value: Node,
}

/// Where a value stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line of its first character, counted from 1.
    pub line: u32,
    /// In characters, counted from 1.
    pub column: u32,
    /// Its bytes.
    pub span: Range<usize>,
    /// The bytes of its key, where it is a member of an object.
    pub key_span: Option<Range<usize>>,
}

impl Document {
    /// How deeply arrays and objects may be nested. Deeper ones are refused, because reading them takes stack.
    pub const MAX_DEPTH: usize = 128;

    /// Reads a text. A byte order mark at its start is allowed, and kept.
    ///
    /// # Errors
    /// When it is no JSON5: where, what, and what to do.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        // A document exists only where what was found is what `json5` reads. Should the two ever differ, there is none,
        // rather than one that would be edited in the wrong place.
        match Self::found_in(text.to_owned()) {
            Some(document) if check::agrees(text, &document.root) => Ok(document),
            _ => Err(ParseError::of(text)),
        }
    }

    /// What was found in a text, before `json5` was asked.
    pub(crate) fn found_in(text: String) -> Option<Self> {
        let scan::Scanned { root, comments } = scan::scan(&text, Self::MAX_DEPTH).ok()?;
        Some(Self { text, root, comments, value: OnceLock::new() })
    }

    /// The text, byte for byte.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What the text means, as `json5` reads it. `NaN` and the infinities, which JSON has no words for, are `null`
    /// here; their text is kept all the same.
    #[must_use]
    pub fn value(&self) -> &Value {
        self.value.get_or_init(|| self.root.to_value())
    }

    /// The outermost value, with the place of everything in it.
    #[must_use]
    pub fn root(&self) -> &Node {
        &self.root
    }

    /// The value at a path, with its places; none where the path leads nowhere. Of members with the same key, the last
    /// is meant.
    #[must_use]
    pub fn get(&self, path: &Path) -> Option<&Node> {
        path.steps().iter().try_fold(&self.root, |node, step| match (step, &node.kind) {
            (Step::Index(_), Kind::Object(_)) => None,
            _ => node.entry(step),
        })
    }

    /// Where a value stands; none where the path leads nowhere. Of members with the same key, the last is meant.
    #[must_use]
    pub fn locate(&self, path: &Path) -> Option<Place> {
        let node = self.get(path)?;
        let key_span = path.split_last().and_then(|(parent, step)| match (step, &self.get(&parent)?.kind) {
            (Step::Key(key), Kind::Object(members)) => {
                members.iter().rev().find(|member| member.key == *key).map(|member| member.key_span.clone())
            }
            _ => None,
        });
        let (line, column) = self.position(node.span.start);
        Some(Place { line, column, span: node.span.clone(), key_span })
    }

    /// The line and the column (in characters) of a byte, both counted from 1.
    #[must_use]
    pub fn position(&self, offset: usize) -> (u32, u32) {
        position(&self.text, offset)
    }
}

impl Node {
    /// The value without places. Of members with the same key, the last counts.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match &self.kind {
            Kind::Scalar(value) => value.clone(),
            Kind::Array(items) => Value::Array(items.iter().map(Self::to_value).collect()),
            Kind::Object(members) => {
                Value::Object(members.iter().map(|member| (member.key.clone(), member.value.to_value())).collect())
            }
        }
    }

    /// The value of an entry: of the last member with this key, or of the item or member with this number.
    #[must_use]
    pub fn entry(&self, step: &Step) -> Option<&Self> {
        match (step, &self.kind) {
            (Step::Key(key), Kind::Object(members)) => {
                members.iter().rev().find(|member| member.key == *key).map(|member| &member.value)
            }
            (Step::Index(index), Kind::Object(members)) => members.get(*index).map(|member| &member.value),
            (Step::Index(index), Kind::Array(items)) => items.get(*index),
            _ => None,
        }
    }

    /// What it is, in a person's words.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match &self.kind {
            Kind::Scalar(Value::String(_)) => "a string",
            Kind::Scalar(Value::Bool(_)) => "true or false",
            Kind::Scalar(Value::Number(_)) => "a number",
            Kind::Scalar(_) => "null",
            Kind::Array(_) => "an array",
            Kind::Object(_) => "an object",
        }
    }
}

impl ParseError {
    /// Why a text that was refused is no document.
    fn of(text: &str) -> Self {
        // First, because `json5` descends as deep as the text asks for.
        if let Some(offset) = scan::too_deep(text, Document::MAX_DEPTH) {
            let message = format!("nested more than {} levels deep: flatten it", Document::MAX_DEPTH);
            return Self::at(text, offset, message);
        }
        match json5::from_str::<Value>(text) {
            Err(error) => {
                let (offset, message) = explain(text, &error);
                Self::at(text, offset, message)
            }
            Ok(_) => {
                let offset = scan::scan(text, Document::MAX_DEPTH).err().unwrap_or_default();
                Self::at(text, offset, "this text can be read but not located; please report it".to_owned())
            }
        }
    }

    fn at(text: &str, offset: usize, message: String) -> Self {
        let (line, column) = position(text, offset);
        Self { line, column, offset, message }
    }
}

/// Line and column as an editor counts them: a line ends at LF, CR or both; a byte order mark takes no column.
pub(crate) fn position(text: &str, offset: usize) -> (u32, u32) {
    let mut line = 1;
    let mut column = 1;
    let mut after_cr = false;
    for (at, c) in text.char_indices() {
        if at >= offset {
            break;
        }
        match c {
            '\n' if after_cr => {}
            '\n' | '\r' => {
                line += 1;
                column = 1;
            }
            '\u{feff}' if at == 0 => {}
            _ => column += 1,
        }
        after_cr = c == '\r';
    }
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locates_in_lines_and_characters() {
        let text = "\u{feff}{\r\n  // ä\r\n  ü: ['ß', { b: 1 }], b: 2,\r\n}";
        let document = Document::parse(text).unwrap();
        for (path, line, column, found) in [
            ("", 1, 1, None),
            ("ü", 3, 6, None),
            ("ü[0]", 3, 7, Some("'ß'")),
            ("ü[1].b", 3, 17, Some("1")),
            ("b", 3, 26, Some("2")),
        ] {
            let place = document.locate(&path.parse().unwrap()).unwrap();
            assert_eq!((place.line, place.column), (line, column), "{path}");
            if let Some(found) = found {
                assert_eq!(&text[place.span], found);
            }
        }
        assert_eq!(document.locate(&"ü[2]".parse().unwrap()), None);
        assert_eq!(document.locate(&"b.c".parse().unwrap()), None);
    }

    #[test]
    fn of_two_members_with_one_key_the_later_is_meant() {
        let document = Document::parse("{ a: 1, 'a': 2, \\u0061: 3 }").unwrap();
        assert_eq!(document.value(), &serde_json::json!({ "a": 3 }));
        let place = document.locate(&Path::of(&["a"])).unwrap();
        assert_eq!(&document.text()[place.span], "3");
        assert_eq!(&document.text()[place.key_span.unwrap()], "\\u0061");
    }

    #[test]
    fn refuses_a_depth_that_would_take_the_stack() {
        for open in ["[", "{a:"] {
            let error = Document::parse(&open.repeat(200_000)).unwrap_err();
            assert!(error.message.contains("128 levels"), "{error}");
        }
        let deepest = format!("{}{}", "[".repeat(Document::MAX_DEPTH), "]".repeat(Document::MAX_DEPTH));
        assert!(Document::parse(&deepest).is_ok());
    }
}
