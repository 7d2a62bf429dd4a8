//! Shows a [`Notice`] as a desktop notification, with buttons for what can be done about it where the desktop has them.
//! What is worth one, and how often, is the engine's to decide.

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
            Ok(notice) => show_notice(&app, notice),
            Err(RecvError::Lagged(missed)) => tracing::warn!(missed, "notices came faster than they could be shown"),
            Err(RecvError::Closed) => return,
        }
    }
}

/// Shows a notice, with its buttons where there can be some.
#[cfg(target_os = "linux")]
fn show_notice(app: &AppHandle, notice: Notice) {
    let Notice { id, title, body, actions, .. } = notice;
    tracing::info!(title, body, "notification");
    let mut notification = notify_rust::Notification::new();
    notification.appname("Pilot Light").summary(&title).body(&plain(&body));
    if let Some(picture) = app.try_state::<Picture>() {
        notification.icon(&picture.0.to_string_lossy());
    }
    for offered in &actions {
        notification.action(offered.action.name(), &offered.label);
    }
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        let handle = match notification.show_async().await {
            Ok(handle) => handle,
            Err(error) => return tracing::warn!(%error, "the notification could not be shown"),
        };
        let (chosen_out, chosen) = tokio::sync::oneshot::channel();
        // Waiting for a click blocks a thread until the notification is closed.
        std::thread::spawn(move || {
            handle.wait_for_action(|key| {
                // Nobody waits once the program ends.
                let _ = chosen_out.send(key.to_owned());
            });
        });
        let Ok(key) = chosen.await else { return };
        // A notification that is closed without a click is told as a key of its own.
        if let Some(offered) = actions.iter().find(|offered| offered.action.name() == key) {
            act(&app, id, offered).await;
        }
    });
}

/// Does what a button says.
#[cfg(target_os = "linux")]
async fn act(app: &AppHandle, id: u64, offered: &pilotlight_engine::NoticeAction) {
    let done = app.state::<pilotlight_engine::Engine>().notice_action(id, offered.action).await;
    if let Err(error) = done {
        tracing::warn!(action = offered.action.name(), code = error.code, reason = error.message, "refused");
        show(app, &format!("“{}” could not be done", offered.label), &error.message);
    }
}

/// Shows a notice. The other systems' notifications have no buttons without an installed, signed program.
#[cfg(not(target_os = "linux"))]
fn show_notice(app: &AppHandle, notice: Notice) {
    show(app, &notice.title, &notice.body);
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
