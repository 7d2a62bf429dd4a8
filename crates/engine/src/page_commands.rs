//! What the window's pages ask for by name: the editor's questions, and the Connect page's.

use serde_json::Value;

use crate::connect::{self, Connections};
use crate::editor::{self, Editor};
use crate::error::CommandError;

/// Both. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Pages {
    pub(crate) editor: Editor,
    pub(crate) connections: Connections,
}

impl Pages {
    /// What is asked without a body.
    pub(crate) fn reads() -> impl Iterator<Item = &'static str> {
        editor::READS.into_iter().chain(connect::READS)
    }

    /// What is asked with one, or changes something.
    pub(crate) fn commands() -> impl Iterator<Item = &'static str> {
        editor::COMMANDS.into_iter().chain(connect::COMMANDS)
    }

    /// Answers one of them.
    pub(crate) async fn ask(&self, name: &str, body: Value) -> Result<Value, CommandError> {
        if connect::READS.contains(&name) || connect::COMMANDS.contains(&name) {
            return self.connections.ask(name, body).await;
        }
        self.editor.ask(name, body).await
    }
}
