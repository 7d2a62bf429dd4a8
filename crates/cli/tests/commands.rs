//! Each command as a person or a script uses it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

use std::fs;

use support::{SETTINGS, Setup, SimulatorProcess, configuration};

/// No server listens there: port 9 is "discard", and nothing on a developer's machine serves it.
const NOWHERE: &str = "http://127.0.0.1:9";

#[test]
fn without_an_engine_the_commands_that_need_one_say_so_with_code_3() {
    let setup = Setup::new(&configuration(NOWHERE, None), SETTINGS);
    for command in [&["status"][..], &["models"], &["load", "MiniMax"], &["unload", "MiniMax"]] {
        let output = setup.run(command);
        assert_eq!(output.status.code(), Some(3), "{command:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("no engine is running"), "{command:?}");
    }
    let output = setup.run(&["status", "--json"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains(r#""code":"not-running""#));
}

#[test]
fn use_changes_exactly_the_characters_of_the_primary() {
    let before = configuration(NOWHERE, Some(NOWHERE));
    let setup = Setup::new(&before, SETTINGS);
    let output = setup.run(&["use", "qwen"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let after = fs::read_to_string(setup.config()).unwrap();
    assert_eq!(after, before.replacen("'lmstudio/minimax-m2.1-gs32'", "'lmstudio/qwen3-8b'", 1));

    let output = setup.run(&["use", "no-such-model"]);
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(message.contains("no-such-model") && message.contains("Qwen"), "{message}");
    assert_eq!(fs::read_to_string(setup.config()).unwrap(), after);
}

#[test]
fn config_check_tells_what_where_and_what_to_do() {
    let setup = Setup::new("{\n  agents: { defaults: { model: 'lmstudio/none' },\n", SETTINGS);
    let output = setup.run(&["config", "check", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    for key in ["severity", "code", "path", "line", "column", "message"] {
        assert!(!found[0][key].is_null(), "{key} is missing: {found}");
    }
    assert_eq!(found[0]["severity"], "error");

    fs::write(setup.config(), configuration(NOWHERE, None)).unwrap();
    assert_eq!(setup.run(&["config", "check"]).status.code(), Some(0));
    let path = setup.json(&["config", "path", "--json"]);
    assert_eq!(path["path"].as_str().unwrap(), setup.config().to_str().unwrap());
}

#[test]
fn a_mistake_in_the_file_keeps_the_last_good_one_in_force_and_a_change_is_live() {
    let setup = Setup::new(&configuration(NOWHERE, Some(NOWHERE)), SETTINGS);
    let _serving = setup.serve();
    fs::write(setup.config(), "{ agents: { defaults: ").unwrap();
    let state = setup.wait_for("the mistake", |state| state["config"]["stale"] == true);
    assert_eq!(state["chain"][0], "lmstudio/minimax-m2.1-gs32");
    assert!(state["config"]["problems"][0]["line"].as_u64().is_some(), "{state:#}");

    fs::write(setup.config(), configuration(NOWHERE, Some(NOWHERE)).replacen("minimax-m2.1-gs32'", "qwen3-8b'", 1))
        .unwrap();
    let state = setup.wait_for("the new primary", |state| state["chain"][0] == "lmstudio/qwen3-8b");
    assert_eq!(state["config"]["stale"], false);
}

#[test]
fn load_and_unload_speak_to_the_running_engine() {
    let local = SimulatorProcess::start(&["lmstudio", "--model", "minimax-m2.1-gs32:0", "--model", "qwen3-8b:300"]);
    let setup = Setup::new(&configuration(&local.address, None), SETTINGS);
    let serving = setup.serve();
    let loaded = setup.json(&["load", "Qwen", "--json"]);
    assert_eq!(loaded["model"], "lmstudio/qwen3-8b");
    let warm = |state: &serde_json::Value, model: &str| {
        state["models"]
            .as_array()
            .unwrap()
            .iter()
            .any(|known| known["ref"] == model && known["state"]["kind"] == "warm")
    };
    setup.wait_for("both to be warm", |state| {
        warm(state, "lmstudio/qwen3-8b") && warm(state, "lmstudio/minimax-m2.1-gs32")
    });
    assert_eq!(setup.json(&["unload", "Qwen", "--json"])["model"], "lmstudio/qwen3-8b");
    setup.wait_for("it to be cold", |state| !warm(state, "lmstudio/qwen3-8b"));

    let second = setup.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(second.status.code(), Some(1));
    let message = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(message.contains("already running") && message.contains(&serving.id().to_string()), "{message}");
}

#[test]
fn the_tour_of_the_demonstration_shows_the_bridge_and_the_way_back() {
    let setup = Setup::new("{}", SETTINGS);
    let output = setup.run(&["demo", "--headless", "--once", "--load-seconds", "3"]);
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{shown}\n{}", String::from_utf8_lossy(&output.stderr));
    let served: Vec<_> =
        shown.lines().filter_map(|line| line.trim().strip_prefix("served by")).map(str::trim).collect();
    assert_eq!(served.len(), 5, "{shown}");
    for (served, model) in served.iter().zip(["hosted/", "lmstudio/", "lmstudio/", "hosted/", "lmstudio/"]) {
        assert!(served.starts_with(model), "{shown}");
    }
    assert!(shown.contains("curl -N http://127.0.0.1:"), "{shown}");
    assert!(shown.contains("then an error"), "{shown}");
    assert!(shown.contains("notification  MiniMax was unloaded. Likely a crash"), "{shown}");
    assert!(shown.contains("notification  MiniMax is back"), "{shown}");
}

#[test]
fn what_is_not_in_force_for_a_mistake_is_said_at_the_start() {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;
    let setup = Setup::new("{}", "{ listen: '0.0.0.0:0', token: null }");
    let mut serving = setup
        .command(&["serve", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("pilotlight runs");
    let mut line = String::new();
    BufReader::new(serving.stderr.take().unwrap()).read_line(&mut line).unwrap();
    serving.kill().unwrap();
    serving.wait().unwrap();
    assert!(line.contains("ERROR") && line.contains("settings.json5:1:11: 0.0.0.0:0 can be reached"), "{line}");
}
