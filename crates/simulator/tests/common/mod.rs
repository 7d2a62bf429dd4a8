//! What the tests share: a client, and reading of streams.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use pilotlight_simulator::{Kind, Model, Options, Simulator};
use serde_json::{Value, json};
use std::time::Duration;

pub const MODEL: &str = "minimax-m2.1-gs32";

/// LM Studio with the model loaded, so that nothing has to wait.
pub async fn warm() -> Simulator {
    lm_studio(vec![Model::new(MODEL).loaded()]).await
}

pub async fn lm_studio(models: Vec<Model>) -> Simulator {
    start(Kind::LmStudio, Options { models, ..Options::default() }).await
}

pub async fn start(kind: Kind, options: Options) -> Simulator {
    Simulator::start(kind, options).await.unwrap()
}

pub fn url(simulator: &Simulator, path: &str) -> String {
    format!("http://{}{path}", simulator.address())
}

/// Each call has a client of its own unless a test wants to reuse connections.
pub fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().tls_certs_only([]).timeout(Duration::from_secs(10)).build().unwrap()
}

pub async fn get(simulator: &Simulator, path: &str) -> (u16, Value) {
    whole(client().get(url(simulator, path)).send().await.unwrap()).await
}

pub async fn post(simulator: &Simulator, path: &str, body: Value) -> (u16, Value) {
    whole(send(simulator, path, body).await.unwrap()).await
}

pub async fn delete(simulator: &Simulator, path: &str) -> (u16, Value) {
    whole(client().delete(url(simulator, path)).send().await.unwrap()).await
}

pub async fn send(simulator: &Simulator, path: &str, body: Value) -> reqwest::Result<reqwest::Response> {
    client().post(url(simulator, path)).header("anthropic-version", "2023-06-01").json(&body).send().await
}

pub async fn whole(response: reqwest::Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// A streamed body as far as it came, and whether it ended as HTTP says it must.
pub async fn read_stream(mut response: reqwest::Response) -> (String, bool) {
    let mut text = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => text.extend_from_slice(&chunk),
            Ok(None) => return (String::from_utf8(text).unwrap(), true),
            Err(_) => return (String::from_utf8(text).unwrap(), false),
        }
    }
}

/// The JSON of each event; the event's name must be the one its data says.
pub fn events(text: &str) -> Vec<Value> {
    assert!(text.is_empty() || text.ends_with("\n\n"), "the last event is framed: {text}");
    let mut events = Vec::new();
    for block in text.split_terminator("\n\n") {
        let data = block.lines().find_map(|l| l.strip_prefix("data: ")).expect("an event has data");
        if data == "[DONE]" {
            events.push(json!("[DONE]"));
            continue;
        }
        let value: Value = serde_json::from_str(data).unwrap();
        if let (Some(name), Some(kind)) =
            (block.lines().find_map(|l| l.strip_prefix("event: ")), value["type"].as_str())
        {
            assert_eq!(name, kind);
        }
        events.push(value);
    }
    events
}

pub async fn stream(simulator: &Simulator, path: &str, mut body: Value) -> Vec<Value> {
    body["stream"] = json!(true);
    let response = send(simulator, path, body).await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/event-stream"));
    let (text, ended) = read_stream(response).await;
    assert!(ended, "the body ended properly");
    events(&text)
}

pub fn kinds(events: &[Value]) -> Vec<&str> {
    let mut kinds: Vec<&str> = events.iter().map(|e| e["type"].as_str().unwrap_or("?")).collect();
    kinds.dedup();
    kinds
}

pub fn responses(model: &str) -> Value {
    json!({"model": model, "input": "good morning"})
}

pub fn chat(model: &str) -> Value {
    json!({"model": model, "messages": [{"role": "system", "content": "be brief"},
        {"role": "user", "content": "good morning"}]})
}

pub fn messages(model: &str) -> Value {
    json!({"model": model, "max_tokens": 100, "messages": [{"role": "user", "content": [{"type": "text",
        "text": "good morning"}]}]})
}

pub fn with_tool(mut body: Value, shape: &str) -> Value {
    let schema = json!({"type": "object", "required": ["city"], "properties": {"city": {"type": "string"}}});
    let tool = match shape {
        "chat" => json!({"type": "function", "function": {"name": "weather", "parameters": schema}}),
        "messages" => json!({"name": "weather", "input_schema": schema}),
        _ => json!({"type": "function", "name": "weather", "parameters": schema}),
    };
    body["tools"] = json!([tool]);
    let text = "use the TOOL";
    if body.get("input").is_some() {
        body["input"] = json!([{"role": "user", "content": [{"type": "input_text", "text": text}]}]);
    } else {
        body["messages"] = json!([{"role": "user", "content": text}]);
    }
    body
}
