//! What a response object repeats of its request.

use serde_json::{Map, Value, json};

use super::Opening;
use crate::error::{Position, response_object};

/// What a request says that its response repeats, besides what is known of the response itself.
const ECHOED: [&str; 20] = [
    "background",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "parallel_tool_calls",
    "previous_response_id",
    "prompt",
    "prompt_cache_key",
    "prompt_cache_retention",
    "reasoning",
    "safety_identifier",
    "store",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "truncation",
];

/// What never changes of the response: what its request said, over the API's defaults.
pub(super) fn constant(opening: &Opening) -> String {
    let at = Position { model: opening.model.clone(), ..Position::default() };
    let Value::Object(mut members) = response_object(&at, "in_progress") else { return String::new() };
    for own in ["id", "object", "created_at", "status", "error", "incomplete_details", "output", "usage"] {
        members.remove(own);
    }
    // Members that the published schema requires. Their values are OpenAI's where nothing was said; when it was done is
    // not known here.
    let required = json!({
        "background": false, "completed_at": null, "frequency_penalty": 0, "max_tool_calls": null,
        "presence_penalty": 0, "prompt_cache_key": null, "safety_identifier": null, "service_tier": "default",
        "temperature": 1, "top_logprobs": 0, "top_p": 1,
    });
    if let Value::Object(required) = required {
        members.extend(required);
    }
    for (key, value) in opening.echo.as_object().into_iter().flatten() {
        if ECHOED.contains(&key.as_str()) && !value.is_null() {
            match (members.get_mut(key), value) {
                // `reasoning` and `text` have defaults of their own inside.
                (Some(Value::Object(default)), Value::Object(said)) if key != "metadata" => merge(default, said),
                _ => {
                    members.insert(key.clone(), value.clone());
                }
            }
        }
    }
    members.iter().fold(String::new(), |out, (key, value)| format!("{out},\"{key}\":{value}"))
}

fn merge(default: &mut Map<String, Value>, said: &Map<String, Value>) {
    for (key, value) in said {
        default.insert(key.clone(), value.clone());
    }
}
