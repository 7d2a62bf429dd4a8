//! One try at one upstream: send the request, and hold what comes until it is known to be an answer.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, header};
use pilotlight_wire::body::RequestHead;
use pilotlight_wire::signal::{Answer, Silence, StreamReader, read_body};
use pilotlight_wire::sse::Frame;
use pilotlight_wire::translate::dated::without_refused;
use pilotlight_wire::translate::sanitise::sanitise;
use pilotlight_wire::translate::stream::translate_answer;
use pilotlight_wire::{UpstreamApi, Usage};
use tokio::time::Instant;

use crate::answered_by::of_json;
use crate::aside::aside;
use crate::clients::{AnswerBody, Post};
use crate::code::Code;
use crate::crossing::{Way, is_vendor, note_dropped, remember, upstream_of, way};
use crate::exchange::{Exchange, Incoming};
use crate::hold::hold;
use crate::routes::Target;
use crate::silence;
use crate::source::Source;
use crate::upstream;
use crate::verdict::{Miss, UpstreamError};

/// The most that is kept of an error's body.
const LARGEST_ERROR: usize = 1024 * 1024;
/// The largest answer that is not streamed.
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;
/// How long the body of an error may take.
const ERROR_TIME: Duration = Duration::from_secs(5);

/// An answer that has shown content, or is whole.
pub enum Held {
    /// A stream, up to its first content.
    Stream(Box<HeldStream>),
    /// A whole body.
    Whole(Box<WholeAnswer>),
}

/// A stream that has shown content.
pub struct HeldStream {
    /// Who streams.
    pub target: Arc<Target>,
    /// Those of the upstream's headers that a client gets.
    pub headers: HeaderMap,
    /// The events up to the first content.
    pub frames: Vec<Frame>,
    /// The rest.
    pub source: Source,
    /// What was read of it so far.
    pub reader: StreamReader,
    /// The keeper's guard.
    pub busy: Option<Box<dyn Send>>,
}

/// A whole answer.
pub struct WholeAnswer {
    /// Who answered.
    pub target: Arc<Target>,
    /// The upstream's status.
    pub status: StatusCode,
    /// Those of the upstream's headers that a client gets.
    pub headers: HeaderMap,
    /// The body as the client gets it.
    pub body: Bytes,
    /// The model that the upstream says answered, where the body was translated.
    pub model: Option<String>,
    /// Its tokens.
    pub usage: Option<Usage>,
}

/// Asks one target.
///
/// # Errors
/// When it gives no answer; nothing was sent to the client then.
pub async fn attempt(exchange: &Exchange, target: &Arc<Target>) -> Result<Held, Miss> {
    let timing = exchange.timing();
    let streaming = exchange.streaming();
    let patience = if streaming { target.first_content } else { target.first_content.saturating_mul(timing.whole) };
    let (way, post, dropped) = {
        let incoming = exchange.incoming();
        aside(incoming.body.len(), || prepared(exchange, &incoming, target))?
    };
    let busy = Some(exchange.gateway.busy(target));
    let sent = exchange.gateway.clients.post(target, timing, &post);
    let response = patiently(exchange, target, patience, "no answer", sent).await??;
    let status = response.status();
    let mut headers = upstream::answered(response.headers());
    note_dropped(&mut headers, &dropped);
    if !status.is_success() {
        // The time of its body does not count: the status alone is the failure.
        let body = tokio::time::timeout(ERROR_TIME, read(response.into_body(), LARGEST_ERROR)).await;
        let body = body.ok().and_then(Result::ok).unwrap_or_default();
        let miss = Miss::status(UpstreamError { status, headers, body });
        return Err(if matches!(way, Way::Across(_)) { miss.reworded(exchange.api) } else { miss });
    }
    let encoding = response.headers().get(header::CONTENT_ENCODING);
    if encoding.is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(Miss::new(Code::Malformed, "an encoded answer, although none was asked for"));
    }
    let headers = match &way {
        Way::Straight(_) => headers,
        Way::Across(crossing) => crossing.answered(headers, streaming),
    };
    if streaming {
        let source = match &way {
            Way::Straight(_) => Source::straight(response.into_body()),
            Way::Across(crossing) => {
                Source::across(response.into_body(), &crossing.asked, exchange.api, crossing.opening.clone())
            }
        };
        let (frames, source, reader) = hold(exchange, target, source).await?;
        let held = HeldStream { target: target.clone(), headers, frames, source, reader, busy };
        return Ok(Held::Stream(Box::new(held)));
    }
    let whole = read(response.into_body(), LARGEST_ANSWER);
    let body = patiently(exchange, target, patience, "no whole answer", whole).await??;
    let whole = aside(body.len(), || read_whole(exchange, target, &way, (status, headers), body))?;
    Ok(Held::Whole(Box::new(whole)))
}

/// A whole answer in the client's API.
fn read_whole(
    exchange: &Exchange,
    target: &Arc<Target>,
    way: &Way,
    (status, headers): (StatusCode, HeaderMap),
    body: Bytes,
) -> Result<WholeAnswer, Miss> {
    let (body, model) = match way {
        Way::Straight(_) => (body, None),
        Way::Across(crossing) => {
            let model = of_json(&body);
            let (body, said) = translate_answer(&crossing.asked, exchange.api, &crossing.opening, &body)
                .map_err(|failure| Miss::told(Code::ErrorBody, failure))?;
            remember(exchange, &said, &crossing.opening.names);
            (body, model)
        }
    };
    match read_body(exchange.api, &body) {
        Answer::Whole(usage) => {
            silence::judge(exchange, target, Silence::of_body(exchange.api, &body, usage))?;
            Ok(WholeAnswer { target: target.clone(), status, headers, body, model, usage })
        }
        Answer::Failed(failure) => Err(Miss::told(Code::ErrorBody, failure)),
        Answer::Malformed(what) => Err(Miss::new(Code::Malformed, what)),
    }
}

/// What is sent, in which API, and what was left out of a body that passes.
fn prepared(exchange: &Exchange, incoming: &Incoming, target: &Target) -> Result<(Way, Post, Vec<&'static str>), Miss> {
    let way = way(exchange, incoming, target)?;
    let unsendable = |why| Miss::new(Code::Key, why);
    Ok(match &way {
        Way::Straight(previous) => {
            let (body, dropped) = dated_body(incoming, target);
            let post = Post {
                url: upstream::address(target, exchange.api, exchange.query.as_deref()),
                headers: upstream::headers(target, &incoming.headers).map_err(unsendable)?,
                body: straight_body(exchange, &body, target, previous.as_deref()),
            };
            (way, post, dropped)
        }
        Way::Across(crossing) => {
            let post = Post {
                url: upstream::address_across(target, &crossing.outgoing),
                headers: upstream::headers_across(target, &incoming.headers, &crossing.outgoing).map_err(unsendable)?,
                body: crossing.outgoing.body.clone(),
            };
            (way, post, Vec::new())
        }
    })
}

/// The body without what Anthropic refuses in the version that the client asks for.
fn dated_body(incoming: &Incoming, target: &Target) -> (Bytes, Vec<&'static str>) {
    let version = incoming.headers.get("anthropic-version").and_then(|version| version.to_str().ok());
    let anthropic = target.api == UpstreamApi::AnthropicMessages && is_vendor(target);
    match version.filter(|_| anthropic).and_then(|version| without_refused(version, &incoming.body)) {
        Some((body, dropped)) => (body.into(), dropped),
        None => (incoming.body.clone(), Vec::new()),
    }
}

/// The body as it came, with the upstream's own name of the model, and without what only another provider can read.
fn straight_body(exchange: &Exchange, body: &Bytes, target: &Target, previous: Option<&str>) -> Bytes {
    let provenance = &exchange.gateway.provenance;
    let cleared = sanitise(exchange.api, body, &upstream_of(target), &|value| provenance.writer(value));
    let changed = match cleared {
        Some(cleared) => Some(Bytes::from(cleared)),
        // What the head knows of the places in a body holds for the body as it came.
        None => (body.len() != exchange.incoming().body.len()).then(|| body.clone()),
    };
    match changed.and_then(|body| RequestHead::read(&body).ok().map(|head| (head, body))) {
        Some((head, body)) => head.rewritten(&body, &target.upstream_id, previous),
        None => exchange.head.rewritten(body, &target.upstream_id, previous),
    }
}

/// Gives up after a while, or after as much more while the target is seen to work: a long prompt is read in silence.
pub async fn patiently<T>(
    exchange: &Exchange,
    target: &Target,
    time: Duration,
    what: &str,
    future: impl Future<Output = T>,
) -> Result<T, Miss> {
    let begun = Instant::now();
    let mut future = std::pin::pin!(future);
    loop {
        if let Ok(done) = tokio::time::timeout(time, &mut future).await {
            return Ok(done);
        }
        let works = target.managed && exchange.gateway.local.is_working(&target.model);
        if !works || begun.elapsed() >= exchange.timing().load {
            let seconds = begun.elapsed().as_secs_f64();
            return Err(Miss::new(Code::Timeout, format!("{what} within {} s", (seconds * 10.0).round() / 10.0)));
        }
    }
}

/// Reads a body of at most `most` bytes.
pub async fn read(mut answer: AnswerBody, most: usize) -> Result<Bytes, Miss> {
    let mut body = BytesMut::new();
    loop {
        match answer.chunk().await {
            Ok(None) => return Ok(body.freeze()),
            Ok(Some(bytes)) if body.len() + bytes.len() > most => {
                return Err(Miss::new(Code::Malformed, format!("a body of more than {most} bytes")));
            }
            Ok(Some(bytes)) => body.extend_from_slice(&bytes),
            Err(why) => return Err(Miss::new(Code::Cut, why)),
        }
    }
}

/// Reads what is left of an error that came in place of a stream; what does not come in time is left out.
pub async fn read_pending(mut source: Source) -> Bytes {
    let more = async { while source.pending().len() < LARGEST_ERROR && source.fill().await.unwrap_or(false) {} };
    let _ = tokio::time::timeout(ERROR_TIME, more).await;
    Bytes::copy_from_slice(source.pending())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::target;

    #[test]
    fn what_anthropic_refuses_in_a_version_is_left_out_for_it_alone() {
        let body = Bytes::from_static(br#"{"model":"primary","temperature":0.5,"max_tokens":9}"#);
        let left = |base: &str, version: &'static str| {
            let api = UpstreamApi::AnthropicMessages;
            let target = Target { base_url: base.parse().unwrap(), api, ..(*target("a/b")).clone() };
            let headers = HeaderMap::from_iter([("anthropic-version".parse().unwrap(), version.parse().unwrap())]);
            let incoming = Incoming::kept(body.clone(), headers).into_inner().unwrap().unwrap();
            let (left, dropped) = dated_body(&incoming, &target);
            assert_eq!(dropped == ["temperature"], left != body);
            String::from_utf8(left.to_vec()).unwrap()
        };
        let anthropic = "https://api.anthropic.com";
        assert_eq!(left(anthropic, "2026-10-21"), r#"{"model":"primary","max_tokens":9}"#);
        assert_eq!(left(anthropic, "2023-06-01"), body);
        assert_eq!(left("http://127.0.0.1:1234", "2026-10-21"), body);
    }
}
