//! What a person writes on a command line for a value or a model, and what is said where it is none.
//!
//! Must not know: files, engines.

use json5_edit::{Document, Path};
use pilotlight_config::ModelConfiguration;
use pilotlight_wire::ModelRef;
use serde_json::Value;

use crate::output::Failure;
use crate::text::count;

/// A value as a person writes it: JSON5, or else a string. What begins like an object, a list or a quoted string and is
/// none was meant to be one.
pub(crate) fn value_of(text: &str) -> Result<Value, Failure> {
    match Document::parse(text) {
        // What JSON has no words for (NaN) is read as null, which nobody meant.
        Ok(document) if *document.value() != Value::Null || text.trim() == "null" => Ok(document.value().clone()),
        Err(error) if text.trim_start().starts_with(['{', '[', '"', '\'']) => {
            let message = format!("the value is no JSON5: {error}. If it is meant as a string, write it in quotes");
            Err(Failure::new("value", message))
        }
        _ => Ok(Value::from(text)),
    }
}

/// The model that a name means.
pub(crate) fn model_called(configuration: &ModelConfiguration, name: &str) -> Result<ModelRef, Failure> {
    configuration.resolve(name).ok_or_else(|| {
        let mut known = Vec::new();
        for upstream in configuration.upstreams() {
            let Some(model) = upstream.model_ref() else { continue };
            known.push(upstream.alias.map_or_else(|| model.to_string(), |alias| format!("{model} ({alias})")));
        }
        let known = match (configuration.nearest(name), known.as_slice()) {
            (_, []) => "no model is configured".to_owned(),
            (Some(near), _) => format!("perhaps {near:?}? There is {}", known.join(", ")),
            (None, _) => format!("there is {}", known.join(", ")),
        };
        Failure::new("unknown-model", format!("no model or alias is called {name:?}: {known}"))
    })
}

/// What a configuration has on the way to a path that it does not have.
pub(crate) fn nearby(document: &Document, path: &Path) -> String {
    /// As many keys as a person reads.
    const MOST: usize = 20;
    let mut at = path.clone();
    let found = loop {
        let Some((parent, _)) = at.split_last() else { break None };
        at = parent;
        if let Some(node) = document.get(&at) {
            break Some(node.to_value());
        }
    };
    let whole = at.steps().is_empty();
    let name = if whole { "the configuration".to_owned() } else { at.to_string() };
    match found {
        Some(Value::Object(members)) if members.is_empty() => format!("{name} is empty"),
        Some(Value::Object(members)) => {
            let keys: Vec<String> =
                members.keys().take(MOST).map(|key| Path::of(&[key.as_str()]).to_string()).collect();
            let more = if members.len() > MOST { ", …" } else { "" };
            format!("{name} has {}{more}", keys.join(", "))
        }
        Some(Value::Array(items)) => match items.len().checked_sub(1) {
            None => format!("{name} is an empty list"),
            Some(0) => format!("{name} is a list of 1 item, {name}[0]"),
            Some(last) => {
                format!("{name} is a list of {}, {name}[0] to {name}[{last}]", count(items.len(), "item"))
            }
        },
        Some(_) => format!("{name} is a plain value"),
        None => "the file is empty".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_is_json5_or_else_a_string() {
        for (text, value) in [
            ("8192", json!(8192)),
            ("-1", json!(-1)),
            ("true", json!(true)),
            ("null", json!(null)),
            ("NaN", json!("NaN")),
            ("[1, 'a',]", json!([1, "a"])),
            ("{ alias: 'Opus' }", json!({ "alias": "Opus" })),
            ("lmstudio/minimax-m2.1-gs32", json!("lmstudio/minimax-m2.1-gs32")),
            ("'8192'", json!("8192")),
            ("it's", json!("it's")),
            ("${KEY}", json!("${KEY}")),
            ("", json!("")),
        ] {
            assert_eq!(value_of(text).unwrap(), value, "{text}");
        }
        for text in ["{ alias: ", "[1, 2", "'8192", " {a}", "\"a\" b"] {
            assert!(value_of(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_not_there_is_told_with_what_is() {
        let document = Document::parse("{ a: { b: [1, 2], c: {}, 'x/y': 1, d: [3], e: [] } }").unwrap();
        for (path, near) in [
            ("z", "the configuration has a"),
            ("a.z.y", r#"a has b, c, ["x/y"], d, e"#),
            ("a.b[2]", "a.b is a list of 2 items, a.b[0] to a.b[1]"),
            ("a.d[1]", "a.d is a list of 1 item, a.d[0]"),
            ("a.e[0]", "a.e is an empty list"),
            ("a.c.z", "a.c is empty"),
            (r#"a["x/y"].z"#, r#"a["x/y"] is a plain value"#),
        ] {
            assert_eq!(nearby(&document, &path.parse().unwrap()), near, "{path}");
        }
    }
}
