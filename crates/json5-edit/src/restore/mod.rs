//! Puts comments back that another program left out: those of an old text, at the places of a new one that still
//! exist. The new text's own writing (quotes, keys, numbers, order) stays as it is.

mod align;
mod place;

use std::cell::OnceCell;
use std::ops::Range;

use crate::change::Splice;
use crate::check;
use crate::comments::{Comment, CommentPlace, inside};
use crate::document::{Document, Kind, Node, position};
use crate::layout::{Layout, breaks, is_line_comment, line_ends};
use crate::path::{Path, Step};
use align::align;
use place::{Kept, Written, blank_above};

/// A comment whose place is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The comment, with its slashes.
    pub text: String,
    /// What it belonged to in the old text.
    pub path: Path,
    /// Where it stood there.
    pub place: CommentPlace,
    /// Its line in the old text, counted from 1.
    pub line: u32,
}

/// Puts the comments of `old` into `new`, which may mean something else meanwhile. Members are the same when their keys
/// are, items when they are equal or stand between the same neighbours. A comment that `new` has at that place is not
/// repeated. What comes out is read by `json5` as exactly `new`; the comments that found no place are told.
#[must_use]
pub fn restore_comments(old: &Document, new: &Document) -> (Document, Vec<Lost>) {
    let mut restore = Restore { old, new, splices: Vec::new(), lost: Vec::new(), all: OnceCell::new() };
    restore.outside();
    restore.container(old.root(), new.root(), &Path::root());
    let Restore { mut splices, lost, .. } = restore;
    if splices.is_empty() {
        return (new.clone(), told(old, lost));
    }
    splices.sort_by_key(|(range, _)| range.start);
    let mut text = String::new();
    let mut at = 0;
    for (range, added) in &splices {
        text.push_str(new.text().get(at..range.start).unwrap_or_default());
        text.push_str(added);
        at = range.end;
    }
    text.push_str(new.text().get(at..).unwrap_or_default());
    let restored = Document::found_in(text)
        .filter(|restored| same_writing(new, new.root(), restored, restored.root()))
        .filter(|restored| has_comments_of(restored, new))
        .filter(|restored| check::agrees(restored.text(), restored.root()));
    match restored {
        Some(restored) => (restored, told(old, lost)),
        None => (new.clone(), told(old, old.comments())),
    }
}

/// Comments as they are reported, in the text's order.
fn told(old: &Document, mut lost: Vec<Comment>) -> Vec<Lost> {
    lost.sort_by_key(|comment| comment.span.start);
    let (mut line, mut at) = (1, 0);
    let mut told = Vec::with_capacity(lost.len());
    for Comment { span, path, place } in lost {
        line += position(&old.text()[at..], span.start - at).0 - 1;
        at = span.start;
        told.push(Lost { text: old.text()[span].to_owned(), path, place, line });
    }
    told
}

struct Restore<'a> {
    old: &'a Document,
    new: &'a Document,
    /// What is put into the new text.
    splices: Vec<Splice>,
    lost: Vec<Comment>,
    /// All comments of the old text, made when they are first asked for.
    all: OnceCell<Vec<Comment>>,
}

impl Restore<'_> {
    /// The comments before and after the outermost value.
    fn outside(&mut self) {
        let (old, new) = (self.old.text(), self.new.text());
        let (from, to) = (self.old.root().span.clone(), self.new.root().span.clone());
        let start = usize::from(new.starts_with('\u{feff}')) * '\u{feff}'.len_utf8();
        let head = self.kept(&crate::scan::comments_in(old, 0..from.start), from.start);
        let there = crate::scan::comments_in(new, 0..to.start);
        if let (Some(first), true) = (head.first(), there.is_empty()) {
            let text = old[first.span.start..from.start].to_owned();
            self.splices.push((start..start, text));
        } else {
            let newline = self.newline();
            let text: String =
                self.missing(head, &there).iter().map(|kept| format!("{}{newline}", kept.text)).collect();
            self.put(start, text);
        }
        let tail = self.kept(&crate::scan::comments_in(old, from.end..old.len()), old.len());
        let there = crate::scan::comments_in(new, to.end..new.len());
        if let (Some(last), true) = (tail.last(), there.is_empty()) {
            let text = old[from.end..last.span.end].to_owned();
            let ends = text.len() == old.len() - from.end || is_line_comment(old, &last.span);
            let rest = &new[to.end..];
            let newline = if ends && !rest.is_empty() && !breaks(rest) { self.newline() } else { "" };
            self.put(to.end, format!("{text}{newline}"));
        } else {
            let newline = self.newline();
            let text: String =
                self.missing(tail, &there).iter().map(|kept| format!("{newline}{}", kept.text)).collect();
            // What stood behind the value on its line goes on behind a line comment, which must end first.
            let newline = if text.is_empty() { "" } else { newline };
            self.put(to.end, format!("{text}{newline}"));
        }
    }

    /// The comments in an array or object that is one in both texts.
    fn container(&mut self, from: &Node, to: &Node, path: &Path) {
        let (old, new) = (self.old.text(), self.new.text());
        let alike =
            matches!((&from.kind, &to.kind), (Kind::Array(_), Kind::Array(_)) | (Kind::Object(_), Kind::Object(_)));
        if !alike {
            self.lose_inside(from);
            return;
        }
        let (was, is) = (Layout::of(old, from), Layout::of(new, to));
        let places = align(from, to);
        let mut written = Written::new(self.new, to, &is);

        // Of an empty container all comments count as its opening ones; only those on that line are.
        let mut end = was.open;
        let on_line = was.opening.iter().all(|comment| {
            let same = !breaks(&old[end..comment.start]);
            end = comment.end;
            same
        });
        let opening = self.kept(&was.opening, was.open);
        // The container's own comments, wherever in it they are: which entry follows may have changed.
        let free = is.entries.iter().flat_map(|entry| &entry.free);
        let mut own_there: Vec<Range<usize>> = is.opening.iter().chain(free).chain(&is.closing).cloned().collect();
        let opening = self.without(opening, &mut own_there);
        if on_line && is.opening.is_empty() {
            written.opening = opening;
        } else {
            written.free(0, opening);
        }
        for (index, entry) in was.entries.iter().enumerate() {
            let next = places[index..].iter().flatten().next().copied();
            let free = self.kept(&entry.free, entry.block);
            let free = self.without(free, &mut own_there);
            match next {
                Some(at) => written.free(at, free),
                None => written.closing.extend(free),
            }
            let step = match &from.kind {
                Kind::Object(members) => Step::Key(members[index].key.clone()),
                _ => Step::Index(index),
            };
            let own = path.then(step);
            let within = match &from.kind {
                Kind::Object(members) => inside(old, &members[index]),
                _ => Vec::new(),
            };
            let behind: Vec<Range<usize>> = entry.before_comma.iter().chain(&entry.behind).cloned().collect();
            let (value, target) = (child(from, index), places[index]);
            let Some((at, target)) = target.and_then(|at| Some((at, child(to, at)?))) else {
                self.lose(&entry.above, &own, CommentPlace::Above);
                self.lose(&within, &own, CommentPlace::Inside);
                self.lose(&behind, &own, CommentPlace::Behind);
                value.into_iter().for_each(|value| self.lose_inside(value));
                continue;
            };
            let there = &is.entries[at];
            let above = self.kept(&entry.above, entry.start);
            written.entries[at].above = self.missing(above, &there.above);
            if let Kind::Object(members) = &to.kind {
                let within = self.kept(&within, entry.end);
                written.entries[at].inside = self.missing(within, &inside(new, &members[at]));
            }
            let behind = self.kept(&behind, entry.block_end);
            let there: Vec<Range<usize>> = there.before_comma.iter().chain(&there.behind).cloned().collect();
            written.entries[at].behind = self.missing(behind, &there);
            if let Some(value) = value
                && !matches!(value.kind, Kind::Scalar(_))
            {
                self.container(value, target, &own);
            }
        }
        let closing = self.kept(&was.closing, was.close);
        let closing = self.without(closing, &mut own_there);
        written.closing.extend(closing);
        written.splices(&mut self.splices);
    }

    /// Comments of the old text with what is needed to write them again. `stop` is where what follows them starts.
    fn kept(&self, comments: &[Range<usize>], stop: usize) -> Vec<Kept> {
        let text = self.old.text();
        comments
            .iter()
            .enumerate()
            .map(|(index, span)| {
                let next = comments.get(index + 1).map_or(stop, |next| next.start);
                let after = text.get(span.end..next).unwrap_or_default();
                Kept {
                    text: text[span.clone()].to_owned(),
                    span: span.clone(),
                    line: is_line_comment(text, span),
                    ends_line: breaks(after),
                    blank_above: blank_above(text, span.start),
                    blank_below: index + 1 < comments.len() && line_ends(after) > 1,
                }
            })
            .collect()
    }

    /// Those that are not among `there` already.
    fn missing(&self, comments: Vec<Kept>, there: &[Range<usize>]) -> Vec<Kept> {
        self.without(comments, &mut there.to_vec())
    }

    /// The same; those that are there are taken from it.
    fn without(&self, comments: Vec<Kept>, there: &mut Vec<Range<usize>>) -> Vec<Kept> {
        let text = self.new.text();
        comments
            .into_iter()
            .filter(|kept| match there.iter().position(|span| text[span.clone()] == kept.text) {
                Some(at) => {
                    there.remove(at);
                    false
                }
                None => true,
            })
            .collect()
    }

    fn lose(&mut self, comments: &[Range<usize>], path: &Path, place: CommentPlace) {
        self.lost.extend(comments.iter().map(|span| Comment { span: span.clone(), path: path.clone(), place }));
    }

    /// All comments in a value that is gone, or is something else now.
    fn lose_inside(&mut self, node: &Node) {
        let comments = &self.old.comments;
        let first = comments.partition_point(|comment| comment.start < node.span.start);
        let end = comments.partition_point(|comment| comment.start < node.span.end);
        if first < end {
            let all = self.all.get_or_init(|| self.old.comments());
            self.lost.extend_from_slice(&all[first..end]);
        }
    }

    fn newline(&self) -> &'static str {
        crate::style::newline_near(self.new.text(), 0..0)
    }

    fn put(&mut self, at: usize, text: String) {
        if !text.is_empty() {
            self.splices.push((at..at, text));
        }
    }
}

/// The value of an entry by its number.
fn child(node: &Node, index: usize) -> Option<&Node> {
    node.entry(&Step::Index(index))
}

/// Whether every key and every scalar is written in the same way.
fn same_writing(a: &Document, a_node: &Node, b: &Document, b_node: &Node) -> bool {
    let same = |x: &Range<usize>, y: &Range<usize>| a.text()[x.clone()] == b.text()[y.clone()];
    match (&a_node.kind, &b_node.kind) {
        (Kind::Scalar(_), Kind::Scalar(_)) => same(&a_node.span, &b_node.span),
        (Kind::Array(x), Kind::Array(y)) => {
            x.len() == y.len() && x.iter().zip(y).all(|(x, y)| same_writing(a, x, b, y))
        }
        (Kind::Object(x), Kind::Object(y)) => {
            x.len() == y.len()
                && x.iter()
                    .zip(y)
                    .all(|(x, y)| same(&x.key_span, &y.key_span) && same_writing(a, &x.value, b, &y.value))
        }
        _ => false,
    }
}

/// Whether every comment of `before` is in `after`.
fn has_comments_of(after: &Document, before: &Document) -> bool {
    let sorted = |document: &Document| {
        let mut all: Vec<String> =
            document.comments.iter().map(|span| document.text()[span.clone()].to_owned()).collect();
        all.sort_unstable();
        all
    };
    let (after, before) = (sorted(after), sorted(before));
    let mut after = after.iter();
    before.iter().all(|comment| after.any(|other| other == comment))
}
