//! vLLM: one model, loaded as long as the server runs, unless its development mode lets it sleep.
//!
//! Source: vLLM's documentation of its OpenAI-compatible server and of its sleep mode. `/is_sleeping`, `/sleep` and
//! `/wake_up` exist only with `VLLM_SERVER_DEV_MODE=1` and `--enable-sleep-mode`; elsewhere nothing can be loaded or
//! unloaded, and nothing need be.
//!
//! Must not know: when to look or wake.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::http::{Http, LISTING, LOAD, UNLOAD, no_answer, why_gone};
use super::{Adapter, Depth, LoadDone, LoadFailure, LoadFailureKind, LoadOrder, LookFailure};
use super::{Clock, Departure, Observation, Presence, Seen};
use crate::{Capabilities, Cause, KeepingWarm, RuntimeKind, Untold};

/// A vLLM server.
pub(crate) struct Vllm {
    http: Http,
    version: Option<String>,
    /// Whether it can sleep; what was found at the last look.
    sleeps: AtomicBool,
}

impl Vllm {
    pub(crate) fn new(http: Http, version: Option<String>) -> Self {
        Self { http, version, sleeps: AtomicBool::new(false) }
    }

    async fn listing(&self) -> Result<Observation, LookFailure> {
        let health = self.http.get("health", LISTING).await?;
        if health.status.is_server_error() {
            let status = health.status.as_u16();
            return Err(LookFailure::Rejected(format!("its engine is not healthy (HTTP {status})")));
        }
        let reply = self.http.get("v1/models", LISTING).await?;
        let sleeping = self.http.get("is_sleeping", LISTING).await?.body;
        let sleeping = sleeping.get("is_sleeping").and_then(Value::as_bool);
        self.sleeps.store(sleeping.is_some(), Ordering::Relaxed);
        let models = read(&reply.body, sleeping == Some(true)).ok_or_else(|| reply.rejected("models"))?;
        Ok(Observation { models })
    }

    async fn tell(&self, path: &str, limit: Duration) -> Result<(), LoadFailure> {
        if !self.sleeps.load(Ordering::Relaxed) {
            let message = "this vLLM keeps its model as long as it runs: only its development mode with sleep mode on (VLLM_SERVER_DEV_MODE=1, --enable-sleep-mode) can free the memory";
            return Err(LoadFailure::new(LoadFailureKind::Unsupported, message));
        }
        let reply = self.http.post(path, &json!({}), limit).await.map_err(no_answer)?;
        match reply.error() {
            None => Ok(()),
            Some(message) => {
                let passing = reply.status.is_server_error();
                let kind = if passing { LoadFailureKind::Passing } else { LoadFailureKind::Lasting };
                Err(LoadFailure::new(kind, message))
            }
        }
    }
}

impl Adapter for Vllm {
    fn kind(&self) -> RuntimeKind {
        RuntimeKind::Vllm
    }

    fn capabilities(&self) -> Capabilities {
        let sleeps = self.sleeps.load(Ordering::Relaxed);
        Capabilities {
            loads: sleeps,
            load_context: false,
            sets_context: false,
            unloads: sleeps,
            pushes: false,
            keeping_warm: if sleeps { KeepingWarm::Free } else { KeepingWarm::NotOurs },
            cannot_tell: vec![
                Untold::LastUse,
                Untold::Activity,
                Untold::Size,
                Untold::Quantization,
                Untold::Progress,
                Untold::Cause,
            ],
        }
    }

    fn version(&self) -> Option<String> {
        self.version.clone()
    }

    fn look(&self, _: Depth) -> BoxFuture<'_, Result<Observation, LookFailure>> {
        self.listing().boxed()
    }

    fn load(&self, _: LoadOrder) -> BoxFuture<'_, Result<LoadDone, LoadFailure>> {
        async move {
            self.tell("wake_up", LOAD).await?;
            Ok(LoadDone { stays: true, ..LoadDone::default() })
        }
        .boxed()
    }

    fn unload(&self, _: String) -> BoxFuture<'_, Result<(), LoadFailure>> {
        // The first level keeps the weights in the machine's memory; after the second they would be lost.
        async move { self.tell("sleep?level=1", UNLOAD).await }.boxed()
    }

    fn why_gone(&self, refused: bool) -> BoxFuture<'_, Cause> {
        std::future::ready(why_gone(self.http.root(), refused)).boxed()
    }

    fn idle_clock(&self) -> BoxFuture<'_, Option<Duration>> {
        std::future::ready(None).boxed()
    }
}

/// Whether this listing is vLLM's.
pub(crate) fn is_listing(body: &Value) -> bool {
    let lines = body.get("data").and_then(Value::as_array);
    let own = |line: &Value| line.get("owned_by").and_then(Value::as_str) == Some("vllm");
    lines.into_iter().flatten().any(|line| own(line) || line.get("max_model_len").is_some())
}

fn read(body: &Value, asleep: bool) -> Option<Vec<Seen>> {
    let lines = body.get("data")?.as_array()?;
    let read = |line: &Value| {
        let id = line.get("id")?.as_str()?;
        let mut seen = Seen::named(id, if asleep { Presence::Absent } else { Presence::Loaded });
        seen.clock = Clock::Never;
        if asleep {
            // Only somebody's request puts it to sleep.
            seen.departure = Some(Departure::Orderly);
        } else {
            seen.instances.push(id.to_owned());
            seen.context = line.get("max_model_len").and_then(Value::as_u64);
        }
        Some(seen)
    };
    Some(lines.iter().filter_map(read).collect())
}
