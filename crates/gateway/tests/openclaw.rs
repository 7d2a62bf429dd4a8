//! What OpenClaw itself takes more than a minute for, or never does: a local primary that fails in each of the ways
//! that were measured of it, one hosted fallback, and a request in OpenClaw's own form. The fallback is asked within a
//! second of the moment at which the failure is known.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::time::Duration;

use common::clock::unhurried;
use common::{Proxy, client, events, header, hosted, quick, read, target};
use futures::future::join_all;
use pilotlight_gateway::{Target, Timing};
use pilotlight_simulator::{After, Fault, Kind, Model, Options, Simulator};
use pilotlight_wire::UpstreamApi;
use serde_json::{Value, json};
use tokio::time::Instant;

/// How long the local model may be silent, as configured.
const BUDGET: Duration = Duration::from_secs(3);
/// From the moment at which a failure is known.
const SOON: Duration = Duration::from_secs(1);

async fn upstream(kind: Kind, reply: &str) -> Simulator {
    let models = vec![Model::new("m").loaded()];
    Simulator::start(kind, Options { models, reply: Some(reply.to_owned()), ..Options::default() }).await.unwrap()
}

fn status(status: u16, error: Value) -> Option<Fault> {
    Some(Fault::status_with_body(status, json!({ "error": error })))
}

/// The row, what goes wrong, what is noted of it, and after how long it is known.
type Row = (&'static str, Option<Fault>, &'static str, Duration);

/// The rows of a local server; without a fault, connections to it are refused.
fn rows() -> Vec<Row> {
    let not_found = || json!({"message": "The model `m` does not exist", "code": "model_not_found"});
    let none = "No models loaded. Please load a model in the developer page or use the 'lms load' command.";
    let crashed = "The model has crashed without additional information. (Exit code: null)";
    let overflow = "Trying to keep the first 9000 tokens from the prompt when context overflows. However, the model is \
                    loaded with context length of only 4096 tokens, which is not enough.";
    let at_once = Duration::ZERO;
    vec![
        ("404 model_not_found", status(404, not_found()), "model-not-found", at_once),
        ("400 model_not_found", status(400, not_found()), "model-not-found", at_once),
        ("404 No models loaded", status(404, json!({ "message": none })), "not-loaded", at_once),
        ("400 No models loaded", status(400, json!({ "message": none })), "not-loaded", at_once),
        ("400 Model unloaded", status(400, json!("Model unloaded.")), "unloaded", at_once),
        ("400 has crashed", status(400, json!(crashed)), "crashed", at_once),
        ("503", status(503, json!("loading")), "status", at_once),
        ("500", status(500, json!({"message": "oops"})), "status", at_once),
        ("connection refused", None, "refused", at_once),
        ("429 with retry-after 1", Some(Fault::status_with_header(429, "retry-after", "1")), "rate-limited", at_once),
        ("stream cut before the answer", Some(Fault::Cut { after: After::Request, reset: false }), "cut", at_once),
        ("stream cut", Some(Fault::cut(0)), "cut", at_once),
        ("error event", Some(Fault::error_event(0)), "crashed", at_once),
        ("401", Some(Fault::status(401)), "unauthorized", at_once),
        ("402", Some(Fault::status(402)), "payment", at_once),
        ("403", Some(Fault::status(403)), "unauthorized", at_once),
        ("context too long", status(400, json!(overflow)), "context-overflow", at_once),
        ("accepts and sends nothing", Some(Fault::hang()), "timeout", BUDGET),
        ("sends headers and nothing", Some(Fault::hang_after_headers()), "timeout", BUDGET),
    ]
}

/// As OpenClaw asks: always a stream, nothing stored, the operator's words as the first item.
fn request() -> Value {
    json!({"model": "primary", "stream": true, "store": false, "max_output_tokens": 8192, "prompt_cache_key": "session-1",
        "input": [
            {"role": "developer", "content": "You are a personal assistant."},
            {"role": "user", "content": [{"type": "input_text", "text": "good morning"}]},
        ],
        "tools": [{"type": "function", "name": "read", "parameters": {"type": "object", "properties": {}}}],
        "reasoning": {"effort": "low", "summary": "auto"}, "include": ["reasoning.encrypted_content"]})
}

async fn falls_back((row, fault, code, known_after): Row, local: Kind) {
    let (near, far) = (upstream(local, "local words").await, upstream(Kind::OpenAi, "hosted words").await);
    match fault {
        Some(fault) => drop(near.control().fault(fault)),
        None => near.control().refuse(true).await,
    }
    let api = UpstreamApi::OpenaiResponses;
    let sized = |target, window| Target { context_window: Some(window), first_content: BUDGET, ..target };
    let targets = vec![
        sized(target("lmstudio/m", near.address(), api.clone()), 4096),
        sized(hosted(target("cloud/m", far.address(), api)), 200_000),
    ];
    // Without heartbeats: the answer's headers come with the answer, and say when.
    let timing = Timing { first_beat: 2 * BUDGET, patience: 2 * BUDGET, ..quick() };
    let proxy = Proxy::with(targets, timing, |_| {}).await;
    let begun = Instant::now();
    let sent = client().post(proxy.url("/v1/responses")).bearer_auth("custom").json(&request()).timeout(4 * BUDGET);
    let response = sent.send().await.unwrap();
    let took = begun.elapsed();
    assert_eq!(header(&response, "x-pilotlight-attempts"), format!("lmstudio/m={code}; cloud/m=ok"), "{row}");
    assert!(took >= known_after && took < known_after + SOON, "{row}: {took:?}");
    let events = events(&read(response).await);
    let words: String = events
        .iter()
        .filter(|(name, _)| name == "response.output_text.delta")
        .filter_map(|(_, data)| data["delta"].as_str())
        .collect();
    assert_eq!(words, "hosted words", "{row}");
    assert_eq!(events.iter().filter(|(name, _)| name == "response.created").count(), 1, "{row}");
    assert_eq!(far.requests().len(), 1, "{row}: asked once");
    assert!(near.requests().len() <= 1, "{row}: what does not help is not tried again");
}

#[tokio::test]
async fn each_failure_of_a_local_primary_reaches_the_fallback_within_a_second() {
    // As a server of OpenAI's own API says that its answer failed.
    let failed = ("response.failed", Some(Fault::error_event(0)), "error-event", Duration::ZERO);
    let local = rows().into_iter().map(|row| (row, Kind::LmStudio));
    let all = local.chain([(failed, Kind::OpenAi)]).map(|(row, kind)| falls_back(row, kind));
    unhurried(join_all(all)).await;
}
