//! What the window may ask, by Tauri's IPC: the counterpart of `ui/src/lib/backend/tauri.ts`. The permission file
//! `src-tauri/permissions/window.toml` lists the same names; nothing else of this program can be called from a page.

use std::sync::Arc;
use std::time::Duration;

use pilotlight_engine::CommandError;
use pilotlight_engine::Engine;
use pilotlight_engine::state::AppState;
use tauri::{AppHandle, Emitter, State};
use tokio::sync::watch;

use crate::{actions, window};

/// The event that carries each new [`AppState`] to the window.
const STATE: &str = "state";
/// A window is given a new state at most this often; it always gets the last one.
const PACE: Duration = Duration::from_millis(100);

/// Everything there is to show.
#[tauri::command]
pub(crate) fn state(engine: State<'_, Engine>) -> Arc<AppState> {
    engine.state_now()
}

/// Makes a model (a ref or an alias) the primary.
#[tauri::command]
pub(crate) async fn use_model(engine: State<'_, Engine>, model: String) -> Result<(), CommandError> {
    engine.use_model(&model).await.map(drop)
}

/// Loads a model into memory.
#[tauri::command]
pub(crate) async fn load_model(engine: State<'_, Engine>, model: String) -> Result<(), CommandError> {
    engine.load(&model).await.map(drop)
}

/// Takes a model out of memory.
#[tauri::command]
pub(crate) async fn unload_model(engine: State<'_, Engine>, model: String) -> Result<(), CommandError> {
    engine.unload(&model).await.map(drop)
}

/// Puts the endpoint on the clipboard. (The token goes there from the tray alone: no page ever holds it.)
#[tauri::command]
pub(crate) async fn endpoint_to_clipboard(app: AppHandle) -> Result<(), CommandError> {
    actions::copy_endpoint(&app)
}

/// Sends each new state to the window while there is one, until the engine is gone.
pub(crate) async fn follow(app: AppHandle, mut states: watch::Receiver<Arc<AppState>>) {
    while states.changed().await.is_ok() {
        let state = states.borrow_and_update().clone();
        if window::is_open(&app)
            && let Err(error) = app.emit_to(window::LABEL, STATE, &*state)
        {
            tracing::warn!(%error, "the window could not be told the new state");
        }
        tokio::time::sleep(PACE).await;
    }
}
