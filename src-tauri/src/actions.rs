//! What a person can do, carried out: one function for each, whoever asks (a click in the tray, the window).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pilotlight_engine::state::AppState;
use pilotlight_engine::{CommandError, Engine};
use tauri::{AppHandle, Manager};
use tauri_plugin_clipboard_manager::ClipboardExt;

use crate::menu::{self, Action};
use crate::tray::Tray;
use crate::{notifications, window};

/// Carries out a click in the tray's menu. What goes wrong there has no other place to be said than a notification.
pub(crate) async fn clicked(app: &AppHandle, action: Action) {
    let engine = app.state::<Engine>();
    let done = match &action {
        Action::Use(model) => engine.use_model(&model.to_string()).await.map(drop),
        Action::Load(model) => engine.load(&model.to_string()).await.map(drop),
        Action::Unload(model) => engine.unload(&model.to_string()).await.map(drop),
        Action::Retry => engine.retry(None).map(drop),
        Action::Open => {
            window::open(app);
            Ok(())
        }
        Action::CopyEndpoint => copy_endpoint(app),
        Action::CopyToken => copy_token(app),
        Action::Quit => {
            quit(app).await;
            Ok(())
        }
    };
    if let Err(error) = done {
        tracing::warn!(%action, code = error.code, reason = error.message, "refused");
        notifications::show(app, &refused(&engine.state_now(), &action), &error.message);
    }
}

/// Puts the endpoint on the clipboard.
///
/// # Errors
/// While nothing listens, or where the clipboard cannot be reached.
pub(crate) fn copy_endpoint(app: &AppHandle) -> Result<(), CommandError> {
    let endpoint = app.state::<Engine>().state_now().endpoint.clone();
    let endpoint = endpoint.ok_or_else(|| failed("not-listening", "Pilot Light listens nowhere at the moment."))?;
    app.clipboard().write_text(endpoint).map_err(|error| failed("clipboard", &error.to_string()))
}

/// Puts the token on the clipboard, marked as something that a clipboard history should not keep.
fn copy_token(app: &AppHandle) -> Result<(), CommandError> {
    let token = app.state::<Engine>().token();
    let token = token.ok_or_else(|| failed("no-token", "The settings ask for no token."))?;
    app.clipboard().write_secret(token.expose()).map_err(|error| failed("clipboard", &error.to_string()))
}

/// Stops the engine (requests under way get its grace period), then the program. Icon and window go at once, so that
/// a person sees that it was heard.
pub(crate) async fn quit(app: &AppHandle) {
    static UNDER_WAY: AtomicBool = AtomicBool::new(false);
    if UNDER_WAY.swap(true, Ordering::Relaxed) {
        return;
    }
    if let Some(tray) = app.try_state::<Arc<Tray>>() {
        tray.hide();
    }
    window::close(app);
    app.state::<Engine>().stop().await;
    app.exit(0);
}

fn refused(state: &AppState, action: &Action) -> String {
    match action {
        Action::Use(model) => format!("{} could not be made the primary", menu::name(state, model)),
        Action::Load(model) => format!("{} could not be loaded", menu::name(state, model)),
        Action::Unload(model) => format!("{} could not be ejected", menu::name(state, model)),
        Action::CopyEndpoint | Action::CopyToken => "Nothing was copied".to_owned(),
        Action::Retry => "Nobody is asked again".to_owned(),
        Action::Open | Action::Quit => "Pilot Light".to_owned(),
    }
}

fn failed(code: &str, message: &str) -> CommandError {
    CommandError::new(code, message)
}
