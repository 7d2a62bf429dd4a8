//! A JSON5 text as words, whether it can be read as a whole or not: a draft with a mistake holds keys all the same.

use std::ops::Range;

use super::next_mask;

/// One word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A string, with or without the quote at its end.
    Text {
        quote: char,
        /// What is between the quotes.
        inner: Range<usize>,
    },
    /// `//` or `/* */`, with the slashes.
    Comment(Range<usize>),
    /// One of `{}[],:`.
    Sign(char),
    /// Anything else: a number, `true`, a key without quotes, a mistake.
    Word(Range<usize>),
}

/// The words of a text, in its order.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        let end = at + c.len_utf8();
        match c {
            '"' | '\'' => {
                let inner = end..end + text_length(&text[end..], c);
                at = inner.end + usize::from(text[inner.end..].starts_with(c));
                found.push(Token::Text { quote: c, inner });
            }
            '{' | '}' | '[' | ']' | ',' | ':' => {
                found.push(Token::Sign(c));
                at = end;
            }
            _ if rest.starts_with("//") => {
                let length = rest.find(is_line_end).unwrap_or(rest.len());
                found.push(Token::Comment(at..at + length));
                at += length;
            }
            _ if rest.starts_with("/*") => {
                let length = rest[2..].find("*/").map_or(rest.len(), |end| end + 4);
                found.push(Token::Comment(at..at + length));
                at += length;
            }
            _ if is_space(c) => at = end,
            _ => {
                let length = word_length(rest).max(c.len_utf8());
                found.push(Token::Word(at..at + length));
                at += length;
            }
        }
    }
    found
}

fn text_length(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\n' | '\r' => return at,
            _ if c == quote => return at,
            _ => {}
        }
    }
    text.len()
}

fn word_length(text: &str) -> usize {
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        // A mask is one word, with its colon.
        if c == '‹'
            && let Some(("", mask, _, _)) = next_mask(rest)
        {
            at += mask.len();
            continue;
        }
        let comment = rest.starts_with("//") || rest.starts_with("/*");
        if is_space(c) || comment || matches!(c, '"' | '\'' | '{' | '}' | '[' | ']' | ',' | ':') {
            break;
        }
        at += c.len_utf8();
    }
    at
}

fn is_line_end(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{2028}' | '\u{2029}')
}

fn is_space(c: char) -> bool {
    c.is_whitespace() || c == '\u{feff}'
}
