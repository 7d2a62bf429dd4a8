//! The keeper over real runtimes: `make test-runtimes`. Each test says a word and ends where its runtime is not there.
//! Real time, real processes; the models say scripted things and load in 0.3 to 4 s.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod support;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pilotlight_runtime::{Cause, KeeperError, Occurrence, RuntimeKind, Untold, Warmth};
use serde_json::json;
use support::{SEEN, Scene, Server, given, name, signal, when};
use tokio::time::{sleep, timeout};

struct Llama {
    program: PathBuf,
    large: PathBuf,
    small: PathBuf,
}

fn llama() -> Option<Llama> {
    let program = given("PILOTLIGHT_LLAMA_SERVER", "llama-server")?;
    let models = given("PILOTLIGHT_LLAMA_MODELS", "scripted models")?;
    Some(Llama { program, large: models.join("large.gguf"), small: models.join("small.gguf") })
}

/// The presets of a router, and the folder that they go with.
struct Presets(PathBuf);

impl Presets {
    fn new(llama: &Llama, large: &str) -> Self {
        let file = std::env::temp_dir().join(format!("pilotlight-{}-{large:.5}.ini", std::process::id()));
        let path = |model: &Path| model.display().to_string();
        let text = format!(
            "version = 1\n[*]\nnp = 1\ncache-ram = 0\n[large]\nmodel = {}\nc = 8192\n{large}\n[small]\nmodel = {}\nc = 4096\n",
            path(&llama.large),
            path(&llama.small)
        );
        std::fs::write(&file, text).unwrap();
        Self(file)
    }
}

impl Drop for Presets {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn router(llama: &Llama, presets: &Presets) -> Server {
    let presets = presets.0.display().to_string();
    let arguments = [
        "--models-preset",
        &presets,
        "--models-max",
        "1",
        "--no-models-autoload",
        "--offline",
        "--host",
        "127.0.0.1",
        "--port",
        "{port}",
    ];
    Server::start(&llama.program, &arguments, &[])
}

async fn status(server: &Server) -> String {
    let models = server.get("models").await;
    let lines = models["data"].as_array().cloned().unwrap_or_default();
    let large = lines.iter().find(|line| line["id"] == "large");
    large.and_then(|line| line["status"]["value"].as_str()).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn llama_server_as_a_router() {
    let Some(llama) = llama() else { return };
    let presets = Presets::new(&llama, "");
    let server = router(&llama, &presets);
    let mut scene = Scene::new(&server.root(), "large", true, None);

    eprintln!("cold start");
    let loads = when(async || status(&server).await, "loading".to_owned()).await;
    scene.until("loading", |model| matches!(model.state, Warmth::Loading { .. })).await;
    assert!(loads.elapsed() < SEEN, "{:?}", loads.elapsed());
    let loaded = when(async || status(&server).await, "loaded".to_owned()).await;
    scene.warm().await;
    assert!(loaded.elapsed() < SEEN, "{:?}", loaded.elapsed());
    // The end of the load is told first, the rest by the look after it.
    scene.until("its size", |model| model.size_bytes.is_some()).await;
    let model = scene.model();
    assert_eq!((model.loaded_context, model.instances.len()), (Some(8192), 1));
    assert!(model.size_bytes.is_some_and(|size| size > 1_000_000_000) && model.quantization.is_some(), "{model:?}");
    let runtime = scene.runtime();
    assert_eq!(runtime.kind, Some(RuntimeKind::LlamaServer));
    assert!(runtime.version.is_some() && runtime.capabilities.pushes, "{runtime:?}");

    eprintln!("kill -9 of the model's process");
    scene.forget();
    let children = server.children();
    assert_eq!(children.len(), 1);
    let killed = Instant::now();
    signal(&children[0], "-9");
    let said = scene.next().await;
    assert!(killed.elapsed() < SEEN, "{:?}", killed.elapsed());
    assert!(matches!(said, Occurrence::Unloaded { cause: Cause::Crashed { .. }, reloading: true, .. }), "{said:?}");
    assert!(matches!(scene.next().await, Occurrence::LoadStarted { expected: Some(_), .. }));
    assert!(matches!(scene.next().await, Occurrence::Loaded { away: Some(_), .. }));
    assert_eq!((status(&server).await.as_str(), server.children().len()), ("loaded", 1));

    eprintln!("unloaded by a person in its own window");
    let asked = Instant::now();
    server.post("models/unload", json!({ "model": "large" })).await;
    let said = scene.next().await;
    assert!(asked.elapsed() < SEEN, "{:?}", asked.elapsed());
    assert!(matches!(said, Occurrence::Unloaded { cause: Cause::EjectedByPerson, reloading: false, .. }), "{said:?}");
    sleep(Duration::from_secs(3)).await;
    assert_eq!(status(&server).await, "unloaded", "what a person ejected is left alone");

    eprintln!("a second and a third load while the first runs");
    server.post("models/load", json!({ "model": "large" })).await;
    let m = name();
    let (one, two) = tokio::join!(scene.keeper.load(&m), scene.keeper.load(&m));
    assert!(one.is_ok() && two.is_ok(), "{one:?} {two:?}");
    assert_eq!((server.children().len(), scene.model().instances.len()), (1, 1), "one instance");

    eprintln!("evicted for another model");
    scene.forget();
    let asked = Instant::now();
    server.post("models/load", json!({ "model": "small" })).await;
    let said = scene.next().await;
    assert!(asked.elapsed() < SEEN, "{:?}", asked.elapsed());
    assert!(
        matches!(&said, Occurrence::Unloaded { cause: Cause::Evicted { by }, reloading: true, .. } if by == "small"),
        "{said:?}"
    );
    scene.warm().await;

    eprintln!("unloaded here");
    scene.keeper.unload(&m).await.unwrap();
    assert_eq!(status(&server).await, "unloaded");
    assert_eq!(scene.model().state, Warmth::Cold { reason: Some(Cause::UnloadedHere) });

    eprintln!("its server ends, and starts again on the same port");
    scene.keeper.load(&m).await.unwrap();
    scene.forget();
    let port = server.port;
    drop(server);
    assert!(matches!(scene.next().await, Occurrence::Unreachable { .. }));
    let presets_file = presets.0.display().to_string();
    let arguments = [
        "--models-preset",
        &presets_file,
        "--models-max",
        "1",
        "--no-models-autoload",
        "--offline",
        "--host",
        "127.0.0.1",
        "--port",
        "{port}",
    ];
    let server = Server::start_on(port, &llama.program, &arguments, &[]);
    assert!(matches!(scene.next().await, Occurrence::Reachable { .. }));
    scene.warm().await;
    assert_eq!(status(&server).await, "loaded");
}

#[tokio::test]
async fn llama_server_with_an_idle_timer() {
    let Some(llama) = llama() else { return };
    let presets = Presets::new(&llama, "sleep-idle-seconds = 4");
    let server = router(&llama, &presets);
    let mut scene = Scene::new(&server.root(), "large", true, None);
    scene.warm().await;
    scene.forget();

    eprintln!("kept warm through three times its idle timer");
    sleep(Duration::from_secs(12)).await;
    assert!(scene.heard.try_recv().is_err(), "nothing happened");
    assert_eq!(status(&server).await, "loaded");

    eprintln!("left alone, it sleeps");
    scene.keep_warm(&server.root(), "large", false);
    let slept = when(async || status(&server).await, "sleeping".to_owned()).await;
    let said = scene.next().await;
    assert!(slept.elapsed() < SEEN, "{:?}", slept.elapsed());
    assert!(matches!(said, Occurrence::Unloaded { cause: Cause::IdleTtl, reloading: false, .. }), "{said:?}");

    eprintln!("and is woken when it is wanted");
    scene.keeper.load(&name()).await.unwrap();
    assert_eq!((status(&server).await.as_str(), server.children().len()), ("loaded", 1));
}

#[tokio::test]
async fn llama_server_with_one_model() {
    let Some(llama) = llama() else { return };
    let model = llama.large.display().to_string();
    let arguments = [
        "-m",
        &model,
        "-c",
        "4096",
        "-np",
        "1",
        "--cache-ram",
        "0",
        "--sleep-idle-seconds",
        "4",
        "--offline",
        "--host",
        "127.0.0.1",
        "--port",
        "{port}",
    ];
    let mut server = Server::start(&llama.program, &arguments, &[]);
    let mut scene = Scene::new(&server.root(), "whatever-its-name", true, None);

    eprintln!("cold start");
    scene.warm().await;
    assert_eq!(scene.model().loaded_context, Some(4096));
    assert!(scene.runtime().capabilities.cannot_tell.contains(&Untold::IdleTimer));
    let refused = scene.keeper.unload(&name()).await.unwrap_err();
    assert!(matches!(refused, KeeperError::Unsupported { .. }), "{refused:?}");

    eprintln!("it sleeps, and is woken");
    scene.forget();
    let asleep = async || server.get("props").await["is_sleeping"].as_bool();
    let slept = when(asleep, Some(true)).await;
    let said = scene.next().await;
    assert!(slept.elapsed() < SEEN, "{:?}", slept.elapsed());
    assert!(matches!(said, Occurrence::Unloaded { cause: Cause::IdleTtl, reloading: true, .. }), "{said:?}");
    scene.warm().await;
    scene.forget_until_loaded().await;

    eprintln!("its timer is known now: kept warm through three times that");
    sleep(Duration::from_secs(12)).await;
    assert!(scene.heard.try_recv().is_err(), "nothing happened");
    assert_eq!(asleep().await, Some(false));

    eprintln!("kill -9 of the server");
    scene.forget();
    let port = server.port;
    let killed = Instant::now();
    server.kill();
    loop {
        match scene.next().await {
            Occurrence::Unreachable { .. } => break,
            Occurrence::LoadStarted { .. } | Occurrence::Loaded { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(killed.elapsed() < SEEN, "{:?}", killed.elapsed());
    let _again = Server::start_on(port, &llama.program, &arguments, &[]);
    assert!(matches!(scene.next().await, Occurrence::Reachable { .. }));
    scene.warm().await;
}

#[tokio::test]
async fn litellm_in_front_of_llama_server() {
    let Some(llama) = llama() else { return };
    let Some(program) = given("PILOTLIGHT_LITELLM", "LiteLLM") else { return };
    let model = llama.small.display().to_string();
    let arguments = [
        "-m",
        &model,
        "-c",
        "4096",
        "-np",
        "1",
        "--cache-ram",
        "0",
        "--offline",
        "--host",
        "127.0.0.1",
        "--port",
        "{port}",
    ];
    let behind = Server::start(&llama.program, &arguments, &[]);
    let file = std::env::temp_dir().join(format!("pilotlight-{}-litellm.yaml", std::process::id()));
    let text = json!({ "model_list": [{ "model_name": "m", "litellm_params":
        { "model": "openai/m", "api_base": format!("{}/v1", behind.root()), "api_key": "none" } }] });
    std::fs::write(&file, text.to_string()).unwrap();
    let key = "sk-loopback-0123456789abcdef0123456789";
    let config = file.display().to_string();
    let arguments = ["--config", &config, "--host", "127.0.0.1", "--port", "{port}", "--telemetry", "False"];
    let server =
        Server::start(&program, &arguments, &[("LITELLM_MASTER_KEY", key), ("LITELLM_LOCAL_MODEL_COST_MAP", "True")]);

    // It takes long to start, and refuses connections until then.
    when(async || server.get("health/liveliness").await.is_string(), true).await;
    let scene = Scene::new(&server.root(), "m", true, Some(key));
    let runtime = scene.until_reachable().await;
    assert_eq!((runtime.kind, runtime.detail), (Some(RuntimeKind::LiteLlm), None));
    assert_eq!((scene.model().state, scene.model().manageable), (Warmth::Unknown, false));
    let keyless = Scene::new(&server.root(), "m", true, None);
    assert!(keyless.until_reachable().await.detail.is_some_and(|detail| detail.contains("apiKey")));
    // What it serves.
    let ask = json!({ "model": "m", "messages": [{ "role": "user", "content": "." }] });
    let answer = support::client().post(format!("{}/v1/chat/completions", server.root())).bearer_auth(key).json(&ask);
    let answer: serde_json::Value = answer.send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["choices"][0]["message"]["content"], "Local model is warm now.");
    std::fs::remove_file(&file).unwrap();
}

/// The same for a runtime that a machine has with models of its own: a model is loaded, taken away, and loaded again.
async fn whatever_runs(root: &str, id: &str, kind: RuntimeKind) {
    let mut scene = Scene::new(root, id, true, None);
    scene.warm().await;
    assert_eq!(scene.runtime().kind, Some(kind));
    let m = name();
    let (one, two) = tokio::join!(scene.keeper.load(&m), scene.keeper.load(&m));
    assert!(one.is_ok() && two.is_ok());
    assert_eq!(scene.model().instances.len(), 1);
    scene.keeper.unload(&m).await.unwrap();
    assert_eq!(scene.model().state, Warmth::Cold { reason: Some(Cause::UnloadedHere) });
    scene.forget();
    scene.keeper.load(&m).await.unwrap();
    assert!(timeout(Duration::from_secs(15), scene.heard.recv()).await.is_ok());
    assert!(matches!(scene.model().state, Warmth::Warm { .. }));
}

#[tokio::test]
async fn ollama_where_it_is_installed() {
    // Its address and a small model, such as OLLAMA_TEST=http://127.0.0.1:11434,qwen3:0.6b
    let Some(given) = given("OLLAMA_TEST", "Ollama") else { return };
    let given = given.display().to_string();
    let (root, id) = given.split_once(',').expect("ADDRESS,MODEL");
    whatever_runs(root, id, RuntimeKind::Ollama).await;
}

#[tokio::test]
async fn lm_studio_where_it_is_installed() {
    // Its address and a small model, such as LM_STUDIO_TEST=http://127.0.0.1:1234,qwen3-0.6b
    let Some(given) = given("LM_STUDIO_TEST", "LM Studio") else { return };
    let given = given.display().to_string();
    let (root, id) = given.split_once(',').expect("ADDRESS,MODEL");
    whatever_runs(root, id, RuntimeKind::LmStudio).await;
}
