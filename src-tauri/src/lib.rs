//! The desktop shell: tray, window and notifications around the engine. The only code that knows Tauri.
//!
//! It decides nothing about models. `menu` and `icon` are pure functions of the engine's `AppState`; `tray`, `window` and
//! `notifications` draw; `actions` carries out what a person does; `commands` is what the window may ask.

mod actions;
mod app;
mod commands;
mod engine_link;
#[cfg(target_os = "linux")]
mod freedesktop;
mod icon;
mod logging;
mod menu;
mod notifications;
mod options;
mod panel;
#[cfg(test)]
mod samples;
mod tray;
mod window;

pub use app::run;
pub use icon::Panel;
pub use options::Options;
