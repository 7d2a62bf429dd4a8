//! A circuit breaker without a clock or a task of its own: it is told what happened and when. Must not know: requests,
//! targets, why something failed.

use std::time::Duration;

use tokio::time::Instant;

/// So many failures in a row open it.
const FAILURES: u32 = 4;
/// How long it stays open the first time; each time that follows without health between takes twice as long.
const OPEN: Duration = Duration::from_secs(60);
/// How long it stays open at most.
const LONGEST: Duration = Duration::from_secs(10 * 60);
/// So many whole answers after it closed are health; until then one failure opens it again.
const HEALTHY: u32 = 2;

/// Closed, open, or half-open: open for long enough that one request may try.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Breaker {
    failures: u32,
    /// When it may be tried; none while it is closed.
    until: Option<Instant>,
    /// Whether the one request of the half-open state is under way.
    probing: bool,
    /// How often it opened in a row.
    opened: u32,
    /// Whole answers still wanted before it counts as healthy again.
    convalescent: u32,
}

/// Whether a request may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is closed.
    Closed,
    /// It is half-open, and nobody tries yet: see [`Breaker::probe`].
    Probation,
    /// It is open until then; where that is past, somebody tries already.
    Open(Instant),
}

impl Breaker {
    /// Whether a request may pass now.
    pub fn admission(&self, now: Instant) -> Admission {
        match self.until {
            None => Admission::Closed,
            Some(until) if now >= until && !self.probing => Admission::Probation,
            Some(until) => Admission::Open(until),
        }
    }

    /// A request tries the half-open breaker.
    pub fn probe(&mut self) {
        self.probing = true;
    }

    /// That request ended without having shown anything: another may try.
    pub fn probe_dropped(&mut self) {
        self.probing = false;
    }

    /// A request failed. A failure that tells more than others weighs more. True when this opened it.
    pub fn failed(&mut self, weight: u32, now: Instant) -> bool {
        if let Some(until) = self.until {
            // Requests that were under way when it opened say nothing new, and neither does one that was sent although
            // it is open, because nobody else could answer.
            if now < until {
                return false;
            }
        } else {
            self.failures = self.failures.saturating_add(weight);
            if self.failures < FAILURES && self.convalescent == 0 {
                return false;
            }
        }
        let time = OPEN.saturating_mul(1 << self.opened.min(8)).min(LONGEST);
        *self = Self { until: Some(now + time), opened: self.opened + 1, ..Self::default() };
        true
    }

    /// A request was answered with content: the breaker closes, and stays wary for a while.
    pub fn answered(&mut self) {
        if self.until.take().is_some() {
            (self.probing, self.failures, self.convalescent) = (false, 0, HEALTHY);
        }
    }

    /// A request was answered to the end.
    pub fn completed(&mut self) {
        self.failures = 0;
        self.convalescent = self.convalescent.saturating_sub(1);
        if self.convalescent == 0 && self.until.is_none() {
            self.opened = 0;
        }
    }

    /// So much time passed that was not counted.
    pub fn slept(&mut self, slept: Duration) {
        self.until = self.until.map(|until| until.checked_sub(slept).unwrap_or(until));
    }

    /// Until when it is open, if it is; past while it is half-open.
    pub fn until(&self) -> Option<Instant> {
        self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn opened(now: Instant) -> Breaker {
        let mut breaker = Breaker::default();
        assert_eq!([1, 1, 1, 1].map(|weight| breaker.failed(weight, now)), [false, false, false, true]);
        breaker
    }

    #[tokio::test(start_paused = true)]
    async fn failures_in_a_row_open_it_for_a_minute_and_one_request_tries_it() {
        let now = Instant::now();
        let mut breaker = opened(now);
        assert_eq!(breaker.admission(now), Admission::Open(now + seconds(60)));
        assert!(!breaker.failed(1, now + seconds(30)), "what was under way says nothing new");
        assert_eq!(breaker.admission(now + seconds(59)), Admission::Open(now + seconds(60)));
        let then = now + seconds(60);
        assert_eq!(breaker.admission(then), Admission::Probation);
        breaker.probe();
        assert_eq!(breaker.admission(then), Admission::Open(then), "one at a time");
        breaker.probe_dropped();
        assert_eq!(breaker.admission(then), Admission::Probation, "its client went away");
        breaker.probe();
        breaker.answered();
        assert_eq!(breaker.admission(then), Admission::Closed);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_between_failures_keeps_it_closed() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        for _ in 0..20 {
            assert!(!breaker.failed(1, now) && !breaker.failed(1, now) && !breaker.failed(1, now));
            breaker.answered();
            breaker.completed();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_flaps_ever_more_slowly_until_it_is_healthy() {
        let mut now = Instant::now();
        let mut breaker = opened(now);
        for expected in [120, 240, 480, 600, 600] {
            now = breaker.until().unwrap();
            breaker.probe();
            assert!(breaker.failed(1, now));
            assert_eq!(breaker.until(), Some(now + seconds(expected)));
        }
        now = breaker.until().unwrap();
        breaker.probe();
        breaker.answered();
        breaker.completed();
        assert!(breaker.failed(1, now), "one answer is no health yet");
        breaker.answered();
        breaker.completed();
        breaker.completed();
        assert!(!breaker.failed(1, now), "two are");
        breaker.completed();
        assert!(breaker.failed(4, now));
        assert_eq!(breaker.until(), Some(now + seconds(60)));
    }
}
