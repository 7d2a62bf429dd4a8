//! Connecting other tools to us: the smallest edit of a tool's own settings that makes its requests come here, and the way
//! back. What stood there before is kept in our folder; disconnecting gives it back where what stands there is still ours.
//! Each tool gets a token of its own, so that one can be taken away without the others. I/O happens here.
//!
//! Must not know: the engine, and whether one runs.

mod draft;
mod format;
mod openclaw;
mod record;
mod tool;
mod write;

use std::io;
use std::path::{Path, PathBuf};

use pilotlight_wire::Secret;
use serde::Serialize;

pub use tool::Tool;

use crate::conceal::Conceal;
use crate::home::{Environment, Home};
use crate::location::ConfigLocation;
use crate::plan::FileChange;
use crate::settings_edit::SettingsEditError;
use crate::store::StoreError;

/// What connecting is to go by.
#[derive(Clone, Copy, Debug)]
pub struct Connector<'a> {
    /// Whose settings, and where.
    pub environment: &'a Environment,
    /// The configuration that is in use: OpenClaw's, where there is one.
    pub location: &'a ConfigLocation,
    /// Our settings, which know the tokens.
    pub settings: &'a Path,
    /// Our address without a path, such as `http://127.0.0.1:11235`.
    pub base: &'a str,
}

/// How a tool stands to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ConnectState {
    /// There is no sign of it on this machine.
    Absent,
    /// It is here, and goes its own way.
    Apart,
    /// Its requests come to us.
    Connected,
    /// It was connected, and something of it is no longer so: the address, the token, or what somebody changed.
    Outdated,
}

/// A tool, and how it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Which.
    pub tool: Tool,
    /// How it stands.
    pub state: ConnectState,
    /// Its settings file, there or not.
    pub file: PathBuf,
    /// Whether there is something to take back.
    pub can_disconnect: bool,
    /// What is worth knowing, such as what keeps its requests from coming.
    pub notes: Vec<String>,
}

/// What connecting or disconnecting changes, or has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The files that change; none where everything is so already.
    pub changes: Vec<FileChange>,
    /// Files that are removed, since they were made for this and hold nothing else.
    pub removed: Vec<PathBuf>,
    /// The same for people, with secrets hidden.
    pub diff: String,
    /// What is worth knowing.
    pub notes: Vec<String>,
}

/// Why a tool was not connected or disconnected. Its files are then as they were.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file is not what it should be, so it cannot be edited without a guess.
    #[error("{} cannot be edited: {reason}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// There is no OpenClaw on this machine.
    #[error("there is no configuration of OpenClaw ({}): run OpenClaw once, or name its file with --config", looked.display())]
    NoOpenClaw {
        /// Where it would be.
        looked: PathBuf,
    },
    /// There is no model behind us.
    #[error("{} names no model that requests could be passed on to: set a chain first (`pilotlight chain set MODEL …`)", path.display())]
    NoChain {
        /// The configuration.
        path: PathBuf,
    },
    /// Nothing is known of a connection.
    #[error("{} was not connected by Pilot Light, so there is nothing to take back", tool.title())]
    NotConnected {
        /// Which.
        tool: Tool,
    },
    /// Somebody else keeps changing the file. May be retried.
    #[error("{} keeps changing: try again", path.display())]
    KeepsChanging {
        /// Which.
        path: PathBuf,
    },
    /// The token cannot be put in our settings, or taken out.
    #[error("the token: {0}")]
    Settings(#[from] SettingsEditError),
    /// OpenClaw's configuration cannot be edited.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No token can be made.
    #[error("no token can be made: {0}")]
    Random(String),
}

impl Connector<'_> {
    /// Every tool, and how it stands. Never fails: what cannot be read is told in the notes.
    #[must_use]
    pub fn list(&self) -> Vec<Standing> {
        Tool::ALL.iter().map(|tool| self.standing(*tool)).collect()
    }

    /// The token that was made for a tool.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn token(&self, tool: Tool) -> Result<Option<Secret>, ConnectError> {
        record::token(&self.home(), tool)
    }

    fn home(&self) -> Home {
        Home::from(self.environment)
    }
}

/// Changes as `diff -u` shows them, with secrets hidden; a changed secret is still seen to have changed.
fn shown(changes: &[FileChange], open: &[String]) -> String {
    let mut conceal = Conceal::default();
    let mut text = String::new();
    for change in changes {
        let name = change.path.display().to_string();
        let format = draft::format_of(&change.path);
        let [before, after] = [&change.before, &change.after].map(|text| match text.is_empty() {
            true => Some(String::new()),
            false => format.concealed(text, open, &mut conceal),
        });
        match (before, after) {
            (Some(before), Some(after)) => text += &json5_edit::unified_diff(&before, &after, &name),
            _ => text += &format!("{name} differs, but one of the two texts has a mistake and is not shown\n"),
        }
    }
    text
}
