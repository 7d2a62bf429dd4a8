//! Idle timers: what a runtime says of how long a model stays, and using one for a moment before its timer strikes,
//! where nothing else keeps it.

use std::time::Duration;

use tokio::time::Instant;

use super::looks::Link;
use super::model::{Load, Model};
use super::{Effect, LoadWish, Track};
use crate::adapter::{Clock, LoadFailure, News};
use crate::{Activity, Doing, Stay};
use pilotlight_wire::ModelRef;

/// A model is used at the latest this long before its timer strikes, and never in the last quarter of its time.
const BEFORE: Duration = Duration::from_secs(60);
/// Between two such uses that failed.
const AGAIN: Duration = Duration::from_secs(10);

impl Track {
    /// Something was heard between two looks.
    pub(crate) fn heard(&mut self, news: &News, now: Instant) {
        match news {
            News::Changed => self.looks.at_once(now),
            News::Activity { instance, activity } => {
                for model in &mut self.models {
                    if model.details.instances.contains(instance) {
                        model.doing(*activity, now);
                    }
                }
            }
            News::Progress { key, percent } => {
                for model in &mut self.models {
                    if crate::adapter::listing::is_instance_of(key, &model.watched.upstream_id) {
                        model.details.progress = Some(*percent);
                    }
                }
            }
        }
    }

    /// The answer to [`Effect::Touch`].
    pub(crate) fn touched(&mut self, name: &ModelRef, result: Result<(), LoadFailure>, now: Instant) {
        let Some(at) = self.find(name) else { return };
        let model = &mut self.models[at];
        model.touching = false;
        model.touched = Some(now);
        if result.is_ok() {
            model.last_used = Some(now);
        }
        // What its timer is now, and whether it is still there.
        self.looks.at_once(now);
    }

    /// Uses the models whose timers are about to strike.
    pub(super) fn settle_timers(&mut self, now: Instant) {
        for at in 0..self.models.len() {
            if self.due(&self.models[at], now).is_none_or(|due| due > now) {
                continue;
            }
            let model = &mut self.models[at];
            model.touching = true;
            let wish = LoadWish {
                model: model.watched.model.clone(),
                upstream_id: model.watched.upstream_id.clone(),
                context: model.watched.context,
            };
            self.out.push(Effect::Touch(wish));
        }
    }

    pub(super) fn timer_deadlines(&self, now: Instant) -> impl Iterator<Item = Instant> {
        self.models.iter().filter_map(move |model| self.due(model, now))
    }

    /// When a model is to be used so that it stays; none where that is not wanted, not needed or not possible.
    fn due(&self, model: &Model, now: Instant) -> Option<Instant> {
        let kept =
            matches!(self.link, Link::Up) && self.manageable && model.watched.keep_warm.now() && model.hold.is_none();
        let quiet = model.using.requests == 0 && !model.unloading && !model.touching && model.load == Load::None;
        if !kept || !quiet || !model.is_warm() || model.stays {
            return None;
        }
        let leaves = model.leaves()?;
        let whole = match model.clock() {
            Clock::After(timer) => timer,
            _ => BEFORE * 4,
        };
        let due = leaves.checked_sub((whole / 4).min(BEFORE)).unwrap_or(leaves);
        Some(due.max(model.touched.map_or(now, |touched| touched + AGAIN.min(whole / 4))))
    }
}

impl Model {
    /// How long it stays in memory unused.
    pub(super) fn stay(&self) -> Stay {
        match (self.clock(), self.leaves()) {
            _ if !self.is_warm() => Stay::Untold,
            (Clock::Never, _) => Stay::ForGood,
            (Clock::After(timer), Some(at)) => Stay::Until { at, timer: Some(timer) },
            (_, Some(at)) => Stay::Until { at, timer: None },
            (_, None) => Stay::Untold,
        }
    }

    /// Its idle timer: as the runtime tells it, else as it was seen to strike.
    pub(super) fn clock(&self) -> Clock {
        match (self.details.clock, self.timer) {
            (Clock::Untold, Some(timer)) => Clock::After(timer),
            (told, _) => told,
        }
    }

    /// Its runtime says that it sleeps: its idle timer is what it was idle for, or less where others used it too.
    pub(super) fn learn_timer(&mut self, now: Instant) {
        let super::model::Place::Warm { since } = self.place else { return };
        let idle = now.duration_since(self.used().map_or(since, |used| used.max(since)));
        self.timer = Some(self.timer.map_or(idle, |timer| timer.min(idle)).max(Duration::from_secs(1)));
    }

    /// When it was last used, by the runtime's word or by our requests.
    pub(super) fn used(&self) -> Option<Instant> {
        self.last_used.into_iter().chain(self.details.used).max()
    }

    /// When its timer strikes if nobody uses it.
    pub(super) fn leaves(&self) -> Option<Instant> {
        let told = self.details.leaves;
        let Clock::After(timer) = self.clock() else { return told };
        let super::model::Place::Warm { since } = self.place else { return told };
        // Our own uses since the runtime last told count too.
        let counted = self.used().map_or(since, |used| used.max(since)) + timer;
        Some(told.map_or(counted, |told| told.max(counted)))
    }

    /// The runtime says what it is doing.
    fn doing(&mut self, activity: Activity, now: Instant) {
        let was_busy = self.details.activity.is_some_and(|before| before.doing != Doing::Idle);
        if was_busy || activity.doing != Doing::Idle {
            self.details.used = Some(now);
        }
        self.details.does(Some(activity), now);
    }
}
