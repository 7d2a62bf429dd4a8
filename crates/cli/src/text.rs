//! What a person reads: the state of a running engine, as plain text. Pure functions of [`AppState`].

use pilotlight_engine::state::{AppState, Light, ModelState, ModelSummary, RequestOutcome, ServedRequest};
use pilotlight_wire::Location;

/// `pilotlight status`.
pub(crate) fn status(state: &AppState, now: u64) -> String {
    let mut text = format!("{} {}\n", lamp(state.light), state.status);
    if let Some(endpoint) = &state.endpoint {
        text += &format!("Endpoint       {endpoint}\n");
    }
    text +=
        &format!("Configuration  {}{}\n", state.config.path, if state.config.openclaw { " (OpenClaw's)" } else { "" });
    if state.config.stale {
        text += "               the file has a mistake; the last good one stays in force\n";
    }
    for problem in &state.config.problems {
        text += &format!(
            "               {}:{}:{} {}: {}\n",
            problem.file, problem.line, problem.column, problem.severity, problem.message
        );
    }
    for runtime in state.runtimes.iter().filter(|runtime| !runtime.reachable) {
        let detail = runtime.detail.as_deref().unwrap_or("not asked yet");
        text +=
            &format!("Unreachable    {} at {}: {detail}\n", runtime.provider, runtime.address.trim_end_matches('/'));
    }
    for cooldown in &state.cooldowns {
        let when = match cooldown.until.saturating_sub(now) {
            _ if cooldown.half_open => "the next request tries it".to_owned(),
            left => format!("{} left, `pilotlight retry` ends it", ago(left.next_multiple_of(1_000))),
        };
        text += &format!("Cooling down   {}: {} ({when})\n", cooldown.who(), cooldown.detail);
    }
    text += "\nChain\n";
    let chain: Vec<_> =
        state.chain.iter().filter_map(|wanted| state.models.iter().find(|model| model.model == *wanted)).collect();
    text += &rows(chain.iter().enumerate().map(|(place, model)| {
        vec![format!("{}.", place + 1), name(model), model.model.to_string(), describe(model, now)]
    }));
    if chain.is_empty() {
        text += "  empty: set agents.defaults.model in the configuration\n";
    }
    if !state.live.is_empty() {
        text += &format!("\n{} under way\n", count(state.live.len(), "request"));
    }
    if !state.recent.is_empty() {
        text += "\nLast requests\n";
        text += &rows(state.recent.iter().take(5).map(|request| served(request, now)));
    }
    text
}

/// `pilotlight models`.
pub(crate) fn models(state: &AppState, now: u64) -> String {
    if state.models.is_empty() {
        return format!("No model is configured in {}\n", state.config.path);
    }
    rows(state.models.iter().map(|model| {
        let place = match model.place {
            Some(0) => "primary".to_owned(),
            Some(place) => format!("fallback {place}"),
            None => String::new(),
        };
        vec![model.model.to_string(), model.alias.clone().unwrap_or_default(), place, describe(model, now)]
    }))
}

fn lamp(light: Light) -> &'static str {
    match light {
        Light::Warm => "●",
        Light::Loading => "◐",
        Light::Hosted => "☁",
        Light::Trouble => "!",
        Light::Stopped => "○",
    }
}

fn name(model: &ModelSummary) -> String {
    model.alias.clone().unwrap_or_else(|| model.name.clone())
}

/// Where a model runs and whether it can answer, in words.
fn describe(model: &ModelSummary, now: u64) -> String {
    let place = match model.location {
        Location::Local => "local",
        Location::Hosted => "hosted",
    };
    let state = match &model.state {
        ModelState::Ready => "ready".to_owned(),
        ModelState::Warm { since } => format!("warm for {}", ago(now.saturating_sub(*since))),
        ModelState::Loading { since, expected: Some(expected) } => {
            format!("loading, {} of about {}", ago(now.saturating_sub(*since)), ago(*expected))
        }
        ModelState::Loading { since, expected: None } => format!("loading for {}", ago(now.saturating_sub(*since))),
        ModelState::Cold { reason: Some(reason) } => format!("cold ({reason})"),
        ModelState::Cold { reason: None } => "cold".to_owned(),
        ModelState::Missing => "not downloaded".to_owned(),
        ModelState::Unreachable { reason } => format!("unreachable ({reason})"),
        ModelState::Unknown => "not known".to_owned(),
    };
    let context = match (model.loaded_context, model.context_window) {
        (Some(loaded), Some(window)) if loaded < window => format!(", {loaded} of {window} tokens of context loaded"),
        (Some(loaded), _) => format!(", {loaded} tokens of context loaded"),
        (None, Some(window)) => format!(", {window} tokens of context"),
        (None, None) => String::new(),
    };
    let barred = model.barred.iter().chain(&model.problem).map(|why| format!(", {why}")).collect::<String>();
    format!("{place}, {state}{context}{}{barred}", told(model, now))
}

/// What else its runtime tells of a local model.
fn told(model: &ModelSummary, now: u64) -> String {
    let mut told = model.quantization.clone().into_iter().collect::<Vec<_>>();
    #[expect(clippy::cast_precision_loss, reason = "it is only shown, with one decimal")]
    told.extend(model.size_bytes.map(|bytes| format!("{:.1} GB", bytes as f64 / 1e9)));
    if matches!(model.state, ModelState::Warm { .. }) {
        told.extend(model.activity.clone());
        told.extend(model.last_used.map(|at| format!("last used {} ago", ago(now.saturating_sub(at)))));
        told.extend(model.stays_until.map(|at| format!("goes in {} unless it is used", ago(at.saturating_sub(now)))));
    }
    told.iter().map(|one| format!(", {one}")).collect()
}

fn served(request: &ServedRequest, now: u64) -> Vec<String> {
    let who = match (&request.served_by, request.outcome) {
        (Some(model), RequestOutcome::Served) => model.to_string(),
        (Some(model), RequestOutcome::Cut) => format!("{model}, cut off"),
        (_, RequestOutcome::Cancelled) => "cancelled by the client".to_owned(),
        (_, _) => format!("failed with {}", request.http_status),
    };
    let why = request
        .passed_over
        .iter()
        .map(|tried| format!("{}: {}", tried.model, tried.detail))
        .collect::<Vec<_>>()
        .join("; ");
    vec![
        format!("{} ago", ago(now.saturating_sub(request.started))),
        request.asked.clone(),
        format!("→ {who}"),
        request.first_content.map(|wait| format!("first content {wait} ms")).unwrap_or_default(),
        why,
    ]
}

/// A duration in milliseconds as `3 s`, `5 min`, `2 h`, `4 d`.
fn ago(milliseconds: u64) -> String {
    let seconds = milliseconds / 1_000;
    match seconds {
        0..100 => format!("{seconds} s"),
        100..6_000 => format!("{} min", seconds / 60),
        6_000..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// `1 thing`, `2 things`.
pub(crate) fn count(number: usize, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

/// Aligned columns, two spaces in front of each row.
fn rows(rows: impl Iterator<Item = Vec<String>>) -> String {
    let rows: Vec<_> = rows.collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<_> = (0..columns)
        .map(|column| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line += "  ";
            line += cell;
            line.extend(std::iter::repeat_n(' ', width - cell.chars().count()));
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}
