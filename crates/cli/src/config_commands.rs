//! Commands that work on the files, engine or no engine.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use pilotlight_config::diagnostic::{Diagnostic, Severity};
use pilotlight_config::rules::Surroundings;
use pilotlight_config::{ConfigLocation, Environment, Home, Who, check as reading, plan, settings_store, store};
use pilotlight_wire::ModelRef;
use serde_json::json;

use crate::config_edit::failure;
use crate::config_show::concealed_diff;
use crate::config_words::model_called;
use crate::output::{Failure, print, show};
use crate::remote;

/// `pilotlight use MODEL`
pub(crate) fn use_model(name: &str, file: Option<&Path>, dry_run: bool, json: bool) -> Result<ExitCode, Failure> {
    let environment = Environment::of_process();
    let location = ConfigLocation::find(&environment, &Home::from(&environment), file);
    let loaded = plan::load(&location, &environment);
    let Some(configuration) = loaded.configuration else {
        return Err(broken(&loaded.reading.diagnostics, &location));
    };
    let model = model_called(&configuration, name)?;
    if dry_run {
        let plan = store::plan_primary(&location, &environment, &model).map_err(failure)?.map(|(plan, _)| plan);
        let diff = concealed_diff(plan.as_ref().map_or(&[], |plan| &plan.changes));
        let value = json!({ "model": model, "written": false, "diff": diff });
        return show(json, &value, || if diff.is_empty() { already(&model) } else { diff.clone() });
    }
    let change = store::set_primary(&location, &environment, &model, Who::Command).map_err(failure)?;
    let value = json!({
        "model": model,
        "file": change.path,
        "line": change.line,
        "key": change.key,
        "before": change.before,
        "after": change.after,
    });
    show(json, &value, || match (&change.before, change.line) {
        (_, 0) => already(&model),
        (Some(before), line) => {
            format!("{model} is the primary now, in place of {before} ({}:{line})\n", change.path.display())
        }
        (None, line) => format!("{model} is the primary now ({}:{line})\n", change.path.display()),
    })
}

fn already(model: &ModelRef) -> String {
    format!("{model} is the primary already\n")
}

/// `pilotlight config check [FILE]`
pub(crate) async fn check(file: Option<&Path>, json: bool) -> Result<ExitCode, Failure> {
    let environment = Environment::of_process();
    let home = Home::from(&environment);
    let location = ConfigLocation::find(&environment, &home, file);
    // Where a provider runs may be said in the settings, against what its address looks like.
    let providers = &settings_store::read(&home.settings_file(), &environment).settings.providers;
    let locations = providers.iter().filter_map(|(id, provider)| Some((id.clone(), provider.location?))).collect();
    let live = remote::live(&home, &location.path).await;
    let read = reading::read_with(&location, &environment, &Surroundings { live, locations });
    let value: Vec<_> = read
        .diagnostics
        .iter()
        .map(|diagnostic| {
            json!({
                "severity": diagnostic.severity.name(),
                "code": diagnostic.code,
                "file": diagnostic.file,
                "path": diagnostic.path,
                "line": diagnostic.line,
                "column": diagnostic.column,
                "message": diagnostic.message,
                "fix": diagnostic.fix.as_ref().map(|fix| json!({ "label": fix.label, "edits": fix.edits })),
            })
        })
        .collect();
    show(json, &value, || {
        let mut text = String::new();
        for diagnostic in &read.diagnostics {
            text += &format!("{diagnostic}\n");
        }
        let errors = count(&read.diagnostics, Severity::Error);
        let warnings = count(&read.diagnostics, Severity::Warning);
        text += &format!(
            "{}: {}, {}\n",
            location.path.display(),
            crate::text::count(errors, "error"),
            crate::text::count(warnings, "warning")
        );
        text
    })?;
    let failed = read.result.is_none() || count(&read.diagnostics, Severity::Error) > 0;
    Ok(ExitCode::from(u8::from(failed)))
}

/// `pilotlight config path`
pub(crate) fn path(json: bool) -> Result<ExitCode, Failure> {
    let environment = Environment::of_process();
    let location = ConfigLocation::find(&environment, &Home::from(&environment), None);
    let value = json!({
        "path": location.path,
        "openclaw": location.openclaw,
        "exists": location.path.exists(),
        "readOnly": location.read_only,
    });
    show(json, &value, || format!("{}\n", location.path.display()))
}

/// `pilotlight token`
pub(crate) fn token(settings: Option<PathBuf>) -> Result<ExitCode, Failure> {
    let environment = Environment::of_process();
    let home = Home::from(&environment);
    let file = settings.unwrap_or_else(|| home.settings_file());
    let settings = settings_store::read(&file, &environment);
    match pilotlight_engine::token(&settings.settings, &home) {
        Ok(Some(token)) => {
            print(&format!("{}\n", token.expose()))?;
            Ok(ExitCode::SUCCESS)
        }
        Ok(None) => {
            Err(Failure::new("no-token", format!("no token is asked for: {} has `token: null`", file.display())))
        }
        Err(error) => Err(Failure::new("token", error.to_string())),
    }
}

fn count(diagnostics: &[Diagnostic], severity: Severity) -> usize {
    diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count()
}

fn broken(diagnostics: &[Diagnostic], location: &ConfigLocation) -> Failure {
    let first = diagnostics.iter().find(|diagnostic| diagnostic.severity == Severity::Error);
    let message = first.map_or_else(|| format!("{} cannot be used", location.path.display()), ToString::to_string);
    Failure::new("configuration", format!("nothing was changed: {message}"))
}
