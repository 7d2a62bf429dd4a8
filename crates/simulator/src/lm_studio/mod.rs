//! LM Studio's endpoints and its own ways: it loads on request, waits without a byte, answers for a model it was not
//! asked for, and says 200 to a path it does not know. Facts: vendor documentation, and measurements of its users.

mod channel;
pub(crate) mod listings;
pub mod shelf;
pub(crate) mod websocket;

use http::request::Parts;
use http::{HeaderMap, Method};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

use crate::answer::Answer;
use crate::api;
use crate::api::errors::{CRASHED, Streaming, UNLOADED_IN_QUEUE, no_memory, openai};
use crate::options::Kind;
use crate::play::{Reply, Running, Script, Whole};
use crate::request::{Api, Asked};
use crate::server::Shared;
use shelf::{Choice, Doing, Fate, How, Load, UnloadCause};

/// Answers any request.
pub(crate) async fn answer(shared: &Arc<Shared>, parts: &Parts, body: Value) -> Reply {
    let path = parts.uri.path();
    if path == "/lmstudio-greeting" && parts.method == Method::GET {
        return Whole::json(200, &json!({"lmstudio": true})).into();
    }
    if let Some(refusal) = check_token(shared, &parts.headers) {
        return refusal.into();
    }
    let v1 = !shared.options.lm_studio.v0_only;
    match (parts.method.as_str(), path) {
        ("GET", "/v1/models") => listings::openai(shared).into(),
        ("GET", "/api/v0/models") => listings::v0(shared).into(),
        ("GET", path) if path.starts_with("/api/v0/models/") => {
            listings::v0_one(shared, &path["/api/v0/models/".len()..]).into()
        }
        ("GET", "/api/v1/models") if v1 => listings::v1(shared).into(),
        ("POST", "/api/v1/models/load") if v1 => load(shared, &body).await.into(),
        ("POST", "/api/v1/models/unload") if v1 => unload(shared, &body).into(),
        ("POST", path) => match Api::of(path) {
            Some(Api::Messages) if !v1 => unexpected(parts).into(),
            Some(api) if api.is_of(Kind::LmStudio) => generate(shared, Asked::read(api, body, Vec::new())).await,
            _ => unexpected(parts).into(),
        },
        _ => unexpected(parts).into(),
    }
}

/// Begins a load, as the faults of loads have it; answers the number of the instance.
pub(crate) fn begin_load(shared: &Shared, key: &str, how: How, context: Option<u64>) -> u64 {
    let now = Instant::now();
    let faults = shared.rules().take_for_load(key, now, no_memory(shared.kind));
    let mut shelf = shared.shelf();
    let usual = shelf.model(key).map_or(Duration::ZERO, |m| m.load_time);
    let time = faults.takes.unwrap_or(usual);
    let number = shelf.begin_load(Load { key: key.to_owned(), how, time, fails: faults.fails, context }, now);
    drop(shelf);
    shared.note_change();
    number
}

/// Waits until the instance is loaded. The error is what became of it instead.
pub(crate) async fn loaded(shared: &Arc<Shared>, number: u64) -> Result<Running, Fate> {
    let fate = shared.shelf().occupy(number);
    let Some(fate) = fate else { return Err(Fate::Gone(UnloadCause::Ejected)) };
    let mut running = Running { shared: Arc::clone(shared), number, fate };
    loop {
        let now = Instant::now();
        let ready = {
            let mut shelf = shared.shelf();
            shelf.settle(now);
            shelf.instance(number).map(|i| i.ready)
        };
        match ready {
            Some(ready) if ready <= now => {
                shared.note_change();
                return Ok(running);
            }
            Some(ready) => {
                tokio::select! {
                    () = sleep_until(ready) => {}
                    // An error is an instance that is gone, which the next turn sees.
                    _ = running.fate.changed() => {}
                }
            }
            None => {
                let fate = running.fate.borrow_and_update().clone();
                return Err(if fate == Fate::Alive { Fate::Gone(UnloadCause::Ejected) } else { fate });
            }
        }
    }
}

fn check_token(shared: &Shared, headers: &HeaderMap) -> Option<Whole> {
    let key = shared.options.key.as_deref()?;
    if shows_key(headers, key) {
        return None;
    }
    let message = "An LM Studio API token is required to make requests to this server. Provide one as a bearer token.";
    let error = json!({"type": "invalid_request", "code": "invalid_api_key", "message": message});
    Some(Whole::json(401, &json!({"error": error})))
}

/// Whether the key stands in the request, as bearer or as `x-api-key`.
pub(crate) fn shows_key(headers: &HeaderMap, key: &str) -> bool {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
    let bearer = text("authorization").and_then(|v| v.strip_prefix("Bearer ").or_else(|| v.strip_prefix("bearer ")));
    bearer == Some(key) || text("x-api-key") == Some(key)
}

fn unexpected(parts: &Parts) -> Whole {
    let message = format!("Unexpected endpoint or method. ({} {})", parts.method, parts.uri.path());
    Whole::json(200, &json!({"error": message}))
}

async fn generate(shared: &Arc<Shared>, asked: Asked) -> Reply {
    let embeddings = asked.api.is_embedding();
    let choice = shared.shelf().choose(asked.model.as_deref(), embeddings, Instant::now());
    let number = match choice {
        Choice::Instance(number) => number,
        Choice::Load(key) => {
            // Documented: /v1/responses takes no notice of `ttl`.
            let given = if asked.api == Api::Responses { None } else { asked.ttl_seconds };
            let ttl = given.map(Duration::from_secs).or(shared.options.lm_studio.jit_ttl);
            begin_load(shared, &key, How::JustInTime(ttl), None)
        }
        other => return no_model(shared, &asked, &other).into(),
    };
    let mut running = match loaded(shared, number).await {
        Ok(running) => running,
        Err(Fate::LoadFailed(message)) => return load_failed(&asked, &message),
        Err(Fate::Gone(UnloadCause::Crash)) => return Whole::json(400, &json!({"error": CRASHED})).into(),
        Err(_) => return Whole::json(400, &json!({"error": UNLOADED_IN_QUEUE})).into(),
    };
    let found = shared.shelf().instance(number).map(|i| (i.id.clone(), i.context));
    let Some((id, context)) = found else {
        return Whole::json(400, &json!({"error": UNLOADED_IN_QUEUE})).into();
    };
    if asked.input_tokens > context {
        return overflow(&asked, context);
    }
    if embeddings {
        running.does(Doing::Embedding);
    }
    if let Err(message) = running.work(shared.options.prompt_delay).await {
        return Whole::json(400, &json!({"error": message})).into();
    }
    if !embeddings {
        running.does(Doing::Answering);
    }
    let answer = Answer::to(&asked, Kind::LmStudio, &id, &shared.options);
    if asked.stream && !embeddings {
        let events = api::events(&asked, &answer);
        return Reply::Stream(Box::new(Script {
            events,
            streaming: streaming(&asked, id, answer.id),
            running: Some(running),
            headers: HeaderMap::new(),
        }));
    }
    let writing_time = if embeddings { Duration::ZERO } else { answer.writing_time() };
    if let Err(message) = running.work(writing_time).await {
        return Whole::json(400, &json!({"error": message})).into();
    }
    Whole::json(200, &api::body(&asked, &answer)).into()
}

fn streaming(asked: &Asked, model: String, id: String) -> Streaming {
    Streaming { kind: Kind::LmStudio, api: asked.api, model, id, sse: true }
}

fn no_model(shared: &Shared, asked: &Asked, choice: &Choice) -> Whole {
    let name = asked.model.as_deref().unwrap_or_default();
    match choice {
        Choice::NothingLoaded => {
            let message = "No models loaded. Please load a model in the developer page or use the 'lms load' command.";
            Whole::json(404, &openai(message, "invalid_request_error", Some("model"), None))
        }
        _ => {
            let keys: Vec<String> = shared.shelf().models.iter().map(|m| m.key.clone()).collect();
            let message = format!(
                "Invalid model identifier \"{name}\". Please specify a valid downloaded model (e.g. {}).",
                keys.join(", ")
            );
            Whole::json(400, &openai(&message, "invalid_request_error", Some("model"), Some("model_not_found")))
        }
    }
}

/// A stream was promised: then it is a 200, as all of its failures are.
fn load_failed(asked: &Asked, message: &str) -> Reply {
    if !asked.stream {
        let error = openai(message, "invalid_request_error", Some("model"), Some("model_load_failed"));
        return Whole::json(400, &error).into();
    }
    failed_stream(asked, message)
}

/// In the words of one of its versions; the string form.
fn overflow(asked: &Asked, context: u64) -> Reply {
    let message = format!(
        "Trying to keep the first {} tokens from the prompt when context overflows. However, the model is loaded with \
         context length of only {context} tokens, which is not enough. Try to load the model with a larger context \
         length, or provide a shorter input",
        asked.input_tokens
    );
    if asked.stream { failed_stream(asked, &message) } else { Whole::json(400, &json!({"error": message})).into() }
}

fn failed_stream(asked: &Asked, message: &str) -> Reply {
    let streaming = streaming(asked, String::new(), String::new());
    let mut whole = Whole::json(200, &Value::Null);
    whole.content_type = "text/event-stream; charset=utf-8";
    whole.body = streaming.error(0, Some(message), None);
    whole.into()
}

/// What `/api/v1/models/load` knows; measured: its schema is closed.
const LOAD_KEYS: [&str; 7] = [
    "model",
    "context_length",
    "eval_batch_size",
    "flash_attention",
    "num_experts",
    "offload_kv_cache_to_gpu",
    "echo_load_config",
];

fn invalid(message: &str, code: &str, param: Option<&str>) -> Whole {
    let error = json!({"type": "invalid_request", "message": message, "code": code, "param": param});
    Whole::json(400, &json!({"error": error}))
}

fn check_keys(body: &Value, known: &[&str]) -> Option<Whole> {
    let Some(members) = body.as_object() else {
        return Some(invalid("Request body must be a JSON object", "invalid_json", None));
    };
    let unknown: Vec<String> =
        members.keys().filter(|k| !known.contains(&k.as_str())).map(|k| format!("'{k}'")).collect();
    let message = || format!("Unrecognized key(s) in object: {}", unknown.join(", "));
    (!unknown.is_empty()).then(|| invalid(&message(), "unrecognized_keys", None))
}

async fn load(shared: &Arc<Shared>, body: &Value) -> Whole {
    if let Some(refusal) = check_keys(body, &LOAD_KEYS) {
        return refusal;
    }
    let Some(key) = body.get("model").and_then(Value::as_str) else {
        return invalid("'model' is required", "missing_required_parameter", Some("model"));
    };
    let context = match body.get("context_length") {
        None => None,
        Some(value) => match value.as_u64().filter(|n| *n > 0) {
            Some(n) => Some(n),
            None => {
                return invalid("'context_length' must be a positive integer", "invalid_type", Some("context_length"));
            }
        },
    };
    let known = shared.shelf().model(key).is_some();
    if !known {
        let error = json!({"type": "model_not_found", "code": "model_not_found", "param": "model",
            "message": format!("Model \"{key}\" not found among the downloaded models")});
        return Whole::json(404, &json!({"error": error}));
    }
    let started = Instant::now();
    let number = begin_load(shared, key, How::Explicitly, context);
    match loaded(shared, number).await {
        Ok(_running) => {
            let shelf = shared.shelf();
            let Some(instance) = shelf.instance(number) else {
                return invalid(UNLOADED_IN_QUEUE, "model_load_failed", None);
            };
            let kind = shelf.model(key).map_or("llm", |m| listings::v1_type(m.kind));
            let mut answer = json!({"type": kind, "instance_id": instance.id,
                "load_time_seconds": started.elapsed().as_secs_f64(), "status": "loaded"});
            if body.get("echo_load_config").and_then(Value::as_bool) == Some(true) {
                answer["load_config"] = listings::load_config(instance);
            }
            Whole::json(200, &answer)
        }
        Err(fate) => {
            let message = match fate {
                Fate::LoadFailed(message) => message,
                Fate::Gone(UnloadCause::Crash) => CRASHED.to_owned(),
                Fate::Gone(_) | Fate::Alive => "Model loading was stopped: the model was unloaded.".to_owned(),
            };
            let error = json!({"type": "internal_error", "code": "model_load_failed", "message": message});
            Whole::json(500, &json!({"error": error}))
        }
    }
}

fn unload(shared: &Shared, body: &Value) -> Whole {
    if let Some(refusal) = check_keys(body, &["instance_id"]) {
        return refusal;
    }
    let Some(id) = body.get("instance_id").and_then(Value::as_str) else {
        return invalid("'instance_id' is required", "missing_required_parameter", Some("instance_id"));
    };
    let gone = shared.shelf().unload_instance(id, UnloadCause::Ejected, Instant::now());
    if gone {
        shared.note_change();
        return Whole::json(200, &json!({"instance_id": id}));
    }
    let error = json!({"type": "model_not_found", "code": "model_not_found", "param": "instance_id",
        "message": format!("No loaded model has the identifier \"{id}\"")});
    Whole::json(404, &json!({"error": error}))
}
