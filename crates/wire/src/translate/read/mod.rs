//! Requests of the client APIs, read into a [`Prompt`].
//!
//! What has no place in a prompt is noted where leaving it out is harmless, and refused where it would change what the
//! client meant. What has the wrong type is refused with its place in the request. Must not know which upstream it goes
//! to: whatever one of them cannot take is the writers' affair.

mod calls;
mod chat;
mod fields;
mod items;
mod messages;
mod part;
mod responses;
mod tools;

use serde_json::Value;

use super::prompt::{Sampling, ToolChoice};
use super::{Note, Prompt, exact};
use crate::ClientApi;
use crate::error::{ApiError, ErrorKind};
use fields::{Fields, Result, Wrong};

/// No request has the arguments of a call, or the schema of a tool, at a lesser depth.
const ARGUMENTS: usize = 4;

/// Reads the body of a client's request.
///
/// # Errors
/// When it is no JSON object, when something in it has the wrong type (the error names its place), or when it asks for
/// what only an upstream of its own API could give.
pub fn read_request(api: ClientApi, body: &[u8]) -> std::result::Result<Prompt, ApiError> {
    let value: Value = serde_json::from_slice(&exact::guard(body, ARGUMENTS)).map_err(|error| {
        let message = format!("the request's body is not JSON: {error}");
        ApiError::new(ErrorKind::InvalidRequest, "invalid_json", message)
    })?;
    let fields = Fields::of(&value)?;
    let prompt = match api {
        ClientApi::Chat => chat::read(fields),
        ClientApi::Responses => responses::read(fields),
        ClientApi::Messages => messages::read(fields),
        ClientApi::Completions | ClientApi::Embeddings => {
            let message = format!("{} can only be asked of an upstream that speaks it", api.title());
            return Err(ApiError::new(ErrorKind::InvalidRequest, "unsupported_api", message).about("model"));
        }
    }?;
    chosen_is_offered(&prompt)?;
    Ok(prompt)
}

/// That a tool which must be called is among those that can be.
fn chosen_is_offered(prompt: &Prompt) -> Result<()> {
    let Some(ToolChoice::Named { name, namespace }) = &prompt.tool_choice else { return Ok(()) };
    let same = |own: &Option<String>| namespace.is_none() || own == namespace;
    if prompt.tools.iter().any(|tool| tool.name == *name && same(&tool.namespace)) {
        return Ok(());
    }
    let message = format!("names {}, which is not among the `tools` that this model can be given", fields::shown(name));
    Err(Wrong::new(message).at("tool_choice"))
}

/// What Chat and Responses call the same.
fn read_common(fields: Fields<'_>, prompt: &mut Prompt) -> Result<()> {
    prompt.model = fields.needed("model")?.to_owned();
    prompt.stream = fields.flag("stream")?.unwrap_or(false);
    prompt.parallel_tools = fields.flag("parallel_tool_calls")?;
    prompt.sampling = read_sampling(fields)?;
    prompt.store = fields.flag("store")?;
    prompt.cache_key = fields.owned("prompt_cache_key")?;
    prompt.user = match fields.owned("safety_identifier")? {
        Some(identifier) => Some(identifier),
        None => fields.owned("user")?,
    };
    fields.fields("metadata")?;
    prompt.metadata = fields.cloned("metadata");
    prompt.service_tier = fields.owned("service_tier")?;
    Ok(())
}

/// The keys that [`read_common`] reads.
const COMMON: &[&str] = &[
    "model",
    "stream",
    "parallel_tool_calls",
    "temperature",
    "top_p",
    "top_k",
    "frequency_penalty",
    "presence_penalty",
    "seed",
    "stop",
    "store",
    "prompt_cache_key",
    "safety_identifier",
    "user",
    "metadata",
    "service_tier",
    "top_logprobs",
];

fn read_sampling(fields: Fields<'_>) -> Result<Sampling> {
    let stop = match fields.get("stop") {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(_)) => fields.texts("stop")?,
        Some(other) => return Err(fields::not("a string or a list of strings", other).at("stop")),
        None => Vec::new(),
    };
    Ok(Sampling {
        temperature: fields.number("temperature")?,
        top_p: fields.number("top_p")?,
        top_k: fields.count("top_k")?,
        frequency_penalty: fields.number("frequency_penalty")?,
        presence_penalty: fields.number("presence_penalty")?,
        seed: fields.integer("seed")?,
        stop,
        logprobs: fields.count("top_logprobs")?,
    })
}

/// Notes the keys that were not read.
fn note_others(fields: Fields<'_>, known: &[&str], unimportant: &[&str], notes: &mut Vec<Note>) {
    let known: Vec<&str> = COMMON.iter().chain(known).copied().collect();
    fields.note_others(&known, unimportant, notes);
}
