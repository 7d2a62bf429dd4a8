//! How a document is written, so that what is added looks like what is there.

use std::cmp::Ordering;
use std::ops::Range;

use json5::char::{is_json5_identifier, is_json5_identifier_start};
use serde_json::Value;

use crate::document::{Document, Kind, Node};
use crate::layout::{line_indent, own_line_indent};
use crate::scan::skip_trivia;

/// The habits of a place in a document.
#[derive(Clone, Debug)]
pub(crate) struct Style {
    /// The line end.
    pub newline: &'static str,
    /// One level of indentation.
    pub unit: String,
    /// The quote around strings.
    pub quote: char,
    /// The quote around keys.
    pub key_quote: char,
    /// Whether keys that can do without quotes have none.
    pub bare_keys: bool,
    /// Whether the last entry of a container on several lines has a comma.
    pub trailing_comma: bool,
    /// What stands between a key and its value.
    pub colon: &'static str,
    /// What stands between a comma and the next entry on its line.
    pub gap: &'static str,
}

/// How many values are looked at: the habits of a long document show in its first ones.
const ENOUGH: usize = 4000;

/// What is counted on the way through a document.
#[derive(Default)]
struct Count {
    values: usize,
    double: usize,
    single: usize,
    double_key: usize,
    single_key: usize,
    bare: usize,
    quoted: usize,
    trailing: usize,
    not_trailing: usize,
    tight: usize,
    spaced: usize,
    tight_gap: usize,
    spaced_gap: usize,
    unit: Option<String>,
}

impl Style {
    /// The habits around `container`: its own where it has any, else the document's, else JSON's.
    pub(crate) fn near(document: &Document, container: &Node) -> Self {
        let text = document.text();
        let mut near = Count::default();
        near.node(text, container, 1);
        let mut all = Count::default();
        all.node(text, document.root(), usize::MAX);
        // The nearer of two different counts decides.
        let more = |of: fn(&Count) -> (usize, usize)| {
            let (a, b) = of(&near);
            if a == b { of(&all) } else { (a, b) }
        };
        let single = more(|count| (count.single, count.double));
        let single_key = more(|count| (count.single_key, count.double_key));
        let bare = more(|count| (count.bare, count.quoted));
        let trailing = more(|count| (count.trailing, count.not_trailing));
        let tight = more(|count| (count.tight, count.spaced));
        let tight_gap = more(|count| (count.tight_gap, count.spaced_gap));
        let quote = if single.0 > single.1 { '\'' } else { '"' };
        Self {
            newline: newline_near(text, container.span.clone()),
            unit: near.unit.or(all.unit).unwrap_or_else(|| "  ".to_owned()),
            quote,
            key_quote: match single_key.0.cmp(&single_key.1) {
                Ordering::Greater => '\'',
                Ordering::Less => '"',
                Ordering::Equal => quote,
            },
            bare_keys: bare.0 > bare.1,
            trailing_comma: trailing.0 > trailing.1,
            colon: if tight.0 > tight.1 { ":" } else { ": " },
            gap: if tight_gap.0 > tight_gap.1 { "" } else { " " },
        }
    }

    /// One level of indentation in a document.
    pub(crate) fn unit_of(document: &Document) -> String {
        let mut all = Count::default();
        all.node(document.text(), document.root(), usize::MAX);
        all.unit.unwrap_or_else(|| "  ".to_owned())
    }

    /// A key as it is written here.
    pub(crate) fn key(&self, key: &str) -> String {
        if self.bare_keys && can_be_bare(key) { key.to_owned() } else { string(key, self.key_quote) }
    }

    /// A value as it is written here. `indent` is that of the line it starts in; on one line where it is none.
    pub(crate) fn value(&self, value: &Value, indent: Option<&str>) -> String {
        let (open, close, parts): (_, _, Vec<String>) = match value {
            Value::String(text) => return string(text, self.quote),
            Value::Array(items) => {
                // A list of plain values stays on one line.
                let inner = indent.filter(|_| items.iter().any(|item| item.is_array() || item.is_object()));
                let deeper = inner.map(|indent| format!("{indent}{}", self.unit));
                let parts = items.iter().map(|item| self.value(item, deeper.as_deref())).collect();
                return self.bracketed('[', ']', parts, inner, false);
            }
            Value::Object(members) => {
                let deeper = indent.map(|indent| format!("{indent}{}", self.unit));
                let part = |(key, value): (&String, &Value)| {
                    format!("{}{}{}", self.key(key), self.colon, self.value(value, deeper.as_deref()))
                };
                ('{', '}', members.iter().map(part).collect())
            }
            other => return other.to_string(),
        };
        self.bracketed(open, close, parts, indent, true)
    }

    fn bracketed(&self, open: char, close: char, parts: Vec<String>, indent: Option<&str>, padded: bool) -> String {
        let Some(indent) = indent.filter(|_| !parts.is_empty()) else {
            let pad = if padded && !parts.is_empty() { " " } else { "" };
            return format!("{open}{pad}{}{pad}{close}", parts.join(", "));
        };
        let (newline, unit) = (self.newline, &self.unit);
        let comma = if self.trailing_comma { "," } else { "" };
        let lines = parts.join(&format!(",{newline}{indent}{unit}"));
        format!("{open}{newline}{indent}{unit}{lines}{comma}{newline}{indent}{close}")
    }
}

impl Count {
    /// Counts what is in `node`, at most `depth` levels down.
    fn node(&mut self, text: &str, node: &Node, depth: usize) {
        self.values += 1;
        if self.values > ENOUGH {
            return;
        }
        match &node.kind {
            Kind::Scalar(Value::String(_)) => {
                *(if text.as_bytes()[node.span.start] == b'"' { &mut self.double } else { &mut self.single }) += 1;
            }
            Kind::Scalar(_) => {}
            _ if depth == 0 => {}
            Kind::Array(items) => {
                self.entries(text, node, items.iter().map(|item| item.span.clone()));
                items.iter().for_each(|item| self.node(text, item, depth - 1));
            }
            Kind::Object(members) => {
                for member in members {
                    match text.as_bytes()[member.key_span.start] {
                        b'"' => self.double_key += 1,
                        b'\'' => self.single_key += 1,
                        _ => self.bare += 1,
                    }
                    if matches!(text.as_bytes()[member.key_span.start], b'"' | b'\'') {
                        self.quoted += usize::from(can_be_bare(&member.key));
                    }
                    let between = &text[member.key_span.end..member.value.span.start];
                    *(if between == ":" { &mut self.tight } else { &mut self.spaced }) += 1;
                }
                self.entries(text, node, members.iter().map(|m| m.key_span.start..m.value.span.end));
                members.iter().for_each(|member| self.node(text, &member.value, depth - 1));
            }
        }
    }

    fn entries(&mut self, text: &str, node: &Node, mut spans: impl Iterator<Item = Range<usize>>) {
        let Some(first) = spans.next() else { return };
        let mut last = first.end;
        for next in spans {
            match &text[last..next.start] {
                "," => self.tight_gap += 1,
                ", " => self.spaced_gap += 1,
                _ => {}
            }
            last = next.end;
        }
        let Some(inner) = own_line_indent(text, first.start) else { return };
        if self.unit.is_none() {
            let outer = line_indent(text, node.span.start);
            if inner.len() > outer.len() {
                self.unit = inner.strip_prefix(outer).map(str::to_owned);
            }
        }
        let after = &text[skip_trivia(text, last)..];
        *(if after.starts_with(',') { &mut self.trailing } else { &mut self.not_trailing }) += 1;
    }
}

/// The line end that is used in `place`, or else before it, or else after it; LF in a text of one line.
pub(crate) fn newline_near(text: &str, place: Range<usize>) -> &'static str {
    let at = text[place.clone()]
        .find(['\r', '\n'])
        .map(|at| place.start + at)
        .or_else(|| text[..place.start].rfind(['\r', '\n']))
        .or_else(|| text[place.end..].find(['\r', '\n']).map(|at| place.end + at));
    match at {
        Some(at) if text[at..].starts_with("\r\n") || (text[at..].starts_with('\n') && text[..at].ends_with('\r')) => {
            "\r\n"
        }
        Some(at) if text[at..].starts_with('\r') => "\r",
        _ => "\n",
    }
}

/// A string literal.
pub(crate) fn string(text: &str, quote: char) -> String {
    let mut written = String::with_capacity(text.len() + 2);
    written.push(quote);
    for c in text.chars() {
        match c {
            '\\' => written.push_str("\\\\"),
            '\n' => written.push_str("\\n"),
            '\r' => written.push_str("\\r"),
            '\t' => written.push_str("\\t"),
            _ if c == quote => {
                written.push('\\');
                written.push(c);
            }
            '\0'..='\u{1f}' | '\u{7f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' => {
                written.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            _ => written.push(c),
        }
    }
    written.push(quote);
    written
}

/// Whether a key may be written without quotes, and without surprising a reader.
pub(crate) fn can_be_bare(key: &str) -> bool {
    let mut chars = key.chars();
    chars.next().is_some_and(is_json5_identifier_start) && chars.all(is_json5_identifier)
}
