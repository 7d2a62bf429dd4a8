//! llama-server, by the shapes that build 11669 was seen to send.

use std::time::Duration;

use axum::http::header::CONTENT_TYPE;

use super::*;
use crate::adapter::{Departure, LoadFailureKind, News};
use crate::{KeepingWarm, Untold};

const IDLE: [&str; 4] = ["llama-server", "--sleep-idle-seconds", "6", "--alias"];

fn props(role: &str, asleep: bool) -> Value {
    json!({ "role": role, "default_generation_settings": { "n_ctx": 4096 }, "build_info": "b11669-Debian",
            "model_alias": "own.gguf", "is_sleeping": asleep })
}

fn model(status: Value) -> Value {
    let mut status = status;
    status["args"] = json!(IDLE);
    let warm = ["loaded", "sleeping"].iter().any(|value| status["value"] == **value);
    let meta = warm.then(|| json!({ "n_ctx": 8192, "n_ctx_train": 196_608, "size": 1_111, "ftype": "F16" }));
    json!({ "id": "m", "aliases": ["em"], "status": status, "meta": meta })
}

fn router(asked: &str, status: &Value) -> Option<(u16, Value)> {
    let plain = json!({ "id": "n", "aliases": [], "status": { "value": "unloaded", "args": ["llama-server"] } });
    Some((
        200,
        match asked {
            "GET /props" => props("router", false),
            "GET /models" => json!({ "data": [model(status.clone()), plain] }),
            "POST /models/load" | "POST /models/unload" => json!({ "success": true }),
            "POST /v1/chat/completions" => json!({ "choices": [], "model": "m" }),
            _ => return None,
        },
    ))
}

async fn routing(status: Value) -> (Fake, Arc<dyn Adapter>) {
    let fake = Fake::start(move |asked, _| router(asked, &status)).await;
    let adapter = fake.adapter().await;
    (fake, adapter)
}

#[tokio::test]
async fn a_router_tells_state_context_timer_and_how_a_model_ended() {
    for (status, presence, departure) in [
        (json!({ "value": "loaded" }), Presence::Loaded, None),
        (json!({ "value": "loading" }), Presence::Loading, None),
        (json!({ "value": "sleeping" }), Presence::Absent, Some(Departure::Slept)),
        (json!({ "value": "unloaded" }), Presence::Absent, Some(Departure::Orderly)),
        (json!({ "value": "unloaded", "exit_code": 0 }), Presence::Absent, Some(Departure::Orderly)),
        (
            json!({ "value": "unloaded", "exit_code": 1, "failed": true }),
            Presence::Absent,
            Some(Departure::Crashed("exit code 1".into())),
        ),
        (json!({ "value": "hibernating" }), Presence::Untold, None),
    ] {
        let (_fake, adapter) = routing(status.clone()).await;
        let m = seen(&*adapter, "m").await;
        assert_eq!(
            (m.presence, m.departure, m.clock),
            (presence, departure, Clock::After(Duration::from_secs(6))),
            "{status}"
        );
        assert_eq!(m.context, (presence == Presence::Loaded).then_some(8192), "{status}");
        assert_eq!(seen(&*adapter, "em").await.presence, presence, "by its alias");
        assert_eq!(seen(&*adapter, "n").await.clock, Clock::Never);
        assert_eq!(adapter.version().as_deref(), Some("b11669-Debian"));
        let can = adapter.capabilities();
        assert!(can.loads && can.unloads && can.pushes && !can.load_context && can.keeping_warm == KeepingWarm::Ping);
    }
}

#[tokio::test]
async fn a_load_ends_when_the_model_is_there_and_joins_one_under_way() {
    let (fake, adapter) = routing(json!({ "value": "unloaded" })).await;
    let loading = tokio::spawn({
        let adapter = adapter.clone();
        async move { adapter.load(order("m")).await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    fake.answers(|asked, _| match asked {
        "POST /models/load" => Some((400, json!({ "error": { "code": 400, "message": "model is already running" } }))),
        _ => router(asked, &json!({ "value": "loading" })),
    });
    // Somebody else asks for the same: the server says that it is running, which is no failure.
    let joining = tokio::spawn({
        let adapter = adapter.clone();
        async move { adapter.load(order("m")).await }
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!joining.is_finished());
    fake.answers(|asked, _| router(asked, &json!({ "value": "loaded" })));
    let done = joining.await.unwrap().unwrap();
    assert_eq!((done.context, done.instance.as_deref(), done.stays), (Some(8192), Some("m"), false));
    // The first one saw it still unloaded: it went before it was there.
    assert!(loading.await.unwrap().is_err_and(|error| error.kind == LoadFailureKind::Passing));
}

#[tokio::test]
async fn one_that_sleeps_is_woken_by_one_token() {
    let (fake, adapter) = routing(json!({ "value": "sleeping" })).await;
    let load = tokio::spawn({
        let adapter = adapter.clone();
        async move { adapter.load(order("m")).await }
    });
    while fake.sent("POST /v1/chat/completions").is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
        fake.answers(|asked, _| {
            let woken = asked == "POST /v1/chat/completions";
            router(asked, &json!({ "value": if woken { "loaded" } else { "sleeping" } }))
        });
        if !fake.sent("POST /v1/chat/completions").is_empty() {
            break;
        }
    }
    fake.answers(|asked, _| router(asked, &json!({ "value": "loaded" })));
    let _ = load.await.unwrap();
    assert_eq!(fake.sent("POST /v1/chat/completions")[0]["max_tokens"], 1);
    assert_eq!(fake.sent("POST /models/load").len(), 0, "it is running already");
}

#[tokio::test]
async fn a_failed_load_says_so() {
    let (_fake, adapter) = routing(json!({ "value": "unloaded", "exit_code": 1, "failed": true })).await;
    let error = adapter.load(order("m")).await.unwrap_err();
    assert!(error.kind == LoadFailureKind::Lasting && error.message.contains("exit code 1"), "{error:?}");
}

#[tokio::test]
async fn its_events_are_heard() {
    let events = concat!(
        "data: {\"model\":\"m\",\"event\":\"status_change\",\"data\":{\"status\":\"loading\",\"progress\":{\"stages\":[\"text_model\",\"mtmd\"],\"current\":\"mtmd\",\"value\":0.5}}}\n\n",
        ": ping\n\n",
        "data: {\"model\":\"m\",\"event\":\"status_change\",\"data\":{\"status\":\"unloaded\",\"exit_code\":1}}\n\n",
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let root: Url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let handler = move |uri: Uri| async move {
        match uri.path() {
            "/models/sse" => ([(CONTENT_TYPE, "text/event-stream")], events).into_response(),
            path => axum::Json(router(&format!("GET {path}"), &json!({ "value": "loaded" })).map(|(_, body)| body))
                .into_response(),
        }
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(handler)).await });
    let adapter = ByAsking::new(vec![], None).connect(&provider(&root)).await.unwrap();
    seen(&*adapter, "m").await;
    assert_eq!(adapter.news().await, News::Progress { key: "m".into(), percent: 75 });
    assert_eq!(adapter.news().await, News::Changed);
    assert_eq!(adapter.news().await, News::Changed, "the end of the stream may be the end of the server");
}

#[tokio::test]
async fn one_model_answers_any_name_until_it_sleeps() {
    let single = |asleep: bool| {
        move |asked: &str, _: &Value| {
            Some((
                200,
                match asked {
                    "GET /props" => props("model", asleep),
                    "GET /v1/models" => {
                        json!({ "data": [{ "id": "own.gguf", "meta": { "n_ctx": 4096, "size": 7, "ftype": "F16" } }] })
                    }
                    _ => return None,
                },
            ))
        }
    };
    let fake = Fake::start(single(false)).await;
    let adapter = fake.adapter().await;
    let warm = seen(&*adapter, "whatever").await;
    assert_eq!((warm.presence, warm.context, warm.size_bytes), (Presence::Loaded, Some(4096), Some(7)));
    assert_eq!(adapter.unload("own.gguf".into()).await.unwrap_err().kind, LoadFailureKind::Unsupported);
    let can = adapter.capabilities();
    assert!(can.loads && !can.unloads && !can.pushes && can.cannot_tell.contains(&Untold::IdleTimer));

    fake.answers(single(true));
    assert_eq!(adapter.news().await, News::Changed, "seen by watching");
    let asleep = seen(&*adapter, "whatever").await;
    assert_eq!((asleep.presence, asleep.departure), (Presence::Absent, Some(Departure::Slept)));
    fake.answers(|_, _| Some((503, json!({ "error": { "message": "Loading model", "code": 503 } }))));
    assert_eq!(seen(&*adapter, "whatever").await.presence, Presence::Loading);
}
