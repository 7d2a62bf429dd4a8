//! The window, as the tray's process sees it: a process of its own, started when the window is asked for and gone when
//! it is closed. So the web view's memory goes back to the system as a whole (within one process it does not: WebKit
//! keeps its network process and the graphics libraries for good), and a web view that crashes takes no request with it.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use pilotlight_engine::state::AppState;
use pilotlight_engine::{CommandError, Engine};
use serde_json::Value;
use tauri::{AppHandle, Manager};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};

use crate::link::{Ask, ToWindow, What, line};
use crate::{Options, actions};

/// A window is given a new state at most this often; it always gets the last one.
const PACE: Duration = Duration::from_millis(100);
/// How long a window may take to close before it is ended.
const CLOSING: Duration = Duration::from_secs(3);

/// A handle on the task that owns the window's process.
#[derive(Clone)]
pub(crate) struct Window(mpsc::UnboundedSender<Wish>);

enum Wish {
    Open,
    Close,
}

/// Starts the task that owns the window. `closed` is called each time a window has gone.
pub(crate) fn start(app: &AppHandle, closed: impl Fn() + Send + 'static) {
    let (wish, mut wishes) = mpsc::unbounded_channel();
    app.manage(Window(wish));
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        while let Some(wish) = wishes.recv().await {
            if matches!(wish, Wish::Open) {
                if let Err(error) = show(&app, &mut wishes).await {
                    tracing::error!(%error, "the window failed");
                }
                closed();
            }
        }
    });
}

/// Opens the window, or brings the one there is to the front.
pub(crate) fn open(app: &AppHandle) {
    wish(app, Wish::Open);
}

/// Closes the window, if there is one.
pub(crate) fn close(app: &AppHandle) {
    wish(app, Wish::Close);
}

fn wish(app: &AppHandle, wish: Wish) {
    if let Some(window) = app.try_state::<Window>()
        && window.0.send(wish).is_err()
    {
        tracing::error!("nobody looks after the window any more");
    }
}

/// Shows one window until it is closed.
async fn show(app: &AppHandle, wishes: &mut mpsc::UnboundedReceiver<Wish>) -> std::io::Result<()> {
    let mut process = Command::new(std::env::current_exe()?)
        .arg(Options::WINDOW)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let (Some(input), Some(output)) = (process.stdin.take(), process.stdout.take()) else { return Ok(()) };
    let spoken = converse(app, wishes, input, BufReader::new(output).lines()).await;
    // Its input is closed now, which tells it to go, if it was not the first to.
    end(&mut process).await;
    // A window that went away while it was being written to was closed, no more.
    spoken.or_else(|error| if error.kind() == std::io::ErrorKind::BrokenPipe { Ok(()) } else { Err(error) })
}

async fn converse(
    app: &AppHandle,
    wishes: &mut mpsc::UnboundedReceiver<Wish>,
    mut input: ChildStdin,
    mut output: Lines<BufReader<ChildStdout>>,
) -> std::io::Result<()> {
    let mut states = app.state::<Engine>().state();
    let (done, mut answers) = mpsc::unbounded_channel();
    tell_state(&mut input, &mut states).await?;
    let mut next_state = Instant::now() + PACE;
    loop {
        tokio::select! {
            changed = async { sleep_until(next_state).await; states.changed().await } => {
                if changed.is_err() {
                    return Ok(());
                }
                tell_state(&mut input, &mut states).await?;
                next_state = Instant::now() + PACE;
            }
            Some(answer) = answers.recv() => tell(&mut input, &answer).await?,
            said = output.next_line() => match said? {
                Some(said) => match serde_json::from_str::<Ask>(&said) {
                    Ok(ask) => carry_out(app, ask, done.clone()),
                    // Whatever else is in the process may write to its standard output.
                    Err(_) => tracing::debug!(length = said.len(), "the window said something else"),
                },
                None => return Ok(()),
            },
            wish = wishes.recv() => match wish {
                Some(Wish::Open) => tell(&mut input, &ToWindow::Raise).await?,
                Some(Wish::Close) | None => return Ok(()),
            },
        }
    }
}

/// Does what a window asks for, beside everything else: a load may take a minute.
fn carry_out(app: &AppHandle, Ask { ask, what }: Ask, done: mpsc::UnboundedSender<ToWindow>) {
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        let engine = app.state::<Engine>();
        let outcome: Result<Value, CommandError> = match what {
            What::UseModel { model } => engine.use_model(&model).await.map(|_| Value::Null),
            What::Load { model } => engine.load(&model).await.map(|_| Value::Null),
            What::Unload { model } => engine.unload(&model).await.map(|_| Value::Null),
            What::MendContext { model, mend } => engine.mend_context(&model, mend).await.map(|_| Value::Null),
            What::Retry { provider } => engine.retry(provider.as_deref()).map(|_| Value::Null),
            What::NoticeAction { id, action } => engine.notice_action(id, action).await.map(|()| Value::Null),
            What::Unmute { kind } => {
                engine.unmute(kind);
                Ok(Value::Null)
            }
            What::CopyEndpoint => actions::copy_endpoint(&app).map(|()| Value::Null),
            What::Edit { name, body } => engine.edit(&name, body.0).await,
        };
        let (answer, error) = match outcome {
            Ok(answer) => (answer, None),
            Err(error) => (Value::Null, Some(error)),
        };
        // A window that has gone meanwhile wants no answer.
        let _ = done.send(ToWindow::Done { ask, answer, error });
    });
}

async fn tell_state(input: &mut ChildStdin, states: &mut watch::Receiver<Arc<AppState>>) -> std::io::Result<()> {
    let state = Arc::clone(&states.borrow_and_update());
    tell(input, &ToWindow::State { state }).await
}

async fn tell(input: &mut ChildStdin, message: &ToWindow) -> std::io::Result<()> {
    input.write_all(&line(message)?).await?;
    input.flush().await
}

async fn end(process: &mut Child) {
    match timeout(CLOSING, process.wait()).await {
        Ok(Ok(status)) if !status.success() => tracing::warn!(%status, "the window's process failed"),
        Ok(_) => {}
        Err(_) => {
            tracing::warn!("the window's process did not end and is stopped");
            if let Err(error) = process.kill().await {
                tracing::warn!(%error, "it could not be stopped");
            }
        }
    }
}
