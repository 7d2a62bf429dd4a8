//! Named tokens and their limits, pages that may call, the queue, and LM Studio's own API through us.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::raw::{Piece, Raw};
use common::{Proxy, ask, client, header, hosted, quick, target};
use pilotlight_gateway::{Access, NamedToken, Readiness, Target};
use pilotlight_wire::ClientApi::Chat;
use pilotlight_wire::{Secret, UpstreamApi};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n\
                      {\"choices\":[{\"index\":0,\"message\":{\"content\":\"hi\"},\"finish_reason\":\"stop\"}]}";

fn token(name: &str, change: impl FnOnce(&mut NamedToken)) -> Arc<NamedToken> {
    let hash = Sha256::digest(format!("pl-{name}")).into();
    let mut token = NamedToken { name: name.to_owned(), hash, local_only: false, models: None, per_minute: None };
    change(&mut token);
    Arc::new(token)
}

async fn proxy(targets: Vec<Target>, access: Access) -> Proxy {
    Proxy::with(targets, quick(), |routes| routes.access = access).await
}

async fn asked(proxy: &Proxy, token: &str, model: &str) -> (u16, Value, String) {
    let request = client().post(proxy.url("/v1/chat/completions")).bearer_auth(token).json(&ask(Chat, model, false));
    let response = request.send().await.unwrap();
    let (status, after) = (response.status().as_u16(), header(&response, "retry-after").to_owned());
    (status, response.json().await.unwrap(), after)
}

#[tokio::test]
async fn each_token_has_its_own_limits() {
    let upstream = Raw::start(vec![Piece::Bytes(ANSWER.into())]).await;
    let targets = vec![
        target("studio/small", upstream.address, UpstreamApi::OpenaiCompletions),
        hosted(target("cloud/large", upstream.address, UpstreamApi::OpenaiCompletions)),
    ];
    let access = Access {
        token: Some(Secret::new("pl-own")),
        named: vec![
            token("near", |token| token.local_only = true),
            token("one", |token| token.models = Some(vec!["studio/*".to_owned()])),
            token("slow", |token| token.per_minute = Some(2)),
        ],
        ..Access::default()
    };
    let proxy = proxy(targets, access).await;
    assert_eq!(asked(&proxy, "pl-own", "cloud/large").await.0, 200);
    assert_eq!(asked(&proxy, "pl-stranger", "small").await.0, 401);

    assert_eq!(asked(&proxy, "pl-near", "small").await.0, 200);
    let (status, body, _) = asked(&proxy, "pl-near", "cloud/large").await;
    assert_eq!((status, &body["error"]["code"]), (403, &json!("model_not_allowed")), "no second try would help");
    let message = body["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("cloud/large: local-only (hosted, and the token \"near\" may ask local models only)"),
        "{message}"
    );

    assert_eq!(asked(&proxy, "pl-one", "small").await.0, 200);
    let (status, body, _) = asked(&proxy, "pl-one", "primary").await;
    assert_eq!((status, &body["error"]["code"]), (403, &json!("model_not_allowed")));

    assert_eq!(asked(&proxy, "pl-slow", "small").await.0, 200);
    assert_eq!(asked(&proxy, "pl-slow", "small").await.0, 200);
    let (status, body, after) = asked(&proxy, "pl-slow", "small").await;
    assert_eq!((status, &body["error"]["type"]), (429, &json!("rate_limit_error")));
    assert!((55..=60).contains(&after.parse::<u64>().unwrap()), "{after}");
    assert_eq!(asked(&proxy, "pl-own", "small").await.0, 200, "others are not held up");
}

#[tokio::test]
async fn each_token_is_shown_what_it_may_ask_for() {
    let address = "127.0.0.1:9".parse().unwrap();
    let mut small = target("studio/small", address, UpstreamApi::OpenaiCompletions);
    small.alias = Some("Mini".to_owned());
    let targets = vec![small, hosted(target("cloud/large", address, UpstreamApi::OpenaiCompletions))];
    let access = Access {
        token: Some(Secret::new("pl-own")),
        named: vec![
            token("near", |token| token.local_only = true),
            token("one", |token| token.models = Some(vec!["MINI".to_owned()])),
        ],
        ..Access::default()
    };
    let proxy = Proxy::with(targets, quick(), |routes| {
        routes.access = access;
        routes.aliases = vec![("Mini".to_owned(), "studio/small".parse().unwrap())];
    })
    .await;
    let shown = async |token: &str| {
        let list = client().get(proxy.url("/v1/models")).bearer_auth(token).send().await.unwrap();
        let list: Value = list.json().await.unwrap();
        let ids = list["data"].as_array().unwrap().iter().map(|entry| entry["id"].as_str().unwrap().to_owned());
        ids.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(shown("pl-own").await, "primary Mini studio/small cloud/large");
    assert_eq!(shown("pl-near").await, "primary Mini studio/small");
    assert_eq!(shown("pl-one").await, "Mini studio/small");
    let get = client().get(proxy.url("/v1/models/cloud/large")).bearer_auth("pl-near");
    assert_eq!(get.send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn a_page_that_may_call_is_told_so_beforehand() {
    let access = Access {
        token: Some(Secret::new("pl-own")),
        origins: vec!["https://app.example".to_owned()],
        ..Access::default()
    };
    let proxy = proxy(Vec::new(), access).await;
    let preflight = |origin: &'static str| {
        client()
            .request(reqwest::Method::OPTIONS, proxy.url("/v1/chat/completions"))
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization, content-type")
            .send()
    };
    let response = preflight("https://app.example").await.unwrap();
    assert_eq!(response.status(), 204);
    assert_eq!(header(&response, "access-control-allow-origin"), "https://app.example");
    assert_eq!(header(&response, "access-control-allow-headers"), "authorization, content-type");
    let response = preflight("https://evil.example").await.unwrap();
    assert_eq!((response.status().as_u16(), header(&response, "access-control-allow-origin")), (403, ""));
    let get = client().get(proxy.url("/v1/models")).header("origin", "https://app.example");
    let response = get.try_clone().unwrap().send().await.unwrap();
    assert_eq!(response.status(), 401, "a page needs the token like everybody");
    let response = get.bearer_auth("pl-own").send().await.unwrap();
    assert_eq!(header(&response, "access-control-allow-origin"), "https://app.example");
}

#[tokio::test]
async fn more_requests_than_are_served_at_once_wait_and_are_served() {
    let upstream = Raw::start(vec![Piece::Pause(Duration::from_millis(150)), Piece::Bytes(ANSWER.into())]).await;
    let targets = vec![target("studio/small", upstream.address, UpstreamApi::OpenaiCompletions)];
    let proxy = proxy(targets, Access { most_requests: 1, ..Access::default() }).await;
    let begun = std::time::Instant::now();
    let all = futures::future::join_all((0..4).map(|_| asked(&proxy, "", "small"))).await;
    assert!(all.iter().all(|(status, ..)| *status == 200), "{all:?}");
    assert!(begun.elapsed() >= Duration::from_millis(600), "one after the other");
    // One is served and four wait: the sixth is sent away.
    let all = futures::future::join_all((0..6).map(|_| asked(&proxy, "", "small"))).await;
    let refused: Vec<_> = all.iter().filter(|(status, ..)| *status == 503).collect();
    assert_eq!(refused.len(), 1, "{all:?}");
    assert_eq!((refused[0].1["error"]["code"].as_str(), refused[0].2.as_str()), (Some("too_many_requests"), "1"));
    let message = refused[0].1["error"]["message"].as_str().unwrap();
    assert!(message.starts_with("1 request is being served") && message.contains("4 wait"), "{message}");
}

#[tokio::test]
async fn lm_studios_own_api_shows_and_loads_without_a_second_instance() {
    let address = "127.0.0.1:9".parse().unwrap();
    let local =
        Target { context_window: Some(8192), ..target("studio/small", address, UpstreamApi::OpenaiCompletions) };
    let cloud = hosted(target("cloud/large", address, UpstreamApi::OpenaiCompletions));
    let proxy = proxy(vec![local, cloud], Access::default()).await;
    proxy.local.set("studio/small", Readiness::Cold);
    let get = async |path: &str| client().get(proxy.url(path)).send().await.unwrap().json::<Value>().await.unwrap();
    let v0 = get("/api/v0/models").await;
    assert_eq!((v0["data"].as_array().unwrap().len(), &v0["data"][0]["state"]), (1, &json!("not-loaded")));
    assert_eq!(get("/api/v1/models").await["models"][0]["loaded_instances"], json!([]));
    let load = client().post(proxy.url("/api/v1/models/load")).json(&json!({"model": "small", "context_length": 4096}));
    let loading = tokio::spawn(load.try_clone().unwrap().send());
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(proxy.local.wanted(), ["studio/small"]);
    proxy.local.set("studio/small", Readiness::Ready);
    let answer: Value = loading.await.unwrap().unwrap().json().await.unwrap();
    assert_eq!((&answer["status"], &answer["instance_id"]), (&json!("loaded"), &json!("small")));
    let answer: Value = load.send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["instance_id"], "small");
    assert_eq!(proxy.local.wanted().len(), 1, "what is loaded is not loaded again");
    let v1 = get("/api/v1/models").await;
    assert_eq!(v1["models"][0]["loaded_instances"][0]["config"]["context_length"], 8192);
    assert_eq!(get("/api/v0/models/small").await["state"], "loaded");
    // Of two machines with the same model, the bare id is the first one's, for a look as for a load.
    proxy.routes.send_modify(|routes| {
        let mut changed = (**routes).clone();
        let twin = Target { context_window: None, ..target("mac/small", address, UpstreamApi::OpenaiCompletions) };
        changed.targets.push(Arc::new(twin));
        *routes = Arc::new(changed);
    });
    assert_eq!(get("/api/v0/models/small").await["id"], "studio/small");
    let twin = get("/api/v0/models/mac/small").await;
    assert!(twin.get("max_context_length").is_none(), "no number is known: {twin}");
    let unknown = client().post(proxy.url("/api/v1/models/load")).json(&json!({"model": "cloud/large"})).send();
    assert_eq!(unknown.await.unwrap().status(), 404);
}
