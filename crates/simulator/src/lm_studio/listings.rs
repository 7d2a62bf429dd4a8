//! LM Studio's listings: three of them, which do not agree while a model loads. Pure views of the shelf.

use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;

use super::shelf::{Instance, LoadState, Shelf};
use super::websocket::PARALLEL;
use crate::options::{Model, ModelType};
use crate::play::Whole;
use crate::server::Shared;

/// Measured: `loaded_instances` of `/api/v1/models` shows an instance so soon after its load began, however long the
/// load takes.
const SHOWN_AFTER: Duration = Duration::from_millis(200);

/// `/v1/models`: with loading just in time every downloaded model, without it only what is loaded.
pub(crate) fn openai(shared: &Shared) -> Whole {
    let now = Instant::now();
    let mut shelf = shared.shelf();
    shelf.settle(now);
    let mut ids: Vec<&str> = Vec::new();
    if shared.options.lm_studio.jit {
        ids.extend(shelf.models.iter().map(|m| m.key.as_str()));
    }
    for instance in shelf.instances.iter().filter(|i| i.loaded(now)) {
        if !ids.contains(&instance.id.as_str()) {
            ids.push(&instance.id);
        }
    }
    let rows: Vec<Value> =
        ids.iter().map(|id| json!({"id": id, "object": "model", "owned_by": "organization_owner"})).collect();
    Whole::json(200, &json!({"object": "list", "data": rows}))
}

/// `/api/v0/models`: the only one whose `state` says `loading`.
pub(crate) fn v0(shared: &Shared) -> Whole {
    let rows = v0_rows(&mut shared.shelf());
    Whole::json(200, &json!({"object": "list", "data": rows}))
}

/// `/api/v0/models/{id}`; the id may have slashes, bare or escaped.
pub(crate) fn v0_one(shared: &Shared, id: &str) -> Whole {
    let id = unescape(id);
    match v0_rows(&mut shared.shelf()).into_iter().find(|row| row["id"] == id.as_str()) {
        Some(row) => Whole::json(200, &row),
        None => Whole::json(404, &json!({"error": format!("Model \"{id}\" not found")})),
    }
}

fn v0_rows(shelf: &mut Shelf) -> Vec<Value> {
    let now = Instant::now();
    shelf.settle(now);
    let row = |id: &str, model: &Model, instance: Option<&Instance>, state: LoadState| {
        let mut row = json!({
            "id": id,
            "object": "model",
            "type": model.kind,
            "publisher": publisher(model),
            "arch": model.arch,
            "compatibility_type": format_of(model),
            "quantization": model.quantization,
            "state": state,
            "max_context_length": model.max_context,
        });
        if model.kind != ModelType::Embeddings {
            row["capabilities"] = json!(["tool_use"]);
        }
        if state == LoadState::Loaded
            && let Some(instance) = instance
        {
            row["loaded_context_length"] = json!(instance.context);
        }
        row
    };
    let mut rows = Vec::new();
    for model in &shelf.models {
        let first = shelf.instances.iter().find(|i| i.id == model.key);
        let state = match first {
            None => LoadState::NotLoaded,
            Some(i) if i.loaded(now) => LoadState::Loaded,
            Some(_) => LoadState::Loading,
        };
        rows.push(row(&model.key, model, first, state));
        for other in shelf.instances.iter().filter(|i| i.key == model.key && i.id != model.key) {
            let state = if other.loaded(now) { LoadState::Loaded } else { LoadState::Loading };
            rows.push(row(&other.id, model, Some(other), state));
        }
    }
    rows
}

/// `/api/v1/models`: says more of each model, and calls an instance loaded long before it is.
pub(crate) fn v1(shared: &Shared) -> Whole {
    let now = Instant::now();
    let mut shelf = shared.shelf();
    shelf.settle(now);
    let rows: Vec<Value> = shelf
        .models
        .iter()
        .map(|model| {
            let instances: Vec<Value> = shelf
                .instances
                .iter()
                .filter(|i| i.key == model.key && (i.loaded(now) || now >= i.started + SHOWN_AFTER))
                .map(|i| json!({"id": i.id, "config": load_config(i)}))
                .collect();
            let mut row = json!({
                "type": v1_type(model.kind),
                "publisher": publisher(model),
                "key": model.key,
                "display_name": model.key,
                "architecture": model.arch,
                "quantization": {"name": model.quantization, "bits_per_weight": bits(&model.quantization)},
                "size_bytes": model.size_bytes,
                "params_string": null,
                "loaded_instances": instances,
                "max_context_length": model.max_context,
                "format": format_of(model),
                "description": null,
                "variants": [format!("{}@{}", model.key, model.quantization.to_lowercase())],
                "selected_variant": format!("{}@{}", model.key, model.quantization.to_lowercase()),
            });
            if model.kind != ModelType::Embeddings {
                row["capabilities"] = json!({"vision": model.kind == ModelType::Vlm, "trained_for_tool_use": true});
            }
            row
        })
        .collect();
    Whole::json(200, &json!({"models": rows}))
}

/// With what an instance was loaded.
pub(crate) fn load_config(instance: &Instance) -> Value {
    json!({"context_length": instance.context, "eval_batch_size": 512, "parallel": PARALLEL,
        "flash_attention": true, "offload_kv_cache_to_gpu": true})
}

/// In `/api/v1` a model that sees is an `llm` too.
pub(crate) fn v1_type(kind: ModelType) -> &'static str {
    match kind {
        ModelType::Llm | ModelType::Vlm => "llm",
        ModelType::Embeddings => "embedding",
    }
}

/// The part before the slash of its key, else the one who publishes most.
pub(crate) fn publisher(model: &Model) -> &str {
    model.key.split_once('/').map_or("lmstudio-community", |(publisher, _)| publisher)
}

/// MLX quantisations are named by their bits alone.
pub(crate) fn format_of(model: &Model) -> &'static str {
    if model.quantization.ends_with("bit") { "mlx" } else { "gguf" }
}

fn bits(quantization: &str) -> Option<u32> {
    quantization.chars().find(char::is_ascii_digit).and_then(|c| c.to_digit(10)).map(|n| if n == 1 { 16 } else { n })
}

/// Undoes `%2F` and the like; what is no valid escape stays as it is.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let escaped = (first == b'%').then(|| tail.get(..2)).flatten();
        let value = escaped.and_then(|hex| std::str::from_utf8(hex).ok()).and_then(|h| u8::from_str_radix(h, 16).ok());
        bytes.push(value.unwrap_or(first));
        rest = if value.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone_and_the_rest_is_left_alone() {
        assert_eq!(unescape("qwen%2Fqwen3-4b"), "qwen/qwen3-4b");
        assert_eq!(unescape("100%"), "100%");
        assert_eq!(unescape("%zz%41"), "%zzA");
    }
}
