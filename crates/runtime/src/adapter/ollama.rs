//! Ollama, by its own API: `/api/tags` for what there is, `/api/ps` for what is in memory, `/api/generate` with
//! `keep_alive` to load and unload.
//!
//! Sources: Ollama's API documentation and its server's source. What shapes this:
//! - `keep_alive: -1` keeps a model until something else needs the memory, and requests over `/v1` go on with the last
//!   `keep_alive`: nothing need be sent to keep it warm.
//! - A request whose options differ from those that a model was loaded with loads it anew, and `/v1` has no way to name
//!   a context length. So a load names none either: the model's own (`PARAMETER num_ctx`) or the server's
//!   (`OLLAMA_CONTEXT_LENGTH`) holds for both. `/api/create` of a model from itself with other `parameters` sets the
//!   model's own and keeps the rest of it.
//! - `/api/ps` lists a model while it is still loading, and goes on listing one whose process was killed.
//!
//! Must not know: when to look or load.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use chrono::DateTime;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::http::{Http, LISTING, LOAD, Reply, UNLOAD, no_answer, why_gone};
use super::{Adapter, Depth, LoadDone, LoadFailure, LoadFailureKind, LoadOrder, LookFailure, News};
use super::{Clock, Observation, Presence, Seen};
use crate::{Capabilities, Cause, KeepingWarm, RuntimeKind, Untold};

/// Between two questions for what is in memory, while listening: Ollama does not push.
const LISTEN: Duration = Duration::from_millis(1800);
/// The idle timer of a model that a request loaded, unless `OLLAMA_KEEP_ALIVE` says otherwise.
const DEFAULT_KEEP_ALIVE: Duration = Duration::from_secs(5 * 60);
/// An end this far away is how Ollama writes "never".
const NEVER: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// In its words, a load that will fail again: of its scheduler and of the runner that it starts for each model.
const LASTING: [&str; 6] = [
    "more system memory",
    "unable to load model",
    "error loading model",
    "model failed to load",
    "runner process has terminated",
    "runner process no longer running",
];

/// An Ollama server.
pub(crate) struct Ollama {
    http: Http,
    version: Option<String>,
    known: Mutex<Known>,
}

/// What the last answers told.
#[derive(Default)]
struct Known {
    /// Every model on disk.
    tags: Vec<Seen>,
    /// What was in memory.
    running: Vec<String>,
}

impl Ollama {
    pub(crate) fn new(http: Http, version: Option<String>) -> Self {
        Self { http, version, known: Mutex::default() }
    }

    async fn running(&self) -> Result<Vec<Seen>, LookFailure> {
        let reply = self.http.get("api/ps", LISTING).await?;
        read_running(&reply.body, SystemTime::now()).ok_or_else(|| reply.rejected("running models"))
    }

    async fn listing(&self, depth: Depth) -> Result<Observation, LookFailure> {
        let mut models = match depth {
            Depth::State => self.known().tags.clone(),
            Depth::Full => Vec::new(),
        };
        if models.is_empty() {
            let reply = self.http.get("api/tags", LISTING).await?;
            models = read_tags(&reply.body).ok_or_else(|| reply.rejected("models"))?;
            self.known().tags.clone_from(&models);
        }
        let running = self.running().await?;
        self.known().running = names(&running);
        models.extend(running);
        Ok(Observation { models })
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it can only make embeddings; none where Ollama does not say.
    async fn embeds(&self, key: &str) -> Result<Option<bool>, LoadFailure> {
        let reply = self.http.post("api/show", &json!({ "model": key }), LISTING).await.map_err(no_answer)?;
        if reply.status.as_u16() == 404 {
            return Err(LoadFailure::new(LoadFailureKind::Missing, reply.error().unwrap_or_default()));
        }
        let abilities = reply.body.get("capabilities").and_then(Value::as_array);
        Ok(abilities.map(|abilities| !abilities.iter().any(|ability| ability == "completion")))
    }

    async fn keep_alive(&self, key: &str, embeds: bool, value: i64, limit: Duration) -> Result<(), LoadFailure> {
        let (path, body) = if embeds {
            ("api/embed", json!({ "model": key, "input": ".", "keep_alive": value }))
        } else {
            ("api/generate", json!({ "model": key, "keep_alive": value, "stream": false }))
        };
        let reply = self.http.post(path, &body, limit).await.map_err(no_answer)?;
        match reply.error() {
            None => Ok(()),
            Some(message) => Err(load_failure(&reply, message)),
        }
    }

    async fn hold(&self, order: &LoadOrder) -> Result<(), LoadFailure> {
        let embeds = self.embeds(&order.key).await?.unwrap_or(order.embedding);
        self.keep_alive(&order.key, embeds, -1, LOAD).await
    }
}

impl Adapter for Ollama {
    fn kind(&self) -> RuntimeKind {
        RuntimeKind::Ollama
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            loads: true,
            load_context: false,
            sets_context: true,
            unloads: true,
            pushes: false,
            keeping_warm: KeepingWarm::Free,
            cannot_tell: vec![Untold::LastUse, Untold::Activity, Untold::Progress, Untold::Crash, Untold::Cause],
        }
    }

    /// Where memory is short, and above `OLLAMA_MAX_LOADED_MODELS`.
    fn displaces(&self) -> bool {
        true
    }

    fn version(&self) -> Option<String> {
        self.version.clone()
    }

    fn look(&self, depth: Depth) -> BoxFuture<'_, Result<Observation, LookFailure>> {
        self.listing(depth).boxed()
    }

    fn load(&self, order: LoadOrder) -> BoxFuture<'_, Result<LoadDone, LoadFailure>> {
        async move {
            self.hold(&order).await?;
            // Something else may still take its place when memory is short.
            Ok(LoadDone { stays: false, ..LoadDone::default() })
        }
        .boxed()
    }

    fn unload(&self, instance: String) -> BoxFuture<'_, Result<(), LoadFailure>> {
        async move {
            let embeds = self.embeds(&instance).await?.unwrap_or_default();
            self.keep_alive(&instance, embeds, 0, UNLOAD).await?;
            // The answer comes when it was told to go, not when it went.
            for _ in 0..20 {
                let running = self.running().await.map_err(no_answer)?;
                if !names(&running).contains(&instance) {
                    break;
                }
                sleep(Duration::from_millis(250)).await;
            }
            Ok(())
        }
        .boxed()
    }

    fn set_context(&self, key: String, tokens: u64) -> BoxFuture<'_, Result<(), LoadFailure>> {
        async move {
            let parameters = json!({ "num_ctx": tokens });
            let body = json!({ "model": key, "from": key, "parameters": parameters, "stream": false });
            let reply = self.http.post("api/create", &body, UNLOAD).await.map_err(no_answer)?;
            match reply.error() {
                None => Ok(()),
                Some(message) => Err(load_failure(&reply, message)),
            }
        }
        .boxed()
    }

    fn touch(&self, order: LoadOrder) -> BoxFuture<'_, Result<(), LoadFailure>> {
        async move { self.hold(&order).await }.boxed()
    }

    fn news(&self) -> BoxFuture<'_, News> {
        async move {
            loop {
                sleep(LISTEN).await;
                match self.running().await {
                    Ok(running) if names(&running) == self.known().running => {}
                    _ => return News::Changed,
                }
            }
        }
        .boxed()
    }

    fn why_gone(&self, refused: bool) -> BoxFuture<'_, Cause> {
        std::future::ready(why_gone(self.http.root(), refused, Cause::AppQuit)).boxed()
    }

    fn idle_clock(&self) -> BoxFuture<'_, Option<Duration>> {
        std::future::ready(Some(DEFAULT_KEEP_ALIVE)).boxed()
    }
}

/// Whether this is the answer to `GET /api/version`.
pub(crate) fn read_version(body: &Value) -> Option<String> {
    body.get("version").and_then(Value::as_str).map(str::to_owned)
}

fn names(seen: &[Seen]) -> Vec<String> {
    let mut names: Vec<_> = seen.iter().map(|seen| seen.key.clone()).collect();
    names.sort();
    names
}

fn read_tags(body: &Value) -> Option<Vec<Seen>> {
    let lines = body.get("models")?.as_array()?;
    Some(lines.iter().filter_map(|line| read_line(line, Presence::Absent)).collect())
}

fn read_running(body: &Value, now: SystemTime) -> Option<Vec<Seen>> {
    let lines = body.get("models")?.as_array()?;
    let running = lines.iter().filter_map(|line| {
        // It may still be loading.
        let mut seen = read_line(line, Presence::Instance)?;
        seen.instances.push(seen.key.clone());
        seen.context = line.get("context_length").and_then(Value::as_u64).filter(|context| *context > 0);
        let end = line.get("expires_at").and_then(Value::as_str);
        let end = end.and_then(|end| DateTime::parse_from_rfc3339(end).ok()).map(SystemTime::from);
        // An end long past is how a model looks that is still loading.
        let left = end.and_then(|end| end.duration_since(now).ok());
        match left {
            Some(left) if left > NEVER => seen.clock = Clock::Never,
            left => seen.left = left,
        }
        Some(seen)
    });
    Some(running.collect())
}

fn read_line(line: &Value, presence: Presence) -> Option<Seen> {
    let name = ["model", "name"].into_iter().find_map(|key| line.get(key).and_then(Value::as_str))?;
    let mut seen = Seen::named(name, presence);
    // A name without a tag means this one.
    seen.names.extend(name.strip_suffix(":latest").map(str::to_owned));
    let details = line.get("details");
    seen.quantization =
        details.and_then(|details| details.get("quantization_level")).and_then(Value::as_str).map(str::to_owned);
    seen.size_bytes = line.get("size").and_then(Value::as_u64);
    Some(seen)
}

fn load_failure(reply: &Reply, message: String) -> LoadFailure {
    let words = message.to_lowercase();
    let kind = match reply.status.as_u16() {
        404 => LoadFailureKind::Missing,
        // Short of memory, or its runner ended while it loaded: tried every few seconds, that is a crash loop.
        _ if LASTING.iter().any(|failed| words.contains(failed)) => LoadFailureKind::Lasting,
        408 | 429 | 500..=599 => LoadFailureKind::Passing,
        _ => LoadFailureKind::Lasting,
    };
    LoadFailure::new(kind, message)
}
