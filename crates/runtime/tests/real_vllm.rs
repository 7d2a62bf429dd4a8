//! The keeper over a real vLLM: `make test-runtimes`. It says a word and ends where there is none.
//! Real time, a real process; the model is made of random weights, and its server takes a minute to start.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod support;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use pilotlight_runtime::{Cause, KeeperError, Occurrence, RuntimeKind, Warmth};
use serde_json::{Value, json};
use support::{SEEN, Scene, Server, given, name, signal, when};
use tokio::time::sleep;

struct Vllm {
    python: PathBuf,
    model: String,
}

fn vllm() -> Option<Vllm> {
    let python = given("PILOTLIGHT_VLLM", "vLLM")?;
    let model = given("PILOTLIGHT_VLLM_MODEL", "model for vLLM")?.display().to_string();
    Some(Vllm { python, model })
}

impl Vllm {
    fn start(&self, port: u16, development: bool) -> Server {
        let arguments = [
            "-m",
            "vllm.entrypoints.openai.api_server",
            "--model",
            &self.model,
            "--served-model-name",
            "tiny",
            "--max-model-len",
            "2048",
            "--enforce-eager",
            "--host",
            "127.0.0.1",
            "--port",
            "{port}",
        ];
        let environment = [
            ("VLLM_SERVER_DEV_MODE", if development { "1" } else { "0" }),
            ("VLLM_HOST_IP", "127.0.0.1"),
            ("VLLM_CPU_KVCACHE_SPACE", "1"),
            // Nothing is fetched, and nothing is reported.
            ("HF_HUB_OFFLINE", "1"),
            ("VLLM_NO_USAGE_STATS", "1"),
            ("DO_NOT_TRACK", "1"),
        ];
        Server::start_on(port, &self.python, &arguments, &environment)
    }
}

/// The process in which the model lives.
fn engine(server: &Server) -> String {
    let is_engine = |pid: &String| {
        let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.starts_with("VLLM::EngineCore")
    };
    server.children().into_iter().find(is_engine).expect("its engine")
}

async fn sleeping(server: &Server) -> Option<bool> {
    server.get("is_sleeping").await["is_sleeping"].as_bool()
}

/// The same answer each time, as long as the weights are the same.
async fn answer(root: String, tokens: u32) -> Value {
    let ask = json!({ "model": "tiny", "prompt": "hello", "max_tokens": tokens, "ignore_eos": true, "temperature": 0 });
    let answer = support::client().post(format!("{root}/v1/completions")).json(&ask).send().await.unwrap();
    answer.json::<Value>().await.unwrap()["choices"][0].clone()
}

#[tokio::test]
async fn vllm_in_its_development_mode() {
    let Some(vllm) = vllm() else { return };
    let port = support::free_port();
    let server = vllm.start(port, true);
    let mut scene = Scene::new(&server.root(), "tiny", true, None);

    eprintln!("cold start");
    let up = when(async || server.get("version").await["version"].is_string(), true).await;
    scene.warm().await;
    // Nobody is told when a server that was never there comes.
    assert!(up.elapsed() < SEEN * 2, "{:?}", up.elapsed());
    assert_eq!((scene.model().loaded_context, scene.model().manageable), (Some(2048), true));
    let runtime = scene.runtime();
    assert_eq!((runtime.kind, runtime.version.is_some()), (Some(RuntimeKind::Vllm), true));
    let text = answer(server.root(), 16).await["text"].clone();
    assert!(text.is_string(), "{text}");

    eprintln!("put to sleep by a person");
    scene.forget();
    let asked = Instant::now();
    server.post("sleep?level=1", json!({})).await;
    let said = scene.next().await;
    assert!(asked.elapsed() < SEEN, "{:?}", asked.elapsed());
    assert!(matches!(said, Occurrence::Unloaded { cause: Cause::EjectedByPerson, reloading: false, .. }), "{said:?}");
    sleep(Duration::from_secs(3)).await;
    assert_eq!(sleeping(&server).await, Some(true), "what a person put to sleep is left alone");

    eprintln!("two loads at once wake it");
    let m = name();
    let (one, two) = tokio::join!(scene.keeper.load(&m), scene.keeper.load(&m));
    assert!(one.is_ok() && two.is_ok(), "{one:?} {two:?}");
    assert_eq!((sleeping(&server).await, scene.model().instances.len()), (Some(false), 1));

    eprintln!("unloaded here while it answers somebody else: it finishes");
    let long = tokio::spawn(answer(server.root(), 1_500));
    sleep(Duration::from_millis(300)).await;
    assert!(!long.is_finished());
    scene.keeper.unload(&m).await.unwrap();
    let long = long.await.unwrap();
    assert_eq!((&long["finish_reason"], sleeping(&server).await), (&json!("length"), Some(true)), "{long}");
    assert_eq!(scene.model().state, Warmth::Cold { reason: Some(Cause::UnloadedHere) });

    eprintln!("loaded while it is still waiting to sleep: it is awake in the end");
    scene.keeper.load(&m).await.unwrap();
    let long = tokio::spawn(answer(server.root(), 1_500));
    sleep(Duration::from_millis(300)).await;
    let loads = async {
        sleep(Duration::from_millis(300)).await;
        scene.keeper.load(&m).await
    };
    let (unloaded, loaded) = tokio::join!(scene.keeper.unload(&m), loads);
    assert!(unloaded.is_ok() && loaded.is_ok(), "{unloaded:?} {loaded:?}");
    assert_eq!(long.await.unwrap()["finish_reason"], "length");
    sleep(Duration::from_secs(2)).await;
    assert_eq!(sleeping(&server).await, Some(false));
    scene.keeper.unload(&m).await.unwrap();

    eprintln!("after a sleep of the second level its weights are read again");
    scene.keeper.load(&m).await.unwrap();
    server.post("sleep?level=2", json!({})).await;
    scene.until("cold", |model| matches!(model.state, Warmth::Cold { .. })).await;
    scene.keeper.load(&m).await.unwrap();
    assert!(server.said("POST /collective_rpc HTTP/1.1\" 200"), "they were read");
    assert_eq!(answer(server.root(), 16).await["text"], text);

    eprintln!("kill -9 of its engine");
    scene.forget();
    let killed = Instant::now();
    signal(&engine(&server), "-9");
    scene.until("not warm", |model| !matches!(model.state, Warmth::Warm { .. })).await;
    assert!(killed.elapsed() < SEEN, "{:?}", killed.elapsed());
    let said = scene.next().await;
    // With what it answered to in its last second it crashed; else nothing tells.
    assert!(
        matches!(&said, Occurrence::Unreachable { cause: Cause::Crashed { .. } | Cause::ProgramEnded, .. }),
        "{said:?}"
    );
    drop(server);

    eprintln!("started again on the same port, now without that mode");
    let server = vllm.start(port, false);
    assert!(matches!(scene.next().await, Occurrence::Reachable { .. }));
    scene.warm().await;
    assert!(!scene.model().manageable);
    assert!(scene.keeper.load(&m).await.is_ok(), "it is there");
    let refused = scene.keeper.unload(&m).await.unwrap_err();
    assert!(matches!(refused, KeeperError::Unsupported { .. }), "{refused:?}");
    assert_eq!(answer(server.root(), 16).await["text"], text);
}
