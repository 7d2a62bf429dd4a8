//! How a document is written, so that what is added looks like what is there.

use json5::char::{is_json5_identifier, is_json5_identifier_start};
use serde_json::Value;

use crate::document::{Document, Kind, Node};

/// The habits of a document.
#[derive(Clone, Debug)]
pub(crate) struct Style {
    /// The line end.
    pub newline: &'static str,
    /// One level of indentation.
    pub unit: String,
    /// The quote around strings.
    pub quote: char,
    /// Whether keys that can do without quotes have none.
    pub bare_keys: bool,
    /// Whether the last member of an object on several lines has a comma.
    pub trailing_comma: bool,
    /// What stands between a key and its value.
    pub colon: &'static str,
}

/// What is counted on the way through a document.
#[derive(Default)]
struct Count {
    double: usize,
    single: usize,
    bare: usize,
    quoted: usize,
    trailing: usize,
    not_trailing: usize,
    tight: usize,
    spaced: usize,
    unit: Option<String>,
}

impl Style {
    /// The habits of `document`; JSON's where it has none.
    pub(crate) fn of(document: &Document) -> Self {
        let text = document.text();
        let mut count = Count::default();
        count.node(text, &document.root);
        let newline = match text.find(['\r', '\n']) {
            Some(at) if text[at..].starts_with("\r\n") => "\r\n",
            Some(at) if text[at..].starts_with('\r') => "\r",
            _ => "\n",
        };
        Self {
            newline,
            unit: count.unit.unwrap_or_else(|| "  ".to_owned()),
            quote: if count.single > count.double { '\'' } else { '"' },
            bare_keys: count.bare > count.quoted,
            trailing_comma: count.trailing > count.not_trailing,
            colon: if count.tight > count.spaced { ":" } else { ": " },
        }
    }

    /// A key as it is written here.
    pub(crate) fn key(&self, key: &str) -> String {
        if self.bare_keys && can_be_bare(key) { key.to_owned() } else { string(key, self.quote) }
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
    fn node(&mut self, text: &str, node: &Node) {
        match &node.kind {
            Kind::Scalar(Value::String(_)) => self.quote(text, node.span.start),
            Kind::Scalar(_) => {}
            Kind::Array(items) => {
                self.container(text, node, items.first(), items.last());
                items.iter().for_each(|item| self.node(text, item));
            }
            Kind::Object(members) => {
                for member in members {
                    if matches!(text.as_bytes()[member.key_span.start], b'"' | b'\'') {
                        self.quote(text, member.key_span.start);
                        self.quoted += usize::from(can_be_bare(&member.key));
                    } else {
                        self.bare += 1;
                    }
                    let between = &text[member.key_span.end..member.value.span.start];
                    *(if between == ":" { &mut self.tight } else { &mut self.spaced }) += 1;
                }
                let first =
                    members.first().map(|member| Node { span: member.key_span.clone(), ..member.value.clone() });
                self.container(text, node, first.as_ref(), members.last().map(|member| &member.value));
                members.iter().for_each(|member| self.node(text, &member.value));
            }
        }
    }

    fn quote(&mut self, text: &str, at: usize) {
        *(if text.as_bytes()[at] == b'"' { &mut self.double } else { &mut self.single }) += 1;
    }

    fn container(&mut self, text: &str, node: &Node, first: Option<&Node>, last: Option<&Node>) {
        let (Some(first), Some(last)) = (first, last) else { return };
        let Some(inner) = own_line_indent(text, first.span.start) else { return };
        let outer = line_indent(text, node.span.start);
        if self.unit.is_none() && inner.len() > outer.len() {
            self.unit = inner.strip_prefix(outer).map(str::to_owned);
        }
        let after = &text[crate::scan::skip_trivia(text, last.span.end)..];
        *(if after.starts_with(',') { &mut self.trailing } else { &mut self.not_trailing }) += 1;
    }
}

/// The white space at the start of the line that holds `at`.
pub(crate) fn line_indent(text: &str, at: usize) -> &str {
    let line = text[..at].rfind(['\n', '\r']).map_or(0, |end| end + 1);
    let rest = &text[line..];
    &rest[..rest.len() - rest.trim_start_matches([' ', '\t']).len()]
}

/// The same, when nothing else stands between the line's start and `at`.
pub(crate) fn own_line_indent(text: &str, at: usize) -> Option<&str> {
    let line = text[..at].rfind(['\n', '\r'])? + 1;
    let before = &text[line..at];
    before.chars().all(|c| matches!(c, ' ' | '\t')).then_some(before)
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
fn can_be_bare(key: &str) -> bool {
    let mut chars = key.chars();
    chars.next().is_some_and(is_json5_identifier_start) && chars.all(is_json5_identifier)
}
