//! What a failure means for the requests that follow, and which candidate is the right one to go to.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::time::Duration;

use common::clock::unhurried;
use common::raw::{Piece, Raw};
use common::{
    Proxy, ask, error_message, events, header, hosted, quick, read, target, text_of, upstream_api, whole_text,
};
use pilotlight_gateway::{Cause, Event, Target, Trouble};
use pilotlight_simulator::{After, Fault, Kind, Model, Options, Simulator};
use pilotlight_wire::ClientApi::{self, Chat, Messages, Responses};
use pilotlight_wire::{Secret, UpstreamApi};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

async fn vendor(api: ClientApi, reply: &str) -> Simulator {
    let kind = if api == Messages { Kind::Anthropic } else { Kind::OpenAi };
    Simulator::start(kind, Options { reply: Some(reply.to_owned()), ..Options::default() }).await.unwrap()
}

/// Two hosted candidates that speak Chat.
async fn pair() -> (Simulator, Simulator, Proxy) {
    let (first, second) = (vendor(Chat, "first").await, vendor(Chat, "second").await);
    let one =
        Target { key: Some(Secret::new("key-one")), ..hosted(target("first/m", first.address(), upstream_api(Chat))) };
    let other = hosted(target("second/m", second.address(), upstream_api(Chat)));
    let proxy = Proxy::start(vec![one, other]).await;
    (first, second, proxy)
}

async fn attempts(proxy: &Proxy) -> String {
    let response = proxy.send(Chat, ask(Chat, "primary", true)).await;
    let attempts = header(&response, "x-pilotlight-attempts").to_owned();
    read(response).await;
    attempts
}

#[tokio::test]
async fn a_rate_limit_passes_it_over_until_a_person_retries_and_its_return_is_told() {
    let (first, _second, mut proxy) = pair().await;
    first.control().fault(Fault::status_with_header(429, "retry-after", "30").times(1));
    assert_eq!(attempts(&proxy).await, "first/m=rate-limited; second/m=ok");
    assert_eq!(attempts(&proxy).await, "first/m=cooling-down; second/m=ok");
    assert_eq!(first.requests().len(), 1);
    proxy.finished().await;
    let served = proxy.finished().await;
    let detail = &served.attempts[0].detail;
    assert!(detail.contains("s left; 429: "), "{detail}");
    let cooldowns = proxy.gateway.cooldowns();
    assert_eq!(cooldowns.borrow()[0].cause, Cause::RateLimited);

    let forgotten = proxy.gateway.retry(Some("first"));
    assert_eq!((forgotten.len(), cooldowns.borrow().len()), (1, 0));
    assert_eq!(attempts(&proxy).await, "first/m=ok");
}

#[tokio::test]
async fn a_refused_key_is_asked_again_when_it_was_changed() {
    let (first, _second, proxy) = pair().await;
    first.control().fault(Fault::status(401).times(1));
    assert_eq!(attempts(&proxy).await, "first/m=unauthorized; second/m=ok");
    assert_eq!(attempts(&proxy).await, "first/m=cooling-down; second/m=ok");
    proxy.routes.send_modify(|routes| {
        let mut changed = (**routes).clone();
        let mended = Target { key: Some(Secret::new("key-two")), ..(*changed.targets[0]).clone() };
        changed.targets[0] = std::sync::Arc::new(mended);
        *routes = std::sync::Arc::new(changed);
    });
    assert_eq!(attempts(&proxy).await, "first/m=ok");
}

#[tokio::test]
async fn four_failures_open_the_breaker_and_it_is_back_when_it_answers() {
    let (first, second, mut proxy) = pair().await;
    first.control().fault(Fault::Cut { after: After::Headers, reset: false }.times(4));
    for _ in 0..4 {
        assert_eq!(attempts(&proxy).await, "first/m=cut; second/m=ok");
    }
    assert_eq!(attempts(&proxy).await, "first/m=cooling-down; second/m=ok");
    assert_eq!(proxy.gateway.cooldowns().borrow()[0].cause, Cause::Failures);
    // Nobody else is left: it is asked all the same, and is well again.
    second.control().refuse(true).await;
    assert_eq!(attempts(&proxy).await, "first/m=cooling-down; second/m=refused; first/m=ok");
    assert_eq!(attempts(&proxy).await, "first/m=ok");
    let mut told = Vec::new();
    while let Ok(event) = proxy.events.try_recv() {
        match event {
            Event::CoolingDown(cooldown) => told.push(format!("{:?} {}", cooldown.model, cooldown.cause)),
            Event::Recovered(recovery) => told.push(format!("{} is back", recovery.model)),
            _ => {}
        }
    }
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(told[1], "first/m is back");
}

#[tokio::test]
async fn when_all_cool_down_the_soonest_is_asked_and_the_client_told_when() {
    let (first, second, proxy) = pair().await;
    first.control().fault(Fault::status_with_header(429, "retry-after", "40"));
    second.control().fault(Fault::status_with_header(429, "retry-after", "20"));
    assert_eq!(attempts(&proxy).await, "first/m=rate-limited; second/m=rate-limited");
    let response = proxy.send(Chat, ask(Chat, "primary", true)).await;
    assert_eq!(header(&response, "x-pilotlight-attempts"), "first/m=cooling-down; second/m=rate-limited");
    assert_eq!((response.status().as_u16(), header(&response, "retry-after")), (503, "20"));
    assert_eq!((first.requests().len(), second.requests().len()), (1, 2));
}

#[tokio::test]
async fn a_short_wait_is_waited_where_nobody_else_is_left() {
    for (name, value, waits) in
        [("retry-after-ms", "300", true), ("retry-after", "1", true), ("retry-after", "3", false)]
    {
        let first = vendor(Chat, "first").await;
        first.control().fault(Fault::status_with_header(429, name, value).times(1));
        let proxy = Proxy::start(vec![hosted(target("first/m", first.address(), upstream_api(Chat)))]).await;
        let begun = Instant::now();
        let response = proxy.send(Chat, ask(Chat, "primary", false)).await;
        let expected = if waits { (200, 2) } else { (429, 1) };
        assert_eq!((response.status().as_u16(), first.requests().len()), expected, "{name}: {value}");
        assert!(!waits || begun.elapsed() >= Duration::from_millis(290), "{:?}", begun.elapsed());
    }
    let (first, second, proxy) = pair().await;
    first.control().fault(Fault::status_with_header(429, "retry-after", "1").times(1));
    assert_eq!(attempts(&proxy).await, "first/m=rate-limited; second/m=ok", "another can answer at once");
    assert_eq!(second.requests().len(), 1);
}

/// A server that answers one request on each connection, and closes it when the next comes, unread.
async fn forgetful() -> (std::net::SocketAddr, tokio::task::JoinHandle<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut bytes = Vec::new();
            while !bytes.ends_with(b"}") {
                let mut buffer = [0; 4096];
                let count = stream.read(&mut buffer).await.unwrap();
                bytes.extend_from_slice(&buffer[..count]);
            }
            let body = r#"{"choices":[{"message":{"content":"yes"}}]}"#;
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
            let _ = stream.readable().await;
        }
    });
    (address, task)
}

#[tokio::test]
async fn a_request_that_met_the_end_of_an_idle_connection_is_sent_once_more() {
    let (address, server) = forgetful().await;
    let proxy = Proxy::start(vec![target("a/m", address, UpstreamApi::OpenaiCompletions)]).await;
    for round in 0..4 {
        let response = proxy.send(Chat, ask(Chat, "primary", false)).await;
        assert_eq!(header(&response, "x-pilotlight-attempts"), "a/m=ok", "{round}");
    }
    assert!(proxy.local.troubles().is_empty(), "nobody hears of it");
    server.abort();
}

fn window(target: Target, tokens: u64) -> Target {
    Target { context_window: Some(tokens), ..target }
}

#[tokio::test]
async fn an_overflow_goes_to_a_larger_context_and_not_to_an_equal_one() {
    let overflow = json!({"error": "Trying to keep the first 5000 tokens from the prompt when context overflows. However, \
                           the model is loaded with context length of only 4096 tokens, which is not enough."});
    for api in [Responses, Chat, Messages] {
        for streamed in [true, false] {
            let (small, equal, large) = (vendor(api, "s").await, vendor(api, "e").await, vendor(api, "large").await);
            small.control().fault(Fault::status_with_body(400, overflow.clone()));
            let targets = vec![
                window(target("small/a", small.address(), upstream_api(api)), 4096),
                window(target("equal/b", equal.address(), upstream_api(api)), 4096),
                window(hosted(target("large/c", large.address(), upstream_api(api))), 200_000),
            ];
            let proxy = Proxy::start(targets.clone()).await;
            let response = proxy.send(api, ask(api, "primary", streamed)).await;
            let attempts = "small/a=context-overflow; equal/b=context-window; large/c=ok";
            assert_eq!(header(&response, "x-pilotlight-attempts"), attempts);
            let body = read(response).await;
            let text = if streamed {
                text_of(api, &events(&body))
            } else {
                whole_text(api, &serde_json::from_str(&body).unwrap())
            };
            assert_eq!(text, "large");
            assert!(equal.requests().is_empty() && proxy.local.troubles().is_empty());

            let proxy = Proxy::start(targets[..2].to_vec()).await;
            let response = proxy.send(api, ask(api, "primary", streamed)).await;
            assert_eq!(response.status(), 400);
            let error: Value = response.json().await.unwrap();
            let message = error["error"]["message"].as_str().unwrap();
            assert!(message.starts_with("prompt is too long: 5000 tokens > 4096 maximum"), "{message}");
            let kind = if api == Messages { &error["error"]["type"] } else { &error["error"]["code"] };
            let expected = if api == Messages { "invalid_request_error" } else { "context_length_exceeded" };
            assert_eq!(kind, expected);
        }
    }
}

#[tokio::test]
async fn what_clearly_does_not_fit_is_not_sent_at_all() {
    let (small, large) = (vendor(Chat, "small").await, vendor(Chat, "large").await);
    let targets = vec![
        window(target("small/a", small.address(), upstream_api(Chat)), 1_000),
        window(hosted(target("large/b", large.address(), upstream_api(Chat))), 100_000),
    ];
    let long = "The quick brown fox jumps over the lazy dog. ".repeat(200);
    let mut body = ask(Chat, "primary", false);
    body["messages"][0]["content"] = json!(long);
    let mut proxy = Proxy::start(targets).await;
    let response = proxy.send(Chat, body.clone()).await;
    assert_eq!(header(&response, "x-pilotlight-attempts"), "small/a=context-window; large/b=ok");
    assert!(proxy.finished().await.attempts[0].detail.contains("its context 1000"));
    body["model"] = json!("small/a");
    let response = proxy.send(Chat, body.clone()).await;
    assert_eq!(response.status(), 400);
    let message = response.text().await.unwrap();
    assert!(message.contains("about 22") && message.contains("context_length_exceeded"), "{message}");
    assert!(small.requests().is_empty());
    body["messages"][0]["content"] = json!([{"type": "image_url", "image_url": {"url": format!(
        "data:image/png;base64,{}", "iVBORw0KGgoAAAANSUhEUgAA".repeat(4_000))}}]);
    let response = proxy.send(Chat, body).await;
    assert_eq!(response.status(), 200, "an image has few tokens");
}

#[tokio::test]
async fn an_answer_of_another_model_is_none() {
    for api in [Responses, Chat, Messages] {
        for streamed in [true, false] {
            let models = vec![Model::new("other").loaded()];
            let studio = Simulator::start(Kind::LmStudio, Options { models, ..Options::default() }).await.unwrap();
            let far = vendor(api, "the right one").await;
            let near = target("near/unknown", studio.address(), upstream_api(api));
            let far_target = hosted(target("far/m", far.address(), upstream_api(api)));
            let proxy = Proxy::start(vec![near, far_target]).await;
            proxy.local.others.lock().unwrap().push("other".to_owned());
            let response = proxy.send(api, ask(api, "primary", streamed)).await;
            let attempts = header(&response, "x-pilotlight-attempts");
            assert_eq!(attempts, "near/unknown=wrong-model; far/m=ok", "{api:?}, streamed: {streamed}");
            assert_eq!(proxy.local.troubles(), [Trouble::NotLoaded]);
            assert!(!read(response).await.contains("\"other\""), "nothing of it was sent");
        }
    }
}

#[tokio::test]
async fn equal_models_on_two_machines_are_one_pool() {
    let hang = Raw::stream(vec![
        Piece::Bytes(b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}\n\n".into()),
        Piece::Hang,
    ])
    .await;
    let (idle, far) = (vendor(Chat, "idle").await, vendor(Chat, "far").await);
    let targets = vec![
        target("mac/m", hang.address, UpstreamApi::OpenaiCompletions),
        hosted(target("far/m", far.address(), upstream_api(Chat))),
        target("studio/m", idle.address(), upstream_api(Chat)),
    ];
    let proxy = Proxy::with(targets, quick(), |routes| routes.chain.truncate(2)).await;
    let busy = proxy.send(Chat, ask(Chat, "primary", true)).await;
    assert_eq!(header(&busy, "x-pilotlight-model"), "mac/m");
    for name in ["primary", "mac/m", "studio/m"] {
        let response = proxy.send(Chat, ask(Chat, name, false)).await;
        assert_eq!(header(&response, "x-pilotlight-attempts"), "studio/m=ok", "{name}: the idle one");
    }
    let response = proxy.send(Chat, ask(Chat, "far/m", false)).await;
    assert_eq!(header(&response, "x-pilotlight-model"), "far/m");
    drop(busy);
    idle.control().refuse(true).await;
    let response = proxy.send(Chat, ask(Chat, "studio/m", true)).await;
    assert_eq!(header(&response, "x-pilotlight-model"), "mac/m", "and the other where one is gone");
    assert_eq!(far.requests().len(), 1, "never the hosted one");
}

#[tokio::test]
async fn a_model_that_is_seen_to_work_is_given_more_time() {
    unhurried(async {
        for streamed in [true, false] {
            let near = vendor(Chat, "a long prompt").await;
            near.control().fault(Fault::slow_first_byte(Duration::from_millis(1_000)));
            let patient = Target {
                first_content: Duration::from_millis(300),
                ..target("near/m", near.address(), upstream_api(Chat))
            };
            let proxy = Proxy::with(vec![patient], pilotlight_gateway::Timing { whole: 1, ..quick() }, |_| {}).await;
            *proxy.local.working.lock().unwrap() = 10;
            let response = proxy.send(Chat, ask(Chat, "primary", streamed)).await;
            assert_eq!(response.status(), 200);
            assert!(read(response).await.contains("prompt"));
            *proxy.local.working.lock().unwrap() = 0;
            let begun = Instant::now();
            let body = read(proxy.send(Chat, ask(Chat, "primary", streamed)).await).await;
            assert!(body.contains("timeout") && begun.elapsed() < Duration::from_millis(900), "{body}");
            if streamed && body.starts_with("data") {
                assert!(error_message(Chat, events(&body).last().unwrap()).is_some());
            }
        }
    })
    .await;
}

#[tokio::test]
async fn an_answer_of_nothing_is_none_and_the_next_that_is_large_enough_is_asked() {
    let long = "a word or two ".repeat(250);
    for (api, streamed) in
        [(Responses, true), (Chat, true), (Messages, true), (Responses, false), (Chat, false), (Messages, false)]
    {
        let model = Model::new("m").loaded();
        let options = Options { models: vec![model], reply: Some(String::new()), ..Options::default() };
        let silent = Simulator::start(Kind::LmStudio, options).await.unwrap();
        let (small, large) = (vendor(api, "small").await, vendor(api, "large").await);
        let sized = |name: &str, simulator: &Simulator, window| {
            let target = hosted(target(name, simulator.address(), upstream_api(api)));
            Target { context_window: Some(window), ..target }
        };
        let first = target("first/m", silent.address(), upstream_api(api));
        let first = Target { context_window: Some(1_000), ..first };
        let proxy = Proxy::start(vec![first, sized("small/m", &small, 1_000), sized("large/m", &large, 9_000)]).await;
        let asked = |words: &str| {
            let mut body = ask(api, "primary", streamed);
            let place = if api == Responses { "/input" } else { "/messages/0/content" };
            *body.pointer_mut(place).unwrap() = json!(words);
            body
        };
        let response = proxy.send(api, asked(&long)).await;
        let tried = header(&response, "x-pilotlight-attempts").to_owned();
        assert_eq!(tried, "first/m=context-overflow; small/m=context-window; large/m=ok", "{api:?} {streamed}");
        assert!(read(response).await.contains("large"), "{api:?} {streamed}");
        // What cannot be too long has met with something else.
        let response = proxy.send(api, asked("short")).await;
        let tried = header(&response, "x-pilotlight-attempts").to_owned();
        assert_eq!(tried, "first/m=malformed; small/m=ok", "{api:?} {streamed}");
    }
}
