//! JSON Schemas of tools' arguments, as the vendors take them: an object at the top, and no alternatives there.

use serde_json::{Map, Value, json};

/// Whether the top is a plain object already.
fn is_plain(schema: &Map<String, Value>) -> bool {
    schema.get("type").and_then(Value::as_str) == Some("object")
        && schema.get("properties").is_some_and(Value::is_object)
        && !ALTERNATIVES.iter().any(|key| schema.contains_key(*key))
        && !schema.contains_key("$schema")
}

const ALTERNATIVES: [&str; 3] = ["anyOf", "oneOf", "allOf"];

/// The schema, and whether alternatives at its top had to be put together into one object (which then takes what any of
/// them takes). Source: the 400s of OpenAI ("schema must have type 'object' and not have 'oneOf'…") and Anthropic
/// ("input_schema does not support oneOf, allOf, or anyOf at the top level").
pub(super) fn parameters(schema: Option<&Value>) -> (Value, bool) {
    let Some(Value::Object(schema)) = schema else { return (json!({"type": "object", "properties": {}}), false) };
    if is_plain(schema) {
        return (Value::Object(schema.clone()), false);
    }
    let mut plain = Map::new();
    plain.insert("type".to_owned(), "object".into());
    let mut properties = Map::new();
    let mut required: Vec<Value> = array(schema.get("required"));
    let mut merged = false;
    for key in ALTERNATIVES {
        for branch in array(schema.get(key)) {
            merged = true;
            for (name, property) in branch.get("properties").and_then(Value::as_object).into_iter().flatten() {
                properties.entry(name.clone()).or_insert_with(|| property.clone());
            }
            // What all of them ask for together stays asked for; what only one of several asks for does not.
            if key == "allOf" {
                required.extend(array(branch.get("required")));
            }
        }
    }
    for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        properties.insert(name.clone(), property.clone());
    }
    for (key, value) in schema {
        if !matches!(key.as_str(), "$schema" | "type" | "properties" | "required")
            && !ALTERNATIVES.contains(&key.as_str())
        {
            plain.insert(key.clone(), value.clone());
        }
    }
    plain.insert("properties".to_owned(), properties.into());
    if !required.is_empty() {
        plain.insert("required".to_owned(), required.into());
    }
    (plain.into(), merged)
}

/// Whether Anthropic holds an answer to this schema: every object closed, no bounds. Source: "Structured outputs" in its
/// API documentation, which lists what is refused.
pub(super) fn is_closed(schema: &Value) -> bool {
    const REFUSED: [&str; 9] = [
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minLength",
        "maxLength",
        "maxItems",
        "pattern",
    ];
    match schema {
        Value::Object(map) => {
            let object = map.get("type").is_some_and(|kind| kind == "object");
            let closed = !object || map.get("additionalProperties") == Some(&Value::Bool(false));
            // A property may have the name of a keyword: it is one only where it holds no schema.
            let bounds = REFUSED.iter().any(|key| map.get(*key).is_some_and(|value| !value.is_object()));
            closed && !bounds && map.values().all(is_closed)
        }
        Value::Array(list) => list.iter().all(is_closed),
        _ => true,
    }
}

fn array(value: Option<&Value>) -> Vec<Value> {
    value.and_then(Value::as_array).cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_object_stays_as_it_is() {
        let schema = json!({"properties": {"a": {"type": "string"}}, "type": "object", "additionalProperties": false});
        assert_eq!(parameters(Some(&schema)), (schema, false));
    }

    #[test]
    fn nothing_becomes_an_object_without_properties() {
        let empty = json!({"type": "object", "properties": {}});
        for schema in [None, Some(&Value::Null), Some(&json!({})), Some(&json!({"type": "object"}))] {
            assert_eq!(parameters(schema), (empty.clone(), false), "{schema:?}");
        }
    }

    #[test]
    fn alternatives_at_the_top_become_one_object() {
        let schema = json!({
            "$schema": "x", "properties": {"c": {}}, "required": ["c"],
            "anyOf": [{"properties": {"a": {"type": "string"}}, "required": ["a"]}, {"properties": {"b": {}}}],
            "$defs": {"d": {}},
        });
        let one = json!({"type": "object", "$defs": {"d": {}}, "properties": {"a": {"type": "string"}, "b": {}, "c": {}}, "required": ["c"]});
        assert_eq!(parameters(Some(&schema)), (one, true));
    }

    #[test]
    fn closed_schemas() {
        let closed =
            json!({"type": "object", "properties": {"pattern": {"type": "string"}}, "additionalProperties": false});
        assert!(is_closed(&closed));
        assert!(is_closed(&json!({"type": "array", "items": closed})));
        assert!(!is_closed(&json!({"anyOf": [closed, {"type": "object"}]})));
        assert!(!is_closed(&json!({"type": "integer", "minimum": 1})));
    }
}
