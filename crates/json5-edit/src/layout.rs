//! What belongs to what: the comments of an array or object, given to its entries (items or members) and to itself.
//!
//! The rule, in the order it is applied:
//! - A comment between an entry's value and its comma is the entry's, wherever it stands.
//! - Comments behind an entry or its comma on the same line are the entry's, when the line (or the container) ends after
//!   them. When another entry follows on that line they are that one's.
//! - Comments behind the opening bracket on its line are the container's, when the line ends after them.
//! - Comments above an entry, or before it on its line, are the entry's as far as no blank line stands between.
//! - Every other comment is the container's and stays where it is.

use std::ops::Range;

use json5::char::is_json5_line_terminator;

use crate::document::{Kind, Node};
use crate::scan::{comments_in, skip_trivia};

/// The layout of one array or object.
#[derive(Debug)]
pub(crate) struct Layout {
    /// The byte after the opening bracket.
    pub open: usize,
    /// The closing bracket.
    pub close: usize,
    /// The container's own comments behind its opening bracket; all of its comments when it has no entry.
    pub opening: Vec<Range<usize>>,
    pub entries: Vec<Entry>,
    /// The container's own comments below the last entry.
    pub closing: Vec<Range<usize>>,
}

/// An item or member with what belongs to it.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Comments above it that are the container's.
    pub free: Vec<Range<usize>>,
    /// Its own comments above it, or before it on its line.
    pub above: Vec<Range<usize>>,
    /// Where its first own comment starts, or else itself.
    pub block: usize,
    /// Its key, or its value in an array.
    pub start: usize,
    /// The end of its value.
    pub end: usize,
    /// Its comments between value and comma.
    pub before_comma: Vec<Range<usize>>,
    /// Its comma.
    pub comma: Option<usize>,
    /// Its comments after the comma, or after the value where no comma is.
    pub behind: Vec<Range<usize>>,
    /// The end of all that is its own.
    pub block_end: usize,
}

impl Layout {
    /// The layout of a container; that of an empty one for anything else.
    pub(crate) fn of(text: &str, node: &Node) -> Self {
        let spans: Vec<Range<usize>> = match &node.kind {
            Kind::Object(members) => members.iter().map(|m| m.key_span.start..m.value.span.end).collect(),
            Kind::Array(items) => items.iter().map(|item| item.span.clone()).collect(),
            Kind::Scalar(_) => Vec::new(),
        };
        let (open, close) = (node.span.start + 1, node.span.end.saturating_sub(1));
        let mut layout = Self { open, close, opening: Vec::new(), entries: Vec::new(), closing: Vec::new() };
        if matches!(node.kind, Kind::Scalar(_)) {
            return layout;
        }
        if spans.is_empty() {
            layout.opening = comments_in(text, open..close);
            return layout;
        }
        let mut rest;
        (layout.opening, rest) = split_line(text, open, open..spans[0].start, false);
        for (index, span) in spans.iter().enumerate() {
            let (free, above) = split_attached(text, rest, span.start);
            let stop = spans.get(index + 1).map_or(close, |next| next.start);
            let here = skip_trivia(text, span.end);
            let comma = (text.as_bytes().get(here) == Some(&b',')).then_some(here);
            let before_comma = comma.map_or_else(Vec::new, |comma| comments_in(text, span.end..comma));
            let after = comma.map_or(span.end, |comma| comma + 1);
            let behind;
            (behind, rest) = split_line(text, after, after..stop, stop == close);
            layout.entries.push(Entry {
                block: above.first().map_or(span.start, |comment| comment.start),
                block_end: behind.last().map_or(after, |comment| comment.end),
                free,
                above,
                start: span.start,
                end: span.end,
                before_comma,
                comma,
                behind,
            });
        }
        layout.closing = rest;
        layout
    }
}

/// The comments of a stretch: those that end the line on which `from` stands, and the others.
fn split_line(text: &str, from: usize, stretch: Range<usize>, closes: bool) -> (Vec<Range<usize>>, Vec<Range<usize>>) {
    let stop = stretch.end;
    let mut comments = comments_in(text, stretch);
    let mut end = from;
    let mut count = 0;
    while count < comments.len() && !breaks(&text[end..comments[count].start]) {
        end = comments[count].end;
        count += 1;
    }
    let next = comments.get(count).map_or(stop, |comment| comment.start);
    let line_ends = breaks(&text[end..next]) || (closes && count == comments.len());
    let rest = comments.split_off(if line_ends { count } else { 0 });
    (comments, rest)
}

/// The comments above `start`, of which the last ones are its own, as far as no blank line stands between.
fn split_attached(text: &str, mut comments: Vec<Range<usize>>, start: usize) -> (Vec<Range<usize>>, Vec<Range<usize>>) {
    let mut first = comments.len();
    let mut below = start;
    while let Some(comment) = first.checked_sub(1).map(|index| &comments[index]) {
        if line_ends(&text[comment.end..below]) > 1 {
            break;
        }
        below = comment.start;
        first -= 1;
    }
    let attached = comments.split_off(first);
    (comments, attached)
}

/// Whether a stretch of white space ends a line.
pub(crate) fn breaks(space: &str) -> bool {
    space.contains(is_json5_line_terminator)
}

/// How many lines end in a stretch of white space.
pub(crate) fn line_ends(space: &str) -> usize {
    space.matches(is_json5_line_terminator).count() - space.matches("\r\n").count()
}

/// Whether a comment goes on until its line ends.
pub(crate) fn is_line_comment(text: &str, comment: &Range<usize>) -> bool {
    text[comment.clone()].starts_with("//")
}

/// The byte at which the line of `at` starts.
pub(crate) fn line_start(text: &str, at: usize) -> usize {
    let before = &text[..at];
    before.char_indices().rev().find(|(_, c)| is_json5_line_terminator(*c)).map_or(0, |(at, c)| at + c.len_utf8())
}

/// The white space before `at` on its line, when nothing else is, and it is not the text's first line.
pub(crate) fn own_line_indent(text: &str, at: usize) -> Option<&str> {
    let start = line_start(text, at);
    let before = &text[start..at];
    (start > 0 && before.chars().all(is_space)).then_some(before)
}

/// The white space at the start of the line that holds `at`.
pub(crate) fn line_indent(text: &str, at: usize) -> &str {
    let start = line_start(text, at);
    let rest = &text[start..at];
    &rest[..rest.len() - rest.trim_start_matches([' ', '\t']).len()]
}

/// The byte after the white space that follows `at` on its line.
pub(crate) fn skip_spaces(text: &str, at: usize) -> usize {
    at + text[at..].len() - text[at..].trim_start_matches(is_space).len()
}

/// The byte after the line end at `at`, if one is there.
pub(crate) fn after_line_end(text: &str, at: usize) -> Option<usize> {
    let rest = &text[at..];
    if rest.starts_with("\r\n") {
        return Some(at + 2);
    }
    let first = rest.chars().next().filter(|c| is_json5_line_terminator(*c))?;
    Some(at + first.len_utf8())
}

/// The start of the line end that is right before `at`, if one is there.
pub(crate) fn before_line_end(text: &str, at: usize) -> Option<usize> {
    let before = &text[..at];
    if before.ends_with("\r\n") {
        return Some(at - 2);
    }
    let last = before.chars().next_back().filter(|c| is_json5_line_terminator(*c))?;
    Some(at - last.len_utf8())
}

fn is_space(c: char) -> bool {
    json5::char::is_json5_whitespace(c) && !is_json5_line_terminator(c)
}
