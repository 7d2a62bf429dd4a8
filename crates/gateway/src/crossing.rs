//! One attempt at an upstream that speaks another API than the client: the request written for it, and what is needed to
//! write its answer for the client. Where both speak the same, nothing of this is touched.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use pilotlight_wire::error::{ApiError, ErrorKind};
use pilotlight_wire::failure::Failure;
use pilotlight_wire::translate::history::{answered, conversation, resume};
use pilotlight_wire::translate::{Asked, Event, Names, Opening, Outgoing, Prompt, Turn, Upstream};
use pilotlight_wire::translate::{count::estimate_tokens, read_request, write_request};
use pilotlight_wire::{ClientApi, UpstreamApi};
use serde_json::Value;

use crate::code::Code;
use crate::conversations::{Kept, Known};
use crate::exchange::{Exchange, Incoming};
use crate::record::ascii;
use crate::routes::Target;
use crate::verdict::{Miss, UpstreamError};

/// The header that names what a translation had to leave out.
pub const DROPPED: HeaderName = HeaderName::from_static("x-pilotlight-dropped");

/// A request in no API's own form, with what it goes on from.
pub struct Understood {
    prompt: Prompt,
    /// The conversation that it goes on with, if it is kept here.
    earlier: Option<Arc<Kept>>,
    /// What it says itself: the turns that are remembered with its answer.
    own: Vec<Turn>,
    estimate: u64,
    echo: Value,
}

/// What an attempt at another API needs.
pub struct Crossing {
    /// For reading the answer.
    pub asked: Asked,
    /// For writing it.
    pub opening: Opening,
    /// The request.
    pub outgoing: Outgoing,
}

/// How a request goes to a target.
pub enum Way {
    /// As it is. The response that it goes on from has this id there.
    Straight(Option<String>),
    /// Translated.
    Across(Box<Crossing>),
}

/// How this request goes to this target.
///
/// # Errors
/// When it cannot: the request is not understood, or says what the target's API has no way to say.
pub fn way(exchange: &Exchange, incoming: &Incoming, target: &Target) -> Result<Way, Miss> {
    let same = target.api.speaks(exchange.api);
    if same {
        let Some(previous) = previous(exchange) else { return Ok(Way::Straight(None)) };
        match exchange.gateway.conversations.get(previous) {
            // Told to go on from what only another upstream knows, this one would refuse or, worse, begin anew.
            Some(Known::There { provider, .. }) if provider != target.model.provider() => {
                return Err(kept_by(previous, &provider));
            }
            Some(Known::There { id, .. }) => return Ok(Way::Straight(Some(id))),
            Some(Known::Here(_)) => {}
            None => return Ok(Way::Straight(None)),
        }
    }
    let understood = incoming.understood(exchange).as_ref().map_err(|error| own_mistake(error, exchange.api))?;
    let upstream = upstream_of(target);
    let mut outgoing =
        write_request(&understood.prompt, &upstream).map_err(|error| unsayable(error.code, error.message))?;
    let asked = Asked::of(&understood.prompt, &upstream, &outgoing.names);
    let asked = asked.keeping(&understood.prompt, &mut outgoing.notes);
    let opening = Opening {
        id: exchange.name.clone(),
        created: exchange.created,
        model: target.upstream_id.clone(),
        usage_wanted: understood.prompt.usage_wanted,
        input_estimate: understood.estimate,
        names: outgoing.names.clone(),
        echo: understood.echo.clone(),
    };
    Ok(Way::Across(Box::new(Crossing { asked, opening, outgoing })))
}

/// Reads a request into no API's own form, behind the conversation that it goes on with.
///
/// # Errors
/// In words for the client.
pub fn understand(exchange: &Exchange, body: &[u8]) -> Result<Understood, ApiError> {
    let mut prompt = read_request(exchange.api, body)?;
    if exchange.api == ClientApi::Messages && prompt.max_output.is_none() {
        let missing = ApiError::new(ErrorKind::InvalidRequest, "invalid_request", "max_tokens: Field required");
        return Err(missing.about("max_tokens"));
    }
    let estimate = estimate_tokens(&prompt);
    let echo = match exchange.api {
        ClientApi::Responses => echo(body),
        _ => Value::Null,
    };
    let own = match exchange.api {
        ClientApi::Responses => conversation(&prompt, Vec::new()),
        _ => Vec::new(),
    };
    let mut earlier = None;
    if let Some(previous) = previous(exchange) {
        match exchange.gateway.conversations.get(previous) {
            Some(Known::Here(kept)) => {
                resume(&mut prompt, kept.turns());
                earlier = Some(kept);
            }
            Some(Known::There { provider, .. }) => return Err(not_found(previous, &format!("{provider} keeps it"))),
            None => return Err(not_found(previous, "it is not known here")),
        }
    }
    Ok(Understood { prompt, earlier, own, estimate, echo })
}

/// Remembers an answer, so that the client can go on from it.
pub fn remember(exchange: &Exchange, said: &[Event], names: &Names) {
    let incoming = exchange.incoming();
    let (ClientApi::Responses, Ok(understood)) = (exchange.api, incoming.understood(exchange)) else { return };
    if understood.prompt.store == Some(false) {
        return;
    }
    let mut turns = understood.own.clone();
    turns.extend(answered(said, names));
    exchange.gateway.conversations.keep(format!("resp_{}", exchange.name), understood.earlier.clone(), turns);
}

fn previous(exchange: &Exchange) -> Option<&str> {
    exchange.head.previous_response_id.as_deref().filter(|_| exchange.api == ClientApi::Responses)
}

fn not_found(id: &str, why: &str) -> ApiError {
    let message =
        format!("previous response {id:?} cannot be gone on with: {why}. Send the whole conversation instead");
    ApiError::new(ErrorKind::InvalidRequest, "previous_response_not_found", message).about("previous_response_id")
}

fn kept_by(id: &str, provider: &str) -> Miss {
    unsayable("previous_response_not_found".into(), format!("the conversation of {id:?} is kept by {provider}"))
}

/// What the request says has no words in the target's API.
fn unsayable(code: Cow<'static, str>, message: String) -> Miss {
    let failure = Failure { code: Some(code.into_owned()), message: message.clone() };
    Miss { failure: Some(failure), ..Miss::new(Code::Untranslatable, message) }
}

/// The client's own mistake, told in its own form: no other candidate would make it right.
fn own_mistake(error: &ApiError, api: ClientApi) -> Miss {
    let status = StatusCode::from_u16(error.kind.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let body = Bytes::from(error.body(api).to_string());
    let mut miss = Miss::new(Code::InvalidRequest, error.message.clone());
    miss.answer = Some(Box::new(UpstreamError { status, headers, body }));
    miss
}

/// What a Responses answer repeats of its request.
fn echo(body: &[u8]) -> Value {
    const KEYS: [&str; 15] = [
        "instructions",
        "max_output_tokens",
        "max_tool_calls",
        "metadata",
        "parallel_tool_calls",
        "previous_response_id",
        "prompt_cache_key",
        "reasoning",
        "safety_identifier",
        "store",
        "temperature",
        "text",
        "tool_choice",
        "tools",
        "top_p",
    ];
    let Ok(Value::Object(mut request)) = serde_json::from_slice(body) else { return Value::Null };
    KEYS.iter()
        .filter_map(|key| Some(((*key).to_owned(), request.remove(*key)?)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// What the writer of a request must know of a target.
pub fn upstream_of(target: &Target) -> Upstream {
    Upstream {
        api: target.api.clone(),
        provider: target.model.provider().to_owned(),
        model: target.upstream_id.clone(),
        max_tokens: target.max_tokens,
        vendor: is_vendor(target),
        images: target.images,
        compat: target.compat.clone(),
    }
}

/// Whether the upstream is the vendor of its API itself.
pub fn is_vendor(target: &Target) -> bool {
    let vendor = match target.api {
        UpstreamApi::OpenaiResponses | UpstreamApi::OpenaiCompletions => "api.openai.com",
        UpstreamApi::AnthropicMessages => "api.anthropic.com",
        UpstreamApi::GoogleGenerativeAi => "generativelanguage.googleapis.com",
        UpstreamApi::Ollama | UpstreamApi::Other(_) => return false,
    };
    target.base_url.domain().is_some_and(|host| host.eq_ignore_ascii_case(vendor))
}

impl Crossing {
    /// The headers of an answer that was translated: not those of the upstream that say what its bytes are.
    pub fn answered(&self, upstream: HeaderMap, streaming: bool) -> HeaderMap {
        let mut headers = upstream;
        let kind = if streaming { "text/event-stream" } else { "application/json" };
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        let dropped: Vec<&str> = self.outgoing.notes.iter().map(pilotlight_wire::translate::Note::name).collect();
        note_dropped(&mut headers, &dropped);
        headers
    }
}

/// Says in an answer's headers what of its request was left out.
pub fn note_dropped(headers: &mut HeaderMap, names: &[&str]) {
    if !names.is_empty() {
        headers.insert(DROPPED, ascii(&names.join(", ")));
    }
}
