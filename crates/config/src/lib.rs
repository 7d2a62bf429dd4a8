//! OpenClaw's model configuration and our own settings: what they say, what is wrong with them, and how they are
//! edited without losing a byte of what was not to change.
//!
//! The typed part does no I/O: [`model`], [`diagnostic`], [`home`], [`settings`], [`hosted`], [`presets`], [`intents`],
//! [`conceal`], [`key_looks`], and the private `tree`, `members`, `trail`, `near`, `interpret`, `resolve`, `variables`, `edit`, `place`, `lost`, `history_log`, `history_keys`,
//! `settings_read`, `settings_schema` and `starting` are pure functions of their input. What an edit would do is told by
//! [`plan`], which reads; [`write`] and `history` write. Files are otherwise touched in [`location`] (does it exist),
//! [`check`] and `files`, `save`, [`store`], [`settings_store`], `watch`, [`token`] and [`connect`], which edits the
//! settings of other tools.
//!
//! Must not know: the proxy, the local runtimes, the ledger, the desktop.

mod agent_files;
pub mod check;
pub mod conceal;
pub mod connect;
pub mod diagnostic;
mod edit;
mod files;
mod history;
mod history_keys;
mod history_log;
pub mod home;
pub mod hosted;
pub mod intents;
mod interpret;
pub mod key_looks;
pub mod keys;
pub mod location;
mod lost;
mod members;
pub mod model;
mod near;
mod place;
pub mod plan;
pub mod presets;
pub mod preview;
mod primary;
mod resolve;
pub mod rules;
mod save;
mod schedule;
pub mod schema;
pub mod settings;
mod settings_access;
pub mod settings_edit;
mod settings_read;
mod settings_schema;
pub mod settings_store;
mod starting;
pub mod store;
mod store_error;
pub mod token;
mod trail;
mod tree;
mod variables;
mod watch;
pub mod whereabouts;
pub mod write;

pub use check::{Reading, read, without_dots};
pub use diagnostic::{Diagnostic, Severity};
pub use history_log::{LostComments, Who};
pub use home::{Environment, Home};
pub use location::ConfigLocation;
pub use model::{Cost, Key, Mode, Model, ModelConfiguration, Provider, Upstream};
pub use plan::{FileChange, Loaded, Plan, SourceFile};
pub use presets::{PRESETS, Preset};
pub use settings::Settings;
pub use settings_schema::settings_schema;
pub use settings_store::{SettingsState, SettingsStore};
pub use store::{Change, ConfigState, ConfigStore, StoreError, set_primary};
pub use variables::is_name as is_variable_name;
pub use write::{Revision, Saved};
