//! The listener, the routes and the attempts: a request in, an answer from the first candidate that can give one.
//!
//! Must not know: OpenClaw's configuration, how a local runtime is driven, where accounts are kept. It sees
//! [`Routes`], asks [`LocalModels`], and tells [`Event`]s.
//!
//! The life of a request: [`guard`] (who may call) → `request` (read it) → `resolve` (what its `model` means) →
//! `plan` (who may be asked) → `walk` (from candidate to candidate) → `attempt` and `hold` (one try, up to its first
//! content) → `answer` and `relay` (the client's side) → `record` (its account).

mod answer;
mod answered_by;
mod aside;
mod attempt;
mod body;
mod breaker;
mod callers;
mod clients;
mod code;
mod connects;
mod context;
mod conversations;
mod cooldown;
mod count;
mod crossing;
mod cut;
mod events;
mod exchange;
#[cfg(test)]
mod fixture;
mod guard;
mod health;
mod hold;
mod lmstudio;
mod local;
mod models;
mod plan;
mod pool;
mod provenance;
mod record;
mod relay;
mod request;
mod resolve;
mod routes;
mod serve;
mod silence;
mod source;
mod timing;
mod upstream;
mod verdict;
mod walk;

pub use body::LARGEST_REQUEST;
pub use code::Code;
pub use cooldown::Cause;
pub use events::{AttemptReport, Event, Outcome, Phase, Served};
pub use guard::{guard, guard_pages};
pub use health::{Cooldown, Recovery};
pub use local::{LocalModels, Readiness, Trouble};
pub use routes::{Access, Cold, Named, NamedToken, Routes, Target};
pub use serve::{Listening, serve};
pub use timing::Timing;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::routing::{get, post};
use http::Request;
use pilotlight_wire::ClientApi;
use pilotlight_wire::error::{ApiError, ErrorKind};
use tokio::sync::{mpsc, watch};

use answer::error_response;
use body::Bodies;
use callers::{Caller, Rates, Turns};
use clients::Clients;
use conversations::Conversations;
use health::Health;
use pool::Busy;
use provenance::Provenance;

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
    bodies: Bodies,
    clients: Clients,
    health: Arc<Health>,
    busy: Busy,
    last_id: AtomicU64,
    rates: Rates,
    turns: Arc<Turns>,
    conversations: Conversations,
    provenance: Provenance,
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
        let (health, busy) = (Health::new(events.clone()), Busy::default());
        let inner = Inner {
            routes,
            local,
            events,
            timing,
            bodies: Bodies::default(),
            clients: Clients::default(),
            health,
            busy,
            last_id: AtomicU64::new(0),
            rates: Rates::default(),
            turns: Arc::default(),
            conversations: Conversations::default(),
            provenance: Provenance::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The upstreams that are left alone after failures. A cool-down whose time is over stands there until the upstream
    /// is asked again, and so does a breaker that is half-open.
    #[must_use]
    pub fn cooldowns(&self) -> watch::Receiver<Arc<Vec<Cooldown>>> {
        self.inner.health.watch()
    }

    /// Forgets the breakers and cool-downs of one provider, or of all: the next request asks them. Returns what was
    /// forgotten.
    #[must_use]
    pub fn retry(&self, provider: Option<&str>) -> Vec<Cooldown> {
        self.inner.health.forget(provider)
    }

    /// The routes are others: forgets the breakers and cool-downs of upstreams whose address or key has changed.
    pub fn follow_routes(&self) {
        self.inner.health.follow(&self.inner.routes.borrow());
    }

    /// The machine slept: cool-downs and breakers go on meanwhile, since they are promises of the calendar's time.
    pub fn slept(&self, slept: std::time::Duration) {
        self.inner.health.slept(slept);
    }
}

impl Inner {
    /// A request goes to this target, for as long as the guard lives.
    fn busy(&self, target: &Target) -> Box<dyn Send> {
        let kept = target.managed.then(|| self.local.busy(&target.model));
        Box::new((self.busy.begin(target), kept))
    }
}

/// Every path of the proxy, behind [`guard`]. Further paths are put behind it by themselves and merged:
/// `router(gateway).merge(guard(own, routes))`.
pub fn router(gateway: Gateway) -> Router {
    let routes = gateway.inner.routes.clone();
    let mut router = Router::new()
        .route(
            "/",
            get(async || {
                concat!("Pilot Light ", env!("CARGO_PKG_VERSION"), ": a proxy for language models, see /v1/models\n")
            }),
        )
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", {
            let gateway = gateway.clone();
            get(move |request: Request<Body>| async move {
                models::ready(&gateway, request.extensions().get::<Listening>())
            })
        })
        .route("/v1/models", {
            let routes = routes.clone();
            get(move |request: Request<Body>| async move {
                let caller = request.extensions().get::<Caller>();
                models::list(&routes.borrow().clone(), caller, request.headers())
            })
        })
        .route("/v1/models/{*id}", {
            let routes = routes.clone();
            get(move |Path(id): Path<String>, request: Request<Body>| async move {
                let caller = request.extensions().get::<Caller>();
                models::one(&routes.borrow().clone(), caller, &id, request.headers())
            })
        });
    router = router
        .route("/api/v0/models", {
            let gateway = gateway.clone();
            get(async move || lmstudio::list_v0(&gateway))
        })
        .route("/api/v0/models/{*id}", {
            let gateway = gateway.clone();
            get(async move |Path(id): Path<String>| lmstudio::one_v0(&gateway, &id))
        })
        .route("/api/v1/models", {
            let gateway = gateway.clone();
            get(async move || lmstudio::list_v1(&gateway))
        })
        .route("/api/v1/models/load", {
            let gateway = gateway.clone();
            post(async move |request: Request<Body>| lmstudio::load(gateway, request).await)
        });
    for api in ClientApi::ALL {
        let gateway = gateway.clone();
        let handler = move |request: Request<Body>| request::handle(gateway.clone(), api, request);
        router = router.route(&format!("/v1{}", api.path()), post(handler));
    }
    router = router.route("/v1/messages/count_tokens", {
        let gateway = gateway.clone();
        post(move |request: Request<Body>| count::handle(gateway.clone(), request))
    });
    let unknown = async |request: Request<Body>| {
        let path = request.uri().path();
        let known = ClientApi::ALL.map(|api| format!("/v1{}", api.path())).join(", ");
        let mut message =
            format!("there is no {path:?} here. There are: /v1/models, {known}, /v1/messages/count_tokens");
        if ClientApi::ALL.iter().any(|api| path == api.path()) || path == "/models" {
            message += ". A client's base URL ends in /v1";
        }
        error_response(&ApiError::new(ErrorKind::NotFound, "not_found", message), guard::form(path, request.headers()))
    };
    let wrong_method = async |request: Request<Body>| {
        let path = request.uri().path();
        let reads = path.ends_with("/models") || path.contains("/models/") && !path.ends_with("/load");
        let right = if reads || !path.starts_with("/v1/") && !path.starts_with("/api/") { "GET" } else { "POST" };
        let message = format!("{path} knows no {}: send {right}", request.method());
        let error = ApiError::new(ErrorKind::MethodNotAllowed, "method_not_allowed", message);
        error_response(&error, guard::form(path, request.headers()))
    };
    guard(router.fallback(unknown).method_not_allowed_fallback(wrong_method), routes)
}
