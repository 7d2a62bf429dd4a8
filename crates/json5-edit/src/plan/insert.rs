//! A new entry: written as its neighbours are, and placed so that every comment stays with what it belongs to.

use serde_json::Value;

use super::Planner;
use crate::change::{Change, Intended, Key, Splice};
use crate::document::{Kind, Node};
use crate::edit::EditError;
use crate::layout::{Layout, after_line_end, breaks, is_line_comment, line_indent, own_line_indent, skip_spaces};
use crate::path::Path;
use crate::style::Style;

/// An entry that is no longer than this is put on one line where its neighbours are.
const LINE: usize = 100;

impl<'a> Planner<'a> {
    /// What adds an entry to the container at `path` so that it has the number `index`: right behind the one before it
    /// when `after` is true, else right before the one that has this number now.
    pub(super) fn insertion(
        &self,
        container: &'a Node,
        path: &Path,
        key: Option<&str>,
        index: usize,
        after: bool,
        value: &'a Value,
    ) -> Result<Change<'a>, EditError> {
        let layout = Layout::of(self.document.text(), container);
        let style = Style::near(self.document, container);
        let one_line = fits_one_line(self.document.text(), container, value, &style.value(value, None));
        let entry = |indent: Option<&str>| {
            let key = key.map_or_else(String::new, |key| format!("{}{}", style.key(key), style.colon));
            format!("{key}{}", style.value(value, indent.filter(|_| !one_line)))
        };
        let splices = if layout.entries.is_empty() {
            self.first(container, &layout, &style, &entry)
        } else if after && index > 0 {
            self.behind(container, &layout, index - 1, &style, &entry)
        } else {
            self.before(&layout, index, &style, &entry)
        };
        let mut result = Intended::entries(container);
        match &mut result {
            Intended::Array(items) => items.insert(index.min(items.len()), Intended::New(value)),
            Intended::Object(members) => {
                let key = Key::New(key.unwrap_or_default().to_owned());
                members.insert(index.min(members.len()), (key, Intended::New(value)));
            }
            _ => {}
        }
        Ok(Change { splices, removed: None, result: self.around(path, result) })
    }

    fn before(
        &self,
        layout: &Layout,
        index: usize,
        style: &Style,
        entry: &dyn Fn(Option<&str>) -> String,
    ) -> Vec<Splice> {
        let Some(next) = layout.entries.get(index) else { return Vec::new() };
        let new = match own_line_indent(self.document.text(), next.block) {
            Some(indent) => format!("{},{}{indent}", entry(Some(indent)), style.newline),
            None => format!("{},{}", entry(None), style.gap),
        };
        vec![(next.block..next.block, new)]
    }

    fn behind(
        &self,
        container: &Node,
        layout: &Layout,
        index: usize,
        style: &Style,
        entry: &dyn Fn(Option<&str>) -> String,
    ) -> Vec<Splice> {
        let text = self.document.text();
        let Some(last) = layout.entries.get(index) else { return Vec::new() };
        let next = skip_spaces(text, last.block_end);
        let ends_line = after_line_end(text, next).is_some() || next == layout.close;
        let own_line = own_line_indent(text, last.block).filter(|_| ends_line);
        let line_comment = last.behind.iter().any(|comment| is_line_comment(text, comment));
        let needs_line = !last.behind.is_empty() && (last.comma.is_some() || line_comment);
        let mut splices = Vec::new();
        if own_line.is_some() || needs_line {
            let deeper = || format!("{}{}", line_indent(text, container.span.start), style.unit);
            let sibling = layout.entries.iter().find_map(|entry| own_line_indent(text, entry.block));
            let indent = own_line.or(sibling).map_or_else(deeper, str::to_owned);
            let comma = if last.comma.is_some() { "," } else { "" };
            if last.comma.is_none() {
                splices.push((last.end..last.end, ",".to_owned()));
            }
            let line = format!("{}{indent}{}{comma}", style.newline, entry(Some(&indent)));
            splices.push((last.block_end..last.block_end, line));
        } else if let Some(comma) = last.comma {
            splices.push((comma + 1..comma + 1, format!("{}{},", style.gap, entry(None))));
        } else {
            splices.push((last.block_end..last.block_end, format!(",{}{}", style.gap, entry(None))));
        }
        splices
    }

    fn first(
        &self,
        container: &Node,
        layout: &Layout,
        style: &Style,
        entry: &dyn Fn(Option<&str>) -> String,
    ) -> Vec<Splice> {
        let text = self.document.text();
        let outer = line_indent(text, container.span.start);
        let newline = style.newline;
        let comma = if style.trailing_comma { "," } else { "" };
        let inside = &text[layout.open..layout.close];
        let Some(last) = layout.opening.last() else {
            // The outermost object is opened up; any other stays on its line, if it has one.
            let is_root = container.span == self.document.root().span;
            if !is_root && !inside.contains(['\n', '\r']) {
                let pad = if matches!(container.kind, Kind::Object(_)) { " " } else { "" };
                return vec![(layout.open..layout.close, format!("{pad}{}{pad}", entry(None)))];
            }
            let inner = format!("{outer}{}", style.unit);
            let line = format!("{newline}{inner}{}{comma}", entry(Some(&inner)));
            return if inside.contains(['\n', '\r']) {
                vec![(layout.open..layout.open, line)]
            } else {
                vec![(layout.open..layout.close, format!("{line}{newline}{outer}"))]
            };
        };
        // The comments that are there are the container's, and stay so: behind its bracket, or above a blank line.
        let mut end = layout.open;
        let mut on_first_line = true;
        for comment in &layout.opening {
            on_first_line &= !breaks(&text[end..comment.start]);
            end = comment.end;
        }
        let own_line = layout.opening.iter().find_map(|comment| own_line_indent(text, comment.start));
        let inner = own_line.map_or_else(|| format!("{outer}{}", style.unit), str::to_owned);
        let blank = if on_first_line { "" } else { newline };
        let line = format!("{blank}{newline}{inner}{}{comma}", entry(Some(&inner)));
        if breaks(&text[last.end..layout.close]) {
            vec![(last.end..last.end, line)]
        } else {
            vec![(last.end..layout.close, format!("{line}{newline}{outer}"))]
        }
    }
}

/// Whether the objects and arrays in `container` are on one line each, and `written`, a new one, is not much longer.
fn fits_one_line(text: &str, container: &Node, value: &Value, written: &str) -> bool {
    let neighbours: Vec<&str> = match &container.kind {
        Kind::Array(items) => items.iter().map(|item| &text[item.span.clone()]).collect(),
        Kind::Object(members) => members.iter().map(|member| &text[member.value.span.clone()]).collect(),
        Kind::Scalar(_) => Vec::new(),
    };
    let bracketed = neighbours.into_iter().filter(|one| one.starts_with(['{', '[']) && one.len() > "{}".len());
    let longest = bracketed.map(|one| if breaks(one) { usize::MAX } else { one.len() }).max();
    let is_nested = value.as_object().is_some_and(|members| members.values().any(Value::is_object));
    let most = |longest: usize| if is_nested { longest } else { longest.max(LINE) };
    longest.is_some_and(|longest| longest < usize::MAX && written.len() <= most(longest))
}
