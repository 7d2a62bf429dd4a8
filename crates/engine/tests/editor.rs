//! The Models page's side of the engine: what leaves it holds no secret, and what comes back is written as it was.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::path::PathBuf;

use pilotlight_config::Environment;
use pilotlight_engine::{CommandError, Engine, EngineOptions};
use serde_json::{Value, json};
use tempfile::TempDir;

const KEY: &str = "sk-or-v1-00112233445566778899aabbccddeeff";

const CONFIG: &str = r#"{
  // The house's models.
  models: {
    providers: {
      openrouter: { baseUrl: "https://openrouter.ai/api/v1", apiKey: "sk-or-v1-00112233445566778899aabbccddeeff", api: "openai-completions",
        models: [{ id: "z-ai/glm-4.7", name: "GLM" }] }, // pays by the token
      lmstudio: {
        baseUrl: "http://127.0.0.1:9/v1", apiKey: "lmstudio", api: "openai-responses",
        models: [{ id: "minimax", name: "MiniMax" }],
      },
    },
  },
  agents: { defaults: { model: { primary: "lmstudio/minimax", fallbacks: ["openrouter/z-ai/glm-4.7"] } } },
  channels: { telegram: { botToken: "12345:telegram-secret" } },
  env: { PLAIN_LOOKING: "env-block-secret" },
}
"#;

struct House {
    folder: TempDir,
    engine: Engine,
}

impl House {
    async fn new(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("openclaw.json"), config).unwrap();
        let environment = Environment::isolated(folder.path(), &[]);
        let engine = Engine::start(EngineOptions {
            config: Some(folder.path().join("openclaw.json")),
            listen: Some("127.0.0.1:0".parse().unwrap()),
            ..EngineOptions::new(environment, "serve")
        })
        .await
        .unwrap();
        Self { folder, engine }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("openclaw.json")
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.file()).unwrap()
    }

    async fn ask(&self, name: &str, body: Value) -> Value {
        let answer = self.engine.edit(name, body).await.unwrap();
        for secret in [KEY, "telegram-secret", "env-block-secret"] {
            assert!(!answer.to_string().contains(secret), "{name} shows {secret}");
        }
        answer
    }

    async fn refused(&self, name: &str, body: Value) -> CommandError {
        let error = self.engine.edit(name, body).await.unwrap_err();
        assert!(!serde_json::to_string(&error).unwrap().contains(KEY), "{name} shows the key");
        error
    }
}

#[tokio::test]
async fn the_document_has_masks_for_secrets_and_views_of_the_providers() {
    let house = House::new(CONFIG).await;
    let document = house.ask("config", Value::Null).await;
    let text = document["files"][0]["text"].as_str().unwrap();
    assert!(text.contains("// pays by the token") && text.contains("apiKey: \"lmstudio\""));
    assert_eq!(document["value"]["models"]["providers"]["lmstudio"]["apiKey"], "lmstudio");
    assert!(document["value"]["models"]["providers"]["openrouter"]["apiKey"].as_str().unwrap().starts_with("‹kept:"));
    assert!(!document["presets"].as_array().unwrap().is_empty());
    let openrouter = &document["providers"][0];
    assert_eq!(openrouter["id"], "openrouter");
    assert_eq!(
        (openrouter["location"].as_str(), openrouter["key"]["place"].as_str()),
        (Some("hosted"), Some("config"))
    );
    assert_eq!(document["providers"][1]["key"]["place"], "none");
}

#[tokio::test]
async fn an_edit_is_previewed_saved_undone_and_told_in_the_history() {
    let house = House::new(CONFIG).await;
    let revision = house.ask("config", Value::Null).await["revision"].clone();
    let edits = json!([{ "edit": "set", "path": "models.providers.lmstudio.models[0].contextWindow", "value": 65536 }]);
    let draft = json!({ "revision": revision, "edits": edits, "label": "Context of MiniMax" });

    let preview = house.ask("config/preview", draft.clone()).await;
    assert!(
        preview["diff"]
            .as_str()
            .unwrap()
            .contains("+        models: [{ id: \"minimax\", name: \"MiniMax\", contextWindow: 65536 }],"),
        "{preview}"
    );
    assert_eq!(preview["value"]["models"]["providers"]["lmstudio"]["models"][0]["contextWindow"], 65536);
    assert_eq!((house.text().as_str(), &preview["revision"]), (CONFIG, &revision), "nothing is written");

    let saved = house.ask("config/save", draft).await;
    let expected = CONFIG.replace("name: \"MiniMax\" }", "name: \"MiniMax\", contextWindow: 65536 }");
    assert_eq!(house.text(), expected, "the key is in the file as it was");
    let history = house.ask("config/history", Value::Null).await;
    let newest = &history[0];
    assert_eq!(newest["revision"], saved["revision"]);
    assert_eq!((newest["who"].as_str(), newest["label"].as_str()), (Some("editor"), Some("Context of MiniMax")));

    assert_eq!(house.ask("config", Value::Null).await["canUndo"], true);
    house.ask("config/undo", Value::Null).await;
    assert_eq!(house.text(), CONFIG);
    house.ask("config/redo", json!({})).await;
    assert_eq!(house.text(), expected);
    house.ask("config/restore", json!({ "revision": revision })).await;
    assert_eq!(house.text(), CONFIG);
}

#[tokio::test]
async fn a_text_with_masks_is_written_with_the_secrets_it_had() {
    let house = House::new(CONFIG).await;
    let document = house.ask("config", Value::Null).await;
    let (revision, file) = (&document["revision"], &document["files"][0]);
    let masked = file["text"].as_str().unwrap().replace("The house's models.", "Our models.");
    let draft = json!({ "revision": revision, "file": file["path"], "text": masked });
    let preview = house.ask("config/preview", draft.clone()).await;
    let diff = preview["diff"].as_str().unwrap();
    assert!(diff.contains("-  // The house's models.") && diff.contains("+  // Our models."), "{diff}");
    // A line with a key is among those around the change, and the key is the same on both sides.
    assert_eq!(diff.lines().filter(|line| line.starts_with(['+', '-'])).count(), 4, "{diff}");
    house.ask("config/save", draft).await;
    assert_eq!(house.text(), CONFIG.replace("The house's models.", "Our models."));
}

#[tokio::test]
async fn edits_are_made_on_a_text_that_was_typed_and_not_saved() {
    let house = House::new(CONFIG).await;
    let document = house.ask("config", Value::Null).await;
    let (revision, file) = (&document["revision"], &document["files"][0]);
    let typed = file["text"].as_str().unwrap().replace("id: \"minimax\"", "id: \"m3\"");
    let edits = json!([
        { "edit": "set", "path": "models.providers.lmstudio.models[0].contextWindow", "value": 65536, "expected": "nothing" },
        { "edit": "set", "path": "agents.defaults.model.primary", "value": "lmstudio/m3" },
    ]);
    let draft = json!({ "revision": revision, "file": file["path"], "text": typed, "edits": edits, "label": "Both" });
    let preview = house.ask("config/preview", draft.clone()).await;
    assert_eq!(preview["value"]["models"]["providers"]["lmstudio"]["models"][0]["id"], "m3");
    assert_eq!(preview["value"]["models"]["providers"]["lmstudio"]["models"][0]["contextWindow"], 65536);
    assert_eq!(house.text(), CONFIG, "nothing is written");
    // Somebody else writes in another place meanwhile.
    let theirs = CONFIG.replace("The house's models.", "Their models.");
    std::fs::write(house.file(), &theirs).unwrap();
    house.ask("config/save", draft).await;
    let expected = theirs
        .replace("{ id: \"minimax\", name: \"MiniMax\" }", "{ id: \"m3\", name: \"MiniMax\", contextWindow: 65536 }")
        .replace("primary: \"lmstudio/minimax\"", "primary: \"lmstudio/m3\"");
    assert_eq!(house.text(), expected);

    // An edit that does not fit what was typed, and one on a text that cannot be read.
    let misfit =
        json!([{ "edit": "set", "path": "models.mode", "value": "merge", "expected": { "value": "replace" } }]);
    let revision = house.ask("config", Value::Null).await["revision"].clone();
    let draft = |text: &str| json!({ "revision": revision, "file": file["path"], "text": text, "edits": misfit });
    assert_eq!(house.refused("config/save", draft("{}")).await.code, "conflict");
    assert_eq!(house.refused("config/preview", draft("{ models: ")).await.code, "broken");
    assert_eq!(house.text(), expected);
}

#[tokio::test]
async fn a_masked_provider_can_be_copied_under_another_id() {
    let house = House::new(CONFIG).await;
    let document = house.ask("config", Value::Null).await;
    let copy = document["value"]["models"]["providers"]["openrouter"].clone();
    let edits = json!([{ "edit": "set", "path": "models.providers.other", "value": copy }]);
    house.ask("config/save", json!({ "revision": document["revision"], "edits": edits })).await;
    assert_eq!(house.text().matches(KEY).count(), 2);
}

#[tokio::test]
async fn what_is_wrong_with_a_draft_is_told_where_the_page_sees_it() {
    let house = House::new(CONFIG).await;
    let document = house.ask("config", Value::Null).await;
    let file = &document["files"][0];
    let text = file["text"].as_str().unwrap().replace("openai-completions", "openai-complete");
    let draft = json!({ "revision": document["revision"], "file": file["path"], "text": text });
    let preview = house.ask("config/preview", draft).await;
    let problems = preview["diagnostics"].as_array().unwrap();
    let problem = problems.iter().find(|problem| problem["path"] == "models.providers.openrouter.api").unwrap();
    let line = text.lines().nth(usize::try_from(problem["line"].as_u64().unwrap()).unwrap() - 1).unwrap();
    let column = line.chars().take_while(|c| *c != '\0').collect::<String>().find("\"openai-complete\"").unwrap();
    let column = line[..column].chars().count() as u64 + 1;
    assert_eq!(problem["column"].as_u64(), Some(column), "behind the mask on its line");

    // A text that cannot be read at all is shown too, with its mistake.
    let broken = file["text"].as_str().unwrap().replace("env: {", "env: {{");
    let draft = json!({ "revision": document["revision"], "file": file["path"], "text": broken });
    let preview = house.ask("config/preview", draft.clone()).await;
    assert_eq!((&preview["value"], preview["diagnostics"][0]["code"].as_str()), (&Value::Null, Some("syntax")));
    assert_eq!(house.refused("config/save", draft).await.code, "broken");
    assert_eq!(house.text(), CONFIG);
}

#[tokio::test]
async fn a_change_by_somebody_else_is_merged_or_shown() {
    let house = House::new(CONFIG).await;
    let revision = house.ask("config", Value::Null).await["revision"].clone();
    let theirs = CONFIG.replace("name: \"GLM\"", "name: \"Theirs\"");
    std::fs::write(house.file(), &theirs).unwrap();
    let edit =
        |path: &str| json!({ "revision": revision, "edits": [{ "edit": "set", "path": path, "value": "Ours" }] });
    // Elsewhere: both are kept.
    house.ask("config/save", edit("models.providers.lmstudio.models[0].name")).await;
    assert_eq!(house.text(), theirs.replace("\"MiniMax\"", "\"Ours\""));
    // In the same place: both are shown, neither with the key.
    let error = house.refused("config/save", edit("models.providers.openrouter.models[0].name")).await;
    assert_eq!(error.code, "conflict");
    let file = &error.details.unwrap().files[0];
    assert!(file.ours.contains("\"Ours\" }] }, // pays") && file.theirs.contains("\"Theirs\""), "{file:?}");
    assert!(file.ours.contains("‹kept:"));
}

#[tokio::test]
async fn bad_requests_say_what_is_bad_and_repeat_no_key() {
    let house = House::new(CONFIG).await;
    let revision = house.ask("config", Value::Null).await["revision"].clone();
    let edits = json!([{ "edit": "set", "path": "models.providers.openrouter.apiKey", "value": "‹kept:1›" }]);
    let error = house.refused("config/save", json!({ "revision": revision, "edits": edits })).await;
    assert_eq!(error.code, "unknown-mask");
    let error = house.refused("config/save", json!({ "revision": revision, "edits": KEY })).await;
    assert_eq!(error.code, "bad-request");
    assert_eq!(house.refused("config/preview", json!({ "revision": revision })).await.code, "bad-request");
    assert_eq!(house.refused("provider/test", json!({ "provider": "nobody" })).await.code, "unknown-provider");
    let elsewhere = json!({ "revision": revision, "file": "/etc/hosts", "text": "{}" });
    assert_eq!(house.refused("config/save", elsewhere).await.code, "unknown-file");
    assert_eq!(house.text(), CONFIG);
}

#[tokio::test]
async fn a_key_is_moved_to_a_variable() {
    let house = House::new(CONFIG).await;
    let request = json!({ "provider": "openrouter", "place": "environment", "variable": "OPENROUTER_API_KEY" });
    let error = house.refused("provider/key", request.clone()).await;
    assert!(error.message.contains("which would be lost"), "{error}");
    std::fs::write(house.folder.path().join(".env"), format!("OPENROUTER_API_KEY={KEY}\n")).unwrap();
    house.ask("provider/key", request).await;
    assert_eq!(house.text(), CONFIG.replace(KEY, "${OPENROUTER_API_KEY}"));
    let document = house.ask("config", Value::Null).await;
    let key = &document["providers"][0]["key"];
    assert_eq!((key["place"].as_str(), &key["problem"]), (Some("environment"), &Value::Null));
}

#[tokio::test]
async fn a_key_is_entered_and_kept_in_a_private_file() {
    let house = House::new(CONFIG).await;
    let entered = "sk-entered-0123456789abcdef";
    let request = json!({ "provider": "openrouter", "place": "private-file", "value": entered });
    house.ask("provider/key", request).await;
    assert!(!house.text().contains(KEY) && !house.text().contains(entered), "{}", house.text());
    let document = house.ask("config", Value::Null).await;
    assert!(!document.to_string().contains(entered));
    let key = &document["providers"][0]["key"];
    assert_eq!((key["place"].as_str(), &key["problem"]), (Some("private-file"), &Value::Null));
}

#[tokio::test]
async fn it_is_reached_over_http_with_the_token_only() {
    let house = House::new(CONFIG).await;
    let mut states = house.engine.state();
    let state = states.wait_for(|state| state.endpoint.is_some()).await.unwrap().clone();
    let url = |name: &str| format!("{}/pilotlight/{name}", state.endpoint.as_deref().unwrap().trim_end_matches("/v1"));
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    assert_eq!(client.get(url("config")).send().await.unwrap().status(), 401);
    assert_eq!(client.post(url("config/undo")).send().await.unwrap().status(), 401);
    let token = house.engine.token().unwrap();
    let with = |request: reqwest::RequestBuilder| request.bearer_auth(token.expose()).send();
    let document: Value = with(client.get(url("config"))).await.unwrap().json().await.unwrap();
    let draft = json!({ "revision": document["revision"], "file": document["files"][0]["path"], "text": "{}" });
    let preview = with(client.post(url("config/preview")).json(&draft)).await.unwrap();
    assert_eq!(preview.status(), 200);
    assert_eq!(preview.json::<Value>().await.unwrap()["value"], json!({}));
    let refused =
        with(client.post(url("config/preview")).header("content-type", "application/json").body("{")).await.unwrap();
    assert_eq!(refused.status(), 400);
    let refused = with(client.post(url("config/undo")).json(&json!({}))).await.unwrap();
    assert_eq!(
        (refused.status(), refused.json::<Value>().await.unwrap()["code"].as_str()),
        (reqwest::StatusCode::CONFLICT, Some("nothing-to-do"))
    );
    house.engine.stop().await;
}
