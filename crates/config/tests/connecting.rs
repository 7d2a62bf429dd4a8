//! Connecting tools: what is written in their files, and that disconnecting gives back what stood there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::fs;
use std::path::PathBuf;

use pilotlight_config::connect::{ConnectError, ConnectState, Connector, Outcome, Standing, Tool};
use pilotlight_config::{ConfigLocation, Environment, Home, plan, settings_store};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

const BASE: &str = "http://127.0.0.1:11235";

/// OpenClaw's file of a person, with comments.
const OPENCLAW: &str = r#"{
  // who answers
  agents: { defaults: { model: {
    primary: "local/small", // the good one
    fallbacks: [
      "hosted/large", // costs money
    ],
  } } },
  models: {
    providers: {
      local: {
        baseUrl: "http://127.0.0.1:1234/v1",
        apiKey: "local",
        api: "openai-responses",
        models: [{ id: "small", name: "Small", contextWindow: 32768, maxTokens: 4096, input: ["text"] }],
      },
      hosted: { baseUrl: "https://example.com/v1", apiKey: "${KEY}", models: [{ id: "large", name: "Large" }] },
    },
  },
}
"#;

struct Bench {
    folder: TempDir,
    environment: Environment,
    location: ConfigLocation,
    settings: PathBuf,
}

impl Bench {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let environment = Environment::isolated(folder.path(), &[("KEY", "sk-of-the-test")]);
        let home = Home::from(&environment);
        let location = ConfigLocation { path: folder.path().join("openclaw.json"), openclaw: true, read_only: false };
        Self { settings: home.settings_file(), folder, environment, location }
    }

    fn with(name: &str, text: &str) -> Self {
        let bench = Self::new();
        bench.write(name, text);
        bench
    }

    fn at(&self, base: &'static str) -> Connector<'_> {
        Connector { environment: &self.environment, location: &self.location, settings: &self.settings, base }
    }

    fn connector(&self) -> Connector<'_> {
        self.at(BASE)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), text).unwrap();
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn standing(&self, tool: Tool) -> Standing {
        self.connector().list().into_iter().find(|standing| standing.tool == tool).unwrap()
    }

    fn state(&self, tool: Tool) -> ConnectState {
        self.standing(tool).state
    }

    fn hashes(&self) -> Vec<(String, String)> {
        let settings = settings_store::read(&self.settings, &self.environment).settings;
        settings.access.tokens.iter().map(|(name, limits)| (name.clone(), limits.sha256.clone())).collect()
    }

    fn token(&self, tool: Tool) -> String {
        self.connector().token(tool).unwrap().expect("a token was made").expose().to_owned()
    }

    /// Connects, and checks what every connection has.
    #[track_caller]
    fn connect(&self, tool: Tool) -> Outcome {
        let before: Vec<_> =
            [".codex/config.toml", ".claude/settings.json", ".config/opencode/opencode.json", "openclaw.json"]
                .iter()
                .map(|name| fs::read(self.path(name)).ok())
                .collect();
        let preview = self.connector().preview_connect(tool).unwrap();
        let after: Vec<_> =
            [".codex/config.toml", ".claude/settings.json", ".config/opencode/opencode.json", "openclaw.json"]
                .iter()
                .map(|name| fs::read(self.path(name)).ok())
                .collect();
        assert_eq!(before, after, "a preview writes nothing");
        let outcome = self.connector().connect(tool).unwrap();
        assert_eq!(preview.diff, outcome.diff, "what was shown was done");
        let token = self.token(tool);
        assert!(!outcome.diff.contains(&token), "{}", outcome.diff);
        assert!(self.hashes().contains(&(tool.id().to_owned(), hex::encode(Sha256::digest(&token)))));
        assert_eq!(self.state(tool), ConnectState::Connected);
        assert_eq!(self.connector().connect(tool).unwrap().changes, [], "once is enough");
        assert_eq!(self.token(tool), token, "it keeps its token");
        outcome
    }

    #[track_caller]
    fn disconnect(&self, tool: Tool) -> Outcome {
        let outcome = self.connector().disconnect(tool).unwrap();
        assert!(self.hashes().iter().all(|(name, _)| name != tool.id()), "its token is forgotten");
        assert_eq!(self.connector().token(tool).unwrap(), None);
        assert!(matches!(self.connector().disconnect(tool), Err(ConnectError::NotConnected { .. })));
        outcome
    }
}

#[cfg(unix)]
fn mode(path: &std::path::Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[cfg(unix)]
fn set_mode(path: &std::path::Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Each tool with a file of its own, as a person may have it.
const FILES: [(Tool, &str, &str); 3] = [
    (
        Tool::Codex,
        ".codex/config.toml",
        "# mine\nmodel = 'gpt-5.5'   # the good one\nmodel_reasoning_effort = \"high\"\n\n[mcp_servers.docs]\ncommand = \"x\"\nenv = { KEY \
         = \"hunter2\" }\n",
    ),
    (
        Tool::ClaudeCode,
        ".claude/settings.json",
        "{\n  \"permissions\": {\"allow\": [\"Bash(ls:*)\"]},\n  \"env\": {\n    \"ANTHROPIC_AUTH_TOKEN\": \"hunter2\",\n    \"FOO\": \
         \"hunter3\"\n  }\n}",
    ),
    (
        Tool::Opencode,
        ".config/opencode/opencode.json",
        "{\n  // theirs\n  \"$schema\": \"https://opencode.ai/config.json\",\n  \"model\": \"anthropic/claude\", // mine\n  \"provider\": \
         {\"x\": {\"options\": {\"apiKey\": \"hunter2\"}}},\n}\n",
    ),
];

#[test]
fn a_file_comes_back_to_the_byte() {
    for (tool, name, text) in FILES {
        let bench = Bench::with(name, text);
        #[cfg(unix)]
        set_mode(&bench.path(name), 0o644);
        let outcome = bench.connect(tool);
        assert!(!outcome.diff.contains("hunter"), "{}", outcome.diff);
        assert!(outcome.diff.contains(BASE), "{}", outcome.diff);
        let holds_token = bench.text(name).contains(&bench.token(tool));
        assert_eq!(holds_token, tool != Tool::Opencode);
        #[cfg(unix)]
        assert_eq!(mode(&bench.path(name)), if holds_token { 0o600 } else { 0o644 }, "{name}");
        let preview = bench.connector().preview_disconnect(tool).unwrap();
        let outcome = bench.disconnect(tool);
        assert_eq!(preview.diff, outcome.diff);
        assert!(!outcome.diff.contains("hunter"), "{}", outcome.diff);
        assert_eq!(bench.text(name), text);
        #[cfg(unix)]
        assert_eq!(mode(&bench.path(name)), 0o644, "{name}");
        assert_eq!(bench.state(tool), ConnectState::Apart);
    }
}

#[test]
fn a_file_that_was_made_is_removed_again() {
    for (tool, name, _) in FILES {
        let bench = Bench::new();
        assert_eq!(bench.state(tool), ConnectState::Absent);
        bench.connect(tool);
        #[cfg(unix)]
        assert_eq!(mode(&bench.path(name)), 0o600, "{name}");
        assert_eq!(bench.disconnect(tool).removed, [bench.path(name)]);
        assert!(!bench.path(name).exists());
    }
}

#[test]
fn what_somebody_changed_since_stays_and_the_rest_goes_back() {
    let (tool, name, text) = FILES[0];
    let bench = Bench::with(name, text);
    bench.connect(tool);
    let changed = bench.text(name).replace("\"primary\"", "\"other\"") + "\n[more]\nx = 1\n";
    bench.write(name, &changed);
    let outcome = bench.disconnect(tool);
    assert_eq!(outcome.notes, ["model was changed since: it stays as it is"]);
    assert_eq!(bench.text(name), text.replace("'gpt-5.5'", "\"other\"") + "\n[more]\nx = 1\n");

    let (tool, name, text) = FILES[1];
    let bench = Bench::with(name, text);
    bench.connect(tool);
    let with_more = bench.text(name).replacen('{', "{\n  \"theme\": \"dark\",", 1);
    bench.write(name, &with_more);
    bench.disconnect(tool);
    let value: Value = serde_json::from_str(&bench.text(name)).unwrap();
    assert_eq!(value["env"], json!({ "ANTHROPIC_AUTH_TOKEN": "hunter2", "FOO": "hunter3" }));
    assert_eq!((&value["theme"], &value["permissions"]["allow"][0]), (&json!("dark"), &json!("Bash(ls:*)")));

    // Objects that were made go with what they were made for; a file with something else in it stays.
    let (tool, name, _) = FILES[2];
    let bench = Bench::new();
    bench.connect(tool);
    let with_more = bench.text(name).replacen('{', "{\n  \"theme\": \"dark\",", 1);
    bench.write(name, &with_more);
    assert_eq!(bench.disconnect(tool).removed, Vec::<PathBuf>::new());
    assert_eq!(serde_json::from_str::<Value>(&bench.text(name)).unwrap(), json!({ "theme": "dark" }));
    // Taken out by hand already.
    let bench = Bench::with(name, "{}");
    bench.connect(tool);
    bench.write(name, "{}");
    assert_eq!(bench.disconnect(tool).changes, []);
}

#[test]
fn another_address_is_brought_up_to_date_and_the_first_text_still_comes_back() {
    let (tool, name, text) = FILES[0];
    let bench = Bench::with(name, text);
    bench.connect(tool);
    let elsewhere = bench.at("http://127.0.0.1:4000");
    let standing = elsewhere.list().into_iter().find(|standing| standing.tool == tool).unwrap();
    assert_eq!(standing.state, ConnectState::Outdated);
    assert!(standing.notes[0].contains(BASE), "{:?}", standing.notes);
    elsewhere.connect(tool).unwrap();
    assert!(bench.text(name).contains("http://127.0.0.1:4000/v1"));
    bench.disconnect(tool);
    assert_eq!(bench.text(name), text);
}

#[test]
fn a_token_of_that_name_is_left_alone_and_a_forgotten_one_is_made_known_again() {
    let bench = Bench::new();
    let other = "ab".repeat(32);
    fs::create_dir_all(bench.settings.parent().unwrap()).unwrap();
    fs::write(&bench.settings, format!("{{ access: {{ tokens: {{ codex: {{ sha256: '{other}' }} }} }} }}")).unwrap();
    bench.connector().connect(Tool::Codex).unwrap();
    let names: Vec<String> = bench.hashes().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["codex", "codex-2"]);
    fs::write(&bench.settings, "{}").unwrap();
    assert_eq!(bench.state(Tool::Codex), ConnectState::Outdated);
    bench.connector().connect(Tool::Codex).unwrap();
    assert_eq!(bench.state(Tool::Codex), ConnectState::Connected);
    assert_eq!(bench.hashes()[0].0, "codex-2");
}

#[test]
fn what_cannot_be_edited_is_left_as_it_is_and_nothing_is_kept() {
    for (tool, name, text) in [
        (Tool::Codex, ".codex/config.toml", "model = \n[x"),
        (Tool::Codex, ".codex/config.toml", "model_providers = 3\n"),
        (Tool::ClaudeCode, ".claude/settings.json", "{ \"env\": "),
        (Tool::ClaudeCode, ".claude/settings.json", "[]"),
        (Tool::OpenClaw, "openclaw.json", "{ agents: "),
        (Tool::OpenClaw, "openclaw.json", "{}"),
    ] {
        let bench = Bench::with(name, text);
        let error = bench.connector().connect(tool).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
        assert!(bench.connector().preview_connect(tool).is_err());
        assert_eq!(bench.text(name), text);
        assert_eq!(bench.connector().token(tool).unwrap(), None);
        assert!(bench.hashes().is_empty());
        assert!(!bench.standing(tool).can_disconnect);
    }
    let bench = Bench::new();
    assert!(matches!(bench.connector().connect(Tool::OpenClaw), Err(ConnectError::NoOpenClaw { .. })));
    // The settings have a mistake, so no token can be made known.
    let bench = Bench::with(".codex/config.toml", "# mine\n");
    fs::create_dir_all(bench.settings.parent().unwrap()).unwrap();
    fs::write(&bench.settings, "{ cold: 'warm' }").unwrap();
    assert!(matches!(bench.connector().connect(Tool::Codex), Err(ConnectError::Settings(_))));
    assert_eq!(bench.text(".codex/config.toml"), "# mine\n");
    assert_eq!(bench.state(Tool::Codex), ConnectState::Apart);
}

#[test]
fn what_keeps_requests_away_is_said() {
    let bench = Bench::with(".codex/config.toml", "profile = 'work'\n[profiles.work]\nmodel_provider = 'openai'\n");
    assert!(bench.connector().connect(Tool::Codex).unwrap().notes[0].contains("\"work\""));
    let bench = Bench::with(".claude/settings.json", r#"{"env":{"CLAUDE_CODE_USE_BEDROCK":"1"}}"#);
    assert!(bench.connector().connect(Tool::ClaudeCode).unwrap().notes[0].contains("BEDROCK"));
    let bench = Bench::with(
        ".config/opencode/opencode.jsonc",
        r#"{"enabled_providers":["x"],"disabled_providers":["pilotlight"]}"#,
    );
    assert_eq!(bench.connector().connect(Tool::Opencode).unwrap().notes.len(), 2);
    assert!(bench.text(".config/opencode/opencode.jsonc").contains("pilotlight/primary"), "the file that is there");
}

#[test]
fn openclaw_has_us_first_and_its_real_chain_behind() {
    let bench = Bench::with("openclaw.json", OPENCLAW);
    let outcome = bench.connect(Tool::OpenClaw);
    assert!(outcome.notes.iter().any(|note| note.contains(".env")), "{:?}", outcome.notes);
    let text = bench.text("openclaw.json");
    for comment in ["// who answers", "// the good one", "// costs money"] {
        assert!(text.contains(comment), "{text}");
    }
    let loaded = plan::load(&bench.location, &bench.environment);
    let value = loaded.value.unwrap();
    assert_eq!(
        value["agents"]["defaults"]["model"],
        json!({ "primary": "pilotlight/primary", "fallbacks": ["local/small", "hosted/large"] })
    );
    let provider = &value["models"]["providers"]["pilotlight"];
    assert_eq!(provider["baseUrl"], "http://127.0.0.1:11235/v1");
    assert_eq!(provider["apiKey"], "${PILOTLIGHT_TOKEN}");
    assert_eq!(
        (&provider["models"][0]["id"], &provider["models"][0]["contextWindow"]),
        (&json!("primary"), &json!(32768))
    );
    // The proxy's chain is that list without us.
    let chain: Vec<String> = loaded.configuration.unwrap().chain().iter().map(ToString::to_string).collect();
    assert_eq!(chain, ["local/small", "hosted/large"]);
    assert_eq!(bench.text(".env"), format!("PILOTLIGHT_TOKEN={}\n", bench.token(Tool::OpenClaw)));
    bench.disconnect(Tool::OpenClaw);
    assert_eq!(bench.text("openclaw.json"), OPENCLAW);
    assert!(!bench.path(".env").exists());
}

#[test]
fn openclaw_that_has_changed_its_file_since_keeps_what_it_changed() {
    let newer = OPENCLAW.replace("{\n  // who", "{\n  meta: { lastTouchedVersion: '2026.9.6' },\n  // who");
    let bench = Bench::with("openclaw.json", &newer);
    let outcome = bench.connect(Tool::OpenClaw);
    assert_eq!(outcome.notes, Vec::<String>::new());
    let mut value = plan::load(&bench.location, &bench.environment).value.unwrap();
    assert_eq!(
        value["models"]["providers"]["pilotlight"]["apiKey"],
        json!({ "source": "file", "provider": "pilotlight-token", "id": "value" })
    );
    let file = value["secrets"]["providers"]["pilotlight-token"]["path"].as_str().unwrap();
    assert_eq!(fs::read_to_string(file).unwrap(), bench.token(Tool::OpenClaw));
    assert!(!bench.path(".env").exists());
    // As OpenClaw writes: plain JSON, completed; and another model was chosen meanwhile.
    value["models"]["providers"]["pilotlight"]["models"][0]["api"] = json!("openai-responses");
    value["agents"]["defaults"]["model"]["fallbacks"] = json!(["hosted/large", "local/small"]);
    bench.write("openclaw.json", &format!("{value:#}\n"));
    assert_eq!(bench.state(Tool::OpenClaw), ConnectState::Connected);
    bench.disconnect(Tool::OpenClaw);
    let value = plan::load(&bench.location, &bench.environment).value.unwrap();
    assert_eq!(
        value["agents"]["defaults"]["model"],
        json!({ "primary": "hosted/large", "fallbacks": ["local/small"] })
    );
    assert_eq!(value["models"]["providers"].get("pilotlight"), None);
    assert_eq!(value.get("secrets"), None);
}

#[test]
fn what_openclaw_allows_is_kept_up() {
    // A list of what is allowed.
    let policy = OPENCLAW.replace("defaults: { model", "defaults: { modelPolicy: { allow: ['local/*'] }, model");
    let bench = Bench::with("openclaw.json", &policy);
    bench.connect(Tool::OpenClaw);
    let value = plan::load(&bench.location, &bench.environment).value.unwrap();
    assert_eq!(value["agents"]["defaults"]["modelPolicy"]["allow"], json!(["local/*", "pilotlight/primary"]));
    assert_eq!(value["agents"]["defaults"].get("models"), None);
    // Changed since: the entry goes all the same.
    bench.write("openclaw.json", &format!("{value:#}\n"));
    bench.disconnect(Tool::OpenClaw);
    let value = plan::load(&bench.location, &bench.environment).value.unwrap();
    assert_eq!(value["agents"]["defaults"]["modelPolicy"]["allow"], json!(["local/*"]));

    // Rows, of which OpenClaw makes such a list; and a chain that is one alias.
    let rows = OPENCLAW.replace(
        "model: {\n    primary: \"local/small\", // the good one\n    fallbacks: [\n      \"hosted/large\", // \
                                 costs money\n    ],\n  }",
        "model: 'Small', models: { 'local/small': { alias: 'Small' } }",
    );
    let bench = Bench::with("openclaw.json", &rows);
    bench.connect(Tool::OpenClaw);
    let defaults = plan::load(&bench.location, &bench.environment).value.unwrap()["agents"]["defaults"].clone();
    assert_eq!(defaults["models"], json!({ "local/small": { "alias": "Small" }, "pilotlight/primary": {} }));
    assert_eq!(defaults["model"], json!({ "primary": "pilotlight/primary", "fallbacks": ["local/small"] }));
    bench.disconnect(Tool::OpenClaw);
    assert_eq!(bench.text("openclaw.json"), rows);
}

#[test]
fn agents_that_go_their_own_way_are_named() {
    let text = OPENCLAW.replace("agents: {", "agents: { list: [{ id: 'lone', model: 'hosted/large' }],");
    let bench = Bench::with("openclaw.json", &text);
    let outcome = bench.connector().preview_connect(Tool::OpenClaw).unwrap();
    assert!(outcome.notes.iter().any(|note| note.contains("\"lone\"")), "{:?}", outcome.notes);
}
