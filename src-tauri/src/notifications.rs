//! Shows a [`Notice`] as a desktop notification. What is worth one, and how often, is the engine's to decide.

use std::path::{Path, PathBuf};

use pilotlight_engine::Notice;
use tauri::{AppHandle, Manager};
use tauri_plugin_notification::NotificationExt;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

/// Where our picture is, for a daemon that wants a file. Elsewhere the system takes it from the program.
struct Picture(PathBuf);

/// Puts our picture where the notification daemon can read it.
pub(crate) fn start(app: &AppHandle, folder: &Path) {
    if cfg!(target_os = "linux") {
        let file = folder.join("pilotlight.png");
        match std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&file, crate::icon::OWN)) {
            Ok(()) => {
                app.manage(Picture(file));
            }
            Err(error) => tracing::warn!(%error, "notifications have no picture"),
        }
    }
}

/// Shows every notice until the engine is gone.
pub(crate) async fn follow(app: AppHandle, mut notices: broadcast::Receiver<Notice>) {
    loop {
        match notices.recv().await {
            Ok(notice) => show(&app, &notice.title, &notice.body),
            Err(RecvError::Lagged(missed)) => tracing::warn!(missed, "notices came faster than they could be shown"),
            Err(RecvError::Closed) => return,
        }
    }
}

/// Shows one notification. A desktop without a notification daemon loses nothing but the notification: it is logged.
pub(crate) fn show(app: &AppHandle, title: &str, body: &str) {
    tracing::info!(title, body, "notification");
    let mut notification = app.notification().builder().title(title).body(plain(body));
    if let Some(picture) = app.try_state::<Picture>() {
        notification = notification.icon(picture.0.to_string_lossy());
    }
    if let Err(error) = notification.show() {
        tracing::warn!(%error, "the notification could not be shown");
    }
}

/// The Desktop Notifications Specification reads a body as markup, so a plain text has to be escaped there.
fn plain(body: &str) -> String {
    if cfg!(target_os = "linux") {
        body.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
    } else {
        body.to_owned()
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #[test]
    fn a_body_is_no_markup() {
        assert_eq!(super::plain("<b> & co"), "&lt;b&gt; &amp; co");
    }
}
