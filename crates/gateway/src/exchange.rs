//! One request as the attempts see it: what was asked, with everything that each of them needs.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use http::HeaderMap;
use pilotlight_wire::body::RequestHead;
use pilotlight_wire::error::ApiError;
use pilotlight_wire::sse::Frame;
use pilotlight_wire::{ClientApi, Location, ModelRef};

use crate::Inner;
use crate::crossing::{Understood, understand};
use crate::routes::{Cold, Target};
use crate::serve::Closing;
use crate::timing::Timing;

/// One request.
pub struct Exchange {
    /// The gateway's shared parts.
    pub gateway: Arc<Inner>,
    /// The client's API.
    pub api: ClientApi,
    /// What was read of the body.
    pub head: RequestHead,
    /// What the client sent, until nobody more can be asked.
    pub incoming: Mutex<Option<Arc<Incoming>>>,
    /// The query of the request's address.
    pub query: Option<String>,
    /// The settings' word on cold models, as of the request's arrival.
    pub cold: Cold,
    /// How many requests are served at once.
    pub most_requests: usize,
    /// Who is waited for just now.
    pub waiting: Waiting,
    /// Our id of the request, of letters and digits.
    pub name: String,
    /// When it came, as Unix time in seconds.
    pub created: u64,
    /// When the listener waits no longer for its end.
    pub closing: Closing,
}

/// What a client sent.
#[derive(Default)]
pub struct Incoming {
    /// The body as it came.
    pub body: Bytes,
    /// The client's headers that go upstream.
    pub headers: HeaderMap,
    /// The request in no API's own form, read when the first candidate needs it so.
    understood: OnceLock<Result<Understood, ApiError>>,
}

impl Incoming {
    /// What came, for an exchange to keep.
    pub fn kept(body: Bytes, headers: HeaderMap) -> Mutex<Option<Arc<Self>>> {
        Mutex::new(Some(Arc::new(Self { body, headers, understood: OnceLock::new() })))
    }

    /// The request in no API's own form.
    pub fn understood(&self, exchange: &Exchange) -> &Result<Understood, ApiError> {
        self.understood.get_or_init(|| understand(exchange, &self.body))
    }
}

impl Exchange {
    /// What the client sent; nothing once it was let go.
    pub fn incoming(&self) -> Arc<Incoming> {
        self.incoming.lock().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or_default()
    }

    /// Nobody more will be asked: a stream can last for minutes, and a conversation be megabytes long.
    pub fn let_go(&self) {
        self.incoming.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Whether the answer is a stream. Embeddings have none, whatever the body says.
    pub fn streaming(&self) -> bool {
        self.head.stream && self.api != ClientApi::Embeddings
    }

    /// What fits into a target, in tokens: what is configured, or what it is loaded with where that is less.
    pub fn window(&self, target: &Target) -> Option<u64> {
        let loaded = if target.managed { self.gateway.local.context(&target.model) } else { None };
        loaded.into_iter().chain(target.context_window).min()
    }

    /// Reads along what a target sends, for what only it can read. Chat has no such thing that all agree on.
    pub fn note(&self, target: &Target, frame: &Frame) {
        if let (ClientApi::Responses | ClientApi::Messages, Some(data)) = (self.api, &frame.data) {
            self.gateway.provenance.read(target.model.provider(), data);
        }
    }

    /// Notes who keeps the conversation of a response that passed as it was, and under which ids it is known.
    pub fn kept_by(&self, target: &Target, theirs: &str, ours: Option<&str>) {
        let provider = target.model.provider();
        for id in [Some(theirs), ours].into_iter().flatten() {
            self.gateway.conversations.kept_there(id.to_owned(), provider, theirs.to_owned());
        }
    }

    /// The gateway's durations.
    pub fn timing(&self) -> &Timing {
        &self.gateway.timing
    }
}

/// Who is waited for just now; set by the attempts, read by the heartbeats.
#[derive(Default)]
pub struct Waiting(Mutex<Waited>);

#[derive(Default)]
struct Waited {
    target: Option<(ModelRef, Location)>,
    response_id: Option<String>,
}

impl Waiting {
    /// This target is waited for from now on.
    pub fn set(&self, target: &Target) {
        *self.waited() = Waited { target: Some((target.model.clone(), target.location)), response_id: None };
    }

    /// Its response has begun under this id, and is held. Heartbeats that start now are of the same response, so that
    /// a client can refer to it later.
    pub fn begun(&self, response_id: &str) {
        let mut waited = self.waited();
        if waited.response_id.is_none() {
            waited.response_id = Some(response_id.to_owned());
        }
    }

    /// The id of the response that has begun.
    pub fn response_id(&self) -> Option<String> {
        self.waited().response_id.clone()
    }

    /// Who is waited for, and where it runs.
    pub fn get(&self) -> Option<(ModelRef, Location)> {
        self.waited().target.clone()
    }

    fn waited(&self) -> MutexGuard<'_, Waited> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
