//! OpenClaw's model configuration and our own settings: what they say, what is wrong with them, and how they are
//! edited without losing a byte of what was not to change.
//!
//! The typed part does no I/O: [`model`], [`diagnostic`], [`home`], [`settings`], [`hosted`], and the private `tree`,
//! `interpret`, `resolve`, `variables`, `edit`, `settings_read`, `settings_schema` and `starting` are pure functions of
//! their input. Files are touched in [`location`] (does it exist), [`check`] and `files`, `save`, [`store`],
//! [`settings_store`], `watch` and [`token`], and nowhere else.
//!
//! Must not know: the proxy, the local runtimes, the ledger, the desktop.

pub mod check;
pub mod diagnostic;
mod edit;
mod files;
pub mod home;
pub mod hosted;
mod interpret;
pub mod location;
pub mod model;
pub mod preview;
mod resolve;
mod save;
pub mod schema;
pub mod settings;
mod settings_read;
mod settings_schema;
pub mod settings_store;
mod starting;
pub mod store;
pub mod token;
mod tree;
mod variables;
mod watch;

pub use check::{Reading, read};
pub use diagnostic::{Diagnostic, Severity};
pub use home::{Environment, Home};
pub use location::ConfigLocation;
pub use model::{Cost, Key, Mode, Model, ModelConfiguration, Provider, Upstream};
pub use settings::Settings;
pub use settings_schema::settings_schema;
pub use settings_store::{SettingsState, SettingsStore};
pub use store::{Change, ConfigState, ConfigStore, StoreError, set_primary};
