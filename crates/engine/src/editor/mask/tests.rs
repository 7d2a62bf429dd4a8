//! What is hidden, what is seen, and that everything comes back to the byte.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use proptest::prelude::*;

const KEY: &str = "sk-or-v1-0123456789abcdef0123456789abcdef";

fn hide(masks: &Masks, text: &str) -> Concealed {
    let value = json5_edit::Document::parse(text).map_or(Value::Null, |document| document.value().clone());
    masks.hide(&[("/c/openclaw.json", text)], &value, &[])
}

#[track_caller]
fn hidden(text: &str, secrets: &[&str]) {
    let masks = Masks::new();
    let concealed = hide(&masks, text);
    let shown = &concealed.texts[0].text;
    for secret in secrets {
        assert!(!shown.contains(secret), "{secret} is seen in {shown}");
        assert!(!concealed.value.to_string().contains(secret), "{secret} is seen in {}", concealed.value);
    }
    assert_eq!(masks.reveal(shown).unwrap(), text, "it comes back to the byte");
    if let Ok(document) = json5_edit::Document::parse(text) {
        let mut value = concealed.value.clone();
        masks.reveal_value(&mut value).unwrap();
        assert_eq!(value, *document.value());
        // The page sees one document: the masked text means the masked value.
        let masked = json5_edit::Document::parse(shown).unwrap();
        let mut means = masked.value().clone();
        masks.reveal_value(&mut means).unwrap();
        assert_eq!(means, *document.value());
    }
}

#[track_caller]
fn seen(text: &str) {
    let concealed = hide(&Masks::new(), text);
    assert_eq!(concealed.texts[0].text, text);
}

#[test]
fn secrets_are_hidden_wherever_they_stand() {
    for (text, secrets) in [
        ("{ models: { providers: { a: { apiKey: 'abc' } } } }", vec!["abc"]),
        ("{ models: { providers: { a: { apiKey: \"s\\x65cret\\\n-1\" } } } }", vec!["s\\x65cret"]),
        ("{ models: { providers: { a: { headers: { 'X-Api': 'hdr', 'X-Title': 'shown' } } } } }", vec!["hdr"]),
        (
            "{ models: { providers: { a: { request: { headers: { x: 'hh' }, auth: { mode: 'header', value: 'vv' } } } } } }",
            vec!["hh", "vv"],
        ),
        ("{ gateway: { auth: { mode: 'token', token: 'tt1', password: 'pp1' } } }", vec!["tt1", "pp1"]),
        (
            "{ channels: { telegram: { botToken: '12:AA', accounts: { b: { token: '13:BB' } } } } }",
            vec!["12:AA", "13:BB"],
        ),
        ("{ env: { A_B: 'envv', vars: { C: 'varv' } } }", vec!["envv", "varv"]),
        ("{ tools: { keys: ['k1x', { deep: 'k2x' }] } }", vec!["k1x", "k2x"]),
        ("{ skills: { entries: { s: { env: { X: 'sk1ll' }, apiKey: { nested: 'odd1' } } } } }", vec!["sk1ll", "odd1"]),
        ("{ a: { baseUrl: 'https://me:pa55@host/v1?key=q1w2&x=1' } }", vec!["pa55", "q1w2"]),
    ] {
        hidden(text, &secrets);
    }
    // The same key again, in a comment, under an innocent name, in a longer string.
    let again = format!("{{ // was {KEY}\n  token: '{KEY}', note: 'my {KEY} is', /* {KEY} */ x: ['{KEY}'] }}");
    hidden(&again, &[KEY]);
    let not_shaped = "{ note: 'hunter2hunter2', password: 'hunter2hunter2' } // hunter2hunter2";
    hidden(not_shaped, &["hunter2hunter2"]);
    // Only in a comment, known by its looks.
    hidden(&format!("{{ }} // {KEY}"), &[KEY]);
}

#[test]
fn what_is_no_secret_is_seen() {
    for text in [
        "{ models: { providers: { openrouter: { apiKey: '${OPENROUTER_API_KEY}', api: 'openai-completions' } } } }",
        "{ models: { providers: { lmstudio: { apiKey: 'lmstudio' } } }, agents: { defaults: { model: 'lmstudio/x' } } }",
        "{ models: { providers: { a: { apiKey: { source: 'env', provider: 'default', id: 'A_KEY' } } } } }",
        "{ models: { providers: { tokenfactory: { baseUrl: 'https://x.example/v1', models: [{ id: 'monkey' }] } } } }",
        "{ agents: { defaults: { models: { 'x/monkey-token': { alias: 'Keys' } } } } }",
        "{ a: { headers: { 'HTTP-Referer': 'https://x.example', Authorization: 'Bearer ${A_TOKEN}' } } }",
        "{ secrets: { providers: { default: { source: 'file', path: '~/x' } } } }",
        "{ a: { maxTokens: 8192, apiKey: null, authHeader: true, tokenBudget: 1e3 } }",
    ] {
        seen(text);
    }
}

#[test]
fn a_text_with_a_mistake_hides_its_keys() {
    for text in [
        "{ models: { providers: { a: { apiKey: 'abc1'",
        "{ apiKey: 'abc1\n  baseUrl: 'x' }",
        "{ apiKey: abc1, }",
        "}}}{ apiKey: 'abc1' }",
        "apiKey: \"abc1\"",
    ] {
        hidden(text, &["abc1"]);
    }
}

#[test]
fn a_mask_that_was_moved_or_copied_means_the_same() {
    let masks = Masks::new();
    let concealed = hide(&masks, "{ a: { apiKey: 'it\\'s \"s3cret\"' } }");
    let shown = concealed.texts[0].text.clone();
    let mask = &shown[shown.find(START).unwrap()..=shown.find(END).unwrap() + END.len_utf8() - 1];
    let moved = format!("{{ b: {{ apiKey: \"{mask}\", token: '{mask}', x: 'Bearer {mask}', y: {mask} }} }}");
    let back = masks.reveal(&moved).unwrap();
    let means = json5_edit::Document::parse(&back).unwrap().value().clone();
    let key = "it's \"s3cret\"";
    assert_eq!(means["b"]["apiKey"], key);
    assert_eq!(means["b"]["token"], key);
    assert_eq!(means["b"]["x"], format!("Bearer {key}"));
    assert_eq!(means["b"]["y"], key);
    let mut value = serde_json::json!({ "deep": [format!("{mask}")] });
    masks.reveal_value(&mut value).unwrap();
    assert_eq!(value["deep"][0], key);
}

#[test]
fn an_unknown_mask_is_refused_with_its_line() {
    let masks = Masks::new();
    let error = masks.reveal("{\n  apiKey: '‹kept:7›' }").unwrap_err();
    assert!(error.message().starts_with("line 2: ‹kept:7› stands for no key"), "{error}");
    let error = masks.reveal_value(&mut serde_json::json!(["‹kept:7›"])).unwrap_err();
    assert!(error.message().starts_with("‹kept:7› stands"), "{error}");
    // Another run's masks are not this run's.
    let other = Masks::new();
    let shown = hide(&other, "{ apiKey: 'abc1' }").texts[0].text.clone();
    assert!(masks.reveal(&shown).is_err());
    // A mask in the file itself is a text like any other, and stays.
    hidden("{ note: 'a ‹kept:7› b', apiKey: '‹kept:8›' } // ‹kept:9›", &[]);
}

#[test]
fn positions_are_those_of_the_masked_text() {
    let masks = Masks::new();
    let text = "{ apiKey: 'a-rather-long-secret-value-1', baseUrl: 5,\n x: 1 }";
    let concealed = hide(&masks, text);
    let masked = &concealed.texts[0];
    let column = |text: &str| u32::try_from(text.find("baseUrl").unwrap()).unwrap() + 1;
    let shown = masked.text.replace(['‹', '›'], "_");
    assert_eq!(masked.position(1, column(text)), (1, column(&shown)));
    assert_eq!(masked.position(2, 5), (2, 5));
    assert_eq!(masked.position(1, 3), (1, 3));
    assert_eq!(masked.position(9, 9), (9, 9));
}

#[test]
fn an_included_file_is_judged_by_where_it_is_put_in() {
    let masks = Masks::new();
    let main =
        "{ env: { $include: './env.json5' }, models: { providers: { a: { apiKey: { $include: 'key.json5' } } } } }";
    let texts = [("/c/openclaw.json", main), ("/c/env.json5", "{ A: 'x1' }"), ("/c/key.json5", "'y1'")];
    let concealed = masks.hide(&texts, &Value::Null, &[]);
    assert!(!concealed.texts[1].text.contains("x1") && !concealed.texts[2].text.contains("y1"));
    assert_eq!(masks.reveal(&concealed.texts[2].text).unwrap(), "'y1'");
}

#[test]
fn a_message_repeats_no_secret() {
    let masks = Masks::new();
    let known = [Secret::new("resolved-elsewhere")];
    let concealed = masks.hide(&[("/c", "{ note: 'resolved-elsewhere' }")], &Value::Null, &known);
    assert!(!concealed.texts[0].text.contains("resolved"));
    assert_eq!(concealed.message("x resolved-elsewhere y"), "x … y");
}

proptest! {
    #[test]
    fn every_text_comes_back_to_the_byte(text in "[{}\\[\\]:,'\"/*\\\\ \nakeyptoken‹›0-9é]{0,80}") {
        let masks = Masks::new();
        let concealed = masks.hide(&[("/c", &text)], &Value::Null, &[]);
        prop_assert_eq!(masks.reveal(&concealed.texts[0].text).unwrap(), text);
    }
}
