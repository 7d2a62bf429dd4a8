//! An entry moves among its neighbours with its comments. Commas, line breaks and the container's own comments stay
//! where they are.

use super::Planner;
use super::remove::needs_comma;
use crate::change::{Change, Intended, Splice};
use crate::document::Node;
use crate::edit::{EditError, Expected, Position};
use crate::layout::{
    Entry, Layout, after_line_end, breaks, is_line_comment, line_indent, own_line_indent, skip_spaces,
};
use crate::path::{Path, Step};
use crate::style::Style;

impl<'a> Planner<'a> {
    pub(super) fn relocate(
        &self,
        path: &Path,
        entry: &Step,
        position: &Position,
        expected: &Expected,
        anchor: &Expected,
    ) -> Result<Option<Change<'a>>, EditError> {
        let container = self.container(path)?;
        let index = self.index_of(container, path, entry);
        let unclear = matches!(index, Err(EditError::DuplicateKey { .. }));
        if !unclear && !expected.is_anything() {
            super::conflict(&path.then(entry.clone()), expected, container.entry(entry))?;
        }
        let layout = Layout::of(self.document.text(), container);
        let count = layout.entries.len();
        let from = index?.ok_or_else(|| match entry {
            Step::Key(_) => EditError::Missing { path: path.then(entry.clone()) },
            Step::Index(index) => EditError::NoSuchItem { path: path.clone(), length: count, index: *index },
        })?;
        let (place, _) = self.place(container, path, position, anchor)?;
        let to = match position {
            Position::At(index) if *index >= count => {
                return Err(EditError::NoSuchItem { path: path.clone(), length: count, index: *index });
            }
            Position::At(index) => *index,
            _ if place > from => place - 1,
            _ => place,
        };
        if from == to {
            return Ok(None);
        }
        let mut result = Intended::entries(container);
        match &mut result {
            Intended::Array(items) => {
                let item = items.remove(from);
                items.insert(to, item);
            }
            Intended::Object(members) => {
                let member = members.remove(from);
                members.insert(to, member);
            }
            _ => {}
        }
        let splices = vec![self.rotation(container, &layout, from, to)];
        Ok(Some(Change { splices, removed: None, result: self.around(path, result) }))
    }

    /// The text of the entries between `from` and `to` in their new order.
    fn rotation(&self, container: &Node, layout: &Layout, from: usize, to: usize) -> Splice {
        let text = self.document.text();
        let slots = &layout.entries[from.min(to)..=from.max(to)];
        let mut order: Vec<&Entry> = slots.iter().collect();
        let moved = order.remove(from - from.min(to));
        order.insert(to - from.min(to), moved);
        let (start, mut end) = (slots[0].block, slots[slots.len() - 1].block_end);

        let style = Style::near(self.document, container);
        let sibling = layout.entries.iter().find_map(|entry| own_line_indent(text, entry.block));
        let indent =
            sibling.map_or_else(|| format!("{}{}", line_indent(text, container.span.start), style.unit), str::to_owned);
        let new_line = format!("{}{indent}", style.newline);

        let mut out = String::new();
        for (at, (slot, entry)) in slots.iter().zip(order).enumerate() {
            // The white space (and comments of the container) before this slot.
            let lead_on_line = own_line_indent(text, entry.block).is_some() && !entry.above.is_empty();
            let slot_on_line = own_line_indent(text, slot.block).is_some() || out.ends_with(&new_line);
            if lead_on_line && !slot_on_line {
                out.push_str(&new_line);
            }
            let space = &text[slot.block_end..slots.get(at + 1).map_or(text.len(), |next| next.block)];
            let ends_line = after_line_end(space, skip_spaces(space, 0)).is_some();
            let closes = at + 1 == slots.len() && !ends_line && closes(text, slot.block_end, layout.close);
            out.push_str(&text[entry.block..entry.end]);
            let before_comma = entry.comma.map_or("", |comma| &text[entry.end..comma]);
            let behind = &text[entry.comma.map_or(entry.end, |comma| comma + 1)..entry.block_end];
            let line_comment = entry.behind.iter().any(|comment| is_line_comment(text, comment));
            let mut open_line = false;
            if slot.comma.is_some() || needs_comma(text, entry) {
                out.push_str(before_comma);
                if !entry.behind.is_empty() && !line_comment && !ends_line && !closes {
                    // Behind the comma it would be taken for a comment on what comes next.
                    out.push_str(behind);
                    out.push(',');
                } else {
                    out.push(',');
                    out.push_str(behind);
                    open_line = line_comment;
                }
            } else {
                let kept = if entry.before_comma.is_empty() { before_comma.trim_end() } else { before_comma };
                out.push_str(kept);
                out.push_str(behind);
                let last = entry.behind.last().or(entry.before_comma.last());
                open_line = last.is_some_and(|comment| is_line_comment(text, comment))
                    && !(entry.behind.is_empty()
                        && breaks(last.map_or("", |last| &text[last.end..entry.comma.unwrap_or(last.end)])));
            }
            let mut space = space;
            if open_line && ends_line {
                // Spaces would become part of the comment.
                space = &space[skip_spaces(space, 0)..];
                if at + 1 == slots.len() {
                    end = skip_spaces(text, end);
                }
            } else if open_line {
                out.push_str(&new_line);
                // The white space between was for one line.
                space = "";
            }
            if at + 1 < slots.len() {
                out.push_str(space);
            }
        }
        (start..end, out)
    }
}

/// Whether only spaces stand between `at` and the closing bracket.
fn closes(text: &str, at: usize, close: usize) -> bool {
    text.get(at..close).is_some_and(|between| between.chars().all(json5::char::is_json5_whitespace))
}
