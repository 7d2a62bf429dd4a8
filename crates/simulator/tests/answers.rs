//! Every endpoint of every server, streamed and not.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::*;
use pilotlight_simulator::{Kind, Options, Reasoning, ReasoningForm, Simulator};
use serde_json::{Value, json};

const LOCAL: &str = "Local model minimax-m2.1-gs32 here: you said “good morning”. That is my answer.";

async fn hosted(kind: Kind) -> Simulator {
    start(kind, Options::default()).await
}

async fn thinking(form: ReasoningForm) -> Simulator {
    let reasoning = Some(Reasoning { text: "let me think".into(), form });
    start(Kind::LmStudio, Options { reasoning, ..Options::default() }).await
}

#[tokio::test]
async fn responses_stream_is_complete() {
    let simulator = warm().await;
    let events = stream(&simulator, "/v1/responses", responses(MODEL)).await;
    assert_eq!(
        kinds(&events),
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed",
        ]
    );
    for (n, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], n);
    }
    let text: String = events
        .iter()
        .filter(|e| e["type"] == "response.output_text.delta")
        .map(|e| e["delta"].as_str().unwrap())
        .collect();
    assert_eq!(text, LOCAL);
    let ids: Vec<&Value> = events.iter().filter_map(|e| e.get("item_id")).collect();
    assert!(ids.windows(2).all(|pair| pair[0] == pair[1]));
    let last = &events.last().unwrap()["response"];
    assert_eq!(last["status"], "completed");
    assert_eq!(last["output"][0]["content"][0]["text"], LOCAL);
    assert_eq!(last["id"], events[0]["response"]["id"]);
    let usage = &last["usage"];
    assert!(usage["output_tokens"].as_u64().unwrap() > 5);
    assert_eq!(
        usage["total_tokens"].as_u64().unwrap(),
        usage["input_tokens"].as_u64().unwrap() + usage["output_tokens"].as_u64().unwrap()
    );
    assert_eq!(events[0]["response"]["usage"], Value::Null);
}

#[tokio::test]
async fn responses_whole() {
    let (status, body) = post(&warm().await, "/v1/responses", responses(MODEL)).await;
    assert_eq!(status, 200);
    assert_eq!(body["object"], "response");
    assert_eq!(body["model"], MODEL);
    assert_eq!(body["output"][0]["content"][0]["text"], LOCAL);
}

#[tokio::test]
async fn a_reply_stops_at_the_limit_and_says_so() {
    let simulator = warm().await;
    let mut body = responses(MODEL);
    body["max_output_tokens"] = json!(2);
    let events = stream(&simulator, "/v1/responses", body).await;
    let last = events.last().unwrap();
    assert_eq!(last["type"], "response.incomplete");
    assert_eq!(last["response"]["incomplete_details"]["reason"], "max_output_tokens");
    assert_eq!(last["response"]["output"][0]["content"][0]["text"], "Local model");
    let mut body = chat(MODEL);
    body["max_tokens"] = json!(1);
    let (_, body) = post(&simulator, "/v1/chat/completions", body).await;
    assert_eq!(body["choices"][0]["finish_reason"], "length");
    assert_eq!(body["choices"][0]["message"]["content"], "Local");
}

#[tokio::test]
async fn chat_with_and_without_usage() {
    let simulator = warm().await;
    let plain = stream(&simulator, "/v1/chat/completions", chat(MODEL)).await;
    assert_eq!(plain[0]["choices"][0]["delta"]["role"], "assistant");
    assert_eq!(plain[plain.len() - 2]["choices"][0]["finish_reason"], "stop");
    assert_eq!(plain.last().unwrap(), "[DONE]");
    assert!(plain.iter().all(|e| e.get("usage").is_none()));
    let text: String = plain.iter().filter_map(|e| e["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(text, LOCAL);

    let mut body = chat(MODEL);
    body["stream_options"] = json!({"include_usage": true});
    let counted = stream(&simulator, "/v1/chat/completions", body).await;
    let last = &counted[counted.len() - 2];
    assert_eq!(last["choices"], json!([]));
    assert!(last["usage"]["completion_tokens"].as_u64().unwrap() > 5);

    let (_, body) = post(&simulator, "/v1/chat/completions", chat(MODEL)).await;
    assert_eq!(body["choices"][0]["message"]["content"], LOCAL);
    assert!(body["usage"]["prompt_tokens"].as_u64().unwrap() > 0);
}

#[tokio::test]
async fn completions_and_embeddings() {
    let simulator = lm_studio(vec![
        pilotlight_simulator::Model::new(MODEL).loaded(),
        pilotlight_simulator::Model::embedding("nomic"),
    ])
    .await;
    let ask = json!({"model": MODEL, "prompt": "good morning"});
    let events = stream(&simulator, "/v1/completions", ask.clone()).await;
    let text: String = events.iter().filter_map(|e| e["choices"][0]["text"].as_str()).collect();
    assert_eq!(text, LOCAL);
    assert_eq!(events.last().unwrap(), "[DONE]");
    let (_, body) = post(&simulator, "/v1/completions", ask).await;
    assert_eq!(body["choices"][0]["text"], LOCAL);

    let (_, body) = post(&simulator, "/v1/embeddings", json!({"model": "nomic", "input": ["a", "b", "a"]})).await;
    let rows = body["data"].as_array().unwrap();
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[0]["embedding"], rows[2]["embedding"]);
    assert_ne!(rows[0]["embedding"], rows[1]["embedding"]);
    let base64 = json!({"model": "nomic", "input": "a", "encoding_format": "base64"});
    let (_, body) = post(&simulator, "/v1/embeddings", base64).await;
    assert!(body["data"][0]["embedding"].is_string());
}

#[tokio::test]
async fn messages_of_anthropic_and_of_lm_studio() {
    for (simulator, model, who) in [
        (hosted(Kind::Anthropic).await, "claude-sonnet-4-5", "Hosted claude-sonnet-4-5 here"),
        (warm().await, MODEL, "Local model minimax-m2.1-gs32 here"),
    ] {
        let events = stream(&simulator, "/v1/messages", messages(model)).await;
        assert_eq!(
            kinds(&events),
            [
                "message_start",
                "content_block_start",
                "ping",
                "content_block_delta",
                "content_block_stop",
                "message_delta",
                "message_stop"
            ]
        );
        let text: String = events.iter().filter_map(|e| e["delta"]["text"].as_str()).collect();
        assert!(text.starts_with(who), "{text}");
        let end = &events[events.len() - 2];
        assert_eq!(end["delta"]["stop_reason"], "end_turn");
        assert!(end["usage"]["output_tokens"].as_u64().unwrap() > 5);
        let (status, body) = post(&simulator, "/v1/messages", messages(model)).await;
        assert_eq!((status, body["content"][0]["text"].as_str().unwrap()), (200, text.as_str()));
    }
}

#[tokio::test]
async fn anthropic_counts_tokens_lists_models_and_checks_what_it_is_sent() {
    let simulator = hosted(Kind::Anthropic).await;
    let (status, body) = post(&simulator, "/v1/messages/count_tokens", messages("claude-haiku-4-5")).await;
    assert_eq!((status, body["input_tokens"].as_u64()), (200, Some(5)));
    let (_, body) = get(&simulator, "/v1/models").await;
    assert_eq!(body["data"][1]["id"], "claude-sonnet-4-5");
    let response = client().post(url(&simulator, "/v1/messages")).json(&messages("m")).send().await.unwrap();
    assert!(response.headers().contains_key("request-id"));
    let (status, body) = whole(response).await;
    assert_eq!((status, &body["error"]["type"]), (400, &json!("invalid_request_error")));
    let mut body = messages("claude-haiku-4-5");
    body.as_object_mut().unwrap().remove("max_tokens");
    let (status, body) = post(&simulator, "/v1/messages", body).await;
    assert_eq!((status, &body["error"]["message"]), (400, &json!("max_tokens: Field required")));
    let (status, body) = post(&simulator, "/v1/responses", responses("m")).await;
    assert_eq!((status, &body["error"]["type"]), (404, &json!("not_found_error")));
}

#[tokio::test]
async fn openai_answers_any_name_unless_it_was_given_names() {
    let simulator = hosted(Kind::OpenAi).await;
    let (status, body) = post(&simulator, "/v1/responses", responses("gpt-x")).await;
    assert_eq!(status, 200);
    assert!(body["output"][0]["content"][0]["text"].as_str().unwrap().starts_with("Hosted gpt-x here: you said"));
    let (status, body) = get(&simulator, "/v1/nowhere").await;
    assert_eq!((status, &body["error"]["message"]), (404, &json!("Invalid URL (GET /v1/nowhere)")));

    let models = vec![pilotlight_simulator::Model::new("gpt-only")];
    let strict = start(Kind::OpenAi, Options { models, ..Options::default() }).await;
    let (status, body) = post(&strict, "/v1/chat/completions", chat("gpt-x")).await;
    assert_eq!((status, &body["error"]["code"]), (404, &json!("model_not_found")));
    let (status, _) = post(&strict, "/v1/chat/completions", chat("gpt-only")).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn a_key_is_asked_for_in_each_apis_form() {
    let keyed = |kind| start(kind, Options { key: Some("sk-right".into()), ..Options::default() });
    for (kind, path, pointer, value) in [
        (Kind::LmStudio, "/api/v0/models", "/error/code", "invalid_api_key"),
        (Kind::OpenAi, "/v1/models", "/error/type", "invalid_request_error"),
        (Kind::Anthropic, "/v1/models", "/error/type", "authentication_error"),
    ] {
        let simulator = keyed(kind).await;
        let (status, body) = get(&simulator, path).await;
        assert_eq!((status, body.pointer(pointer)), (401, Some(&json!(value))));
        for (name, value, status) in [
            ("authorization", "Bearer sk-right", 200),
            ("x-api-key", "sk-right", 200),
            ("authorization", "Bearer sk-wrong", 401),
        ] {
            let response = client().get(url(&simulator, path)).header(name, value).send().await.unwrap();
            let (seen, body) = whole(response).await;
            assert_eq!(seen, status);
            assert!(!body.to_string().contains("sk-right"));
        }
    }
    let lm_studio = keyed(Kind::LmStudio).await;
    assert_eq!(get(&lm_studio, "/lmstudio-greeting").await, (200, json!({"lmstudio": true})), "needs no token");
}

#[tokio::test]
async fn tools_are_called_in_each_apis_form() {
    let local = warm().await;
    let events = stream(&local, "/v1/responses", with_tool(responses(MODEL), "responses")).await;
    assert!(!kinds(&events).contains(&"response.function_call_arguments.delta"), "LM Studio sends none");
    let done = events.iter().find(|e| e["type"] == "response.function_call_arguments.done").unwrap();
    assert_eq!(done["arguments"], r#"{"city":"pilot light"}"#);
    let item = &events.last().unwrap()["response"]["output"][1];
    assert_eq!((item["type"].as_str(), item["name"].as_str()), (Some("function_call"), Some("weather")));

    let openai = hosted(Kind::OpenAi).await;
    let events = stream(&openai, "/v1/responses", with_tool(responses("gpt"), "responses")).await;
    let deltas: String = events
        .iter()
        .filter(|e| e["type"] == "response.function_call_arguments.delta")
        .map(|e| e["delta"].as_str().unwrap())
        .collect();
    assert_eq!(deltas, r#"{"city":"pilot light"}"#);

    let events = stream(&openai, "/v1/chat/completions", with_tool(chat("gpt"), "chat")).await;
    let calls: Vec<&Value> = events.iter().filter_map(|e| e.pointer("/choices/0/delta/tool_calls/0")).collect();
    assert_eq!(calls.iter().filter(|c| c.get("id").is_some()).count(), 1);
    let arguments: String = calls.iter().map(|c| c["function"]["arguments"].as_str().unwrap()).collect();
    assert_eq!(arguments, r#"{"city":"pilot light"}"#);
    assert_eq!(events[events.len() - 2]["choices"][0]["finish_reason"], "tool_calls");

    let anthropic = hosted(Kind::Anthropic).await;
    let events = stream(&anthropic, "/v1/messages", with_tool(messages("claude"), "messages")).await;
    let parts: String = events.iter().filter_map(|e| e["delta"]["partial_json"].as_str()).collect();
    assert_eq!(parts, r#"{"city":"pilot light"}"#);
    assert_eq!(events[events.len() - 2]["delta"]["stop_reason"], "tool_use");
}

#[tokio::test]
async fn after_the_tools_result_it_answers_in_words() {
    let mut body = with_tool(chat("gpt"), "chat");
    let list = body["messages"].as_array_mut().unwrap();
    list.push(json!({"role": "assistant", "tool_calls": [{"id": "c", "type": "function",
        "function": {"name": "weather", "arguments": "{}"}}]}));
    list.push(json!({"role": "tool", "tool_call_id": "c", "content": "sunny"}));
    let (_, body) = post(&hosted(Kind::OpenAi).await, "/v1/chat/completions", body).await;
    assert_eq!(body["choices"][0]["finish_reason"], "stop");
    assert!(body["choices"][0]["message"].get("tool_calls").is_none());
}

#[tokio::test]
async fn reasoning_stays_apart_or_comes_as_minimax_sends_it() {
    let simulator = thinking(ReasoningForm::Deltas).await;
    let events = stream(&simulator, "/v1/responses", responses(MODEL)).await;
    let thought: String = events
        .iter()
        .filter(|e| e["type"] == "response.reasoning_text.delta")
        .map(|e| e["delta"].as_str().unwrap())
        .collect();
    assert_eq!(thought, "let me think");
    let output = &events.last().unwrap()["response"]["output"];
    assert_eq!(
        (output[0]["type"].as_str(), output[1]["content"][0]["text"].as_str()),
        (Some("reasoning"), Some(LOCAL))
    );
    let (_, body) = post(&simulator, "/v1/chat/completions", chat(MODEL)).await;
    assert_eq!(body["choices"][0]["message"]["reasoning_content"], "let me think");
    let (_, body) = post(&simulator, "/v1/messages", messages(MODEL)).await;
    assert_eq!(body["content"][0]["thinking"], "let me think");

    let events = stream(&thinking(ReasoningForm::OneShot).await, "/v1/responses", responses(MODEL)).await;
    assert!(!kinds(&events).contains(&"response.reasoning_text.delta"));
    let done = events.iter().find(|e| e["type"] == "response.reasoning_text.done").unwrap();
    assert_eq!(done["text"], "let me think");

    let (_, body) = post(&thinking(ReasoningForm::InText).await, "/v1/chat/completions", chat(MODEL)).await;
    assert_eq!(body["choices"][0]["message"]["content"], format!("let me think</think>\n{LOCAL}"));
}

#[tokio::test]
async fn it_remembers_what_it_was_asked() {
    let simulator = warm().await;
    post(&simulator, "/v1/responses?x=1", responses(MODEL)).await;
    get(&simulator, "/v1/models").await;
    let seen = simulator.requests();
    assert_eq!(
        (seen[0].method.as_str(), seen[0].path.as_str(), seen[0].model()),
        ("POST", "/v1/responses?x=1", Some(MODEL))
    );
    assert_eq!(seen[0].header("anthropic-version"), Some("2023-06-01"));
    assert_eq!((seen[1].method.as_str(), &seen[1].body), ("GET", &Value::Null));
    assert!(seen[0].at <= seen[1].at);
}
