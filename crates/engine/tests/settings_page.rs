//! The Settings page's side of the engine: what is in effect and what stands in the file, and changes that keep every
//! other byte of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::path::PathBuf;
use std::time::Duration;

use pilotlight_config::Environment;
use pilotlight_engine::settings_page::types::SettingsDocument;
use pilotlight_engine::{CommandError, Engine, EngineOptions};
use pilotlight_simulator::{Kind, Model, Options, Simulator};
use serde_json::{Value, json};
use tempfile::TempDir;

const CONFIG: &str = r#"{
  models: { providers: {
    lmstudio: { baseUrl: "http://127.0.0.1:9/v1", apiKey: "lmstudio", api: "openai-responses",
      models: [{ id: "minimax", name: "MiniMax" }, { id: "Qwen", name: "Qwen" }] },
    hosted: { baseUrl: "https://models.example/v1", api: "openai-responses", models: [{ id: "big", name: "Big" }] },
  } },
  agents: { defaults: { model: { primary: "lmstudio/minimax" }, models: { "lmstudio/minimax": { alias: "Mini" } } } },
}
"#;

const SETTINGS: &str = r#"// Ours.
{
  token: "a-token-that-nobody-may-see", // for tests
  notifications: {
    back: false, // it always comes back
    problems: false,
  },
  models: {
    "LMStudio/Qwen": { keepWarm: { days: ["mon", "tue"], /* early */ from: "8:00", to: "18:00" } },
    "gone/model": { keepWarm: "never" },
  },
  keeper: { poll: "250ms", maxMemory: '44.5 GiB' /* of 64 */ },
}
"#;

struct House {
    _folder: TempDir,
    file: PathBuf,
    engine: Engine,
}

impl House {
    async fn new(settings: Option<&str>) -> Self {
        Self::with(CONFIG, settings).await
    }

    async fn with(config: &str, settings: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("openclaw.json"), config).unwrap();
        let file = folder.path().join("settings.json5");
        if let Some(settings) = settings {
            std::fs::write(&file, settings).unwrap();
        }
        let engine = Engine::start(EngineOptions {
            config: Some(folder.path().join("openclaw.json")),
            settings: Some(file.clone()),
            listen: Some("127.0.0.1:0".parse().unwrap()),
            ..EngineOptions::new(Environment::isolated(folder.path(), &[]), "serve")
        })
        .await
        .unwrap();
        Self { _folder: folder, file, engine }
    }

    /// Waits until the keeper holds a model warm, or does not.
    async fn keeps(&self, model: &str, kept: bool) {
        let mut states = self.engine.state();
        let told = states
            .wait_for(|state| state.models.iter().any(|one| one.model.to_string() == model && one.kept_warm == kept));
        tokio::time::timeout(Duration::from_secs(20), told).await.expect("the keeper follows").unwrap();
    }

    fn text(&self) -> String {
        std::fs::read_to_string(&self.file).unwrap()
    }

    fn document(answer: Value) -> SettingsDocument {
        assert!(!answer.to_string().contains("a-token-that"), "the token is shown");
        serde_json::from_value(answer).unwrap()
    }

    async fn read(&self) -> SettingsDocument {
        Self::document(self.engine.edit("settings", Value::Null).await.unwrap())
    }

    async fn set(&self, path: &[&str], value: Value) -> SettingsDocument {
        Self::document(self.engine.edit("settings/set", json!({ "path": path, "value": value })).await.unwrap())
    }

    async fn refused(&self, path: &[&str], value: Value) -> CommandError {
        self.engine.edit("settings/set", json!({ "path": path, "value": value })).await.unwrap_err()
    }
}

fn shown(document: &SettingsDocument) -> Value {
    let each = document.notifications.iter().map(|one| {
        let kind = serde_json::to_value(one.kind).unwrap();
        (kind.as_str().unwrap().to_owned(), json!([one.shown.value, one.shown.from]))
    });
    Value::Object(each.collect())
}

#[tokio::test]
async fn what_is_in_effect_and_what_of_it_stands_in_the_file() {
    let house = House::new(Some(SETTINGS)).await;
    let document = house.read().await;
    assert_eq!(document.path, house.file.display().to_string());
    let problems = json!([false, "notifications.problems"]);
    assert_eq!(
        shown(&document),
        json!({
            "unloaded": [true, null], "back": [false, "notifications.back"], "hosted": [true, null],
            "loadFailed": problems, "configuration": problems, "keyRefused": problems, "cut": problems,
        })
    );
    assert_eq!(
        json!([document.poll, document.max_memory, document.max_models, document.quiet]),
        json!([
            { "value": "250ms", "from": "keeper.poll" },
            { "value": "44.5 GiB", "from": "keeper.maxMemory" },
            { "value": null, "from": null },
            { "value": null, "from": null },
        ])
    );
    let schedule = json!({ "kind": "schedule", "windows": [{ "days": ["mon", "tue"], "from": "8:00", "to": "18:00", "timeZone": null }] });
    assert_eq!(
        json!(document.models),
        json!([
            { "ref": "lmstudio/minimax", "title": "Mini", "local": true, "policy": { "value": { "kind": "chain" }, "from": null } },
            { "ref": "lmstudio/Qwen", "title": "Qwen", "local": true,
              "policy": { "value": schedule, "from": "models[\"LMStudio/Qwen\"].keepWarm" } },
            { "ref": "gone/model", "title": "gone/model", "local": false,
              "policy": { "value": { "kind": "never" }, "from": "models[\"gone/model\"].keepWarm" } },
        ])
    );
    assert_eq!(
        json!([document.token, document.listen]),
        json!([{ "kind": "written" }, { "value": "127.0.0.1:11235", "from": null }])
    );
}

#[tokio::test]
async fn a_change_is_in_force_when_it_is_answered_and_no_other_byte_is_another() {
    let house = House::new(Some(SETTINGS)).await;
    let mut expected = SETTINGS.to_owned();
    let mut becomes = |old: &str, new: &str| {
        assert_eq!(expected.matches(old).count(), 1, "{old}");
        expected = expected.replace(old, new);
        assert_eq!(house.text(), expected);
    };
    let document = house.set(&["notifications", "back"], json!(true)).await;
    becomes("back: false,", "back: true,");
    assert_eq!(shown(&document)["back"], json!([true, "notifications.back"]));

    let windows = json!([{ "days": ["mon", "tue"], "from": "08:30", "to": "18:00" }]);
    house.set(&["models", "lmstudio/Qwen", "keepWarm"], windows).await;
    becomes("from: \"8:00\"", "from: \"08:30\"");

    let document = house.set(&["keeper", "maxMemory"], Value::Null).await;
    becomes("'44.5 GiB' /* of 64 */", "null /* of 64 */");
    assert_eq!(json!(document.max_memory), json!({ "value": null, "from": null }));

    let document = house.set(&["notifications", "loadFailed"], json!(true)).await;
    becomes("problems: false,\n", "problems: false,\n    loadFailed: true,\n");
    assert_eq!(shown(&document)["loadFailed"], json!([true, "notifications.loadFailed"]));
}

#[tokio::test]
async fn what_somebody_else_has_just_saved_is_shown() {
    let house = House::new(Some(SETTINGS)).await;
    for (poll, other) in [("250ms", "300ms"), ("300ms", "350ms")] {
        std::fs::write(&house.file, house.text().replace(poll, other)).unwrap();
        assert_eq!(house.read().await.poll.value, other);
    }
}

#[tokio::test]
async fn the_keeper_follows_a_policy_at_once() {
    let options = Options { models: vec![Model::new("minimax"), Model::new("Qwen")], ..Options::default() };
    let runtime = Simulator::start(Kind::LmStudio, options).await.unwrap();
    let house = House::with(&CONFIG.replace("http://127.0.0.1:9/v1", &runtime.base_url()), None).await;
    house.keeps("lmstudio/minimax", true).await;
    house.set(&["models", "lmstudio/Qwen", "keepWarm"], json!("always")).await;
    house.keeps("lmstudio/Qwen", true).await;
    let made: Value = serde_json::from_str(&house.text()).unwrap();
    assert_eq!(made, json!({ "models": { "lmstudio/Qwen": { "keepWarm": "always" } } }));
    house.set(&["models", "lmstudio/minimax", "keepWarm"], json!("never")).await;
    house.keeps("lmstudio/minimax", false).await;
}

#[tokio::test]
async fn what_is_wrong_is_refused_with_what_and_where_and_nothing_is_written() {
    let house = House::new(Some(SETTINGS)).await;
    for (path, value, told) in [
        (&["keeper", "poll"][..], json!("soon"), "keeper.poll: \"soon\" is no length of time: write it like \"500ms\""),
        (&["keeper", "maxModels"], json!(0), "keeper.maxModels: "),
        (
            &["notifications", "quiet"],
            json!({ "from": "25:00", "to": "07:00" }),
            "notifications.quiet.from: \"25:00\" is no time of day",
        ),
        (&["notifications", "quiet"], json!({ "from": "22:00", "to": "22:00" }), "From and to are the same"),
        (
            &["models", "lmstudio/Qwen", "keepWarm"],
            json!({ "from": "08:00", "to": "08:00" }),
            "From and to are the same",
        ),
        (&["notifications", "back"], json!("yes"), "notifications.back: "),
    ] {
        let error = house.refused(path, value).await;
        assert_eq!(error.code, "wrong-value", "{error}");
        assert!(error.message.contains(told) && error.message.ends_with(". Nothing was written."), "{error}");
    }
    assert_eq!(house.refused(&["token"], json!("mine")).await.code, "unknown-setting");
    assert_eq!(house.text(), SETTINGS);
}

#[tokio::test]
async fn a_file_with_a_mistake_is_not_touched_and_what_held_before_is_shown() {
    let house = House::new(Some(SETTINGS)).await;
    let mistaken = SETTINGS.replace("poll: \"250ms\"", "poll: \"often\"");
    std::fs::write(&house.file, &mistaken).unwrap();
    let document = tokio::time::timeout(Duration::from_secs(10), async {
        loop {
            let document = house.read().await;
            if document.stale {
                break document;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .unwrap();
    assert_eq!((document.poll.value.as_str(), document.problems[0].path.as_str()), ("250ms", "keeper.poll"));
    let error = house.refused(&["notifications", "back"], json!(true)).await;
    assert!(error.code == "broken" && error.message.contains("settings.json5:12:19: keeper.poll:"), "{error}");
    assert_eq!(house.text(), mistaken);
}
