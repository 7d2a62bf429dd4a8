//! The client's side: an answer as soon as there is one, signs of life until then, an error that names what was
//! tried when there is none.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use async_stream::stream;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures::{Stream, StreamExt};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use pilotlight_wire::error::{ApiError, ErrorKind, Position};
use pilotlight_wire::failure::{Failure, Meaning};
use pilotlight_wire::heartbeat::{BEFORE_A_BODY, Heart};
use pilotlight_wire::{ClientApi, Location};
use tokio::time::{Instant, sleep_until};

use crate::attempt::{Held, HeldStream, WholeAnswer};
use crate::code::Code;
use crate::events::Outcome;
use crate::exchange::Exchange;
use crate::plan::Plan;
use crate::record::{MODEL, Record, WAITING, ascii};
use crate::relay::{Opening, relay};
use crate::walk::{Exhausted, Found, walk};

/// The header with our id of the request.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The attempts under way. Dropping it, as happens when the client goes away, ends whatever it waits for.
type Work = Pin<Box<dyn Future<Output = Found> + Send>>;

/// Answers a request by this plan.
pub async fn answer(exchange: Arc<Exchange>, plan: Plan, record: Record, opening: Opening) -> Response {
    let timing = *exchange.timing();
    let streaming = exchange.streaming();
    let mut work: Work = Box::pin(in_turn(exchange.clone(), plan, record));
    let mut next = Instant::now() + if streaming { timing.first_beat } else { timing.patience };
    loop {
        tokio::select! {
            biased;
            found = &mut work => return found_in_time(exchange, found, opening),
            () = sleep_until(next) => {}
        }
        let waiting = exchange.waiting.get();
        let local = waiting.as_ref().is_some_and(|(_, location)| *location == Location::Local);
        // White space fixes the status at 200. For a hosted model, whose answer simply takes its time, the status is
        // worth more than a sign of life that its own servers do not give either.
        if streaming || local {
            let mut response = Response::new(Body::empty());
            let kind = if streaming { "text/event-stream" } else { "application/json" };
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            if let Some((model, _)) = waiting {
                headers.insert(WAITING, ascii(&model.to_string()));
            }
            *response.body_mut() = if streaming {
                Body::from_stream(beats_then_stream(exchange, work, opening))
            } else {
                Body::from_stream(beats_then_body(exchange, work))
            };
            return response;
        }
        next += timing.beat;
    }
}

/// Asks the candidates when it is this request's turn.
async fn in_turn(exchange: Arc<Exchange>, plan: Plan, mut record: Record) -> Found {
    tokio::select! {
        biased;
        turn = exchange.gateway.turns.take(exchange.most_requests) => record.holds(turn),
        () = exchange.closing.0.cancelled() => return Found { record, result: Err(Exhausted::stopped()) },
    }
    walk(exchange, plan, record).await
}

/// An error as an answer.
pub fn error_response(error: &ApiError, api: ClientApi) -> Response {
    let status = StatusCode::from_u16(error.kind.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = Response::new(Body::from(error.body(api).to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(seconds) = error.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn found_in_time(exchange: Arc<Exchange>, found: Found, opening: Opening) -> Response {
    let mut record = found.record;
    match found.result {
        Ok(Held::Stream(mut held)) => {
            record.content(&held.target);
            record.status(StatusCode::OK.as_u16());
            let mut headers = record.headers();
            headers.extend(std::mem::take(&mut held.headers));
            let is_stream = headers
                .get(header::CONTENT_TYPE)
                .is_some_and(|kind| kind.as_bytes().to_ascii_lowercase().starts_with(b"text/event-stream"));
            if !is_stream {
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
            }
            headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache"));
            let body = Body::from_stream(relay(exchange, held, record, None, opening, Bytes::new()));
            response(StatusCode::OK, headers, body)
        }
        Ok(Held::Whole(whole)) if !whole.status.is_success() && !is_json(&whole.body) => {
            let mut headers = record.headers();
            headers.insert(MODEL, ascii(&whole.target.model.to_string()));
            record.status(whole.status.as_u16());
            record.close(Outcome::Failed);
            let mut response = error_response(&refused_error(&whole), exchange.api);
            *response.status_mut() = whole.status;
            response.headers_mut().extend(headers);
            response
        }
        Ok(Held::Whole(whole)) => {
            whole_is_sent(&mut record, &whole, whole.status);
            let mut headers = record.headers();
            headers.insert(MODEL, ascii(&whole.target.model.to_string()));
            headers.extend(whole.headers);
            record.close(outcome(whole.status));
            response(whole.status, headers, Body::from(whole.body))
        }
        Err(exhausted) => nobody(&exchange, record, exhausted),
    }
}

fn nobody(exchange: &Exchange, mut record: Record, exhausted: Exhausted) -> Response {
    let mut headers = record.headers();
    let passes = exhausted.alone && exhausted.overflow.is_none() && !exhausted.stopped;
    let mut own = if passes { exhausted.misses.last() } else { None }
        .and_then(|(target, miss)| miss.answer.as_ref().map(|answer| (target, answer)));
    // What is no error of any API, such as a gateway's web page, is put into words.
    own = own.filter(|(_, answer)| is_json(&answer.body));
    // A redirect would lead the client, with its token, elsewhere.
    own = own.filter(|(_, answer)| answer.status.is_client_error() || answer.status.is_server_error());
    if let Some((target, answer)) = own {
        headers.insert(MODEL, ascii(&target.model.to_string()));
        headers.extend(answer.headers.clone());
        record.status(answer.status.as_u16());
        record.close(Outcome::Failed);
        return response(answer.status, headers, Body::from(answer.body.clone()));
    }
    let error = exhausted_error(&exchange.head.model, &record, &exhausted);
    record.status(error.kind.status());
    record.close(Outcome::Failed);
    let mut response = error_response(&error, exchange.api);
    if let Some(seconds) = exhausted.retry_at.map(|at| at.saturating_duration_since(Instant::now()).as_secs() + 1) {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response.headers_mut().extend(headers);
    response
}

fn is_json(body: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok()
}

fn response(status: StatusCode, headers: HeaderMap, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

fn whole_is_sent(record: &mut Record, whole: &WholeAnswer, sent: StatusCode) {
    if whole.status.is_success() {
        record.content(&whole.target);
        record.progress(whole.usage, true);
    }
    record.status(sent.as_u16());
}

fn outcome(status: StatusCode) -> Outcome {
    if status.is_success() { Outcome::Served } else { Outcome::Failed }
}

/// What was tried, and why each failed.
fn exhausted_error(asked: &str, record: &Record, exhausted: &Exhausted) -> ApiError {
    if exhausted.stopped {
        return ApiError::new(
            ErrorKind::Unavailable,
            "proxy_stopping",
            "Pilot Light is stopping: nobody has answered yet",
        );
    }
    let tried: Vec<String> = record
        .attempts()
        .iter()
        .map(|report| match report.detail.as_str() {
            "" => format!("{}: {}", report.model, report.code),
            detail => format!("{}: {} ({detail})", report.model, report.code),
        })
        .collect();
    let nobody = |no: &str| format!("{no} model could answer {asked:?}. {}", tried.join("; "));
    if let Some(overflow) = &exhausted.overflow {
        let message = format!("{overflow}. {}", nobody("No"));
        return ApiError::new(ErrorKind::InvalidRequest, "context_length_exceeded", message);
    }
    let message = nobody("no");
    // What the settings or the caller's token rule out, no second try brings.
    let ruled_out = |code| matches!(code, Code::LocalOnly | Code::Region);
    if exhausted.misses.is_empty() && !tried.is_empty() && record.attempts().iter().all(|one| ruled_out(one.code)) {
        return ApiError::new(ErrorKind::Forbidden, "model_not_allowed", message).about("model");
    }
    // What nobody's API has words for is the client's to change: to try it again would not help.
    if let Some((_, first)) = exhausted.misses.first()
        && exhausted.misses.iter().all(|(_, miss)| miss.code == Code::Untranslatable)
    {
        let code = first.failure.as_ref().and_then(|failure| failure.code.clone());
        return ApiError::new(ErrorKind::InvalidRequest, code.unwrap_or_else(|| "invalid_request".to_owned()), message);
    }
    // What only one candidate says of the request itself is the client's to mend.
    if let [(_, miss)] = exhausted.misses.as_slice()
        && let Some(failure) = &miss.failure
        && failure.meaning() == Meaning::InvalidRequest
    {
        return ApiError::new(ErrorKind::InvalidRequest, "invalid_request", message);
    }
    ApiError::new(ErrorKind::Unavailable, "no_model_available", message)
}

/// The client's own mistake, told after the status was sent.
fn refused_error(whole: &WholeAnswer) -> ApiError {
    let failure = Failure::read_body(&whole.body);
    let code = failure.code.unwrap_or_else(|| "invalid_request".to_owned());
    ApiError::new(ErrorKind::InvalidRequest, code, format!("{}: {}", whole.target.model, failure.message))
}

fn beats_then_stream(
    exchange: Arc<Exchange>,
    mut work: Work,
    opening: Opening,
) -> impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static {
    stream! {
        let at = Position {
            response_id: exchange.waiting.response_id().unwrap_or_else(|| opening.response_id.clone()),
            sequence: 0,
            created: opening.created,
            model: opening.asked.clone(),
        };
        let mut heart = Heart::new(exchange.api, at);
        let Found { mut record, result } = loop {
            yield Ok(heart.beat());
            let next = Instant::now() + exchange.timing().beat;
            tokio::select! {
                biased;
                found = &mut work => break found,
                () = sleep_until(next) => {}
            }
        };
        // What the attempts held is theirs no longer.
        drop(work);
        record.status(StatusCode::OK.as_u16());
        let error = match result {
            Ok(Held::Stream(held)) => {
                record.content(&held.target);
                let comment = Bytes::from(record.comment());
                for await piece in resume(exchange, held, record, heart, opening, comment) {
                    yield piece;
                }
                return;
            }
            Ok(Held::Whole(whole)) => refused_error(&whole),
            Err(exhausted) => exhausted_error(&exchange.head.model, &record, &exhausted),
        };
        let bytes = [record.comment().as_bytes(), &error.event(exchange.api, heart.position())].concat();
        record.close(Outcome::Failed);
        yield Ok(Bytes::from(bytes));
    }
}

fn resume(
    exchange: Arc<Exchange>,
    held: Box<HeldStream>,
    record: Record,
    heart: Heart,
    opening: Opening,
    comment: Bytes,
) -> impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static {
    relay(exchange, held, record, Some(heart), opening, comment).boxed()
}

fn beats_then_body(
    exchange: Arc<Exchange>,
    mut work: Work,
) -> impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static {
    stream! {
        let Found { mut record, result } = loop {
            yield Ok(Bytes::from_static(BEFORE_A_BODY.as_bytes()));
            let next = Instant::now() + exchange.timing().beat;
            tokio::select! {
                biased;
                found = &mut work => break found,
                () = sleep_until(next) => {}
            }
        };
        drop(work);
        let (body, outcome) = match result {
            Ok(Held::Whole(whole)) => {
                whole_is_sent(&mut record, &whole, StatusCode::OK);
                (whole.body, outcome(whole.status))
            }
            // A request for a whole answer is never held as a stream.
            Ok(Held::Stream(_)) => return,
            Err(exhausted) => {
                let error = exhausted_error(&exchange.head.model, &record, &exhausted);
                (Bytes::from(error.body(exchange.api).to_string()), Outcome::Failed)
            }
        };
        record.status(StatusCode::OK.as_u16());
        record.close(outcome);
        yield Ok(body);
    }
}
