//! Starting LM Studio's server by its own command line, because a person asked for it and never otherwise.
//!
//! Source: LM Studio's documentation of `lms server start` and of the headless `lms daemon up` (0.4.0).
//!
//! Must not know: the keeper, the plan.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use super::lmstudio_home;

/// To one of its commands. The first one after an update may unpack something.
const COMMAND: Duration = Duration::from_secs(60);
/// So much of what a command said is worth repeating.
const SAID: usize = 300;

/// Starts the server on `port`; returns when `lms` says that it runs. The error is in words, and says what to do.
pub(crate) async fn start_server(user_home: Option<&Path>, port: u16) -> Result<(), String> {
    let own = lmstudio_home::command_line(user_home).await;
    let lms = own.unwrap_or_else(|| PathBuf::from("lms"));
    let port = port.to_string();
    let server = ["server", "start", "--port", &port];
    let Err(first) = run(&lms, &server).await else { return Ok(()) };
    // Without a window, the daemon has to run first.
    if let Failed::Said(_) = &first
        && run(&lms, &["daemon", "up"]).await.is_ok()
    {
        return run(&lms, &server).await.map_err(Failed::words);
    }
    Err(first.words())
}

enum Failed {
    NotThere,
    Said(String),
}

impl Failed {
    fn words(self) -> String {
        match self {
            Self::NotThere => "LM Studio's command line lms was not found: open LM Studio once, and let it install lms, or start its server in its window".into(),
            Self::Said(said) => format!("lms could not start it: {said}"),
        }
    }
}

async fn run(program: &Path, arguments: &[&str]) -> Result<(), Failed> {
    let command = Command::new(program).args(arguments).stdin(Stdio::null()).kill_on_drop(true).output();
    let output = match timeout(COMMAND, command).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => return Err(Failed::NotThere),
        Ok(Err(error)) => return Err(Failed::Said(error.to_string())),
        Err(_) => return Err(Failed::Said(format!("it did not end within {} s", COMMAND.as_secs()))),
    };
    if output.status.success() {
        return Ok(());
    }
    let last = |said: &[u8]| {
        let said = String::from_utf8_lossy(said);
        let last = said.lines().map(str::trim).rfind(|line| !line.is_empty())?;
        Some(last.chars().take(SAID).collect())
    };
    let said = last(&output.stderr).or_else(|| last(&output.stdout));
    Err(Failed::Said(said.unwrap_or_else(|| "it does not say why".into())))
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    /// A home with an `lms` that writes down what it was told.
    fn home(name: &str, script: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("pilotlight-lms-{}-{name}", std::process::id()));
        let bin = folder.join(".lmstudio/bin");
        std::fs::create_dir_all(&bin).unwrap();
        std::fs::write(bin.join("lms"), format!("#!/bin/sh\necho \"$@\" >> {}/told\n{script}\n", folder.display()))
            .unwrap();
        std::fs::set_permissions(bin.join("lms"), std::fs::Permissions::from_mode(0o755)).unwrap();
        folder
    }

    fn told(home: &Path) -> String {
        std::fs::read_to_string(home.join("told")).unwrap()
    }

    #[tokio::test]
    async fn its_own_command_line_is_told_the_port() {
        let home = home("start", "exit 0");
        start_server(Some(&home), 4321).await.unwrap();
        assert_eq!(told(&home), "server start --port 4321\n");
        std::fs::remove_dir_all(&home).unwrap();
    }

    #[tokio::test]
    async fn without_a_window_the_daemon_is_started_first() {
        let home = home("daemon", "[ $1 = daemon ] && touch $0.up; [ -f $0.up ] || { echo 'no daemon' >&2; exit 1; }");
        start_server(Some(&home), 1).await.unwrap();
        assert_eq!(told(&home), "server start --port 1\ndaemon up\nserver start --port 1\n");
        std::fs::remove_dir_all(&home).unwrap();
    }

    #[tokio::test]
    async fn what_it_says_is_passed_on() {
        let home = home("fails", "echo trying; echo 'port 1 is taken' >&2; exit 3");
        let said = start_server(Some(&home), 1).await.unwrap_err();
        assert_eq!(said, "lms could not start it: port 1 is taken");
        std::fs::remove_dir_all(&home).unwrap();
    }
}
