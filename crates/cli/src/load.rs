//! `pilotlight load`: loads a model, and shows how far it has come while one waits.
//!
//! Must not know: how a load goes on. What is shown is the engine's state, asked again and again.

use std::io::IsTerminal as _;
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use pilotlight_engine::state::{ModelState, ModelSummary};
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval};

use crate::output::{Failure, print, show};
use crate::remote::{RunningEngine, now};

/// How often the engine is asked, for a terminal.
const LIVE: Duration = Duration::from_millis(500);
/// The same, for a file or a pipe.
const PLAIN: Duration = Duration::from_secs(5);
/// The same, for a program.
const JSON: Duration = Duration::from_secs(1);
/// The bar's width.
const BAR: u64 = 24;

/// Loads it; returns when it is in memory.
pub(crate) async fn run(model: &str, watch: bool, json: bool) -> Result<ExitCode, Failure> {
    let engine = RunningEngine::of_process()?;
    let live = !json && std::io::stdout().is_terminal();
    if !json && !live {
        print(&format!("Loading {model} …\n"))?;
    }
    let mut ticks = interval(match (json, live) {
        (true, _) => JSON,
        (false, true) => LIVE,
        (false, false) => PLAIN,
    });
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first is at once, before anything can be told.
    ticks.tick().await;
    let mut loading = pin!(engine.command::<Value>("load", model));
    let answer = loop {
        tokio::select! {
            answer = &mut loading => break answer,
            _ = ticks.tick(), if watch || live => {
                // An engine that does not answer this is told of by the load itself.
                let Ok(state) = engine.state().await else { continue };
                let Some(summary) = meant(&state.models, model) else { continue };
                if json {
                    print(&format!("{}\n", facts(summary)))?;
                } else if live {
                    print(&format!("\r\x1b[2K{}", line(summary, now())))?;
                } else {
                    print(&format!("{}\n", line(summary, now())))?;
                }
            }
        }
    };
    if live {
        print("\r\x1b[2K")?;
    }
    let loaded = answer?;
    if json && watch {
        print(&format!("{loaded}\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let short = if json { None } else { too_short(&engine, &loaded).await };
    show(json, &loaded, || {
        let context =
            loaded["context"].as_u64().map(|tokens| format!(", {tokens} tokens of context")).unwrap_or_default();
        let name = loaded["model"].as_str().unwrap_or(model);
        let done = match loaded["loadMilliseconds"].as_u64() {
            Some(0) | None => format!("{name} was warm already{context}\n"),
            Some(took) => format!("{name} is warm after {:.1} s{context}\n", Duration::from_millis(took).as_secs_f64()),
        };
        done + &short.unwrap_or_default()
    })
}

/// What a person should know where it is in memory with less context than the configuration says.
async fn too_short(engine: &RunningEngine, loaded: &Value) -> Option<String> {
    let (model, has) = (loaded["model"].as_str()?, loaded["context"].as_u64()?);
    let state = engine.state().await.ok()?;
    let known = state.models.iter().find(|known| known.model.to_string() == model)?;
    let wanted = known.context_window.filter(|wanted| has < *wanted)?;
    Some(format!("That is less than the {wanted} of the configuration: see `pilotlight context {model}`\n"))
}

/// The model of this name, as the engine understands it: its display name comes last.
fn meant<'a>(models: &'a [ModelSummary], name: &str) -> Option<&'a ModelSummary> {
    models.iter().find(|known| named(known, name)).or_else(|| models.iter().find(|known| called(known, name)))
}

/// Whether this is a model's ref, alias or id.
fn named(known: &ModelSummary, name: &str) -> bool {
    let is = |text: &str| text.eq_ignore_ascii_case(name);
    is(&known.model.to_string()) || known.alias.as_deref().is_some_and(is) || is(known.model.model())
}

/// Whether a model is called so, or shown so.
pub(crate) fn called(known: &ModelSummary, name: &str) -> bool {
    named(known, name) || known.name.eq_ignore_ascii_case(name)
}

fn facts(model: &ModelSummary) -> Value {
    let percent = model.progress;
    match &model.state {
        ModelState::Loading { since, expected } => json!({
            "model": model.model, "state": "loading", "percent": percent, "expectedMilliseconds": expected,
            "elapsedMilliseconds": now().saturating_sub(*since),
        }),
        state => json!({ "model": model.model, "state": json!(state)["kind"], "problem": model.problem }),
    }
}

/// A model on its way, in one line: `[#########               ] minimax · loading · 12 of about 40 s`.
fn line(model: &ModelSummary, now: u64) -> String {
    let name = model.alias.as_deref().unwrap_or(&model.name);
    let ModelState::Loading { since, expected } = &model.state else {
        let why = model.problem.as_ref().map(|problem| format!(": {problem}")).unwrap_or_default();
        return format!("{name} · waiting{why}");
    };
    let passed = now.saturating_sub(*since);
    // By the clock it is never quite done: only the runtime knows when it is.
    let by_clock = expected.filter(|expected| *expected > 0).map(|expected| (passed * 100 / expected).min(97));
    let percent = model.progress.map(u64::from).or(by_clock);
    let bar = percent.map(|percent| {
        let full = usize::try_from(percent.min(100) * BAR / 100).unwrap_or_default();
        format!("[{:<width$}] ", "#".repeat(full), width = usize::try_from(BAR).unwrap_or_default())
    });
    let time = match expected {
        Some(expected) => format!("{} of about {} s", passed / 1_000, expected.div_ceil(1_000)),
        None => format!("{} s", passed / 1_000),
    };
    format!("{}{name} · loading · {time}", bar.unwrap_or_default())
}
