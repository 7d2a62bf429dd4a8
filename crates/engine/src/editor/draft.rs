//! Drafts: what one would make of the configuration, and saving it.

use std::path::PathBuf;

use json5_edit::{Edit, unified_diff};
use pilotlight_config::StoreError;
use pilotlight_config::plan::{plan_on, plan_text, plan_text_and_edits};

use super::Editor;
use super::show::each_value;
use super::types::{ConfigDraft, ConfigPreview, Saved};
use crate::error::CommandError;

/// A draft with its secrets.
enum Work {
    Edits(Vec<Edit>),
    /// The edits are made on the text.
    Text {
        file: PathBuf,
        text: String,
        edits: Vec<Edit>,
    },
}

impl Editor {
    /// What a draft would make of the configuration. Where its text cannot be read, it is shown with what is wrong.
    pub(super) fn preview(&self, draft: &ConfigDraft) -> Result<ConfigPreview, CommandError> {
        let (location, environment) = (self.store.location(), &*self.environment);
        let planned = match self.work(draft)? {
            Work::Edits(edits) => plan_on(location, environment, &draft.revision, &edits).map(|plan| plan.changes),
            Work::Text { file, text, edits } if edits.is_empty() => {
                match plan_text(location, environment, &file, &text, Some(&draft.revision)) {
                    Ok(plan) => Ok(plan.changes),
                    Err(StoreError::Broken(_)) => return Ok(self.with_texts(vec![(file, text)])),
                    Err(error) => Err(error),
                }
            }
            Work::Text { file, text, edits } => {
                plan_text_and_edits(location, environment, &file, &text, &edits, Some(&draft.revision))
                    .map(|plan| plan.changes)
            }
        };
        let changes = planned.map_err(|error| self.refused(&error))?;
        Ok(self.with_texts(changes.into_iter().map(|change| (change.path, change.after)).collect()))
    }

    fn with_texts(&self, texts: Vec<(PathBuf, String)>) -> ConfigPreview {
        let now = self.read(&[]);
        let then = self.read(&texts);
        let before = |path: &PathBuf| {
            let known = now.files.iter().find(|known| known.path == *path);
            known.map(|known| known.text.clone()).unwrap_or_default()
        };
        // Both sides are hidden together, so that a secret has the same mask on both.
        let sides: Vec<(String, String)> = texts
            .iter()
            .flat_map(|(path, after)| {
                let name = path.display().to_string();
                [(name.clone(), before(path)), (name, after.clone())]
            })
            .collect();
        let shown = self.show(&then, &sides);
        let masked = shown.others(sides.len());
        let diff = masked
            .chunks_exact(2)
            .zip(sides.chunks_exact(2))
            .map(|(texts, names)| unified_diff(&texts[0], &texts[1], &names[0].0))
            .collect();
        let files = shown.files();
        let (value, diagnostics) = shown.into_parts();
        ConfigPreview { files, value, diff, diagnostics, revision: now.reading.revision }
    }

    /// Writes a draft. A change by somebody else in another place is kept.
    pub(super) async fn save(&self, draft: ConfigDraft) -> Result<Saved, CommandError> {
        let work = self.work(&draft)?;
        let label = draft.label.filter(|label| !label.trim().is_empty()).unwrap_or_else(|| "Edited".to_owned());
        let base = Some(draft.revision);
        self.saved(match work {
            Work::Edits(edits) => self.store.apply(edits, label, base).await,
            Work::Text { file, text, edits } if edits.is_empty() => {
                self.store.replace_text(file, text, label, base).await
            }
            Work::Text { file, text, edits } => self.store.replace_text_and_edit(file, text, edits, label, base).await,
        })
    }

    fn work(&self, draft: &ConfigDraft) -> Result<Work, CommandError> {
        let edits = || self.revealed(draft.edits.iter().flatten().map(|edit| edit.0.clone()).collect());
        match (&draft.edits, &draft.file, &draft.text) {
            (Some(_), None, None) => Ok(Work::Edits(edits()?)),
            (_, Some(file), Some(text)) => {
                Ok(Work::Text { file: PathBuf::from(file), text: self.masks.reveal(text)?, edits: edits()? })
            }
            _ => {
                let message = "a draft has edits, or a file and its text, or edits that are made on such a text";
                Err(CommandError::new("bad-request", message))
            }
        }
    }

    /// Edits with the secrets that their masks stand for.
    fn revealed(&self, mut edits: Vec<Edit>) -> Result<Vec<Edit>, CommandError> {
        let mut result = Ok(());
        for edit in &mut edits {
            each_value(edit, &mut |value, _| {
                if let Err(unknown) = self.masks.reveal_value(value) {
                    result = Err(unknown);
                }
            });
        }
        result?;
        Ok(edits)
    }
}
