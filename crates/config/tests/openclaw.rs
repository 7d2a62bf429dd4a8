//! OpenClaw itself, in both versions, on the files that we write, and on the verdicts of our own tables.
//!
//! Opt-in, for it installs OpenClaw from npm: `make test-openclaw`. With PILOTLIGHT_TEST_OPENCLAW=1 a sample of the
//! mutations is compared, with PILOTLIGHT_TEST_OPENCLAW=all every one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::HashMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use json5_edit::{Edit, Step};
use pilotlight_config::connect::{Connector, Tool};
use pilotlight_config::keys::{KeyPlace, NewKey, PrivateFile, Stores, prepare};
use pilotlight_config::plan::{load, plan};
use pilotlight_config::schema::{Version, refusals};
use pilotlight_config::{
    ConfigLocation, ConfigStore, Diagnostic, Environment, Home, PRESETS, Who, intents, set_primary, write,
};
use pilotlight_wire::{ModelRef, Secret};
use serde_json::{Value, json};
use tempfile::TempDir;

/// What is asked for, if anything is.
fn asked() -> Option<String> {
    let asked = std::env::var("PILOTLIGHT_TEST_OPENCLAW").ok().filter(|value| !value.is_empty() && value != "0");
    if asked.is_none() {
        eprintln!("skipped: PILOTLIGHT_TEST_OPENCLAW=1 (make test-openclaw) asks OpenClaw itself");
    }
    asked
}

/// What one version says of one file.
struct Verdict {
    taken: bool,
    /// Its words, and where they point.
    why: String,
    paths: Vec<String>,
}

/// What both versions say of every file.
struct Verdicts(HashMap<(Version, PathBuf), Verdict>);

impl Verdicts {
    fn of(files: &[PathBuf]) -> Self {
        // One process installs; the others find it done.
        static ONE: Mutex<()> = Mutex::new(());
        let _one = ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/openclaw-accepts");
        let mut child = Command::new(script)
            .args(["--json", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("scripts/openclaw-accepts starts");
        let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
        child.stdin.take().unwrap().write_all((names.join("\n") + "\n").as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let code = output.status.code();
        assert!(matches!(code, Some(0 | 1)), "scripts/openclaw-accepts ended with {code:?}: its reason is above");
        let lines = String::from_utf8(output.stdout).unwrap();
        let verdicts = lines.lines().map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let number = text(&line["version"]);
            let version = Version::ALL.into_iter().find(|version| number.starts_with(version.number())).unwrap();
            let verdict = Verdict {
                taken: line["valid"].as_bool().unwrap(),
                why: line["issues"].to_string(),
                paths: line["issues"].as_array().unwrap().iter().map(|issue| text(&issue["path"])).collect(),
            };
            ((version, PathBuf::from(text(&line["file"]))), verdict)
        });
        let verdicts = Self(verdicts.collect());
        assert_eq!(verdicts.0.len(), files.len() * Version::ALL.len(), "an answer of each version for each file");
        verdicts
    }

    fn of_file(&self, version: Version, file: &Path) -> &Verdict {
        &self.0[&(version, file.to_owned())]
    }
}

/// The files that are there from the start, each with the versions that take it. What is not named here is taken by both.
const NOT_TAKEN_BY_ALL: &[(&str, &[Version])] = &[
    // OpenRouter without an address, which the older version wants even for a provider that it knows.
    ("regional.json5", &[Version::September]),
    // It is there for its comments, and has a key that nobody knows.
    ("commented.json5", &[]),
    ("february.json5", &[Version::February]),
    ("september.json5", &[Version::September]),
    // The older version takes a key as a plain text alone; there a variable is written, which both take.
    ("connected-newer.json5", &[Version::September]),
    ("key-keychain.json5", &[Version::September]),
    ("key-private-file.json5", &[Version::September]),
];

#[tokio::test]
async fn openclaw_takes_every_file_of_ours() {
    if asked().is_none() {
        return;
    }
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut files: Vec<PathBuf> = [fixtures.clone(), fixtures.join("openclaw")]
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "json5"))
        .filter(|path| !["settings.json5", "names.json5"].iter().any(|other| path.ends_with(other)))
        .collect();
    let folder = TempDir::new().unwrap();
    files.extend(written_by_us(folder.path()).await);

    let verdicts = Verdicts::of(&files);
    for file in &files {
        let name = file.file_name().unwrap().to_str().unwrap();
        let known = NOT_TAKEN_BY_ALL.iter().find(|(known, _)| *known == name);
        for version in Version::ALL {
            let expected = known.is_none_or(|(_, takers)| takers.contains(&version));
            let Verdict { taken, why, .. } = verdicts.of_file(version, file);
            assert_eq!(*taken, expected, "{name} in {}: {why}", version.number());
        }
    }
}

/// The starting configuration, and what our own edits make of it.
async fn written_by_us(folder: &Path) -> Vec<PathBuf> {
    let environment = Environment::isolated(folder, &[]);
    let home = Home::at(folder.join("home"));
    let location = ConfigLocation { path: home.own_config_file(), openclaw: false, read_only: false };
    let store = ConfigStore::open(location.clone(), environment.clone()).unwrap();
    drop(store);
    let start = std::fs::read_to_string(&location.path).unwrap();
    let hybrid = start
        .replace("// fallbacks:", "fallbacks:")
        .replace("// \"anthropic/claude-sonnet-4-5\":", "\"anthropic/claude-sonnet-4-5\":");
    assert_ne!(start, hybrid, "the starting configuration has its lines that wait for two slashes to go");

    let mut files = Vec::new();
    for (name, text, primary) in [
        ("start.json5", &start, None),
        ("hybrid-start.json5", &hybrid, None),
        ("hosted-first.json5", &hybrid, Some("anthropic/claude-sonnet-4-5")),
    ] {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        if let Some(primary) = primary {
            let location = ConfigLocation { path: path.clone(), openclaw: true, read_only: false };
            set_primary(&location, &environment, &primary.parse().unwrap(), pilotlight_config::Who::Editor).unwrap();
            assert_ne!(&std::fs::read_to_string(&path).unwrap(), text);
        }
        files.push(path);
    }
    files.extend(presets(folder, &start));
    files.extend(chains(folder));
    files.extend(keys(folder));
    files.extend(connected(folder));
    files
}

/// A configuration with a hosted and a local provider, by hand.
const BY_HAND: &str = r#"{
  META
  agents: { defaults: { model: {
    primary: "hosted/large", // costs money
    fallbacks: [
      // in the studio
      "local/small", // free
      "local/other",
    ],
  } } },
  models: {
    mode: "merge",
    providers: {
      local: {
        baseUrl: "http://127.0.0.1:1234/v1", apiKey: "local", api: "openai-responses",
        models: [
          { id: "small", name: "Small", reasoning: false, input: ["text"], contextWindow: 32768, maxTokens: 4096,
            cost: { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 } },
          { id: "other", name: "Other", reasoning: false, input: ["text"], contextWindow: 32768, maxTokens: 4096,
            cost: { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 } },
        ],
      },
      hosted: {
        baseUrl: "https://example.com/v1", apiKey: "${KEY}", api: "openai-completions",
        models: [{ id: "large", name: "Large", reasoning: false, input: ["text"], contextWindow: 200000,
          maxTokens: 8192, cost: { input: 1, output: 2, cacheRead: 0, cacheWrite: 0 } }],
      },
    },
  },
}
"#;

/// That text in a folder of its own, as OpenClaw's file. The newer version says that it wrote it.
struct Desk {
    environment: Environment,
    location: ConfigLocation,
}

impl Desk {
    fn new(folder: &Path, name: &str, newer: bool) -> Self {
        let folder = folder.join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let meta = if newer { "meta: { lastTouchedVersion: '2026.9.6' }," } else { "// models" };
        let path = folder.join(format!("{name}.json5"));
        std::fs::write(&path, BY_HAND.replace("META", meta)).unwrap();
        let environment =
            Environment::isolated(&folder, &[("KEY", "sk-of-the-test-0123456789"), ("LOCAL_KEY", "local")]);
        Self { environment, location: ConfigLocation { path, openclaw: true, read_only: false } }
    }

    fn edit(self, edits: &[Edit]) -> PathBuf {
        let plan = plan(&self.location, &self.environment, edits).unwrap();
        assert!(!plan.changes.is_empty(), "{}", self.location.path.display());
        write::commit(&self.location, &self.environment, &plan, Who::Command, "a test").unwrap();
        self.location.path
    }
}

/// The chain of each template, and after the primary and a fallback changed places.
fn chains(folder: &Path) -> Vec<PathBuf> {
    let chain = |name: &str, models: &[&str]| {
        let desk = Desk::new(folder, name, false);
        let loaded = load(&desk.location, &desk.environment);
        let models: Vec<ModelRef> = models.iter().map(|model| model.parse().unwrap()).collect();
        let edits = intents::set_chain(&loaded.configuration.unwrap(), &loaded.value.unwrap(), &models).unwrap();
        desk.edit(&edits)
    };
    let used = Desk::new(folder, "chain-used", false);
    set_primary(&used.location, &used.environment, &"local/small".parse().unwrap(), Who::Command).unwrap();
    let text = std::fs::read_to_string(&used.location.path).unwrap();
    assert!(
        text.contains("primary: \"local/small\", // free") && text.contains("\"hosted/large\", // costs money"),
        "{text}"
    );
    vec![
        chain("chain-hosted-first", &["hosted/large", "local/other", "local/small"]),
        chain("chain-local-first", &["local/small", "local/other", "hosted/large"]),
        chain("chain-swapped", &["local/other", "local/small", "hosted/large"]),
        chain("chain-short", &["local/small"]),
        used.location.path,
    ]
}

/// A key in each of its places.
fn keys(folder: &Path) -> Vec<PathBuf> {
    [
        ("key-keychain", KeyPlace::Keychain),
        ("key-private-file", KeyPlace::PrivateFile),
        ("key-variable", KeyPlace::Environment { variable: "LOCAL_KEY".to_owned() }),
        ("key-file", KeyPlace::File),
    ]
    .map(|(name, place)| {
        let desk = Desk::new(folder, name, true);
        let store = std::sync::Arc::new(PrivateFile::new(&Home::from(&desk.environment)));
        let stores = Stores { keychain: store.clone(), private_file: store };
        let program = std::env::current_exe().unwrap();
        let new = NewKey { provider: "local".to_owned(), place, key: None, program };
        let key = (!matches!(new.place, KeyPlace::Environment { .. })).then(|| Secret::new("sk-other-0123456789"));
        let new = NewKey { key, ..new };
        let prepared = prepare(&desk.location, &desk.environment, &stores, &new, true).unwrap();
        desk.edit(&prepared.edits)
    })
    .into()
}

/// OpenClaw connected to us, where it reads secret refs for sure and where it may not, and given back.
fn connected(folder: &Path) -> Vec<PathBuf> {
    [("connected-newer", true, false), ("connected-older", false, false), ("given-back", true, true)]
        .map(|(name, newer, back)| {
            let desk = Desk::new(folder, name, newer);
            let settings = Home::from(&desk.environment).settings_file();
            let connector = Connector {
                environment: &desk.environment,
                location: &desk.location,
                settings: &settings,
                base: "http://127.0.0.1:11235",
            };
            let before = std::fs::read_to_string(&desk.location.path).unwrap();
            connector.connect(Tool::OpenClaw).unwrap();
            let text = std::fs::read_to_string(&desk.location.path).unwrap();
            assert!(text.contains("pilotlight/primary") && text.contains("\"hosted/large\", // costs money"), "{text}");
            assert_eq!(text.contains("singleValue"), newer, "{text}");
            if back {
                connector.disconnect(Tool::OpenClaw).unwrap();
                assert_eq!(std::fs::read_to_string(&desk.location.path).unwrap(), before);
            }
            desk.location.path
        })
        .into()
}

/// Every preset put into the starting configuration, with its own models or with one that a person names, and all of them
/// together.
fn presets(folder: &Path, start: &str) -> Vec<PathBuf> {
    let mut together = json5_edit::Document::parse(start).unwrap();
    let write = |name: String, document: &json5_edit::Document| {
        let path = folder.join(name);
        std::fs::write(&path, document.text()).unwrap();
        path
    };
    let mut files = Vec::new();
    for preset in PRESETS {
        let mut models = preset.models();
        models.push(preset.model("some/model-of-mine"));
        let place = json5_edit::Path::of(&["models", "providers", preset.provider_id]);
        for (name, provider) in [
            ("usual", preset.provider(None, None, models.clone())),
            ("own", preset.provider(Some("https://example.com/v1"), Some("MY_KEY"), models)),
            ("empty", preset.provider(None, None, Vec::new())),
        ] {
            let alone = json5_edit::Document::parse(start).unwrap().set(&place, &provider).unwrap();
            files.push(write(format!("preset-{}-{name}.json5", preset.id), &alone));
            together = together.set(&place, &provider).unwrap();
        }
    }
    files.push(write("presets-together.json5".to_owned(), &together));
    files
}

/// Members and items on the way to a place.
type Place = Vec<Value>;

fn at<'v>(value: &'v mut Value, place: &[Value]) -> &'v mut Value {
    place.iter().fold(value, |value, step| match step {
        Value::String(key) => &mut value[key.as_str()],
        index => &mut value[usize::try_from(index.as_u64().unwrap()).unwrap()],
    })
}

fn places(value: &Value, here: &Place, found: &mut Vec<Place>) {
    found.push(here.clone());
    let then = |step: Value| here.iter().cloned().chain([step]).collect::<Place>();
    match value {
        Value::Object(members) => members.iter().for_each(|(key, value)| places(value, &then(json!(key)), found)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, value)| places(value, &then(json!(index)), found));
        }
        _ => {}
    }
}

/// Small mistakes at every place of a document, each with a word on what was done.
fn mutations(name: &str, document: &Value) -> Vec<(String, Value)> {
    // Only some of their keys are looked at.
    let is_partial = |step: Option<&Value>| {
        step.is_some_and(|step| ["subagents", "heartbeat", "compaction"].iter().any(|partial| step == partial))
    };
    let mut found = Vec::new();
    places(document, &Vec::new(), &mut found);
    let mut all = Vec::new();
    for place in found.iter().filter(|place| !place.is_empty()) {
        let shown = place.iter().map(|step| step.as_str().map_or_else(|| step.to_string(), str::to_owned));
        let shown = shown.collect::<Vec<_>>().join(".");
        let mut mutate = |what: String, change: &dyn Fn(&mut Value)| {
            let mut mutated = document.clone();
            change(&mut mutated);
            if mutated != *document {
                all.push((format!("{name}: {shown} {what}"), mutated));
            }
        };
        let (last, above) = place.split_last().unwrap();
        mutate("removed".to_owned(), &|value| match (at(value, above), last) {
            (Value::Object(members), Value::String(key)) => drop(members.shift_remove(key)),
            (Value::Array(items), index) => drop(items.remove(usize::try_from(index.as_u64().unwrap()).unwrap())),
            _ => {}
        });
        if let Value::String(key) = last
            && !is_partial(above.last())
        {
            mutate("renamed".to_owned(), &|value| {
                let members = at(value, above).as_object_mut().unwrap();
                let moved = members.shift_remove(key).unwrap();
                members.insert(format!("{key}X"), moved);
            });
        }
        for other in [
            json!(null),
            json!(true),
            json!(0),
            json!(-1),
            json!(1.5),
            json!(1e300),
            json!(""),
            json!("some text"),
            json!("a/b"),
            json!([]),
            json!([7]),
            json!(["a/*"]),
            json!({}),
            json!({ "x": 1 }),
        ] {
            if !(is_partial(Some(last)) && other == json!({ "x": 1 })) {
                mutate(format!("= {other}"), &|value| *at(value, place) = other.clone());
            }
        }
        let mut copy = document.clone();
        match at(&mut copy, place) {
            Value::Object(_) if !is_partial(Some(last)) => {
                mutate("with an unknown key".to_owned(), &|value| at(value, place)["unheardOf"] = json!(1));
            }
            Value::Array(items) => {
                for extra in [json!(7), json!("video"), items.first().cloned().unwrap_or_default()] {
                    mutate(format!("and {extra}"), &|value| {
                        at(value, place).as_array_mut().unwrap().push(extra.clone())
                    });
                }
            }
            Value::String(text) => {
                let capitals = json!(text.to_uppercase());
                mutate(format!("= {capitals}"), &|value| *at(value, place) = capitals.clone());
            }
            _ => {}
        }
    }
    all
}

/// What one version alone has, put one at a time into a document that both take.
fn grafts(onto: &Value, from: &Value) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    places(from, &Vec::new(), &mut found);
    let mut all = Vec::new();
    for place in found {
        let Some((Value::String(key), above)) = place.split_last() else { continue };
        let mut grafted = onto.clone();
        let Some(parent) = above.iter().try_fold(&mut grafted, |value, step| match step {
            Value::String(key) => value.get_mut(key.as_str()),
            index => value.get_mut(usize::try_from(index.as_u64().unwrap()).unwrap()),
        }) else {
            continue;
        };
        if let Some(members) = parent.as_object_mut() {
            members.insert(key.clone(), at(&mut from.clone(), &place).clone());
            all.push((format!("graft: {}", json!(place)), grafted));
        }
    }
    all
}

/// Every key of which only the name is looked at, with a value that a version which has it takes.
fn names() -> Vec<(String, Value)> {
    let samples: Value =
        json5_edit::Document::parse(&support::fixture("openclaw/names.json5")).unwrap().value().clone();
    let mut all = Vec::new();
    for (above, keys) in samples.as_object().unwrap() {
        for (key, sample) in keys.as_object().unwrap() {
            let steps: Vec<&str> = above.split('/').filter(|step| !step.is_empty()).collect();
            let value = steps.iter().rev().fold(json!({ key: sample }), |value, step| match *step {
                "[]" => {
                    let mut item = value;
                    item["id"] = json!("main");
                    json!([item])
                }
                step => json!({ step: value }),
            });
            all.push((format!("names: {above}/{key}"), value));
        }
    }
    all
}

/// Cases that the mutations do not reach: several agents, and providers with and without an address.
fn cases() -> Vec<(String, Value)> {
    let row = json!({ "id": "a", "name": "A" });
    let agents = |agents: Value| json!({ "agents": agents });
    let provider = |id: &str, provider: Value| json!({ "models": { "providers": { id: provider } } });
    let all = [
        json!({}),
        json!([]),
        json!("text"),
        agents(json!({ "ownership": "explicit" })),
        agents(json!({ "ownership": "explicit", "entries": {} })),
        agents(json!({ "entries": {} })),
        agents(json!({ "list": [] })),
        agents(json!({ "entries": { "a": {}, "b": {} } })),
        agents(json!({ "entries": { "a": {}, "b": { "default": true } } })),
        agents(json!({ "entries": { "a": { "default": true }, "b": { "default": true } } })),
        agents(json!({ "ownership": "explicit", "entries": { "a": {}, "b": { "default": true } } })),
        agents(json!({ "ownership": "explicit", "entries": { "a": {}, "A": {} } })),
        agents(json!({ "entries": { "a b": {} } })),
        agents(json!({ "entries": { "a": {} }, "list": [{ "id": "a" }] })),
        agents(json!({ "list": [{ "id": "a" }, { "id": "b" }] })),
        agents(json!({ "list": [{ "id": "a", "default": true }, { "id": "b" }] })),
        agents(json!({ "list": [{ "id": "a", "default": true }, { "id": "b", "default": true }] })),
        agents(json!({ "list": [{ "id": "a" }, { "id": "a" }] })),
        agents(json!({ "list": [{ "id": "A" }] })),
        agents(json!({ "list": [{ "id": "a", "memorySearch": {} }] })),
        agents(json!({ "list": [{ "id": "a", "modelPolicy": { "allow": [] } }] })),
        agents(json!({ "defaults": { "model": "a/b" } })),
        agents(json!({ "defaults": { "modelPolicy": { "allow": ["nothing"] } } })),
        agents(json!({ "defaults": { "models": { "a": { "codeMode": true } } } })),
        agents(json!({ "defaults": { "models": { "a": { "alias": "x" } }, "modelPolicy": { "allow": ["X", "y"] } } })),
        provider("openrouter", json!({})),
        provider("OpenRouter", json!({})),
        provider("openrouter", json!({ "baseUrl": "" })),
        provider("mine", json!({})),
        provider("mine", json!({ "baseUrl": "", "models": [] })),
        provider("mine", json!({ "baseUrl": "x" })),
        provider("mine", json!({ "baseUrl": "x", "models": [row] })),
        provider("mine", json!({ "baseUrl": "x", "models": [row], "contextWindow": -1 })),
        provider("mine", json!({ "baseUrl": "x", "models": [row], "contextTokens": 1.5 })),
        provider("mine", json!({ "baseUrl": "x", "models": [], "contextWindow": -1 })),
        provider(
            "mine",
            json!({ "baseUrl": "x", "models": [{ "id": "a", "name": "A", "contextWindow": 1 }], "contextWindow": -1 }),
        ),
        provider("mine", json!({ "baseUrl": "${URL}", "apiKey": "${KEY}", "models": [] })),
        provider("ollama", json!({ "api": "openai-completions" })),
    ];
    all.into_iter().map(|value| (format!("case: {value}"), value)).collect()
}

#[test]
fn our_tables_judge_as_openclaw_does() {
    let Some(asked) = asked() else { return };
    let document = |name: &str| {
        json5_edit::Document::parse(&support::fixture(&format!("openclaw/{name}.json5"))).unwrap().value().clone()
    };
    let (february, september) = (document("february"), document("september"));
    // Without the one key that the newer version has dropped, both take the older document.
    let mut both = february.clone();
    both["models"].as_object_mut().unwrap().shift_remove("bedrockDiscovery");
    let mut all = mutations("both", &both);
    all.extend(mutations("september", &september));
    let total = all.len();
    if asked != "all" {
        // An odd step, so that each kind of mistake is among them.
        all = all.into_iter().step_by(7).collect();
    }
    all.extend([("february".to_owned(), february), ("both".to_owned(), both.clone())]);
    all.extend(grafts(&both, &september));
    all.extend(names());
    all.extend(cases());

    let folder = TempDir::new().unwrap();
    let files: Vec<PathBuf> = (0..all.len()).map(|number| folder.path().join(format!("{number}.json"))).collect();
    for (file, (_, value)) in files.iter().zip(&all) {
        std::fs::write(file, value.to_string()).unwrap();
    }
    let started = std::time::Instant::now();
    let verdicts = Verdicts::of(&files);
    eprintln!("{} files ({total} mutations in all) judged in {:?}", files.len(), started.elapsed());

    let mut disagreements = Vec::new();
    let (mut refused, mut elsewhere) = (0, Vec::new());
    for (file, (what, value)) in files.iter().zip(&all) {
        for version in Version::ALL {
            let verdict = verdicts.of_file(version, file);
            let ours = refusals(file, &value.to_string(), version);
            let told: Vec<String> = ours.iter().map(|one| format!("{} {}", one.path, one.message)).collect();
            let told = format!(
                "{} {} {what}\n    OpenClaw: {}\n    we: {}",
                version.number(),
                if verdict.taken { "takes" } else { "refuses" },
                verdict.why,
                told.join("; "),
            );
            refused += usize::from(!verdict.taken);
            if verdict.taken != ours.is_empty() {
                disagreements.push(told);
            } else if !verdict.taken && !same_place(&ours, &verdict.paths) {
                elsewhere.push(told);
            }
        }
    }
    let judged = files.len() * Version::ALL.len();
    eprintln!("{refused} of {judged} verdicts are refusals; we disagree in {}", disagreements.len());
    eprintln!("in {} we name no place that OpenClaw names\n{}", elsewhere.len(), elsewhere.join("\n"));
    assert!(refused > judged / 4 && refused < judged * 9 / 10, "the files are too good or too bad to tell anything");
    assert!(disagreements.is_empty(), "{}", disagreements.join("\n"));
    assert!(elsewhere.len() * 100 < refused, "{}", elsewhere.join("\n"));
}

/// Whether one of ours stands where one of OpenClaw's does, or above or below it.
fn same_place(ours: &[Diagnostic], theirs: &[String]) -> bool {
    ours.iter().any(|one| {
        let path: json5_edit::Path = one.path.parse().unwrap();
        let steps = path.steps().iter().map(|step| match step {
            Step::Key(key) => format!(".{key}"),
            Step::Index(index) => format!(".{index}"),
        });
        let path = steps.collect::<String>() + ".";
        theirs.iter().any(|their| {
            // The newer version moves a list of agents before it looks at it.
            if path.starts_with(".agents.list.") && their.starts_with("agents.entries.") {
                return true;
            }
            let their = if their.is_empty() { ".".to_owned() } else { format!(".{their}.") };
            path.starts_with(&their) || their.starts_with(&path)
        })
    })
}
