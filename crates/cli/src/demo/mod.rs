//! `pilotlight demo`: the real engine, tray and all, on simulated servers, in a folder that is removed afterwards.
//! Nothing of the user's own is read or touched.

mod files;
mod tour;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use pilotlight_config::{Environment, Home};
use pilotlight_engine::{Engine, EngineOptions};
use pilotlight_simulator::{Kind, Model, Options, Simulator};
use tokio::process::{Child, Command};

use crate::logging;
use crate::output::{Failure, print};
use crate::remote::RunningEngine;
use crate::serve::Stop;

/// The command line of the demonstration.
#[derive(Args)]
pub(crate) struct Arguments {
    /// How long the simulated local model takes to load
    #[arg(long, value_name = "SECONDS", default_value_t = 12)]
    load_seconds: u64,
    /// Stay in the terminal, even where there is a desktop
    #[arg(long)]
    headless: bool,
    /// End when the tour has been shown, instead of running on
    #[arg(long)]
    once: bool,
}

/// The simulated local model.
const LOCAL_MODEL: &str = "minimax-m2.1-gs32";

/// Runs until Ctrl-C, until the desktop's Quit, or to the end of the tour.
pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    logging::start("warn");
    let stop = Stop::listen()?;
    let stage = Stage::set(Duration::from_secs(arguments.load_seconds)).await?;
    let mut frontend = match (arguments.headless, desktop_program()) {
        (false, Some(program)) => Frontend::desktop(&program, &stage)?,
        _ => Frontend::engine(&stage).await?,
    };
    let shown = frontend.shown();
    let show = async {
        let engine = wait_for_engine(&stage.home).await?;
        print(&introduction(&stage, &engine, shown)?)?;
        tour::run(&engine, &stage.local).await?;
        if arguments.once {
            return Ok(());
        }
        print("\nThat was the tour. Everything goes on running; Ctrl-C ends it.\n")?;
        std::future::pending().await
    };
    let ended = tokio::select! {
        ended = show => ended,
        ended = frontend.ended() => ended,
        () = stop.wait() => Ok(()),
    };
    frontend.stop().await;
    ended.map(|()| ExitCode::SUCCESS)
}

/// The simulated servers, and the folder with the files that name them.
struct Stage {
    local: Simulator,
    hosted: Simulator,
    home: Home,
    config: PathBuf,
    _folder: tempfile::TempDir,
}

impl Stage {
    async fn set(load_time: Duration) -> Result<Self, Failure> {
        let failed = |what: &str| {
            let what = what.to_owned();
            move |error: anyhow::Error| Failure::new("demo", format!("{what} could not be started: {error:#}"))
        };
        let control = Some(std::net::SocketAddr::from(([127, 0, 0, 1], 0)));
        let local = Simulator::start(
            Kind::LmStudio,
            Options {
                models: vec![
                    Model::new(LOCAL_MODEL).load_time(load_time),
                    Model::new("qwen3-8b").load_time(load_time / 4).context(40_960),
                ],
                word_delay: Duration::from_millis(40),
                control,
                ..Options::default()
            },
        )
        .await
        .map_err(failed("the simulated LM Studio"))?;
        let hosted = Simulator::start(
            Kind::OpenAi,
            Options {
                word_delay: Duration::from_millis(25),
                prompt_delay: Duration::from_millis(250),
                control,
                ..Options::default()
            },
        )
        .await
        .map_err(failed("the simulated hosted provider"))?;

        let folder = tempfile::Builder::new()
            .prefix("pilotlight-demo-")
            .tempdir()
            .map_err(files::failed("a temporary folder"))?;
        let home = Home::at(folder.path().join("home"));
        let config = folder.path().join("openclaw.json5");
        files::write(&home, &config, &local.base_url().to_string(), &hosted.base_url().to_string())?;
        Ok(Self { local, hosted, home, config, _folder: folder })
    }
}

/// What shows the engine: the tray application in a process of its own, or nothing but this terminal.
enum Frontend {
    Desktop(Child),
    Terminal(Engine),
}

impl Frontend {
    fn desktop(program: &Path, stage: &Stage) -> Result<Self, Failure> {
        Command::new(program)
            .env("PILOTLIGHT_HOME", stage.home.folder())
            .env("OPENCLAW_CONFIG_PATH", &stage.config)
            .env_remove("OPENCLAW_CONFIG_READONLY")
            // What it would log is told here in plainer words.
            .env("RUST_LOG", std::env::var_os("RUST_LOG").unwrap_or_else(|| "warn".into()))
            .spawn()
            .map(Self::Desktop)
            .map_err(|error| Failure::new("demo", format!("{} could not be started: {error}", program.display())))
    }

    async fn engine(stage: &Stage) -> Result<Self, Failure> {
        let mut environment = Environment::of_process();
        environment.vars.remove("OPENCLAW_CONFIG_READONLY");
        environment.vars.insert("PILOTLIGHT_HOME".to_owned(), stage.home.folder().display().to_string());
        environment.vars.insert("OPENCLAW_CONFIG_PATH".to_owned(), stage.config.display().to_string());
        let engine = Engine::start(EngineOptions::new(environment, "serve"))
            .await
            .map_err(|error| Failure::new("start", error.to_string()))?;
        let mut notices = engine.occurrences();
        tokio::spawn(async move {
            while let Ok(notice) = notices.recv().await {
                // The reader of a closed terminal is told nothing more.
                let _ = print(&format!("  notification  {}. {}\n", notice.title, notice.body));
            }
        });
        Ok(Self::Terminal(engine))
    }

    /// Where a person sees what happens.
    fn shown(&self) -> &'static str {
        match self {
            Self::Desktop(_) => "Look at the tray icon, and open the window from its menu.",
            Self::Terminal(_) => "There is no desktop here, so what a notification would say is printed.",
        }
    }

    /// Returns when the tray application has ended by itself; the terminal never does.
    async fn ended(&mut self) -> Result<(), Failure> {
        match self {
            Self::Terminal(_) => std::future::pending().await,
            Self::Desktop(child) => match child.wait().await {
                Ok(status) if status.success() => Ok(()),
                Ok(status) => Err(Failure::new("desktop", format!("the tray application ended with {status}"))),
                Err(error) => Err(Failure::new("desktop", error.to_string())),
            },
        }
    }

    async fn stop(self) {
        match self {
            Self::Terminal(engine) => engine.stop().await,
            Self::Desktop(mut child) => {
                if let Some(pid) = child.id() {
                    ask_to_end(pid).await;
                }
                if tokio::time::timeout(Duration::from_secs(12), child.wait()).await.is_err() {
                    let _ = child.kill().await;
                }
            }
        }
    }
}

/// Asks our own child to end, so that it puts its tray icon away; there is no portable call for that.
#[cfg(unix)]
async fn ask_to_end(pid: u32) {
    let _ = Command::new("kill").args(["-TERM", &pid.to_string()]).status().await;
}

#[cfg(not(unix))]
async fn ask_to_end(_pid: u32) {}

/// The tray application beside this program, where there is a desktop to show it on.
fn desktop_program() -> Option<PathBuf> {
    let display = cfg!(any(windows, target_os = "macos"))
        || ["DISPLAY", "WAYLAND_DISPLAY"]
            .iter()
            .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
    let program =
        std::env::current_exe().ok()?.with_file_name(format!("pilotlight-desktop{}", std::env::consts::EXE_SUFFIX));
    (display && program.is_file()).then_some(program)
}

async fn wait_for_engine(home: &Home) -> Result<RunningEngine, Failure> {
    let started = async {
        loop {
            if let Ok(engine) = RunningEngine::at(home) {
                return engine;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), started)
        .await
        .map_err(|_| Failure::new("demo", "the engine has not come up within 30 s"))
}

fn introduction(stage: &Stage, engine: &RunningEngine, shown: &str) -> Result<String, Failure> {
    let token = engine.token().unwrap_or_default();
    let endpoint = engine.endpoint();
    let control =
        stage.local.control_address().ok_or_else(|| Failure::new("demo", "the simulator has no control address"))?;
    let width = if std::io::stdout().is_terminal() { "─".repeat(78) } else { "-".repeat(78) };
    Ok(format!(
        "\
{width}
Pilot Light, on simulated servers. Nothing here is real: no GPU, no key, no cost.
{shown}

  local model   {LOCAL_MODEL} in an LM Studio at {local}
  hosted model  at {hosted}
  configuration {config}
  endpoint      {endpoint}

Try it from another terminal:

  curl -N {endpoint}/responses \\
    -H 'Authorization: Bearer {token}' -H 'Content-Type: application/json' \\
    -d '{{\"model\": \"primary\", \"stream\": true, \"input\": \"Who are you?\"}}'

Eject the local model as a person would in LM Studio's own window; or let it crash at the next answer's third word:

  curl http://{control}/_sim/unload -H 'Content-Type: application/json' \\
    -d '{{\"model\": \"{LOCAL_MODEL}\", \"cause\": \"ejected\"}}'
  curl http://{control}/_sim/faults -H 'Content-Type: application/json' \\
    -d '{{\"fault\": \"unload\", \"cause\": \"crash\", \"after\": 3, \"times\": 1}}'
{width}
",
        local = stage.local.base_url(),
        hosted = stage.hosted.base_url(),
        config = stage.config.display(),
    ))
}
