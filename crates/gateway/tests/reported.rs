//! What users of other proxies reported, where it takes a whole proxy to see it: no silent loss, no key that leaks, no
//! client that is left to wait.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::time::Duration;

use common::clock::unhurried;
use common::raw::{Piece, Raw};
use common::{Proxy, ask, client, events, header, hosted, quick, read, target, text_of, upstream_api};
use pilotlight_gateway::Target;
use pilotlight_simulator::{After, Fault, Kind, Model, Options, Simulator};
use pilotlight_wire::ClientApi::{self, Chat, Messages, Responses};
use pilotlight_wire::{Secret, UpstreamApi};
use serde_json::{Value, json};
use tokio::time::Instant;

const TALKING: [ClientApi; 3] = [Responses, Chat, Messages];

async fn vendor(api: ClientApi, reply: &str) -> Simulator {
    let kind = if api == Messages { Kind::Anthropic } else { Kind::OpenAi };
    Simulator::start(kind, Options { reply: Some(reply.to_owned()), ..Options::default() }).await.unwrap()
}

#[tokio::test]
async fn what_is_left_out_of_a_request_is_said() {
    let server = vendor(Chat, "hi").await;
    let proxy = Proxy::start(vec![hosted(target("far/m", server.address(), UpstreamApi::OpenaiCompletions))]).await;
    let mut body = ask(Responses, "primary", false);
    body["tools"] = json!([
        {"type": "web_search", "external_web_access": true}, {"type": "local_shell"},
        {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}},
    ]);
    body["input"] = json!([
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "x"}},
        {"type": "local_shell_call", "call_id": "a", "status": "completed", "action": {"type": "exec", "command": ["ls"]}},
        {"type": "function_call_output", "call_id": "a", "output": "files"},
        {"type": "image_generation_call", "id": "ig_1", "result": "iVBO"},
        {"role": "user", "content": "and now?"},
    ]);
    for stream in [false, true] {
        body["stream"] = json!(stream);
        let response = proxy.send(Responses, body.clone()).await;
        assert_eq!(response.status(), 200);
        let dropped = header(&response, "x-pilotlight-dropped").to_owned();
        for name in ["web_search", "local_shell", "web_search_call", "image_generation_call"] {
            assert!(dropped.split(", ").any(|dropped| dropped == name), "{name}: {dropped}");
        }
        let sent = server.requests().last().unwrap().body.clone();
        assert_eq!(sent["tools"].as_array().unwrap().len(), 1, "{sent}");
        assert!(sent["messages"].to_string().contains("files"), "{sent}");
    }
}

#[tokio::test]
async fn two_tools_that_would_be_one_are_the_clients_mistake() {
    let server = vendor(Chat, "hi").await;
    let proxy = Proxy::start(vec![hosted(target("far/m", server.address(), UpstreamApi::OpenaiCompletions))]).await;
    let mut body = ask(Responses, "primary", true);
    let function = |name: &str| json!({"type": "function", "name": name, "parameters": {"type": "object"}});
    body["tools"] = json!([{"type": "namespace", "name": "a", "tools": [function("b")]}, function("a__b")]);
    let response = proxy.send(Responses, body).await;
    assert_eq!(response.status(), 400);
    let answer: Value = response.json().await.unwrap();
    assert!(answer["error"]["message"].as_str().unwrap().contains("a__b"), "{answer}");
    assert_eq!(
        (&answer["error"]["type"], answer["error"]["code"].is_string()),
        (&json!("invalid_request_error"), true)
    );
    assert!(server.requests().is_empty());
}

/// LM Studio says so as an event of a stream, too.
#[tokio::test]
async fn an_overflow_that_a_stream_tells_goes_to_a_larger_context_too() {
    for api in TALKING {
        let models = vec![Model::new("a").loaded()];
        let small = Simulator::start(Kind::LmStudio, Options { models, ..Options::default() }).await.unwrap();
        small.control().fault(Fault::ErrorEvent {
            after: After::Headers,
            message: Some("n_keep: 5000 >= n_ctx: 4096".into()),
            code: None,
        });
        let (equal, large) = (vendor(api, "e").await, vendor(api, "large").await);
        let sized = |target: Target, tokens| Target { context_window: Some(tokens), ..target };
        let targets = vec![
            sized(target("small/a", small.address(), upstream_api(api)), 4096),
            sized(target("equal/b", equal.address(), upstream_api(api)), 4096),
            sized(hosted(target("large/c", large.address(), upstream_api(api))), 200_000),
        ];
        let proxy = Proxy::start(targets.clone()).await;
        let response = proxy.send(api, ask(api, "primary", true)).await;
        let attempts = "small/a=context-overflow; equal/b=context-window; large/c=ok";
        assert_eq!(header(&response, "x-pilotlight-attempts"), attempts, "{api:?}");
        assert_eq!(text_of(api, &events(&read(response).await)), "large", "{api:?}");
        let proxy = Proxy::start(targets[..1].to_vec()).await;
        let response = proxy.send(api, ask(api, "primary", true)).await;
        assert_eq!(response.status(), 400, "{api:?}");
        let answer: Value = response.json().await.unwrap();
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.starts_with("prompt is too long: 5000 tokens > 4096 maximum"), "{api:?}: {message}");
    }
}

/// As OpenRouter holds a request that waits: nothing but comments or pings, for ten times as long as silence may last.
#[tokio::test]
async fn signs_of_life_without_end_are_no_failure_and_no_content() {
    unhurried(async {
        for (api, sign) in [
            (Chat, ": OPENROUTER PROCESSING\n\n"),
            (Responses, ": ping\n\n"),
            (Messages, "event: ping\ndata: {\"type\":\"ping\"}\n\n"),
        ] {
            let signs = (0..40).flat_map(|_| [Piece::Bytes(sign.into()), Piece::Pause(Duration::from_millis(50))]);
            let waiting = Raw::stream(signs.chain([Piece::Bytes(answer(api).into())]).collect()).await;
            let other = vendor(api, "another").await;
            let brief = |target| Target { first_content: Duration::from_millis(200), ..target };
            let targets = vec![
                brief(hosted(target("far/m", waiting.address, upstream_api(api)))),
                brief(hosted(target("other/m", other.address(), upstream_api(api)))),
            ];
            let proxy = Proxy::start(targets).await;
            let mut response = proxy.send(api, ask(api, "primary", true)).await;
            let (mut body, mut last) = (Vec::new(), Instant::now());
            while let Some(piece) = response.chunk().await.unwrap() {
                let silence = last.elapsed();
                assert!(silence < Duration::from_millis(200), "{api:?}: the client heard nothing for {silence:?}");
                last = Instant::now();
                body.extend_from_slice(&piece);
            }
            let body = String::from_utf8(body).unwrap();
            assert_eq!(text_of(api, &events(&body)), "at last", "{api:?}: {body}");
            assert!(other.requests().is_empty(), "{api:?}: it was alive");
        }
    })
    .await;
}

/// A short stream of each API.
fn answer(api: ClientApi) -> String {
    let events = match api {
        Responses => vec![
            json!({"type": "response.created", "response": {"id": "resp_1"}}),
            json!({"type": "response.output_text.delta", "delta": "at last"}),
            json!({"type": "response.completed", "response": {"id": "resp_1", "status": "completed", "output": []}}),
        ],
        Messages => vec![
            json!({"type": "message_start", "message": {"id": "msg_1", "content": [], "usage": {"input_tokens": 1, "output_tokens": 0}}}),
            json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
            json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "at last"}}),
            json!({"type": "content_block_stop", "index": 0}),
            json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}}),
            json!({"type": "message_stop"}),
        ],
        _ => {
            let choice = json!({"index": 0, "delta": {"content": "at last"}, "finish_reason": "stop"});
            return format!("data: {}\n\ndata: [DONE]\n\n", json!({"id": "c", "choices": [choice]}));
        }
    };
    events.iter().map(|data| format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap())).collect()
}

#[tokio::test]
async fn what_an_sdk_says_of_embeddings_passes_untouched() {
    let answer = "{\"object\":\"list\",\"data\":[{\"object\":\"embedding\",\"index\":0,\"embedding\":\"AACAPwAAAEA=\"}],\"usage\":{\"prompt_tokens\":1,\"total_tokens\":1}}";
    let upstream = Raw::answer("200 OK\r\ncontent-type: application/json\r\n", answer).await;
    let proxy = Proxy::start(vec![target("a/m", upstream.address, UpstreamApi::OpenaiCompletions)]).await;
    let body = "{\"input\": [\"hi\"], \"model\": \"a/m\", \"encoding_format\": \"base64\", \"dimensions\":2}";
    let sent = client().post(proxy.url("/v1/embeddings")).header("content-type", "application/json").body(body);
    let response = sent.send().await.unwrap();
    assert_eq!(response.text().await.unwrap(), answer);
    assert_eq!(String::from_utf8(upstream.requests().remove(0).1).unwrap(), body.replace("a/m", "m"));
}

#[tokio::test]
async fn a_key_does_not_follow_a_redirect() {
    for (status, api) in
        [("307 Temporary Redirect", Chat), ("302 Found", Messages), ("308 Permanent Redirect", Responses)]
    {
        let elsewhere = Raw::answer("200 OK\r\n", "{}").await;
        let moved = format!("{status}\r\nlocation: http://{}/v1{}\r\n", elsewhere.address, api.path());
        let first = Raw::answer(&moved, "").await;
        let second = vendor(api, "the fallback").await;
        let keyed =
            Target { key: Some(Secret::new("sk-secret")), ..target("first/m", first.address, upstream_api(api)) };
        let proxy =
            Proxy::start(vec![hosted(keyed), hosted(target("second/m", second.address(), upstream_api(api)))]).await;
        let response = proxy.send(api, ask(api, "primary", false)).await;
        assert_eq!(header(&response, "x-pilotlight-attempts"), "first/m=status; second/m=ok");
        assert!(elsewhere.requests().is_empty(), "{status}");
        assert!(second.requests().iter().all(|request| !format!("{request:?}").contains("sk-secret")));
        assert_eq!(first.requests().len(), 1);
    }
    // Nobody else is left: the client is told, and not sent elsewhere with its own token.
    let first = Raw::answer("302 Found\r\nlocation: http://127.0.0.1:9/\r\n", "").await;
    let proxy = Proxy::with(vec![hosted(target("first/m", first.address, upstream_api(Chat)))], quick(), |_| {}).await;
    let response = proxy.send(Chat, ask(Chat, "primary", false)).await;
    assert_eq!((response.status().as_u16(), header(&response, "location")), (503, ""));
}
