//! The form of the answer for upstreams that cannot be held to one: as an instruction in words.

use crate::translate::prompt::Format;

/// What the model is told.
pub(super) fn instruction(format: &Format) -> Option<String> {
    match format {
        Format::Text => None,
        Format::JsonObject => {
            Some("Answer with one JSON object and nothing else: no words around it, no code fence.".to_owned())
        }
        Format::JsonSchema { schema, description, .. } => {
            let purpose = description.as_deref().map(|text| format!(" It is: {text}")).unwrap_or_default();
            Some(format!(
                "Answer with JSON of this JSON Schema and nothing else: no words around it, no code fence.{purpose}\n{schema}"
            ))
        }
    }
}

/// The schema's name as OpenAI takes it: letters, digits, `_` and `-`, at most 64 of them.
pub(super) fn name(name: Option<&str>) -> String {
    let fitted: String = name
        .unwrap_or_default()
        .chars()
        .map(|char| if char.is_ascii_alphanumeric() || matches!(char, '_' | '-') { char } else { '_' })
        .take(64)
        .collect();
    if fitted.is_empty() { "answer".to_owned() } else { fitted }
}
