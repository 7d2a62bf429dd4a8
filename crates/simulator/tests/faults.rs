//! Each fault once, as a client sees it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::*;
use pilotlight_simulator::{After, Fault, Kind, Malformed, Model, Options, Rule, Simulator, UnloadCause};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

async fn openai() -> Simulator {
    start(Kind::OpenAi, Options::default()).await
}

/// What a streamed request got: status, text, whether the body ended as it should.
async fn streamed(simulator: &Simulator, path: &str, mut body: Value) -> (u16, String, bool) {
    body["stream"] = json!(true);
    let response = send(simulator, path, body).await.unwrap();
    let status = response.status().as_u16();
    let (text, ended) = read_stream(response).await;
    (status, text, ended)
}

async fn silent_for(simulator: &Simulator, path: &str, body: Value, time: Duration) -> bool {
    tokio::time::timeout(time, send(simulator, path, body)).await.is_err()
}

fn deltas(text: &str) -> usize {
    text.matches("event: response.output_text.delta").count()
}

#[tokio::test]
async fn refused_and_back_on_the_same_port() {
    let simulator = warm().await;
    let kept = client();
    let greeting = url(&simulator, "/lmstudio-greeting");
    kept.get(&greeting).send().await.unwrap().bytes().await.unwrap();
    for _ in 0..3 {
        simulator.control().refuse(true).await;
        assert!(kept.get(&greeting).send().await.is_err(), "neither over a kept connection");
        let error = client().get(&greeting).send().await.unwrap_err();
        assert!(error.is_connect(), "nor over a new one: {error:?}");
        assert!(simulator.control().state().refusing);
        simulator.control().refuse(false).await;
        assert_eq!(kept.get(&greeting).send().await.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn refused_for_a_while() {
    let simulator = warm().await;
    simulator.control().refuse(true).await;
    simulator.control().fault(Rule::from(Fault::Refuse {}).lasting(Duration::from_millis(80)));
    assert!(client().get(url(&simulator, "/v1/models")).send().await.is_err());
    let back = async {
        while client().get(url(&simulator, "/v1/models")).send().await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), back).await.expect("it comes back by itself");
}

#[tokio::test]
async fn an_answer_under_way_is_finished_when_the_listener_closes() {
    let simulator = start(Kind::OpenAi, Options { word_delay: Duration::from_millis(10), ..Options::default() }).await;
    let mut body = responses("m");
    body["stream"] = json!(true);
    let response = send(&simulator, "/v1/responses", body).await.unwrap();
    simulator.control().refuse(true).await;
    let (text, ended) = read_stream(response).await;
    assert!(ended && text.contains("response.completed"));
}

#[tokio::test]
async fn hanging_without_and_with_headers() {
    let simulator = warm().await;
    simulator.control().fault(Fault::hang().times(1));
    assert!(silent_for(&simulator, "/v1/responses", responses(MODEL), Duration::from_millis(150)).await);
    assert_eq!(simulator.requests().len(), 1, "it was read");

    for (path, body) in [("/v1/responses", responses(MODEL)), ("/v1/chat/completions", chat(MODEL))] {
        for stream in [true, false] {
            simulator.control().fault(Fault::hang_after_headers().times(1));
            let mut body = body.clone();
            body["stream"] = json!(stream);
            let mut response = send(&simulator, path, body).await.unwrap();
            assert_eq!(response.status(), 200);
            assert!(tokio::time::timeout(Duration::from_millis(100), response.chunk()).await.is_err());
        }
    }
    let (status, _) = post(&simulator, "/v1/responses", responses(MODEL)).await;
    assert_eq!(status, 200, "all were for one request");
}

#[tokio::test]
async fn hanging_in_mid_stream() {
    let simulator = openai().await;
    simulator.control().fault(Fault::Hang { after: After::Content(2) });
    let mut body = responses("m");
    body["stream"] = json!(true);
    let mut response = send(&simulator, "/v1/responses", body).await.unwrap();
    let mut text = String::new();
    let mut read = async |patience| {
        let chunk = tokio::time::timeout(patience, response.chunk()).await.ok()?;
        text.push_str(std::str::from_utf8(&chunk.unwrap().unwrap()).unwrap());
        Some(deltas(&text))
    };
    while read(Duration::from_secs(30)).await.expect("what comes before it hangs") < 2 {}
    // What is in the last event's bytes may still come, and no further word.
    while let Some(deltas) = read(Duration::from_millis(150)).await {
        assert_eq!(deltas, 2);
    }
}

#[tokio::test]
async fn any_status_with_any_header_and_body() {
    let simulator = openai().await;
    simulator.control().fault(Fault::status_with_header(429, "retry-after", "7").times(1));
    let response = send(&simulator, "/v1/responses", responses("m")).await.unwrap();
    assert_eq!(response.headers()["retry-after"], "7");
    let (status, body) = whole(response).await;
    assert_eq!((status, &body["error"]["code"]), (429, &json!("rate_limit_exceeded")));

    simulator.control().fault(Fault::status_with_body(500, json!("<html>oops")).times(1));
    assert_eq!(post(&simulator, "/v1/responses", responses("m")).await, (500, json!("<html>oops")));
    simulator.control().fault(Fault::status_with_body(418, json!({"tea": true})).times(1));
    assert_eq!(post(&simulator, "/v1/responses", responses("m")).await, (418, json!({"tea": true})));

    let local = warm().await;
    local.control().fault(Fault::status(404));
    let (status, body) = post(&local, "/v1/responses", responses(MODEL)).await;
    assert_eq!(status, 404);
    assert!(body["error"]["message"].as_str().unwrap().starts_with("No models loaded"));
    let anthropic = start(Kind::Anthropic, Options::default()).await;
    anthropic.control().fault(Fault::status(529));
    let (status, body) = post(&anthropic, "/v1/messages", messages("m")).await;
    assert_eq!((status, &body["error"]["type"]), (529, &json!("overloaded_error")));
}

#[tokio::test]
async fn the_first_byte_is_slow_and_combines_with_another_fault() {
    let simulator = openai().await;
    let delay = Duration::from_millis(120);
    simulator.control().fault(Fault::slow_first_byte(delay).times(2));
    let started = Instant::now();
    let (status, _) = post(&simulator, "/v1/responses", responses("m")).await;
    assert!(status == 200 && started.elapsed() >= delay);
    simulator.control().fault(Fault::status(503).times(1));
    let started = Instant::now();
    let (status, _) = post(&simulator, "/v1/responses", responses("m")).await;
    assert!(status == 503 && started.elapsed() >= delay);
}

#[tokio::test]
async fn cut_in_mid_stream_before_content_and_before_headers() {
    let simulator = openai().await;
    for reset in [false, true] {
        for n in [0, 1, 3] {
            simulator.control().fault(Fault::Cut { after: After::Content(n), reset }.times(1));
            let (status, text, ended) = streamed(&simulator, "/v1/responses", responses("m")).await;
            assert_eq!((status, deltas(&text), ended), (200, n, false), "reset {reset}");
            assert!(text.contains("response.content_part.added"), "all that goes before content was sent");
        }
        simulator.control().fault(Fault::Cut { after: After::Headers, reset }.times(1));
        assert_eq!(streamed(&simulator, "/v1/responses", responses("m")).await, (200, String::new(), false));
        simulator.control().fault(Fault::Cut { after: After::Request, reset }.times(1));
        assert!(send(&simulator, "/v1/responses", responses("m")).await.is_err());
    }
    simulator.control().fault(Fault::cut(1).times(1));
    let response = send(&simulator, "/v1/responses", responses("m")).await.unwrap();
    let (text, ended) = read_stream(response).await;
    assert!(!ended && text.starts_with('{'), "a whole answer is cut in its midst");
}

#[tokio::test]
async fn more_events_than_there_are_means_before_the_end() {
    let simulator = openai().await;
    simulator.control().fault(Fault::cut(1000));
    let (_, text, ended) = streamed(&simulator, "/v1/responses", responses("m")).await;
    assert!(!ended && text.contains("my") && text.contains("answer.") && !text.contains("response.completed"));
}

#[tokio::test]
async fn error_events_in_each_form() {
    let simulator = openai().await;
    simulator.control().fault(Fault::error_event(2).times(1));
    let (status, text, ended) = streamed(&simulator, "/v1/responses", responses("m")).await;
    assert!(status == 200 && ended);
    let all = events(&text);
    let (error, failed) = (&all[all.len() - 2], &all[all.len() - 1]);
    assert_eq!((error["type"].as_str(), error["sequence_number"].as_u64()), (Some("error"), Some(6)));
    assert_eq!((failed["response"]["status"].as_str(), failed["sequence_number"].as_u64()), (Some("failed"), Some(7)));
    assert_eq!(failed["response"]["id"], all[0]["response"]["id"]);
    assert_eq!(deltas(&text), 2);

    simulator.control().fault(Fault::error_event(0).times(1));
    let (_, text, _) = streamed(&simulator, "/v1/chat/completions", chat("m")).await;
    assert_eq!(events(&text)[1]["error"]["type"], "server_error");

    let local = warm().await;
    let error = Fault::ErrorEvent { after: After::Headers, message: Some("out of luck".into()), code: None };
    local.control().fault(error.times(2));
    let (status, text, _) = streamed(&local, "/v1/responses", responses(MODEL)).await;
    assert_eq!(
        (status, text.as_str()),
        (200, "event: error\ndata: {\"error\":{\"message\":\"out of luck\"},\"message\":\"out of luck\"}\n\n")
    );
    let (status, body) = post(&local, "/v1/responses", responses(MODEL)).await;
    assert_eq!((status, body), (400, json!({"error": "out of luck"})));

    let anthropic = start(Kind::Anthropic, Options::default()).await;
    anthropic.control().fault(Fault::error_event(1));
    let (_, text, _) = streamed(&anthropic, "/v1/messages", messages("m")).await;
    assert_eq!(events(&text).last().unwrap()["error"]["type"], "overloaded_error");
}

#[tokio::test]
async fn an_early_end_is_a_proper_end_of_http() {
    let simulator = openai().await;
    simulator.control().fault(Fault::End { after: After::Content(2) });
    let (_, text, ended) = streamed(&simulator, "/v1/responses", responses("m")).await;
    assert!(ended && deltas(&text) == 2 && !text.contains("response.completed"));
}

#[tokio::test]
async fn malformed_in_four_ways() {
    let simulator = openai().await;
    let malformed = |form, n| Fault::Malformed { form, after: After::Content(n) }.times(1);
    simulator.control().fault(malformed(Malformed::Empty, 0));
    assert_eq!(streamed(&simulator, "/v1/responses", responses("m")).await, (200, String::new(), true));
    simulator.control().fault(malformed(Malformed::Html, 0));
    let response = send(&simulator, "/v1/responses", responses("m")).await.unwrap();
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
    simulator.control().fault(malformed(Malformed::Unframed, 2));
    let (status, text, ended) = streamed(&simulator, "/v1/responses", responses("m")).await;
    assert!(status == 200 && ended && deltas(&text) == 2 && text.ends_with("Failed to read connection"));
    simulator.control().fault(malformed(Malformed::BadJson, 1));
    let (_, text, _) = streamed(&simulator, "/v1/responses", responses("m")).await;
    let last = text.trim_end().rsplit("data: ").next().unwrap();
    assert!(deltas(&text) == 1 && serde_json::from_str::<Value>(last).is_err());
    simulator.control().fault(malformed(Malformed::BadJson, 0));
    let (status, body) = post(&simulator, "/v1/responses", responses("m")).await;
    assert!(status == 200 && body.is_string(), "half of a JSON text");
}

#[tokio::test]
async fn loads_are_slow_or_fail() {
    let simulator = lm_studio(vec![Model::new(MODEL), Model::new("other")]).await;
    let control = simulator.control();
    control.fault(Fault::load_takes(Duration::from_millis(100)).for_model(MODEL));
    control.fault(Fault::load_fails().times(2));
    let started = Instant::now();
    let (status, body) = post(&simulator, "/api/v1/models/load", json!({"model": MODEL})).await;
    assert_eq!((status, &body["error"]["code"]), (500, &json!("model_load_failed")));
    assert!(started.elapsed() >= Duration::from_millis(100));
    let (status, text, _) = streamed(&simulator, "/v1/responses", responses("other")).await;
    assert!(status == 200 && text.starts_with("event: error\n") && text.contains("insufficient system resources"));
    let (status, _) = post(&simulator, "/v1/responses", responses(MODEL)).await;
    assert_eq!(status, 200);
    assert!(started.elapsed() >= Duration::from_millis(200));
    assert_eq!(control.state().models[0].loads, 2);
}

#[tokio::test]
async fn unloaded_or_crashed_in_mid_stream() {
    for (cause, words) in [
        (UnloadCause::Ejected, "Model unloaded."),
        (UnloadCause::Evicted, "Model unloaded."),
        (UnloadCause::Ttl, "Model unloaded."),
        (UnloadCause::Crash, "The model has crashed without additional information. (Exit code: null)"),
    ] {
        let simulator = warm().await;
        simulator.control().fault(Fault::Unload { after: After::Content(2), cause }.times(1));
        let (status, text, ended) = streamed(&simulator, "/v1/responses", responses(MODEL)).await;
        assert!(status == 200 && ended && deltas(&text) == 2);
        let last: Value = serde_json::from_str(text.trim_end().rsplit("data: ").next().unwrap()).unwrap();
        assert_eq!(last, json!({"error": {"message": words}, "message": words}));
        assert!(simulator.control().state().models[0].instances.is_empty());

        let simulator = warm().await;
        simulator.control().fault(Fault::Unload { after: After::Content(0), cause }.times(1));
        let (status, body) = post(&simulator, "/v1/responses", responses(MODEL)).await;
        assert_eq!((status, body), (400, json!({"error": words})));
        assert!(simulator.control().state().models[0].instances.is_empty());
    }
}

#[tokio::test]
async fn control_ends_what_runs_at_a_moment_of_the_tests_choice() {
    let options = Options { word_delay: Duration::from_millis(30), ..Options::default() };
    let simulator = start(Kind::LmStudio, options).await;
    let mut body = chat(MODEL);
    body["stream"] = json!(true);
    let mut response = send(&simulator, "/v1/chat/completions", body).await.unwrap();
    response.chunk().await.unwrap().unwrap();
    assert_eq!(simulator.control().state().models[0].instances[0].busy, 1);
    assert_eq!(simulator.control().unload(MODEL, UnloadCause::Crash).unwrap(), [MODEL]);
    let (text, _) = read_stream(response).await;
    assert!(text.contains("has crashed") && !text.contains("[DONE]"), "{text}");
}

#[tokio::test]
async fn dying_breaks_everything() {
    let simulator = openai().await;
    simulator.control().fault(Fault::Die { after: After::Content(2) });
    let (_, text, ended) = streamed(&simulator, "/v1/responses", responses("m")).await;
    assert!(!ended && deltas(&text) == 2);
    let gone = async {
        while !client().get(url(&simulator, "/v1/models")).send().await.is_err_and(|e| e.is_connect()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), gone).await.expect("the listener closes");
}

#[tokio::test]
async fn faults_keep_to_their_path_model_and_number() {
    let simulator = openai().await;
    let control = simulator.control();
    let ask = async |path: &str, model: &str| {
        let body = if path.ends_with("responses") { responses(model) } else { chat(model) };
        post(&simulator, path, body).await.0
    };
    control.fault(Fault::status(503).on_path("/v1/responses").for_model("a").times(1));
    assert_eq!(ask("/v1/chat/completions", "a").await, 200);
    assert_eq!(ask("/v1/responses", "b").await, 200);
    assert_eq!(ask("/v1/responses", "a").await, 503);
    assert_eq!(ask("/v1/responses", "a").await, 200);

    let id = control.fault(Fault::status(500));
    assert_eq!(get(&simulator, "/v1/models").await.0, 200, "listings are spared unless a path says so");
    assert_eq!(ask("/v1/responses", "a").await, 500);
    assert!(control.clear_one(id));
    assert_eq!(ask("/v1/responses", "a").await, 200);

    control.fault(Fault::status(502).on_path("*"));
    control.fault(Fault::status(504).on_path("*"));
    assert_eq!(get(&simulator, "/v1/models").await.0, 502, "the first set counts");
    control.clear();
    assert_eq!(get(&simulator, "/v1/models").await.0, 200);

    control.fault(Rule::from(Fault::status(500)).lasting(Duration::from_millis(30)));
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(ask("/v1/responses", "a").await, 200);
}

#[tokio::test]
async fn rules_read_and_write_as_json() {
    for text in [
        r#"{"fault":"hang","after":"headers","times":2,"path":"/v1/models"}"#,
        r#"{"fault":"status","status":429,"headers":{"retry-after":"1"},"body":{"x":1},"model":"m"}"#,
        r#"{"fault":"cut","after":3,"reset":true}"#,
        r#"{"fault":"error-event","after":"request","message":"m","code":null}"#,
        r#"{"fault":"malformed","form":"bad-json","after":0}"#,
        r#"{"fault":"unload","after":1,"cause":"crash"}"#,
        r#"{"fault":"refuse","for_ms":50}"#,
        r#"{"fault":"load-takes","ms":10}"#,
        r#"{"fault":"die","after":0}"#,
    ] {
        let json: Value = serde_json::from_str(text).unwrap();
        let rule = Rule::from_json(json.clone()).unwrap();
        assert_eq!(Rule::from_json(rule.to_json()).unwrap(), rule, "{text}");
        for (name, value) in json.as_object().unwrap() {
            assert_eq!(&rule.to_json()[name], value, "{text}");
        }
    }
    for (text, says) in [
        (r#"{"fault":"hnag"}"#, "hnag"),
        (r#"{"fault":"hang","tmies":1}"#, "tmies"),
        (r#"{"fault":"cut","after":"soon"}"#, "request"),
        (r#"{"fault":"hang","times":"many"}"#, "times"),
        (r#"{"fault":"refuse","times":1}"#, "for_ms"),
        ("[]", "object"),
    ] {
        let error = Rule::from_json(serde_json::from_str(text).unwrap()).unwrap_err().to_string();
        assert!(error.contains(says), "{text}: {error}");
    }
}
