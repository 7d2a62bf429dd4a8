//! Who may call: the address, the page and the token of a request, before anything of it is looked at.
//!
//! Behind us stand keys that cost money. A page in the user's browser can send requests to loopback, and can point a
//! name of its own at it: so the name it asks for and the page it comes from must be ours, and a body must be JSON,
//! which no page can send without being asked about it first.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, Request, header};
use pilotlight_wire::ClientApi;
use pilotlight_wire::error::{ApiError, ErrorKind};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::watch;

use crate::answer::error_response;
use crate::callers::Caller;
use crate::routes::{Access, Routes};
use crate::serve::Listening;

/// The paths that are answered without a token.
const OPEN: [&str; 2] = ["/healthz", "/readyz"];

/// The most bytes of names and values of a request's headers. More than a hundred headers are refused before this, by
/// the status 431 alone.
const LARGEST_HEAD: usize = 64 * 1024;

/// The paths that only the one token opens.
const CONTROL: [&str; 1] = ["/pilotlight"];

/// Puts a router behind the checks: `Host`, `Origin`, the token, and JSON bodies for `POST`.
pub fn guard(router: Router, routes: watch::Receiver<Arc<Routes>>) -> Router {
    router.layer(from_fn_with_state(routes, check))
}

/// The same for files that hold no data and can only be read: all checks but the token, which a browser cannot show
/// when it opens a page.
pub fn guard_pages(router: Router, routes: watch::Receiver<Arc<Routes>>) -> Router {
    router.layer(from_fn_with_state(routes, check_page))
}

async fn check(
    State(routes): State<watch::Receiver<Arc<Routes>>>,
    mut request: Request<axum::body::Body>,
    next: Next,
) -> Response {
    let routes = routes.borrow().clone();
    let access = &routes.access;
    let checked = match stranger(&request, access) {
        Some(error) => Err(error),
        None if is_preflight(&request, access) => return preflight(&request),
        None => identify(&request, access),
    };
    match checked {
        Ok(caller) => {
            if let Some(caller) = caller {
                request.extensions_mut().insert(caller);
            }
            pass(request, next, access, None).await
        }
        Err(error) => pass(request, next, access, Some(error)).await,
    }
}

async fn check_page(
    State(routes): State<watch::Receiver<Arc<Routes>>>,
    request: Request<axum::body::Body>,
    next: Next,
) -> Response {
    let routes = routes.borrow().clone();
    let access = &routes.access;
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let refused = stranger(&request, access).or_else(|| if reads { None } else { identify(&request, access).err() });
    pass(request, next, access, refused).await
}

async fn pass(request: Request<axum::body::Body>, next: Next, access: &Access, refused: Option<ApiError>) -> Response {
    let origin = request.headers().get(header::ORIGIN).filter(|origin| is_allowed(origin, access)).cloned();
    let mut response = answered(request, next, refused).await;
    if let Some(origin) = origin {
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("*"));
    }
    response
}

/// Whether a page of this origin may call, by the settings.
fn is_allowed(origin: &HeaderValue, access: &Access) -> bool {
    access
        .origins
        .iter()
        .any(|allowed| allowed.trim_end_matches('/').as_bytes().eq_ignore_ascii_case(origin.as_bytes()))
}

/// Whether a browser asks beforehand for a page that may call.
fn is_preflight<B>(request: &Request<B>, access: &Access) -> bool {
    let headers = request.headers();
    request.method() == Method::OPTIONS
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
        && headers.get(header::ORIGIN).is_some_and(|origin| is_allowed(origin, access))
}

/// What a browser wants to know beforehand. It never shows a token with the question.
fn preflight<B>(request: &Request<B>) -> Response {
    let mut response = Response::new(axum::body::Body::empty());
    *response.status_mut() = http::StatusCode::NO_CONTENT;
    let asked = |name: header::HeaderName| request.headers().get(name).cloned();
    let headers = response.headers_mut();
    if let Some(origin) = asked(header::ORIGIN) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    }
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD, POST"));
    if let Some(names) = asked(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names);
    }
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    response
}

async fn answered(request: Request<axum::body::Body>, next: Next, refused: Option<ApiError>) -> Response {
    match refused {
        None => next.run(request).await,
        Some(error) => {
            let mut response = error_response(&error, form(request.uri().path(), request.headers()));
            if error.kind == ErrorKind::Unauthorized {
                response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            response
        }
    }
}

/// The API in whose form a path's errors are told.
pub fn form(path: &str, headers: &HeaderMap) -> ClientApi {
    let messages =
        path.starts_with("/v1/messages") || path.starts_with("/v1/models") && headers.contains_key("anthropic-version");
    if messages { ClientApi::Messages } else { ClientApi::Chat }
}

/// Whether the request was made for another name, or by a page of somebody else's, or has a head that is too large.
fn stranger<B>(request: &Request<B>, access: &Access) -> Option<ApiError> {
    let listening = request.extensions().get::<Listening>();
    let headers = request.headers();
    let head: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if head > LARGEST_HEAD {
        let message = format!("the request's headers are larger than {} kB", LARGEST_HEAD / 1024);
        return Some(ApiError::new(ErrorKind::HeadTooLarge, "headers_too_large", message));
    }
    let forbidden = |code, message| Some(ApiError::new(ErrorKind::Forbidden, code, message));
    let named = headers.get(header::HOST).map(|host| host.to_str().unwrap_or_default().to_owned());
    let host = named.or_else(|| request.uri().authority().map(ToString::to_string)).unwrap_or_default();
    if !authority(&host).is_some_and(|host| is_ours(&host, listening, &access.hosts, false)) {
        let message = format!(
            "the Host {host:?} is not ours: use 127.0.0.1, localhost or the address listened on, or name it in the \
             settings: access: {{ hosts: [{:?}] }}",
            authority(&host).map_or_else(|| host.clone(), |host| host.host().to_owned())
        );
        return forbidden("host_not_allowed", message);
    }
    if let Some(origin) = headers.get(header::ORIGIN) {
        let text = origin.to_str().unwrap_or_default();
        let own = text.strip_prefix("http://").and_then(authority);
        if !own.is_some_and(|own| is_ours(&own, listening, &access.hosts, true)) && !is_allowed(origin, access) {
            let message = format!(
                "web pages of {text:?} may not call this proxy; the settings may let them: access: {{ origins: [{text:?}] }}"
            );
            return forbidden("origin_not_allowed", message);
        }
    }
    None
}

/// Who calls, by the token that is shown: none for whom no limits hold.
///
/// # Errors
/// When the token is missing or may not do this, or the body is of a kind that any page could send.
fn identify<B>(request: &Request<B>, access: &Access) -> Result<Option<Caller>, ApiError> {
    let (headers, path) = (request.headers(), request.uri().path());
    if OPEN.contains(&path) {
        return Ok(None);
    }
    let mut caller = None;
    if let Some(token) = &access.token
        && !presented(headers).any(|given| bool::from(given.as_bytes().ct_eq(token.expose().as_bytes())))
    {
        caller = presented(headers).find_map(|given| named(given, access));
        if caller.is_none() {
            let message = "this proxy asks for its token, as `Authorization: Bearer …` or `x-api-key`: \
                           `pilotlight token` prints it";
            return Err(ApiError::new(ErrorKind::Unauthorized, "invalid_api_key", message));
        }
        if CONTROL.iter().any(|control| path.starts_with(control)) {
            let message = "a named token is for asking models: to control this proxy, show its own token";
            return Err(ApiError::new(ErrorKind::Forbidden, "token_not_allowed", message));
        }
    }
    if request.method() == Method::POST && !is_json(headers) {
        let message = "the body must be JSON: send `Content-Type: application/json`";
        return Err(ApiError::new(ErrorKind::UnsupportedMediaType, "unsupported_media_type", message));
    }
    Ok(caller)
}

/// The bearer of a named token.
fn named(given: &str, access: &Access) -> Option<Caller> {
    let hash: [u8; 32] = Sha256::digest(given.as_bytes()).into();
    access.named.iter().find(|token| bool::from(token.hash.ct_eq(&hash))).cloned().map(Caller)
}

fn authority(text: &str) -> Option<Authority> {
    text.parse().ok().filter(|_| !text.contains('@'))
}

/// Whether a name is a loopback one or the address that was reached, and the port ours. A page's origin always has
/// its port; a `Host` may leave it out.
fn is_ours(authority: &Authority, listening: Option<&Listening>, hosts: &[String], with_port: bool) -> bool {
    let port = match (authority.port_u16(), with_port) {
        (None, true) => Some(80),
        (port, _) => port,
    };
    if let (Some(port), Some(listening)) = (port, listening)
        && port != listening.address.port()
    {
        return false;
    }
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    match host.parse::<IpAddr>() {
        Ok(ip) => ip.is_loopback() || listening.is_some_and(|at| ip == at.address.ip() || ip == at.reached.ip()),
        Err(_) => host.eq_ignore_ascii_case("localhost") || hosts.iter().any(|own| own.eq_ignore_ascii_case(host)),
    }
}

fn presented(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    });
    let key = headers.get("x-api-key").and_then(|value| value.to_str().ok()).map(str::trim);
    bearer.into_iter().chain(key)
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}

#[cfg(test)]
mod tests {
    use super::*;
    use pilotlight_wire::Secret;

    use crate::routes::NamedToken;

    fn status(headers: &[(&str, &str)], listening: &str, method: &str, path: &str) -> u16 {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(()).unwrap();
        request.extensions_mut().insert(Listening::at(listening.parse().unwrap()));
        let named = NamedToken {
            name: "ci".to_owned(),
            hash: Sha256::digest("pl-ci").into(),
            local_only: false,
            models: None,
            per_minute: None,
        };
        let access = Access {
            token: Some(Secret::new("pl-secret")),
            origins: vec!["https://app.example".to_owned()],
            hosts: vec!["studio.local".to_owned()],
            named: vec![Arc::new(named)],
            ..Access::default()
        };
        let refused = stranger(&request, &access).or_else(|| identify(&request, &access).err());
        refused.map_or(200, |error| error.kind.status())
    }

    #[test]
    fn hosts() {
        let table = [
            ("127.0.0.1:11235", 401),
            ("127.0.0.1", 401),
            ("127.8.9.1:11235", 401),
            ("localhost:11235", 401),
            ("LOCALHOST", 401),
            ("[::1]:11235", 401),
            ("[::1]", 401),
            ("127.0.0.1:80", 403),
            ("localhost:1234", 403),
            ("studio.local:11235", 401),
            ("Studio.local", 401),
            ("studio.local:80", 403),
            ("evil.example:11235", 403),
            ("evil.example", 403),
            ("localhost.evil.example", 403),
            ("127.0.0.1.evil.example", 403),
            ("user@127.0.0.1:11235", 403),
            ("192.168.1.5:11235", 403),
            ("", 403),
        ];
        for (host, expected) in table {
            assert_eq!(status(&[("host", host)], "127.0.0.1:11235", "GET", "/v1/models"), expected, "{host:?}");
        }
        assert_eq!(status(&[("host", "192.168.1.5:80")], "192.168.1.5:80", "GET", "/healthz"), 200);
        assert_eq!(status(&[], "127.0.0.1:11235", "GET", "/healthz"), 403, "no host at all");
    }

    #[test]
    fn origins() {
        let table = [
            ("http://127.0.0.1:11235", 200),
            ("http://localhost:11235", 200),
            ("https://app.example", 200),
            ("http://127.0.0.1", 403),
            ("http://localhost:3000", 403),
            ("https://localhost:11235", 403),
            ("https://evil.example", 403),
            ("null", 403),
            ("", 403),
        ];
        for (origin, expected) in table {
            let headers = [("host", "127.0.0.1:11235"), ("origin", origin)];
            assert_eq!(status(&headers, "127.0.0.1:11235", "GET", "/healthz"), expected, "{origin:?}");
        }
    }

    #[test]
    fn tokens() {
        let table: &[(&[(&str, &str)], u16)] = &[
            (&[], 401),
            (&[("authorization", "Bearer pl-secret")], 200),
            (&[("authorization", "bearer  pl-secret")], 200),
            (&[("x-api-key", "pl-secret")], 200),
            (&[("x-api-key", "pl-secret"), ("authorization", "Bearer other")], 200),
            (&[("authorization", "Bearer pl-secre")], 401),
            (&[("authorization", "Bearer pl-secret2")], 401),
            (&[("authorization", "Basic pl-secret")], 401),
            (&[("authorization", "pl-secret")], 401),
            (&[("x-api-key", "")], 401),
        ];
        for (headers, expected) in table {
            let mut headers = headers.to_vec();
            headers.push(("host", "localhost"));
            assert_eq!(status(&headers, "127.0.0.1:11235", "GET", "/v1/models"), *expected, "{headers:?}");
        }
        assert_eq!(status(&[("host", "localhost")], "127.0.0.1:11235", "GET", "/readyz"), 200);
        assert_eq!(status(&[("host", "localhost")], "127.0.0.1:11235", "GET", "/readyz/x"), 401);
    }

    #[test]
    fn a_named_token_asks_models_and_controls_nothing() {
        let status =
            |token, path| status(&[("host", "localhost"), ("x-api-key", token)], "127.0.0.1:11235", "GET", path);
        assert_eq!(status("pl-ci", "/v1/models"), 200);
        assert_eq!(status("pl-ci2", "/v1/models"), 401);
        assert_eq!(status("pl-ci", "/pilotlight/state"), 403);
        assert_eq!(status("pl-secret", "/pilotlight/state"), 200);
    }

    #[test]
    fn a_post_must_be_json() {
        let table = [
            ("application/json", 200),
            ("Application/JSON; charset=utf-8", 200),
            ("text/plain", 415),
            ("text/plain; application/json", 415),
            ("application/x-www-form-urlencoded", 415),
            ("", 415),
        ];
        for (kind, expected) in table {
            let headers = [("host", "localhost"), ("x-api-key", "pl-secret"), ("content-type", kind)];
            assert_eq!(status(&headers, "127.0.0.1:11235", "POST", "/v1/responses"), expected, "{kind:?}");
        }
    }
}
