//! What is said about a file: what both versions refuse, what one takes, and what is left to others.

use std::path::Path;

use super::*;

fn told(text: &str) -> Vec<String> {
    told_beside(text, &[])
}

fn told_beside(text: &str, known: &[Diagnostic]) -> Vec<String> {
    let document = Document::parse(text).unwrap();
    let tree = Tree::of(0, document.root(), None);
    let sources = [Source::new("openclaw.json".into(), document)];
    check(&tree, &sources, known).iter().map(|one| one.to_string().replace("openclaw.json:", "")).collect()
}

#[track_caller]
fn one(text: &str, expected: &str) {
    let told = told(text);
    assert!(told.len() == 1 && told[0].contains(expected), "{text}: {told:#?}");
}

fn with_provider(rest: &str) -> String {
    format!(
        "{{ models: {{ providers: {{ studio: {{ baseUrl: 'http://a/v1', models: [{{ id: 'a', name: 'A' }}], {rest} }} }} }} }}"
    )
}

#[test]
fn what_both_take_is_not_mentioned() {
    for text in [
        "{}",
        "{ agents: { defaults: { model: { primary: 'a/b', fallbacks: [] }, models: { 'a/b': { alias: 'x' } } } } }",
        "{ channels: { anything: [1] }, gateway: { port: '${PORT}' } }",
        &with_provider("api: '${API}', apiKey: '${KEY}'"),
        // What is included is not in view.
        "{ $include: 'x.json5', models: { providers: { a: { $include: 'a.json5', api: 'openai-responses' } } } }",
    ] {
        assert_eq!(told(text), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn what_both_refuse_is_an_error_at_its_place() {
    one(
        "{\n  modles: {} }",
        "2:3: error[unknown-key] modles: OpenClaw knows no key modles here and refuses the file: did you mean models?",
    );
    one("{ agents: { defaults: { nonsense: 1 } } }", "1:25: error[unknown-key] agents.defaults.nonsense: ");
    one("{ models: 5 }", "1:11: error[wrong-type] models: Expected an object, found a number");
    one(
        "{ models: { mode: 'append' } }",
        "1:19: error[bad-value] models.mode: \"append\" is not known here: write one of \"merge\", \"replace\"",
    );
    one(&with_provider("api: 'openai-response'"), "did you mean \"openai-responses\"?");
    one(&with_provider("baseURL: 'x'"), "error[unknown-key] models.providers.studio.baseURL: ");
    one(&with_provider("authHeader: 'yes'"), "Expected true or false, found a string");
    one(
        "{ models: { providers: { a: { baseUrl: 'x', models: [{ id: 'a' }] } } } }",
        "1:54: error[missing-key] models.providers.a.models[0].name: The key name is missing",
    );
    one("{ models: { providers: { a: { baseUrl: 'x' } } } }", "1:26: error[missing-key] models.providers.a.models: ");
    one(
        "{ agents: { defaults: { model: { primary: ['a'] } } } }",
        "error[wrong-type] agents.defaults.model.primary: Expected a string, found an array",
    );
    one(
        "{ agents: { defaults: { model: 7 } } }",
        "error[wrong-type] agents.defaults.model: Expected a string or an object, found a number",
    );
    one("[]", "error[wrong-type]: Expected an object, found an array");
}

#[test]
fn what_one_version_takes_is_told_and_no_more() {
    one(
        "{ agents: { defaults: { model: 'a/b' } } }",
        "1:32: info[only-newer] agents.defaults.model: OpenClaw 2026.9.6 takes this, 2026.2.6 refuses it: expected an object, found a string",
    );
    one("{ $schema: 'x' }", "info[only-newer] $schema: ");
    one(
        "{ models: { providers: { openrouter: { baseUrl: 'x' } } } }",
        "info[only-newer] models.providers.openrouter.models: ",
    );
    one(
        &with_provider("apiKey: { source: 'env', provider: 'default', id: 'KEY' }"),
        "info[only-newer] models.providers.studio.apiKey: ",
    );
    one("{ audio: {} }", "info[only-older] audio: OpenClaw 2026.9.6 refuses this, 2026.2.6 takes it: ");
    // Who has let a later version write the file is past the older one.
    assert!(told("{ meta: { lastTouchedVersion: '2026.9.6' }, $schema: 'x' }").is_empty());
    one("{ meta: { lastTouchedVersion: '2026.2.6-3' }, $schema: 'x' }", "info[only-newer] ");
    one("{ meta: { lastTouchedVersion: '2026.9.6' }, audio: {} }", "info[only-older] ");
}

#[test]
fn a_file_that_needs_both_versions_at_once_is_told() {
    let told = told("{ $schema: 'x', audio: {} }");
    assert!(told[0].contains("warning[no-version]: No OpenClaw takes this file as a whole: audio is not for 2026.9.6, and $schema is not for 2026.2.6"), "{told:#?}");
    assert_eq!(told.len(), 3);
}

#[test]
fn what_is_known_already_is_not_said_again() {
    let text = "{ models: { mode: 'append' } }";
    let known = |severity| Diagnostic {
        severity,
        code: "unknown-mode",
        file: "openclaw.json".into(),
        path: "models.mode".to_owned(),
        line: 1,
        column: 19,
        message: String::new(),
        fix: None,
    };
    assert!(told_beside(text, &[known(Severity::Error)]).is_empty());
    assert_eq!(told_beside(text, &[known(Severity::Warning)]).len(), 1);
}

#[test]
fn a_slip_of_the_pen_can_be_mended() {
    let mended = |text: &str| {
        let found = refusals(Path::new("a"), text, Version::September);
        let fix = found[0].fix.as_ref()?;
        assert_eq!(found.len(), 1);
        let document = Document::parse(text).unwrap().apply(&fix.edits).unwrap();
        assert!(refusals(Path::new("a"), document.text(), Version::September).is_empty());
        Some((fix.label.clone(), document.text().to_owned()))
    };
    let expected = |label: &str, text: &str| Some((label.to_owned(), text.to_owned()));
    assert_eq!(mended("{ modles: {} /* a */ }"), expected("Rename it to models", "{ models: {} /* a */ }"));
    assert_eq!(mended("{ models: { mode: 'merged' } }"), expected("Write merge", "{ models: { mode: 'merge' } }"));
    assert_eq!(mended("{ modles: {}, models: {} }"), None);
    assert_eq!(mended("{ nonsense: {} }"), None);
}

#[test]
fn no_message_repeats_a_key() {
    let text =
        with_provider("apiKey: { source: 'env', provider: 'default', id: 'sk-secret' }, headers: { a: ['sk-secret'] }");
    let told = told(&text).join("\n");
    assert!(told.contains("error[") && !told.contains("sk-secret"), "{told}");
}

#[test]
fn one_version_is_asked_about_a_text_by_itself() {
    let file = Path::new("a.json5");
    let refused = |text: &str| Version::ALL.map(|version| refusals(file, text, version).len());
    assert_eq!(refused("{}"), [0, 0]);
    assert_eq!(refused("{ audio: {} }"), [0, 1]);
    assert_eq!(refused("{ $schema: 'x' }"), [1, 0]);
    assert_eq!(refused("{ models: }"), [1, 1]);
    let syntax = &refusals(file, "{\n  models: }", Version::September)[0];
    assert_eq!((syntax.code, syntax.line, syntax.column), ("syntax", 2, 11));
}
