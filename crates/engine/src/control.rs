//! The engine's commands and state over HTTP, for `pilotlight status` and its kin and for the window in a browser.
//! Mounted behind the same checks of `Host`, `Origin` and token as the proxy itself.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures::Stream;
use serde::Deserialize;

use crate::commands::Commands;
use crate::context::ContextMend;
use crate::error::CommandError;
use crate::notice::{NoticeActionKind, NoticeKind};
use crate::page_commands::Pages;
use crate::state::AppState;

/// The routes below `/pilotlight`.
pub(crate) fn routes(commands: Commands) -> Router {
    Router::new()
        .route("/pilotlight/state", get(state))
        .route("/pilotlight/events", get(events))
        .route("/pilotlight/use", post(use_model))
        .route("/pilotlight/load", post(load))
        .route("/pilotlight/unload", post(unload))
        .route("/pilotlight/context", post(mend_context))
        .route("/pilotlight/retry", post(retry))
        .route("/pilotlight/notice", post(notice_action))
        .route("/pilotlight/unmute", post(unmute))
        .route("/pilotlight/runtime/start", post(start_runtime))
        .with_state(commands)
}

/// More than this is no draft. A configuration has at most 8 MiB, and its text grows when it is put into JSON.
const LARGEST_DRAFT: usize = 32 << 20;

/// The routes of the editor and of the other pages below `/pilotlight`.
pub(crate) fn page_routes(pages: &Pages) -> Router {
    let mut router = Router::new();
    for name in Pages::reads() {
        let pages = pages.clone();
        let read = async move || answer(pages.ask(name, serde_json::Value::Null).await);
        router = router.route(&format!("/pilotlight/{name}"), get(read));
    }
    for name in Pages::commands() {
        let pages = pages.clone();
        let ask = async move |body: Bytes| {
            let body = if body.is_empty() { Ok(serde_json::Value::Null) } else { serde_json::from_slice(&body) };
            answer(match body {
                Ok(body) => pages.ask(name, body).await,
                Err(_) => Err(CommandError::new("bad-request", "the body of this request is no JSON")),
            })
        };
        router = router.route(&format!("/pilotlight/{name}"), post(ask));
    }
    router.layer(DefaultBodyLimit::max(LARGEST_DRAFT))
}

/// The body of each command.
#[derive(Deserialize)]
struct Named {
    model: String,
}

#[derive(Deserialize)]
struct NamedProvider {
    /// None: the one whose server is away.
    provider: Option<String>,
}

async fn start_runtime(State(commands): State<Commands>, Json(named): Json<NamedProvider>) -> Response {
    answer(
        commands
            .start_runtime(named.provider.as_deref())
            .await
            .map(|started| serde_json::json!({ "address": started.address.as_str(), "version": started.version })),
    )
}

async fn state(State(commands): State<Commands>) -> Json<Arc<AppState>> {
    Json(commands.state())
}

/// The state now, and again whenever it changes. A slow reader misses steps, never the last one.
async fn events(State(commands): State<Commands>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let mut states = commands.watch();
    states.mark_changed();
    let stream = async_stream::stream! {
        while states.changed().await.is_ok() {
            let state = states.borrow_and_update().clone();
            match Event::default().event("state").json_data(&*state) {
                Ok(event) => yield Ok(event),
                Err(error) => tracing::error!(%error, "the state could not be written as JSON"),
            }
        }
    };
    Sse::new(stream).keep_alive(KeepAlive::default())
}

async fn use_model(State(commands): State<Commands>, Json(named): Json<Named>) -> Response {
    answer(commands.use_model(&named.model).await.map(|model| serde_json::json!({ "model": model })))
}

async fn load(State(commands): State<Commands>, Json(named): Json<Named>) -> Response {
    answer(commands.load(&named.model).await.map(|loaded| {
        serde_json::json!({
            "model": loaded.model,
            "loadMilliseconds": u64::try_from(loaded.after.as_millis()).unwrap_or(u64::MAX),
            "context": loaded.context,
        })
    }))
}

async fn unload(State(commands): State<Commands>, Json(named): Json<Named>) -> Response {
    answer(commands.unload(&named.model).await.map(|model| serde_json::json!({ "model": model })))
}

/// The body of `context`.
#[derive(Deserialize)]
struct Mended {
    model: String,
    mend: ContextMend,
}

async fn mend_context(State(commands): State<Commands>, Json(asked): Json<Mended>) -> Response {
    answer(commands.mend_context(&asked.model, asked.mend).await.map(|mended| serde_json::json!(mended)))
}

/// The body of `retry`: a provider, or all of them.
#[derive(Deserialize)]
struct Retried {
    #[serde(default)]
    provider: Option<String>,
}

async fn retry(State(commands): State<Commands>, Json(retried): Json<Retried>) -> Response {
    let forgotten = commands.retry(retried.provider.as_deref());
    answer(forgotten.map(|forgotten| serde_json::json!({ "forgotten": forgotten })))
}

/// The body of `notice`.
#[derive(Deserialize)]
struct Acted {
    id: u64,
    action: NoticeActionKind,
}

async fn notice_action(State(commands): State<Commands>, Json(acted): Json<Acted>) -> Response {
    answer(commands.notice_action(acted.id, acted.action).await.map(|()| serde_json::json!({})))
}

/// The body of `unmute`: a kind, or all of them.
#[derive(Deserialize)]
struct Unmuted {
    #[serde(default)]
    kind: Option<NoticeKind>,
}

async fn unmute(State(commands): State<Commands>, Json(unmuted): Json<Unmuted>) -> Response {
    commands.unmute(unmuted.kind);
    answer(Ok(serde_json::json!({})))
}

fn answer(result: Result<serde_json::Value, CommandError>) -> Response {
    match result {
        Ok(value) => Json(value).into_response(),
        Err(error) => {
            let status = match error.code.as_str() {
                "unknown-model" | "unknown-provider" | "unknown-file" | "unknown-revision" | "unknown-notice"
                | "unknown-action" => StatusCode::NOT_FOUND,
                "bad-request" | "bad-variable" | "unknown-mask" => StatusCode::BAD_REQUEST,
                "no-listing" | "unreachable" => StatusCode::BAD_GATEWAY,
                _ => StatusCode::CONFLICT,
            };
            (status, Json(error)).into_response()
        }
    }
}
