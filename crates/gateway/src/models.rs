//! What can be asked for, as a list of models in OpenAI's or Anthropic's form; and whether anything can answer.

use std::sync::Arc;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use pilotlight_wire::error::{ApiError, ErrorKind};
use serde_json::{Value, json};

use crate::Gateway;
use crate::answer::error_response;
use crate::callers::Caller;
use crate::guard::form;
use crate::local::Readiness;
use crate::plan::barred;
use crate::resolve::{PRIMARY, names};
use crate::routes::{Routes, Target};
use crate::serve::Listening;
use crate::upstream::is_own_address;

/// `GET /v1/models`: `primary` first, then the aliases, then every ref.
pub fn list(routes: &Routes, caller: Option<&Caller>, headers: &HeaderMap) -> Response {
    let names = shown(routes, caller);
    if is_anthropic(headers) {
        let data: Vec<Value> = names.iter().map(|(name, target)| anthropic(name, *target)).collect();
        let id = |entry: Option<&Value>| entry.map(|entry| entry["id"].clone()).unwrap_or_default();
        return Json(json!({
            "first_id": id(data.first()), "last_id": id(data.last()), "has_more": false, "data": data,
        }))
        .into_response();
    }
    let data: Vec<Value> = names.iter().map(|(name, target)| openai(name, *target)).collect();
    Json(json!({"object": "list", "data": data})).into_response()
}

/// `GET /v1/models/{id}`; an id may hold slashes.
pub fn one(routes: &Routes, caller: Option<&Caller>, id: &str, headers: &HeaderMap) -> Response {
    let names = shown(routes, caller);
    let found = names
        .iter()
        .find(|(name, _)| name == id)
        .or_else(|| names.iter().find(|(name, _)| name.eq_ignore_ascii_case(id)));
    match found {
        Some((name, target)) if is_anthropic(headers) => Json(anthropic(name, *target)).into_response(),
        Some((name, target)) => Json(openai(name, *target)).into_response(),
        None => {
            let message = format!("there is no model {id:?}: GET /v1/models lists what there is");
            let error = ApiError::new(ErrorKind::NotFound, "model_not_found", message).about("model");
            error_response(&error, form("/v1/models", headers))
        }
    }
}

/// The names that this caller may ask for.
fn shown<'a>(routes: &'a Routes, caller: Option<&Caller>) -> Vec<(String, Option<&'a Arc<Target>>)> {
    let mut names = names(routes);
    if let Some(caller) = caller {
        names.retain(|(name, target)| caller.may_see(name, target.filter(|_| name != PRIMARY).map(|target| &**target)));
    }
    names
}

fn is_anthropic(headers: &HeaderMap) -> bool {
    headers.contains_key("anthropic-version")
}

fn openai(name: &str, target: Option<&Arc<Target>>) -> Value {
    let owner = target.filter(|_| name != PRIMARY).map_or("pilotlight", |target| target.model.provider());
    let mut entry = json!({"id": name, "object": "model", "created": 0, "owned_by": owner});
    if let (Some(target), Some(entry)) = (target, entry.as_object_mut()) {
        entry.insert("x_ref".to_owned(), json!(target.model));
        entry.insert("x_title".to_owned(), json!(target.title));
        entry.insert("x_api".to_owned(), json!(target.api));
        entry.insert("x_location".to_owned(), json!(target.location));
        entry.insert("x_context_window".to_owned(), json!(target.context_window));
        entry.insert("x_max_tokens".to_owned(), json!(target.max_tokens));
    }
    entry
}

fn anthropic(name: &str, target: Option<&Arc<Target>>) -> Value {
    let title = target.map_or(name, |target| target.title.as_str());
    let title = if name == PRIMARY { format!("Primary ({title})") } else { title.to_owned() };
    json!({"type": "model", "id": name, "display_name": title, "created_at": "1970-01-01T00:00:00Z"})
}

/// `GET /readyz`: whether some candidate of the chain can answer now, and if none can, why.
pub fn ready(gateway: &Gateway, listening: Option<&Listening>) -> Response {
    let routes = gateway.inner.routes.borrow().clone();
    let mut reasons = Vec::new();
    for model in &routes.chain {
        let Some(target) = routes.target(model) else {
            reasons.push(json!({"model": model, "why": "it is not configured"}));
            continue;
        };
        match unready(gateway, target, &routes, listening) {
            None => return Json(json!({"ready": true, "model": model})).into_response(),
            Some(why) => reasons.push(json!({"model": model, "why": why})),
        }
    }
    if reasons.is_empty() {
        reasons.push(json!({"model": null, "why": "no primary model is configured"}));
    }
    (StatusCode::SERVICE_UNAVAILABLE, Json(json!({"ready": false, "reasons": reasons}))).into_response()
}

fn unready(gateway: &Gateway, target: &Target, routes: &Routes, listening: Option<&Listening>) -> Option<String> {
    if let Some((_, why)) = barred(target, routes) {
        return Some(why);
    }
    if listening.is_some_and(|listening| is_own_address(&target.base_url, listening)) {
        return Some("its address is this proxy itself".to_owned());
    }
    if !target.managed {
        return None;
    }
    match gateway.inner.local.readiness(&target.model) {
        Readiness::Ready | Readiness::Unknown => None,
        Readiness::Loading { for_, .. } => Some(format!("loading for {} s", for_.as_secs())),
        Readiness::Cold => Some("not in memory".to_owned()),
        Readiness::Missing => Some("its runtime does not have it".to_owned()),
        Readiness::Unreachable(why) => Some(format!("its runtime does not answer: {why}")),
    }
}
