//! LiteLLM as a provider, with a real llama-server behind it: `make test-runtimes`. Says a word and ends where they are
//! not there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, missing_docs)]

mod support;

use std::process::Stdio;
use std::time::Duration;

use serde_json::json;
use support::{SETTINGS, Setup, events, text};
use tokio::process::{Child, Command};

const KEY: &str = "sk-loopback-0123456789abcdef0123456789";

fn given(name: &str) -> Option<String> {
    let found = std::env::var(name).ok().filter(|value| !value.is_empty());
    if found.is_none() {
        eprintln!("skipped: {name} is not set (`make test-runtimes` sets it)");
    }
    found
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn start(program: &str, arguments: &[&str]) -> Child {
    let mut command = Command::new(program);
    command.args(arguments).env("LITELLM_MASTER_KEY", KEY).env("LITELLM_LOCAL_MODEL_COST_MAP", "True");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap()
}

#[tokio::test]
async fn a_request_is_answered_through_litellm() {
    let (Some(llama), Some(models), Some(litellm)) =
        (given("PILOTLIGHT_LLAMA_SERVER"), given("PILOTLIGHT_LLAMA_MODELS"), given("PILOTLIGHT_LITELLM"))
    else {
        return;
    };
    let (behind, port) = (free_port().to_string(), free_port().to_string());
    let model = format!("{models}/small.gguf");
    let _llama = start(
        &llama,
        &[
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
            &behind,
        ],
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("litellm.yaml").display().to_string();
    let behind = format!("http://127.0.0.1:{behind}/v1");
    let served = json!({ "model_list": [{ "model_name": "m", "litellm_params":
        { "model": "openai/m", "api_base": behind, "api_key": "none" } }] });
    std::fs::write(&file, served.to_string()).unwrap();
    let _litellm =
        start(&litellm, &["--config", &file, "--host", "127.0.0.1", "--port", &port, "--telemetry", "False"]);

    let provider = json!({ "baseUrl": format!("http://127.0.0.1:{port}/v1"), "apiKey": KEY, "api": "openai-completions",
        "models": [{ "id": "m", "name": "The model", "contextWindow": 4096, "maxTokens": 512 }] });
    let config = json!({ "models": { "providers": { "gateway": provider } },
        "agents": { "defaults": { "model": { "primary": "gateway/m" } } } });
    let setup = Setup::new(&config.to_string(), SETTINGS);
    let serving = setup.serve();
    // It takes long to start, and refuses connections until then: it is found when it is there.
    let runtime = || setup.json(&["status", "--json"])["runtimes"][0].clone();
    let answers = |runtime: &serde_json::Value| runtime["reachable"] == true && runtime["kind"] == "litellm";
    for _ in 0..600 {
        if answers(&runtime()) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(answers(&runtime()), "{:#}", runtime());
    let answer = serving.stream(&reqwest::Client::new(), "primary").await;
    let served_by = answer.headers().get("x-pilotlight-model").cloned();
    let answer = answer.text().await.unwrap();
    // Where it was slow, signs of life went before the headers could say who answers: a comment says it then.
    let said = served_by.is_some_and(|model| model == "gateway/m") || answer.contains("x-pilotlight-model=gateway/m");
    assert!(said, "{answer}");
    assert_eq!(text(&events(&answer)).trim(), "Local model is warm now.");
    let shown = setup.run(&["runtime", "list"]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("LiteLLM") && shown.contains("does not tell whether a model is in memory"), "{shown}");
    assert_eq!(serving.terminate(), Some(0));
}
