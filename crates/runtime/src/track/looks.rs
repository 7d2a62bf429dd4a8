//! Looking at the runtime: when, and what the answer changes.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::holds::Hold;
use super::model::{Load, Model, Place, Urgency};
use super::{Effect, Track};
use crate::adapter::listing::is_instance_of;
use crate::adapter::{Depth, LookFailure, Observation, Presence};
use crate::{Cause, KeeperError, Occurrence, Trouble};

/// While a load is under way, so that its end is seen soon.
const FAST: Duration = Duration::from_secs(1);
/// A server that is away is asked this often: a refused connection costs nobody anything.
const AWAY: Duration = Duration::from_secs(2);
/// Between a first silence and asking again.
const AGAIN: Duration = Duration::from_millis(250);
/// At most one look per this long, whatever the trouble.
const LEAST: Duration = Duration::from_millis(250);
/// After the machine woke, its network may need this long.
const WAKING: Duration = Duration::from_secs(15);
/// The same for trouble that says nothing about the model.
const LEAST_OTHER: Duration = Duration::from_secs(1);

/// Between two looks that ask for everything, while nothing happens: LM Studio writes a line to its log for each question.
const EVERYTHING: Duration = Duration::from_secs(30);

/// Whether the runtime answers.
#[derive(Debug)]
pub(super) enum Link {
    Unknown,
    Up,
    /// It answers, but not with its models.
    Rejected {
        detail: String,
        /// Whether it wants another key, or any.
        key: bool,
    },
    Down {
        detail: String,
        since: Instant,
        /// Whether it was told, and if not, whether it is to be.
        told: Told,
        cause: Cause,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Never,
    WhenCauseIsKnown,
    Yes,
}

/// When to look.
#[derive(Debug)]
pub(super) struct Looks {
    pub(super) poll: Duration,
    under_way: Option<Instant>,
    last: Option<Instant>,
    /// The next one at the steady pace.
    steady: Instant,
    /// The next one that something asked for.
    wished: Option<Instant>,
    /// Whether the next one asks for everything.
    full: bool,
    /// When the last one of that sort began.
    everything: Option<Instant>,
    /// Something may just be happening: look at the fast pace until then.
    alert: Option<Instant>,
    silences: u32,
    /// When the machine woke, and its network may not have yet.
    pub(super) woke: Option<Instant>,
    /// Every model of the runtime, and whether it was in memory at the last look.
    present: Option<BTreeMap<String, bool>>,
    /// What came into memory of late.
    appeared: Vec<(String, Instant)>,
}

impl Looks {
    /// How long trouble keeps the pace fast.
    pub(super) const ALERT: Duration = Duration::from_secs(3);

    pub(super) fn new(poll: Duration, now: Instant) -> Self {
        Self {
            poll,
            under_way: None,
            last: None,
            steady: now,
            wished: None,
            full: true,
            everything: None,
            alert: None,
            silences: 0,
            woke: None,
            present: None,
            appeared: Vec::new(),
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        if self.under_way.is_some() {
            return None;
        }
        Some(self.wished.map_or(self.steady, |wished| wished.min(self.steady)))
    }

    /// As soon as the limits allow.
    pub(super) fn at_once(&mut self, now: Instant) {
        self.full = true;
        self.wish(now, LEAST);
    }

    /// The machine woke.
    pub(super) fn woke(&mut self, now: Instant) {
        self.woke = Some(now);
        self.alert = Some(now + Self::ALERT);
        self.at_once(now);
    }

    /// Whether a server that does not answer may only not have been reached yet.
    fn is_waking(&self, now: Instant) -> bool {
        self.woke.is_some_and(|woke| now.duration_since(woke) < WAKING)
    }

    /// At the fast pace: a load began.
    pub(super) fn soon(&mut self, now: Instant) {
        let at = now + FAST.min(self.poll);
        self.wished = Some(self.wished.map_or(at, |wished| wished.min(at)));
    }

    fn wish(&mut self, now: Instant, least: Duration) {
        let at = self.last.map_or(now, |last| (last + least).max(now));
        self.wished = Some(self.wished.map_or(at, |wished| wished.min(at)));
    }

    pub(super) fn alarm(&mut self, trouble: Trouble, now: Instant) {
        self.full = true;
        if trouble == Trouble::Other {
            self.wish(now, LEAST_OTHER);
        } else {
            self.alert = Some(now + Self::ALERT);
            self.wish(now, LEAST);
        }
    }

    /// How late something may be seen.
    pub(super) fn slack(&self) -> Duration {
        (self.poll * 2).max(Duration::from_secs(2))
    }

    /// What came into memory of late and is not this model.
    pub(super) fn appeared_besides(&self, id: &str) -> Option<String> {
        self.appeared.iter().rev().map(|(key, _)| key).find(|key| !is_instance_of(key, id)).cloned()
    }

    fn note_appearances(&mut self, seen: &Observation, now: Instant) {
        let slack = self.slack();
        self.appeared.retain(|(_, at)| now.duration_since(*at) <= slack);
        let mut present: BTreeMap<String, bool> = BTreeMap::new();
        for line in &seen.models {
            *present.entry(line.key.clone()).or_default() |= line.presence.occupies();
        }
        if let Some(before) = &self.present {
            for (key, _) in present.iter().filter(|(key, here)| **here && before.get(*key) != Some(&true)) {
                self.appeared.push((key.clone(), now));
            }
        }
        self.present = Some(present);
    }
}

impl Track {
    pub(super) fn settle_look(&mut self, now: Instant) {
        if self.looks.deadline().is_none_or(|at| now < at) {
            return;
        }
        let depth = if self.looks.full || !matches!(self.link, Link::Up) { Depth::Full } else { Depth::State };
        self.looks.under_way = Some(now);
        self.looks.last = Some(now);
        self.looks.wished = None;
        self.looks.full = false;
        if depth == Depth::Full {
            self.looks.everything = Some(now);
        }
        self.out.push(Effect::Look(depth));
    }

    /// The answer to the look under way.
    pub(crate) fn looked(&mut self, answer: Result<Observation, LookFailure>, now: Instant) {
        let Some(began) = self.looks.under_way.take() else { return };
        // Whatever it tells, or that it tells nothing: this is the look that was waited for.
        for model in &mut self.models {
            model.believed_since = model.believed_since.filter(|since| began < *since);
        }
        match answer {
            Ok(seen) => {
                self.looks.silences = 0;
                self.link_up(now);
                self.looks.note_appearances(&seen, now);
                // First what is there: what went may have gone for it.
                let is_there = |model: &Model| {
                    seen.find(&model.watched.upstream_id).is_some_and(|found| found.presence.occupies())
                };
                let (there, rest): (Vec<_>, Vec<_>) =
                    (0..self.models.len()).partition(|at| is_there(&self.models[*at]));
                for at in there.into_iter().chain(rest) {
                    self.model_seen(at, &seen, began, now);
                    self.reconsider(at, now);
                }
            }
            Err(LookFailure::Rejected(detail)) => self.rejected(detail, false, now),
            Err(LookFailure::KeyRefused(detail)) => self.rejected(detail, true, now),
            Err(LookFailure::Silent(_)) if matches!(self.link, Link::Up) && self.looks.is_waking(now) => {
                self.looks.wished = Some(now + FAST);
            }
            Err(LookFailure::Refused(detail)) => self.link_down(detail, true, now),
            Err(LookFailure::Silent(detail)) => {
                self.looks.silences += 1;
                // A runtime that works hard may be slow to answer.
                let works = |model: &Model| model.using.requests > 0 || model.load.is_under_way() || model.unloading;
                let hard = self.models.iter().any(works);
                if self.looks.silences >= if hard { 4 } else { 2 } || !matches!(self.link, Link::Up) {
                    self.link_down(detail, false, now);
                } else {
                    self.looks.wished = Some(now + AGAIN);
                }
            }
        }
        self.pace(began, now);
    }

    fn rejected(&mut self, detail: String, key: bool, now: Instant) {
        self.looks.silences = 0;
        self.link_up(now);
        self.link = Link::Rejected { detail, key };
    }

    /// What [`Effect::WhyGone`] found.
    pub(crate) fn gone_because(&mut self, found: Cause) {
        let slack = self.looks.slack();
        let Link::Down { detail, since, told, cause } = &mut self.link else { return };
        let crash = self.models.iter().find_map(|model| model.crash_before(*since, slack));
        let found = crash.map_or(found, |detail| Cause::Crashed { detail });
        *cause = found.clone();
        if *told == Told::WhenCauseIsKnown {
            *told = Told::Yes;
            let detail = detail.clone();
            let provider = self.provider.clone();
            self.say(Occurrence::Unreachable { provider, detail, cause: found });
        }
    }

    fn pace(&mut self, began: Instant, now: Instant) {
        let alert = self.looks.alert.is_some_and(|until| now < until);
        let loading = self.models.iter().any(|model| model.load.is_under_way());
        let poll = self.looks.poll;
        let (pace, full) = match &self.link {
            Link::Down { .. } => (AWAY.min(poll), true),
            Link::Up if alert || loading => (FAST.min(poll), false),
            Link::Up => (poll, self.looks.everything.is_none_or(|at| now.duration_since(at) >= EVERYTHING)),
            Link::Unknown | Link::Rejected { .. } => (poll, true),
        };
        self.looks.steady = (began + pace).max(now + LEAST.min(poll));
        self.looks.full |= full;
    }

    /// It answers.
    pub(super) fn link_up(&mut self, now: Instant) {
        let Link::Down { told, since, cause, .. } = &self.link else {
            self.link = Link::Up;
            return;
        };
        let (told, since, cause) = (*told, *since, cause.clone());
        self.link = Link::Up;
        self.looks.present = None;
        for model in &mut self.models {
            model.server_returned(&cause, (told == Told::Yes).then_some(since));
        }
        if told == Told::Yes {
            let provider = self.provider.clone();
            self.say(Occurrence::Reachable { provider, away: now.duration_since(since) });
        }
    }

    fn link_down(&mut self, detail: String, refused: bool, now: Instant) {
        if let Link::Down { detail: known, .. } = &mut self.link {
            *known = detail;
            return;
        }
        // One that never answered is not missed.
        let told = if matches!(self.link, Link::Unknown) { Told::Never } else { Told::WhenCauseIsKnown };
        if told == Told::WhenCauseIsKnown {
            self.out.push(Effect::WhyGone { refused });
        }
        let error = KeeperError::Unreachable { provider: self.provider.clone(), detail: detail.clone() };
        self.link = Link::Down { detail, since: now, told, cause: Cause::Unknown };
        for model in &mut self.models {
            model.server_went();
            // What was to be unloaded as soon as somebody else's load is done.
            if !model.unloading && !model.load.is_under_way() && std::mem::take(&mut model.unload_asked) {
                let name = model.watched.model.clone();
                self.out.push(Effect::AnswerUnload { model: name, answer: Err(error.clone()) });
            }
        }
    }

    /// What a look tells of one model.
    fn model_seen(&mut self, at: usize, seen: &Observation, began: Instant, now: Instant) {
        let model = &mut self.models[at];
        if model.changed.is_some_and(|changed| began < changed) {
            return;
        }
        let found = seen.find(&model.watched.upstream_id);
        let presence = found.as_ref().map(|found| found.presence);
        if let Some(found) = &found {
            model.details.learn(found, now);
            model.departure.clone_from(&found.departure);
            // Of one that has just gone, what was known of its instance says why.
            if !found.presence.occupies() && !model.is_warm() {
                model.details.forget_instances();
            }
        }
        let ours = model.load.is_ours();
        match presence {
            None if !self.manageable => {
                model.details.unlisted = !seen.models.is_empty();
                model.place = Place::Unknown;
            }
            // Our own load is under way: its answer says how it ends.
            None | Some(Presence::Absent) if ours => {}
            Some(Presence::Loading | Presence::Instance) if ours => {}
            None | Some(Presence::Absent) if model.is_warm() => self.model_went(at, false, now),
            None | Some(Presence::Absent) => {
                if model.server_lost.take().is_none()
                    && let Load::Theirs { .. } = model.load
                {
                    return self.their_load_ended(at, presence.is_none(), now);
                }
                model.settle_cold(presence.is_none());
            }
            Some(Presence::Untold) => model.place = Place::Unknown,
            Some(Presence::Loading) => self.their_load_seen(at, now),
            Some(Presence::Instance | Presence::Loaded) => self.model_there(at, now),
        }
    }

    /// Ollama takes a model out before it lists the one that takes its place. What was taken for an eject, for want of
    /// another, was none when another comes so soon after.
    fn reconsider(&mut self, at: usize, now: Instant) {
        let slack = self.looks.slack();
        let model = &self.models[at];
        let guessed = matches!(model.place, Place::Cold { reason: Some(Cause::EjectedByPerson) })
            && matches!(model.hold, Some(Hold::Elsewhere { .. }))
            // By an explicit load or the runtime's own word it was more than want of another.
            && !model.stays
            && model.departure.is_none();
        if !guessed || model.gone.is_none_or(|gone| now.duration_since(gone) > slack) {
            return;
        }
        let Some(by) = self.looks.appeared_besides(&model.watched.upstream_id) else { return };
        let cause = Cause::Evicted { by };
        let model = &mut self.models[at];
        model.hold = None;
        model.ejections.pop();
        let gave_up = model.hold_after(&cause, now);
        model.place = Place::Cold { reason: Some(cause) };
        let (name, title) = (model.watched.model.clone(), model.watched.title.clone());
        if let Some(message) = gave_up {
            self.say(Occurrence::LoadFailed { model: name, title, message, retry_in: None, given_up: true });
        }
    }

    fn their_load_seen(&mut self, at: usize, now: Instant) {
        if self.models[at].is_warm() {
            self.model_went(at, true, now);
        }
        let up = &mut self.models[at];
        up.server_lost = None;
        if matches!(up.load, Load::Theirs { .. }) {
            return;
        }
        up.load = Load::Theirs { since: now, seen: true };
        if !matches!(up.place, Place::Cold { .. }) {
            up.place = Place::Cold { reason: None };
        }
        let started = Occurrence::LoadStarted {
            model: up.watched.model.clone(),
            title: up.watched.title.clone(),
            expected: up.expected(),
        };
        self.say(started);
    }
}

impl Model {
    fn settle_cold(&mut self, missing: bool) {
        self.place = match (&self.place, missing) {
            (_, true) => Place::Missing,
            (Place::Cold { reason }, false) => Place::Cold { reason: reason.clone() },
            (_, false) => Place::Cold { reason: None },
        };
    }

    /// Its server is gone. A warm model is told of with it, not by itself.
    fn server_went(&mut self) {
        // Started anew, it may have another idle timer.
        self.timer = None;
        if matches!(self.load, Load::Theirs { .. })
            || matches!(self.load, Load::Queued { urgency, .. } if urgency != Urgency::Person)
        {
            self.load = Load::None;
        }
        if let Place::Warm { since } = self.place {
            self.server_lost = Some(since);
        }
    }

    /// What a request was told of a crash within `slack` before its server went. An answer that broke off tells none: a
    /// server may be stopped while it answers.
    fn crash_before(&self, went: Instant, slack: Duration) -> Option<String> {
        let (trouble, detail, at) = self.trouble.as_ref()?;
        (*trouble == Trouble::Crashed && went.saturating_duration_since(*at) <= slack).then(|| detail.clone())
    }

    /// Its server is back; whether the model survived will be seen.
    fn server_returned(&mut self, cause: &Cause, told: Option<Instant>) {
        self.backoff.clear();
        if matches!(self.hold, Some(Hold::Lost { .. } | Hold::Elsewhere { .. })) {
            self.let_go();
        }
        if told.is_none() {
            // It was back before anybody was told: its models are judged as if it had never gone.
            self.server_lost = None;
        } else if self.is_warm() {
            self.gone = told;
            // A server that was only switched off kept its models, and how they were loaded.
            self.stays &= *cause == Cause::ServerStopped;
            self.place = Place::Cold { reason: Some(cause.clone()) };
        }
    }
}
