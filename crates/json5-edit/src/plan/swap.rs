//! Two values change places, each with its comments, whatever they stand in.

use std::ops::Range;

use super::arrange::Arriving;
use super::{EntryAt, Planner};
use crate::change::{Change, Intended, is_too_deep_for};
use crate::document::{Kind, Node};
use crate::edit::{EditError, Expected};
use crate::layout::{Entry, Layout, after_line_end, skip_spaces};
use crate::path::Path;

/// One of the two.
struct Side<'a> {
    at: EntryAt<'a>,
    value: &'a Node,
    layout: Layout,
}

impl<'a> Planner<'a> {
    pub(super) fn swap(
        &self,
        path: &'a Path,
        other: &'a Path,
        expected: &Expected,
        expected_other: &Expected,
    ) -> Result<Option<Change<'a>>, EditError> {
        let (one, two) = (self.side(path, expected)?, self.side(other, expected_other)?);
        if path == other {
            return Ok(None);
        }
        for (outer, inner) in [(path, other), (other, path)] {
            if inner.steps().starts_with(outer.steps()) {
                return Err(EditError::Within { path: outer.clone(), other: inner.clone() });
            }
        }
        for (path, node) in [(path, two.value), (other, one.value)] {
            if is_too_deep_for(path, node) {
                return Err(EditError::TooDeep { path: path.clone() });
            }
        }
        let root = self.document.root();
        let result = Intended::around(
            root,
            vec![(path.steps(), Intended::Kept(two.value)), (other.steps(), Intended::Kept(one.value))],
        );
        let splices = if one.at.path == two.at.path {
            let (first, last) = if one.at.index < two.at.index { (&one, &two) } else { (&two, &one) };
            let text = self.document.text();
            let mut order: Vec<Arriving> = vec![self.arriving(last, first)];
            let between = &first.layout.entries[first.at.index + 1..last.at.index];
            order.extend(between.iter().map(|entry| Arriving::of(text, entry)));
            order.push(self.arriving(first, last));
            // What stays above the last of them belongs to that layout alone.
            let mut layout = Layout::of(text, first.at.container);
            for side in [first, last] {
                layout.entries[side.at.index] = side.entry().clone();
            }
            vec![self.arranged(first.at.container, &layout, first.at.index, &order)]
        } else {
            [(&one, &two), (&two, &one)]
                .map(|(slot, from)| {
                    let arriving = [self.arriving(from, slot)];
                    self.arranged(slot.at.container, &slot.layout, slot.at.index, &arriving)
                })
                .into()
        };
        Ok(Some(Change { splices, removed: None, result }))
    }

    fn side(&self, path: &Path, expected: &Expected) -> Result<Side<'a>, EditError> {
        let at = self.entry(path, expected)?;
        let mut layout = Layout::of(self.document.text(), at.container);
        let value = match &at.container.kind {
            Kind::Object(members) => {
                let member = &members[at.index];
                self.keep_with_key(&mut layout.entries[at.index], &member.key);
                &member.value
            }
            Kind::Array(items) => &items[at.index],
            Kind::Scalar(_) => at.container,
        };
        Ok(Side { at, value, layout })
    }

    /// Leaves the comments above a member out of what is its value's, as far down as the member is commented out there, in
    /// a comment that ends its line.
    fn keep_with_key(&self, entry: &mut Entry, key: &str) {
        let text = self.document.text();
        let ends_line = |comment: &Range<usize>| after_line_end(text, skip_spaces(text, comment.end)).is_some();
        let kept = entry.above.iter().rposition(|comment| ends_line(comment) && names_key(&text[comment.clone()], key));
        entry.above.drain(..kept.map_or(0, |last| last + 1));
        entry.block = entry.above.first().map_or(entry.start, |comment| comment.start);
    }

    /// What comes from one place to the other: the value with its comments, below the key that is there.
    fn arriving(&self, from: &Side<'_>, slot: &Side<'_>) -> Arriving {
        let text = self.document.text();
        let mut arriving = Arriving::of(text, from.entry());
        if from.at.path != slot.at.path {
            let new_line = self.new_line(slot.at.container, &slot.layout);
            arriving = arriving.moved(text, from.entry(), slot.entry(), &new_line);
        }
        let key = &text[slot.entry().start..slot.value.span.start];
        arriving.entry = format!("{key}{}", &text[from.value.span.clone()]);
        arriving
    }
}

impl Side<'_> {
    fn entry(&self) -> &Entry {
        &self.layout.entries[self.at.index]
    }
}

/// Whether a comment is a member with this key, commented out.
fn names_key(comment: &str, key: &str) -> bool {
    let quotes = |c: char| c.is_whitespace() || matches!(c, '"' | '\'');
    let inside = comment.trim_start_matches(['/', '*']).trim_start_matches(quotes);
    !key.is_empty() && inside.strip_prefix(key).is_some_and(|rest| rest.trim_start_matches(quotes).starts_with(':'))
}
