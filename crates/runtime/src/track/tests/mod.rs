//! What the keeper promises, one sentence per test. Time is what each test says it is.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use pilotlight_wire::ModelRef;
use tokio::time::Instant;

use super::{Effect, LoadOutcome, Track, Use};
use crate::adapter::{
    Clock, Departure, Depth, LoadDone, LoadFailure, LoadFailureKind, LookFailure, Observation, Presence, Seen,
};
use crate::{Activity, Cause, Doing, KeepWarm, KeeperError, Occurrence, Trouble, Warmth, WatchedModel};

mod idle_timers;
mod limits;
mod loads_and_losses;
mod people_and_servers;

const POLL: Duration = Duration::from_secs(5);
const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

use Presence::{Absent, Instance, Loaded, Loading};

fn model(id: &str) -> WatchedModel {
    WatchedModel {
        model: name(id),
        upstream_id: id.to_owned(),
        context: None,
        keep_warm: KeepWarm::Always,
        title: id.to_uppercase(),
    }
}

fn name(id: &str) -> ModelRef {
    ModelRef::new("lm", id).unwrap()
}

fn failed(kind: LoadFailureKind, message: &str) -> LoadOutcome {
    LoadOutcome::Failed(LoadFailure::new(kind, message))
}

fn done() -> LoadOutcome {
    LoadOutcome::Done(LoadDone { stays: true, ..LoadDone::default() })
}

/// A track with a clock, and what it has asked for since it was last looked at.
struct Bench {
    track: Track,
    now: Instant,
    /// A look that has not been answered.
    look: Option<Depth>,
    effects: Vec<Effect>,
    /// The requests that the model `m` answers.
    using: Use,
}

impl Bench {
    fn new(models: &[WatchedModel]) -> Self {
        let now = Instant::now() + HOUR;
        let mut track = Track::new("lm", models, POLL, now);
        track.connected("LM Studio", true, Some(HOUR));
        Self { track, now, look: None, effects: Vec::new(), using: Use::default() }
    }

    /// The same, whose model `m` was loaded by us.
    fn warm() -> Self {
        let mut bench = Self::new(&[model("m")]);
        bench.see(&[("m", Absent)]);
        bench.load_done("m", done());
        assert!(matches!(bench.state("m"), Warmth::Warm { .. }));
        bench.see(&[("m", Loaded)]);
        bench.effects.clear();
        bench
    }

    /// The same, whose model `m` was there before us.
    fn warm_by_others() -> Self {
        let mut bench = Self::new(&[model("m")]);
        bench.see(&[("m", Loaded)]);
        assert_eq!(bench.said(), []);
        bench
    }

    fn act(&mut self) {
        for effect in self.track.act(self.now) {
            match effect {
                Effect::Look(depth) => {
                    assert_eq!(self.look, None, "two looks at a time");
                    self.look = Some(depth);
                }
                other => self.effects.push(other),
            }
        }
    }

    /// Lets time pass, with the machine doing what it does by itself.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.act();
            match self.track.deadline(self.now) {
                Some(at) if at <= end => self.now = at.max(self.now + Duration::from_millis(1)),
                _ => break,
            }
            if self.look.is_some() {
                break;
            }
        }
        self.now = end.max(self.now);
        self.act();
    }

    fn answer(&mut self, answer: Result<Observation, LookFailure>) {
        while self.look.is_none() {
            let at = self.track.deadline(self.now).expect("the next look has a time");
            self.now = self.now.max(at);
            self.act();
        }
        self.look.take().expect("a look is wanted");
        self.track.looked(answer, self.now);
        self.act();
    }

    /// The next look, whenever it comes, sees this.
    fn see(&mut self, models: &[(&str, Presence)]) {
        let models = models
            .iter()
            .map(|(id, presence)| {
                let mut seen = Seen::named(*id, *presence);
                seen.size_bytes = Some(1);
                if presence.occupies() {
                    seen.instances.push((*id).to_owned());
                }
                seen
            })
            .collect();
        self.answer(Ok(Observation { models }));
    }

    /// Looks at the steady pace see this for so long.
    fn see_for(&mut self, models: &[(&str, Presence)], time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.see(models);
            self.now += Duration::from_millis(1);
        }
    }

    /// The next look finds `m` like this.
    fn find(&mut self, presence: Presence, change: impl FnOnce(&mut Seen)) {
        let mut seen = Seen::named("m", presence);
        seen.size_bytes = Some(1);
        if presence.occupies() {
            seen.instances.push("m".to_owned());
        }
        change(&mut seen);
        self.answer(Ok(Observation { models: vec![seen] }));
    }

    /// Looks at the steady pace find `m` in memory, and uses that are asked for succeed, for so long. How many there
    /// were.
    fn stays_for(&mut self, time: Duration) -> usize {
        let (end, mut uses) = (self.now + time, 0);
        while self.now < end {
            self.pass(SECOND);
            if self.look.is_some() {
                self.find(Loaded, |_| {});
            }
            let asked = self.effects.len();
            self.effects.retain(|effect| !matches!(effect, Effect::Touch(_)));
            for _ in self.effects.len()..asked {
                uses += 1;
                self.track.touched(&name("m"), Ok(()), self.now);
            }
        }
        uses
    }

    fn refuse(&mut self) {
        self.answer(Err(LookFailure::Refused("connection refused".into())));
    }

    fn load_done(&mut self, id: &str, outcome: LoadOutcome) {
        self.track.load_done(&name(id), outcome, self.now);
        self.act();
    }

    fn want(&mut self, id: &str, insist: bool) {
        self.track.want(&name(id), insist, self.now);
        self.act();
    }

    fn load(&mut self, id: &str) {
        self.track.load(&name(id), self.now);
        self.act();
    }

    fn unload(&mut self, id: &str) {
        self.track.unload(&name(id));
        self.act();
    }

    fn unload_done(&mut self, id: &str, result: Result<(), LoadFailure>) {
        self.track.unload_done(&name(id), result, self.now);
        self.act();
    }

    fn trouble(&mut self, trouble: Trouble, detail: &str) {
        self.track.trouble(&name("m"), trouble, detail, self.now);
        self.act();
    }

    fn busy(&mut self, begins: bool) {
        if begins {
            self.using.begin(self.now);
        } else {
            self.using.end(self.now);
        }
        self.track.using(&name("m"), self.using);
    }

    fn state(&self, id: &str) -> Warmth {
        self.track.published().find(|(model, _)| *model == name(id)).unwrap().1.state
    }

    fn problem(&self, id: &str) -> Option<String> {
        self.track.published().find(|(model, _)| *model == name(id)).unwrap().1.problem
    }

    /// What was said since this was last asked; everything else asked for meanwhile is left.
    fn said(&mut self) -> Vec<Occurrence> {
        let (said, rest) = std::mem::take(&mut self.effects).into_iter().partition(|one| matches!(one, Effect::Say(_)));
        self.effects = rest;
        let said: Vec<Effect> = said;
        said.into_iter()
            .filter_map(|one| match one {
                Effect::Say(occurrence) => Some(occurrence),
                _ => None,
            })
            .collect()
    }

    fn loads(&mut self) -> Vec<String> {
        let (loads, rest) =
            std::mem::take(&mut self.effects).into_iter().partition(|one| matches!(one, Effect::Load(_)));
        self.effects = rest;
        let loads: Vec<Effect> = loads;
        loads
            .into_iter()
            .filter_map(|one| match one {
                Effect::Load(wish) => Some(wish.upstream_id),
                _ => None,
            })
            .collect()
    }

    /// The one thing said, which is an unload: its cause, and whether it is loaded again.
    #[track_caller]
    fn unloaded(&mut self) -> (Cause, bool) {
        let said = self.said();
        let mut unloads = said.iter().filter_map(|one| match one {
            Occurrence::Unloaded { cause, reloading, .. } => Some((cause.clone(), *reloading)),
            _ => None,
        });
        let first = unloads.next().unwrap_or_else(|| panic!("no unload was said: {said:?}"));
        assert_eq!(unloads.next(), None, "said twice");
        first
    }
}
