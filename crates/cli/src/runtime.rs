//! `pilotlight runtime`: the local runtimes as the running engine sees them, and starting the one that can be started.
//!
//! Must not know: how a runtime is asked or started.

use std::process::ExitCode;

use clap::Subcommand;
use pilotlight_engine::state::RuntimeSummary;
use serde_json::{Value, json};

use crate::OutputArguments;
use crate::output::{Failure, print, show};
use crate::remote::RunningEngine;

/// What to do.
#[derive(Subcommand)]
pub(crate) enum RuntimeCommand {
    /// Show each local runtime: what it is, where, what it can be told, and what it cannot tell
    List(OutputArguments),
    /// Start LM Studio's server on this machine, and wait until it answers
    ///
    /// By LM Studio's own command line, `lms server start`; on a machine without a window its daemon is started first.
    /// Nothing else ever starts it.
    Start {
        /// The provider's id in the configuration [default: the one whose server is away]
        provider: Option<String>,
        #[command(flatten)]
        output: OutputArguments,
    },
}

impl RuntimeCommand {
    pub(crate) fn json(&self) -> bool {
        match self {
            Self::List(output) | Self::Start { output, .. } => output.json,
        }
    }

    pub(crate) async fn run(self) -> Result<ExitCode, Failure> {
        let json = self.json();
        let engine = RunningEngine::of_process()?;
        match self {
            Self::List(_) => {
                let runtimes = engine.state().await?.runtimes;
                show(json, &runtimes, || list(&runtimes))
            }
            Self::Start { provider, .. } => {
                if !json {
                    print("Starting its server …\n")?;
                }
                let started: Value = engine.post("runtime/start", &json!({ "provider": provider })).await?;
                show(json, &started, || format!("It answers at {}\n", started["address"].as_str().unwrap_or_default()))
            }
        }
    }
}

fn list(runtimes: &[RuntimeSummary]) -> String {
    if runtimes.is_empty() {
        return "No local provider is configured\n".to_owned();
    }
    runtimes.iter().map(describe).collect::<Vec<_>>().join("\n")
}

fn describe(runtime: &RuntimeSummary) -> String {
    let title = if runtime.kind == "unknown" { "not known yet" } else { &runtime.title };
    let version = runtime.version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
    let mut text = format!("{}  {title}{version} at {}\n", runtime.provider, runtime.address.trim_end_matches('/'));
    let mut line = |words: String| text += &format!("  {words}\n");
    match (runtime.reachable, &runtime.detail) {
        (true, None) => {}
        (true, Some(detail)) => line(format!("answers, but {detail}")),
        (false, detail) => line(format!("does not answer: {}", detail.as_deref().unwrap_or("not asked yet"))),
    }
    if runtime.kind == "unknown" {
        return text;
    }
    let abilities = [
        (runtime.loads, "loads a model on request"),
        (runtime.load_context, "with a context length"),
        (runtime.unloads, "unloads on request"),
        (runtime.pushes, "tells of changes by itself"),
    ];
    let can: Vec<_> = abilities.iter().filter(|(can, _)| *can).map(|(_, words)| *words).collect();
    line(if can.is_empty() { "neither loads nor unloads on request".to_owned() } else { can.join(", ") });
    if let Some(how) = &runtime.context_set_by {
        let from_here = if runtime.sets_context { " (`pilotlight context MODEL --reload` sets it)" } else { "" };
        line(format!("the context that a model is loaded with is set by {how}{from_here}"));
    }
    line(format!("to keep a model warm: {}", runtime.keeping_warm));
    if !runtime.cannot_tell.is_empty() {
        line(format!("does not tell {}", runtime.cannot_tell.join(", ")));
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn a_runtime_in_words() {
        let mut runtime = RuntimeSummary {
            provider: "rack".into(),
            kind: "llama-server".into(),
            title: "llama-server".into(),
            version: Some("b11669".into()),
            address: "http://127.0.0.1:8080/".into(),
            reachable: true,
            detail: None,
            loads: true,
            load_context: false,
            sets_context: false,
            context_set_by: Some("its command line".into()),
            unloads: true,
            pushes: true,
            keeping_warm: "nothing is sent".into(),
            cannot_tell: vec!["when a model was last used".into()],
        };
        assert_eq!(
            list(&[runtime.clone()]),
            "rack  llama-server b11669 at http://127.0.0.1:8080\n  loads a model on request, unloads on request, tells \
             of changes by itself\n  the context that a model is loaded with is set by its command line\n  to keep a model warm: nothing is sent\n  does not tell when a model was last used\n"
        );
        runtime.kind = "unknown".into();
        runtime.version = None;
        runtime.reachable = false;
        runtime.detail = Some("connection refused".into());
        assert_eq!(
            list(&[runtime]),
            "rack  not known yet at http://127.0.0.1:8080\n  does not answer: connection refused\n"
        );
    }
}
