//! What the gateway tells of its requests: never content, never a key.

use std::time::{Duration, SystemTime};

use pilotlight_wire::{ClientApi, Location, ModelRef, Usage};

use crate::Code;
use crate::health::{Cooldown, Recovery};

/// Something that happened to a request, or to an upstream because of one.
#[derive(Clone, Debug)]
pub enum Event {
    /// It was understood and will be routed.
    Started {
        /// Counted from 1 since the gateway was made.
        id: u64,
        /// Its `model`, as asked.
        asked: String,
        /// The client's API.
        api: ClientApi,
        /// Whether it asks for a stream.
        streaming: bool,
        /// When it arrived.
        at: SystemTime,
    },
    /// A candidate is waited for, asked, or answers.
    Phase {
        /// Which request.
        id: u64,
        /// Which candidate.
        candidate: ModelRef,
        /// What it does.
        phase: Phase,
    },
    /// It is over. Comes once for every `Started`.
    Finished(Box<Served>),
    /// An upstream is left alone from now on.
    CoolingDown(Box<Cooldown>),
    /// An upstream that was passed over answers again.
    Recovered(Recovery),
}

/// What a request is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Waiting for a local model to load.
    Loading,
    /// Sent upstream; no content yet.
    Asking,
    /// Content is flowing.
    Streaming,
}

/// A finished request.
#[derive(Clone, Debug)]
pub struct Served {
    /// As in its `Started`.
    pub id: u64,
    /// When it arrived.
    pub started: SystemTime,
    /// Its `model`, as asked.
    pub asked: String,
    /// The client's API.
    pub api: ClientApi,
    /// Whether it asked for a stream.
    pub streaming: bool,
    /// Who answered with content, to the end or not.
    pub served_by: Option<ModelRef>,
    /// Where that runs.
    pub location: Option<Location>,
    /// Every candidate in the order it was passed over or tried; the one that answered is last, with [`Code::Ok`].
    pub attempts: Vec<AttemptReport>,
    /// How it ended.
    pub outcome: Outcome,
    /// The status that the client got.
    pub http_status: u16,
    /// From arrival to the first content, if any came.
    pub first_content: Option<Duration>,
    /// From arrival to the end.
    pub total: Duration,
    /// By the upstream's own count, if it told.
    pub usage: Option<Usage>,
}

/// What became of one candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptReport {
    /// Which.
    pub model: ModelRef,
    /// A stable name.
    pub code: Code,
    /// In words.
    pub detail: String,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Answered to the end.
    Served,
    /// Broken off after content had been sent; the client got an error event.
    Cut,
    /// No candidate could answer; the client got an error.
    Failed,
    /// The client went away.
    Cancelled,
}
