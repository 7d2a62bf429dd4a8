//! What the keeper publishes: the state of each watched model and runtime, as of now.

use std::collections::BTreeMap;
use std::time::Duration;

use pilotlight_wire::ModelRef;
use tokio::time::Instant;
use url::Url;

use crate::{Activity, Capabilities, Cause, RuntimeKind, Stay};

/// The state of all that is watched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeeperState {
    /// By model ref: every model of the plan.
    pub models: BTreeMap<ModelRef, LocalModel>,
    /// By provider id: every provider of the plan.
    pub runtimes: BTreeMap<String, RuntimeStatus>,
}

/// One local model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalModel {
    /// Whether it is in memory.
    pub state: Warmth,
    /// The context it was loaded with, in tokens, where the runtime says so.
    pub loaded_context: Option<u64>,
    /// Such as `Q4_K_M`, where the runtime says so.
    pub quantization: Option<String>,
    /// What it takes on disk, where the runtime says so.
    pub size_bytes: Option<u64>,
    /// How long it stays there unused, where the runtime says so.
    pub stay: Stay,
    /// When it was last used, by the runtime's word or by our requests.
    pub last_used: Option<Instant>,
    /// What it is doing, where the runtime says so.
    pub activity: Option<Activity>,
    /// How far its load has come, in percent, where the runtime says so.
    pub progress: Option<u8>,
    /// Whether the keeper loads it by itself when it is cold. False too while it leaves the model alone because a
    /// person ejected it or because it would not stay.
    pub kept_warm: bool,
    /// Whether the keeper gave up, since it would not stay. Until a person or a request that nobody else can answer
    /// loads it, or [`crate::Keeper::retry`].
    pub given_up: bool,
    /// Why its last load failed, until one is done. None while it only waits for its turn.
    pub load_failed: Option<String>,
    /// Whether it can be loaded and unloaded from here.
    pub manageable: bool,
    /// The runtime's names for what is in memory of it; more than one means that it is there more than once.
    pub instances: Vec<String>,
    /// What a person should know: the last load failed, it was loaded with less context than asked for, it is in
    /// memory twice, its runtime refuses the key.
    pub problem: Option<String>,
}

/// Whether a model is in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warmth {
    /// Not asked yet, or a runtime that cannot tell.
    Unknown,
    /// Not in memory.
    Cold {
        /// Why it went, where it was seen to go.
        reason: Option<Cause>,
    },
    /// Being loaded, or next in line to be.
    Loading {
        /// Since when.
        since: Instant,
        /// How long its load took the last times, where one was seen.
        expected: Option<Duration>,
    },
    /// In memory.
    Warm {
        /// Since it was first seen there.
        since: Instant,
    },
    /// The runtime answers and does not have it.
    Missing,
    /// The runtime does not answer.
    Unreachable {
        /// What was seen.
        reason: String,
    },
}

/// One watched runtime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeStatus {
    /// What it is; none while that is not known.
    pub kind: Option<RuntimeKind>,
    /// Whether it answered when it was last asked.
    pub reachable: bool,
    /// Whether it answered that it wants another key, or any.
    pub key_refused: bool,
    /// What was seen when it did not answer, or did not answer as it should.
    pub detail: Option<String>,
    /// Where it is: the plan's address, or another port of the same machine where it was found again.
    pub address: Url,
    /// Its version, where it tells.
    pub version: Option<String>,
    /// What it can be told and what it cannot tell.
    pub capabilities: Capabilities,
}

impl RuntimeStatus {
    /// Whether it was asked already, and has answered or not.
    pub fn is_known(&self) -> bool {
        self.reachable || self.detail.is_some()
    }
}

/// A load that a person asked for, done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// Which.
    pub model: ModelRef,
    /// How long the load took; zero when it was in memory already.
    pub after: Duration,
    /// The context it has, in tokens, where the runtime says so.
    pub context: Option<u64>,
}
