//! The window's files for a browser, from inside the binary. They are those of `ui/dist` when it was built.

use axum::Router;
use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use pilotlight_engine::Engine;
use rust_embed::RustEmbed;

use crate::output::Failure;

#[derive(RustEmbed)]
#[folder = "../../ui/dist"]
#[allow_missing = true]
struct Pages;

/// What the browser may load and call: its own origin alone, as in the desktop's window.
const POLICY: &str =
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'";

/// The files, below `/ui`.
pub(crate) fn router() -> Result<Router, Failure> {
    if Pages::get("index.html").is_none() {
        return Err(Failure::new(
            "no-ui",
            "this pilotlight was built without the window: build it with `make build-cli`",
        ));
    }
    Ok(Router::new()
        .route("/ui", get(|| async { Redirect::permanent("/ui/") }))
        .route("/ui/", get(|| async { file("index.html") }))
        .route("/ui/{*path}", get(|Path(path): Path<String>| async move { file(&path) })))
}

/// Where a browser finds the window. The token stands in the fragment, which is never sent to a server.
pub(crate) fn address(engine: &Engine) -> String {
    let endpoint = engine.state_now().endpoint.clone().unwrap_or_default();
    let base = endpoint.trim_end_matches("/v1");
    match engine.token() {
        Some(token) => format!("{base}/ui/#token={}", token.expose()),
        None => format!("{base}/ui/"),
    }
}

fn file(path: &str) -> Response {
    let Some(file) = Pages::get(path) else { return (StatusCode::NOT_FOUND, "no such file\n").into_response() };
    let headers = [
        (header::CONTENT_TYPE, kind(path)),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, file.data).into_response()
}

fn kind(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    }
}
