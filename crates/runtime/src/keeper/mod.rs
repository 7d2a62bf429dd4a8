//! The keeper as others hold it: a handle over one task per provider, and the task that starts and ends those as the
//! plan changes.
//!
//! Must not know: how any runtime is asked, or when anything is loaded.

#[cfg(test)]
mod day;
#[cfg(test)]
mod fake;
#[cfg(test)]
mod http_tests;
mod jobs;
mod owner;
#[cfg(test)]
mod tests;
mod times;
mod uses;
mod wake;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pilotlight_wire::ModelRef;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::adapter::http::is_loopback;
use crate::adapter::lmstudio::APP_PORTS;
use crate::detect::{ByAsking, Connect};
use crate::{KeeperError, KeeperState, Limits, Loaded, Occurrence, Plan, RuntimeStatus, Trouble, WatchedProvider};

use jobs::Turn;
use owner::{Command, Owner};
use times::LoadTimes;
pub(crate) use times::REMEMBERED;
use uses::Uses;
use wake::Calendar;
pub use wake::Clocks;

/// So many occurrences wait for a slow listener before it misses the oldest.
const OCCURRENCES: usize = 256;

/// How long a server that was told to start may take until it answers.
const STARTED: Duration = Duration::from_secs(30);

/// Holds models warm. Clones are handles of the same keeper; when the last one is dropped, it ends.
#[derive(Clone, Debug)]
pub struct Keeper {
    shared: Arc<Shared>,
}

/// What a keeper is told about the machine it runs on. The default is right everywhere but in tests.
#[derive(Clone, Debug)]
pub struct KeeperOptions {
    /// The ports on which LM Studio's application listens besides its server, asked when the server is gone.
    pub app_ports: Vec<u16>,
    /// The user's home folder, where LM Studio keeps its settings.
    pub user_home: Option<PathBuf>,
    /// Where it is kept how long each model's loads took; none: it is forgotten when the process ends.
    pub load_times: Option<PathBuf>,
}

impl Default for KeeperOptions {
    fn default() -> Self {
        Self { app_ports: APP_PORTS.to_vec(), user_home: std::env::home_dir(), load_times: None }
    }
}

/// Holds a model busy: it is not unloaded while this lives, and if it goes meanwhile, that is evidence of a crash.
#[derive(Debug)]
#[must_use = "the model counts as idle as soon as this is dropped"]
pub struct Busy {
    link: Link,
    uses: Arc<Uses>,
    model: ModelRef,
}

#[derive(Debug)]
struct Shared {
    state: watch::Receiver<Arc<KeeperState>>,
    occurrences: broadcast::Sender<Occurrence>,
    links: watch::Receiver<Links>,
    uses: Arc<Uses>,
    _stop: DropGuard,
}

type Link = mpsc::UnboundedSender<Command>;
type Links = Arc<BTreeMap<String, Link>>;

impl Keeper {
    /// Starts to watch what the plan names. Must be called within a tokio runtime.
    pub fn spawn(plan: watch::Receiver<Arc<Plan>>) -> Self {
        Self::spawn_with(plan, KeeperOptions::default())
    }

    /// The same, told about the machine.
    pub fn spawn_with(plan: watch::Receiver<Arc<Plan>>, options: KeeperOptions) -> Self {
        let KeeperOptions { app_ports, user_home, load_times } = options;
        Self::start_with(plan, Arc::new(ByAsking::new(app_ports, user_home)), Calendar::default(), load_times)
    }

    #[cfg(test)]
    pub(crate) fn start(plan: watch::Receiver<Arc<Plan>>, connect: Arc<dyn Connect>) -> Self {
        Self::start_with(plan, connect, Calendar::default(), None)
    }

    fn start_with(
        mut plan: watch::Receiver<Arc<Plan>>,
        connect: Arc<dyn Connect>,
        calendar: Calendar,
        load_times: Option<PathBuf>,
    ) -> Self {
        let (publish, state) = watch::channel(Arc::new(KeeperState::default()));
        let (occurrences, _) = broadcast::channel(OCCURRENCES);
        let (links, links_seen) = watch::channel(Links::default());
        let stop = CancellationToken::new();
        let uses = Arc::<Uses>::default();
        let mut supervisor = Supervisor {
            uses: uses.clone(),
            connect,
            publish: Arc::new(publish),
            occurrences: occurrences.clone(),
            links,
            running: BTreeMap::new(),
            turns: BTreeMap::new(),
            times: LoadTimes::keep(load_times),
            calendar,
        };
        // Before this returns, so that every model of the plan is known to whoever asks next.
        let first = plan.borrow_and_update().clone();
        supervisor.start_missing(&first);
        tokio::spawn(supervisor.run(plan, stop.clone()));
        Self { shared: Arc::new(Shared { state, occurrences, links: links_seen, uses, _stop: stop.drop_guard() }) }
    }

    /// The state of everything in the plan, kept up to date.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<Arc<KeeperState>> {
        self.shared.state.clone()
    }

    /// What happens from now on.
    #[must_use]
    pub fn occurrences(&self) -> broadcast::Receiver<Occurrence> {
        self.shared.occurrences.subscribe()
    }

    /// A request needs the model: loads it if it is cold. Does not wait.
    ///
    /// Without `insist`, a model that a person ejected stays cold, and so does one that would not stay: somebody else
    /// answers. `insist` says that nobody else can.
    pub fn want(&self, model: &ModelRef, insist: bool) {
        self.tell(model, Command::Want { model: model.clone(), insist });
    }

    /// A person wants the model loaded; returns when it is. Ends every hold: an ejection, failed loads.
    ///
    /// # Errors
    /// See [`KeeperError`].
    pub async fn load(&self, model: &ModelRef) -> Result<Loaded, KeeperError> {
        let (reply, answer) = oneshot::channel();
        self.ask(model, Command::Load { model: model.clone(), reply }, answer).await
    }

    /// A person wants the model out of memory: every instance of it. It then stays out until a person loads it, or a
    /// request that nobody else can answer needs it.
    ///
    /// # Errors
    /// See [`KeeperError`]; [`KeeperError::Busy`] while it answers requests.
    pub async fn unload(&self, model: &ModelRef) -> Result<(), KeeperError> {
        let (reply, answer) = oneshot::channel();
        self.ask(model, Command::Unload { model: model.clone(), reply }, answer).await
    }

    /// A person wants a model loaded with so many tokens of context from now on, where the runtime keeps such a setting
    /// ([`crate::Capabilities::sets_context`]). What is in memory stays as it is until it is loaded anew.
    ///
    /// # Errors
    /// See [`KeeperError`].
    pub async fn set_context(&self, model: &ModelRef, tokens: u64) -> Result<(), KeeperError> {
        let (reply, answer) = oneshot::channel();
        self.ask(model, Command::SetContext { model: model.clone(), tokens, reply }, answer).await
    }

    /// A person wants what failed tried again: models whose loads failed or that would not stay. Those of a provider, or
    /// all. Returns which these were.
    pub fn retry(&self, provider: Option<&str>) -> Vec<ModelRef> {
        let meant = |id: &str| provider.is_none_or(|provider| provider.eq_ignore_ascii_case(id));
        for (_, link) in self.shared.links.borrow().iter().filter(|(id, _)| meant(id)) {
            let _ = link.send(Command::Retry);
        }
        let state = self.shared.state.borrow().clone();
        let given_up = state.models.iter().filter(|(model, local)| local.given_up && meant(model.provider()));
        given_up.map(|(model, _)| model.clone()).collect()
    }

    /// A person wants the server of a provider started; returns when it answers. Only LM Studio on this machine can be,
    /// by its own command line.
    ///
    /// # Errors
    /// [`KeeperError::NotStarted`] says why not, and what to do; [`KeeperError::UnknownProvider`].
    pub async fn start_runtime(&self, provider: &str) -> Result<RuntimeStatus, KeeperError> {
        let link = self.shared.links.borrow().get(provider).cloned();
        let Some(link) = link else {
            let known = self.shared.links.borrow().keys().cloned().collect::<Vec<_>>().join(", ");
            let message = format!("no local provider is called {provider:?}: there is {known}");
            return Err(KeeperError::UnknownProvider(message));
        };
        let dropped = || KeeperError::NotStarted {
            provider: provider.to_owned(),
            detail: "it left the configuration meanwhile".into(),
        };
        let (reply, answer) = oneshot::channel();
        link.send(Command::Start { reply }).map_err(|_| dropped())?;
        answer.await.map_err(|_| dropped())??;
        let mut states = self.shared.state.clone();
        let up = |state: &Arc<KeeperState>| state.runtimes.get(provider).is_some_and(|runtime| runtime.reachable);
        match timeout(STARTED, states.wait_for(up)).await {
            Ok(Ok(state)) => state.runtimes.get(provider).cloned().ok_or_else(dropped),
            Ok(Err(_)) => Err(dropped()),
            Err(_) => Err(KeeperError::NotStarted {
                provider: provider.to_owned(),
                detail: format!("it was told to start, and does not answer after {} s", STARTED.as_secs()),
            }),
        }
    }

    /// A request met trouble with the model, `detail` in the upstream's words. The keeper looks at once, a few times a
    /// second at most.
    pub fn trouble(&self, model: &ModelRef, detail: &str, trouble: Trouble) {
        self.tell(model, Command::Trouble { model: model.clone(), trouble, detail: detail.to_owned() });
    }

    /// A request is being served by the model, for as long as the guard lives. None where its provider is not watched.
    pub fn busy(&self, model: &ModelRef) -> Option<Busy> {
        let link = self.link(model)?;
        self.shared.uses.begin(model);
        Some(Busy { link, uses: self.shared.uses.clone(), model: model.clone() })
    }

    fn link(&self, model: &ModelRef) -> Option<Link> {
        self.shared.links.borrow().get(model.provider()).cloned()
    }

    fn tell(&self, model: &ModelRef, command: Command) {
        if let Some(link) = self.shared.links.borrow().get(model.provider()) {
            // A provider that has just left the plan hears nothing more.
            let _ = link.send(command);
        }
    }

    async fn ask<T>(
        &self,
        model: &ModelRef,
        command: Command,
        answer: oneshot::Receiver<Result<T, KeeperError>>,
    ) -> Result<T, KeeperError> {
        let Some(link) = self.link(model) else { return Err(KeeperError::UnknownModel(model.clone())) };
        let dropped = |_| KeeperError::Dropped(model.clone());
        link.send(command).map_err(|_| KeeperError::Dropped(model.clone()))?;
        answer.await.map_err(dropped)?
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if self.uses.end(&self.model) {
            let _ = self.link.send(Command::Freed);
        }
    }
}

/// Starts and ends the owners.
struct Supervisor {
    connect: Arc<dyn Connect>,
    uses: Arc<Uses>,
    publish: Arc<watch::Sender<Arc<KeeperState>>>,
    occurrences: broadcast::Sender<Occurrence>,
    links: watch::Sender<Links>,
    running: BTreeMap<String, Running>,
    /// By server.
    turns: BTreeMap<String, Turn>,
    times: LoadTimes,
    calendar: Calendar,
}

struct Running {
    provider: WatchedProvider,
    link: Link,
    task: JoinHandle<()>,
}

impl Running {
    /// Whether this is the same server, asked in the same way.
    fn serves(&self, provider: &WatchedProvider) -> bool {
        let own = &self.provider;
        own.root == provider.root && own.key == provider.key && own.runtime == provider.runtime
    }
}

/// What the providers have in common that are one server. All names of this machine are one.
fn server_of(provider: &WatchedProvider) -> String {
    let root = &provider.root;
    let host = if is_loopback(root) { "localhost" } else { root.host_str().unwrap_or_default() };
    format!("{host}:{}{}", root.port_or_known_default().unwrap_or_default(), root.path())
}

impl Supervisor {
    async fn run(mut self, mut plan: watch::Receiver<Arc<Plan>>, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                changed = plan.changed() => if changed.is_err() {
                    // Nobody makes plans any more: the last one stays in force.
                    stop.cancelled().await;
                    break;
                },
            }
            let plan = plan.borrow_and_update().clone();
            self.end_dropped(&plan).await;
            self.start_missing(&plan);
        }
        for running in self.running.values() {
            running.task.abort();
        }
    }

    async fn end_dropped(&mut self, plan: &Plan) {
        let ended: Vec<String> = self
            .running
            .values()
            .filter(|running| {
                let same = plan.providers.iter().find(|provider| provider.id == running.provider.id);
                !same.is_some_and(|provider| running.serves(provider))
            })
            .map(|running| running.provider.id.clone())
            .collect();
        for id in ended {
            let Some(running) = self.running.remove(&id) else { continue };
            running.task.abort();
            // Only when it is over does it publish nothing more.
            let _ = running.task.await;
            self.publish.send_modify(|state| {
                let state = Arc::make_mut(state);
                state.runtimes.remove(&id);
                state.models.retain(|model, _| model.provider() != id);
            });
        }
    }

    fn start_missing(&mut self, plan: &Plan) {
        self.uses.ends_matter(plan.limits != Limits::default());
        for provider in &plan.providers {
            match self.running.get_mut(&provider.id) {
                Some(running) => {
                    running.provider = provider.clone();
                    let _ = running.link.send(Command::Plan {
                        models: provider.models.clone(),
                        poll: plan.poll,
                        limits: plan.limits,
                    });
                }
                None => {
                    let (link, commands) = mpsc::unbounded_channel();
                    let owner = Owner::new(
                        provider.clone(),
                        (plan.poll, plan.limits),
                        self.times.clone(),
                        self.calendar.clone(),
                        (self.connect.clone(), self.turns.entry(server_of(provider)).or_default().clone()),
                        (self.uses.clone(), self.publish.clone()),
                        self.occurrences.clone(),
                    );
                    let task = tokio::spawn(owner.run(commands));
                    self.running.insert(provider.id.clone(), Running { provider: provider.clone(), link, task });
                }
            }
        }
        let links = self.running.iter().map(|(id, running)| (id.clone(), running.link.clone())).collect();
        self.links.send_replace(Arc::new(links));
    }
}
