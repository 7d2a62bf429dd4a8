//! One request as the attempts see it: what was asked, with everything that each of them needs.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::HeaderMap;
use pilotlight_wire::body::RequestHead;
use pilotlight_wire::{ClientApi, Location, ModelRef};

use crate::Inner;
use crate::routes::{Cold, Target};
use crate::timing::Timing;

/// One request.
pub struct Exchange {
    /// The gateway's shared parts.
    pub gateway: Arc<Inner>,
    /// The client's API.
    pub api: ClientApi,
    /// What was read of the body.
    pub head: RequestHead,
    /// The body as it came.
    pub body: Bytes,
    /// The client's headers that go upstream.
    pub headers: HeaderMap,
    /// The query of the request's address.
    pub query: Option<String>,
    /// The settings' word on cold models, as of the request's arrival.
    pub cold: Cold,
    /// Who is waited for just now.
    pub waiting: Waiting,
}

impl Exchange {
    /// Whether the answer is a stream. Embeddings have none, whatever the body says.
    pub fn streaming(&self) -> bool {
        self.head.stream && self.api != ClientApi::Embeddings
    }

    /// The gateway's durations.
    pub fn timing(&self) -> &Timing {
        &self.gateway.timing
    }
}

/// Who is waited for just now; set by the attempts, read by the heartbeats.
#[derive(Default)]
pub struct Waiting(Mutex<Option<(ModelRef, Location)>>);

impl Waiting {
    /// This target is waited for from now on.
    pub fn set(&self, target: &Target) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((target.model.clone(), target.location));
    }

    /// Who is waited for, and where it runs.
    pub fn get(&self) -> Option<(ModelRef, Location)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
