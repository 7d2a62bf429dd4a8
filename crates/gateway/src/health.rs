//! What is known of each upstream's health: its breaker and its cool-down, fed by the attempts, asked before each, and
//! published. Must not know: how a request is sent, what a person is shown.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use pilotlight_wire::{Location, ModelRef};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::breaker::{Admission, Breaker};
use crate::code::Code;
use crate::cooldown::{Cause, Scope, rest};
use crate::events::Event;
use crate::routes::{Routes, Target};
use crate::verdict::Miss;

/// An upstream that is left alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cooldown {
    /// Its provider.
    pub provider: String,
    /// The model it is about; none: every model of the provider.
    pub model: Option<ModelRef>,
    /// Why.
    pub cause: Cause,
    /// The failure that began it, in words.
    pub detail: String,
    /// Since when it has not been well.
    pub since: Instant,
    /// Until when it is passed over.
    pub until: Instant,
    /// Whether it is a breaker's: after `until` it is half-open until one request has tried it.
    pub breaker: bool,
}

/// An upstream that answers again after others were asked in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// The model that answered.
    pub model: ModelRef,
    /// Why it was left alone.
    pub cause: Cause,
    /// For how long it had not been well.
    pub after: Duration,
}

/// The health of every upstream. One value, shared by all requests; nobody waits for its lock for long.
pub struct Health {
    standings: Mutex<HashMap<Key, Standing>>,
    published: watch::Sender<Arc<Vec<Cooldown>>>,
    events: mpsc::UnboundedSender<Event>,
    hashes: RandomState,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Key {
    Provider(String),
    Model(ModelRef),
}

/// One upstream that is not known to be well.
#[derive(Clone, Debug)]
struct Standing {
    breaker: Breaker,
    /// Until when it is left alone for a cause of its own.
    cooling: Option<(Cause, Instant)>,
    /// Failures of one cause in a row, for causes that name no time.
    streak: Option<(Cause, u32)>,
    /// What the last failure was, and since when it has not been well.
    detail: String,
    since: Instant,
    /// How many requests went to others because of it.
    passed_over: u32,
    /// What of the configuration it was seen with: another key or address is another matter.
    print: u64,
}

/// An upstream may be asked. Whoever holds it asks; dropped before the upstream's answer was told to [`Health`], it
/// leaves a half-open breaker to the next.
#[must_use]
pub struct Pass {
    health: Arc<Health>,
    probed: Vec<Key>,
}

/// An upstream may not be asked now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resting {
    /// Until when.
    pub until: Instant,
    /// Why, in words.
    pub detail: String,
}

impl Health {
    /// Everybody is well.
    pub fn new(events: mpsc::UnboundedSender<Event>) -> Arc<Self> {
        Arc::new(Self {
            standings: Mutex::default(),
            published: watch::Sender::default(),
            events,
            hashes: RandomState::new(),
        })
    }

    /// Who is left alone. Nothing is published when a time is over: whoever shows it compares `until` with the clock.
    pub fn watch(&self) -> watch::Receiver<Arc<Vec<Cooldown>>> {
        self.published.subscribe()
    }

    /// Whether a target may be asked.
    ///
    /// # Errors
    /// While it is left alone; that it was passed over is remembered.
    pub fn admit(self: &Arc<Self>, target: &Target) -> Result<Pass, Resting> {
        let now = Instant::now();
        let mut standings = self.standings();
        let mut resting: Option<Resting> = None;
        let mut probed = Vec::new();
        let mut forgotten = false;
        for key in keys(target) {
            let Some(standing) = standings.get_mut(&key) else { continue };
            if standing.print != self.print(target) {
                forgotten |= standings.remove(&key).is_some();
                continue;
            }
            let cooling = standing.cooling.map(|(_, until)| until).filter(|until| now < *until);
            let open = match standing.breaker.admission(now) {
                Admission::Closed => None,
                Admission::Probation => {
                    probed.push(key.clone());
                    None
                }
                Admission::Open(until) => Some(until),
            };
            let Some(until) = cooling.max(open) else { continue };
            standing.passed_over += 1;
            if resting.as_ref().is_none_or(|resting| until > resting.until) {
                resting = Some(Resting { until, detail: standing.words(until, now) });
            }
        }
        if resting.is_none() {
            for key in &probed {
                if let Some(standing) = standings.get_mut(key) {
                    standing.breaker.probe();
                }
            }
        }
        if forgotten {
            self.publish(&standings);
        }
        drop(standings);
        match resting {
            Some(resting) => Err(resting),
            None => Ok(Pass { health: self.clone(), probed }),
        }
    }

    /// A target gave no answer. Returns until when it is left alone because of that.
    pub fn failed(&self, target: &Target, miss: &Miss) -> Option<Instant> {
        let now = Instant::now();
        let mut standings = self.standings();
        let before = |scope| {
            let standing = standings.get(&key(target, scope));
            standing.and_then(|standing| standing.streak)
        };
        let streak = before(Scope::Model);
        let count = |cause| streak.filter(|(last, _)| *last == cause).map_or(0, |(_, count)| count);
        let cause = match miss.code {
            Code::RateLimited => Cause::RateLimited,
            _ => Cause::Overloaded,
        };
        if let Some(rest) = rest(miss, target.location, count(cause), SystemTime::now()) {
            let standing = self.standing(&mut standings, target, rest.scope, miss, now);
            standing.streak = Some((rest.cause, count(rest.cause) + 1));
            let until = now + rest.time;
            let begins = standing.cooling.is_none_or(|(cause, until)| until <= now || cause != rest.cause);
            standing.cooling = Some((rest.cause, until));
            standing.breaker.probe_dropped();
            let view = standing.view(&key(target, rest.scope));
            self.publish(&standings);
            if let Some(cooldown) = view.filter(|_| begins) {
                let _ = self.events.send(Event::CoolingDown(Box::new(cooldown)));
            }
            return Some(until);
        }
        let (scope, weight) = weight(miss.code, target.location)?;
        let standing = self.standing(&mut standings, target, scope, miss, now);
        let opened = standing.breaker.failed(weight, now);
        let until = standing.breaker.until().filter(|_| opened)?;
        let view = standing.view(&key(target, scope));
        self.publish(&standings);
        tracing::info!(model = %target.model, detail = miss.detail, "its breaker opens");
        if let Some(cooldown) = view {
            let _ = self.events.send(Event::CoolingDown(Box::new(cooldown)));
        }
        Some(until)
    }

    /// A target answers: its first content came, or its whole answer.
    pub fn answered(&self, target: &Target) {
        let now = Instant::now();
        let mut standings = self.standings();
        let mut back: Option<Recovery> = None;
        let mut changed = false;
        for key in keys(target) {
            let Some(standing) = standings.get_mut(&key) else { continue };
            let open = standing.breaker.until().is_some();
            let cause = standing.cooling.take().map(|(cause, _)| cause).or(open.then_some(Cause::Failures));
            standing.streak = None;
            standing.breaker.answered();
            let Some(cause) = cause else { continue };
            changed = true;
            if std::mem::take(&mut standing.passed_over) > 0 {
                let after = now.duration_since(standing.since);
                back = Some(Recovery { model: target.model.clone(), cause, after });
            }
        }
        if changed {
            self.publish(&standings);
        }
        drop(standings);
        if let Some(recovery) = back {
            let _ = self.events.send(Event::Recovered(recovery));
        }
    }

    /// A target answered to the end.
    pub fn completed(&self, target: &Target) {
        let mut standings = self.standings();
        for key in keys(target) {
            let Some(standing) = standings.get_mut(&key) else { continue };
            standing.breaker.completed();
            if standing.breaker == Breaker::default() && standing.cooling.is_none() && standing.streak.is_none() {
                standings.remove(&key);
            }
        }
    }

    /// Forgets those whose address or key is another by now, or that are not configured any longer.
    pub fn follow(&self, routes: &Routes) {
        let mut standings = self.standings();
        standings.retain(|at, standing| {
            routes.targets.iter().any(|target| keys(target).contains(at) && self.print(target) == standing.print)
        });
        self.publish(&standings);
    }

    /// So much time passed that was not counted.
    pub fn slept(&self, slept: Duration) {
        let earlier = |moment: Instant| moment.checked_sub(slept).unwrap_or(moment);
        let mut standings = self.standings();
        for standing in standings.values_mut() {
            standing.since = earlier(standing.since);
            standing.cooling = standing.cooling.map(|(cause, until)| (cause, earlier(until)));
            standing.breaker.slept(slept);
        }
        self.publish(&standings);
    }

    /// Forgets breakers and cool-downs, of one provider or of all, and says which there were.
    pub fn forget(&self, provider: Option<&str>) -> Vec<Cooldown> {
        let mut standings = self.standings();
        let now = Instant::now();
        let mut forgotten = Vec::new();
        standings.retain(|key, standing| {
            let concerned = provider.is_none_or(|provider| key.provider().eq_ignore_ascii_case(provider));
            if concerned {
                forgotten.extend(standing.view(key).filter(|view| view.breaker || now < view.until));
            }
            !concerned
        });
        self.publish(&standings);
        forgotten.sort_by(|a, b| (&a.provider, &a.model).cmp(&(&b.provider, &b.model)));
        forgotten
    }

    fn publish(&self, standings: &HashMap<Key, Standing>) {
        let mut views: Vec<_> = standings.iter().filter_map(|(key, standing)| standing.view(key)).collect();
        views.sort_by(|a, b| (&a.provider, &a.model).cmp(&(&b.provider, &b.model)));
        self.published.send_if_modified(|published| {
            let changed = **published != views;
            if changed {
                *published = Arc::new(views);
            }
            changed
        });
    }

    /// The standing of a target, begun if it was well.
    fn standing<'a>(
        &self,
        standings: &'a mut HashMap<Key, Standing>,
        target: &Target,
        scope: Scope,
        miss: &Miss,
        now: Instant,
    ) -> &'a mut Standing {
        let print = self.print(target);
        let fresh = Standing {
            breaker: Breaker::default(),
            cooling: None,
            streak: None,
            detail: String::new(),
            since: now,
            passed_over: 0,
            print,
        };
        let standing = standings.entry(key(target, scope)).or_insert_with(|| fresh.clone());
        if standing.print != print {
            *standing = fresh;
        }
        let well = standing.breaker.until().is_none() && standing.cooling.is_none_or(|(_, until)| until <= now);
        if well && standing.passed_over == 0 {
            standing.since = now;
        }
        standing.detail.clone_from(&miss.detail);
        standing
    }

    fn print(&self, target: &Target) -> u64 {
        let mut hasher = self.hashes.build_hasher();
        target.base_url.hash(&mut hasher);
        target.key.as_ref().map(pilotlight_wire::Secret::expose).hash(&mut hasher);
        for (name, value) in &target.headers {
            (name, value.expose()).hash(&mut hasher);
        }
        hasher.finish()
    }

    fn standings(&self) -> MutexGuard<'_, HashMap<Key, Standing>> {
        self.standings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if self.probed.is_empty() {
            return;
        }
        let mut standings = self.health.standings();
        for key in &self.probed {
            if let Some(standing) = standings.get_mut(key) {
                standing.breaker.probe_dropped();
            }
        }
    }
}

impl Key {
    fn provider(&self) -> &str {
        match self {
            Self::Provider(provider) => provider,
            Self::Model(model) => model.provider(),
        }
    }
}

impl Standing {
    fn view(&self, key: &Key) -> Option<Cooldown> {
        let (cause, until, breaker) = match (self.cooling, self.breaker.until()) {
            (Some((cause, until)), open) if open.is_none_or(|open| open < until) => (cause, until, false),
            (_, Some(until)) => (Cause::Failures, until, true),
            (cooling, None) => cooling.map(|(cause, until)| (cause, until, false))?,
        };
        Some(Cooldown {
            provider: key.provider().to_owned(),
            model: match key {
                Key::Provider(_) => None,
                Key::Model(model) => Some(model.clone()),
            },
            cause,
            detail: self.detail.clone(),
            since: self.since,
            until,
            breaker,
        })
    }

    fn words(&self, until: Instant, now: Instant) -> String {
        let left = until.saturating_duration_since(now);
        let when = if left.is_zero() {
            "another request tries it just now".to_owned()
        } else {
            format!("{} s left", left.as_secs_f64().ceil())
        };
        format!("{when}; {}", self.detail)
    }
}

fn key(target: &Target, scope: Scope) -> Key {
    match scope {
        Scope::Provider => Key::Provider(target.model.provider().to_owned()),
        Scope::Model => Key::Model(target.model.clone()),
    }
}

fn keys(target: &Target) -> [Key; 2] {
    [key(target, Scope::Provider), key(target, Scope::Model)]
}

/// Whose failure this is for a breaker, and how much it weighs; none where it is no failure of the upstream: a model
/// that is cold or was unloaded, a request that is wrong, a local server that refuses the connection (which is known at
/// once each time). Silence costs the longest and weighs double.
fn weight(code: Code, location: Location) -> Option<(Scope, u32)> {
    match (code, location) {
        (Code::Refused, Location::Hosted) => Some((Scope::Provider, 1)),
        (Code::ModelNotFound, Location::Hosted) => Some((Scope::Model, 1)),
        (Code::Timeout, _) => Some((Scope::Model, 2)),
        (
            Code::Cut
            | Code::Malformed
            | Code::ErrorEvent
            | Code::ErrorBody
            | Code::Crashed
            | Code::Status
            | Code::WrongModel,
            _,
        ) => Some((Scope::Model, 1)),
        _ => None,
    }
}

#[cfg(test)]
#[path = "health_tests.rs"]
mod tests;
