//! The keeper over real sockets, against the simulated LM Studio: in real time, with short loads and a short poll.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;
use std::time::Duration;

use pilotlight_simulator::{Control, Fault, Kind, LmStudioOptions, LoadState, Model, Options, Simulator, UnloadCause};
use pilotlight_wire::{ModelRef, Secret};
use tokio::sync::{broadcast, watch};
use tokio::time::timeout;

use super::{Keeper, KeeperOptions};
use crate::{
    Cause, KeeperError, LocalModel, Occurrence, Plan, RuntimeKind, Trouble, Warmth, WatchedModel, WatchedProvider,
};

const LOAD: Duration = Duration::from_millis(600);
const PATIENCE: Duration = Duration::from_secs(20);

fn name() -> ModelRef {
    "studio/m".parse().unwrap()
}

fn options() -> Options {
    Options { models: vec![Model::new("m").load_time(LOAD), Model::new("other")], ..Options::default() }
}

async fn lm_studio(options: Options) -> Simulator {
    Simulator::start(Kind::LmStudio, options).await.unwrap()
}

struct Scene {
    keeper: Keeper,
    heard: broadcast::Receiver<Occurrence>,
    _plan: watch::Sender<Arc<Plan>>,
}

impl Scene {
    fn new(server: &Simulator) -> Self {
        Self::with(server, |_| {}, vec![])
    }

    fn with(server: &Simulator, change: impl FnOnce(&mut WatchedProvider), app_ports: Vec<u16>) -> Self {
        let watched = WatchedModel {
            model: name(),
            upstream_id: "m".into(),
            context: None,
            keep_warm: crate::KeepWarm::Always,
            title: "Em".into(),
        };
        let root = server.base_url().parse().unwrap();
        let mut provider =
            WatchedProvider { id: "studio".into(), root, key: None, runtime: None, models: vec![watched] };
        change(&mut provider);
        let plan =
            Plan { providers: vec![provider], poll: Duration::from_millis(300), limits: crate::Limits::default() };
        let (sender, plans) = watch::channel(Arc::new(plan));
        let keeper = Keeper::spawn_with(plans, KeeperOptions { app_ports, user_home: None, load_times: None });
        Self { heard: keeper.occurrences(), keeper, _plan: sender }
    }

    fn model(&self) -> LocalModel {
        self.keeper.state().borrow().models[&name()].clone()
    }

    async fn until(&self, what: &str, is: impl Fn(&LocalModel) -> bool) -> LocalModel {
        let mut state = self.keeper.state();
        let seen = timeout(PATIENCE, state.wait_for(|state| is(&state.models[&name()]))).await;
        let state = seen.unwrap_or_else(|_| panic!("never {what}: {:?}", self.model())).unwrap();
        state.models[&name()].clone()
    }

    async fn warm(&self) -> LocalModel {
        self.until("warm", |model| matches!(model.state, Warmth::Warm { .. })).await
    }

    /// Warm, and all that was said of that is past.
    async fn ready(&mut self) {
        self.keeper.load(&name()).await.unwrap();
        self.heard = self.keeper.occurrences();
    }

    async fn next(&mut self) -> Occurrence {
        timeout(PATIENCE, self.heard.recv()).await.expect("something is said").unwrap()
    }
}

fn loads(control: &Control) -> u32 {
    control.state().models.iter().find(|model| model.key == "m").unwrap().loads
}

fn asked(server: &Simulator, path: &str) -> usize {
    server.requests().iter().filter(|request| request.path == path).count()
}

#[tokio::test]
async fn lm_studio_is_found_by_asking_and_the_model_loaded_explicitly_once() {
    for websocket in [true, false] {
        let lm_studio_options = LmStudioOptions { websocket, ..LmStudioOptions::default() };
        let server = lm_studio(Options { lm_studio: lm_studio_options, ..options() }).await;
        let mut scene = Scene::new(&server);
        let m = name();
        let (a, b) = tokio::join!(scene.keeper.load(&m), scene.keeper.load(&m));
        assert!(a.unwrap().after >= LOAD / 2 && b.is_ok());
        let model =
            scene.until("known in context", |model| model.loaded_context.is_some() && model.size_bytes.is_some()).await;
        assert!(matches!(model.state, Warmth::Warm { .. }));
        assert_eq!(model.instances, ["m"]);
        assert_eq!((model.loaded_context, model.quantization.as_deref()), (Some(196_608), Some("Q4_K_M")));
        assert!(model.manageable && model.kept_warm && model.problem.is_none());
        assert_eq!(scene.keeper.state().borrow().runtimes["studio"].kind, Some(RuntimeKind::LmStudio));
        let state = server.control().state();
        let instance = &state.models.iter().find(|model| model.key == "m").unwrap().instances[0];
        assert!(instance.explicit && instance.ttl_ms.is_none(), "no idle clock: {instance:?}");
        assert_eq!(loads(&server.control()), 1);
        assert!(matches!(scene.next().await, Occurrence::Loaded { away: None, .. } | Occurrence::LoadStarted { .. }));
        assert_eq!(asked(&server, "loadModel"), usize::from(websocket));
        assert_eq!(asked(&server, "/api/v1/models/load"), usize::from(!websocket));
    }
}

#[tokio::test]
async fn a_load_by_somebody_else_is_seen_as_loading_not_as_warm_and_not_doubled() {
    let server = lm_studio(options()).await;
    let control = server.control();
    control.load_time("m", Duration::from_secs(2)).unwrap();
    let theirs = tokio::spawn(async move { control.load("m").await });
    tokio::time::sleep(Duration::from_millis(500)).await;
    let scene = Scene::new(&server);
    scene.keeper.want(&name(), true);
    scene.until("loading", |model| matches!(model.state, Warmth::Loading { .. })).await;
    assert!(!theirs.is_finished());
    scene.warm().await;
    theirs.await.unwrap().unwrap();
    assert_eq!((loads(&server.control()), scene.model().instances.len()), (1, 1));
}

#[tokio::test]
async fn an_eject_in_lm_studio_is_told_and_not_fought_until_a_request_comes() {
    let server = lm_studio(options()).await;
    let mut scene = Scene::new(&server);
    scene.ready().await;
    server.control().unload("m", UnloadCause::Ejected).unwrap();
    let said = scene.next().await;
    assert!(matches!(said, Occurrence::Unloaded { cause: Cause::EjectedByPerson, reloading: false, .. }), "{said:?}");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(loads(&server.control()), 1);
    scene.keeper.want(&name(), false);
    scene.warm().await;
    assert_eq!(loads(&server.control()), 2);
}

#[tokio::test]
async fn a_crash_is_told_by_its_words_and_the_model_loaded_again() {
    let server = lm_studio(options()).await;
    let mut scene = Scene::new(&server);
    scene.ready().await;
    server.control().unload("m", UnloadCause::Crash).unwrap();
    scene.keeper.trouble(&name(), "Exit code: 6", Trouble::Crashed);
    let said = scene.next().await;
    assert!(
        matches!(&said, Occurrence::Unloaded { cause: Cause::Crashed { detail }, reloading: true, .. } if detail == "Exit code: 6"),
        "{said:?}"
    );
    assert!(matches!(scene.next().await, Occurrence::LoadStarted { .. }));
    assert!(matches!(scene.next().await, Occurrence::Loaded { away: Some(away), .. } if away >= LOAD));
    assert_eq!(server.control().model_state("m"), LoadState::Loaded);
}

#[tokio::test]
async fn an_eviction_names_who_took_the_place() {
    let mut options = options();
    options.models[0] = options.models[0].clone().loaded_just_in_time();
    let server = lm_studio(options).await;
    let mut scene = Scene::new(&server);
    scene.warm().await;
    assert_eq!(loads(&server.control()), 1, "it was there already");
    server.control().load_just_in_time("other").await.unwrap();
    let said = scene.next().await;
    assert!(
        matches!(&said, Occurrence::Unloaded { cause: Cause::Evicted { by }, reloading: true, .. } if by == "other"),
        "{said:?}"
    );
    scene.warm().await;
}

#[tokio::test]
async fn an_eject_through_us_stays() {
    let server = lm_studio(options()).await;
    let scene = Scene::new(&server);
    scene.warm().await;
    scene.keeper.unload(&name()).await.unwrap();
    assert_eq!(server.control().model_state("m"), LoadState::NotLoaded);
    assert_eq!(scene.model().state, Warmth::Cold { reason: Some(Cause::UnloadedHere) });
    scene.keeper.want(&name(), false);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(loads(&server.control()), 1);
    scene.keeper.load(&name()).await.unwrap();
    assert_eq!(loads(&server.control()), 2);
}

#[tokio::test]
async fn a_second_copy_made_elsewhere_counts_as_the_model_and_goes_with_it() {
    let server = lm_studio(options()).await;
    server.control().load("m").await.unwrap();
    server.control().load("m").await.unwrap();
    let scene = Scene::new(&server);
    scene.warm().await;
    let model = scene.until("seen twice", |model| model.instances.len() == 2).await;
    assert!(model.problem.unwrap().contains("2 times"));
    scene.keeper.unload(&name()).await.unwrap();
    assert_eq!(server.control().model_state("m"), LoadState::NotLoaded);
}

#[tokio::test]
async fn the_server_dies_and_is_said_to_be_gone_at_once() {
    let server = lm_studio(options()).await;
    let mut scene = Scene::new(&server);
    scene.ready().await;
    server.control().die();
    scene.keeper.trouble(&name(), "connection refused", Trouble::Refused);
    let began = std::time::Instant::now();
    let said = scene.next().await;
    assert!(matches!(said, Occurrence::Unreachable { cause: Cause::AppQuit, .. }), "{said:?}");
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert!(matches!(scene.model().state, Warmth::Unreachable { .. }));
}

#[tokio::test]
async fn a_stopped_server_is_told_from_a_quit_application() {
    let server = lm_studio(options()).await;
    let application = lm_studio(Options::default()).await;
    let mut scene = Scene::with(&server, |_| {}, vec![application.address().port()]);
    scene.ready().await;
    server.control().refuse(true).await;
    let said = scene.next().await;
    assert!(matches!(said, Occurrence::Unreachable { cause: Cause::ServerStopped, .. }), "{said:?}");
    server.control().refuse(false).await;
    assert!(matches!(scene.next().await, Occurrence::Reachable { .. }));
    scene.warm().await;
    assert_eq!(loads(&server.control()), 1, "it outlived its server");
}

#[tokio::test]
async fn a_server_that_hangs_is_not_told_as_quit() {
    let server = lm_studio(options()).await;
    let mut scene = Scene::new(&server);
    scene.ready().await;
    let hanging = server.control().fault(Fault::hang().on_path("*"));
    let said = scene.next().await;
    assert!(matches!(said, Occurrence::Unreachable { cause: Cause::ServerHangs, .. }), "{said:?}");
    assert!(server.control().clear_one(hanging));
    assert!(matches!(scene.next().await, Occurrence::Reachable { .. }));
}

#[tokio::test]
async fn lm_studio_0_3_loads_by_a_request_with_a_long_clock_and_cannot_unload() {
    let mut options = options();
    options.lm_studio = LmStudioOptions { v0_only: true, websocket: false, ..LmStudioOptions::default() };
    let server = lm_studio(options).await;
    let scene = Scene::new(&server);
    let model = scene.warm().await;
    assert_eq!(model.loaded_context, Some(196_608));
    let state = server.control().state();
    let instance = &state.models.iter().find(|model| model.key == "m").unwrap().instances[0];
    assert_eq!(instance.ttl_ms, Some(7 * 24 * 3_600_000));
    let error = scene.keeper.unload(&name()).await.unwrap_err();
    assert!(matches!(error, KeeperError::Unsupported { .. }), "{error:?}");
    assert!(matches!(scene.model().state, Warmth::Warm { .. }));
    assert_eq!(asked(&server, "/api/v1/models"), 1, "an unknown path is an error in LM Studio's log");
}

#[tokio::test]
async fn lm_studio_0_3_with_its_websocket_loads_for_good_with_a_context_and_unloads() {
    let mut options = options();
    options.lm_studio = LmStudioOptions { v0_only: true, ..LmStudioOptions::default() };
    let server = lm_studio(options).await;
    let scene = Scene::with(&server, |provider| provider.models[0].context = Some(4096), vec![]);
    let model = scene.warm().await;
    assert_eq!(model.loaded_context, Some(4096));
    let instance = server.control().state().models[0].instances[0].clone();
    assert!(instance.explicit && instance.ttl_ms.is_none(), "{instance:?}");
    scene.keeper.unload(&name()).await.unwrap();
    assert_eq!(server.control().model_state("m"), LoadState::NotLoaded);
}

#[tokio::test]
async fn a_load_tells_how_far_it_has_come() {
    let mut options = options();
    options.models[0].load_time = Duration::from_secs(2);
    let server = lm_studio(options).await;
    let scene = Scene::new(&server);
    let model = scene.until("half way", |model| model.progress.is_some_and(|percent| percent >= 50)).await;
    assert!(matches!(model.state, Warmth::Loading { .. }));
    let model = scene.warm().await;
    assert_eq!(model.progress, None);
    assert_eq!(loads(&server.control()), 1);
}

#[tokio::test]
async fn a_load_that_fails_over_the_websocket_is_told_in_its_words() {
    let server = lm_studio(options()).await;
    let message = "Failed to load the model: insufficient system resources";
    server.control().fault(Fault::LoadFails { message: Some(message.into()) });
    let scene = Scene::new(&server);
    let error = scene.keeper.load(&name()).await.unwrap_err();
    assert!(error.to_string().contains("insufficient system resources"), "{error}");
    assert_eq!(loads(&server.control()), 1, "what failed there is not tried over REST as well");
}

#[tokio::test]
async fn without_v0_an_instance_is_enough() {
    let server = lm_studio(options()).await;
    server.control().fault(Fault::status(404).on_path("/api/v0/models"));
    let scene = Scene::new(&server);
    scene.warm().await;
    assert_eq!(loads(&server.control()), 1);
    assert!(asked(&server, "/api/v0/models") <= 2);
}

#[tokio::test]
async fn a_load_that_fails_says_so_and_is_not_hammered() {
    let server = lm_studio(options()).await;
    server.control().fault(Fault::load_fails());
    let mut scene = Scene::new(&server);
    assert!(matches!(scene.next().await, Occurrence::LoadStarted { .. }));
    let said = scene.next().await;
    assert!(matches!(&said, Occurrence::LoadFailed { retry_in: Some(wait), .. } if wait.as_secs() == 300), "{said:?}");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(loads(&server.control()), 1);
    assert!(matches!(scene.model().state, Warmth::Cold { .. }));
    server.control().clear();
    scene.keeper.load(&name()).await.unwrap();
}

#[tokio::test]
async fn a_token_is_sent_and_one_that_is_missing_is_said() {
    let server = lm_studio(Options { key: Some("sk-lm-a:b".into()), ..options() }).await;
    let without = Scene::new(&server);
    let mut state = without.keeper.state();
    let refused = state.wait_for(|state| state.runtimes["studio"].detail.is_some());
    let status = timeout(PATIENCE, refused).await.unwrap().unwrap().runtimes["studio"].clone();
    assert!(status.reachable && status.detail.as_ref().unwrap().contains("refuses the key"), "{status:?}");
    assert_eq!(without.model().state, Warmth::Unknown);
    let with = Scene::with(&server, |provider| provider.key = Some(Secret::new("sk-lm-a:b")), vec![]);
    with.warm().await;
}

#[tokio::test]
async fn a_model_that_is_not_downloaded_is_missing() {
    let server = lm_studio(options()).await;
    let scene = Scene::with(&server, |provider| provider.models[0].upstream_id = "absent".into(), vec![]);
    scene.until("missing", |model| model.state == Warmth::Missing).await;
    let error = scene.keeper.load(&name()).await.unwrap_err();
    assert_eq!(error, KeeperError::Missing(name()));
}

#[tokio::test]
async fn another_server_is_only_known_to_answer() {
    let server =
        Simulator::start(Kind::OpenAi, Options { models: vec![Model::new("m")], ..Options::default() }).await.unwrap();
    let mut scene = Scene::new(&server);
    let mut state = scene.keeper.state();
    let answers = state.wait_for(|state| state.runtimes["studio"].reachable);
    let status = timeout(PATIENCE, answers).await.unwrap().unwrap().runtimes["studio"].clone();
    assert_eq!((status.kind, status.detail), (Some(RuntimeKind::OpenaiCompatible), None));
    let model = scene.model();
    assert_eq!((model.state, model.manageable, model.kept_warm), (Warmth::Unknown, false, false));
    let error = scene.keeper.load(&name()).await.unwrap_err();
    assert!(matches!(error, KeeperError::Unsupported { .. }), "{error:?}");
    scene.keeper.want(&name(), true);
    tokio::time::sleep(Duration::from_millis(700)).await;
    let posts = server.requests().iter().filter(|request| request.method == "POST").count();
    assert_eq!(posts, 0, "no completion is ever sent to it");
    assert!(scene.heard.try_recv().is_err());
}
