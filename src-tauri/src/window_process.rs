//! The window's own process: one web view with the built pages in it, and a line to the tray's process for everything
//! else. It ends with its window, and with the tray's process.

use std::collections::HashMap;
use std::io::{BufRead, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use pilotlight_config::{Environment, Home};
use pilotlight_engine::CommandError;
use pilotlight_engine::state::AppState;
use serde_json::Value;
use tauri::{AppHandle, Emitter, Manager, WebviewUrl, WebviewWindowBuilder};
use tauri_plugin_window_state::StateFlags;
use tokio::sync::{oneshot, watch};

use crate::link::{Ask, ToWindow, What, line};
use crate::{commands, context};

/// The window's label, by which capabilities and events name it.
const LABEL: &str = "main";
/// The event that carries each new [`AppState`] to the page.
const STATE: &str = "state";
/// What is kept of the window from one time to the next.
const KEPT: StateFlags = StateFlags::SIZE.union(StateFlags::POSITION).union(StateFlags::MAXIMIZED);

/// The line to the tray's process.
pub(crate) struct Link {
    state: watch::Sender<Option<Arc<AppState>>>,
    asked: AtomicU64,
    waiting: Mutex<HashMap<u64, oneshot::Sender<Result<Value, CommandError>>>>,
}

/// Shows the window until it is closed.
pub(crate) fn run() -> ExitCode {
    let home = Home::from(&Environment::of_process());
    let place = home.folder().join("window.json").to_string_lossy().into_owned();
    let built = tauri::Builder::default()
        .plugin(tauri_plugin_window_state::Builder::new().with_filename(place).with_state_flags(KEPT).build())
        .invoke_handler(tauri::generate_handler![
            commands::state,
            commands::use_model,
            commands::load_model,
            commands::unload_model,
            commands::mend_context,
            commands::retry_upstreams,
            commands::notice_action,
            commands::unmute,
            commands::endpoint_to_clipboard,
            commands::config,
            commands::config_preview,
            commands::config_save,
            commands::config_undo,
            commands::config_redo,
            commands::config_restore,
            commands::config_restore_comments,
            commands::config_dismiss_comments,
            commands::config_history,
            commands::provider_test,
            commands::provider_models,
            commands::provider_key,
            commands::connect_tools,
            commands::connect_preview,
            commands::connect_apply,
            commands::connect_verify,
            commands::settings,
            commands::settings_set,
        ])
        .manage(Link { state: watch::Sender::new(None), asked: AtomicU64::new(0), waiting: Mutex::default() })
        .setup(move |app| {
            WebviewWindowBuilder::new(app, LABEL, WebviewUrl::App("index.html".into()))
                .title("Pilot Light")
                .inner_size(1000.0, 700.0)
                .min_inner_size(640.0, 480.0)
                .data_directory(home.folder().join("window"))
                .build()?;
            let app = app.handle().clone();
            // A thread, for reading standard input blocks.
            std::thread::Builder::new().name("tray".to_owned()).spawn(move || {
                listen(&app);
                app.exit(0);
            })?;
            Ok(())
        })
        .build(context());
    match built {
        Ok(app) => u8::try_from(app.run_return(|_, _| {})).map_or(ExitCode::FAILURE, ExitCode::from),
        Err(error) => {
            eprintln!("pilotlight-desktop: the window: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Hears what the tray's process says, until it hangs up.
fn listen(app: &AppHandle) {
    let link = app.state::<Link>();
    for said in std::io::stdin().lock().lines() {
        let Ok(said) = said else { return };
        match serde_json::from_str(&said) {
            Ok(ToWindow::State { state }) => {
                let told = app.emit_to(LABEL, STATE, &*state);
                link.state.send_replace(Some(state));
                if let Err(error) = told {
                    eprintln!("pilotlight-desktop: the window could not be told the new state: {error}");
                }
            }
            Ok(ToWindow::Done { ask, answer, error }) => {
                let waiting = link.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&ask);
                // A page that has been reloaded meanwhile waits no longer.
                let _ = waiting.map(|waiting| waiting.send(error.map_or(Ok(answer), Err)));
            }
            Ok(ToWindow::Raise) => {
                if let Some(window) = app.get_webview_window(LABEL) {
                    let raised = window.unminimize().and_then(|()| window.show()).and_then(|()| window.set_focus());
                    if let Err(error) = raised {
                        eprintln!("pilotlight-desktop: the window could not be brought to the front: {error}");
                    }
                }
            }
            Err(error) => eprintln!("pilotlight-desktop: the window does not understand the tray: {error}"),
        }
    }
}

impl Link {
    /// What there is to show, as soon as that is known.
    ///
    /// # Errors
    /// When the tray's process is gone.
    pub(crate) async fn state(&self) -> Result<Arc<AppState>, CommandError> {
        let mut states = self.state.subscribe();
        let state = states.wait_for(Option::is_some).await.map_err(|_| gone())?;
        state.clone().ok_or_else(gone)
    }

    /// Has something done.
    ///
    /// # Errors
    /// When it was refused, or the tray's process is gone.
    pub(crate) async fn ask(&self, what: What) -> Result<Value, CommandError> {
        let ask = self.asked.fetch_add(1, Ordering::Relaxed);
        let (done, answer) = oneshot::channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(ask, done);
        let sent = line(&Ask { ask, what }).map_err(|_| gone()).and_then(|line| {
            let mut output = std::io::stdout().lock();
            output.write_all(&line).and_then(|()| output.flush()).map_err(|_| gone())
        });
        sent?;
        answer.await.map_err(|_| gone())?
    }
}

fn gone() -> CommandError {
    CommandError::new("gone", "Pilot Light has stopped.")
}
