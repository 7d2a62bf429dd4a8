//! What passes through untouched, what is changed, and what never leaves.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::time::Duration;

use common::raw::{Piece, Raw};
use common::{Proxy, ask, client, header, hosted, quick, target, upstream_api};
use pilotlight_gateway::{Cold, Outcome, Target};
use pilotlight_wire::ClientApi::{self, Chat, Completions, Embeddings, Messages, Responses};
use pilotlight_wire::{Secret, UpstreamApi, Usage};
use serde_json::{Value, json};

/// A stream of this API with everything that a careless relay would change: comments, spaces, numbers, order, CRLF.
fn stream_of(api: ClientApi) -> &'static str {
    match api {
        Responses => concat!(
            ": hello\n\nevent: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"resp_1\"}}\n\n",
            "event:response.output_text.delta\r\nid: 7\r\ndata:{\"delta\" : \"h\\u00e9\",\"type\":\"response.output_text.delta\",\"x\":1e5,\"sequence_number\":1}\r\n\r\n",
            "event: response.completed\ndata: {\"type\":\"response.completed\",\ndata: \"response\":{\"id\":\"resp_1\",\"usage\":{\"input_tokens\":3,\"output_tokens\":2}}}\n\n",
            "data: [DONE]\n\n",
        ),
        Messages => concat!(
            "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}}\n\n",
            "event: ping\ndata: {\"type\": \"ping\"}\n\n",
            "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"h\u{e9}\"}}\n\n",
            "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":2}}\n\n",
            "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
        ),
        Completions => concat!(
            "data: {\"choices\":[{\"text\":\"h\u{e9}\",\"index\":0,\"finish_reason\":null}],\"usage\":null}\n\n",
            "data: {\"choices\":[{\"text\":\"\",\"index\":0,\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\n\n",
            "data: [DONE]\n\n",
        ),
        Chat | Embeddings => concat!(
            ": PROCESSING\n\n\n",
            "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n",
            "data: {\"choices\":[{\"index\":0, \"delta\":{\"content\":\"h\\u00e9\"},\"x\":1.0e2}]}\n\n",
            "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
            ": late comment\n\n",
            "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\n\n",
            "data: [DONE]\n\n",
        ),
    }
}

fn body_of(api: ClientApi) -> &'static str {
    match api {
        Responses => {
            "{ \"output\":[], \"status\":\"completed\", \"x\":1e5, \"usage\":{\"input_tokens\":3,\"output_tokens\":2} }\n"
        }
        Messages => "{\"content\":[],\"usage\":{\"input_tokens\":3,\"output_tokens\":2},\"x\":1.0}",
        Chat | Completions => {
            "{\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2},\"x\":12345678901234567890123}"
        }
        Embeddings => "{\"data\":[{\"embedding\":\"AAAA\"}],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}",
    }
}

const COUNTED: Usage = Usage { input: 3, output: 2, cache_read: 0, cache_write: 0, reasoning: 0 };

#[tokio::test]
async fn a_stream_passes_byte_for_byte_however_it_is_cut() {
    for api in [Responses, Chat, Messages, Completions] {
        let text = stream_of(api);
        for size in [1, 7, 64, 100_000] {
            let mut pieces = Vec::new();
            for chunk in text.as_bytes().chunks(size) {
                pieces.push(Piece::Bytes(chunk.to_vec()));
                if size > 1 {
                    pieces.push(Piece::Pause(Duration::from_millis(1)));
                }
            }
            let upstream = Raw::stream(pieces).await;
            let mut proxy = Proxy::start(vec![target("a/m", upstream.address, upstream_api(api))]).await;
            let response = proxy.send(api, ask(api, "primary", true)).await;
            assert_eq!(header(&response, "content-type"), "text/event-stream");
            assert_eq!(header(&response, "x-pilotlight-model"), "a/m");
            assert_eq!(header(&response, "x-pilotlight-attempts"), "a/m=ok");
            assert_eq!(response.text().await.unwrap(), text, "{api:?} in pieces of {size}");
            let served = proxy.finished().await;
            assert_eq!((served.outcome, served.usage, served.http_status), (Outcome::Served, Some(COUNTED), 200));
            assert!(served.first_content.unwrap() <= served.total);
        }
    }
}

#[tokio::test]
async fn a_whole_answer_passes_byte_for_byte() {
    for api in ClientApi::ALL {
        let head = "200 OK\r\ncontent-type: application/json; charset=utf-8\r\nset-cookie: a=b\r\nx-request-id: up-1\r\n\
                    x-ratelimit-remaining-tokens: 9\r\nserver: secret/1\r\n";
        let upstream = Raw::answer(head, body_of(api)).await;
        let mut proxy = Proxy::start(vec![target("a/m", upstream.address, upstream_api(api))]).await;
        let response = proxy.send(api, ask(api, "a/m", false)).await;
        assert_eq!(header(&response, "content-type"), "application/json; charset=utf-8");
        assert_eq!(header(&response, "x-upstream-request-id"), "up-1");
        assert_eq!(header(&response, "x-ratelimit-remaining-tokens"), "9");
        assert!(header(&response, "x-request-id").starts_with("pl"));
        assert!(!response.headers().contains_key("set-cookie") && !response.headers().contains_key("server"));
        assert_eq!(response.text().await.unwrap(), body_of(api), "{api:?}");
        assert_eq!(proxy.finished().await.usage, Some(COUNTED));
        let (head, _) = &upstream.requests()[0];
        let path = if api == Messages { "/v1/messages".to_owned() } else { format!("/v1{}", api.path()) };
        assert!(head.starts_with(&format!("POST {path} HTTP/1.1\r\n")), "{head}");
    }
}

#[tokio::test]
async fn only_the_model_is_changed_and_nothing_of_the_clients_own_leaves() {
    let upstream = Raw::answer("200 OK\r\n", body_of(Chat)).await;
    let mut real = target("a/m", upstream.address, UpstreamApi::OpenaiCompletions);
    real.upstream_id = "the/real-one".to_owned();
    real.key = Some(Secret::new("sk-upstream"));
    real.headers = vec![("x-title".to_owned(), Secret::new("mine"))];
    let proxy = Proxy::start(vec![real]).await;
    let body = "{ \"messages\": [ ],\t\"model\" :\"primary\", \"n\":1e0, \"n\":2, \"é\":\"\\u00e9\" }\n";
    let response = client()
        .post(proxy.url("/v1/chat/completions?beta=true"))
        .header("content-type", "application/json")
        .header("authorization", "Bearer client-token")
        .header("x-api-key", "client-token")
        .header("cookie", "session=1")
        .header("user-agent", "tool/1")
        .header("openai-beta", "x=1")
        .header("accept-encoding", "gzip")
        .header("traceparent", "00-1-2-01")
        .body(body)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    let (head, sent) = upstream.requests().remove(0);
    assert_eq!(String::from_utf8(sent).unwrap(), body.replace("\"primary\"", "\"the/real-one\""));
    let head = head.to_lowercase();
    assert!(head.starts_with("post /v1/chat/completions?beta=true http/1.1"), "{head}");
    for line in [
        "authorization: bearer sk-upstream",
        "x-title: mine",
        "user-agent: tool/1",
        "openai-beta: x=1",
        "accept-encoding: identity",
        "traceparent: 00-1-2-01",
        "content-type: application/json",
    ] {
        assert!(head.contains(&format!("\r\n{line}")), "{line} is missing: {head}");
    }
    for absent in ["client-token", "cookie", "x-api-key", &proxy.address.to_string()] {
        assert!(!head.contains(absent), "{absent} has left: {head}");
    }
}

#[tokio::test]
async fn nothing_is_sent_after_the_end() {
    for api in [Responses, Chat, Messages, Completions] {
        let whole = stream_of(api);
        let surplus = whole.split_inclusive("\n\n").nth(1).unwrap().to_owned();
        let upstream = Raw::stream(vec![
            Piece::Bytes(whole.into()),
            Piece::Bytes(surplus.repeat(2).into()),
            Piece::Pause(Duration::from_millis(10)),
            Piece::Bytes(b"data: {\"error\":{\"message\":\"late\"}}\n\n".to_vec()),
            Piece::Hang,
        ])
        .await;
        let mut proxy = Proxy::start(vec![target("a/m", upstream.address, upstream_api(api))]).await;
        let response = proxy.send(api, ask(api, "primary", true)).await;
        // The upstream never ends its body; ours ends all the same.
        assert_eq!(response.text().await.unwrap(), whole, "{api:?}");
        assert_eq!(proxy.finished().await.outcome, Outcome::Served);
    }
}

#[tokio::test]
async fn a_cut_within_an_event_leaves_no_half_of_it() {
    let text = stream_of(Chat);
    let cut = text.find("\"x\":1.0e2").unwrap();
    let after = text.find("data: {\"choices\":[{\"index\":0,\"delta\":{},").unwrap();
    for end in [cut, after, after + 20] {
        let upstream = Raw::stream(vec![Piece::Bytes(text[..end].into())]).await;
        let proxy = Proxy::start(vec![target("a/m", upstream.address, upstream_api(Chat)), {
            let fallback = Raw::stream(vec![Piece::Bytes(text.into())]).await;
            let fallback_target = hosted(target("b/m", fallback.address, upstream_api(Chat)));
            std::mem::forget(fallback);
            fallback_target
        }])
        .await;
        let body = proxy.send(Chat, ask(Chat, "primary", true)).await.text().await.unwrap();
        if end == cut {
            assert_eq!(body, text, "nothing was shown before the content was whole, so the fallback answers");
            continue;
        }
        let (whole, error) = body.split_at(after);
        assert_eq!(whole, &text[..after]);
        let error: Value = serde_json::from_str(error.strip_prefix("data: ").unwrap().trim()).unwrap();
        assert!(error["error"]["message"].as_str().unwrap().contains("a/m broke off"), "{error}");
    }
}

#[tokio::test]
async fn a_last_event_without_its_blank_line_counts() {
    for api in [Responses, Chat, Messages, Completions] {
        let whole = stream_of(api);
        let upstream = Raw::stream(vec![Piece::Bytes(whole.trim_end().into())]).await;
        let mut proxy = Proxy::start(vec![target("a/m", upstream.address, upstream_api(api))]).await;
        let body = proxy.send(api, ask(api, "primary", true)).await.text().await.unwrap();
        assert_eq!(body.trim_end(), whole.trim_end(), "{api:?}");
        assert!(body.ends_with("\n\n"));
        assert_eq!(proxy.finished().await.outcome, Outcome::Served);
    }
}

#[tokio::test]
async fn the_clients_own_mistake_comes_back_as_it_is() {
    for (api, streamed) in [(Chat, true), (Chat, false), (Responses, true), (Messages, false), (Embeddings, false)] {
        let error = "{\"error\":{ \"message\":\"Unsupported parameter: 'x'\",\"type\":\"invalid_request_error\"}}";
        let upstream = Raw::answer("400 Bad Request\r\ncontent-type: application/json\r\n", error).await;
        let other = Raw::answer("200 OK\r\n", body_of(api)).await;
        let targets = vec![
            target("a/m", upstream.address, upstream_api(api)),
            hosted(target("b/m", other.address, upstream_api(api))),
        ];
        let mut proxy = Proxy::start(targets).await;
        let response = proxy.send(api, ask(api, "primary", streamed)).await;
        assert_eq!(response.status(), 400);
        assert_eq!(header(&response, "x-pilotlight-attempts"), "a/m=invalid-request");
        assert_eq!(header(&response, "x-pilotlight-model"), "a/m");
        assert_eq!(response.text().await.unwrap(), error);
        let served = proxy.finished().await;
        assert_eq!((served.outcome, served.http_status, served.served_by), (Outcome::Failed, 400, None));
        assert!(other.requests().is_empty() && proxy.local.troubles().is_empty());
    }
}

#[tokio::test]
async fn the_only_candidates_error_comes_back_with_its_status() {
    let body = "{\"error\":{\"message\":\"slow down, sk-123456789\",\"code\":\"rate_limit_exceeded\"}}";
    let head = "429 Too Many Requests\r\ncontent-type: application/json\r\nretry-after: 17\r\n";
    let upstream = Raw::answer(head, body).await;
    let mut only = hosted(target("a/m", upstream.address, UpstreamApi::OpenaiCompletions));
    only.key = Some(Secret::new("sk-123456789"));
    let proxy = Proxy::start(vec![only]).await;
    let response = proxy.send(Chat, ask(Chat, "a/m", true)).await;
    assert_eq!(response.status(), 429);
    assert_eq!(header(&response, "retry-after"), "17");
    assert_eq!(header(&response, "x-pilotlight-attempts"), "a/m=rate-limited");
    assert_eq!(response.text().await.unwrap(), body.replace("sk-123456789", "<redacted>"), "a key is struck out");

    let page = Raw::answer("502 Bad Gateway\r\ncontent-type: text/html\r\n", "<html>").await;
    let proxy = Proxy::start(vec![hosted(target("a/m", page.address, UpstreamApi::AnthropicMessages))]).await;
    let response = proxy.send(Messages, ask(Messages, "a/m", false)).await;
    assert_eq!(response.status(), 503, "a web page is no error of any API");
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["error"]["type"], "api_error");
    assert!(body["error"]["message"].as_str().unwrap().contains("a/m: status (502: a web page"), "{body}");
}

#[tokio::test]
async fn when_nobody_answers_the_error_names_everybody_in_the_clients_form() {
    let limited =
        Raw::answer("429 Too Many Requests\r\nretry-after: 17\r\n", "{\"error\":{\"message\":\"slow\"}}").await;
    let gone = Raw::start(vec![]).await;
    for api in [Responses, Chat, Messages, Completions, Embeddings] {
        let targets = vec![
            target("local/m", gone.address, upstream_api(api)),
            hosted(target("far/m", limited.address, upstream_api(api))),
            Target { region: Some("us".into()), ..hosted(target("barred/m", gone.address, upstream_api(api))) },
        ];
        let mut proxy = Proxy::with(targets, quick(), |routes| {
            routes.regions = Some(vec!["eu".to_owned()]);
            routes.chain.push("absent/m".parse().unwrap());
            let far = routes.targets.remove(1);
            routes.targets.insert(1, std::sync::Arc::new(Target { region: Some("EU".into()), ..(*far).clone() }));
        })
        .await;
        for streamed in [true, false] {
            let response = proxy.send(api, ask(api, "primary", streamed)).await;
            assert_eq!(response.status(), 503);
            assert_eq!(header(&response, "retry-after"), "17");
            assert_eq!(
                header(&response, "x-pilotlight-attempts"),
                "barred/m=region; absent/m=missing; local/m=cut; far/m=rate-limited"
            );
            let body: Value = response.json().await.unwrap();
            let message = body["error"]["message"].as_str().unwrap().to_owned();
            for name in [
                "\"primary\"",
                "local/m: cut (",
                "far/m: rate-limited (429: slow)",
                "barred/m: region (its region is us",
            ] {
                assert!(message.contains(name), "{name}: {message}");
            }
            if api == Messages {
                assert_eq!((&body["type"], &body["error"]["type"]), (&json!("error"), &json!("api_error")));
            } else {
                assert_eq!(
                    (&body["error"]["type"], &body["error"]["code"]),
                    (&json!("server_error"), &json!("no_model_available"))
                );
            }
            assert_eq!(proxy.finished().await.outcome, Outcome::Failed);
        }
    }
}

#[tokio::test]
async fn local_only_sends_no_byte_to_a_hosted_upstream() {
    let far = Raw::answer("200 OK\r\n", body_of(Chat)).await;
    let gone = Raw::start(vec![]).await;
    let api = UpstreamApi::OpenaiCompletions;
    let targets = vec![target("near/m", gone.address, api.clone()), hosted(target("far/m", far.address, api))];
    let proxy = Proxy::with(targets, quick(), |routes| routes.local_only = true).await;
    for asked in ["primary", "far/m"] {
        let response = proxy.send(Chat, ask(Chat, asked, false)).await;
        // What only the settings rule out, no second try brings.
        assert_eq!(response.status(), if asked == "primary" { 503 } else { 403 }, "{asked}");
        assert!(header(&response, "x-pilotlight-attempts").contains("far/m=local-only"));
        let body: Value = response.json().await.unwrap();
        assert!(body["error"]["message"].as_str().unwrap().contains("the settings allow local models only"), "{body}");
    }
    assert!(far.requests().is_empty());
}

#[tokio::test]
async fn an_api_that_nobody_speaks_is_said_so() {
    let api = UpstreamApi::Other("bedrock-converse-stream".to_owned());
    let proxy = Proxy::start(vec![target("a/m", "127.0.0.1:9".parse().unwrap(), api)]).await;
    let response = proxy.send(Responses, ask(Responses, "primary", true)).await;
    assert_eq!(response.status(), 400);
    let body: Value = response.json().await.unwrap();
    let message = body["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("a/m (it speaks bedrock-converse-stream)") && message.contains("not translated"),
        "{message}"
    );
}

#[tokio::test]
async fn our_own_address_is_no_upstream() {
    let proxy = Proxy::start(vec![]).await;
    let own = target("self/m", proxy.address, UpstreamApi::OpenaiCompletions);
    proxy.routes.send_modify(|routes| {
        let mut changed = (**routes).clone();
        changed.chain = vec![own.model.clone()];
        changed.targets = vec![std::sync::Arc::new(own)];
        *routes = std::sync::Arc::new(changed);
    });
    let response = proxy.send(Chat, ask(Chat, "primary", false)).await;
    assert_eq!(response.status(), 503);
    assert_eq!(header(&response, "x-pilotlight-attempts"), "self/m=own-address");
}

#[tokio::test]
async fn a_change_of_the_routes_counts_from_the_next_request() {
    let first = Raw::answer("200 OK\r\n", body_of(Chat)).await;
    let second = Raw::answer("200 OK\r\n", body_of(Chat)).await;
    let api = UpstreamApi::OpenaiCompletions;
    let targets = vec![target("a/m", first.address, api.clone()), target("b/m", second.address, api)];
    let proxy = Proxy::with(targets, quick(), |routes| routes.cold = Cold::Wait).await;
    let response = proxy.send(Chat, ask(Chat, "primary", false)).await;
    assert_eq!(header(&response, "x-pilotlight-model"), "a/m");
    proxy.routes.send_modify(|routes| {
        let mut changed = (**routes).clone();
        changed.chain.reverse();
        *routes = std::sync::Arc::new(changed);
    });
    let response = proxy.send(Chat, ask(Chat, "primary", false)).await;
    assert_eq!(header(&response, "x-pilotlight-model"), "b/m");
}
