//! The official JSON5 cases, read from a folder beside the project where there is one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod invariants;

use std::path::Path;

use invariants::{Seeded, edited, some_edit};
use json5_edit::Document;
use serde_json::Value;

#[test]
fn every_official_case_is_read_or_refused_as_it_should_be() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors/json5");
    let Ok(manifest) = std::fs::read_to_string(folder.join("manifest.json")) else {
        eprintln!("skipped: the official JSON5 cases are not beside the project");
        return;
    };
    let cases: Vec<Value> = serde_json::from_str(&manifest).unwrap();
    assert!(cases.len() > 100);
    for case in cases {
        let file = case["file"].as_str().unwrap();
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        let document = Document::parse(&text);
        assert_eq!(document.is_ok(), case["valid"] == true, "{file}: {document:?}");
        let Ok(document) = document else { continue };
        assert_eq!(document.text(), text, "{file}");
        if case["special"].is_null() {
            // 1.0 and 1 are the same number in JSON5.
            assert!(same(document.value(), &case["value"]), "{file}: {} is not {}", document.value(), case["value"]);
        } else {
            assert_eq!(*document.value(), Value::Null, "{file}");
        }
        for seed in 0..30 {
            let edit = some_edit(&document, &mut Seeded(seed));
            edited(&document, &edit);
        }
        // An edit of the root's first member or item keeps every other byte.
        if let Some(key) = document.value().as_object().and_then(|object| object.keys().next()) {
            let path = json5_edit::Path::of(&[key]);
            let Some(place) = document.locate(&path) else { panic!("{file}: {path}") };
            match document.set(&path, &Value::from("edited")) {
                Ok(edited) => {
                    assert!(edited.text().starts_with(&text[..place.span.start]), "{file}");
                    assert!(edited.text().ends_with(&text[place.span.end..]), "{file}");
                }
                Err(error) => assert!(file.contains("duplicate"), "{file}: {error}"),
            }
        }
    }
}

fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        // The manifest is read by a parser that may be off by the last bit.
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            (a - b).abs() <= a.abs() * f64::EPSILON
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        (a, b) => a == b,
    }
}
