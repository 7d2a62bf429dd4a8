//! `pilotlight serve`: the engine without a desktop.

use std::process::ExitCode;

use pilotlight_config::Environment;
use pilotlight_engine::{Engine, EngineOptions};

use crate::output::{Failure, print};
use crate::{ServeArguments, logging, pages};

/// Runs until it is told to stop.
pub(crate) async fn run(arguments: ServeArguments) -> Result<ExitCode, Failure> {
    logging::start("warn,pilotlight_engine=info");
    let mut options = EngineOptions::new(Environment::of_process(), "serve");
    options.config = arguments.files.config;
    options.settings = arguments.files.settings;
    options.listen = arguments.listen;
    if arguments.ui {
        options.pages = Some(pages::router()?);
    }
    // Asked for before the engine starts, so that a signal in between is not missed.
    let stop = Stop::listen()?;
    let engine = Engine::start(options).await.map_err(|error| Failure::new("start", error.to_string()))?;
    let state = engine.state_now();
    // Nobody looks at a headless machine's window: what is not in force, for a mistake in it, is said at once.
    for problem in state.config.problems.iter().filter(|problem| problem.severity == "error") {
        tracing::error!("{}:{}:{}: {}", problem.file, problem.line, problem.column, problem.message);
    }
    let endpoint = state.endpoint.clone().unwrap_or_default();
    print(&format!("pilotlight {} {endpoint}\n", env!("CARGO_PKG_VERSION")))?;
    if arguments.ui {
        print(&format!("{}\n", pages::address(&engine)))?;
    }
    stop.wait().await;
    engine.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// Ctrl-C and, where there is one, SIGTERM.
pub(crate) struct Stop {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Stop {
    /// Begins to listen.
    pub(crate) fn listen() -> Result<Self, Failure> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let failed = |error: std::io::Error| Failure::new("signals", error.to_string());
            Ok(Self {
                terminate: signal(SignalKind::terminate()).map_err(failed)?,
                interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
            })
        }
        #[cfg(not(unix))]
        Ok(Self {})
    }

    /// Returns when told to stop.
    pub(crate) async fn wait(mut self) {
        #[cfg(unix)]
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
        #[cfg(not(unix))]
        {
            let _ = tokio::signal::ctrl_c().await;
        }
    }
}
