//! Which happenings become a notice, in which words, and how often. Everything a frontend shows goes through
//! [`NoticeBoard::post`], so that nothing is said twice within a minute.

use std::collections::{HashMap, HashSet, VecDeque};
use std::mem::{Discriminant, discriminant};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::Timelike;
use pilotlight_config::settings::NotificationSettings;
use pilotlight_config::settings_store::SettingsState;
use pilotlight_gateway::{Cooldown, Recovery};
use pilotlight_runtime::{Cause, Occurrence};
use pilotlight_wire::{Location, ModelRef};
use tokio::sync::{Notify, broadcast, watch};
use tokio::time::{Instant, sleep_until};

use crate::clock::{milliseconds, unix_now};
use crate::light::{can_answer, short_name};
use crate::notice::{Muted, Notice, NoticeAction, NoticeActionKind, NoticeKind};
use crate::state::{AppState, ModelSummary, RequestOutcome, ServedRequest};

#[cfg(test)]
mod tests;

/// How long the same thing is not said again.
const QUIET: Duration = Duration::from_secs(60);

/// A cool-down of less is not told.
const SHORTEST_TOLD: Duration = Duration::from_secs(8);

/// How long a person mutes a kind.
const MUTED: Duration = Duration::from_secs(3600);

/// How many notices are kept for a person to read later.
const KEPT: usize = 50;

/// What is told, before it is known whether and when.
pub(crate) struct Telling {
    pub(crate) kind: NoticeKind,
    pub(crate) title: String,
    pub(crate) body: String,
    pub(crate) model: Option<ModelRef>,
    /// What sets it apart from another of its title.
    pub(crate) why: Why,
}

/// Of two notices with one title, whether the second is another thing: a model that crashes within a minute of its idle
/// timer's strike is told of again, and so is that its loads are given up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Why {
    /// The title says it all.
    #[default]
    Titled,
    /// It went for a cause of this kind.
    Went(Discriminant<Cause>),
    /// Its load failed, and whether it is tried again.
    Failed { again: bool },
}

/// The notices so far, and what a person does not want to see of them just now. The board writes; commands read, and
/// mute.
#[derive(Clone, Default)]
pub(crate) struct NoticeLog {
    log: Arc<Mutex<Log>>,
    changed: Arc<Notify>,
}

#[derive(Default)]
struct Log {
    last: u64,
    /// The newest first.
    kept: VecDeque<Notice>,
    muted: HashMap<NoticeKind, (Instant, u64)>,
}

impl NoticeLog {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The notices, the newest first.
    pub(crate) fn kept(&self) -> Vec<Notice> {
        self.log().kept.iter().cloned().collect()
    }

    /// One of them.
    pub(crate) fn find(&self, id: u64) -> Option<Notice> {
        self.log().kept.iter().find(|notice| notice.id == id).cloned()
    }

    /// What is muted now.
    pub(crate) fn muted(&self) -> Vec<Muted> {
        let now = Instant::now();
        let log = self.log();
        let muted = log.muted.iter().filter(|(_, (until, _))| *until > now);
        let mut muted: Vec<Muted> = muted.map(|(kind, (_, until))| Muted { kind: *kind, until: *until }).collect();
        muted.sort_by_key(|muted| (muted.until, muted.kind as u8));
        muted
    }

    /// Shows nothing of this kind for an hour.
    pub(crate) fn mute(&self, kind: NoticeKind) {
        let until = unix_now().saturating_add(milliseconds(MUTED));
        self.log().muted.insert(kind, (Instant::now() + MUTED, until));
        self.changed.notify_one();
    }

    /// Shows this kind again, or all.
    pub(crate) fn unmute(&self, kind: Option<NoticeKind>) {
        self.log().muted.retain(|muted, _| kind.is_some_and(|kind| *muted != kind));
        self.changed.notify_one();
    }

    /// So much time passed that was not counted.
    pub(crate) fn slept(&self, slept: Duration) {
        for (until, _) in self.log().muted.values_mut() {
            *until = until.checked_sub(slept).unwrap_or(*until);
        }
        self.changed.notify_one();
    }

    /// Returns when a person has muted or unmuted something, and when that is over by itself.
    pub(crate) async fn changed(&self) {
        let next = self.log().muted.values().map(|(until, _)| *until).filter(|until| *until > Instant::now()).min();
        tokio::select! {
            () = self.changed.notified() => {}
            () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {}
        }
    }

    fn keep(&self, telling: Telling, actions: Vec<NoticeAction>, quiet: bool) -> Notice {
        let mut log = self.log();
        log.last += 1;
        let muted = log.muted.get(&telling.kind).is_some_and(|(until, _)| *until > Instant::now());
        let notice = Notice {
            id: log.last,
            at: unix_now(),
            kind: telling.kind,
            title: telling.title,
            body: telling.body,
            model: telling.model,
            actions,
            shown: !quiet && !muted,
        };
        log.kept.push_front(notice.clone());
        log.kept.truncate(KEPT);
        notice
    }
}

/// Local time, in minutes since midnight.
fn minute_of_day() -> u16 {
    let now = chrono::Local::now();
    u16::try_from(now.hour() * 60 + now.minute()).unwrap_or_default()
}

/// Sends notices out, each at most once a minute.
pub(crate) struct NoticeBoard {
    out: broadcast::Sender<Notice>,
    log: NoticeLog,
    settings: watch::Receiver<Arc<SettingsState>>,
    said: HashMap<(NoticeKind, Option<ModelRef>, String, Why), Instant>,
    /// The models that a person took out here, and so did not hear of: their return is no news either.
    ejected_here: HashSet<ModelRef>,
    /// The local models in whose place a hosted one has answered, and this was said.
    stood_in_for: Option<ModelRef>,
}

impl NoticeBoard {
    pub(crate) fn new(
        out: broadcast::Sender<Notice>,
        log: NoticeLog,
        settings: watch::Receiver<Arc<SettingsState>>,
    ) -> Self {
        Self { out, log, settings, said: HashMap::new(), ejected_here: HashSet::new(), stood_in_for: None }
    }

    /// The notices so far.
    pub(crate) fn log(&self) -> &NoticeLog {
        &self.log
    }

    /// Sends a notice, unless its kind is switched off or the same was sent within the last minute, for whatever reason.
    /// In quiet hours and while its kind is muted it is kept, and not shown.
    pub(crate) fn post(&mut self, telling: Telling, state: &AppState) {
        let settings = self.settings.borrow().settings.notifications.clone();
        if !wanted(&settings, telling.kind) {
            return;
        }
        let now = Instant::now();
        self.said.retain(|_, at| now.duration_since(*at) < QUIET);
        let key = (telling.kind, telling.model.clone(), telling.title.clone(), telling.why);
        if self.said.contains_key(&key) {
            // Its minute goes on from when it was told: what comes more often than that is still told once a minute.
            return;
        }
        self.said.insert(key, now);
        let actions = actions(&telling, state);
        let quiet = settings.quiet.is_some_and(|hours| hours.hold(minute_of_day()));
        let notice = self.log.keep(telling, actions, quiet);
        let Notice { kind, title, body, shown, .. } = &notice;
        tracing::info!(?kind, title, body, shown, "notice");
        if notice.shown {
            // Nobody listening is no error: `pilotlight serve` may have no frontend.
            let _ = self.out.send(notice);
        }
    }

    /// What the keeper saw.
    pub(crate) fn occurrence(&mut self, occurrence: &Occurrence, state: &AppState) {
        match occurrence {
            Occurrence::Unloaded { model, cause: Cause::UnloadedHere, .. } => {
                self.ejected_here.insert(model.clone());
            }
            Occurrence::Loaded { model, .. } if self.ejected_here.remove(model) => return,
            _ => {}
        }
        if let Some(notice) = of_occurrence(occurrence, state) {
            self.post(notice, state);
        }
    }

    /// An upstream is left alone from now on. Worth a notice is what a person can mend, and that another than they
    /// expect answers from now on.
    pub(crate) fn cooling_down(&mut self, cooldown: &Cooldown, state: &AppState) {
        let who = match &cooldown.model {
            Some(model) => title(state, model).to_owned(),
            None => cooldown.provider.clone(),
        };
        let refused = match cooldown.cause {
            pilotlight_gateway::Cause::Unauthorized => Some(format!("{who} refuses its key")),
            pilotlight_gateway::Cause::Payment => Some(format!("No credit is left with {who}")),
            _ => None,
        };
        let why = sentence(&cooldown.detail);
        let telling = if let Some(title) = refused {
            let body = format!("{why}. It is passed over until that is mended.");
            Telling { kind: NoticeKind::KeyRefused, title, body, model: cooldown.model.clone(), why: Why::Titled }
        } else if let Some((model, next)) = gives_way(cooldown, state) {
            let next = match next {
                Some(next) => format!("{} answers until it is well again.", short_name(next)),
                None => "Nothing else in the chain can answer.".to_owned(),
            };
            Telling {
                kind: NoticeKind::PassedOver,
                title: format!("{} is passed over", short_name(model)),
                body: format!("{why}. {next}"),
                model: Some(model.model.clone()),
                why: Why::Titled,
            }
        } else {
            return;
        };
        self.post(telling, state);
    }

    /// An upstream that was passed over answers again.
    pub(crate) fn recovered(&mut self, recovery: &Recovery, state: &AppState) {
        let why = match recovery.cause {
            pilotlight_gateway::Cause::Failures => "it had failed several times",
            pilotlight_gateway::Cause::Unauthorized => "its key was refused",
            pilotlight_gateway::Cause::Payment => "no credit was left",
            pilotlight_gateway::Cause::RateLimited => "it had too many requests",
            pilotlight_gateway::Cause::Overloaded => "it could not serve",
        };
        self.post(
            Telling {
                kind: NoticeKind::Back,
                title: format!("{} is back", title(state, &recovery.model)),
                body: format!("It was passed over for {}: {why}.", words(recovery.after)),
                model: Some(recovery.model.clone()),
                why: Why::Titled,
            },
            state,
        );
    }

    /// A finished request: says once when a hosted model begins to answer in a local one's place, and tells of an
    /// answer that broke off.
    pub(crate) fn served(&mut self, request: &ServedRequest, state: &AppState, prices: Option<String>) {
        if request.outcome == RequestOutcome::Cut
            && let Some(model) = &request.served_by
        {
            self.post(
                Telling {
                    kind: NoticeKind::Cut,
                    title: format!("{} broke off an answer", title(state, model)),
                    body: "The client was told with an error. What it had received by then is incomplete.".to_owned(),
                    model: Some(model.clone()),
                    why: Why::Titled,
                },
                state,
            );
        }
        match (&request.served_by, request.location) {
            (Some(_), Some(Location::Local)) => self.stood_in_for = None,
            (Some(hosted), Some(Location::Hosted)) => {
                let local = request.passed_over.iter().find(|tried| is_local(state, &tried.model));
                if let Some(local) = local
                    && self.stood_in_for.as_ref() != Some(&local.model)
                {
                    self.stood_in_for = Some(local.model.clone());
                    self.post(
                        Telling {
                            kind: NoticeKind::HostedMeanwhile,
                            title: format!("{} answers for {}", title(state, hosted), title(state, &local.model)),
                            body: format!(
                                "{}: {}. {}.",
                                title(state, &local.model),
                                local.detail,
                                match prices {
                                    Some(prices) => format!("Hosted: {prices}"),
                                    None => "Its price is not in the configuration".to_owned(),
                                }
                            ),
                            model: Some(hosted.clone()),
                            why: Why::Titled,
                        },
                        state,
                    );
                }
            }
            _ => {}
        }
    }
}

fn wanted(settings: &NotificationSettings, kind: NoticeKind) -> bool {
    match kind {
        NoticeKind::Unloaded => settings.unloaded,
        NoticeKind::Back => settings.back,
        // Another answers than is expected.
        NoticeKind::HostedMeanwhile | NoticeKind::PassedOver => settings.hosted,
        NoticeKind::LoadFailed => settings.load_failed,
        NoticeKind::Configuration => settings.configuration,
        NoticeKind::KeyRefused => settings.key_refused,
        NoticeKind::Cut => settings.cut,
    }
}

/// What a person can do about it.
fn actions(telling: &Telling, state: &AppState) -> Vec<NoticeAction> {
    let mut actions = Vec::new();
    if let (NoticeKind::Unloaded | NoticeKind::LoadFailed, Some(model)) = (telling.kind, &telling.model) {
        let label = "Reload".to_owned();
        actions.push(NoticeAction { action: NoticeActionKind::Reload, label, model: Some(model.clone()) });
    }
    if let NoticeKind::Unloaded | NoticeKind::LoadFailed = telling.kind
        && let Some(primary) = state.chain.first()
        && telling.model.as_ref().is_none_or(|model| model == primary)
        && is_local(state, primary)
        && let Some(hosted) = first_hosted(state)
    {
        let label = format!("Use {}", short_name(hosted));
        actions.push(NoticeAction { action: NoticeActionKind::UseHosted, label, model: Some(hosted.model.clone()) });
    }
    let label = "Mute for an hour".to_owned();
    actions.push(NoticeAction { action: NoticeActionKind::Mute, label, model: None });
    actions
}

/// The notice for what the keeper saw, if it is worth one.
fn of_occurrence(occurrence: &Occurrence, state: &AppState) -> Option<Telling> {
    let why = match occurrence {
        Occurrence::Unloaded { cause, .. } | Occurrence::Unreachable { cause, .. } => Why::Went(discriminant(cause)),
        Occurrence::LoadFailed { retry_in, .. } => Why::Failed { again: retry_in.is_some() },
        Occurrence::LoadStarted { .. } | Occurrence::Loaded { .. } | Occurrence::Reachable { .. } => Why::Titled,
    };
    let notice = |kind, title: String, body: String, model: Option<&ModelRef>| {
        Some(Telling { kind, title, body, model: model.cloned(), why })
    };
    match occurrence {
        // Whoever ejected it here knows.
        Occurrence::Unloaded { cause: Cause::UnloadedHere, .. } => None,
        Occurrence::Unloaded { model, title, cause, evidence, reloading } => {
            let next = match (*reloading, stand_in(state, model)) {
                (true, Some(hosted)) => format!("It is being reloaded; {hosted} answers meanwhile."),
                (true, None) => "It is being reloaded; requests wait for it.".to_owned(),
                (false, Some(hosted)) => format!("It stays unloaded; {hosted} answers."),
                (false, None) => "It stays unloaded; the next request for it loads it.".to_owned(),
            };
            notice(
                NoticeKind::Unloaded,
                format!("{title} was unloaded"),
                if evidence.is_empty() {
                    format!("{}. {next}", sentence(&cause.to_string()))
                } else {
                    format!("{}: {evidence}. {next}", sentence(&cause.to_string()))
                },
                Some(model),
            )
        }
        Occurrence::Loaded { model, title, after, away: Some(away) } => notice(
            NoticeKind::Back,
            format!("{title} is back"),
            match after {
                Some(after) => format!("It was away for {}, of which the load took {}.", words(*away), words(*after)),
                None => format!("It was away for {}.", words(*away)),
            },
            Some(model),
        ),
        // A first load, or one that nobody had missed: the icon says enough.
        Occurrence::Loaded { away: None, .. } | Occurrence::LoadStarted { .. } => None,
        // The message says what is to be done.
        Occurrence::LoadFailed { model, title, message, given_up: true, .. } => notice(
            NoticeKind::LoadFailed,
            format!("{title} does not stay in memory"),
            format!("{}.", sentence(message)),
            Some(model),
        ),
        Occurrence::LoadFailed { model, title, message, retry_in, given_up: false } => {
            let next = match retry_in {
                Some(wait) => format!("The next attempt is in {}.", words(*wait)),
                None => "It is not tried again until somebody asks for it.".to_owned(),
            };
            notice(
                NoticeKind::LoadFailed,
                format!("{title} could not be loaded"),
                format!("{}. {next}", sentence(message)),
                Some(model),
            )
        }
        Occurrence::Unreachable { provider, detail, cause } => {
            let next = match first_hosted(state) {
                Some(hosted) => format!("{} answers meanwhile.", short_name(hosted)),
                None => "Nothing else in the chain can answer.".to_owned(),
            };
            let detail = match cause {
                Cause::Crashed { .. } => String::new(), // It tells by itself what was seen of it.
                _ => format!(" ({detail})"),
            };
            notice(
                NoticeKind::Unloaded,
                format!("{provider} does not answer"),
                format!("{}{detail}. {next}", sentence(&cause.to_string())),
                None,
            )
        }
        Occurrence::Reachable { provider, away } => notice(
            NoticeKind::Back,
            format!("{provider} answers again"),
            format!("It was away for {}.", words(*away)),
            None,
        ),
    }
}

fn is_local(state: &AppState, model: &ModelRef) -> bool {
    state.models.iter().any(|known| known.model == *model && known.location == Location::Local)
}

fn title<'a>(state: &'a AppState, model: &'a ModelRef) -> &'a str {
    state.models.iter().find(|known| known.model == *model).map_or(model.model(), short_name)
}

/// Who answers in a model's place: the first other hosted model of the chain.
fn stand_in(state: &AppState, model: &ModelRef) -> Option<String> {
    state.chain.contains(model).then(|| first_hosted(state).map(|hosted| short_name(hosted).to_owned())).flatten()
}

fn first_hosted(state: &AppState) -> Option<&ModelSummary> {
    state
        .chain
        .iter()
        .filter_map(|wanted| state.models.iter().find(|model| model.model == *wanted))
        .find(|model| model.location == Location::Hosted)
}

/// The model of the chain that would have answered but for this, and who does in its place. None where it stood behind
/// another that can, or where it is back before anybody has read of it.
fn gives_way<'a>(cooldown: &Cooldown, state: &'a AppState) -> Option<(&'a ModelSummary, Option<&'a ModelSummary>)> {
    if cooldown.until.saturating_duration_since(Instant::now()) < SHORTEST_TOLD {
        return None;
    }
    let concerned = |model: &ModelSummary| match &cooldown.model {
        Some(own) => *own == model.model,
        None => cooldown.provider == model.model.provider(),
    };
    let rests = |model: &ModelSummary| state.cooldown(&model.model).is_some();
    let chain = state.chain.iter().filter_map(|wanted| state.models.iter().find(|model| model.model == *wanted));
    let mut ready = chain.filter(|model| can_answer(model) && (concerned(model) || !rests(model)));
    let first = ready.next().filter(|model| concerned(model))?;
    Some((first, ready.find(|model| !concerned(model))))
}

/// Upper-cases the first letter and drops a full stop at the end.
fn sentence(text: &str) -> String {
    let text = text.trim().trim_end_matches('.');
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().collect::<String>() + letters.as_str())
}

/// A duration as `0.4 s`, `12 s`, `3 min`, `2 h`.
fn words(duration: Duration) -> String {
    match duration.as_secs() {
        0..10 => format!("{:.1} s", duration.as_secs_f64()),
        seconds @ 10..100 => format!("{seconds} s"),
        seconds @ 100..6_000 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3_600),
    }
}
