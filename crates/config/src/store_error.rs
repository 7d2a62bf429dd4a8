//! Why a configuration could not be opened or edited, and what comes before any edit.

use std::io;
use std::path::PathBuf;

use pilotlight_wire::ModelRef;

use crate::diagnostic::{Diagnostic, Severity};
use crate::location::ConfigLocation;
use crate::save;
use crate::starting::STARTING;

/// Why a file could not be opened or edited.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Writing is forbidden.
    #[error("{} is not to be written: OPENCLAW_CONFIG_READONLY (or OPENCLAW_NIX_MODE) is set", .path.display())]
    ReadOnly {
        /// The file.
        path: PathBuf,
    },
    /// The file has a mistake that must be mended first, since editing around it would be a guess.
    #[error("{0}")]
    Broken(Box<Diagnostic>),
    /// The value cannot be edited where it stands.
    #[error("{}: {source}", .path.display())]
    Edit {
        /// The file.
        path: PathBuf,
        /// Why.
        source: json5_edit::EditError,
    },
    /// The value stands in several files at once.
    #[error("{path} is put together from several files: change it there by hand")]
    Spread {
        /// The key's path.
        path: String,
    },
    /// The edit would not have made the model the primary; nothing was written.
    #[error("{model} cannot be made the primary: the configuration knows no such model")]
    NotEffective {
        /// The model.
        model: ModelRef,
    },
    /// Somebody else changed the same place. Nothing was written.
    #[error("{} was changed by somebody else in the same place: look at both and choose", .path.display())]
    Conflict {
        /// The file.
        path: PathBuf,
        /// The text that was to be written.
        ours: String,
        /// The text that is there.
        theirs: String,
    },
    /// The file is none of the configuration's.
    #[error("{} is no file of this configuration", .path.display())]
    NotOurs {
        /// The file.
        path: PathBuf,
    },
    /// The history has no such revision, or the beginning of one is that of several.
    #[error("{} revision begins with {revision:?}: the history lists them", if *.several { "more than one" } else { "no kept" })]
    UnknownRevision {
        /// What was asked for.
        revision: String,
        /// Whether it could be several.
        several: bool,
    },
    /// The revision held a key that was moved out of the file since, and is nowhere to be found now.
    #[error(
        "this revision holds a key of {provider}, which was moved out of the file since and cannot be read now: make it \
         readable, or enter it again, and go back then"
    )]
    KeyGone {
        /// Whose key.
        provider: String,
    },
    /// There is no earlier revision.
    #[error("there is nothing to undo")]
    NothingToUndo,
    /// Nothing was undone since the last change.
    #[error("there is nothing to redo")]
    NothingToRedo,
    /// No comments are missing.
    #[error("no comments are missing that could be put back")]
    NothingLost,
    /// Another program of ours holds the history. May be retried.
    #[error("another Pilot Light is writing and does not end ({} is locked): try again", .path.display())]
    Busy {
        /// The lock.
        path: PathBuf,
    },
    /// Somebody else keeps changing the file. May be retried.
    #[error("{} keeps changing: try again", .path.display())]
    KeepsChanging {
        /// The file.
        path: PathBuf,
    },
    /// Without its history nothing is written, since nothing could be taken back.
    #[error(
        "the history in {} cannot be used, and without it no edit is made: {source}. The folder must be yours, and \
         writable",
        .path.display()
    )]
    NoHistory {
        /// The history's folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file system refused.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The task that owns the file is gone, as the program is shutting down.
    #[error("shutting down")]
    Gone,
}

impl StoreError {
    /// Whether the same call may succeed later without anybody's doing.
    #[must_use]
    pub fn may_be_retried(&self) -> bool {
        matches!(self, Self::KeepsChanging { .. } | Self::Busy { .. })
    }
}

/// What must be mended first.
pub(crate) fn broken(location: &ConfigLocation, diagnostics: &[Diagnostic]) -> StoreError {
    let first = diagnostics.iter().find(|diagnostic| diagnostic.severity == Severity::Error).cloned();
    StoreError::Broken(Box::new(first.unwrap_or_else(|| Diagnostic {
        severity: Severity::Error,
        code: "unreadable",
        file: location.path.clone(),
        path: String::new(),
        line: 1,
        column: 1,
        message: "this file cannot be read".to_owned(),
        fix: None,
    })))
}

/// Makes our own configuration file where there is none. OpenClaw's is OpenClaw's to make.
pub(crate) fn create_own(location: &ConfigLocation) -> Result<(), StoreError> {
    if location.openclaw || location.read_only {
        return Ok(());
    }
    match save::create(&location.path, STARTING) {
        Ok(_) => Ok(()),
        Err(source) => Err(StoreError::Io { path: location.path.clone(), source }),
    }
}
