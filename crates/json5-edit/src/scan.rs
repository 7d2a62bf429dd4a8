//! Finds where each key, value and comment of a text stands. Whether that is right is for `check` to say; the notations
//! that need a reader's knowledge (escapes, numbers other than plain whole ones) are read by `json5` here already.

use std::ops::Range;

use json5::char::{is_json5_line_terminator, is_json5_whitespace};
use serde_json::{Map, Value};

use crate::document::{Kind, Member, Node};

/// The places of everything in a text.
pub(crate) struct Scanned {
    pub root: Node,
    /// Every comment, in the text's order; a line comment without its line end.
    pub comments: Vec<Range<usize>>,
}

/// The places of everything in a text whose arrays and objects are nested at most `limit` deep.
///
/// # Errors
/// The byte at which the text is not what a valid one could be, or at which it is too deep.
pub(crate) fn scan(text: &str, limit: usize) -> Result<Scanned, usize> {
    let mut scanner =
        Scanner { text, at: 0, room: limit, comments: Vec::new(), items: Vec::new(), members: Vec::new() };
    scanner.trivia();
    let root = scanner.value()?;
    scanner.trivia();
    if scanner.at == text.len() { Ok(Scanned { root, comments: scanner.comments }) } else { Err(scanner.at) }
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
pub(crate) fn skip_trivia(text: &str, at: usize) -> usize {
    trivia(text, at, |_| {})
}

/// The comments of a stretch that holds nothing else but white space.
pub(crate) fn comments_in(text: &str, range: Range<usize>) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    trivia(&text[..range.end], range.start, |comment| found.push(comment));
    found
}

fn trivia(text: &str, mut at: usize, mut comment: impl FnMut(Range<usize>)) -> usize {
    let bytes = text.as_bytes();
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\t'..=b'\r' | b' ' => at += 1,
            b'/' => {
                let end = match bytes.get(at + 1) {
                    Some(b'/') => line_comment_end(text, at + 2),
                    Some(b'*') => match text[at + 2..].find("*/") {
                        Some(length) => at + 2 + length + 2,
                        None => return text.len(),
                    },
                    _ => return at,
                };
                comment(at..end);
                at = end;
            }
            0x80.. => match text[at..].chars().next() {
                Some(c) if is_json5_whitespace(c) => at += c.len_utf8(),
                _ => return at,
            },
            _ => return at,
        }
    }
    at
}

fn line_comment_end(text: &str, mut at: usize) -> usize {
    let bytes = text.as_bytes();
    while let Some(&byte) = bytes.get(at) {
        // U+2028 and U+2029 end a line comment too; both start with E2 80.
        if matches!(byte, b'\n' | b'\r') || (byte == 0xe2 && text[at..].starts_with(is_json5_line_terminator)) {
            return at;
        }
        at += 1;
    }
    at
}

/// The end of the string that starts at `at`, after its closing quote; in an error, where a string that is not closed
/// on its line breaks off.
pub(crate) fn string_end(text: &str, start: usize) -> Result<usize, usize> {
    let bytes = text.as_bytes();
    let Some(&quote) = bytes.get(start) else { return Err(start) };
    let mut at = start + 1;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\n' | b'\r' => return Err(at),
            // A CR LF after the backslash is one line continuation.
            b'\\' if bytes[at..].starts_with(b"\\\r\n") => at += 3,
            // Should it be the first byte of several, the others are no quote and no backslash.
            b'\\' => at += 2,
            _ if byte == quote => return Ok(at + 1),
            _ => at += 1,
        }
    }
    Err(text.len())
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    /// How many levels deeper it may still go.
    room: usize,
    comments: Vec<Range<usize>>,
    /// The items and members of all that is open, so that each array and object gets its own in one piece.
    items: Vec<Node>,
    members: Vec<Member>,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn trivia(&mut self) {
        self.at = trivia(self.text, self.at, |comment| self.comments.push(comment));
    }

    fn value(&mut self) -> Result<Node, usize> {
        let start = self.at;
        let kind = match self.peek().ok_or(start)? {
            b'{' => self.inside(Self::object)?,
            b'[' => self.inside(Self::array)?,
            b'"' | b'\'' => Kind::Scalar(Value::String(self.string()?)),
            _ => {
                self.at = self.word_end(|byte| matches!(byte, b',' | b']' | b'}' | b'/' | b':'));
                Kind::Scalar(word(&self.text[start..self.at]).ok_or(start)?)
            }
        };
        Ok(Node { span: start..self.at, kind })
    }

    /// What stands between two brackets, read by `content`, which leaves the place at the closing one.
    fn inside(&mut self, content: fn(&mut Self) -> Result<Kind, usize>) -> Result<Kind, usize> {
        self.room = self.room.checked_sub(1).ok_or(self.at)?;
        self.at += 1;
        self.trivia();
        let kind = content(self)?;
        self.at += 1;
        self.room += 1;
        Ok(kind)
    }

    fn array(&mut self) -> Result<Kind, usize> {
        let first = self.items.len();
        while self.peek() != Some(b']') {
            let item = self.value()?;
            self.items.push(item);
            self.comma(b']')?;
        }
        Ok(Kind::Array(self.items.drain(first..).collect()))
    }

    fn object(&mut self) -> Result<Kind, usize> {
        let first = self.members.len();
        while self.peek() != Some(b'}') {
            let start = self.at;
            let key = self.key()?;
            let key_span = start..self.at;
            self.trivia();
            if self.peek() != Some(b':') {
                return Err(self.at);
            }
            self.at += 1;
            self.trivia();
            let value = self.value()?;
            self.members.push(Member { key, key_span, value });
            self.comma(b'}')?;
        }
        Ok(Kind::Object(self.members.drain(first..).collect()))
    }

    /// Goes to the next item or member, or to the closing bracket.
    fn comma(&mut self, closing: u8) -> Result<(), usize> {
        self.trivia();
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                self.trivia();
                Ok(())
            }
            Some(byte) if byte == closing => Ok(()),
            _ => Err(self.at),
        }
    }

    /// The end of the run that starts here and holds no white space and nothing that `stops` it.
    fn word_end(&self, stops: impl Fn(u8) -> bool) -> usize {
        let mut at = self.at;
        while let Some(&byte) = self.text.as_bytes().get(at) {
            if byte < 0x80 {
                if stops(byte) || matches!(byte, b'\t'..=b'\r' | b' ') {
                    break;
                }
                at += 1;
            } else {
                match self.text[at..].chars().next() {
                    Some(c) if !is_json5_whitespace(c) => at += c.len_utf8(),
                    _ => break,
                }
            }
        }
        at
    }

    fn key(&mut self) -> Result<String, usize> {
        if matches!(self.peek(), Some(b'"' | b'\'')) {
            return self.string();
        }
        let start = self.at;
        self.at = self.word_end(|byte| matches!(byte, b':' | b'/'));
        let written = &self.text[start..self.at];
        if written.is_empty() {
            return Err(start);
        }
        if !written.contains('\\') {
            return Ok(written.to_owned());
        }
        let read: Map<String, Value> = json5::from_str(&format!("{{{written}:0}}")).map_err(|_| start)?;
        read.into_iter().next().map(|(key, _)| key).ok_or(start)
    }

    fn string(&mut self) -> Result<String, usize> {
        let start = self.at;
        self.at = string_end(self.text, start)?;
        let written = &self.text[start..self.at];
        if written.contains('\\') {
            return json5::from_str(written).map_err(|_| start);
        }
        Ok(written[1..written.len() - 1].to_owned())
    }
}

fn word(written: &str) -> Option<Value> {
    match written {
        "true" => Some(Value::Bool(true)),
        "false" => Some(Value::Bool(false)),
        "null" => Some(Value::Null),
        // A plain whole number that no reader takes for anything else.
        _ if written.len() <= 19
            && written.bytes().all(|byte| byte.is_ascii_digit())
            && (written.len() == 1 || !written.starts_with('0')) =>
        {
            written.parse::<u64>().ok().map(Value::from)
        }
        _ => json5::from_str(written).ok(),
    }
}
