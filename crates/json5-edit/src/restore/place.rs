//! Writes comments into an array or object, so that each is found again where it belongs.

use std::fmt::Write as _;
use std::ops::Range;

use crate::change::Splice;
use crate::document::{Document, Kind, Node};
use crate::layout::{
    Entry, Layout, after_line_end, breaks, line_ends, line_indent, line_start, own_line_indent, skip_spaces,
};
use crate::style::{Style, newline_near};

/// A comment on its way to a new place.
pub(super) struct Kept {
    pub text: String,
    /// Where it stood.
    pub span: Range<usize>,
    /// Whether it goes on until its line ends.
    pub line: bool,
    /// Whether its line ended after it.
    pub ends_line: bool,
    /// Whether a blank line stood above it.
    pub blank_above: bool,
    /// Whether a blank line stood between it and the next one of its group.
    pub blank_below: bool,
}

/// What is written into one array or object.
pub(super) struct Written<'a> {
    text: &'a str,
    layout: &'a Layout,
    object: Option<&'a [crate::document::Member]>,
    newline: &'static str,
    /// The indentation of its entries, and of its closing bracket.
    inner: String,
    outer: String,
    pub opening: Vec<Kept>,
    pub entries: Vec<ForEntry>,
    pub closing: Vec<Kept>,
}

/// What is written around one entry.
#[derive(Default)]
pub(super) struct ForEntry {
    pub free: Vec<Kept>,
    pub above: Vec<Kept>,
    pub inside: Vec<Kept>,
    pub behind: Vec<Kept>,
}

impl<'a> Written<'a> {
    pub fn new(document: &'a Document, node: &'a Node, layout: &'a Layout) -> Self {
        let text = document.text();
        let outer = line_indent(text, node.span.start).to_owned();
        let own = layout.entries.iter().find_map(|entry| own_line_indent(text, entry.block));
        let inner = own.map_or_else(|| format!("{outer}{}", Style::unit_of(document)), str::to_owned);
        let object = match &node.kind {
            Kind::Object(members) => Some(members.as_slice()),
            _ => None,
        };
        let entries = layout.entries.iter().map(|_| ForEntry::default()).collect();
        let newline = newline_near(text, node.span.clone());
        Self { text, layout, object, newline, inner, outer, opening: Vec::new(), entries, closing: Vec::new() }
    }

    /// Comments of the container's own, above the entry with this number if there is one.
    pub fn free(&mut self, at: usize, comments: Vec<Kept>) {
        match self.entries.get_mut(at) {
            Some(entry) => entry.free.extend(comments),
            None => self.closing.extend(comments),
        }
    }

    pub fn splices(mut self, out: &mut Vec<Splice>) {
        let entries = std::mem::take(&mut self.entries);
        if entries.is_empty() {
            return self.only(out);
        }
        self.opening(out);
        for (at, (entry, add)) in self.layout.entries.iter().zip(entries).enumerate() {
            self.above(entry, &add.free, &add.above, out);
            if let Some(member) = self.object.and_then(|members| members.get(at)) {
                let start = member.value.span.start;
                let text = add.inside.iter().map(|kept| self.in_line(kept)).collect::<String>();
                put(out, start, text);
            }
            self.behind(entry, &add.behind, out);
        }
        self.closing(out);
    }

    /// A comment and what must follow it on its line.
    fn in_line(&self, kept: &Kept) -> String {
        if kept.line { format!("{}{}{}", kept.text, self.newline, self.inner) } else { format!("{} ", kept.text) }
    }

    fn opening(&self, out: &mut Vec<Splice>) {
        if self.opening.is_empty() {
            return;
        }
        let mut text: String = self.opening.iter().map(|kept| format!(" {}", kept.text)).collect();
        let open = self.layout.open;
        let next = skip_spaces(self.text, open);
        if after_line_end(self.text, next).is_some() {
            put(out, open, text);
        } else {
            let _ = write!(text, "{}{}", self.newline, self.inner);
            out.push((open..next, text));
        }
    }

    fn above(&self, entry: &Entry, free: &[Kept], above: &[Kept], out: &mut Vec<Splice>) {
        let Some(first) = free.first().or(above.first()) else { return };
        if let Some(indent) = own_line_indent(self.text, entry.block) {
            let start = line_start(self.text, entry.block);
            let mut lines = String::new();
            if first.blank_above && !blank_above(self.text, entry.block) {
                lines.push_str(self.newline);
            }
            for kept in free {
                let blank = if kept.blank_below { self.newline } else { "" };
                let _ = write!(lines, "{indent}{}{}{blank}", kept.text, self.newline);
            }
            if !free.is_empty() {
                lines.push_str(self.newline);
            }
            let mut line = String::new();
            for kept in above {
                line.push_str(&kept.text);
                if kept.line || kept.ends_line {
                    let _ = write!(lines, "{indent}{line}{}", self.newline);
                    line.clear();
                } else {
                    line.push(' ');
                }
            }
            put(out, start, lines);
            put(out, entry.block, line);
            return;
        }
        let needs_line = !free.is_empty() || above.iter().any(|kept| kept.line);
        let mut text = String::new();
        if needs_line && !self.opens_line_before(entry) {
            let _ = write!(text, "{}{}", self.newline, self.inner);
        }
        for (index, kept) in free.iter().enumerate() {
            let blank = if kept.blank_below || index + 1 == free.len() { self.newline } else { "" };
            let _ = write!(text, "{}{blank}{}{}", kept.text, self.newline, self.inner);
        }
        for kept in above {
            text.push_str(&kept.text);
            if kept.line || (kept.ends_line && needs_line) {
                let _ = write!(text, "{}{}", self.newline, self.inner);
            } else {
                text.push(' ');
            }
        }
        put(out, entry.block, text);
    }

    /// Whether what is written behind the bracket ends the line before this entry.
    fn opens_line_before(&self, entry: &Entry) -> bool {
        !self.opening.is_empty() && self.layout.entries.first().is_some_and(|first| first.start == entry.start)
    }

    fn behind(&self, entry: &Entry, comments: &[Kept], out: &mut Vec<Splice>) {
        let Some(last) = comments.last() else { return };
        let next = skip_spaces(self.text, entry.block_end);
        let ends_line = after_line_end(self.text, next).is_some();
        let closes = next == self.layout.close;
        let after = entry.comma.map_or(entry.end, |comma| comma + 1);
        let others = &comments[..comments.len() - 1];
        let one_line = others.iter().all(|kept| !kept.line) && (!last.line || entry.behind.is_empty());
        let joined: String = comments.iter().map(|kept| format!(" {}", kept.text)).collect();
        if one_line && (ends_line || closes) {
            let newline = if last.line && closes { format!("{}{}", self.newline, self.outer) } else { String::new() };
            put(out, after, format!("{joined}{newline}"));
        } else if one_line && last.line {
            put(out, after, format!("{joined}{}{}", self.newline, self.inner));
        } else if one_line {
            put(out, entry.end, joined);
        } else {
            // More than one line: before the comma they are the entry's all the same.
            let mut text = String::new();
            for kept in comments {
                text.push(' ');
                text.push_str(&kept.text);
                if kept.line {
                    text.push_str(self.newline);
                    text.push_str(&self.inner);
                }
            }
            if entry.comma.is_none() {
                text.push(',');
            }
            put(out, entry.end, text);
        }
    }

    fn closing(&self, out: &mut Vec<Splice>) {
        if self.closing.is_empty() {
            return;
        }
        let close = self.layout.close;
        // A line comment may end in spaces of its own.
        let last = self.layout.closing.last().map(|comment| comment.end);
        let last = last.or(self.layout.entries.last().map(|entry| entry.block_end)).unwrap_or_default();
        let at = self.text[..close].trim_end_matches(json5::char::is_json5_whitespace).len().max(last);
        let blank = self.closing.first().is_some_and(|first| first.blank_above) && !blank_above(self.text, close);
        let mut text = if blank { self.newline.to_owned() } else { String::new() };
        text.push_str(&self.lines(&self.closing));
        if !breaks(&self.text[at..close]) {
            text.push_str(self.newline);
            text.push_str(&self.outer);
        }
        put(out, at, text);
    }

    /// Comments on lines of their own.
    fn lines(&self, comments: &[Kept]) -> String {
        let mut text = String::new();
        let mut blank = false;
        for kept in comments {
            if blank {
                text.push_str(self.newline);
            }
            text.push_str(self.newline);
            text.push_str(&self.inner);
            text.push_str(&kept.text);
            blank = kept.blank_below;
        }
        text
    }

    fn only(&self, out: &mut Vec<Splice>) {
        let all = self.opening.iter().chain(&self.closing);
        if self.opening.is_empty() && self.closing.is_empty() {
            return;
        }
        let (open, close) = (self.layout.open, self.layout.close);
        let inside = &self.text[open..close];
        let last = self.layout.opening.last().map_or(open, |comment| comment.end);
        let at = last.max(open + inside.trim_end_matches(json5::char::is_json5_whitespace).len());
        if !breaks(inside) && self.closing.is_empty() && self.opening.iter().all(|kept| !kept.line && !kept.ends_line) {
            let joined: String = all.map(|kept| format!(" {}", kept.text)).collect();
            let pad = if at == close { " " } else { "" };
            return put(out, at, format!("{joined}{pad}"));
        }
        let mut text = String::new();
        // What stood behind the bracket stays there.
        for (index, kept) in self.opening.iter().enumerate() {
            if index == 0 && at == open {
                text.push(' ');
                text.push_str(&kept.text);
            } else {
                text.push_str(&self.lines(std::slice::from_ref(kept)));
            }
        }
        text.push_str(&self.lines(&self.closing));
        if !breaks(&self.text[at..close]) {
            text.push_str(self.newline);
            text.push_str(&self.outer);
        }
        put(out, at, text);
    }
}

/// Whether a blank line stands before `at`.
pub(super) fn blank_above(text: &str, at: usize) -> bool {
    let above = &text[..at];
    line_ends(&above[above.trim_end_matches(json5::char::is_json5_whitespace).len()..]) > 1
}

fn put(out: &mut Vec<Splice>, at: usize, text: String) {
    if !text.is_empty() {
        out.push((at..at, text));
    }
}
