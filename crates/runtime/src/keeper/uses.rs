//! The requests that models are answering, counted where they begin and end.
//!
//! There can be thousands a second, and what follows from one is seldom worth a look at everything: so nobody is told,
//! and an owner reads the counts whenever it does something. Only where a limit may hold a model back until another is
//! free does the owner hear when one is.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pilotlight_wire::ModelRef;
use tokio::time::Instant;

use crate::track::Use;

/// The counts of all models.
#[derive(Debug, Default)]
pub(super) struct Uses {
    models: Mutex<HashMap<ModelRef, Use>>,
    ends_matter: AtomicBool,
}

impl Uses {
    /// A request begins.
    pub(super) fn begin(&self, model: &ModelRef) {
        let mut models = self.models();
        if let Some(known) = models.get_mut(model) {
            known.begin(Instant::now());
        } else {
            models.entry(model.clone()).or_default().begin(Instant::now());
        }
    }

    /// A request ends. Whether the owner is to hear of it.
    pub(super) fn end(&self, model: &ModelRef) -> bool {
        let mut models = self.models();
        let Some(known) = models.get_mut(model) else { return false };
        known.end(Instant::now());
        known.requests == 0 && self.ends_matter.load(Ordering::Relaxed)
    }

    /// Whether somebody may wait for a model to be free.
    pub(super) fn ends_matter(&self, matter: bool) {
        self.ends_matter.store(matter, Ordering::Relaxed);
    }

    /// How the models of one provider are used by now.
    pub(super) fn of(&self, provider: &str, mut told: impl FnMut(&ModelRef, Use)) {
        for (model, using) in self.models().iter().filter(|(model, _)| model.provider() == provider) {
            told(model, *using);
        }
    }

    fn models(&self) -> MutexGuard<'_, HashMap<ModelRef, Use>> {
        self.models.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
