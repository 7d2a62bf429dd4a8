//! The binary: its line, its control server, its ends.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use serde_json::{Value, json};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

struct Running {
    process: Child,
    api: String,
    control: String,
}

async fn run(arguments: &[&str]) -> Running {
    let mut process = Command::new(env!("CARGO_BIN_EXE_pilotlight-simulator"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().unwrap();
    let words: Vec<&str> = line.split(' ').collect();
    assert_eq!((words.len(), words[0], words[1], words[3]), (5, "pilotlight-simulator", arguments[0], "control"));
    Running { process, api: words[2].to_owned(), control: words[4].to_owned() }
}

async fn ends(process: &mut Child) -> std::process::ExitStatus {
    tokio::time::timeout(Duration::from_secs(10), process.wait()).await.expect("it ends").unwrap()
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap()
}

async fn control(running: &Running, method: reqwest::Method, path: &str, body: Value) -> (u16, Value) {
    let response = client().request(method, format!("{}{path}", running.control)).json(&body).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

#[tokio::test]
async fn it_can_be_made_to_refuse_and_to_come_back_over_its_control_port() {
    use reqwest::Method;
    let mut running = run(&["lmstudio", "--model", "a:40", "--model", "org/b", "--word-delay", "0ms"]).await;
    let models = format!("{}/api/v0/models", running.api);
    assert_eq!(client().get(&models).send().await.unwrap().status(), 200);

    let (status, _) = control(&running, Method::POST, "/_sim/faults", json!({"fault": "refuse"})).await;
    assert_eq!(status, 200);
    assert!(client().get(&models).send().await.unwrap_err().is_connect());
    let (_, state) = control(&running, Method::GET, "/_sim/state", Value::Null).await;
    assert_eq!(
        (&state["kind"], &state["refusing"], &state["faults"][0]["fault"]),
        (&json!("lmstudio"), &json!(true), &json!("refuse"))
    );
    control(&running, Method::DELETE, "/_sim/faults", Value::Null).await;
    assert_eq!(client().get(&models).send().await.unwrap().status(), 200);

    let (_, loaded) = control(&running, Method::POST, "/_sim/load", json!({"model": "a"})).await;
    assert_eq!(loaded["instance_id"], "a");
    let (_, loaded) = control(&running, Method::POST, "/_sim/load", json!({"model": "org/b", "jit": true})).await;
    assert_eq!(loaded["instance_id"], "org/b");
    let (_, gone) = control(&running, Method::POST, "/_sim/unload", json!({"model": "a", "cause": "crash"})).await;
    assert_eq!(gone["unloaded"], json!(["a"]));
    let evicted = json!({"model": "org/b", "cause": "evicted", "by": "a"});
    control(&running, Method::POST, "/_sim/unload", evicted).await;
    let (_, state) = control(&running, Method::GET, "/_sim/state", Value::Null).await;
    assert_eq!((&state["models"][0]["state"], &state["models"][1]["state"]), (&json!("loaded"), &json!("not-loaded")));
    assert_eq!(state["models"][0]["load_ms"], 40);

    for (path, body, status) in [
        ("/_sim/unload", json!({"model": "nobody"}), 404),
        ("/_sim/unload", json!({"model": "a", "cause": "boredom"}), 400),
        ("/_sim/faults", json!({"fault": "hnag"}), 400),
        ("/_sim/nowhere", json!({}), 404),
    ] {
        let (seen, body) = control(&running, Method::POST, path, body).await;
        assert_eq!(seen, status);
        assert!(body["error"].is_string());
    }

    let key = client().get(&models).header("authorization", "Bearer sk-secret");
    key.send().await.unwrap();
    let (_, requests) = control(&running, Method::GET, "/_sim/requests", Value::Null).await;
    let last = requests.as_array().unwrap().last().unwrap();
    assert_eq!((&last["path"], &last["headers"]["authorization"]), (&json!("/api/v0/models"), &json!("<redacted>")));
    running.process.kill().await.unwrap();
}

#[tokio::test]
async fn it_dies_in_mid_stream() {
    let fault = r#"{"fault":"die","after":2}"#;
    let mut running = run(&["openai", "--word-delay", "1ms", "--fault", fault]).await;
    let body = json!({"model": "m", "input": "hello", "stream": true});
    let mut response = client().post(format!("{}/v1/responses", running.api)).json(&body).send().await.unwrap();
    let mut text = String::new();
    let cut = loop {
        match response.chunk().await {
            Ok(Some(chunk)) => text.push_str(std::str::from_utf8(&chunk).unwrap()),
            Ok(None) => break false,
            Err(_) => break true,
        }
    };
    assert!(cut && text.matches("output_text.delta").count() == 4, "name and type of two events: {text}");
    assert_eq!(ends(&mut running.process).await.code(), Some(137));
}

#[cfg(unix)]
#[tokio::test]
async fn it_ends_when_it_is_told_to() {
    let mut running = run(&["anthropic"]).await;
    let pid = running.process.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().await.unwrap().success());
    assert!(ends(&mut running.process).await.success());
}

#[tokio::test]
async fn it_ends_with_its_parent_only_if_asked() {
    let mut running = run(&["openai", "--exit-with-parent"]).await;
    drop(running.process.stdin.take());
    assert!(ends(&mut running.process).await.success());

    let mut running = run(&["openai"]).await;
    drop(running.process.stdin.take());
    assert!(tokio::time::timeout(Duration::from_millis(200), running.process.wait()).await.is_err());
    running.process.kill().await.unwrap();
}

#[tokio::test]
async fn its_help_says_how_to_use_it_and_a_mistake_is_named() {
    let output = async |arguments: &'static [&'static str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_pilotlight-simulator")).args(arguments).output().await.unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap())
    };
    let (code, help) = output(&["lmstudio", "--help"]).await;
    assert_eq!(code, Some(0));
    for word in ["--model", "--word-delay", "curl CONTROL/_sim/faults", "slow-first-byte", "TOOL"] {
        assert!(help.contains(word), "{word}");
    }
    let (code, error) = output(&["lmstudio", "--word-delay", "3 weeks"]).await;
    assert!(code == Some(2) && error.contains("30ms"), "{error}");
    let (code, error) = output(&["openai", "--fault", "{\"fault\":\"hnag\"}"]).await;
    assert!(code == Some(2) && error.contains("hnag"), "{error}");
}

#[tokio::test]
async fn ollama_and_google_run_with_their_own_settings() {
    let mut ollama = run(&["ollama", "--model", "qwen3:8b:40", "--loaded", "gemma3:4b", "--keep-alive", "2m"]).await;
    let listed: Value = client().get(format!("{}/api/ps", ollama.api)).send().await.unwrap().json().await.unwrap();
    assert_eq!(listed["models"][0]["name"], "gemma3:4b");
    control(&ollama, reqwest::Method::POST, "/_sim/load", json!({"model": "qwen3:8b", "jit": true})).await;
    let (_, state) = control(&ollama, reqwest::Method::GET, "/_sim/state", Value::Null).await;
    assert_eq!(state["models"][0]["instances"][0]["ttl_ms"], 120_000);
    assert_eq!(state["models"][1]["instances"][0]["ttl_ms"], Value::Null);
    ollama.process.kill().await.unwrap();

    let mut google = run(&["google", "--key", "k", "--word-delay", "0ms"]).await;
    let path = format!("{}/v1beta/models/gemini-2.5-flash:generateContent", google.api);
    let ask = json!({"contents": [{"parts": [{"text": "hello"}]}]});
    let answer = client().post(&path).header("x-goog-api-key", "k").json(&ask).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(client().post(&path).json(&ask).send().await.unwrap().status(), 403);
    google.process.kill().await.unwrap();
}
