//! Connects and disconnects. First the token and the way back are kept, then the tool's own files are written, each whole;
//! so whatever moment a crash picks, what stood there can be given back.

use std::path::PathBuf;

use pilotlight_wire::Secret;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::draft::{Draft, DraftFile};
use super::record::{Record, failed, forget_token, keep_token, token};
use super::{ConnectError, Connector, Outcome, Tool, shown};
use crate::history::hash;
use crate::history_log::Who;
use crate::plan::FileChange;
use crate::save::{self, SaveError};
use crate::{settings_edit, settings_store, write};

/// How often a write is made again because somebody else was quicker.
const ATTEMPTS: usize = 5;

/// How many random bytes a token has.
const BYTES: usize = 24;

impl Connector<'_> {
    /// What connecting a tool would change.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub fn preview_connect(&self, tool: Tool) -> Result<Outcome, ConnectError> {
        let former = Record::of(&self.home(), tool)?;
        let token = match token(&self.home(), tool)? {
            Some(token) => token,
            // One is made when it is needed; here something of its form will do, since it is not shown.
            None => Secret::new(format!("pl-{}", "0".repeat(2 * BYTES))),
        };
        let name = former.as_ref().map_or_else(|| tool.id().to_owned(), |former| former.token.clone());
        Ok(outcome(self.draft(tool, token.expose(), &name, former.as_ref())?))
    }

    /// What disconnecting a tool would change.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub fn preview_disconnect(&self, tool: Tool) -> Result<Outcome, ConnectError> {
        let record = Record::of(&self.home(), tool)?.ok_or(ConnectError::NotConnected { tool })?;
        Ok(outcome(self.draft_back(tool, &record)?))
    }

    /// Connects a tool; one that is connected already is brought up to date.
    ///
    /// # Errors
    /// [`ConnectError`]; the tool's files are then as they were.
    pub fn connect(&self, tool: Tool) -> Result<Outcome, ConnectError> {
        let home = self.home();
        let former = Record::of(&home, tool)?;
        let name = former.as_ref().map(|former| former.token.clone());
        let known = name.as_ref().is_some_and(|name| self.knows_token(tool, name));
        let token = match token(&home, tool)? {
            Some(token) => token,
            None => made()?,
        };
        let name = name.unwrap_or_else(|| self.free_name(tool));
        // What cannot be done is found out before anything is written.
        self.draft(tool, token.expose(), &name, former.as_ref())?;
        keep_token(&home, tool, &token)?;
        let written = self.admit(&name, &token, known).and_then(|()| {
            self.write_until(tool, || {
                let draft = self.draft(tool, token.expose(), &name, former.as_ref())?;
                draft.record.save(&home, tool)?;
                Ok(draft)
            })
        });
        written.inspect_err(|_| {
            if let Err(error) = self.restored(tool, &name, former.as_ref()) {
                tracing::warn!(%error, "what was kept for a connection that failed could not be removed");
            }
        })
    }

    /// Gives a tool back what stood in its settings, where what stands there is still ours, and forgets its token.
    ///
    /// # Errors
    /// [`ConnectError`]; [`ConnectError::NotConnected`] where nothing is known of a connection.
    pub fn disconnect(&self, tool: Tool) -> Result<Outcome, ConnectError> {
        let record = Record::of(&self.home(), tool)?.ok_or(ConnectError::NotConnected { tool })?;
        let outcome = self.write_until(tool, || self.draft_back(tool, &record))?;
        self.restored(tool, &record.token, None)?;
        Ok(outcome)
    }

    /// Forgets what was kept for a tool, or takes it back to what it was.
    fn restored(&self, tool: Tool, name: &str, former: Option<&Record>) -> Result<(), ConnectError> {
        let home = self.home();
        match former {
            Some(former) => former.save(&home, tool),
            None => {
                if self.knows_token(tool, name) {
                    settings_edit::edit(self.settings, &["access", "tokens", name], None, self.environment)?;
                }
                Record::forget(&home, tool)?;
                forget_token(&home, tool)
            }
        }
    }

    /// A name for a tool's token that no other has.
    fn free_name(&self, tool: Tool) -> String {
        let settings = settings_store::read(self.settings, self.environment).settings;
        let taken = |name: &str| settings.access.tokens.contains_key(name) && !self.knows_token(tool, name);
        let numbered = (2..).map(|number| format!("{}-{number}", tool.id()));
        std::iter::once(tool.id().to_owned()).chain(numbered).find(|name| !taken(name)).unwrap_or_default()
    }

    /// Makes the settings know a token.
    fn admit(&self, name: &str, token: &Secret, known: bool) -> Result<(), ConnectError> {
        if !known {
            let entry = json!({ "sha256": hex::encode(Sha256::digest(token.expose())) });
            settings_edit::edit(self.settings, &["access", "tokens", name], Some(&entry), self.environment)?;
        }
        Ok(())
    }

    fn write_until(
        &self,
        tool: Tool,
        mut draft: impl FnMut() -> Result<Draft, ConnectError>,
    ) -> Result<Outcome, ConnectError> {
        for _ in 0..ATTEMPTS {
            let draft = draft()?;
            if self.written(&draft)? {
                return Ok(outcome(draft));
            }
        }
        Err(ConnectError::KeepsChanging { path: self.standing(tool).file })
    }

    /// Writes the files, all or none; false where somebody else was quicker.
    fn written(&self, draft: &Draft) -> Result<bool, ConnectError> {
        for (count, file) in draft.files.iter().enumerate() {
            match put(file) {
                Ok(()) => {}
                Err(error) => {
                    undo(&draft.files[..count]);
                    return match error {
                        SaveError::Changed => Ok(false),
                        SaveError::Io(source) => Err(failed(&file.path)(source)),
                    };
                }
            }
        }
        if let Some(plan) = &draft.plan
            && !plan.changes.is_empty()
            && let Err(error) = write::commit(self.location, self.environment, plan, Who::Command, &draft.label)
        {
            undo(&draft.files);
            return Err(error.into());
        }
        Ok(true)
    }
}

fn made() -> Result<Secret, ConnectError> {
    let mut random = [0_u8; BYTES];
    getrandom::fill(&mut random).map_err(|error| ConnectError::Random(error.to_string()))?;
    Ok(Secret::new(format!("pl-{}", hex::encode(random))))
}

fn put(file: &DraftFile) -> Result<(), SaveError> {
    match (&file.before, &file.after) {
        (None, None) => Ok(()),
        (None, Some(after)) => match save::create(&file.path, after)? {
            true => Ok(()),
            false => Err(SaveError::Changed),
        },
        (Some(before), None) => {
            if std::fs::read(&file.path)? != before.as_bytes() {
                return Err(SaveError::Changed);
            }
            Ok(std::fs::remove_file(&file.path)?)
        }
        (Some(before), Some(after)) => {
            let narrow = file.mode.is_some_and(|mode| mode & 0o077 == 0);
            if narrow {
                give_rights(file)?;
            }
            if before != after {
                save::replace(&file.path, before, after)?;
            }
            if !narrow {
                give_rights(file)?;
            }
            Ok(())
        }
    }
}

fn undo(files: &[DraftFile]) {
    for file in files.iter().rev() {
        let back =
            DraftFile { path: file.path.clone(), before: file.after.clone(), after: file.before.clone(), mode: None };
        if let Err(error) = put(&back) {
            tracing::warn!(file = %file.path.display(), ?error, "a file could not be put back");
        }
    }
}

#[cfg(unix)]
fn give_rights(file: &DraftFile) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    match file.mode {
        Some(mode) => std::fs::set_permissions(&file.path, std::fs::Permissions::from_mode(mode)),
        None => Ok(()),
    }
}

#[cfg(not(unix))]
fn give_rights(_: &DraftFile) -> std::io::Result<()> {
    Ok(())
}

fn outcome(draft: Draft) -> Outcome {
    let mut changes = Vec::new();
    let mut removed: Vec<PathBuf> = Vec::new();
    for file in draft.files {
        if file.before == file.after {
            continue;
        }
        if file.after.is_none() {
            removed.push(file.path.clone());
        }
        let before = file.before.unwrap_or_default();
        let revision = hash(before.as_bytes());
        changes.push(FileChange { path: file.path, before, after: file.after.unwrap_or_default(), revision });
    }
    let planned = draft.plan.map(|plan| plan.changes).unwrap_or_default();
    changes.splice(0..0, planned);
    Outcome { diff: shown(&changes, &draft.open), changes, removed, notes: draft.notes }
}
