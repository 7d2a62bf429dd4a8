//! An entry moves among its neighbours with its comments. Commas, line breaks and the container's own comments stay
//! where they are.

use super::Planner;
use super::arrange::Arriving;
use crate::change::{Change, Intended};
use crate::edit::{EditError, Expected, Position};
use crate::layout::Layout;
use crate::path::{Path, Step};

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
        let text = self.document.text();
        let first = from.min(to);
        let mut order: Vec<Arriving> =
            layout.entries[first..=from.max(to)].iter().map(|entry| Arriving::of(text, entry)).collect();
        let moved = order.remove(from - first);
        order.insert(to - first, moved);
        let splices = vec![self.arranged(container, &layout, first, &order)];
        Ok(Some(Change { splices, removed: None, result: self.around(path, result) }))
    }
}
