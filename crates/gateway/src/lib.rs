//! The listener, the routes and the attempts: a request in, an answer from the first candidate that can give one.
//!
//! Must not know: OpenClaw's configuration, how a local runtime is driven, where accounts are kept. It sees
//! [`Routes`], asks [`LocalModels`], and tells [`Event`]s.

mod code;
mod events;
mod local;
mod routes;
mod timing;

pub use code::Code;
pub use events::{AttemptReport, Event, Outcome, Phase, Served};
pub use local::{LocalModels, Readiness, Trouble};
pub use routes::{Access, Cold, Named, Routes, Target};
pub use timing::Timing;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::sync::{mpsc, watch};

/// The proxy behind the listener. A cheap clone.
#[derive(Clone)]
pub struct Gateway {
    inner: Arc<Inner>,
}

struct Inner {
    routes: watch::Receiver<Arc<Routes>>,
    local: Arc<dyn LocalModels>,
    events: mpsc::UnboundedSender<Event>,
    timing: Timing,
    last_id: AtomicU64,
}

impl Gateway {
    /// A gateway by these routes. Its events go to `events`; nobody need listen.
    #[must_use]
    pub fn new(
        routes: watch::Receiver<Arc<Routes>>,
        local: Arc<dyn LocalModels>,
        events: mpsc::UnboundedSender<Event>,
    ) -> Self {
        Self::with_timing(routes, local, events, Timing::default())
    }

    /// The same with other durations.
    #[must_use]
    pub fn with_timing(
        routes: watch::Receiver<Arc<Routes>>,
        local: Arc<dyn LocalModels>,
        events: mpsc::UnboundedSender<Event>,
        timing: Timing,
    ) -> Self {
        Self { inner: Arc::new(Inner { routes, local, events, timing, last_id: AtomicU64::new(0) }) }
    }
}
