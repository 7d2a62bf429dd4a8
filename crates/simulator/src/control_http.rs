//! Control over HTTP, under `/_sim/`, on the API's own port and (for when that one refuses) on a port of its own.
//! No fault touches it.

use axum::body::Body;
use bytes::Bytes;
use http::Response;
use http::request::Parts;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

use crate::control::{Control, ControlError};
use crate::fault::{Fault, FaultId, Rule};
use crate::lm_studio::shelf::UnloadCause;
use crate::play::Whole;
use crate::server::Shared;

const PATHS: &str = "GET /_sim/state, GET /_sim/requests, DELETE /_sim/requests, POST /_sim/faults, \
                     DELETE /_sim/faults[/ID], POST /_sim/load, POST /_sim/unload, POST /_sim/die";

/// Answers a request under `/_sim/`.
pub(crate) async fn answer(shared: &Arc<Shared>, parts: &Parts, body: &Bytes) -> Response<Body> {
    let control = Control::new(Arc::clone(shared));
    let result = match (parts.method.as_str(), parts.uri.path()) {
        ("GET", "/_sim/state") => Ok(json!(control.state())),
        ("GET", "/_sim/requests") => {
            Ok(control.requests().iter().map(|request| request.to_json(shared.started)).collect())
        }
        ("DELETE", "/_sim/requests") => {
            control.forget_requests();
            Ok(json!({"forgotten": true}))
        }
        ("POST", "/_sim/faults") => set_fault(&control, shared, body).await,
        ("DELETE", "/_sim/faults") => {
            control.clear();
            control.refuse(false).await;
            Ok(json!({"cleared": true}))
        }
        ("DELETE", path) if path.starts_with("/_sim/faults/") => {
            clear_one(&control, &path["/_sim/faults/".len()..]).await
        }
        ("POST", "/_sim/load") => load(&control, body).await,
        ("POST", "/_sim/unload") => unload(&control, body).await,
        ("POST", "/_sim/die") => {
            control.die();
            Ok(json!({"died": true}))
        }
        (method, path) => Err((404, format!("no {method} {path} here; there is: {PATHS}"))),
    };
    match result {
        Ok(json) => Whole::json(200, &json),
        Err((status, message)) => Whole::json(status, &json!({"error": message})),
    }
    .into_response()
}

type Outcome = Result<Value, (u16, String)>;

fn read(body: &Bytes) -> Outcome {
    serde_json::from_slice(body).map_err(|e| (400, format!("the body is not JSON: {e}")))
}

fn model_in(json: &Value) -> Result<&str, (u16, String)> {
    json.get("model").and_then(Value::as_str).ok_or_else(|| (400, "\"model\" is missing: the key of a model".into()))
}

fn refused(error: ControlError) -> (u16, String) {
    (if error == ControlError::NotLmStudio { 400 } else { 404 }, error.to_string())
}

/// One rule, or an array of them.
async fn set_fault(control: &Control, shared: &Shared, body: &Bytes) -> Outcome {
    let rules = match read(body)? {
        Value::Array(rules) => rules,
        one => vec![one],
    };
    let rules: Result<Vec<Rule>, _> = rules.into_iter().map(Rule::from_json).collect();
    let rules = rules.map_err(|e| (400, e.to_string()))?;
    let mut ids = Vec::new();
    for rule in rules {
        let refuses_on = matches!(rule.fault, Fault::Refuse {}) && rule.lasting.is_none();
        ids.push(control.fault(rule).0);
        if refuses_on {
            // So that the listener is closed when this answer arrives.
            shared.refuse(true).await;
        }
    }
    Ok(json!({"ids": ids}))
}

async fn clear_one(control: &Control, id: &str) -> Outcome {
    let id: u64 = id.parse().map_err(|_| (400, format!("\"{id}\" is no number: /_sim/state lists the ids")))?;
    let refuses = |fault: &Value| fault["fault"] == "refuse";
    let was_refusing = control.state().faults.iter().any(|f| f["id"] == id && refuses(f));
    let cleared = control.clear_one(FaultId(id));
    if was_refusing && !control.state().faults.iter().any(refuses) {
        control.refuse(false).await;
    }
    Ok(json!({"cleared": cleared}))
}

/// `{"model", "load_ms"?, "jit"?}`; answers when it is loaded.
async fn load(control: &Control, body: &Bytes) -> Outcome {
    let json = read(body)?;
    let model = model_in(&json)?;
    if let Some(ms) = json.get("load_ms").and_then(Value::as_u64) {
        control.load_time(model, Duration::from_millis(ms)).map_err(refused)?;
    }
    let loaded = if json.get("jit").and_then(Value::as_bool) == Some(true) {
        control.load_just_in_time(model).await
    } else {
        control.load(model).await
    };
    loaded.map(|id| json!({"instance_id": id})).map_err(refused)
}

/// `{"model", "cause"?, "by"?, "after_ms"?}`; `by` is the model whose load evicts this one.
async fn unload(control: &Control, body: &Bytes) -> Outcome {
    let json = read(body)?;
    let model = model_in(&json)?;
    let cause = match json.get("cause") {
        None => UnloadCause::Ejected,
        Some(cause) => serde_json::from_value(cause.clone())
            .map_err(|_| (400, "\"cause\" is one of ttl, evicted, crash, ejected".to_owned()))?,
    };
    if let Some(ms) = json.get("after_ms").and_then(Value::as_u64) {
        let (control, model) = (control.clone(), model.to_owned());
        tokio::spawn(async move {
            sleep(Duration::from_millis(ms)).await;
            // Gone in the meantime is as good as unloaded.
            let _ = control.unload(&model, cause);
        });
        return Ok(json!({"in_ms": ms}));
    }
    let gone = control.unload(model, cause).map_err(refused)?;
    if let Some(by) = json.get("by").and_then(Value::as_str) {
        control.load_just_in_time(by).await.map_err(refused)?;
    }
    Ok(json!({"unloaded": gone}))
}
