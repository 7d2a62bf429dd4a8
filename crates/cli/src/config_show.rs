//! Commands that show the configuration and its history. Keys are hidden unless they are asked for.

use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use json5_edit::{Document, Path, unified_diff};
use pilotlight_config::conceal::Conceal;
use pilotlight_config::write::{self, short};
use pilotlight_config::{FileChange, Who, plan};
use serde_json::{Value, json};

use crate::config_edit::{Bench, failure};
use crate::config_words::nearby;
use crate::output::{Failure, print, show};

/// `pilotlight config get [PATH]`
pub(crate) fn get(bench: &Bench, path: &Path, show_keys: bool, json: bool) -> Result<ExitCode, Failure> {
    // A plan of nothing, because a broken file is to be told in the same words as for an edit.
    let planned = plan::plan(&bench.location, &bench.environment, &[]).map_err(failure)?;
    let whole = planned.after.value.unwrap_or(Value::Null);
    let document = Document::parse(&whole.to_string()).map_err(|error| Failure::new("json", error.to_string()))?;
    let Some(found) = document.get(path) else {
        let near = nearby(&document, path);
        let message = format!("there is no {path} in {}: {near}", bench.location.path.display());
        return Err(Failure::new("missing", message));
    };
    let value = found.to_value();
    let value = if show_keys { value } else { Conceal::default().value(path, &value) };
    show(json, &value, || match &value {
        Value::String(text) => format!("{text}\n"),
        other => format!("{other:#}\n"),
    })
}

/// `pilotlight config diff [REVISION]`
pub(crate) fn differences(bench: &Bench, since: Option<&str>, json: bool) -> Result<ExitCode, Failure> {
    let changes = match write::difference(&bench.location, &bench.environment, since) {
        Err(pilotlight_config::StoreError::NothingToUndo) => Vec::new(),
        other => other.map_err(failure)?,
    };
    let diff = concealed_diff(&changes);
    let value = json!({ "files": changes.iter().map(|change| &change.path).collect::<Vec<_>>(), "diff": diff });
    show(json, &value, || diff.clone())
}

/// `pilotlight config history`
pub(crate) fn history(bench: &Bench, json: bool) -> Result<ExitCode, Failure> {
    let revisions = write::history(&bench.location, &bench.environment).map_err(failure)?;
    let value: Vec<_> = revisions
        .iter()
        .map(|revision| {
            json!({
                "revision": revision.revision,
                "at": revision.at,
                "who": revision.who,
                "label": revision.label,
                "current": revision.current,
            })
        })
        .collect();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    if revisions.is_empty() && !json {
        print("nothing is recorded yet: it begins with the first edit, or when the engine first runs\n")?;
        return Ok(ExitCode::SUCCESS);
    }
    show(json, &value, || {
        revisions
            .iter()
            .map(|revision| {
                let who = match revision.who {
                    Who::Editor => "editor",
                    Who::Command => "command",
                    Who::External => "outside",
                };
                format!(
                    "{} {}  {:>12}  {who:<8} {}\n",
                    if revision.current { "*" } else { " " },
                    short(&revision.revision),
                    ago(now.saturating_sub(u128::from(revision.at)) / 1000),
                    revision.label
                )
            })
            .collect()
    })
}

fn ago(seconds: u128) -> String {
    match seconds {
        0..60 => format!("{seconds} s ago"),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..172_800 => format!("{} h ago", seconds / 3600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

/// Changes as `diff -u` shows them, with keys hidden. A changed key is still seen to have changed.
pub(crate) fn concealed_diff(changes: &[FileChange]) -> String {
    let mut conceal = Conceal::default();
    let mut text = String::new();
    for change in changes {
        let name = change.path.display().to_string();
        let empty = |text: &str| if text.is_empty() { Some(String::new()) } else { None };
        let before = empty(&change.before).or_else(|| conceal.text(&change.before));
        let after = empty(&change.after).or_else(|| conceal.text(&change.after));
        match (before, after) {
            (Some(before), Some(after)) => text += &unified_diff(&before, &after, &name),
            // Where keys stand in a broken text cannot be told.
            _ => text += &format!("{name} differs, but one of the two texts has a mistake and is not shown\n"),
        }
    }
    text
}
