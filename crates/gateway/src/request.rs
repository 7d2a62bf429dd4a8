//! A request from its bytes to its route: read, name, plan; then it is answered.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, Request};
use pilotlight_wire::ClientApi;
use pilotlight_wire::body::{BodyError, RequestHead};
use pilotlight_wire::error::{ApiError, ErrorKind};

use crate::Gateway;
use crate::answer::{REQUEST_ID, answer, error_response};
use crate::aside::aside;
use crate::callers::{Caller, Turns};
use crate::events::Outcome;
use crate::exchange::{Exchange, Incoming, Waiting};
use crate::plan::plan;
use crate::record::Record;
use crate::relay::Opening;
use crate::resolve::resolve;
use crate::serve::{Closing, Listening};
use crate::upstream;

/// Answers one request of this API.
pub async fn handle(gateway: Gateway, api: ClientApi, request: Request<Body>) -> Response {
    let id = gateway.inner.last_id.fetch_add(1, Ordering::Relaxed) + 1;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let name = format!("pl{:x}{id:x}", now.as_millis());
    let mut response = route(gateway, api, request, id, &name, now.as_secs()).await;
    if let Ok(value) = HeaderValue::from_str(&name) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

async fn route(gateway: Gateway, api: ClientApi, request: Request<Body>, id: u64, name: &str, now: u64) -> Response {
    let (parts, body) = request.into_parts();
    let body = match gateway.inner.bodies.whole(body).await {
        Ok(body) => body,
        Err(error) => return error_response(&error, api),
    };
    let head = match aside(body.len(), || RequestHead::read(&body)) {
        Ok(head) => head,
        Err(error) => return error_response(&unreadable(&error), api),
    };
    // One snapshot: a change of the configuration does not touch a request under way.
    let mut routes = gateway.inner.routes.borrow().clone();
    let caller = parts.extensions.get::<Caller>();
    if let Some(caller) = caller {
        routes = caller.routes(&routes);
    }
    let streaming = head.stream && api != ClientApi::Embeddings;
    let mut record = Record::open(gateway.inner.events.clone(), id, &head.model, api, streaming);
    let refuse = |record: &mut Record, error: &ApiError| {
        record.status(error.kind.status());
        record.close(Outcome::Failed);
        error_response(error, api)
    };
    let found = match resolve(&head.model, &routes) {
        Ok(found) => found,
        Err(error) => return refuse(&mut record, &error),
    };
    let allowed = caller.map_or(Ok(()), |caller| {
        caller.may_ask(&head.model, &found)?;
        gateway.inner.rates.count(caller).map_err(|wait| too_often(caller, wait))
    });
    if let Err(error) = allowed {
        return refuse(&mut record, &error);
    }
    if gateway.inner.turns.is_full(routes.access.most_requests) {
        return refuse(&mut record, &too_many(routes.access.most_requests));
    }
    let plan = plan(found, api, &routes, parts.extensions.get::<Listening>());
    if let Some(error) = plan.api_error(&head.model, api) {
        for report in plan.excluded {
            record.attempt(&report.model, report.code, report.detail);
        }
        return refuse(&mut record, &error);
    }
    let opening = Opening { response_id: format!("resp_{name}"), created: now, asked: head.model.clone() };
    let exchange = Arc::new(Exchange {
        api,
        head,
        incoming: Incoming::kept(body, upstream::forwarded(&parts.headers)),
        query: parts.uri.query().map(str::to_owned),
        cold: routes.cold,
        most_requests: routes.access.most_requests,
        waiting: Waiting::default(),
        name: name.to_owned(),
        created: now,
        closing: parts.extensions.get::<Closing>().cloned().unwrap_or_default(),
        gateway: gateway.inner,
    });
    answer(exchange, plan, record, opening).await
}

fn too_often(caller: &Caller, wait: Duration) -> ApiError {
    let seconds = wait.as_secs() + 1;
    let most = caller.0.per_minute.unwrap_or_default();
    let message = format!("the token {:?} may ask {most} times a minute: the next time in {seconds} s", caller.0.name);
    ApiError::new(ErrorKind::RateLimited, "rate_limit_exceeded", message).after(seconds)
}

fn too_many(most: usize) -> ApiError {
    let (are, waiting) = (if most == 1 { "request is" } else { "requests are" }, Turns::WAITING.saturating_mul(most));
    let message = format!(
        "{most} {are} being served, which is the most at once (`access.maxRequests` of the settings), and {waiting} \
         wait: ask again in a moment"
    );
    ApiError::new(ErrorKind::Unavailable, "too_many_requests", message).after(1)
}

/// A body that cannot be routed, in words for the client.
pub fn unreadable(error: &BodyError) -> ApiError {
    match error {
        BodyError::Syntax { .. } => ApiError::new(ErrorKind::InvalidRequest, "invalid_json", error.to_string()),
        BodyError::Key { key, .. } => {
            ApiError::new(ErrorKind::InvalidRequest, "invalid_request", error.to_string()).about(*key)
        }
    }
}
