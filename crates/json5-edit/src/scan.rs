//! Finds where each key and value of a text stands that is known to be JSON5. Reading the keys and scalars themselves
//! is left to `json5`.

use std::ops::Range;

use json5::char::{is_json5_line_terminator, is_json5_whitespace};
use serde_json::{Map, Value};

use crate::document::{Kind, Member, Node};

/// The places of everything in a valid text.
///
/// # Errors
/// The byte at which the text is not what a valid one could be.
pub(crate) fn scan(text: &str) -> Result<Node, usize> {
    let (node, end) = value(text, skip_trivia(text, 0))?;
    let end = skip_trivia(text, end);
    if end == text.len() { Ok(node) } else { Err(end) }
}

/// The byte at which nesting goes below `limit`, if it does. Works on any text, valid or not, and counts no less than
/// what a reader would descend into.
pub(crate) fn too_deep(text: &str, limit: usize) -> Option<usize> {
    let mut depth = 0_usize;
    walk(text, |at, byte| {
        match byte {
            b'{' | b'[' => depth += 1,
            _ => depth = depth.saturating_sub(1),
        }
        (depth > limit).then_some(at)
    })
}

/// The last bracket of any text that is opened and not closed, if there is one.
pub(crate) fn unclosed(text: &str) -> Option<usize> {
    let mut open = Vec::new();
    walk(text, |at, byte| {
        match byte {
            b'{' | b'[' => open.push(at),
            _ => drop(open.pop()),
        }
        None
    });
    open.pop()
}

/// Calls `visit` with every bracket outside strings and comments, until it returns something.
fn walk(text: &str, mut visit: impl FnMut(usize, u8) -> Option<usize>) -> Option<usize> {
    let mut at = 0;
    while let Some(&byte) = text.as_bytes().get(at) {
        match byte {
            b'"' | b'\'' => at = string_end(text, at).unwrap_or_else(|end| end),
            b'/' => at = skip_trivia(text, at).max(at + 1),
            b'{' | b'}' | b'[' | b']' => {
                if let Some(found) = visit(at, byte) {
                    return Some(found);
                }
                at += 1;
            }
            _ => at += 1,
        }
    }
    None
}

/// The first byte from `at` that is neither white space nor in a comment.
pub(crate) fn skip_trivia(text: &str, mut at: usize) -> usize {
    loop {
        let rest = text.get(at..).unwrap_or_default();
        if let Some(comment) = rest.strip_prefix("//") {
            at += 2 + comment.find(is_json5_line_terminator).unwrap_or(comment.len());
        } else if let Some(comment) = rest.strip_prefix("/*") {
            match comment.find("*/") {
                Some(end) => at += 2 + end + 2,
                None => return text.len(),
            }
        } else {
            match rest.chars().next() {
                Some(c) if is_json5_whitespace(c) => at += c.len_utf8(),
                _ => return at,
            }
        }
    }
}

/// The end of the string that starts at `at`, after its closing quote; in an error, where a string that is not closed
/// on its line breaks off.
pub(crate) fn string_end(text: &str, at: usize) -> Result<usize, usize> {
    let mut chars = text[at..].char_indices().map(|(offset, c)| (at + offset, c));
    let Some((_, quote)) = chars.next() else { return Err(at) };
    while let Some((offset, c)) = chars.next() {
        match c {
            _ if c == quote => return Ok(offset + 1),
            '\n' | '\r' => return Err(offset),
            '\\' => {
                // A CR LF after the backslash is one line continuation.
                if let Some((next, '\r')) = chars.next()
                    && text[next..].starts_with("\r\n")
                {
                    chars.next();
                }
            }
            _ => {}
        }
    }
    Err(text.len())
}

fn value(text: &str, at: usize) -> Result<(Node, usize), usize> {
    match text.as_bytes().get(at) {
        Some(b'{') => object(text, at),
        Some(b'[') => array(text, at),
        Some(b'"' | b'\'') => {
            let end = string_end(text, at)?;
            let read = string(text, at..end)?;
            Ok((Node { span: at..end, kind: Kind::Scalar(Value::String(read)) }, end))
        }
        Some(_) => {
            let rest = &text[at..];
            let length =
                rest.find(|c| matches!(c, ',' | ']' | '}' | '/' | ':') || is_json5_whitespace(c)).unwrap_or(rest.len());
            let read = json5::from_str(&rest[..length]).map_err(|_| at)?;
            Ok((Node { span: at..at + length, kind: Kind::Scalar(read) }, at + length))
        }
        None => Err(at),
    }
}

fn array(text: &str, start: usize) -> Result<(Node, usize), usize> {
    let mut items = Vec::new();
    let mut at = skip_trivia(text, start + 1);
    while text.as_bytes().get(at) != Some(&b']') {
        let (item, end) = value(text, at)?;
        items.push(item);
        at = after_comma(text, end, b']')?;
    }
    Ok((Node { span: start..at + 1, kind: Kind::Array(items) }, at + 1))
}

fn object(text: &str, start: usize) -> Result<(Node, usize), usize> {
    let mut members = Vec::new();
    let mut at = skip_trivia(text, start + 1);
    while text.as_bytes().get(at) != Some(&b'}') {
        let key_span = key_span(text, at)?;
        let key = key(text, key_span.clone())?;
        at = skip_trivia(text, key_span.end);
        if text.as_bytes().get(at) != Some(&b':') {
            return Err(at);
        }
        let (value, end) = value(text, skip_trivia(text, at + 1))?;
        members.push(Member { key, key_span, value });
        at = after_comma(text, end, b'}')?;
    }
    Ok((Node { span: start..at + 1, kind: Kind::Object(members) }, at + 1))
}

/// The next item or member after `at`, or the closing bracket.
fn after_comma(text: &str, at: usize, closing: u8) -> Result<usize, usize> {
    let at = skip_trivia(text, at);
    match text.as_bytes().get(at) {
        Some(b',') => Ok(skip_trivia(text, at + 1)),
        Some(byte) if *byte == closing => Ok(at),
        _ => Err(at),
    }
}

fn key_span(text: &str, at: usize) -> Result<Range<usize>, usize> {
    let rest = text.get(at..).ok_or(at)?;
    let end = if rest.starts_with(['"', '\'']) {
        string_end(text, at)?
    } else {
        at + rest.find(|c| matches!(c, ':' | '/') || is_json5_whitespace(c)).ok_or(at)?
    };
    if end == at { Err(at) } else { Ok(at..end) }
}

fn key(text: &str, span: Range<usize>) -> Result<String, usize> {
    let written = &text[span.clone()];
    if written.starts_with(['"', '\'']) {
        return string(text, span);
    }
    if !written.contains('\\') {
        return Ok(written.to_owned());
    }
    let read: Map<String, Value> = json5::from_str(&format!("{{{written}:0}}")).map_err(|_| span.start)?;
    read.into_iter().next().map(|(key, _)| key).ok_or(span.start)
}

fn string(text: &str, span: Range<usize>) -> Result<String, usize> {
    let written = &text[span.clone()];
    if written.contains('\\') {
        return json5::from_str(written).map_err(|_| span.start);
    }
    Ok(written[1..written.len() - 1].to_owned())
}
