//! What a person asks of the keeper, and what it costs, with the real programs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, missing_docs)]

mod support;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{SETTINGS, Setup, SimulatorProcess, configuration};

fn qwen(state: &Value) -> &Value {
    &state["models"][1]
}

#[tokio::test]
async fn a_small_context_is_shown_and_mended_either_way() {
    let local = SimulatorProcess::start(&["lmstudio", "--model", "minimax-m2.1-gs32:0", "--model", "qwen3-8b:500"]);
    let setup = Setup::new(&configuration(&local.address, None), SETTINGS);
    let _serving = setup.serve();
    let client = reqwest::Client::new();
    let small = json!({"model": "qwen3-8b", "context_length": 4096});
    let load = client.post(format!("{}/api/v1/models/load", local.address)).json(&small).send().await.unwrap();
    assert!(load.status().is_success(), "{}", load.text().await.unwrap());
    setup.wait_for("the small context", |state| qwen(state)["loadedContext"] == 4096);
    let again = String::from_utf8(setup.run(&["load", "Qwen"]).stdout).unwrap();
    assert!(again.contains("4096 tokens") && again.contains("less than the 40960 of the configuration"), "{again}");
    let shown = String::from_utf8(setup.run(&["context"]).stdout).unwrap();
    assert!(shown.contains("qwen3-8b: loaded with 4096 of the 40960 tokens"), "{shown}");
    assert!(shown.contains("pilotlight context lmstudio/qwen3-8b --lower"), "{shown}");

    let reloaded = setup.json(&["context", "Qwen", "--reload", "--json"]);
    assert_eq!((&reloaded["loadedContext"], &reloaded["contextWindow"]), (&json!(40960), &json!(40960)));
    let state = setup.wait_for("the larger one", |state| qwen(state)["loadedContext"] == 40960);
    assert_eq!(qwen(&state)["problem"], Value::Null);
    let nothing = setup.run(&["context", "Qwen", "--lower", "--json"]);
    assert_eq!(nothing.status.code(), Some(1));

    setup.json(&["unload", "Qwen", "--json"]);
    let load = client.post(format!("{}/api/v1/models/load", local.address)).json(&small).send().await.unwrap();
    assert!(load.status().is_success());
    setup.wait_for("the small context", |state| qwen(state)["loadedContext"] == 4096);
    let before = std::fs::read_to_string(setup.config()).unwrap();
    let lowered = setup.json(&["context", "lmstudio/qwen3-8b", "--lower", "--json"]);
    assert_eq!(lowered["contextWindow"], 4096);
    let after = std::fs::read_to_string(setup.config()).unwrap();
    assert_eq!(after, before.replace("40960", "4096"), "only those characters");
    setup.wait_for("what the file says now", |state| qwen(state)["contextWindow"] == 4096);
}

/// `config check` says also what only the running engine knows, and of the file that it runs on alone.
#[tokio::test]
async fn a_check_of_the_file_knows_what_the_running_engine_knows() {
    let local = SimulatorProcess::start(&["lmstudio", "--model", "minimax-m2.1-gs32:0"]);
    let setup = Setup::new(&configuration(&local.address, None), SETTINGS);
    let found = |setup: &Setup, file: &[&str]| -> BTreeMap<String, Value> {
        let said = setup.json(&[&["config", "check", "--json"], file].concat());
        let live = ["context-above-loaded", "model-not-there"];
        let said = said.as_array().unwrap().iter().filter(|one| live.contains(&one["code"].as_str().unwrap()));
        said.map(|one| (one["code"].as_str().unwrap().to_owned(), one.clone())).collect()
    };
    assert_eq!(found(&setup, &[]), BTreeMap::new(), "nobody to ask");

    let serving = setup.serve();
    setup.wait_for("the load, and what is not there", |state| {
        state["models"][0]["state"]["kind"] == "warm" && qwen(state)["state"]["kind"] == "missing"
    });
    let said = found(&setup, &[]);
    assert_eq!(said.keys().collect::<Vec<_>>(), ["model-not-there"], "it was loaded with what the file says");
    let text = std::fs::read_to_string(setup.config()).unwrap();
    let line = text.lines().position(|line| line.contains("id: \"qwen3-8b\"")).unwrap() + 1;
    assert_eq!(
        (&said["model-not-there"]["line"], &said["model-not-there"]["severity"]),
        (&json!(line), &json!("warning"))
    );
    assert!(said["model-not-there"]["message"].as_str().unwrap().contains("pilotlight provider models lmstudio"));

    std::fs::write(setup.config(), text.replace("196608", "1000000")).unwrap();
    setup.wait_for("the file's new number", |state| state["models"][0]["contextWindow"] == 1_000_000);
    let said = found(&setup, &[]);
    let above = &said["context-above-loaded"];
    assert!(above["message"].as_str().unwrap().contains("196608"), "{above}");
    assert_eq!(above["fix"]["edits"][0]["value"], 196_608, "{above}");
    // The same file by another of its names is the same file; a copy is not what the engine runs on.
    let copy = setup.user_home().join("copy.json5");
    std::fs::copy(setup.config(), &copy).unwrap();
    assert_eq!(found(&setup, &[copy.to_str().unwrap()]), BTreeMap::new());
    assert_eq!(found(&setup, &[setup.config().to_str().unwrap()]), said);
    #[cfg(unix)]
    {
        let link = setup.user_home().join("link.json5");
        std::os::unix::fs::symlink(setup.config(), &link).unwrap();
        assert!(found(&setup, &[link.to_str().unwrap()]).contains_key("context-above-loaded"));
    }
    let relative =
        setup.command(&["config", "check", "openclaw.json"]).current_dir(setup.user_home()).output().unwrap();
    assert!(String::from_utf8_lossy(&relative.stdout).contains("is loaded with a context of 196608"));

    let shown = String::from_utf8(setup.run(&["context"]).stdout).unwrap();
    assert!(shown.contains("qwen3-8b: its runtime does not have it; the configuration says 40960"), "{shown}");
    let unknown = setup.run(&["context", "qwen"]).stdout;
    assert_eq!(String::from_utf8(unknown).unwrap().lines().count(), 1, "an alias in any case");
    let unknown = String::from_utf8(setup.run(&["context", "nobody"]).stderr).unwrap();
    assert!(unknown.contains("there is lmstudio/minimax-m2.1-gs32, lmstudio/qwen3-8b"), "{unknown}");

    // Without the engine, the check goes on without its word.
    drop(serving);
    assert_eq!(found(&setup, &[]), BTreeMap::new());
}

/// A load over Ollama's API cannot name a context length that requests would not undo: its model's own is set.
#[tokio::test]
async fn a_small_context_in_ollama_is_mended_in_its_model() {
    let ollama = SimulatorProcess::start(&["ollama", "--context", "4096", "--model", "qwen3:8b:300"]);
    let config = format!(
        "{{ models: {{ providers: {{ ollama: {{ baseUrl: '{}/v1', apiKey: 'ollama', api: 'openai-completions', models: [
           {{ id: 'qwen3:8b', name: 'Qwen', contextWindow: 40960 }} ] }} }} }},
           agents: {{ defaults: {{ model: {{ primary: 'ollama/qwen3:8b' }} }} }} }}",
        ollama.address
    );
    let setup = Setup::new(&config, SETTINGS);
    let serving = setup.serve();
    let model = |state: &Value| state["models"][0].clone();
    setup.wait_for("the small context", |state| model(state)["loadedContext"] == 4096);
    let shown = String::from_utf8(setup.run(&["context"]).stdout).unwrap();
    assert!(shown.contains("--reload   sets num_ctx of the model in Ollama to 40960"), "{shown}");
    // By the name that is shown.
    let mended = setup.json(&["context", "qwen", "--reload", "--json"]);
    assert_eq!(mended["loadedContext"], 40960);
    // A request, which has no way to name a length, does not undo it.
    let client = reqwest::Client::new();
    let body = json!({"model": "primary", "messages": [{"role": "user", "content": "Who are you?"}]});
    let asked = client.post(format!("{}/chat/completions", serving.endpoint)).bearer_auth(&serving.token).json(&body);
    assert!(asked.send().await.unwrap().status().is_success());
    let state = setup.wait_for("its context", |state| model(state)["loadedContext"] == 40960);
    assert_eq!(model(&state)["problem"], Value::Null);
    let shown = String::from_utf8(setup.run(&["models"]).stdout).unwrap();
    assert!(shown.contains("40960 tokens of context loaded, Q4_K_M, "), "{shown}");
    let listed = setup.json(&["runtime", "list", "--json"]);
    assert_eq!((&listed[0]["setsContext"], &listed[0]["loadContext"]), (&json!(true), &json!(false)));
}

/// A server that wants a token says so before a request meets it.
#[tokio::test]
async fn a_wrong_token_of_lm_studio_is_no_light() {
    let key = "sk-lm-abcdefgh:0123456789abcdefghij";
    let local = SimulatorProcess::start(&["lmstudio", "--model", "minimax-m2.1-gs32:0", "--key", key]);
    let config = configuration(&local.address, None);
    let setup = Setup::new(&config, SETTINGS);
    let _serving = setup.serve();
    let state = setup.wait_for("trouble", |state| state["light"] == "trouble");
    assert_eq!(state["status"], "MiniMax · its server refuses the key");
    let written = config.replace(r#"apiKey: "lmstudio""#, &format!("apiKey: '{key}'"));
    assert_ne!(written, config);
    std::fs::write(setup.config(), written).unwrap();
    let state = setup.wait_for("the load", |state| state["light"] == "warm");
    assert_eq!(state["status"], "MiniMax · warm · 196k context");
    setup.wait_for("its WebSocket, by the same token", |state| state["models"][0]["activity"] == "idle");
}

/// LM Studio would load for the request what the keeper loads by itself, and have it twice.
#[tokio::test]
async fn the_first_request_waits_for_what_the_servers_tell_of_themselves() {
    let slow = r#"{"fault":"slow-first-byte","ms":60,"path":"*"}"#;
    let local = SimulatorProcess::start(&["lmstudio", "--model", "minimax-m2.1-gs32:1000", "--fault", slow]);
    let setup = Setup::new(&configuration(&local.address, None), SETTINGS);
    let serving = setup.serve();
    let client = reqwest::Client::new();
    let answer = serving.stream(&client, "primary").await;
    assert!(support::text(&support::events(&answer.text().await.unwrap())).contains("minimax"));
    let state: Value = client.get(format!("{}/_sim/state", local.control)).send().await.unwrap().json().await.unwrap();
    let minimax = &state["models"][0];
    assert_eq!((&minimax["loads"], &minimax["instances"][0]["explicit"]), (&json!(1), &json!(true)), "{state}");
}

/// Each waits for its turn, and none meets the end of the other's model.
#[tokio::test]
async fn requests_for_more_models_than_may_be_in_memory_take_turns() {
    let models = ["lmstudio", "--model", "minimax-m2.1-gs32:300", "--model", "qwen3-8b:300", "--word-delay", "5ms"];
    let local = SimulatorProcess::start(&models);
    let settings = SETTINGS.replace(r#"poll: "1s""#, r#"poll: "1s", maxModels: 1"#);
    let setup = Setup::new(&configuration(&local.address, None), &settings);
    let serving = setup.serve();
    let client = reqwest::Client::new();
    for round in 0..4 {
        let (one, other) = tokio::join!(serving.stream(&client, "MiniMax"), serving.stream(&client, "Qwen"));
        for (answer, name) in [(one, "minimax"), (other, "qwen3")] {
            let status = answer.status();
            let body = answer.text().await.unwrap();
            assert!(status.is_success() && support::text(&support::events(&body)).contains(name), "{round}: {body}");
        }
    }
}

/// What is seen to have gone under a request is loaded again for it, with the configuration's context.
#[tokio::test]
async fn a_model_without_a_policy_that_crashes_under_a_request_is_loaded_for_it() {
    let models = ["lmstudio", "--model", "minimax-m2.1-gs32:0", "--model", "qwen3-8b:300"];
    let local = SimulatorProcess::start(&models);
    let setup = Setup::new(&configuration(&local.address, None), SETTINGS);
    let serving = setup.serve();
    setup.json(&["load", "Qwen", "--json"]);
    let client = reqwest::Client::new();
    let crash = json!({"fault": "unload", "after": 0, "cause": "crash", "times": 1, "model": "qwen3-8b"});
    client.post(format!("{}/_sim/faults", local.control)).json(&crash).send().await.unwrap();
    let body = serving.stream(&client, "Qwen").await.text().await.unwrap();
    assert!(support::text(&support::events(&body)).contains("qwen3"), "{body}");
    let state: Value = client.get(format!("{}/_sim/state", local.control)).send().await.unwrap().json().await.unwrap();
    let instance = &state["models"][1]["instances"][0];
    assert_eq!((&instance["explicit"], &instance["context"]), (&json!(true), &json!(40960)), "{state}");
}

/// With looks an hour apart, what is seen of LM Studio is seen by its WebSocket.
#[tokio::test]
async fn what_lm_studio_does_and_unloads_is_seen_between_two_looks() {
    let models = ["lmstudio", "--model", "minimax-m2.1-gs32:0", "--model", "qwen3-8b:3000", "--word-delay", "200ms"];
    let local = SimulatorProcess::start(&models);
    let settings = SETTINGS.replace(r#"poll: "1s""#, r#"poll: "1h""#);
    let setup = Setup::new(&configuration(&local.address, None), &settings);
    let serving = setup.serve();
    let minimax = |state: &Value| state["models"][0].clone();
    setup.wait_for("what it does", |state| minimax(state)["activity"] == "idle");
    let listed = String::from_utf8(setup.run(&["runtime", "list"]).stdout).unwrap();
    assert!(listed.contains("LM Studio 0.4.2") && !listed.contains("when a model was last used"), "{listed}");

    let client = reqwest::Client::new();
    let answer = serving.stream(&client, "primary").await;
    setup.wait_for("that it answers", |state| minimax(state)["activity"] == "answering");
    assert!(support::text(&support::events(&answer.text().await.unwrap())).contains("minimax"));
    setup.wait_for("that it is done", |state| minimax(state)["activity"] == "idle");

    let gone = json!({"model": "minimax-m2.1-gs32", "cause": "ejected"});
    client.post(format!("{}/_sim/unload", local.control)).json(&gone).send().await.unwrap();
    let state = setup.wait_for("that it went", |state| minimax(state)["state"]["kind"] == "cold");
    assert_eq!(minimax(&state)["state"]["reason"], "likely ejected by a person");
    let notice = &state["notices"][0];
    assert!(notice["body"].as_str().unwrap().contains("it has no idle timer, was idle"), "{notice}");

    let output = setup.run(&["load", "Qwen", "--watch", "--json"]);
    let lines = String::from_utf8(output.stdout).unwrap();
    let percent = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).unwrap()["percent"].as_u64());
    assert!(percent.max().is_some_and(|percent| percent > 20), "{lines}");

    // Without it the rest goes on as before, and what is not told is said.
    let local = SimulatorProcess::start(&["lmstudio", "--model", "minimax-m2.1-gs32:0", "--no-websocket"]);
    let setup = Setup::new(&configuration(&local.address, None), SETTINGS);
    let _serving = setup.serve();
    let state = setup.wait_for("the load", |state| minimax(state)["state"]["kind"] == "warm");
    assert_eq!(minimax(&state)["activity"], Value::Null);
    let listed = String::from_utf8(setup.run(&["runtime", "list"]).stdout).unwrap();
    assert!(listed.contains("does not tell"), "{listed}");
    client.post(format!("{}/_sim/unload", local.control)).json(&gone).send().await.unwrap();
    setup.wait_for("that it went", |state| minimax(state)["state"]["kind"] == "cold");
}

/// What the settings say of memory and of when to keep a model warm is followed as it is written, while the engine runs.
#[tokio::test]
async fn the_memory_limit_and_the_policies_of_the_settings_are_followed() {
    let sizes = ["--size", "minimax-m2.1-gs32=120", "--size", "qwen3-8b=40"];
    let models = ["lmstudio", "--model", "minimax-m2.1-gs32:0", "--model", "qwen3-8b:0"];
    let local = SimulatorProcess::start(&[&models[..], &sizes[..]].concat());
    let setup = Setup::new(&configuration(&local.address, None), SETTINGS);
    let settings = |keeper: &str, policies: &str| {
        let text = format!("{{ keeper: {{ poll: '1s', {keeper} }}, models: {{ {policies} }} }}");
        std::fs::write(setup.home().join("settings.json5"), text).unwrap();
    };
    let kind = |state: &Value, index: usize| state["models"][index]["state"]["kind"].as_str().unwrap().to_owned();
    let kinds = |state: &Value| [kind(state, 0), kind(state, 1)];
    let always = "'lmstudio/qwen3-8b': { keepWarm: 'always' }";
    settings("maxMemory: '150GB'", always);
    let _serving = setup.serve();
    let state = setup.wait_for("the stronger policy", |state| kinds(state) == ["cold", "warm"]);
    assert_eq!(state["models"][0]["sizeBytes"], 120_000_000_000_u64);
    settings("maxMemory: '160GB'", always);
    setup.wait_for("room for both", |state| kinds(state) == ["warm", "warm"]);

    settings("maxMemory: '100GB'", "'lmstudio/minimax-m2.1-gs32': { keepWarm: 'never' }");
    // What is written is in force within a second.
    let kept = |is: bool| move |state: &Value| state["models"][0]["keptWarm"] == is;
    setup.wait_for("no policy", kept(false));
    setup.json(&["unload", "MiniMax", "--json"]);
    let refused = setup.run(&["load", "MiniMax"]);
    let message = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(1) && message.contains("it takes 120.0 GB"), "{message}");
    assert!(message.contains("keeper.maxMemory of the settings, 100.0 GB"), "{message}");

    let whole_day = "{ keepWarm: { from: '00:00', to: '24:00', timeZone: 'Europe/Berlin' } }";
    settings("maxMemory: null", &format!("'lmstudio/minimax-m2.1-gs32': {whole_day}"));
    let give_up = Instant::now() + Duration::from_secs(30);
    while !setup.run(&["load", "MiniMax"]).status.success() {
        assert!(Instant::now() < give_up, "without a limit it loads");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    setup.wait_for("the schedule", kept(true));
    settings("maxMemory: null", "'lmstudio/minimax-m2.1-gs32': { keepWarm: 'never' }");
    let state = setup.wait_for("no policy", kept(false));
    assert_eq!(kind(&state, 0), "warm", "when a policy ends, the model is left as it is");
}

#[tokio::test]
async fn a_load_is_watched_and_its_time_known_after_a_restart() {
    let models = ["--model", "minimax-m2.1-gs32:0", "--model", "qwen3-8b:3000"];
    // Else LM Studio itself would tell how far it has come.
    let local = SimulatorProcess::start(&[&["lmstudio", "--no-websocket"][..], &models].concat());
    let setup = Setup::new(&configuration(&local.address, None), SETTINGS);
    let serving = setup.serve();
    setup.wait_for("the first look", |state| qwen(state)["state"]["kind"] == "cold");
    let output = setup.run(&["load", "Qwen", "--watch", "--json"]);
    let lines: Vec<Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).expect("an object a line"))
        .collect();
    assert!(lines.len() > 1, "{lines:?}");
    assert_eq!((&lines[0]["state"], &lines[0]["expectedMilliseconds"]), (&json!("loading"), &Value::Null));
    assert!(lines.last().unwrap()["loadMilliseconds"].as_u64().unwrap() >= 2_900, "{lines:?}");
    setup.json(&["unload", "Qwen", "--json"]);
    assert_eq!(serving.terminate(), Some(0));

    let _serving = setup.serve();
    setup.wait_for("the first look", |state| qwen(state)["state"]["kind"] == "cold");
    let loading = setup.command(&["load", "Qwen"]).spawn().unwrap();
    let state = setup.wait_for("the load", |state| qwen(state)["state"]["kind"] == "loading");
    let expected = qwen(&state)["state"]["expected"].as_u64().unwrap();
    assert!((2_900..10_000).contains(&expected), "{expected}");
    assert!(loading.wait_with_output().unwrap().status.success());
}

/// `PILOTLIGHT_WATCH=600 cargo test -p pilotlight-cli --test keeping -- --ignored --nocapture`: the figures of the
/// README. In seconds; without it, 60.
#[cfg(target_os = "linux")]
#[tokio::test]
#[ignore = "a measurement: it takes as long as it is told to"]
async fn what_watching_costs() {
    let length = std::env::var("PILOTLIGHT_WATCH").ok().map_or(60, |seconds| seconds.parse().unwrap());
    let local = SimulatorProcess::start(&["lmstudio", "--model", "minimax-m2.1-gs32:1000", "--model", "qwen3-8b:1000"]);
    let settings = SETTINGS.replace(r#", keeper: { poll: "1s" }"#, "");
    let setup = Setup::new(&configuration(&local.address, None), &settings);
    let serving = setup.serve();
    setup.wait_for("the load", |state| state["models"][0]["state"]["kind"] == "warm");
    tokio::time::sleep(Duration::from_secs(5)).await;
    let client = reqwest::Client::new();
    client.delete(format!("{}/_sim/requests", local.control)).send().await.unwrap();
    let (began, before) = (Instant::now(), processor_time(serving.id()));
    tokio::time::sleep(Duration::from_secs(length)).await;
    let (minutes, used) = (began.elapsed().as_secs_f64() / 60.0, processor_time(serving.id()) - before);
    let requests = client.get(format!("{}/_sim/requests", local.control)).send().await.unwrap();
    let requests: Vec<Value> = requests.json().await.unwrap();
    let mut paths: BTreeMap<String, usize> = BTreeMap::new();
    for request in &requests {
        *paths.entry(request["path"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
    }
    #[allow(clippy::cast_precision_loss)]
    let per_minute = |count: usize| count as f64 / minutes;
    // By this LM Studio writes nothing to its log (the SDK's source, and its users).
    let unlogged = per_minute(paths.get("getInstanceProcessingState").copied().unwrap_or_default());
    let logged = per_minute(requests.len()) - unlogged;
    println!("{logged:.1} logged and {unlogged:.1} other requests a minute to an idle LM Studio: {paths:?}");
    println!("{:.2} s of processor time an hour", used.as_secs_f64() * 60.0 / minutes);
    assert!(logged < 30.0, "LM Studio writes a line to its log for each");
}

/// Of a process, by the kernel's count of ticks, a hundredth of a second each.
#[cfg(target_os = "linux")]
fn processor_time(id: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}
