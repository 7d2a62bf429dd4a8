//! How the shell starts the engine.

use pilotlight_config::Environment;
use pilotlight_engine::{Engine, EngineOptions, StartError};

use crate::Options;

/// The process's environment, read once.
pub(crate) fn environment() -> Environment {
    Environment::of_process()
}

/// Starts the engine with what the command line asks for.
///
/// # Errors
/// When it cannot start; the error says what to do.
pub(crate) async fn start(options: &Options, environment: Environment) -> Result<Engine, StartError> {
    Engine::start(EngineOptions {
        config: options.config.clone(),
        settings: options.settings.clone(),
        listen: options.listen,
        ..EngineOptions::new(environment, "desktop")
    })
    .await
}
