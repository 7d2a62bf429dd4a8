//! What configurations say: the examples of OpenClaw's page "Local models", and OpenClaw's rules for names.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use pilotlight_config::model::Mode;
use pilotlight_config::{ConfigLocation, Cost, Environment, Home, Key, ModelConfiguration};
use pilotlight_wire::{ModelRef, UpstreamApi};
use support::{Bench, fixture};

fn good(text: &str) -> ModelConfiguration {
    let bench = Bench::with(text);
    bench.read().result.unwrap_or_else(|| panic!("{}", bench.told()))
}

fn chain(configuration: &ModelConfiguration) -> Vec<String> {
    configuration.chain().iter().map(ToString::to_string).collect()
}

fn resolved(configuration: &ModelConfiguration, name: &str) -> Option<String> {
    configuration.resolve(name).map(|model| model.to_string())
}

#[test]
fn the_recommended_configuration() {
    let bench = Bench::with(&fixture("recommended.json5"));
    let reading = bench.read();
    let configuration = reading.result.unwrap();
    // Opus is named and no key is set, and nothing hosted is in the chain: worth knowing, and no more.
    let told: Vec<_> = reading.diagnostics.iter().map(|one| (one.code, one.severity.name())).collect();
    assert_eq!(told, [("no-hosted-in-chain", "info"), ("key-unreadable", "info")], "{}", bench.told());

    assert_eq!(configuration.mode, Mode::Merge);
    assert_eq!(chain(&configuration), ["lmstudio/minimax-m2.1-gs32"]);
    let model: ModelRef = "lmstudio/minimax-m2.1-gs32".parse().unwrap();
    let upstream = configuration.upstream(&model).unwrap();
    assert_eq!(upstream.base_url.unwrap().as_str(), "http://127.0.0.1:1234/v1");
    assert_eq!(upstream.api, &UpstreamApi::OpenaiResponses);
    assert_eq!(upstream.title(), "Minimax");
    assert_eq!(upstream.model.name, "MiniMax M2.1 GS32");
    assert_eq!(upstream.model.input, ["text"]);
    assert_eq!(upstream.model.cost, Some(Cost::default()));
    assert_eq!((upstream.model.context_window, upstream.model.max_tokens), (Some(196_608), Some(8192)));
    assert_eq!(upstream.provider.key.as_ref().unwrap().secret().unwrap().expose(), "lmstudio");
    for name in [
        "Minimax",
        "minimax",
        "MINIMAX ",
        "lmstudio/minimax-m2.1-gs32",
        "LMStudio/minimax-m2.1-gs32",
        "minimax-m2.1-gs32",
        "lmstudio/Minimax",
        "Minimax@work",
    ] {
        assert_eq!(configuration.resolve(name).as_ref(), Some(&model), "{name}");
    }
    for name in ["", "minimax-m2.1", "lmstudio/other", "nobody/x", "lmstudio/Opus"] {
        assert_eq!(resolved(&configuration, name), None, "{name}");
    }
}

#[test]
fn the_hybrid_configuration_and_the_same_with_its_order_swapped() {
    let hybrid = good(&fixture("hybrid.json5"));
    assert_eq!(
        chain(&hybrid),
        ["anthropic/claude-sonnet-4-5", "lmstudio/minimax-m2.1-gs32", "anthropic/claude-opus-4-6"]
    );
    assert_eq!(resolved(&hybrid, "minimax local").as_deref(), Some("lmstudio/minimax-m2.1-gs32"));
    let sonnet = hybrid.upstream(&"anthropic/claude-sonnet-4-5".parse().unwrap()).unwrap();
    assert_eq!(sonnet.base_url.unwrap().as_str(), "https://api.anthropic.com/");
    assert_eq!((sonnet.api, sonnet.title()), (&UpstreamApi::AnthropicMessages, "Sonnet"));
    assert!(sonnet.provider.built_in);
    assert_eq!(sonnet.provider.key, Some(Key::Unset { variable: "ANTHROPIC_API_KEY".to_owned() }));

    let swapped = good(&fixture("local-first.json5"));
    assert_eq!(
        chain(&swapped),
        ["lmstudio/minimax-m2.1-gs32", "anthropic/claude-sonnet-4-5", "anthropic/claude-opus-4-6"]
    );
}

#[test]
fn a_missing_key_of_a_hosted_model_is_a_warning_where_the_chain_needs_it() {
    let mut bench = Bench::with(&fixture("hybrid.json5"));
    let told = bench.told();
    assert!(told.starts_with("openclaw.json:6:18: warning[key-unreadable] agents.defaults.model.primary: "), "{told}");
    assert_eq!(told.lines().count(), 1, "{told}");
    bench.environment.vars.insert("ANTHROPIC_API_KEY".to_owned(), "sk-ant-secret".to_owned());
    assert_eq!(bench.told(), "");
    let configuration = bench.read().result.unwrap();
    let key = configuration.provider("anthropic").unwrap().key.clone().unwrap();
    assert_eq!(key.secret().unwrap().expose(), "sk-ant-secret");
    assert_eq!(format!("{key:?}"), "FromEnvironment { variable: \"ANTHROPIC_API_KEY\", value: <redacted> }");
}

#[test]
fn another_server_of_openais_shape_and_no_chain_at_all() {
    let bench = Bench::with(&fixture("other-proxy.json5"));
    let configuration = bench.read().result.unwrap();
    assert_eq!(chain(&configuration), [""; 0]);
    assert_eq!(resolved(&configuration, "my-local-model").as_deref(), Some("local/my-local-model"));
    assert!(bench.told().starts_with("openclaw.json:2:1: warning[no-primary]: "), "{}", bench.told());
}

#[test]
fn a_region_pinned_hosted_model_whose_id_holds_a_slash() {
    let configuration = good(&fixture("regional.json5"));
    assert_eq!(
        chain(&configuration),
        ["lmstudio/minimax-m2.1-gs32", "openrouter/minimax/minimax-m2.1", "openai/gpt-5.2"]
    );
    assert_eq!(resolved(&configuration, "minimax/minimax-m2.1").as_deref(), Some("openrouter/minimax/minimax-m2.1"));
    let hosted = configuration.upstream(&"openrouter/minimax/minimax-m2.1".parse().unwrap()).unwrap();
    assert_eq!(hosted.base_url.unwrap().as_str(), "https://openrouter.ai/api/v1");
    assert_eq!(hosted.provider.key.as_ref().unwrap().secret().unwrap().expose(), "sk-or-secret");
    assert_eq!(hosted.provider.headers[0].0, "X-Title");
    let local = configuration.upstream(&"lmstudio/minimax-m2.1-gs32".parse().unwrap()).unwrap();
    assert_eq!(local.base_url.unwrap().as_str(), "http://192.168.1.20:1234/v1");
}

#[test]
fn the_starting_configuration_is_the_recommended_one_and_has_nothing_wrong() {
    let bench = Bench::empty();
    let home = Home::at(bench.path("home"));
    let location = ConfigLocation { path: home.own_config_file(), openclaw: false, read_only: false };
    let model = "lmstudio/minimax-m2.1-gs32".parse().unwrap();
    // The command line makes it too.
    let change =
        pilotlight_config::set_primary(&location, &bench.environment, &model, pilotlight_config::Who::Editor).unwrap();
    assert_eq!((change.line, change.before), (0, Some(model.clone())));
    let ours = pilotlight_config::read(&location, &bench.environment);
    let told: Vec<_> = ours.diagnostics.iter().map(|one| (one.code, one.severity.name())).collect();
    assert_eq!(told, [("no-hosted-in-chain", "info")]);
    let ours = ours.result.unwrap();
    let theirs = good(&fixture("recommended.json5"));
    assert_eq!(ours.provider("lmstudio"), theirs.provider("lmstudio"));
    assert_eq!((ours.mode, &ours.primary), (theirs.mode, &theirs.primary));
    assert_eq!(ours.aliases.get(&model), theirs.aliases.get(&model));
    // The example that it has in comments is good as well.
    let text = std::fs::read_to_string(&location.path).unwrap();
    let switched_on = text.replace("// fallbacks", "fallbacks").replace("// \"anthropic", "\"anthropic");
    let hybrid = good(&switched_on);
    assert_eq!(chain(&hybrid), ["lmstudio/minimax-m2.1-gs32", "anthropic/claude-sonnet-4-5"]);
    assert_eq!(resolved(&hybrid, "sonnet").as_deref(), Some("anthropic/claude-sonnet-4-5"));
}

#[test]
fn names_follow_openclaws_rules() {
    let configuration = good(
        r#"{ agents: { defaults: { model: "Two", models: {
            "a/one": { alias: "Same" }, "b/one": { alias: "same" }, "B/two": { alias: "Two" }, "a/x@bf16": { alias: "V" } } } },
            models: { providers: {
              a: { baseUrl: "http://a.local/v1", models: [{ id: "one", name: "A1" }, { id: "x@bf16", name: "AX" }] },
              b: { baseUrl: "http://b.local/v1", models: [{ id: "one", name: "B1" }, { id: "two", name: "B2", api: "ollama",
                   baseUrl: "http://c.local" }, { id: "a/one", name: "B3" }] } } } }"#,
    );
    for (name, expected) in [
        ("same", Some("b/one")),   // of two equal aliases the later
        ("a/same", Some("a/one")), // unless the provider is named
        ("one", None),             // two providers have it
        ("two", Some("b/two")),
        ("x@bf16", Some("a/x@bf16")), // a variant, no profile
        ("two@work", Some("b/two")),
        ("a/one", Some("a/one")), // a ref before a bare id that looks like one
        ("b/a/one", Some("b/a/one")),
    ] {
        assert_eq!(resolved(&configuration, name).as_deref(), expected, "{name}");
    }
    assert_eq!(chain(&configuration), ["b/two"]);
    let two = configuration.upstream(&"b/two".parse().unwrap()).unwrap();
    assert_eq!((two.api, two.base_url.unwrap().as_str()), (&UpstreamApi::Ollama, "http://c.local/"));
    let one = configuration.upstream(&"b/one".parse().unwrap()).unwrap();
    assert_eq!(one.api, &UpstreamApi::OpenaiCompletions, "what OpenClaw takes for a base URL without api");
}

#[test]
fn connected_through_us_the_chain_is_the_fallbacks() {
    let configuration = good(
        r#"{ agents: { defaults: { model: { primary: "pilotlight/primary", fallbacks: ["PilotLight/other", "a/m", "a/m", "A/n"] } } },
            models: { providers: {
              pilotlight: { baseUrl: "http://127.0.0.1:11235/v1", models: [{ id: "primary", name: "Pilot Light" }] },
              a: { baseUrl: "http://a.local/v1", models: [{ id: "m", name: "M" }, { id: "n", name: "N" }] } } } }"#,
    );
    assert!(configuration.is_connected());
    assert_eq!(chain(&configuration), ["a/m", "a/n"]);
    let all: Vec<_> = configuration.upstreams().map(|upstream| upstream.model.id.as_str()).collect();
    assert_eq!(all, ["m", "n"], "we are no upstream of ours");
}

#[test]
fn keys_come_from_every_place_openclaw_knows() {
    let mut bench = Bench::with(
        r#"{ env: { FROM_BLOCK: "block", vars: { FROM_VARS: "vars", FROM_DOTENV: "never" } }, models: { providers: {
            a: { baseUrl: "http://${HOST_NAME}:1/v1", apiKey: "${FROM_BLOCK}", models: [] },
            b: { baseUrl: "http://b/v1", apiKey: "${FROM_VARS}-${FROM_DOTENV}", models: [] },
            c: { baseUrl: "http://c/v1", apiKey: "FROM_PROCESS", models: [] },
            d: { baseUrl: "http://d/v1", apiKey: { source: "env", provider: "default", id: "FROM_PROCESS" }, models: [] },
            e: { baseUrl: "http://e/v1", apiKey: "$${NOT_A_VARIABLE}", models: [] },
            f: { baseUrl: "http://f/v1", apiKey: { source: "exec", provider: "vault", id: "x" }, models: [] },
            g: { baseUrl: "http://g/v1", apiKey: "${UNSET}", models: [] },
            h: { baseUrl: "http://h/v1", models: [] } } } }"#,
    );
    bench.write(".env", "FROM_DOTENV='dot env'\nFROM_PROCESS=never\nHOST_NAME=studio.local\n");
    bench.environment.vars.insert("FROM_PROCESS".to_owned(), "process".to_owned());
    let configuration = bench.read().result.unwrap();
    let key = |id: &str| configuration.provider(id).unwrap().key.clone();
    let read = |id: &str| key(id).and_then(|key| key.secret().map(|secret| secret.expose().to_owned()));
    for (id, expected) in
        [("a", "block"), ("b", "vars-dot env"), ("c", "process"), ("d", "process"), ("e", "${NOT_A_VARIABLE}")]
    {
        assert_eq!(read(id).as_deref(), Some(expected), "{id}");
    }
    assert_eq!(configuration.provider("a").unwrap().base_url.as_ref().unwrap().as_str(), "http://studio.local:1/v1");
    assert_eq!(key("g"), Some(Key::Unset { variable: "UNSET".to_owned() }));
    assert!(key("f").unwrap().problem().unwrap().contains("exec"));
    assert_eq!(key("h"), None);
    assert!(bench.read().files.contains(&bench.path(".env")));
}

#[test]
fn no_secret_is_shown_by_debug_or_in_a_diagnostic() {
    let mut bench = Bench::with(
        r#"{ models: { mode: 7, providers: { a: { baseUrl: "sk-secret://user:sk-secret@host", apiKey: "sk-secret-literal",
            headers: { "x-key": "sk-secret-header", y: "${UNSET}" }, api: "nonsense", models: [{}] } } } }"#,
    );
    bench.environment.vars.insert("SOME_KEY".to_owned(), "sk-secret-variable".to_owned());
    let reading = bench.read();
    assert!(reading.result.is_none());
    let shown = format!("{reading:?} {}", bench.told());
    assert!(!shown.contains("sk-secret-literal") && !shown.contains("user:"), "{shown}");
    let configuration = good(
        &std::fs::read_to_string(bench.path("openclaw.json"))
            .unwrap()
            .replace("mode: 7,", "")
            .replace("sk-secret://user:sk-secret@host", "http://h/v1")
            .replace("[{}]", "[]")
            .replace("nonsense", "ollama"),
    );
    let shown = format!("{configuration:?}");
    assert!(!shown.contains("sk-secret"), "{shown}");
}

#[test]
fn openclaws_path_rules() {
    let bench = Bench::empty();
    let home = Home::at(bench.path("home"));
    let find = |vars: &[(&str, &str)]| {
        let environment = Environment::isolated(bench.folder.path(), vars);
        let location = ConfigLocation::find(&environment, &home, None);
        (location.path.strip_prefix(bench.folder.path()).unwrap().to_owned(), location.openclaw, location.read_only)
    };
    let at = |path: &str, openclaw| (std::path::PathBuf::from(path), openclaw, false);
    assert_eq!(find(&[]), at("home/config.json5", false));
    bench.write(".clawdbot/clawdbot.json", "{}");
    assert_eq!(find(&[]), at(".clawdbot/clawdbot.json", true));
    bench.write(".openclaw/openclaw.json", "{}");
    assert_eq!(find(&[]), at(".openclaw/openclaw.json", true));
    assert_eq!(find(&[("OPENCLAW_STATE_DIR", "~/state")]), at("state/openclaw.json", true));
    assert_eq!(find(&[("OPENCLAW_STATE_DIR", "s"), ("OPENCLAW_CONFIG_PATH", "other.json")]), at("other.json", true));
    bench.write(".openclaw-work/openclaw.json", "{}");
    assert_eq!(find(&[("OPENCLAW_PROFILE", "work")]), at(".openclaw-work/openclaw.json", true));
    bench.write("moved/.openclaw/openclaw.json", "{}");
    assert_eq!(find(&[("OPENCLAW_HOME", "moved")]), at("moved/.openclaw/openclaw.json", true));
    assert!(find(&[("OPENCLAW_CONFIG_READONLY", "1")]).2);
    let environment = Environment::isolated(bench.folder.path(), &[]);
    let named = ConfigLocation::find(&environment, &home, Some("mine.json5".as_ref()));
    assert_eq!((named.path, named.openclaw), (bench.path("mine.json5"), true));
}

#[test]
fn what_a_server_does_its_own_way() {
    let configuration = good(
        "{ models: { providers: { a: { baseUrl: 'http://127.0.0.1:1/v1', models: [\
           { id: 'm', name: 'M', compat: { supportsDeveloperRole: false, maxTokensField: 'max_tokens' },\
             thinkingLevelMap: { off: null, high: 'deep' } },\
           { id: 'n', name: 'N' } ] } } } }",
    );
    let compat = |model: &str| {
        let model: ModelRef = model.parse().unwrap();
        configuration.upstream(&model).unwrap().model.compat.clone()
    };
    let own = compat("a/m");
    assert_eq!((own.developer_role, own.max_completion_tokens), (Some(false), Some(false)));
    let words: Vec<_> = own.effort_words.iter().map(|(level, word)| (level.as_str(), word.as_deref())).collect();
    assert_eq!(words, [("high", Some("deep")), ("none", None)]);
    assert_eq!(compat("a/n"), pilotlight_wire::translate::Compat::default());
}
