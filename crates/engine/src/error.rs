//! What can go wrong with the engine as a whole, and with one command.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::editor::types::ConflictingFile;

/// Why the engine could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another process listens there.
    #[error(
        "{address} is in use by another program: stop that one, or give another address with --listen or `listen` in {settings}"
    )]
    AddressInUse {
        /// The address asked for.
        address: SocketAddr,
        /// Our settings file.
        settings: String,
    },
    /// Another engine works with the same folder.
    #[error("Pilot Light is already running (process {pid}, {endpoint})")]
    AlreadyRunning {
        /// Its process id.
        pid: u32,
        /// Its endpoint.
        endpoint: String,
    },
    /// An address beyond this machine without a token.
    #[error(
        "{address} can be reached from other machines, and the settings ask for no token: remove `token: null` from {settings}, or listen on 127.0.0.1"
    )]
    OpenToOthers {
        /// The address asked for.
        address: SocketAddr,
        /// Our settings file.
        settings: String,
    },
    /// The settings, the configuration, the token or the ledger could not be opened.
    #[error("{what}: {source}")]
    Open {
        /// Which, and where it is.
        what: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Why a command was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, thiserror::Error)]
#[error("{message}")]
pub struct CommandError {
    /// A stable name, such as `unknown-model`.
    pub code: String,
    /// What, and what to do.
    pub message: String,
    /// More of it, for some codes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub details: Option<Box<ErrorDetails>>,
}

/// What belongs to an error of the code `conflict`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct ErrorDetails {
    /// The files that changed meanwhile in the same place.
    pub files: Vec<ConflictingFile>,
}

impl CommandError {
    /// An error with a code and a message.
    #[must_use]
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), details: None }
    }
}
