//! The calendar's time of moments on the process's own clock. Must not know: what happened at them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Milliseconds by which the clocks may be apart: a clock that is set by a little moves nothing.
const APART: u64 = 1_000;

/// Unix time of a moment on tokio's clock. Both are read once, so that the same moment always has the same time; and
/// anew when they have come apart, since the machine slept, or its clock was set.
pub(crate) struct Clock {
    moment: Instant,
    unix: u64,
}

impl Clock {
    /// Reads both.
    pub(crate) fn start() -> Self {
        Self { moment: Instant::now(), unix: unix_now() }
    }

    /// Reads both anew where they have come apart by a second or more.
    pub(crate) fn follow(&mut self) {
        let now = Self::start();
        if now.unix.abs_diff(self.unix(now.moment)) >= APART {
            *self = now;
        }
    }

    /// Milliseconds.
    pub(crate) fn unix(&self, moment: Instant) -> u64 {
        match moment.checked_duration_since(self.moment) {
            Some(after) => self.unix + milliseconds(after),
            None => self.unix - milliseconds(self.moment.duration_since(moment)).min(self.unix),
        }
    }
}

/// Unix time now, in milliseconds.
pub(crate) fn unix_now() -> u64 {
    unix(SystemTime::now())
}

/// Unix time, in milliseconds.
pub(crate) fn unix(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, milliseconds)
}

/// As many as fit.
pub(crate) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_has_one_time_until_the_clocks_come_apart() {
        let now = Instant::now();
        let true_time = Clock::start().unix(now);
        let mut slow = Clock { moment: now, unix: true_time - 300 };
        slow.follow();
        assert_eq!(slow.unix(now), true_time - 300, "a clock that is set by a little moves nothing");
        // Eight hours were not counted: what began a minute ago did so a minute ago.
        let mut slept = Clock { moment: now, unix: true_time - 8 * 3_600_000 };
        slept.follow();
        assert!(slept.unix(now).abs_diff(true_time) < 60_000);
    }
}
