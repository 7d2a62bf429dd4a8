//! The server: what its parts share, and the way of one request from its bytes through faults to its answer. What an
//! answer says is other modules' concern, and so are the sockets (`door`).

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use serde_json::Value;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

use crate::control::Control;
use crate::door::{Door, listen, listen_for_control, read};
use crate::fault::{After, Fault, Malformed, Rules};
use crate::lm_studio::shelf::{Shelf, UnloadCause};
use crate::options::{Die, Kind, LmStudioOptions, Model, Options, Preloaded};
use crate::play::{Cutter, Reply, Whole, html_page, stream, whole};
use crate::request::{Api, SeenRequest, model_of};
use crate::{api, control_http, google, hosted, lm_studio, ollama};

/// How many requests are remembered.
const REMEMBERED: usize = 1000;

/// A running server. It ends when this is dropped.
pub struct Simulator {
    shared: Arc<Shared>,
    control_address: Option<SocketAddr>,
    listening: Option<tokio::task::JoinHandle<()>>,
}

impl Simulator {
    /// Starts a server. Errors: the address (or the control address) is in use or not this machine's.
    pub async fn start(kind: Kind, mut options: Options) -> anyhow::Result<Simulator> {
        use anyhow::Context as _;
        if options.models.is_empty() && kind.is_local() {
            options.models.push(if kind == Kind::Ollama {
                ollama::usual_model()
            } else {
                Model::new("minimax-m2.1-gs32")
            });
        }
        if kind == Kind::Ollama {
            // What the shelf is told is the same for both; only the names of the settings differ.
            options.lm_studio = LmStudioOptions {
                jit_ttl: options.ollama.keep_alive,
                default_context: options.ollama.context,
                auto_evict: false,
                ..LmStudioOptions::default()
            };
        }
        let listener = TcpListener::bind(options.listen)
            .await
            .with_context(|| format!("cannot listen on {}: choose another with --listen", options.listen))?;
        let address = listener.local_addr()?;
        let control_listener = match options.control {
            None => None,
            Some(at) => {
                Some(TcpListener::bind(at).await.with_context(|| format!("cannot listen on {at} for control"))?)
            }
        };
        let control_address = control_listener.as_ref().map(TcpListener::local_addr).transpose()?;
        let (door, commands) = mpsc::unbounded_channel();
        let shelf = Shelf::new(options.models.clone(), options.lm_studio.clone());
        let shared = Arc::new(Shared {
            kind,
            options,
            address,
            started: Instant::now(),
            shelf: Mutex::new(shelf),
            rules: Mutex::default(),
            seen: Mutex::default(),
            conversations: Mutex::default(),
            changes: watch::Sender::new(0),
            door,
            refusing: AtomicBool::new(false),
            end: CancellationToken::new(),
        });
        preload(&shared);
        let listening = tokio::spawn(listen(Arc::clone(&shared), listener, commands));
        if let Some(listener) = control_listener {
            tokio::spawn(listen_for_control(Arc::clone(&shared), listener));
        }
        Ok(Simulator { shared, control_address, listening: Some(listening) })
    }

    /// Where the API is.
    pub fn address(&self) -> SocketAddr {
        self.shared.address
    }

    /// Where the control server is, if it was asked for.
    pub fn control_address(&self) -> Option<SocketAddr> {
        self.control_address
    }

    /// What a client is configured with: with `/v1` for LM Studio and OpenAI, with `/v1beta` for Google, without either
    /// for Anthropic and Ollama.
    pub fn base_url(&self) -> String {
        match self.shared.kind {
            Kind::LmStudio | Kind::OpenAi => format!("http://{}/v1", self.shared.address),
            Kind::Google => format!("http://{}/v1beta", self.shared.address),
            Kind::Anthropic | Kind::Ollama => format!("http://{}", self.shared.address),
        }
    }

    /// The means to make it fail. A cheap clone; it works for as long as the simulator runs.
    pub fn control(&self) -> Control {
        Control::new(Arc::clone(&self.shared))
    }

    /// What it was asked, oldest first; at most the last 1000.
    pub fn requests(&self) -> Vec<SeenRequest> {
        self.shared.seen().iter().cloned().collect()
    }

    /// Breaks all connections and closes the listener; returns when the port is free.
    pub async fn stop(mut self) {
        self.shared.end.cancel();
        if let Some(listening) = self.listening.take() {
            // A task that was cut short has let go of its listener just as well.
            let _ = listening.await;
        }
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.shared.end.cancel();
    }
}

/// What requests, faults and control have in common. Each mutex is held for a moment and never over an await.
pub(crate) struct Shared {
    pub(crate) kind: Kind,
    pub(crate) options: Options,
    pub(crate) address: SocketAddr,
    pub(crate) started: Instant,
    shelf: Mutex<Shelf>,
    rules: Mutex<Rules>,
    seen: Mutex<VecDeque<SeenRequest>>,
    /// OpenAI's stored responses: the id, and the conversation up to and with it. The last 200.
    conversations: Mutex<VecDeque<(String, Vec<Value>)>>,
    /// Counts changes of what is loaded, for whoever waits for one.
    changes: watch::Sender<u64>,
    door: mpsc::UnboundedSender<Door>,
    refusing: AtomicBool,
    /// The end of the simulator; with [`Die::CloseEverything`], what dying does.
    end: CancellationToken,
}

impl Shared {
    pub(crate) fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn rules(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, VecDeque<SeenRequest>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers what was asked.
    pub(crate) fn see(&self, request: SeenRequest) {
        let mut seen = self.seen();
        if seen.len() == REMEMBERED {
            seen.pop_front();
        }
        seen.push_back(request);
    }

    pub(crate) fn conversations(&self) -> MutexGuard<'_, VecDeque<(String, Vec<Value>)>> {
        self.conversations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn note_change(&self) {
        self.changes.send_modify(|n| *n += 1);
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub(crate) fn refusing(&self) -> bool {
        self.refusing.load(Ordering::SeqCst)
    }

    pub(crate) fn set_refusing(&self, refusing: bool) {
        self.refusing.store(refusing, Ordering::SeqCst);
    }

    /// Ready when the simulator has ended.
    pub(crate) fn ended(&self) -> WaitForCancellationFuture<'_> {
        self.end.cancelled()
    }

    /// Closes the listener, or opens it again on the same port; returns when that is done.
    pub(crate) async fn refuse(&self, refuse: bool) {
        let (done, is_done) = oneshot::channel();
        let command =
            if refuse { Door::Shut { lasting: None, done: Some(done) } } else { Door::Open { done: Some(done) } };
        if self.door.send(command).is_ok() {
            // An error means that the simulator has ended, and then it refuses anyway.
            let _ = is_done.await;
        }
    }

    /// The same as closing, without waiting for it.
    pub(crate) fn refuse_soon(&self, lasting: Option<Duration>) {
        let _ = self.door.send(Door::Shut { lasting, done: None });
    }

    /// See [`Die`].
    pub(crate) fn die(&self) {
        match self.options.die {
            Die::CloseEverything => self.end.cancel(),
            Die::ExitProcess => std::process::exit(137),
        }
    }
}

fn preload(shared: &Arc<Shared>) {
    for model in &shared.options.models {
        let how = match model.preloaded {
            Preloaded::No => continue,
            Preloaded::Explicitly => lm_studio::shelf::How::Explicitly,
            Preloaded::JustInTime => lm_studio::shelf::How::JustInTime(shared.options.lm_studio.jit_ttl),
        };
        let load =
            lm_studio::shelf::Load { key: model.key.clone(), how, time: Duration::ZERO, fails: None, context: None };
        shared.shelf().begin_load(load, shared.started);
    }
}

/// One request: seen, delayed, perhaps failed, answered.
pub(crate) async fn handle(
    shared: Arc<Shared>,
    cutter: Cutter,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    if let Some(switched) = lm_studio::websocket::accept(&shared, &cutter.closes, &mut request) {
        return Ok(switched);
    }
    let (parts, body) = request.into_parts();
    let bytes = read(body).await;
    let path = parts.uri.path();
    if path.starts_with("/_sim/") {
        return Ok(control_http::answer(&shared, &parts, &bytes).await);
    }
    if shared.refusing() {
        // A connection kept from before must not serve as a way round the closed door.
        cutter.cut::<()>(false).await;
    }
    let body = as_json(&bytes);
    shared.see(SeenRequest {
        method: parts.method.to_string(),
        path: parts.uri.path_and_query().map_or(path, |p| p.as_str()).to_owned(),
        headers: parts.headers.clone(),
        body: body.clone(),
        at: Instant::now(),
    });
    let generation = parts.method == http::Method::POST && Api::of(path).is_some_and(|api| api.wants_answer(&body));
    let model = model_of(path, &body);
    let (delay, mut fault) = shared.rules().take(path, model.as_deref(), generation, Instant::now());
    if delay > Duration::ZERO {
        sleep(delay).await;
    }
    if let Some(found) = fault.take() {
        match at_once(&shared, &cutter, found).await {
            AtOnce::Answered(response) => return Ok(*response),
            AtOnce::Later(later) => fault = Some(later),
        }
    }
    let reply = match shared.kind {
        Kind::LmStudio => lm_studio::answer(&shared, &parts, body).await,
        Kind::Ollama => ollama::answer(&shared, &parts, body).await,
        Kind::Google => google::answer(&shared, &parts, body).await,
        Kind::OpenAi | Kind::Anthropic => hosted::answer(&shared, &parts, body).await,
    };
    Ok(match reply {
        Reply::Stream(script) => stream(*script, fault, cutter, shared),
        Reply::Whole(answer) => {
            // In one piece there is no event to come after: these happen instead of the answer.
            match fault {
                Some(Fault::ErrorEvent { message, code, .. }) => {
                    let body = api::errors::body_for_status(shared.kind, 500, message.as_deref(), code.as_deref());
                    Whole::json(api::errors::own_failure(shared.kind), &body).into_response()
                }
                Some(Fault::Unload { cause, .. }) => {
                    shared.shelf().unload(model.as_deref().unwrap_or_default(), cause, Instant::now());
                    shared.note_change();
                    let message = api::errors::gone(shared.kind, cause == UnloadCause::Crash, false);
                    let status = api::errors::own_failure(shared.kind);
                    Whole::json(status, &serde_json::json!({"error": message})).into_response()
                }
                Some(Fault::Die { .. }) => {
                    shared.die();
                    std::future::pending().await
                }
                fault => whole(answer, fault, cutter),
            }
        }
    })
}

enum AtOnce {
    Answered(Box<Response<Body>>),
    Later(Fault),
}

/// The faults that strike before anything is worked out.
async fn at_once(shared: &Shared, cutter: &Cutter, fault: Fault) -> AtOnce {
    let before_all = fault.after() == Some(After::Request);
    let answer = match fault {
        Fault::Status { status, headers, body } => {
            let mut whole = match body {
                None => Whole::json(status, &api::errors::body_for_status(shared.kind, status, None, None)),
                Some(Value::String(text)) => Whole {
                    body: Bytes::from(text),
                    content_type: "text/plain; charset=utf-8",
                    ..Whole::json(status, &Value::Null)
                },
                Some(json) => Whole::json(status, &json),
            };
            for (name, value) in &headers {
                // What is no valid header is left out: the parser of real servers would not let it through either.
                if let (Ok(name), Ok(value)) = (name.parse::<http::HeaderName>(), value.parse::<http::HeaderValue>()) {
                    whole.headers.append(name, value);
                }
            }
            whole
        }
        Fault::Malformed { form: Malformed::Html, .. } => html_page(),
        Fault::Malformed { form: Malformed::Empty, .. } => {
            Whole { body: Bytes::new(), content_type: "text/event-stream; charset=utf-8", ..html_page() }
        }
        Fault::Hang { .. } if before_all => std::future::pending().await,
        Fault::Cut { reset, .. } if before_all => cutter.cut(reset).await,
        Fault::Die { .. } if before_all => {
            shared.die();
            std::future::pending().await
        }
        later => return AtOnce::Later(later),
    };
    AtOnce::Answered(Box::new(answer.into_response()))
}

fn as_json(bytes: &Bytes) -> Value {
    if bytes.is_empty() {
        return Value::Null;
    }
    serde_json::from_slice(bytes).unwrap_or_else(|_| Value::from(String::from_utf8_lossy(bytes).into_owned()))
}
