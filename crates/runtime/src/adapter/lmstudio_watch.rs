//! LM Studio's WebSocket: what its REST API does not tell of an instance, namely its idle timer, its last use and what
//! it is doing.
//!
//! Source: the SDK `@lmstudio/sdk` 2.0.0 and published measurements. It is undocumented, so it is an enhancement: where
//! it is not there, or goes away, or answers otherwise, everything but these facts is known from REST all the same.
//! `getInstanceProcessingState` is not logged by LM Studio and is asked each second; `listLoaded` is, and is asked only
//! when REST has seen another set of instances, or after half a minute.
//!
//! Must not know: models by the configuration's names, when to load.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pilotlight_wire::Secret;
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::debug;
use url::Url;

use super::lmstudio_socket::{Connection, Endpoint, Lost};
use crate::{Activity, Doing};

/// Between two questions what the instances are doing.
const PULSE: Duration = Duration::from_secs(1);
/// Between two lists while nothing happens.
const LIST: Duration = Duration::from_secs(30);
/// On average at most one list per this long, as the REST listings are asked for.
const LIST_EACH: Duration = Duration::from_secs(5);
/// How many lists may follow each other at once: a load that somebody takes back at once needs two.
const LIST_BURST: u32 = 3;
/// How long a load waits for the connection, to tell how far it has come.
const FIRST: Duration = Duration::from_millis(300);
/// Between attempts to connect: the first, doubling to the last. LM Studio logs a path that it does not know.
const AGAIN: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(30 * 60));

/// What is known by this way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Watched {
    /// Whether it is connected.
    pub(crate) up: bool,
    /// LM Studio's version.
    pub(crate) version: Option<String>,
    /// By the instance's name.
    pub(crate) instances: BTreeMap<String, Instance>,
    /// How often an instance went, or was replaced by another of the same name.
    pub(crate) departures: u64,
}

/// One instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Instance {
    pub(crate) model_key: String,
    reference: String,
    /// Its idle timer; none where it has none.
    pub(crate) timer: Option<Duration>,
    pub(crate) used: Option<Instant>,
    pub(crate) activity: Option<Activity>,
    pub(crate) context: Option<u64>,
}

/// Keeps [`Watched`] up to date, for as long as it lives.
pub(crate) struct LmStudioWatch {
    watched: watch::Receiver<Watched>,
    endpoint: Option<Endpoint>,
    list: Arc<Notify>,
    _stop: DropGuard,
}

impl LmStudioWatch {
    /// Starts to watch. Over TLS it knows nothing, ever.
    pub(crate) fn spawn(root: &Url, key: Option<&Secret>) -> Self {
        let (publish, watched) = watch::channel(Watched::default());
        let stop = CancellationToken::new();
        let list = Arc::new(Notify::new());
        let endpoint = Endpoint::new(root, key);
        if let Some(endpoint) = endpoint.clone() {
            let mut task = Task { endpoint, publish, list: list.clone(), pace: Pace::new(Instant::now()) };
            let stop = stop.clone();
            tokio::spawn(async move { stop.run_until_cancelled(task.run()).await });
        }
        Self { watched, endpoint, list, _stop: stop.drop_guard() }
    }

    /// What is known now, and how to wait for more.
    pub(crate) fn watched(&self) -> watch::Receiver<Watched> {
        self.watched.clone()
    }

    /// Where to speak to it as this does, if that is possible now. Just after the start it is waited for a little.
    pub(crate) async fn endpoint(&self) -> Option<&Endpoint> {
        let endpoint = self.endpoint.as_ref()?;
        let mut watched = self.watched.clone();
        let up = timeout(FIRST, watched.wait_for(|watched| watched.up)).await;
        matches!(up, Ok(Ok(_))).then_some(endpoint)
    }

    /// REST has seen these instances: lists anew if they are others than those known here.
    pub(crate) fn compare<'a>(&self, seen: impl Iterator<Item = &'a str>) {
        let watched = self.watched.borrow();
        let mut seen: Vec<&str> = seen.collect();
        seen.sort_unstable();
        seen.dedup();
        if watched.up && !watched.instances.keys().eq(seen) {
            self.list.notify_one();
        }
    }
}

struct Task {
    endpoint: Endpoint,
    publish: watch::Sender<Watched>,
    list: Arc<Notify>,
    pace: Pace,
}

/// When a list may be asked for.
struct Pace {
    /// When the last one was.
    last: Option<Instant>,
    /// When all of the burst is there again.
    whole: Instant,
}

impl Pace {
    fn new(now: Instant) -> Self {
        Self { last: None, whole: now }
    }

    fn allows(&self, now: Instant) -> bool {
        self.whole.saturating_duration_since(now) <= LIST_EACH * (LIST_BURST - 1)
    }

    fn is_due(&self, now: Instant) -> bool {
        self.last.is_none_or(|last| now.duration_since(last) >= LIST)
    }

    fn asked(&mut self, now: Instant) {
        self.last = Some(now);
        self.whole = self.whole.max(now) + LIST_EACH;
    }
}

impl Task {
    async fn run(&mut self) {
        let mut again = AGAIN.0;
        loop {
            if let Ok(mut socket) = self.endpoint.connect("llm").await {
                again = AGAIN.0;
                if self.publish.borrow().version.is_none() {
                    self.ask_version().await;
                }
                let Err(Lost) = self.follow(&mut socket).await;
                debug!("LM Studio's WebSocket is gone");
                self.publish.send_modify(|watched| {
                    // What it did last is not what it does.
                    *watched = Watched {
                        version: watched.version.take(),
                        departures: watched.departures + 1,
                        ..Watched::default()
                    };
                });
            }
            sleep(again).await;
            // One that was there comes back.
            if self.publish.borrow().version.is_none() {
                again = (again * 2).min(AGAIN.1);
            }
        }
    }

    async fn ask_version(&mut self) {
        let Ok(mut socket) = self.endpoint.connect("system").await else { return };
        if let Ok(Ok(answer)) = socket.call("version", None).await {
            let version = answer.get("version").and_then(Value::as_str).map(str::to_owned);
            self.publish.send_modify(|watched| watched.version = version);
        }
        socket.close().await;
    }

    /// Asks until the connection is lost.
    async fn follow(&mut self, socket: &mut Connection) -> Result<std::convert::Infallible, Lost> {
        self.list(socket).await?;
        let mut pulse = interval(PULSE);
        pulse.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let list = self.list.clone();
        let mut wanted = false;
        loop {
            // A wish that is too early waits for one of the next pulses, and the pulse for no wish.
            let pulses = tokio::select! {
                () = list.notified() => { wanted = true; false }
                _ = pulse.tick() => true,
            };
            let now = Instant::now();
            if (wanted && self.pace.allows(now)) || self.pace.is_due(now) {
                wanted = false;
                self.list(socket).await?;
            }
            if pulses {
                self.pulse(socket).await?;
            }
        }
    }

    async fn list(&mut self, socket: &mut Connection) -> Result<(), Lost> {
        let answer = socket.call("listLoaded", None).await?.map_err(|_| Lost)?;
        self.pace.asked(Instant::now());
        let instances = read_loaded(&answer, SystemTime::now(), Instant::now()).ok_or(Lost)?;
        self.publish.send_if_modified(|watched| {
            let mut instances = instances;
            let mut departures = watched.departures;
            for (name, before) in &watched.instances {
                match instances.get_mut(name) {
                    Some(now) if now.reference == before.reference => {
                        now.activity = before.activity;
                        now.used = now.used.max(before.used);
                    }
                    _ => departures += 1,
                }
            }
            let next = Watched { up: true, version: watched.version.clone(), instances, departures };
            let changed = *watched != next;
            *watched = next;
            changed
        });
        Ok(())
    }

    /// What each instance is doing. One that is not there any more is an error.
    async fn pulse(&mut self, socket: &mut Connection) -> Result<(), Lost> {
        let known: Vec<(String, String)> = self
            .publish
            .borrow()
            .instances
            .iter()
            .map(|(name, instance)| (name.clone(), instance.reference.clone()))
            .collect();
        for (name, reference) in known {
            let specifier = json!({ "type": "instanceReference", "instanceReference": reference });
            let parameter = json!({ "specifier": specifier, "throwIfNotFound": true });
            let answer = socket.call("getInstanceProcessingState", Some(parameter)).await?;
            self.publish.send_if_modified(|watched| match answer {
                Ok(state) => watched.instances.get_mut(&name).is_some_and(|instance| instance.does(read_state(&state))),
                Err(_) => {
                    watched.departures += 1;
                    watched.instances.remove(&name).is_some()
                }
            });
        }
        Ok(())
    }
}

impl Instance {
    /// Whether that is news.
    fn does(&mut self, activity: Option<Activity>) -> bool {
        let busy = |activity: Option<Activity>| activity.is_some_and(|activity| activity.doing != Doing::Idle);
        if busy(self.activity) || busy(activity) {
            self.used = Some(Instant::now());
        }
        let news = self.activity != activity;
        self.activity = activity;
        news
    }
}

fn read_loaded(answer: &Value, wall: SystemTime, now: Instant) -> Option<BTreeMap<String, Instance>> {
    let milliseconds = |value: Option<&Value>| value.and_then(Value::as_f64).filter(|value| *value >= 0.0);
    let read = |line: &Value| {
        let text = |key: &str| line.get(key).and_then(Value::as_str).map(str::to_owned);
        let used = match line.get("lastUsedTime") {
            // In use.
            Some(Value::Null) => Some(now),
            time => milliseconds(time).and_then(|time| {
                let then = UNIX_EPOCH + Duration::try_from_secs_f64(time / 1000.0).ok()?;
                now.checked_sub(wall.duration_since(then).unwrap_or_default())
            }),
        };
        let timer = milliseconds(line.get("ttlMs")).and_then(|time| Duration::try_from_secs_f64(time / 1000.0).ok());
        let instance = Instance {
            model_key: text("modelKey")?,
            reference: text("instanceReference")?,
            timer,
            used,
            activity: None,
            context: line.get("contextLength").and_then(Value::as_u64),
        };
        Some((text("identifier")?, instance))
    };
    Some(answer.as_array()?.iter().filter_map(read).collect())
}

fn read_state(state: &Value) -> Option<Activity> {
    let doing = match state.get("status").and_then(Value::as_str)? {
        "idle" => Doing::Idle,
        "processingPrompt" => Doing::ReadingPrompt,
        "generating" => Doing::Answering,
        "computingEmbedding" => Doing::Embedding,
        _ => return None,
    };
    let queued = state.get("queued").and_then(Value::as_u64).and_then(|queued| u32::try_from(queued).ok());
    Some(Activity { doing, queued: queued.unwrap_or_default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_may_come_in_a_row_and_are_few_on_average() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        assert!(pace.is_due(start));
        let mut asked = Vec::new();
        for second in 0..60 {
            let now = start + Duration::from_secs(second);
            // Wanted all the time.
            while pace.allows(now) {
                pace.asked(now);
                asked.push(second);
            }
            assert!(pace.is_due(now + LIST));
            assert!(!pace.is_due(now + LIST - LIST_EACH));
        }
        assert_eq!(asked, [0, 0, 0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55]);
        assert!(pace.allows(start + Duration::from_secs(60)), "and again after a while");
    }
}
