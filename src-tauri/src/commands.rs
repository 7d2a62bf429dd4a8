//! What the page may ask, by Tauri's IPC: the counterpart of `ui/src/lib/backend/tauri.ts`. The permission file
//! `src-tauri/permissions/window.toml` lists the same names; nothing else of this program can be called from a page.

use std::sync::Arc;

use pilotlight_engine::CommandError;
use pilotlight_engine::state::AppState;
use tauri::State;

use crate::link::What;
use crate::window_process::Link;

/// Everything there is to show.
#[tauri::command]
pub(crate) async fn state(link: State<'_, Link>) -> Result<Arc<AppState>, CommandError> {
    link.state().await
}

/// Makes a model (a ref or an alias) the primary.
#[tauri::command]
pub(crate) async fn use_model(link: State<'_, Link>, model: String) -> Result<(), CommandError> {
    link.ask(What::UseModel { model }).await
}

/// Loads a model into memory.
#[tauri::command]
pub(crate) async fn load_model(link: State<'_, Link>, model: String) -> Result<(), CommandError> {
    link.ask(What::Load { model }).await
}

/// Takes a model out of memory.
#[tauri::command]
pub(crate) async fn unload_model(link: State<'_, Link>, model: String) -> Result<(), CommandError> {
    link.ask(What::Unload { model }).await
}

/// Puts the endpoint on the clipboard. (The token goes there from the tray alone: no page ever holds it.)
#[tauri::command]
pub(crate) async fn endpoint_to_clipboard(link: State<'_, Link>) -> Result<(), CommandError> {
    link.ask(What::CopyEndpoint).await
}
