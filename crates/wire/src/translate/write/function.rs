//! Tools and calls as functions of JSON: what Chat, Messages, Gemini and Ollama have in common.

use std::collections::HashMap;

use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

use super::thread::Call;
use super::{schema, set};
use crate::translate::exact;
use crate::translate::prompt::Tool;

/// A tool as a function, and whether its schema had to be changed.
pub(super) fn function(tool: &Tool, name: &str) -> (Map<String, Value>, bool) {
    let mut function = Map::new();
    function.insert("name".to_owned(), name.into());
    set(&mut function, "description", tool.description.as_deref());
    let (parameters, changed) = input_schema(tool);
    function.insert("parameters".to_owned(), parameters);
    (function, changed)
}

/// The schema of a tool's arguments, and whether it had to be changed. A free-form tool is a function of one text, and its
/// grammar stands in the text's description.
pub(super) fn input_schema(tool: &Tool) -> (Value, bool) {
    match &tool.custom {
        Some(format) => (free_form(format), false),
        None => schema::parameters(tool.parameters.as_ref()),
    }
}

/// The parameters of a free-form tool that is offered as a function.
fn free_form(format: &Value) -> Value {
    // Responses has the grammar's keys in the format itself, Chat has them one level deeper.
    let grammar = format.get("grammar").unwrap_or(format);
    let definition = grammar.get("definition").and_then(Value::as_str);
    let syntax = grammar.get("syntax").and_then(Value::as_str).unwrap_or("formal");
    let description = match definition {
        Some(definition) => {
            format!("The whole input as plain text. It must follow this {syntax} grammar:\n{definition}")
        }
        None => "The whole input as plain text.".to_owned(),
    };
    json!({
        "type": "object", "properties": {"input": {"type": "string", "description": description}},
        "required": ["input"], "additionalProperties": false,
    })
}

/// The arguments of a call as JSON text that can be read.
pub(super) fn arguments(call: &Call<'_>) -> String {
    let text = &call.call.arguments;
    if call.call.custom {
        return json!({"input": text}).to_string();
    }
    if text.trim().is_empty() {
        return "{}".to_owned();
    }
    // What is cut off or no object cannot be rendered by a template; what was said is kept all the same.
    match serde_json::from_str::<HashMap<String, IgnoredAny>>(text) {
        Ok(_) => text.clone(),
        Err(_) => json!({"input": text}).to_string(),
    }
}

/// The same as an object.
pub(super) fn arguments_object(call: &Call<'_>) -> Value {
    serde_json::from_slice(&exact::guard(arguments(call).as_bytes(), 0))
        .unwrap_or_else(|_| json!({"input": call.call.arguments}))
}
