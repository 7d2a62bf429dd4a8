//! Which panel the tray's icon stands on, as well as each platform lets it be known.
//!
//! - macOS: a template image, which the menu bar colours itself; nothing to find out.
//! - Linux: guessed from the desktop and its colour scheme (see `freedesktop`), and followed.
//! - Windows: its taskbar is dark unless a person has changed it.
//!
//! A guess can be wrong: `--panel light|dark` (or `PILOTLIGHT_PANEL`) ends the guessing.

use tokio::sync::watch;

use crate::icon::Panel;

/// What the panel looks like now, and each change of it. `said` is what a person said, if they did.
pub(crate) fn watch(said: Option<Panel>) -> watch::Receiver<Panel> {
    let template = cfg!(target_os = "macos").then_some(Panel::Light);
    let known = said.or(template);
    let (look, seen) = watch::channel(known.unwrap_or(Panel::Dark));
    #[cfg(target_os = "linux")]
    if known.is_none() {
        let desktop = std::env::var("XDG_CURRENT_DESKTOP").unwrap_or_default();
        look.send_replace(crate::freedesktop::guess(&desktop, 0));
        // A thread of its own: it waits on the bus for as long as the program runs.
        let spawned = std::thread::Builder::new()
            .name("colour-scheme".to_owned())
            .spawn(move || crate::freedesktop::follow_panel(&look));
        if let Err(error) = spawned {
            tracing::warn!(%error, "the desktop's colour scheme is not followed");
        }
    }
    #[cfg(not(target_os = "linux"))]
    drop(look);
    seen
}
