//! Every duration that the gateway waits by, in one place; tests shorten them.

use std::time::Duration;

/// How long the gateway waits for what. Defaults are what a person gets.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Silence towards the client of a stream before the first heartbeat.
    pub first_beat: Duration,
    /// Between heartbeats. Clients give up after 30 s or more without a sign of life; 5 s is promised.
    pub beat: Duration,
    /// Silence towards a client that waits for a whole body before white space is sent, and with it the status 200.
    pub patience: Duration,
    /// How long a load may take before the model is given up for this request.
    pub load: Duration,
    /// How long a model that was asked to load may stay cold before it is asked all the same: some servers load on
    /// request, and the others say why they do not.
    pub cold_grace: Duration,
    /// After a model said that it is not loaded, how long to wait for that to be noticed before trying it again.
    pub settle: Duration,
    /// Silence of a local model that was taken to be in memory before its runtime is asked whether it still is.
    pub doubt: Duration,
    /// To connect to an upstream of the user's.
    pub connect_local: Duration,
    /// To connect to any other.
    pub connect_hosted: Duration,
    /// A whole answer may take this many times a target's `first_content`.
    pub whole: u32,
    /// Silence within a stream, after content.
    pub idle: Duration,
    /// After a stream's last event, how long its connection is given to end by itself (it can then be used again).
    pub drain: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            first_beat: Duration::from_secs(3),
            beat: Duration::from_secs(3),
            patience: Duration::from_secs(4),
            load: Duration::from_secs(15 * 60),
            cold_grace: Duration::from_secs(20),
            settle: Duration::from_secs(2),
            doubt: Duration::from_millis(400),
            connect_local: Duration::from_secs(2),
            connect_hosted: Duration::from_secs(5),
            whole: 10,
            idle: Duration::from_secs(5 * 60),
            drain: Duration::from_secs(1),
        }
    }
}
