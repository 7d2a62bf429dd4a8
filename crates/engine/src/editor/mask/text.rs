//! Masks in a text: put in where its secrets stand, and taken out again so that every other byte is as it was.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

use super::ground::{Ground, is_open};
use super::lexer::{Token, tokens};
use super::{Form, Table, UnknownMask, escaped, is_source, next_mask, with_masks};

/// A text with masks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::editor) struct Masked {
    pub(in crate::editor) text: String,
    original: String,
    /// What was replaced, and where the mask stands.
    spans: Vec<(Range<usize>, Range<usize>)>,
}

impl Masked {
    /// A line and column of the original, as one of this text.
    pub(in crate::editor) fn position(&self, line: u32, column: u32) -> (u32, u32) {
        let Some(offset) = offset(&self.original, line, column) else { return (line, column) };
        let mut shift = (0, 0);
        for (original, masked) in &self.spans {
            if original.start > offset {
                break;
            }
            if offset < original.end {
                return place(&self.text, masked.start);
            }
            shift = (original.end, masked.end);
        }
        place(&self.text, offset - shift.0 + shift.1)
    }
}

/// A string or word of a text, with where it stands.
struct Found<'t> {
    token: &'t Token,
    ground: Ground,
    key: Option<String>,
}

/// Calls back with every value that is no object or array; `visit` is also given the key and what it stands in.
fn walk<'t>(text: &str, all: &'t [Token], ground: Ground, mut visit: impl FnMut(Found<'t>)) {
    struct Frame {
        ground: Ground,
        top: bool,
    }
    let significant: Vec<&Token> = all.iter().filter(|token| !matches!(token, Token::Comment(_))).collect();
    let mut frames: Vec<Frame> = Vec::new();
    let mut key: Option<String> = None;
    for (at, token) in significant.iter().enumerate() {
        let is_key = significant.get(at + 1) == Some(&&Token::Sign(':'));
        let around = frames.last().map_or(ground, |frame| frame.ground);
        match token {
            Token::Text { inner, quote } if is_key => key = Some(decoded(&text[inner.clone()], *quote)),
            Token::Word(span) if is_key => key = Some(decoded(&text[span.clone()], '"')),
            Token::Sign('{' | '[') => {
                let top = frames.is_empty() && ground == Ground::Plain;
                let within_top = frames.last().is_some_and(|frame| frame.top);
                let mut inner = around.below(key.as_deref(), within_top);
                if refers(text, &significant[at + 1..]) {
                    inner = Ground::Plain;
                }
                frames.push(Frame { ground: inner, top });
                key = None;
            }
            Token::Sign('}' | ']') => {
                frames.pop();
                key = None;
            }
            Token::Sign(',') => key = None,
            Token::Sign(_) | Token::Comment(_) => {}
            Token::Text { .. } | Token::Word(_) => {
                visit(Found { token, ground: around, key: key.clone() });
            }
        }
    }
}

/// Whether the object that begins here says where a secret is to be had from.
fn refers(text: &str, tokens: &[&Token]) -> bool {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Sign('{' | '[') => depth += 1,
            Token::Sign('}' | ']') if depth == 0 => return false,
            Token::Sign('}' | ']') => depth -= 1,
            Token::Text { inner: span, .. } | Token::Word(span) if depth == 0 && text[span.clone()] == *"source" => {
                if let (Some(Token::Sign(':')), Some(Token::Text { inner, .. })) =
                    (tokens.get(at + 1), tokens.get(at + 2))
                {
                    return is_source(&text[inner.clone()]);
                }
            }
            _ => {}
        }
    }
    false
}

/// What a text hides by place, as values.
pub(super) fn secrets_by_place(text: &str, ground: Ground) -> Vec<String> {
    let all = tokens(text);
    let mut secrets = Vec::new();
    walk(text, &all, ground, |found| {
        if let Some((_, value, _)) = hidden(text, &found) {
            secrets.push(value);
        }
    });
    secrets
}

/// What hides a whole string or word: its span, its value and its form.
fn hidden(text: &str, found: &Found<'_>) -> Option<(Range<usize>, String, Form)> {
    if !found.ground.hides(found.key.as_deref()) {
        return None;
    }
    let (span, value, form) = match found.token {
        Token::Text { inner, quote } => (inner.clone(), decoded(&text[inner.clone()], *quote), Form::Quoted(*quote)),
        Token::Word(span) => {
            let word = &text[span.clone()];
            if is_plain_word(word) {
                return None;
            }
            (span.clone(), word.to_owned(), Form::Bare)
        }
        _ => return None,
    };
    (!is_open(&value)).then_some((span, value, form))
}

/// The text with masks.
pub(super) fn mask(table: &mut Table, text: &str, ground: Ground, known: &[String]) -> Masked {
    let all = tokens(text);
    let mut replaced: Vec<(Range<usize>, String)> = Vec::new();
    let mut whole: Vec<Range<usize>> = Vec::new();
    walk(text, &all, ground, |found| {
        if let Some((span, value, form)) = hidden(text, &found) {
            replaced.push((span.clone(), table.mask(&text[span.clone()], form, &value)));
            whole.push(span);
        }
    });
    for token in &all {
        let (span, form) = match token {
            Token::Text { inner, quote } => (inner, Form::Quoted(*quote)),
            Token::Comment(span) | Token::Word(span) => (span, Form::Bare),
            Token::Sign(_) => continue,
        };
        if whole.contains(span) {
            continue;
        }
        let raw = &text[span.clone()];
        let parts = with_masks(raw, known);
        if let Form::Quoted(quote) = form
            && parts.is_empty()
            && raw.contains('\\')
        {
            // Written with escapes, a secret looks like something else.
            let value = decoded(raw, quote);
            if !with_masks(&value, known).is_empty() {
                replaced.push((span.clone(), table.mask(raw, form, &value)));
            }
            continue;
        }
        for part in parts {
            let value = match form {
                Form::Quoted(quote) => decoded(&raw[part.clone()], quote),
                Form::Bare => raw[part.clone()].to_owned(),
            };
            let mask = table.mask(&raw[part.clone()], form, &value);
            replaced.push((span.start + part.start..span.start + part.end, mask));
        }
    }
    replaced.sort_by_key(|(span, _)| span.start);
    let mut masked = Masked { text: String::with_capacity(text.len()), original: text.to_owned(), spans: Vec::new() };
    let mut at = 0;
    for (span, mask) in replaced {
        masked.text.push_str(&text[at..span.start]);
        let start = masked.text.len();
        masked.text.push_str(&mask);
        masked.spans.push((span.clone(), start..masked.text.len()));
        at = span.end;
    }
    masked.text.push_str(&text[at..]);
    masked
}

/// A text with masks in place of these parts.
pub(super) fn mask_parts(text: &str, parts: &[Range<usize>], mut mask: impl FnMut(&str) -> String) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for part in parts {
        out.push_str(&text[at..part.start]);
        out.push_str(&mask(&text[part.clone()]));
        at = part.end;
    }
    out.push_str(&text[at..]);
    out
}

/// The text with its secrets put back: as they were written, where the mask stands in the same quotes, and else as
/// these quotes need it.
pub(super) fn unmask(table: &Table, text: &str) -> Result<String, UnknownMask> {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for token in tokens(text) {
        let (span, form) = match token {
            Token::Text { inner, quote } => (inner, Form::Quoted(quote)),
            Token::Comment(span) => (span, Form::Bare),
            Token::Word(span) => {
                // A mask by itself, where a person took the quotes away.
                let word = &text[span.clone()];
                if let Some(("", mask, number, "")) = next_mask(word) {
                    let hidden = table.find(number).ok_or_else(|| unknown(text, span.start, mask))?;
                    if let Form::Quoted(quote) = hidden.form {
                        out.push_str(&text[at..span.start]);
                        out.push(quote);
                        out.push_str(hidden.raw.expose());
                        out.push(quote);
                        at = span.end;
                        continue;
                    }
                }
                (span, Form::Bare)
            }
            Token::Sign(_) => continue,
        };
        let mut from = span.start;
        while let Some((before, mask, number, _)) = next_mask(&text[from..span.end]) {
            let start = from + before.len();
            let hidden = table.find(number).ok_or_else(|| unknown(text, start, mask))?;
            out.push_str(&text[at..start]);
            match form {
                Form::Quoted(quote) if hidden.form != form => out.push_str(&escaped(hidden.value.expose(), quote)),
                // A line end would end the comment, and the rest of the secret would stand outside.
                Form::Bare if hidden.raw.expose().contains(['\n', '\r']) => return Err(unknown(text, start, mask)),
                _ => out.push_str(hidden.raw.expose()),
            }
            at = start + mask.len();
            from = at;
        }
    }
    out.push_str(&text[at..]);
    Ok(out)
}

fn unknown(text: &str, offset: usize, mask: &str) -> UnknownMask {
    UnknownMask { mask: mask.to_owned(), line: usize::try_from(place(text, offset).0).unwrap_or_default() }
}

/// What the objects are in which files are included, by the files' paths. Files come after those that include them.
pub(super) fn grounds_of_includes(texts: &[(&str, &str)]) -> HashMap<String, Ground> {
    let mut grounds: HashMap<String, Ground> = HashMap::new();
    for (path, text) in texts {
        let ground = grounds.get(*path).copied().unwrap_or(Ground::Plain);
        let folder = Path::new(path).parent().unwrap_or(Path::new("/")).to_owned();
        let all = tokens(text);
        // A list of files is an array below `$include`, which has its object's ground.
        walk(text, &all, ground, |found| {
            let Token::Text { inner, quote } = found.token else { return };
            if found.ground == Ground::Plain || found.key.as_deref().is_some_and(|key| key != "$include") {
                return;
            }
            let name = decoded(&text[inner.clone()], *quote);
            let target = pilotlight_config::without_dots(&folder.join(name)).display().to_string();
            if texts.iter().any(|(path, _)| *path == target) {
                grounds.insert(target, found.ground);
            }
        });
    }
    grounds
}

/// What a string means, read as JSON5 where that can be.
fn decoded(raw: &str, quote: char) -> String {
    if !raw.contains('\\') {
        return raw.to_owned();
    }
    let literal = format!("{quote}{raw}{quote}");
    let read = json5_edit::Document::parse(&literal).ok();
    read.and_then(|document| document.value().as_str().map(str::to_owned)).unwrap_or_else(|| raw.to_owned())
}

/// A word that JSON5 knows, and no secret.
fn is_plain_word(word: &str) -> bool {
    matches!(word, "true" | "false" | "null" | "NaN" | "Infinity")
        || word.chars().all(|c| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E'))
        || word.starts_with("0x")
}

/// The byte at a line and column.
fn offset(text: &str, line: u32, column: u32) -> Option<usize> {
    let mut at = (1, 1);
    let mut after_cr = false;
    for (offset, c) in text.char_indices() {
        let second_half = c == '\n' && after_cr;
        if at == (line, column) && !second_half && !(c == '\u{feff}' && offset == 0) {
            return Some(offset);
        }
        at = step(at, c, after_cr, offset);
        after_cr = c == '\r';
    }
    (at == (line, column)).then_some(text.len())
}

/// The line and column of a byte.
fn place(text: &str, offset: usize) -> (u32, u32) {
    let mut at = (1, 1);
    let mut after_cr = false;
    for (here, c) in text.char_indices().take_while(|(here, _)| *here < offset) {
        at = step(at, c, after_cr, here);
        after_cr = c == '\r';
    }
    at
}

/// Where the next character stands, counted as `json5_edit` counts.
fn step((line, column): (u32, u32), c: char, after_cr: bool, offset: usize) -> (u32, u32) {
    match c {
        '\n' if after_cr => (line, column),
        '\n' | '\r' => (line + 1, 1),
        '\u{feff}' if offset == 0 => (line, column),
        _ => (line, column + 1),
    }
}
