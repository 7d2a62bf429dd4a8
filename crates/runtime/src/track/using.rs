//! The requests of ours that a model answers, as they are counted where they begin and end.

use pilotlight_wire::ModelRef;
use tokio::time::Instant;

use super::Track;

/// The requests that a model is answering.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Use {
    /// How many, and since when there is one at all.
    pub(crate) requests: usize,
    pub(crate) since: Option<Instant>,
    /// When the last of them ended.
    pub(crate) last: Option<Instant>,
}

impl Use {
    /// One more.
    pub(crate) fn begin(&mut self, now: Instant) {
        self.requests += 1;
        self.since.get_or_insert(now);
    }

    /// One less.
    pub(crate) fn end(&mut self, now: Instant) {
        self.requests = self.requests.saturating_sub(1);
        self.last = Some(now);
        if self.requests == 0 {
            self.since = None;
        }
    }
}

impl Track {
    /// How a model is used by now.
    pub(crate) fn using(&mut self, name: &ModelRef, by_now: Use) {
        let Some(at) = self.find(name) else { return };
        let model = &mut self.models[at];
        if by_now.last != model.using.last {
            // Kept apart: what is known already may have been put back by a sleep of the machine.
            model.last_used = by_now.last;
        }
        model.using = by_now;
    }
}
