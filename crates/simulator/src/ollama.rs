//! Ollama's endpoints and its own ways: every request says for how long the model stays, a request without words loads
//! or unloads, a prompt that is too long is cut without a word, and a model that crashed is still listed. Facts: the
//! vendor's documentation and source, and what a running server answered.

use bytes::Bytes;
use http::HeaderMap;
use http::request::Parts;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

use crate::answer::{Answer, rfc3339, unix_seconds};
use crate::api;
use crate::api::errors::{Streaming, anthropic, gone, openai};
use crate::lm_studio::shelf::{Fate, How, Instance, UnloadCause};
use crate::lm_studio::{begin_load, loaded, shows_key};
use crate::options::{Kind, Model, ModelType};
use crate::play::{Reply, Script, Whole};
use crate::request::{Api, Asked};
use crate::server::Shared;

/// What it says it is.
const VERSION: &str = "0.14.2";

/// What is downloaded where no models were given.
pub(crate) fn usual_model() -> Model {
    Model { arch: "qwen3".into(), size_bytes: 5_225_388_164, max_context: 40_960, ..Model::new("qwen3:8b") }
}

/// Answers any request.
pub(crate) async fn answer(shared: &Arc<Shared>, parts: &Parts, body: Value) -> Reply {
    if let Some(key) = shared.options.key.as_deref()
        && !shows_key(&parts.headers, key)
    {
        return Whole::json(401, &json!({"error": "unauthorized"})).into();
    }
    match (parts.method.as_str(), parts.uri.path()) {
        ("GET" | "HEAD", "/") => text(200, "Ollama is running").into(),
        ("GET" | "HEAD", "/api/version") => Whole::json(200, &json!({"version": VERSION})).into(),
        ("GET" | "HEAD", "/api/tags") => tags(shared).into(),
        ("GET" | "HEAD", "/api/ps") => ps(shared).into(),
        ("POST", "/api/show") => show(shared, &body).into(),
        ("POST", "/api/create") => create(shared, &body).into(),
        ("GET", "/v1/models") => openai_models(shared).into(),
        ("POST", path) => match Api::of(path) {
            Some(api) if api.is_of(Kind::Ollama) => generate(shared, Asked::read(api, body, Vec::new())).await,
            _ => text(404, "404 page not found").into(),
        },
        _ => text(404, "404 page not found").into(),
    }
}

fn text(status: u16, text: &'static str) -> Whole {
    Whole {
        content_type: "text/plain; charset=utf-8",
        body: Bytes::from_static(text.as_bytes()),
        ..Whole::json(status, &Value::Null)
    }
}

/// An error in the form of the API that was called.
fn error(api: Option<Api>, status: u16, message: &str) -> Whole {
    let kind = match status {
        400 => "invalid_request_error",
        404 => "not_found_error",
        _ => "api_error",
    };
    let body = match api {
        Some(Api::Messages) => anthropic(kind, message),
        Some(Api::Responses | Api::Chat | Api::Completions | Api::Embeddings) => openai(message, kind, None, None),
        _ => json!({"error": message}),
    };
    Whole::json(status, &body)
}

fn not_found(api: Option<Api>, name: &str) -> Whole {
    error(api, 404, &format!("model '{name}' not found"))
}

/// The key of a name: without a tag, `:latest` is meant.
fn resolve(shared: &Shared, name: &str) -> Option<String> {
    let tagged = |name: &str| if name.contains(':') { name.to_owned() } else { format!("{name}:latest") };
    let shelf = shared.shelf();
    shelf.models.iter().find(|m| tagged(&m.key) == tagged(name)).map(|m| m.key.clone())
}

/// For how long the model stays: none where the request does not say, and then it stays as it was told before.
fn keep_alive(body: &Value) -> Result<Option<How>, String> {
    let seconds = match body.get("keep_alive") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Number(number)) => number.as_f64().unwrap_or(0.0),
        Some(Value::String(text)) => go_duration(text).ok_or_else(|| format!("time: invalid duration \"{text}\""))?,
        Some(other) => return Err(format!("invalid keep_alive: {other}")),
    };
    Ok(Some(if seconds < 0.0 {
        How::Explicitly
    } else {
        How::JustInTime(Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX / 4)))
    }))
}

/// Seconds of `5m`, `1h30m`, `-1m` or `0`. As in Go, every other number needs its unit.
fn go_duration(text: &str) -> Option<f64> {
    if text == "0" {
        return Some(0.0);
    }
    let (sign, mut rest) = text.strip_prefix('-').map_or((1.0, text), |rest| (-1.0, rest));
    if rest.is_empty() {
        return None;
    }
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let split = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(split);
        let (unit, tail) = after.split_at(after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len()));
        let scale = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        seconds += number.parse::<f64>().ok()? * scale;
        rest = tail;
    }
    Some(sign * seconds)
}

async fn generate(shared: &Arc<Shared>, mut asked: Asked) -> Reply {
    let api = Some(asked.api);
    let Some(name) = asked.model.clone() else { return error(api, 400, "model is required").into() };
    let Some(key) = resolve(shared, &name) else { return not_found(api, &name).into() };
    let keep = match keep_alive(&asked.body) {
        Ok(keep) => keep,
        Err(message) => return error(api, 400, &message).into(),
    };
    let words = asked.api.wants_answer(&asked.body);
    if !words && keep == Some(How::JustInTime(Some(Duration::ZERO))) {
        shared.shelf().unload(&key, UnloadCause::Ejected, Instant::now());
        shared.note_change();
        return Whole::json(200, &api::ollama::without_words(&asked, &name, unix_seconds(), "unload")).into();
    }
    let is_embedding = shared.shelf().model(&key).is_some_and(|m| m.kind == ModelType::Embeddings);
    if is_embedding && !asked.api.is_embedding() && words {
        return error(api, 400, &format!("\"{name}\" does not support chat")).into();
    }
    let number = instance(shared, &key, asked.body.pointer("/options/num_ctx").and_then(Value::as_u64));
    let mut running = match loaded(shared, number).await {
        Ok(running) => running,
        Err(Fate::LoadFailed(message)) => return error(api, 500, &message).into(),
        Err(fate) => {
            let crashed = fate == Fate::Gone(UnloadCause::Crash);
            return error(api, 500, gone(Kind::Ollama, crashed, true)).into();
        }
    };
    let context = {
        let mut shelf = shared.shelf();
        if let Some(keep) = keep {
            shelf.keep(number, keep);
        }
        shelf.instance(number).map_or(u64::MAX, |i| i.context)
    };
    if !words {
        return Whole::json(200, &api::ollama::without_words(&asked, &name, unix_seconds(), "load")).into();
    }
    // What does not fit is cut off at its beginning, and nobody is told.
    asked.input_tokens = asked.input_tokens.min(context);
    if let Err(message) = running.work(shared.options.prompt_delay).await {
        return error(api, 500, message).into();
    }
    let mut answer = Answer::to(&asked, Kind::Ollama, &name, &shared.options);
    if asked.body.get("think") == Some(&json!(false)) {
        answer.thoughts.clear();
        answer.output_tokens -= std::mem::take(&mut answer.reasoning_tokens);
    }
    if asked.stream && !asked.api.is_embedding() {
        let events = api::events(&asked, &answer);
        let streaming = Streaming { kind: Kind::Ollama, api: asked.api, model: name, id: answer.id, sse: true };
        let headers = HeaderMap::new();
        return Reply::Stream(Box::new(Script { events, streaming, running: Some(running), headers }));
    }
    let writing_time = if asked.api.is_embedding() { Duration::ZERO } else { answer.writing_time() };
    if let Err(message) = running.work(writing_time).await {
        return error(api, 500, message).into();
    }
    Whole::json(200, &api::body(&asked, &answer)).into()
}

/// The instance of a key, loaded anew where another context is asked for than it has.
fn instance(shared: &Shared, key: &str, context: Option<u64>) -> u64 {
    let (context, found) = {
        let mut shelf = shared.shelf();
        shelf.settle(Instant::now());
        let context = context.or_else(|| shelf.own_contexts.get(key).copied());
        let most = shelf.model(key).map_or(u64::MAX, |m| m.max_context);
        let fits = |i: &&Instance| context.is_none_or(|context| context.min(most) == i.context);
        let found = shelf.instances.iter().find(|i| i.key == key).filter(fits).map(|i| i.number);
        if found.is_none() {
            shelf.unload(key, UnloadCause::Ejected, Instant::now());
        }
        (context, found)
    };
    found.unwrap_or_else(|| begin_load(shared, key, How::JustInTime(shared.options.lm_studio.jit_ttl), context))
}

fn details(model: &Model) -> Value {
    let billions = model.size_bytes / 600_000_000;
    json!({"parent_model": "", "format": "gguf", "family": model.arch, "families": [model.arch],
        "parameter_size": format!("{billions}B"), "quantization_level": model.quantization})
}

/// 64 letters and digits, the same for the same key.
fn digest(key: &str) -> String {
    let mut state: u64 = 0xcbf2_9ce4_8422_2325;
    let mut digest = String::new();
    for round in 0..4_u8 {
        for byte in key.bytes().chain([round]) {
            state = (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        digest.push_str(&format!("{state:016x}"));
    }
    digest
}

fn tags(shared: &Shared) -> Whole {
    let shelf = shared.shelf();
    let row = |model: &Model| {
        json!({"name": model.key, "model": model.key, "modified_at": "2026-01-01T00:00:00Z", "size": model.size_bytes,
            "digest": digest(&model.key), "details": details(model)})
    };
    Whole::json(200, &json!({"models": shelf.models.iter().map(row).collect::<Vec<_>>()}))
}

/// A model that stays for good goes in 292 years, which is the longest time that Go can count.
const FOR_GOOD: Duration = Duration::from_secs(292 * 365 * 24 * 3600);

/// What is in memory, what is on its way there, and what crashed.
fn ps(shared: &Shared) -> Whole {
    let now = Instant::now();
    let mut shelf = shared.shelf();
    shelf.settle(now);
    let row = |instance: &Instance| {
        let model = shelf.model(&instance.key)?;
        let stays = match instance.ttl() {
            None => FOR_GOOD,
            Some(ttl) if instance.busy > 0 || !instance.loaded(now) => ttl,
            Some(ttl) => (instance.last_used + ttl).saturating_duration_since(now),
        };
        Some(json!({"name": model.key, "model": model.key, "size": model.size_bytes, "digest": digest(&model.key),
            "details": details(model), "expires_at": rfc3339(unix_seconds().saturating_add(stays.as_secs())),
            "size_vram": model.size_bytes, "context_length": instance.context}))
    };
    let rows: Vec<Value> = shelf.instances.iter().chain(&shelf.crashed).filter_map(row).collect();
    Whole::json(200, &json!({"models": rows}))
}

fn show(shared: &Shared, body: &Value) -> Whole {
    let name = body.get("model").or_else(|| body.get("name")).and_then(Value::as_str).unwrap_or_default();
    if name.is_empty() {
        return error(None, 400, "model is required");
    }
    let Some(key) = resolve(shared, name) else { return not_found(None, name) };
    let shelf = shared.shelf();
    let Some(model) = shelf.model(&key) else { return not_found(None, name) };
    let capabilities = match model.kind {
        ModelType::Llm => json!(["completion", "tools", "thinking"]),
        ModelType::Vlm => json!(["completion", "vision", "tools", "thinking"]),
        ModelType::Embeddings => json!(["embedding"]),
    };
    let mut info = json!({"general.architecture": model.arch, "general.parameter_count": model.size_bytes / 600_000_000 * 1_000_000_000});
    info[format!("{}.context_length", model.arch)] = json!(model.max_context);
    info[format!("{}.embedding_length", model.arch)] = json!(4096);
    Whole::json(
        200,
        &json!({"license": "", "modelfile": format!("FROM {key}\n"), "parameters": "", "template": "{{ .Prompt }}",
            "details": details(model), "model_info": info, "capabilities": capabilities,
            "modified_at": "2026-01-01T00:00:00Z"}),
    )
}

/// A model made from itself with another `num_ctx`: nothing else of what can be created is.
fn create(shared: &Shared, body: &Value) -> Whole {
    let named = |key: &str| body.get(key).and_then(Value::as_str).and_then(|name| resolve(shared, name));
    let tokens = body.pointer("/parameters/num_ctx").and_then(Value::as_u64);
    let (Some(model), Some(from)) = (named("model"), named("from")) else {
        return error(None, 404, "this simulator makes models from themselves only");
    };
    let Some(tokens) = tokens.filter(|_| model == from) else {
        return error(None, 400, "this simulator makes models from themselves only, with another num_ctx");
    };
    shared.shelf().own_contexts.insert(model, tokens);
    Whole::json(200, &json!({"status": "success"}))
}

fn openai_models(shared: &Shared) -> Whole {
    let shelf = shared.shelf();
    let row =
        |model: &Model| json!({"id": model.key, "object": "model", "created": 1_767_225_600, "owned_by": "library"});
    Whole::json(200, &json!({"object": "list", "data": shelf.models.iter().map(row).collect::<Vec<_>>()}))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn durations_as_go_writes_them() {
        for (text, seconds) in [("5m", 300.0), ("1h30m", 5400.0), ("-1m", -60.0), ("0", 0.0), ("500ms", 0.5)] {
            assert_eq!(go_duration(text), Some(seconds), "{text}");
        }
        for text in ["", "-", "soon", "5", "-1", "5x", "m"] {
            assert_eq!(go_duration(text), None, "{text}");
        }
    }

    #[test]
    fn how_long_a_model_stays() {
        let keep = |value: Value| keep_alive(&json!({"keep_alive": value}));
        assert_eq!(keep_alive(&json!({})), Ok(None));
        assert_eq!(keep(json!(-1)), Ok(Some(How::Explicitly)));
        assert_eq!(keep(json!("-1m")), Ok(Some(How::Explicitly)));
        assert_eq!(keep(json!(0)), Ok(Some(How::JustInTime(Some(Duration::ZERO)))));
        assert_eq!(keep(json!("10m")), Ok(Some(How::JustInTime(Some(Duration::from_secs(600))))));
        assert!(keep(json!("soon")).is_err() && keep(json!([])).is_err());
    }
}
