//! When the keeper leaves a model cold: a person ejected it, it would not stay, or its loads fail.

use std::time::Duration;

use tokio::time::Instant;

use super::model::{Load, Model};
use crate::Cause;
use crate::adapter::LoadFailureKind;

/// So many losses …
const LOSSES: usize = 3;
/// … within this long end the reloading.
const LOSSES_WITHIN: Duration = Duration::from_secs(10 * 60);
/// Two ejections in the runtime's own window within this long are meant.
const EJECTIONS_WITHIN: Duration = Duration::from_secs(30 * 60);
/// Between attempts whose failure may pass: the first, doubling to the last.
const PASSING: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(5 * 60));
/// Between attempts that will most likely fail again.
const LASTING: (Duration, Duration) = (Duration::from_secs(5 * 60), Duration::from_secs(60 * 60));
/// How soon after such a failure a request that nobody else can answer may try all the same.
const LASTING_INSISTED: Duration = Duration::from_secs(30);

/// Why the keeper leaves a model cold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    /// A person ejected it through us.
    Here,
    /// It seems that a person ejected it in the runtime. That is a guess: unless it is `firm`, the next request that
    /// wants the model undoes it.
    Elsewhere { firm: bool },
    /// It would not stay: it crashed again and again or, `by_clock`, its runtime's idle timer took it however often it
    /// was loaded. The latter is no danger: a request that wants it loads it.
    Lost { by_clock: bool },
}

/// What is remembered of failed loads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Backoff {
    failures: u32,
    lasting: bool,
    failed_at: Option<Instant>,
    next: Option<Instant>,
    /// The last failure, in words.
    pub(super) message: Option<String>,
}

impl Hold {
    /// What a person should know of it; an ejection is no problem.
    pub(super) fn problem(&self) -> Option<String> {
        match self {
            Self::Here | Self::Elsewhere { .. } => None,
            Self::Lost { by_clock } => Some(lost(*by_clock)),
        }
    }
}

fn lost(by_clock: bool) -> String {
    let minutes = LOSSES_WITHIN.as_secs() / 60;
    if by_clock {
        return format!(
            "its runtime's idle timer took it {LOSSES} times within {minutes} minutes, so it is not loaded again by itself: set that timer longer or off (llama-server: --sleep-idle-seconds). A request still wakes it"
        );
    }
    format!(
        "it went {LOSSES} times within {minutes} minutes, so it is not loaded again by itself: it may be short of memory. Load it when that is seen to"
    )
}

impl Backoff {
    /// One more failure. Returns the time to the next attempt, and whether this one is news.
    pub(super) fn failed(&mut self, kind: LoadFailureKind, message: &str, now: Instant) -> (Duration, bool) {
        let lasting = !matches!(kind, LoadFailureKind::Passing | LoadFailureKind::Gone);
        if lasting != self.lasting {
            self.failures = 0;
        }
        let (first, last) = if lasting { LASTING } else { PASSING };
        let wait = first.saturating_mul(1 << self.failures.min(16)).min(last);
        // A server that went in mid-load is told of as a server; only a second time it is this load that does it.
        let quiet = kind == LoadFailureKind::Gone && self.failures == 0;
        let news = !quiet && self.message.as_deref() != Some(message);
        if !quiet {
            self.message = Some(message.to_owned());
        }
        self.failures = self.failures.saturating_add(1);
        self.lasting = lasting;
        self.failed_at = Some(now);
        self.next = Some(now + wait);
        (wait, news)
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// When the next attempt may be; `insist` is for a request that nobody else can answer.
    pub(super) fn gate(&self, insist: bool) -> Option<Instant> {
        let next = self.next?;
        if !insist {
            return Some(next);
        }
        let gap = if self.lasting { LASTING_INSISTED } else { PASSING.0 };
        Some(self.failed_at.map_or(next, |at| next.min(at + gap)))
    }
}

impl Model {
    /// What a loss of this cause holds. Returns what to say where loading is given up.
    pub(super) fn hold_after(&mut self, cause: &Cause, now: Instant) -> Option<String> {
        match cause {
            Cause::UnloadedHere => {
                self.hold = Some(Hold::Here);
                None
            }
            Cause::MadeRoom { .. } => None,
            // Somebody wants it since, by word of mouth: whoever ejected it has had their way.
            _ if self.asked => None,
            Cause::EjectedByPerson => {
                self.ejections.retain(|at| now.duration_since(*at) < EJECTIONS_WITHIN);
                self.ejections.push(now);
                self.hold = Some(Hold::Elsewhere { firm: self.ejections.len() > 1 });
                None
            }
            _ => {
                // An idle timer that strikes is no crash, and its strikes are not counted among them.
                let by_clock = *cause == Cause::IdleTtl;
                let losses = if by_clock { &mut self.expiries } else { &mut self.losses };
                losses.retain(|at| now.duration_since(*at) < LOSSES_WITHIN);
                losses.push(now);
                if losses.len() < LOSSES || !self.watched.keep_warm.now() || self.hold.is_some() {
                    return None;
                }
                if by_clock {
                    // The server's own loads, for requests of others, end the hold: the next count is a new one.
                    losses.clear();
                }
                self.hold = Some(Hold::Lost { by_clock });
                Some(lost(by_clock))
            }
        }
    }

    /// A new intention: nothing that was held against it counts any more.
    pub(super) fn let_go(&mut self) {
        self.hold = None;
        self.losses.clear();
        self.expiries.clear();
        self.ejections.clear();
        self.backoff.clear();
    }

    /// Whether a load may start now for the sake of its requests or of the policy, or from when on; none when not at
    /// all.
    pub(super) fn may_load_from(&self, now: Instant) -> Option<Instant> {
        if self.load != Load::None || self.unloading || self.unload_asked {
            return None;
        }
        let request = self.wanted.filter(|wanted| now < wanted.until).and_then(|wanted| {
            let soft = Some(Hold::Lost { by_clock: true });
            let open =
                wanted.insist || self.hold == soft || matches!(self.hold, None | Some(Hold::Elsewhere { firm: false }));
            let from = self.backoff.gate(wanted.insist).unwrap_or(now).max(now);
            (open && from < wanted.until).then_some(from)
        });
        let kept = self.watched.keep_warm.now() && self.hold.is_none();
        let policy = kept.then(|| self.backoff.gate(false).unwrap_or(now).max(now));
        request.into_iter().chain(policy).min()
    }
}
