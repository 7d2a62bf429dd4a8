//! Our settings as they are in force: loaded, watched and changed, in the way of the model configuration. I/O happens
//! here.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::watch;

use crate::diagnostic::{Diagnostic, Severity, has_error};
use crate::files::{Disk, Files as _};
use crate::home::Environment;
use crate::settings::Settings;
use crate::settings_edit::{self, SettingsEditError};
use crate::settings_read::{closed, read_settings};
use crate::store::StoreError;
use crate::watch::{Source, Watched};

/// The settings in force, and what is wrong with the file.
#[derive(Clone, Debug, PartialEq)]
pub struct SettingsState {
    /// What holds. Where the file has a mistake, what held before; where nothing did, what can be read of it, with
    /// everything hosted switched off if `privacy` cannot be.
    pub settings: Arc<Settings>,
    /// The file, whether it exists or not.
    pub path: PathBuf,
    /// True while the file on the disk has an error.
    pub stale: bool,
    /// What is wrong with the file on the disk.
    pub diagnostics: Vec<Diagnostic>,
}

/// The settings, kept by one task. Cheap to clone; the task ends with the last handle.
#[derive(Clone, Debug)]
pub struct SettingsStore {
    watched: Watched<SettingsState>,
    path: Arc<Path>,
    environment: Arc<Environment>,
}

impl SettingsStore {
    /// Reads the settings and starts watching them. A missing file means that every key has its default, and a mistake
    /// in one is no error here, but in the state. Needs a tokio runtime.
    ///
    /// # Errors
    /// None at present: the form is that of [`crate::ConfigStore::open`].
    pub fn open(path: impl Into<PathBuf>, environment: Environment) -> Result<Self, StoreError> {
        let path = environment.working_folder.join(path.into());
        let own = (Arc::from(path.as_path()), Arc::new(environment.clone()));
        Ok(Self { watched: Watched::open(SettingsSource { path, environment }), path: own.0, environment: own.1 })
    }

    /// What is in force, now and whenever it changes.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Arc<SettingsState>> {
        self.watched.state()
    }

    /// Looks at the file now: what was saved a moment ago is in force when this returns. A mistake has to stay for a
    /// moment all the same, as it may be half of a save.
    pub async fn look(&self) {
        let (path, environment) = (Arc::clone(&self.path), Arc::clone(&self.environment));
        let Ok(now) = tokio::task::spawn_blocking(move || read(&path, &environment)).await else { return };
        if !now.stale && now != **self.watch().borrow() {
            // Where the owner is gone, nobody asks for what is in force.
            let _ = self.watched.run(|| ()).await;
        }
    }

    /// Sets what stands at `keys` in the file as [`settings_edit::edit`] does, or gives it its default again where
    /// `value` is none. What comes of it is in force when this returns.
    ///
    /// # Errors
    /// When the file cannot be read or written, has a mistake, or would have one: then nothing is written.
    pub async fn set(&self, keys: Vec<String>, value: Option<serde_json::Value>) -> Result<(), SettingsEditError> {
        let (path, environment) = (Arc::clone(&self.path), Arc::clone(&self.environment));
        let work = move || {
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            match &value {
                Some(value) => settings_edit::edit(&path, &keys, Some(value), &environment),
                None => settings_edit::reset(&path, &keys, &environment),
            }
        };
        self.watched.run(work).await.map_err(|_| SettingsEditError::Stopping)?
    }
}

/// Reads the settings as they are on the disk now, for `config check` and for commands without an engine.
#[must_use]
pub fn read(path: &Path, environment: &Environment) -> SettingsState {
    let (settings, diagnostics) = match Disk.read(path) {
        Ok(text) => read_settings(path, &text, environment),
        Err(error) if error.kind() == io::ErrorKind::NotFound => (Settings::default(), Vec::new()),
        Err(error) => {
            let diagnostic = Diagnostic {
                severity: Severity::Error,
                code: "unreadable",
                file: path.to_owned(),
                path: String::new(),
                line: 1,
                column: 1,
                message: format!("this file cannot be read: {error}"),
                fix: None,
            };
            (closed(), vec![diagnostic])
        }
    };
    let stale = has_error(&diagnostics);
    SettingsState { settings: Arc::new(settings), path: path.to_owned(), stale, diagnostics }
}

struct SettingsSource {
    path: PathBuf,
    environment: Environment,
}

impl Source for SettingsSource {
    type State = SettingsState;

    fn read(&self, before: Option<&SettingsState>) -> (SettingsState, Vec<PathBuf>) {
        let mut state = read(&self.path, &self.environment);
        if state.stale
            && let Some(before) = before
        {
            state.settings = Arc::clone(&before.settings);
        }
        (state, vec![self.path.clone()])
    }

    fn is_bad(state: &SettingsState) -> bool {
        state.stale
    }
}
