//! The keeper's promises under whatever may happen, in any order.
//!
//! A small runtime stands beside the track: it loads, unloads, crashes and goes away as chance has it, and answers what
//! the track asks truthfully.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::time::Duration;

use pilotlight_wire::ModelRef;
use proptest::prelude::*;
use tokio::time::Instant;

use super::{Effect, LoadOutcome, LoadWish, Track, Use};
use crate::adapter::{LoadDone, LoadFailure, LoadFailureKind, LookFailure, Observation, Presence, Seen};
use crate::{Cause, KeepWarm, Occurrence, Trouble, WatchedModel};

#[derive(Clone, Debug)]
enum Step {
    Pass(u64),
    Look,
    LoadEnds(u8),
    UnloadEnds(bool),
    WhyGone,
    Want(usize, bool),
    Load(usize),
    Unload(usize),
    Trouble(usize, Trouble),
    Busy(usize, bool),
    /// Somebody else begins a load, ends it, or takes a model away.
    Others(usize, Presence),
    Server(u8),
    Replan(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let trouble = prop_oneof![
        Just(Trouble::Refused),
        Just(Trouble::Cut),
        Just(Trouble::Unloaded),
        Just(Trouble::Crashed),
        Just(Trouble::NotLoaded),
        Just(Trouble::Other)
    ];
    let presence =
        prop_oneof![Just(Presence::Absent), Just(Presence::Loading), Just(Presence::Instance), Just(Presence::Loaded)];
    prop_oneof![
        4 => (1u64..400_000).prop_map(Step::Pass),
        8 => Just(Step::Look),
        4 => (0u8..6).prop_map(Step::LoadEnds),
        2 => any::<bool>().prop_map(Step::UnloadEnds),
        1 => Just(Step::WhyGone),
        2 => (0usize..3, any::<bool>()).prop_map(|(at, insist)| Step::Want(at, insist)),
        1 => (0usize..3).prop_map(Step::Load),
        1 => (0usize..3).prop_map(Step::Unload),
        2 => (0usize..3, trouble).prop_map(|(at, trouble)| Step::Trouble(at, trouble)),
        2 => (0usize..3, any::<bool>()).prop_map(|(at, begins)| Step::Busy(at, begins)),
        4 => (0usize..3, presence).prop_map(|(at, presence)| Step::Others(at, presence)),
        2 => (0u8..4).prop_map(Step::Server),
        1 => (0u8..8).prop_map(Step::Replan),
    ]
}

fn name(at: usize) -> ModelRef {
    ModelRef::new("lm", &format!("m{at}")).unwrap()
}

fn watched(at: usize, keep_warm: bool) -> WatchedModel {
    let keep_warm = if keep_warm { KeepWarm::Always } else { KeepWarm::No };
    WatchedModel { model: name(at), upstream_id: format!("m{at}"), context: None, keep_warm, title: format!("M{at}") }
}

/// What has been told of a model.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Heard {
    #[default]
    Nothing,
    Started,
    Loaded,
    Unloaded,
}

struct World {
    track: Track,
    now: Instant,
    /// The runtime's truth.
    models: [Presence; 3],
    /// 0 answers, 1 refuses, 2 is silent, 3 rejects.
    server: u8,
    looking: bool,
    load: Option<LoadWish>,
    unloads: Vec<ModelRef>,
    probing: bool,
    asked_loads: BTreeMap<ModelRef, usize>,
    heard: BTreeMap<ModelRef, Heard>,
    /// Whether the server's going was told last, rather than its coming.
    told_gone: bool,
    last_look: Option<Instant>,
    /// Which models are to be kept warm, one bit each.
    kept: u8,
    uses: [Use; 3],
}

impl World {
    fn new() -> Self {
        let now = Instant::now();
        let models: Vec<_> = (0..3).map(|at| watched(at, at < 2)).collect();
        let mut track = Track::new("lm", &models, Duration::from_secs(5), now);
        track.connected("LM Studio", true, Some(Duration::from_secs(3600)));
        Self {
            track,
            now,
            models: [Presence::Absent; 3],
            server: 0,
            looking: false,
            load: None,
            unloads: Vec::new(),
            probing: false,
            asked_loads: BTreeMap::new(),
            heard: BTreeMap::new(),
            told_gone: false,
            last_look: None,
            kept: 3,
            uses: [Use::default(); 3],
        }
    }

    fn act(&mut self) -> Result<(), TestCaseError> {
        for effect in self.track.act(self.now) {
            match effect {
                Effect::Look(_) => {
                    prop_assert!(!self.looking, "two looks at a time");
                    if let Some(last) = self.last_look {
                        prop_assert!(self.now - last >= Duration::from_millis(250), "looks too often");
                    }
                    self.last_look = Some(self.now);
                    self.looking = true;
                }
                Effect::Load(wish) => {
                    prop_assert!(self.load.is_none(), "two loads in flight");
                    self.load = Some(wish);
                }
                Effect::AbortLoad => prop_assert!(self.load.take().is_some(), "nothing to abort"),
                Effect::Unload { model, .. } => {
                    prop_assert!(!self.unloads.contains(&model), "unloaded twice");
                    self.unloads.push(model);
                }
                Effect::Touch(wish) => prop_assert!(false, "{} has no idle timer to be used against", wish.model),
                Effect::WhyGone { .. } => self.probing = true,
                Effect::AnswerLoad { model, .. } => {
                    let waiting = self.asked_loads.remove(&model).unwrap_or_default();
                    prop_assert!(waiting > 0, "answered whom nobody asked");
                }
                Effect::AnswerUnload { .. } => {}
                Effect::Say(occurrence) => self.hear(occurrence)?,
            }
        }
        if let Some(at) = self.track.deadline(self.now) {
            prop_assert!(at > self.now, "wants to act again at once, for ever");
        }
        Ok(())
    }

    fn hear(&mut self, occurrence: Occurrence) -> Result<(), TestCaseError> {
        match occurrence {
            Occurrence::Unloaded { model, .. } => {
                let before = self.heard.insert(model, Heard::Unloaded);
                prop_assert!(before != Some(Heard::Unloaded), "an unload was told twice");
            }
            Occurrence::LoadStarted { model, .. } => {
                self.heard.insert(model, Heard::Started);
            }
            Occurrence::Loaded { model, .. } => {
                let before = self.heard.insert(model, Heard::Loaded);
                prop_assert!(before != Some(Heard::Loaded), "told twice that it is loaded");
            }
            Occurrence::LoadFailed { .. } => {}
            Occurrence::Unreachable { .. } => {
                prop_assert!(!self.told_gone, "told twice that the server went");
                self.told_gone = true;
            }
            Occurrence::Reachable { .. } => {
                prop_assert!(self.told_gone, "back, but never told that it went");
                self.told_gone = false;
                // What was warm before may have been loaded anew.
                self.heard.clear();
            }
        }
        Ok(())
    }

    fn look(&mut self) {
        if !self.looking {
            let Some(at) = self.track.deadline(self.now) else { return };
            self.now = self.now.max(at);
            return;
        }
        self.looking = false;
        let seen = |(at, presence): (usize, &Presence)| Seen::named(format!("m{at}"), *presence);
        let answer = match self.server {
            0 => Ok(Observation { models: self.models.iter().enumerate().map(seen).collect() }),
            1 => Err(LookFailure::Refused("refused".into())),
            2 => Err(LookFailure::Silent("silent".into())),
            _ => Err(LookFailure::Rejected("rejected".into())),
        };
        self.track.looked(answer, self.now);
    }

    fn load_ends(&mut self, how: u8) {
        let Some(wish) = self.load.take() else { return };
        let place = (0..3).find(|at| wish.model == name(*at)).unwrap();
        let outcome = if self.models[place].occupies() {
            LoadOutcome::AlreadyThere
        } else {
            let failure = |kind| LoadOutcome::Failed(LoadFailure::new(kind, "no"));
            match how {
                0 => failure(LoadFailureKind::Passing),
                1 => failure(LoadFailureKind::Lasting),
                2 => failure(LoadFailureKind::Gone),
                _ => {
                    self.models[place] = Presence::Loaded;
                    LoadOutcome::Done(LoadDone { stays: true, ..LoadDone::default() })
                }
            }
        };
        self.track.load_done(&wish.model, outcome, self.now);
    }

    fn take(&mut self, step: Step) {
        let now = self.now;
        match step {
            Step::Pass(milliseconds) => {
                let end = self.now + Duration::from_millis(milliseconds);
                self.now = self.track.deadline(self.now).map_or(end, |at| at.clamp(self.now, end));
            }
            Step::Look => self.look(),
            Step::LoadEnds(how) => self.load_ends(how),
            Step::UnloadEnds(well) => {
                let Some(model) = self.unloads.pop() else { return };
                let place = (0..3).find(|at| model == name(*at)).unwrap();
                let result = if well {
                    self.models[place] = Presence::Absent;
                    Ok(())
                } else {
                    Err(LoadFailure::new(LoadFailureKind::Passing, "no"))
                };
                self.track.unload_done(&model, result, now);
            }
            Step::WhyGone => {
                if std::mem::take(&mut self.probing) {
                    self.track.gone_because(Cause::AppQuit);
                }
            }
            Step::Want(at, insist) => self.track.want(&name(at), insist, now),
            Step::Load(at) => {
                *self.asked_loads.entry(name(at)).or_default() += 1;
                self.track.load(&name(at), now);
            }
            Step::Unload(at) => self.track.unload(&name(at)),
            Step::Trouble(at, trouble) => self.track.trouble(&name(at), trouble, "x", now),
            Step::Busy(at, begins) => {
                let using = &mut self.uses[at];
                if begins {
                    using.begin(now)
                } else {
                    using.end(now)
                }
                self.track.using(&name(at), *using);
            }
            Step::Others(at, presence) => self.models[at] = presence,
            Step::Server(server) => self.server = server,
            Step::Replan(bits) => {
                // All three stay in the plan: only what is to be kept warm changes.
                self.kept = bits;
                let models: Vec<_> = (0..3).map(|at| watched(at, bits >> at & 1 == 1)).collect();
                self.track.replan(&models, Duration::from_secs(5), now);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn loads_are_single_and_everything_is_told_once(steps in prop::collection::vec(step(), 1..120)) {
        let mut world = World::new();
        world.act()?;
        for step in steps {
            world.take(step);
            world.act()?;
        }
        // When everything is well again and everybody is patient, nobody is left waiting, and what is to be kept warm,
        // is held back by nothing and has not failed for good, is warm.
        world.server = 0;
        let kept: Vec<_> = (0..3).map(|at| watched(at, world.kept >> at & 1 == 1)).collect();
        world.track.replan(&kept, Duration::from_secs(60), world.now);
        let quiet = world.now + Duration::from_secs(2 * 3600);
        while world.now < quiet {
            world.take(Step::WhyGone);
            for presence in &mut world.models {
                if *presence != Presence::Absent {
                    *presence = Presence::Loaded;
                }
            }
            world.look();
            world.act()?;
            world.load_ends(5);
            world.act()?;
            world.take(Step::UnloadEnds(true));
            world.act()?;
        }
        prop_assert!(world.asked_loads.is_empty(), "somebody still waits: {:?}", world.asked_loads);
        for (model, local) in world.track.published() {
            let warm = matches!(local.state, crate::Warmth::Warm { .. });
            prop_assert!(warm || !local.kept_warm, "{model} is to be kept warm and is {:?}", local.state);
        }
    }
}
