//! What happened to a model or a runtime, each thing told once, with the likely cause in a person's words.

use std::fmt;
use std::time::Duration;

use pilotlight_wire::ModelRef;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Occurrence {
    /// A warm model is no longer in memory, and the runtime still answers.
    Unloaded {
        /// Which.
        model: ModelRef,
        /// What a person calls it.
        title: String,
        /// Why, most likely.
        cause: Cause,
        /// What that was read from, in words; empty where the cause says it all.
        evidence: String,
        /// Whether the keeper loads it again by itself.
        reloading: bool,
    },
    /// A load began, by us or by somebody else.
    LoadStarted {
        /// Which.
        model: ModelRef,
        /// What a person calls it.
        title: String,
        /// How long it took the last times.
        expected: Option<Duration>,
    },
    /// A load is done.
    Loaded {
        /// Which.
        model: ModelRef,
        /// What a person calls it.
        title: String,
        /// How long the load took, where it was seen to begin.
        after: Option<Duration>,
        /// How long it was gone, where its going was told.
        away: Option<Duration>,
    },
    /// A load failed, or loading is given up. The same failure of a row of attempts is told once.
    LoadFailed {
        /// Which.
        model: ModelRef,
        /// What a person calls it.
        title: String,
        /// What was seen and, where there is something, what to do.
        message: String,
        /// When it is tried again; none when it is not, until a person or a request asks.
        retry_in: Option<Duration>,
        /// Whether its loads are given up since it would not stay in memory, although each of them was done.
        given_up: bool,
    },
    /// A runtime that answered no longer does. Its models are not told of one by one.
    Unreachable {
        /// The provider's id.
        provider: String,
        /// What was seen.
        detail: String,
        /// Why, most likely.
        cause: Cause,
    },
    /// A runtime that was told of as unreachable answers again.
    Reachable {
        /// The provider's id.
        provider: String,
        /// How long it was away.
        away: Duration,
    },
}

/// Why a model or its server went. No runtime says so: this is read from what was seen around it, hence "likely".
/// `Display` gives the words that follow "… was unloaded:".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The runtime's own clock for models that nobody uses.
    IdleTtl,
    /// Another model took its place.
    Evicted {
        /// The other model, as the runtime names it.
        by: String,
    },
    /// The model's process ended.
    Crashed {
        /// What was seen.
        detail: String,
    },
    /// Somebody ejected it in the runtime's own window or command line.
    EjectedByPerson,
    /// A person ejected it through us.
    UnloadedHere,
    /// The keeper took it out for another model, since no more fit within the limit of the settings.
    MadeRoom {
        /// What a person calls the other model; none where there were more in memory than the limit allows.
        by: Option<String>,
    },
    /// The runtime's server was switched off; the application is still open.
    ServerStopped,
    /// The runtime's application is gone.
    AppQuit,
    /// The program of a server that is no application with a window is gone: stopped or crashed, which nothing tells.
    ProgramEnded,
    /// The runtime's server is there, and says nothing.
    ServerHangs,
    /// Nothing was seen that would tell.
    Unknown,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IdleTtl => f.write_str("likely by its idle timer"),
            Self::Evicted { by } => write!(f, "likely to make room for {by}"),
            Self::Crashed { detail } => write!(f, "likely a crash ({detail})"),
            Self::EjectedByPerson => f.write_str("likely ejected by a person"),
            Self::UnloadedHere => f.write_str("ejected here"),
            Self::MadeRoom { by: Some(by) } => {
                write!(f, "to make room for {by}, by the keeper's limit in the settings")
            }
            Self::MadeRoom { by: None } => {
                f.write_str("since more was in memory than the keeper's limit in the settings")
            }
            Self::ServerStopped => f.write_str("likely its server was stopped; the application is still open"),
            Self::AppQuit => f.write_str("likely the application was quit"),
            Self::ProgramEnded => f.write_str("likely its program ended: it was stopped, or it crashed"),
            Self::ServerHangs => f.write_str("likely its server hangs: it is there, and says nothing"),
            Self::Unknown => f.write_str("the cause is not known"),
        }
    }
}

/// What whoever serves requests saw an upstream do. It makes the keeper look at once, and it is evidence of why a model
/// went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trouble {
    /// The connection was refused.
    Refused,
    /// The connection ended before the answer did.
    Cut,
    /// The runtime said that the model was unloaded under the request.
    Unloaded,
    /// The runtime said that the model crashed.
    Crashed,
    /// The runtime said that the model, or any model, is not loaded.
    NotLoaded,
    /// Anything else.
    Other,
}
