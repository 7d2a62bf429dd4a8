//! An entry leaves with its comments, its comma, and its lines where it had them for itself.

use std::ops::Range;

use json5::char::is_json5_whitespace;

use super::{EntryAt, Planner};
use crate::change::{Change, Intended, Splice};
use crate::document::Node;
use crate::edit::{EditError, Expected};
use crate::layout::{
    Layout, after_line_end, before_line_end, breaks, is_line_comment, line_start, own_line_indent, skip_spaces,
};
use crate::path::Path;

impl<'a> Planner<'a> {
    pub(super) fn remove(&self, path: &Path, expected: &Expected) -> Result<Change<'a>, EditError> {
        let EntryAt { container, path, index } = self.entry(path, expected)?;
        let layout = Layout::of(self.document.text(), container);
        let mut result = Intended::entries(container);
        match &mut result {
            Intended::Array(items) => drop(items.remove(index)),
            Intended::Object(members) => drop(members.remove(index)),
            _ => {}
        }
        let removed = layout.entries.get(index).map(|entry| entry.block..entry.block_end);
        let splices = self.removal(container, &layout, index);
        Ok(Change { splices, removed, result: self.around(&path, result) })
    }

    fn removal(&self, container: &Node, layout: &Layout, index: usize) -> Vec<Splice> {
        let text = self.document.text();
        let Some(entry) = layout.entries.get(index) else { return Vec::new() };
        let none = String::new;
        if layout.entries.len() == 1
            && is_blank(&text[layout.open..entry.block])
            && is_blank(&text[entry.block_end..layout.close])
        {
            return vec![(container.span.start + 1..container.span.end - 1, none())];
        }
        let mut splices = Vec::new();
        let previous = index.checked_sub(1).and_then(|index| layout.entries.get(index));
        if let (None, Some(previous)) = (entry.comma, previous)
            && let Some(comma) = previous.comma
            && !needs_comma(text, previous)
        {
            // The new last one has no comma, as the old last one had none.
            let start = if previous.before_comma.is_empty() { previous.end } else { comma };
            splices.push((start..comma + 1, none()));
        }
        // What stands before, without the white space between. A line comment may end in spaces of its own.
        let comments = &self.document.comments;
        let above =
            comments.partition_point(|comment| comment.start < entry.block).checked_sub(1).map(|at| &comments[at]);
        let trimmed = text[..entry.block].trim_end_matches(is_json5_whitespace).len();
        let left = above.map_or(trimmed, |comment| trimmed.max(comment.end));
        let after_line_comment = above.is_some_and(|comment| comment.end == left && is_line_comment(text, comment));
        let own_line = own_line_indent(text, entry.block).is_some();
        let next = skip_spaces(text, entry.block_end);
        let span = match after_line_end(text, next) {
            Some(below) if own_line => whole_lines(text, layout, left, line_start(text, entry.block)..below),
            None if next != layout.close => {
                let end = layout.entries.get(index + 1).map_or(entry.block_end, |next| next.block);
                entry.block..end
            }
            _ if after_line_comment => line_start(text, entry.block)..entry.block_end,
            _ => left..entry.block_end,
        };
        splices.push((span, none()));
        splices
    }
}

/// The lines of an entry, with one blank line more where two would come together, or one would start or end the
/// container.
fn whole_lines(text: &str, layout: &Layout, left: usize, lines: Range<usize>) -> Range<usize> {
    let above = before_line_end(text, lines.start).map(|end| line_start(text, end)..lines.start);
    let blank_above = above.filter(|line| line.start > layout.open && is_blank(&text[line.clone()]));
    let blank_below = after_line_end(text, skip_spaces(text, lines.end));
    match (blank_above, blank_below) {
        (Some(_), Some(below)) => lines.start..below,
        (None, Some(below)) if left == layout.open => lines.start..below,
        (Some(above), None) if skip_spaces(text, lines.end) == layout.close => above.start..lines.end,
        _ => lines,
    }
}

/// Whether an entry's comments would no longer be its own without its comma.
pub(super) fn needs_comma(text: &str, entry: &crate::layout::Entry) -> bool {
    let Some(comma) = entry.comma else { return false };
    let mut end = entry.end;
    for comment in &entry.before_comma {
        if breaks(&text[end..comment.start]) {
            return true;
        }
        end = comment.end;
    }
    !entry.before_comma.is_empty() && !entry.behind.is_empty() && breaks(&text[end..comma])
}

fn is_blank(text: &str) -> bool {
    text.chars().all(is_json5_whitespace)
}
