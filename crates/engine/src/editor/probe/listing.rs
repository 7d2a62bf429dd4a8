//! What models a server has, with all that it says of them: from the runtime's own listing where it has one.
//!
//! Sources: lmstudio.ai/docs/developer/rest (`/api/v1/models`, `/api/v0/models`), docs.ollama.com/api (`/api/tags`,
//! `/api/show`, `/api/ps`), the README of llama.cpp's tools/server (`/props`), openrouter.ai/docs/api-reference (models),
//! docs.claude.com/en/api/models-list, ai.google.dev/api/models, docs.vllm.ai (`max_model_len`), console.groq.com and
//! docs.mistral.ai (their own fields of `/v1/models`).

use std::collections::HashSet;

use futures::stream::{self, StreamExt as _};
use pilotlight_wire::{Location, UpstreamApi};
use serde_json::{Value, json};

use super::http::{Http, Reply, Silence, Target};
use crate::editor::types::{FetchedCost, FetchedModel};

/// How many of Ollama's models are asked about one by one.
const MOST_SHOWN: usize = 100;

/// Why there is no listing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}: test the connection to see why")]
pub struct FetchError(String);

/// The models of a provider, in its own order. `listed` is set for those that the configuration has.
///
/// # Errors
/// When the server cannot be asked or gives no listing.
pub async fn fetch(target: &Target) -> Result<Vec<FetchedModel>, FetchError> {
    let base = target.base_url.clone().ok_or_else(|| FetchError("this provider has no base URL".to_owned()))?;
    let http = Http::new(target, base).map_err(FetchError)?;
    let mut models = if target.location == Location::Local { local(&http).await? } else { None };
    if models.is_none() {
        models = Some(plain(&http).await?);
    }
    let mut models = models.unwrap_or_default();
    let mut seen = HashSet::new();
    models.retain(|model| seen.insert(model.id.clone()));
    for model in &mut models {
        model.listed = target.models.iter().any(|id| id.eq_ignore_ascii_case(&model.id));
    }
    Ok(models)
}

/// The ids of a listing of any of the known forms.
pub(super) fn ids(listing: Option<&Value>) -> Vec<String> {
    let rows = listing.and_then(|listing| listing.get("data").or_else(|| listing.get("models")).or(Some(listing)));
    let rows = rows.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    rows.iter().filter_map(|row| text(row, &["id", "key", "name", "model"])).collect()
}

/// The runtime's own listing; none where it is no runtime that has one.
async fn local(http: &Http<'_>) -> Result<Option<Vec<FetchedModel>>, FetchError> {
    let ask = async |path: &str| match http.get(http.below_root(path)).await {
        Ok(reply) => Ok(reply),
        Err(Silence::TimeOut) => Err(FetchError("no answer within 5 s".to_owned())),
        Err(Silence::Tls(words) | Silence::Other(words)) => {
            Err(FetchError(format!("no answer ({})", http.target.quoted(&words))))
        }
    };
    let v1 = ask("api/v1/models").await?;
    if let Some(models) = v1.json.as_ref().and_then(lm_studio_v1) {
        return Ok(Some(models));
    }
    let v0 = ask("api/v0/models").await?;
    if let Some(models) = v0.json.as_ref().and_then(lm_studio_v0) {
        return Ok(Some(models));
    }
    let tags = ask("api/tags").await?;
    if let Some(models) = tags.json.as_ref().and_then(ollama) {
        return Ok(Some(ollama_details(http, models).await));
    }
    Ok(None)
}

/// `/v1/models`, with the fields that this or that server adds to it.
async fn plain(http: &Http<'_>) -> Result<Vec<FetchedModel>, FetchError> {
    let target = http.target;
    let without_v1 = !http.base.path().trim_end_matches('/').ends_with("/v1");
    let mut first = http.below("models");
    if target.api == UpstreamApi::AnthropicMessages {
        first = if without_v1 { http.below("v1/models") } else { first };
        first.set_query(Some("limit=1000"));
    }
    let reply = http.get(first).await;
    let reply: Reply = match reply {
        Ok(reply) => reply,
        Err(Silence::TimeOut) => return Err(FetchError("no answer within 5 s".to_owned())),
        Err(Silence::Tls(words) | Silence::Other(words)) => {
            return Err(FetchError(format!("no answer ({})", target.quoted(&words))));
        }
    };
    let json = reply.json.as_ref().filter(|_| reply.is_success());
    let rows = json.and_then(|json| json.get("data").or_else(|| json.get("models")).or(Some(json))?.as_array());
    let Some(rows) = rows else {
        return Err(FetchError(format!("it gives no listing of models ({})", reply.shown(target))));
    };
    let mut models: Vec<FetchedModel> = rows.iter().filter_map(row).collect();
    let llama = rows.iter().any(|row| row.get("owned_by").and_then(Value::as_str) == Some("llamacpp"));
    if llama
        && let Ok(props) = http.get(http.below_root("props")).await
        && let Some(props) = props.json
    {
        models.iter_mut().for_each(|model| llama_server(model, &props));
    }
    Ok(models)
}

fn named(id: String) -> FetchedModel {
    FetchedModel {
        name: id.clone(),
        id,
        context_length: None,
        loaded_context: None,
        max_tokens: None,
        vision: None,
        tools: None,
        reasoning: None,
        embedding: false,
        quantization: None,
        size_bytes: None,
        loaded: None,
        cost: None,
        listed: false,
    }
}

fn text(row: &Value, keys: &[&str]) -> Option<String> {
    keys.iter().find_map(|key| row.get(key).and_then(Value::as_str)).filter(|text| !text.is_empty()).map(str::to_owned)
}

fn count(row: &Value, keys: &[&str]) -> Option<u64> {
    keys.iter().find_map(|key| row.get(key).and_then(Value::as_u64)).filter(|count| *count > 0)
}

fn flag(row: &Value, keys: &[&str]) -> Option<bool> {
    keys.iter().find_map(|key| row.get(key).and_then(Value::as_bool))
}

fn lm_studio_v1(body: &Value) -> Option<Vec<FetchedModel>> {
    let rows = body.get("models")?.as_array()?;
    if !rows.iter().all(|row| row.get("key").is_some()) || (rows.is_empty() && body.get("error").is_some()) {
        return None;
    }
    Some(rows.iter().filter_map(lm_studio_v1_row).collect())
}

fn lm_studio_v1_row(row: &Value) -> Option<FetchedModel> {
    let mut model = named(text(row, &["key"])?);
    if let Some(name) = text(row, &["display_name"]) {
        model.name = name;
    }
    model.context_length = count(row, &["max_context_length"]);
    let instances = row.get("loaded_instances").and_then(Value::as_array);
    model.loaded = instances.map(|instances| !instances.is_empty());
    let config = instances.and_then(|instances| instances.first()?.get("config"));
    model.loaded_context = config.and_then(|config| count(config, &["context_length"]));
    model.embedding = text(row, &["type"]).is_some_and(|kind| kind.starts_with("embedding"));
    if let Some(capabilities) = row.get("capabilities") {
        model.vision = flag(capabilities, &["vision"]);
        model.tools = flag(capabilities, &["trained_for_tool_use"]);
        model.reasoning =
            capabilities.get("reasoning").map(|reasoning| *reasoning != Value::Bool(false) && !reasoning.is_null());
    }
    model.quantization =
        row.get("quantization").and_then(|value| value.as_str().map(str::to_owned).or_else(|| text(value, &["name"])));
    model.size_bytes = count(row, &["size_bytes"]);
    Some(model)
}

fn lm_studio_v0(body: &Value) -> Option<Vec<FetchedModel>> {
    let rows = body.get("data")?.as_array()?;
    if !rows.iter().all(|row| row.get("state").is_some()) {
        return None;
    }
    let models = rows.iter().filter_map(|row| {
        let mut model = named(text(row, &["id"])?);
        model.context_length = count(row, &["max_context_length"]);
        model.loaded_context = count(row, &["loaded_context_length"]);
        model.loaded = text(row, &["state"]).map(|state| state == "loaded");
        let kind = text(row, &["type"]).unwrap_or_default();
        model.vision = Some(kind == "vlm");
        model.embedding = kind == "embeddings";
        model.tools =
            row.get("capabilities").and_then(Value::as_array).map(|all| all.iter().any(|one| one == "tool_use"));
        model.quantization = text(row, &["quantization"]);
        Some(model)
    });
    Some(models.collect())
}

fn ollama(body: &Value) -> Option<Vec<FetchedModel>> {
    let rows = body.get("models")?.as_array()?;
    let models = rows.iter().filter_map(|row| {
        let mut model = named(text(row, &["model", "name"])?);
        model.size_bytes = count(row, &["size"]);
        model.quantization = row.get("details").and_then(|details| text(details, &["quantization_level"]));
        Some(model)
    });
    Some(models.collect())
}

/// What Ollama tells of each model when it is asked about it, and which are in memory.
async fn ollama_details(http: &Http<'_>, mut models: Vec<FetchedModel>) -> Vec<FetchedModel> {
    let running = http.get(http.below_root("api/ps")).await.ok().and_then(|reply| reply.json);
    let running = running.as_ref().and_then(|body| body.get("models")).and_then(Value::as_array);
    let asked: Vec<String> = models.iter().take(MOST_SHOWN).map(|model| model.id.clone()).collect();
    let details: Vec<Option<Value>> = stream::iter(asked)
        .map(async |id| {
            let reply = http.post(http.below_root("api/show"), &json!({ "model": id })).await.ok()?;
            reply.json.filter(|_| reply.status == 200)
        })
        .buffered(4)
        .collect()
        .await;
    for (at, model) in models.iter_mut().enumerate() {
        if let Some(running) = running {
            let here = running.iter().find(|row| text(row, &["model", "name"]).as_deref() == Some(&model.id));
            model.loaded = Some(here.is_some());
            model.loaded_context = here.and_then(|row| count(row, &["context_length"]));
        }
        let Some(Some(shown)) = details.get(at) else { continue };
        let info = shown.get("model_info").and_then(Value::as_object);
        model.context_length = info
            .and_then(|info| info.iter().find(|(key, _)| key.ends_with(".context_length")))
            .and_then(|(_, value)| value.as_u64());
        if let Some(all) = shown.get("capabilities").and_then(Value::as_array) {
            let has = |name: &str| all.iter().any(|one| one == name);
            model.vision = Some(has("vision"));
            model.tools = Some(has("tools"));
            model.reasoning = Some(has("thinking"));
            model.embedding = has("embedding") && !has("completion");
        }
    }
    models
}

/// One row of `/v1/models`, in whichever of the dialects.
fn row(row: &Value) -> Option<FetchedModel> {
    let id = text(row, &["id", "name", "key", "model"])?;
    // Google's ids are paths.
    let mut model = named(id.strip_prefix("models/").map_or(id.clone(), str::to_owned));
    if let Some(name) = text(row, &["display_name", "displayName"]).or_else(|| row.get("id").and(text(row, &["name"])))
    {
        model.name = name;
    }
    let top = row.get("top_provider");
    model.context_length = count(
        row,
        &[
            "context_length",
            "context_window",
            "max_model_len",
            "max_context_length",
            "max_input_tokens",
            "inputTokenLimit",
        ],
    )
    .or_else(|| row.get("meta").and_then(|meta| count(meta, &["n_ctx_train"])));
    model.max_tokens = top
        .and_then(|top| count(top, &["max_completion_tokens"]))
        .or_else(|| count(row, &["max_output_tokens", "max_completion_tokens", "outputTokenLimit", "max_tokens"]));
    if let Some(inputs) = row.get("architecture").and_then(|all| all.get("input_modalities")).and_then(Value::as_array)
    {
        model.vision = Some(inputs.iter().any(|input| input == "image"));
    }
    if let Some(parameters) = row.get("supported_parameters").and_then(Value::as_array) {
        let has = |name: &str| parameters.iter().any(|one| one == name);
        model.tools = Some(has("tools"));
        model.reasoning = Some(has("reasoning"));
    }
    if let Some(capabilities) = row.get("capabilities").filter(|all| all.is_object()) {
        model.vision = model.vision.or_else(|| flag(capabilities, &["vision"]));
        model.tools = model.tools.or_else(|| flag(capabilities, &["function_calling", "tools"]));
        model.reasoning = model.reasoning.or_else(|| flag(capabilities, &["reasoning"]));
        // Anthropic's are objects that say whether they are supported.
        let supported = |name: &str| capabilities.get(name).and_then(|one| flag(one, &["supported"]));
        model.vision = model.vision.or_else(|| supported("image_input"));
        model.reasoning = model.reasoning.or_else(|| supported("thinking"));
    }
    model.embedding = text(row, &["type"]).is_some_and(|kind| kind.starts_with("embedding"))
        || row.get("supportedGenerationMethods").and_then(Value::as_array).is_some_and(|methods| {
            !methods.iter().any(|one| one == "generateContent") && methods.iter().any(|one| one == "embedContent")
        });
    model.quantization = text(row, &["quantization"]);
    model.cost = row.get("pricing").and_then(cost);
    Some(model)
}

/// OpenRouter's prices: US$ per token, as texts. A price below 0 means that it depends.
fn cost(pricing: &Value) -> Option<FetchedCost> {
    let price = |key: &str| {
        let value = pricing.get(key)?;
        let per_token = value.as_str().map_or_else(|| value.as_f64(), |text| text.trim().parse().ok())?;
        // To a ten-thousandth of a cent: what is beyond is the noise of the multiplication.
        (per_token >= 0.0).then(|| (per_token * 1e6 * 1e6).round() / 1e6)
    };
    Some(FetchedCost {
        input: price("prompt")?,
        output: price("completion")?,
        cache_read: price("input_cache_read").unwrap_or_default(),
        cache_write: price("input_cache_write").unwrap_or_default(),
    })
}

/// What llama-server tells of the one model it runs.
fn llama_server(model: &mut FetchedModel, props: &Value) {
    let settings = props.get("default_generation_settings");
    let context = settings.and_then(|settings| count(settings, &["n_ctx"])).or_else(|| count(props, &["n_ctx"]));
    model.loaded = Some(true);
    model.loaded_context = context;
    model.context_length = context.or(model.context_length);
    model.vision = props.get("modalities").and_then(|modalities| flag(modalities, &["vision"]));
    model.tools =
        props.get("chat_template_caps").and_then(|caps| flag(caps, &["supports_tools", "supports_tool_calls"]));
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn openrouter_tells_context_prices_and_abilities() {
        let row = row(&json!({
            "id": "z-ai/glm-4.7", "name": "Z.AI: GLM 4.7", "context_length": 202_752,
            "architecture": { "input_modalities": ["text"] },
            "pricing": { "prompt": "0.0000004", "completion": "0.0000015", "input_cache_read": "0.00000011" },
            "top_provider": { "max_completion_tokens": 65_535 },
            "supported_parameters": ["tools", "reasoning"],
        }))
        .unwrap();
        assert_eq!(
            (row.name.as_str(), row.context_length, row.max_tokens),
            ("Z.AI: GLM 4.7", Some(202_752), Some(65_535))
        );
        assert_eq!((row.vision, row.tools, row.reasoning), (Some(false), Some(true), Some(true)));
        assert_eq!(row.cost, Some(FetchedCost { input: 0.4, output: 1.5, cache_read: 0.11, cache_write: 0.0 }));
        // The router that picks for you has no price.
        assert_eq!(cost(&json!({ "prompt": "-1", "completion": "-1" })), None);
    }

    #[test]
    fn other_dialects_are_read_too() {
        let google = row(&json!({
            "name": "models/gemini-3-pro", "displayName": "Gemini 3 Pro", "inputTokenLimit": 1_048_576,
            "outputTokenLimit": 65_536, "supportedGenerationMethods": ["generateContent"],
        }))
        .unwrap();
        assert_eq!((google.id.as_str(), google.name.as_str()), ("gemini-3-pro", "Gemini 3 Pro"));
        assert_eq!((google.context_length, google.max_tokens), (Some(1_048_576), Some(65_536)));
        let vllm = row(&json!({ "id": "m", "max_model_len": 32_768 })).unwrap();
        assert_eq!((vllm.name.as_str(), vllm.context_length), ("m", Some(32_768)));
        let claude = row(&json!({ "id": "claude-x", "display_name": "Claude X", "type": "model" })).unwrap();
        assert_eq!((claude.name.as_str(), claude.embedding), ("Claude X", false));
        assert_eq!(row(&json!({ "id": 5 })), None);
    }

    #[test]
    fn one_runtime_is_not_taken_for_another() {
        let ollama_listing = json!({ "models": [{ "name": "qwen3:8b", "model": "qwen3:8b", "size": 5 }] });
        assert_eq!(lm_studio_v1(&ollama_listing), None);
        let plain = json!({ "object": "list", "data": [{ "id": "m" }] });
        assert_eq!((lm_studio_v0(&plain), ollama(&plain)), (None, None));
        let unexpected = json!({ "error": "Unexpected endpoint or method. (GET /api/v1/models)" });
        assert_eq!((lm_studio_v1(&unexpected), lm_studio_v0(&unexpected)), (None, None));
        assert_eq!(ids(Some(&ollama_listing)), ["qwen3:8b"]);
        assert_eq!(ids(Some(&unexpected)), Vec::<String>::new());
    }
}
