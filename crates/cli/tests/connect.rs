//! `pilotlight connect` and `disconnect`, with a running engine and without: the real programs, each tool's files in a home
//! folder of the test's own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

use std::fs;

use serde_json::json;
use support::{SETTINGS, Setup, SimulatorProcess, configuration};

const NOWHERE: &str = "http://127.0.0.1:9";

#[test]
fn without_an_engine_it_is_written_and_said_that_it_was_not_tried() {
    let setup = Setup::new(&configuration(NOWHERE, Some(NOWHERE)), SETTINGS);
    let codex = setup.home().with_file_name(".codex").join("config.toml");
    let text = |arguments: &[&str]| String::from_utf8(setup.run(arguments).stdout).unwrap();
    let shown = text(&["connect", "codex", "--dry-run"]);
    assert!(shown.contains("+model_provider = \"pilotlight\"") && shown.contains("‹hidden key 1›"), "{shown}");
    assert!(!codex.exists());
    assert!(text(&["connect", "codex"]).contains("No engine is running"));
    assert!(fs::read_to_string(&codex).unwrap().contains("experimental_bearer_token = \"pl-"));
    let list = setup.json(&["connect", "--json"]);
    assert_eq!((&list[0]["tool"], &list[0]["state"]), (&json!("openclaw"), &json!("apart")));
    assert_eq!((&list[1]["tool"], &list[1]["state"]), (&json!("codex"), &json!("connected")));
    assert_eq!(setup.json(&["token", "list", "--json"])[0]["name"], "codex");
    assert!(text(&["disconnect", "codex"]).contains("was removed"));
    assert!(!codex.exists());
    assert_eq!(setup.json(&["token", "list", "--json"]), json!([]));
    let again = setup.run(&["disconnect", "codex"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("nothing to take back"));
    assert_eq!(setup.run(&["connect", "emacs"]).status.code(), Some(2));
}

#[test]
fn with_an_engine_each_tool_is_tried_by_a_request_of_its_own_kind() {
    let studio = SimulatorProcess::start(&["lmstudio", "--model", "minimax-m2.1-gs32:50", "--word-delay", "1ms"]);
    let setup = Setup::new(&configuration(&studio.address, None), SETTINGS);
    let before = fs::read_to_string(setup.config()).unwrap();
    let serving = setup.serve();
    for tool in ["openclaw", "codex", "claude-code", "opencode"] {
        let connected = setup.json(&["connect", tool, "--json"]);
        assert_eq!(connected["verified"]["ok"], true, "{connected:#}");
        assert_eq!(connected["verified"]["model"], "lmstudio/minimax-m2.1-gs32");
        assert!(
            connected["diff"].as_str().unwrap().contains(serving.endpoint.trim_end_matches("/v1")),
            "{connected:#}"
        );
    }
    // The proxy's chain is OpenClaw's without us.
    let state = setup.json(&["status", "--json"]);
    assert_eq!(state["chain"][0], "lmstudio/minimax-m2.1-gs32");
    for tool in ["openclaw", "codex", "claude-code", "opencode"] {
        setup.json(&["disconnect", tool, "--json"]);
    }
    assert_eq!(fs::read_to_string(setup.config()).unwrap(), before);
}
