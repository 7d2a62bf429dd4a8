//! Each adapter against servers that answer as the real ones were seen or are documented to: small ones on loopback.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod llama;
mod lm_studio;
mod others;
mod vllm;

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use pilotlight_wire::{ModelRef, Secret};
use serde_json::{Value, json};
use tokio::sync::Notify;
use url::Url;

use super::{Adapter, Clock, Depth, LoadOrder, Presence, Seen};
use crate::detect::{ByAsking, Connect};
use crate::{RuntimeKind, WatchedModel, WatchedProvider};

type Answer = Box<dyn Fn(&str, &Value) -> Option<(u16, Value)> + Send + Sync>;

/// What is asked, and what lets its answer go.
type Held = (String, Arc<Notify>);

/// A server that answers JSON, and remembers what it was asked.
#[derive(Clone)]
struct Fake {
    root: Url,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
    answer: Arc<Mutex<Answer>>,
    /// What is answered only when that is said.
    held: Arc<Mutex<Option<Held>>>,
}

impl Fake {
    /// `answer` is given `METHOD /path?query` and the body; none is a 404 as most servers write it.
    async fn start(answer: impl Fn(&str, &Value) -> Option<(u16, Value)> + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let root = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let answer: Answer = Box::new(answer);
        let fake = Self { root, asked: Arc::default(), answer: Arc::new(Mutex::new(answer)), held: Arc::default() };
        let own = fake.clone();
        let handler = move |method: Method, uri: Uri, body: Bytes| {
            let own = own.clone();
            async move {
                let reply = own.reply(&method, &uri, &body);
                let held = own.held.lock().unwrap().clone().filter(|(asked, _)| *asked == format!("{method} {uri}"));
                if let Some((_, released)) = held {
                    released.notified().await;
                }
                reply
            }
        };
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(handler)).await });
        fake
    }

    fn reply(&self, method: &Method, uri: &Uri, body: &Bytes) -> Response {
        let asked = format!("{method} {uri}");
        let body = serde_json::from_slice(body).unwrap_or_default();
        let answer = self.answer.lock().unwrap()(&asked, &body);
        self.asked.lock().unwrap().push((asked, body));
        let (status, body) = answer.unwrap_or_else(|| (404, json!({ "detail": "Not Found" })));
        let status = StatusCode::from_u16(status).unwrap();
        match body {
            Value::String(text) if uri.path() == "/metrics" => (status, text).into_response(),
            body => (status, axum::Json(body)).into_response(),
        }
    }

    /// From now on.
    fn answers(&self, answer: impl Fn(&str, &Value) -> Option<(u16, Value)> + Send + Sync + 'static) {
        *self.answer.lock().unwrap() = Box::new(answer);
    }

    /// Answers this only when the returned is notified.
    fn holds(&self, what: &str) -> Arc<Notify> {
        let release = Arc::new(Notify::new());
        *self.held.lock().unwrap() = Some((what.to_owned(), release.clone()));
        release
    }

    /// The bodies sent to this, oldest first.
    fn sent(&self, what: &str) -> Vec<Value> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|(asked, _)| asked == what).map(|(_, body)| body.clone()).collect()
    }

    fn provider(&self) -> WatchedProvider {
        provider(&self.root)
    }

    async fn adapter(&self) -> Arc<dyn Adapter> {
        ByAsking::new(vec![], None).connect(&self.provider()).await.unwrap()
    }
}

fn provider(root: &Url) -> WatchedProvider {
    let watched = WatchedModel {
        model: ModelRef::new("p", "m").unwrap(),
        upstream_id: "m".into(),
        context: None,
        keep_warm: crate::KeepWarm::Always,
        title: "Em".into(),
    };
    WatchedProvider { id: "p".into(), root: root.clone(), key: None, runtime: None, models: vec![watched] }
}

fn order(key: &str) -> LoadOrder {
    LoadOrder { key: key.into(), context: Some(8192), embedding: false }
}

async fn seen(adapter: &dyn Adapter, id: &str) -> Seen {
    adapter.look(Depth::Full).await.unwrap().find(id).unwrap_or_else(|| panic!("{id} is not listed"))
}

/// The answer to this path alone.
fn only(path: &'static str, body: Value) -> impl Fn(&str, &Value) -> Option<(u16, Value)> + Send + Sync + 'static {
    move |asked, _| (asked == path).then(|| (200, body.clone()))
}

#[tokio::test]
async fn each_is_found_by_asking() {
    let props = json!({ "role": "router", "default_generation_settings": {}, "build_info": "b11669" });
    let loading = json!({ "error": { "message": "Loading model", "type": "unavailable_error", "code": 503 } });
    let states = json!({ "data": [{ "id": "m", "state": "not-loaded" }] });
    let unexpected = json!({ "error": "Unexpected endpoint or method." });
    let cases: Vec<(RuntimeKind, Option<&str>, Fake)> = vec![
        (
            RuntimeKind::LmStudio,
            None,
            Fake::start(move |asked, _| {
                let greeting = asked == "GET /lmstudio-greeting";
                Some((200, if greeting { json!({ "lmstudio": true }) } else { unexpected.clone() }))
            })
            .await,
        ),
        (RuntimeKind::LmStudio, None, Fake::start(only("GET /api/v0/models", states)).await),
        (
            RuntimeKind::Ollama,
            Some("0.12.6"),
            Fake::start(only("GET /api/version", json!({ "version": "0.12.6" }))).await,
        ),
        (RuntimeKind::LlamaServer, None, Fake::start(only("GET /props", props)).await),
        (RuntimeKind::LlamaServer, None, Fake::start(move |_, _| Some((503, loading.clone()))).await),
        (
            RuntimeKind::Vllm,
            Some("0.11.0"),
            Fake::start(|asked, _| match asked {
                "GET /version" => Some((200, json!({ "version": "0.11.0" }))),
                "GET /v1/models" => {
                    Some((200, json!({ "data": [{ "id": "m", "owned_by": "vllm", "max_model_len": 4096 }] })))
                }
                _ => None,
            })
            .await,
        ),
        (RuntimeKind::LiteLlm, None, Fake::start(only("GET /health/liveliness", json!("I'm alive!"))).await),
        (
            RuntimeKind::OpenaiCompatible,
            None,
            Fake::start(only("GET /v1/models", json!({ "data": [{ "id": "m" }] }))).await,
        ),
        // Another server that has a version.
        (RuntimeKind::OpenaiCompatible, None, Fake::start(only("GET /version", json!({ "version": "1" }))).await),
    ];
    for (kind, version, fake) in cases {
        let adapter = fake.adapter().await;
        assert_eq!((adapter.kind(), adapter.version().as_deref()), (kind, version));
        assert_eq!(RuntimeKind::from_name(kind.name()), Some(kind));
        assert_eq!(fake.sent("GET /health").len(), 0, "LiteLLM would send completions to every model");
    }
}

#[tokio::test]
async fn a_server_that_is_only_starting_is_not_judged() {
    let fake = Fake::start(|_, _| Some((502, Value::Null))).await;
    let answer = ByAsking::new(vec![], None).connect(&fake.provider()).await;
    assert!(matches!(answer, Err(super::LookFailure::Rejected(why)) if why.contains("502")));
}
