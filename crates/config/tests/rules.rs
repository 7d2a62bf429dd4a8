//! The rules beyond OpenClaw's schemas: each of them on a text that breaks it and on one that does not, and each fix made.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use json5_edit::Document;
use pilotlight_config::rules::{LiveModel, Surroundings};
use pilotlight_config::{Diagnostic, Severity, check};
use pilotlight_wire::Location;
use support::{Bench, fixture};

/// A vendor's key as it might be.
const KEY: &str = "sk-or-v1-9f8e7d6c5b4a39281706f5e4d3c2b1a0";

fn said(bench: &Bench, surroundings: &Surroundings) -> Vec<Diagnostic> {
    check::read_with(&bench.location, &bench.environment, surroundings).diagnostics
}

fn bench(text: &str) -> Bench {
    let mut bench = Bench::with(text);
    bench.environment.vars.insert("ANTHROPIC_API_KEY".to_owned(), "sk-ant-4711".to_owned());
    bench
}

/// The one diagnostic of this code about a text.
#[track_caller]
fn fires(code: &str, text: &str) -> Diagnostic {
    fires_with(code, text, &Surroundings::default())
}

#[track_caller]
fn fires_with(code: &str, text: &str, surroundings: &Surroundings) -> Diagnostic {
    let all = said(&bench(text), surroundings);
    let mut found: Vec<Diagnostic> = all.iter().filter(|one| one.code == code).cloned().collect();
    assert_eq!(found.len(), 1, "{code} in {text}\n{all:#?}");
    found.remove(0)
}

#[track_caller]
fn silent(code: &str, text: &str) {
    silent_with(code, text, &Surroundings::default());
}

#[track_caller]
fn silent_with(code: &str, text: &str, surroundings: &Surroundings) {
    let all = said(&bench(text), surroundings);
    assert!(all.iter().all(|one| one.code != code && one.code != "syntax"), "{code} in {text}\n{all:#?}");
}

/// Where a diagnostic points to in its text.
fn points_to<'t>(diagnostic: &Diagnostic, text: &'t str) -> &'t str {
    let line = text.lines().nth(diagnostic.line as usize - 1).unwrap();
    let start = line.char_indices().nth(diagnostic.column as usize - 1).unwrap().0;
    &line[start..]
}

/// The text once the fix was made.
#[track_caller]
fn mended(diagnostic: &Diagnostic, text: &str) -> String {
    let fix = diagnostic.fix.as_ref().unwrap_or_else(|| panic!("{diagnostic} has a fix"));
    Document::parse(text).unwrap().apply(&fix.edits).unwrap().text().to_owned()
}

/// A local and a hosted model, with something else written for `model` and `chain`.
fn studio(row: &str, chain: &str) -> String {
    format!(
        "{{ agents: {{ defaults: {{ model: {chain}, models: {{ 'studio/big': {{ alias: 'Large' }} }} }} }},\n\
         models: {{ providers: {{ studio: {{ baseUrl: 'http://127.0.0.1:1234/v1', models: [ {row} ] }} }} }} }}"
    )
}

const BIG: &str = "{ id: 'big', name: 'Big' }";
const CHAIN: &str = "{ primary: 'Large', fallbacks: ['anthropic/claude-opus-4-6'] }";

/// A provider with this address, and what else it has.
fn at(url: &str, rest: &str) -> String {
    format!("{{ models: {{ providers: {{ p: {{ baseUrl: '{url}', {rest} models: [{{ id: 'm', name: 'M' }}] }} }} }} }}")
}

#[test]
fn what_is_sound_is_passed_over() {
    assert_eq!(said(&bench(&studio(BIG, CHAIN)), &Surroundings::default()), []);
}

#[test]
fn a_name_that_means_nothing_says_what_was_meant() {
    let text = studio(BIG, "{ primary: 'Lagre', fallbacks: ['stduio/big', 'anthropic/claude-opus-4-6'] }");
    let primary = fires("unknown-primary", &text);
    assert!(primary.message.ends_with("Did you mean Large?"), "{}", primary.message);
    assert!(points_to(&primary, &text).starts_with("'Lagre'"));
    silent("unknown-primary", &mended(&primary, &text));
    let fallback = fires("unknown-fallback", &text);
    assert_eq!(fallback.fix.as_ref().unwrap().label, "Write studio/big");
    silent("unknown-fallback", &mended(&fallback, &text));

    let text = studio(BIG, CHAIN).replace("'studio/big': { alias", "/* kept */ 'studio/bigg': { alias");
    let alias = fires("unknown-alias-target", &text);
    let after = mended(&alias, &text);
    assert!(after.contains("/* kept */ 'studio/big': { alias"), "{after}");
    silent("unknown-alias-target", &after);

    // Two are as near, or nothing is: nothing is offered.
    let two = studio("{ id: 'big1', name: '1' }, { id: 'big2', name: '2' }", "'studio/big3'");
    assert_eq!(fires("unknown-primary", &two).fix, None);
    assert_eq!(fires("unknown-primary", &studio(BIG, "'something/else'")).fix, None);
}

#[test]
fn a_model_that_is_listed_twice() {
    let text = studio(&format!("{BIG}, // the first\n {{ id: 'big', name: 'Again' }}"), CHAIN);
    let twice = fires("duplicate-model", &text);
    let after = mended(&twice, &text);
    assert!(after.contains("// the first") && !after.contains("Again"), "{after}");
    silent("duplicate-model", &after);
}

#[test]
fn aliases_that_hide_something() {
    let two = "{ id: 'big', name: 'Big' }, { id: 'small', name: 'Small' }";
    let sound = studio(two, CHAIN);
    silent("alias-collision", &sound);
    silent("alias-is-model-id", &sound);
    let collide = sound.replace("models: { 'studio", "models: { 'studio/small': { alias: 'LARGE' }, 'studio");
    let found = fires("alias-collision", &collide);
    assert!(points_to(&found, &collide).starts_with("'Large'"));
    for name in ["Small", "studio/small"] {
        let hides = sound.replace("'Large'", &format!("'{name}'"));
        let found = fires("alias-is-model-id", &hides);
        assert_eq!(found.severity, Severity::Warning);
        assert!(points_to(&found, &hides).starts_with(&format!("'{name}' }}")), "{found}");
    }
    assert_eq!(fires("alias-is-model-id", &sound.replace("'Large'", "'BIG'")).severity, Severity::Info);
}

#[test]
fn a_variant_that_openclaw_reads_as_a_profile() {
    let with = |variant: &str| {
        studio(&format!("{{ id: 'x', name: 'X' }}, {BIG}"), CHAIN)
            .replace("primary: 'Large'", &format!("primary: 'studio/x@{variant}'"))
    };
    for variant in ["bf16", "mxfp4", "fp16", "f16", "8-bit", "20251001@bf16"] {
        let text = with(variant);
        let found = fires("variant-read-as-profile", &text);
        assert!(points_to(&found, &text).starts_with("'studio/x@"), "{found}");
    }
    for variant in ["q4_k_m", "iq2_xs", "4bit", "Q8_0", "20251001", "work", "20251001@work"] {
        silent("variant-read-as-profile", &with(variant));
    }
    // A row that is called so, whatever the suffix.
    let row = studio(&format!("{{ id: 'x@fast', name: 'X' }}, {BIG}"), CHAIN);
    assert!(points_to(&fires("variant-read-as-profile", &row), &row).starts_with("'x@fast'"));
}

#[test]
fn a_model_that_the_policy_does_not_allow() {
    let with = |allow: &str| {
        studio(BIG, CHAIN).replace("model: {", &format!("modelPolicy: {{ allow: [{allow}] }}, model: {{"))
    };
    let text = with("'anthropic/*' /* the clever ones */");
    let found = fires("not-allowed", &text);
    assert!(points_to(&found, &text).starts_with("'Large'"), "{found}");
    let after = mended(&found, &text);
    assert!(after.contains("/* the clever ones */") && after.contains("'studio/big'"), "{after}");
    silent("not-allowed", &after);
    for allow in ["", "'Large', 'anthropic/claude-opus-4-6'", "'studio/*', 'ANTHROPIC/claude-opus-4-6'"] {
        silent("not-allowed", &with(allow));
    }
    silent("not-allowed", &studio(BIG, CHAIN));
    // A row that neither the chain nor an alias names is worth a word, no more.
    let row = with("'Large', 'anthropic/*'").replace(BIG, &format!("{BIG}, {{ id: 'other', name: 'O' }}"));
    assert_eq!(fires("not-allowed", &row).severity, Severity::Info);
}

#[test]
fn numbers_of_tokens_that_cannot_both_hold() {
    let with = |context: u64, answer: u64| {
        studio(&format!("{{ id: 'big', name: 'Big', contextWindow: {context}, maxTokens: {answer} }}"), CHAIN)
    };
    let found = fires("max-tokens-too-large", &with(8192, 8192));
    assert!(points_to(&found, &with(8192, 8192)).starts_with("8192 }"));
    silent("max-tokens-too-large", &with(8193, 8192));
    silent("max-tokens-too-large", &studio(BIG, CHAIN));

    let live = |loaded_context| {
        let model = LiveModel { loaded_context, ..LiveModel::default() };
        Surroundings { live: [("studio/big".parse().unwrap(), model)].into(), ..Surroundings::default() }
    };
    let text = with(196_608, 8192);
    let found = fires_with("context-above-loaded", &text, &live(Some(32_768)));
    let after = mended(&found, &text);
    assert!(after.contains("contextWindow: 32768,"), "{after}");
    silent_with("context-above-loaded", &after, &live(Some(32_768)));
    silent_with("context-above-loaded", &text, &live(Some(262_144)));
    silent_with("context-above-loaded", &text, &live(None));
    silent("context-above-loaded", &text);
}

#[test]
fn a_model_that_its_runtime_does_not_have() {
    let live = |missing| {
        let model = LiveModel { missing, size_bytes: Some(1), ..LiveModel::default() };
        Surroundings { live: [("studio/big".parse().unwrap(), model)].into(), ..Surroundings::default() }
    };
    let text = studio(BIG, CHAIN);
    let found = fires_with("model-not-there", &text, &live(true));
    assert_eq!(found.severity, Severity::Warning);
    assert!(points_to(&found, &text).starts_with("'big'"), "{}", points_to(&found, &text));
    silent_with("model-not-there", &text, &live(false));
    silent("model-not-there", &text);
}

#[test]
fn a_base_url_that_lacks_something_or_says_too_much() {
    for url in ["http://127.0.0.1:1234", "http://127.0.0.1:1234/", "https://llm.example.com", "http://${HOST}:1234/"] {
        let mut bench = bench(&at(url, ""));
        bench.environment.vars.insert("HOST".to_owned(), "127.0.0.1".to_owned());
        let found = said(&bench, &Surroundings::default());
        let found = found.iter().find(|one| one.code == "no-v1").unwrap_or_else(|| panic!("{url}: {found:?}"));
        let after = mended(found, &at(url, ""));
        assert!(after.contains(&format!("'{}/v1'", url.trim_end_matches('/'))), "{after}");
    }
    assert_eq!(fires("no-v1", &at("http://127.0.0.1:4000/llm", "")).severity, Severity::Info);
    for (url, rest) in [
        ("http://127.0.0.1:1234/v1", ""),
        ("https://openrouter.ai/api/v1", "api: 'openai-responses',"),
        ("https://api.z.ai/api/paas/v4", ""),
        ("https://api.deepseek.com", ""),
        ("https://api.anthropic.com", "api: 'anthropic-messages',"),
        ("http://127.0.0.1:11434", "api: 'ollama',"),
        ("https://gateway.example.com/team", ""),
    ] {
        silent("no-v1", &at(url, rest));
        silent("endpoint-in-base-url", &at(url, rest));
    }
    let text = at("http://127.0.0.1:1234/v1/chat/completions", "");
    let after = mended(&fires("endpoint-in-base-url", &text), &text);
    assert!(after.contains("'http://127.0.0.1:1234/v1'"), "{after}");
    let text = at("https://api.anthropic.com/v1/messages", "api: 'anthropic-messages',");
    assert!(mended(&fires("endpoint-in-base-url", &text), &text).contains("'https://api.anthropic.com'"));
}

#[test]
fn a_key_that_travels_in_clear() {
    let key = "apiKey: '${ANTHROPIC_API_KEY}',";
    for url in
        ["http://192.168.1.20:1234/v1", "http://llm.example.com/v1", "http://8.8.8.8/v1", "http://studio.local:1234/v1"]
    {
        let found = fires("key-in-clear", &at(url, key));
        assert_eq!((found.severity, &found.fix), (Severity::Warning, &None), "{url}");
    }
    fires(
        "key-in-clear",
        &at("http://192.168.1.20:1234/v1", "headers: { Authorization: 'Bearer ${ANTHROPIC_API_KEY}' },"),
    );
    assert_eq!(fires("key-in-clear", &at("http://100.101.102.103:1234/v1", key)).severity, Severity::Info);
    let text = at("http://openrouter.ai/api/v1", key);
    assert!(mended(&fires("key-in-clear", &text), &text).contains("'https://openrouter.ai/api/v1'"));
    for (url, rest) in [
        ("http://127.0.0.1:1234/v1", key),
        ("http://[::1]:1234/v1", key),
        ("http://localhost:1234/v1", key),
        ("https://llm.example.com/v1", key),
        ("http://192.168.1.20:1234/v1", ""),
        ("http://192.168.1.20:1234/v1", "apiKey: 'lmstudio',"),
    ] {
        silent("key-in-clear", &at(url, rest));
    }
}

#[test]
fn a_key_that_is_written_out() {
    let hosted = "https://llm.example.com/v1";
    for text in [
        at(hosted, &format!("apiKey: '{KEY}',")),
        at(hosted, "apiKey: 'correcthorsebattery',"),
        at(hosted, &format!("headers: {{ Authorization: 'Bearer {KEY}' }},")),
        at(hosted, &format!("headers: {{ 'X-Whatever': '{KEY}' }},")),
        at("http://127.0.0.1:1/v1", &format!("apiKey: '{KEY}',")),
        at("http://127.0.0.1:1/v1", "apiKey: 'a8f5f167f44f4964e6c998dee827110c',"),
        at(hosted, &format!("request: {{ auth: {{ mode: 'authorization-bearer', token: '{KEY}' }} }},")),
        format!("{{ env: {{ vars: {{ SOME_API_KEY: '{KEY}' }} }} }}"),
        "{ env: { MY_TOKEN: 'a8f5f167f44f4964e6c998dee827110c' } }".to_owned(),
    ] {
        let found = fires("secret-in-file", &text);
        assert!(!format!("{found:?}").contains("9f8e7d6c") && !format!("{found:?}").contains("a8f5f167"), "{found:?}");
        assert_eq!(found.fix, None, "no variable holds it");
    }
    for (url, rest) in [
        ("http://127.0.0.1:1234/v1", "apiKey: 'lmstudio',"),
        ("http://127.0.0.1:1234/v1", "apiKey: 'sk-local',"),
        ("http://127.0.0.1:1234/v1", "apiKey: 'sk-no-key-required',"),
        ("http://127.0.0.1:1234/v1", "apiKey: 'my-own-little-server',"),
        (hosted, "apiKey: '${ANTHROPIC_API_KEY}',"),
        (hosted, "apiKey: 'P_API_KEY',"),
        (hosted, "apiKey: '<your key>',"),
        (hosted, "apiKey: 'YOUR-API-KEY-HERE',"),
        (hosted, "headers: { 'X-Title': 'a8f5f167f44f4964e6c998dee827110c' },"),
        (hosted, "apiKey: { source: 'env', provider: 'default', id: 'ANTHROPIC_API_KEY' },"),
    ] {
        silent("secret-in-file", &at(url, rest));
    }
    silent("secret-in-file", "{ env: { vars: { NODE_ENV: 'production', LM_TOKEN: '${ANTHROPIC_API_KEY}' } } }");
}

#[test]
fn a_key_that_a_variable_holds_too_can_be_replaced_by_it() {
    let text = at("https://llm.example.com/v1", &format!("headers: {{ Authorization: \"Bearer {KEY}\" /* mine */ }},"));
    let mut bench = bench(&text);
    bench.write(".env", &format!("OTHER=1\nMY_LLM_KEY={KEY}\n"));
    let all = said(&bench, &Surroundings::default());
    let found = all.iter().find(|one| one.code == "secret-in-file").unwrap();
    assert!(mended(found, &text).contains("Authorization: \"Bearer ${MY_LLM_KEY}\" /* mine */"));
    // The variable that is called as expected comes first.
    bench.environment.vars.insert("P_API_KEY".to_owned(), KEY.to_owned());
    let all = said(&bench, &Surroundings::default());
    let found = all.iter().find(|one| one.code == "secret-in-file").unwrap();
    assert_eq!(found.fix.as_ref().unwrap().label, "Write ${P_API_KEY}");
    assert!(!format!("{all:?}").contains(KEY));
}

#[test]
fn a_key_that_openclaw_left_behind() {
    let text = "{ models: { providers: {\n openrouter: { apiKey: '${OPENROUTER_API_KEY}' },\n p: { baseUrl: 'https://p.example.com/v1', headers: { 'X-Api-Key': '${ANTHROPIC_API_KEY}' }, models: [] } } } }";
    let bench = bench(text);
    bench.write(
        "agents/main/agent/models.json",
        "{ \"providers\": {\n  \"openrouter\": { \"apiKey\": \"sk-or-secret\" },\n  \"p\": { \"headers\": {\n    \"X-Api-Key\": \"sk-ant-4711\" } } } }",
    );
    bench.write(
        "agents/second/agent/models.json",
        "{ \"providers\": { \"openrouter\": { \"apiKey\": \"OPENROUTER_API_KEY\" }, \"p\": { \"apiKey\": \"secretref-managed\", \
         \"headers\": { \"X-Api-Key\": \"secretref-env:ANTHROPIC_API_KEY\" } } } }",
    );
    bench.write("agents/third/agent/models.json", "not json");
    let all = said(&bench, &Surroundings::default());
    let found: Vec<&Diagnostic> = all.iter().filter(|one| one.code == "secret-left-behind").collect();
    let places: Vec<_> = found.iter().map(|one| (one.path.as_str(), one.line, one.column)).collect();
    assert_eq!(places, [("providers.openrouter.apiKey", 2, 29), ("providers.p.headers.X-Api-Key", 4, 18)]);
    assert!(found.iter().all(|one| one.file == bench.path("agents/main/agent/models.json")));
    assert!(!format!("{all:?}").contains("sk-or-secret") && !format!("{all:?}").contains("sk-ant-4711"));
    // Our own file has no agents.
    let mut own = bench;
    own.location.openclaw = false;
    assert!(said(&own, &Surroundings::default()).iter().all(|one| one.code != "secret-left-behind"));
}

#[test]
fn a_chain_of_one_side_only() {
    let local = studio(BIG, "'Large'");
    let found = fires("no-hosted-in-chain", &local);
    assert_eq!(found.severity, Severity::Info);
    silent("no-local-in-chain", &local);
    let hosted = studio(BIG, "'anthropic/claude-opus-4-6'");
    fires("no-local-in-chain", &hosted);
    silent("no-hosted-in-chain", &hosted);
    for sound in [studio(BIG, CHAIN), "{}".to_owned()] {
        silent("no-local-in-chain", &sound);
        silent("no-hosted-in-chain", &sound);
    }
    // What the settings say of a provider is stronger than its address.
    let said = Surroundings { locations: [("studio".to_owned(), Location::Hosted)].into(), ..Surroundings::default() };
    fires_with("no-local-in-chain", &local, &said);
}

#[test]
fn a_local_model_that_is_easily_led() {
    let with = |id: &str, name: &str| {
        studio(&format!("{{ id: '{id}', name: '{name}' }}, {BIG}"), CHAIN)
            .replace("primary: 'Large'", &format!("primary: 'studio/{id}'"))
    };
    for (id, name) in [("qwen3-4b", "Q"), ("llama-3.1-8b-instruct", "L"), ("mine", "Gemma 3 4B it")] {
        assert_eq!(fires("small-model", &with(id, name)).severity, Severity::Warning);
        silent("aggressively-quantised", &with(id, name));
    }
    for (id, name) in
        [("qwen3-30b-a3b@q3_k_m", "Q"), ("glm-4.5-air-iq2_xs", "G"), ("minimax-3bit", "M"), ("mine", "Mine (Q2_K)")]
    {
        let text = with(id, name);
        let found = fires("aggressively-quantised", &text);
        assert!(points_to(&found, &text).starts_with(&format!("'studio/{id}'")));
        silent("small-model", &text);
    }
    for (id, name) in [("minimax-m2.1-gs32", "MiniMax M2.1 GS32"), ("qwen3-30b-a3b-4bit", "Q"), ("gpt-oss-20b", "G")] {
        silent("small-model", &with(id, name));
        silent("aggressively-quantised", &with(id, name));
    }
    // Outside the chain, or hosted, nobody minds.
    silent("small-model", &studio(&format!("{{ id: 'qwen3-4b', name: 'Q' }}, {BIG}"), CHAIN));
    silent("small-model", &studio(BIG, "{ primary: 'Large', fallbacks: ['groq/llama-3.1-8b-instant'] }"));
    // What the runtime says is stronger than the name.
    let live = LiveModel { quantization: Some("Q2_K".to_owned()), billions: Some(70.0), ..LiveModel::default() };
    let live = Surroundings { live: [("studio/x-8b-q8".parse().unwrap(), live)].into(), ..Surroundings::default() };
    fires_with("aggressively-quantised", &with("x-8b-q8", "X"), &live);
    silent_with("small-model", &with("x-8b-q8", "X"), &live);
}

#[test]
fn the_examples_are_free_of_errors_and_warned_of_only_where_it_is_true() {
    let told = |name: &str| -> Vec<(&'static str, Severity)> {
        let all = said(&bench(&fixture(name)), &Surroundings::default());
        all.iter().map(|one| (one.code, one.severity)).filter(|(_, severity)| *severity > Severity::Info).collect()
    };
    for name in ["recommended.json5", "hybrid.json5", "local-first.json5", "commented.json5", "other-proxy.json5"] {
        let expected: &[_] = if name == "other-proxy.json5" { &[("no-primary", Severity::Warning)] } else { &[] };
        assert_eq!(told(name), expected, "{name}");
    }
    // It relies on a key that is not set.
    assert_eq!(told("regional.json5"), [("key-unreadable", Severity::Warning)]);
}

#[test]
fn every_place_that_names_a_model_is_looked_at() {
    let others = "imageModel: { primary: 'studio/bigg', fallbacks: ['Large', 'stduio/big'] }, pdfModel: 'Large', \
                  subagents: { model: 'studio/big' }, mediaModels: { image: 'fal/flux' }";
    let text = studio(BIG, CHAIN).replace("models: { 'studio/big'", &format!("{others}, models: {{ 'studio/big'"));
    let image = fires("unknown-model", &text);
    assert_eq!(image.path, "agents.defaults.imageModel.primary");
    assert!(mended(&image, &text).contains("primary: 'studio/big', fallbacks: ['Large', 'stduio/big']"));
    assert_eq!(fires("unknown-fallback", &text).path, "agents.defaults.imageModel.fallbacks[1]");

    for (agents, place) in [
        ("entries: { main: { model: 'studio/small' } }", "agents.entries.main.model"),
        ("list: [{ id: 'main', heartbeat: { model: 'studio/small' } }]", "agents.list[0].heartbeat.model"),
    ] {
        let text = studio(BIG, CHAIN).replace("agents: { defaults", &format!("agents: {{ {agents}, defaults"));
        assert_eq!(fires("unknown-model", &text).path, place);
    }
    // An agent's own alias is one, if its target is.
    let own = "entries: { main: { model: 'Mine', models: { 'studio/big': { alias: 'Mine' }, 'studio/none': { alias: 'No' } } } }";
    let text = studio(BIG, CHAIN).replace("agents: { defaults", &format!("agents: {{ {own}, defaults"));
    silent("unknown-model", &text);
    assert_eq!(fires("unknown-alias-target", &text).path, "agents.entries.main.models[\"studio/none\"]");
}

#[test]
fn a_small_model_is_known_by_its_file() {
    let text = studio("{ id: 'big', name: 'Big' }", CHAIN);
    let with = |size_bytes| {
        let live =
            LiveModel { quantization: Some("Q4_K_M".to_owned()), size_bytes: Some(size_bytes), ..LiveModel::default() };
        Surroundings { live: [("studio/big".parse().unwrap(), live)].into(), ..Surroundings::default() }
    };
    assert!(fires_with("small-model", &text, &with(2_000_000_000)).message.contains("4 billion"));
    silent_with("small-model", &text, &with(70_000_000_000));
}
