//! Why a candidate was passed over or failed: a closed list, each with its stable name.

use std::fmt;

use crate::Trouble;

/// What became of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// It answered.
    Ok,
    /// Passed over: not in memory; a load was asked for.
    Cold,
    /// Passed over: its load is under way.
    Loading,
    /// Passed over: its runtime does not have it, or the chain names what is not configured.
    Missing,
    /// Passed over: its runtime does not answer.
    Unreachable,
    /// Passed over: hosted, and only local models are allowed.
    LocalOnly,
    /// Passed over: hosted outside of the allowed regions.
    Region,
    /// Passed over: it does not speak the client's API.
    Api,
    /// Passed over: its API has no way to say what the request says.
    Untranslatable,
    /// Passed over: its address is our own.
    OwnAddress,
    /// Passed over: its key cannot be read.
    Key,
    /// Passed over: it failed before, and is left alone for a while.
    CoolingDown,
    /// Passed over: the request is longer than its context.
    ContextWindow,
    /// Its load failed.
    LoadFailed,
    /// Its load took too long.
    LoadTimeout,
    /// No connection.
    Refused,
    /// Silence: no connection in time, or no content.
    Timeout,
    /// The connection ended before content, or within it.
    Cut,
    /// What came is no answer of its API.
    Malformed,
    /// An error instead of content, under status 200 of a stream.
    ErrorEvent,
    /// An error in place of an answer, under status 200.
    ErrorBody,
    /// 404, or the words for it.
    ModelNotFound,
    /// It says that it is not loaded.
    NotLoaded,
    /// It says that it was unloaded.
    Unloaded,
    /// It says that it has crashed.
    Crashed,
    /// 401 or 403.
    Unauthorized,
    /// 402, or the words for no credit.
    Payment,
    /// 429.
    RateLimited,
    /// Any other status that is no answer.
    Status,
    /// The request is longer than its context, it says.
    ContextOverflow,
    /// Another model answered than the one that was asked.
    WrongModel,
    /// The request itself is wrong, says the upstream: no other candidate is asked.
    InvalidRequest,
}

impl Code {
    /// Its stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Cold => "cold",
            Self::Loading => "loading",
            Self::Missing => "missing",
            Self::Unreachable => "unreachable",
            Self::LocalOnly => "local-only",
            Self::Region => "region",
            Self::Api => "api",
            Self::Untranslatable => "untranslatable",
            Self::OwnAddress => "own-address",
            Self::Key => "key",
            Self::CoolingDown => "cooling-down",
            Self::ContextWindow => "context-window",
            Self::LoadFailed => "load-failed",
            Self::LoadTimeout => "load-timeout",
            Self::Refused => "refused",
            Self::Timeout => "timeout",
            Self::Cut => "cut",
            Self::Malformed => "malformed",
            Self::ErrorEvent => "error-event",
            Self::ErrorBody => "error-body",
            Self::ModelNotFound => "model-not-found",
            Self::NotLoaded => "not-loaded",
            Self::Unloaded => "unloaded",
            Self::Crashed => "crashed",
            Self::Unauthorized => "unauthorized",
            Self::Payment => "payment",
            Self::RateLimited => "rate-limited",
            Self::Status => "status",
            Self::ContextOverflow => "context-overflow",
            Self::WrongModel => "wrong-model",
            Self::InvalidRequest => "invalid-request",
        }
    }

    /// Whether the next candidate may be asked after this.
    #[must_use]
    pub fn fails_over(self) -> bool {
        !matches!(self, Self::Ok | Self::InvalidRequest)
    }

    /// What to tell the keeper of local models, where this says something about one.
    #[must_use]
    pub fn trouble(self) -> Option<Trouble> {
        match self {
            Self::Refused => Some(Trouble::Refused),
            Self::Cut => Some(Trouble::Cut),
            Self::Unloaded => Some(Trouble::Unloaded),
            Self::Crashed => Some(Trouble::Crashed),
            Self::NotLoaded | Self::ModelNotFound | Self::WrongModel => Some(Trouble::NotLoaded),
            Self::Timeout | Self::Malformed | Self::ErrorEvent | Self::ErrorBody | Self::Status => Some(Trouble::Other),
            Self::Ok
            | Self::Cold
            | Self::Loading
            | Self::Missing
            | Self::Unreachable
            | Self::LocalOnly
            | Self::Region
            | Self::Api
            | Self::Untranslatable
            | Self::OwnAddress
            | Self::Key
            | Self::CoolingDown
            | Self::ContextWindow
            | Self::ContextOverflow
            | Self::LoadFailed
            | Self::LoadTimeout
            | Self::Unauthorized
            | Self::Payment
            | Self::RateLimited
            | Self::InvalidRequest => None,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
