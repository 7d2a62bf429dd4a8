//! One model: where it is, what is under way for it, and what is remembered of it.

use std::time::Duration;

use tokio::time::Instant;

use super::holds::{Backoff, Hold};
use super::using::Use;
use crate::adapter::{Clock, Departure, Seen};
use crate::cause::{Evidence, classify, in_words};
use crate::keeper::REMEMBERED;
use crate::{Activity, Cause, Doing, Trouble, WatchedModel};

/// One watched model.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) watched: WatchedModel,
    pub(super) place: Place,
    pub(super) load: Load,
    pub(super) details: Details,
    /// We loaded it in the way that has no idle clock.
    pub(super) stays: bool,
    /// Looks begun before this cannot know what happened then.
    pub(super) changed: Option<Instant>,
    /// When it was last seen warm.
    pub(super) seen_warm: Option<Instant>,
    /// The requests of ours that it is answering.
    pub(super) using: Use,
    pub(super) last_used: Option<Instant>,
    /// What a request met last.
    pub(super) trouble: Option<(Trouble, String, Instant)>,
    /// How it went, by the runtime's word.
    pub(super) departure: Option<Departure>,
    /// When it was last used only to keep it, and whether such a use is under way.
    pub(super) touched: Option<Instant>,
    pub(super) touching: bool,
    /// Its server went while it was warm since then, and it has not been seen again.
    pub(super) server_lost: Option<Instant>,
    /// When its going was told, by itself or with its server's.
    pub(super) gone: Option<Instant>,
    /// A person waits for its load.
    pub(super) asked: bool,
    /// Since then that wait is only for a look that shows that it is still there.
    pub(super) believed_since: Option<Instant>,
    /// A person wants it out of memory: now, or as soon as its load is done.
    pub(super) unload_asked: bool,
    /// An unload was sent.
    pub(super) unloading: bool,
    /// That unload is the keeper's own, to keep within its limit.
    pub(super) makes_room: Option<MakesRoom>,
    /// When such an unload failed.
    pub(super) stuck: Option<Instant>,
    /// Why the policy cannot load it: the limit leaves no room.
    pub(super) no_room: Option<String>,
    /// Whether its last load was for a request that waits for it.
    pub(super) awaited: bool,
    /// A request wants it.
    pub(super) wanted: Option<Wanted>,
    /// Why the keeper leaves it cold.
    pub(super) hold: Option<Hold>,
    /// When it went against the policy, of late.
    pub(super) losses: Vec<Instant>,
    /// When its runtime's idle timer took it, of late.
    pub(super) expiries: Vec<Instant>,
    /// Its idle timer, where the runtime does not tell it and it was seen to strike: at most this long.
    pub(super) timer: Option<Duration>,
    /// When it seemed ejected by a person in the runtime itself, of late.
    pub(super) ejections: Vec<Instant>,
    pub(super) backoff: Backoff,
    /// How long its last loads took, the oldest first.
    pub(super) times: Vec<Duration>,
    /// The last of these, until it was kept.
    pub(super) learned: Option<Duration>,
}

/// Where it is, as last seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Unknown,
    Missing,
    Cold { reason: Option<Cause> },
    Warm { since: Instant },
}

/// The load under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Load {
    None,
    /// It waits for its turn.
    Queued {
        since: Instant,
        urgency: Urgency,
    },
    /// We are loading it.
    Ours {
        since: Instant,
    },
    /// Somebody else is loading it.
    Theirs {
        since: Instant,
        /// Whether it was seen to begin, so that its time is worth knowing.
        seen: bool,
    },
}

/// Who is served first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Urgency {
    Person,
    Request,
    Policy,
}

/// An unload that the keeper decided on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MakesRoom {
    /// What a person calls the model that needs the room; none where the limit was passed already.
    pub(super) by: Option<String>,
}

/// A request's wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) until: Instant,
    /// Nobody else can answer it.
    pub(super) insist: bool,
}

/// What the runtime tells of a model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Details {
    pub(super) context: Option<u64>,
    pub(super) quantization: Option<String>,
    pub(super) size_bytes: Option<u64>,
    pub(super) instances: Vec<String>,
    /// The idle timer it runs under.
    pub(super) clock: Clock,
    /// When its idle timer strikes if nobody uses it, by the runtime's word.
    pub(super) leaves: Option<Instant>,
    /// When it was last used, by the runtime's word.
    pub(super) used: Option<Instant>,
    pub(super) activity: Option<Activity>,
    /// Since when it is known to do that.
    pub(super) doing_since: Option<Instant>,
    /// How far its load has come, in percent.
    pub(super) progress: Option<u8>,
    /// Whether a server that only lists names has listed this one.
    pub(super) unlisted: bool,
}

impl Load {
    pub(super) fn since(self) -> Option<Instant> {
        match self {
            Self::None => None,
            Self::Queued { since, .. } | Self::Ours { since } | Self::Theirs { since, .. } => Some(since),
        }
    }

    pub(super) fn is_ours(self) -> bool {
        matches!(self, Self::Ours { .. })
    }

    /// Whether weights are on their way into memory.
    pub(super) fn is_under_way(self) -> bool {
        matches!(self, Self::Ours { .. } | Self::Theirs { .. })
    }
}

impl Details {
    pub(super) fn forget_instances(&mut self) {
        self.context = None;
        self.instances.clear();
        self.clock = Clock::Untold;
        self.leaves = None;
        self.used = None;
        self.activity = None;
        self.progress = None;
    }

    /// Takes over what was seen; what this look did not ask for stays.
    pub(super) fn learn(&mut self, seen: &Seen, now: Instant) {
        self.context = seen.context.or(self.context);
        if !seen.instances.is_empty() {
            self.instances.clone_from(&seen.instances);
        }
        if seen.quantization.is_some() {
            self.quantization.clone_from(&seen.quantization);
        }
        self.size_bytes = seen.size_bytes.or(self.size_bytes);
        if seen.clock != Clock::Untold {
            self.clock = seen.clock;
        }
        self.used = steady(self.used, seen.idle.and_then(|idle| now.checked_sub(idle)).or(self.used));
        let leaves = match (seen.left, seen.idle, seen.clock) {
            (Some(left), _, _) => Some(now + left),
            (None, Some(idle), Clock::After(timer)) => Some(now + timer.saturating_sub(idle)),
            (None, _, Clock::Never) => None,
            _ => self.leaves,
        };
        self.leaves = steady(self.leaves, leaves);
        if seen.presence.occupies() {
            // Whoever tells it tells it with each look: what was at work when its runtime ceased to tell is not for ever.
            self.does(seen.activity, now);
        }
        self.unlisted = false;
    }

    /// What it is doing.
    pub(super) fn does(&mut self, activity: Option<Activity>, now: Instant) {
        if self.activity.map(|before| before.doing) != activity.map(|activity| activity.doing) {
            self.doing_since = Some(now);
        }
        self.activity = activity;
    }
}

/// A moment reckoned back from how long ago it was: the same one as before where it differs only by the reckoning, so
/// that nothing is published anew for it.
fn steady(before: Option<Instant>, now: Option<Instant>) -> Option<Instant> {
    let (Some(old), Some(new)) = (before, now) else { return now };
    let apart = new.saturating_duration_since(old).max(old.saturating_duration_since(new));
    if apart < Duration::from_secs(1) { before } else { now }
}

impl Model {
    pub(super) fn new(watched: WatchedModel) -> Self {
        Self {
            watched,
            place: Place::Unknown,
            load: Load::None,
            details: Details::default(),
            stays: false,
            changed: None,
            seen_warm: None,
            using: Use::default(),
            last_used: None,
            trouble: None,
            departure: None,
            touched: None,
            touching: false,
            server_lost: None,
            gone: None,
            asked: false,
            believed_since: None,
            unload_asked: false,
            unloading: false,
            makes_room: None,
            stuck: None,
            no_room: None,
            awaited: false,
            wanted: None,
            hold: None,
            losses: Vec::new(),
            expiries: Vec::new(),
            timer: None,
            ejections: Vec::new(),
            backoff: Backoff::default(),
            times: Vec::new(),
            learned: None,
        }
    }

    /// Whether a plan's line is about this model.
    pub(super) fn is(&self, watched: &WatchedModel) -> bool {
        self.watched.model == watched.model && self.watched.upstream_id == watched.upstream_id
    }

    /// The same model under a new plan. To be asked to keep it warm is a new intention, which ends what held it cold.
    pub(super) fn replanned(mut self, watched: WatchedModel) -> Self {
        if watched.keep_warm.now() && !self.watched.keep_warm.now() {
            self.let_go();
        }
        if let Load::Queued { urgency: Urgency::Policy, .. } = self.load
            && !watched.keep_warm.now()
        {
            self.load = Load::None;
        }
        self.watched = watched;
        self
    }

    pub(super) fn is_warm(&self) -> bool {
        matches!(self.place, Place::Warm { .. })
    }

    /// Learns how long a load took.
    pub(super) fn took(&mut self, took: Duration) {
        self.times.push(took);
        if self.times.len() > REMEMBERED {
            self.times.remove(0);
        }
        self.learned = Some(took);
    }

    /// How long its next load will take: as long as the one in the middle of the last ones, since one from a cold disk
    /// is slower than the rest.
    pub(super) fn expected(&self) -> Option<Duration> {
        let mut times = self.times.clone();
        times.sort_unstable();
        let (low, high) = (times.get(times.len().checked_sub(1)? / 2)?, times.get(times.len() / 2)?);
        Some((*low + *high) / 2)
    }

    /// So much time passed that was not counted.
    pub(super) fn slept(&mut self, slept: Duration) {
        let moments = [&mut self.last_used, &mut self.details.used, &mut self.seen_warm, &mut self.gone];
        for moment in moments.into_iter().flatten() {
            *moment = moment.checked_sub(slept).unwrap_or(*moment);
        }
        if let Place::Warm { since } = &mut self.place {
            *since = since.checked_sub(slept).unwrap_or(*since);
        }
        for moment in self.losses.iter_mut().chain(&mut self.ejections) {
            *moment = moment.checked_sub(slept).unwrap_or(*moment);
        }
        self.backoff.clear();
    }

    /// Why it went, most likely.
    pub(super) fn why_gone(
        &self,
        idle_clock: Option<Duration>,
        appeared: Option<&str>,
        slack: Duration,
        woke: Option<Instant>,
        now: Instant,
    ) -> (Cause, String) {
        let Place::Warm { since } = self.place else { return (Cause::Unknown, String::new()) };
        if let Some(MakesRoom { by }) = &self.makes_room {
            return (Cause::MadeRoom { by: by.clone() }, String::new());
        }
        let seen_warm = self.seen_warm.unwrap_or(since);
        let trouble = self.trouble.as_ref().filter(|(_, _, at)| *at >= since && now.duration_since(*at) <= slack);
        let seen = Evidence {
            asked_here: self.unloading || self.unload_asked,
            stays: self.stays,
            busy: self.using.since.is_some_and(|began| began <= seen_warm) || self.works_for_others(),
            trouble: trouble.map(|(trouble, detail, _)| (*trouble, detail.as_str())),
            departure: self.departure.as_ref(),
            idle: now.duration_since(self.used().map_or(since, |used| used.max(since))),
            idle_clock: match self.clock() {
                Clock::Untold => idle_clock,
                Clock::Never => None,
                Clock::After(timer) => Some(timer),
            },
            for_good: self.clock() == Clock::Never,
            expired: self.leaves().is_some_and(|leaves| leaves <= now + slack),
            appeared,
            slept: woke.is_some_and(|woke| seen_warm < woke),
            slack,
        };
        let cause = classify(&seen);
        let evidence = in_words(&seen, &cause);
        (cause, evidence)
    }

    /// Whether it works, by its runtime's last word, which may be a second old: not what a request of ours that has ended
    /// since had it do.
    fn works_for_others(&self) -> bool {
        let ours = self.using.last.is_some_and(|ended| self.details.doing_since.is_none_or(|since| since <= ended));
        self.details.activity.is_some_and(|activity| activity.doing != Doing::Idle) && !ours
    }

    /// What keeps it out of memory.
    pub(super) fn load_problem(&self) -> Option<String> {
        let hold = self.hold.as_ref().and_then(Hold::problem);
        hold.or_else(|| self.backoff.message.clone()).or_else(|| self.no_room.clone().filter(|_| !self.is_warm()))
    }

    /// What a person should know.
    pub(super) fn problem(&self) -> Option<String> {
        if let Some(message) = self.load_problem() {
            return Some(message);
        }
        if self.details.instances.len() > 1 {
            let count = self.details.instances.len();
            return Some(format!("it is in memory {count} times: eject it and load it again to free the rest"));
        }
        if self.details.unlisted {
            return Some("the server does not list it".into());
        }
        match (self.watched.context, self.details.context) {
            (Some(asked), Some(has)) if self.is_warm() && has < asked => {
                Some(format!("it is loaded with a context of {has} tokens, less than the {asked} of the configuration"))
            }
            _ => None,
        }
    }
}
