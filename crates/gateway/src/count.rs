//! `POST /v1/messages/count_tokens`: by the upstream's own count where it has one, else by an estimate that says so.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, StatusCode, header};
use pilotlight_wire::body::RequestHead;
use pilotlight_wire::error::ApiError;
use pilotlight_wire::translate::count::count_tokens_body;
use pilotlight_wire::{ClientApi, UpstreamApi};

use crate::Gateway;
use crate::answer::error_response;
use crate::attempt::read;
use crate::clients::Post;
use crate::plan::plan;
use crate::record::{MODEL, ascii};
use crate::request::unreadable;
use crate::resolve::resolve;
use crate::routes::Target;
use crate::serve::Listening;
use crate::upstream;

/// Says that the count is an estimate.
const ESTIMATE: HeaderName = HeaderName::from_static("x-pilotlight-estimate");
/// The most of a count's body that is read.
const LARGEST: usize = 64 * 1024;
/// How long an upstream may take to count.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(3);

/// Answers one request.
pub async fn handle(gateway: Gateway, request: Request<Body>) -> Response {
    count(&gateway, request).await.unwrap_or_else(|error| error_response(&error, ClientApi::Messages))
}

async fn count(gateway: &Gateway, request: Request<Body>) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let body = gateway.inner.bodies.whole(body).await?;
    let head = RequestHead::read(&body).map_err(|error| unreadable(&error))?;
    let routes = gateway.inner.routes.borrow().clone();
    let route = resolve(&head.model, &routes)?;
    let plan = plan(route, ClientApi::Messages, &routes, parts.extensions.get::<Listening>());
    // Only the one that would answer counts as its model does; another's count is no better than an estimate.
    if let Some(target) = plan.candidates.first().filter(|target| target.api == UpstreamApi::AnthropicMessages) {
        let headers = upstream::forwarded(&parts.headers);
        if let Some(counted) = ask(gateway, target, head.with_model(&body, &target.upstream_id), &headers).await {
            let mut response = json(counted);
            response.headers_mut().insert(MODEL, ascii(&target.model.to_string()));
            return Ok(response);
        }
    }
    let mut response = json(count_tokens_body(&body)?);
    response.headers_mut().insert(ESTIMATE, HeaderValue::from_static("true"));
    Ok(response)
}

/// The upstream's own count; none where it has none, for whatever reason.
async fn ask(gateway: &Gateway, target: &Target, body: Bytes, forwarded: &http::HeaderMap) -> Option<Bytes> {
    let headers = upstream::headers(target, forwarded).ok()?;
    let mut url = upstream::address(target, ClientApi::Messages, None);
    url.set_path(&format!("{}/count_tokens", url.path()));
    let post = Post { url, headers, body };
    let asked = async {
        let response = gateway.inner.clients.post(target, &gateway.inner.timing, &post).await.ok()?;
        if response.status() != StatusCode::OK {
            return None;
        }
        read(response.into_body(), LARGEST).await.ok()
    };
    let counted = tokio::time::timeout(PATIENCE, asked).await.ok()??;
    let value: serde_json::Value = serde_json::from_slice(&counted).ok()?;
    value.get("input_tokens")?.is_u64().then_some(counted)
}

fn json(body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
