//! Turns an error of `json5` into where it is and what a person should do.

use json5::ErrorCode;
use json5::char::{is_json5_identifier, is_json5_line_terminator, is_json5_whitespace};

use crate::document::position;
use crate::layout::line_start;
use crate::scan;

/// The byte that a person should look at, and what to do there.
pub(crate) fn explain(text: &str, error: &json5::Error) -> (usize, String) {
    use ErrorCode as Code;
    let offset = error.position().map_or(text.len(), |at| offset_of(text, at));
    let found = found(text, offset);
    let message = match error.code() {
        Some(Code::EofParsingValue) if scan::skip_trivia(text, 0) == text.len() => {
            return (0, "the file is empty: write at least {}".to_owned());
        }
        Some(
            Code::EofParsingArray
            | Code::EofParsingObject
            | Code::EofParsingValue
            | Code::EofParsingIdentifier
            | Code::EofParsingNumber
            | Code::EofParsingBool
            | Code::EofParsingNull
            | Code::ExpectedClosingBrace
            | Code::ExpectedClosingBracket,
        ) => return ends_early(text),
        Some(Code::EofParsingComment) => {
            return (last(text, "/*"), "this comment is never closed: add */".to_owned());
        }
        Some(Code::EofParsingString | Code::EofParsingEscapeSequence) => {
            return (
                string_start(text, text.len()),
                "the file ends inside this string: add the missing quote".to_owned(),
            );
        }
        Some(Code::LineTerminatorInString) => {
            return (
                string_start(text, offset),
                "this string is not closed on its line: add the missing quote, or end the line with a backslash to go on \
                 in the next"
                    .to_owned(),
            );
        }
        Some(Code::ExpectedComma) => return missing_comma(text, offset, &found),
        Some(Code::ExpectedColon) => return missing_colon(text, offset, &found),
        Some(Code::ExpectedIdentifier | Code::InvalidKey) => match text[offset..].chars().next() {
            Some(',') => "there is one comma too many here: remove it".to_owned(),
            Some(']') => "this ] closes nothing that is open here: a } is expected".to_owned(),
            Some('“' | '”' | '„' | '‘' | '’') => typographic(),
            Some('{' | '[') => format!("expected a key, found {found}: write key: {found}"),
            _ => format!("expected a key, found {found}: put quotes around a key that does not start with a letter"),
        },
        Some(Code::ExpectedComment) => {
            // `json5` points behind the slash.
            let slash = offset.saturating_sub(1);
            let message = if text[..slash].ends_with(is_json5_identifier) {
                "a key or text that holds / needs quotes"
            } else {
                "a comment starts with // or /*"
            };
            return (slash, message.to_owned());
        }
        Some(Code::InvalidEscapeSequence) => {
            "this is no escape that JSON5 knows: write \\\\ for a backslash".to_owned()
        }
        Some(Code::LeadingZero) => "a number cannot start with 0: remove the 0, or put quotes around it".to_owned(),
        Some(Code::OverflowParsingNumber) => {
            "this number is too large: put quotes around it if it is a name".to_owned()
        }
        Some(Code::TrailingCharacters) => {
            format!(
                "expected the end of the file, found {found}: a bracket before it closes too early, or it belongs elsewhere"
            )
        }
        Some(Code::ExpectedValue | Code::ExpectedNumber | Code::ExpectedBool | Code::ExpectedNull) => {
            return wrong_value(text, offset, &found);
        }
        _ => {
            let word = word_at(text, offset);
            if word.is_empty() { error.to_string() } else { format!("{word} is no value: put quotes around a text") }
        }
    };
    (offset, message)
}

/// `json5` gives lines and columns from 0, in which U+2028 and U+2029 end a line too.
fn offset_of(text: &str, at: json5::Position) -> usize {
    let (mut line, mut column) = (0, 0);
    let mut chars = text.char_indices().peekable();
    while let Some((offset, c)) = chars.next() {
        if (line, column) == (at.line, at.column) {
            return offset;
        }
        if is_json5_line_terminator(c) {
            if c == '\r' && chars.peek().is_some_and(|(_, next)| *next == '\n') {
                chars.next();
            }
            (line, column) = (line + 1, 0);
        } else {
            column += 1;
        }
    }
    text.len()
}

/// What stands at `offset`, as it is named in a sentence.
fn found(text: &str, offset: usize) -> String {
    let word = word_at(text, offset);
    if word.is_empty() {
        match text[offset..].chars().next() {
            Some('"' | '\'') => "a string".to_owned(),
            Some(c) => c.to_string(),
            None => "the end of the file".to_owned(),
        }
    } else {
        word
    }
}

/// The run of characters around `offset` that could be one word or number; at most 40 of them.
fn word_at(text: &str, offset: usize) -> String {
    let belongs = |c: char| is_json5_identifier(c) || matches!(c, '-' | '.' | '+');
    let before = text[..offset].chars().rev().take_while(|c| belongs(*c)).map(char::len_utf8).sum::<usize>();
    text[offset - before..].chars().take_while(|c| belongs(*c)).take(40).collect()
}

fn ends_early(text: &str) -> (usize, String) {
    match scan::unclosed(text) {
        Some(open) => {
            let closing = if text[open..].starts_with('{') { '}' } else { ']' };
            let (line, _) = position(text, text.trim_end().len());
            (open, format!("this bracket is not closed before the file ends in line {line}: add the missing {closing}"))
        }
        None => (text.len(), "the file ends too early: something is missing at its end".to_owned()),
    }
}

fn missing_comma(text: &str, offset: usize, found: &str) -> (usize, String) {
    match text[offset..].chars().next() {
        Some(c @ ('}' | ']')) => {
            let expected = if c == '}' { ']' } else { '}' };
            (offset, format!("this {c} closes nothing that is open here: {expected} is expected before it"))
        }
        Some(':') => {
            (offset, "this : has no place in a list: a list has [ ], and an object with keys has { }".to_owned())
        }
        _ => {
            let end = trim_trivia_end(text, offset);
            let (line, _) = position(text, end);
            if position(text, offset).0 == line {
                (offset, format!("a comma is missing before {found}"))
            } else {
                (end, format!("a comma is missing after this value, before {found} in the next line"))
            }
        }
    }
}

fn missing_colon(text: &str, offset: usize, found: &str) -> (usize, String) {
    let word = word_at(text, offset);
    if word.chars().any(|c| matches!(c, '-' | '.' | '+')) {
        let start = text[..offset].rfind(|c: char| !is_json5_identifier(c) && !matches!(c, '-' | '.' | '+'));
        let start = start.map_or(0, |at| at + text[at..].chars().next().map_or(0, char::len_utf8));
        return (start, format!("this key needs quotes: \"{word}\""));
    }
    match text[offset..].chars().next() {
        Some('/' | '@') => (offset, "a key that holds / or @ needs quotes".to_owned()),
        Some('=') => (offset, "a key and its value are joined by a colon: write : in place of =".to_owned()),
        _ => (offset, format!("a colon is missing before {found}, or the key before it has no value")),
    }
}

fn wrong_value(text: &str, mut offset: usize, found: &str) -> (usize, String) {
    // `json5` may have read the first letters of a word that is none of its own, such as the N of None.
    if text[..offset].ends_with(is_json5_identifier) && text[offset..].starts_with(is_json5_identifier) {
        offset -=
            text[..offset].chars().rev().take_while(|c| is_json5_identifier(*c)).map(char::len_utf8).sum::<usize>();
    }
    let message = match text[offset..].chars().next() {
        Some(',') => "a value is missing before this comma".to_owned(),
        Some('}' | ']') => format!("a value is missing before this {found}"),
        Some('“' | '”' | '„' | '‘' | '’') => typographic(),
        _ if matches!(found, "True" | "False" | "TRUE" | "FALSE") => format!("write {}", found.to_lowercase()),
        _ if matches!(found, "None" | "nil" | "undefined" | "Null" | "NULL") => "write null".to_owned(),
        _ => format!("{found} is no value: put quotes around a text"),
    };
    (offset, message)
}

fn typographic() -> String {
    "this is a typographic quote: write \" or '".to_owned()
}

/// The end of what precedes `offset`, without the white space and comments between. Comments are found by looking for
/// the first place from which only white space and comments lead to `offset`.
fn trim_trivia_end(text: &str, offset: usize) -> usize {
    let mut end = offset;
    loop {
        let trimmed = text[..end].trim_end_matches(is_json5_whitespace).len();
        let line_start = line_start(text, trimmed);
        let comment = ["//", "/*"]
            .iter()
            .flat_map(|start| text[line_start..trimmed].match_indices(start))
            .map(|(at, _)| line_start + at)
            .filter(|at| scan::skip_trivia(text, *at) >= offset)
            .min();
        match comment {
            Some(at) => end = at,
            None => return trimmed,
        }
    }
}

fn last(text: &str, what: &str) -> usize {
    text.rfind(what).unwrap_or(text.len())
}

/// The start of the string that is broken off at `offset`.
fn string_start(text: &str, offset: usize) -> usize {
    let line_start = text[..offset].rfind(['\n', '\r']).map_or(0, |at| at + 1);
    let mut at = line_start;
    while at < offset {
        match text.as_bytes()[at] {
            b'"' | b'\'' => match scan::string_end(text, at) {
                Ok(end) => at = end,
                Err(_) => return at,
            },
            _ => at += 1,
        }
    }
    offset
}

#[cfg(test)]
mod tests {
    use crate::Document;

    /// What a person is told: `line:column message`.
    fn told(text: &str) -> String {
        let error = Document::parse(text).unwrap_err();
        format!("{}:{} {}", error.line, error.column, error.message)
    }

    #[test]
    fn a_mistake_is_told_where_it_is_and_with_what_to_do() {
        let texts = [
            "",
            "// nothing\n",
            "{ a: 1\n  b: 2 }",
            "{ a: 1, // one\n  b: 2 // two\n\n  c: 3 }",
            "{ a: 1 b: 2 }",
            "['a' 'b']",
            "{ a-b: 1 }",
            "{ a/b: 1 }",
            "{ a = 1 }",
            "{ a }",
            "{ a: 1,, b: 2 }",
            "{ , a: 1 }",
            "{ a: }",
            "{ a: , b: 1 }",
            "{ a: [1, 2 }",
            "{\n  a: {\n    b: 1,\n  c: 2,\n}\n",
            "{ a: 'x\n}",
            "{ a: \"C:\\1\" }",
            "{ a: 'x' } }",
            "{ a: opus }",
            "{ a: True }",
            "{ a: None }",
            "{ a: “x” }",
            "{ a: 007 }",
            "{ a: 1.2.3 }",
            "{ a: 1 /* open }",
            "{ a: 1, / b: 2 }",
            "{ 1a: 2 }",
            "[a: 1]",
            "{ a: 'x",
            "{ a: 1 // one\u{2029}\n  b: 2 }",
        ];
        let all = texts.map(|text| format!("{text:?}\n  {}", told(text))).join("\n");
        insta::assert_snapshot!(all);
    }
}
