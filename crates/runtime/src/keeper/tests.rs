//! The keeper's tasks, in paused time over a runtime without a socket.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;
use std::time::Duration;

use pilotlight_wire::ModelRef;
use tokio::sync::{broadcast, watch};
use tokio::time::{Instant, sleep, timeout};

use super::Keeper;
use super::fake::Fake;
use crate::adapter::{LoadFailure, LoadFailureKind, Presence};
use crate::{
    Cause, KeepWarm, KeeperError, Limits, LocalModel, Occurrence, Plan, Trouble, Warmth, WatchedModel, WatchedProvider,
};

const LOAD: Duration = Duration::from_secs(30);

fn name(id: &str) -> ModelRef {
    ModelRef::new("studio", id).unwrap()
}

pub(super) fn plan(models: &[&str]) -> Plan {
    let watched = |id: &&str| WatchedModel {
        model: name(id),
        upstream_id: (*id).to_owned(),
        context: None,
        keep_warm: KeepWarm::Always,
        title: id.to_uppercase(),
    };
    let provider = WatchedProvider {
        id: "studio".into(),
        root: "http://127.0.0.1:1234".parse().unwrap(),
        key: None,
        runtime: None,
        models: models.iter().map(watched).collect(),
    };
    Plan { providers: vec![provider], poll: Plan::POLL, limits: Limits::default() }
}

/// A keeper over a fake, what it said, and the means to change its plan.
struct Scene {
    keeper: Keeper,
    heard: broadcast::Receiver<Occurrence>,
    plan: watch::Sender<Arc<Plan>>,
}

impl Scene {
    fn new(fake: &Fake, models: &[&str]) -> Self {
        let (plan, plans) = watch::channel(Arc::new(plan(models)));
        let keeper = Keeper::start(plans, Arc::new(fake.clone()));
        Self { heard: keeper.occurrences(), keeper, plan }
    }

    fn model(&self, id: &str) -> LocalModel {
        self.keeper.state().borrow().models[&name(id)].clone()
    }

    async fn until(&self, what: impl Fn(&LocalModel) -> bool, id: &str) {
        let mut state = self.keeper.state();
        let seen = state.wait_for(|state| state.models.get(&name(id)).is_some_and(&what));
        timeout(Duration::from_secs(3600), seen).await.expect("an hour is enough").unwrap();
    }

    async fn warm(&self, id: &str) {
        self.until(|model| matches!(model.state, Warmth::Warm { .. }), id).await;
    }

    async fn next(&mut self) -> Occurrence {
        timeout(Duration::from_secs(3600), self.heard.recv()).await.expect("an hour is enough").unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn every_model_of_the_plan_is_known_at_once() {
    let scene = Scene::new(&Fake::new(&["m"], LOAD), &["m"]);
    assert_eq!(scene.model("m").state, Warmth::Unknown);
    assert!(!scene.keeper.state().borrow().runtimes["studio"].reachable);
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_there_is_one_load() {
    let fake = Fake::new(&["m", "n"], LOAD);
    let mut scene = Scene::new(&fake, &["m", "n"]);
    let (m, n) = (name("m"), name("n"));
    assert!(matches!(scene.next().await, Occurrence::LoadStarted { .. }));
    for _ in 0..50 {
        scene.keeper.want(&m, true);
    }
    let began = Instant::now();
    let (a, b, c) = tokio::join!(scene.keeper.load(&m), scene.keeper.load(&m), scene.keeper.load(&n));
    assert_eq!(a.unwrap().model, m);
    assert!(b.is_ok() && c.is_ok());
    assert!(began.elapsed() > LOAD + LOAD / 2, "one after the other");
    assert_eq!(fake.with(|inner| (inner.loads, inner.most_at_once)), (2, 1));
    assert!(matches!(scene.model("m").state, Warmth::Warm { .. }));
    assert!(matches!(scene.next().await, Occurrence::Loaded { .. }));
    assert!(matches!(scene.next().await, Occurrence::LoadStarted { .. }));
    assert!(matches!(scene.next().await, Occurrence::Loaded { .. }));
    assert!(scene.heard.try_recv().is_err());
}

/// One LM Studio as two providers, for two of its APIs.
#[tokio::test(start_paused = true)]
async fn two_providers_that_are_one_server_load_a_model_once() {
    let fake = Fake::new(&["m"], LOAD);
    let mut both = plan(&["m"]);
    let mut second = both.providers[0].clone();
    second.id = "second".into();
    second.root = "http://localhost:1234".parse().unwrap();
    second.models[0].model = ModelRef::new("second", "m").unwrap();
    let models = [name("m"), second.models[0].model.clone()];
    both.providers.push(second);
    let (_plan, plans) = watch::channel(Arc::new(both));
    let keeper = Keeper::start(plans, Arc::new(fake.clone()));
    let (first, second) = tokio::join!(keeper.load(&models[0]), keeper.load(&models[1]));
    assert!(first.is_ok() && second.is_ok(), "{first:?} {second:?}");
    assert_eq!(fake.with(|inner| (inner.loads, inner.most_at_once)), (1, 1));
    let state = keeper.state().borrow().clone();
    assert!(models.iter().all(|model| matches!(state.models[model].state, Warmth::Warm { .. })), "{state:?}");
}

#[tokio::test(start_paused = true)]
async fn a_model_that_crashed_is_seen_at_once_and_loaded_again() {
    let fake = Fake::new(&["m"], LOAD);
    let mut scene = Scene::new(&fake, &["m"]);
    scene.warm("m").await;
    sleep(Duration::from_secs(60)).await;
    let busy = scene.keeper.busy(&name("m"));
    fake.set("m", Presence::Absent);
    scene.heard = scene.keeper.occurrences();
    let began = Instant::now();
    scene.keeper.trouble(&name("m"), "Exit code: 6", Trouble::Crashed);
    drop(busy);
    let said = scene.next().await;
    assert!(began.elapsed() < Duration::from_millis(300), "{:?}", began.elapsed());
    let cause = Cause::Crashed { detail: "Exit code: 6".into() };
    let evidence = "a request was told so".into();
    let unloaded = Occurrence::Unloaded { model: name("m"), title: "M".into(), cause, evidence, reloading: true };
    assert_eq!(said, unloaded);
    assert!(matches!(scene.next().await, Occurrence::LoadStarted { expected: Some(_), .. }));
    // What is told is in the state already.
    assert!(matches!(scene.model("m").state, Warmth::Loading { expected: Some(_), .. }));
    assert!(matches!(scene.next().await, Occurrence::Loaded { away: Some(away), .. } if away >= LOAD));
}

#[tokio::test(start_paused = true)]
async fn an_unload_is_seen_within_one_look_without_any_request() {
    let fake = Fake::new(&["m"], LOAD);
    let mut scene = Scene::new(&fake, &["m"]);
    scene.warm("m").await;
    sleep(Duration::from_secs(60)).await;
    scene.heard = scene.keeper.occurrences();
    fake.set("m", Presence::Absent);
    let began = Instant::now();
    assert!(matches!(scene.next().await, Occurrence::Unloaded { .. }));
    assert!(began.elapsed() <= Plan::POLL);
}

#[tokio::test(start_paused = true)]
async fn looks_are_rare_while_nothing_happens() {
    let fake = Fake::new(&["m"], LOAD);
    let scene = Scene::new(&fake, &["m"]);
    scene.warm("m").await;
    sleep(Duration::from_secs(10)).await;
    let before = fake.with(|inner| inner.looks);
    sleep(Duration::from_secs(600)).await;
    let looks = fake.with(|inner| inner.looks) - before;
    assert!((115..=121).contains(&looks), "{looks} looks in ten minutes");
    assert_eq!(fake.with(|inner| inner.connects), 1);
}

#[tokio::test(start_paused = true)]
async fn a_persons_eject_is_done_and_kept_but_not_under_a_request() {
    let fake = Fake::new(&["m"], LOAD);
    let scene = Scene::new(&fake, &["m"]);
    scene.warm("m").await;
    let busy = scene.keeper.busy(&name("m"));
    let refused = scene.keeper.unload(&name("m")).await.unwrap_err();
    assert_eq!(refused, KeeperError::Busy { model: name("m"), requests: 1 });
    drop(busy);
    scene.keeper.unload(&name("m")).await.unwrap();
    assert_eq!(fake.with(|inner| inner.unloads.clone()), ["m"]);
    assert_eq!(scene.model("m").state, Warmth::Cold { reason: Some(Cause::UnloadedHere) });
    assert!(!scene.model("m").kept_warm);
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(fake.with(|inner| inner.loads), 1);
    scene.keeper.load(&name("m")).await.unwrap();
    assert!(scene.model("m").kept_warm);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_goes_and_comes_back() {
    let fake = Fake::new(&["m"], LOAD);
    let mut scene = Scene::new(&fake, &["m"]);
    scene.warm("m").await;
    sleep(Duration::from_secs(60)).await;
    scene.heard = scene.keeper.occurrences();
    fake.with(|inner| inner.refuses = true);
    assert_eq!(
        scene.next().await,
        Occurrence::Unreachable {
            provider: "studio".into(),
            detail: "connection refused".into(),
            cause: Cause::AppQuit
        }
    );
    assert!(matches!(scene.model("m").state, Warmth::Unreachable { .. }));
    let failed = scene.keeper.load(&name("m")).await.unwrap_err();
    assert!(matches!(failed, KeeperError::Unreachable { .. }), "{failed:?}");
    sleep(Duration::from_secs(100)).await;
    fake.set("m", Presence::Absent);
    fake.with(|inner| inner.refuses = false);
    assert!(matches!(scene.next().await, Occurrence::Reachable { .. }));
    assert!(matches!(scene.next().await, Occurrence::LoadStarted { .. }));
    assert!(matches!(scene.next().await, Occurrence::Loaded { away: Some(away), .. } if away.as_secs() >= 130));
    assert_eq!(fake.with(|inner| inner.connects), 2, "what came back may be something else");
}

#[tokio::test(start_paused = true)]
async fn a_network_that_was_cut_leaves_nothing_of_before() {
    let fake = Fake::new(&["m"], LOAD);
    let mut scene = Scene::new(&fake, &["m"]);
    scene.warm("m").await;
    scene.heard = scene.keeper.occurrences();
    fake.with(|inner| inner.silent = true);
    assert!(matches!(scene.next().await, Occurrence::Unreachable { .. }));
    sleep(Duration::from_secs(600)).await;
    fake.with(|inner| inner.silent = false);
    assert!(matches!(scene.next().await, Occurrence::Reachable { .. }));
    scene.warm("m").await;
    assert_eq!(fake.with(|inner| (inner.connects, inner.loads)), (2, 1), "what was listened to may be cut for good");
}

#[tokio::test(start_paused = true)]
async fn a_server_is_started_when_a_person_asks_and_only_then() {
    let fake = Fake::new(&["m"], LOAD);
    fake.with(|inner| inner.refuses = true);
    let scene = Scene::new(&fake, &["m"]);
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(fake.with(|inner| inner.starts), 0);
    let (one, two) = tokio::join!(scene.keeper.start_runtime("studio"), scene.keeper.start_runtime("studio"));
    assert!(one.unwrap().reachable && two.unwrap().reachable);
    assert_eq!(fake.with(|inner| inner.starts), 1);
    scene.warm("m").await;
    let unknown = scene.keeper.start_runtime("cellar").await.unwrap_err();
    assert!(unknown.to_string().contains("studio"), "{unknown}");
}

#[tokio::test(start_paused = true)]
async fn the_plan_changes() {
    let fake = Fake::new(&["m", "n"], LOAD);
    let scene = Scene::new(&fake, &["m"]);
    scene.until(|model| matches!(model.state, Warmth::Loading { .. }), "m").await;
    // The model goes in mid-load: its load is given up, and the other one's begins.
    let waiting = tokio::spawn({
        let keeper = scene.keeper.clone();
        async move { keeper.load(&name("m")).await }
    });
    sleep(Duration::from_secs(1)).await;
    scene.plan.send_replace(Arc::new(plan(&["n"])));
    assert_eq!(waiting.await.unwrap().unwrap_err(), KeeperError::Dropped(name("m")));
    scene.warm("n").await;
    assert!(!scene.keeper.state().borrow().models.contains_key(&name("m")));
    assert_eq!(scene.keeper.load(&name("m")).await.unwrap_err(), KeeperError::UnknownModel(name("m")));
    // Another address is another server.
    let mut moved = plan(&["n"]);
    moved.providers[0].root = "http://127.0.0.1:4321".parse().unwrap();
    scene.plan.send_replace(Arc::new(moved));
    scene.keeper.state().wait_for(|state| state.runtimes["studio"].address.port() == Some(4321)).await.unwrap();
    scene.warm("n").await;
    assert_eq!(fake.with(|inner| inner.connects), 2);
    // Without a provider, nothing is left.
    scene.plan.send_replace(Arc::new(Plan::default()));
    scene.keeper.state().wait_for(|state| state.runtimes.is_empty() && state.models.is_empty()).await.unwrap();
    let looks = fake.with(|inner| inner.looks);
    sleep(Duration::from_secs(60)).await;
    assert_eq!(fake.with(|inner| inner.looks), looks);
    assert_eq!(scene.keeper.load(&name("n")).await.unwrap_err(), KeeperError::UnknownModel(name("n")));
}

#[tokio::test(start_paused = true)]
async fn a_failed_load_is_told_and_tried_again() {
    let fake = Fake::new(&["m"], Duration::from_secs(1));
    fake.with(|inner| inner.fails = Some(LoadFailure::new(LoadFailureKind::Passing, "disk is slow")));
    let mut scene = Scene::new(&fake, &["m"]);
    assert!(matches!(scene.next().await, Occurrence::LoadStarted { .. }));
    let said = scene.next().await;
    assert!(
        matches!(&said, Occurrence::LoadFailed { message, retry_in: Some(_), .. } if message == "disk is slow"),
        "{said:?}"
    );
    assert_eq!(scene.model("m").problem.unwrap(), "disk is slow");
    fake.with(|inner| inner.fails = None);
    scene.warm("m").await;
    assert_eq!(scene.model("m").problem, None);
}

#[tokio::test(start_paused = true)]
async fn the_last_handle_ends_it() {
    let fake = Fake::new(&["m"], LOAD);
    let scene = Scene::new(&fake, &["m"]);
    scene.warm("m").await;
    let Scene { keeper, mut heard, plan: _plan } = scene;
    drop(keeper);
    let ended = async { while !matches!(heard.recv().await, Err(broadcast::error::RecvError::Closed)) {} };
    timeout(Duration::from_secs(1), ended).await.expect("its tasks end");
    let looks = fake.with(|inner| inner.looks);
    sleep(Duration::from_secs(60)).await;
    assert_eq!(fake.with(|inner| inner.looks), looks);
}

#[tokio::test(start_paused = true)]
async fn a_model_whose_last_request_has_ended_makes_room_at_once() {
    let fake = Fake::new(&["m", "n"], LOAD);
    let mut wanted = plan(&["m", "n"]);
    wanted.limits = Limits { models: Some(1), bytes: None };
    for model in &mut wanted.providers[0].models {
        model.keep_warm = KeepWarm::No;
    }
    let (_plan, plans) = watch::channel(Arc::new(wanted));
    let keeper = Keeper::start(plans, Arc::new(fake.clone()));
    keeper.load(&name("m")).await.unwrap();
    let busy = keeper.busy(&name("m"));
    let other = tokio::spawn({
        let keeper = keeper.clone();
        async move { keeper.load(&name("n")).await }
    });
    sleep(Duration::from_secs(61)).await;
    assert_eq!(fake.with(|inner| inner.loads), 1);
    let began = Instant::now();
    drop(busy);
    other.await.unwrap().unwrap();
    assert!(began.elapsed() < LOAD + Duration::from_millis(500), "{:?}", began.elapsed());
    assert_eq!(fake.with(|inner| inner.loads), 2);
}
