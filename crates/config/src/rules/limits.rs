//! Numbers of tokens that cannot both hold.

use pilotlight_wire::ModelRef;

use super::{Ground, items, number, write};
use crate::tree::{At, Report};

pub(super) fn check(ground: &Ground<'_>, report: &mut Report<'_>) {
    for (provider, entry) in ground.providers() {
        for row in entry.get("models").map(|at| items(&at)).unwrap_or_default() {
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
                once(report, "max-tokens-too-large", &at, message);
            }
            if let (Some((context, at)), Ok(model)) = (&context, ModelRef::new(&provider.id, id)) {
                loaded(ground, report, &model, *context, at);
            }
        }
    }
}

fn loaded(ground: &Ground<'_>, report: &mut Report<'_>, model: &ModelRef, context: f64, at: &At<'_>) {
    let Some(loaded) = ground.surroundings.live.get(model).and_then(|live| live.loaded_context) else { return };
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

/// A value that the provider has for all its rows is told of once.
fn once(report: &mut Report<'_>, code: &'static str, at: &At<'_>, message: String) {
    let path = at.path.to_string();
    if !report.diagnostics.iter().any(|told| told.code == code && told.path == path) {
        report.warning(code, at, message);
    }
}
