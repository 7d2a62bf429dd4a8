//! Entries come to stand in other entries' places, each with its comments. Commas, line breaks and the container's own
//! comments stay where they are.

use std::ops::Range;

use super::Planner;
use super::remove::needs_comma;
use crate::change::Splice;
use crate::document::Node;
use crate::layout::{
    Entry, Layout, after_line_end, breaks, is_line_comment, line_ends, line_indent, own_line_indent, skip_spaces,
};
use crate::style::Style;

/// An entry on its way to a place, with what belongs to it.
pub(super) struct Arriving {
    /// Its comments above it, or before it on its line, up to itself.
    pub above: String,
    /// Itself: its key, if it has one, and its value.
    pub entry: String,
    /// What stands between it and its comma.
    pub before_comma: String,
    /// Its comments behind its comma, with the white space before them.
    pub behind: String,
    /// Whether a line is its own from its first comment on.
    leads_line: bool,
    /// Whether a line ends anywhere above it, or must end behind it.
    takes_lines: bool,
    /// Whether a comment stands before its comma.
    comment_before_comma: bool,
    /// Whether a comment behind it goes on until its line ends.
    line_comment: bool,
    /// The same where it gets no comma.
    line_comment_alone: bool,
    needs_comma: bool,
}

impl Arriving {
    /// An entry as it is written.
    pub(super) fn of(text: &str, entry: &Entry) -> Self {
        let before_comma = entry.comma.map_or("", |comma| &text[entry.end..comma]);
        let behind = &text[entry.comma.map_or(entry.end, |comma| comma + 1)..entry.block_end];
        let is_line = |comment: &Range<usize>| is_line_comment(text, comment);
        let last = entry.behind.last().or(entry.before_comma.last());
        let line_ends_before_comma =
            entry.behind.is_empty() && breaks(last.map_or("", |last| &text[last.end..entry.comma.unwrap_or(last.end)]));
        let above = &text[entry.block..entry.start];
        Self {
            above: above.to_owned(),
            entry: text[entry.start..entry.end].to_owned(),
            before_comma: before_comma.to_owned(),
            behind: behind.to_owned(),
            leads_line: own_line_indent(text, entry.block).is_some() && !entry.above.is_empty(),
            takes_lines: breaks(above) || [&entry.before_comma, &entry.behind].into_iter().flatten().any(is_line),
            comment_before_comma: !entry.before_comma.is_empty(),
            line_comment: entry.behind.iter().any(is_line),
            line_comment_alone: last.is_some_and(is_line) && !line_ends_before_comma,
            needs_comma: needs_comma(text, entry),
        }
    }

    /// The same for another container: its lines start with `new_line`, and the white space before its comma is that of
    /// `slot`.
    pub(super) fn moved(mut self, text: &str, entry: &Entry, slot: &Entry, new_line: &str) -> Self {
        self.above = relaid(text, entry.block..entry.start, &entry.above, new_line);
        self.before_comma = match (entry.comma, slot.comma) {
            (Some(comma), _) if self.comment_before_comma => {
                relaid(text, entry.end..comma, &entry.before_comma, new_line)
            }
            (_, Some(comma)) if slot.before_comma.is_empty() => text[slot.end..comma].to_owned(),
            _ => String::new(),
        };
        self
    }
}

/// A stretch of comments whose lines start with `new_line`.
fn relaid(text: &str, stretch: Range<usize>, comments: &[Range<usize>], new_line: &str) -> String {
    let newline = new_line.trim_end_matches(|c| !matches!(c, '\n' | '\r'));
    let gap = |space: &str| match line_ends(space) {
        0 => space.to_owned(),
        count => format!("{}{new_line}", newline.repeat(count - 1)),
    };
    let mut out = String::new();
    let mut at = stretch.start;
    for comment in comments {
        out.push_str(&gap(&text[at..comment.start]));
        out.push_str(&text[comment.clone()]);
        at = comment.end;
    }
    out + &gap(&text[at..stretch.end])
}

impl Planner<'_> {
    /// How a line of an entry of `container` starts: the line end before it, and its indentation.
    pub(super) fn new_line(&self, container: &Node, layout: &Layout) -> String {
        let text = self.document.text();
        let style = Style::near(self.document, container);
        let sibling = layout.entries.iter().find_map(|entry| own_line_indent(text, entry.block));
        let indent =
            sibling.map_or_else(|| format!("{}{}", line_indent(text, container.span.start), style.unit), str::to_owned);
        format!("{}{indent}", style.newline)
    }

    /// The text of the entries from `first` on, with `arriving` in their places.
    pub(super) fn arranged(&self, container: &Node, layout: &Layout, first: usize, arriving: &[Arriving]) -> Splice {
        let text = self.document.text();
        if arriving.iter().any(|arriving| arriving.takes_lines) && !breaks(&text[layout.open..layout.close]) {
            return self.opened(container, layout, first, arriving);
        }
        let slots = &layout.entries[first..first + arriving.len()];
        let (start, mut end) = (slots[0].block, slots[slots.len() - 1].block_end);
        let new_line = self.new_line(container, layout);
        let mut out = String::new();
        for (at, (slot, arriving)) in slots.iter().zip(arriving).enumerate() {
            let is_last = at + 1 == slots.len();
            // The white space (and comments of the container) before this slot.
            let slot_on_line = own_line_indent(text, slot.block).is_some() || out.ends_with(&new_line);
            if arriving.leads_line && !slot_on_line {
                out.push_str(&new_line);
            }
            let space = &text[slot.block_end..slots.get(at + 1).map_or(text.len(), |next| next.block)];
            let ends_line = after_line_end(space, skip_spaces(space, 0)).is_some();
            let closes = is_last && !ends_line && closes(text, slot.block_end, layout.close);
            out.push_str(&arriving.above);
            out.push_str(&arriving.entry);
            let mut open_line = false;
            if slot.comma.is_some() || arriving.needs_comma {
                out.push_str(&arriving.before_comma);
                if !arriving.behind.is_empty() && !arriving.line_comment && !ends_line && !closes {
                    // Behind the comma it would be taken for a comment on what comes next.
                    out.push_str(&arriving.behind);
                    out.push(',');
                } else {
                    out.push(',');
                    out.push_str(&arriving.behind);
                    open_line = arriving.line_comment;
                }
            } else {
                let kept = &arriving.before_comma;
                out.push_str(if arriving.comment_before_comma { kept } else { kept.trim_end() });
                out.push_str(&arriving.behind);
                open_line = arriving.line_comment_alone;
            }
            let mut space = space;
            if open_line && ends_line {
                // Spaces would become part of the comment.
                space = &space[skip_spaces(space, 0)..];
                if is_last {
                    end = skip_spaces(text, end);
                }
            } else if open_line && closes {
                out.push_str(self.outer_line(container, &new_line).as_str());
                end = skip_spaces(text, end);
            } else if open_line {
                out.push_str(&new_line);
                // The white space between was for one line.
                space = "";
                if is_last {
                    end = skip_spaces(text, end);
                }
            }
            if !is_last {
                out.push_str(space);
            }
        }
        (start..end, out)
    }

    /// The inside of a container that stood on one line, with an entry on each line.
    fn opened(&self, container: &Node, layout: &Layout, first: usize, arriving: &[Arriving]) -> Splice {
        let text = self.document.text();
        let new_line = self.new_line(container, layout);
        let trailing = Style::near(self.document, container).trailing_comma;
        let mut out = String::new();
        for (at, slot) in layout.entries.iter().enumerate() {
            let own;
            let entry = match at.checked_sub(first).and_then(|at| arriving.get(at)) {
                Some(arriving) => arriving,
                None => {
                    own = Arriving::of(text, slot);
                    &own
                }
            };
            out.push_str(&new_line);
            out.push_str(&entry.above);
            out.push_str(&entry.entry);
            if entry.comment_before_comma {
                out.push_str(&entry.before_comma);
            }
            if slot.comma.is_some() || trailing || entry.needs_comma {
                out.push(',');
            }
            out.push_str(&entry.behind);
        }
        out.push_str(&self.outer_line(container, &new_line));
        (layout.open..layout.close, out)
    }

    /// How the line of a container's closing bracket starts.
    fn outer_line(&self, container: &Node, new_line: &str) -> String {
        let newline = new_line.trim_end_matches(|c| !matches!(c, '\n' | '\r'));
        format!("{newline}{}", line_indent(self.document.text(), container.span.start))
    }
}

/// Whether only spaces stand between `at` and the closing bracket.
fn closes(text: &str, at: usize, close: usize) -> bool {
    text.get(at..close).is_some_and(|between| between.chars().all(json5::char::is_json5_whitespace))
}
