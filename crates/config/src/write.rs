//! Writes what was planned, and records it. One at a time: whoever writes holds the history's lock.
//!
//! The order makes a crash harmless. First the new texts are kept and the index says what is about to happen; then each
//! file is replaced whole; then the index says that it happened. Whatever moment a crash picks, each file is the old
//! one or the new one, and the next who opens the history sees by the bytes which. Where it was to be several files and
//! only some are new, the next who opens the history finishes that first.

use std::cell::OnceCell;
use std::path::PathBuf;

use json5_edit::Lost;
use pilotlight_wire::Secret;

use crate::check::{Full, read_through};
use crate::files::{Disk, Files as _};
use crate::history::{Entry, History, by_prefix};
use crate::history_keys::Keys;
use crate::history_log::{KEPT, Log, LostComments, Snapshot, Who};
use crate::home::{Environment, Home};
use crate::keys::{KeptIn, look_up};
use crate::location::ConfigLocation;
use crate::lost;
use crate::model::ModelConfiguration;
use crate::plan::{FileChange, Plan, plan_exact};
use crate::save::{self, SaveError};
use crate::store::{StoreError, create_own};

/// How often a write is made again because somebody else was quicker.
const ATTEMPTS: usize = 8;

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// The configuration's revision now.
    pub revision: String,
    /// The files that changed; none where everything was as it was to be already.
    pub changes: Vec<FileChange>,
    /// What was done; of an undo, what was undone.
    pub label: String,
}

/// A revision of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// The hash of the configuration's bytes.
    pub revision: String,
    /// When it was recorded, in milliseconds since 1970.
    pub at: u64,
    /// Who wrote it.
    pub who: Who,
    /// What was done.
    pub label: String,
    /// Whether the configuration is at it now.
    pub current: bool,
}

/// A way through the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Back by one change.
    Undo,
    /// Forward again.
    Redo,
    /// To the revision that begins like this.
    To(String),
}

/// What the history offers now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Whether there is something to undo.
    pub can_undo: bool,
    /// Whether there is something to redo.
    pub can_redo: bool,
    /// Comments that another program dropped.
    pub lost_comments: Option<LostComments>,
}

/// Writes what was planned. Where the files have changed meanwhile, it is planned again on what they are now.
///
/// # Errors
/// [`StoreError`]; [`StoreError::Conflict`] where the change by somebody else is in the same place. The files are then
/// as they were.
pub fn commit(
    location: &ConfigLocation,
    environment: &Environment,
    plan: &Plan,
    who: Who,
    label: &str,
) -> Result<Saved, StoreError> {
    let mut session = Session::begin(location, environment)?;
    for _ in 0..ATTEMPTS {
        let now = session.look()?;
        let fitted = if now.reading.revision == plan.base {
            plan.clone()
        } else {
            match plan.again(location, environment)? {
                Some(fitted) => fitted,
                None => return Err(StoreError::KeepsChanging { path: location.path.clone() }),
            }
        };
        match session.write(&fitted, who, label) {
            Err(Attempt::Changed) => {}
            Err(Attempt::Failed(error)) => return Err(error),
            Ok(()) => {
                let revision = fitted.after.reading.revision;
                return Ok(Saved { revision, changes: fitted.changes, label: label.to_owned() });
            }
        }
    }
    Err(StoreError::KeepsChanging { path: location.path.clone() })
}

/// What going through the history would change, and what it is called.
///
/// # Errors
/// [`StoreError::NothingToUndo`] and the like.
pub fn plan_step(
    location: &ConfigLocation,
    environment: &Environment,
    step: &Step,
) -> Result<(Plan, String), StoreError> {
    let histories = Home::from(environment).history();
    if !History::exists(&histories, location) {
        return Err(step.impossible());
    }
    let history = opened(location, environment)?;
    let revision = revision(location, environment);
    let (target, label) = step.target(&history.log, &revision)?;
    Ok((plan_exact(location, environment, history.texts(target, &keys(location, environment))?), label))
}

/// Goes through the history: the files get exactly the bytes that they had.
///
/// # Errors
/// [`StoreError`]; the files are then as they were.
pub fn go(location: &ConfigLocation, environment: &Environment, step: &Step, who: Who) -> Result<Saved, StoreError> {
    let mut session = Session::begin(location, environment)?;
    for _ in 0..ATTEMPTS {
        let now = session.look()?;
        let (target, label) = step.target(&session.history.log, &now.reading.revision)?;
        let to = target.id;
        let texts = session.history.texts(target, &keys(location, environment))?;
        let plan = plan_exact(location, environment, texts);
        if plan.base != now.reading.revision {
            continue;
        }
        let written = match step {
            Step::To(_) => session.write(&plan, who, &label),
            Step::Undo | Step::Redo => {
                session.history.begin_move(to).map_err(Attempt::from).and_then(|id| session.put(&plan, id))
            }
        };
        match written {
            Err(Attempt::Changed) => {}
            Err(Attempt::Failed(error)) => return Err(error),
            Ok(()) => return Ok(Saved { revision: plan.after.reading.revision, changes: plan.changes, label }),
        }
    }
    Err(StoreError::KeepsChanging { path: location.path.clone() })
}

/// Puts back the comments that another program dropped, at the places that still exist. Also gives those that found none.
///
/// # Errors
/// [`StoreError::NothingLost`] and others; the files are then as they were.
pub fn restore_comments(
    location: &ConfigLocation,
    environment: &Environment,
    who: Who,
) -> Result<(Saved, Vec<Lost>), StoreError> {
    let mut session = Session::begin(location, environment)?;
    for _ in 0..ATTEMPTS {
        let now = session.look()?;
        let lost = session.history.log.current().and_then(|current| current.lost.clone());
        let lost = lost.ok_or(StoreError::NothingLost)?;
        let had =
            session.history.texts(by_prefix(&session.history.log, &lost.revision)?, &keys(location, environment))?;
        let mut homeless = Vec::new();
        let mut texts = Vec::new();
        for (path, old) in &had {
            let Some((_, text)) = now.texts.iter().find(|(known, _)| known == path) else { continue };
            if let Some((text, gone)) = lost::restored(old, text) {
                texts.push((path.clone(), text));
                homeless.extend(gone);
            }
        }
        let plan = plan_exact(location, environment, texts);
        if plan.base != now.reading.revision {
            continue;
        }
        let label = format!("{} comments put back", lost.count);
        match session.write(&plan, who, &label) {
            Err(Attempt::Changed) => {}
            Err(Attempt::Failed(error)) => return Err(error),
            Ok(()) => {
                let saved = Saved { revision: plan.after.reading.revision, changes: plan.changes, label };
                return Ok((saved, homeless));
            }
        }
    }
    Err(StoreError::KeepsChanging { path: location.path.clone() })
}

/// Offers the comments that another program dropped no longer, until others are dropped. The files are not touched.
///
/// # Errors
/// [`StoreError::NothingLost`], and [`StoreError::Io`] when the history cannot be written.
pub fn dismiss_lost_comments(location: &ConfigLocation, environment: &Environment) -> Result<(), StoreError> {
    if !History::exists(&Home::from(environment).history(), location) {
        return Err(StoreError::NothingLost);
    }
    let mut history = opened(location, environment)?;
    let current = history.log.current().filter(|current| current.lost.is_some());
    let id = current.ok_or(StoreError::NothingLost)?.id;
    history.dismiss(id)
}

/// The revisions that can be gone back to, the newest first. Where the files were changed by somebody else since the
/// last one was recorded, none is the current one.
///
/// # Errors
/// [`StoreError::Io`] when the history cannot be read.
pub fn history(location: &ConfigLocation, environment: &Environment) -> Result<Vec<Revision>, StoreError> {
    let histories = Home::from(environment).history();
    if !History::exists(&histories, location) {
        return Ok(Vec::new());
    }
    let history = opened(location, environment)?;
    let revision = revision(location, environment);
    let log = &history.log;
    let list = log.snapshots.iter().rev().take(KEPT).map(|snapshot| Revision {
        revision: snapshot.revision.clone(),
        at: snapshot.at,
        who: snapshot.who,
        label: snapshot.label.clone(),
        current: log.now == Some(snapshot.id) && snapshot.revision == revision,
    });
    Ok(list.collect())
}

/// What has changed since a revision of the history, or, where none is named, by the last change.
///
/// # Errors
/// [`StoreError::UnknownRevision`], or [`StoreError::NothingToUndo`] when there is no change.
pub fn difference(
    location: &ConfigLocation,
    environment: &Environment,
    since: Option<&str>,
) -> Result<Vec<FileChange>, StoreError> {
    let step = since.map_or(Step::Undo, |revision| Step::To(revision.to_owned()));
    let (plan, _) = plan_step(location, environment, &step)?;
    let turned = plan.changes.into_iter().map(|change| FileChange {
        revision: crate::history::hash(change.after.as_bytes()),
        path: change.path,
        before: change.after,
        after: change.before,
    });
    Ok(turned.collect())
}

/// Records the configuration if somebody else has changed it, and says what the history offers.
pub(crate) fn see(location: &ConfigLocation, environment: &Environment, full: &Full) -> Result<Standing, StoreError> {
    let histories = Home::from(environment).history();
    let mut history = History::unsettled(&histories, location)?;
    let finished = !location.read_only && finish(&history, &keys(location, environment))?;
    // Somebody may have written while the lock was waited for. What was read before that is no news any longer, and what
    // they wrote is read in a moment, as is what was just finished.
    let stale = finished || !is_still_there(full);
    history.settle(&if stale { revision(location, environment) } else { full.reading.revision.clone() })?;
    // What is half written or broken is none of the revisions that anybody wants back.
    if full.tree.is_some() && !stale {
        record(&mut history, full)?;
    }
    let revision = &full.reading.revision;
    let current = history.log.current().filter(|current| current.revision == *revision);
    Ok(Standing {
        can_undo: history.log.before(revision).is_some(),
        can_redo: history.log.after(revision).is_some(),
        lost_comments: current.and_then(|current| current.lost.clone()),
    })
}

/// A provider's key as it is now, wherever it lives: as the configuration has it, and in the places that are ours. The
/// files are read only when a text has a mark for a key.
pub(crate) fn keys<'a>(
    location: &'a ConfigLocation,
    environment: &'a Environment,
) -> impl Fn(&str) -> Vec<Secret> + 'a {
    let configuration = OnceCell::new();
    move |provider| {
        let configuration: &Option<ModelConfiguration> =
            configuration.get_or_init(|| read_through(&Disk, location, environment).into_configuration());
        let configured = configuration.as_ref().and_then(|configuration| configuration.provider(provider));
        let configured = configured.and_then(|provider| provider.key.as_ref()?.secret().cloned());
        let home = Home::from(environment);
        let kept = look_up(&home, KeptIn::PrivateFile, provider).ok();
        let known: Vec<Secret> = configured.into_iter().chain(kept).collect();
        // The keychain may ask its owner to unlock it.
        if known.is_empty() { look_up(&home, KeptIn::Keychain, provider).into_iter().collect() } else { known }
    }
}

fn revision(location: &ConfigLocation, environment: &Environment) -> String {
    read_through(&Disk, location, environment).reading.revision
}

/// Whether the files hold what was read of them.
fn is_still_there(full: &Full) -> bool {
    full.texts.iter().all(|(path, text)| Disk.read(path).is_ok_and(|now| now == *text))
}

fn record(history: &mut History, full: &Full) -> Result<(), StoreError> {
    let revision = &full.reading.revision;
    let current = history.log.current();
    if full.texts.is_empty() || current.is_some_and(|current| current.revision == *revision) {
        return Ok(());
    }
    let label = if current.is_some() { "changed by another program or by hand" } else { "as it was found" };
    let lost = lost_now(history, &full.texts, Who::External)?;
    history.record(Entry { revision, who: Who::External, label, files: &full.texts, lost })
}

/// The comments that are missing in these texts: dropped just now by another program, or earlier and not put back.
fn lost_now(history: &History, texts: &[(PathBuf, String)], who: Who) -> Result<Option<LostComments>, StoreError> {
    let Some(current) = history.log.current() else { return Ok(None) };
    let count = |snapshot: &Snapshot, missing: fn(&str, &str) -> usize| -> Result<usize, StoreError> {
        // What matters here are comments.
        let old = history.marked_texts(snapshot)?;
        let pairs = old
            .iter()
            .filter_map(|(path, old)| texts.iter().find(|(known, _)| known == path).map(|(_, new)| missing(old, new)));
        Ok(pairs.sum())
    };
    if who == Who::External {
        let dropped = count(current, lost::dropped)?;
        if dropped > 0 {
            return Ok(Some(LostComments { count: dropped, revision: current.revision.clone() }));
        }
    }
    let Some(before) = &current.lost else { return Ok(None) };
    // The revision that has them may have become too old to be kept.
    let Ok(snapshot) = by_prefix(&history.log, &before.revision) else { return Ok(None) };
    let left = count(snapshot, lost::restorable)?;
    Ok((left > 0).then(|| LostComments { count: left, revision: before.revision.clone() }))
}

/// The history, with what a crash broke off finished and settled.
pub(crate) fn opened(location: &ConfigLocation, environment: &Environment) -> Result<History, StoreError> {
    let mut history = History::unsettled(&Home::from(environment).history(), location)?;
    if !location.read_only {
        finish(&history, &keys(location, environment))?;
    }
    history.settle(&revision(location, environment))?;
    Ok(history)
}

/// Finishes a save of several files that a crash broke off between two of them, so that together they are one revision
/// again. Where somebody else has changed one since, all are left as they are. True when something was written.
fn finish(history: &History, keys: &Keys<'_>) -> Result<bool, StoreError> {
    let Some((from, to)) = history.log.unfinished() else { return Ok(false) };
    let old = history.texts(from, keys)?;
    let mut left = Vec::new();
    let new = history.texts(to, keys)?;
    for (path, new) in &new {
        let Ok(now) = Disk.read(path) else { return Ok(false) };
        let old = old.iter().find(|(known, _)| known == path).map(|(_, old)| old);
        match (now == *new, old) {
            (true, _) => {}
            (false, Some(old)) if now == *old => left.push((path, old, new)),
            _ => return Ok(false),
        }
    }
    // None was written yet: it never happened.
    let changed = new.iter().filter(|(path, new)| !old.iter().any(|(known, old)| known == path && old == new)).count();
    if left.is_empty() || left.len() == changed {
        return Ok(false);
    }
    for (path, old, new) in left {
        match save::replace(path, old, new) {
            Ok(()) => {}
            Err(SaveError::Changed) => return Ok(false),
            Err(SaveError::Io(source)) => return Err(StoreError::Io { path: path.clone(), source }),
        }
    }
    Ok(true)
}

/// Why one attempt to write came to nothing.
enum Attempt {
    /// Somebody else was quicker.
    Changed,
    Failed(StoreError),
}

impl From<StoreError> for Attempt {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

/// The history, locked, and the right to write.
struct Session<'a> {
    location: &'a ConfigLocation,
    environment: &'a Environment,
    history: History,
}

impl<'a> Session<'a> {
    fn begin(location: &'a ConfigLocation, environment: &'a Environment) -> Result<Self, StoreError> {
        if location.read_only {
            return Err(StoreError::ReadOnly { path: location.path.clone() });
        }
        create_own(location)?;
        Ok(Self { location, environment, history: opened(location, environment)? })
    }

    /// The configuration now, recorded even when it is broken: it is about to be written over.
    fn look(&mut self) -> Result<Full, StoreError> {
        let full = read_through(&Disk, self.location, self.environment);
        record(&mut self.history, &full)?;
        Ok(full)
    }

    /// Writes the files and records the new revision.
    fn write(&mut self, plan: &Plan, who: Who, label: &str) -> Result<(), Attempt> {
        if plan.changes.is_empty() {
            return Ok(());
        }
        let files: Vec<_> = plan.after.files.iter().map(|file| (file.path.clone(), file.text.clone())).collect();
        let lost = lost_now(&self.history, &files, who)?;
        let revision = &plan.after.reading.revision;
        let id = self.history.begin(Entry { revision, who, label, files: &files, lost })?;
        self.put(plan, id)
    }

    /// Replaces the files, all or none, and tells the history how it went.
    fn put(&mut self, plan: &Plan, id: u64) -> Result<(), Attempt> {
        for (count, change) in plan.changes.iter().enumerate() {
            let put = if change.before.is_empty() && !change.path.exists() {
                save::create(&change.path, &change.after)
                    .map_err(SaveError::Io)
                    .and_then(|made| if made { Ok(()) } else { Err(SaveError::Changed) })
            } else {
                save::replace(&change.path, &change.before, &change.after)
            };
            if let Err(error) = put {
                for undone in plan.changes[..count].iter().rev() {
                    if let Err(error) = save::replace(&undone.path, &undone.after, &undone.before) {
                        tracing::warn!(file = %undone.path.display(), ?error, "a file could not be put back");
                    }
                }
                self.history.void(id)?;
                return Err(match error {
                    SaveError::Changed => Attempt::Changed,
                    SaveError::Io(source) => StoreError::Io { path: change.path.clone(), source }.into(),
                });
            }
        }
        self.history.done(id)?;
        self.keep_keys(plan);
        Ok(())
    }

    /// Takes the keys that have just left the files out of the history too, and puts those back that have returned to
    /// them. What fails here fails the save no longer.
    fn keep_keys(&self, plan: &Plan) {
        for file in &plan.after.files {
            if let Err(error) = self.history.keep(&file.text) {
                tracing::warn!(%error, "a text could not be kept in the history");
            }
        }
        for (provider, key) in plan.moved_keys() {
            if let Err(error) = self.history.conceal(provider, key) {
                tracing::warn!(%error, provider, "the history still holds a key that was moved out of the file");
            }
        }
    }
}

impl Step {
    /// Where it leads from `revision`, and what it is called.
    fn target<'l>(&self, log: &'l Log, revision: &str) -> Result<(&'l Snapshot, String), StoreError> {
        let target = match self {
            Self::Undo => log.before(revision),
            Self::Redo => log.after(revision),
            Self::To(prefix) => {
                let target = by_prefix(log, prefix)?;
                return Ok((target, format!("back to {}", short(&target.revision))));
            }
        };
        let target = target.ok_or_else(|| self.impossible())?;
        let label = match self {
            Self::Redo => target.label.clone(),
            _ => match log.current().filter(|current| current.revision == revision) {
                Some(current) => current.label.clone(),
                None => "changed by another program or by hand".to_owned(),
            },
        };
        Ok((target, label))
    }

    fn impossible(&self) -> StoreError {
        match self {
            Self::Undo => StoreError::NothingToUndo,
            Self::Redo => StoreError::NothingToRedo,
            Self::To(revision) => StoreError::UnknownRevision { revision: revision.clone(), several: false },
        }
    }
}

/// As much of a revision as a person needs to tell it from the others.
#[must_use]
pub fn short(revision: &str) -> &str {
    revision.get(..12).unwrap_or(revision)
}
