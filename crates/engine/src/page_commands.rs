//! What the window's pages ask for by name: the editor's questions, the Connect page's and the Settings page's.

use serde_json::Value;

use crate::connect::{self, Connections};
use crate::editor::{self, Editor};
use crate::error::CommandError;
use crate::settings_page::{self, SettingsPage};

/// All of them. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Pages {
    pub(crate) editor: Editor,
    pub(crate) connections: Connections,
    pub(crate) settings: SettingsPage,
}

impl Pages {
    /// What is asked without a body.
    pub(crate) fn reads() -> impl Iterator<Item = &'static str> {
        editor::READS.into_iter().chain(connect::READS).chain(settings_page::READS)
    }

    /// What is asked with one, or changes something.
    pub(crate) fn commands() -> impl Iterator<Item = &'static str> {
        editor::COMMANDS.into_iter().chain(connect::COMMANDS).chain(settings_page::COMMANDS)
    }

    /// Answers one of them.
    pub(crate) async fn ask(&self, name: &str, body: Value) -> Result<Value, CommandError> {
        if connect::READS.contains(&name) || connect::COMMANDS.contains(&name) {
            return self.connections.ask(name, body).await;
        }
        if settings_page::READS.contains(&name) || settings_page::COMMANDS.contains(&name) {
            return self.settings.ask(name, body).await;
        }
        self.editor.ask(name, body).await
    }
}
