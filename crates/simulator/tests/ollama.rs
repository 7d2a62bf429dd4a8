//! Ollama: its own API, how long its models stay, its faults.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::*;
use pilotlight_simulator::{
    Fault, Kind, LoadState, Malformed, Model, OllamaOptions, Options, Reasoning, ReasoningForm, Simulator, UnloadCause,
};
use serde_json::{Value, json};
use std::time::Duration;

const QWEN: &str = "qwen3:8b";
const SAID: &str = "Local model qwen3:8b here: you said “good morning”. That is my answer.";

async fn ollama(options: Options) -> Simulator {
    start(Kind::Ollama, options).await
}

fn ask() -> Value {
    json!({"model": QWEN, "messages": [{"role": "user", "content": "good morning"}]})
}

async fn lines(simulator: &Simulator, path: &str, body: Value) -> Vec<Value> {
    let response = send(simulator, path, body).await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/x-ndjson");
    let (text, ended) = read_stream(response).await;
    assert!(ended && text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn running(simulator: &Simulator) -> Vec<Value> {
    get(simulator, "/api/ps").await.1["models"].as_array().unwrap().clone()
}

#[tokio::test]
async fn chat_streams_lines_unless_it_is_told_not_to() {
    let simulator = ollama(Options::default()).await;
    let all = lines(&simulator, "/api/chat", ask()).await;
    let text: String = all.iter().map(|line| line["message"]["content"].as_str().unwrap()).collect();
    assert_eq!(text, SAID);
    let (last, pieces) = all.split_last().unwrap();
    assert!(pieces.iter().all(|line| line["done"] == false && line["message"]["role"] == "assistant"));
    assert_eq!((&last["done"], &last["done_reason"]), (&json!(true), &json!("stop")));
    assert!(last["eval_count"].as_u64().unwrap() > 5 && last["prompt_eval_count"].as_u64().unwrap() > 0);

    let mut whole = ask();
    whole["stream"] = json!(false);
    whole["options"] = json!({"num_predict": 2});
    let (status, body) = post(&simulator, "/api/chat", whole).await;
    assert_eq!((status, &body["message"]["content"]), (200, &json!("Local model")));
    assert_eq!(body["done_reason"], "length");
}

#[tokio::test]
async fn generate_and_embed() {
    let models = vec![Model::new(QWEN), Model::embedding("nomic-embed-text:latest")];
    let simulator = ollama(Options { models, ..Options::default() }).await;
    let all = lines(&simulator, "/api/generate", json!({"model": QWEN, "prompt": "good morning"})).await;
    let text: String = all.iter().map(|line| line["response"].as_str().unwrap()).collect();
    assert_eq!(text, SAID);
    let (_, body) = post(&simulator, "/api/embed", json!({"model": "nomic-embed-text", "input": ["a", "b"]})).await;
    assert_eq!(body["embeddings"].as_array().unwrap().len(), 2);
    let chat = json!({"model": "nomic-embed-text", "messages": [{"role": "user", "content": "hi"}]});
    assert_eq!(post(&simulator, "/api/chat", chat).await.0, 400);
}

#[tokio::test]
async fn thoughts_apart_and_a_tool_with_its_arguments_as_an_object() {
    let reasoning = Some(Reasoning { text: "let me think".into(), form: ReasoningForm::Deltas });
    let simulator = ollama(Options { reasoning, ..Options::default() }).await;
    let mut body = with_tool(ask(), "chat");
    let all = lines(&simulator, "/api/chat", body.clone()).await;
    let thought: String = all.iter().filter_map(|line| line["message"]["thinking"].as_str()).collect();
    assert_eq!(thought, "let me think");
    let call = &all[all.len() - 2]["message"]["tool_calls"][0];
    assert_eq!(call["function"]["name"], "weather");
    assert_eq!(call["function"]["arguments"], json!({"city": "pilot light"}));
    assert_eq!(all.last().unwrap()["done_reason"], "stop", "a call ends like everything else");

    body["messages"].as_array_mut().unwrap().extend([
        json!({"role": "assistant", "content": "", "tool_calls": [call]}),
        json!({"role": "tool", "tool_name": "weather", "content": "sunny"}),
    ]);
    body["stream"] = json!(false);
    body["think"] = json!(false);
    let (_, answer) = post(&simulator, "/api/chat", body).await;
    assert!(answer["message"]["content"].as_str().unwrap().ends_with("The tool has answered; thank you."));
    assert_eq!((answer["message"].get("tool_calls"), answer["message"].get("thinking")), (None, None));
}

#[tokio::test]
async fn its_imitations_of_the_other_apis() {
    let reasoning = Some(Reasoning { text: "let me think".into(), form: ReasoningForm::Deltas });
    let simulator = ollama(Options { reasoning, ..Options::default() }).await;
    let events = stream(&simulator, "/v1/chat/completions", chat(QWEN)).await;
    let thought: String = events.iter().filter_map(|e| e["choices"][0]["delta"]["reasoning"].as_str()).collect();
    assert_eq!(thought, "let me think");
    let events = stream(&simulator, "/v1/responses", responses(QWEN)).await;
    assert!(kinds(&events).contains(&"response.reasoning_summary_text.delta"));
    let (_, body) = post(&simulator, "/v1/messages", messages(QWEN)).await;
    assert_eq!(body["content"][1]["text"], SAID);
    assert_eq!(get(&simulator, "/v1/models").await.1["data"][0]["id"], QWEN);
}

#[tokio::test]
async fn what_it_says_of_itself_and_its_models() {
    let models = vec![Model::new(QWEN).context(40_960), Model::embedding("nomic-embed-text:latest")];
    let simulator = ollama(Options { models, ..Options::default() }).await;
    assert_eq!(get(&simulator, "/").await, (200, json!("Ollama is running")));
    assert!(get(&simulator, "/api/version").await.1["version"].is_string());
    let (_, tags) = get(&simulator, "/api/tags").await;
    assert_eq!((&tags["models"][0]["name"], tags["models"].as_array().unwrap().len()), (&json!(QWEN), 2));
    assert_eq!(tags["models"][0]["digest"].as_str().unwrap().len(), 64);
    let (_, shown) = post(&simulator, "/api/show", json!({"model": QWEN})).await;
    let family = shown["details"]["family"].as_str().unwrap();
    assert_eq!(shown["model_info"][format!("{family}.context_length")], 40_960);
    assert!(shown["capabilities"].as_array().unwrap().contains(&json!("tools")));
    let (_, shown) = post(&simulator, "/api/show", json!({"model": "nomic-embed-text"})).await;
    assert_eq!(shown["capabilities"], json!(["embedding"]));
    for (path, body) in [("/api/show", json!({"model": "x"})), ("/api/chat", json!({"model": "x"}))] {
        assert_eq!(post(&simulator, path, body).await, (404, json!({"error": "model 'x' not found"})));
    }
    let (status, body) = post(&simulator, "/v1/chat/completions", chat("x")).await;
    assert_eq!((status, &body["error"]["message"]), (404, &json!("model 'x' not found")));
    assert_eq!(get(&simulator, "/api/v0/models").await, (404, json!("404 page not found")));
}

#[tokio::test]
async fn a_request_without_words_loads_and_unloads() {
    let simulator = ollama(Options::default()).await;
    assert_eq!(running(&simulator).await, [] as [Value; 0]);
    let (_, body) = post(&simulator, "/api/generate", json!({"model": QWEN, "keep_alive": -1})).await;
    assert_eq!((&body["done"], &body["done_reason"], &body["response"]), (&json!(true), &json!("load"), &json!("")));
    let listed = running(&simulator).await;
    assert_eq!((&listed[0]["name"], &listed[0]["context_length"]), (&json!(QWEN), &json!(40_960)));
    assert!(listed[0]["expires_at"].as_str().unwrap() > "2300", "it stays for good: {listed:?}");
    let (_, body) = post(&simulator, "/api/chat", json!({"model": QWEN, "messages": [], "keep_alive": 0})).await;
    assert_eq!((&body["done_reason"], &body["message"]["content"]), (&json!("unload"), &json!("")));
    assert_eq!(running(&simulator).await, [] as [Value; 0]);
    let (status, _) = post(&simulator, "/api/generate", json!({"model": QWEN, "keep_alive": "soon"})).await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn a_model_stays_as_long_as_it_was_last_told() {
    let simulator = ollama(Options::default()).await;
    let mut body = ask();
    body["stream"] = json!(false);
    let ttl = || simulator.control().state().models[0].instances[0].ttl_ms;
    post(&simulator, "/api/chat", body.clone()).await;
    assert_eq!(ttl(), Some(300_000), "five minutes, where nobody says");
    body["keep_alive"] = json!("1h");
    post(&simulator, "/api/chat", body.clone()).await;
    post(&simulator, "/v1/chat/completions", chat(QWEN)).await;
    assert_eq!(ttl(), Some(3_600_000), "a request that does not say changes nothing");
    body["keep_alive"] = json!(0);
    let (_, answer) = post(&simulator, "/api/chat", body).await;
    assert_eq!(answer["message"]["content"], SAID);
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(simulator.control().model_state(QWEN), LoadState::NotLoaded, "it went after its answer");
}

#[tokio::test]
async fn another_context_loads_it_anew_and_a_longer_prompt_is_cut() {
    let ollama_options = OllamaOptions { context: Some(64), ..OllamaOptions::default() };
    let simulator = ollama(Options { ollama: ollama_options, ..Options::default() }).await;
    let long = json!({"model": QWEN, "stream": false, "messages": [{"role": "user", "content": "word ".repeat(900)}]});
    let (status, body) = post(&simulator, "/api/chat", long.clone()).await;
    assert_eq!((status, &body["prompt_eval_count"]), (200, &json!(64)));
    let mut wider = long;
    wider["options"] = json!({"num_ctx": 8192});
    let (_, body) = post(&simulator, "/api/chat", wider.clone()).await;
    assert!(body["prompt_eval_count"].as_u64().unwrap() > 1000);
    post(&simulator, "/api/chat", wider).await;
    let model = &simulator.control().state().models[0];
    assert_eq!((model.loads, model.instances.len(), model.instances[0].context), (2, 1, 8192));
}

#[tokio::test]
async fn requests_that_come_while_it_loads_wait_for_one_load() {
    let models = vec![Model::new(QWEN).load_time(Duration::from_millis(120))];
    let simulator = ollama(Options { models, ..Options::default() }).await;
    let one = post(&simulator, "/api/generate", json!({"model": QWEN}));
    let other = async {
        tokio::time::sleep(Duration::from_millis(30)).await;
        assert_eq!(running(&simulator).await.len(), 1, "it is listed while it loads");
        post(&simulator, "/v1/chat/completions", chat(QWEN)).await
    };
    let (one, other) = tokio::join!(one, other);
    assert_eq!((one.0, other.0), (200, 200));
    assert_eq!(simulator.control().state().models[0].loads, 1);
}

#[tokio::test]
async fn a_crash_ends_the_answer_and_is_still_listed() {
    let simulator = ollama(Options::default()).await;
    simulator
        .control()
        .fault(Fault::Unload { after: pilotlight_simulator::After::Content(2), cause: UnloadCause::Crash }.times(1));
    let all = lines(&simulator, "/api/chat", ask()).await;
    assert_eq!(all.len(), 3);
    assert!(all[2]["error"].as_str().unwrap().contains("unexpected EOF"));
    assert_eq!(simulator.control().model_state(QWEN), LoadState::NotLoaded);
    assert_eq!(running(&simulator).await.len(), 1);
    assert_eq!(lines(&simulator, "/api/chat", ask()).await.last().unwrap()["done"], true);
    assert_eq!(running(&simulator).await.len(), 1);
}

#[tokio::test]
async fn the_same_faults_as_the_others() {
    let simulator = ollama(Options::default()).await;
    let control = simulator.control();
    control.fault(Fault::status(503).times(1));
    post(&simulator, "/api/generate", json!({"model": QWEN})).await;
    assert_eq!(get(&simulator, "/api/ps").await.0, 200);
    let (status, body) = post(&simulator, "/api/chat", ask()).await;
    assert!(
        status == 503 && body["error"].as_str().unwrap().starts_with("server busy"),
        "loads do not use it up: {body}"
    );

    control.fault(Fault::error_event(2).times(1));
    let all = lines(&simulator, "/api/chat", ask()).await;
    assert!(all.len() == 3 && all[2]["error"].is_string());
    control.fault(Fault::malformed(Malformed::BadJson).times(1));
    let (text, _) = read_stream(send(&simulator, "/api/chat", ask()).await.unwrap()).await;
    assert!(serde_json::from_str::<Value>(&text).is_err() && text.ends_with('\n'));
    control.fault(Fault::End { after: pilotlight_simulator::After::Content(3) }.times(1));
    assert!(lines(&simulator, "/api/chat", ask()).await.iter().all(|line| line["done"] == false));
    control.fault(Fault::cut(1).times(1));
    let (text, ended) = read_stream(send(&simulator, "/api/chat", ask()).await.unwrap()).await;
    assert_eq!((text.lines().count(), ended), (1, false));

    post(&simulator, "/api/generate", json!({"model": QWEN, "keep_alive": 0})).await;
    control.fault(Fault::load_fails().times(1));
    let (status, body) = post(&simulator, "/api/chat", ask()).await;
    assert!(status == 500 && body["error"].as_str().unwrap().contains("more system memory"), "{body}");
}

#[tokio::test]
async fn a_key_where_one_stands_before_it() {
    let simulator = ollama(Options { key: Some("k".into()), ..Options::default() }).await;
    assert_eq!(post(&simulator, "/api/chat", ask()).await, (401, json!({"error": "unauthorized"})));
    let request = client().get(url(&simulator, "/api/tags")).bearer_auth("k");
    assert_eq!(request.send().await.unwrap().status(), 200);
}
