//! What a runtime can be told and can tell, as values that a person can be shown.
//!
//! Must not know: any runtime.

use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

/// What a runtime can do and what it cannot tell, as far as that is known by now: a version that lacks an endpoint is
/// only known after it was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Whether it can be told to load a model.
    pub loads: bool,
    /// Whether a load can name a context length.
    pub load_context: bool,
    /// Whether the context length that a model is loaded with can be set there for good.
    pub sets_context: bool,
    /// Whether it can be told to unload a model.
    pub unloads: bool,
    /// Whether it says by itself that something changed, so that nothing need be asked to know.
    pub pushes: bool,
    /// What keeping a model warm takes.
    pub keeping_warm: KeepingWarm,
    /// What it does not tell.
    pub cannot_tell: Vec<Untold>,
}

/// What keeping a model warm takes. `Display` gives a sentence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeepingWarm {
    /// Nothing is sent: once loaded it stays.
    Free,
    /// A request of one token shortly before its idle timer would strike, where it has one. It may displace a cached
    /// prompt.
    Ping,
    /// The server sees to its models itself, and takes no word about them.
    #[default]
    NotOurs,
}

/// Something that a runtime does not tell. `Display` gives the words that follow "it does not tell …".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Untold {
    /// Whether a model is in memory.
    State,
    /// The context it was loaded with.
    Context,
    /// Its idle timer.
    IdleTimer,
    /// When it was last used.
    LastUse,
    /// Whether it is answering.
    Activity,
    /// What it takes on disk or in memory.
    Size,
    /// Such as `Q4_K_M`.
    Quantization,
    /// How far a load has come.
    Progress,
    /// That a model's process died.
    Crash,
    /// Why a model went.
    Cause,
}

/// What an instance is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Activity {
    /// What.
    pub doing: Doing,
    /// How many requests wait behind it.
    pub queued: u32,
}

/// What an instance is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Doing {
    /// Nothing.
    Idle,
    /// Reading a prompt: no token is to be expected yet.
    ReadingPrompt,
    /// Writing an answer.
    Answering,
    /// Computing an embedding.
    Embedding,
}

/// How long a model stays in memory when nobody uses it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stay {
    /// The runtime does not tell.
    #[default]
    Untold,
    /// It has no idle timer.
    ForGood,
    /// It goes then, unless it is used before.
    Until {
        /// When.
        at: Instant,
        /// What its idle timer is set to, where that is told.
        timer: Option<Duration>,
    },
}

impl Doing {
    /// The word on screen.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::ReadingPrompt => "reading the prompt",
            Self::Answering => "answering",
            Self::Embedding => "computing an embedding",
        }
    }
}

impl Untold {
    /// Every one.
    pub const ALL: [Self; 10] = [
        Self::State,
        Self::Context,
        Self::IdleTimer,
        Self::LastUse,
        Self::Activity,
        Self::Size,
        Self::Quantization,
        Self::Progress,
        Self::Crash,
        Self::Cause,
    ];
}

impl fmt::Display for KeepingWarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Free => "nothing is sent, since what was loaded stays",
            Self::Ping => "where it has an idle timer, a request of one token is sent before that would strike",
            Self::NotOurs => "the server keeps its models by itself",
        })
    }
}

impl fmt::Display for Untold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::State => "whether a model is in memory",
            Self::Context => "the loaded context",
            Self::IdleTimer => "its idle timer",
            Self::LastUse => "when a model was last used",
            Self::Activity => "whether a model is answering",
            Self::Size => "a model's size",
            Self::Quantization => "a model's quantisation",
            Self::Progress => "how far a load has come",
            Self::Crash => "that a model's process died",
            Self::Cause => "why a model went",
        })
    }
}
