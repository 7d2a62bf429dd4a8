//! What the keeper promises, one sentence per test. Time is what each test says it is.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use pilotlight_wire::ModelRef;
use tokio::time::Instant;

use super::{Effect, LoadOutcome, Track};
use crate::adapter::{Depth, LoadDone, LoadFailure, LoadFailureKind, LookFailure, Observation, Presence, Seen};
use crate::{Cause, KeeperError, Occurrence, Trouble, Warmth, WatchedModel};

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
        keep_warm: true,
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
}

impl Bench {
    fn new(models: &[WatchedModel]) -> Self {
        let now = Instant::now() + HOUR;
        let mut track = Track::new("lm", models, POLL, now);
        track.connected("LM Studio", true, Some(HOUR));
        Self { track, now, look: None, effects: Vec::new() }
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
        self.track.load(&name(id));
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
        self.track.busy(&name("m"), begins, self.now);
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

#[test]
fn a_cold_model_is_loaded_once_and_told_when_it_is_warm() {
    let mut bench = Bench::new(&[model("m")]);
    assert_eq!(bench.state("m"), Warmth::Unknown);
    bench.see(&[("m", Absent)]);
    assert_eq!(bench.loads(), ["m"]);
    assert!(matches!(bench.said()[..], [Occurrence::LoadStarted { expected: None, .. }]));
    // Requests, people and looks meanwhile change nothing.
    bench.want("m", true);
    bench.load("m");
    bench.see(&[("m", Absent)]);
    bench.see(&[("m", Loading)]);
    assert_eq!((bench.loads(), bench.said()), (vec![], vec![]));
    assert!(matches!(bench.state("m"), Warmth::Loading { .. }));
    bench.now += SECOND * 30;
    let took = bench.now;
    bench.load_done("m", done());
    assert!(matches!(bench.said()[..], [Occurrence::Loaded { after, away: None, .. }] if after > SECOND * 30));
    assert_eq!(bench.state("m"), Warmth::Warm { since: took });
    assert!(matches!(bench.effects[..], [Effect::AnswerLoad { answer: Ok(_), .. }]));
}

#[test]
fn an_instance_is_no_sign_of_warmth_while_we_load_and_a_loaded_state_is() {
    let mut bench = Bench::new(&[model("m")]);
    bench.see(&[("m", Absent)]);
    bench.see(&[("m", Instance)]);
    assert!(matches!(bench.state("m"), Warmth::Loading { .. }));
    bench.see(&[("m", Loaded)]);
    assert!(matches!(bench.state("m"), Warmth::Warm { .. }));
    bench.said();
    bench.load_done("m", done());
    assert_eq!(bench.said(), [], "told twice that it is loaded");
}

#[test]
fn the_pace_is_fast_while_loading_and_steady_otherwise() {
    let mut bench = Bench::new(&[model("m")]);
    bench.see(&[("m", Absent)]);
    let began = bench.now;
    bench.see(&[("m", Loading)]);
    assert_eq!(bench.now - began, SECOND);
    bench.see(&[("m", Loading)]);
    assert_eq!(bench.now - began, SECOND * 2);
    bench.load_done("m", done());
    bench.see(&[("m", Loaded)]); // At once, after the load.
    let steady = bench.now;
    bench.see(&[("m", Loaded)]);
    assert_eq!(bench.now - steady, POLL);
    assert_eq!(bench.look, None);
}

#[test]
fn trouble_makes_it_look_at_once_but_not_more_often_than_four_times_a_second() {
    let mut bench = Bench::warm();
    let began = bench.now;
    bench.see(&[("m", Loaded)]);
    assert_eq!(bench.now - began, POLL);
    bench.now += SECOND;
    bench.trouble(Trouble::NotLoaded, "");
    assert!(bench.look.is_some(), "not at once");
    bench.see(&[("m", Loaded)]);
    let first = bench.now;
    bench.trouble(Trouble::Cut, "");
    assert_eq!(bench.look, None);
    bench.see(&[("m", Loaded)]);
    assert_eq!(bench.now - first, Duration::from_millis(250));
}

#[test]
fn an_old_look_does_not_undo_a_load() {
    let mut bench = Bench::new(&[model("m")]);
    bench.see(&[("m", Absent)]);
    bench.pass(SECOND);
    assert!(bench.look.is_some());
    bench.now += SECOND;
    bench.load_done("m", done());
    bench.said();
    bench.see(&[("m", Absent)]); // What the look that began before the end of the load saw.
    assert!(matches!(bench.state("m"), Warmth::Warm { .. }));
    assert_eq!(bench.said(), []);
    bench.see(&[("m", Loaded)]);
}

#[test]
fn what_we_loaded_went_with_nothing_to_show_for_it_so_a_person_ejected_it() {
    let mut bench = Bench::warm();
    bench.see_for(&[("m", Loaded)], MINUTE);
    bench.see(&[("m", Absent)]);
    assert_eq!(bench.unloaded(), (Cause::EjectedByPerson, false));
    assert_eq!(bench.state("m"), Warmth::Cold { reason: Some(Cause::EjectedByPerson) });
    bench.see_for(&[("m", Absent)], MINUTE * 20);
    assert_eq!((bench.loads(), bench.said()), (vec![], vec![]), "a person is not fought");
    // That was a guess: a request undoes it.
    bench.want("m", false);
    assert_eq!(bench.loads(), ["m"]);
    bench.load_done("m", done());
    bench.see(&[("m", Loaded)]);
    bench.said();
    // Ejected again: it is meant.
    bench.see(&[("m", Absent)]);
    assert_eq!(bench.unloaded(), (Cause::EjectedByPerson, false));
    bench.want("m", false);
    assert_eq!(bench.loads(), [""; 0]);
    bench.want("m", true);
    assert_eq!(bench.loads(), ["m"], "nobody else can answer");
}

#[test]
fn it_went_when_the_idle_clock_struck() {
    let mut bench = Bench::warm_by_others();
    bench.see_for(&[("m", Loaded)], HOUR - SECOND * 3);
    bench.see(&[("m", Absent)]);
    assert_eq!(bench.unloaded(), (Cause::IdleTtl, true));
    assert_eq!(bench.loads(), ["m"]);
}

#[test]
fn a_request_starts_the_idle_clock_anew() {
    let mut bench = Bench::warm_by_others();
    bench.see_for(&[("m", Loaded)], MINUTE * 30);
    bench.busy(true);
    bench.busy(false);
    bench.see_for(&[("m", Loaded)], MINUTE * 30);
    bench.see(&[("m", Absent)]);
    assert_eq!(bench.unloaded(), (Cause::Unknown, true));
}

#[test]
fn it_went_because_another_came() {
    let mut bench = Bench::warm_by_others();
    bench.see(&[("m", Loaded), ("other", Absent)]);
    bench.see(&[("m", Absent), ("other", Loading)]);
    assert_eq!(bench.unloaded(), (Cause::Evicted { by: "other".into() }, true));
}

#[test]
fn it_crashed() {
    let mut bench = Bench::warm();
    bench.busy(true);
    bench.see(&[("m", Loaded)]);
    bench.trouble(Trouble::Crashed, "Exit code: 6");
    bench.busy(false);
    bench.trouble(Trouble::Cut, "the stream ended");
    bench.see(&[("m", Absent)]);
    assert_eq!(bench.unloaded(), (Cause::Crashed { detail: "Exit code: 6".into() }, true));
    assert_eq!(bench.loads(), ["m"]);

    let mut bench = Bench::warm();
    bench.busy(true);
    bench.see(&[("m", Loaded)]);
    bench.see(&[("m", Absent)]);
    let (cause, reloading) = bench.unloaded();
    assert!(matches!(cause, Cause::Crashed { .. }) && reloading);
}

#[test]
fn a_model_that_will_not_stay_is_given_up_and_a_person_can_try_again() {
    let mut bench = Bench::warm_by_others();
    for round in 1..=3 {
        bench.trouble(Trouble::Crashed, "Exit code: 9");
        bench.see(&[("m", Absent)]);
        let said = bench.said();
        assert!(matches!(said[0], Occurrence::Unloaded { reloading, .. } if reloading == (round < 3)), "{said:?}");
        if round < 3 {
            assert_eq!(bench.loads(), ["m"]);
            bench.load_done("m", done());
            bench.see(&[("m", Loaded)]);
            bench.said();
        } else {
            assert!(matches!(&said[1], Occurrence::LoadFailed { retry_in: None, .. }), "{said:?}");
        }
    }
    bench.see_for(&[("m", Absent)], HOUR);
    bench.want("m", false);
    assert_eq!(bench.loads(), [""; 0]);
    assert!(bench.problem("m").unwrap().contains("3 times"));
    bench.load("m");
    assert_eq!(bench.loads(), ["m"]);
    bench.load_done("m", done());
    assert_eq!(bench.problem("m"), None);
}

#[test]
fn failed_loads_are_tried_again_ever_later_and_the_same_failure_is_told_once() {
    let mut bench = Bench::new(&[model("m")]);
    bench.see(&[("m", Absent)]);
    let mut waits = Vec::new();
    for _ in 0..10 {
        assert_eq!(bench.loads(), ["m"]);
        let failed_at = bench.now;
        bench.load_done("m", failed(LoadFailureKind::Passing, "busy"));
        while bench.effects.iter().all(|effect| !matches!(effect, Effect::Load(_))) {
            if bench.look.is_some() {
                bench.see(&[("m", Absent)]);
            } else {
                bench.now = bench.track.deadline(bench.now).unwrap();
                bench.act();
            }
        }
        waits.push((bench.now - failed_at).as_secs());
    }
    assert_eq!(waits, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    let failures = bench.said().into_iter().filter(|one| matches!(one, Occurrence::LoadFailed { .. })).count();
    assert_eq!(failures, 1);
    assert_eq!(bench.problem("m").unwrap(), "busy");
}

#[test]
fn a_failure_that_will_come_again_is_not_hammered() {
    let mut bench = Bench::new(&[model("m")]);
    bench.see(&[("m", Absent)]);
    bench.loads();
    bench.load_done("m", failed(LoadFailureKind::Lasting, "insufficient system resources"));
    let said = bench.said();
    assert!(
        matches!(&said[..], [_, Occurrence::LoadFailed { retry_in: Some(wait), .. }] if *wait == MINUTE * 5),
        "{said:?}"
    );
    // Requests that others can answer do not hurry it; one that nobody else can may, after a while.
    bench.see_for(&[("m", Absent)], SECOND * 10);
    bench.want("m", false);
    assert_eq!(bench.loads(), [""; 0]);
    bench.want("m", true);
    assert_eq!(bench.loads(), [""; 0]);
    bench.see_for(&[("m", Absent)], SECOND * 25);
    assert_eq!(bench.loads(), ["m"]);
}

#[test]
fn a_model_that_is_not_there_is_missing_and_left_alone() {
    let mut bench = Bench::new(&[model("m")]);
    bench.see(&[("other", Absent)]);
    assert_eq!(bench.state("m"), Warmth::Missing);
    bench.want("m", true);
    assert_eq!(bench.loads(), [""; 0]);
    // A person may know better.
    bench.load("m");
    assert_eq!(bench.loads(), ["m"]);
    bench.load_done("m", failed(LoadFailureKind::Missing, "no such model"));
    assert!(matches!(&bench.effects[..], [.., Effect::AnswerLoad { answer: Err(KeeperError::Missing(_)), .. }]));
    // Downloaded meanwhile.
    bench.see(&[("m", Absent)]);
    bench.see_for(&[("m", Absent)], MINUTE * 6);
    assert_eq!(bench.loads(), ["m"]);
}

#[test]
fn what_a_person_ejects_here_stays_out_until_a_person_or_need_brings_it_back() {
    let mut bench = Bench::warm();
    bench.unload("m");
    assert!(matches!(bench.effects[..], [Effect::Unload { .. }]));
    bench.effects.clear();
    bench.unload_done("m", Ok(()));
    assert_eq!(bench.unloaded(), (Cause::UnloadedHere, false));
    assert!(matches!(bench.effects[..], [Effect::AnswerUnload { answer: Ok(()), .. }]));
    bench.see_for(&[("m", Absent)], HOUR);
    bench.want("m", false);
    assert_eq!((bench.loads(), bench.said()), (vec![], vec![]));
    assert_eq!(bench.state("m"), Warmth::Cold { reason: Some(Cause::UnloadedHere) });
    bench.load("m");
    assert_eq!(bench.loads(), ["m"]);
    bench.load_done("m", done());
    assert!(matches!(bench.said()[..], [Occurrence::LoadStarted { .. }, Occurrence::Loaded { away: Some(_), .. }]));
    // And it is kept again.
    bench.see(&[("m", Loaded)]);
    bench.trouble(Trouble::Crashed, "");
    bench.see(&[("m", Absent)]);
    assert_eq!(bench.loads(), ["m"]);
}

#[test]
fn an_eject_seen_before_it_is_answered_is_told_once() {
    let mut bench = Bench::warm();
    bench.unload("m");
    bench.see(&[("m", Absent)]);
    assert_eq!(bench.unloaded(), (Cause::UnloadedHere, false));
    bench.unload_done("m", Ok(()));
    assert_eq!(bench.said(), []);
}

#[test]
fn nothing_is_taken_away_under_a_request() {
    let mut bench = Bench::warm();
    bench.busy(true);
    bench.unload("m");
    assert!(matches!(
        bench.effects[..],
        [Effect::AnswerUnload { answer: Err(KeeperError::Busy { requests: 1, .. }), .. }]
    ));
    bench.effects.clear();
    bench.busy(false);
    bench.unload("m");
    assert!(matches!(bench.effects[..], [Effect::Unload { .. }]));
}

#[test]
fn an_eject_during_a_load_waits_for_its_end() {
    let mut bench = Bench::new(&[model("m")]);
    bench.see(&[("m", Absent)]);
    bench.load("m");
    bench.effects.clear();
    bench.unload("m");
    assert!(matches!(bench.effects[..], [Effect::AnswerLoad { answer: Err(KeeperError::Dropped(_)), .. }]));
    bench.effects.clear();
    bench.load_done("m", done());
    assert!(bench.effects.iter().any(|effect| matches!(effect, Effect::Unload { .. })), "{:?}", bench.effects);
    bench.effects.clear();
    bench.unload_done("m", Ok(()));
    assert_eq!(bench.unloaded(), (Cause::UnloadedHere, false));
    bench.see_for(&[("m", Absent)], MINUTE);
    assert_eq!(bench.loads(), [""; 0]);
}

#[test]
fn one_load_at_a_time_and_a_person_comes_first() {
    let mut bench = Bench::new(&[model("a"), model("b"), model("c")]);
    bench.see(&[("a", Absent), ("b", Absent), ("c", Absent)]);
    assert_eq!(bench.loads(), ["a"]);
    assert!(matches!(bench.state("c"), Warmth::Loading { .. }), "next in line");
    bench.load("c");
    assert_eq!(bench.loads(), [""; 0]);
    bench.load_done("a", done());
    assert_eq!(bench.loads(), ["c"]);
    bench.load_done("c", done());
    assert_eq!(bench.loads(), ["b"]);
}

#[test]
fn somebody_elses_load_is_waited_for_not_doubled() {
    let mut bench = Bench::new(&[model("m")]);
    bench.see(&[("m", Loading)]);
    bench.want("m", true);
    bench.load("m");
    assert_eq!(bench.loads(), [""; 0]);
    assert!(matches!(bench.said()[..], [Occurrence::LoadStarted { .. }]));
    bench.see(&[("m", Loading)]);
    bench.see(&[("m", Loaded)]);
    assert!(matches!(bench.said()[..], [Occurrence::Loaded { after, away: None, .. }] if after == SECOND * 2));
    assert!(matches!(bench.effects[..], [Effect::AnswerLoad { answer: Ok(_), .. }]));
}

#[test]
fn somebody_was_faster_than_our_load() {
    let mut bench = Bench::new(&[model("m")]);
    bench.see(&[("m", Absent)]);
    bench.load_done("m", LoadOutcome::AlreadyThere);
    bench.said();
    bench.see(&[("m", Loading)]);
    assert_eq!((bench.said(), bench.loads()), (vec![], vec!["m".to_owned()]));
    bench.see(&[("m", Absent)]);
    assert!(matches!(bench.said()[..], [Occurrence::LoadFailed { retry_in: Some(_), .. }]));
    bench.see_for(&[("m", Absent)], SECOND * 3);
    assert_eq!(bench.loads(), ["m"]);
}

#[test]
fn a_server_that_goes_is_told_once_with_its_cause_and_its_models_come_back() {
    let mut bench = Bench::warm();
    bench.refuse();
    assert!(matches!(bench.state("m"), Warmth::Unreachable { .. }));
    assert_eq!(bench.said(), [], "told when the cause is known");
    assert!(bench.effects.contains(&Effect::WhyGone));
    bench.track.gone_because(Cause::AppQuit);
    bench.act();
    assert!(matches!(bench.said()[..], [Occurrence::Unreachable { cause: Cause::AppQuit, .. }]));
    let went = bench.now;
    for _ in 0..5 {
        bench.refuse();
    }
    assert_eq!(bench.now - went, SECOND * 10, "a server that is away is asked every 2 s");
    assert_eq!(bench.said(), []);
    bench.see(&[("m", Absent)]);
    let said = bench.said();
    assert!(matches!(said[..], [Occurrence::Reachable { .. }, Occurrence::LoadStarted { .. }]), "{said:?}");
    assert_eq!(bench.loads(), ["m"]);
    bench.now += SECOND * 7;
    bench.load_done("m", done());
    let said = bench.said();
    assert!(matches!(said[..], [Occurrence::Loaded { away: Some(away), .. }] if away > SECOND * 10), "{said:?}");
}

#[test]
fn a_model_that_outlived_its_server_is_not_told_of() {
    let mut bench = Bench::warm();
    let Warmth::Warm { since } = bench.state("m") else { panic!() };
    bench.refuse();
    bench.track.gone_because(Cause::ServerStopped);
    bench.act();
    bench.said();
    bench.see(&[("m", Loaded)]);
    assert!(matches!(bench.said()[..], [Occurrence::Reachable { .. }]));
    assert_eq!(bench.state("m"), Warmth::Warm { since });
    assert_eq!(bench.loads(), [""; 0]);
    // It is still ours: an eject is told from an eviction.
    bench.see(&[("m", Absent), ("n", Loaded)]);
    assert_eq!(bench.unloaded().0, Cause::EjectedByPerson);
}

#[test]
fn a_server_that_never_answered_is_not_missed() {
    let mut bench = Bench::new(&[model("m")]);
    bench.refuse();
    bench.refuse();
    assert_eq!((bench.said(), bench.effects.len()), (vec![], 0));
    bench.see(&[("m", Absent)]);
    assert!(matches!(bench.said()[..], [Occurrence::LoadStarted { .. }]));
}

#[test]
fn one_silence_is_chance_and_a_working_runtime_may_be_slow() {
    let silence = || Err(LookFailure::Silent("no answer in time".into()));
    let mut bench = Bench::warm();
    bench.answer(silence());
    assert!(matches!(bench.state("m"), Warmth::Warm { .. }));
    bench.see(&[("m", Loaded)]);
    bench.answer(silence());
    bench.answer(silence());
    assert!(matches!(bench.state("m"), Warmth::Unreachable { .. }));

    let mut bench = Bench::warm();
    bench.busy(true);
    for _ in 0..3 {
        bench.answer(silence());
        assert!(matches!(bench.state("m"), Warmth::Warm { .. }));
    }
    bench.answer(silence());
    assert!(matches!(bench.state("m"), Warmth::Unreachable { .. }));
}

#[test]
fn a_refused_key_is_no_absence() {
    let mut bench = Bench::warm();
    bench.answer(Err(LookFailure::Rejected("it refuses the key".into())));
    assert_eq!(bench.track.reachable(), (true, Some("it refuses the key".into())));
    assert_eq!(bench.state("m"), Warmth::Unknown);
    assert_eq!(bench.said(), []);
    bench.see(&[("m", Loaded)]);
    assert!(matches!(bench.state("m"), Warmth::Warm { .. }));
    assert_eq!((bench.said(), bench.loads()), (vec![], vec![]));
}

#[test]
fn a_plan_without_the_model_gives_up_its_load() {
    let mut bench = Bench::new(&[model("m"), model("n")]);
    bench.see(&[("m", Absent), ("n", Absent)]);
    bench.load("m");
    bench.effects.clear();
    bench.track.replan(&[model("n")], POLL, bench.now);
    bench.act();
    assert!(bench.effects.contains(&Effect::AbortLoad));
    assert!(bench.effects.iter().any(|effect| matches!(effect, Effect::AnswerLoad { answer: Err(_), .. })));
    assert_eq!(bench.loads(), ["n"]);
    bench.load_done("m", done()); // An answer that comes all the same.
    assert_eq!(bench.track.published().count(), 1);
}

#[test]
fn a_model_not_to_be_kept_is_loaded_for_a_request_only() {
    let mut cold = model("m");
    cold.keep_warm = false;
    let mut bench = Bench::new(&[cold.clone()]);
    bench.see_for(&[("m", Absent)], MINUTE);
    assert_eq!(bench.loads(), [""; 0]);
    bench.want("m", false);
    assert_eq!(bench.loads(), ["m"]);
    bench.load_done("m", failed(LoadFailureKind::Passing, "busy"));
    assert!(matches!(bench.said()[..], [_, Occurrence::LoadFailed { retry_in: None, .. }]));
    bench.see_for(&[("m", Absent)], MINUTE);
    assert_eq!(bench.loads(), [""; 0]);
    // Kept from now on.
    bench.track.replan(&[model("m")], POLL, bench.now);
    bench.act();
    assert_eq!(bench.loads(), ["m"]);
}

#[test]
fn a_wish_made_before_the_first_look_is_remembered() {
    let mut cold = model("m");
    cold.keep_warm = false;
    let mut bench = Bench::new(&[cold]);
    bench.want("m", false);
    bench.see(&[("m", Absent)]);
    assert_eq!(bench.loads(), ["m"]);
}

#[test]
fn a_server_that_cannot_tell_is_never_asked_to_load() {
    let mut bench = Bench::new(&[model("m")]);
    bench.track.connected("the server", false, None);
    bench.see(&[("m", Presence::Untold)]);
    bench.want("m", true);
    assert_eq!(bench.state("m"), Warmth::Unknown);
    assert_eq!(bench.problem("m"), None);
    assert_eq!(bench.effects, []);
    bench.load("m");
    assert!(matches!(bench.effects[..], [Effect::AnswerLoad { answer: Err(KeeperError::Unsupported { .. }), .. }]));
    bench.see(&[("n", Presence::Untold)]);
    assert_eq!(bench.problem("m").unwrap(), "the server does not list it");
    assert_eq!(bench.state("m"), Warmth::Unknown, "it may answer all the same");
}

#[test]
fn less_context_than_asked_and_a_second_copy_are_pointed_out() {
    let mut asked = model("m");
    asked.context = Some(100_000);
    let mut bench = Bench::new(&[asked]);
    let mut seen = Seen::named("m", Loaded);
    seen.context = Some(4096);
    seen.instances = vec!["m".into()];
    bench.answer(Ok(Observation { models: vec![seen.clone()] }));
    assert!(bench.problem("m").unwrap().contains("4096"));
    seen.instances.push("m:2".into());
    seen.size_bytes = Some(1);
    bench.answer(Ok(Observation { models: vec![seen] }));
    assert!(bench.problem("m").unwrap().contains("2 times"));
}

#[test]
fn a_person_who_asks_during_an_eject_that_fails_is_answered() {
    let mut bench = Bench::warm();
    bench.unload("m");
    bench.load("m");
    bench.effects.clear();
    bench.unload_done("m", Err(LoadFailure::new(LoadFailureKind::Passing, "no")));
    assert!(matches!(
        bench.effects[..],
        [Effect::AnswerUnload { answer: Err(_), .. }, Effect::AnswerLoad { answer: Ok(_), .. }]
    ));
}

#[test]
fn a_load_that_succeeds_proves_that_the_server_is_back() {
    let mut bench = Bench::new(&[model("m")]);
    bench.refuse();
    bench.load("m");
    assert_eq!(bench.loads(), ["m"]);
    bench.load_done("m", done());
    assert!(matches!(bench.state("m"), Warmth::Warm { .. }));
    bench.said();
    bench.load("m");
    bench.see(&[("m", Loaded)]);
    assert_eq!((bench.loads(), bench.said()), (vec![], vec![]));
}

#[test]
fn a_model_lost_in_an_absence_too_short_to_tell_of_is_told_of_itself() {
    let mut bench = Bench::warm_by_others();
    bench.refuse();
    bench.see(&[("m", Absent)]);
    assert_eq!(bench.unloaded(), (Cause::Unknown, true));
    bench.track.gone_because(Cause::AppQuit);
    bench.act();
    assert_eq!(bench.said(), [], "the server is back");
}

#[test]
fn a_load_that_fails_after_the_model_was_seen_warm_was_a_load_and_a_loss() {
    let mut bench = Bench::new(&[model("m")]);
    bench.see(&[("m", Absent)]);
    bench.see(&[("m", Loaded)]);
    assert_eq!(bench.said().len(), 2);
    bench.trouble(Trouble::Crashed, "Exit code: 6");
    bench.load_done("m", failed(LoadFailureKind::Lasting, "crashed"));
    assert_eq!(bench.said(), []);
    bench.see(&[("m", Absent)]);
    assert_eq!(bench.unloaded(), (Cause::Crashed { detail: "Exit code: 6".into() }, true));
    assert_eq!(bench.loads(), ["m", "m"]);
}
