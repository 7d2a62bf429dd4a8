//! The keeper's judgement about one provider, as a machine without a clock, a socket or a task: it is told what
//! happened and when, and answers with what to do and what to say. Everything the keeper promises is decided here, so
//! everything it promises is tested here.
//!
//! Must not know: HTTP, tokio's tasks and channels, the other providers.

mod holds;
mod loads;
mod looks;
mod model;
#[cfg(test)]
mod property;
mod room;
#[cfg(test)]
mod tests;
mod timers;
mod using;

use std::time::Duration;

use pilotlight_wire::ModelRef;
use tokio::time::Instant;

use crate::adapter::{Depth, LoadFailure, LoadOrder};
use crate::{Cause, KeeperError, Limits, Loaded, LocalModel, Occurrence, Trouble, Warmth, WatchedModel};

use holds::Hold;
pub(crate) use loads::error_of;
use looks::{Link, Looks};
use model::{Model, Place};
pub(crate) use using::Use;

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Ask the runtime. At most one at a time; answered by [`Track::looked`].
    Look(Depth),
    /// Look whether there is an instance and, where there is none, load. At most one at a time; answered by
    /// [`Track::load_done`].
    Load(LoadWish),
    /// Forget the load under way. Nothing is answered.
    AbortLoad,
    /// Unload every instance of a model. Answered by [`Track::unload_done`].
    Unload { model: ModelRef, upstream_id: String },
    /// Use a warm model for a moment, since its idle timer is about to strike. Answered by [`Track::touched`].
    Touch(LoadWish),
    /// Find out what is left of a server that went; `refused`: nobody listens there any more. Answered by
    /// [`Track::gone_because`].
    WhyGone { refused: bool },
    /// Tell everyone.
    Say(Occurrence),
    /// Answer those who asked for a load.
    AnswerLoad { model: ModelRef, answer: Result<Loaded, KeeperError> },
    /// Answer those who asked for an unload.
    AnswerUnload { model: ModelRef, answer: Result<(), KeeperError> },
}

/// A load to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LoadWish {
    pub(crate) model: ModelRef,
    pub(crate) upstream_id: String,
    pub(crate) context: Option<u64>,
}

/// What came of a [`LoadWish`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LoadOutcome {
    /// It was loaded.
    Done(crate::adapter::LoadDone),
    /// The look before the load found it in memory or on the way there: nothing was sent.
    AlreadyThere,
    /// It failed.
    Failed(LoadFailure),
}

/// One provider.
#[derive(Debug)]
pub(crate) struct Track {
    provider: String,
    /// What a person calls the runtime.
    runtime: &'static str,
    /// Whether it is known what the runtime can do.
    connected: bool,
    manageable: bool,
    /// Whether a load there may take another model's place.
    displaces: bool,
    /// After how long without use the runtime unloads what it loaded by itself.
    idle_clock: Option<Duration>,
    limits: Limits,
    models: Vec<Model>,
    link: Link,
    looks: Looks,
    out: Vec<Effect>,
}

impl Track {
    /// Knows nothing yet, and wants to look at once.
    pub(crate) fn new(provider: &str, models: &[WatchedModel], poll: Duration, now: Instant) -> Self {
        Self {
            provider: provider.to_owned(),
            runtime: "the runtime",
            connected: false,
            manageable: false,
            displaces: false,
            idle_clock: None,
            limits: Limits::default(),
            models: models.iter().cloned().map(Model::new).collect(),
            link: Link::Unknown,
            looks: Looks::new(poll, now),
            out: Vec::new(),
        }
    }

    /// What is to be done now. Call it after each thing told, and when [`Track::deadline`] has come.
    pub(crate) fn act(&mut self, now: Instant) -> Vec<Effect> {
        self.settle_loads(now);
        self.settle_room(now);
        self.settle_timers(now);
        self.settle_look(now);
        std::mem::take(&mut self.out)
    }

    /// When [`Track::act`] has something to do at the latest, if nothing happens before.
    pub(crate) fn deadline(&self, now: Instant) -> Option<Instant> {
        self.looks.deadline().into_iter().chain(self.load_deadlines(now)).chain(self.timer_deadlines(now)).min()
    }

    /// The plan's models of this provider are now these.
    pub(crate) fn replan(&mut self, models: &[WatchedModel], poll: Duration, now: Instant) {
        let mut old = std::mem::take(&mut self.models);
        for watched in models {
            let kept = old.iter().position(|model| model.is(watched));
            self.models.push(match kept {
                Some(at) => old.swap_remove(at).replanned(watched.clone()),
                None => Model::new(watched.clone()),
            });
        }
        for dropped in old {
            self.drop_model(&dropped);
        }
        self.looks.poll = poll;
        self.looks.at_once(now);
    }

    /// What may be in memory at once.
    pub(crate) fn limit(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// How long the models' loads took, as far as it was kept.
    pub(crate) fn remember(&mut self, times: impl Fn(&ModelRef) -> Vec<Duration>) {
        for model in self.models.iter_mut().filter(|model| model.times.is_empty()) {
            model.times = times(&model.watched.model);
        }
    }

    /// How long loads took that ended since this was last asked.
    pub(crate) fn take_learned(&mut self) -> Vec<(ModelRef, Duration)> {
        let learned = |model: &mut Model| Some((model.watched.model.clone(), model.learned.take()?));
        self.models.iter_mut().filter_map(learned).collect()
    }

    /// A person wants what failed tried again.
    pub(crate) fn retry(&mut self, now: Instant) {
        for model in &mut self.models {
            model.backoff.clear();
            if matches!(model.hold, Some(Hold::Lost { .. })) {
                model.let_go();
            }
        }
        self.looks.at_once(now);
    }

    /// The machine slept for so long, which none of the moments known here counts: it passed all the same for whoever
    /// did not sleep, and for idle timers.
    pub(crate) fn woke(&mut self, slept: Duration, now: Instant) {
        for model in &mut self.models {
            model.slept(slept);
        }
        self.looks.woke(now);
    }

    /// An adapter was made: what the runtime is and can do.
    pub(crate) fn connected(&mut self, runtime: &'static str, manageable: bool, idle_clock: Option<Duration>) {
        self.runtime = runtime;
        self.connected = true;
        self.manageable = manageable;
        self.idle_clock = idle_clock;
    }

    /// Whether the runtime loads and unloads on request, as a look has found.
    pub(crate) fn manages(&mut self, manageable: bool) {
        self.manageable = manageable;
    }

    /// Whether a load there may take another model's place.
    pub(crate) fn displaces(&mut self, displaces: bool) {
        self.displaces = displaces;
    }

    /// A request of ours met trouble.
    pub(crate) fn trouble(&mut self, model: &ModelRef, trouble: Trouble, detail: &str, now: Instant) {
        let Some(model) = self.models.iter_mut().find(|known| known.watched.model == *model) else { return };
        // A crash stays the best evidence although lesser words follow it.
        let crashed = model
            .trouble
            .as_ref()
            .is_some_and(|(known, _, at)| *known == Trouble::Crashed && now.duration_since(*at) < Looks::ALERT);
        if !crashed {
            model.trouble = Some((trouble, detail.to_owned(), now));
        }
        self.looks.alarm(trouble, now);
    }

    /// Whether the runtime answers, and what was seen when it did not, or not as it should.
    pub(crate) fn reachable(&self) -> (bool, Option<String>) {
        match &self.link {
            Link::Unknown => (false, None),
            Link::Up => (true, None),
            Link::Rejected { detail, .. } => (true, Some(detail.clone())),
            Link::Down { detail, .. } => (false, Some(detail.clone())),
        }
    }

    /// Whether the runtime wants another key.
    pub(crate) fn key_refused(&self) -> bool {
        matches!(self.link, Link::Rejected { key: true, .. })
    }

    /// Each model, as published.
    pub(crate) fn published(&self) -> impl Iterator<Item = (ModelRef, LocalModel)> {
        self.models.iter().map(|model| {
            let local = LocalModel {
                state: self.warmth(model),
                loaded_context: model.details.context,
                quantization: model.details.quantization.clone(),
                size_bytes: model.details.size_bytes,
                stay: model.stay(),
                last_used: model.used(),
                activity: model.details.activity.filter(|_| matches!(self.link, Link::Up)),
                progress: model.details.progress.filter(|_| model.load.is_under_way()),
                given_up: matches!(model.hold, Some(Hold::Lost { .. })),
                kept_warm: model.watched.keep_warm.now() && model.hold.is_none() && self.manageable,
                manageable: self.manageable,
                load_failed: model.backoff.message.clone(),
                instances: model.details.instances.clone(),
                problem: match &self.link {
                    // Else a model that nobody can use would look like one of a server that only lists names.
                    Link::Rejected { detail, .. } => Some(format!("its runtime does not tell its state: {detail}")),
                    // What was known of its instance is of the past.
                    Link::Down { .. } => model.load_problem(),
                    Link::Unknown | Link::Up => model.problem(),
                },
            };
            (model.watched.model.clone(), local)
        })
    }

    fn warmth(&self, model: &Model) -> Warmth {
        match (&self.link, &model.place) {
            (Link::Down { detail, .. }, _) => Warmth::Unreachable { reason: detail.clone() },
            (Link::Unknown | Link::Rejected { .. }, _) => Warmth::Unknown,
            // A request would meet its end.
            (Link::Up, Place::Warm { .. }) if model.unloading => Warmth::Cold { reason: None },
            (Link::Up, Place::Warm { since }) => Warmth::Warm { since: *since },
            (Link::Up, place) => match (model.load.since(), place) {
                (Some(since), _) => Warmth::Loading { since, expected: model.expected() },
                (None, Place::Cold { reason }) => Warmth::Cold { reason: reason.clone() },
                (None, Place::Missing) => Warmth::Missing,
                (None, _) => Warmth::Unknown,
            },
        }
    }

    fn find(&self, model: &ModelRef) -> Option<usize> {
        self.models.iter().position(|known| known.watched.model == *model)
    }

    fn say(&mut self, occurrence: Occurrence) {
        self.out.push(Effect::Say(occurrence));
    }

    fn drop_model(&mut self, dropped: &Model) {
        let model = dropped.watched.model.clone();
        if dropped.load.is_ours() {
            self.out.push(Effect::AbortLoad);
        }
        self.refuse_waiters(&model, dropped, KeeperError::Dropped(model.clone()));
    }

    fn refuse_waiters(&mut self, name: &ModelRef, model: &Model, error: KeeperError) {
        if model.asked {
            self.out.push(Effect::AnswerLoad { model: name.clone(), answer: Err(error.clone()) });
        }
        if model.unload_asked {
            self.out.push(Effect::AnswerUnload { model: name.clone(), answer: Err(error) });
        }
    }

    /// What the going of a warm model means for its state, and saying so.
    fn model_went(&mut self, at: usize, coming_back: bool, now: Instant) {
        let appeared = self.looks.appeared_besides(&self.models[at].watched.upstream_id);
        let (slack, woke) = (self.looks.slack(), self.looks.woke);
        let (cause, evidence) = self.models[at].why_gone(self.idle_clock, appeared.as_deref(), slack, woke, now);
        if self.models[at].departure == Some(crate::adapter::Departure::Slept) {
            self.models[at].learn_timer(now);
        }
        self.model_gone(at, cause, evidence, coming_back, now);
    }

    /// The same, where the cause is known.
    fn model_gone(&mut self, at: usize, cause: Cause, evidence: String, coming_back: bool, now: Instant) {
        let model = &mut self.models[at];
        model.place = Place::Cold { reason: Some(cause.clone()) };
        model.details.forget_instances();
        model.departure = None;
        model.gone = Some(now);
        model.trouble = None;
        let gave_up = model.hold_after(&cause, now);
        let waits = matches!(cause, Cause::MadeRoom { .. }) || self.stands_back(at, now).is_some();
        let model = &self.models[at];
        let reloading =
            coming_back || !waits && (self.manageable && model.watched.keep_warm.now() && model.hold.is_none());
        let (name, title) = (model.watched.model.clone(), model.watched.title.clone());
        self.say(Occurrence::Unloaded { model: name.clone(), title: title.clone(), cause, evidence, reloading });
        if let Some(message) = gave_up {
            self.say(Occurrence::LoadFailed { model: name, title, message, retry_in: None, given_up: true });
        }
    }
}

/// The order that an adapter is given, for a wish and what was seen of the model.
pub(crate) fn order_for(wish: &LoadWish, seen: Option<&crate::adapter::Seen>) -> LoadOrder {
    LoadOrder {
        key: seen.map_or_else(|| wish.upstream_id.clone(), |seen| seen.key.clone()),
        context: wish.context,
        embedding: seen.is_some_and(|seen| seen.embedding),
    }
}
