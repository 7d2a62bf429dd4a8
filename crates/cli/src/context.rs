//! `pilotlight context`: what local models are loaded with, against what the configuration says, and both mends.
//!
//! Must not know: how either is done.

use std::process::ExitCode;

use pilotlight_engine::state::{ModelState, ModelSummary, RuntimeSummary};
use pilotlight_wire::Location;
use serde_json::{Value, json};

use crate::load::called;
use crate::output::{Failure, print, show};
use crate::remote::RunningEngine;

/// Shows them, or mends one.
pub(crate) async fn run(model: Option<&str>, reload: bool, lower: bool, json: bool) -> Result<ExitCode, Failure> {
    let engine = RunningEngine::of_process()?;
    if let Some(model) = model.filter(|_| reload || lower) {
        if reload && !json {
            print(&format!("Loading {model} anew …\n"))?;
        }
        let mend = if reload { "reload" } else { "lower" };
        let mended: Value = engine.post("context", &json!({ "model": model, "mend": mend })).await?;
        return show(json, &mended, || {
            let name = mended["model"].as_str().unwrap_or(model);
            match mended["loadedContext"].as_u64() {
                Some(loaded) if lower => format!("{name}: contextWindow is {loaded} now, as it is loaded\n"),
                Some(loaded) => format!("{name} is loaded with {loaded} tokens of context\n"),
                None => format!("{name} is loaded; its runtime does not say with what context\n"),
            }
        });
    }
    let state = engine.state().await?;
    let local = state.models.iter().filter(|known| known.location == Location::Local);
    let shown: Vec<_> = local.filter(|known| model.is_none_or(|name| called(known, name))).collect();
    if let Some(name) = model.filter(|_| shown.is_empty()) {
        let known: Vec<_> = state.models.iter().filter(|known| known.location == Location::Local).collect();
        let known: Vec<_> = known.iter().map(|known| known.model.to_string()).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let message = format!("no local model or alias is called {name:?}: there is {known}");
        return Err(Failure::new("unknown-model", message));
    }
    show(json, &shown.iter().map(|model| facts(model)).collect::<Vec<_>>(), || {
        if shown.is_empty() {
            return "No local model is configured\n".to_owned();
        }
        let of = |model: &ModelSummary| {
            let own = |runtime: &&RuntimeSummary| runtime.provider.eq_ignore_ascii_case(model.model.provider());
            state.runtimes.iter().find(own)
        };
        shown.iter().map(|model| line(model, of(model))).collect()
    })
}

/// How to have more loaded, as far as the runtime lets that be done from here.
fn more(model: &ModelSummary, window: u64, runtime: Option<&RuntimeSummary>) -> String {
    let name = &model.model;
    match runtime {
        Some(runtime) if runtime.sets_context => format!(
            "  pilotlight context {name} --reload   sets num_ctx of the model in {} to {window}, and loads it anew\n",
            runtime.title
        ),
        Some(RuntimeSummary { context_set_by: Some(how), .. }) => format!("  to load it with more: {how}\n"),
        _ => format!("  pilotlight context {name} --reload   loads it anew with {window}\n"),
    }
}

fn facts(model: &ModelSummary) -> Value {
    json!({ "model": model.model, "loadedContext": model.loaded_context, "contextWindow": model.context_window })
}

fn line(model: &ModelSummary, runtime: Option<&RuntimeSummary>) -> String {
    let name = &model.model;
    match (model.loaded_context, model.context_window) {
        (Some(loaded), Some(window)) if loaded < window => format!(
            "{name}: loaded with {loaded} of the {window} tokens that the configuration says\n{}  \
             pilotlight context {name} --lower    writes {loaded} into the configuration\n",
            more(model, window, runtime)
        ),
        (Some(loaded), Some(window)) => {
            format!("{name}: loaded with {loaded} tokens; the configuration says {window}\n")
        }
        (Some(loaded), None) => format!("{name}: loaded with {loaded} tokens; the configuration does not say\n"),
        (None, window) => {
            let loaded = match model.state {
                ModelState::Warm { .. } => "its runtime does not say with what it is loaded",
                ModelState::Loading { .. } => "being loaded",
                ModelState::Unreachable { .. } => "its runtime does not answer",
                ModelState::Missing => "its runtime does not have it",
                ModelState::Unknown => "whether it is loaded is not known",
                _ => "not loaded",
            };
            let says = window.map_or("does not say".to_owned(), |window| format!("says {window}"));
            format!("{name}: {loaded}; the configuration {says}\n")
        }
    }
}
