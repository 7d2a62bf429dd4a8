//! llama.cpp's server: as a router of several models, each in a process of its own, or with one model.
//!
//! Source: a running server (build 11669). What shapes this:
//! - A router's `/models` says `unloaded`, `loading`, `loaded` or `sleeping`, and with which arguments each model is
//!   started: its idle timer among them. A process that failed shows as `unloaded` with `failed` and `exit_code`.
//! - `/models/load` answers at once and the load goes on; a model that is loading, loaded or asleep is "already running".
//! - A model that sleeps keeps its process and frees its memory; a request wakes it, nothing else does.
//! - `/models/sse` tells every change as it happens, and how far a load has come.
//! - Which context a model gets stands in its preset; a load cannot name another.
//! - With one model, every path answers 503 "Loading model" until it is loaded, and any name is answered. It sleeps and
//!   wakes like one of a router, but does not tell its timer: that is known when it has struck once.
//!
//! Must not know: when to look or load.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::http::{Events, Http, LISTING, LOAD, Reply, UNLOAD, no_answer, why_gone};
use super::{Adapter, Depth, LoadDone, LoadFailure, LoadFailureKind, LoadOrder, LookFailure, News};
use super::{Clock, Departure, Observation, Presence, Seen};
use crate::{Capabilities, Cause, KeepingWarm, RuntimeKind, Untold};

/// Between two questions whether a load is done.
const LOADING: Duration = Duration::from_millis(200);
/// With one model, between two questions whether it sleeps. They cost nobody a line in a log.
const LISTEN: Duration = Duration::from_secs(1);
/// A model that was evicted is told of before the one that takes its place: both are to be seen by the same look.
const SETTLE: Duration = Duration::from_millis(100);
/// Between two attempts to listen.
const LISTEN_AGAIN: Duration = Duration::from_secs(5);

const UNKNOWN: u8 = 0;
const ROUTER: u8 = 1;
const SINGLE: u8 = 2;

/// A llama-server.
pub(crate) struct LlamaServer {
    http: Http,
    mode: AtomicU8,
    version: Mutex<Option<String>>,
    events: tokio::sync::Mutex<Option<Events>>,
    /// With one model: how it was last seen.
    presence: Mutex<Option<Presence>>,
}

impl LlamaServer {
    pub(crate) fn new(http: Http) -> Self {
        Self {
            http,
            mode: AtomicU8::new(UNKNOWN),
            version: Mutex::default(),
            events: tokio::sync::Mutex::default(),
            presence: Mutex::default(),
        }
    }

    fn is(&self, mode: u8) -> bool {
        self.mode.load(Ordering::Relaxed) == mode
    }

    async fn listing(&self) -> Result<Observation, LookFailure> {
        if !self.is(ROUTER) {
            let props = self.http.get("props", LISTING).await?;
            if is_loading(&props) {
                self.seen_single(Presence::Loading);
                return Ok(Observation { models: vec![any_name(Presence::Loading)] });
            }
            if props.error().is_some() || !is_props(&props.body) {
                return Err(props.rejected("properties"));
            }
            *self.version.lock().unwrap_or_else(PoisonError::into_inner) =
                props.body.get("build_info").and_then(Value::as_str).map(str::to_owned);
            if props.body.get("role").and_then(Value::as_str) != Some("router") {
                self.mode.store(SINGLE, Ordering::Relaxed);
                return self.single(&props.body).await;
            }
            self.mode.store(ROUTER, Ordering::Relaxed);
        }
        let reply = self.http.get("models", LISTING).await?;
        let models = read_router(&reply.body).ok_or_else(|| reply.rejected("models"))?;
        Ok(Observation { models })
    }

    async fn single(&self, props: &Value) -> Result<Observation, LookFailure> {
        let reply = self.http.get("v1/models", LISTING).await?;
        let seen = read_single(props, &reply.body);
        self.seen_single(seen.presence);
        Ok(Observation { models: vec![seen] })
    }

    fn seen_single(&self, presence: Presence) {
        *self.presence.lock().unwrap_or_else(PoisonError::into_inner) = Some(presence);
    }

    /// One token: wakes a model that sleeps, and starts the idle timer of one that does not anew.
    async fn use_once(&self, order: &LoadOrder, limit: Duration) -> Result<(), LoadFailure> {
        let (path, body) = if order.embedding {
            ("v1/embeddings", json!({ "model": order.key, "input": "." }))
        } else {
            let messages = json!([{ "role": "user", "content": "." }]);
            ("v1/chat/completions", json!({ "model": order.key, "messages": messages, "max_tokens": 1 }))
        };
        let reply = self.http.post(path, &body, limit).await.map_err(no_answer)?;
        match reply.error() {
            None => Ok(()),
            Some(message) => Err(load_failure(&reply, message)),
        }
    }

    /// Waits until a load that was begun is over, by whomever it was begun.
    async fn loaded(&self, key: &str) -> Result<Seen, LoadFailure> {
        let until = Instant::now() + LOAD;
        loop {
            let seen = self.listing().await.map_err(no_answer)?.find(key);
            match seen {
                None => return Err(LoadFailure::new(LoadFailureKind::Missing, format!("there is no model {key}"))),
                Some(seen) if seen.presence == Presence::Loaded => return Ok(seen),
                Some(Seen { departure: Some(Departure::Crashed(detail)), .. }) => {
                    let message = format!("its process failed while it loaded ({detail}): llama-server's log says why");
                    return Err(LoadFailure::new(LoadFailureKind::Lasting, message));
                }
                // Asleep already, or taken away by somebody.
                Some(seen) if seen.presence == Presence::Absent => {
                    let message = "it went while it was loaded";
                    return Err(LoadFailure::new(LoadFailureKind::Passing, message));
                }
                Some(_) if Instant::now() >= until => {
                    return Err(LoadFailure::new(LoadFailureKind::Gone, "it does not come to an end"));
                }
                Some(_) => sleep(LOADING).await,
            }
        }
    }

    /// What is to be loaded sleeps.
    async fn asleep(&self, key: &str) -> Result<bool, LoadFailure> {
        let seen = self.listing().await.map_err(no_answer)?.find(key);
        Ok(seen.is_some_and(|seen| seen.departure == Some(Departure::Slept)))
    }

    async fn next_change(&self) -> News {
        let mut events = self.events.lock().await;
        loop {
            let Some(open) = events.as_mut() else {
                match self.http.events("models/sse", LISTING).await {
                    Ok(opened) => *events = Some(opened),
                    Err(_) => sleep(LISTEN_AGAIN).await,
                }
                continue;
            };
            let Some(event) = open.next().await else {
                *events = None;
                return News::Changed;
            };
            match read_event(&event) {
                Some(News::Changed) => {
                    sleep(SETTLE).await;
                    return News::Changed;
                }
                Some(news) => return news,
                None => {}
            }
        }
    }

    async fn next_sleep(&self) -> News {
        loop {
            sleep(LISTEN).await;
            let Ok(props) = self.http.get("props", LISTING).await else { return News::Changed };
            let now = if is_loading(&props) { Presence::Loading } else { single_presence(&props.body) };
            if *self.presence.lock().unwrap_or_else(PoisonError::into_inner) != Some(now) {
                return News::Changed;
            }
        }
    }
}

impl Adapter for LlamaServer {
    fn kind(&self) -> RuntimeKind {
        RuntimeKind::LlamaServer
    }

    fn capabilities(&self) -> Capabilities {
        let router = !self.is(SINGLE);
        let mut cannot_tell = vec![Untold::LastUse, Untold::Activity];
        if !router {
            cannot_tell.extend([Untold::IdleTimer, Untold::Progress, Untold::Crash]);
        }
        Capabilities {
            loads: true,
            load_context: false,
            sets_context: false,
            unloads: router,
            pushes: router,
            keeping_warm: KeepingWarm::Ping,
            cannot_tell,
        }
    }

    /// A router above its `--models-max`.
    fn displaces(&self) -> bool {
        !self.is(SINGLE)
    }

    fn version(&self) -> Option<String> {
        self.version.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn look(&self, _: Depth) -> BoxFuture<'_, Result<Observation, LookFailure>> {
        self.listing().boxed()
    }

    fn load(&self, order: LoadOrder) -> BoxFuture<'_, Result<LoadDone, LoadFailure>> {
        async move {
            if self.asleep(&order.key).await? {
                self.use_once(&order, LOAD).await?;
            } else if self.is(ROUTER) {
                let body = json!({ "model": order.key });
                let reply = self.http.post("models/load", &body, LISTING).await.map_err(no_answer)?;
                match reply.error() {
                    Some(message) if !is_running(&message) => return Err(load_failure(&reply, message)),
                    _ => {}
                }
            }
            let seen = self.loaded(&order.key).await?;
            // The router takes it away for another when it is full.
            Ok(LoadDone { instance: seen.instances.into_iter().next(), context: seen.context, ..LoadDone::default() })
        }
        .boxed()
    }

    fn unload(&self, instance: String) -> BoxFuture<'_, Result<(), LoadFailure>> {
        async move {
            if self.is(SINGLE) {
                let message = "this llama-server has one model, and keeps it as long as it runs: stop its process";
                return Err(LoadFailure::new(LoadFailureKind::Unsupported, message));
            }
            let body = json!({ "model": instance });
            let reply = self.http.post("models/unload", &body, UNLOAD).await.map_err(no_answer)?;
            if let Some(message) = reply.error() {
                return Err(load_failure(&reply, message));
            }
            // The answer comes when it was told to go, not when it went.
            for _ in 0..50 {
                let seen = self.listing().await.map_err(no_answer)?.find(&instance);
                if !seen.is_some_and(|seen| seen.presence.occupies()) {
                    break;
                }
                sleep(LOADING).await;
            }
            Ok(())
        }
        .boxed()
    }

    fn touch(&self, order: LoadOrder) -> BoxFuture<'_, Result<(), LoadFailure>> {
        async move { self.use_once(&order, UNLOAD).await }.boxed()
    }

    fn news(&self) -> BoxFuture<'_, News> {
        async move {
            while self.is(UNKNOWN) {
                // The first look finds out.
                sleep(LOADING).await;
            }
            if self.is(ROUTER) { self.next_change().await } else { self.next_sleep().await }
        }
        .boxed()
    }

    fn why_gone(&self, refused: bool) -> BoxFuture<'_, Cause> {
        std::future::ready(why_gone(self.http.root(), refused, Cause::ProgramEnded)).boxed()
    }

    fn idle_clock(&self) -> BoxFuture<'_, Option<Duration>> {
        std::future::ready(None).boxed()
    }
}

/// Whether this is the answer to `GET /props`.
pub(crate) fn is_props(body: &Value) -> bool {
    body.get("default_generation_settings").is_some() && body.get("build_info").is_some()
}

/// Whether a server with one model is still loading it.
pub(crate) fn is_loading(reply: &Reply) -> bool {
    let error = reply.body.get("error");
    reply.status.as_u16() == 503
        && error.and_then(|error| error.get("message")).and_then(Value::as_str) == Some("Loading model")
}

/// A model that is asked for by whatever name.
fn any_name(presence: Presence) -> Seen {
    Seen { any_name: true, ..Seen::named("", presence) }
}

fn read_router(body: &Value) -> Option<Vec<Seen>> {
    let lines = body.get("data")?.as_array()?;
    Some(lines.iter().filter_map(read_router_line).collect())
}

fn read_router_line(line: &Value) -> Option<Seen> {
    let id = line.get("id")?.as_str()?;
    let status = line.get("status")?;
    let (presence, departure) = match status.get("value").and_then(Value::as_str) {
        Some("loaded") => (Presence::Loaded, None),
        Some("loading") => (Presence::Loading, None),
        Some("sleeping") => (Presence::Absent, Some(Departure::Slept)),
        Some("unloaded") => (Presence::Absent, Some(how_it_ended(status))),
        _ => (Presence::Untold, None),
    };
    let mut seen = Seen { departure, ..Seen::named(id, presence) };
    if presence.occupies() {
        seen.instances.push(id.to_owned());
    }
    let aliases = line.get("aliases").and_then(Value::as_array);
    seen.names = aliases.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    seen.clock = idle_timer(status.get("args"));
    read_meta(&mut seen, line);
    Some(seen)
}

fn how_it_ended(status: &Value) -> Departure {
    let code = status.get("exit_code").and_then(Value::as_i64);
    let failed = status.get("failed").and_then(Value::as_bool) == Some(true);
    match code {
        Some(code) if failed || code != 0 => Departure::Crashed(format!("exit code {code}")),
        None if failed => Departure::Crashed("its process failed".into()),
        _ => Departure::Orderly,
    }
}

/// The router shows with which arguments it starts a model.
fn idle_timer(args: Option<&Value>) -> Clock {
    let Some(args) = args.and_then(Value::as_array) else { return Clock::Untold };
    let mut given = args.iter().filter_map(Value::as_str).skip_while(|arg| *arg != "--sleep-idle-seconds");
    match given.nth(1).map(str::parse::<i64>) {
        None => Clock::Never,
        Some(Ok(seconds)) => match u64::try_from(seconds) {
            Ok(seconds) => Clock::After(Duration::from_secs(seconds)),
            Err(_) => Clock::Never,
        },
        Some(Err(_)) => Clock::Untold,
    }
}

fn read_meta(seen: &mut Seen, line: &Value) {
    let Some(meta) = line.get("meta") else { return };
    if seen.presence.occupies() {
        seen.context = meta.get("n_ctx").and_then(Value::as_u64);
    }
    seen.size_bytes = meta.get("size").and_then(Value::as_u64);
    seen.quantization = meta.get("ftype").and_then(Value::as_str).map(str::to_owned);
}

fn single_presence(props: &Value) -> Presence {
    if props.get("is_sleeping").and_then(Value::as_bool) == Some(true) { Presence::Absent } else { Presence::Loaded }
}

fn read_single(props: &Value, models: &Value) -> Seen {
    let presence = single_presence(props);
    let mut seen = any_name(presence);
    let line = models.get("data").and_then(|data| data.get(0));
    let id = line.and_then(|line| line.get("id")).and_then(Value::as_str);
    id.or_else(|| props.get("model_alias").and_then(Value::as_str)).unwrap_or_default().clone_into(&mut seen.key);
    if let Some(line) = line {
        read_meta(&mut seen, line);
    }
    if presence == Presence::Loaded {
        seen.instances.push(seen.key.clone());
        let settings = props.get("default_generation_settings");
        let context = settings.and_then(|settings| settings.get("n_ctx")).and_then(Value::as_u64);
        seen.context = context.or(seen.context);
    } else {
        seen.departure = Some(Departure::Slept);
    }
    seen
}

/// What an event of `/models/sse` says; none where it is nothing new.
fn read_event(event: &Value) -> Option<News> {
    let key = event.get("model").and_then(Value::as_str)?;
    let data = event.get("data")?;
    let Some(progress) = data.get("progress") else { return Some(News::Changed) };
    let stages = progress.get("stages").and_then(Value::as_array)?;
    let current = progress.get("current");
    let stage = stages.iter().position(|stage| Some(stage) == current)?;
    let value = progress.get("value").and_then(Value::as_f64)?.clamp(0.0, 1.0);
    #[expect(clippy::cast_precision_loss, reason = "a handful of stages")]
    let whole = (stage as f64 + value) / stages.len() as f64 * 100.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 100")]
    Some(News::Progress { key: key.to_owned(), percent: whole as u8 })
}

fn is_running(message: &str) -> bool {
    message.contains("already running") || message.contains("already loaded")
}

fn load_failure(reply: &Reply, message: String) -> LoadFailure {
    let kind = match reply.status.as_u16() {
        404 => LoadFailureKind::Missing,
        400 if message.contains("not found") => LoadFailureKind::Missing,
        408 | 429 | 500..=599 => LoadFailureKind::Passing,
        _ => LoadFailureKind::Lasting,
    };
    LoadFailure::new(kind, message)
}
