//! LM Studio: what is loaded from `/api/v0/models` and `/api/v1/models`, explicit loads, unloads.
//!
//! Sources: the vendor's documentation of its REST API (v0 since LM Studio 0.3.6, v1 since 0.4.0); where that is silent,
//! published measurements of users. The measured facts, and what happens here if one is wrong:
//! - v1 lists an instance within 0.2 s of a load that takes 40 s, and only v0's `state` says `loading`. So v0 is
//!   believed about the state, and an instance alone counts as "there is something, perhaps still loading".
//! - A second load makes a second instance. The keeper looks before each load.
//! - The load's body is a closed schema. If it refuses even `context_length`, the load is tried without.
//! - An unknown path answers 200 with an `error`. So what counts is the shape of the answer, never the status.
//!
//! What REST does not tell comes from [`super::lmstudio_watch`], where that is there.
//!
//! Must not know: when to look or load.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;
use url::Url;

use super::http::{Http, LISTING, LOAD, Reply, UNLOAD, is_loopback, no_answer, why_gone};
use super::listing::is_instance_of;
use super::lmstudio_listing::{disagree, join, read_v0, read_v1};
use super::lmstudio_load::{NoLoad, load, unload};
use super::lmstudio_watch::{LmStudioWatch, Watched};
use super::{Adapter, Depth, LoadDone, LoadFailure, LoadFailureKind, LoadOrder, LookFailure, News, lmstudio_home};
use super::{Clock, Observation, Presence, Seen};
use crate::{Capabilities, Cause, KeepingWarm, RuntimeKind, Untold};

/// The ports on which LM Studio's application itself listens, whether its server is on or not (the SDK's list).
pub(crate) const APP_PORTS: [u16; 5] = [41343, 52993, 16141, 39414, 22931];
/// To the question whether it is LM Studio.
pub(crate) const GREETING: Duration = Duration::from_millis(500);
/// The idle clock that we ask for where there is no explicit load (LM Studio 0.3). A week: each request starts it anew,
/// and a JavaScript timer of more than 24.8 days would fire at once.
const JIT_TTL: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How far a load of ours has come: the model's key, and percent.
type Progress = Option<(String, u8)>;

/// An LM Studio server.
pub(crate) struct LmStudio {
    http: Http,
    app_ports: Vec<u16>,
    user_home: Option<PathBuf>,
    /// Whether an endpoint was found not to exist. Not asked again on each look, since LM Studio logs an unknown path
    /// as an error; forgotten with this adapter when the server goes away.
    no_v0: AtomicBool,
    no_v1: AtomicBool,
    /// Whether v1 last listed an instance that is not called as its model: by v0 alone it may not be known for that.
    own_names: AtomicBool,
    watch: LmStudioWatch,
    progress: watch::Sender<Progress>,
    /// Whether it was asked for a load over its WebSocket and did not say what it does: not asked so again.
    no_socket_loads: AtomicBool,
    /// What was told already.
    told: tokio::sync::Mutex<(Watched, watch::Receiver<Progress>)>,
    /// Where it was found when it was not at the plan's address.
    moved_to: Option<Url>,
}

impl LmStudio {
    /// One at the address of `http`. Must be called within a tokio runtime.
    pub(crate) fn new(http: Http, app_ports: Vec<u16>, user_home: Option<PathBuf>) -> Self {
        let watch = LmStudioWatch::spawn(http.root(), http.key());
        let (progress, seen) = watch::channel(None);
        Self {
            http,
            app_ports,
            user_home,
            no_v0: AtomicBool::new(false),
            no_v1: AtomicBool::new(false),
            own_names: AtomicBool::new(false),
            watch,
            progress,
            no_socket_loads: AtomicBool::new(false),
            told: tokio::sync::Mutex::new((Watched::default(), seen)),
            moved_to: None,
        }
    }

    /// The same, at an address that is not the plan's.
    pub(crate) fn moved(self) -> Self {
        Self { moved_to: Some(self.http.root().clone()), ..self }
    }

    /// Puts what the WebSocket tells beside what REST told.
    fn with_watched(&self, mut seen: Observation) -> Observation {
        // The part of LM Studio that is watched knows no models for embeddings.
        let watched = seen.models.iter().filter(|line| !line.embedding);
        self.watch.compare(watched.flat_map(|line| line.instances.iter().map(String::as_str)));
        let watched = self.watch.watched();
        let watched = watched.borrow();
        let now = Instant::now();
        for (name, instance) in &watched.instances {
            let mut line = Seen::named(instance.model_key.clone(), Presence::Untold);
            line.names.push(name.clone());
            line.clock = instance.timer.map_or(Clock::Never, Clock::After);
            line.idle = instance.used.map(|used| now.duration_since(used));
            line.activity = instance.activity;
            line.context = instance.context;
            // An instance that REST does not know is gone, or has just come.
            if seen.models.iter().any(|known| known.instances.contains(name)) {
                seen.models.push(line);
            }
        }
        seen
    }

    async fn listing(&self, depth: Depth) -> Result<Observation, LookFailure> {
        let v0_tells = !self.no_v0.load(Ordering::Relaxed) && !self.own_names.load(Ordering::Relaxed);
        let v1 = match depth {
            Depth::State if v0_tells => Ok(None),
            _ => self.ask("api/v1/models", &self.no_v1, read_v1).await,
        };
        let v1 = match v1 {
            // Only this endpoint is in trouble: the other one is still worth asking.
            Err(LookFailure::Rejected(why)) => Err(why),
            other => Ok(other?),
        };
        if let Ok(Some(lines)) = &v1 {
            let own = |line: &Seen| line.instances.iter().any(|name| *name != line.key);
            self.own_names.store(lines.iter().any(own), Ordering::Relaxed);
        }
        let v0 = match self.ask("api/v0/models", &self.no_v0, read_v0).await {
            Err(LookFailure::Rejected(_)) if matches!(v1, Ok(Some(_))) => None,
            other => other?,
        };
        match (v0, v1) {
            (Some(v0), Ok(Some(v1))) if disagree(&v0, &v1) => {
                // Something went between the two questions, or v0 does not see it: the later answer is right.
                let again = self.ask("api/v1/models", &self.no_v1, read_v1).await?.unwrap_or_default();
                Ok(Observation { models: join(v0, again) })
            }
            (Some(v0), Ok(Some(v1))) => Ok(Observation { models: join(v0, v1) }),
            (Some(models), _) | (None, Ok(Some(models))) => Ok(Observation { models }),
            (None, Err(why)) => Err(LookFailure::Rejected(why)),
            (None, Ok(None)) => Err(self.neither()),
        }
    }

    /// One listing; none when this server has no such path, or gives something else.
    async fn ask(
        &self,
        path: &str,
        absent: &AtomicBool,
        read: fn(&Value) -> Option<Vec<Seen>>,
    ) -> Result<Option<Vec<Seen>>, LookFailure> {
        if absent.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let reply = self.http.get(path, LISTING).await?;
        if let Some(models) = read(&reply.body) {
            return Ok(Some(models));
        }
        if is_unknown_path(&reply) || matches!(reply.status.as_u16(), 404 | 405) {
            absent.store(true, Ordering::Relaxed);
            return Ok(None);
        }
        if reply.status.is_success() { Ok(None) } else { Err(reply.rejected("models")) }
    }

    /// Neither listing is there: says so, and asks for both again next time.
    fn neither(&self) -> LookFailure {
        self.no_v0.store(false, Ordering::Relaxed);
        self.no_v1.store(false, Ordering::Relaxed);
        LookFailure::Rejected(
            "it answers, but neither /api/v0/models nor /api/v1/models lists models there: LM Studio 0.3.6 or newer is needed"
                .into(),
        )
    }

    /// Whether a load over its WebSocket is possible, as far as is known.
    fn loads_over_socket(&self) -> bool {
        self.watch.watched().borrow().up && !self.no_socket_loads.load(Ordering::Relaxed)
    }

    /// Whether it can be told to load a model that then stays, with a context length, and to unload it.
    fn loads_explicitly(&self) -> bool {
        !self.no_v1.load(Ordering::Relaxed) || self.loads_over_socket()
    }

    /// The only way that tells how far a load has come, and with LM Studio 0.3 the only one that names a context length.
    /// None where nothing was begun.
    async fn load_over_socket(&self, order: &LoadOrder) -> Result<Option<LoadDone>, LoadFailure> {
        if self.no_socket_loads.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let Some(endpoint) = self.watch.endpoint().await else { return Ok(None) };
        let tell = |percent| {
            self.progress.send_replace(Some((order.key.clone(), percent)));
        };
        match load(endpoint, order, tell).await {
            Ok(done) => Ok(Some(done)),
            Err(NoLoad::NotBegun) => Ok(None),
            Err(NoLoad::Untold(failure)) => {
                self.no_socket_loads.store(true, Ordering::Relaxed);
                Err(failure)
            }
            Err(NoLoad::Failed(failure)) => Err(failure),
        }
    }

    async fn load_explicitly(&self, order: &LoadOrder) -> Result<Option<LoadDone>, LoadFailure> {
        let mut body = json!({ "model": order.key });
        if let Some(context) = order.context {
            body["context_length"] = context.into();
        }
        let mut reply = self.http.post("api/v1/models/load", &body, LOAD).await.map_err(no_answer)?;
        if order.context.is_some() && refuses_keys(&reply) {
            reply =
                self.http.post("api/v1/models/load", &json!({ "model": order.key }), LOAD).await.map_err(no_answer)?;
        }
        if is_unknown_path(&reply) {
            return Ok(None);
        }
        if let Some(message) = reply.error() {
            return Err(load_failure(&reply, message));
        }
        Ok(Some(read_load(&reply.body)))
    }

    /// A request of one token makes a server that has just-in-time loading load the model, with the idle clock that the
    /// request names.
    async fn load_by_request(&self, order: &LoadOrder) -> Result<LoadDone, LoadFailure> {
        let ttl = JIT_TTL.as_secs();
        let (path, body) = if order.embedding {
            ("v1/embeddings", json!({ "model": order.key, "input": ".", "ttl": ttl }))
        } else {
            let messages = json!([{ "role": "user", "content": "." }]);
            let body =
                json!({ "model": order.key, "messages": messages, "max_tokens": 1, "stream": false, "ttl": ttl });
            ("v1/chat/completions", body)
        };
        let reply = self.http.post(path, &body, LOAD).await.map_err(no_answer)?;
        if let Some(message) = reply.error() {
            return Err(load_failure(&reply, message));
        }
        // An unknown name is answered by whatever model is loaded.
        if let Some(by) = reply.body.get("model").and_then(Value::as_str)
            && !is_instance_of(by, &order.key)
        {
            let message = format!("LM Studio answered with {by} instead: it does not load {}", order.key);
            return Err(LoadFailure::new(LoadFailureKind::Lasting, message));
        }
        Ok(LoadDone { stays: false, ..LoadDone::default() })
    }

    async fn greets(&self, port: u16) -> bool {
        let Some(app) = self.http.on_port(port) else { return false };
        app.get("lmstudio-greeting", GREETING).await.is_ok_and(|reply| is_greeting(&reply.body))
    }
}

impl Adapter for LmStudio {
    fn kind(&self) -> RuntimeKind {
        RuntimeKind::LmStudio
    }

    fn capabilities(&self) -> Capabilities {
        let mut cannot_tell = match self.watch.watched().borrow().up {
            true => Vec::new(),
            false => vec![Untold::IdleTimer, Untold::LastUse, Untold::Activity],
        };
        if self.no_v1.load(Ordering::Relaxed) {
            cannot_tell.push(Untold::Size);
        }
        if !self.loads_over_socket() {
            cannot_tell.push(Untold::Progress);
        }
        cannot_tell.push(Untold::Cause);
        let explicit = self.loads_explicitly();
        Capabilities {
            loads: true,
            load_context: explicit,
            sets_context: false,
            unloads: explicit,
            pushes: false,
            keeping_warm: if explicit { KeepingWarm::Free } else { KeepingWarm::Ping },
            cannot_tell,
        }
    }

    /// What requests load takes each other's place (auto-evict), what is loaded explicitly does not.
    fn displaces(&self) -> bool {
        !self.loads_explicitly()
    }

    fn version(&self) -> Option<String> {
        self.watch.watched().borrow().version.clone()
    }

    fn moved_to(&self) -> Option<Url> {
        self.moved_to.clone()
    }

    fn look(&self, depth: Depth) -> BoxFuture<'_, Result<Observation, LookFailure>> {
        async move { Ok(self.with_watched(self.listing(depth).await?)) }.boxed()
    }

    /// One token, for an instance that a request loaded: an explicit load has no idle timer.
    fn touch(&self, order: LoadOrder) -> BoxFuture<'_, Result<(), LoadFailure>> {
        async move { self.load_by_request(&order).await.map(|_| ()) }.boxed()
    }

    fn news(&self) -> BoxFuture<'_, News> {
        async move {
            let (told, progress) = &mut *self.told.lock().await;
            let mut watched = self.watch.watched();
            loop {
                if let Some(news) = tell(told, &watched.borrow_and_update()) {
                    return news;
                }
                let on = tokio::select! {
                    changed = watched.changed() => changed,
                    changed = progress.changed() => match (changed, progress.borrow_and_update().clone()) {
                        (Ok(()), Some((key, percent))) => return News::Progress { key, percent },
                        (changed, _) => changed,
                    }
                };
                if on.is_err() {
                    // It is an enhancement: without it, looking is all there is.
                    return std::future::pending().await;
                }
            }
        }
        .boxed()
    }

    fn load(&self, order: LoadOrder) -> BoxFuture<'_, Result<LoadDone, LoadFailure>> {
        async move {
            if let Some(done) = self.load_over_socket(&order).await? {
                return Ok(done);
            }
            if !self.no_v1.load(Ordering::Relaxed)
                && let Some(done) = self.load_explicitly(&order).await?
            {
                return Ok(done);
            }
            self.load_by_request(&order).await
        }
        .boxed()
    }

    fn unload(&self, instance: String) -> BoxFuture<'_, Result<(), LoadFailure>> {
        async move {
            let body = json!({ "instance_id": instance });
            let reply = self.http.post("api/v1/models/unload", &body, UNLOAD).await.map_err(no_answer)?;
            if is_unknown_path(&reply) {
                if self.loads_over_socket()
                    && let Some(endpoint) = self.watch.endpoint().await
                {
                    return unload(endpoint, &instance).await;
                }
                let message = "this LM Studio is older than 0.4 and cannot be told to unload: eject it in its window, or with `lms unload`";
                return Err(LoadFailure::new(LoadFailureKind::Unsupported, message));
            }
            match reply.error() {
                None => Ok(()),
                Some(message) => Err(load_failure(&reply, message)),
            }
        }
        .boxed()
    }

    fn why_gone(&self, refused: bool) -> BoxFuture<'_, Cause> {
        async move {
            let cause = why_gone(self.http.root(), refused, Cause::AppQuit);
            if cause != Cause::AppQuit {
                return cause;
            }
            let own = self.http.root().port_or_known_default();
            let ports = self.app_ports.iter().copied().filter(|port| Some(*port) != own);
            let mut greetings: futures::stream::FuturesUnordered<_> = ports.map(|port| self.greets(port)).collect();
            while let Some(greeted) = greetings.next().await {
                if greeted {
                    return Cause::ServerStopped;
                }
            }
            cause
        }
        .boxed()
    }

    fn idle_clock(&self) -> BoxFuture<'_, Option<Duration>> {
        async move {
            if is_loopback(self.http.root()) {
                lmstudio_home::idle_clock(self.user_home.as_deref()).await
            } else {
                Some(lmstudio_home::DEFAULT_IDLE_CLOCK)
            }
        }
        .boxed()
    }
}

/// The first thing that was not told yet.
fn tell(told: &mut Watched, now: &Watched) -> Option<News> {
    let new = told.departures != now.departures
        || told.version != now.version
        || told.up != now.up
        || !told.instances.keys().eq(now.instances.keys());
    for (name, instance) in &now.instances {
        let before = told.instances.get(name).and_then(|before| before.activity);
        if !new
            && before != instance.activity
            && let Some(activity) = instance.activity
        {
            told.instances.insert(name.clone(), instance.clone());
            return Some(News::Activity { instance: name.clone(), activity });
        }
    }
    if !new {
        return None;
    }
    let before = std::mem::replace(told, now.clone());
    for (name, instance) in &mut told.instances {
        // What it does is told by itself.
        instance.activity = before.instances.get(name).and_then(|instance| instance.activity);
    }
    Some(News::Changed)
}

/// Whether this is the answer to `GET /lmstudio-greeting`.
pub(crate) fn is_greeting(body: &Value) -> bool {
    body.get("lmstudio").and_then(Value::as_bool) == Some(true)
}

fn read_load(body: &Value) -> LoadDone {
    let seconds = body.get("load_time_seconds").and_then(Value::as_f64);
    let context = body.get("load_config").and_then(|config| config.get("context_length"));
    LoadDone {
        instance: body.get("instance_id").and_then(Value::as_str).map(str::to_owned),
        took: seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
        context: context.and_then(Value::as_u64),
        stays: true,
    }
}

fn is_unknown_path(reply: &Reply) -> bool {
    let unexpected = reply.error().is_some_and(|error| error.contains("Unexpected endpoint"));
    // A 404 that names a code speaks of the model, not of the path.
    unexpected || (matches!(reply.status.as_u16(), 404 | 405) && reply.code().is_none())
}

fn refuses_keys(reply: &Reply) -> bool {
    reply.status.as_u16() == 400
        && (reply.code() == Some("unrecognized_keys")
            || reply.error().is_some_and(|error| error.to_lowercase().contains("unrecognized")))
}

fn load_failure(reply: &Reply, message: String) -> LoadFailure {
    let words = message.to_lowercase();
    let kind = match (reply.status.as_u16(), reply.code()) {
        (_, Some("model_not_found")) => LoadFailureKind::Missing,
        (401 | 403, _) | (_, Some("invalid_api_key" | "model_load_failed")) => LoadFailureKind::Lasting,
        (404, _) if words.contains("not found") => LoadFailureKind::Missing,
        _ if ["insufficient system resources", "sigabrt", "crashed"].iter().any(|said| words.contains(said)) => {
            LoadFailureKind::Lasting
        }
        (408 | 409 | 425 | 429 | 500..=599, _) => LoadFailureKind::Passing,
        _ => LoadFailureKind::Lasting,
    };
    LoadFailure::new(kind, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::StatusCode;

    #[test]
    fn failures_are_told_apart() {
        let kind = |status: u16, body: Value| {
            let reply = Reply { status: StatusCode::from_u16(status).unwrap(), body };
            load_failure(&reply, reply.error().unwrap()).kind
        };
        let coded = |code: &str| json!({"error": {"message": "x", "code": code}});
        assert_eq!(kind(400, coded("model_load_failed")), LoadFailureKind::Lasting);
        assert_eq!(kind(500, coded("model_load_failed")), LoadFailureKind::Lasting);
        assert_eq!(kind(404, coded("model_not_found")), LoadFailureKind::Missing);
        assert_eq!(kind(200, json!({"error": "insufficient system resources"})), LoadFailureKind::Lasting);
        assert_eq!(kind(500, json!({"error": "The model has crashed. (Exit code: 6)"})), LoadFailureKind::Lasting);
        assert_eq!(kind(503, Value::Null), LoadFailureKind::Passing);
        let path =
            |status: u16, body: Value| is_unknown_path(&Reply { status: StatusCode::from_u16(status).unwrap(), body });
        assert!(path(200, json!({"error": "Unexpected endpoint or method. (POST /api/v1/models/load)"})));
        assert!(path(404, Value::Null));
        assert!(!path(404, coded("model_not_found")));
    }

    #[test]
    fn only_this_machine_is_probed() {
        for (root, loopback) in [
            ("http://127.0.0.1:1234", true),
            ("http://[::1]:1", true),
            ("http://localhost", true),
            ("http://10.0.0.2", false),
        ] {
            assert_eq!(is_loopback(&root.parse().unwrap()), loopback, "{root}");
        }
    }
}
