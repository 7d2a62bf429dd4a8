//! A runtime for tests of the keeper's tasks in paused time: no socket, only models, a load time and a count.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::time::sleep;

use crate::adapter::{Adapter, Depth, LoadDone, LoadFailure, LoadOrder, LookFailure, Observation, Presence, Seen};
use crate::detect::Connect;
use crate::{Capabilities, Cause, RuntimeKind, WatchedProvider};

#[derive(Clone, Default)]
pub(super) struct Fake {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
pub(super) struct Inner {
    pub(super) models: BTreeMap<String, Presence>,
    pub(super) load_time: Duration,
    pub(super) refuses: bool,
    pub(super) silent: bool,
    pub(super) connects: usize,
    pub(super) starts: usize,
    pub(super) looks: usize,
    pub(super) loads: usize,
    pub(super) loading_now: usize,
    pub(super) most_at_once: usize,
    pub(super) unloads: Vec<String>,
    pub(super) fails: Option<LoadFailure>,
}

impl Fake {
    pub(super) fn new(models: &[&str], load_time: Duration) -> Self {
        let fake = Self::default();
        fake.with(|inner| {
            inner.models = models.iter().map(|id| ((*id).to_owned(), Presence::Absent)).collect();
            inner.load_time = load_time;
        });
        fake
    }

    pub(super) fn with<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        change(&mut self.inner.lock().unwrap())
    }

    pub(super) fn set(&self, id: &str, presence: Presence) {
        self.with(|inner| inner.models.insert(id.to_owned(), presence));
    }

    fn up(&self) -> Result<(), LookFailure> {
        match self.with(|inner| (inner.refuses, inner.silent)) {
            (true, _) => Err(LookFailure::Refused("connection refused".into())),
            (_, true) => Err(LookFailure::Silent("no answer in time".into())),
            _ => Ok(()),
        }
    }
}

impl Connect for Fake {
    fn connect<'a>(&'a self, _: &'a WatchedProvider) -> BoxFuture<'a, Result<Arc<dyn Adapter>, LookFailure>> {
        async move {
            self.up()?;
            self.with(|inner| inner.connects += 1);
            Ok(Arc::new(self.clone()) as Arc<dyn Adapter>)
        }
        .boxed()
    }

    fn start<'a>(&'a self, _: &'a WatchedProvider) -> BoxFuture<'a, Result<(), String>> {
        async move {
            sleep(Duration::from_secs(1)).await;
            self.with(|inner| {
                inner.starts += 1;
                inner.refuses = false;
            });
            Ok(())
        }
        .boxed()
    }
}

/// Counts a load as under way for as long as its future lives.
struct UnderWay(Fake);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.with(|inner| inner.loading_now -= 1);
    }
}

impl Adapter for Fake {
    fn kind(&self) -> RuntimeKind {
        RuntimeKind::LmStudio
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { loads: true, unloads: true, ..Capabilities::default() }
    }

    fn look(&self, _: Depth) -> BoxFuture<'_, Result<Observation, LookFailure>> {
        async move {
            self.up()?;
            let seen = self.with(|inner| {
                inner.looks += 1;
                let seen = |(id, presence): (&String, &Presence)| {
                    let mut seen = Seen::named(id.clone(), *presence);
                    seen.size_bytes = Some(1);
                    if presence.occupies() {
                        seen.instances.push(id.clone());
                    }
                    seen
                };
                Observation { models: inner.models.iter().map(seen).collect() }
            });
            // What is told is not so any more when it is heard.
            sleep(Duration::from_millis(2)).await;
            Ok(seen)
        }
        .boxed()
    }

    fn load(&self, order: LoadOrder) -> BoxFuture<'_, Result<LoadDone, LoadFailure>> {
        async move {
            let time = self.with(|inner| {
                inner.loads += 1;
                inner.loading_now += 1;
                inner.most_at_once = inner.most_at_once.max(inner.loading_now);
                inner.load_time
            });
            let _under_way = UnderWay(self.clone());
            self.set(&order.key, Presence::Loading);
            sleep(time).await;
            if let Some(failure) = self.with(|inner| inner.fails.clone()) {
                self.set(&order.key, Presence::Absent);
                return Err(failure);
            }
            self.set(&order.key, Presence::Loaded);
            Ok(LoadDone { stays: true, context: order.context, ..LoadDone::default() })
        }
        .boxed()
    }

    fn unload(&self, instance: String) -> BoxFuture<'_, Result<(), LoadFailure>> {
        async move {
            self.set(&instance, Presence::Absent);
            self.with(|inner| inner.unloads.push(instance));
            Ok(())
        }
        .boxed()
    }

    fn why_gone(&self, _: bool) -> BoxFuture<'_, Cause> {
        async move {
            sleep(Duration::from_millis(100)).await;
            Cause::AppQuit
        }
        .boxed()
    }

    fn idle_clock(&self) -> BoxFuture<'_, Option<Duration>> {
        std::future::ready(Some(Duration::from_secs(3600))).boxed()
    }
}
