//! Numbers of tokens that cannot both hold, and what a runtime says against a row: that it has no such model, or that
//! it loaded it with less.

use std::collections::HashSet;

use pilotlight_wire::ModelRef;

use super::{Ground, number, write};
use crate::tree::{At, Report};

pub(super) fn check(ground: &Ground<'_>, report: &mut Report<'_>) {
    let mut told = HashSet::new();
    for (provider, entry) in ground.providers() {
        for row in entry.get("models").iter().flat_map(At::items) {
            let Some(id) = row.get("id").and_then(|at| at.as_str()) else { continue };
            // OpenClaw 2026.9.6 takes both from the provider where the row has none.
            let get = |key: &str| row.get(key).or_else(|| entry.get(key)).and_then(|at| Some((number(&at)?, at)));
            let context = get("contextWindow");
            if let (Some((context, _)), Some((answer, at))) = (&context, get("maxTokens"))
                && answer >= *context
                && *context > 0.0
            {
                let message = format!(
                    "an answer of up to {answer} tokens leaves nothing of the context of {context} for what is asked: \
                     write a maxTokens well below contextWindow"
                );
                // A value that the provider has for all its rows is told of once.
                if told.insert(at.path()) {
                    report.warning("max-tokens-too-large", &at, message);
                }
            }
            if ground.surroundings.live.is_empty() {
                continue;
            }
            let Ok(model) = ModelRef::new(&provider.id, id) else { continue };
            let Some(live) = ground.surroundings.live.get(&model) else { continue };
            if live.missing
                && let Some(at) = row.get("id")
            {
                let message = format!(
                    "the runtime of {0} answers and has no model {id:?}: correct the id (`pilotlight provider models {0}` lists what it \
                     has), or download the model there",
                    provider.id
                );
                report.warning("model-not-there", &at, message);
            }
            if let (Some((context, at)), Some(tokens)) = (&context, live.loaded_context) {
                loaded(report, &model, *context, at, tokens);
            }
        }
    }
}

fn loaded(report: &mut Report<'_>, model: &ModelRef, context: f64, at: &At<'_>, loaded: u64) {
    #[allow(clippy::cast_precision_loss, reason = "no context comes near 2^53")]
    if context <= loaded as f64 {
        return;
    }
    let message = format!(
        "{model} is loaded with a context of {loaded} tokens, so what is longer fails or is cut off: write {loaded} here, \
         or load it with {context}"
    );
    report.warning("context-above-loaded", at, message);
    report.mend(Some(write(format!("Write {loaded}"), at, loaded)));
}
