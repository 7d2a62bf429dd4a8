//! The model configuration as it is in force: loaded, watched, and edited. I/O happens here.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use pilotlight_wire::ModelRef;
use tokio::sync::watch;

use crate::check::{self, Reading};
use crate::diagnostic::{Diagnostic, Severity};
use crate::edit::make_primary;
use crate::files::{Disk, With};
use crate::home::Environment;
use crate::location::ConfigLocation;
use crate::model::ModelConfiguration;
use crate::save::{self, SaveError};
use crate::starting::STARTING;
use crate::watch::{Source, Watched};

/// The configuration in force, and what is wrong with the file.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfigState {
    /// Where it is.
    pub location: ConfigLocation,
    /// The hash of the bytes in force; empty while there are none.
    pub revision: String,
    /// What holds. Where the file has never been good, an empty one.
    pub in_force: Arc<ModelConfiguration>,
    /// True while the file on the disk has an error, and what is in force is older than it.
    pub stale: bool,
    /// What is wrong with the file on the disk.
    pub diagnostics: Vec<Diagnostic>,
}

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
    #[error("{path} is put together from several files: change the order there by hand")]
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
    /// Somebody else keeps changing the file. May be retried.
    #[error("{} keeps changing: try again", .path.display())]
    KeepsChanging {
        /// The file.
        path: PathBuf,
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
        matches!(self, Self::KeepsChanging { .. })
    }
}

/// An edit that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The file that was changed: an included one where the value stands there.
    pub path: PathBuf,
    /// The key's path in the configuration, such as `agents.defaults.model.primary`, or `agents.defaults.model.fallbacks`
    /// where OpenClaw is connected through us.
    pub key: String,
    /// What was first in the chain, if anything was.
    pub before: Option<ModelRef>,
    /// What is now.
    pub after: ModelRef,
    /// The line of the value; 0 when nothing had to be changed.
    pub line: u32,
}

/// The configuration, kept by one task. Cheap to clone; the task ends with the last handle.
#[derive(Clone, Debug)]
pub struct ConfigStore {
    watched: Watched<ConfigState>,
    location: ConfigLocation,
    environment: Arc<Environment>,
}

impl ConfigStore {
    /// Reads the configuration and starts watching it. Our own file is made, commented, where it is missing; a mistake
    /// in a file is no error here, but in the state. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`StoreError::Io`] when our own file is missing and cannot be made.
    pub fn open(location: ConfigLocation, environment: Environment) -> Result<Self, StoreError> {
        create_own(&location)?;
        let environment = Arc::new(environment);
        let source = ConfigSource { location: location.clone(), environment: Arc::clone(&environment) };
        Ok(Self { watched: Watched::open(source), location, environment })
    }

    /// What is in force, now and whenever it changes. The same bytes are never published twice.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Arc<ConfigState>> {
        self.watched.state()
    }

    /// Makes a model the first of the chain, in the file. The new state is published before this returns.
    ///
    /// # Errors
    /// [`StoreError`]; the file is then as it was.
    pub async fn set_primary(&self, model: &ModelRef) -> Result<Change, StoreError> {
        let (location, environment, model) = (self.location.clone(), Arc::clone(&self.environment), model.clone());
        let work = move || set_primary(&location, &environment, &model);
        self.watched.run(work).await.map_err(|_| StoreError::Gone)?
    }
}

/// Makes a model the first of the chain, in the file: for the command line, with no engine running. Only the characters
/// of that value change. A change by somebody else meanwhile is not lost: the edit is made again on the new text.
///
/// # Errors
/// [`StoreError`]; the file is then as it was.
pub fn set_primary(
    location: &ConfigLocation,
    environment: &Environment,
    model: &ModelRef,
) -> Result<Change, StoreError> {
    if location.read_only {
        return Err(StoreError::ReadOnly { path: location.path.clone() });
    }
    create_own(location)?;
    // Each round starts from the bytes on the disk; a file that changes under this many is being fought over.
    for _ in 0..8 {
        match try_set_primary(location, environment, model) {
            Err(Attempt::Changed) => {}
            Err(Attempt::Failed(error)) => return Err(error),
            Ok(change) => return Ok(change),
        }
    }
    Err(StoreError::KeepsChanging { path: location.path.clone() })
}

enum Attempt {
    Changed,
    Failed(StoreError),
}

impl From<StoreError> for Attempt {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

fn try_set_primary(location: &ConfigLocation, environment: &Environment, model: &ModelRef) -> Result<Change, Attempt> {
    let full = check::read_through(&Disk, location, environment);
    let (Some(tree), Some(configuration)) = (&full.tree, &full.configuration) else {
        return Err(broken(location, &full.reading.diagnostics).into());
    };
    let before = configuration.chain().into_iter().next();
    let edit = make_primary(tree, configuration, model)
        .map_err(|spread| StoreError::Spread { path: spread.path.to_string() })?;
    let Some(edit) = edit else {
        let path = location.path.clone();
        let key = "agents.defaults.model".to_owned();
        return Ok(Change { path, key, before, after: model.clone(), line: 0 });
    };
    let source = &full.sources[edit.file];
    let path = source.path.clone();
    let after = edit.apply(&full.sources).map_err(|error| StoreError::Edit { path: path.clone(), source: error })?;
    // The text is sound; now what the configuration as a whole would mean.
    let with = check::read_through(&With { path: &path, text: after.text() }, location, environment);
    if with.configuration.is_none_or(|configuration| configuration.chain().first() != Some(model)) {
        return Err(StoreError::NotEffective { model: model.clone() }.into());
    }
    match save::replace(&path, source.document.text(), after.text()) {
        Ok(()) => {
            Ok(Change { line: edit.line(&after), path, key: edit.whole.to_string(), before, after: model.clone() })
        }
        Err(SaveError::Changed) => Err(Attempt::Changed),
        Err(SaveError::Io(error)) => Err(StoreError::Io { path, source: error }.into()),
    }
}

fn broken(location: &ConfigLocation, diagnostics: &[Diagnostic]) -> StoreError {
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
fn create_own(location: &ConfigLocation) -> Result<(), StoreError> {
    if location.openclaw || location.read_only {
        return Ok(());
    }
    match save::create(&location.path, STARTING) {
        Ok(_) => Ok(()),
        Err(source) => Err(StoreError::Io { path: location.path.clone(), source }),
    }
}

struct ConfigSource {
    location: ConfigLocation,
    environment: Arc<Environment>,
}

impl Source for ConfigSource {
    type State = ConfigState;

    fn read(&self, before: Option<&ConfigState>) -> (ConfigState, Vec<PathBuf>) {
        let Reading { files, revision, result, diagnostics } = check::read(&self.location, &self.environment);
        let stale = result.is_none();
        let (revision, in_force) = match (result, before) {
            (Some(configuration), _) => (revision, Arc::new(configuration)),
            (None, Some(before)) => (before.revision.clone(), Arc::clone(&before.in_force)),
            (None, None) => (String::new(), Arc::new(ModelConfiguration::default())),
        };
        (ConfigState { location: self.location.clone(), revision, in_force, stale, diagnostics }, files)
    }

    fn is_bad(state: &ConfigState) -> bool {
        state.stale
    }
}
