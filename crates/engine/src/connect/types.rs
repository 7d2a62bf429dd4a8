//! What the Connect page is given and sends. No secret is in it: what is shown of files has them hidden.

use pilotlight_config::connect::{Outcome, Standing};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// How a tool stands to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum ToolState {
    /// There is no sign of it on this machine.
    Absent,
    /// It is here, and goes its own way.
    Apart,
    /// Its requests come to us.
    Connected,
    /// It was connected, and something of it is no longer so.
    Outdated,
}

/// A tool that can be connected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ToolView {
    /// Its name on the command line.
    pub tool: String,
    /// Its name for people.
    pub title: String,
    /// How it stands.
    pub state: ToolState,
    /// Its settings file, there or not.
    pub file: String,
    /// Whether there is something to take back.
    pub can_disconnect: bool,
    /// What is worth knowing.
    pub notes: Vec<String>,
}

/// Which tool, and which way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ConnectRequest {
    /// Its name on the command line.
    pub tool: String,
    /// True to take the connection back.
    #[serde(default)]
    pub disconnect: bool,
}

/// What is written, or would be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ConnectOutcome {
    /// The files that change; none where everything is so already.
    pub files: Vec<String>,
    /// Those of them that are removed.
    pub removed: Vec<String>,
    /// As `diff -u` shows it, with secrets hidden.
    pub diff: String,
    /// What is worth knowing.
    pub notes: Vec<String>,
}

/// What came of one small request, sent as a connected tool sends its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Verification {
    /// Whether there was an answer.
    pub ok: bool,
    /// The ref of the model that answered.
    pub model: Option<String>,
    /// How long it took.
    #[ts(type = "number")]
    pub milliseconds: u64,
    /// Why there was none.
    pub message: Option<String>,
}

impl From<Standing> for ToolView {
    fn from(standing: Standing) -> Self {
        use pilotlight_config::connect::ConnectState;
        Self {
            tool: standing.tool.id().to_owned(),
            title: standing.tool.title().to_owned(),
            state: match standing.state {
                ConnectState::Absent => ToolState::Absent,
                ConnectState::Apart => ToolState::Apart,
                ConnectState::Connected => ToolState::Connected,
                ConnectState::Outdated => ToolState::Outdated,
            },
            file: standing.file.display().to_string(),
            can_disconnect: standing.can_disconnect,
            notes: standing.notes,
        }
    }
}

impl From<Outcome> for ConnectOutcome {
    fn from(outcome: Outcome) -> Self {
        Self {
            files: outcome.changes.iter().map(|change| change.path.display().to_string()).collect(),
            removed: outcome.removed.iter().map(|path| path.display().to_string()).collect(),
            diff: outcome.diff,
            notes: outcome.notes,
        }
    }
}
