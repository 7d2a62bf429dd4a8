//! What the page may ask, by Tauri's IPC: the counterpart of `ui/src/lib/backend/tauri.ts`. The permission file
//! `src-tauri/permissions/window.toml` lists the same names; nothing else of this program can be called from a page.

use std::sync::Arc;

use pilotlight_engine::state::AppState;
use pilotlight_engine::{CommandError, ContextMend, NoticeActionKind, NoticeKind};
use serde_json::Value;
use tauri::State;

use crate::link::{Body, What};
use crate::window_process::Link;

/// Everything there is to show.
#[tauri::command]
pub(crate) async fn state(link: State<'_, Link>) -> Result<Arc<AppState>, CommandError> {
    link.state().await
}

/// Makes a model (a ref or an alias) the primary.
#[tauri::command]
pub(crate) async fn use_model(link: State<'_, Link>, model: String) -> Result<(), CommandError> {
    link.ask(What::UseModel { model }).await.map(drop)
}

/// Loads a model into memory.
#[tauri::command]
pub(crate) async fn load_model(link: State<'_, Link>, model: String) -> Result<(), CommandError> {
    link.ask(What::Load { model }).await.map(drop)
}

/// Takes a model out of memory.
#[tauri::command]
pub(crate) async fn unload_model(link: State<'_, Link>, model: String) -> Result<(), CommandError> {
    link.ask(What::Unload { model }).await.map(drop)
}

/// Makes a model's loaded context and the configuration's agree: by loading it anew, or by lowering the configuration's.
#[tauri::command]
pub(crate) async fn mend_context(link: State<'_, Link>, model: String, mend: ContextMend) -> Result<(), CommandError> {
    link.ask(What::MendContext { model, mend }).await.map(drop)
}

/// Asks again whoever is passed over after failures: a provider, or all.
#[tauri::command]
pub(crate) async fn retry_upstreams(link: State<'_, Link>, provider: Option<String>) -> Result<(), CommandError> {
    link.ask(What::Retry { provider }).await.map(drop)
}

/// Does what a notice offers.
#[tauri::command]
pub(crate) async fn notice_action(
    link: State<'_, Link>,
    id: u64,
    action: NoticeActionKind,
) -> Result<(), CommandError> {
    link.ask(What::NoticeAction { id, action }).await.map(drop)
}

/// Shows notices of a kind again.
#[tauri::command]
pub(crate) async fn unmute(link: State<'_, Link>, kind: NoticeKind) -> Result<(), CommandError> {
    link.ask(What::Unmute { kind }).await.map(drop)
}

/// Puts the endpoint on the clipboard. (The token goes there from the tray alone: no page ever holds it.)
#[tauri::command]
pub(crate) async fn endpoint_to_clipboard(link: State<'_, Link>) -> Result<(), CommandError> {
    link.ask(What::CopyEndpoint).await.map(drop)
}

/// Asks the editor. Requests and answers are those of `pilotlight_engine::editor::types`, which the engine reads.
async fn edit(link: &Link, name: &str, body: Value) -> Result<Value, CommandError> {
    link.ask(What::Edit { name: name.to_owned(), body: Body(body) }).await
}

/// The configuration, for an editor.
#[tauri::command]
pub(crate) async fn config(link: State<'_, Link>) -> Result<Value, CommandError> {
    edit(&link, "config", Value::Null).await
}

/// What a draft would make of it.
#[tauri::command]
pub(crate) async fn config_preview(link: State<'_, Link>, request: Value) -> Result<Value, CommandError> {
    edit(&link, "config/preview", request).await
}

/// Writes a draft.
#[tauri::command]
pub(crate) async fn config_save(link: State<'_, Link>, request: Value) -> Result<Value, CommandError> {
    edit(&link, "config/save", request).await
}

/// Takes the last change back.
#[tauri::command]
pub(crate) async fn config_undo(link: State<'_, Link>) -> Result<Value, CommandError> {
    edit(&link, "config/undo", Value::Null).await
}

/// Makes it again.
#[tauri::command]
pub(crate) async fn config_redo(link: State<'_, Link>) -> Result<Value, CommandError> {
    edit(&link, "config/redo", Value::Null).await
}

/// Goes back to a revision.
#[tauri::command]
pub(crate) async fn config_restore(link: State<'_, Link>, request: Value) -> Result<Value, CommandError> {
    edit(&link, "config/restore", request).await
}

/// Puts back comments that another program dropped.
#[tauri::command]
pub(crate) async fn config_restore_comments(link: State<'_, Link>) -> Result<Value, CommandError> {
    edit(&link, "config/restore-comments", Value::Null).await
}

/// Offers those comments no longer.
#[tauri::command]
pub(crate) async fn config_dismiss_comments(link: State<'_, Link>) -> Result<Value, CommandError> {
    edit(&link, "config/dismiss-comments", Value::Null).await
}

/// The revisions that can be gone back to.
#[tauri::command]
pub(crate) async fn config_history(link: State<'_, Link>) -> Result<Value, CommandError> {
    edit(&link, "config/history", Value::Null).await
}

/// Tests a provider, step by step.
#[tauri::command]
pub(crate) async fn provider_test(link: State<'_, Link>, request: Value) -> Result<Value, CommandError> {
    edit(&link, "provider/test", request).await
}

/// What models a provider has.
#[tauri::command]
pub(crate) async fn provider_models(link: State<'_, Link>, request: Value) -> Result<Value, CommandError> {
    edit(&link, "provider/models", request).await
}

/// Puts a provider's key somewhere.
#[tauri::command]
pub(crate) async fn provider_key(link: State<'_, Link>, request: Value) -> Result<Value, CommandError> {
    edit(&link, "provider/key", request).await
}

/// The tools that can be connected, and how each stands.
#[tauri::command]
pub(crate) async fn connect_tools(link: State<'_, Link>) -> Result<Value, CommandError> {
    edit(&link, "connect", Value::Null).await
}

/// What connecting or disconnecting a tool would change.
#[tauri::command]
pub(crate) async fn connect_preview(link: State<'_, Link>, request: Value) -> Result<Value, CommandError> {
    edit(&link, "connect/preview", request).await
}

/// Connects or disconnects a tool.
#[tauri::command]
pub(crate) async fn connect_apply(link: State<'_, Link>, request: Value) -> Result<Value, CommandError> {
    edit(&link, "connect/apply", request).await
}

/// Tries a connection with one small request.
#[tauri::command]
pub(crate) async fn connect_verify(link: State<'_, Link>, request: Value) -> Result<Value, CommandError> {
    edit(&link, "connect/verify", request).await
}

/// The settings in effect, and which of them stand in the file.
#[tauri::command]
pub(crate) async fn settings(link: State<'_, Link>) -> Result<Value, CommandError> {
    edit(&link, "settings", Value::Null).await
}

/// Changes one of them.
#[tauri::command]
pub(crate) async fn settings_set(link: State<'_, Link>, request: Value) -> Result<Value, CommandError> {
    edit(&link, "settings/set", request).await
}
