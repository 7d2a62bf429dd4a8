//! The model configuration as it is in force: loaded, watched, and edited. I/O happens here.

use std::path::PathBuf;
use std::sync::Arc;

use json5_edit::{Edit as ConfigEdit, Lost};
use pilotlight_wire::ModelRef;
use tokio::sync::watch;

use crate::check::{Full, Reading, read_in};
use crate::diagnostic::Diagnostic;
use crate::files::Disk;
use crate::history_log::{LostComments, Who};
use crate::home::Environment;
use crate::location::ConfigLocation;
use crate::model::ModelConfiguration;
use crate::plan::{plan, plan_on, plan_text, plan_text_and_edits};
use crate::rules::Surroundings;
use crate::watch::{Source, Watched};
use crate::write::{self, Revision, Saved, Step};

pub use crate::primary::{Change, plan_primary, set_primary};
pub use crate::store_error::StoreError;
pub(crate) use crate::store_error::{broken, create_own};

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
    /// Whether there is something to undo.
    pub can_undo: bool,
    /// Whether there is something to redo.
    pub can_redo: bool,
    /// Comments that another program dropped when it rewrote the file, and that can be put back.
    pub lost_comments: Option<LostComments>,
}

/// The configuration, kept by one task. Cheap to clone; the task ends with the last handle.
#[derive(Clone, Debug)]
pub struct ConfigStore {
    watched: Watched<ConfigState>,
    location: ConfigLocation,
    environment: Arc<Environment>,
    surroundings: watch::Sender<Arc<Surroundings>>,
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
        let (surroundings, known) = watch::channel(Arc::default());
        let source =
            ConfigSource { location: location.clone(), environment: Arc::clone(&environment), surroundings: known };
        Ok(Self { watched: Watched::open(source), location, environment, surroundings })
    }

    /// What is known beyond the files from now on: the diagnostics follow within a moment. Nothing is written.
    pub fn surround(&self, surroundings: Surroundings) {
        let changed = self.surroundings.send_if_modified(|known| {
            let changed = **known != surroundings;
            *known = Arc::new(surroundings);
            changed
        });
        if changed {
            self.watched.look_again();
        }
    }

    /// What is known beyond the files.
    #[must_use]
    pub fn surroundings(&self) -> Arc<Surroundings> {
        self.surroundings.borrow().clone()
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
        let model = model.clone();
        self.run(move |location, environment| set_primary(location, environment, &model, Who::Editor)).await
    }

    /// Makes edits, by their paths in the whole configuration, each in the file where its value stands. `base` is the
    /// revision that they were made for, where one is known: then they are made only where the same still stands. As
    /// with every edit here, the new state is published before this returns.
    ///
    /// # Errors
    /// [`StoreError`]; the files are then as they were.
    pub async fn apply(
        &self,
        edits: Vec<ConfigEdit>,
        label: impl Into<String>,
        base: Option<String>,
    ) -> Result<Saved, StoreError> {
        let label = label.into();
        self.run(move |location, environment| {
            let plan = match &base {
                Some(base) => plan_on(location, environment, base, &edits)?,
                None => plan(location, environment, &edits)?,
            };
            write::commit(location, environment, &plan, Who::Editor, &label)
        })
        .await
    }

    /// Gives one of the files a new text, made from the configuration at revision `base`. A change by somebody else
    /// since then is kept where it is in another place.
    ///
    /// # Errors
    /// [`StoreError`]; the files are then as they were.
    pub async fn replace_text(
        &self,
        file: PathBuf,
        text: String,
        label: impl Into<String>,
        base: Option<String>,
    ) -> Result<Saved, StoreError> {
        let label = label.into();
        self.run(move |location, environment| {
            let plan = plan_text(location, environment, &file, &text, base.as_deref())?;
            write::commit(location, environment, &plan, Who::Editor, &label)
        })
        .await
    }

    /// The same, with edits made on the new text.
    ///
    /// # Errors
    /// [`StoreError`]; the files are then as they were.
    pub async fn replace_text_and_edit(
        &self,
        file: PathBuf,
        text: String,
        edits: Vec<ConfigEdit>,
        label: impl Into<String>,
        base: Option<String>,
    ) -> Result<Saved, StoreError> {
        let label = label.into();
        self.run(move |location, environment| {
            let plan = plan_text_and_edits(location, environment, &file, &text, &edits, base.as_deref())?;
            write::commit(location, environment, &plan, Who::Editor, &label)
        })
        .await
    }

    /// Takes the last change back, to the byte.
    ///
    /// # Errors
    /// [`StoreError`]; the files are then as they were.
    pub async fn undo(&self) -> Result<Saved, StoreError> {
        self.go(Step::Undo).await
    }

    /// Makes what was undone last again.
    ///
    /// # Errors
    /// [`StoreError`]; the files are then as they were.
    pub async fn redo(&self) -> Result<Saved, StoreError> {
        self.go(Step::Redo).await
    }

    /// Goes back to a revision of the history, which is itself a change that can be undone.
    ///
    /// # Errors
    /// [`StoreError`]; the files are then as they were.
    pub async fn restore(&self, revision: impl Into<String>) -> Result<Saved, StoreError> {
        self.go(Step::To(revision.into())).await
    }

    /// Puts back the comments that another program dropped; also gives those whose place is gone.
    ///
    /// # Errors
    /// [`StoreError`]; the files are then as they were.
    pub async fn restore_comments(&self) -> Result<(Saved, Vec<Lost>), StoreError> {
        self.run(|location, environment| write::restore_comments(location, environment, Who::Editor)).await
    }

    /// Offers the comments that another program dropped no longer, until others are dropped.
    ///
    /// # Errors
    /// [`StoreError::NothingLost`], and [`StoreError::Io`] when the history cannot be written.
    pub async fn dismiss_lost_comments(&self) -> Result<(), StoreError> {
        self.run(write::dismiss_lost_comments).await
    }

    /// The revisions that can be gone back to, the newest first.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the history cannot be read.
    pub async fn history(&self) -> Result<Vec<Revision>, StoreError> {
        self.run(write::history).await
    }

    /// Where the configuration is.
    #[must_use]
    pub fn location(&self) -> &ConfigLocation {
        &self.location
    }

    async fn go(&self, step: Step) -> Result<Saved, StoreError> {
        self.run(move |location, environment| write::go(location, environment, &step, Who::Editor)).await
    }

    async fn run<R: Send + 'static>(
        &self,
        work: impl FnOnce(&ConfigLocation, &Environment) -> Result<R, StoreError> + Send + 'static,
    ) -> Result<R, StoreError> {
        let (location, environment) = (self.location.clone(), Arc::clone(&self.environment));
        self.watched.run(move || work(&location, &environment)).await.map_err(|_| StoreError::Gone)?
    }
}

struct ConfigSource {
    location: ConfigLocation,
    environment: Arc<Environment>,
    surroundings: watch::Receiver<Arc<Surroundings>>,
}

impl ConfigSource {
    /// Records what somebody else did. A history that cannot be kept is no reason not to serve.
    fn standing(&self, full: &Full) -> write::Standing {
        write::see(&self.location, &self.environment, full).unwrap_or_else(|error| {
            tracing::warn!(%error, "the configuration's history cannot be kept");
            write::Standing::default()
        })
    }
}

impl Source for ConfigSource {
    type State = ConfigState;

    fn read(&self, before: Option<&ConfigState>) -> (ConfigState, Vec<PathBuf>) {
        let surroundings = self.surroundings.borrow().clone();
        let full = read_in(&Disk, &self.location, &self.environment, &surroundings);
        let standing = self.standing(&full);
        let Reading { files, revision, result, diagnostics } = full.reading;
        let stale = result.is_none();
        let (revision, in_force) = match (result, before) {
            (Some(configuration), _) => (revision, Arc::new(configuration)),
            (None, Some(before)) => (before.revision.clone(), Arc::clone(&before.in_force)),
            (None, None) => (String::new(), Arc::new(ModelConfiguration::default())),
        };
        let write::Standing { can_undo, can_redo, lost_comments } = standing;
        let location = self.location.clone();
        let state = ConfigState { location, revision, in_force, stale, diagnostics, can_undo, can_redo, lost_comments };
        (state, files)
    }

    fn is_bad(state: &ConfigState) -> bool {
        state.stale
    }
}
