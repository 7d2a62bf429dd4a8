//! What the session bus of a Linux desktop tells: whether a panel hosts tray icons, and the person's colour scheme.
//!
//! Must not know: Tauri, the engine. Every call blocks (on a bus on this machine) and is made on a thread that may.

use std::time::Duration;

use tokio::sync::watch;
use zbus::blocking::connection::Builder;
use zbus::blocking::{Connection, MessageIterator, Proxy};
use zbus::zvariant::{OwnedValue, Value};

use crate::icon::Panel;

/// The name, path and interface of the StatusNotifierItem specification's registry, which a panel owns.
const WATCHER: (&str, &str, &str) =
    ("org.kde.StatusNotifierWatcher", "/StatusNotifierWatcher", "org.kde.StatusNotifierWatcher");
/// The desktop portal's settings, where every desktop publishes its colour scheme under one name.
const SETTINGS: (&str, &str, &str) =
    ("org.freedesktop.portal.Desktop", "/org/freedesktop/portal/desktop", "org.freedesktop.portal.Settings");
const APPEARANCE: &str = "org.freedesktop.appearance";
const COLOR_SCHEME: &str = "color-scheme";
/// A portal that has to be started first may take a moment; one that hangs must not hold anything up.
const PATIENCE: Duration = Duration::from_secs(3);

/// Whether a panel shows tray icons now.
pub(crate) fn has_tray_host() -> bool {
    let asked = session().and_then(|bus| {
        Proxy::new(&bus, WATCHER.0, WATCHER.1, WATCHER.2)?.get_property::<bool>("IsStatusNotifierHostRegistered")
    });
    asked.unwrap_or(false)
}

/// Keeps `panel` at what the desktop's colour scheme means for its panel, for as long as anybody reads it.
/// Returns when there is no portal to ask, or the bus goes away.
pub(crate) fn follow_panel(panel: &watch::Sender<Panel>) {
    if let Err(error) = try_follow_panel(panel) {
        tracing::debug!(%error, "the desktop does not tell its colour scheme");
    }
}

fn try_follow_panel(panel: &watch::Sender<Panel>) -> zbus::Result<()> {
    let bus = session()?;
    let portal = Proxy::new(&bus, SETTINGS.0, SETTINGS.1, SETTINGS.2)?;
    // Subscribed before the first question, so that no change falls between the two.
    let rule = zbus::MatchRule::builder()
        .msg_type(zbus::message::Type::Signal)
        .interface(SETTINGS.2)?
        .member("SettingChanged")?
        .path(SETTINGS.1)?
        .build();
    let changes = MessageIterator::for_match_rule(rule, &bus, None)?;
    let desktop = std::env::var("XDG_CURRENT_DESKTOP").unwrap_or_default();
    let publish =
        |scheme: u32| panel.send_if_modified(|seen| std::mem::replace(seen, guess(&desktop, scheme)) != *seen);
    // `Read` wraps its answer in a variant too many, which `ReadOne` put right; older portals have only the former.
    let scheme: OwnedValue = portal.call("Read", &(APPEARANCE, COLOR_SCHEME))?;
    publish(number(&scheme).unwrap_or(0));
    for change in changes {
        let body = change?.body();
        if let Ok((APPEARANCE, COLOR_SCHEME, value)) = body.deserialize::<(&str, &str, Value<'_>)>() {
            publish(number(&value).unwrap_or(0));
        }
        if panel.is_closed() {
            break;
        }
    }
    Ok(())
}

/// What a panel probably looks like. `scheme` as the portal has it: 0 no preference, 1 dark, 2 light.
///
/// GNOME's, Unity's and elementary's bars are dark or see-through over a picture whatever the scheme is, and Xfce's panel is
/// dark unless told otherwise (since 4.16); the panels of KDE and the others follow the scheme.
pub(crate) fn guess(desktop: &str, scheme: u32) -> Panel {
    let always_dark = ["GNOME", "Unity", "Pantheon", "XFCE"];
    if desktop.split(':').any(|name| always_dark.iter().any(|known| known.eq_ignore_ascii_case(name))) {
        return Panel::Dark;
    }
    let kde = desktop.split(':').any(|name| name.eq_ignore_ascii_case("KDE"));
    match scheme {
        2 => Panel::Light,
        // Breeze, KDE's default, is light, and KDE says "no preference" for some of its light schemes.
        0 if kde => Panel::Light,
        _ => Panel::Dark,
    }
}

fn number(value: &Value<'_>) -> Option<u32> {
    match value {
        Value::U32(number) => Some(*number),
        Value::Value(inner) => number(inner),
        _ => None,
    }
}

fn session() -> zbus::Result<Connection> {
    Builder::session()?.method_timeout(PATIENCE).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panel_is_guessed_from_the_desktop_and_its_colour_scheme() {
        for (desktop, scheme, panel) in [
            ("GNOME", 2, Panel::Dark),
            ("ubuntu:GNOME", 0, Panel::Dark),
            ("XFCE", 2, Panel::Dark),
            ("KDE", 0, Panel::Light),
            ("KDE", 1, Panel::Dark),
            ("KDE", 2, Panel::Light),
            ("Hyprland", 0, Panel::Dark),
            ("Hyprland", 2, Panel::Light),
            ("", 0, Panel::Dark),
        ] {
            assert_eq!(guess(desktop, scheme), panel, "{desktop} {scheme}");
        }
    }

    #[test]
    fn a_variant_in_a_variant_is_a_number_all_the_same() {
        let wrapped = Value::Value(Box::new(Value::Value(Box::new(Value::U32(2)))));
        assert_eq!(number(&wrapped), Some(2));
        assert_eq!(number(&Value::from("dark")), None);
    }
}
