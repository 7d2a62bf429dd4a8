//! The main job, with the real programs: a request is answered at once while the local model is cold, by the local
//! model when it is warm, and honestly when it dies.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::{HOSTED_KEY, SETTINGS, Setup, SimulatorProcess, configuration, events, text};

fn local(load: &str) -> SimulatorProcess {
    SimulatorProcess::start(&["lmstudio", "--model", &format!("minimax-m2.1-gs32:{load}"), "--model", "qwen3-8b:100"])
}

fn state_of<'a>(state: &'a Value, model: &str) -> &'a str {
    let models = state["models"].as_array().expect("models");
    models
        .iter()
        .find(|known| known["ref"] == model)
        .and_then(|known| known["state"]["kind"].as_str())
        .unwrap_or("none")
}

#[tokio::test]
async fn a_cold_model_is_bridged_and_the_next_request_is_local() {
    let local = local("4000");
    let hosted = SimulatorProcess::start(&["openai", "--key", HOSTED_KEY]);
    let setup = Setup::new(&configuration(&local.address, Some(&hosted.address)), SETTINGS);
    let serving = setup.serve();
    let client = reqwest::Client::new();

    let bridged = serving.stream(&client, "primary").await;
    assert_eq!(bridged.headers()["x-pilotlight-model"], "hosted/sonnet");
    assert!(bridged.headers()["x-pilotlight-attempts"].to_str().unwrap().contains("lmstudio/minimax-m2.1-gs32="));
    let answer = bridged.text().await.unwrap();
    assert!(text(&events(&answer)).contains("sonnet"), "{answer}");
    let state = setup.wait_for("the light", |state| state["light"] == "hosted");
    assert_eq!(state_of(&state, "lmstudio/minimax-m2.1-gs32"), "loading", "it was answered before the load was done");

    setup.wait_for("the load", |state| state_of(state, "lmstudio/minimax-m2.1-gs32") == "warm");
    let answer = serving.stream(&client, "primary").await;
    assert_eq!(answer.headers()["x-pilotlight-model"], "lmstudio/minimax-m2.1-gs32");
    assert!(text(&events(&answer.text().await.unwrap())).contains("minimax-m2.1-gs32"));
    let state =
        setup.wait_for("the ledger", |state| state["recent"].as_array().is_some_and(|recent| recent.len() == 2));
    assert_eq!(state["light"], "warm");
    assert_eq!(state["recent"][1]["passedOver"][0]["model"], "lmstudio/minimax-m2.1-gs32");
    assert!(state["recent"][1]["cost"].as_f64().is_some_and(|cost| cost > 0.0), "hosted costs: {state:#}");
    assert_eq!(serving.terminate(), Some(0));
}

#[tokio::test]
async fn without_a_hosted_model_the_client_waits_and_sees_signs_of_life() {
    let local = local("8000");
    let setup = Setup::new(&configuration(&local.address, None), SETTINGS);
    let serving = setup.serve();
    let mut answer = serving.stream(&reqwest::Client::new(), "primary").await;
    // How long this machine lets a program wait that is ready to run: that is none of the promise.
    let (starved, heard) = (Arc::new(Mutex::new(Duration::ZERO)), Duration::from_millis(20));
    let worst = Arc::clone(&starved);
    tokio::spawn(async move {
        loop {
            let asleep = Instant::now();
            tokio::time::sleep(heard).await;
            let late = asleep.elapsed().saturating_sub(heard);
            let mut worst = worst.lock().unwrap();
            *worst = late.max(*worst);
        }
    });

    let (mut body, mut last, mut longest) = (Vec::new(), Instant::now(), Duration::ZERO);
    while let Some(bytes) = answer.chunk().await.unwrap() {
        longest = longest.max(last.elapsed());
        last = Instant::now();
        body.extend_from_slice(&bytes);
    }
    let events = events(&String::from_utf8(body).unwrap());
    let kinds: Vec<_> = events.iter().filter_map(|event| event["type"].as_str()).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "response.created").count(), 1, "{kinds:?}");
    assert_eq!(kinds.first(), Some(&"response.created"));
    assert_eq!(kinds.get(1), Some(&"response.in_progress"));
    assert_eq!(kinds.last(), Some(&"response.completed"));
    assert!(text(&events).contains("minimax-m2.1-gs32"));
    let longest = longest.saturating_sub(*starved.lock().unwrap());
    assert!(longest <= Duration::from_secs(5), "a sign of life at least every 5 s is promised: {longest:?}");
    let numbers: Vec<_> = events.iter().filter_map(|event| event["sequence_number"].as_u64()).collect();
    assert!(numbers.is_sorted_by(|earlier, later| earlier < later), "{numbers:?}");
}

#[tokio::test]
async fn a_server_that_is_killed_while_it_streams_ends_in_an_honest_error_and_the_next_request_in_the_fallback() {
    let mut local = SimulatorProcess::start(&["lmstudio", "--model", "minimax-m2.1-gs32:0", "--word-delay", "200ms"]);
    let hosted = SimulatorProcess::start(&["openai", "--key", HOSTED_KEY]);
    let setup = Setup::new(&configuration(&local.address, Some(&hosted.address)), SETTINGS);
    let serving = setup.serve();
    setup.wait_for("the load", |state| state_of(state, "lmstudio/minimax-m2.1-gs32") == "warm");

    let client = reqwest::Client::new();
    let mut answer = serving.stream(&client, "primary").await;
    let mut body = Vec::new();
    while !String::from_utf8_lossy(&body).contains("output_text.delta") {
        body.extend_from_slice(&answer.chunk().await.unwrap().expect("content"));
    }
    local.kill();
    while let Some(bytes) = answer.chunk().await.expect("our own answer ends properly") {
        body.extend_from_slice(&bytes);
    }
    let events = events(&String::from_utf8(body).unwrap());
    let last = events.last().unwrap();
    assert_eq!(last["type"], "response.failed", "{last}");
    assert!(last["response"]["error"]["message"].as_str().is_some_and(|message| !message.is_empty()), "{last}");

    let next = serving.stream(&client, "primary").await;
    assert_eq!(next.headers()["x-pilotlight-model"], "hosted/sonnet");
    assert!(text(&support::events(&next.text().await.unwrap())).contains("sonnet"));
    let state = setup.wait_for("the tray's state", |state| state["light"] == "hosted");
    assert_eq!(state_of(&state, "lmstudio/minimax-m2.1-gs32"), "unreachable");
    assert_eq!(state["recent"].as_array().unwrap().last().unwrap()["outcome"], "cut");
}
