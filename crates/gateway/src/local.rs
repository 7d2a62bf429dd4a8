//! What the gateway asks of the part that looks after local models. Must not know: how a runtime is asked or driven.

use std::time::Duration;

use pilotlight_wire::ModelRef;
use tokio::sync::watch;

/// The local models' keeper, as a request sees it. Nothing here may block.
pub trait LocalModels: Send + Sync + 'static {
    /// Whether it can answer now, as last seen.
    fn readiness(&self, model: &ModelRef) -> Readiness;
    /// A request needs it: a load is started if none is under way. `insist` says that the request waits for it, so that
    /// it is loaded even if a person has ejected it.
    fn want(&self, model: &ModelRef, insist: bool);
    /// Why a model that is not in memory was not loaded although it was wished for; none where nothing stands in its
    /// way.
    fn why_cold(&self, _model: &ModelRef) -> Option<String> {
        Some("its load ended without the model being there".to_owned())
    }
    /// Counts up whenever the readiness of any model may have changed.
    fn changed(&self) -> watch::Receiver<u64>;
    /// A request saw it fail.
    fn trouble(&self, model: &ModelRef, trouble: Trouble, detail: &str);
    /// How many tokens of context it is loaded with, where that is known.
    fn loaded_context(&self, model: &ModelRef) -> Option<u64> {
        let _ = model;
        None
    }
    /// A request is being answered by it, for as long as the guard lives.
    fn busy(&self, model: &ModelRef) -> Box<dyn Send>;
    /// Whether its runtime was just seen to work on a request: it reads a long prompt, and is silent meanwhile.
    fn is_working(&self, _model: &ModelRef) -> bool {
        false
    }
    /// The context that it is in memory with, in tokens, where that is known.
    fn context(&self, _model: &ModelRef) -> Option<u64> {
        None
    }
    /// Whether an answer that names `told` as its model came from another one: some runtimes answer for a model that
    /// they do not have with one that they have.
    fn is_another(&self, _model: &ModelRef, _told: &str) -> bool {
        false
    }
}

/// Whether a local model can answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// In memory.
    Ready,
    /// Being loaded.
    Loading {
        /// For how long already.
        for_: Duration,
        /// How long its loads took before.
        expected: Option<Duration>,
    },
    /// Not in memory.
    Cold,
    /// The runtime does not have it.
    Missing,
    /// The runtime does not answer, and what was seen.
    Unreachable(String),
    /// Nobody can tell: the only way to know is to ask it.
    Unknown,
}

/// How a request saw a local model fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trouble {
    /// No connection.
    Refused,
    /// The connection ended within an answer, or before it.
    Cut,
    /// It says it was unloaded meanwhile.
    Unloaded,
    /// It says it has crashed.
    Crashed,
    /// It says it is not loaded.
    NotLoaded,
    /// It was taken to be in memory and has not said anything yet: perhaps it is not there any longer.
    Silent,
    /// Anything else that is the upstream's fault: a 5xx, a time-out, an error event.
    Other,
}
