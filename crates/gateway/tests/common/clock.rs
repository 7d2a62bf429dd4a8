//! A clock that waits for the machine. Time is paused, and goes on by a little whenever everything that could run has
//! run: what is timed takes as long as it says, and a machine that is busy with other things changes nothing.
//! Tokio's own way, to jump to the next timer when nothing is ready, does not know what is still on its way through a
//! socket.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

/// The step of the clock. Less than any duration that a test tells from another.
const STEP: Duration = Duration::from_millis(2);
/// How often the sockets are looked at, and what they woke is run, before a step.
const ROUNDS: usize = 24;
/// How long the system is given to carry over the loopback what was written.
const CARRIED: Duration = Duration::from_micros(50);

/// Runs a test of a single-threaded runtime by such a clock.
#[allow(clippy::disallowed_methods, reason = "the thread itself gives way to the system; nothing else could run")]
pub async fn unhurried<T>(test: impl Future<Output = T>) -> T {
    tokio::time::pause();
    let mut test = pin!(test);
    loop {
        for round in 0..ROUNDS {
            if round == ROUNDS / 2 {
                std::thread::sleep(CARRIED);
            }
            tokio::select! {
                biased;
                done = &mut test => return done,
                () = tokio::task::yield_now() => {}
            }
        }
        tokio::time::advance(STEP).await;
    }
}
