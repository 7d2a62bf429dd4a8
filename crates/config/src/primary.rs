//! Making a model the primary, in the file.

use std::path::PathBuf;

use pilotlight_wire::ModelRef;

use crate::check::read_through;
use crate::edit::make_primary;
use crate::files::With;
use crate::history_log::Who;
use crate::home::Environment;
use crate::location::ConfigLocation;
use crate::plan::{Plan, plan_exact, read_now};
use crate::store::{StoreError, broken, create_own};
use crate::write::commit;

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

/// Makes a model the first of the chain, in the file; `who` is told in the history. Works with no engine running. Only the characters
/// of that value change. A change by somebody else meanwhile is not lost: the edit is made again on the new text.
///
/// # Errors
/// [`StoreError`]; the file is then as it was.
pub fn set_primary(
    location: &ConfigLocation,
    environment: &Environment,
    model: &ModelRef,
    who: Who,
) -> Result<Change, StoreError> {
    if location.read_only {
        return Err(StoreError::ReadOnly { path: location.path.clone() });
    }
    create_own(location)?;
    // Each round starts from the bytes on the disk; a file that changes under this many is being fought over.
    for _ in 0..8 {
        match try_set_primary(location, environment, model, who) {
            Err(StoreError::KeepsChanging { .. }) => {}
            other => return other,
        }
    }
    Err(StoreError::KeepsChanging { path: location.path.clone() })
}

/// What [`set_primary`] would write, and what it would say; none where nothing has to be changed. Writes nothing.
///
/// # Errors
/// [`StoreError`]
pub fn plan_primary(
    location: &ConfigLocation,
    environment: &Environment,
    model: &ModelRef,
) -> Result<Option<(Plan, Change)>, StoreError> {
    let full = read_now(location, environment);
    let (Some(tree), Some(configuration)) = (&full.tree, full.configuration()) else {
        return Err(broken(location, &full.reading.diagnostics));
    };
    let before = configuration.chain().into_iter().next();
    let edit = make_primary(tree, &full.sources, configuration, model)
        .map_err(|spread| StoreError::Spread { path: spread.path.to_string() })?;
    let Some(edit) = edit else { return Ok(None) };
    let source = &full.sources[edit.file];
    let path = source.path.clone();
    let after = edit.apply(&full.sources).map_err(|error| StoreError::Edit { path: path.clone(), source: error })?;
    // The text is sound; now what the configuration as a whole would mean.
    let with = read_through(&With { path: &path, text: after.text() }, location, environment);
    if with.configuration().is_none_or(|configuration| configuration.chain().first() != Some(model)) {
        return Err(StoreError::NotEffective { model: model.clone() });
    }
    let plan = plan_exact(location, environment, [(path.clone(), after.text().to_owned())]);
    if plan.base != full.reading.revision {
        return Err(StoreError::KeepsChanging { path });
    }
    let change = Change { line: edit.line(&after), path, key: edit.whole.to_string(), before, after: model.clone() };
    Ok(Some((plan, change)))
}

fn try_set_primary(
    location: &ConfigLocation,
    environment: &Environment,
    model: &ModelRef,
    who: Who,
) -> Result<Change, StoreError> {
    let Some((plan, change)) = plan_primary(location, environment, model)? else {
        let (path, key) = (location.path.clone(), "agents.defaults.model".to_owned());
        return Ok(Change { path, key, before: Some(model.clone()), after: model.clone(), line: 0 });
    };
    commit(location, environment, &plan, who, &format!("{model} made the primary"))?;
    Ok(change)
}
