//! Which happenings become a notice, in which words, and how often. Everything a frontend shows goes through
//! [`NoticeBoard::post`], so that nothing is said twice within a minute.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use pilotlight_config::settings::NotificationSettings;
use pilotlight_config::settings_store::SettingsState;
use pilotlight_gateway::{Cooldown, Recovery};
use pilotlight_runtime::{Cause, Occurrence};
use pilotlight_wire::{Location, ModelRef};
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;

use crate::light::short_name;
use crate::notice::{Notice, NoticeKind};
use crate::state::{AppState, ModelSummary, RequestOutcome, ServedRequest};

/// How long the same thing is not said again.
const QUIET: Duration = Duration::from_secs(60);

/// Sends notices out, each at most once a minute.
pub(crate) struct NoticeBoard {
    out: broadcast::Sender<Notice>,
    settings: watch::Receiver<Arc<SettingsState>>,
    said: HashMap<(NoticeKind, Option<ModelRef>, String), Instant>,
    /// The local models in whose place a hosted one has answered, and this was said.
    stood_in_for: Option<ModelRef>,
}

impl NoticeBoard {
    pub(crate) fn new(out: broadcast::Sender<Notice>, settings: watch::Receiver<Arc<SettingsState>>) -> Self {
        Self { out, settings, said: HashMap::new(), stood_in_for: None }
    }

    /// Sends a notice, unless its kind is switched off or the same was sent within the last minute, for whatever reason.
    pub(crate) fn post(&mut self, notice: Notice) {
        if !wanted(&self.settings.borrow().settings.notifications, notice.kind) {
            return;
        }
        let now = Instant::now();
        self.said.retain(|_, at| now.duration_since(*at) < QUIET);
        let key = (notice.kind, notice.model.clone(), notice.title.clone());
        if self.said.insert(key, now).is_none() {
            tracing::info!(kind = ?notice.kind, title = notice.title, body = notice.body, "notice");
            // Nobody listening is no error: `pilotlight serve` may have no frontend.
            let _ = self.out.send(notice);
        }
    }

    /// What the keeper saw.
    pub(crate) fn occurrence(&mut self, occurrence: &Occurrence, state: &AppState) {
        if let Some(notice) = of_occurrence(occurrence, state) {
            self.post(notice);
        }
    }

    /// An upstream is left alone from now on. Only what a person can mend is worth a notice; of the others it is told
    /// who answers in their place.
    pub(crate) fn cooling_down(&mut self, cooldown: &Cooldown, state: &AppState) {
        let who = match &cooldown.model {
            Some(model) => title(state, model).to_owned(),
            None => cooldown.provider.clone(),
        };
        let title = match cooldown.cause {
            pilotlight_gateway::Cause::Unauthorized => format!("{who} refuses its key"),
            pilotlight_gateway::Cause::Payment => format!("No credit is left with {who}"),
            _ => return,
        };
        self.post(Notice {
            kind: NoticeKind::KeyRefused,
            title,
            body: format!("{}. It is passed over until that is mended.", sentence(&cooldown.detail)),
            model: cooldown.model.clone(),
        });
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
        self.post(Notice {
            kind: NoticeKind::Back,
            title: format!("{} is back", title(state, &recovery.model)),
            body: format!("It was passed over for {}: {why}.", words(recovery.after)),
            model: Some(recovery.model.clone()),
        });
    }

    /// A finished request: says once when a hosted model begins to answer in a local one's place, and tells of an
    /// answer that broke off.
    pub(crate) fn served(&mut self, request: &ServedRequest, state: &AppState, prices: Option<String>) {
        if request.outcome == RequestOutcome::Cut
            && let Some(model) = &request.served_by
        {
            self.post(Notice {
                kind: NoticeKind::Cut,
                title: format!("{} broke off an answer", title(state, model)),
                body: "The client was told with an error. What it had received by then is incomplete.".to_owned(),
                model: Some(model.clone()),
            });
        }
        match (&request.served_by, request.location) {
            (Some(_), Some(Location::Local)) => self.stood_in_for = None,
            (Some(hosted), Some(Location::Hosted)) => {
                let local = request.passed_over.iter().find(|tried| is_local(state, &tried.model));
                if let Some(local) = local
                    && self.stood_in_for.as_ref() != Some(&local.model)
                {
                    self.stood_in_for = Some(local.model.clone());
                    self.post(Notice {
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
                    });
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
        NoticeKind::HostedMeanwhile => settings.hosted,
        NoticeKind::LoadFailed | NoticeKind::Configuration | NoticeKind::KeyRefused | NoticeKind::Cut => {
            settings.problems
        }
    }
}

/// The notice for what the keeper saw, if it is worth one.
fn of_occurrence(occurrence: &Occurrence, state: &AppState) -> Option<Notice> {
    let notice = |kind, title: String, body: String, model: Option<&ModelRef>| {
        Some(Notice { kind, title, body, model: model.cloned() })
    };
    match occurrence {
        // Whoever ejected it here knows.
        Occurrence::Unloaded { cause: Cause::UnloadedHere, .. } => None,
        Occurrence::Unloaded { model, title, cause, reloading } => {
            let next = match (*reloading, stand_in(state, model)) {
                (true, Some(hosted)) => format!("It is being reloaded; {hosted} answers meanwhile."),
                (true, None) => "It is being reloaded; requests wait for it.".to_owned(),
                (false, Some(hosted)) => format!("It stays unloaded; {hosted} answers."),
                (false, None) => "It stays unloaded; the next request for it loads it.".to_owned(),
            };
            notice(
                NoticeKind::Unloaded,
                format!("{title} was unloaded"),
                format!("{}. {next}", sentence(&cause.to_string())),
                Some(model),
            )
        }
        Occurrence::Loaded { model, title, after, away: Some(away) } => notice(
            NoticeKind::Back,
            format!("{title} is back"),
            format!("It was away for {}, of which the load took {}.", words(*away), words(*after)),
            Some(model),
        ),
        // A first load, or one that nobody had missed: the icon says enough.
        Occurrence::Loaded { away: None, .. } | Occurrence::LoadStarted { .. } => None,
        Occurrence::LoadFailed { model, title, message, retry_in } => {
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
            notice(
                NoticeKind::Unloaded,
                format!("{provider} does not answer"),
                format!("{} ({detail}). {next}", sentence(&cause.to_string())),
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
