//! LM Studio's WebSocket, as its SDK speaks it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::*;
use futures::{SinkExt as _, StreamExt as _};
use pilotlight_simulator::{Kind, LmStudioOptions, Model, Options, Simulator, UnloadCause};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

struct Client(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Client {
    async fn open(simulator: &Simulator, namespace: &str) -> Result<Client, Error> {
        Ok(Client(connect_async(format!("ws://{}/{namespace}", simulator.address())).await?.0))
    }

    async fn greeted(simulator: &Simulator, namespace: &str) -> Client {
        let mut client = Client::open(simulator, namespace).await.unwrap();
        let hello = json!({"authVersion": 1, "clientIdentifier": "name", "clientPasskey": "pass"});
        assert_eq!(client.ask(hello).await.unwrap()["success"], true);
        client
    }

    async fn ask(&mut self, message: Value) -> Option<Value> {
        self.0.send(Message::text(message.to_string())).await.ok()?;
        match timeout(Duration::from_secs(10), self.0.next()).await.expect("an answer or the end")? {
            Ok(Message::Text(text)) => Some(serde_json::from_str(&text).unwrap()),
            _ => None,
        }
    }

    async fn call(&mut self, endpoint: &str, parameter: Option<Value>) -> Value {
        let mut call = json!({"type": "rpcCall", "endpoint": endpoint, "callId": 7});
        if let Some(parameter) = parameter {
            call["parameter"] = parameter;
        }
        let answer = self.ask(call).await.unwrap();
        assert_eq!(answer["callId"], 7);
        answer
    }

    async fn loaded(&mut self) -> Value {
        self.call("listLoaded", None).await["result"].take()
    }

    async fn state(&mut self, reference: &Value) -> Value {
        let specifier = json!({"type": "instanceReference", "instanceReference": reference});
        self.call("getInstanceProcessingState", Some(json!({"specifier": specifier, "throwIfNotFound": true}))).await
    }

    /// Asks until it says this.
    async fn wait_for_status(&mut self, reference: &Value, status: &str) {
        for _ in 0..500 {
            if self.state(reference).await["result"]["status"] == status {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("never {status}");
    }
}

#[tokio::test]
async fn it_tells_idle_timer_last_use_and_what_an_instance_does() {
    let models = vec![Model::new(MODEL).context(4096).loaded(), Model::new("timed").loaded_just_in_time()];
    let simulator = start(
        Kind::LmStudio,
        Options {
            models,
            prompt_delay: Duration::from_millis(400),
            word_delay: Duration::from_millis(100),
            ..Options::default()
        },
    )
    .await;
    let mut client = Client::greeted(&simulator, "llm").await;
    let loaded = client.loaded().await;
    let row = |key: &str| loaded.as_array().unwrap().iter().find(|row| row["identifier"] == key).unwrap();
    assert_eq!((&row(MODEL)["ttlMs"], &row(MODEL)["contextLength"]), (&Value::Null, &json!(4096)));
    assert_eq!(row("timed")["ttlMs"], 3_600_000);
    let reference = &row(MODEL)["instanceReference"];
    assert_eq!(client.state(reference).await["result"], json!({"status": "idle", "queued": 0}));

    let url = simulator.base_url();
    let body = json!({"model": MODEL, "messages": [{"role": "user", "content": "hello"}], "stream": true});
    let request = reqwest::Client::new().post(format!("{url}/chat/completions")).json(&body).send();
    let answering = tokio::spawn(async move { request.await.unwrap().text().await.unwrap() });
    client.wait_for_status(reference, "processingPrompt").await;
    let busy = client.loaded().await;
    assert!(busy.as_array().unwrap().iter().any(|row| row["identifier"] == MODEL && row["lastUsedTime"].is_null()));
    client.wait_for_status(reference, "generating").await;
    answering.await.unwrap();
    client.wait_for_status(reference, "idle").await;
    assert!(client.loaded().await[0]["lastUsedTime"].is_u64());

    simulator.control().unload(MODEL, UnloadCause::Ejected).unwrap();
    assert_eq!(client.state(reference).await["type"], "rpcError");
    simulator.control().load(MODEL).await.unwrap();
    let again = client.loaded().await;
    let again = again.as_array().unwrap().iter().find(|row| row["identifier"] == MODEL).unwrap();
    assert_ne!(&again["instanceReference"], reference, "another instance of the same name");
    assert!(simulator.requests().iter().any(|seen| seen.method == "RPC" && seen.path == "listLoaded"));
}

#[tokio::test]
async fn it_tells_its_version_and_knows_nothing_else() {
    let simulator = warm().await;
    let mut client = Client::greeted(&simulator, "system").await;
    assert_eq!(client.call("version", None).await["result"]["version"], "0.4.2");
    assert_eq!(client.call("listLoaded", None).await["type"], "rpcError");
    assert_eq!(client.ask(json!({"type": "keepAlive"})).await.unwrap(), json!({"type": "keepAliveAck"}));
}

#[tokio::test]
async fn models_for_embeddings_have_a_part_of_their_own() {
    let simulator = lm_studio(vec![Model::new(MODEL).loaded(), Model::embedding("e").loaded()]).await;
    for (namespace, expected) in [("llm", MODEL), ("embedding", "e")] {
        let mut client = Client::greeted(&simulator, namespace).await;
        let loaded = client.loaded().await;
        let names: Vec<&str> =
            loaded.as_array().unwrap().iter().map(|row| row["identifier"].as_str().unwrap()).collect();
        assert_eq!(names, [expected]);
    }
}

#[tokio::test]
async fn a_token_is_asked_for_in_its_two_halves() {
    let key = Some("sk-lm-abcdefgh:0123456789abcdefghij".to_owned());
    let simulator = start(Kind::LmStudio, Options { key, ..Options::default() }).await;
    for (name, pass, welcome) in [("abcdefgh", "0123456789abcdefghij", true), ("abcdefgh", "else", false)] {
        let mut client = Client::open(&simulator, "llm").await.unwrap();
        let hello = json!({"authVersion": 1, "clientIdentifier": name, "clientPasskey": pass});
        assert_eq!(client.ask(hello).await.unwrap()["success"], welcome);
        let more = client.ask(json!({"type": "rpcCall", "endpoint": "listLoaded", "callId": 1})).await;
        assert_eq!(more.is_some(), welcome);
    }
}

#[tokio::test]
async fn it_ends_with_the_listener_and_can_be_absent() {
    let simulator = warm().await;
    let mut client = Client::greeted(&simulator, "llm").await;
    simulator.control().refuse(true).await;
    assert_eq!(client.ask(json!({"type": "rpcCall", "endpoint": "listLoaded", "callId": 1})).await, None);

    let lm_studio = LmStudioOptions { websocket: false, ..LmStudioOptions::default() };
    let simulator = start(Kind::LmStudio, Options { lm_studio, ..Options::default() }).await;
    assert!(Client::open(&simulator, "llm").await.is_err());
    assert!(Client::open(&warm().await, "nowhere").await.is_err());
}
