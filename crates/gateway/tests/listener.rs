//! The listener itself: who may call, which paths there are, what is refused, how it stops.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::time::Duration;

use common::clock::unhurried;
use common::raw::{Piece, Raw};
use common::{Proxy, ask, client, error_message, events, header, hosted, quick, target, upstream_api};
use futures::future::join_all;
use pilotlight_gateway::{Access, Event, LARGEST_REQUEST, Outcome, Phase, Readiness, Target, Timing, Trouble};
use pilotlight_wire::ClientApi::{self, Chat, Messages, Responses};
use pilotlight_wire::{Secret, UpstreamApi};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn nowhere() -> Vec<Target> {
    let address = "127.0.0.1:9".parse().unwrap();
    let local = Target {
        alias: Some("Mini".into()),
        context_window: Some(196_608),
        ..target("lmstudio/minimax-m2.1", address, UpstreamApi::OpenaiResponses)
    };
    vec![local, hosted(target("openrouter/a/b", address, UpstreamApi::OpenaiResponses))]
}

async fn proxy() -> Proxy {
    Proxy::with(nowhere(), quick(), |routes| {
        routes.aliases = vec![("Mini".to_owned(), "lmstudio/minimax-m2.1".parse().unwrap())];
    })
    .await
}

async fn raw(proxy: &Proxy, request: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
}

#[tokio::test]
async fn the_token_is_asked_for_by_everything_but_the_probes() {
    let proxy = Proxy::with(nowhere(), quick(), |routes| {
        routes.access = Access { token: Some(Secret::new("pl-1234")), ..Access::default() };
    })
    .await;
    for (path, expected) in [("/healthz", 200), ("/readyz", 200), ("/", 401), ("/v1/models", 401), ("/nowhere", 401)] {
        assert_eq!(client().get(proxy.url(path)).send().await.unwrap().status(), expected, "{path}");
    }
    let response = proxy.send(Messages, ask(Messages, "primary", false)).await;
    assert_eq!((response.status().as_u16(), header(&response, "www-authenticate")), (401, "Bearer"));
    let body: Value = response.json().await.unwrap();
    assert_eq!((&body["type"], &body["error"]["type"]), (&json!("error"), &json!("authentication_error")));
    let response = proxy.send(Responses, ask(Responses, "primary", false)).await;
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["error"]["code"], "invalid_api_key");
    for (name, value) in [("authorization", "Bearer pl-1234"), ("x-api-key", "pl-1234")] {
        let response = client().get(proxy.url("/v1/models")).header(name, value).send().await.unwrap();
        assert_eq!(response.status(), 200);
    }
}

#[tokio::test]
async fn a_web_page_gets_nothing() {
    let proxy = proxy().await;
    let port = proxy.address.port();
    let body = "{\"model\":\"primary\"}";
    let post = |headers: &str| {
        let length = body.len();
        format!("POST /v1/responses HTTP/1.1\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}")
    };
    let json = "content-type: application/json\r\n";
    let table = [
        (format!("host: evil.example\r\n{json}"), 403),
        (format!("host: evil.example:{port}\r\n{json}"), 403),
        (format!("host: 127.0.0.1:{port}\r\norigin: https://evil.example\r\n{json}"), 403),
        (format!("host: 127.0.0.1:{port}\r\norigin: null\r\n{json}"), 403),
        (format!("host: 127.0.0.1:{port}\r\ncontent-type: text/plain\r\n"), 415),
        (format!("host: 127.0.0.1:{port}\r\n"), 415),
        (format!("host: 127.0.0.1:1\r\n{json}"), 403),
        // Past the guard: nobody is listening on port 9.
        (format!("host: 127.0.0.1:{port}\r\norigin: http://127.0.0.1:{port}\r\n{json}"), 503),
        (format!("host: LocalHost\r\n{json}"), 503),
    ];
    for (headers, expected) in table {
        let (status, answer) = raw(&proxy, &post(&headers)).await;
        assert_eq!(status, expected, "{headers}: {answer}");
        assert!(!answer.to_lowercase().contains("access-control-allow"), "{answer}");
    }
    let (status, _) = raw(&proxy, "GET /healthz HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n").await;
    assert_eq!(status, 403, "a name that was pointed at us, even for a probe");
}

#[tokio::test]
async fn paths_and_methods() {
    let proxy = proxy().await;
    for (path, text) in [("/", "Pilot Light"), ("/healthz", "ok"), ("/readyz", "\"ready\":true")] {
        let response = client().get(proxy.url(path)).send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert!(response.text().await.unwrap().contains(text), "{path}");
    }
    assert_eq!(client().head(proxy.url("/")).send().await.unwrap().status(), 200);
    for path in ["/responses", "/v1", "/v1/nowhere", "/v1/messages/nowhere"] {
        let response = client().get(proxy.url(path)).send().await.unwrap();
        assert_eq!(response.status(), 404, "{path}");
        let body: Value = response.json().await.unwrap();
        let message = body["error"]["message"].as_str().unwrap();
        assert!(message.contains("/v1/responses"), "{message}");
        assert_eq!(message.contains("base URL ends in /v1"), path == "/responses", "{message}");
    }
    let response = client().get(proxy.url("/v1/messages")).send().await.unwrap();
    assert_eq!((response.status().as_u16(), header(&response, "allow")), (405, "POST"));
    let body: Value = response.json().await.unwrap();
    assert_eq!(
        (&body["type"], &body["error"]["message"]),
        (&json!("error"), &json!("/v1/messages knows no GET: send POST"))
    );
    let response = client().delete(proxy.url("/v1/models")).send().await.unwrap();
    assert_eq!((response.status().as_u16(), header(&response, "allow")), (405, "GET,HEAD"));
}

#[tokio::test]
async fn models_in_both_forms() {
    let proxy = proxy().await;
    let list: Value = client().get(proxy.url("/v1/models")).send().await.unwrap().json().await.unwrap();
    let ids: Vec<_> = list["data"].as_array().unwrap().iter().map(|entry| entry["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["primary", "Mini", "lmstudio/minimax-m2.1", "openrouter/a/b"]);
    assert_eq!(
        list["data"][1],
        json!({"id": "Mini", "object": "model", "created": 0, "owned_by": "lmstudio", "x_ref": "lmstudio/minimax-m2.1",
            "x_title": "lmstudio/minimax-m2.1", "x_api": "openai-responses", "x_location": "local",
            "x_context_window": 196_608, "x_max_tokens": null})
    );
    assert_eq!(list["data"][0]["owned_by"], "pilotlight");
    let anthropic = |path: &str| client().get(proxy.url(path)).header("anthropic-version", "2023-06-01");
    let list: Value = anthropic("/v1/models").send().await.unwrap().json().await.unwrap();
    assert_eq!(
        (&list["first_id"], &list["last_id"], &list["has_more"]),
        (&json!("primary"), &json!("openrouter/a/b"), &json!(false))
    );
    assert_eq!(list["data"][2]["type"], "model");
    for path in ["/v1/models/openrouter/a/b", "/v1/models/openrouter%2Fa%2Fb"] {
        let one: Value = client().get(proxy.url(path)).send().await.unwrap().json().await.unwrap();
        assert_eq!((&one["id"], &one["x_location"]), (&json!("openrouter/a/b"), &json!("hosted")));
    }
    let response = anthropic("/v1/models/x/y").send().await.unwrap();
    assert_eq!(response.status(), 404);
    assert_eq!(response.json::<Value>().await.unwrap()["error"]["type"], "not_found_error");
}

#[tokio::test]
async fn bodies_that_cannot_be_read() {
    let mut proxy = proxy().await;
    let post = |body: &'static str| {
        client().post(proxy.url("/v1/chat/completions")).header("content-type", "application/json").body(body).send()
    };
    for (body, status, words) in [
        ("{\"model\":\"primary\",\n  oops}", 400, "line 2, column 3"),
        ("", 400, "line 1"),
        ("{}", 400, "`model` is missing"),
        ("{\"model\":\"gpt-9\"}", 404, "There are: primary, Mini, lmstudio/minimax-m2.1, openrouter/a/b"),
    ] {
        let response = post(body).await.unwrap();
        assert_eq!(response.status(), status, "{body}");
        let answer: Value = response.json().await.unwrap();
        assert!(answer["error"]["message"].as_str().unwrap().contains(words), "{answer}");
    }
    assert_eq!(proxy.finished().await.http_status, 404, "what cannot be read is no request of anybody's");

    let request = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        LARGEST_REQUEST + 1
    );
    let (status, answer) = raw(&proxy, &request).await;
    assert_eq!(status, 413);
    assert!(answer.contains("request_too_large"), "{answer}");
}

#[tokio::test]
async fn headers_have_a_limit() {
    let proxy = proxy().await;
    let get = |size: usize| {
        let long = "a".repeat(size);
        format!("GET /v1/models HTTP/1.1\r\nhost: localhost\r\nx-long: {long}\r\nconnection: close\r\n\r\n")
    };
    assert_eq!(raw(&proxy, &get(60 * 1024)).await.0, 200);
    let (status, answer) = raw(&proxy, &get(64 * 1024)).await;
    assert_eq!(status, 431);
    assert!(answer.contains("the request's headers are larger than 64 kB"), "{answer}");
}

#[tokio::test]
async fn ready_as_soon_as_somebody_can_answer() {
    let proxy = proxy().await;
    proxy.routes.send_modify(|routes| {
        let mut changed = (**routes).clone();
        changed.local_only = true;
        *routes = std::sync::Arc::new(changed);
    });
    let ready = || async {
        let response = client().get(proxy.url("/readyz")).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    assert_eq!(ready().await.0, 200);
    proxy.local.set("lmstudio/minimax-m2.1", Readiness::Loading { for_: Duration::from_secs(12), expected: None });
    let (status, why) = ready().await;
    assert!(status == 503 && why.contains("loading for 12 s") && why.contains("local models only"), "{why}");
    proxy.local.set("lmstudio/minimax-m2.1", Readiness::Unknown);
    assert_eq!(ready().await.0, 200);
}

const CHUNK: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n";

/// Less than this lies between a client that goes and the end of its upstream's connection.
const AT_ONCE: Duration = Duration::from_millis(100);

#[tokio::test]
async fn a_client_that_leaves_ends_the_upstreams_work_at_once() {
    unhurried(clients_that_leave()).await;
}

async fn clients_that_leave() {
    let chunk = || Piece::Bytes(CHUNK.into());
    let before_headers = vec![Piece::Hang];
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
    let before_content = vec![Piece::Bytes(head.into()), Piece::Hang];
    let in_content = vec![Piece::Bytes(head.into()), chunk(), Piece::Hang];
    for (name, pieces) in
        [("before headers", before_headers), ("before content", before_content), ("in content", in_content)]
    {
        for wait in [Duration::from_millis(60), Duration::from_millis(550)] {
            let mut upstream = Raw::start(pieces.clone()).await;
            let mut only = target("a/m", upstream.address, UpstreamApi::OpenaiCompletions);
            only.first_content = Duration::from_secs(20);
            let mut proxy = Proxy::start(vec![only]).await;
            let body = ask(Chat, "primary", true).to_string();
            let mut stream = TcpStream::connect(proxy.address).await.unwrap();
            let request = format!(
                "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(request.as_bytes()).await.unwrap();
            upstream.asked().await;
            // The longer wait is past the first heartbeat.
            tokio::time::sleep(wait).await;
            drop(stream);
            tokio::time::timeout(AT_ONCE, upstream.client_gone()).await.unwrap_or_else(|_| panic!("{name}"));
            let served = proxy.finished().await;
            assert_eq!(served.outcome, Outcome::Cancelled, "{name}");
            assert_eq!(served.served_by.is_some(), name == "in content", "{name}");
            assert_eq!(proxy.local.busy_count(), 0);
            assert!(
                proxy.local.troubles().iter().all(|trouble| *trouble == Trouble::Silent),
                "a client that leaves is nobody's fault"
            );
        }
    }
}

#[tokio::test]
async fn a_client_that_leaves_after_the_end_was_served() {
    let end = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    let upstream = Raw::stream(vec![Piece::Bytes(format!("{CHUNK}{end}").into()), Piece::Hang]).await;
    let mut proxy = Proxy::start(vec![target("a/m", upstream.address, UpstreamApi::OpenaiCompletions)]).await;
    let mut response = proxy.send(Chat, ask(Chat, "primary", true)).await;
    let mut text = String::new();
    while !text.contains("[DONE]") {
        text += std::str::from_utf8(&response.chunk().await.unwrap().unwrap()).unwrap();
    }
    drop(response);
    assert_eq!(proxy.finished().await.outcome, Outcome::Served);
}

#[tokio::test]
async fn the_phases_of_a_request_are_told_in_order() {
    let end = "data: [DONE]\n\n";
    let upstream = Raw::stream(vec![Piece::Bytes(format!("{CHUNK}{end}").into())]).await;
    let mut proxy = Proxy::start(vec![target("a/m", upstream.address, UpstreamApi::OpenaiCompletions)]).await;
    proxy.send(Chat, ask(Chat, "primary", true)).await.text().await.unwrap();
    let mut told = Vec::new();
    while told.last() != Some(&"finished") {
        told.push(match proxy.events.recv().await.unwrap() {
            Event::Started { id: 1, asked, streaming: true, .. } if asked == "primary" => "started",
            Event::Phase { phase: Phase::Loading, .. } => "loading",
            Event::Phase { phase: Phase::Asking, .. } => "asking",
            Event::Phase { phase: Phase::Streaming, .. } => "streaming",
            Event::Finished(_) => "finished",
            Event::Started { .. } => "another",
            Event::CoolingDown(_) => "cooling down",
            Event::Recovered(_) => "recovered",
        });
    }
    assert_eq!(told, ["started", "asking", "streaming", "finished"]);
}

#[tokio::test]
async fn stopping_lets_a_stream_end_and_accepts_nothing_more() {
    let end = "data: [DONE]\n\n";
    let pieces = vec![Piece::Bytes(CHUNK.into()), Piece::Pause(Duration::from_millis(300)), Piece::Bytes(end.into())];
    let upstream = Raw::stream(pieces).await;
    let mut proxy = Proxy::start(vec![target("a/m", upstream.address, UpstreamApi::OpenaiCompletions)]).await;
    let response = proxy.send(Chat, ask(Chat, "primary", true)).await;
    proxy.shutdown.cancel();
    let (text, stopped) =
        tokio::join!(response.text(), tokio::time::timeout(Duration::from_secs(3), proxy.task.take().unwrap()));
    assert_eq!(text.unwrap(), format!("{CHUNK}{end}"));
    stopped.expect("it stops as soon as the stream has ended").unwrap();
    assert!(TcpStream::connect(proxy.address).await.is_err());
}

/// What has not ended ten seconds after that is told so: in the stream, behind the heartbeats, or by a status.
#[tokio::test]
async fn stopping_tells_those_whom_it_cuts() {
    unhurried(join_all([Responses, Chat, Messages].map(cut_at_the_end))).await;
}

async fn cut_at_the_end(api: ClientApi) {
    let begun = match api {
        Responses => {
            "data: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"resp_1\"}}\n\n\
                              data: {\"type\":\"response.output_text.delta\",\"sequence_number\":1,\"delta\":\"a\"}\n\n"
        }
        Messages => {
            "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{}}\n\nevent: content_block_delta\n\
                             data: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"a\"}}\n\n"
        }
        _ => CHUNK,
    };
    let streaming = Raw::stream(vec![Piece::Bytes(begun.into()), Piece::Hang]).await;
    let silent = Raw::start(vec![Piece::Hang]).await;
    let patient = |name, upstream: &Raw| Target {
        first_content: Duration::from_secs(60),
        ..hosted(target(name, upstream.address, upstream_api(api)))
    };
    let timing = Timing { idle: Duration::from_secs(60), ..quick() };
    let targets = vec![patient("a/streaming", &streaming), patient("b/silent", &silent)];
    let mut proxy = Proxy::with(targets, timing, |_| {}).await;
    let streamed = proxy.send(api, ask(api, "a/streaming", true)).await;
    let waiting = proxy.send(api, ask(api, "b/silent", true)).await;
    let whole =
        tokio::spawn(client().post(proxy.url(&format!("/v1{}", api.path()))).json(&ask(api, "b/silent", false)).send());
    while silent.requests().len() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    proxy.shutdown.cancel();
    for (response, begun) in [(streamed, begun), (waiting, "")] {
        let body = response.text().await.expect("the body ends properly");
        assert!(body.starts_with(begun), "{api:?}: {body}");
        let last = events(&body).pop().unwrap();
        let message = error_message(api, &last).unwrap_or_else(|| panic!("{api:?}: {body}"));
        assert!(message.starts_with("Pilot Light is stopping"), "{api:?}: {message}");
    }
    let whole = whole.await.unwrap().unwrap();
    assert_eq!(whole.status(), 503, "{api:?}");
    assert!(whole.text().await.unwrap().contains("Pilot Light is stopping"), "{api:?}");
    proxy.task.take().unwrap().await.unwrap();
    for _ in 0..3 {
        let outcome = proxy.finished().await.outcome;
        assert!(matches!(outcome, Outcome::Cut | Outcome::Failed), "{api:?}: {outcome:?}");
    }
    assert!(proxy.gateway.cooldowns().borrow().is_empty(), "{api:?}: it is nobody's fault");
}
