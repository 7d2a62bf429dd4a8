//! LM Studio's own API as far as its clients use it: what is there, and a load that never makes a second instance. A
//! client that speaks to LM Studio itself (OpenClaw's provider `lmstudio`) works through us, without loads of its own.
//!
//! Source of the shapes: LM Studio's REST documentation, `/api/v0` and `/api/v1`.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::Request;
use pilotlight_wire::error::{ApiError, ErrorKind};
use pilotlight_wire::{ClientApi, Location};
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep_until};

use crate::Gateway;
use crate::answer::error_response;
use crate::callers::Caller;
use crate::local::Readiness;
use crate::plan::barred;
use crate::request::unreadable;
use crate::resolve::resolve;
use crate::routes::{Routes, Target};

/// The local models that are looked after.
fn targets(routes: &Routes) -> impl Iterator<Item = &Arc<Target>> {
    routes.targets.iter().filter(|target| target.managed && barred(target, routes).is_none())
}

/// What LM Studio calls a model.
fn key(target: &Target, routes: &Routes) -> String {
    let others = targets(routes).filter(|other| other.upstream_id == target.upstream_id).count();
    if others > 1 { target.model.to_string() } else { target.upstream_id.clone() }
}

/// `GET /api/v0/models`
pub fn list_v0(gateway: &Gateway) -> Response {
    let routes = gateway.inner.routes.borrow().clone();
    let data: Vec<Value> = targets(&routes).map(|target| v0(gateway, target, &routes)).collect();
    Json(json!({"object": "list", "data": data})).into_response()
}

/// `GET /api/v0/models/{id}`
pub fn one_v0(gateway: &Gateway, id: &str) -> Response {
    let routes = gateway.inner.routes.borrow().clone();
    // Of equal models on two machines, the bare id is the first one's, as it is for a load.
    let named = |target: &&Arc<Target>| key(target, &routes) == id || target.model.to_string() == id;
    let found = targets(&routes).find(named).or_else(|| targets(&routes).find(|target| target.upstream_id == id));
    match found {
        Some(target) => Json(v0(gateway, target, &routes)).into_response(),
        None => {
            let message = format!("there is no local model {id:?}");
            error_response(&ApiError::new(ErrorKind::NotFound, "model_not_found", message), ClientApi::Chat)
        }
    }
}

fn v0(gateway: &Gateway, target: &Target, routes: &Routes) -> Value {
    let state = match gateway.inner.local.readiness(&target.model) {
        Readiness::Ready => "loaded",
        Readiness::Loading { .. } => "loading",
        _ => "not-loaded",
    };
    let kind = "llm";
    let mut entry = json!({
        "id": key(target, routes), "object": "model", "type": kind, "publisher": target.model.provider(), "state": state,
    });
    largest_context(&mut entry, target);
    if let (Some(entry), "loaded", Some(context)) = (entry.as_object_mut(), state, context(gateway, target)) {
        entry.insert("loaded_context_length".to_owned(), context.into());
    }
    entry
}

/// `GET /api/v1/models`
pub fn list_v1(gateway: &Gateway) -> Response {
    let routes = gateway.inner.routes.borrow().clone();
    let models: Vec<Value> = targets(&routes).map(|target| v1(gateway, target, &routes)).collect();
    Json(json!({"models": models})).into_response()
}

fn v1(gateway: &Gateway, target: &Target, routes: &Routes) -> Value {
    let key = key(target, routes);
    let loaded = gateway.inner.local.readiness(&target.model) == Readiness::Ready;
    let instances = if loaded { vec![json!({"id": key, "config": config(gateway, target)})] } else { Vec::new() };
    let mut entry = json!({
        "type": "llm", "publisher": target.model.provider(), "key": key, "display_name": target.title,
        "loaded_instances": instances, "capabilities": {"trained_for_tool_use": true},
    });
    largest_context(&mut entry, target);
    entry
}

/// LM Studio always has a number there, and its clients read one: where none is known, there is no key.
fn largest_context(entry: &mut Value, target: &Target) {
    if let (Some(entry), Some(window)) = (entry.as_object_mut(), target.context_window) {
        entry.insert("max_context_length".to_owned(), window.into());
    }
}

fn config(gateway: &Gateway, target: &Target) -> Value {
    let mut config = Map::new();
    if let Some(context) = context(gateway, target) {
        config.insert("context_length".to_owned(), context.into());
    }
    config.into()
}

fn context(gateway: &Gateway, target: &Target) -> Option<u64> {
    gateway.inner.local.loaded_context(&target.model).or(target.context_window)
}

/// `POST /api/v1/models/load`: answers when the model is in memory, with the instance that is there. What else the body
/// says of the load is the configuration's to decide.
pub async fn load(gateway: Gateway, request: Request<Body>) -> Response {
    match loaded(&gateway, request).await {
        Ok(value) => Json(value).into_response(),
        Err(error) => error_response(&error, ClientApi::Chat),
    }
}

async fn loaded(gateway: &Gateway, request: Request<Body>) -> Result<Value, ApiError> {
    let (parts, body) = request.into_parts();
    let body = gateway.inner.bodies.whole(body).await?;
    let head = pilotlight_wire::body::RequestHead::read(&body).map_err(|error| unreadable(&error))?;
    let routes = gateway.inner.routes.borrow().clone();
    let route = resolve(&head.model, &routes)?;
    if let Some(caller) = parts.extensions.get::<Caller>() {
        caller.may_ask(&head.model, &route)?;
    }
    let local = route.candidates.iter().find(|target| target.managed && target.location == Location::Local);
    let Some(target) = local else {
        let message = format!("{:?} is no local model that can be loaded", head.model);
        return Err(ApiError::new(ErrorKind::NotFound, "model_not_found", message).about("model"));
    };
    let begun = Instant::now();
    wait(gateway, target, begun).await?;
    Ok(json!({
        "type": "llm", "instance_id": key(target, &routes), "status": "loaded",
        "load_time_seconds": begun.elapsed().as_secs_f64(), "load_config": config(gateway, target),
    }))
}

async fn wait(gateway: &Gateway, target: &Target, begun: Instant) -> Result<(), ApiError> {
    let (local, timing) = (&gateway.inner.local, &gateway.inner.timing);
    let failed = |why: String| ApiError::new(ErrorKind::Unavailable, "model_load_failed", why);
    let mut changed = local.changed();
    let mut was_loading = false;
    if local.readiness(&target.model) != Readiness::Ready {
        local.want(&target.model, true);
    }
    loop {
        changed.mark_unchanged();
        let until = match local.readiness(&target.model) {
            // What nobody can tell is taken to be there, as for any request.
            Readiness::Ready | Readiness::Unknown => return Ok(()),
            Readiness::Loading { .. } => {
                was_loading = true;
                begun + timing.load
            }
            Readiness::Cold if was_loading => {
                return Err(failed(format!("the load of {} ended without the model being there", target.model)));
            }
            Readiness::Cold => begun + timing.cold_grace,
            Readiness::Missing => {
                let message = format!("its runtime does not have {}", target.model);
                return Err(ApiError::new(ErrorKind::NotFound, "model_not_found", message).about("model"));
            }
            Readiness::Unreachable(why) => return Err(failed(format!("{} cannot be reached: {why}", target.model))),
        };
        if Instant::now() >= until {
            return Err(failed(format!("{} was not loaded in time", target.model)));
        }
        tokio::select! {
            () = sleep_until(until) => {}
            told = changed.changed() => if told.is_err() {
                return Err(failed("the keeper of local models has stopped".to_owned()));
            }
        }
    }
}
