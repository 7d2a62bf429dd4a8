//! Calls that a server leaves inside the answer's text, in MiniMax M2's own form:
//!
//! ```text
//! <minimax:tool_call>
//! <invoke name="weather">
//! <parameter name="city">Rome</parameter>
//! </invoke>
//! </minimax:tool_call>
//! ```
//!
//! A value is bare text; whether it is a number, a list or a text that looks like one, only the tool's schema says.
//! Source of the form: the chat template of MiniMax-M2.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::think::before_tag;
use crate::translate::exact;

const OPEN: &str = "<minimax:tool_call>";
const CLOSE: &str = "</minimax:tool_call>";

/// A piece of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Words. Never empty.
    Text(String),
    /// A call.
    Call {
        /// Of the tool.
        name: String,
        /// A JSON object.
        arguments: String,
    },
}

/// Takes an answer's text apart.
#[derive(Debug)]
pub struct Splitter {
    schemas: HashMap<String, Value>,
    held: String,
    /// Whether what is held stands after an opening tag.
    within: bool,
    /// Up to here what is held has no closing tag.
    scanned: usize,
    called: bool,
}

impl Splitter {
    /// For an answer that begins. `schemas`: the JSON Schemas of the tools' arguments, by name.
    #[must_use]
    pub fn new(schemas: HashMap<String, Value>) -> Self {
        Self { schemas, held: String::new(), within: false, scanned: 0, called: false }
    }

    /// Takes the next piece of the text.
    pub fn push(&mut self, text: &str) -> Vec<Piece> {
        let mut out = Vec::new();
        self.held.push_str(text);
        while self.step(&mut out) {}
        out
    }

    /// Gives what is held, because the text has ended or a call of another form comes next. A call that was not closed
    /// is given as the text that it is, unless only the last tag is missing. Blanks beside a call are nobody's.
    pub fn flush(&mut self) -> Vec<Piece> {
        let mut out = Vec::new();
        let held = std::mem::take(&mut self.held);
        self.scanned = 0;
        if std::mem::take(&mut self.within) {
            match read_calls(&held, &self.schemas) {
                Some(calls) => self.call(&mut out, calls),
                None => out.push(Piece::Text(format!("{OPEN}{held}"))),
            }
        } else if !(held.is_empty() || self.called && held.trim().is_empty()) {
            out.push(Piece::Text(held));
        }
        out
    }

    fn step(&mut self, out: &mut Vec<Piece>) -> bool {
        if !self.within {
            let Some(at) = self.held.find(OPEN) else {
                let certain = before_tag(&self.held, OPEN);
                self.tell(out, certain);
                return false;
            };
            let words = self.held.get(..at).unwrap_or_default().trim_end().len();
            self.tell(out, words);
            let tag = self.held.find(OPEN).unwrap_or(0);
            self.held.drain(..tag + OPEN.len());
            self.within = true;
            self.scanned = 0;
            return true;
        }
        // A tag that does not end calls stands in an argument.
        while let Some(at) = self.held.get(self.scanned..).and_then(|rest| rest.find(CLOSE)) {
            let end = self.scanned + at;
            self.scanned = end + CLOSE.len();
            let Some(calls) = self.held.get(..end).and_then(|inner| read_calls(inner, &self.schemas)) else { continue };
            self.held.drain(..self.scanned);
            self.within = false;
            self.scanned = 0;
            self.call(out, calls);
            return true;
        }
        // The tag may be split.
        let mut from = self.held.len().saturating_sub(CLOSE.len()).max(self.scanned);
        while !self.held.is_char_boundary(from) {
            from -= 1;
        }
        self.scanned = from;
        false
    }

    fn tell(&mut self, out: &mut Vec<Piece>, length: usize) {
        if length > 0 {
            let rest = self.held.split_off(length);
            out.push(Piece::Text(std::mem::replace(&mut self.held, rest)));
        }
    }

    fn call(&mut self, out: &mut Vec<Piece>, calls: Vec<Piece>) {
        self.called |= !calls.is_empty();
        out.extend(calls);
    }
}

/// Reads what stands between the tags. None when it is nothing but calls, whole.
fn read_calls(text: &str, schemas: &HashMap<String, Value>) -> Option<Vec<Piece>> {
    let mut calls = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (name, inner, after) = read_element(rest, "invoke")?;
        let schema = schemas.get(&name);
        let mut arguments = Map::new();
        let mut inner = inner.trim();
        while !inner.is_empty() {
            let (key, text, after) = read_element(inner, "parameter")?;
            let text = text.strip_prefix("\r\n").or_else(|| text.strip_prefix('\n')).unwrap_or(text);
            let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
            let schema = schema.and_then(|schema| schema.get("properties")?.get(&key));
            arguments.insert(key, value(text, schema));
            inner = after;
        }
        calls.push(Piece::Call { name, arguments: exact::release(Value::Object(arguments).to_string()) });
        rest = after;
    }
    (!calls.is_empty()).then_some(calls)
}

/// Reads `<tag name="…">…</tag>`: the name, what is inside, and the text after it. A closing tag counts only where
/// another element or nothing follows, since an argument may be of any text.
fn read_element<'a>(text: &'a str, tag: &str) -> Option<(String, &'a str, &'a str)> {
    let attribute = text.strip_prefix('<')?.strip_prefix(tag)?.trim_start().strip_prefix("name=")?;
    let (name, inner) = match attribute.chars().next()? {
        quote @ ('"' | '\'') => {
            let (name, after) = attribute.get(1..)?.split_once(quote)?;
            (name, after.trim_start().strip_prefix('>')?)
        }
        _ => attribute.split_once('>')?,
    };
    let name = Some(name.trim()).filter(|name| !name.is_empty())?;
    let (open, close) = (format!("<{tag}"), format!("</{tag}>"));
    let mut from = 0;
    loop {
        let at = from + inner.get(from..)?.find(&close)?;
        let after = inner.get(at + close.len()..)?.trim_start();
        if after.is_empty() || after.starts_with(&open) {
            return Some((name.to_owned(), inner.get(..at)?, after));
        }
        from = at + close.len();
    }
}

/// The value that bare text means under this schema.
fn value(text: &str, schema: Option<&Value>) -> Value {
    let parsed = serde_json::from_str::<Value>(text.trim()).ok().or_else(|| match text.trim() {
        "True" => Some(Value::Bool(true)),
        "False" => Some(Value::Bool(false)),
        "None" => Some(Value::Null),
        _ => None,
    });
    let mut kinds = Vec::new();
    if let Some(schema) = schema {
        gather_kinds(schema, &mut kinds);
    }
    let number = kinds.is_empty() || kinds.iter().any(|kind| matches!(*kind, "number" | "integer"));
    if let Some(marked) = exact::marked(text.trim()).filter(|_| number) {
        return marked;
    }
    match parsed {
        // Nothing is known of it: what is JSON and no text is meant so.
        Some(parsed) if kinds.is_empty() && !parsed.is_string() => parsed,
        Some(parsed) if kinds.iter().any(|kind| is_of(&parsed, kind)) && !parsed.is_string() => parsed,
        Some(parsed) if !kinds.is_empty() && !kinds.contains(&"string") => parsed,
        _ => Value::String(text.to_owned()),
    }
}

/// The JSON types that a schema lets through, as far as it names them.
fn gather_kinds<'a>(schema: &'a Value, kinds: &mut Vec<&'a str>) {
    match schema.get("type") {
        Some(Value::String(kind)) => kinds.push(kind),
        Some(Value::Array(list)) => kinds.extend(list.iter().filter_map(Value::as_str)),
        _ => {}
    }
    for key in ["anyOf", "oneOf", "allOf"] {
        for inner in schema.get(key).and_then(Value::as_array).into_iter().flatten() {
            gather_kinds(inner, kinds);
        }
    }
    let known = schema.get("enum").and_then(Value::as_array).into_iter().flatten().chain(schema.get("const"));
    if kinds.is_empty() {
        kinds.extend(known.map(|value| match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        }));
    }
}

fn is_of(value: &Value, kind: &str) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn schemas() -> HashMap<String, Value> {
        let write = json!({"type": "object", "properties": {
            "path": {"type": "string"}, "content": {"type": "string"}, "lines": {"type": "integer"},
            "tags": {"type": ["array", "null"]}, "either": {"anyOf": [{"type": "string"}, {"type": "boolean"}]},
        }});
        HashMap::from([("write".to_owned(), write)])
    }

    /// The text, and the calls as `name arguments`.
    fn split<'a>(pieces: impl IntoIterator<Item = &'a str>) -> (String, Vec<String>) {
        let mut splitter = Splitter::new(schemas());
        let mut all: Vec<Piece> = pieces.into_iter().flat_map(|piece| splitter.push(piece)).collect();
        all.extend(splitter.flush());
        let mut both = (String::new(), Vec::new());
        for piece in all {
            match piece {
                Piece::Text(text) => both.0.push_str(&text),
                Piece::Call { name, arguments } => both.1.push(format!("{name} {arguments}")),
            }
        }
        both
    }

    const WHOLE: &str = "Now.\n\n<minimax:tool_call>\n<invoke name=\"write\">\n<parameter name=\"path\">a.json</parameter>\n\
        <parameter name=\"content\">\n{\"a\": 1}\n</parameter>\n<parameter name=\"lines\">3</parameter>\n\
        <parameter name=\"tags\">[\"x\"]</parameter>\n</invoke>\n<invoke name='other'><parameter name='n'>1.5</parameter>\
        <parameter name='s'>1.5.0</parameter></invoke>\n</minimax:tool_call>\n";

    #[test]
    fn calls_with_the_types_that_their_schema_says() {
        let calls = [
            r#"write {"path":"a.json","content":"{\"a\": 1}","lines":3,"tags":["x"]}"#,
            r#"other {"n":1.5,"s":"1.5.0"}"#,
        ];
        assert_eq!(split([WHOLE]), ("Now.".to_owned(), calls.map(str::to_owned).to_vec()));
    }

    #[test]
    fn in_any_split() {
        let expected = split([WHOLE]);
        for at in 0..WHOLE.len() {
            assert_eq!(split([&WHOLE[..at], &WHOLE[at..]]), expected, "at {at}");
        }
        let letters: Vec<String> = WHOLE.chars().map(String::from).collect();
        assert_eq!(split(letters.iter().map(String::as_str)), expected);
    }

    #[test]
    fn tags_within_an_argument_are_text() {
        let text = "<minimax:tool_call><invoke name=\"write\"><parameter name=\"content\">a </parameter> b </invoke> c \
            </minimax:tool_call> d</parameter></invoke></minimax:tool_call>";
        let call = r#"write {"content":"a </parameter> b </invoke> c </minimax:tool_call> d"}"#;
        assert_eq!(split([text]), (String::new(), vec![call.to_owned()]));
    }

    #[test]
    fn what_is_no_call_stays_text() {
        for text in [
            "a < b and <minimax",
            "<minimax:tool_call>",
            "<minimax:tool_call><invoke name=\"write\"><parameter name=\"path\">cut",
            "<minimax:tool_call>say so</minimax:tool_call> more",
            "<minimax:tool_call><invoke name=></invoke></minimax:tool_call>",
            " \n",
        ] {
            assert_eq!(split([text]), (text.to_owned(), Vec::new()), "{text:?}");
        }
        let (text, calls) = split(["<minimax:tool_call><invoke name=\"now\"></invoke>"]);
        assert_eq!((text.as_str(), calls), ("", vec!["now {}".to_owned()]), "only the last tag is missing");
    }

    #[test]
    fn values() {
        let value = |text, schema: Value| value(text, Some(&schema));
        let (text, boolean) = (json!({"type": "string"}), json!({"type": "boolean"}));
        assert_eq!(value("true", text.clone()), json!("true"));
        assert_eq!(value("\"quoted\"", text), json!("\"quoted\""));
        assert_eq!(value("True", boolean.clone()), json!(true));
        assert_eq!(value("maybe", boolean), json!("maybe"), "the tool will say what is wrong");
        assert_eq!(value("null", json!({"type": ["string", "null"]})), json!(null));
        assert_eq!(value("7", json!({"enum": [7, 8]})), json!(7));
        assert_eq!(value("7", json!({"enum": ["7"]})), json!("7"));
        assert_eq!(value("[1]", json!({"type": "object"})), json!([1]));
        assert_eq!(value("word", json!({})), json!("word"));
    }

    proptest! {
        #[test]
        fn every_split_says_the_same(
            parts in prop::collection::vec(prop::sample::select(vec![
                OPEN, CLOSE, "<invoke name=\"a\">", "</invoke>", "<parameter name=\"b\">", "</parameter>", "<", "</", "x", " ", "\n", "é",
            ]), 0..14),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let text = parts.concat();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).filter(|at| text.is_char_boundary(*at)).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let pieces = cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]);
            prop_assert_eq!(split(pieces), split([text.as_str()]));
        }
    }
}
