//! Which panel the tray's icon stands on, as well as each platform lets it be known.
//!
//! - macOS: a template image, which the menu bar colours itself; nothing to find out.
//! - Linux: guessed from the desktop and its colour scheme (see `freedesktop`), and followed.
//! - Windows: its taskbar is dark unless a person changed it; the window's theme says so from when a window first opens.
//!
//! A guess can be wrong on a painted panel: `--panel light|dark` (or `PILOTLIGHT_PANEL`) ends the guessing.

use tokio::sync::watch;

use crate::icon::Panel;

/// What the panel looks like, from now on.
#[derive(Clone)]
pub(crate) struct PanelLook {
    fixed: bool,
    look: watch::Sender<Panel>,
}

impl PanelLook {
    /// Starts to find out. `fixed` is what a person said, if they did.
    pub(crate) fn find(fixed: Option<Panel>) -> Self {
        let macos_template = cfg!(target_os = "macos").then_some(Panel::Light);
        let fixed = fixed.or(macos_template);
        let look = watch::Sender::new(fixed.unwrap_or(Panel::Dark));
        #[cfg(target_os = "linux")]
        if fixed.is_none() {
            let desktop = std::env::var("XDG_CURRENT_DESKTOP").unwrap_or_default();
            look.send_replace(crate::freedesktop::guess(&desktop, 0));
            let publisher = look.clone();
            // A thread of its own: it waits on the bus for as long as the program runs.
            let spawned = std::thread::Builder::new()
                .name("colour-scheme".to_owned())
                .spawn(move || crate::freedesktop::follow_panel(&publisher));
            if let Err(error) = spawned {
                tracing::warn!(%error, "the desktop's colour scheme is not followed");
            }
        }
        Self { fixed: fixed.is_some(), look }
    }

    /// The present look, and each change.
    pub(crate) fn watch(&self) -> watch::Receiver<Panel> {
        self.look.subscribe()
    }

    /// A window learned the system's theme. On Linux this is the toolkit's theme, which says less about the panel than the
    /// desktop does.
    pub(crate) fn system_theme(&self, theme: tauri::Theme) {
        if self.fixed || cfg!(target_os = "linux") {
            return;
        }
        let seen = if theme == tauri::Theme::Light { Panel::Light } else { Panel::Dark };
        self.look.send_if_modified(|look| std::mem::replace(look, seen) != seen);
    }
}
