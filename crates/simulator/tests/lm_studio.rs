//! LM Studio's loads, unloads and listings, over HTTP and by tokio's clock.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::*;
use pilotlight_simulator::{Kind, LmStudioOptions, LoadState, Model, Options, Simulator, UnloadCause};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const OTHER: &str = "qwen/qwen3-4b";

async fn with(models: Vec<Model>, lm_studio: LmStudioOptions) -> Simulator {
    start(Kind::LmStudio, Options { models, lm_studio, ..Options::default() }).await
}

fn slow(ms: u64) -> Model {
    Model::new(MODEL).load_time(Duration::from_millis(ms))
}

/// The ids of what is in memory, loading or loaded.
fn ids(simulator: &Simulator) -> Vec<String> {
    simulator.control().state().models.into_iter().flat_map(|m| m.instances).map(|i| i.id).collect()
}

async fn v0_state(simulator: &Simulator, id: &str) -> String {
    let (status, row) = get(simulator, &format!("/api/v0/models/{id}")).await;
    assert_eq!(status, 200);
    row["state"].as_str().unwrap().to_owned()
}

async fn v1_instances(simulator: &Simulator) -> usize {
    let (_, body) = get(simulator, "/api/v1/models").await;
    body["models"][0]["loaded_instances"].as_array().unwrap().len()
}

#[tokio::test]
async fn what_it_says_of_itself_and_to_a_path_it_does_not_know() {
    let simulator = warm().await;
    assert_eq!(get(&simulator, "/lmstudio-greeting").await, (200, json!({"lmstudio": true})));
    for path in ["/nowhere", "/v1/responses", "/"] {
        let message = format!("Unexpected endpoint or method. (GET {path})");
        assert_eq!(get(&simulator, path).await, (200, json!({"error": message})));
    }
    let (status, body) = post(&simulator, "/v1/messages/count_tokens", messages(MODEL)).await;
    assert_eq!(status, 200);
    assert!(body["error"].as_str().unwrap().starts_with("Unexpected endpoint"));
}

#[tokio::test]
async fn three_listings() {
    let simulator =
        lm_studio(vec![Model::new(MODEL).context(4096).loaded(), Model::new(OTHER), Model::embedding("e")]).await;
    let (_, body) = get(&simulator, "/v1/models").await;
    let listed: Vec<&str> = body["data"].as_array().unwrap().iter().map(|m| m["id"].as_str().unwrap()).collect();
    assert_eq!(listed, [MODEL, OTHER, "e"]);

    let (_, body) = get(&simulator, "/api/v0/models").await;
    assert_eq!(body["data"][0]["state"], "loaded");
    assert_eq!(body["data"][0]["loaded_context_length"], 4096);
    assert_eq!(body["data"][1]["state"], "not-loaded");
    assert!(body["data"][1].get("loaded_context_length").is_none());
    assert_eq!((&body["data"][1]["publisher"], &body["data"][2]["type"]), (&json!("qwen"), &json!("embeddings")));
    assert_eq!(v0_state(&simulator, OTHER).await, "not-loaded");
    assert_eq!(v0_state(&simulator, "qwen%2Fqwen3-4b").await, "not-loaded");
    assert_eq!(get(&simulator, "/api/v0/models/nobody").await.0, 404);

    let (_, body) = get(&simulator, "/api/v1/models").await;
    let first = &body["models"][0];
    assert_eq!((&first["key"], &first["loaded_instances"][0]["id"]), (&json!(MODEL), &json!(MODEL)));
    assert_eq!(first["loaded_instances"][0]["config"]["context_length"], 4096);
    assert_eq!(body["models"][2]["type"], "embedding");
}

#[tokio::test]
async fn without_jit_only_what_is_loaded_is_listed_and_nothing_is_loaded_on_request() {
    let simulator = with(vec![Model::new(MODEL)], LmStudioOptions { jit: false, ..LmStudioOptions::default() }).await;
    assert_eq!(get(&simulator, "/v1/models").await.1["data"], json!([]));
    let (status, body) = post(&simulator, "/v1/responses", responses(MODEL)).await;
    assert_eq!((status, &body["error"]["param"]), (404, &json!("model")));
    assert!(body["error"]["message"].as_str().unwrap().starts_with("No models loaded"));
    simulator.control().load(MODEL).await.unwrap();
    assert_eq!(get(&simulator, "/v1/models").await.1["data"][0]["id"], MODEL);
}

#[tokio::test]
async fn a_load_blocks_is_explicit_and_not_idempotent() {
    let simulator = lm_studio(vec![slow(100)]).await;
    let started = Instant::now();
    let body = json!({"model": MODEL, "context_length": 8192, "echo_load_config": true});
    let (status, body) = post(&simulator, "/api/v1/models/load", body).await;
    assert!(started.elapsed() >= Duration::from_millis(100));
    assert_eq!((status, &body["instance_id"], &body["status"]), (200, &json!(MODEL), &json!("loaded")));
    assert_eq!(body["load_config"]["context_length"], 8192);
    assert!(body["load_time_seconds"].as_f64().unwrap() >= 0.1);
    let (_, body) = post(&simulator, "/api/v1/models/load", json!({"model": MODEL})).await;
    assert_eq!(body["instance_id"], format!("{MODEL}:2"));
    assert!(body.get("load_config").is_none());
    let view = &simulator.control().state().models[0];
    assert_eq!((view.loads, view.instances.len()), (2, 2));
    assert!(view.instances.iter().all(|i| i.explicit && i.ttl_ms.is_none()));

    let second = format!("{MODEL}:2");
    assert_eq!(post(&simulator, "/v1/responses", responses(&second)).await.1["model"], second.as_str());
    let (status, _) = post(&simulator, "/api/v1/models/unload", json!({"instance_id": second})).await;
    assert_eq!((status, ids(&simulator)), (200, vec![MODEL.to_owned()]));
    let (status, body) = post(&simulator, "/api/v1/models/unload", json!({"instance_id": second})).await;
    assert_eq!((status, &body["error"]["code"]), (404, &json!("model_not_found")));
}

#[tokio::test]
async fn the_schemas_of_load_and_unload_are_closed() {
    let simulator = lm_studio(vec![Model::new(MODEL)]).await;
    for (path, body, status, code) in [
        ("load", json!({"model": MODEL, "ttl": 60}), 400, "unrecognized_keys"),
        ("load", json!({"model": MODEL, "stream": true}), 400, "unrecognized_keys"),
        ("load", json!({}), 400, "missing_required_parameter"),
        ("load", json!({"model": MODEL, "context_length": "much"}), 400, "invalid_type"),
        ("load", json!({"model": "nobody"}), 404, "model_not_found"),
        ("load", json!("x"), 400, "invalid_json"),
        ("unload", json!({"model": MODEL}), 400, "unrecognized_keys"),
    ] {
        let (seen, answer) = post(&simulator, &format!("/api/v1/models/{path}"), body.clone()).await;
        assert_eq!((seen, answer["error"]["code"].as_str()), (status, Some(code)), "{body}");
    }
    assert!(ids(&simulator).is_empty());
}

#[tokio::test]
async fn only_v0_says_loading() {
    let simulator = lm_studio(vec![slow(60_000)]).await;
    let control = simulator.control();
    let started = Instant::now();
    let loading = tokio::spawn({
        let control = control.clone();
        async move { control.load(MODEL).await }
    });
    let mut changes = control.changes();
    changes.wait_for(|n| *n > 0).await.unwrap();
    let shown = v1_instances(&simulator).await;
    assert!(shown == 0 || started.elapsed() > Duration::from_millis(200), "not shown at once");
    tokio::time::sleep(Duration::from_millis(210)).await;
    assert_eq!((v1_instances(&simulator).await, v0_state(&simulator, MODEL).await.as_str()), (1, "loading"));
    control.unload(MODEL, UnloadCause::Ejected).unwrap();
    assert!(loading.await.unwrap().is_err());
    control.load_time(MODEL, Duration::ZERO).unwrap();
    control.load(MODEL).await.unwrap();
    assert_eq!((v1_instances(&simulator).await, v0_state(&simulator, MODEL).await.as_str()), (1, "loaded"));
}

#[tokio::test]
async fn a_request_loads_just_in_time_and_hears_nothing_until_then() {
    let simulator = lm_studio(vec![slow(150)]).await;
    let mut body = responses(MODEL);
    body["stream"] = json!(true);
    let started = Instant::now();
    // Two at once wait for one load.
    let (one, two) =
        tokio::join!(send(&simulator, "/v1/responses", body.clone()), send(&simulator, "/v1/responses", body));
    assert!(started.elapsed() >= Duration::from_millis(150), "not even headers");
    for response in [one.unwrap(), two.unwrap()] {
        assert!(read_stream(response).await.0.contains("response.completed"));
    }
    let view = &simulator.control().state().models[0];
    assert_eq!((view.loads, view.instances[0].explicit, view.instances[0].ttl_ms), (1, false, Some(3_600_000)));
}

#[tokio::test]
async fn a_ttl_counts_only_in_the_request_that_loads_and_not_in_responses() {
    let ask = async |simulator: &Simulator, path: &str, mut body: Value, ttl: u64| {
        body["ttl"] = json!(ttl);
        assert_eq!(post(simulator, path, body).await.0, 200);
        simulator.control().state().models[0].instances[0].ttl_ms
    };
    let simulator = lm_studio(vec![Model::new(MODEL)]).await;
    assert_eq!(ask(&simulator, "/v1/chat/completions", chat(MODEL), 300).await, Some(300_000));
    assert_eq!(ask(&simulator, "/v1/chat/completions", chat(MODEL), 5).await, Some(300_000), "it was loaded already");
    let simulator = lm_studio(vec![Model::new(MODEL)]).await;
    assert_eq!(ask(&simulator, "/v1/responses", responses(MODEL), 300).await, Some(3_600_000));
}

#[tokio::test]
async fn idle_ttl_in_paused_time() {
    let simulator = lm_studio(vec![Model::new(MODEL), Model::new(OTHER).loaded()]).await;
    let control = simulator.control();
    tokio::time::pause();
    control.load_just_in_time(MODEL).await.unwrap();
    tokio::time::advance(Duration::from_secs(59 * 60)).await;
    assert_eq!(control.model_state(MODEL), LoadState::Loaded);
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(control.model_state(MODEL), LoadState::NotLoaded);
    tokio::time::advance(Duration::from_secs(100 * 3600)).await;
    assert_eq!(control.model_state(OTHER), LoadState::Loaded, "an explicit load has no TTL");
}

#[tokio::test]
async fn one_model_just_in_time_evicts_another_but_no_explicit_one() {
    let models = || vec![Model::new(MODEL), Model::new(OTHER), Model::new("kept").loaded()];
    let simulator = lm_studio(models()).await;
    for model in [MODEL, OTHER] {
        assert_eq!(post(&simulator, "/v1/responses", responses(model)).await.0, 200);
    }
    assert_eq!(ids(&simulator), [OTHER, "kept"]);
    let simulator = with(models(), LmStudioOptions { auto_evict: false, ..LmStudioOptions::default() }).await;
    for model in [MODEL, OTHER] {
        assert_eq!(post(&simulator, "/v1/responses", responses(model)).await.0, 200);
    }
    assert_eq!(ids(&simulator), [MODEL, OTHER, "kept"]);
}

#[tokio::test]
async fn an_eviction_breaks_a_running_answer() {
    let options = Options {
        models: vec![Model::new(MODEL), Model::new(OTHER)],
        word_delay: Duration::from_millis(30),
        ..Options::default()
    };
    let simulator = start(Kind::LmStudio, options).await;
    let mut body = responses(MODEL);
    body["stream"] = json!(true);
    let mut response = send(&simulator, "/v1/responses", body).await.unwrap();
    response.chunk().await.unwrap().unwrap();
    simulator.control().load_just_in_time(OTHER).await.unwrap();
    assert!(read_stream(response).await.0.contains("Model unloaded."));
}

#[tokio::test]
async fn an_unknown_name_is_answered_by_the_only_model_loaded() {
    let simulator = lm_studio(vec![Model::new(MODEL).loaded(), Model::new(OTHER)]).await;
    let (status, body) = post(&simulator, "/v1/responses", responses("nobody")).await;
    assert_eq!((status, &body["model"]), (200, &json!(MODEL)));
    simulator.control().load(OTHER).await.unwrap();
    let (status, body) = post(&simulator, "/v1/responses", responses("nobody")).await;
    assert_eq!((status, &body["error"]["code"]), (400, &json!("model_not_found")));
}

#[tokio::test]
async fn unloaded_or_crashed_while_waiting() {
    for (cause, words) in [
        (UnloadCause::Ejected, "Model was unloaded while the request was still in queue.."),
        (UnloadCause::Crash, "The model has crashed without additional information. (Exit code: null)"),
    ] {
        let simulator = lm_studio(vec![slow(60_000)]).await;
        let control = simulator.control();
        let end = async {
            while control.model_state(MODEL) != LoadState::Loading {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            control.unload(MODEL, cause).unwrap();
        };
        let (answer, ()) = tokio::join!(post(&simulator, "/v1/responses", responses(MODEL)), end);
        assert_eq!(answer, (400, json!({"error": words})));
    }
}

#[tokio::test]
async fn a_prompt_longer_than_the_loaded_context() {
    let simulator = lm_studio(vec![Model::new(MODEL).context(50).loaded()]).await;
    let mut body = json!({"model": MODEL, "input": "word ".repeat(200)});
    let (status, answer) = post(&simulator, "/v1/responses", body.clone()).await;
    assert_eq!(status, 400);
    assert!(answer["error"].as_str().unwrap().starts_with("Trying to keep the first 250 tokens"));
    body["stream"] = json!(true);
    let response = send(&simulator, "/v1/responses", body).await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(read_stream(response).await.0.starts_with("event: error\n"));
}

#[tokio::test]
async fn the_prompt_is_read_in_silence() {
    let options = Options { prompt_delay: Duration::from_millis(120), ..Options::default() };
    let simulator = start(Kind::LmStudio, options).await;
    let started = Instant::now();
    let mut body = chat(MODEL);
    body["stream"] = json!(true);
    send(&simulator, "/v1/chat/completions", body).await.unwrap();
    assert!(started.elapsed() >= Duration::from_millis(120));
}

#[tokio::test]
async fn lm_studio_0_3_has_no_v1() {
    let simulator =
        with(vec![Model::new(MODEL)], LmStudioOptions { v0_only: true, ..LmStudioOptions::default() }).await;
    assert!(get(&simulator, "/api/v1/models").await.1["error"].is_string());
    assert!(post(&simulator, "/api/v1/models/load", json!({"model": MODEL})).await.1["error"].is_string());
    assert!(post(&simulator, "/v1/messages", messages(MODEL)).await.1["error"].is_string());
    assert_eq!(v0_state(&simulator, MODEL).await, "not-loaded");
    assert_eq!(post(&simulator, "/v1/responses", responses(MODEL)).await.0, 200);
}
