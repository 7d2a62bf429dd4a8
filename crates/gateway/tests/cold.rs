//! Cold and loading local models: the bridge, the wait with heartbeats, and what a load can end in.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::time::Duration;

use common::clock::unhurried;
use common::raw::{Piece, Raw};
use common::{
    Proxy, ask, error_message, events, header, hosted, quick, read, target, text_of, upstream_api, whole_text,
};
use futures::future::join_all;
use pilotlight_gateway::{Cold, Outcome, Phase, Readiness, Target, Trouble};
use pilotlight_simulator::{Fault, Kind, Options, Simulator};
use pilotlight_wire::ClientApi::{self, Chat, Completions, Messages, Responses};
use serde_json::Value;
use tokio::time::Instant;

const STREAMED: [ClientApi; 4] = [Responses, Chat, Messages, Completions];

async fn vendor(api: ClientApi, reply: &str) -> Simulator {
    let kind = if api == Messages { Kind::Anthropic } else { Kind::OpenAi };
    Simulator::start(kind, Options { reply: Some(reply.to_owned()), ..Options::default() }).await.unwrap()
}

fn loading() -> Readiness {
    Readiness::Loading { for_: Duration::from_secs(1), expected: Some(Duration::from_secs(30)) }
}

struct Stage {
    proxy: Proxy,
    local: Simulator,
    far: Simulator,
}

async fn stage(api: ClientApi, with_hosted: bool, cold: Cold) -> Stage {
    let (local, far) = (vendor(api, "local words").await, vendor(api, "hosted words").await);
    let patient = |target: Target| Target { first_content: Duration::from_secs(10), ..target };
    let mut targets = vec![patient(target("near/m", local.address(), upstream_api(api)))];
    if with_hosted {
        targets.push(patient(hosted(target("far/m", far.address(), upstream_api(api)))));
    }
    let proxy = Proxy::with(targets, quick(), |routes| routes.cold = cold).await;
    Stage { proxy, local, far }
}

/// Sets the model's state after a while.
fn later(stage: &Stage, after: Duration, readiness: Readiness) -> tokio::task::JoinHandle<()> {
    let local = stage.proxy.local.clone();
    tokio::spawn(async move {
        tokio::time::sleep(after).await;
        local.set("near/m", readiness);
    })
}

#[tokio::test]
async fn while_the_local_one_loads_the_hosted_one_answers_at_once() {
    for api in STREAMED {
        for (state, code) in [(Readiness::Cold, "cold"), (loading(), "loading")] {
            let mut stage = stage(api, true, Cold::Bridge).await;
            stage.proxy.local.set("near/m", state);
            let response = stage.proxy.send(api, ask(api, "primary", true)).await;
            assert_eq!(header(&response, "x-pilotlight-attempts"), format!("near/m={code}; far/m=ok"));
            assert_eq!(text_of(api, &events(&read(response).await)), "hosted words");
            assert_eq!(stage.proxy.local.wanted(), ["near/m"], "its load was asked for");
            assert!(stage.local.requests().is_empty(), "it was left alone");
            assert_eq!(stage.proxy.finished().await.served_by.unwrap().to_string(), "far/m");
            stage.proxy.local.set("near/m", Readiness::Ready);
            let response = stage.proxy.send(api, ask(api, "primary", true)).await;
            assert_eq!(header(&response, "x-pilotlight-model"), "near/m", "the next request is local");
        }
    }
}

#[tokio::test]
async fn without_a_hosted_one_the_client_waits_and_sees_that_we_live() {
    unhurried(join_all(STREAMED.map(async |api| {
        let mut stage = stage(api, false, Cold::Bridge).await;
        stage.proxy.local.set("near/m", Readiness::Cold);
        let steps = [
            later(&stage, Duration::from_millis(100), loading()),
            later(&stage, Duration::from_millis(900), Readiness::Ready),
        ];
        let begun = Instant::now();
        let mut response = stage.proxy.send(api, ask(api, "primary", true)).await;
        assert!(begun.elapsed() < Duration::from_millis(700), "headers come with the first heartbeat");
        assert_eq!(header(&response, "x-pilotlight-waiting"), "near/m");
        let (mut body, mut longest, mut last) = (Vec::new(), Duration::ZERO, Instant::now());
        while let Some(piece) = response.chunk().await.unwrap() {
            longest = longest.max(last.elapsed());
            last = Instant::now();
            body.extend_from_slice(&piece);
        }
        assert!(longest < Duration::from_millis(400), "{api:?}: silence of {longest:?}");
        let body = String::from_utf8(body).unwrap();
        let events = events(&body);
        assert_eq!(text_of(api, &events), "local words", "{api:?}: {body}");
        assert!(body.contains("\n\n: x-pilotlight-model=near/m x-pilotlight-attempts=near/m=ok\n\n"), "{body}");
        let life = match api {
            Responses => {
                let kinds: Vec<_> = events.iter().map(|(_, data)| data["type"].as_str().unwrap()).collect();
                assert_eq!(kinds.iter().filter(|kind| **kind == "response.created").count(), 1);
                let numbers: Vec<_> =
                    events.iter().map(|(_, data)| data["sequence_number"].as_u64().unwrap()).collect();
                assert!(numbers.iter().zip(0..).all(|(number, expected)| *number == expected), "{numbers:?}");
                let id = &events[0].1["response"]["id"];
                assert_eq!(&events.last().unwrap().1["response"]["id"], id);
                assert_eq!(*kinds.last().unwrap(), "response.completed");
                kinds.iter().filter(|kind| **kind == "response.in_progress").count()
            }
            Messages => events.iter().take_while(|(name, _)| name == "ping").count(),
            _ => events.iter().take_while(|(_, data)| data["model"] == "primary").count(),
        };
        assert!(life >= 3, "{api:?}: {life} signs of life: {body}");
        let served = stage.proxy.finished().await;
        assert_eq!((served.outcome, served.http_status), (Outcome::Served, 200));
        for step in steps {
            step.await.unwrap();
        }
    })))
    .await;
}

#[tokio::test]
async fn a_whole_answer_is_waited_for_behind_white_space() {
    join_all([Responses, Chat, Messages, Completions].map(async |api| {
        let stage = stage(api, false, Cold::Bridge).await;
        stage.proxy.local.set("near/m", loading());
        later(&stage, Duration::from_millis(900), Readiness::Ready);
        let response = stage.proxy.send(api, ask(api, "primary", false)).await;
        assert_eq!((response.status().as_u16(), header(&response, "content-type")), (200, "application/json"));
        assert_eq!(header(&response, "x-pilotlight-waiting"), "near/m");
        let body = read(response).await;
        assert!(body.starts_with("\n\n\n"), "{body:?}");
        assert_eq!(whole_text(api, &serde_json::from_str(&body).unwrap()), "local words");
    }))
    .await;
}

#[tokio::test]
async fn a_load_that_is_over_soon_costs_no_header() {
    let stage = stage(Chat, false, Cold::Bridge).await;
    stage.proxy.local.set("near/m", loading());
    later(&stage, Duration::from_millis(100), Readiness::Ready);
    let response = stage.proxy.send(Chat, ask(Chat, "primary", true)).await;
    assert_eq!(header(&response, "x-pilotlight-attempts"), "near/m=ok");
}

#[tokio::test]
async fn waiting_by_choice_and_then_failing_over() {
    for (end, code) in [
        (Readiness::Cold, "load-failed"),
        (Readiness::Missing, "missing"),
        (Readiness::Unreachable("gone".into()), "unreachable"),
    ] {
        let stage = stage(Chat, true, Cold::Wait).await;
        stage.proxy.local.set("near/m", loading());
        later(&stage, Duration::from_millis(150), end);
        let response = stage.proxy.send(Chat, ask(Chat, "primary", true)).await;
        assert_eq!(header(&response, "x-pilotlight-attempts"), format!("near/m={code}; far/m=ok"));
        assert_eq!(text_of(Chat, &events(&read(response).await)), "hosted words");
    }
}

#[tokio::test]
async fn failing_over_after_heartbeats() {
    join_all(STREAMED.map(async |api| {
        let stage = stage(api, true, Cold::Wait).await;
        stage.proxy.local.set("near/m", loading());
        later(&stage, Duration::from_millis(800), Readiness::Cold);
        let body = read(stage.proxy.send(api, ask(api, "primary", true)).await).await;
        assert_eq!(text_of(api, &events(&body)), "hosted words", "{body}");
        assert!(
            body.contains(": x-pilotlight-model=far/m x-pilotlight-attempts=near/m=load-failed; far/m=ok\n"),
            "{body}"
        );
    }))
    .await;
}

#[tokio::test]
async fn a_failure_after_heartbeats_is_an_error_event() {
    join_all(STREAMED.map(async |api| {
        let mut stage = stage(api, false, Cold::Bridge).await;
        stage.proxy.local.set("near/m", loading());
        later(&stage, Duration::from_millis(700), Readiness::Cold);
        let body = read(stage.proxy.send(api, ask(api, "primary", true)).await).await;
        let events = events(&body);
        let message = error_message(api, events.last().unwrap()).unwrap_or_else(|| panic!("{api:?}: {body}"));
        assert!(message.contains("near/m: load-failed"), "{message}");
        if api == Responses {
            assert_eq!(events.last().unwrap().1["response"]["id"], events[0].1["response"]["id"]);
        }
        assert_eq!(stage.proxy.finished().await.outcome, Outcome::Failed);
        assert!(stage.far.requests().is_empty());
    }))
    .await;
    let stage = stage(Messages, false, Cold::Bridge).await;
    stage.proxy.local.set("near/m", loading());
    later(&stage, Duration::from_millis(700), Readiness::Cold);
    let response = stage.proxy.send(Messages, ask(Messages, "primary", false)).await;
    assert_eq!(response.status(), 200, "it was sent before this was known");
    let body: Value = serde_json::from_str(&read(response).await).unwrap();
    assert_eq!(body["type"], "error", "{body}");
}

#[tokio::test]
async fn when_the_bridge_fails_the_loading_one_is_waited_for() {
    let mut stage = stage(Chat, true, Cold::Bridge).await;
    stage.far.control().fault(Fault::status(429));
    stage.proxy.local.set("near/m", loading());
    later(&stage, Duration::from_millis(200), Readiness::Ready);
    let response = stage.proxy.send(Chat, ask(Chat, "primary", true)).await;
    assert_eq!(header(&response, "x-pilotlight-attempts"), "near/m=loading; far/m=rate-limited; near/m=ok");
    assert_eq!(text_of(Chat, &events(&read(response).await)), "local words");
    let mut phases = Vec::new();
    while let Ok(event) = stage.proxy.events.try_recv() {
        if let pilotlight_gateway::Event::Phase { candidate, phase, .. } = event {
            phases.push((candidate.to_string(), phase));
        }
    }
    let expected =
        [("far/m", Phase::Asking), ("near/m", Phase::Loading), ("near/m", Phase::Asking), ("near/m", Phase::Streaming)];
    assert_eq!(phases, expected.map(|(model, phase)| (model.to_owned(), phase)));
}

#[tokio::test]
async fn a_model_that_was_unloaded_unseen_is_loaded_and_asked_again() {
    unhurried(async {
        for hosted_too in [false, true] {
            let stage = stage(Chat, hosted_too, Cold::Bridge).await;
            let unloaded = serde_json::json!({"error": "Model was unloaded while the request was still in queue.."});
            stage.local.control().fault(Fault::status_with_body(400, unloaded).times(1));
            // The keeper notices a moment later.
            later(&stage, Duration::from_millis(50), loading());
            later(&stage, Duration::from_millis(250), Readiness::Ready);
            let response = stage.proxy.send(Chat, ask(Chat, "primary", true)).await;
            let attempts = if hosted_too { "near/m=unloaded; far/m=ok" } else { "near/m=unloaded; near/m=ok" };
            assert_eq!(header(&response, "x-pilotlight-attempts"), attempts);
            assert_eq!(stage.proxy.local.troubles(), [Trouble::Unloaded]);
            assert_eq!(stage.proxy.local.wanted()[0], "near/m");
        }
    })
    .await;
}

#[tokio::test]
async fn a_model_that_goes_while_it_is_asked_is_not_waited_for() {
    unhurried(async {
        for (state, code) in [
            (loading(), "unloaded"),
            (Readiness::Cold, "unloaded"),
            (Readiness::Unreachable("connection refused".to_owned()), "unreachable"),
        ] {
            let stage = stage(Chat, true, Cold::Bridge).await;
            // As of a runtime that loads on request: not a byte until that is done.
            stage.local.control().fault(Fault::hang());
            let local = stage.proxy.local.clone();
            tokio::spawn(async move {
                while local.troubles().is_empty() {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                local.set("near/m", state);
            });
            let response = stage.proxy.send(Chat, ask(Chat, "primary", true)).await;
            assert_eq!(header(&response, "x-pilotlight-attempts"), format!("near/m={code}; far/m=ok"));
            assert_eq!(stage.proxy.local.troubles()[0], Trouble::Silent, "its runtime is asked to be looked at");
        }
    })
    .await;
}

#[tokio::test]
async fn a_model_that_keeps_saying_no_is_not_asked_for_ever() {
    unhurried(async {
        let stage = stage(Chat, false, Cold::Bridge).await;
        let none = serde_json::json!({"error": {"message": "No models loaded. Please load a model", "code": null}});
        stage.local.control().fault(Fault::status_with_body(404, none));
        let response = stage.proxy.send(Chat, ask(Chat, "primary", false)).await;
        assert_eq!(response.status(), 404, "the only candidate's own error");
        assert_eq!(header(&response, "x-pilotlight-attempts"), "near/m=not-loaded; near/m=not-loaded");
        assert_eq!(stage.local.requests().len(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_cold_model_that_nobody_loads_is_asked_all_the_same() {
    let stage = stage(Chat, false, Cold::Bridge).await;
    stage.proxy.local.set("near/m", Readiness::Cold);
    let body = read(stage.proxy.send(Chat, ask(Chat, "primary", true)).await).await;
    assert_eq!(text_of(Chat, &events(&body)), "local words", "a server may load on request");
}

#[tokio::test]
async fn an_unreachable_one_is_asked_last() {
    let mut stage = stage(Chat, true, Cold::Bridge).await;
    stage.proxy.local.set("near/m", Readiness::Unreachable("connection refused".into()));
    let response = stage.proxy.send(Chat, ask(Chat, "primary", false)).await;
    assert_eq!(header(&response, "x-pilotlight-attempts"), "near/m=unreachable; far/m=ok");
    stage.far.control().fault(Fault::status(503));
    let response = stage.proxy.send(Chat, ask(Chat, "primary", false)).await;
    assert_eq!(header(&response, "x-pilotlight-attempts"), "near/m=unreachable; far/m=status; near/m=ok");
    assert_eq!(stage.proxy.finished().await.attempts[0].detail, "connection refused");
}

#[tokio::test]
async fn only_the_first_of_two_cold_models_is_asked_to_load() {
    let (first, second) = (vendor(Chat, "a").await, vendor(Chat, "b").await);
    let targets = vec![
        target("first/m", first.address(), upstream_api(Chat)),
        target("second/m", second.address(), upstream_api(Chat)),
    ];
    let proxy = Proxy::start(targets).await;
    proxy.local.set("first/m", loading());
    proxy.local.set("second/m", Readiness::Cold);
    let local = proxy.local.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(150)).await;
        local.set("first/m", Readiness::Ready);
    });
    let response = proxy.send(Chat, ask(Chat, "primary", false)).await;
    assert_eq!(header(&response, "x-pilotlight-model"), "first/m");
    assert!(!proxy.local.wanted().contains(&"second/m".to_owned()), "it may need the same memory");
}

#[tokio::test]
async fn a_response_that_has_begun_keeps_its_id_through_heartbeats() {
    let event = |json: &str| Piece::Bytes(format!("data: {json}\n\n").into());
    let upstream = Raw::stream(vec![
        event(r#"{"type":"response.created","sequence_number":0,"response":{"id":"resp_up"}}"#),
        Piece::Pause(Duration::from_millis(800)),
        event(r#"{"type":"response.output_text.delta","sequence_number":1,"delta":"a"}"#),
        event(r#"{"type":"response.completed","sequence_number":2,"response":{"id":"resp_up"}}"#),
    ])
    .await;
    let mut only = target("near/m", upstream.address, upstream_api(Responses));
    only.first_content = Duration::from_secs(10);
    let proxy = Proxy::start(vec![only]).await;
    let body = read(proxy.send(Responses, ask(Responses, "primary", true)).await).await;
    let events = events(&body);
    let ids: Vec<_> = events.iter().filter_map(|(_, data)| data["response"]["id"].as_str()).collect();
    assert!(ids.len() > 3 && ids.iter().all(|id| *id == "resp_up"), "a client may go on from it: {body}");
    let numbers: Vec<_> = events.iter().map(|(_, data)| data["sequence_number"].as_u64().unwrap()).collect();
    assert!(numbers.iter().zip(0..).all(|(number, expected)| *number == expected), "{numbers:?}");
}

#[tokio::test]
async fn a_warm_model_that_reads_a_long_prompt_is_held_with_heartbeats() {
    join_all(STREAMED.map(async |api| {
        let stage = stage(api, true, Cold::Bridge).await;
        stage.local.control().fault(Fault::slow_first_byte(Duration::from_millis(900)));
        let response = stage.proxy.send(api, ask(api, "primary", true)).await;
        assert_eq!(header(&response, "x-pilotlight-waiting"), "near/m");
        let body = read(response).await;
        assert_eq!(text_of(api, &events(&body)), "local words", "{body}");
        assert!(stage.far.requests().is_empty());
    }))
    .await;
}

#[tokio::test]
async fn of_a_load_and_a_cool_down_whichever_is_over_first_is_asked() {
    unhurried(async {
        for (loaded_after, served_by) in [(1, "near/m"), (60, "far/m")] {
            let stage = stage(Chat, true, Cold::Bridge).await;
            stage.proxy.local.set("near/m", loading());
            stage.far.control().fault(Fault::status_with_header(429, "retry-after", "5").times(1));
            later(&stage, Duration::from_secs(loaded_after), Readiness::Ready);
            let begun = Instant::now();
            let response = stage.proxy.send(Chat, ask(Chat, "primary", true)).await;
            let words = if served_by == "near/m" { "local words" } else { "hosted words" };
            assert_eq!(text_of(Chat, &events(&read(response).await)), words);
            let seconds = begun.elapsed().as_secs_f64();
            let expected = if served_by == "near/m" { 1.0..1.3 } else { 5.0..5.3 };
            assert!(expected.contains(&seconds), "{served_by} after {seconds} s");
        }
    })
    .await;
}
