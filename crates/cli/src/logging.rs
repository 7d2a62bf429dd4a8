//! What the engine logs, on standard error. `RUST_LOG` chooses, in `tracing`'s syntax.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Begins to log. `default` holds where `RUST_LOG` is not set.
pub(crate) fn start(default: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let started = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .try_init();
    if let Err(error) = started {
        tracing::debug!(%error, "a log is kept already");
    }
}
