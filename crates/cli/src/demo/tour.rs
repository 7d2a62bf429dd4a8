//! The tour: a cold model, the bridge, a crash and the way back, each shown by a real request through the proxy.

use std::time::{Duration, Instant};

use pilotlight_engine::state::{AppState, ModelState};
use pilotlight_simulator::{After, Fault, Simulator, UnloadCause};

use super::LOCAL_MODEL;
use crate::output::{Failure, print};
use crate::remote::RunningEngine;

/// Runs it; takes two loads and a few seconds.
pub(crate) async fn run(engine: &RunningEngine, local: &Simulator) -> Result<(), Failure> {
    say(engine, "The local model is cold and has begun to load. A request does not wait for it:").await?;
    ask(engine, "Who are you?").await?;
    wait(engine, "it is warm", is_warm).await?;
    say(engine, "Now it is warm, and the same request stays on this machine:").await?;
    ask(engine, "Who are you now?").await?;

    tokio::time::sleep(Duration::from_secs(3)).await;
    say(engine, "While the local model answers, it crashes. What was said stays said, and the end is an honest error:")
        .await?;
    local.control().fault(Fault::Unload { after: After::Content(5), cause: UnloadCause::Crash }.times(1));
    ask(engine, "Tell me more").await?;
    say(engine, "The next request does not wait for the reload:").await?;
    ask(engine, "And now?").await?;
    wait(engine, "it is warm again", is_warm).await?;
    say(engine, "It was reloaded, and answers again:").await?;
    ask(engine, "And at last?").await
}

async fn say(engine: &RunningEngine, sentence: &str) -> Result<(), Failure> {
    let state = engine.state().await?;
    print(&format!("\n{sentence}\n  status        {}\n", state.status))
}

/// One request for `primary`, and what came of it.
async fn ask(engine: &RunningEngine, question: &str) -> Result<(), Failure> {
    let asked = Instant::now();
    let answer = engine.ask_primary(question).await?;
    let mut shown = format!(
        "  request       “{question}”\n  served by     {} ({})\n  first content after {} ms: “{}”\n",
        answer.served_by,
        answer.attempts,
        answer.first_content.saturating_duration_since(asked).as_millis(),
        answer.text.trim(),
    );
    if let Some(error) = answer.error {
        shown += &format!("  then an error {error}\n");
    }
    print(&shown)
}

async fn wait(engine: &RunningEngine, what: &str, until: impl Fn(&AppState) -> bool) -> Result<(), Failure> {
    let waiting = async {
        loop {
            if until(&engine.state().await?) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(300), waiting)
        .await
        .map_err(|_| Failure::new("demo", format!("waited 5 minutes until {what}")))?
}

fn is_warm(state: &AppState) -> bool {
    state
        .models
        .iter()
        .any(|model| model.model.model() == LOCAL_MODEL && matches!(model.state, ModelState::Warm { .. }))
}
