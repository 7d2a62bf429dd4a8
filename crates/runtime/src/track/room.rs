//! Room: what may be in memory at once, and which model goes when another is to come.
//!
//! Only watched models are counted and taken out: what a person loaded beside them is theirs.

use std::time::Duration;

use tokio::time::Instant;

use super::Track;
use super::looks::Link;
use super::model::{Load, MakesRoom, Model, Place, Urgency};
use crate::adapter::listing::is_instance_of;
use crate::{Cause, Doing, KeepWarm};

/// A model that somebody asked for is left in peace for this long after its last use: neither a policy nor a request
/// that another can answer takes its place before.
const PEACE: Duration = Duration::from_secs(5 * 60);
/// More in memory than allowed, by somebody else's load, is borne for this long after each model's last use.
const BORNE: Duration = Duration::from_secs(60);
/// A model that a request waits for stays at least this long: it is about to be asked.
const FRESH: Duration = Duration::from_secs(2);
/// How soon one that could not be taken out is tried again.
const STUCK: Duration = Duration::from_secs(30);

/// Whether there is room for a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// There is.
    There,
    /// One is on its way out.
    Soon,
    /// When this one has gone, or others after it.
    After(usize),
    /// There is none, and nobody can go: for now, or for as long as the limit is what it is.
    None { why: String, lasting: bool },
}

impl Track {
    /// Whether a model may be loaded now.
    pub(super) fn room_for(&self, at: usize, urgency: Urgency, now: Instant) -> Room {
        if self.limits == crate::Limits::default() {
            return Room::There;
        }
        let own = &self.models[at];
        let size = own.bytes();
        if let Some(limit) = self.limits.bytes.filter(|limit| size > *limit) {
            let why = format!("it takes {}, more than keeper.maxMemory of the settings, {}", gb(size), gb(limit));
            return Room::None { why, lasting: true };
        }
        let others = || (0..self.models.len()).filter(move |other| *other != at);
        let here: Vec<usize> = others().filter(|other| self.models[*other].occupies()).collect();
        if self.fits(&here, size) {
            return Room::There;
        }
        if here.iter().any(|other| self.models[*other].unloading) {
            return Room::Soon;
        }
        let insist = own.wanted.is_some_and(|wanted| wanted.insist && now < wanted.until);
        let may_go = |other: &usize| {
            let model = &self.models[*other];
            let calm = now.duration_since(model.used_or_loaded().unwrap_or(now)) >= PEACE;
            let weaker = model.watched.keep_warm < own.watched.keep_warm;
            model.may_go(now)
                && match urgency {
                    Urgency::Person => true,
                    Urgency::Request => insist || calm,
                    Urgency::Policy => weaker && calm,
                }
        };
        let mut going: Vec<usize> = here.iter().copied().filter(may_go).collect();
        going.sort_by_key(|other| self.models[*other].order());
        let staying: Vec<usize> = here.iter().copied().filter(|other| !going.contains(other)).collect();
        match going.first() {
            Some(first) if self.fits(&staying, size) => Room::After(*first),
            _ => Room::None { why: self.full(&here), lasting: false },
        }
    }

    /// Why a policy does not load a model just now although there is room: its runtime took it out for one that somebody
    /// asked for, and would take that one out for it.
    pub(super) fn stands_back(&self, at: usize, now: Instant) -> Option<String> {
        let Place::Cold { reason: Some(Cause::Evicted { by }) } = &self.models[at].place else { return None };
        let took =
            |other: &&Model| other.details.instances.contains(by) || is_instance_of(by, &other.watched.upstream_id);
        let other = self.models.iter().find(took)?;
        let used = other.used_or_loaded().is_some_and(|used| now.duration_since(used) < PEACE);
        let wanted = (used || other.load.is_under_way()) && !other.watched.keep_warm.now();
        (self.displaces && wanted).then(|| {
            let (title, minutes) = (&other.watched.title, PEACE.as_secs() / 60);
            format!(
                "its runtime took it out for {title}: it is loaded again when that was not used for {minutes} minutes"
            )
        })
    }

    /// Takes a model out, for another or because there is too much.
    pub(super) fn send_away(&mut self, at: usize, by: Option<usize>) {
        let by = by.map(|by| self.models[by].watched.title.clone());
        self.send_unload(at);
        self.models[at].makes_room = Some(MakesRoom { by });
    }

    /// Takes the least recently used out where somebody else has loaded more than is allowed.
    pub(super) fn settle_room(&mut self, now: Instant) {
        let able = matches!(self.link, Link::Up) && self.manageable;
        if !able || self.limits == crate::Limits::default() {
            return;
        }
        let here: Vec<usize> = (0..self.models.len()).filter(|at| self.models[*at].occupies()).collect();
        let moving = here.iter().any(|at| self.models[*at].unloading || !self.models[*at].is_warm());
        if here.len() < 2 || moving || self.within(here.len(), self.bytes_of(&here)) {
            return;
        }
        let can_go = here.iter().copied().filter(|at| self.models[*at].may_go(now));
        // The one whose turn it is, although another has been unused for longer that a stronger policy holds.
        let Some(at) = can_go.min_by_key(|at| self.models[*at].order()) else { return };
        if self.models[at].used_or_loaded().is_none_or(|used| now.duration_since(used) >= BORNE) {
            self.send_away(at, None);
        }
    }

    /// Whether the policies in force want more in memory than is allowed.
    pub(super) fn is_crowded(&self) -> bool {
        let kept: Vec<usize> = (0..self.models.len()).filter(|at| self.models[*at].watched.keep_warm.now()).collect();
        !self.within(kept.len(), self.bytes_of(&kept))
    }

    /// Whether one more of this size is allowed beside these.
    fn fits(&self, here: &[usize], size: u64) -> bool {
        self.within(here.len() + 1, self.bytes_of(here).saturating_add(size))
    }

    fn within(&self, models: usize, bytes: u64) -> bool {
        self.limits.models.is_none_or(|limit| models <= limit) && self.limits.bytes.is_none_or(|limit| bytes <= limit)
    }

    fn bytes_of(&self, here: &[usize]) -> u64 {
        here.iter().map(|at| self.models[*at].bytes()).fold(0, u64::saturating_add)
    }

    fn full(&self, here: &[usize]) -> String {
        let there: Vec<_> = here.iter().map(|at| self.models[*at].watched.title.as_str()).collect();
        let limit = match (self.limits.models, self.limits.bytes) {
            (Some(models), _) if here.len() >= models => format!("keeper.maxModels of the settings is {models}"),
            (_, Some(bytes)) => format!("keeper.maxMemory of the settings is {}", gb(bytes)),
            _ => "the keeper has a limit in the settings".to_owned(),
        };
        let are = if there.len() == 1 { "is" } else { "are" };
        format!("it waits for room: {} {are} in memory, and {limit}", there.join(", "))
    }
}

impl Model {
    /// Whether it takes memory, or is about to.
    fn occupies(&self) -> bool {
        self.is_warm() || self.load.is_under_way() || self.unloading
    }

    /// What it takes, as far as its runtime tells.
    fn bytes(&self) -> u64 {
        let copies = u64::try_from(self.details.instances.len()).unwrap_or(1).max(1);
        self.details.size_bytes.unwrap_or(0).saturating_mul(copies)
    }

    /// Whether it can be taken out: nobody is using it, waits for it, or has just failed to take it out.
    fn may_go(&self, now: Instant) -> bool {
        let generating =
            self.details.activity.is_some_and(|activity| activity.doing != Doing::Idle || activity.queued > 0);
        let stuck = self.stuck.is_some_and(|at| now.duration_since(at) < STUCK);
        let quiet = self.using.requests == 0 && !generating && !self.touching && !self.asked;
        self.is_warm()
            && self.load == Load::None
            && quiet
            && !self.unloading
            && !stuck
            && self.fresh_until(now).is_none()
    }

    /// Until when it is left alone since it has just come for a request, which has not been answered yet.
    pub(super) fn fresh_until(&self, now: Instant) -> Option<Instant> {
        let Place::Warm { since } = self.place else { return None };
        let served = self.using.last.is_some_and(|last| last > since);
        Some(since + FRESH).filter(|until| *until > now && self.awaited && !served)
    }

    /// Who goes first: the weakest policy, then the longest unused.
    fn order(&self) -> (KeepWarm, Option<Instant>) {
        (self.watched.keep_warm, self.used_or_loaded())
    }

    fn used_or_loaded(&self) -> Option<Instant> {
        let Place::Warm { since } = self.place else { return None };
        Some(self.used().map_or(since, |used| used.max(since)))
    }
}

/// In GB, as people write it.
fn gb(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "it is only shown, with one decimal")]
    let amount = bytes as f64 / 1e9;
    format!("{amount:.1} GB")
}
