//! Streams that real providers sent, where they lie beside the repository.
#![allow(dead_code)]

use std::path::Path;

use serde_json::Value;

pub struct Recording {
    pub file: String,
    pub api: String,
    /// What a faithful relay must keep, as the manifest says it.
    pub facts: Value,
    pub payloads: Vec<String>,
}

/// Every recording, or none (with a word) where the folder is not there.
pub fn recordings() -> Vec<Recording> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors/recorded");
    let Ok(manifest) = std::fs::read_to_string(folder.join("manifest.json")) else {
        eprintln!("skipped: no recorded streams at {}", folder.display());
        return Vec::new();
    };
    let manifest: Vec<Value> = serde_json::from_str(&manifest).unwrap();
    manifest
        .into_iter()
        .map(|facts| {
            let file = facts["file"].as_str().unwrap().to_owned();
            let text = std::fs::read_to_string(folder.join(&file)).unwrap();
            let payloads = text.lines().map(str::to_owned).filter(|line| !line.is_empty());
            Recording { payloads: payloads.collect(), api: facts["api"].as_str().unwrap().to_owned(), file, facts }
        })
        .collect()
}
