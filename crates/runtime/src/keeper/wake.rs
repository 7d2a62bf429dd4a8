//! Whether the machine slept: the calendar's clock went on meanwhile, the one that counts the process's time did not.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// How late a sleep may be noticed when nothing else happens.
pub(super) const COMPARE: Duration = Duration::from_secs(5);
/// Apart by less than this, they were only set.
const SLEPT: Duration = Duration::from_secs(10);

/// The calendar's clock.
#[derive(Clone)]
pub(super) struct Calendar(pub(super) Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl Default for Calendar {
    fn default() -> Self {
        Self(Arc::new(SystemTime::now))
    }
}

impl fmt::Debug for Calendar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Calendar")
    }
}

/// The two clocks of the machine, as they were last compared: what was timed by the one has to be told of a sleep. Where
/// the process's clock goes on while the machine sleeps, as on Windows, there is nothing to tell.
#[derive(Debug)]
pub struct Clocks {
    calendar: Calendar,
    last: (Instant, SystemTime),
}

impl Default for Clocks {
    fn default() -> Self {
        Self::new(Calendar::default())
    }
}

impl Clocks {
    pub(super) fn new(calendar: Calendar) -> Self {
        let last = (Instant::now(), (calendar.0)());
        Self { calendar, last }
    }

    /// How long the machine slept since this was last asked, if it did for 10 s or more. Less may be a clock that was
    /// set.
    pub fn slept(&mut self) -> Option<Duration> {
        let now = (Instant::now(), (self.calendar.0)());
        let counted = now.0 - self.last.0;
        let passed = now.1.duration_since(self.last.1).unwrap_or_default();
        self.last = now;
        Some(passed.saturating_sub(counted)).filter(|slept| *slept >= SLEPT)
    }
}
