//! What each edit does to the text. Nothing here is trusted: what comes of it is checked by [`Change::made`] and by
//! `json5`.

mod arrange;
mod insert;
mod remove;
mod reorder;
mod swap;

use serde_json::{Map, Value};

use crate::change::{Change, Intended, Key, is_too_deep};
use crate::document::{Document, Kind, Node};
use crate::edit::{Conflict, Edit, EditError, Expected, Position};
use crate::layout::{Layout, line_indent, own_line_indent};
use crate::path::{Path, Step};
use crate::style::{Style, can_be_bare, string};

/// Where a path leads.
enum Found<'a> {
    Here(&'a Node),
    /// The steps from `at` on are missing below `parent`.
    Missing {
        parent: &'a Node,
        at: usize,
    },
}

/// A member or item on its way through an edit.
struct EntryAt<'a> {
    container: &'a Node,
    path: Path,
    index: usize,
}

/// What an edit asks for, with the values that must outlive the plan.
pub(crate) struct Planner<'a> {
    document: &'a Document,
}

/// The value that a `set` puts in, with the parents that are missing around it.
pub(crate) fn wrapped(document: &Document, edit: &Edit) -> Result<Option<Value>, EditError> {
    let Edit::Set { path, value, .. } = edit else { return Ok(None) };
    match Planner::new(document).find(path) {
        Ok(Found::Missing { at, .. }) if !is_too_deep(path, None) => {
            wrap(path, path.steps().get(at + 1..).unwrap_or_default(), value).map(Some)
        }
        _ => Ok(None),
    }
}

impl<'a> Planner<'a> {
    pub(crate) fn new(document: &'a Document) -> Self {
        Self { document }
    }

    /// The change that `edit` is; none where everything is as it asks already. `wrapped` is what [`wrapped`] gave.
    pub(crate) fn plan(&self, edit: &'a Edit, wrapped: Option<&'a Value>) -> Result<Option<Change<'a>>, EditError> {
        match edit {
            Edit::Set { path, value, expected } => self.set(path, value, wrapped, expected),
            Edit::Insert { path, key, position, value, expected } => {
                self.insert(path, key.as_deref(), position, value, expected).map(Some)
            }
            Edit::Remove { path, expected } => self.remove(path, expected).map(Some),
            Edit::Rename { path, key, expected } => self.rename(path, key, expected),
            Edit::Move { path, entry, position, expected, anchor } => {
                self.relocate(path, entry, position, expected, anchor)
            }
            Edit::Swap { path, other, expected, expected_other } => self.swap(path, other, expected, expected_other),
        }
    }

    fn set(
        &self,
        path: &Path,
        value: &'a Value,
        wrapped: Option<&'a Value>,
        expected: &Expected,
    ) -> Result<Option<Change<'a>>, EditError> {
        if is_too_deep(path, Some(value)) {
            return Err(EditError::TooDeep { path: path.clone() });
        }
        let found = self.find(path);
        self.expect(path, matches!(found, Err(EditError::DuplicateKey { .. })), expected)?;
        match found? {
            Found::Here(node) if node.to_value() == *value && !holds_duplicates(node) => Ok(None),
            Found::Here(node) => Ok(Some(Change {
                splices: vec![(node.span.clone(), self.replacement(path, node, value))],
                removed: Some(node.span.clone()),
                result: self.around(path, Intended::New(value)),
            })),
            Found::Missing { parent, at } => {
                let value = wrapped.unwrap_or(value);
                let (path, key, index) = match &path.steps()[at] {
                    Step::Key(key) => (path.first(at), Some(key.clone()), None),
                    Step::Index(index) => (path.first(at), None, Some(*index)),
                };
                let count = Layout::of(self.document.text(), parent).entries.len();
                self.insertion(parent, &path, key.as_deref(), index.unwrap_or(count), true, value).map(Some)
            }
        }
    }

    fn insert(
        &self,
        path: &Path,
        key: Option<&str>,
        position: &Position,
        value: &'a Value,
        expected: &Expected,
    ) -> Result<Change<'a>, EditError> {
        if is_too_deep(path, None) || is_too_deep(&path.then(0), Some(value)) {
            return Err(EditError::TooDeep { path: path.clone() });
        }
        let container = self.container(path)?;
        match (&container.kind, key) {
            (Kind::Object(members), Some(key)) => {
                if let Some(member) = members.iter().find(|member| member.key == key) {
                    let (line, _) = self.document.position(member.key_span.start);
                    return Err(EditError::KeyExists { path: path.then(key), line });
                }
            }
            (Kind::Array(_), None) => {}
            _ => return Err(EditError::WrongKey { path: path.clone(), found: container.type_name() }),
        }
        let (index, after) = self.place(container, path, position, expected)?;
        self.insertion(container, path, key, index, after, value)
    }

    fn rename(&self, path: &Path, key: &str, expected: &Expected) -> Result<Option<Change<'a>>, EditError> {
        let EntryAt { container, path: parent, index } = self.entry(path, expected)?;
        let Kind::Object(members) = &container.kind else {
            return Err(EditError::WrongKey { path: parent, found: container.type_name() });
        };
        let Some(member) = members.get(index).filter(|member| member.key != key) else { return Ok(None) };
        if let Some(other) = members.iter().find(|member| member.key == key) {
            let (line, _) = self.document.position(other.key_span.start);
            return Err(EditError::KeyExists { path: parent.then(key), line });
        }
        let written = match self.document.text().as_bytes().get(member.key_span.start) {
            Some(b'"') => string(key, '"'),
            Some(b'\'') => string(key, '\''),
            _ if can_be_bare(key) => key.to_owned(),
            _ => string(key, Style::near(self.document, container).key_quote),
        };
        let result = Intended::Object(
            members
                .iter()
                .enumerate()
                .map(|(at, member)| {
                    let name = if at == index { Key::New(key.to_owned()) } else { Key::Kept(member) };
                    (name, Intended::Kept(&member.value))
                })
                .collect(),
        );
        Ok(Some(Change {
            splices: vec![(member.key_span.clone(), written)],
            removed: None,
            result: self.around(&parent, result),
        }))
    }

    /// What the whole document must mean when what stands at `path` becomes `change`.
    fn around(&self, path: &Path, change: Intended<'a>) -> Intended<'a> {
        Intended::around(self.document.root(), vec![(path.steps(), change)])
    }

    /// What is written in the place of `node`.
    fn replacement(&self, path: &Path, node: &Node, value: &Value) -> String {
        let text = self.document.text();
        if let (Value::String(new), Kind::Scalar(Value::String(_))) = (value, &node.kind) {
            let quote = if text.as_bytes().get(node.span.start) == Some(&b'\'') { '\'' } else { '"' };
            return string(new, quote);
        }
        let container = path.split_last().and_then(|(parent, _)| self.document.get(&parent)).unwrap_or(node);
        // On several lines where it was so, or where it has its line for itself.
        let on_lines = text[node.span.clone()].contains(['\n', '\r'])
            || (matches!(node.kind, Kind::Scalar(_))
                && if node.span == self.document.root().span {
                    text.trim_end().contains(['\n', '\r'])
                } else {
                    let start =
                        self.document.locate(path).and_then(|place| place.key_span).unwrap_or(node.span.clone());
                    own_line_indent(text, start.start).is_some()
                });
        let style = Style::near(self.document, container);
        style.value(value, on_lines.then(|| line_indent(text, node.span.start)))
    }

    fn find(&self, path: &Path) -> Result<Found<'a>, EditError> {
        let mut node = self.document.root();
        for (at, step) in path.steps().iter().enumerate() {
            node = match (step, &node.kind) {
                (Step::Key(_), Kind::Object(members)) => match self.index_of(node, &path.first(at), step)? {
                    Some(index) => &members[index].value,
                    None => return Ok(Found::Missing { parent: node, at }),
                },
                (Step::Index(index), Kind::Array(items)) => match items.get(*index) {
                    Some(item) => item,
                    None if *index == items.len() => return Ok(Found::Missing { parent: node, at }),
                    None => {
                        let path = path.first(at);
                        return Err(EditError::NoSuchItem { path, length: items.len(), index: *index });
                    }
                },
                _ => return Err(self.no_container(path.first(at), node)),
            };
        }
        Ok(Found::Here(node))
    }

    /// The number of an entry of `container`, named by key or number.
    fn index_of(&self, container: &Node, path: &Path, step: &Step) -> Result<Option<usize>, EditError> {
        match (step, &container.kind) {
            (Step::Key(key), Kind::Object(members)) => {
                let mut same = members.iter().enumerate().filter(|(_, member)| member.key == *key);
                let Some((index, _)) = same.next() else { return Ok(None) };
                if same.next().is_none() {
                    return Ok(Some(index));
                }
                let lines = members
                    .iter()
                    .filter(|member| member.key == *key)
                    .map(|member| self.document.position(member.key_span.start).0)
                    .collect();
                Err(EditError::DuplicateKey { path: path.then(step.clone()), lines })
            }
            (Step::Index(index), Kind::Object(members)) => Ok((*index < members.len()).then_some(*index)),
            (Step::Index(index), Kind::Array(items)) => Ok((*index < items.len()).then_some(*index)),
            _ => Err(self.no_container(path.clone(), container)),
        }
    }

    fn no_container(&self, path: Path, node: &Node) -> EditError {
        let (line, _) = self.document.position(node.span.start);
        EditError::NotAContainer { path, line, found: node.type_name() }
    }

    /// The array or object at a path.
    fn container(&self, path: &Path) -> Result<&'a Node, EditError> {
        match self.find(path)? {
            Found::Here(node) if matches!(node.kind, Kind::Scalar(_)) => Err(self.no_container(path.clone(), node)),
            Found::Here(node) => Ok(node),
            Found::Missing { .. } => Err(EditError::Missing { path: path.clone() }),
        }
    }

    /// The entry at a path, where what is expected stands.
    fn entry(&self, path: &Path, expected: &Expected) -> Result<EntryAt<'a>, EditError> {
        let Some((parent, step)) = path.split_last() else { return Err(EditError::Root) };
        let found = self.find(path);
        self.expect(path, matches!(found, Err(EditError::DuplicateKey { .. })), expected)?;
        let Found::Here(_) = found? else { return Err(EditError::Missing { path: path.clone() }) };
        let container = self.container(&parent)?;
        match self.index_of(container, &parent, step)? {
            Some(index) => Ok(EntryAt { container, path: parent, index }),
            None => Err(EditError::Missing { path: path.clone() }),
        }
    }

    /// Whether what is expected stands at `path`. Where a repeated key leaves open what does, that is told instead.
    fn expect(&self, path: &Path, unclear: bool, expected: &Expected) -> Result<(), EditError> {
        if unclear || expected.is_anything() {
            return Ok(());
        }
        conflict(path, expected, self.document.get(path))
    }

    /// The entry that a position refers to, and whether the place is behind it. Of an empty container the number is 0.
    fn place(
        &self,
        container: &Node,
        path: &Path,
        position: &Position,
        expected: &Expected,
    ) -> Result<(usize, bool), EditError> {
        let count = match &container.kind {
            Kind::Array(items) => items.len(),
            Kind::Object(members) => members.len(),
            Kind::Scalar(_) => 0,
        };
        if let (Some(step), false) = (position.anchor(), expected.is_anything()) {
            conflict(&path.then(step.clone()), expected, container.entry(&step))?;
        }
        let named = |step: &Step| {
            let index = self.index_of(container, path, step)?;
            index.ok_or_else(|| match step {
                Step::Key(_) => EditError::Missing { path: path.then(step.clone()) },
                Step::Index(index) => EditError::NoSuchItem { path: path.clone(), length: count, index: *index },
            })
        };
        Ok(match position {
            Position::Start => (0, count == 0),
            Position::End => (count, true),
            Position::Before(step) => (named(step)?, false),
            Position::After(step) => (named(step)? + 1, true),
            Position::At(index) if *index == count => (count, true),
            Position::At(index) => (named(&Step::Index(*index))?, false),
        })
    }
}

fn conflict(path: &Path, expected: &Expected, found: Option<&Node>) -> Result<(), EditError> {
    let found = found.map(Node::to_value);
    let same = match expected {
        Expected::Anything => true,
        Expected::Nothing => found.is_none(),
        Expected::Value(value) => found.as_ref() == Some(value),
    };
    if same {
        return Ok(());
    }
    Err(EditError::Conflict(Box::new(Conflict { path: path.clone(), expected: expected.clone(), found })))
}

/// Whether anything below `node` stands twice: then the text is not what its value says, and is replaced even when
/// that value is the new one.
fn holds_duplicates(node: &Node) -> bool {
    match &node.kind {
        Kind::Scalar(_) => false,
        Kind::Array(items) => items.iter().any(holds_duplicates),
        Kind::Object(members) => {
            let mut keys = std::collections::HashSet::new();
            members.iter().any(|member| !keys.insert(member.key.as_str()) || holds_duplicates(&member.value))
        }
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
