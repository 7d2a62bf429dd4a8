//! Local runtimes: what is loaded in them, and the keeper that holds a model warm.
//!
//! [`Keeper`] is given a [`Plan`] (which local models of which providers are wanted warm) and publishes a
//! [`KeeperState`] and [`Occurrence`]s. It asks each runtime through an adapter, loads what should be warm and is not,
//! says once why something went, and never makes a second instance of a model.
//!
//! Must not know: OpenClaw's configuration, our settings, requests' contents, notifications, the tray. It hears from
//! whoever serves requests only that a model is wanted, busy or in trouble.

mod error;
mod occurrence;
mod plan;
mod state;

pub use error::KeeperError;
pub use occurrence::{Cause, Occurrence, Trouble};
pub use plan::{Plan, RuntimeKind, WatchedModel, WatchedProvider};
pub use state::{KeeperState, Loaded, LocalModel, RuntimeStatus, Warmth};
