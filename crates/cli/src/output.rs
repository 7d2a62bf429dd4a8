//! How a command ends: its result on standard output, its failure on standard error, and the exit code.

use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;

/// Why a command did not do what it was asked to.
#[derive(Debug, Serialize)]
pub(crate) struct Failure {
    /// A stable name.
    code: String,
    /// What, and what to do.
    message: String,
    #[serde(skip)]
    exit: u8,
}

impl Failure {
    /// It could not be done: exit code 1.
    pub(crate) fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), exit: 1 }
    }

    /// No engine is running: exit code 3.
    pub(crate) fn not_running(message: impl Into<String>) -> Self {
        Self { code: "not-running".to_owned(), message: message.into(), exit: 3 }
    }
}

/// Prints a command's text, or its value as JSON.
pub(crate) fn show<T: Serialize>(json: bool, value: &T, text: impl FnOnce() -> String) -> Result<ExitCode, Failure> {
    let text = if json {
        let mut text = serde_json::to_string_pretty(value).map_err(|error| Failure::new("json", error.to_string()))?;
        text.push('\n');
        text
    } else {
        text()
    };
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints a text. A reader that went away (`pilotlight models | head -1`) is no failure.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::new("output", error.to_string())),
        _ => Ok(()),
    }
}

/// Says what went wrong and gives the exit code.
pub(crate) fn report(failure: &Failure, json: bool) -> ExitCode {
    let text = if json {
        serde_json::json!({ "error": failure }).to_string()
    } else {
        format!("pilotlight: {}", failure.message)
    };
    // With standard error gone there is nobody left to tell.
    let _ = writeln!(io::stderr(), "{text}");
    ExitCode::from(failure.exit)
}
