//! Google: streams and bodies, what it refuses, its faults.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::*;
use pilotlight_simulator::{Fault, Kind, Malformed, Model, Options, Reasoning, ReasoningForm, Simulator};
use serde_json::{Value, json};

const PRO: &str = "/v1beta/models/gemini-3-pro-preview";
const FLASH: &str = "/v1beta/models/gemini-2.5-flash";
const SAID: &str = "Hosted gemini-2.5-flash here: you said “good morning”. That is my answer.";

async fn google(options: Options) -> Simulator {
    start(Kind::Google, options).await
}

fn ask() -> Value {
    json!({"contents": [{"role": "user", "parts": [{"text": "good morning"}]}],
        "systemInstruction": {"parts": [{"text": "be brief"}]}})
}

fn ask_for_a_call() -> Value {
    json!({"contents": [{"role": "user", "parts": [{"text": "use the TOOL"}]}], "tools": [{"functionDeclarations": [
        {"name": "weather", "parameters": {"type": "OBJECT", "required": ["city"], "properties": {"city": {"type": "string"}}}}]}]})
}

async fn chunks(simulator: &Simulator, model: &str, body: Value) -> Vec<Value> {
    let response = send(simulator, &format!("{model}:streamGenerateContent?alt=sse"), body).await.unwrap();
    assert_eq!(response.status(), 200);
    let (text, ended) = read_stream(response).await;
    assert!(ended);
    events(&text)
}

async fn whole_of(simulator: &Simulator, model: &str, body: Value) -> (u16, Value) {
    post(simulator, &format!("{model}:generateContent"), body).await
}

fn parts(responses: &[Value]) -> Vec<Value> {
    responses.iter().flat_map(|r| r["candidates"][0]["content"]["parts"].as_array().unwrap().clone()).collect()
}

fn text(parts: &[Value], thought: bool) -> String {
    parts.iter().filter(|p| (p["thought"] == true) == thought).filter_map(|p| p["text"].as_str()).collect()
}

#[tokio::test]
async fn a_stream_a_list_and_a_body_are_the_same_answer() {
    let simulator = google(Options::default()).await;
    let all = chunks(&simulator, FLASH, ask()).await;
    assert_eq!(text(&parts(&all), false), SAID);
    let (last, before) = all.split_last().unwrap();
    assert!(before.iter().all(|r| r["candidates"][0].get("finishReason").is_none()));
    assert_eq!(
        (&last["candidates"][0]["finishReason"], &last["modelVersion"]),
        (&json!("STOP"), &json!("gemini-2.5-flash"))
    );
    let usage = &last["usageMetadata"];
    let count = |key: &str| usage[key].as_u64().unwrap();
    assert_eq!(count("totalTokenCount"), count("promptTokenCount") + count("candidatesTokenCount"));

    let (status, list) = post(&simulator, &format!("{FLASH}:streamGenerateContent"), ask()).await;
    assert_eq!((status, text(&parts(list.as_array().unwrap()), false).as_str()), (200, SAID));
    let (_, body) = whole_of(&simulator, FLASH, ask()).await;
    assert_eq!(body["candidates"][0]["content"]["parts"], json!([{"text": SAID}]));
    let (_, body) = post(&simulator, &format!("{FLASH}:countTokens"), ask()).await;
    assert!(body["totalTokens"].as_u64().unwrap() > 1);

    let mut short = ask();
    short["generationConfig"] = json!({"maxOutputTokens": 1});
    let (_, body) = whole_of(&simulator, FLASH, short).await;
    assert_eq!(
        (&body["candidates"][0]["finishReason"], &body["candidates"][0]["content"]["parts"][0]["text"]),
        (&json!("MAX_TOKENS"), &json!("Hosted"))
    );
}

#[tokio::test]
async fn thoughts_are_shown_to_whoever_asks_and_counted_for_all() {
    let reasoning = Some(Reasoning { text: "let me think".into(), form: ReasoningForm::Deltas });
    let simulator = google(Options { reasoning, ..Options::default() }).await;
    let hidden = chunks(&simulator, FLASH, ask()).await;
    assert_eq!(text(&parts(&hidden), true), "");
    assert_eq!(hidden.last().unwrap()["usageMetadata"]["thoughtsTokenCount"], 3);
    assert!(parts(&hidden).last().unwrap()["thoughtSignature"].is_string());
    let mut body = ask();
    body["generationConfig"] = json!({"thinkingConfig": {"includeThoughts": true}});
    assert_eq!(text(&parts(&chunks(&simulator, FLASH, body).await), true), "let me think");
}

#[tokio::test]
async fn a_call_and_its_result_with_the_signature() {
    let simulator = google(Options::default()).await;
    let all = parts(&chunks(&simulator, PRO, ask_for_a_call()).await);
    let call = all.iter().find(|part| part.get("functionCall").is_some()).unwrap().clone();
    assert_eq!(call["functionCall"], json!({"name": "weather", "args": {"city": "pilot light"}}));
    let with = |call: &Value, results: usize| {
        let result = json!({"functionResponse": {"name": "weather", "response": {"sky": "blue"}}});
        let mut body = ask_for_a_call();
        body["contents"].as_array_mut().unwrap().extend([
            json!({"role": "model", "parts": [call]}),
            json!({"role": "user", "parts": vec![result; results]}),
        ]);
        body
    };
    let (status, answer) = whole_of(&simulator, PRO, with(&call, 1)).await;
    assert_eq!(status, 200, "{answer}");
    assert!(text(&parts(&[answer]), false).ends_with("The tool has answered; thank you."));

    let mut bare = call.clone();
    bare.as_object_mut().unwrap().remove("thoughtSignature");
    let mut foreign = call.clone();
    foreign["thoughtSignature"] = json!("of somebody else");
    for (call, results, words) in [
        (&bare, 1, "missing a thought_signature"),
        (&foreign, 1, "Corrupted"),
        (&call, 2, "number of function response parts"),
    ] {
        let (status, body) = whole_of(&simulator, PRO, with(call, results)).await;
        assert!(status == 400 && body["error"]["message"].as_str().unwrap().contains(words), "{body}");
    }
    assert_eq!(whole_of(&simulator, FLASH, with(&bare, 1)).await.0, 200, "older models sign nothing");
    let mut none = ask_for_a_call();
    none["toolConfig"] = json!({"functionCallingConfig": {"mode": "NONE"}});
    assert!(!text(&parts(&[whole_of(&simulator, FLASH, none).await.1]), false).contains("I will call"));
}

#[tokio::test]
async fn what_it_does_not_know_it_refuses() {
    let simulator = google(Options::default()).await;
    let with = |pointer: &str, key: &str, value: Value| {
        let mut body = ask_for_a_call();
        body.pointer_mut(pointer).unwrap()[key] = value;
        body
    };
    let parameters = "/tools/0/functionDeclarations/0/parameters";
    let table = [
        (with("", "max_tokens", json!(1)), "Unknown name \"max_tokens\": Cannot find field."),
        (with("", "generationConfig", json!({"effort": 1})), "\"effort\" at 'generation_config'"),
        (
            with(parameters, "additionalProperties", json!(false)),
            "\"additionalProperties\" at 'tools[0].function_declarations[0].parameters'",
        ),
        (with(&format!("{parameters}/properties/city"), "$ref", json!("x")), "parameters.properties[0].value'"),
        (
            with(&format!("{parameters}/properties/city"), "type", json!(["string", "null"])),
            "Proto field is not repeating",
        ),
        (with("/tools/0/functionDeclarations/0", "name", json!("a/b")), "Invalid function name"),
        (with("/contents/0", "role", json!("assistant")), "Please use a valid role"),
        (with("/contents/0", "parts", json!([])), "must not be empty"),
        (with("/contents/0/parts/0", "cache_control", json!({})), "\"cache_control\" at 'contents[0].parts[0]'"),
        (json!({"contents": []}), "contents is not specified"),
        (
            json!({"contents": [{"role": "model", "parts": [{"functionCall": {"name": "a", "args": {}}}]}]}),
            "immediately after a user turn",
        ),
        (
            json!({"contents": [{"role": "user", "parts": [{"functionResponse": {"name": "a", "response": {}}}]}]}),
            "immediately after a function call turn",
        ),
        (
            json!({"contents": [{"role": "user", "parts": [{"functionResponse": {"name": "a", "response": "x"}}]}]}),
            "Invalid value at 'contents[0].parts[0].function_response.response'",
        ),
    ];
    for (body, words) in table {
        let (status, answer) = whole_of(&simulator, FLASH, body).await;
        assert_eq!((status, &answer["error"]["status"]), (400, &json!("INVALID_ARGUMENT")), "{words}");
        assert!(answer["error"]["message"].as_str().unwrap().contains(words), "{words}: {answer}");
    }
    let underscores = json!({"contents": [{"parts": [{"text": "hi"}]}], "system_instruction": {"parts": []}, "generation_config": {"top_p": 1}});
    assert_eq!(whole_of(&simulator, FLASH, underscores).await.0, 200);
}

#[tokio::test]
async fn keys_and_models() {
    let options = Options { key: Some("k".into()), models: vec![Model::new("gemini-2.5-flash")], ..Options::default() };
    let simulator = google(options).await;
    let request = |path: &str| client().post(url(&simulator, path)).json(&ask());
    let path = format!("{FLASH}:generateContent");
    assert_eq!(whole(request(&path).send().await.unwrap()).await.0, 403);
    let (status, body) = whole(request(&path).header("x-goog-api-key", "no").send().await.unwrap()).await;
    assert_eq!((status, &body["error"]["details"][0]["reason"]), (400, &json!("API_KEY_INVALID")));
    assert_eq!(request(&path).header("x-goog-api-key", "k").send().await.unwrap().status(), 200);
    assert_eq!(request(&format!("{path}?key=k")).send().await.unwrap().status(), 200);
    let (status, body) = whole(request(&format!("{PRO}:generateContent?key=k")).send().await.unwrap()).await;
    assert_eq!((status, &body["error"]["status"]), (404, &json!("NOT_FOUND")));
    let (_, body) = get(&simulator, "/v1beta/models?key=k").await;
    assert_eq!(body["models"][0]["name"], "models/gemini-2.5-flash");
    assert_eq!(get(&simulator, "/v1beta/models/gemini-2.5-flash?key=k").await.0, 200);
    assert_eq!(simulator.requests().last().unwrap().path, "/v1beta/models/gemini-2.5-flash?key=k");
    let shown = get(&simulator, "/_sim/requests").await.1.to_string();
    assert!(!shown.contains("key=k") && !shown.contains("\"k\""), "{shown}");
}

#[tokio::test]
async fn the_same_faults_as_the_others() {
    let simulator = google(Options::default()).await;
    let control = simulator.control();
    control.fault(Fault::status(429).times(1).for_model("gemini-2.5-flash"));
    assert_eq!(whole_of(&simulator, PRO, ask()).await.0, 200, "the model stands in the path");
    let (status, body) = whole_of(&simulator, FLASH, ask()).await;
    assert_eq!((status, &body["error"]["status"]), (429, &json!("RESOURCE_EXHAUSTED")));
    control.fault(Fault::error_event(2).times(1));
    let all = chunks(&simulator, FLASH, ask()).await;
    assert_eq!((all.len(), &all[2]["error"]["status"]), (3, &json!("UNAVAILABLE")));
    control.fault(Fault::error_event(2).times(1));
    let (_, list) = post(&simulator, &format!("{FLASH}:streamGenerateContent"), ask()).await;
    assert_eq!((list.as_array().unwrap().len(), &list[2]["error"]["code"]), (3, &json!(503)));
    control.fault(Fault::malformed(Malformed::BadJson).times(1));
    let stream = format!("{FLASH}:streamGenerateContent?alt=sse");
    let (text, _) = read_stream(send(&simulator, &stream, ask()).await.unwrap()).await;
    assert!(text.starts_with("data: {\"candidates\"") && text.ends_with("\n\n"), "{text}");
    control.fault(Fault::End { after: pilotlight_simulator::After::Content(1) }.times(1));
    assert_eq!(chunks(&simulator, FLASH, ask()).await.len(), 1);
    control.fault(Fault::cut(1).times(1));
    let (text, ended) = read_stream(send(&simulator, &stream, ask()).await.unwrap()).await;
    assert_eq!((events(&text).len(), ended), (1, false));
}
