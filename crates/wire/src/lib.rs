//! The client and upstream APIs: their names, paths, SSE framing, error shapes, usage, and translation between them.
//!
//! Must not know: sockets, files, clocks, OpenClaw's configuration. Everything here is a pure function of its input.

mod api;
pub mod body;
pub mod error;
pub mod failure;
pub mod heartbeat;
pub mod lines;
mod location;
mod model_ref;
mod secret;
pub mod signal;
mod splice;
pub mod sse;
pub mod translate;
mod usage;

pub use api::{ClientApi, UpstreamApi};
pub use location::Location;
pub use model_ref::{ModelRef, ModelRefError};
pub use secret::Secret;
pub use usage::Usage;
