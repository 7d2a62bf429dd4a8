//! Where the log goes: standard error, and a file a day in the home's `logs`, of which a week is kept.
//! `RUST_LOG` says how much (`info` if it says nothing).

use std::io::IsTerminal;
use std::path::Path;

use tracing_appender::non_blocking::WorkerGuard;
use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt};

/// How many days' files are kept.
const DAYS: usize = 7;

/// Starts the log. What is held back is written when the guard is dropped. A folder that cannot be written costs the
/// file, not the program.
pub(crate) fn start(folder: &Path) -> Option<WorkerGuard> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let terminal =
        fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal()).with_target(false);
    let files = std::fs::create_dir_all(folder).map_err(|error| error.to_string()).and_then(|()| {
        RollingFileAppender::builder()
            .rotation(Rotation::DAILY)
            .filename_prefix("desktop")
            .filename_suffix("log")
            .max_log_files(DAYS)
            .build(folder)
            .map_err(|error| error.to_string())
    });
    let registry = tracing_subscriber::registry().with(filter).with(terminal);
    match files {
        Ok(files) => {
            let (writer, guard) = tracing_appender::non_blocking(files);
            registry.with(fmt::layer().with_writer(writer).with_ansi(false)).init();
            Some(guard)
        }
        Err(error) => {
            registry.init();
            tracing::warn!(%error, folder = %folder.display(), "no log is kept in files");
            None
        }
    }
}
