//! Whole days of a keeper over an LM Studio, drawn at random from a seed, in paused time: requests, timers, evictions,
//! crashes, ejections, failed loads, a server that stops, quits or is cut off, a machine that sleeps. After each step
//! the promises are checked:
//!
//! - what its policy says is warm, is, whenever the runtime could be reached for long enough to load it;
//! - there is never a second instance, and never more than one load of a model in flight;
//! - each unload that could be seen is told once, with a cause that could be known.
//!
//! `PILOTLIGHT_DAYS=1000 cargo test -p pilotlight-runtime days_` runs so many days; without it, a few.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod studio;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use pilotlight_wire::ModelRef;
use tokio::sync::broadcast::{self, error::TryRecvError};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::Keeper;
use super::wake::Calendar;
use crate::{Cause, KeepWarm, Limits, Occurrence, Plan, Trouble, WatchedModel, WatchedProvider};
use studio::{Departure, Server, Studio, Truth};

const DAY: Duration = Duration::from_secs(24 * 3600);
const SECOND: Duration = Duration::from_secs(1);
const KEYS: [&str; 4] = ["a", "b", "c", "x"];
/// `x` is on the runtime and not in the plan.
const WATCHED: usize = 3;

/// Numbers by splitmix64: the same for the same seed, wherever it runs.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn seconds(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(least * 1000 + self.below((most - least) * 1000))
    }
}

fn name(key: &str) -> ModelRef {
    ModelRef::new("studio", key).unwrap()
}

/// An unload that must be told, or may be.
struct Pending {
    departure: Departure,
    must: bool,
    /// It took the place of one that was loaded to stay, between two looks.
    disguised: bool,
    told: bool,
}

struct Day {
    seed: u64,
    dice: Dice,
    studio: Studio,
    keeper: Keeper,
    heard: broadcast::Receiver<Occurrence>,
    kept: [KeepWarm; WATCHED],
    limit: Option<usize>,
    /// How late an unload may be told: a look, and one that was under way when it happened.
    seen: Duration,
    began: Instant,
    pending: Vec<Pending>,
    taken: usize,
    /// Until when a model may be cold.
    excused: BTreeMap<&'static str, Instant>,
    /// Ejected by a person, as far as can be seen: nobody loads it by himself.
    out: BTreeMap<&'static str, bool>,
    /// When it was lost against the policy.
    losses: BTreeMap<&'static str, Vec<Instant>>,
    /// Somebody else's load, which ends an ejection when it is seen.
    back: Option<(&'static str, Instant)>,
    /// Loaded by somebody else between two looks in place of one that was loaded to stay.
    disguised: BTreeSet<&'static str>,
    /// When the runtime could last not be looked at.
    blurred: Option<Instant>,
    down_told: bool,
    told: usize,
    steps: Vec<String>,
    _plan: watch::Sender<Arc<Plan>>,
}

impl Day {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let load_time = dice.seconds(3, 60);
        let studio = Studio::new(&KEYS, load_time, dice.chance(50));
        let limit = dice.chance(25).then_some(1);
        let second = if limit.is_some() { KeepWarm::No } else { KeepWarm::Chain };
        let kept = [KeepWarm::Always, second, KeepWarm::No];
        let watched = |at: usize| WatchedModel {
            model: name(KEYS[at]),
            upstream_id: KEYS[at].to_owned(),
            context: Some(8192),
            keep_warm: kept[at],
            title: KEYS[at].to_uppercase(),
        };
        let provider = WatchedProvider {
            id: "studio".into(),
            root: "http://127.0.0.1:1234".parse().unwrap(),
            key: None,
            runtime: None,
            models: (0..WATCHED).map(watched).collect(),
        };
        let poll = if dice.chance(25) { Plan::POLL } else { Plan::POLL * 4 };
        let limits = Limits { models: limit, bytes: None };
        let (plan, plans) = watch::channel(Arc::new(Plan { providers: vec![provider], poll, limits }));
        let (began, midnight) = (Instant::now(), SystemTime::UNIX_EPOCH + DAY * 20_000);
        let asked = studio.clone();
        let calendar = Calendar(Arc::new(move || midnight + began.elapsed() + asked.lock().slept));
        let keeper = Keeper::start_with(plans, Arc::new(studio.clone()), calendar, None);
        let heard = keeper.occurrences();
        let mut day = Self {
            seed,
            dice,
            studio,
            keeper,
            heard,
            kept,
            limit,
            seen: poll * 2 + SECOND,
            began,
            pending: Vec::new(),
            taken: 0,
            excused: BTreeMap::new(),
            out: BTreeMap::new(),
            losses: BTreeMap::new(),
            back: None,
            disguised: BTreeSet::new(),
            blurred: None,
            down_told: false,
            told: 0,
            steps: Vec::new(),
            _plan: plan,
        };
        day.excuse_all();
        day
    }

    fn wrong(&self, what: &str) -> ! {
        let last = self.steps[self.steps.len().saturating_sub(25)..].join("\n");
        let state = self.keeper.state().borrow().clone();
        panic!("seed {}, {:?} into the day: {what}\n{last}\n{state:#?}", self.seed, self.began.elapsed());
    }

    fn note(&mut self, what: impl Into<String>) {
        let at = self.began.elapsed().as_secs_f64();
        self.steps.push(format!("{at:9.1} {}", what.into()));
    }

    /// How long the runtime must have been left alone until a model is warm again: a look, the loads before its own,
    /// its own, and what a failed attempt before it costs.
    fn grace(&self) -> Duration {
        let load = self.studio.lock().load_time;
        // With a limit, what somebody asked for is left in peace.
        let peace = if self.limit.is_some() { Duration::from_secs(330) } else { Duration::ZERO };
        self.seen * 2 + load * 4 + peace
    }

    fn excuse(&mut self, key: &'static str, more: Duration) {
        let until = Instant::now() + self.grace() + more;
        let known = self.excused.entry(key).or_insert(until);
        *known = until.max(*known);
    }

    fn excuse_all(&mut self) {
        for key in &KEYS[..WATCHED] {
            self.excuse(key, Duration::ZERO);
        }
    }

    fn key(&mut self, count: usize) -> &'static str {
        KEYS[usize::try_from(self.dice.below(count as u64)).unwrap()]
    }

    /// What really went since the last time.
    fn take_departures(&mut self) {
        let new: Vec<_> = self.studio.lock().departures[self.taken..].to_vec();
        self.taken += new.len();
        for departure in new {
            let Some(key) = KEYS[..WATCHED].iter().find(|key| **key == departure.key) else { continue };
            self.note(format!("  went: {departure:?}"));
            let kept = self.kept[KEYS.iter().position(|known| known == key).unwrap()].now();
            // It cannot be told from an ejection: nothing was answering, and it had no timer.
            let disguised = self.disguised.remove(key);
            let like_ejected = disguised
                || departure.truth == Truth::Ejected
                || departure.truth == Truth::Crashed && departure.explicit;
            self.excuse(key, Duration::ZERO);
            if like_ejected {
                self.out.insert(key, true);
            } else if departure.truth != Truth::UnloadedByUs && kept {
                let losses = self.losses.entry(key).or_default();
                losses.push(departure.at);
                losses.retain(|at| departure.at - *at < Duration::from_secs(600) + self.seen);
                if losses.len() >= 3 {
                    self.out.insert(key, true);
                }
            }
            let up = self.studio.lock().server == Server::Up;
            // One that was there for less than a look may never have been seen.
            let back = self.blurred.is_none_or(|blurred| departure.at - blurred > self.seen);
            let must = up && back && departure.lived > self.seen;
            self.pending.push(Pending { departure, must, disguised, told: false });
        }
    }

    fn take_occurrences(&mut self) {
        loop {
            match self.heard.try_recv() {
                Ok(occurrence) => self.heard_of(&occurrence),
                Err(TryRecvError::Empty) => return,
                Err(error) => self.wrong(&format!("occurrences were missed: {error}")),
            }
        }
    }

    fn heard_of(&mut self, occurrence: &Occurrence) {
        self.note(format!("  told: {occurrence:?}"));
        match occurrence {
            Occurrence::Unloaded { model, cause, .. } => {
                self.told += 1;
                let waiting = |one: &&mut Pending| !one.told && one.departure.key == model.model();
                // The first that must be told; one that need not be is passed over when a later one is told.
                let mut all: Vec<_> = self.pending.iter_mut().filter(waiting).collect();
                let at = all.iter().position(|one| one.must).or_else(|| all.len().checked_sub(1));
                let Some(at) = at else {
                    self.wrong(&format!("told of an unload of {model} that did not happen, or twice: {cause:?}"));
                };
                all[at].told = true;
                let (truth, explicit) = (all[at].departure.truth.clone(), all[at].departure.explicit);
                // Loaded while nobody could look: when its timer began is not known.
                let (gone, lived) = (all[at].departure.at, all[at].departure.lived);
                let unseen = self.blurred.is_some_and(|blurred| blurred + lived + self.seen * 4 >= gone);
                // Or it went and came, and what it made room for too, between two looks.
                let unseen = unseen && truth == Truth::Timer || !all[at].must;
                let not_known = *cause == Cause::Unknown && unseen;
                let disguised = all[at].disguised && *cause == Cause::EjectedByPerson;
                // Two came at that moment, and no field says for which of them it went.
                let for_either = matches!((&truth, cause), (Truth::Evicted(_), Cause::Evicted { by })
                    if self.studio.lock().arrivals.iter().any(|(key, at)| key == by && *at + self.seen * 4 >= gone));
                if !not_known && !disguised && !for_either && !allowed(&truth, explicit, cause) {
                    self.wrong(&format!("{model} went by {truth:?} (explicit: {explicit}), and {cause:?} was told"));
                }
            }
            Occurrence::Unreachable { .. } => {
                if std::mem::replace(&mut self.down_told, true) {
                    self.wrong("told twice that the server went");
                }
            }
            Occurrence::Reachable { .. } => {
                if !std::mem::replace(&mut self.down_told, false) {
                    self.wrong("told that the server is back, and never that it went");
                }
            }
            Occurrence::LoadFailed { .. } | Occurrence::LoadStarted { .. } | Occurrence::Loaded { .. } => {}
        }
    }

    /// The server went, or the machine slept: what went just before may be told with that, or not at all.
    fn blur(&mut self) {
        self.take_departures();
        self.back = None;
        self.blurred = Some(Instant::now());
        for pending in &mut self.pending {
            pending.must = false;
        }
        self.excuse_all();
    }

    fn check(&mut self) {
        self.take_departures();
        self.take_occurrences();
        let now = Instant::now();
        if self.studio.lock().fails > 0 {
            self.loads_fail();
        }
        if let Some(wrong) = self.studio.lock().wrong.first().cloned() {
            self.wrong(&wrong);
        }
        let late = |one: &&Pending| one.must && !one.told && now - one.departure.at > self.seen;
        if let Some(late) = self.pending.iter().find(late) {
            self.wrong(&format!("never told: {:?}", late.departure));
        }
        self.pending.retain(|one| now - one.departure.at <= self.seen * 3);
        if self.studio.lock().server != Server::Up {
            return self.excuse_all();
        }
        if let Some((key, seen)) = self.back.filter(|(_, seen)| *seen < now) {
            self.back = None;
            self.note(format!("  {key} was there at {:?}", seen - self.began));
            if self.studio.lock().is_ready(key) {
                self.out.insert(key, false);
            }
        }
        for (key, policy) in KEYS.into_iter().zip(self.kept) {
            let due = self.excused.get(key).is_none_or(|until| *until < now);
            let out = self.out.get(key) == Some(&true);
            if !policy.now() || out || !due || self.studio.lock().is_ready(key) {
                continue;
            }
            self.wrong(&format!("{key} is to be warm and is not"));
        }
    }

    /// Two seconds, four, eight, between attempts that each take as long as a load.
    fn loads_fail(&mut self) {
        let more = self.studio.lock().load_time * 4 + SECOND * 30;
        for key in &KEYS[..WATCHED] {
            self.excuse(key, more);
        }
    }

    /// With a limit of one, whoever was asked for last is left in peace.
    fn asked_for(&mut self, key: &'static str) {
        if self.limit.is_some() {
            for other in KEYS[..WATCHED].iter().filter(|other| **other != key) {
                self.excuse(other, Duration::from_secs(330));
            }
        }
    }

    async fn request(&mut self, key: &'static str) {
        self.asked_for(key);
        if !self.studio.lock().is_ready(key) || self.studio.lock().server != Server::Up {
            let insist = self.dice.chance(50);
            self.note(format!("a request wants {key}, insist {insist}"));
            self.keeper.want(&name(key), insist);
            if insist {
                self.excuse(key, Duration::ZERO);
            }
            return;
        }
        let takes = self.dice.seconds(1, 90);
        let crashes = self.dice.chance(4);
        self.note(format!("{key} answers for {takes:?}, crashes {crashes}"));
        let busy = self.keeper.busy(&name(key));
        self.studio.lock().here.get_mut(key).unwrap().busy += 1;
        sleep(takes).await;
        let mut crashed = false;
        {
            let mut inner = self.studio.lock();
            if let Some(instance) = inner.here.get_mut(key) {
                instance.busy = 0;
                instance.used = Instant::now();
                crashed = crashes;
            }
            if crashed {
                inner.go(key, Truth::CrashedAtWork);
            }
        }
        if crashed {
            self.keeper.trouble(&name(key), "The model has crashed without additional information", Trouble::Crashed);
        }
        drop(busy);
    }

    async fn step(&mut self) {
        let pause = if self.dice.chance(20) { self.dice.seconds(1, 20) } else { self.dice.seconds(20, 900) };
        sleep(pause).await;
        self.check();
        match self.dice.below(100) {
            0..40 => {
                let key = self.key(WATCHED);
                self.request(key).await;
            }
            40..52 => {
                let key = self.key(KEYS.len());
                self.note(format!("somebody else asks LM Studio for {key}"));
                self.asked_for(key);
                let up = self.studio.lock().server == Server::Up;
                if up {
                    let new = !self.studio.lock().here.contains_key(key);
                    self.take_departures();
                    self.studio.lock().just_in_time(key);
                    self.excuse_all();
                    // One that comes back between two looks was never seen to go.
                    for pending in self.pending.iter_mut().filter(|one| one.departure.key == key && !one.told) {
                        pending.must = false;
                        if pending.departure.explicit {
                            self.disguised.insert(key);
                        }
                    }
                    if new {
                        self.back = Some((key, Instant::now() + self.grace()));
                    }
                }
            }
            52..58 => {
                let key = self.key(WATCHED);
                self.note(format!("{key} crashes"));
                if self.studio.lock().is_ready(key) {
                    self.studio.lock().go(key, Truth::Crashed);
                }
            }
            58..63 => {
                let key = self.key(WATCHED);
                self.note(format!("a person ejects {key} in LM Studio"));
                if self.studio.lock().is_ready(key) {
                    self.studio.lock().go(key, Truth::Ejected);
                }
            }
            63..67 => {
                let key = self.key(WATCHED);
                self.note(format!("a person ejects {key} here"));
                let answer = self.keeper.unload(&name(key)).await;
                self.note(format!("  {answer:?}"));
                if answer.is_ok() {
                    self.out.insert(key, true);
                }
            }
            67..77 => {
                let key = self.key(WATCHED);
                self.asked_for(key);
                self.note(format!("a person loads {key}"));
                self.out.insert(key, false);
                self.excuse(key, Duration::ZERO);
                let answer = self.keeper.load(&name(key)).await;
                self.note(format!("  {answer:?}"));
                self.excuse_all();
            }
            77..82 => {
                self.note("loads fail");
                self.studio.lock().fails = 1 + usize::try_from(self.dice.below(3)).unwrap();
                self.loads_fail();
            }
            82..94 => self.outage().await,
            _ => self.sleep().await,
        }
        self.check();
    }

    async fn outage(&mut self) {
        self.blur();
        let server = match self.dice.below(3) {
            0 => Server::Stopped,
            1 => Server::Quit,
            _ => Server::Unheard,
        };
        let lasts = self.dice.seconds(1, 1200);
        self.note(format!("the server is {server:?} for {lasts:?}"));
        {
            let mut inner = self.studio.lock();
            inner.server = server;
            if server == Server::Quit {
                inner.here.clear();
            }
        }
        sleep(lasts).await;
        self.blur();
        self.studio.lock().server = Server::Up;
        self.note("the server is up");
        self.excuse_all();
        // A short absence may pass unseen, and then what went with it is told by itself, or was held by nobody.
        for key in &KEYS[..WATCHED] {
            let cold = !self.studio.lock().is_ready(key);
            if server == Server::Quit && cold {
                let departure = Departure {
                    key: (*key).to_owned(),
                    truth: Truth::Crashed,
                    explicit: true,
                    lived: DAY,
                    at: Instant::now(),
                };
                self.pending.push(Pending { departure, must: false, disguised: false, told: false });
                if lasts < self.seen {
                    self.out.insert(key, true);
                }
            }
        }
    }

    /// The machine sleeps: the process's clock stands still, the calendar's does not.
    async fn sleep(&mut self) {
        self.blur();
        let slept = self.dice.seconds(60, 4 * 3600);
        self.note(format!("the machine sleeps for {slept:?}"));
        {
            let mut inner = self.studio.lock();
            inner.slept += slept;
            let now = Instant::now();
            for instance in inner.here.values_mut().filter(|instance| instance.ready <= now) {
                instance.used = instance.used.checked_sub(slept).unwrap_or(instance.used);
            }
            inner.settle();
            // Its network comes back a little later.
            inner.server = Server::Unheard;
        }
        let waking = self.dice.seconds(1, 8);
        sleep(waking).await;
        self.blur();
        self.studio.lock().server = Server::Up;
        self.excuse_all();
    }
}

/// Whether a cause could be told for what really happened, by somebody who sees what the keeper sees.
fn allowed(truth: &Truth, explicit: bool, cause: &Cause) -> bool {
    match (truth, cause) {
        (Truth::Timer, Cause::IdleTtl) | (Truth::CrashedAtWork, Cause::Crashed { .. }) => true,
        // A timer that strikes as another model comes looks like an eviction, and the other way round.
        (Truth::Timer, Cause::Evicted { .. }) | (Truth::Evicted(_), Cause::IdleTtl) => true,
        (Truth::Evicted(by), Cause::Evicted { by: told }) => by == told,
        (Truth::UnloadedByUs, Cause::UnloadedHere | Cause::MadeRoom { .. }) => true,
        // It was gone already when the keeper took it out.
        (
            Truth::Timer | Truth::Evicted(_) | Truth::Crashed | Truth::Ejected,
            Cause::UnloadedHere | Cause::MadeRoom { .. },
        ) => true,
        // No field says it; of one that was loaded to stay, an ejection is likelier than a crash at rest.
        (Truth::Crashed | Truth::Ejected, Cause::EjectedByPerson) => explicit,
        (Truth::Crashed | Truth::Ejected, Cause::IdleTtl | Cause::Evicted { .. } | Cause::Unknown) => true,
        _ => false,
    }
}

async fn live(seed: u64) -> (usize, usize, usize) {
    let mut day = Day::new(seed);
    let end = day.began + DAY;
    while Instant::now() < end {
        day.step().await;
    }
    let inner = day.studio.lock();
    (day.told, inner.loads, inner.looks)
}

#[test]
fn days_of_every_mishap_keep_the_promises() {
    let days: u64 = std::env::var("PILOTLIGHT_DAYS").ok().map_or(20, |days| days.parse().unwrap());
    let first: u64 = std::env::var("PILOTLIGHT_FIRST_DAY").ok().map_or(1, |first| first.parse().unwrap());
    let began = std::time::Instant::now();
    let (mut told, mut loads, mut looks) = (0, 0, 0);
    for seed in first..first + days {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let (t, l, k) = runtime.block_on(live(seed));
        (told, loads, looks) = (told + t, loads + l, looks + k);
    }
    assert!(told > 0 && loads > 0, "{told} unloads told, {loads} loads");
    println!("{days} days in {:?}: {told} unloads told, {loads} loads, {looks} looks", began.elapsed());
}
