//! The edits: each splices text, is verified against `json5`, and gives a new document or leaves everything as it was.

use std::ops::Range;

use json5::char::is_json5_line_terminator;
use serde_json::{Map, Value};

use crate::document::{Document, Kind, Member, Node};
use crate::path::{Path, Step};
use crate::scan::skip_trivia;
use crate::style::{Style, line_indent, own_line_indent, string};

/// Why an edit was not made. The document is as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// A key on the path stands more than once in its object; which one is meant is not for an editor to guess.
    #[error("{path} stands more than once (lines {}): remove all but one", join(lines))]
    DuplicateKey {
        /// The key's path.
        path: Path,
        /// Where, in the text's order.
        lines: Vec<u32>,
    },
    /// The path goes on below something that holds nothing.
    #[error("line {line}: {path} is {found}, so nothing can stand below it")]
    NotAContainer {
        /// What it goes on below.
        path: Path,
        /// Its line.
        line: u32,
        /// What that is.
        found: &'static str,
    },
    /// An array has no such item, nor is it the place right after its last.
    #[error("{path} has {length} items, so there is no place {index}")]
    NoSuchItem {
        /// The array's path.
        path: Path,
        /// How many it has.
        length: usize,
        /// What was asked for.
        index: usize,
    },
    /// The new text would not have meant exactly what was intended, so it was thrown away.
    #[error("{path} cannot be edited here without changing something else; edit it by hand")]
    Unverified {
        /// What was to be edited.
        path: Path,
    },
}

fn join(lines: &[u32]) -> String {
    lines.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}

/// Text to put in the place of a range.
type Splice = (Range<usize>, String);

/// Where a path leads.
enum Found<'a> {
    Here(&'a Node),
    /// The steps from `at` on are missing below `parent`.
    Missing {
        parent: &'a Node,
        at: usize,
    },
}

impl Document {
    /// Replaces the value at `path`, or adds it, with the parents that are missing, in the style around it. A string
    /// keeps the quotes of the one it replaces. An index right after an array's last item adds one.
    ///
    /// # Errors
    /// [`EditError`]; this document is never changed.
    pub fn set(&self, path: &Path, value: &Value) -> Result<Self, EditError> {
        let splices = match self.find(path)? {
            Found::Here(node) if node.to_value() == *value && !holds_duplicates(node) => return Ok(self.clone()),
            Found::Here(node) => vec![(node.span.clone(), self.replacement(node, value))],
            Found::Missing { parent, at } => {
                let value = wrap(path, &path.steps()[at + 1..], value)?;
                match &path.steps()[at] {
                    Step::Key(key) => self.insertion(parent, members(parent).len(), Some(key), &value),
                    Step::Index(index) => self.insertion(parent, *index, None, &value),
                }
            }
        };
        let mut intended = self.value().clone();
        put(&mut intended, path.steps(), value);
        self.spliced(path, splices, &intended)
    }

    /// Adds an item to the array at `path`, before the one that is now at `index`, or at the end.
    ///
    /// # Errors
    /// [`EditError`]; this document is never changed.
    pub fn insert_item(&self, path: &Path, index: usize, value: &Value) -> Result<Self, EditError> {
        let (node, items) = self.array(path)?;
        if index > items.len() {
            return Err(EditError::NoSuchItem { path: path.clone(), length: items.len(), index });
        }
        let splices = self.insertion(node, index, None, value);
        let mut intended = self.value().clone();
        if let Some(Value::Array(list)) = at_mut(&mut intended, path.steps()) {
            list.insert(index, value.clone());
        }
        self.spliced(path, splices, &intended)
    }

    /// Moves an item of the array at `path` so that it stands at index `to`. The comments behind it on its line go with
    /// it, and those on the lines above it.
    ///
    /// # Errors
    /// [`EditError`]; this document is never changed.
    pub fn move_item(&self, path: &Path, from: usize, to: usize) -> Result<Self, EditError> {
        let (node, items) = self.array(path)?;
        if let Some(index) = [from, to].into_iter().find(|index| *index >= items.len()) {
            return Err(EditError::NoSuchItem { path: path.clone(), length: items.len(), index });
        }
        if from == to {
            return Ok(self.clone());
        }
        let splice = self.rotation(node, items, from, to);
        let mut intended = self.value().clone();
        if let Some(Value::Array(list)) = at_mut(&mut intended, path.steps()) {
            let item = list.remove(from);
            list.insert(to, item);
        }
        self.spliced(path, vec![splice], &intended)
    }

    fn find<'a>(&'a self, path: &Path) -> Result<Found<'a>, EditError> {
        let mut node = &self.root;
        for (at, step) in path.steps().iter().enumerate() {
            node = match (step, &node.kind) {
                (Step::Key(key), Kind::Object(members)) => {
                    let same: Vec<&Member> = members.iter().filter(|member| member.key == *key).collect();
                    match same.as_slice() {
                        [] => return Ok(Found::Missing { parent: node, at }),
                        [member] => &member.value,
                        several => {
                            let lines = several.iter().map(|member| self.position(member.key_span.start).0).collect();
                            return Err(EditError::DuplicateKey { path: path.first(at + 1), lines });
                        }
                    }
                }
                (Step::Index(index), Kind::Array(items)) => match items.get(*index) {
                    Some(item) => item,
                    None if *index == items.len() => return Ok(Found::Missing { parent: node, at }),
                    None => {
                        let path = path.first(at);
                        return Err(EditError::NoSuchItem { path, length: items.len(), index: *index });
                    }
                },
                _ => {
                    let (line, _) = self.position(node.span.start);
                    return Err(EditError::NotAContainer { path: path.first(at), line, found: node.type_name() });
                }
            };
        }
        Ok(Found::Here(node))
    }

    fn array(&self, path: &Path) -> Result<(&Node, &[Node]), EditError> {
        let missing = || EditError::NotAContainer { path: path.clone(), line: 0, found: "missing" };
        let Found::Here(node) = self.find(path)? else { return Err(missing()) };
        match &node.kind {
            Kind::Array(items) => Ok((node, items)),
            _ => {
                let (line, _) = self.position(node.span.start);
                Err(EditError::NotAContainer { path: path.clone(), line, found: node.type_name() })
            }
        }
    }

    fn replacement(&self, node: &Node, value: &Value) -> String {
        if let (Value::String(new), Kind::Scalar(Value::String(_))) = (value, &node.kind) {
            let quote = if self.text.as_bytes()[node.span.start] == b'\'' { '\'' } else { '"' };
            return string(new, quote);
        }
        let on_lines = self.text[node.span.clone()].contains(['\n', '\r'])
            || (matches!(node.kind, Kind::Scalar(_)) && self.text.trim_end().contains(['\n', '\r']));
        Style::of(self).value(value, on_lines.then(|| line_indent(&self.text, node.span.start)))
    }

    /// What adds a member or an item to a container before the one at `index`.
    fn insertion(&self, container: &Node, index: usize, key: Option<&str>, value: &Value) -> Vec<Splice> {
        let text = self.text.as_str();
        let style = self.style_within(container);
        let entry = |indent: Option<&str>| {
            let key = key.map_or_else(String::new, |key| format!("{}{}", style.key(key), style.colon));
            format!("{key}{}", style.value(value, indent))
        };
        // Where each entry starts and ends: a member starts with its key.
        let spans: Vec<Range<usize>> = match &container.kind {
            Kind::Object(members) => members.iter().map(|m| m.key_span.start..m.value.span.end).collect(),
            Kind::Array(items) => items.iter().map(|item| item.span.clone()).collect(),
            Kind::Scalar(_) => Vec::new(),
        };
        let open = container.span.start + 1;
        let Some(neighbour) = spans.get(index).or(spans.last()) else {
            return self.insertion_into_empty(container, &style, &entry);
        };
        let indent = own_line_indent(text, neighbour.start);
        if let Some(next) = spans.get(index) {
            return match indent {
                Some(indent) => {
                    let before = index.checked_sub(1).and_then(|index| spans.get(index)).map(|span| span.end);
                    let at = before.map_or(open, |end| after_comma(text, end).unwrap_or(end));
                    let at = same_line_trivia_end(text, at);
                    vec![(at..at, format!("{}{indent}{},", style.newline, entry(Some(indent))))]
                }
                None => vec![(next.start..next.start, format!("{}, ", entry(None)))],
            };
        }
        let comma = after_comma(text, neighbour.end);
        match (indent, comma) {
            (Some(indent), Some(comma)) => {
                let at = same_line_trivia_end(text, comma);
                vec![(at..at, format!("{}{indent}{},", style.newline, entry(Some(indent))))]
            }
            (Some(indent), None) => {
                let at = same_line_trivia_end(text, neighbour.end);
                let line = format!("{}{indent}{}", style.newline, entry(Some(indent)));
                vec![(neighbour.end..neighbour.end, ",".to_owned()), (at..at, line)]
            }
            (None, Some(comma)) => vec![(comma..comma, format!(" {},", entry(None)))],
            (None, None) => vec![(neighbour.end..neighbour.end, format!(", {}", entry(None)))],
        }
    }

    /// The document's style, save for what this container does otherwise.
    fn style_within(&self, container: &Node) -> Style {
        let mut style = Style::of(self);
        let last = match &container.kind {
            Kind::Object(members) => members.last().map(|member| &member.value),
            Kind::Array(items) => items.last(),
            Kind::Scalar(_) => None,
        };
        let Some(last) = last else { return style };
        if self.text[container.span.clone()].contains(['\n', '\r']) {
            style.trailing_comma = after_comma(&self.text, last.span.end).is_some();
        }
        match self.text.as_bytes()[last.span.start] {
            b'\'' => style.quote = '\'',
            b'"' => style.quote = '"',
            _ => {}
        }
        style
    }

    fn insertion_into_empty(
        &self,
        container: &Node,
        style: &Style,
        entry: &dyn Fn(Option<&str>) -> String,
    ) -> Vec<Splice> {
        let text = self.text.as_str();
        let (open, close) = (container.span.start + 1, container.span.end - 1);
        let inside = &text[open..close];
        let at = open + inside.trim_end().len();
        let is_root = container.span == self.root.span;
        let opened_up = is_root && inside.trim().is_empty();
        if !opened_up && !inside.contains(['\n', '\r']) {
            let pad = if matches!(container.kind, Kind::Object(_)) { " " } else { "" };
            let (before, after) = if inside.trim().is_empty() { (pad, pad) } else { (" ", pad) };
            return vec![(at..close, format!("{before}{}{after}", entry(None)))];
        }
        let outer = line_indent(text, container.span.start).to_owned();
        let inner = format!("{outer}{}", style.unit);
        let (newline, comma) = (style.newline, if style.trailing_comma { "," } else { "" });
        let line = format!("{newline}{inner}{}{comma}", entry(Some(&inner)));
        if text[at..close].contains(['\n', '\r']) {
            vec![(at..at, line)]
        } else {
            vec![(at..close, format!("{line}{newline}{outer}"))]
        }
    }

    /// The text of the items between `from` and `to` in their new order. Commas and line breaks stay where they are; an
    /// item takes its comments with it.
    fn rotation(&self, container: &Node, items: &[Node], from: usize, to: usize) -> Splice {
        let text = self.text.as_str();
        let (first, last) = (from.min(to), from.max(to));
        struct Piece<'a> {
            lead: &'a str,
            value: &'a str,
            before_comma: &'a str,
            comma: bool,
            trail: &'a str,
        }
        let mut pieces = Vec::new();
        let anchor = match first.checked_sub(1).map(|before| items[before].span.end) {
            Some(end) => after_comma(text, end).unwrap_or(end),
            None => container.span.start + 1,
        };
        let start = same_line_trivia_end(text, anchor);
        let mut at = start;
        for item in &items[first..=last] {
            let comma = after_comma(text, item.span.end);
            let end = comma.unwrap_or(item.span.end);
            let trail_end = same_line_trivia_end(text, end);
            pieces.push(Piece {
                lead: &text[at..item.span.start],
                value: &text[item.span.clone()],
                before_comma: comma.map_or("", |comma| &text[item.span.end..comma - 1]),
                comma: comma.is_some(),
                trail: &text[end..trail_end],
            });
            at = trail_end;
        }
        let mut order: Vec<usize> = (0..pieces.len()).collect();
        let moved = order.remove(from - first);
        order.insert(to - first, moved);
        let leads_travel = pieces.iter().any(|piece| !piece.lead.trim().is_empty());
        let newline = Style::of(self).newline;
        let mut out = String::new();
        // What precedes the next lead may end in a line comment, which must not swallow it.
        let mut tail = &text[anchor..start];
        for (slot, index) in order.into_iter().enumerate() {
            let piece = &pieces[index];
            let lead = if leads_travel { piece.lead } else { pieces[slot].lead };
            if tail.contains("//") && !lead.starts_with(['\n', '\r']) {
                out.push_str(newline);
            }
            out.push_str(lead);
            out.push_str(piece.value);
            out.push_str(piece.before_comma);
            if pieces[slot].comma {
                out.push(',');
            }
            out.push_str(piece.trail);
            tail = if piece.trail.is_empty() && !pieces[slot].comma { piece.before_comma } else { piece.trail };
        }
        if tail.contains("//") && !text[at..].starts_with(['\n', '\r']) {
            out.push_str(newline);
        }
        (start..at, out)
    }

    /// The document with `splices` made, if it then means exactly `intended`: the same values in the same order.
    fn spliced(&self, path: &Path, mut splices: Vec<Splice>, intended: &Value) -> Result<Self, EditError> {
        let unverified = || EditError::Unverified { path: path.clone() };
        splices.sort_by_key(|(range, _)| range.start);
        let mut text = String::with_capacity(self.text.len() + 64);
        let mut at = 0;
        for (range, new) in &splices {
            text.push_str(self.text.get(at..range.start).ok_or_else(unverified)?);
            text.push_str(new);
            at = range.end;
        }
        text.push_str(self.text.get(at..).ok_or_else(unverified)?);
        let document = Self::parse(&text).map_err(|_| unverified())?;
        if is_exactly(document.value(), intended) { Ok(document) } else { Err(unverified()) }
    }
}

/// Whether two values are equal with their members in the same order, which `==` does not ask for.
fn is_exactly(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_exactly(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|((key, a), (other, b))| key == other && is_exactly(a, b))
        }
        _ => a == b,
    }
}

fn members(node: &Node) -> &[Member] {
    match &node.kind {
        Kind::Object(members) => members,
        _ => &[],
    }
}

/// Whether anything below `node` stands twice: then the text is not what its value says, and is replaced even when
/// that value is the new one.
fn holds_duplicates(node: &Node) -> bool {
    match &node.kind {
        Kind::Scalar(_) => false,
        Kind::Array(items) => items.iter().any(holds_duplicates),
        Kind::Object(members) => members.iter().enumerate().any(|(at, member)| {
            members[..at].iter().any(|earlier| earlier.key == member.key) || holds_duplicates(&member.value)
        }),
    }
}

/// `value` inside the parents that the remaining steps ask for.
fn wrap(path: &Path, steps: &[Step], value: &Value) -> Result<Value, EditError> {
    let Some((step, deeper)) = steps.split_first() else { return Ok(value.clone()) };
    let inner = wrap(path, deeper, value)?;
    match step {
        Step::Key(key) => Ok(Value::Object(Map::from_iter([(key.clone(), inner)]))),
        Step::Index(0) => Ok(Value::Array(vec![inner])),
        Step::Index(index) => {
            let path = path.first(path.steps().len() - steps.len());
            Err(EditError::NoSuchItem { path, length: 0, index: *index })
        }
    }
}

/// Makes on a value the edit that [`Document::set`] makes on a text, which has checked that the steps lead somewhere.
fn put(node: &mut Value, steps: &[Step], value: &Value) {
    let Some((step, deeper)) = steps.split_first() else {
        *node = value.clone();
        return;
    };
    match step {
        Step::Key(key) => {
            if !node.is_object() {
                *node = Value::Object(Map::new());
            }
            if let Value::Object(members) = node {
                put(members.entry(key.clone()).or_insert(Value::Null), deeper, value);
            }
        }
        Step::Index(index) => {
            if !node.is_array() {
                *node = Value::Array(Vec::new());
            }
            if let Value::Array(items) = node {
                if *index == items.len() {
                    items.push(Value::Null);
                }
                if let Some(item) = items.get_mut(*index) {
                    put(item, deeper, value);
                }
            }
        }
    }
}

fn at_mut<'a>(mut node: &'a mut Value, steps: &[Step]) -> Option<&'a mut Value> {
    for step in steps {
        node = match step {
            Step::Key(key) => node.get_mut(key)?,
            Step::Index(index) => node.get_mut(*index)?,
        };
    }
    Some(node)
}

/// The byte after the comma that follows a value, if one does.
fn after_comma(text: &str, end: usize) -> Option<usize> {
    let at = skip_trivia(text, end);
    text[at..].starts_with(',').then_some(at + 1)
}

/// The end of the comments that follow `at` on its line, when nothing but comments does; else `at`. They belong to
/// what stands before them.
fn same_line_trivia_end(text: &str, at: usize) -> usize {
    let mut end = at;
    let mut here = at;
    loop {
        here += text[here..].len() - text[here..].trim_start_matches([' ', '\t']).len();
        let rest = &text[here..];
        if rest.is_empty() || rest.starts_with(['\n', '\r', ']', '}']) {
            return end;
        }
        let comment = if rest.starts_with("//") {
            rest.find(is_json5_line_terminator).unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |length| length + 2)
        } else {
            return at;
        };
        if rest[..comment].contains(['\n', '\r']) {
            return end;
        }
        here += comment;
        end = here;
    }
}
