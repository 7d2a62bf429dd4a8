//! States to test the shell with.
#![allow(clippy::unwrap_used)]

use pilotlight_engine::state::{AppState, Light, ModelState, ModelSummary};
use pilotlight_wire::{Location, UpstreamApi};

/// A local model outside the chain, cold.
pub(crate) fn local(provider: &str, id: &str, name: &str) -> ModelSummary {
    ModelSummary {
        model: format!("{provider}/{id}").parse().unwrap(),
        alias: None,
        name: name.to_owned(),
        location: Location::Local,
        api: UpstreamApi::OpenaiResponses,
        place: None,
        state: ModelState::Cold { reason: None },
        context_window: Some(196_608),
        loaded_context: None,
        quantization: None,
        size_bytes: None,
        activity: None,
        progress: None,
        stays_until: None,
        last_used: None,
        kept_warm: false,
        manageable: true,
        barred: None,
        problem: None,
    }
}

/// A warm local primary, a hosted fallback, and a local model outside the chain.
pub(crate) fn warm() -> AppState {
    let mut primary = local("lmstudio", "minimax-m2.1-gs32", "MiniMax M2.1 GS32");
    primary.alias = Some("MiniMax".to_owned());
    primary.place = Some(0);
    primary.state = ModelState::Warm { since: 1 };
    primary.loaded_context = Some(196_608);
    primary.kept_warm = true;
    let mut fallback = local("anthropic", "claude-opus-4-6", "Claude Opus 4.6");
    fallback.alias = Some("Opus".to_owned());
    fallback.place = Some(1);
    fallback.location = Location::Hosted;
    fallback.api = UpstreamApi::AnthropicMessages;
    fallback.state = ModelState::Ready;
    fallback.manageable = false;
    AppState {
        endpoint: Some("http://127.0.0.1:11235/v1".to_owned()),
        light: Light::Warm,
        status: "MiniMax · warm · 196k context".to_owned(),
        answering: Some(primary.model.clone()),
        chain: vec![primary.model.clone(), fallback.model.clone()],
        models: vec![primary, fallback, local("lmstudio", "qwen3-8b", "Qwen3 8B")],
        ..AppState::empty()
    }
}

/// A configuration whose primary is no model of it.
pub(crate) fn without_primary() -> AppState {
    let mut state = warm();
    state.light = Light::Trouble;
    state.answering = None;
    state.chain.clear();
    for model in &mut state.models {
        model.place = None;
    }
    state
}
