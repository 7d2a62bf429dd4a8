//! The tray: draws [`Menu`] and icon whenever the state changes (only what differs), and hands clicks to `actions`.
//!
//! On Linux a panel reports no click on the icon itself, so everything can be done from the menu; elsewhere a left
//! click opens the window.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use pilotlight_engine::Engine;
use pilotlight_engine::state::{AppState, Light};
use tauri::image::Image;
use tauri::menu::{
    CheckMenuItem, CheckMenuItemBuilder, IsMenuItem, Menu as NativeMenu, MenuItem, MenuItemBuilder, PredefinedMenuItem,
    Submenu, SubmenuBuilder,
};
use tauri::tray::{MouseButton, MouseButtonState, TrayIcon, TrayIconBuilder, TrayIconEvent};
use tauri::{AppHandle, Manager, Wry};
use tokio::sync::{mpsc, watch};

use crate::icon::{self, Panel};
use crate::menu::{Action, Entry, Menu};
use crate::{actions, window};

/// The tray item's id. Panels remember by it which items a person has hidden, so it never changes.
const ID: &str = "pilotlight";

/// The tray icon and what it shows. Touched on the main thread alone.
pub(crate) struct Tray {
    icon: TrayIcon,
    shown: Mutex<Shown>,
    /// Asks `follow` to tick anew what is chosen.
    retick: mpsc::UnboundedSender<()>,
}

#[derive(Default)]
struct Shown {
    menu: Menu,
    items: Vec<Item>,
    picture: Option<(Light, Panel)>,
    tooltip: String,
}

/// A native item, in the order of the menu's entries with those of submenus after their submenu.
enum Item {
    Plain(MenuItem<Wry>),
    Check(CheckMenuItem<Wry>),
    Submenu(Submenu<Wry>),
    Separator,
}

/// Puts the icon into the panel and keeps it up to date until the engine is gone.
///
/// # Errors
/// Where the platform has no tray, or (on Linux) the indicator library is not installed.
pub(crate) fn start(app: &AppHandle, panel: watch::Receiver<Panel>, pictures: &Path) -> anyhow::Result<()> {
    let engine = app.state::<Engine>().inner().clone();
    let (retick, asked) = mpsc::unbounded_channel();
    // The library behind the Linux tray is loaded on first use, and panics where it is missing.
    let icon = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| build(app, pictures)))
        .map_err(|_| anyhow::anyhow!("no indicator library (Debian: libayatana-appindicator3-1)"))??;
    let tray = Arc::new(Tray { icon, shown: Mutex::default(), retick });
    tray.show(app, &engine.state_now(), engine.token().is_some(), *panel.borrow())?;
    app.manage(Arc::clone(&tray));
    tauri::async_runtime::spawn(follow(app.clone(), tray, engine, panel, asked));
    Ok(())
}

fn build(app: &AppHandle, pictures: &Path) -> tauri::Result<TrayIcon> {
    TrayIconBuilder::with_id(ID)
        .temp_dir_path(pictures)
        .icon(Image::from_bytes(icon::png(Light::Stopped, Panel::Dark))?)
        .icon_as_template(cfg!(target_os = "macos"))
        .menu(&NativeMenu::new(app)?)
        .show_menu_on_left_click(false)
        .on_menu_event(|app, event| match event.id().as_ref().parse::<Action>() {
            Ok(action) => clicked(app, action),
            Err(error) => tracing::warn!(%error, "a click that means nothing"),
        })
        .on_tray_icon_event(|tray, event| {
            let left = matches!(
                event,
                TrayIconEvent::Click { button: MouseButton::Left, button_state: MouseButtonState::Up, .. }
            );
            if left {
                window::open(tray.app_handle());
            }
        })
        .build(app)
}

fn clicked(app: &AppHandle, action: Action) {
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        let tray = app.state::<Arc<Tray>>().inner().clone();
        // The desktop has turned the clicked item's tick over already. Ours comes from the state: back to it at
        // once, and again when the action has failed or has changed nothing.
        let _ = tray.retick.send(());
        actions::clicked(&app, action).await;
        let _ = tray.retick.send(());
    });
}

async fn follow(
    app: AppHandle,
    tray: Arc<Tray>,
    engine: Engine,
    mut panels: watch::Receiver<Panel>,
    mut asked: mpsc::UnboundedReceiver<()>,
) {
    let mut states = engine.state();
    let mut panels_end = false;
    loop {
        let mut retick = false;
        tokio::select! {
            changed = states.changed() => if changed.is_err() { return },
            changed = panels.changed(), if !panels_end => panels_end = changed.is_err(),
            Some(()) = asked.recv() => retick = true,
        }
        let (state, panel) = (states.borrow_and_update().clone(), *panels.borrow_and_update());
        let token = engine.token().is_some();
        let (app_there, tray) = (app.clone(), Arc::clone(&tray));
        let queued = app.run_on_main_thread(move || {
            let drawn = tray.show(&app_there, &state, token, panel);
            let ticked = if retick { tray.tick() } else { Ok(()) };
            if let Err(error) = drawn.and(ticked) {
                tracing::warn!(%error, "the tray could not be drawn");
            }
        });
        if queued.is_err() {
            return;
        }
    }
}

impl Tray {
    /// Draws what differs from what is shown.
    fn show(&self, app: &AppHandle, state: &AppState, token: bool, panel: Panel) -> tauri::Result<()> {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let picture = (state.light, panel);
        if shown.picture != Some(picture) {
            let image = Image::from_bytes(icon::png(state.light, panel))?;
            self.icon.set_icon_with_as_template(Some(image), cfg!(target_os = "macos"))?;
            shown.picture = Some(picture);
        }
        let tooltip = format!("Pilot Light: {}", state.status);
        if shown.tooltip != tooltip {
            self.icon.set_tooltip(Some(&tooltip))?;
            shown.tooltip = tooltip;
        }
        let menu = Menu::of(state, token);
        if menu == shown.menu {
            return Ok(());
        }
        if menu.same_shape(&shown.menu) {
            let mut items = shown.items.iter();
            update(&mut items, &shown.menu.entries, &menu.entries)?;
        } else {
            let native = NativeMenu::new(app)?;
            let mut items = Vec::new();
            for entry in &menu.entries {
                native.append(item(app, entry, &mut items)?.as_ref())?;
            }
            self.icon.set_menu(Some(native))?;
            shown.items = items;
        }
        shown.menu = menu;
        Ok(())
    }

    /// Takes the icon away: what is left of the program needs no hand any more.
    pub(crate) fn hide(&self) {
        if let Err(error) = self.icon.set_visible(false) {
            tracing::debug!(%error, "the tray icon could not be hidden");
        }
    }

    /// Ticks exactly what the menu says, whatever a click has done to the ticks.
    fn tick(&self) -> tauri::Result<()> {
        fn chosen(entries: &[Entry], out: &mut Vec<bool>) {
            for entry in entries {
                out.push(matches!(entry, Entry::Choice { chosen: true, .. }));
                if let Entry::Submenu { entries, .. } = entry {
                    chosen(entries, out);
                }
            }
        }
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let mut ticks = Vec::new();
        chosen(&shown.menu.entries, &mut ticks);
        for (item, ticked) in shown.items.iter().zip(ticks) {
            if let Item::Check(item) = item {
                item.set_checked(ticked)?;
            }
        }
        Ok(())
    }
}

/// Makes the native item of an entry, and remembers it in `items`.
fn item(app: &AppHandle, entry: &Entry, items: &mut Vec<Item>) -> tauri::Result<Box<dyn IsMenuItem<Wry>>> {
    Ok(match entry {
        Entry::Text(text) => {
            let item = MenuItemBuilder::new(plain(text)).enabled(false).build(app)?;
            items.push(Item::Plain(item.clone()));
            Box::new(item)
        }
        Entry::Choice { action, label, chosen } => {
            let item = CheckMenuItemBuilder::with_id(action.to_string(), plain(label)).checked(*chosen).build(app)?;
            items.push(Item::Check(item.clone()));
            Box::new(item)
        }
        Entry::Command { action, label } => {
            let item = MenuItemBuilder::with_id(action.to_string(), plain(label)).build(app)?;
            items.push(Item::Plain(item.clone()));
            Box::new(item)
        }
        Entry::Submenu { label, entries } => {
            let submenu = SubmenuBuilder::new(app, plain(label)).build()?;
            items.push(Item::Submenu(submenu.clone()));
            for entry in entries {
                submenu.append(item(app, entry, items)?.as_ref())?;
            }
            Box::new(submenu)
        }
        Entry::Separator => {
            items.push(Item::Separator);
            Box::new(PredefinedMenuItem::separator(app)?)
        }
    })
}

/// Turns the items of one menu into those of another of the same shape.
fn update<'a>(items: &mut impl Iterator<Item = &'a Item>, old: &[Entry], new: &[Entry]) -> tauri::Result<()> {
    for (old, new) in old.iter().zip(new) {
        let Some(item) = items.next() else { return Ok(()) };
        match (item, new) {
            (Item::Plain(item), Entry::Text(label) | Entry::Command { label, .. }) if old != new => {
                item.set_text(plain(label))?;
            }
            (Item::Check(item), Entry::Choice { label, chosen, .. }) if old != new => {
                item.set_text(plain(label))?;
                item.set_checked(*chosen)?;
            }
            (Item::Submenu(item), Entry::Submenu { label, .. }) if old != new => item.set_text(plain(label))?,
            _ => {}
        }
        if let (Entry::Submenu { entries: old, .. }, Entry::Submenu { entries: new, .. }) = (old, new) {
            update(items, old, new)?;
        }
    }
    Ok(())
}

/// In a native label `&` marks the letter to press; a name's own has to be doubled.
fn plain(label: &str) -> String {
    label.replace('&', "&&")
}
