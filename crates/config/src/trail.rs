//! The way down to a part of a configuration. A rule looks at far more parts than it says something about, so a way is
//! as cheap to lengthen as a list, and becomes a path only where one is told. No I/O.

use std::cell::OnceCell;
use std::rc::Rc;

use json5_edit::{Path, Step};

/// The steps from the root to a part.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trail<'a> {
    above: Option<Rc<Link<'a>>>,
    /// None for the root.
    step: Option<Down<'a>>,
    /// Both as one, made for the first part below and shared by the others: most parts have none.
    here: OnceCell<Rc<Link<'a>>>,
}

#[derive(Debug)]
struct Link<'a> {
    above: Option<Rc<Self>>,
    step: Down<'a>,
}

/// One step down.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Down<'a> {
    Key(&'a str),
    Index(usize),
}

impl<'a> From<&'a str> for Down<'a> {
    fn from(key: &'a str) -> Self {
        Self::Key(key)
    }
}

impl From<usize> for Down<'_> {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

impl From<Down<'_>> for Step {
    fn from(down: Down<'_>) -> Self {
        match down {
            Down::Key(key) => Self::from(key),
            Down::Index(index) => Self::Index(index),
        }
    }
}

impl<'a> Trail<'a> {
    pub(crate) fn then(&self, step: impl Into<Down<'a>>) -> Self {
        let here = |last: Down<'a>| {
            let link = self.here.get_or_init(|| Rc::new(Link { above: self.above.clone(), step: last }));
            Rc::clone(link)
        };
        Self { above: self.step.map(here), step: Some(step.into()), here: OnceCell::new() }
    }

    pub(crate) fn path(&self) -> Path {
        let links = std::iter::successors(self.above.as_deref(), |link| link.above.as_deref());
        let mut steps: Vec<Step> = self.step.into_iter().chain(links.map(|link| link.step)).map(Step::from).collect();
        steps.reverse();
        steps.into_iter().collect()
    }
}
