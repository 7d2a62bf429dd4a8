//! What is said about files with mistakes: where, what, and what to do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fmt::Write as _;

use support::{Bench, fixture};

#[test]
fn every_mistake_is_told_with_its_line() {
    let recommended = fixture("recommended.json5");
    let edited = |from: &str, to: &str| {
        assert!(recommended.contains(from), "{from}");
        recommended.replacen(from, to, 1).replace(r#""anthropic/claude-opus-4-6": { alias: "Opus" },"#, "")
    };
    let row = "id: \"minimax-m2.1-gs32\",";
    let cases = [
        ("a comma left out", edited("reasoning: false,", "reasoning: false")),
        ("a quote left out", edited("\"openai-responses\",", "\"openai-responses,")),
        ("a bracket left out", recommended.trim_end().trim_end_matches('}').to_owned()),
        ("no object", "[]".to_owned()),
        (
            "wrong types",
            edited("mode: \"merge\"", "mode: true").replace("196608", "\"196608\"").replace("8192", "81.92"),
        ),
        ("wrong mode", edited("\"merge\"", "\"append\"")),
        ("models is a list", "{ models: [] }".to_owned()),
        ("no base URL", edited("baseUrl: \"http://127.0.0.1:1234/v1\",", "")),
        ("no scheme", edited("http://127.0.0.1:1234/v1", "127.0.0.1:1234/v1")),
        ("another scheme", edited("http://127.0.0.1:1234/v1", "ws://127.0.0.1:1234/v1")),
        ("a password in a URL", edited("127.0.0.1", "me:sk-secret@127.0.0.1")),
        ("a key in a URL", edited("1234/v1", "1234/v1?key=sk-secret")),
        ("no port number", edited("http://127.0.0.1:1234/v1", "http://127.0.0.1:port/v1")),
        ("an unset variable in a URL", edited("127.0.0.1", "${STUDIO}")),
        ("an unset variable in a key", edited("\"lmstudio\",", "\"${LM_KEY}\",")),
        ("no models", "{ models: { providers: { a: { baseUrl: 'http://a/v1' } } } }".to_owned()),
        ("no id", edited(row, "")),
        ("no name", edited("name: \"MiniMax M2.1 GS32\",", "")),
        ("unknown api", edited("\"openai-responses\"", "\"openai-response\"")),
        ("unknown primary", edited("primary: \"lmstudio/minimax-m2.1-gs32\"", "primary: \"lmstudio/mini\"")),
        (
            "unknown primary with a fallback",
            edited("primary: \"lmstudio/minimax-m2.1-gs32\"", "primary: \"Mini\", fallbacks: ['Minimax']"),
        ),
        (
            "unknown fallback",
            edited("primary: \"lmstudio/minimax-m2.1-gs32\"", "primary: \"Minimax\", fallbacks: ['studio/x', 'gs32']"),
        ),
        ("unknown alias target", edited("\"lmstudio/minimax-m2.1-gs32\": {", "\"lmstudio/other\": {")),
        ("same model twice", edited("models: [", "models: [{ id: 'minimax-m2.1-gs32', name: 'again' },")),
        (
            "same alias twice",
            edited(
                "\"lmstudio/minimax-m2.1-gs32\": {",
                "\"openai/gpt-5.2\": { alias: 'MINIMAX' }, \"lmstudio/minimax-m2.1-gs32\": {",
            ),
        ),
        (
            "same provider twice",
            edited("providers: {", "providers: { LMStudio: { baseUrl: 'http://b/v1', models: [] },"),
        ),
        ("same key twice", edited("apiKey: \"lmstudio\",", "apiKey: \"lmstudio\", apiKey: \"lm\",")),
        (
            "hosted without a row under replace",
            edited("\"merge\"", "\"replace\"").replace("primary: \"lm", "fallbacks: ['openai/x'], primary: \"lm"),
        ),
        ("nothing behind us", "{ agents: { defaults: { model: 'pilotlight/primary' } } }".to_owned()),
        ("chain is a number", edited("model: { primary: \"lmstudio/minimax-m2.1-gs32\" }", "model: 5")),
    ];
    let mut all = String::new();
    for (name, text) in cases {
        let bench = Bench::with(&text);
        let usable = if bench.read().result.is_some() { "usable" } else { "not usable" };
        writeln!(all, "{name}: {usable}\n{}\n", bench.told()).unwrap();
    }
    assert!(!all.contains("sk-secret"));
    insta::assert_snapshot!(all);
}

#[test]
fn a_file_that_cannot_be_read_is_told_as_such() {
    let bench = Bench::empty();
    assert!(bench.told().starts_with("openclaw.json:1:1: error[missing]: "), "{}", bench.told());
    std::fs::create_dir(bench.path("openclaw.json")).unwrap();
    assert!(bench.told().starts_with("openclaw.json:1:1: error[unreadable]: "), "{}", bench.told());
    std::fs::remove_dir(bench.path("openclaw.json")).unwrap();
    std::fs::write(bench.path("openclaw.json"), b"{\xff}").unwrap();
    assert!(bench.told().contains("UTF-8"), "{}", bench.told());
}

#[test]
fn what_stands_in_an_included_file_is_told_there() {
    let bench = Bench::with(
        "{\n  $include: './parts/agents.json5',\n  models: { $include: ['parts/a.json5', 'parts/b.json5'], mode: 'merge' },\n}",
    );
    bench.write("parts/agents.json5", "{ agents: { $include: 'deeper.json5' } }");
    bench.write("parts/deeper.json5", "{ defaults: { model: 'b/two' } }");
    bench.write(
        "parts/a.json5",
        "{ mode: 'replace', providers: { a: { baseUrl: 'http://a/v1', models: [{ id: 'one', name: '1' }] } } }",
    );
    bench.write("parts/b.json5", "{ providers: {\n  a: { models: [{ id: 'more', name: 'm' }] },\n  b: { baseUrl: 'http://b/v1', models: [{ id: 'two', name: '2' }] } } }");
    let reading = bench.read();
    let configuration = reading.result.unwrap_or_else(|| panic!("{}", bench.told()));
    assert_eq!(configuration.chain(), ["b/two".parse().unwrap()]);
    assert_eq!(configuration.mode, pilotlight_config::Mode::Merge, "a sibling key overrides what was included");
    let rows: Vec<_> = configuration.provider("a").unwrap().models.iter().map(|row| row.id.as_str()).collect();
    assert_eq!(rows, ["one", "more"], "arrays are joined");
    assert_eq!(reading.files.len(), 6, "the main file, four parts and .env: {:?}", reading.files);

    bench.write("parts/b.json5", "{ providers: {\n  b: { baseUrl: 'nonsense', models: [] } } }");
    let told = bench.told();
    assert!(told.contains("parts/b.json5:2:17: error[bad-url] models.providers.b.baseUrl: "), "{told}");
    assert!(told.contains("parts/deeper.json5:1:22: error[unknown-primary] agents.defaults.model: "), "{told}");
    bench.write("parts/b.json5", "{\n  providers {} }");
    assert!(bench.told().starts_with("parts/b.json5:2:13: error[syntax]: "), "{}", bench.told());
}

#[test]
fn includes_that_cannot_be_followed() {
    let told = |main: &str, parts: &[(&str, &str)]| {
        let bench = Bench::with(main);
        parts.iter().for_each(|(name, text)| bench.write(name, text));
        (bench.told().lines().next().unwrap_or_default().to_owned(), bench.read().result.is_some())
    };
    for (main, parts, expected) in [
        ("{ $include: 'no.json5' }", vec![], "openclaw.json:1:13: error[include-missing] $include: "),
        ("{ $include: '../x.json5' }", vec![], "openclaw.json:1:13: error[include-outside] "),
        ("{ $include: '/etc/hostname' }", vec![], "openclaw.json:1:13: error[include-outside] "),
        ("{ $include: 7 }", vec![], "openclaw.json:1:13: error[include-type] "),
        ("{ $include: ['a.json5', {}] }", vec![("a.json5", "{}")], "openclaw.json:1:25: error[include-type] "),
        ("{ $include: 'a.json5', b: 1 }", vec![("a.json5", "[]")], "openclaw.json:1:13: error[include-type] "),
        ("{ $include: 'openclaw.json' }", vec![], "openclaw.json:1:13: error[include-cycle] "),
        (
            "{ $include: 'a.json5' }",
            vec![("a.json5", "{ x: {\n $include: './b.json5' } }"), ("b.json5", "{ $include: 'a.json5' }")],
            "b.json5:1:13: error[include-cycle] x: ".trim_end_matches("x: "),
        ),
    ] {
        let (told, usable) = told(main, &parts);
        assert!(told.starts_with(expected) && !usable, "{main}: {told}");
    }
    // Ten levels are followed, an eleventh is not.
    for (last, usable) in [(10, true), (11, false)] {
        let bench = Bench::with("{ $include: '1.json5' }");
        for level in 1..last {
            bench.write(&format!("{level}.json5"), &format!("{{ $include: '{}.json5' }}", level + 1));
        }
        bench.write(&format!("{last}.json5"), "{}");
        assert_eq!(bench.read().result.is_some(), usable, "{}", bench.told());
        assert_eq!(bench.told().contains("10.json5:1:13: error[include-depth]"), !usable, "{}", bench.told());
    }
}

#[cfg(unix)]
#[test]
fn a_link_out_of_the_folder_is_not_followed() {
    let outside = tempfile::TempDir::new().unwrap();
    std::fs::write(outside.path().join("secret.json5"), "{}").unwrap();
    let bench = Bench::with("{ $include: 'link.json5' }");
    std::os::unix::fs::symlink(outside.path().join("secret.json5"), bench.path("link.json5")).unwrap();
    assert!(bench.told().contains("error[include-outside]"), "{}", bench.told());
}
