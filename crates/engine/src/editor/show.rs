//! The configuration as a page is given it: texts, value and diagnostics, with masks.

use std::path::PathBuf;

use json5_edit::{Edit, Expected, Path, Step};
use pilotlight_config::preview::read_with;
use pilotlight_config::{Diagnostic, Key, Loaded, ModelConfiguration, PRESETS, Preset, Who};
use pilotlight_wire::Secret;
use serde_json::Value;

use super::Editor;
use super::mask::{Concealed, Masked, Masks};
use super::types::{ConfigDocument, ConfigEdit, ConfigFile, ConfigFix, ConfigProblem, LiveFact, LiveFacts, PresetView};
use crate::reducer::problem;

/// A configuration with masks, and perhaps other texts that were hidden together with it.
pub(super) struct Shown {
    pub(super) concealed: Concealed,
    paths: Vec<String>,
    diagnostics: Vec<ConfigProblem>,
}

impl Editor {
    /// The configuration as it would be with these texts.
    pub(super) fn read(&self, texts: &[(PathBuf, String)]) -> Loaded {
        read_with(self.store.location(), &self.environment, texts, &self.store.surroundings())
    }

    /// What the rules know beyond the files, for those who have only these.
    pub(super) fn live(&self) -> LiveFacts {
        let live = self.store.surroundings().live.clone();
        let live = live.into_iter().map(|(model, facts)| LiveFact { model, facts }).collect();
        LiveFacts { path: self.store.location().path.display().to_string(), live }
    }

    pub(super) fn document(&self) -> ConfigDocument {
        let preview = self.read(&[]);
        let shown = self.show(&preview, &[]);
        let (state, location) = (self.store.watch().borrow().clone(), self.store.location());
        let configuration = preview.configuration.as_ref().unwrap_or(&state.in_force);
        ConfigDocument {
            path: location.path.display().to_string(),
            openclaw: location.openclaw,
            read_only: location.read_only,
            revision: preview.reading.revision,
            files: shown.files(),
            providers: self.providers(configuration),
            value: shown.concealed.value,
            diagnostics: shown.diagnostics,
            can_undo: state.can_undo,
            can_redo: state.can_redo,
            lost_comments: state.lost_comments.as_ref().map_or(0, |lost| u32::try_from(lost.count).unwrap_or(u32::MAX)),
            presets: PRESETS.iter().map(preset).collect(),
        }
    }

    /// A configuration with masks. `others` are further texts that may hold the same secrets, by the paths of the files
    /// they belong to.
    pub(super) fn show(&self, preview: &Loaded, others: &[(String, String)]) -> Shown {
        let paths: Vec<String> = preview.files.iter().map(|file| file.path.display().to_string()).collect();
        let own = paths.iter().zip(&preview.files).map(|(path, file)| (path.as_str(), file.text.as_str()));
        let others = others.iter().map(|(path, text)| (path.as_str(), text.as_str()));
        let texts: Vec<(&str, &str)> = own.chain(others).collect();
        let mut known = Vec::new();
        resolved(&self.store.watch().borrow().in_force, &mut known);
        preview.configuration.iter().for_each(|configuration| resolved(configuration, &mut known));
        let concealed = self.masks.hide(&texts, preview.value.as_ref().unwrap_or(&Value::Null), &known);
        let diagnostics = preview.reading.diagnostics.iter();
        let diagnostics =
            diagnostics.map(|diagnostic| shown_problem(diagnostic, &paths, &concealed, &self.masks)).collect();
        Shown { concealed, paths, diagnostics }
    }
}

impl Shown {
    pub(super) fn files(&self) -> Vec<ConfigFile> {
        let files = self.paths.iter().zip(&self.concealed.texts);
        files.map(|(path, masked)| ConfigFile { path: path.clone(), text: masked.text.clone() }).collect()
    }

    /// The texts that were shown together with it.
    pub(super) fn others(&self, count: usize) -> Vec<String> {
        let all = &self.concealed.texts;
        all[all.len().saturating_sub(count)..].iter().map(|masked| masked.text.clone()).collect()
    }

    pub(super) fn into_parts(self) -> (Value, Vec<ConfigProblem>) {
        (self.concealed.value, self.diagnostics)
    }
}

/// Every key of a configuration, wherever it came from.
fn resolved(configuration: &ModelConfiguration, known: &mut Vec<Secret>) {
    for provider in &configuration.providers {
        let headers = provider.headers.iter().map(|(_, value)| value);
        known.extend(provider.key.iter().chain(headers).filter_map(Key::secret).cloned());
    }
}

fn shown_problem(diagnostic: &Diagnostic, paths: &[String], concealed: &Concealed, masks: &Masks) -> ConfigProblem {
    let mut problem = problem(diagnostic);
    let text: Option<&Masked> =
        paths.iter().position(|path| *path == problem.file).and_then(|at| concealed.texts.get(at));
    if let Some(masked) = text {
        (problem.line, problem.column) = masked.position(problem.line, problem.column);
    }
    problem.message = concealed.message(&problem.message);
    let fix = diagnostic.fix.as_ref().map(|fix| {
        let mut edits = fix.edits.clone();
        for edit in &mut edits {
            each_value(edit, &mut |value, key| concealed.other_value(masks, value, key));
        }
        ConfigFix { label: concealed.message(&fix.label), edits: edits.into_iter().map(ConfigEdit).collect() }
    });
    ConfigProblem { problem, fix }
}

/// Calls back with every value of an edit, and the key it stands or would stand under.
pub(super) fn each_value(edit: &mut Edit, visit: &mut impl FnMut(&mut Value, Option<&str>)) {
    fn last(path: &Path) -> Option<String> {
        path.split_last().and_then(|(_, step)| match step {
            Step::Key(key) => Some(key.clone()),
            Step::Index(_) => None,
        })
    }
    let expect = |expected: &mut Expected, key: Option<&str>, visit: &mut dyn FnMut(&mut Value, Option<&str>)| {
        if let Expected::Value(value) = expected {
            visit(value, key);
        }
    };
    match edit {
        Edit::Set { path, value, expected } => {
            let key = last(path);
            visit(value, key.as_deref());
            expect(expected, key.as_deref(), visit);
        }
        Edit::Insert { key, value, expected, .. } => {
            visit(value, key.as_deref());
            expect(expected, None, visit);
        }
        Edit::Remove { path, expected } | Edit::Rename { path, expected, .. } => {
            expect(expected, last(path).as_deref(), visit);
        }
        Edit::Move { expected, anchor, .. } => {
            expect(expected, None, visit);
            expect(anchor, None, visit);
        }
        Edit::Swap { path, other, expected, expected_other } => {
            expect(expected, last(path).as_deref(), visit);
            expect(expected_other, last(other).as_deref(), visit);
        }
    }
}

fn preset(preset: &Preset) -> PresetView {
    PresetView {
        id: preset.id.to_owned(),
        title: preset.title.to_owned(),
        description: preset.description.to_owned(),
        location: preset.location,
        region: preset.region.map(str::to_owned),
        provider_id: preset.provider_id.to_owned(),
        provider: preset.provider(None, None, preset.models()),
        key_variable: preset.key_variable.map(str::to_owned),
        models: preset.models(),
    }
}

/// Who wrote a revision, in one word.
pub(super) fn who(who: Who) -> &'static str {
    match who {
        Who::Editor => "editor",
        Who::Command => "command",
        Who::External => "external",
    }
}
