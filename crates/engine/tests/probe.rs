//! Tests of a provider and listings, against simulated servers and small ones that behave badly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::sync::{Arc, Mutex};

use pilotlight_config::preview::read_with;
use pilotlight_config::rules::Surroundings;
use pilotlight_config::{ConfigLocation, Environment};
use pilotlight_engine::editor::probe::{self, Target};
use pilotlight_engine::editor::types::{ProviderTest, TestStepName};
use pilotlight_simulator::{Kind, Model, Options, Simulator};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

const KEY: &str = "sk-0123456789abcdef0123456789";

fn target(provider: Value) -> Target {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("openclaw.json");
    let location = ConfigLocation { path: path.clone(), openclaw: true, read_only: false };
    let text = json!({ "models": { "providers": { "x": provider } } }).to_string();
    let read =
        read_with(&location, &Environment::isolated(folder.path(), &[]), &[(path, text)], &Surroundings::default());
    Target::of(&read.configuration.unwrap(), "X", None).unwrap()
}

fn provider(base_url: &str, api: &str, models: &[&str]) -> Value {
    let models: Vec<Value> = models.iter().map(|id| json!({ "id": id, "name": id })).collect();
    json!({ "baseUrl": base_url, "api": api, "apiKey": KEY, "models": models })
}

/// Answers every connection with the first response whose path matches, and remembers what it was asked.
struct Small {
    base: String,
    heard: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Small {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// `answers`: the beginning of a request line, the status, the content type and the body. A status of 0 never answers.
async fn small(answers: &'static [(&'static str, u16, &'static str, &'static str)]) -> Small {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let heard = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&heard);
    let task = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let log = Arc::clone(&log);
            tokio::spawn(async move {
                let mut request = Vec::new();
                let mut chunk = [0; 4096];
                while !request.windows(4).any(|four| four == b"\r\n\r\n") {
                    match stream.read(&mut chunk).await {
                        Ok(0) | Err(_) => return,
                        Ok(count) => request.extend_from_slice(&chunk[..count]),
                    }
                    // Whoever wants to speak TLS is told in plain HTTP that this is none.
                    if !request[0].is_ascii_uppercase() {
                        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
                        return;
                    }
                }
                let request = String::from_utf8_lossy(&request).into_owned();
                log.lock().unwrap().push(request.clone());
                let found = answers.iter().find(|(line, ..)| request.starts_with(line));
                let (_, status, kind, body) = found.unwrap_or(&("", 404, "application/json", "{}"));
                if *status == 0 {
                    std::future::pending::<()>().await;
                }
                let extra = if *status == 302 { "location: https://evil.example/\r\n" } else { "" };
                let head = format!(
                    "HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n{extra}connection: close\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
            });
        }
    });
    Small { base, heard, task }
}

#[track_caller]
fn fails(test: &ProviderTest, name: TestStepName, detail: &str, advice: &str) {
    let last = test.steps.iter().rfind(|step| !step.ok).unwrap_or_else(|| panic!("all is well: {test:?}"));
    assert!(!test.ok && last.name == name, "{test:?}");
    assert!(last.detail.contains(detail), "{last:?}");
    assert!(last.advice.as_deref().unwrap_or_default().contains(advice), "{last:?}");
    assert!(!format!("{test:?}").contains(KEY), "{test:?}");
}

#[tokio::test]
async fn a_good_provider_passes_every_step_and_pays_nothing() {
    let lm_studio =
        Simulator::start(Kind::LmStudio, Options { models: vec![Model::new("minimax")], ..Options::default() })
            .await
            .unwrap();
    for api in ["openai-responses", "openai-completions"] {
        let test = probe::test(&target(provider(&lm_studio.base_url(), api, &["minimax"]))).await;
        assert!(test.ok, "{test:?}");
        let names: Vec<_> = test.steps.iter().map(|step| step.name).collect();
        use TestStepName::{Address, Answer, Api, Connect, Key, Models};
        assert_eq!(names, [Address, Connect, Answer, Key, Api, Models]);
    }
    // Nothing was loaded by asking.
    assert!(
        lm_studio
            .control()
            .state()
            .models
            .iter()
            .all(|model| model.state == pilotlight_simulator::LoadState::NotLoaded)
    );

    let anthropic =
        Simulator::start(Kind::Anthropic, Options { key: Some(KEY.to_owned()), ..Options::default() }).await.unwrap();
    let base = anthropic.base_url();
    let test =
        probe::test(&target(provider(base.trim_end_matches("/v1"), "anthropic-messages", &["claude-opus-4-6"]))).await;
    assert!(test.ok, "{test:?}");
}

#[tokio::test]
async fn each_fault_is_told_with_what_to_do() {
    let openai = Simulator::start(Kind::OpenAi, Options { key: Some("another".to_owned()), ..Options::default() })
        .await
        .unwrap();
    let test = probe::test(&target(provider(&openai.base_url(), "openai-responses", &[]))).await;
    fails(&test, TestStepName::Key, "HTTP 401: Incorrect API key", "wrong, has been revoked");

    let lm_studio = Simulator::start(Kind::LmStudio, Options::default()).await.unwrap();
    let root = lm_studio.base_url().trim_end_matches("/v1").to_owned();
    // Without /v1 LM Studio answers 200 with an error.
    let test = probe::test(&target(provider(&root, "openai-responses", &[]))).await;
    fails(&test, TestStepName::Answer, "Unexpected endpoint", &format!("write baseUrl: \"{root}/v1\""));
    // OpenAI names the path in its refusal, and a path with "models" in it is no model.
    let open = Simulator::start(Kind::OpenAi, Options::default()).await.unwrap();
    let bare = open.base_url().trim_end_matches("/v1").to_owned();
    let test = probe::test(&target(provider(&bare, "openai-completions", &[]))).await;
    fails(&test, TestStepName::Answer, "Invalid URL", &format!("write baseUrl: \"{bare}/v1\""));
    let test = probe::test(&target(provider(&lm_studio.base_url(), "openai-responses", &["gone"]))).await;
    fails(&test, TestStepName::Models, "it does not list gone", "minimax");

    let anthropic = Simulator::start(Kind::Anthropic, Options::default()).await.unwrap();
    let test = probe::test(&target(provider(&format!("{}/v1", anthropic.base_url()), "openai-responses", &[]))).await;
    fails(&test, TestStepName::Api, "it does not speak openai-responses", "api: \"anthropic-messages\", without /v1");

    // Nobody there.
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let test = probe::test(&target(provider(&format!("http://{free}/v1"), "openai-responses", &[]))).await;
    fails(&test, TestStepName::Connect, "connection refused", "start the server");
    let test = probe::test(&target(provider("http://no-such-host.invalid/v1", "openai-responses", &[]))).await;
    fails(&test, TestStepName::Address, "no-such-host.invalid has no address", "check the");
    let test = probe::test(&target(provider("no url", "openai-responses", &[]))).await;
    fails(&test, TestStepName::Address, "no base URL", "give it a baseUrl");
}

#[tokio::test]
async fn servers_that_are_something_else_are_told_apart() {
    let web = small(&[("", 200, "text/html", "<!doctype html><title>Router</title>")]).await;
    let test = probe::test(&target(provider(&web.base, "openai-completions", &[]))).await;
    fails(&test, TestStepName::Answer, "a web page", "end in /v1");

    let nothing = small(&[]).await;
    let test = probe::test(&target(provider(&format!("{}/wrong", nothing.base), "openai-completions", &[]))).await;
    fails(&test, TestStepName::Answer, "no model server at /wrong/models: HTTP 404", "check the path");

    // No listing, and a good server all the same.
    let plain = small(&[(
        "POST /v1/chat/completions",
        400,
        "application/json",
        r#"{"error":{"message":"messages is required"}}"#,
    )])
    .await;
    let test = probe::test(&target(provider(&format!("{}/v1", plain.base), "openai-completions", &["m"]))).await;
    assert!(test.ok && test.steps.iter().any(|step| step.detail.contains("lists no models")), "{test:?}");

    // It would take the key elsewhere.
    let redirecting = small(&[("", 302, "text/plain", "")]).await;
    let test = probe::test(&target(provider(&format!("{}/v1", redirecting.base), "openai-completions", &[]))).await;
    fails(&test, TestStepName::Answer, "https://evil.example/", "the key is not sent on");
    assert_eq!(redirecting.heard.lock().unwrap().len(), 1);

    // The key is good for listings only, and the server repeats it.
    let half = small(&[
        ("GET /v1/models", 200, "application/json", r#"{"data":[{"id":"m"}]}"#),
        ("POST", 401, "application/json", r#"{"error":{"message":"no user for sk-0123456789abcdef0123456789"}}"#),
    ])
    .await;
    let test = probe::test(&target(provider(&format!("{}/v1", half.base), "openai-completions", &["m"]))).await;
    fails(&test, TestStepName::Key, "HTTP 401: no user for …", "enter it anew");

    // Plain HTTP behind https://.
    let secure = half.base.replace("http://", "https://");
    let test = probe::test(&target(provider(&format!("{secure}/v1"), "openai-completions", &[]))).await;
    fails(&test, TestStepName::Tls, "no secure connection", "write http://");
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up() {
    let hanging = small(&[("", 0, "", "")]).await;
    let began = std::time::Instant::now();
    let test = probe::test(&target(provider(&format!("{}/v1", hanging.base), "openai-completions", &[]))).await;
    fails(&test, TestStepName::Answer, "does not answer within 5 s", "busy or hangs");
    assert!(began.elapsed().as_secs() < 9, "{:?}", began.elapsed());
}

#[tokio::test]
async fn lm_studio_tells_all_of_its_models() {
    let models = vec![Model::new("minimax").context(196_608).loaded(), Model::embedding("nomic")];
    let lm_studio = Simulator::start(Kind::LmStudio, Options { models, ..Options::default() }).await.unwrap();
    let found = probe::fetch(&target(provider(&lm_studio.base_url(), "openai-responses", &["minimax"]))).await.unwrap();
    let minimax = &found[0];
    assert_eq!((minimax.id.as_str(), minimax.context_length, minimax.loaded), ("minimax", Some(196_608), Some(true)));
    assert_eq!(
        (minimax.vision, minimax.tools, minimax.quantization.as_deref()),
        (Some(false), Some(true), Some("Q4_K_M"))
    );
    assert!(minimax.size_bytes.is_some() && minimax.listed && !minimax.embedding);
    assert_eq!(
        (found[1].id.as_str(), found[1].embedding, found[1].loaded, found[1].listed),
        ("nomic", true, Some(false), false)
    );

    // LM Studio 0.3 has only the older listing.
    let lm_studio = pilotlight_simulator::LmStudioOptions { v0_only: true, ..Default::default() };
    let old = Options { models: vec![Model::new("minimax")], lm_studio, ..Options::default() };
    let old = Simulator::start(Kind::LmStudio, old).await.unwrap();
    let found = probe::fetch(&target(provider(&old.base_url(), "openai-responses", &[]))).await.unwrap();
    assert_eq!((found[0].context_length, found[0].tools, found[0].loaded), (Some(196_608), Some(true), Some(false)));
}

#[tokio::test]
async fn other_runtimes_are_asked_in_their_own_way() {
    let ollama = small(&[
        ("GET /api/tags", 200, "application/json", r#"{"models":[{"name":"qwen3:8b","model":"qwen3:8b","size":5225388164,"details":{"quantization_level":"Q4_K_M"}}]}"#),
        ("GET /api/ps", 200, "application/json", r#"{"models":[{"model":"qwen3:8b","context_length":4096}]}"#),
        ("POST /api/show", 200, "application/json", r#"{"model_info":{"qwen3.context_length":40960},"capabilities":["completion","tools","thinking"]}"#),
    ])
    .await;
    let found =
        probe::fetch(&target(provider(&format!("{}/v1", ollama.base), "openai-completions", &[]))).await.unwrap();
    let model = &found[0];
    assert_eq!((model.context_length, model.loaded_context, model.loaded), (Some(40_960), Some(4096), Some(true)));
    assert_eq!(
        (model.tools, model.vision, model.reasoning, model.size_bytes),
        (Some(true), Some(false), Some(true), Some(5_225_388_164))
    );

    let llama = small(&[
        (
            "GET /v1/models",
            200,
            "application/json",
            r#"{"object":"list","data":[{"id":"m","owned_by":"llamacpp","meta":{"n_ctx_train":131072}}]}"#,
        ),
        (
            "GET /props",
            200,
            "application/json",
            r#"{"default_generation_settings":{"n_ctx":8192},"modalities":{"vision":true}}"#,
        ),
    ])
    .await;
    let found =
        probe::fetch(&target(provider(&format!("{}/v1", llama.base), "openai-completions", &[]))).await.unwrap();
    assert_eq!((found[0].context_length, found[0].vision, found[0].loaded), (Some(8192), Some(true), Some(true)));

    let web = small(&[("", 200, "text/html", "<html>")]).await;
    let error = probe::fetch(&target(provider(&web.base, "openai-completions", &[]))).await.unwrap_err();
    assert!(error.to_string().contains("no listing of models (HTTP 200: a web page)"), "{error}");
}
