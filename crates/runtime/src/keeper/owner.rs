//! The one task that owns a provider's [`Track`]: it hears commands, runs what the track asks for, and publishes.
//!
//! Must not know: what any of it means. It decides nothing; see [`crate::track`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{AbortHandle, Abortable, BoxFuture};
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};
use pilotlight_wire::ModelRef;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};
use tracing::{debug, info};

use super::jobs::{self, Done, Made, Result as Outcome};
use super::times::LoadTimes;
use super::uses::Uses;
use super::wake::{COMPARE, Calendar, Clocks};
use crate::adapter::{Adapter, LookFailure, News};
use crate::detect::Connect;
use crate::track::{Effect, Track};
use crate::{
    KeeperError, KeeperState, Limits, Loaded, Occurrence, RuntimeStatus, Trouble, WatchedModel, WatchedProvider,
};

/// What an owner is told.
#[derive(Debug)]
pub(super) enum Command {
    Plan {
        models: Vec<WatchedModel>,
        poll: Duration,
        limits: Limits,
    },
    Want {
        model: ModelRef,
        insist: bool,
    },
    Load {
        model: ModelRef,
        reply: oneshot::Sender<Result<Loaded, KeeperError>>,
    },
    Unload {
        model: ModelRef,
        reply: oneshot::Sender<Result<(), KeeperError>>,
    },
    SetContext {
        model: ModelRef,
        tokens: u64,
        reply: oneshot::Sender<Result<(), KeeperError>>,
    },
    Start {
        reply: oneshot::Sender<Result<(), KeeperError>>,
    },
    Trouble {
        model: ModelRef,
        trouble: Trouble,
        detail: String,
    },
    /// A model is free, and somebody may wait for that.
    Freed,
    Retry,
}

/// So many commands are taken before the state is published again.
const BATCH: usize = 64;

type Waiting<T> = BTreeMap<ModelRef, Vec<oneshot::Sender<Result<T, KeeperError>>>>;

pub(super) struct Owner {
    provider: Arc<WatchedProvider>,
    connect: Arc<dyn Connect>,
    /// The last adapter made, and whether it is still to be used: after the server went, what comes back may be
    /// something else.
    adapter: Option<Arc<dyn Adapter>>,
    usable: bool,
    track: Track,
    times: LoadTimes,
    clocks: Clocks,
    jobs: FuturesUnordered<BoxFuture<'static, Done>>,
    load: Option<AbortHandle>,
    turn: jobs::Turn,
    /// Hears what the adapter in use tells by itself.
    listening: Option<AbortHandle>,
    loads: Waiting<Loaded>,
    unloads: Waiting<()>,
    starts: Vec<oneshot::Sender<Result<(), KeeperError>>>,
    uses: Arc<Uses>,
    publish: Arc<watch::Sender<Arc<KeeperState>>>,
    occurrences: broadcast::Sender<Occurrence>,
}

impl Owner {
    pub(super) fn new(
        provider: WatchedProvider,
        (poll, limits): (Duration, Limits),
        times: LoadTimes,
        calendar: Calendar,
        (connect, turn): (Arc<dyn Connect>, jobs::Turn),
        (uses, publish): (Arc<Uses>, Arc<watch::Sender<Arc<KeeperState>>>),
        occurrences: broadcast::Sender<Occurrence>,
    ) -> Self {
        let mut track = Track::new(&provider.id, &provider.models, poll, Instant::now());
        track.limit(limits);
        track.remember(|model| times.of(model));
        let owner = Self {
            provider: Arc::new(provider),
            connect,
            adapter: None,
            usable: false,
            track,
            times,
            clocks: Clocks::new(calendar),
            jobs: FuturesUnordered::new(),
            load: None,
            turn,
            listening: None,
            loads: Waiting::new(),
            unloads: Waiting::new(),
            starts: Vec::new(),
            uses,
            publish,
            occurrences,
        };
        owner.publish();
        owner
    }

    /// Runs until the provider leaves the plan.
    pub(super) async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        let mut batch = Vec::new();
        loop {
            self.act();
            let compare = Instant::now() + COMPARE;
            let deadline = self.track.deadline(Instant::now()).map_or(compare, |deadline| deadline.min(compare));
            tokio::select! {
                taken = commands.recv_many(&mut batch, BATCH) => {
                    if taken == 0 {
                        return;
                    }
                    for command in batch.drain(..) {
                        self.hear(command);
                    }
                }
                Some(done) = self.jobs.next() => self.done(done),
                () = sleep_until(deadline) => self.wake(),
            }
        }
    }

    /// Whatever comes, requests and a sleep of the machine before it are taken into account first.
    fn wake(&mut self) {
        self.uses.of(&self.provider.id, |model, by_now| self.track.using(model, by_now));
        let Some(slept) = self.clocks.slept() else { return };
        info!(provider = self.provider.id, ?slept, "the machine slept");
        // Connections of before are of no use, and what is at the other end may be another.
        self.usable = false;
        self.track.woke(slept, Instant::now());
    }

    fn hear(&mut self, command: Command) {
        self.wake();
        let now = Instant::now();
        match command {
            Command::Plan { models, poll, limits } => {
                self.track.limit(limits);
                self.track.replan(&models, poll, now);
                self.track.remember(|model| self.times.of(model));
            }
            Command::Want { model, insist } => self.track.want(&model, insist, now),
            Command::Load { model, reply } => {
                self.loads.entry(model.clone()).or_default().push(reply);
                self.track.load(&model, now);
            }
            Command::Unload { model, reply } => {
                self.unloads.entry(model.clone()).or_default().push(reply);
                self.track.unload(&model);
            }
            Command::SetContext { model, tokens, reply } => {
                let watched = self.provider.models.iter().find(|watched| watched.model == model);
                let Some(id) = watched.map(|watched| watched.upstream_id.clone()) else {
                    let _ = reply.send(Err(KeeperError::UnknownModel(model)));
                    return;
                };
                self.jobs.push(jobs::set_context(self.way(), model, (id, tokens), reply).boxed());
            }
            Command::Start { reply } => {
                if self.starts.is_empty() {
                    self.jobs.push(jobs::start(self.connect.clone(), self.provider.clone()).boxed());
                }
                self.starts.push(reply);
            }
            Command::Trouble { model, trouble, detail } => {
                debug!(%model, ?trouble, detail, "a request met trouble");
                self.track.trouble(&model, trouble, &detail, now);
            }
            // What it is about has been seen by now.
            Command::Freed => {}
            Command::Retry => self.track.retry(now),
        }
    }

    fn done(&mut self, done: Done) {
        self.wake();
        let now = Instant::now();
        if let Some(Made { adapter, idle_clock }) = done.made {
            self.track.connected(adapter.kind().title(), adapter.manageable(), idle_clock);
            self.track.displaces(adapter.displaces());
            self.adapter = Some(adapter);
            self.usable = true;
            self.listen();
        }
        match done.result {
            Outcome::Looked(answer) => {
                // Chance silence is no reason to ask anew what it is.
                if !matches!(answer, Ok(_) | Err(LookFailure::Silent(_))) {
                    self.usable = false;
                }
                if let (Ok(_), Some(adapter)) = (&answer, &self.adapter) {
                    // A look may be the first to tell.
                    self.track.manages(adapter.manageable());
                }
                self.track.looked(answer, now);
                if !self.track.reachable().0 {
                    // Nor after silence that went on: what was listened to may be cut without a word.
                    self.usable = false;
                }
            }
            Outcome::Loaded { model, outcome } => {
                self.load = None;
                self.track.load_done(&model, outcome, now);
            }
            Outcome::Unloaded { model, result } => self.track.unload_done(&model, result, now),
            Outcome::Touched { model, result } => self.track.touched(&model, result, now),
            Outcome::News(news) => {
                self.track.heard(&news, now);
                self.listen();
            }
            Outcome::Started(result) => {
                let provider = self.provider.id.clone();
                let answer = result.map_err(|detail| KeeperError::NotStarted { provider, detail });
                for reply in self.starts.drain(..) {
                    let _ = reply.send(answer.clone());
                }
                self.track.heard(&News::Changed, now);
            }
            Outcome::Gone(cause) => self.track.gone_because(cause),
            Outcome::Aborted => {}
        }
    }

    /// Listens to the adapter in use, and to no other.
    fn listen(&mut self) {
        if let Some(before) = self.listening.take() {
            before.abort();
        }
        let Some(adapter) = self.adapter.clone().filter(|_| self.usable) else { return };
        let (abort, registration) = AbortHandle::new_pair();
        self.listening = Some(abort);
        let news = Abortable::new(jobs::news(adapter), registration);
        self.jobs.push(news.map(|done| done.unwrap_or_else(|_| Done::aborted())).boxed());
    }

    fn way(&self) -> jobs::Way {
        let known = self.adapter.clone().filter(|_| self.usable);
        jobs::Way { connect: self.connect.clone(), provider: self.provider.clone(), known, turn: self.turn.clone() }
    }

    fn act(&mut self) {
        let mut words = Vec::new();
        for (model, took) in self.track.take_learned() {
            self.times.learn(model, took);
        }
        for effect in self.track.act(Instant::now()) {
            let way = self.way();
            match effect {
                Effect::Look(depth) => self.jobs.push(jobs::look(way, depth).boxed()),
                Effect::Load(wish) => {
                    let (abort, registration) = AbortHandle::new_pair();
                    self.load = Some(abort);
                    let load = Abortable::new(jobs::load(way, wish), registration);
                    self.jobs.push(load.map(|done| done.unwrap_or_else(|_| Done::aborted())).boxed());
                }
                Effect::AbortLoad => {
                    if let Some(load) = self.load.take() {
                        load.abort();
                    }
                }
                Effect::Unload { model, upstream_id } => self.jobs.push(jobs::unload(way, model, upstream_id).boxed()),
                Effect::Touch(wish) => self.jobs.push(jobs::touch(way, wish).boxed()),
                Effect::WhyGone { refused } => self.jobs.push(jobs::why_gone(self.adapter.clone(), refused).boxed()),
                Effect::Say(_) | Effect::AnswerLoad { .. } | Effect::AnswerUnload { .. } => words.push(effect),
            }
        }
        // Whoever hears of something finds it in the state.
        self.publish();
        for word in words {
            self.speak(word);
        }
    }

    fn speak(&mut self, word: Effect) {
        match word {
            Effect::Say(occurrence) => {
                info!(provider = self.provider.id, ?occurrence, "local runtime");
                // Nobody may be listening.
                let _ = self.occurrences.send(occurrence);
            }
            Effect::AnswerLoad { model, answer } => {
                for reply in self.loads.remove(&model).unwrap_or_default() {
                    let _ = reply.send(answer.clone());
                }
            }
            Effect::AnswerUnload { model, answer } => {
                for reply in self.unloads.remove(&model).unwrap_or_default() {
                    let _ = reply.send(answer.clone());
                }
            }
            _ => {}
        }
    }

    fn publish(&self) {
        let (reachable, detail) = self.track.reachable();
        let adapter = self.adapter.as_ref();
        let status = RuntimeStatus {
            kind: adapter.map(|adapter| adapter.kind()),
            reachable,
            key_refused: self.track.key_refused(),
            detail,
            address: adapter.and_then(|adapter| adapter.moved_to()).unwrap_or_else(|| self.provider.root.clone()),
            version: adapter.and_then(|adapter| adapter.version()),
            capabilities: adapter.map(|adapter| adapter.capabilities()).unwrap_or_default(),
        };
        let models: BTreeMap<_, _> = self.track.published().collect();
        let id = &self.provider.id;
        self.publish.send_if_modified(|state| {
            let same = state.runtimes.get(id) == Some(&status)
                && state.models.iter().filter(|(model, _)| model.provider() == id).eq(models.iter());
            if !same {
                let state = Arc::make_mut(state);
                state.runtimes.insert(id.clone(), status);
                state.models.retain(|model, _| model.provider() != id);
                state.models.extend(models);
            }
            !same
        });
    }
}
