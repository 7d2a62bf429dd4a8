//! What the keeper needs of a runtime, whatever it is: a look at what is loaded, a load, an unload, and why it went.
//!
//! Must not know: when to do any of it. An adapter has no policy; it asks, and reads odd answers kindly. The only clock
//! it has is that of its own listening.

pub(crate) mod http;
pub(crate) mod listing;
pub(crate) mod litellm;
pub(crate) mod llama_server;
pub(crate) mod lmstudio;
pub(crate) mod lmstudio_home;
mod lmstudio_listing;
mod lmstudio_load;
mod lmstudio_socket;
pub(crate) mod lmstudio_start;
mod lmstudio_watch;
pub(crate) mod ollama;
pub(crate) mod openai_compatible;
#[cfg(test)]
mod tests;
pub(crate) mod vllm;

use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use url::Url;

use crate::{Activity, Capabilities, Cause, RuntimeKind};

pub(crate) use listing::{Clock, Departure, Observation, Presence, Seen};

/// One runtime at one address.
pub(crate) trait Adapter: Send + Sync + 'static {
    /// What it is.
    fn kind(&self) -> RuntimeKind;

    /// What it can be told, and what it cannot tell, as far as known by now.
    fn capabilities(&self) -> Capabilities;

    /// Whether it can be told to load.
    fn manageable(&self) -> bool {
        self.capabilities().loads
    }

    /// Whether a load may take the place of another model that is in memory, by the runtime's own choice.
    fn displaces(&self) -> bool {
        false
    }

    /// Its version, where it has told.
    fn version(&self) -> Option<String> {
        None
    }

    /// Where it answers, when that is not the plan's address.
    fn moved_to(&self) -> Option<Url> {
        None
    }

    /// What it has and what of that is loaded.
    fn look(&self, depth: Depth) -> BoxFuture<'_, Result<Observation, LookFailure>>;

    /// Loads a model that has no instance; returns when it is in memory. May make a second instance where there is
    /// one already: look first.
    fn load(&self, order: LoadOrder) -> BoxFuture<'_, Result<LoadDone, LoadFailure>>;

    /// Takes one instance out of memory.
    fn unload(&self, instance: String) -> BoxFuture<'_, Result<(), LoadFailure>>;

    /// Sets the context length, in tokens, with which a model is loaded from now on. One in memory stays as it is.
    fn set_context(&self, _key: String, _tokens: u64) -> BoxFuture<'_, Result<(), LoadFailure>> {
        let message = format!("{} has no way to set a model's context length from here", self.kind().title());
        std::future::ready(Err(LoadFailure::new(LoadFailureKind::Unsupported, message))).boxed()
    }

    /// Uses a model for a moment, so that its idle timer starts anew.
    fn touch(&self, _order: LoadOrder) -> BoxFuture<'_, Result<(), LoadFailure>> {
        std::future::ready(Ok(())).boxed()
    }

    /// Waits until the runtime tells something by itself, or until watching it closely shows something; never returns
    /// where there is no such way. Asked again after each answer. What happens between two calls may be missed.
    fn news(&self) -> BoxFuture<'_, News> {
        std::future::pending().boxed()
    }

    /// After its server went: what is left of it. `refused`: nobody listens any more; else it is there and silent.
    fn why_gone(&self, refused: bool) -> BoxFuture<'_, Cause>;

    /// After how long without use it unloads a model that it loaded by itself; none when it never does.
    fn idle_clock(&self) -> BoxFuture<'_, Option<Duration>>;
}

/// What was heard between two looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// Something may have come or gone: look.
    Changed,
    /// What an instance is doing.
    Activity { instance: String, activity: Activity },
    /// How far a model's load has come, in percent.
    Progress { key: String, percent: u8 },
}

/// How much to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Everything.
    Full,
    /// Only what is loaded: the cheapest question.
    State,
}

/// What to load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LoadOrder {
    /// The runtime's own name for it.
    pub(crate) key: String,
    /// In tokens.
    pub(crate) context: Option<u64>,
    /// Whether it makes embeddings (and cannot chat).
    pub(crate) embedding: bool,
}

/// A load that succeeded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LoadDone {
    /// The new instance's name.
    pub(crate) instance: Option<String>,
    /// By the runtime's own clock.
    pub(crate) took: Option<Duration>,
    /// In tokens.
    pub(crate) context: Option<u64>,
    /// Whether the runtime promises not to unload it by itself.
    pub(crate) stays: bool,
}

/// Why a look told nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LookFailure {
    /// Nobody listens there.
    #[error("{0}")]
    Refused(String),
    /// No answer in time, or one that broke off: once may be chance.
    #[error("{0}")]
    Silent(String),
    /// It answers, but not with what was asked for.
    #[error("{0}")]
    Rejected(String),
    /// It answers, and wants another key, or any.
    #[error("{0}")]
    KeyRefused(String),
}

/// Why a load or an unload failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct LoadFailure {
    pub(crate) kind: LoadFailureKind,
    pub(crate) message: String,
}

impl LoadFailure {
    pub(crate) fn new(kind: LoadFailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

/// What a failure says about trying again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoadFailureKind {
    /// May work in a moment.
    Passing,
    /// Will fail again unless something changes: out of memory, a broken file, a refused key.
    Lasting,
    /// It does not have this model.
    Missing,
    /// The server went away.
    Gone,
    /// This runtime, or this version of it, cannot do it.
    Unsupported,
}

impl From<LookFailure> for LoadFailure {
    fn from(failure: LookFailure) -> Self {
        let kind = match failure {
            LookFailure::Refused(_) => LoadFailureKind::Gone,
            LookFailure::Silent(_) => LoadFailureKind::Passing,
            LookFailure::Rejected(_) | LookFailure::KeyRefused(_) => LoadFailureKind::Lasting,
        };
        Self { kind, message: failure.to_string() }
    }
}
