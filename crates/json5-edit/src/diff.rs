//! What differs between two texts: for people as a unified diff, and for programs as the fewest spans to replace.

use std::fmt::Write as _;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::document::Document;

/// How many differences are searched for the shortest way between two texts before all between the first and the last
/// one counts as changed.
const MOST_DIFFERENCES: usize = 1000;

/// Lines shown around a change.
const CONTEXT: usize = 3;

/// Text that takes the place of other text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextChange {
    /// What is replaced, in bytes of the old text. Empty where something is put in.
    pub range: Range<usize>,
    /// What takes its place.
    pub replacement: String,
}

impl Document {
    /// The changes that make `edited` of this document, in the text's order and without overlap. None starts or ends
    /// with something that stays the same.
    #[must_use]
    pub fn changes_to(&self, edited: &Self) -> Vec<TextChange> {
        changes(self.text(), edited.text())
    }

    /// The same for people: the lines that differ, with three around them, as `diff -u` shows them. Empty where nothing
    /// differs.
    #[must_use]
    pub fn diff_to(&self, edited: &Self, name: &str) -> String {
        unified_diff(self.text(), edited.text(), name)
    }
}

impl TextChange {
    /// `old` with `changes` made, which are in its order and do not overlap; none when they do not fit it.
    #[must_use]
    pub fn apply(old: &str, changes: &[Self]) -> Option<String> {
        let mut new = String::with_capacity(old.len());
        let mut at = 0;
        for change in changes {
            new.push_str(old.get(at..change.range.start)?);
            new.push_str(&change.replacement);
            at = change.range.end;
        }
        new.push_str(old.get(at..)?);
        Some(new)
    }

    /// The replaced range in UTF-16 units, in which JavaScript counts; none when it does not fit `old`.
    #[must_use]
    pub fn utf16_range(&self, old: &str) -> Option<Range<usize>> {
        let units = |text: &str| text.encode_utf16().count();
        let start = units(old.get(..self.range.start)?);
        Some(start..start + units(old.get(self.range.clone())?))
    }
}

/// The changes that make `new` of `old`: see [`Document::changes_to`].
#[must_use]
pub fn changes(old: &str, new: &str) -> Vec<TextChange> {
    let mut found = Vec::new();
    let (old_lines, new_lines) = (pieces(old, line_length), pieces(new, line_length));
    for (old_hunk, new_hunk) in hunks(&old_lines, &new_lines) {
        let old_start = offset(&old_lines, old_hunk.start);
        let new_start = offset(&new_lines, new_hunk.start);
        let old_part = &old[old_start..offset(&old_lines, old_hunk.end)];
        let new_part = &new[new_start..offset(&new_lines, new_hunk.end)];
        let (old_words, new_words) = (pieces(old_part, word_length), pieces(new_part, word_length));
        for (old_words_hunk, new_words_hunk) in hunks(&old_words, &new_words) {
            let at = offset(&old_words, old_words_hunk.start);
            let before = &old_part[at..offset(&old_words, old_words_hunk.end)];
            let after = &new_part[offset(&new_words, new_words_hunk.start)..offset(&new_words, new_words_hunk.end)];
            let head = common(before.chars(), after.chars());
            let tail = common(before[head..].chars().rev(), after[head..].chars().rev());
            let start = old_start + at + head;
            let range = start..old_start + at + before.len() - tail;
            found.push(TextChange { range, replacement: after[head..after.len() - tail].to_owned() });
        }
    }
    found
}

/// What differs between two texts, as `diff -u` shows it: see [`Document::diff_to`].
#[must_use]
pub fn unified_diff(old: &str, new: &str, name: &str) -> String {
    let (old_lines, new_lines) = (pieces(old, line_length), pieces(new, line_length));
    let hunks = hunks(&old_lines, &new_lines);
    let mut out = String::new();
    let mut rest = hunks.as_slice();
    while let Some(first) = rest.first() {
        if out.is_empty() {
            let _ = writeln!(out, "--- {name}\n+++ {name}");
        }
        // Changes whose surroundings touch are shown together.
        let near = |pair: &[(Range<usize>, Range<usize>)]| pair[1].0.start - pair[0].0.end > 2 * CONTEXT;
        let count = rest.windows(2).position(near).map_or(rest.len(), |at| at + 1);
        let (group, others) = rest.split_at(count);
        rest = others;
        let last = group.last().unwrap_or(first);
        let before = first.0.start.min(CONTEXT);
        let after = (old_lines.len() - last.0.end).min(CONTEXT);
        let (old_range, new_range) =
            (first.0.start - before..last.0.end + after, first.1.start - before..last.1.end + after);
        let _ = writeln!(out, "@@ -{} +{} @@", numbers(&old_range), numbers(&new_range));
        let mut at = old_range.start;
        for (old_hunk, new_hunk) in group {
            lines(&mut out, ' ', &old_lines[at..old_hunk.start]);
            lines(&mut out, '-', &old_lines[old_hunk.clone()]);
            lines(&mut out, '+', &new_lines[new_hunk.clone()]);
            at = old_hunk.end;
        }
        lines(&mut out, ' ', &old_lines[at..old_range.end]);
    }
    out
}

fn lines(out: &mut String, sign: char, lines: &[Piece<'_>]) {
    for line in lines {
        out.push(sign);
        out.push_str(line.text);
        if !line.text.ends_with('\n') {
            out.push_str("\n\\ No newline at end of file\n");
        }
    }
}

/// A range of lines as a unified diff counts them: from 1, and an empty one by the line before it.
fn numbers(range: &Range<usize>) -> String {
    match range.len() {
        0 => format!("{},0", range.start),
        1 => format!("{}", range.start + 1),
        length => format!("{},{length}", range.start + 1),
    }
}

/// A line or word, and where it stands.
struct Piece<'a> {
    at: usize,
    text: &'a str,
}

fn pieces(text: &str, length: fn(&str) -> usize) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let end = at + length(&text[at..]).max(1);
        found.push(Piece { at, text: &text[at..end] });
        at = end;
    }
    found
}

fn offset(pieces: &[Piece<'_>], index: usize) -> usize {
    let end = pieces.last().map_or(0, |last| last.at + last.text.len());
    pieces.get(index).map_or(end, |piece| piece.at)
}

fn line_length(text: &str) -> usize {
    text.find('\n').map_or(text.len(), |at| at + 1)
}

fn word_length(text: &str) -> usize {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    match text.chars().next() {
        Some(c) if word(c) => text.find(|c| !word(c)).unwrap_or(text.len()),
        Some(c) => c.len_utf8(),
        None => 0,
    }
}

/// How many bytes two texts share from their start.
fn common(a: impl Iterator<Item = char>, b: impl Iterator<Item = char>) -> usize {
    a.zip(b).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum()
}

/// The ranges that differ, in order; those between them are the same on both sides.
fn hunks(old: &[Piece<'_>], new: &[Piece<'_>]) -> Vec<(Range<usize>, Range<usize>)> {
    let same = |a: &Piece<'_>, b: &Piece<'_>| a.text == b.text;
    let head = old.iter().zip(new).take_while(|(a, b)| same(a, b)).count();
    let (old_rest, new_rest) = (&old[head..], &new[head..]);
    let tail = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(|(a, b)| same(a, b)).count();
    let (a, b) = (&old_rest[..old_rest.len() - tail], &new_rest[..new_rest.len() - tail]);
    if a.is_empty() && b.is_empty() {
        return Vec::new();
    }
    let Some(pairs) = shortest(a, b) else { return vec![(head..head + a.len(), head..head + b.len())] };
    let mut found = Vec::new();
    let (mut x, mut y) = (0, 0);
    for (next_x, next_y) in pairs.into_iter().chain([(a.len(), b.len())]) {
        if next_x > x || next_y > y {
            found.push((head + x..head + next_x, head + y..head + next_y));
        }
        (x, y) = (next_x + 1, next_y + 1);
    }
    found
}

/// The pairs that stay in a shortest way from `a` to `b` (Myers 1986); none when it is too long.
fn shortest(a: &[Piece<'_>], b: &[Piece<'_>]) -> Option<Vec<(usize, usize)>> {
    let most = (a.len() + b.len()).min(MOST_DIFFERENCES);
    // How far into `a` each diagonal was followed; the diagonal `k` is at `k + most + 1`.
    let mut reached = vec![0_usize; 2 * most + 3];
    // What of it each step could read, for the way back: the diagonals from `-d - 1` to `d + 1`.
    let mut steps: Vec<Vec<usize>> = Vec::new();
    for d in 0..=most {
        steps.push(reached[most - d..=most + d + 2].to_vec());
        for at in (most + 1 - d..=most + 1 + d).step_by(2) {
            let down = at == most + 1 - d || (at != most + 1 + d && reached[at - 1] < reached[at + 1]);
            let mut x = if down { reached[at + 1] } else { reached[at - 1] + 1 };
            let mut y = x + most + 1 - at;
            while x < a.len() && y < b.len() && a[x].text == b[y].text {
                (x, y) = (x + 1, y + 1);
            }
            reached[at] = x;
            if x >= a.len() && y >= b.len() {
                return Some(way_back(&steps, a.len(), b.len()));
            }
        }
    }
    None
}

fn way_back(steps: &[Vec<usize>], mut x: usize, mut y: usize) -> Vec<(usize, usize)> {
    let mut pairs = Vec::new();
    for (d, row) in steps.iter().enumerate().rev() {
        let at = x + d + 1 - y;
        let down = at == 1 || (at != 2 * d + 1 && row[at - 1] < row[at + 1]);
        let from = if down { at + 1 } else { at - 1 };
        // The first step starts at the start.
        let before_x = if d == 0 { 0 } else { row[from] };
        let before_y = if d == 0 { 0 } else { before_x + d + 1 - from };
        while x > before_x && y > before_y {
            (x, y) = (x - 1, y - 1);
            pairs.push((x, y));
        }
        (x, y) = (before_x, before_y);
    }
    pairs.reverse();
    pairs
}
