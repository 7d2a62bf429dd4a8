//! The hosted APIs: OpenAI's and Anthropic's endpoints, keys, and errors for what they do not know.

use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

use crate::answer::{Answer, fresh_id};
use crate::api;
use crate::api::errors::{Streaming, anthropic, openai};
use crate::lm_studio::shows_key;
use crate::options::Kind;
use crate::play::{Reply, Script, Whole};
use crate::request::{Api, Asked};
use crate::server::Shared;

/// What is listed where no models were given.
const OPENAI_MODELS: [&str; 3] = ["gpt-5.2", "gpt-5-mini", "text-embedding-3-small"];
const ANTHROPIC_MODELS: [&str; 3] = ["claude-opus-4-6", "claude-sonnet-4-5", "claude-haiku-4-5"];

/// Answers any request.
pub(crate) async fn answer(shared: &Arc<Shared>, parts: &Parts, body: Value) -> Reply {
    let mut reply = answer_without_id(shared, parts, body).await;
    let name = if shared.kind == Kind::Anthropic { "request-id" } else { "x-request-id" };
    if let Ok(id) = HeaderValue::from_str(&format!("req_{}", fresh_id())) {
        match &mut reply {
            Reply::Whole(whole) => whole.headers.insert(name, id),
            Reply::Stream(script) => script.headers.insert(name, id),
        };
    }
    reply
}

async fn answer_without_id(shared: &Arc<Shared>, parts: &Parts, body: Value) -> Reply {
    let path = parts.uri.path();
    if let Some(key) = shared.options.key.as_deref()
        && !shows_key(&parts.headers, key)
    {
        return refuse_key(shared.kind, &parts.headers).into();
    }
    match (parts.method.as_str(), path) {
        ("GET", "/v1/models") => models(shared).into(),
        ("GET", path) if path.starts_with("/v1/models/") => one_model(shared, &path["/v1/models/".len()..]).into(),
        ("POST", path) => match Api::of(path) {
            Some(api) if api.is_of(shared.kind) => match conversation(shared, api, &body) {
                Ok(conversation) => generate(shared, &parts.headers, Asked::read(api, body, conversation)).await,
                Err(refusal) => (*refusal).into(),
            },
            _ => unknown_path(shared.kind, parts).into(),
        },
        _ => unknown_path(shared.kind, parts).into(),
    }
}

fn refuse_key(kind: Kind, headers: &HeaderMap) -> Whole {
    let shown = headers.contains_key("authorization") || headers.contains_key("x-api-key");
    if kind == Kind::Anthropic {
        let message = if shown { "invalid x-api-key" } else { "x-api-key header is required" };
        return Whole::json(401, &anthropic("authentication_error", message));
    }
    if shown {
        let message = "Incorrect API key provided. You can find your API key in the settings of your account.";
        return Whole::json(401, &openai(message, "invalid_request_error", None, Some("invalid_api_key")));
    }
    let message = "You didn't provide an API key. You need to provide your API key in an Authorization header.";
    Whole::json(401, &openai(message, "invalid_request_error", None, None))
}

fn unknown_path(kind: Kind, parts: &Parts) -> Whole {
    if kind == Kind::Anthropic {
        return Whole::json(404, &anthropic("not_found_error", "Not found"));
    }
    let message = format!("Invalid URL ({} {})", parts.method, parts.uri.path());
    Whole::json(404, &openai(&message, "invalid_request_error", None, None))
}

fn names(shared: &Shared) -> Vec<&str> {
    if shared.options.models.is_empty() {
        return if shared.kind == Kind::Anthropic { ANTHROPIC_MODELS.to_vec() } else { OPENAI_MODELS.to_vec() };
    }
    shared.options.models.iter().map(|m| m.key.as_str()).collect()
}

fn model_row(kind: Kind, name: &str) -> Value {
    if kind == Kind::Anthropic {
        json!({"type": "model", "id": name, "display_name": name, "created_at": "2026-01-01T00:00:00Z"})
    } else {
        json!({"id": name, "object": "model", "created": 1_767_225_600, "owned_by": "system"})
    }
}

fn models(shared: &Shared) -> Whole {
    let names = names(shared);
    let rows: Vec<Value> = names.iter().map(|name| model_row(shared.kind, name)).collect();
    if shared.kind == Kind::Anthropic {
        let (first, last) = (names.first(), names.last());
        return Whole::json(200, &json!({"data": rows, "has_more": false, "first_id": first, "last_id": last}));
    }
    Whole::json(200, &json!({"object": "list", "data": rows}))
}

fn one_model(shared: &Shared, name: &str) -> Whole {
    if names(shared).contains(&name) {
        return Whole::json(200, &model_row(shared.kind, name));
    }
    unknown_model(shared.kind, name)
}

fn unknown_model(kind: Kind, name: &str) -> Whole {
    if kind == Kind::Anthropic {
        return Whole::json(404, &anthropic("not_found_error", &format!("model: {name}")));
    }
    let message = format!("The model `{name}` does not exist or you do not have access to it.");
    Whole::json(404, &openai(&message, "invalid_request_error", None, Some("model_not_found")))
}

/// What was said up to the response that a request goes on from.
fn conversation(shared: &Shared, api: Api, body: &Value) -> Result<Vec<Value>, Box<Whole>> {
    let id = body.get("previous_response_id").and_then(Value::as_str).filter(|_| api == Api::Responses);
    let Some(id) = id else { return Ok(Vec::new()) };
    let found = shared.conversations().iter().find(|(known, _)| known == id).map(|(_, items)| items.clone());
    found.ok_or_else(|| {
        let message = format!("Previous response with id '{id}' not found.");
        let code = Some("previous_response_not_found");
        Box::new(Whole::json(400, &openai(&message, "invalid_request_error", Some("previous_response_id"), code)))
    })
}

/// Keeps what a later request may go on from.
fn store(shared: &Shared, asked: &Asked, answer: &Answer) {
    if asked.api != Api::Responses || asked.body.get("store").and_then(Value::as_bool) == Some(false) {
        return;
    }
    let mut items = asked.items.clone();
    items.extend(api::responses::items(answer, "completed"));
    let mut conversations = shared.conversations();
    if conversations.len() == 200 {
        conversations.pop_front();
    }
    conversations.push_back((format!("resp_{}", answer.id), items));
}

/// What OpenAI refuses of a body's form, and its parameter.
fn malformed(asked: &Asked) -> Option<(String, &'static str)> {
    let name = match asked.api {
        Api::Responses => "input",
        Api::Chat => "messages",
        _ => return None,
    };
    match asked.body.get(name) {
        Some(Value::Array(_)) => None,
        Some(Value::String(_)) | None if asked.api == Api::Responses => None,
        None => Some((format!("Missing required parameter: '{name}'."), name)),
        Some(_) => Some((format!("Invalid type for '{name}': expected an array of objects."), name)),
    }
}

/// What the real servers refuse before anything else.
fn check(shared: &Shared, headers: &HeaderMap, asked: &Asked) -> Result<String, Box<Whole>> {
    if shared.kind == Kind::Anthropic {
        let invalid = |message: &str| Box::new(Whole::json(400, &anthropic("invalid_request_error", message)));
        if !headers.contains_key("anthropic-version") {
            return Err(invalid("anthropic-version: header is required"));
        }
        if asked.api == Api::Messages && asked.limit.is_none() {
            return Err(invalid("max_tokens: Field required"));
        }
        if asked.body.get("messages").and_then(Value::as_array).is_none() {
            return Err(invalid("messages: Field required"));
        }
        if asked.model.is_none() {
            return Err(invalid("model: Field required"));
        }
    }
    let Some(model) = asked.model.clone() else {
        let message = "you must provide a model parameter";
        return Err(Box::new(Whole::json(400, &openai(message, "invalid_request_error", None, None))));
    };
    if let Some((message, name)) = malformed(asked) {
        return Err(Box::new(Whole::json(400, &openai(&message, "invalid_request_error", Some(name), None))));
    }
    if asked.api == Api::Chat && asked.body.get("logprobs").and_then(Value::as_bool) == Some(true) {
        let message = "Unsupported parameter: 'logprobs' is not supported with this model.";
        let code = Some("unsupported_parameter");
        return Err(Box::new(Whole::json(400, &openai(message, "invalid_request_error", Some("logprobs"), code))));
    }
    if asked.body.get("background").and_then(Value::as_bool) == Some(true) {
        let message = "Background responses are not available to this organisation.";
        return Err(Box::new(Whole::json(400, &openai(message, "invalid_request_error", Some("background"), None))));
    }
    let known = shared.options.models.is_empty() || shared.options.models.iter().any(|m| m.key == model);
    if known { Ok(model) } else { Err(Box::new(unknown_model(shared.kind, &model))) }
}

async fn generate(shared: &Arc<Shared>, headers: &HeaderMap, asked: Asked) -> Reply {
    let model = match check(shared, headers, &asked) {
        Ok(model) => model,
        Err(refusal) => return Reply::Whole(*refusal),
    };
    let answer = Answer::to(&asked, shared.kind, &model, &shared.options);
    if shared.kind == Kind::OpenAi {
        store(shared, &asked, &answer);
    }
    let at_once = matches!(asked.api, Api::Embeddings | Api::CountTokens);
    if asked.api != Api::CountTokens {
        sleep(shared.options.prompt_delay).await;
    }
    if asked.stream && !at_once {
        let events = api::events(&asked, &answer);
        let streaming = Streaming { kind: shared.kind, api: asked.api, model, id: answer.id, sse: true };
        return Reply::Stream(Box::new(Script { events, streaming, running: None, headers: HeaderMap::new() }));
    }
    sleep(if at_once { Duration::ZERO } else { answer.writing_time() }).await;
    Whole::json(200, &api::body(&asked, &answer)).into()
}
