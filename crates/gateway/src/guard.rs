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
use subtle::ConstantTimeEq;
use tokio::sync::watch;

use crate::answer::error_response;
use crate::routes::{Access, Routes};
use crate::serve::Listening;

/// The paths that are answered without a token.
const OPEN: [&str; 2] = ["/healthz", "/readyz"];

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
    request: Request<axum::body::Body>,
    next: Next,
) -> Response {
    let refused = {
        let access = &routes.borrow().access;
        stranger(&request, access).or_else(|| unidentified(&request, access))
    };
    pass(request, next, refused).await
}

async fn check_page(
    State(routes): State<watch::Receiver<Arc<Routes>>>,
    request: Request<axum::body::Body>,
    next: Next,
) -> Response {
    let refused = {
        let access = &routes.borrow().access;
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        stranger(&request, access).or_else(|| if reads { None } else { unidentified(&request, access) })
    };
    pass(request, next, refused).await
}

async fn pass(request: Request<axum::body::Body>, next: Next, refused: Option<ApiError>) -> Response {
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

/// Whether the request was made for another name, or by a page of somebody else's.
fn stranger<B>(request: &Request<B>, access: &Access) -> Option<ApiError> {
    let listening = request.extensions().get::<Listening>();
    let headers = request.headers();
    let forbidden = |code, message| Some(ApiError::new(ErrorKind::Forbidden, code, message));
    let named = headers.get(header::HOST).map(|host| host.to_str().unwrap_or_default().to_owned());
    let host = named.or_else(|| request.uri().authority().map(ToString::to_string)).unwrap_or_default();
    if !authority(&host).is_some_and(|host| is_ours(&host, listening, false)) {
        let message = format!("the Host {host:?} is not ours: use 127.0.0.1, localhost or the address listened on");
        return forbidden("host_not_allowed", message);
    }
    if let Some(origin) = headers.get(header::ORIGIN) {
        let origin = origin.to_str().unwrap_or_default();
        let same =
            origin.strip_prefix("http://").and_then(authority).is_some_and(|origin| is_ours(&origin, listening, true));
        if !same && !access.origins.iter().any(|allowed| allowed.trim_end_matches('/') == origin) {
            return forbidden("origin_not_allowed", format!("web pages of {origin:?} may not call this proxy"));
        }
    }
    None
}

/// Whether the token is missing, or the body is of a kind that any page could send.
fn unidentified<B>(request: &Request<B>, access: &Access) -> Option<ApiError> {
    let headers = request.headers();
    if OPEN.contains(&request.uri().path()) {
        return None;
    }
    if let Some(token) = &access.token
        && !presented(headers).any(|given| bool::from(given.as_bytes().ct_eq(token.expose().as_bytes())))
    {
        let message = "this proxy asks for its token, as `Authorization: Bearer …` or `x-api-key`: \
                       `pilotlight token` prints it";
        return Some(ApiError::new(ErrorKind::Unauthorized, "invalid_api_key", message));
    }
    if request.method() == Method::POST && !is_json(headers) {
        let message = "the body must be JSON: send `Content-Type: application/json`";
        return Some(ApiError::new(ErrorKind::UnsupportedMediaType, "unsupported_media_type", message));
    }
    None
}

fn authority(text: &str) -> Option<Authority> {
    text.parse().ok().filter(|_| !text.contains('@'))
}

/// Whether a name is a loopback one or the address that was reached, and the port ours. A page's origin always has
/// its port; a `Host` may leave it out.
fn is_ours(authority: &Authority, listening: Option<&Listening>, with_port: bool) -> bool {
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
        Err(_) => host.eq_ignore_ascii_case("localhost"),
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

    fn status(headers: &[(&str, &str)], listening: &str, method: &str, path: &str) -> u16 {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(()).unwrap();
        request.extensions_mut().insert(Listening::at(listening.parse().unwrap()));
        let access = Access { token: Some(Secret::new("pl-secret")), origins: vec!["https://app.example".to_owned()] };
        stranger(&request, &access).or_else(|| unidentified(&request, &access)).map_or(200, |error| error.kind.status())
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
