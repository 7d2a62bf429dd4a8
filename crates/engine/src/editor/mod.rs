//! The engine's side of the Models page: the configuration as an editor has it, drafts, tests of a provider.
//!
//! Whatever leaves here has masks for secrets (`mask`), and whatever comes in has them taken off again. What a draft
//! would mean is found by the same code that checks the files. Writing is the store's.
//!
//! Must not know: HTTP, Tauri, how a page looks.

mod draft;
mod keys;
mod mask;
pub mod probe;
mod providers;
mod show;
pub mod types;

use std::sync::Arc;

use pilotlight_config::settings_store::SettingsState;
use pilotlight_config::store::{ConfigStore, StoreError};
use pilotlight_config::{Environment, Settings};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::watch;

use crate::error::{CommandError, ErrorDetails};
use crate::state::AppState;
use mask::{Masks, UnknownMask};
use types::{ConflictingFile, HistoryEntry, RestoreRequest, Saved};

/// The names of what can be asked; each is also a path below `/pilotlight`.
pub(crate) const READS: [&str; 3] = ["config", "config/history", "config/live"];
/// Those that change something, or are asked with a body.
pub(crate) const COMMANDS: [&str; 10] = [
    "config/preview",
    "config/save",
    "config/undo",
    "config/redo",
    "config/restore",
    "config/restore-comments",
    "config/dismiss-comments",
    "provider/test",
    "provider/models",
    "provider/key",
];

/// The editor's commands. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Editor {
    store: ConfigStore,
    environment: Arc<Environment>,
    settings: watch::Receiver<Arc<SettingsState>>,
    states: watch::Receiver<Arc<AppState>>,
    masks: Arc<Masks>,
}

impl Editor {
    pub(crate) fn new(
        store: ConfigStore,
        environment: Environment,
        settings: watch::Receiver<Arc<SettingsState>>,
        states: watch::Receiver<Arc<AppState>>,
    ) -> Self {
        Self { store, environment: Arc::new(environment), settings, states, masks: Arc::new(Masks::new()) }
    }

    /// Does what one of [`READS`] or [`COMMANDS`] says. `body` is what [`types`] has for it.
    pub(crate) async fn ask(&self, name: &str, body: Value) -> Result<Value, CommandError> {
        match name {
            "config" => written(&self.blocking(|editor| Ok(editor.document())).await?),
            "config/preview" => {
                let draft = read(body)?;
                written(&self.blocking(move |editor| editor.preview(&draft)).await?)
            }
            "config/save" => written(&self.save(read(body)?).await?),
            "config/undo" => written(&self.saved(self.store.undo().await)?),
            "config/redo" => written(&self.saved(self.store.redo().await)?),
            "config/restore" => {
                let RestoreRequest { revision } = read(body)?;
                written(&self.saved(self.store.restore(revision).await)?)
            }
            "config/restore-comments" => {
                written(&self.saved(self.store.restore_comments().await.map(|(saved, _)| saved))?)
            }
            "config/dismiss-comments" => {
                written(&self.store.dismiss_lost_comments().await.map_err(|error| self.refused(&error))?)
            }
            "config/live" => written(&self.live()),
            "config/history" => written(&self.history().await?),
            "provider/test" => {
                let target = self.target(read(body)?).await?;
                written(&probe::test(&target).await)
            }
            "provider/models" => {
                let target = self.target(read(body)?).await?;
                let models = probe::fetch(&target).await;
                written(&models.map_err(|error| CommandError::new("no-listing", error.to_string()))?)
            }
            "provider/key" => written(&self.keep_key(read(body)?).await?),
            other => Err(CommandError::new("unknown-command", format!("there is no {other}"))),
        }
    }

    async fn history(&self) -> Result<Vec<HistoryEntry>, CommandError> {
        let revisions = self.store.history().await.map_err(|error| self.refused(&error))?;
        let entry = |revision: pilotlight_config::Revision| HistoryEntry {
            revision: revision.revision,
            at: revision.at,
            who: show::who(revision.who).to_owned(),
            label: revision.label,
            current: revision.current,
        };
        Ok(revisions.into_iter().map(entry).collect())
    }

    /// Files are read on a thread where that may take a while.
    async fn blocking<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<R, CommandError> + Send + 'static,
    ) -> Result<R, CommandError> {
        let editor = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&editor)).await;
        done.map_err(|error| CommandError::new("failed", format!("the editor failed: {error}; please report it")))?
    }

    fn settings(&self) -> Arc<Settings> {
        self.settings.borrow().settings.clone()
    }

    fn saved(&self, result: Result<pilotlight_config::Saved, StoreError>) -> Result<Saved, CommandError> {
        match result {
            Ok(saved) => Ok(Saved { revision: saved.revision }),
            Err(error) => Err(self.refused(&error)),
        }
    }

    /// An error of the store, without secrets.
    fn refused(&self, error: &StoreError) -> CommandError {
        let code = match error {
            StoreError::ReadOnly { .. } => "read-only",
            StoreError::Broken(_) => "broken",
            StoreError::Edit { source: json5_edit::EditError::Conflict(_), .. } | StoreError::Conflict { .. } => {
                "conflict"
            }
            StoreError::Edit { .. } => "edit",
            StoreError::Spread { .. } => "spread",
            StoreError::NotOurs { .. } => "unknown-file",
            StoreError::UnknownRevision { .. } => "unknown-revision",
            StoreError::NothingToUndo | StoreError::NothingToRedo | StoreError::NothingLost => "nothing-to-do",
            StoreError::Busy { .. } | StoreError::KeepsChanging { .. } => "busy",
            _ => "configuration",
        };
        let shown = self.show(&self.read(&[]), &[]);
        let message = shown.concealed.message(&error.to_string());
        let details = match error {
            StoreError::Conflict { path, ours, theirs } => {
                let path = path.display().to_string();
                let texts = [ours, theirs].map(|text| (path.clone(), text.clone()));
                let mut masked = self.show(&self.read(&[]), &texts).others(texts.len()).into_iter();
                let (ours, theirs) = (masked.next().unwrap_or_default(), masked.next().unwrap_or_default());
                Some(Box::new(ErrorDetails { files: vec![ConflictingFile { path, ours, theirs }] }))
            }
            _ => None,
        };
        CommandError { details, ..CommandError::new(code, message) }
    }
}

pub(crate) fn read<T: DeserializeOwned>(body: Value) -> Result<T, CommandError> {
    // What serde says may repeat part of the body, which may be a key.
    serde_json::from_value(body).map_err(|error| {
        let words = error.to_string();
        let told = ["missing field", "unknown variant"].iter().any(|known| words.starts_with(known));
        let words = if told { words } else { "it has another form than what is asked for here".to_owned() };
        CommandError::new("bad-request", format!("this request cannot be read: {words}"))
    })
}

pub(crate) fn written<T: Serialize>(value: &T) -> Result<Value, CommandError> {
    serde_json::to_value(value)
        .map_err(|error| CommandError::new("failed", format!("no answer could be written: {error}")))
}

impl From<UnknownMask> for CommandError {
    fn from(unknown: UnknownMask) -> Self {
        Self::new("unknown-mask", unknown.message())
    }
}
