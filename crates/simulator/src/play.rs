//! Sending an answer: event by event, at its pace, until the end or until a fault strikes or the model goes away.
//! Knows nothing of any API's form; the events come ready.

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, header};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::api::Event;
use crate::api::errors::{Streaming, gone};
use crate::fault::{After, Fault, Malformed};
use crate::lm_studio::shelf::{Doing, Fate, UnloadCause};
use crate::server::Shared;

/// What a request is answered with, before faults.
pub(crate) enum Reply {
    /// All at once.
    Whole(Whole),
    /// Event by event.
    Stream(Box<Script>),
}

/// An answer in one piece.
pub(crate) struct Whole {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) content_type: &'static str,
    pub(crate) body: Bytes,
}

impl Whole {
    pub(crate) fn json(status: u16, body: &Value) -> Whole {
        Whole {
            status,
            headers: HeaderMap::new(),
            content_type: "application/json; charset=utf-8",
            body: Bytes::from(body.to_string()),
        }
    }

    pub(crate) fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        *response.headers_mut() = self.headers;
        if !response.headers().contains_key(header::CONTENT_TYPE) {
            response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(self.content_type));
        }
        response
    }
}

impl From<Whole> for Reply {
    fn from(whole: Whole) -> Reply {
        Reply::Whole(whole)
    }
}

/// A streamed answer.
pub(crate) struct Script {
    pub(crate) events: Vec<Event>,
    pub(crate) streaming: Streaming,
    /// The instance that generates, for servers that run models themselves.
    pub(crate) running: Option<Running>,
    pub(crate) headers: HeaderMap,
}

/// The use of an instance by one request. While it lives the instance is busy.
pub(crate) struct Running {
    pub(crate) shared: Arc<Shared>,
    pub(crate) number: u64,
    pub(crate) fate: watch::Receiver<Fate>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.shelf().release(self.number, Instant::now());
    }
}

impl Running {
    /// What it has the instance do from now on; at first that reads the prompt.
    pub(crate) fn does(&self, doing: Doing) {
        self.shared.shelf().does(self.number, doing);
    }

    /// Waits so long, or until the instance is gone; then says what its server would.
    pub(crate) async fn work(&mut self, time: Duration) -> Result<(), &'static str> {
        let end = sleep(time);
        tokio::pin!(end);
        loop {
            if let Fate::Gone(cause) = *self.fate.borrow_and_update() {
                return Err(gone(self.shared.kind, cause == UnloadCause::Crash, false));
            }
            tokio::select! {
                () = &mut end => return Ok(()),
                changed = self.fate.changed() => if changed.is_err() { return Err(gone(self.shared.kind, false, false)) },
            }
        }
    }
}

/// The means to break one connection.
#[derive(Clone)]
pub(crate) struct Cutter {
    pub(crate) now: CancellationToken,
    pub(crate) reset: Arc<AtomicBool>,
    /// Cancelled when the listener closes.
    pub(crate) closes: CancellationToken,
}

impl Cutter {
    pub(crate) fn new(closes: CancellationToken) -> Cutter {
        Cutter { now: CancellationToken::new(), reset: Arc::new(AtomicBool::new(false)), closes }
    }

    /// Breaks the connection, once what was sent before has left. Never returns.
    pub(crate) async fn cut<T>(&self, reset: bool) -> T {
        // A body that is pending is flushed; then the connection may go.
        sleep(Duration::from_millis(2)).await;
        self.reset.store(reset, Ordering::Relaxed);
        self.now.cancel();
        std::future::pending().await
    }
}

/// Sends a whole answer, with this fault.
pub(crate) fn whole(whole: Whole, fault: Option<Fault>, cutter: Cutter) -> Response<Body> {
    let length = whole.body.len();
    let half = whole.body.slice(..length / 2);
    let headers_only = fault.as_ref().and_then(Fault::after) == Some(After::Headers);
    let first = if headers_only { Bytes::new() } else { half.clone() };
    match fault {
        Some(Fault::Hang { .. }) => partly(whole, first, None),
        Some(Fault::Cut { reset, .. }) => partly(whole, first, Some((cutter, reset))),
        Some(Fault::End { .. } | Fault::Malformed { form: Malformed::BadJson, .. }) => {
            Whole { body: half, ..whole }.into_response()
        }
        Some(Fault::Malformed { form: Malformed::Unframed, .. }) => {
            Whole { body: Bytes::from_static(UNFRAMED.as_bytes()), ..whole }.into_response()
        }
        _ => whole.into_response(),
    }
}

/// A body that promises its whole length, gives the first part, and then either nothing more or the end of the line.
fn partly(whole: Whole, first: Bytes, cut: Option<(Cutter, bool)>) -> Response<Body> {
    let length = whole.body.len();
    let mut response = whole.into_response();
    response.headers_mut().insert(header::CONTENT_LENGTH, header::HeaderValue::from(length));
    *response.body_mut() = Body::from_stream(async_stream::stream! {
        yield Ok::<Bytes, std::io::Error>(first);
        if let Some((cutter, reset)) = cut {
            yield cutter.cut(reset).await;
        }
        std::future::pending::<()>().await;
    });
    response
}

/// What a stream behind a proxy was seen to end with when its upstream crashed.
const UNFRAMED: &str = "proxy error: Failed to read connection";

/// A page instead of an answer.
pub(crate) fn html_page() -> Whole {
    let page = "<!doctype html><html><head><title>Welcome</title></head><body><h1>It works!</h1></body></html>";
    Whole {
        status: 200,
        headers: HeaderMap::new(),
        content_type: "text/html; charset=utf-8",
        body: Bytes::from_static(page.as_bytes()),
    }
}

/// Sends a streamed answer, with this fault.
pub(crate) fn stream(script: Script, fault: Option<Fault>, cutter: Cutter, shared: Arc<Shared>) -> Response<Body> {
    let mut headers = script.headers.clone();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(script.streaming.content_type()));
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-cache"));
    let mut response = Response::new(Body::from_stream(events(script, fault, cutter, shared)));
    *response.headers_mut() = headers;
    response
}

fn events(
    script: Script,
    fault: Option<Fault>,
    cutter: Cutter,
    shared: Arc<Shared>,
) -> impl futures::Stream<Item = Result<Bytes, std::io::Error>> + Send + 'static {
    async_stream::stream! {
        let Script { events, streaming, mut running, .. } = script;
        let total = events.iter().filter(|e| e.content).count();
        let mut fault = fault;
        let (mut sent, mut content_sent) = (0, 0);
        for event in events {
            if fault.as_ref().is_some_and(|f| is_due(f, content_sent, total, event.content))
                && let Some(fault) = fault.take()
            {
                match fault {
                    Fault::Hang { .. } => std::future::pending::<()>().await,
                    Fault::Cut { reset, .. } => cutter.cut::<()>(reset).await,
                    Fault::ErrorEvent { message, code, .. } => {
                        yield Ok(streaming.error(sent, message.as_deref(), code.as_deref()));
                        return;
                    }
                    Fault::End { .. } => return,
                    Fault::Malformed { form: Malformed::BadJson, .. } => {
                        yield Ok(streaming.bad_json());
                        return;
                    }
                    Fault::Malformed { .. } => {
                        yield Ok(Bytes::from_static(UNFRAMED.as_bytes()));
                        return;
                    }
                    Fault::Unload { cause, .. } => {
                        if let Some(running) = &running {
                            shared.shelf().unload_number(running.number, cause);
                            shared.note_change();
                        }
                    }
                    Fault::Die { .. } => {
                        // What was sent must have left: kill -9 leaves what is in the socket's buffer.
                        sleep(Duration::from_millis(2)).await;
                        shared.die();
                        std::future::pending::<()>().await;
                    }
                    Fault::Refuse {} | Fault::Status { .. } | Fault::SlowFirstByte { .. }
                    | Fault::LoadTakes { .. } | Fault::LoadFails { .. } => {}
                }
            }
            match &mut running {
                Some(running) => {
                    if let Err(message) = running.work(event.delay).await {
                        yield Ok(streaming.error(sent, Some(message), None));
                        return;
                    }
                }
                None if event.delay > Duration::ZERO => sleep(event.delay).await,
                None => {}
            }
            sent += 1;
            content_sent += usize::from(event.content);
            yield Ok(event.bytes);
        }
    }
}

/// Whether the fault strikes now, that is before the next event.
fn is_due(fault: &Fault, content_sent: usize, total: usize, next_is_content: bool) -> bool {
    match fault.after() {
        Some(After::Content(0)) => next_is_content || total == 0,
        Some(After::Content(n)) => content_sent >= n.min(total),
        Some(After::Headers | After::Request) => true,
        None => false,
    }
}
