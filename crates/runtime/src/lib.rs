//! Local runtimes: what is loaded in them, and the keeper that holds a model warm.
//!
//! [`Keeper`] is given a [`Plan`] (which local models of which providers are wanted warm) and publishes a
//! [`KeeperState`] and [`Occurrence`]s. It asks each runtime through an adapter, loads what should be warm and is not,
//! says once why something went, and never makes a second instance of a model.
//!
//! Must not know: OpenClaw's configuration, our settings, requests' contents, notifications, the tray. It hears from
//! whoever serves requests only that a model is wanted, busy or in trouble.
//!
//! Within: `track` decides (pure, no clock), `keeper` runs what it decides (one task per provider), `adapter` asks one
//! kind of runtime, `detect` finds out which kind it is, `cause` says why a model most likely went.

mod abilities;
mod adapter;
mod cause;
mod detect;
mod error;
mod keeper;
mod occurrence;
mod plan;
mod state;
mod track;

pub use abilities::{Activity, Capabilities, Doing, KeepingWarm, Stay, Untold};
pub use error::KeeperError;
pub use keeper::{Busy, Clocks, Keeper, KeeperOptions};
pub use occurrence::{Cause, Occurrence, Trouble};
pub use plan::{KeepWarm, Limits, Plan, RuntimeKind, WatchedModel, WatchedProvider};
pub use state::{KeeperState, Loaded, LocalModel, RuntimeStatus, Warmth};
