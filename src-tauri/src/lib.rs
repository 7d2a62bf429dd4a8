//! The desktop shell: tray, window and notifications around the engine. The only code that knows Tauri.
//!
//! It decides nothing about models. `menu` and `icon` are pure functions of the engine's `AppState`; `tray` and
//! `notifications` draw; `actions` carries out what a person does. The window is a process of its own (`window` starts it,
//! `window_process` is it, `link` is what they say to each other); `commands` is what its page may ask.

mod actions;
mod app;
mod commands;
mod engine_link;
#[cfg(target_os = "linux")]
mod freedesktop;
mod icon;
mod link;
mod logging;
mod menu;
mod notifications;
mod options;
mod panel;
#[cfg(test)]
mod samples;
mod tray;
mod window;
mod window_process;

pub use app::run;
pub use icon::Panel;
pub use options::Options;

/// What is built in: `tauri.conf.json`, the pages, the capabilities, the icons. One place, so that it is built in once.
fn context() -> tauri::Context {
    tauri::generate_context!()
}
