//! An LM Studio without a socket, as the notes on it say that it behaves: explicit loads stay, just-in-time ones have a
//! timer and evict each other, a second load makes a second instance, and its application outlives its server.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::time::{Instant, sleep, sleep_until};

use crate::adapter::{
    Adapter, Clock, Depth, LoadDone, LoadFailure, LoadFailureKind, LoadOrder, LookFailure, Observation, Presence, Seen,
};
use crate::detect::Connect;
use crate::{Capabilities, Cause, RuntimeKind, WatchedProvider};

/// After how long without use a model goes that was loaded just in time.
pub(super) const TIMER: Duration = Duration::from_secs(3600);

/// What is left of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Server {
    Up,
    /// Its server is switched off; the application and the models stay.
    Stopped,
    Quit,
    /// No packet arrives.
    Unheard,
}

/// Why a model really went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Truth {
    Timer,
    Evicted(String),
    /// While it answered a request of ours, which was told.
    CrashedAtWork,
    Crashed,
    Ejected,
    UnloadedByUs,
}

/// The end of an instance.
#[derive(Clone, Debug)]
pub(super) struct Departure {
    pub(super) key: String,
    pub(super) truth: Truth,
    pub(super) explicit: bool,
    /// How long it had been ready.
    pub(super) lived: Duration,
    pub(super) at: Instant,
}

#[derive(Clone, Debug)]
pub(super) struct Instance {
    pub(super) explicit: bool,
    pub(super) ready: Instant,
    pub(super) used: Instant,
    pub(super) busy: usize,
}

pub(super) struct Inner {
    pub(super) server: Server,
    pub(super) keys: Vec<String>,
    pub(super) here: BTreeMap<String, Instance>,
    pub(super) load_time: Duration,
    /// So many loads fail from now on.
    pub(super) fails: usize,
    /// It tells the timers, as by its WebSocket.
    pub(super) tells_timers: bool,
    pub(super) departures: Vec<Departure>,
    /// What came into memory, and when.
    pub(super) arrivals: Vec<(String, Instant)>,
    pub(super) loads: usize,
    pub(super) looks: usize,
    /// What must never happen, in words.
    pub(super) wrong: Vec<String>,
    /// How far the calendar is ahead of the process's clock.
    pub(super) slept: Duration,
    in_flight: BTreeMap<String, usize>,
}

impl Inner {
    pub(super) fn is_ready(&self, key: &str) -> bool {
        self.here.get(key).is_some_and(|instance| instance.ready <= Instant::now())
    }

    pub(super) fn go(&mut self, key: &str, truth: Truth) {
        let Some(instance) = self.here.remove(key) else { return };
        let now = Instant::now();
        self.departures.push(Departure {
            key: key.to_owned(),
            truth,
            explicit: instance.explicit,
            lived: now.saturating_duration_since(instance.ready),
            at: now,
        });
    }

    /// Somebody's request loads a model that is not there, and evicts what else was loaded so.
    pub(super) fn just_in_time(&mut self, key: &str) {
        let now = Instant::now();
        if let Some(instance) = self.here.get_mut(key) {
            instance.used = now;
            return;
        }
        let others: Vec<_> =
            self.here.iter().filter(|(_, one)| !one.explicit && one.busy == 0).map(|(key, _)| key.clone()).collect();
        for other in others {
            self.go(&other, Truth::Evicted(key.to_owned()));
        }
        let ready = now + self.load_time;
        self.arrivals.push((key.to_owned(), now));
        self.here.insert(key.to_owned(), Instance { explicit: false, ready, used: ready, busy: 0 });
    }

    /// What its timers do; `slept` counts for them.
    pub(super) fn settle(&mut self) {
        let now = Instant::now();
        let up = |one: &Instance| !one.explicit && one.busy == 0 && one.used + TIMER <= now;
        let gone: Vec<_> = self.here.iter().filter(|(_, one)| up(one)).map(|(key, _)| key.clone()).collect();
        for key in gone {
            self.go(&key, Truth::Timer);
        }
    }
}

#[derive(Clone)]
pub(super) struct Studio {
    inner: Arc<Mutex<Inner>>,
}

impl Studio {
    pub(super) fn new(keys: &[&str], load_time: Duration, tells_timers: bool) -> Self {
        Self {
            inner: Arc::new(Mutex::new(Inner {
                server: Server::Up,
                keys: keys.iter().map(|key| (*key).to_owned()).collect(),
                here: BTreeMap::new(),
                load_time,
                fails: 0,
                tells_timers,
                departures: Vec::new(),
                arrivals: Vec::new(),
                loads: 0,
                looks: 0,
                wrong: Vec::new(),
                slept: Duration::ZERO,
                in_flight: BTreeMap::new(),
            })),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        let mut inner = self.inner.lock().unwrap();
        inner.settle();
        inner
    }

    async fn answers(&self) -> Result<(), LookFailure> {
        let server = self.lock().server;
        match server {
            Server::Up => Ok(()),
            Server::Stopped | Server::Quit => Err(LookFailure::Refused("connection refused".into())),
            Server::Unheard => {
                sleep(Duration::from_secs(2)).await;
                Err(LookFailure::Silent("no answer within 2 s".into()))
            }
        }
    }
}

impl Connect for Studio {
    fn connect<'a>(&'a self, _: &'a WatchedProvider) -> BoxFuture<'a, Result<Arc<dyn Adapter>, LookFailure>> {
        async move {
            self.answers().await?;
            Ok(Arc::new(self.clone()) as Arc<dyn Adapter>)
        }
        .boxed()
    }

    fn start<'a>(&'a self, _: &'a WatchedProvider) -> BoxFuture<'a, Result<(), String>> {
        async { Err("not in these days".to_owned()) }.boxed()
    }
}

/// A load is in flight for as long as this lives.
struct InFlight(Studio, String);

impl Drop for InFlight {
    fn drop(&mut self) {
        if let Some(count) = self.0.lock().in_flight.get_mut(&self.1) {
            *count -= 1;
        }
    }
}

impl Adapter for Studio {
    fn kind(&self) -> RuntimeKind {
        RuntimeKind::LmStudio
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { loads: true, unloads: true, load_context: true, ..Capabilities::default() }
    }

    fn look(&self, _: Depth) -> BoxFuture<'_, Result<Observation, LookFailure>> {
        async move {
            self.answers().await?;
            let mut inner = self.lock();
            inner.looks += 1;
            let now = Instant::now();
            let seen = |key: &String| {
                let Some(instance) = inner.here.get(key) else { return Seen::named(key.clone(), Presence::Absent) };
                let presence = if instance.ready <= now { Presence::Loaded } else { Presence::Loading };
                let mut seen = Seen::named(key.clone(), presence);
                seen.instances.push(key.clone());
                seen.size_bytes = Some(20_000_000_000);
                if inner.tells_timers && presence == Presence::Loaded {
                    seen.clock = if instance.explicit { Clock::Never } else { Clock::After(TIMER) };
                    let busy = instance.busy > 0;
                    seen.idle = Some(if busy { Duration::ZERO } else { now.saturating_duration_since(instance.used) });
                }
                seen
            };
            Ok(Observation { models: inner.keys.iter().map(seen).collect() })
        }
        .boxed()
    }

    fn load(&self, order: LoadOrder) -> BoxFuture<'_, Result<LoadDone, LoadFailure>> {
        async move {
            self.answers().await?;
            let key = order.key;
            let (ready, fails) = {
                let mut inner = self.lock();
                let now = Instant::now();
                inner.loads += 1;
                let count = inner.in_flight.entry(key.clone()).or_default();
                *count += 1;
                if *count > 1 {
                    inner.wrong.push(format!("two loads of {key} in flight"));
                }
                if inner.here.contains_key(&key) {
                    inner.wrong.push(format!("a second instance of {key}"));
                }
                let ready = now + inner.load_time;
                inner.arrivals.push((key.clone(), now));
                inner.here.insert(key.clone(), Instance { explicit: true, ready, used: ready, busy: 0 });
                let fails = inner.fails > 0;
                inner.fails = inner.fails.saturating_sub(1);
                (ready, fails)
            };
            let _in_flight = InFlight(self.clone(), key.clone());
            if fails {
                sleep_until(ready - Duration::from_secs(1)).await;
                self.lock().here.remove(&key);
                return Err(LoadFailure::new(LoadFailureKind::Passing, "an error that passes"));
            }
            // The server may go meanwhile, and the model with it.
            while Instant::now() < ready {
                sleep_until(ready.min(Instant::now() + Duration::from_secs(1))).await;
                if self.lock().server != Server::Up {
                    return Err(LoadFailure::new(LoadFailureKind::Gone, "the connection broke off"));
                }
                if !self.lock().here.contains_key(&key) {
                    return Err(LoadFailure::new(LoadFailureKind::Passing, "Model unloaded"));
                }
            }
            Ok(LoadDone { stays: true, instance: Some(key), context: order.context, took: None })
        }
        .boxed()
    }

    fn unload(&self, instance: String) -> BoxFuture<'_, Result<(), LoadFailure>> {
        async move {
            self.answers().await?;
            self.lock().go(&instance, Truth::UnloadedByUs);
            Ok(())
        }
        .boxed()
    }

    fn touch(&self, order: LoadOrder) -> BoxFuture<'_, Result<(), LoadFailure>> {
        async move {
            self.answers().await?;
            let mut inner = self.lock();
            match inner.here.get_mut(&order.key) {
                Some(instance) => instance.used = Instant::now(),
                None => inner.just_in_time(&order.key),
            }
            Ok(())
        }
        .boxed()
    }

    fn why_gone(&self, _: bool) -> BoxFuture<'_, Cause> {
        let cause = match self.lock().server {
            Server::Quit => Cause::AppQuit,
            Server::Stopped => Cause::ServerStopped,
            Server::Up | Server::Unheard => Cause::Unknown,
        };
        std::future::ready(cause).boxed()
    }

    fn idle_clock(&self) -> BoxFuture<'_, Option<Duration>> {
        std::future::ready(Some(TIMER)).boxed()
    }
}
