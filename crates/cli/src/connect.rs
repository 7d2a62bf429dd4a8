//! `pilotlight connect` and `pilotlight disconnect`: other tools' settings, so that their requests come here.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Args, builder::TypedValueParser as _};
use pilotlight_config::connect::{ConnectError, ConnectState, Connector, Outcome, Standing, Tool};
use pilotlight_config::{ConfigLocation, Environment, Home, settings_store};
use pilotlight_engine::connect::{Verification, base_for_clients, verify};
use serde_json::{Value, json};

use crate::FileArguments;
use crate::output::{Failure, show};
use crate::remote::RunningEngine;

#[derive(Args)]
pub(crate) struct ConnectArguments {
    /// The tool; left out, all are listed
    #[arg(value_parser = tools().map(named))]
    tool: Option<Tool>,
    /// Print what would change, and change nothing
    #[arg(long, requires = "tool")]
    dry_run: bool,
    /// Do not ask a running engine for an answer
    #[arg(long)]
    no_verify: bool,
    #[command(flatten)]
    files: FileArguments,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct DisconnectArguments {
    /// The tool
    #[arg(value_parser = tools().map(named))]
    tool: Tool,
    /// Print what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    files: FileArguments,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn tools() -> PossibleValuesParser {
    PossibleValuesParser::new(Tool::ALL.map(|tool| PossibleValue::new(tool.id()).help(tool.title())))
}

/// The parser lets only such names through.
fn named(id: String) -> Tool {
    Tool::named(&id).unwrap_or(Tool::OpenClaw)
}

/// Where things are, as values that live as long as a command.
struct Place {
    environment: Environment,
    location: ConfigLocation,
    settings: PathBuf,
    base: String,
    running: bool,
}

impl Place {
    /// A running engine says where it listens; otherwise the settings say where one will.
    fn of(files: &FileArguments) -> Self {
        let environment = Environment::of_process();
        let home = Home::from(&environment);
        let location = ConfigLocation::find(&environment, &home, files.config.as_deref());
        let engine = RunningEngine::at(&home).ok();
        let running = engine.is_some();
        let known = engine.as_ref().map(|engine| engine.settings().to_owned());
        let settings = files.settings.clone().or(known).unwrap_or_else(|| home.settings_file());
        let base = match &engine {
            Some(engine) => base_for_clients(engine.address()),
            None => {
                let listen = settings_store::read(&settings, &environment).settings.listen;
                base_for_clients(&format!("http://{listen}"))
            }
        };
        Self { environment, location, settings, base, running }
    }

    fn connector(&self) -> Connector<'_> {
        Connector {
            environment: &self.environment,
            location: &self.location,
            settings: &self.settings,
            base: &self.base,
        }
    }
}

impl ConnectArguments {
    pub(crate) fn json(&self) -> bool {
        self.json
    }

    pub(crate) async fn run(self) -> Result<ExitCode, Failure> {
        let place = Place::of(&self.files);
        let connector = place.connector();
        let Some(tool) = self.tool else { return list(&connector, self.json) };
        if self.dry_run {
            let outcome = connector.preview_connect(tool).map_err(failure)?;
            return shown(tool, &outcome, true, None, self.json, &place.base);
        }
        let outcome = connector.connect(tool).map_err(failure)?;
        let verified = if place.running && !self.no_verify {
            let token = connector.token(tool).map_err(failure)?;
            Some(verify(&place.base, tool, token.as_ref()).await)
        } else {
            None
        };
        let words = match &verified {
            Some(verified) => words(verified),
            None if self.no_verify => String::new(),
            None => "No engine is running, so it was not tried: start one with `pilotlight serve` or the tray \
                     application\n"
                .to_owned(),
        };
        let failed = verified.as_ref().is_some_and(|verified| !verified.ok);
        shown(tool, &outcome, false, Some((verified, words)), self.json, &place.base)?;
        // It is connected; that it does not work is worth an exit code.
        Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

impl DisconnectArguments {
    pub(crate) fn json(&self) -> bool {
        self.json
    }

    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let place = Place::of(&self.files);
        let connector = place.connector();
        let tool = self.tool;
        let outcome = if self.dry_run { connector.preview_disconnect(tool) } else { connector.disconnect(tool) }
            .map_err(failure)?;
        let value = value(tool, &outcome, self.dry_run, None);
        show(self.json, &value, || {
            let mut text = if self.dry_run {
                outcome.diff.clone()
            } else {
                let files = outcome.changes.iter().map(|change| change.path.display().to_string());
                let files: Vec<String> = files.collect();
                let files = if files.is_empty() { "nothing of it was left".to_owned() } else { files.join(", ") };
                format!("{} is disconnected ({files})\n", tool.title())
            };
            for path in &outcome.removed {
                text += &format!("{} {}\n", path.display(), if self.dry_run { "is removed" } else { "was removed" });
            }
            text + &notes(&outcome)
        })
    }
}

fn list(connector: &Connector<'_>, json: bool) -> Result<ExitCode, Failure> {
    let list = connector.list();
    let value: Vec<Value> = list.iter().map(standing).collect();
    show(json, &value, || list.iter().map(line).collect())
}

fn standing(standing: &Standing) -> Value {
    json!({
        "tool": standing.tool.id(),
        "title": standing.tool.title(),
        "state": standing.state,
        "file": standing.file,
        "canDisconnect": standing.can_disconnect,
        "notes": standing.notes,
    })
}

fn line(standing: &Standing) -> String {
    let state = match standing.state {
        ConnectState::Absent => "not found",
        ConnectState::Apart => "not connected",
        ConnectState::Connected => "connected",
        ConnectState::Outdated => "out of date",
    };
    let mut text = format!("{:<12} {state:<14} {}\n", standing.tool.id(), standing.file.display());
    for note in &standing.notes {
        text += &format!("{:<12} {note}\n", "");
    }
    text
}

fn value(tool: Tool, outcome: &Outcome, dry_run: bool, verified: Option<&Verification>) -> Value {
    json!({
        "tool": tool.id(),
        "written": !dry_run && !outcome.changes.is_empty(),
        "files": outcome.changes.iter().map(|change| &change.path).collect::<Vec<_>>(),
        "removed": outcome.removed,
        "diff": outcome.diff,
        "notes": outcome.notes,
        "verified": verified,
    })
}

fn shown(
    tool: Tool,
    outcome: &Outcome,
    dry_run: bool,
    verified: Option<(Option<Verification>, String)>,
    json: bool,
    base: &str,
) -> Result<ExitCode, Failure> {
    let value = value(tool, outcome, dry_run, verified.as_ref().and_then(|(verified, _)| verified.as_ref()));
    show(json, &value, || {
        let mut text = match (outcome.changes.is_empty(), dry_run) {
            (true, _) => format!("{} is connected already; nothing to change\n", tool.title()),
            (false, true) => outcome.diff.clone(),
            (false, false) => {
                let files: Vec<String> =
                    outcome.changes.iter().map(|change| change.path.display().to_string()).collect();
                format!(
                    "{} is connected to {base} ({}); `pilotlight disconnect {}` takes it back\n",
                    tool.title(),
                    files.join(", "),
                    tool.id()
                )
            }
        };
        text += &notes(outcome);
        text + verified.as_ref().map_or("", |(_, words)| words)
    })
}

fn notes(outcome: &Outcome) -> String {
    outcome.notes.iter().map(|note| format!("Note: {note}\n")).collect()
}

fn words(verified: &Verification) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a request takes less than 2^52 ms")]
    let seconds = verified.milliseconds as f64 / 1000.0;
    match (&verified.message, &verified.model) {
        (Some(message), _) => format!("A request through the engine failed: {message}\n"),
        (None, Some(model)) => format!("It works: {model} answered in {seconds:.1} s\n"),
        (None, None) => format!("It works: there was an answer in {seconds:.1} s\n"),
    }
}

fn failure(error: ConnectError) -> Failure {
    let code = match &error {
        ConnectError::NoOpenClaw { .. } => "not-found",
        ConnectError::NotConnected { .. } => "not-connected",
        ConnectError::NoChain { .. } => "no-chain",
        ConnectError::KeepsChanging { .. } => "busy",
        _ => "connect",
    };
    Failure::new(code, error.to_string())
}
