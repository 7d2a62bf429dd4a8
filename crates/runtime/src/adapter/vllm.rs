//! vLLM: one model, loaded as long as the server runs, unless its development mode lets it sleep.
//!
//! Source: vLLM's documentation of its OpenAI-compatible server and of its sleep mode, and what vLLM 0.32.0 does.
//! `/is_sleeping`, `/sleep` and `/wake_up` exist only with `VLLM_SERVER_DEV_MODE=1`; elsewhere nothing can be loaded or
//! unloaded, and nothing need be. On a graphics card a sleep frees memory only with `--enable-sleep-mode`, which its
//! answers do not tell. Its engine does one thing at a time: while it goes to sleep, wakes or reads its weights it
//! answers no question, where `/health` goes on answering. Each question is a line in its log, so it is asked one thing
//! at a time; probes of its health each few seconds are what its users have anyway.
//!
//! Must not know: when to look or wake.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::http::{Http, LISTING, LOAD, Reply, no_answer, why_gone};
use super::openai_compatible::unsupported;
use super::{Adapter, Depth, LoadDone, LoadFailure, LoadFailureKind, LoadOrder, LookFailure};
use super::{Clock, Departure, News, Observation, Presence, Seen};
use crate::{Capabilities, Cause, KeepingWarm, RuntimeKind, Untold};

/// The first level keeps the weights in the machine's memory, where the second throws them away. To wait for answers
/// under way is not its default, which cuts them off.
const SLEEP: &str = "sleep?level=1&mode=wait";

/// Between two questions for news: what goes is to be seen within two seconds.
const LISTEN: Duration = Duration::from_secs(1);

/// A vLLM server.
pub(crate) struct Vllm {
    http: Http,
    version: Option<String>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// Whether it can sleep; none before it has been asked.
    sleeps: Option<bool>,
    /// Whether it slept at the last look.
    asleep: bool,
    /// Whether it was put to sleep from here.
    put_to_sleep: bool,
    /// Its models at the last listing, and the context of each, in tokens.
    listed: Option<Vec<(String, Option<u64>)>>,
    /// The HTTP status with which its engine failed at the last question.
    unhealthy: Option<u16>,
    /// How many orders from here it is at: its engine answers nothing else meanwhile.
    orders: usize,
}

/// An order under way.
struct Order<'a>(&'a Vllm);

impl<'a> Order<'a> {
    fn given(vllm: &'a Vllm) -> Self {
        vllm.known().orders += 1;
        Self(vllm)
    }
}

impl Drop for Order<'_> {
    fn drop(&mut self) {
        self.0.known().orders -= 1;
    }
}

impl Vllm {
    pub(crate) fn new(http: Http, version: Option<String>) -> Self {
        Self { http, version, known: Mutex::default() }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn listing(&self, depth: Depth) -> Result<Observation, LookFailure> {
        let listed = if depth == Depth::State { self.known().listed.clone() } else { None };
        if listed.is_none() {
            self.healthy("health").await?;
            self.known().sleeps = None;
        }
        let asleep = self.asleep().await?;
        let models = match listed {
            Some(models) => models,
            None => {
                let reply = self.http.get("v1/models", LISTING).await?;
                let models = read(&reply.body).ok_or_else(|| reply.rejected("models"))?;
                self.known().listed = Some(models.clone());
                models
            }
        };
        let here = {
            let mut known = self.known();
            known.asleep = asleep;
            known.put_to_sleep &= asleep;
            known.put_to_sleep
        };
        Ok(Observation { models: models.into_iter().map(|(id, context)| seen(&id, context, asleep, here)).collect() })
    }

    /// Whether it sleeps or is paused, by one question: an engine that is ill fails at each.
    async fn asleep(&self) -> Result<bool, LookFailure> {
        let (busy, sleeps, before) = {
            let known = self.known();
            (known.orders > 0, known.sleeps, known.asleep)
        };
        if busy || sleeps == Some(false) {
            self.healthy("health").await?;
            return Ok(busy && before);
        }
        let reply = self.healthy("is_sleeping").await?;
        let asleep = reply.body.get("is_sleeping").and_then(Value::as_bool);
        self.known().sleeps = Some(asleep.is_some());
        Ok(asleep == Some(true))
    }

    /// Asks something that an engine answers as long as it is well.
    async fn healthy(&self, path: &str) -> Result<Reply, LookFailure> {
        let reply = self.http.get(path, LISTING).await?;
        let status = reply.status.as_u16();
        let ill = reply.status.is_server_error();
        self.known().unhealthy = ill.then_some(status);
        if ill {
            return Err(LookFailure::Rejected(format!("its engine is not healthy (HTTP {status})")));
        }
        Ok(reply)
    }

    async fn tell(&self, path: &str, body: &Value, limit: Duration) -> Result<(), LoadFailure> {
        let reply = self.http.post(path, body, limit).await.map_err(no_answer)?;
        match reply.error() {
            None => Ok(()),
            Some(message) => {
                let passing = reply.status.is_server_error();
                let kind = if passing { LoadFailureKind::Passing } else { LoadFailureKind::Lasting };
                Err(LoadFailure::new(kind, message))
            }
        }
    }

    /// Wakes it. After a sleep of the second level its weights are read anew, else its answers would be noise.
    async fn wake(&self) -> Result<(), LoadFailure> {
        let _order = Order::given(self);
        // Without an answer nothing is known, and to wake it would end what could be known.
        let metrics = self.http.get_text("metrics", LISTING).await.map_err(no_answer)?;
        if !has_discarded(&metrics) {
            return self.tell("wake_up", &json!({}), LOAD).await;
        }
        self.tell("wake_up?tags=weights", &json!({}), LOAD).await?;
        let read = self.tell("collective_rpc", &json!({ "method": "reload_weights" }), LOAD).await;
        read.map_err(|failure| match failure.kind {
            LoadFailureKind::Gone => failure,
            _ => LoadFailure::new(
                LoadFailureKind::Lasting,
                format!("a sleep of level 2 discarded its weights, and it does not read them again (start it anew): {failure}"),
            ),
        })?;
        self.tell("wake_up?tags=kv_cache", &json!({}), LOAD).await
    }

    /// Waits as long as somebody's answer may take: the sleep cannot be called back, and would come after a wake.
    async fn sleep(&self) -> Result<(), LoadFailure> {
        let _order = Order::given(self);
        self.tell(SLEEP, &json!({}), LOAD).await?;
        let mut known = self.known();
        (known.asleep, known.put_to_sleep) = (true, true);
        Ok(())
    }

    /// Whether it may be told to sleep and to wake, as far as is known.
    fn sleeps(&self) -> bool {
        self.known().sleeps != Some(false)
    }
}

impl Adapter for Vllm {
    fn kind(&self) -> RuntimeKind {
        RuntimeKind::Vllm
    }

    fn capabilities(&self) -> Capabilities {
        let sleeps = self.sleeps();
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

    fn look(&self, depth: Depth) -> BoxFuture<'_, Result<Observation, LookFailure>> {
        self.listing(depth).boxed()
    }

    fn load(&self, _: LoadOrder) -> BoxFuture<'_, Result<LoadDone, LoadFailure>> {
        async move {
            if !self.sleeps() {
                return Err(unsupported());
            }
            self.wake().await?;
            self.known().asleep = false;
            Ok(LoadDone { stays: true, ..LoadDone::default() })
        }
        .boxed()
    }

    fn unload(&self, _: String) -> BoxFuture<'_, Result<(), LoadFailure>> {
        async move { if self.sleeps() { self.sleep().await } else { Err(unsupported()) } }.boxed()
    }

    fn news(&self) -> BoxFuture<'_, News> {
        async move {
            loop {
                sleep(LISTEN).await;
                let (asleep, unhealthy) = {
                    let known = self.known();
                    (known.asleep, known.unhealthy)
                };
                match self.asleep().await {
                    Ok(now) if now == asleep && unhealthy.is_none() => {}
                    // Ill as before: that is no news.
                    Err(LookFailure::Rejected(_)) if self.known().unhealthy == unhealthy => {}
                    _ => return News::Changed,
                }
            }
        }
        .boxed()
    }

    fn why_gone(&self, refused: bool) -> BoxFuture<'_, Cause> {
        // Its server ends itself about a second after its engine died.
        let ended = match self.known().unhealthy {
            Some(status) => Cause::Crashed { detail: format!("its engine answered HTTP {status} before") },
            None => Cause::ProgramEnded,
        };
        std::future::ready(why_gone(self.http.root(), refused, ended)).boxed()
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

/// Its models' names and contexts. An adapter's line (LoRA) has no context of its own: it is the engine's.
fn read(body: &Value) -> Option<Vec<(String, Option<u64>)>> {
    let lines = body.get("data")?.as_array()?;
    let context = |line: &Value| line.get("max_model_len").and_then(Value::as_u64);
    let engine = lines.iter().find_map(context);
    let read = |line: &Value| Some((line.get("id")?.as_str()?.to_owned(), context(line).or(engine)));
    Some(lines.iter().filter_map(read).collect())
}

/// `here`: it sleeps by an order from here, which takes all its names along.
fn seen(id: &str, context: Option<u64>, asleep: bool, here: bool) -> Seen {
    let mut seen = Seen::named(id, if asleep { Presence::Absent } else { Presence::Loaded });
    seen.clock = Clock::Never;
    if asleep {
        // Only somebody's request puts it to sleep.
        seen.departure = Some(if here { Departure::Here } else { Departure::Orderly });
    } else {
        seen.instances.push(id.to_owned());
        seen.context = context;
    }
    seen
}

/// Whether the metrics say that the weights were thrown away: `vllm:engine_sleep_state{…,sleep_state="discard_all"} 1.0`.
/// Versions without that line cannot tell.
fn has_discarded(metrics: &str) -> bool {
    metrics
        .lines()
        .filter(|line| line.starts_with("vllm:engine_sleep_state{") && line.contains(r#"sleep_state="discard_all""#))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .any(|value| value > 0.0)
}
