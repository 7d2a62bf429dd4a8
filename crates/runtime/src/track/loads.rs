//! Loading and unloading: what waits, what starts, and how it ends. One load at a time per runtime, one in flight per
//! model, whoever asks.

use std::cmp::Reverse;
use std::time::Duration;

use pilotlight_wire::ModelRef;
use tokio::time::Instant;
use tracing::debug;

use super::holds::Hold;
use super::looks::Link;
use super::model::{Load, MakesRoom, Place, Urgency, Wanted};
use super::room::Room;
use super::{Effect, LoadOutcome, LoadWish, Track};
use crate::adapter::{LoadFailure, LoadFailureKind};
use crate::{Cause, KeeperError, Loaded, Occurrence};

/// How long a request's wish counts: it may come while the server is away or a load has just failed.
const WANTED: Duration = Duration::from_secs(30);

impl Track {
    /// A request needs the model; `insist` where nobody else can answer it.
    pub(crate) fn want(&mut self, model: &ModelRef, insist: bool, now: Instant) {
        let Some(at) = self.find(model) else { return };
        let model = &mut self.models[at];
        let insist = insist || model.wanted.is_some_and(|wanted| wanted.insist && now < wanted.until);
        if !model.is_warm() || model.unloading {
            model.wanted = Some(Wanted { until: now + WANTED, insist });
        }
    }

    /// A person wants it loaded.
    pub(crate) fn load(&mut self, name: &ModelRef, now: Instant) {
        let Some(at) = self.find(name) else {
            return self.answer_load(name, Err(KeeperError::UnknownModel(name.clone())));
        };
        let up = matches!(self.link, Link::Up);
        let model = &mut self.models[at];
        // One that is there already is no harder to load for a runtime that does not load.
        if self.connected && !self.manageable && !(up && model.is_warm()) {
            let error = self.unsupported(name);
            return self.answer_load(name, Err(error));
        }
        model.let_go();
        if model.unload_asked && !model.unloading {
            model.unload_asked = false;
            let answer = Err(KeeperError::Dropped(name.clone()));
            self.out.push(Effect::AnswerUnload { model: name.clone(), answer });
        }
        let model = &mut self.models[at];
        model.asked = true;
        if up && model.is_warm() && !model.unloading {
            // As it was last seen: the answer waits for a look that began after the question.
            model.believed_since = Some(now);
            return self.looks.at_once(now);
        }
        if let Load::Queued { urgency, .. } = &mut model.load {
            *urgency = Urgency::Person;
        }
    }

    /// A person wants it out of memory.
    pub(crate) fn unload(&mut self, name: &ModelRef) {
        let Some(at) = self.find(name) else {
            return self.answer_unload(name, Err(KeeperError::UnknownModel(name.clone())));
        };
        if self.connected && !self.manageable {
            let error = self.unsupported(name);
            return self.answer_unload(name, Err(error));
        }
        if let Link::Down { detail, .. } = &self.link {
            let error = KeeperError::Unreachable { provider: self.provider.clone(), detail: detail.clone() };
            return self.answer_unload(name, Err(error));
        }
        let model = &mut self.models[at];
        if model.using.requests > 0 && (model.is_warm() || !model.load.is_under_way()) {
            let error = KeeperError::Busy { model: name.clone(), requests: model.using.requests };
            return self.answer_unload(name, Err(error));
        }
        model.hold = Some(Hold::Here);
        model.wanted = None;
        let waited = std::mem::take(&mut model.asked);
        if let Load::Queued { .. } = model.load {
            model.load = Load::None;
        }
        if waited {
            self.answer_load(name, Err(KeeperError::Dropped(name.clone())));
        }
        let model = &mut self.models[at];
        match &model.place {
            // It is on its way out already, and now by a person's wish.
            _ if model.unloading => model.makes_room = None,
            Place::Warm { .. } | Place::Unknown => self.send_unload(at),
            // As soon as it is loaded: a load cannot be called back.
            _ if model.load.is_under_way() => model.unload_asked = true,
            Place::Cold { .. } | Place::Missing => self.answer_unload(name, Ok(())),
        }
    }

    /// The answer to [`Effect::Load`].
    pub(crate) fn load_done(&mut self, name: &ModelRef, outcome: LoadOutcome, now: Instant) {
        let Some(at) = self.find(name) else { return };
        let Load::Ours { since } = self.models[at].load else { return };
        if !matches!(outcome, LoadOutcome::Failed(_)) {
            // It answered, whatever the last look met.
            self.link_up(now);
        }
        let model = &mut self.models[at];
        model.load = Load::None;
        model.changed = Some(now);
        self.looks.at_once(now);
        if !model.is_warm() && model.gone.is_some_and(|gone| gone > since) {
            // A look saw it come, and it was unloaded before its load was answered.
            return;
        }
        match outcome {
            LoadOutcome::Done(done) => {
                // Else a look was first, and what it saw is learned.
                if !matches!(model.place, Place::Warm { since: warm } if warm >= since) {
                    model.took(done.took.unwrap_or(now.duration_since(since)));
                }
                model.stays = done.stays;
                model.details.context = done.context.or(model.details.context);
                if let Some(instance) = done.instance
                    && !model.details.instances.contains(&instance)
                {
                    model.details.instances.push(instance);
                }
                if !model.is_warm() {
                    self.warm(at, Some(now.duration_since(since)), now);
                }
            }
            // Somebody was faster: the next look tells how that ends.
            LoadOutcome::AlreadyThere if !model.is_warm() => {
                model.load = Load::Theirs { since, seen: false };
            }
            LoadOutcome::AlreadyThere => {
                if std::mem::take(&mut model.asked) {
                    model.let_go();
                    let context = model.details.context;
                    let loaded = Loaded { model: name.clone(), after: Duration::ZERO, context };
                    self.answer_load(name, Ok(loaded));
                }
            }
            LoadOutcome::Failed(failure) => self.load_failed(at, &failure, now),
        }
    }

    /// The answer to [`Effect::Unload`].
    pub(crate) fn unload_done(&mut self, name: &ModelRef, result: Result<(), LoadFailure>, now: Instant) {
        let Some(at) = self.find(name) else { return };
        let model = &mut self.models[at];
        if !model.unloading {
            return;
        }
        model.unloading = false;
        model.unload_asked = false;
        model.changed = Some(now);
        self.looks.at_once(now);
        match result {
            Ok(()) => {
                let cause = match model.makes_room.take() {
                    Some(MakesRoom { by }) => Cause::MadeRoom { by },
                    None => Cause::UnloadedHere,
                };
                if model.is_warm() {
                    self.model_gone(at, cause, String::new(), false, now);
                }
                self.answer_unload(name, Ok(()));
            }
            Err(failure) if model.makes_room.take().is_some() => {
                debug!(model = %name, %failure, "it could not be taken out to make room");
                model.stuck = Some(now);
            }
            Err(failure) => {
                model.hold = None;
                let error = self.error_of(name, &failure);
                self.answer_unload(name, Err(error));
            }
        }
    }

    /// Queues what should be loaded, and starts the next load where none is under way.
    pub(super) fn settle_loads(&mut self, now: Instant) {
        let answers = matches!(self.link, Link::Up);
        let up = answers && self.manageable;
        for at in 0..self.models.len() {
            let model = &mut self.models[at];
            if answers && model.asked && model.is_warm() && !model.unloading && model.believed_since.is_none() {
                // It stayed, or came back, while a person waited.
                model.asked = false;
                let name = model.watched.model.clone();
                let loaded = Loaded { model: name.clone(), after: Duration::ZERO, context: model.details.context };
                self.out.push(Effect::AnswerLoad { model: name, answer: Ok(loaded) });
            }
            let model = &mut self.models[at];
            model.no_room = None;
            if model.load != Load::None || model.unloading || model.is_warm() && answers {
                continue;
            }
            if model.asked && answers && !up {
                // It went while a person waited to hear that it is there.
                model.asked = false;
                let name = model.watched.model.clone();
                let error = self.unsupported(&name);
                self.answer_load(&name, Err(error));
                continue;
            }
            let cold = up && matches!(model.place, Place::Cold { .. });
            let urgency = if model.asked {
                Urgency::Person
            } else if !cold || model.may_load_from(now).is_none_or(|from| from > now) {
                continue;
            } else if model.wanted.is_some_and(|wanted| now < wanted.until) {
                Urgency::Request
            } else {
                Urgency::Policy
            };
            if urgency == Urgency::Policy {
                let room = match self.room_for(at, urgency, now) {
                    Room::None { why, .. } => Some(why),
                    _ => self.stands_back(at, now),
                };
                if room.is_some() {
                    self.models[at].no_room = room;
                    continue;
                }
            }
            self.models[at].load = Load::Queued { since: now, urgency };
        }
        if self.models.iter().any(|model| model.load.is_ours()) {
            return;
        }
        let crowded = self.is_crowded();
        let turn = |at: &usize| match self.models[*at].load {
            Load::Queued { since, urgency } if up || urgency == Urgency::Person => {
                // Where not all can stay, a weaker policy's would be taken out again.
                let by_policy = crowded && urgency == Urgency::Policy;
                Some((urgency, by_policy.then_some(Reverse(self.models[*at].watched.keep_warm)), since))
            }
            _ => None,
        };
        let mut queue: Vec<_> = (0..self.models.len()).filter(|at| turn(at).is_some()).collect();
        queue.sort_by_key(turn);
        for at in queue {
            if self.take_turn(at, up, now) {
                return;
            }
        }
    }

    /// Starts a queued load, or makes room for it. False where it has to wait, and another may go first.
    fn take_turn(&mut self, at: usize, up: bool, now: Instant) -> bool {
        let Load::Queued { urgency, .. } = self.models[at].load else { return false };
        let room = if up { self.room_for(at, urgency, now) } else { Room::There };
        match room {
            Room::There => self.start_load(at, now),
            Room::After(other) => self.send_away(other, Some(at)),
            // What is on its way out makes room.
            Room::Soon => {}
            Room::None { why, lasting } => {
                let insist = self.models[at].wanted.is_some_and(|wanted| wanted.insist);
                match urgency {
                    Urgency::Person if lasting => {
                        let model = &mut self.models[at];
                        model.load = Load::None;
                        model.asked = false;
                        let name = model.watched.model.clone();
                        let error = KeeperError::Failed { model: name.clone(), message: why };
                        self.answer_load(&name, Err(error));
                    }
                    Urgency::Request if insist && !lasting => {}
                    Urgency::Person => {}
                    Urgency::Request | Urgency::Policy => {
                        let model = &mut self.models[at];
                        model.load = Load::None;
                        model.no_room = Some(why);
                    }
                }
                return false;
            }
        }
        true
    }

    pub(super) fn load_deadlines(&self, now: Instant) -> impl Iterator<Item = Instant> {
        let up = matches!(self.link, Link::Up) && self.manageable;
        // One that waits for room is thought of again at each look.
        let cold = self
            .models
            .iter()
            .filter(move |model| up && matches!(model.place, Place::Cold { .. }) && model.no_room.is_none());
        let waits = self.models.iter().any(|model| matches!(model.load, Load::Queued { .. }));
        let fresh = self.models.iter().filter(move |_| waits).filter_map(move |model| model.fresh_until(now));
        cold.filter_map(move |model| model.may_load_from(now)).chain(fresh)
    }

    fn start_load(&mut self, at: usize, now: Instant) {
        let known_cold = matches!(self.link, Link::Up) && matches!(self.models[at].place, Place::Cold { .. });
        let model = &mut self.models[at];
        model.load = Load::Ours { since: now };
        model.awaited = model.wanted.take().is_some_and(|wanted| wanted.insist && now < wanted.until);
        let wish = LoadWish {
            model: model.watched.model.clone(),
            upstream_id: model.watched.upstream_id.clone(),
            context: model.watched.context,
        };
        let started = Occurrence::LoadStarted {
            model: model.watched.model.clone(),
            title: model.watched.title.clone(),
            expected: model.expected(),
        };
        if known_cold {
            self.say(started);
        }
        self.looks.soon(now);
        self.out.push(Effect::Load(wish));
    }

    /// It is in memory, and was not when last heard of. `after` is how long its load took, where one was seen.
    pub(super) fn warm(&mut self, at: usize, after: Option<Duration>, now: Instant) {
        let model = &mut self.models[at];
        model.place = Place::Warm { since: now };
        model.seen_warm = Some(now);
        model.trouble = None;
        model.wanted = None;
        model.backoff.clear();
        let away = model.gone.take().map(|gone| now.duration_since(gone));
        let (name, title) = (model.watched.model.clone(), model.watched.title.clone());
        let asked = std::mem::take(&mut model.asked);
        if asked {
            model.let_go();
        }
        if model.hold == Some(Hold::Elsewhere { firm: false }) {
            model.hold = None;
        }
        let (context, unload) = (model.details.context, model.unload_asked && !model.unloading);
        if after.is_some() || away.is_some() {
            self.say(Occurrence::Loaded { model: name.clone(), title, after, away });
        }
        if asked {
            let loaded = Loaded { model: name.clone(), after: after.unwrap_or_default(), context };
            self.answer_load(&name, Ok(loaded));
        }
        if unload {
            self.send_unload(at);
        }
    }

    /// A look found it in memory.
    pub(super) fn model_there(&mut self, at: usize, now: Instant) {
        let model = &mut self.models[at];
        model.seen_warm = Some(now);
        if model.is_warm() {
            return;
        }
        if let Some(since) = model.server_lost.take() {
            // It outlived its server's absence.
            model.load = if model.load.is_ours() { model.load } else { Load::None };
            model.gone = None;
            self.warm(at, None, now);
            self.models[at].place = Place::Warm { since };
            return;
        }
        let after = match model.load {
            Load::Ours { since } | Load::Theirs { since, seen: true } => {
                let took = now.duration_since(since);
                model.took(took);
                Some(took)
            }
            Load::Theirs { seen: false, .. } | Load::Queued { .. } | Load::None => None,
        };
        if !model.load.is_ours() {
            model.load = Load::None;
            model.stays = false;
            if !model.unload_asked {
                // Somebody loaded it: whoever ejected it before has changed their mind.
                model.hold = None;
            }
        }
        if model.details.size_bytes.is_none() {
            self.looks.at_once(now);
        }
        self.warm(at, after, now);
    }

    /// A load that somebody else began is over, and the model is not in memory.
    pub(super) fn their_load_ended(&mut self, at: usize, missing: bool, now: Instant) {
        let runtime = self.runtime;
        let model = &mut self.models[at];
        model.load = Load::None;
        if missing {
            model.place = Place::Missing;
        }
        if model.unloading {
            return;
        }
        if std::mem::take(&mut model.unload_asked) {
            let name = model.watched.model.clone();
            return self.answer_unload(&name, Ok(()));
        }
        let failure =
            LoadFailure::new(LoadFailureKind::Passing, format!("{runtime} stopped loading it before it was in memory"));
        self.tell_failure(at, &failure, now);
    }

    fn load_failed(&mut self, at: usize, failure: &LoadFailure, now: Instant) {
        let model = &mut self.models[at];
        if failure.kind == LoadFailureKind::Missing && !model.is_warm() {
            model.place = Place::Missing;
        }
        let name = model.watched.model.clone();
        let asked = std::mem::take(&mut model.asked);
        // One under way answers for itself.
        let unload = !model.unloading && std::mem::take(&mut model.unload_asked);
        // What a person asked for may still fail for a server that is known to be away: that is no news of the model.
        // And one that was seen in memory before its load failed was loaded, and went: the next look tells.
        if matches!(self.link, Link::Up) && !self.models[at].is_warm() {
            self.tell_failure(at, failure, now);
        }
        if asked {
            let error = self.error_of(&name, failure);
            self.answer_load(&name, Err(error));
        }
        if unload {
            self.answer_unload(&name, Ok(()));
        }
    }

    fn tell_failure(&mut self, at: usize, failure: &LoadFailure, now: Instant) {
        let model = &mut self.models[at];
        let (wait, news) = model.backoff.failed(failure.kind, &failure.message, now);
        let again = model.watched.keep_warm.now() && model.hold.is_none();
        let never = matches!(failure.kind, LoadFailureKind::Missing | LoadFailureKind::Unsupported);
        let retry_in = (again && !never).then_some(wait);
        let (model, title) = (model.watched.model.clone(), model.watched.title.clone());
        if news {
            self.say(Occurrence::LoadFailed {
                model,
                title,
                message: failure.message.clone(),
                retry_in,
                given_up: false,
            });
        }
    }

    pub(super) fn send_unload(&mut self, at: usize) {
        let model = &mut self.models[at];
        model.unloading = true;
        model.unload_asked = true;
        let (model, upstream_id) = (model.watched.model.clone(), model.watched.upstream_id.clone());
        self.out.push(Effect::Unload { model, upstream_id });
    }

    pub(super) fn answer_load(&mut self, model: &ModelRef, answer: Result<Loaded, KeeperError>) {
        self.out.push(Effect::AnswerLoad { model: model.clone(), answer });
    }

    fn answer_unload(&mut self, model: &ModelRef, answer: Result<(), KeeperError>) {
        self.out.push(Effect::AnswerUnload { model: model.clone(), answer });
    }

    fn unsupported(&self, model: &ModelRef) -> KeeperError {
        let detail = format!("{} has no way to load or unload a model on request", self.runtime);
        KeeperError::Unsupported { model: model.clone(), detail }
    }

    fn error_of(&self, model: &ModelRef, failure: &LoadFailure) -> KeeperError {
        error_of(&self.provider, model, failure)
    }
}

/// A failure, as it is told to whoever asked.
pub(crate) fn error_of(provider: &str, model: &ModelRef, failure: &LoadFailure) -> KeeperError {
    let message = failure.message.clone();
    match failure.kind {
        LoadFailureKind::Missing => KeeperError::Missing(model.clone()),
        LoadFailureKind::Gone => KeeperError::Unreachable { provider: provider.to_owned(), detail: message },
        LoadFailureKind::Unsupported => KeeperError::Unsupported { model: model.clone(), detail: message },
        LoadFailureKind::Passing | LoadFailureKind::Lasting => KeeperError::Failed { model: model.clone(), message },
    }
}
