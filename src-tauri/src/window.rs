//! The window: made when it is asked for, and gone when it is closed, so that the web view's memory goes with it while the
//! tray stays.

use pilotlight_config::home::Home;
use tauri::{AppHandle, Manager, WebviewUrl, WebviewWindowBuilder, WindowEvent};
use tauri_plugin_window_state::{AppHandleExt, StateFlags};

use crate::panel::PanelLook;

/// The window's label, by which capabilities and events name it.
pub(crate) const LABEL: &str = "main";
/// What is kept of it from one time to the next.
pub(crate) const KEPT: StateFlags = StateFlags::SIZE.union(StateFlags::POSITION).union(StateFlags::MAXIMIZED);

/// Whether there is a window.
pub(crate) fn is_open(app: &AppHandle) -> bool {
    app.get_webview_window(LABEL).is_some()
}

/// Opens the window, or brings the one there is to the front. Returns at once.
pub(crate) fn open(app: &AppHandle) {
    let app = app.clone();
    // On the main thread, one after the other: two clicks make one window.
    let queued = app.clone().run_on_main_thread(move || {
        if let Err(error) = open_now(&app) {
            tracing::error!(%error, "the window could not be opened");
        }
    });
    if let Err(error) = queued {
        tracing::error!(%error, "the window could not be opened");
    }
}

/// Closes the window, if there is one.
pub(crate) fn close(app: &AppHandle) {
    if let Some(window) = app.get_webview_window(LABEL)
        && let Err(error) = window.close()
    {
        tracing::debug!(%error, "the window could not be closed");
    }
}

fn open_now(app: &AppHandle) -> tauri::Result<()> {
    if let Some(window) = app.get_webview_window(LABEL) {
        window.unminimize()?;
        window.show()?;
        return window.set_focus();
    }
    let web_data = app.state::<Home>().folder().join("window");
    let window = WebviewWindowBuilder::new(app, LABEL, WebviewUrl::App("index.html".into()))
        .title("Pilot Light")
        .inner_size(1000.0, 700.0)
        .min_inner_size(640.0, 480.0)
        .data_directory(web_data)
        .build()?;
    let look = app.state::<PanelLook>().inner().clone();
    if let Ok(theme) = window.theme() {
        look.system_theme(theme);
    }
    let app = app.clone();
    window.on_window_event(move |event| match event {
        WindowEvent::ThemeChanged(theme) => look.system_theme(*theme),
        WindowEvent::CloseRequested { .. } => {
            // At each closing, for a program that is killed at log-out never gets to do it at its end.
            if let Err(error) = app.save_window_state(KEPT) {
                tracing::warn!(%error, "the window's place could not be kept");
            }
        }
        _ => {}
    });
    Ok(())
}
