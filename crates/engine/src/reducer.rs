//! The one task that owns [`AppState`]: it reduces what the files, the keeper and the gateway tell to the state, and
//! hands what is worth it to the notice board.

use std::sync::Arc;
use std::time::Duration;

use pilotlight_config::diagnostic::{Diagnostic, Severity};
use pilotlight_config::settings_store::SettingsState;
use pilotlight_config::store::ConfigState;
use pilotlight_gateway::{Cooldown, Event, Outcome, Phase, Served};
use pilotlight_ledger::Ledger;
use pilotlight_runtime::{KeeperState, LocalModel, Occurrence, RuntimeKind, Stay, Warmth};
use pilotlight_wire::Location;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, milliseconds, unix, unix_now};
use crate::compose::{Catalogue, Composition};
use crate::light::show;
use crate::notice::NoticeKind;
use crate::notices::{NoticeBoard, Telling, Why};
use crate::state::{
    AppState, ConfigSummary, CooldownSummary, LiveRequest, ModelState, ModelSummary, PassedOver, Problem,
    RequestOutcome, RuntimeSummary, ServedRequest,
};

/// What requests tell is read this long after the first of it, all at once: each look at it and each publication copies
/// state, there can be thousands of events a second, and none of it should be done while a request waits for its answer.
const REFRESH: Duration = Duration::from_millis(50);

/// What the task listens to.
pub(crate) struct Sources {
    pub(crate) config: watch::Receiver<Arc<ConfigState>>,
    pub(crate) settings: watch::Receiver<Arc<SettingsState>>,
    pub(crate) composition: watch::Receiver<Composition>,
    pub(crate) keeper: watch::Receiver<Arc<KeeperState>>,
    pub(crate) cooldowns: watch::Receiver<Arc<Vec<Cooldown>>>,
    pub(crate) occurrences: broadcast::Receiver<Occurrence>,
    pub(crate) events: mpsc::UnboundedReceiver<Event>,
    pub(crate) endpoint: watch::Receiver<Option<String>>,
}

/// The task's own state.
pub(crate) struct Reducer {
    sources: Sources,
    ledger: Ledger,
    notices: NoticeBoard,
    states: watch::Sender<Arc<AppState>>,
    clock: Clock,
    live: Vec<LiveRequest>,
    recent: Vec<ServedRequest>,
    spent: Spent,
    /// What the gateway has told and is not reduced yet.
    told: Vec<Event>,
}

impl Reducer {
    /// Reads the last requests from the ledger. `states` should hold [`AppState::empty`] until then.
    pub(crate) async fn new(
        sources: Sources,
        ledger: Ledger,
        notices: NoticeBoard,
        states: watch::Sender<Arc<AppState>>,
    ) -> Self {
        let clock = Clock::start();
        let recent = ledger.recent(AppState::RECENT).await.unwrap_or_else(|error| {
            tracing::error!(%error, "the last requests could not be read");
            Vec::new()
        });
        let spent = Spent::read(&ledger).await;
        Self { sources, ledger, notices, states, clock, live: Vec::new(), recent, spent, told: Vec::new() }
    }

    /// Runs until `stop`; what the gateway still tells by then is recorded.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let muting = self.notices.log().clone();
        let mut midnight = tokio::time::interval(Duration::from_secs(60));
        self.publish();
        let mut due: Option<Instant> = None;
        loop {
            let over = first_over(&self.sources.cooldowns.borrow());
            let second = self.next_second();
            tokio::select! {
                () = stop.cancelled() => break,
                Some(event) = self.sources.events.recv(), if due.is_none() => {
                    self.told.push(event);
                    due = Some(Instant::now() + REFRESH);
                    continue;
                }
                () = refresh(due) => due = None,
                Ok(occurrence) = self.sources.occurrences.recv() => {
                    // The state that goes with it was published before it.
                    self.publish();
                    let state = self.states.borrow().clone();
                    self.notices.occurrence(&occurrence, &state);
                }
                Ok(()) = self.sources.config.changed() => {
                    let config = self.sources.config.borrow_and_update().clone();
                    self.file_changed(config.stale, &config.diagnostics);
                }
                Ok(()) = self.sources.settings.changed() => {
                    let settings = self.sources.settings.borrow_and_update().clone();
                    self.file_changed(settings.stale, &settings.diagnostics);
                }
                Ok(()) = self.sources.composition.changed() => {}
                Ok(()) = self.sources.keeper.changed() => {}
                Ok(()) = self.sources.cooldowns.changed() => {}
                () = over => {}
                () = second => {}
                () = muting.changed() => {}
                Ok(()) = self.sources.endpoint.changed() => {}
                _ = midnight.tick() => self.spent.turn_the_day(),
            }
            self.take_events();
            self.publish();
        }
        self.take_events();
        self.publish();
    }

    /// Everything that the gateway has told by now.
    fn take_events(&mut self) {
        while let Ok(event) = self.sources.events.try_recv() {
            self.told.push(event);
        }
        let mut served = Vec::new();
        for event in std::mem::take(&mut self.told) {
            self.event(event, &mut served);
        }
        if !served.is_empty() {
            self.ledger.record(served);
        }
    }

    /// A second from now while something loads whose time is known: the status line counts with it.
    fn next_second(&self) -> impl Future<Output = ()> + use<> {
        let loads = |local: &LocalModel| matches!(local.state, Warmth::Loading { expected: Some(_), .. });
        let counting = self.sources.keeper.borrow().models.values().any(loads);
        async move {
            if counting {
                tokio::time::sleep(SECOND).await;
            } else {
                std::future::pending().await
            }
        }
    }

    fn event(&mut self, event: Event, served: &mut Vec<ServedRequest>) {
        match event {
            Event::Started { id, asked, api, at, .. } => self.live.push(LiveRequest {
                id,
                started: unix(at),
                asked,
                api,
                candidate: None,
                phase: crate::state::Phase::Asking,
            }),
            Event::Phase { id, candidate, phase } => {
                if let Some(request) = self.live.iter_mut().find(|request| request.id == id) {
                    request.candidate = Some(candidate);
                    request.phase = match phase {
                        Phase::Loading => crate::state::Phase::Loading,
                        Phase::Asking => crate::state::Phase::Asking,
                        Phase::Streaming => crate::state::Phase::Streaming,
                    };
                }
            }
            Event::Finished(finished) => served.push(self.finished(*finished)),
            Event::CoolingDown(cooldown) => {
                let state = self.states.borrow().clone();
                self.notices.cooling_down(&cooldown, &state);
            }
            Event::Recovered(recovery) => {
                let state = self.states.borrow().clone();
                self.notices.recovered(&recovery, &state);
            }
        }
    }

    fn finished(&mut self, served: Served) -> ServedRequest {
        self.live.retain(|request| request.id != served.id);
        let catalogue = self.sources.composition.borrow().catalogue.clone();
        let request = entry(served, &catalogue);
        self.spent.add(request.cost.unwrap_or(0.0));
        self.recent.insert(0, request.clone());
        self.recent.truncate(AppState::RECENT);
        let state = self.states.borrow().clone();
        let price = request.served_by.as_ref().and_then(|model| catalogue.price(model));
        self.notices.served(&request, &state, price);
        request
    }

    fn file_changed(&mut self, stale: bool, diagnostics: &[Diagnostic]) {
        let worst = diagnostics.iter().max_by_key(|diagnostic| diagnostic.severity);
        if let Some(diagnostic) = worst.filter(|_| stale) {
            let state = self.states.borrow().clone();
            self.notices.post(
                Telling {
                    kind: NoticeKind::Configuration,
                    title: format!("A mistake in {}", diagnostic.file.file_name().unwrap_or_default().display()),
                    body: format!(
                        "Line {}, column {}: {} The last good one stays in force.",
                        diagnostic.line, diagnostic.column, diagnostic.message
                    ),
                    model: None,
                    why: Why::Titled,
                },
                &state,
            );
        }
    }

    fn publish(&mut self) {
        self.clock.follow();
        let state = Arc::new(self.state());
        self.states.send_if_modified(|published| {
            let changed = *published != state;
            *published = state;
            changed
        });
    }

    fn state(&self) -> AppState {
        let composition = self.sources.composition.borrow();
        let keeper = self.sources.keeper.borrow();
        let config = self.sources.config.borrow();
        let settings = self.sources.settings.borrow();
        let endpoint = self.sources.endpoint.borrow().clone();
        let catalogue = &composition.catalogue;
        let models: Vec<_> =
            catalogue.entries.iter().map(|entry| summary(entry, catalogue, &keeper, &self.clock)).collect();
        let in_order: Vec<_> =
            catalogue.chain.iter().filter_map(|wanted| models.iter().find(|model| model.model == *wanted)).collect();
        let cooldowns = cooldowns(&self.sources.cooldowns.borrow(), &self.clock);
        let refuses_key = |model: &ModelSummary| {
            keeper.runtimes.get(model.model.provider()).is_some_and(|runtime| runtime.key_refused)
        };
        let last = self.recent.first();
        let shown = show(endpoint.is_some(), &in_order, &cooldowns, refuses_key, last, unix_now());
        AppState {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            light: shown.light,
            status: shown.status,
            answering: shown.answering,
            config: ConfigSummary {
                path: config.location.path.display().to_string(),
                openclaw: config.location.openclaw,
                revision: config.revision.clone(),
                stale: config.stale,
                // What is only worth knowing stands on the Models page, and is no reason for a banner.
                problems: config
                    .diagnostics
                    .iter()
                    .chain(&settings.diagnostics)
                    .filter(|diagnostic| diagnostic.severity > Severity::Info)
                    .map(problem)
                    .collect(),
            },
            chain: catalogue.chain.clone(),
            models,
            runtimes: keeper
                .runtimes
                .iter()
                .map(|(provider, runtime)| RuntimeSummary {
                    provider: provider.clone(),
                    kind: runtime.kind.map_or("unknown", RuntimeKind::name).to_owned(),
                    title: runtime.kind.map_or("the server", RuntimeKind::title).to_owned(),
                    version: runtime.version.clone(),
                    address: runtime.address.to_string(),
                    reachable: runtime.reachable,
                    detail: runtime.detail.clone(),
                    loads: runtime.capabilities.loads,
                    load_context: runtime.capabilities.load_context,
                    sets_context: runtime.capabilities.sets_context,
                    context_set_by: runtime
                        .kind
                        .filter(|_| !runtime.capabilities.load_context)
                        .map(|kind| kind.context_is_set_by().to_owned()),
                    unloads: runtime.capabilities.unloads,
                    pushes: runtime.capabilities.pushes,
                    keeping_warm: runtime.capabilities.keeping_warm.to_string(),
                    cannot_tell: runtime.capabilities.cannot_tell.iter().map(ToString::to_string).collect(),
                })
                .collect(),
            cooldowns,
            live: self.live.clone(),
            recent: self.recent.clone(),
            cost_today: self.spent.today,
            notices: self.notices.log().kept(),
            muted: self.notices.log().muted(),
            endpoint,
        }
    }
}

/// Returns when what has changed is due to be seen; never where nothing has.
async fn refresh(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

fn summary(entry: &crate::compose::Entry, catalogue: &Catalogue, keeper: &KeeperState, clock: &Clock) -> ModelSummary {
    let kept = keeper.models.get(&entry.model);
    let state = match (entry.location, kept.map(|local| &local.state)) {
        (Location::Hosted, _) => ModelState::Ready,
        (Location::Local, None | Some(Warmth::Unknown)) => ModelState::Unknown,
        (Location::Local, Some(Warmth::Warm { since })) => ModelState::Warm { since: clock.unix(*since) },
        (Location::Local, Some(Warmth::Cold { reason })) => {
            ModelState::Cold { reason: reason.as_ref().map(ToString::to_string) }
        }
        (Location::Local, Some(Warmth::Loading { since, expected })) => {
            let told = kept.and_then(|local| local.progress).and_then(|percent| whole(since.elapsed(), percent));
            ModelState::Loading { since: clock.unix(*since), expected: told.or(*expected).map(milliseconds) }
        }
        (Location::Local, Some(Warmth::Missing)) => ModelState::Missing,
        (Location::Local, Some(Warmth::Unreachable { reason })) => ModelState::Unreachable { reason: reason.clone() },
    };
    ModelSummary {
        model: entry.model.clone(),
        alias: entry.alias.clone(),
        name: entry.name.clone(),
        location: entry.location,
        api: entry.api.clone(),
        place: catalogue
            .chain
            .iter()
            .position(|model| *model == entry.model)
            .and_then(|place| u32::try_from(place).ok()),
        state,
        context_window: entry.context_window,
        loaded_context: kept
            .filter(|local| matches!(local.state, Warmth::Warm { .. }))
            .and_then(|local| local.loaded_context),
        quantization: kept.and_then(|local| local.quantization.clone()),
        size_bytes: kept.and_then(|local| local.size_bytes),
        activity: kept.and_then(|local| local.activity).map(|activity| activity.doing.name().to_owned()),
        progress: kept.and_then(|local| local.progress),
        stays_until: kept.and_then(|local| match local.stay {
            Stay::Until { at, .. } => Some(clock.unix(at)),
            Stay::Untold | Stay::ForGood => None,
        }),
        last_used: kept.and_then(|local| local.last_used).map(|used| clock.unix(used)),
        kept_warm: kept.is_some_and(|local| local.kept_warm),
        manageable: kept.is_some_and(|local| local.manageable),
        barred: entry.barred.clone(),
        problem: kept.and_then(|local| local.problem.clone()),
    }
}

/// How often it is said anew how far a load has come.
const SECOND: Duration = Duration::from_secs(1);

/// Waits until the next of these is over: nobody tells of that.
fn first_over(cooldowns: &[Cooldown]) -> impl Future<Output = ()> + use<> {
    let now = Instant::now();
    let first = cooldowns.iter().map(|cooldown| cooldown.until).filter(|until| *until > now).min();
    async move {
        match first {
            Some(until) => tokio::time::sleep_until(until).await,
            None => std::future::pending().await,
        }
    }
}

/// Those that are not over. A breaker whose time is over stays half-open until a request has tried its upstream.
/// How long the whole will take, by what of it is done; none at the very beginning, from which nothing follows.
fn whole(passed: Duration, percent: u8) -> Option<Duration> {
    (percent >= 5).then(|| passed * 100 / u32::from(percent))
}

fn cooldowns(cooldowns: &[Cooldown], clock: &Clock) -> Vec<CooldownSummary> {
    let now = Instant::now();
    let summary = |cooldown: &Cooldown| CooldownSummary {
        provider: cooldown.provider.clone(),
        model: cooldown.model.clone(),
        cause: cooldown.cause.name().to_owned(),
        detail: cooldown.detail.clone(),
        since: clock.unix(cooldown.since),
        until: clock.unix(cooldown.until),
        half_open: cooldown.until <= now,
    };
    cooldowns.iter().filter(|cooldown| cooldown.breaker || cooldown.until > now).map(summary).collect()
}

pub(crate) fn problem(diagnostic: &Diagnostic) -> Problem {
    Problem {
        severity: diagnostic.severity.name().to_owned(),
        code: diagnostic.code.to_owned(),
        file: diagnostic.file.display().to_string(),
        path: diagnostic.path.clone(),
        line: diagnostic.line,
        column: diagnostic.column,
        message: diagnostic.message.clone(),
    }
}

/// What is kept of a finished request.
fn entry(served: Served, catalogue: &Catalogue) -> ServedRequest {
    let cost =
        served.served_by.as_ref().zip(served.usage.as_ref()).and_then(|(model, usage)| catalogue.cost(model, usage));
    ServedRequest {
        id: served.id,
        started: unix(served.started),
        asked: served.asked,
        api: served.api,
        streaming: served.streaming,
        served_by: served.served_by,
        location: served.location,
        passed_over: served
            .attempts
            .into_iter()
            .filter(|attempt| attempt.code != pilotlight_gateway::Code::Ok)
            .map(|attempt| PassedOver {
                model: attempt.model,
                code: attempt.code.name().to_owned(),
                detail: attempt.detail,
            })
            .collect(),
        outcome: match served.outcome {
            Outcome::Served => RequestOutcome::Served,
            Outcome::Cut => RequestOutcome::Cut,
            Outcome::Failed => RequestOutcome::Failed,
            Outcome::Cancelled => RequestOutcome::Cancelled,
        },
        http_status: served.http_status,
        first_content: served.first_content.map(milliseconds),
        total: milliseconds(served.total),
        input_tokens: served.usage.as_ref().map(pilotlight_wire::Usage::total_input),
        output_tokens: served.usage.as_ref().map(|usage| usage.output),
        cost,
    }
}

/// US$ since local midnight.
struct Spent {
    day: chrono::NaiveDate,
    today: f64,
}

impl Spent {
    async fn read(ledger: &Ledger) -> Self {
        let now = chrono::Local::now();
        // A midnight that the clock's change skips or repeats: the earlier one, or none, which counts the day from 0.
        let midnight = now.date_naive().and_time(chrono::NaiveTime::MIN).and_local_timezone(chrono::Local).earliest();
        let today = match midnight.and_then(|midnight| u64::try_from(midnight.timestamp_millis()).ok()) {
            Some(since) => ledger.cost_since(since).await.unwrap_or_else(|error| {
                tracing::error!(%error, "today's cost could not be read");
                0.0
            }),
            None => 0.0,
        };
        Self { day: now.date_naive(), today }
    }

    fn add(&mut self, cost: f64) {
        self.turn_the_day();
        self.today += cost;
    }

    fn turn_the_day(&mut self) {
        let day = chrono::Local::now().date_naive();
        if day != self.day {
            *self = Self { day, today: 0.0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_tells_how_long_the_whole_takes() {
        assert_eq!(whole(Duration::from_secs(10), 4), None);
        assert_eq!(whole(Duration::from_secs(10), 25), Some(Duration::from_secs(40)));
        assert_eq!(whole(Duration::from_secs(10), 100), Some(Duration::from_secs(10)));
    }
}
