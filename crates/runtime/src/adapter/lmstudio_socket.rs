//! A connection to LM Studio's WebSocket, as its own SDK opens and uses it. Source: the SDK `@lmstudio/sdk` 2.0.0, whose
//! messages were recorded. It is undocumented, so whatever needs it must do without.
//!
//! Must not know: what is asked, and how often.

use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use pilotlight_wire::Secret;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use url::Url;

/// To any answer.
pub(super) const ANSWER: Duration = Duration::from_secs(2);

/// Where it is, and how to introduce oneself. Not to be shown: it holds the token.
#[derive(Clone)]
pub(super) struct Endpoint {
    address: String,
    hello: Value,
}

/// One connection to one of its parts.
pub(super) struct Connection {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    calls: u64,
}

/// Why a connection is of no more use.
#[derive(Debug)]
pub(super) struct Lost;

impl Endpoint {
    /// None over TLS.
    pub(super) fn new(root: &Url, key: Option<&Secret>) -> Option<Self> {
        Some(Self { address: address(root)?, hello: hello(key) })
    }

    /// Connects to a part, such as `llm`.
    pub(super) async fn connect(&self, namespace: &str) -> Result<Connection, Lost> {
        let address = format!("{}/{namespace}", self.address);
        let (socket, _) = timeout(ANSWER, connect_async(address)).await.map_err(|_| Lost)?.map_err(|_| Lost)?;
        let mut connection = Connection { socket, calls: 0 };
        connection.send(&self.hello).await?;
        let answer = timeout(ANSWER, connection.next()).await.map_err(|_| Lost)??;
        if answer.get("success").and_then(Value::as_bool) == Some(true) { Ok(connection) } else { Err(Lost) }
    }
}

impl Connection {
    /// One question. The inner error is LM Studio's own, in its words.
    pub(super) async fn call(
        &mut self,
        endpoint: &str,
        parameter: Option<Value>,
    ) -> Result<Result<Value, String>, Lost> {
        self.calls += 1;
        let mut question = json!({ "type": "rpcCall", "endpoint": endpoint, "callId": self.calls });
        if let Some(parameter) = parameter {
            question["parameter"] = parameter;
        }
        self.send(&question).await?;
        let answer = async {
            loop {
                let mut message = self.next().await?;
                if message.get("callId").and_then(Value::as_u64) != Some(self.calls) {
                    continue;
                }
                return match message.get("type").and_then(Value::as_str) {
                    Some("rpcResult") => Ok(Ok(message["result"].take())),
                    Some("rpcError") => Ok(Err(words(&message))),
                    _ => Err(Lost),
                };
            }
        };
        timeout(ANSWER, answer).await.map_err(|_| Lost)?
    }

    /// Sends a message.
    pub(super) async fn send(&mut self, message: &Value) -> Result<(), Lost> {
        self.socket.send(Message::text(message.to_string())).await.map_err(|_| Lost)
    }

    /// The next message that is JSON.
    pub(super) async fn next(&mut self) -> Result<Value, Lost> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => {
                    if let Ok(value) = serde_json::from_str(&text) {
                        return Ok(value);
                    }
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(Lost),
                Some(Ok(_)) => {}
            }
        }
    }

    /// Ends it in good order.
    pub(super) async fn close(mut self) {
        // It is of no more use either way.
        let _ = self.socket.close(None).await;
    }
}

/// What an error message says.
pub(super) fn words(message: &Value) -> String {
    let text = |key: &str| message["error"][key].as_str().map(str::trim).filter(|text| !text.is_empty());
    match (text("title"), text("cause")) {
        (Some(title), Some(cause)) => format!("{title} ({cause})"),
        (Some(said), None) | (None, Some(said)) => said.to_owned(),
        (None, None) => "it does not say why".to_owned(),
    }
}

/// `ws://host:port/`; none over TLS.
fn address(root: &Url) -> Option<String> {
    let mut address = root.clone();
    (root.scheme() == "http" && address.set_scheme("ws").is_ok()).then(|| address.as_str().trim_end_matches('/').into())
}

/// The first message. A token is written `sk-lm-NAME:PASS`; without one any pair will do.
fn hello(key: Option<&Secret>) -> Value {
    let pair = key.and_then(|key| key.expose().strip_prefix("sk-lm-")).and_then(|pair| pair.split_once(':'));
    let own = format!("pilotlight-{}", std::process::id());
    let (name, pass) = pair.unwrap_or((&own, &own));
    json!({ "authVersion": 1, "clientIdentifier": name, "clientPasskey": pass })
}
