//! The client and upstream APIs: their names, paths, SSE framing, error shapes and usage.
//!
//! Must not know: sockets, files, clocks, OpenClaw's configuration. Everything here is a pure function of its input.

mod api;
mod location;
mod model_ref;
mod secret;
mod usage;

pub use api::{ClientApi, UpstreamApi};
pub use location::Location;
pub use model_ref::{ModelRef, ModelRefError};
pub use secret::Secret;
pub use usage::Usage;
