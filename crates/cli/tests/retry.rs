//! What cools down is shown, passed over, and asked again on `pilotlight retry`, with the real programs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

use serde_json::{Value, json};
use support::{HOSTED_KEY, SETTINGS, Setup, SimulatorProcess, configuration};

#[tokio::test]
async fn a_rate_limited_model_is_shown_passed_over_and_asked_again() {
    let local = SimulatorProcess::start(&["lmstudio", "--model", "minimax-m2.1-gs32:0", "--model", "qwen3-8b:0"]);
    let hosted = SimulatorProcess::start(&["openai", "--key", HOSTED_KEY]);
    let config = configuration(&local.address, Some(&hosted.address)).replace(
        "primary: 'lmstudio/minimax-m2.1-gs32', // the big one\n      fallbacks: [\"hosted/sonnet\"]",
        "primary: 'hosted/sonnet',\n      fallbacks: [\"lmstudio/minimax-m2.1-gs32\"]",
    );
    let setup = Setup::new(&config, SETTINGS);
    let serving = setup.serve();
    let client = reqwest::Client::new();
    setup.wait_for("the load", |state| {
        state["answering"] == "hosted/sonnet" && state["models"][0]["state"]["kind"] == "warm"
    });
    let fault = json!({"fault": "status", "status": 429, "headers": {"retry-after": "600"}, "times": 1});
    let set = client.post(format!("{}/_sim/faults", hosted.control)).json(&fault).send().await.unwrap();
    assert!(set.status().is_success(), "{}", set.text().await.unwrap());

    let answer = serving.stream(&client, "primary").await;
    assert_eq!(answer.headers()["x-pilotlight-model"], "lmstudio/minimax-m2.1-gs32");
    answer.text().await.unwrap();
    let state = setup.wait_for("the cool-down", |state| state["cooldowns"][0]["cause"] == "rate-limited");
    assert_eq!(state["cooldowns"][0]["model"], "hosted/sonnet");
    assert_eq!((&state["light"], &state["answering"]), (&json!("warm"), &json!("lmstudio/minimax-m2.1-gs32")));
    assert!(state["status"].as_str().unwrap().ends_with("· Sonnet is cooling down"), "{}", state["status"]);
    let notice = &state["notices"][0];
    assert_eq!(
        (&notice["kind"], &notice["title"]),
        (&json!("passed-over"), &json!("Sonnet is passed over")),
        "{state}"
    );
    let body = notice["body"].as_str().unwrap();
    assert!(body.starts_with("429: ") && body.ends_with(" answers until it is well again."), "{body}");
    let shown = String::from_utf8(setup.run(&["status"]).stdout).unwrap();
    assert!(
        shown.contains("Cooling down   hosted/sonnet: 429: ") && shown.contains("`pilotlight retry` ends it"),
        "{shown}"
    );

    let unknown = setup.run(&["retry", "nobody", "--json"]);
    assert_eq!(unknown.status.code(), Some(1));
    let error: Value = serde_json::from_slice(&unknown.stderr).unwrap();
    assert_eq!(error["error"]["code"], "unknown-provider");
    assert_eq!(setup.json(&["retry", "lmstudio", "--json"]), json!({"forgotten": []}));
    let forgotten = setup.json(&["retry", "--json"]);
    assert_eq!(
        forgotten,
        json!({"forgotten": [{"provider": "hosted", "model": "hosted/sonnet", "cause": "rate-limited"}]})
    );
    let state = setup.wait_for("the light", |state| state["cooldowns"] == json!([]));
    assert_eq!((&state["light"], &state["answering"]), (&json!("hosted"), &json!("hosted/sonnet")));
    let answer = serving.stream(&client, "primary").await;
    assert_eq!(answer.headers()["x-pilotlight-attempts"], "hosted/sonnet=ok");
    let nothing = String::from_utf8(setup.run(&["retry"]).stdout).unwrap();
    assert_eq!(nothing, "Nothing was cooling down\n");
}

#[tokio::test]
async fn a_hosted_primary_that_fails_and_is_well_again_is_told() {
    let first = SimulatorProcess::start(&["openai", "--key", HOSTED_KEY]);
    let second = SimulatorProcess::start(&["openai", "--key", HOSTED_KEY]);
    let provider = |address: &str, id: &str| {
        format!(
            "{{ baseUrl: '{address}/v1', apiKey: '{HOSTED_KEY}', api: 'openai-completions', \
             models: [{{ id: '{id}', name: '{id}' }}] }}"
        )
    };
    let config = format!(
        "{{ models: {{ providers: {{ one: {}, two: {} }} }}, \
         agents: {{ defaults: {{ model: {{ primary: 'one/gpt-5.2', fallbacks: ['two/gpt-5.1'] }} }} }} }}",
        provider(&first.address, "gpt-5.2"),
        provider(&second.address, "gpt-5.1"),
    );
    let settings = "{ providers: { one: { location: 'hosted' }, two: { location: 'hosted' } } }";
    let setup = Setup::new(&config, settings);
    let serving = setup.serve();
    let client = reqwest::Client::new();
    setup.wait_for("the start", |state| state["status"] == "gpt-5.2 · hosted");
    let fault = json!({"fault": "status", "status": 500, "times": 4});
    let set = client.post(format!("{}/_sim/faults", first.control)).json(&fault).send().await.unwrap();
    assert!(set.status().is_success(), "{}", set.text().await.unwrap());
    for _ in 0..4 {
        let answer = serving.stream(&client, "primary").await;
        assert_eq!(answer.headers()["x-pilotlight-model"], "two/gpt-5.1");
        answer.text().await.unwrap();
    }
    let state = setup.wait_for("the breaker", |state| state["cooldowns"][0]["cause"] == "failures");
    assert_eq!(state["status"], "gpt-5.1 · hosted · gpt-5.2 is cooling down");
    assert_eq!((&state["light"], &state["answering"]), (&json!("hosted"), &json!("two/gpt-5.1")));
    let state = setup.wait_for("the notice", |state| state["notices"][0]["kind"] == "passed-over");
    assert_eq!(state["notices"][0]["title"], "gpt-5.2 is passed over");
    let body = state["notices"][0]["body"].as_str().unwrap();
    assert!(body.starts_with("500: ") && body.ends_with(". gpt-5.1 answers until it is well again."), "{body}");

    // While it rests it is passed over; where nobody else is left it is tried, and told when it is well.
    serving.stream(&client, "primary").await.text().await.unwrap();
    drop(second);
    let answer = serving.stream(&client, "primary").await;
    assert_eq!(answer.headers()["x-pilotlight-model"], "one/gpt-5.2");
    answer.text().await.unwrap();
    let state = setup.wait_for("its return", |state| state["notices"][0]["kind"] == "back");
    assert_eq!(state["notices"][0]["title"], "gpt-5.2 is back");
    assert_eq!(state["status"], "gpt-5.2 · hosted");
}
