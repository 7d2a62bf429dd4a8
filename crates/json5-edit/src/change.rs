//! An edit thought through: the text to put in, and what the new text must then mean. It is made only if it does.

use std::ops::Range;

use serde_json::Value;

use crate::document::{Document, Kind, Member, Node};
use crate::path::{Path, Step};

/// Text to put in the place of a range.
pub(crate) type Splice = (Range<usize>, String);

/// What an edit does to a text.
pub(crate) struct Change<'a> {
    pub splices: Vec<Splice>,
    /// Where comments go together with what they stand in.
    pub removed: Option<Range<usize>>,
    /// What the new text must mean.
    pub result: Intended<'a>,
}

/// A value as it must be after an edit.
pub(crate) enum Intended<'a> {
    /// One of the old text, byte for byte.
    Kept(&'a Node),
    New(&'a Value),
    Array(Vec<Self>),
    Object(Vec<(Key<'a>, Self)>),
}

/// A key as it must be after an edit.
pub(crate) enum Key<'a> {
    /// One of the old text, byte for byte.
    Kept(&'a Member),
    New(String),
}

impl<'a> Intended<'a> {
    /// `root` with each change in the place of the value that its steps lead to, and everything else kept. No change
    /// stands in another.
    pub(crate) fn around(root: &'a Node, mut changes: Vec<(&[Step], Self)>) -> Self {
        if changes.first().is_none_or(|(steps, _)| steps.is_empty()) {
            return changes.pop().map_or(Self::Kept(root), |(_, change)| change);
        }
        // What a step means below `node`; only the first of several members with one key is ever asked for.
        let mut inner = |node: &'a Node, meant: &dyn Fn(&Step) -> bool| {
            let (here, others) = std::mem::take(&mut changes).into_iter().partition(|(steps, _)| meant(&steps[0]));
            changes = others;
            Self::around(node, Vec::from_iter(here).into_iter().map(|(steps, change)| (&steps[1..], change)).collect())
        };
        match &root.kind {
            Kind::Object(members) => Self::Object(
                members
                    .iter()
                    .map(|member| {
                        let meant = |step: &Step| matches!(step, Step::Key(key) if *key == member.key);
                        (Key::Kept(member), inner(&member.value, &meant))
                    })
                    .collect(),
            ),
            Kind::Array(items) => Self::Array(
                items.iter().enumerate().map(|(at, item)| inner(item, &|step| *step == Step::Index(at))).collect(),
            ),
            Kind::Scalar(_) => Self::Kept(root),
        }
    }

    /// The entries of a container, all kept.
    pub(crate) fn entries(container: &'a Node) -> Self {
        match &container.kind {
            Kind::Scalar(_) => Self::Kept(container),
            Kind::Array(items) => Self::Array(items.iter().map(Self::Kept).collect()),
            Kind::Object(members) => {
                Self::Object(members.iter().map(|member| (Key::Kept(member), Self::Kept(&member.value))).collect())
            }
        }
    }

    /// Whether `node` of the text `new` is this.
    fn is(&self, old: &str, new: &str, node: &Node) -> bool {
        match (self, &node.kind) {
            (Self::Kept(kept), _) => old[kept.span.clone()] == new[node.span.clone()],
            (Self::New(value), _) => node.is(value),
            (Self::Array(intended), Kind::Array(items)) => {
                intended.len() == items.len()
                    && intended.iter().zip(items).all(|(inner, item)| inner.is(old, new, item))
            }
            (Self::Object(intended), Kind::Object(members)) => {
                intended.len() == members.len()
                    && intended.iter().zip(members).all(|((key, inner), member)| {
                        let same_key = match key {
                            Key::Kept(kept) => old[kept.key_span.clone()] == new[member.key_span.clone()],
                            Key::New(key) => *key == member.key,
                        };
                        same_key && inner.is(old, new, &member.value)
                    })
            }
            _ => false,
        }
    }
}

impl Node {
    /// Whether it means `value`, with its members in the same order.
    fn is(&self, value: &Value) -> bool {
        match (&self.kind, value) {
            (Kind::Scalar(own), value) => own == value,
            (Kind::Array(own), Value::Array(items)) => {
                own.len() == items.len() && own.iter().zip(items).all(|(own, item)| own.is(item))
            }
            (Kind::Object(own), Value::Object(members)) => {
                own.len() == members.len()
                    && own.iter().zip(members).all(|(own, (key, member))| own.key == *key && own.value.is(member))
            }
            _ => false,
        }
    }
}

impl Change<'_> {
    /// The document with this change made, if it is then what was intended and has all comments that it should. What
    /// `json5` reads in it is for the caller to ask.
    pub(crate) fn made(mut self, document: &Document) -> Option<Document> {
        let old = document.text();
        self.splices.sort_by_key(|(range, _)| range.start);
        let added: usize = self.splices.iter().map(|(_, new)| new.len()).sum();
        let mut text = String::with_capacity(old.len() + added);
        let mut at = 0;
        for (range, new) in &self.splices {
            text.push_str(old.get(at..range.start)?);
            text.push_str(new);
            at = range.end;
        }
        text.push_str(old.get(at..)?);
        let edited = Document::found_in(text)?;
        (self.result.is(old, &edited.text, &edited.root) && self.keeps_comments(document, &edited)).then_some(edited)
    }

    fn keeps_comments(&self, before: &Document, after: &Document) -> bool {
        let gone = |comment: &Range<usize>| {
            self.removed.as_ref().is_some_and(|removed| removed.start <= comment.start && comment.end <= removed.end)
        };
        let mut old: Vec<&str> =
            before.comments.iter().filter(|comment| !gone(comment)).map(|span| &before.text[span.clone()]).collect();
        let mut new: Vec<&str> = after.comments.iter().map(|span| &after.text[span.clone()]).collect();
        if old == new {
            return true;
        }
        old.sort_unstable();
        new.sort_unstable();
        old == new
    }
}

/// Whether `node` below `path` would be nested more deeply than a document may be.
pub(crate) fn is_too_deep_for(path: &Path, node: &Node) -> bool {
    fn depth(node: &Node) -> usize {
        match &node.kind {
            Kind::Scalar(_) => 0,
            Kind::Array(items) => 1 + items.iter().map(depth).max().unwrap_or_default(),
            Kind::Object(members) => 1 + members.iter().map(|member| depth(&member.value)).max().unwrap_or_default(),
        }
    }
    path.steps().len() + depth(node) > Document::MAX_DEPTH
}

/// Whether `value` below `path` would be nested more deeply than a document may be.
pub(crate) fn is_too_deep(path: &Path, value: Option<&Value>) -> bool {
    fn exceeds(value: &Value, room: usize) -> bool {
        match value {
            Value::Array(items) => room == 0 || items.iter().any(|item| exceeds(item, room - 1)),
            Value::Object(members) => room == 0 || members.values().any(|member| exceeds(member, room - 1)),
            _ => false,
        }
    }
    match Document::MAX_DEPTH.checked_sub(path.steps().len()) {
        Some(room) => value.is_some_and(|value| exceeds(value, room)),
        None => true,
    }
}
