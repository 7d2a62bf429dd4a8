//! Routes and targets for unit tests.

use std::sync::Arc;
use std::time::Duration;

use pilotlight_wire::{Location, ModelRef, UpstreamApi};

use crate::routes::{Routes, Target};

pub fn target(model: &str) -> Arc<Target> {
    let model: ModelRef = model.parse().unwrap();
    Arc::new(Target {
        alias: None,
        title: model.to_string(),
        upstream_id: model.model().to_owned(),
        base_url: "http://127.0.0.1:9/v1".parse().unwrap(),
        api: UpstreamApi::OpenaiCompletions,
        key: None,
        key_problem: None,
        headers: Vec::new(),
        location: Location::Local,
        region: None,
        first_content: Duration::from_secs(5),
        context_window: None,
        max_tokens: None,
        images: None,
        compat: Default::default(),
        managed: false,
        model,
    })
}

pub fn routes(targets: Vec<Arc<Target>>) -> Routes {
    Routes { chain: targets.iter().map(|target| target.model.clone()).collect(), targets, ..Routes::default() }
}
