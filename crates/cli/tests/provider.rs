//! `pilotlight provider test` and `models`, against a simulated LM Studio and nobody at all.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

use serde_json::Value;
use support::{Setup, SimulatorProcess};

fn config(address: &str) -> String {
    format!(
        "{{ models: {{ providers: {{ studio: {{ baseUrl: '{address}/v1', apiKey: 'lmstudio', api: 'openai-responses', \
         models: [{{ id: 'minimax-m2.1-gs32', name: 'MiniMax' }}] }} }} }} }}"
    )
}

#[test]
fn a_provider_is_tested_and_its_models_listed_without_an_engine() {
    let mut simulator = SimulatorProcess::start(&["lmstudio"]);
    let setup = Setup::new(&config(&simulator.address), "{}");
    let output = setup.run(&["provider", "test", "studio"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}");
    assert!(text.contains("ok  API          it speaks openai-responses"), "{text}");
    let output = setup.run(&["provider", "models", "STUDIO", "--json"]);
    let models: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((models[0]["id"].as_str(), models[0]["listed"].as_bool()), (Some("minimax-m2.1-gs32"), Some(true)));

    simulator.kill();
    let output = setup.run(&["provider", "test", "studio"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("NO  connect") && text.contains("connection refused"), "{text}");
    let output = setup.run(&["provider", "test", "nobody"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("there is studio"));
}
