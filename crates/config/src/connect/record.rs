//! The way back: what stood in a tool's files before it was connected, kept in our folder until it is disconnected. It may
//! hold keys, so only its owner may read it. I/O happens here.

use std::io;
use std::path::{Path, PathBuf};

use pilotlight_wire::Secret;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::format::Keys;
use super::{ConnectError, Tool};
use crate::home::Home;
use crate::keys::write_privately;

/// What is needed to disconnect a tool.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    /// The name of its token in the settings.
    pub token: String,
    /// The address it was given.
    pub base: String,
    /// The files that were changed.
    pub files: Vec<FileRecord>,
    /// OpenClaw's `agents.defaults.model`, before and after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<(Option<Value>, Value)>,
    /// Whether our model was added to OpenClaw's `modelPolicy.allow`.
    #[serde(default)]
    pub allowed: bool,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct FileRecord {
    pub path: PathBuf,
    /// Whether it was made.
    pub made: bool,
    /// Its rights before they were narrowed, as on Unix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<u32>,
    /// Its text before and after; none where somebody changed it between the two times that it was connected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exact: Option<(String, String)>,
    /// The values that were set.
    pub values: Vec<ValueRecord>,
    /// Objects that were made for them.
    #[serde(default)]
    pub parents: Vec<Keys>,
}

/// One value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct ValueRecord {
    pub keys: Keys,
    /// None where there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    pub after: Value,
}

fn folder(home: &Home) -> PathBuf {
    home.folder().join("connect")
}

fn record_file(home: &Home, tool: Tool) -> PathBuf {
    folder(home).join(format!("{}.json", tool.id()))
}

/// Where a tool's token is kept.
pub(super) fn token_file(home: &Home, tool: Tool) -> PathBuf {
    folder(home).join(format!("{}.token", tool.id()))
}

impl Record {
    /// That of a tool; none where it is not connected.
    pub(super) fn of(home: &Home, tool: Tool) -> Result<Option<Self>, ConnectError> {
        let path = record_file(home, tool);
        let Some(text) = read(&path)? else { return Ok(None) };
        // The parser's words could repeat a part of a key.
        serde_json::from_str(&text).map(Some).map_err(|error| ConnectError::Unreadable {
            reason: format!("line {} is not what was written there: move the file away", error.line()),
            path,
        })
    }

    pub(super) fn save(&self, home: &Home, tool: Tool) -> Result<(), ConnectError> {
        let path = record_file(home, tool);
        let text = serde_json::to_string_pretty(self).map_err(io::Error::other);
        text.and_then(|text| write_privately(&path, &(text + "\n"))).map_err(failed(&path))
    }

    pub(super) fn forget(home: &Home, tool: Tool) -> Result<(), ConnectError> {
        let path = record_file(home, tool);
        removed(&path)
    }

    /// What is known of a file.
    pub(super) fn file(&self, path: &Path) -> Option<&FileRecord> {
        self.files.iter().find(|file| file.path == path)
    }
}

/// The token that was made for a tool.
pub(super) fn token(home: &Home, tool: Tool) -> Result<Option<Secret>, ConnectError> {
    Ok(read(&token_file(home, tool))?.map(|text| Secret::new(text.trim())).filter(|token| !token.expose().is_empty()))
}

/// Keeps a tool's token, without a line's end, since OpenClaw takes the file as it is.
pub(super) fn keep_token(home: &Home, tool: Tool, token: &Secret) -> Result<(), ConnectError> {
    let path = token_file(home, tool);
    write_privately(&path, token.expose()).map_err(failed(&path))
}

pub(super) fn forget_token(home: &Home, tool: Tool) -> Result<(), ConnectError> {
    removed(&token_file(home, tool))
}

fn removed(path: &Path) -> Result<(), ConnectError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(path)(error)),
        _ => Ok(()),
    }
}

/// A file's text; none where there is no file.
pub(super) fn read(path: &Path) -> Result<Option<String>, ConnectError> {
    use crate::files::{Disk, Files as _};
    match Disk.read(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(path)(error)),
    }
}

/// The error of a file.
pub(super) fn failed(path: &Path) -> impl FnOnce(io::Error) -> ConnectError {
    let path = path.to_owned();
    move |source| ConnectError::Io { path, source }
}
