//! OpenClaw's model configuration and our own settings: what they say, what is wrong with them, and how they are
//! edited without losing a byte of what was not to change.
//!
//! The typed part does no I/O: [`model`], [`diagnostic`], [`home`], [`settings`], [`hosted`], [`resolve`],
//! [`interpret`], [`variables`], [`edit`], [`tree`] and [`starting`] are pure functions of their input. Files are touched in
//! [`location`] (does it exist), [`files`], [`check`], [`save`], [`store`], [`settings_store`], [`watch`] and
//! [`token`], and nowhere else.
//!
//! Must not know: the proxy, the local runtimes, the ledger, the desktop.

pub mod diagnostic;
pub mod home;
pub mod location;
pub mod model;
pub mod settings;

pub use diagnostic::{Diagnostic, Severity};
pub use home::{Environment, Home};
pub use location::ConfigLocation;
pub use model::{Cost, Key, Mode, Model, ModelConfiguration, Provider, Upstream};
pub use settings::Settings;
