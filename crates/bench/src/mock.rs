//! The upstream of every contestant: a server that does as little as it can, so that what is between it and the client
//! shows. The simulator keeps a list of its requests and knows faults; here an answer is a constant or a stamped event.
//!
//! The model's name says what is answered, since a name reaches the upstream through every proxy and translation.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Either, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::time::{Instant, Sleep, sleep_until};

/// The events of every stream but the slow ones.
pub const EVENTS: usize = 51;
/// Between two events of a paced stream.
pub const PACE: Duration = Duration::from_millis(20);
/// Between two events of a slow stream.
pub const SLOW_PACE: Duration = Duration::from_secs(1);
/// The events of a slow stream.
pub const SLOW_EVENTS: usize = 14;

/// What stands before a time in an event's text.
pub const STAMP: u8 = b'@';

/// Now, as microseconds since 1970: one clock for all processes of this machine.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// The APIs that it speaks.
#[derive(Clone, Copy)]
enum Api {
    Chat,
    Responses,
    Messages,
}

impl Api {
    /// How many events stand before and behind those with text.
    fn around(self) -> (usize, usize) {
        match self {
            Api::Chat => (1, 2),
            Api::Responses => (3, 4),
            Api::Messages => (2, 3),
        }
    }

    /// The `place`th of `total` events.
    fn event(self, place: usize, total: usize) -> String {
        let (before, behind) = self.around();
        let stamp = now();
        let last = total - 1 - place;
        match self {
            Api::Chat if place < before => chat(r#"{"role":"assistant","content":""}"#, "null"),
            Api::Chat if last == 1 => chat("{}", "\"stop\""),
            Api::Chat if last == 0 => "data: [DONE]\n\n".to_owned(),
            Api::Chat => chat(&format!(r#"{{"content":" @{stamp}"}}"#), "null"),
            Api::Responses => {
                let (name, fields) = match (place, last) {
                    (0, _) => ("response.created", format!(r#""response":{}"#, response("in_progress", "[]"))),
                    (1, _) => (
                        "response.output_item.added",
                        format!(r#""output_index":0,"item":{}"#, item("in_progress", "")),
                    ),
                    (2, _) => (
                        "response.content_part.added",
                        format!(r#""item_id":"msg_1","output_index":0,"content_index":0,"part":{}"#, part("")),
                    ),
                    (_, 3) => (
                        "response.output_text.done",
                        r#""item_id":"msg_1","output_index":0,"content_index":0,"text":"done""#.to_owned(),
                    ),
                    (_, 2) => (
                        "response.content_part.done",
                        format!(r#""item_id":"msg_1","output_index":0,"content_index":0,"part":{}"#, part("done")),
                    ),
                    (_, 1) => (
                        "response.output_item.done",
                        format!(r#""output_index":0,"item":{}"#, item("completed", "done")),
                    ),
                    (_, 0) => (
                        "response.completed",
                        format!(r#""response":{}"#, response("completed", &format!("[{}]", item("completed", "done")))),
                    ),
                    _ => (
                        "response.output_text.delta",
                        format!(r#""item_id":"msg_1","output_index":0,"content_index":0,"delta":" @{stamp}""#),
                    ),
                };
                format!("event: {name}\ndata: {{\"type\":\"{name}\",\"sequence_number\":{place},{fields}}}\n\n")
            }
            Api::Messages => {
                debug_assert!(before == 2 && behind == 3);
                let (name, fields) = match (place, last) {
                    (0, _) => ("message_start", r#","message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":90,"output_tokens":1}}"#.to_owned()),
                    (1, _) => ("content_block_start", r#","index":0,"content_block":{"type":"text","text":""}"#.to_owned()),
                    (_, 2) => ("content_block_stop", r#","index":0"#.to_owned()),
                    (_, 1) => ("message_delta", r#","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":48}"#.to_owned()),
                    (_, 0) => ("message_stop", String::new()),
                    _ => ("content_block_delta", format!(r#","index":0,"delta":{{"type":"text_delta","text":" @{stamp}"}}"#)),
                };
                format!("event: {name}\ndata: {{\"type\":\"{name}\"{fields}}}\n\n")
            }
        }
    }

    fn whole(self) -> String {
        match self {
            Api::Chat => format!(
                r#"{{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"m","choices":[{{"index":0,"message":{{"role":"assistant","content":"{TEXT}"}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":90,"completion_tokens":48,"total_tokens":138}}}}"#
            ),
            Api::Responses => response("completed", &format!("[{}]", item("completed", TEXT))),
            Api::Messages => format!(
                r#"{{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{{"type":"text","text":"{TEXT}"}}],"stop_reason":"end_turn","stop_sequence":null,"usage":{{"input_tokens":90,"output_tokens":48}}}}"#
            ),
        }
    }
}

const TEXT: &str = "A pilot light is the small flame that keeps a furnace ready. It burns all the time and uses little, \
    so that the large one is there at once when it is wanted.";

fn chat(delta: &str, finish: &str) -> String {
    format!(
        "data: {{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"m\",\
         \"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]}}\n\n"
    )
}

fn response(status: &str, output: &str) -> String {
    format!(
        r#"{{"id":"resp_1","object":"response","created_at":1700000000,"status":"{status}","model":"m","output":{output},"usage":{{"input_tokens":90,"output_tokens":48,"total_tokens":138}}}}"#
    )
}

fn item(status: &str, text: &str) -> String {
    let content = if text.is_empty() { String::new() } else { part(text) };
    format!(r#"{{"id":"msg_1","type":"message","role":"assistant","status":"{status}","content":[{content}]}}"#)
}

fn part(text: &str) -> String {
    format!(r#"{{"type":"output_text","text":"{text}","annotations":[]}}"#)
}

/// Events that come by themselves, at their pace. Without one they are written one by one all the same, as a server
/// does that flushes each: what a proxy makes of many small writes is what a burst shows.
struct Events {
    api: Api,
    next: usize,
    total: usize,
    pace: Option<(Duration, Pin<Box<Sleep>>)>,
    flushed: bool,
}

impl Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.next == self.total {
            return Poll::Ready(None);
        }
        let (before, behind) = self.api.around();
        let has_text = self.next > before && self.next < self.total - behind;
        if let (true, Some((pace, sleep))) = (has_text, &mut self.pace) {
            ready!(sleep.as_mut().poll(context));
            let due = sleep.deadline() + *pace;
            sleep.as_mut().reset(due);
        } else if self.pace.is_none() && !self.flushed {
            self.flushed = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.flushed = false;
        let event = self.api.event(self.next, self.total);
        self.next += 1;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(event)))))
    }
}

#[derive(Deserialize)]
struct Asked {
    model: String,
    #[serde(default)]
    stream: bool,
}

type Answer = Response<Either<Full<Bytes>, Events>>;

fn whole(status: StatusCode, text: String) -> Answer {
    let mut answer = Response::new(Either::Left(Full::new(Bytes::from(text))));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

async fn answer(request: Request<Incoming>) -> Result<Answer, hyper::Error> {
    let api = match request.uri().path() {
        "/v1/chat/completions" => Api::Chat,
        "/v1/responses" => Api::Responses,
        "/v1/messages" => Api::Messages,
        "/v1/models" => {
            let names =
                ["plain", "burst", "paced", "slow"].map(|name| format!(r#"{{"id":"{name}","object":"model"}}"#));
            return Ok(whole(StatusCode::OK, format!(r#"{{"object":"list","data":[{}]}}"#, names.join(","))));
        }
        _ => return Ok(whole(StatusCode::NOT_FOUND, r#"{"error":{"message":"not here"}}"#.to_owned())),
    };
    let body = request.into_body().collect().await?.to_bytes();
    let Ok(asked) = serde_json::from_slice::<Asked>(&body) else {
        return Ok(whole(StatusCode::BAD_REQUEST, r#"{"error":{"message":"no request"}}"#.to_owned()));
    };
    if !asked.stream {
        return Ok(whole(StatusCode::OK, api.whole()));
    }
    let every = |pace: Duration| Some((pace, Box::pin(sleep_until(Instant::now() + pace))));
    let (pace, total) = match asked.model.split('-').next().unwrap_or_default() {
        "paced" => (every(PACE), EVENTS),
        "slow" => (every(SLOW_PACE), SLOW_EVENTS),
        _ => (None, EVENTS),
    };
    let mut answer = Response::new(Either::Right(Events { api, next: 0, total, pace, flushed: false }));
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    Ok(answer)
}

/// Answers until the process is ended.
pub async fn serve(listener: TcpListener) -> Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        // A client that goes away is no concern of ours.
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)));
    }
}
