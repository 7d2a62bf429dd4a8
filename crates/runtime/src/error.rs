//! Why something asked of the keeper could not be done.

use pilotlight_wire::ModelRef;

/// Why a load or an unload that a person asked for was not done. The text says what to do where something can be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeeperError {
    /// The plan has no such model.
    #[error("{0} is not a watched local model: it is either hosted or not in the configuration")]
    UnknownModel(ModelRef),
    /// The runtime cannot be told to load or unload.
    #[error("{model}: {detail}")]
    Unsupported {
        /// Which.
        model: ModelRef,
        /// What cannot be done, and how else it can.
        detail: String,
    },
    /// The runtime does not answer.
    #[error("{provider} does not answer: {detail}")]
    Unreachable {
        /// The provider's id.
        provider: String,
        /// What was seen.
        detail: String,
    },
    /// The plan has no such provider, or several and none was named.
    #[error("{0}")]
    UnknownProvider(String),
    /// The runtime could not be started.
    #[error("{provider} was not started: {detail}")]
    NotStarted {
        /// The provider's id.
        provider: String,
        /// Why, and what to do.
        detail: String,
    },
    /// The runtime answers and does not have the model.
    #[error("{0} is not on its runtime: download it there, or correct the model's id in the configuration")]
    Missing(ModelRef),
    /// The model is answering requests and is not taken away under them.
    #[error("{model} is answering {requests} request(s): try again when it is done")]
    Busy {
        /// Which.
        model: ModelRef,
        /// How many.
        requests: usize,
    },
    /// The runtime refused or failed.
    #[error("{model}: {message}")]
    Failed {
        /// Which.
        model: ModelRef,
        /// What the runtime said.
        message: String,
    },
    /// The plan changed, a person ejected the model, or the keeper stopped before it was done.
    #[error("{0}: given up, since something else was asked for meanwhile")]
    Dropped(ModelRef),
}

impl KeeperError {
    /// Whether the same thing, asked again a little later, may succeed without anything being changed.
    #[must_use]
    pub fn retryable(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Busy { .. } | Self::Dropped(_) => true,
            Self::UnknownModel(_)
            | Self::UnknownProvider(_)
            | Self::NotStarted { .. }
            | Self::Unsupported { .. }
            | Self::Missing(_)
            | Self::Failed { .. } => false,
        }
    }
}
