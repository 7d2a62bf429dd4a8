//! A request from its bytes to its route: read, name, plan; then it is answered.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderValue, Request, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use pilotlight_wire::ClientApi;
use pilotlight_wire::body::{BodyError, RequestHead};
use pilotlight_wire::error::{ApiError, ErrorKind};

use crate::Gateway;
use crate::answer::{REQUEST_ID, answer, error_response};
use crate::events::Outcome;
use crate::exchange::{Exchange, Waiting};
use crate::plan::plan;
use crate::record::Record;
use crate::relay::Opening;
use crate::resolve::resolve;
use crate::serve::Listening;
use crate::upstream;

/// The largest request: images in a long conversation are several megabytes each.
pub const LARGEST_REQUEST: usize = 64 * 1024 * 1024;

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
    let told = parts.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    let body = match whole(body, told).await {
        Ok(body) => body,
        Err(error) => return error_response(&error, api),
    };
    let head = match RequestHead::read(&body) {
        Ok(head) => head,
        Err(error) => return error_response(&unreadable(&error), api),
    };
    // One snapshot: a change of the configuration does not touch a request under way.
    let routes = gateway.inner.routes.borrow().clone();
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
        body,
        headers: upstream::forwarded(&parts.headers),
        query: parts.uri.query().map(str::to_owned),
        cold: routes.cold,
        waiting: Waiting::default(),
        gateway: gateway.inner,
    });
    answer(exchange, plan, record, opening).await
}

async fn whole(body: Body, told: Option<usize>) -> Result<Bytes, ApiError> {
    let too_large = || {
        let message = format!("the request's body is larger than {} MB", LARGEST_REQUEST / (1024 * 1024));
        ApiError::new(ErrorKind::TooLarge, "request_too_large", message)
    };
    if told.is_some_and(|length| length > LARGEST_REQUEST) {
        return Err(too_large());
    }
    match Limited::new(body, LARGEST_REQUEST).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(_) => {
            Err(ApiError::new(ErrorKind::InvalidRequest, "invalid_body", "the request's body did not come whole"))
        }
    }
}

fn unreadable(error: &BodyError) -> ApiError {
    match error {
        BodyError::Syntax { .. } => ApiError::new(ErrorKind::InvalidRequest, "invalid_json", error.to_string()),
        BodyError::Key { key, .. } => {
            ApiError::new(ErrorKind::InvalidRequest, "invalid_request", error.to_string()).about(*key)
        }
    }
}
