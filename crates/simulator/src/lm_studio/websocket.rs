//! LM Studio's WebSocket, by which its own SDK speaks: what is loaded with its idle timer and last use, what each
//! instance is doing, and the version. Facts: the SDK `@lmstudio/sdk` 2.0.0, and measurements of its users; the vendor
//! does not document it.
//!
//! Must not know: who asks, and how often.

use axum::body::Body;
use futures::{SinkExt as _, StreamExt as _};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_util::sync::CancellationToken;

use super::channel::Loads;
use super::listings::{format_of, publisher, v1_type};
use super::shelf::{Doing, Instance, UnloadCause};
use crate::options::{Kind, Model, ModelType};
use crate::request::SeenRequest;
use crate::server::Shared;

/// How many requests an instance works on at once before others queue; what `/api/v1/models` calls `parallel`.
pub(crate) const PARALLEL: usize = 4;

/// The parts of LM Studio that are spoken to, one connection each. Those of models know only models of their sort.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Namespace {
    Llm,
    Embedding,
    System,
}

impl Namespace {
    fn of(path: &str) -> Option<Namespace> {
        match path {
            "/llm" => Some(Namespace::Llm),
            "/embedding" => Some(Namespace::Embedding),
            "/system" => Some(Namespace::System),
            _ => None,
        }
    }

    pub(super) fn is_of(self, model: &Model) -> bool {
        (self == Namespace::Embedding) == (model.kind == ModelType::Embeddings)
    }
}

/// Switches the connection over, where the request asks for that and there is something to speak to. `closes` ends it.
pub(crate) fn accept(
    shared: &Arc<Shared>,
    closes: &CancellationToken,
    request: &mut Request<Incoming>,
) -> Option<Response<Body>> {
    let namespace = Namespace::of(request.uri().path())?;
    let is_websocket = request.method() == Method::GET
        && request.headers().get(header::UPGRADE).is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket"));
    let there = shared.kind == Kind::LmStudio && shared.options.lm_studio.websocket && !shared.refusing();
    let key = request.headers().get(header::SEC_WEBSOCKET_KEY).filter(|_| is_websocket && there)?;
    let accept = HeaderValue::try_from(derive_accept_key(key.as_bytes())).ok()?;
    let upgrade = hyper::upgrade::on(request);
    tokio::spawn(speak(Arc::clone(shared), closes.clone(), namespace, upgrade));
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    Some(response)
}

async fn speak(shared: Arc<Shared>, closes: CancellationToken, namespace: Namespace, upgrade: OnUpgrade) {
    // An error is a client that went away meanwhile.
    let Ok(upgraded) = upgrade.await else { return };
    let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
    tokio::select! {
        () = shared.ended() => {}
        () = closes.cancelled() => {}
        () = converse(&shared, namespace, socket) => {}
    }
}

async fn converse(shared: &Arc<Shared>, namespace: Namespace, mut socket: WebSocketStream<TokioIo<Upgraded>>) {
    let mut greeted = false;
    let (says, mut said) = mpsc::unbounded_channel::<Value>();
    let mut loads = Loads::default();
    loop {
        let message = tokio::select! {
            Some(own) = said.recv() => {
                if socket.send(Message::text(own.to_string())).await.is_err() {
                    return;
                }
                continue;
            }
            message = socket.next() => message,
        };
        let Some(Ok(message)) = message else { return };
        let Message::Text(text) = message else { continue };
        // What is no JSON has no id to be answered by.
        let Ok(message) = serde_json::from_str::<Value>(&text) else { continue };
        let answer = if !greeted {
            greeted = is_welcome(shared, &message);
            Some(json!({"success": greeted, "error": (!greeted).then_some("Invalid passkey for client.")}))
        } else {
            match message["type"].as_str().unwrap_or_default() {
                "keepAlive" => Some(json!({"type": "keepAliveAck"})),
                "rpcCall" => {
                    see(shared, &message, "parameter");
                    Some(answer(shared, namespace, &message))
                }
                "channelCreate" => {
                    see(shared, &message, "creationParameter");
                    loads.begin(shared, namespace, &message, &says)
                }
                "channelSend" => {
                    loads.cancel(shared, &message);
                    None
                }
                "channelAck" | "communicationWarning" => None,
                other => Some(json!({"type": "communicationWarning", "warning": format!("{other} is not simulated")})),
            }
        };
        if let Some(answer) = answer
            && socket.send(Message::text(answer.to_string())).await.is_err()
        {
            return;
        }
        if !greeted {
            return;
        }
    }
}

fn see(shared: &Shared, message: &Value, parameter: &str) {
    shared.see(SeenRequest {
        method: "RPC".into(),
        path: message["endpoint"].as_str().unwrap_or_default().to_owned(),
        headers: HeaderMap::new(),
        body: message[parameter].clone(),
        at: Instant::now(),
    });
}

/// The first message shows the two halves of the token `sk-lm-IDENTIFIER:PASSKEY`; without one any pair will do.
fn is_welcome(shared: &Shared, message: &Value) -> bool {
    let (Some(name), Some(pass)) = (message["clientIdentifier"].as_str(), message["clientPasskey"].as_str()) else {
        return false;
    };
    message["authVersion"] == 1 && shared.options.key.as_ref().is_none_or(|key| *key == format!("sk-lm-{name}:{pass}"))
}

fn answer(shared: &Shared, namespace: Namespace, call: &Value) -> Value {
    let result = match (namespace, call["endpoint"].as_str().unwrap_or_default()) {
        (Namespace::System, "version") => Ok(json!({"version": version(shared), "build": 1})),
        (Namespace::Llm | Namespace::Embedding, "listLoaded") => Ok(list_loaded(shared, namespace)),
        (Namespace::Llm | Namespace::Embedding, "getInstanceProcessingState") => {
            processing_state(shared, namespace, &call["parameter"])
        }
        (Namespace::Llm | Namespace::Embedding, "unloadModel") => unload(shared, &call["parameter"]),
        (_, other) => Err(format!("Unknown endpoint: {other}")),
    };
    match result {
        // Nothing, which is not null.
        Ok(Value::Null) => json!({"type": "rpcResult", "callId": call["callId"]}),
        Ok(result) => json!({"type": "rpcResult", "callId": call["callId"], "result": result}),
        Err(title) => {
            json!({"type": "rpcError", "callId": call["callId"], "error": {"title": title, "rootTitle": title}})
        }
    }
}

fn version(shared: &Shared) -> &'static str {
    if shared.options.lm_studio.v0_only { "0.3.30" } else { "0.4.2" }
}

pub(super) fn list_loaded(shared: &Shared, namespace: Namespace) -> Value {
    let (now, wall) = (Instant::now(), SystemTime::now());
    let mut shelf = shared.shelf();
    shelf.settle(now);
    let row = |instance: &Instance| {
        let model = shelf.model(&instance.key).filter(|model| namespace.is_of(model))?;
        let used = wall - now.saturating_duration_since(instance.last_used);
        let used = used.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
        let mut row = info(model);
        row["identifier"] = json!(instance.id);
        row["instanceReference"] = json!(reference(instance));
        row["ttlMs"] = json!(instance.ttl().map(|ttl| ttl.as_millis() as u64));
        // Null says that it is in use.
        row["lastUsedTime"] = json!((instance.busy == 0).then_some(used));
        row["contextLength"] = json!(instance.context);
        Some(row)
    };
    shelf.instances.iter().filter(|instance| instance.loaded(now)).filter_map(row).collect()
}

/// What is told of a model, loaded or not.
pub(super) fn info(model: &Model) -> Value {
    let mut info = json!({
        "type": v1_type(model.kind),
        "modelKey": model.key,
        "format": if format_of(model) == "gguf" { "gguf" } else { "safetensors" },
        "displayName": model.key,
        "publisher": publisher(model),
        "path": model.key,
        "sizeBytes": model.size_bytes,
        "indexedModelIdentifier": model.key,
        "deviceIdentifier": null,
        "maxContextLength": model.max_context,
        "architecture": model.arch,
    });
    if model.kind != ModelType::Embeddings {
        info["vision"] = json!(model.kind == ModelType::Vlm);
        info["trainedForToolUse"] = json!(true);
    }
    info
}

fn unload(shared: &Shared, parameter: &Value) -> Result<Value, String> {
    let id = parameter["identifier"].as_str().unwrap_or_default();
    let gone = shared.shelf().unload_instance(id, UnloadCause::Ejected, Instant::now());
    shared.note_change();
    if gone { Ok(Value::Null) } else { Err(format!("Cannot find a loaded model with the identifier \"{id}\"")) }
}

fn processing_state(shared: &Shared, namespace: Namespace, parameter: &Value) -> Result<Value, String> {
    let now = Instant::now();
    let mut shelf = shared.shelf();
    shelf.settle(now);
    let wanted = parameter["specifier"]["instanceReference"].as_str().unwrap_or_default();
    let is_of = |instance: &Instance| shelf.model(&instance.key).is_some_and(|model| namespace.is_of(model));
    let mut there = shelf.instances.iter().filter(|instance| instance.loaded(now) && is_of(instance));
    match there.find(|instance| reference(instance) == wanted) {
        Some(instance) => Ok(json!({
            "status": match instance.doing {
                _ if instance.busy == 0 => "idle",
                Doing::ReadingPrompt => "processingPrompt",
                Doing::Answering => "generating",
                Doing::Embedding => "computingEmbedding",
            },
            "queued": instance.busy.saturating_sub(PARALLEL),
        })),
        None if parameter["throwIfNotFound"] == true => Err(format!("No model found with reference {wanted}")),
        None => Ok(Value::Null),
    }
}

fn reference(instance: &Instance) -> String {
    reference_of(instance.number)
}

/// Another for each load, also where the identifier is the same.
pub(super) fn reference_of(number: u64) -> String {
    format!("instance-{number}")
}
