//! The commands that edit the configuration, as a person or a script uses them: no engine runs but where one is named.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

use std::fs;

use serde_json::{Value, json};
use support::{SETTINGS, Setup, configuration};

/// No server listens there: port 9 is "discard", and nothing on a developer's machine serves it.
const NOWHERE: &str = "http://127.0.0.1:9";

fn setup() -> Setup {
    Setup::new(&configuration(NOWHERE, Some(NOWHERE)), SETTINGS)
}

fn text(setup: &Setup) -> String {
    fs::read_to_string(setup.config()).unwrap()
}

/// Runs a command that must succeed, and gives what it prints.
#[track_caller]
fn done(setup: &Setup, arguments: &[&str]) -> String {
    let output = setup.run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a command that must fail with this exit code, and gives what it says. The file stays as it is.
#[track_caller]
fn fails(setup: &Setup, code: i32, arguments: &[&str]) -> String {
    let before = text(setup);
    let output = setup.run(arguments);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(text(setup), before, "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// `arguments` turn `from` into `to` in the file, and leave every other byte. With `--dry-run` they only show it.
#[track_caller]
fn turns(setup: &Setup, arguments: &[&str], from: &str, to: &str) {
    let before = text(setup);
    let after = before.replacen(from, to, 1);
    assert_ne!(before, after, "{from}");
    let shown = done(setup, &[arguments, &["--dry-run"]].concat());
    assert!(shown.starts_with("--- ") && shown.contains("\n@@ "), "{shown}");
    assert_eq!(text(setup), before, "{arguments:?} --dry-run wrote");
    let told = setup.json(&[arguments, &["--json"]].concat());
    assert_eq!(text(setup), after, "{arguments:?}");
    assert_eq!(told["written"], true);
    // What follows the diff is what is wrong after the edit.
    assert!(shown.starts_with(told["diff"].as_str().unwrap()), "{shown}");
}

#[test]
fn get_prints_a_value_and_hides_keys() {
    let setup = setup();
    assert_eq!(done(&setup, &["config", "get", "agents.defaults.model.primary"]), "lmstudio/minimax-m2.1-gs32\n");
    let path = r#"agents.defaults.models["lmstudio/qwen3-8b"]"#;
    assert_eq!(setup.json(&["config", "get", path, "--json"]), json!({ "alias": "Qwen" }));
    assert_eq!(done(&setup, &["config", "get", "models.providers.lmstudio.models[1].contextWindow"]), "40960\n");
    assert_eq!(done(&setup, &["config", "get", "models.providers.hosted.apiKey"]), "${HOSTED_KEY_OF_THE_TEST}\n");
    let whole = setup.json(&["config", "get", "--json"]);
    assert_eq!(whole["models"]["mode"], "merge");
    let message = fails(&setup, 1, &["config", "get", "agents.nothing"]);
    assert!(message.contains("there is no agents.nothing") && message.contains("agents has defaults"), "{message}");
    let message = fails(&setup, 1, &["config", "get", "models.providers.lmstudio.models.0.id"]);
    assert!(message.contains("is a list of 2 items, models.providers.lmstudio.models[0] to"), "{message}");
    let message = fails(&setup, 2, &["config", "get", "agents..x"]);
    assert!(message.contains("is no path, from character 8"), "{message}");

    fs::write(setup.config(), text(&setup).replace("\"${HOSTED_KEY_OF_THE_TEST}\"", "'a-key-in-the-file'")).unwrap();
    for command in [
        &["config", "get", "models.providers.hosted.apiKey"][..],
        &["config", "get", "models", "--json"],
        &["config", "set", "models.providers.hosted.apiKey", "another-key", "--dry-run"],
    ] {
        let shown = done(&setup, command);
        assert!(shown.contains("‹hidden key 1›") && !shown.contains("a-key-in-the-file"), "{shown}");
        assert!(!shown.contains("another-key"), "{shown}");
    }
    let shown = done(&setup, &["config", "get", "--show-keys", "models.providers.hosted.apiKey"]);
    assert_eq!(shown, "a-key-in-the-file\n");
}

#[test]
fn set_and_unset_change_what_they_say_and_no_other_byte() {
    let setup = setup();
    turns(
        &setup,
        &["config", "set", "models.providers.lmstudio.models[1].maxTokens", "4096"],
        "contextWindow: 40960, maxTokens: 8192",
        "contextWindow: 40960, maxTokens: 4096",
    );
    turns(&setup, &["config", "set", "models.mode", "replace"], "mode: \"merge\"", "mode: \"replace\"");
    turns(
        &setup,
        &["config", "set", r#"agents.defaults.models["lmstudio/qwen3-8b"]"#, "{ alias: 'Small' }"],
        r#"{ alias: "Qwen" }"#,
        r#"{ alias: "Small" }"#,
    );
    turns(
        &setup,
        &["config", "set", "agents.defaults.model.fallbacks[1]", "lmstudio/qwen3-8b"],
        r#"["hosted/sonnet"]"#,
        r#"["hosted/sonnet", "lmstudio/qwen3-8b"]"#,
    );
    turns(
        &setup,
        &["config", "unset", "models.providers.lmstudio.models[1].maxTokens"],
        "contextWindow: 40960, maxTokens: 4096",
        "contextWindow: 40960",
    );
    assert!(done(&setup, &["config", "set", "models.mode", "replace"]).contains("nothing to change"));
    // Half an object was not meant as a string.
    let message = fails(&setup, 1, &["config", "set", "logging.level", "{ debug"]);
    assert!(message.contains("no JSON5") && message.contains("in quotes"), "{message}");
    assert!(fails(&setup, 1, &["config", "unset", "models.nothing"]).contains("there is no models.nothing"));
    let message = fails(&setup, 1, &["config", "set", "models.mode.deeper", "1"]);
    assert!(message.contains("models.mode is a string"), "{message}");
}

#[test]
fn an_edit_after_which_the_file_could_not_be_used_needs_force() {
    let setup = setup();
    let edit = ["config", "set", "models.providers.lmstudio.models[0].contextWindow", "much"];
    let message = fails(&setup, 1, &edit);
    assert!(message.contains("nothing was changed") && message.contains("contextWindow"), "{message}");
    let shown = done(&setup, &[&edit[..], &["--dry-run"]].concat());
    assert!(shown.ends_with("it is written only with --force\n"), "{shown}");
    let shown = done(&setup, &[&edit[..], &["--dry-run", "--force"]].concat());
    assert!(!shown.contains("only with --force"), "{shown}");
    done(&setup, &[&edit[..], &["--force"]].concat());
    assert_eq!(setup.run(&["config", "check"]).status.code(), Some(1));
    // Mending needs none.
    done(&setup, &["config", "set", "models.providers.lmstudio.models[0].contextWindow", "1000000"]);
    assert_eq!(setup.run(&["config", "check"]).status.code(), Some(0));
}

#[test]
fn undo_redo_history_diff_and_restore() {
    let setup = setup();
    let first = text(&setup);
    assert!(done(&setup, &["config", "history"]).contains("nothing is recorded yet"));
    assert_eq!(setup.json(&["config", "history", "--json"]), json!([]));
    assert!(fails(&setup, 1, &["config", "undo"]).contains("nothing to undo"));
    done(&setup, &["config", "set", "models.mode", "replace"]);
    let second = text(&setup);
    // `use` is recorded like everything else.
    done(&setup, &["use", "Qwen"]);
    let third = text(&setup);
    let diff = done(&setup, &["config", "diff"]);
    assert!(
        diff.contains("-      primary: 'lmstudio/minimax-m2.1-gs32'")
            && diff.contains("+      primary: 'lmstudio/qwen3-8b'")
    );
    let history = setup.json(&["config", "history", "--json"]);
    let labels: Vec<_> = history.as_array().unwrap().iter().map(|one| one["label"].as_str().unwrap()).collect();
    assert_eq!(labels, ["lmstudio/qwen3-8b made the primary", "models.mode set", "as it was found"]);
    assert_eq!((&history[0]["current"], &history[1]["current"]), (&json!(true), &json!(false)));

    assert!(done(&setup, &["config", "undo", "--dry-run"]).contains("+      primary: 'lmstudio/minimax"));
    assert_eq!(text(&setup), third);
    assert!(done(&setup, &["config", "undo"]).contains("undone: lmstudio/qwen3-8b made the primary"));
    assert_eq!(text(&setup), second);
    done(&setup, &["config", "undo"]);
    assert_eq!(text(&setup), first);
    done(&setup, &["config", "redo"]);
    done(&setup, &["config", "redo"]);
    assert_eq!(text(&setup), third);
    let oldest = history[2]["revision"].as_str().unwrap();
    let diff = done(&setup, &["config", "diff", &oldest[..12]]);
    assert!(diff.contains("+    mode: \"replace\"") && diff.contains("+      primary: 'lmstudio/qwen3-8b'"), "{diff}");
    done(&setup, &["config", "restore", &oldest[..12]]);
    assert_eq!(text(&setup), first);
    assert!(fails(&setup, 1, &["config", "restore", "zzzz"]).contains("the history lists them"));
    let shown = done(&setup, &["config", "history"]);
    assert!(shown.lines().next().unwrap().starts_with(&format!("* {}", &oldest[..12])), "{shown}");
}

#[test]
fn an_alias_is_given_and_taken_away() {
    let setup = setup();
    turns(&setup, &["alias", "set", "Small", "Qwen"], r#"{ alias: "Qwen" }"#, r#"{ alias: "Small" }"#);
    done(&setup, &["alias", "set", "Sonnet", "hosted/sonnet", "--json"]);
    assert_eq!(done(&setup, &["config", "get", r#"agents.defaults.models["hosted/sonnet"].alias"#]), "Sonnet\n");
    assert!(fails(&setup, 1, &["alias", "set", "minimax", "hosted/sonnet"]).contains("already"));
    assert!(fails(&setup, 1, &["alias", "set", "QWEN3-8B", "hosted/sonnet"]).contains("already means a model"));
    assert!(fails(&setup, 1, &["alias", "set", "primary", "hosted/sonnet"]).contains("already means"));
    assert!(fails(&setup, 1, &["alias", "set", "X", "no/such"]).contains("no model or alias is called"));
    turns(&setup, &["alias", "rm", "small"], r#"{ alias: "Small" }"#, "{}");
    assert!(fails(&setup, 1, &["alias", "rm", "small"]).contains("there is MiniMax, Sonnet"));
}

#[test]
fn an_alias_for_a_model_that_is_not_allowed_allows_it() {
    let setup = setup();
    done(&setup, &["config", "set", "agents.defaults.modelPolicy", "{ allow: ['lmstudio/*'] }", "--force"]);
    done(&setup, &["alias", "set", "Q", "lmstudio/qwen3-8b"]);
    done(&setup, &["alias", "set", "S", "hosted/sonnet"]);
    let allowed = setup.json(&["config", "get", "agents.defaults.modelPolicy.allow", "--json"]);
    assert_eq!(allowed, json!(["lmstudio/*", "hosted/sonnet"]));
}

#[test]
fn the_chain_is_set_with_the_comments_kept() {
    let setup = setup();
    let before = text(&setup);
    done(&setup, &["chain", "set", "hosted/sonnet", "MiniMax", "qwen"]);
    // What is said of a model goes where it goes.
    let big = "        'lmstudio/minimax-m2.1-gs32', // the big one\n";
    let other = "        'lmstudio/qwen3-8b',\n";
    let after = before
        .replace("'lmstudio/minimax-m2.1-gs32', // the big one", "\"hosted/sonnet\",")
        .replace(r#"["hosted/sonnet"]"#, &format!("[\n{big}{other}      ]"));
    assert_eq!(text(&setup), after);
    let order = ["chain", "set", "hosted/sonnet", "Qwen", "MiniMax"];
    turns(&setup, &order, &format!("{big}{other}"), &format!("{other}{big}"));
    turns(&setup, &["chain", "set", "hosted/sonnet", "MiniMax"], other, "");
    assert!(done(&setup, &["chain", "set", "hosted/sonnet", "MiniMax"]).contains("nothing to change"));
    assert!(fails(&setup, 1, &["chain", "set", "Qwen", "lmstudio/qwen3-8b"]).contains("twice"));
    assert!(fails(&setup, 1, &["chain", "set", "Qwen", "nobody"]).contains("nobody"));
    // What is listed can be written.
    let message = fails(&setup, 1, &["chain", "set", "Qwem"]);
    let listed =
        "perhaps \"Qwen\"? There is lmstudio/minimax-m2.1-gs32 (MiniMax), lmstudio/qwen3-8b (Qwen), hosted/sonnet";
    assert!(message.contains(listed), "{message}");
    fails(&setup, 2, &["chain", "set"]);
}

#[test]
fn another_primary_is_shown_before_it_is_written() {
    let setup = setup();
    let before = text(&setup);
    let shown = done(&setup, &["use", "Qwen", "--dry-run"]);
    assert!(shown.contains("+      primary: 'lmstudio/qwen3-8b', // the big one"), "{shown}");
    assert_eq!(text(&setup), before);
    let told = setup.json(&["use", "Qwen", "--dry-run", "--json"]);
    assert_eq!((&told["written"], told["diff"].as_str()), (&json!(false), Some(shown.as_str())));
    assert!(done(&setup, &["use", "MiniMax", "--dry-run"]).contains("is the primary already"));
    done(&setup, &["use", "Qwen"]);
    assert_eq!(text(&setup), before.replacen("'lmstudio/minimax-m2.1-gs32'", "'lmstudio/qwen3-8b'", 1));
    assert_eq!(done(&setup, &["config", "diff"]), shown);
}

/// Where there is no OpenClaw, our own file is made by the first command that has something to write in it.
#[test]
fn our_own_file_is_as_good_as_there_before_it_is_made() {
    let setup = setup();
    let own = setup.home().join("config.json5");
    let run = |arguments: &[&str]| setup.command(arguments).env_remove("OPENCLAW_CONFIG_PATH").output().unwrap();
    for command in [
        &["config", "get", "models.mode"][..],
        &["key", "list"],
        &["use", "Minimax", "--dry-run"],
        &["use", "Minimax"],
        &["provider", "add", "anthropic", "--dry-run"],
        &["key", "move", "lmstudio", "--in", "file", "--dry-run"],
    ] {
        // The file that a person has may lie where OpenClaw looks.
        fs::remove_file(&own).ok();
        fs::remove_file(setup.config()).ok();
        let output = run(command);
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(!output.stdout.is_empty(), "{command:?}");
        assert!(!command.contains(&"--dry-run") || !own.exists(), "{command:?}");
    }
    assert!(run(&["provider", "add", "anthropic"]).status.success());
    assert!(fs::read_to_string(&own).unwrap().contains("ANTHROPIC_API_KEY"));
}

#[test]
fn connected_through_us_the_chain_is_the_fallbacks() {
    let setup = setup();
    done(&setup, &["config", "set", "agents.defaults.model.primary", "pilotlight/primary", "--force"]);
    done(&setup, &["chain", "set", "Qwen", "hosted/sonnet"]);
    let model = setup.json(&["config", "get", "agents.defaults.model", "--json"]);
    assert_eq!(model, json!({ "primary": "pilotlight/primary", "fallbacks": ["lmstudio/qwen3-8b", "hosted/sonnet"] }));
}

#[test]
fn a_provider_is_added_from_a_preset() {
    let setup = setup();
    let help = done(&setup, &["provider", "add", "--help"]);
    for preset in [
        "lmstudio",
        "ollama",
        "llama-server",
        "vllm",
        "litellm",
        "anthropic",
        "openai",
        "openrouter-eu",
        "minimax",
        "kimi",
        "glm",
        "custom",
    ] {
        assert!(help.contains(&format!("- {preset}:")), "{preset}: {help}");
    }
    let shown = done(&setup, &["provider", "add", "anthropic", "--dry-run"]);
    assert!(shown.contains("${ANTHROPIC_API_KEY}"), "{shown}");
    let told = setup.json(&[
        "provider",
        "add",
        "vllm",
        "--id",
        "rig",
        "--base-url",
        "http://127.0.0.1:9/v1",
        "--key-env",
        "RIG_KEY",
        "--model",
        "big/model",
        "--json",
    ]);
    assert_eq!(told["written"], true);
    let provider = setup.json(&["config", "get", "models.providers.rig", "--json"]);
    assert_eq!(
        (&provider["baseUrl"], &provider["apiKey"], &provider["models"][0]["id"]),
        (&json!("http://127.0.0.1:9/v1"), &json!("${RIG_KEY}"), &json!("big/model"))
    );
    done(&setup, &["chain", "set", "rig/big/model"]);
    assert!(fails(&setup, 1, &["provider", "add", "vllm", "--id", "Rig"]).contains("small letters"));
    assert!(fails(&setup, 1, &["provider", "add", "vllm", "--id", "rig"]).contains("already"));
    fails(&setup, 2, &["provider", "add", "no-such-preset"]);
    // Somebody gives the key itself where its variable's name is asked for.
    let message = fails(&setup, 1, &["provider", "add", "openai", "--key-env", "sk-proj-abc", "--dry-run"]);
    assert!(message.contains("name of a variable") && !message.contains("sk-proj-abc"), "{message}");
    let shown = done(&setup, &["provider", "add", "ollama", "--id", "empty"]);
    assert!(shown.contains("pilotlight provider models empty"), "{shown}");
    let row = "{ id: \"q\", name: \"Q\" }";
    assert!(shown.contains("'models.providers.empty.models[0]'"), "{shown}");
    done(&setup, &["config", "set", "models.providers.empty.models[0]", row]);
    done(&setup, &["chain", "set", "empty/q"]);
    for preset in
        ["ollama", "llama-server", "litellm", "openai", "openrouter", "openrouter-us", "minimax", "kimi", "glm"]
    {
        done(&setup, &["provider", "add", preset]);
    }
    assert_eq!(setup.run(&["config", "check"]).status.code(), Some(0));
    assert!(text(&setup).contains("// the big one") && text(&setup).contains("/* paid */"));
}

#[test]
fn what_openclaw_is_told_not_to_write_nobody_writes() {
    let setup = setup();
    done(&setup, &["config", "set", "models.mode", "replace"]);
    let before = text(&setup);
    for command in [
        &["config", "set", "models.mode", "merge"][..],
        &["config", "unset", "models.mode"],
        &["config", "undo"],
        &["alias", "rm", "Qwen"],
        &["chain", "set", "Qwen"],
        &["provider", "add", "anthropic"],
        &["use", "Qwen"],
    ] {
        let output = setup.command(command).env("OPENCLAW_CONFIG_READONLY", "1").output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{command:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("OPENCLAW_CONFIG_READONLY"), "{command:?}");
        assert_eq!(text(&setup), before, "{command:?}");
    }
    let shown = setup.command(&["config", "undo", "--dry-run"]).env("OPENCLAW_CONFIG_READONLY", "1").output().unwrap();
    assert!(shown.status.success());
}

/// Without the folder nothing can take the file's place at once.
#[cfg(unix)]
#[test]
fn what_may_not_be_written_is_told_with_what_to_do() {
    use std::os::unix::fs::PermissionsExt as _;
    let setup = setup();
    let folder = setup.user_home().join("closed");
    fs::create_dir(&folder).unwrap();
    let file = folder.join("openclaw.json");
    fs::copy(setup.config(), &file).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o555)).unwrap();
    // Root may do everything.
    if fs::write(folder.join("probe"), "").is_ok() {
        return;
    }
    let edit = ["config", "set", "models.mode", "replace", "--config", file.to_str().unwrap()];
    let output = setup.run(&edit);
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.contains("nothing may be written in the folder") && !message.contains(".tmp"), "{message}");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    done(&setup, &edit);
}

#[test]
fn a_history_that_cannot_be_kept_stops_an_edit_and_says_so() {
    let setup = setup();
    fs::write(setup.home().join("history"), "a file where the folder should be").unwrap();
    let message = fails(&setup, 1, &["config", "set", "models.mode", "replace"]);
    assert!(message.contains("without it no edit is made"), "{message}");
    fs::remove_file(setup.home().join("history")).unwrap();
    done(&setup, &["config", "set", "models.mode", "replace"]);
}

#[test]
fn an_included_file_is_edited_and_undone_in_its_own_place() {
    let setup = setup();
    let part = setup.config().with_file_name("agents.json5");
    let inside = "// ours\n{ defaults: { model: 'lmstudio/qwen3-8b' } } // end\n";
    fs::write(&part, inside).unwrap();
    let main = "{ agents: { $include: 'agents.json5' }, // there\n  models: { providers: { lmstudio: { baseUrl: 'http://127.0.0.1:9/v1', \
                models: [{ id: 'qwen3-8b', name: 'Qwen' }, { id: 'other', name: 'Other' }] } } } }\n";
    fs::write(setup.config(), main).unwrap();
    let told = setup.json(&["chain", "set", "lmstudio/other", "--json"]);
    assert_eq!(told["files"], json!([part]));
    assert_eq!(fs::read_to_string(&part).unwrap(), inside.replace("qwen3-8b", "other"));
    assert_eq!(text(&setup), main);
    done(&setup, &["config", "undo"]);
    assert_eq!(fs::read_to_string(&part).unwrap(), inside);
}

#[test]
fn comments_that_openclaw_dropped_are_put_back() {
    let setup = setup();
    done(&setup, &["config", "set", "models.mode", "replace"]);
    let mut value: Value = setup.json(&["config", "get", "agents", "--json"]);
    let models: Value = setup.json(&["config", "get", "models", "--json"]);
    value = json!({ "agents": value, "models": models });
    value["agents"]["defaults"]["model"]["primary"] = json!("lmstudio/qwen3-8b");
    fs::write(setup.config(), serde_json::to_string_pretty(&value).unwrap()).unwrap();
    assert!(done(&setup, &["config", "restore-comments"]).contains("comments put back"));
    let now = text(&setup);
    for comment in ["// our machines", "// the big one", "/* paid */", "// small"] {
        assert!(now.contains(comment), "{comment} in {now}");
    }
    assert_eq!(done(&setup, &["config", "get", "agents.defaults.model.primary"]), "lmstudio/qwen3-8b\n");
    assert!(fails(&setup, 1, &["config", "restore-comments"]).contains("no comments are missing"));
}

#[test]
fn a_running_engine_follows_and_records_what_others_do() {
    let setup = setup();
    let _serving = setup.serve();
    done(&setup, &["chain", "set", "Qwen", "hosted/sonnet"]);
    setup.wait_for("the new chain", |state| state["chain"] == json!(["lmstudio/qwen3-8b", "hosted/sonnet"]));
    fs::write(setup.config(), text(&setup).replace("'lmstudio/qwen3-8b'", "'lmstudio/minimax-m2.1-gs32'")).unwrap();
    setup.wait_for("the change by hand", |state| state["chain"][0] == "lmstudio/minimax-m2.1-gs32");
    let history = setup.json(&["config", "history", "--json"]);
    assert_eq!((&history[0]["who"], &history[1]["who"]), (&json!("external"), &json!("command")), "{history:#}");
    done(&setup, &["config", "undo"]);
    setup.wait_for("the undone chain", |state| state["chain"][0] == "lmstudio/qwen3-8b");
}
