//! Where keys are kept: every way from one place to another, with a keychain of the test's own and the real private file.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use pilotlight_config::keys::{
    KeptIn, KeyError, KeyPlace, KeyStore, NewKey, Prepared, PrivateFile, Stores, SystemKeychain, answer, list, prepare,
};
use pilotlight_config::{Home, Key, Who, plan, write};
use pilotlight_wire::Secret;
use serde_json::json;
use support::Bench;

const KEY: &str = "sk-or-v1-9f8e7d6c5b4a39281706f5e4d3c2b1a0";

/// A keychain in memory, which can be made to fail.
#[derive(Default)]
struct Memory {
    keys: Mutex<BTreeMap<String, String>>,
    locked: bool,
    /// It takes what it is given, and keeps nothing.
    forgets: bool,
}

impl Memory {
    fn open(&self) -> Result<(), KeyError> {
        if self.locked { Err(KeyError::Locked("the test locked it".to_owned())) } else { Ok(()) }
    }
}

impl KeyStore for Memory {
    fn read(&self, id: &str) -> Result<Option<Secret>, KeyError> {
        self.open()?;
        Ok(self.keys.lock().unwrap().get(id).map(Secret::new))
    }

    fn write(&self, id: &str, key: &Secret) -> Result<(), KeyError> {
        self.open()?;
        if !self.forgets {
            self.keys.lock().unwrap().insert(id.to_owned(), key.expose().to_owned());
        }
        Ok(())
    }

    fn remove(&self, id: &str) -> Result<(), KeyError> {
        self.open()?;
        self.keys.lock().unwrap().remove(id);
        Ok(())
    }
}

struct Desk {
    bench: Bench,
    keychain: Arc<Memory>,
    stores: Stores,
    program: PathBuf,
}

const TWO: &str = "{\n  // mine\n  models: { providers: {\n    P: { baseUrl: 'https://p.example.com/v1', apiKey: \"KEY\" /* ! */, models: [] },\n  } },\n}\n";

impl Desk {
    fn with(text: &str) -> Self {
        Self::and(text, Memory::default())
    }

    fn and(text: &str, keychain: Memory) -> Self {
        let bench = Bench::with(text);
        let keychain = Arc::new(keychain);
        let private_file = Arc::new(PrivateFile::new(&Home::from(&bench.environment)));
        let program = bench.path("bin/pilotlight");
        bench.write("bin/pilotlight", "");
        Self { stores: Stores { keychain: keychain.clone(), private_file }, keychain, program, bench }
    }

    fn prepare(&self, place: KeyPlace, key: Option<&str>) -> Result<Prepared, KeyError> {
        let key = key.map(Secret::new);
        let new = NewKey { provider: "p".to_owned(), place, key, program: self.program.clone() };
        prepare(&self.bench.location, &self.bench.environment, &self.stores, &new, true)
    }

    /// As the command line does it.
    fn keep(&self, place: KeyPlace, key: Option<&str>) -> Prepared {
        let prepared = self.prepare(place, key).unwrap();
        let (location, environment) = (&self.bench.location, &self.bench.environment);
        let plan = plan::plan(location, environment, &prepared.edits).unwrap();
        write::commit(location, environment, &plan, Who::Command, &prepared.label).unwrap();
        prepared.finish(&self.stores).unwrap();
        prepared
    }

    fn text(&self) -> String {
        self.bench.text("openclaw.json")
    }

    fn key(&self) -> Option<Key> {
        let configuration = self.bench.read().result.unwrap_or_else(|| panic!("{}", self.bench.told()));
        configuration.provider("p").unwrap().key.clone()
    }

    fn private(&self) -> PathBuf {
        PrivateFile::new(&Home::from(&self.bench.environment)).path().to_owned()
    }
}

#[track_caller]
fn refused(done: Result<Prepared, KeyError>, says: &str) {
    let error = done.unwrap_err();
    let told = format!("{error} {error:?}");
    assert!(told.contains(says), "{told}");
    assert!(!told.contains("9f8e7d6c"), "{told}");
}

#[test]
fn a_key_moves_from_the_file_to_the_private_file_and_the_proxy_reads_it_there() {
    let desk = Desk::with(&TWO.replace("KEY", KEY));
    let done = desk.keep(KeyPlace::PrivateFile, None);
    let text = desk.text();
    assert!(!text.contains(KEY) && text.contains("// mine") && text.contains("/* ! */"), "{text}");
    assert!(text.contains(r#"provider: "pilotlight-keys""#) && text.contains(r#"id: "/p""#), "{text}");
    assert!(done.notes.iter().any(|note| note.contains("backups")), "{:?}", done.notes);
    let Some(Key::Kept { place: KeptIn::PrivateFile, id, value: Ok(key) }) = desk.key() else {
        panic!("{:?}", desk.key())
    };
    assert_eq!((id.as_str(), key.expose()), ("p", KEY));
    // A change of it is seen, because the file is among those that are watched.
    assert!(desk.bench.read().files.contains(&desk.private()));
    let views = list(&desk.bench.location, &desk.bench.environment);
    assert_eq!((views[0].place, views[0].problem.as_deref()), ("private-file", None));
    assert!(!format!("{views:?}").contains("9f8e7d6c"));
}

#[cfg(unix)]
#[test]
fn the_private_file_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let desk = Desk::with(TWO);
    desk.keep(KeyPlace::PrivateFile, Some(KEY));
    let file = desk.private();
    assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(desk.key(), Some(Key::Kept { value: Ok(_), .. })));
    assert_eq!(mode(&file), 0o600, "it was closed again");
}

#[test]
fn a_private_file_that_is_broken_is_told_of_and_never_overwritten() {
    let desk = Desk::with(TWO);
    desk.keep(KeyPlace::PrivateFile, Some(KEY));
    std::fs::write(desk.private(), format!("{{ \"p\": \"{KEY}\"")).unwrap();
    refused(desk.prepare(KeyPlace::PrivateFile, Some("another")), "no JSON object");
    assert!(std::fs::read_to_string(desk.private()).unwrap().contains(KEY));
    let Some(Key::Kept { value: Err(problem), .. }) = desk.key() else { panic!("{:?}", desk.key()) };
    assert!(problem.contains("no JSON object") && !problem.contains(KEY), "{problem}");
    std::fs::remove_file(desk.private()).unwrap();
    let told = desk.bench.told();
    assert!(told.contains("key-unreadable") && told.contains("enter the key again"), "{told}");
}

#[test]
fn two_writers_of_the_private_file_lose_nothing() {
    let bench = Bench::empty();
    let home = Home::from(&bench.environment);
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let home = &home;
            scope.spawn(move || {
                for key in 0..10 {
                    PrivateFile::new(home).write(&format!("p{writer}-{key}"), &Secret::new("x")).unwrap();
                }
            });
        }
    });
    let file = PrivateFile::new(&home);
    for id in (0..40).map(|n| format!("p{}-{}", n / 10, n % 10)) {
        assert!(file.read(&id).unwrap().is_some(), "{id}");
    }
    file.remove("p0-0").unwrap();
    file.remove("never-there").unwrap();
    assert!(file.read("p0-0").unwrap().is_none() && file.read("p0-1").unwrap().is_some());
}

#[test]
fn a_key_moves_to_the_keychain_and_on() {
    let desk = Desk::with(&TWO.replace("KEY", KEY));
    desk.keep(KeyPlace::Keychain, None);
    assert_eq!(desk.keychain.keys.lock().unwrap().get("p").map(String::as_str), Some(KEY));
    let text = desk.text();
    assert!(!text.contains(KEY) && text.contains(r#"provider: "pilotlight-keychain""#), "{text}");
    let plain: serde_json::Value = json5_edit::Document::parse(&text).unwrap().value().clone();
    let entry = &plain["secrets"]["providers"]["pilotlight-keychain"];
    assert_eq!((&entry["source"], &entry["args"]), (&json!("exec"), &json!(["key", "answer"])));
    assert_eq!(entry["command"], json!(desk.program.to_string_lossy()));
    assert_eq!(
        plain["models"]["providers"]["P"]["apiKey"],
        json!({ "source": "exec", "provider": "pilotlight-keychain", "id": "p" })
    );

    // A new key in the same place changes nothing in the file.
    let again = desk.keep(KeyPlace::Keychain, Some("sk-another-key-of-the-same-provider"));
    assert_eq!(again.edits, []);
    assert_eq!(desk.text(), text);
}

#[test]
fn nothing_falls_back_and_nothing_is_lost_when_the_keychain_fails() {
    let text = TWO.replace("KEY", KEY);
    let locked = Desk::and(&text, Memory { locked: true, ..Memory::default() });
    refused(locked.prepare(KeyPlace::Keychain, None), "Unlock it and try again");
    assert!(locked.prepare(KeyPlace::Keychain, None).unwrap_err().may_be_retried());
    let forgets = Desk::and(&text, Memory { forgets: true, ..Memory::default() });
    refused(forgets.prepare(KeyPlace::Keychain, None), "does not give back");
    for desk in [locked, forgets] {
        assert_eq!(desk.text(), text);
        assert!(!desk.private().exists(), "it did not fall back to the file");
    }
}

#[test]
fn a_key_is_taken_from_its_old_place_only_at_the_end() {
    let desk = Desk::with(TWO);
    desk.keep(KeyPlace::PrivateFile, Some(KEY));
    let prepared = desk.prepare(KeyPlace::File, None).unwrap();
    assert!(std::fs::read_to_string(desk.private()).unwrap().contains(KEY), "not before the configuration says so");
    drop(prepared);
    desk.keep(KeyPlace::File, None);
    assert!(desk.text().contains(KEY));
    assert!(!std::fs::read_to_string(desk.private()).unwrap().contains(KEY));
}

#[test]
fn a_variable_must_hold_the_key_that_it_replaces() {
    let place = || KeyPlace::Environment { variable: "P_KEY".to_owned() };
    let mut desk = Desk::with(&TWO.replace("KEY", KEY));
    refused(desk.prepare(place(), None), "would be lost");
    desk.bench.environment.vars.insert("P_KEY".to_owned(), "something else".to_owned());
    refused(desk.prepare(place(), None), "would be lost");
    refused(desk.prepare(KeyPlace::Environment { variable: "p key".to_owned() }, None), "capitals");
    desk.bench.environment.vars.remove("P_KEY");
    desk.bench.write(".env", &format!("P_KEY={KEY}\n"));
    desk.keep(place(), None);
    assert!(desk.text().contains("apiKey: \"${P_KEY}\" /* ! */"), "{}", desk.text());
    // Where there was none, a variable may be named before it is set.
    let none = Desk::with(&TWO.replace("apiKey: \"KEY\" /* ! */, ", ""));
    assert!(none.keep(place(), None).notes[0].contains("not set yet"));
    assert_eq!(none.key(), Some(Key::Unset { variable: "P_KEY".to_owned() }));
}

#[test]
fn what_cannot_be_done_is_refused_before_anything_is_written() {
    let desk = Desk::with(&TWO.replace("KEY", "${NOT_SET}"));
    refused(desk.prepare(KeyPlace::Keychain, None), "none to move");
    refused(desk.prepare(KeyPlace::Keychain, Some("  ")), "empty");
    let mut elsewhere = NewKey {
        provider: "q".to_owned(),
        place: KeyPlace::Keychain,
        key: Some(Secret::new(KEY)),
        program: desk.program.clone(),
    };
    refused(
        prepare(&desk.bench.location, &desk.bench.environment, &desk.stores, &elsewhere, true),
        "no provider \"q\"",
    );
    let broken = Desk::with("{ models: ");
    refused(broken.prepare(KeyPlace::Keychain, Some(KEY)), "nothing was changed");
    // OpenClaw of February cannot read it.
    let old = Desk::with(&TWO.replace("// mine", "meta: { lastTouchedVersion: '2026.2.6-3' },"));
    refused(old.prepare(KeyPlace::PrivateFile, Some(KEY)), "put the key in a variable");
    assert!(!old.private().exists());
    let new = Desk::with(&TWO.replace("// mine", "meta: { lastTouchedVersion: '2026.9.6' },"));
    assert_eq!(
        new.prepare(KeyPlace::PrivateFile, Some(KEY)).unwrap().notes,
        ["backups of the file that other programs made still hold the key that stood in it"]
    );
    // And it would not run such a program.
    elsewhere.provider = "p".to_owned();
    elsewhere.program = desk.bench.path("not-there");
    refused(prepare(&desk.bench.location, &desk.bench.environment, &desk.stores, &elsewhere, true), "it is not there");
    assert!(desk.keychain.keys.lock().unwrap().is_empty());
    // A look at the edits keeps nothing.
    elsewhere.program = desk.program.clone();
    let look = prepare(&desk.bench.location, &desk.bench.environment, &desk.stores, &elsewhere, false).unwrap();
    assert!(!look.edits.is_empty() && desk.keychain.keys.lock().unwrap().is_empty());
}

#[test]
fn a_hosted_provider_that_openclaw_has_built_in_gets_an_entry() {
    let desk = Desk::with("{ agents: { defaults: { model: 'anthropic/claude-opus-4-6' } } }");
    let new = NewKey {
        provider: "Anthropic".to_owned(),
        place: KeyPlace::PrivateFile,
        key: Some(Secret::new(KEY)),
        program: desk.program.clone(),
    };
    let (location, environment) = (&desk.bench.location, &desk.bench.environment);
    let prepared = prepare(location, environment, &desk.stores, &new, true).unwrap();
    let plan = plan::plan(location, environment, &prepared.edits).unwrap();
    write::commit(location, environment, &plan, Who::Command, &prepared.label).unwrap();
    let configuration = desk.bench.read().result.unwrap();
    let upstream = configuration.upstream(&configuration.chain()[0]).unwrap();
    assert_eq!(upstream.provider.key.as_ref().and_then(Key::secret).map(Secret::expose), Some(KEY));
    assert_eq!(upstream.base_url.unwrap().as_str(), "https://api.anthropic.com/");
}

#[test]
fn openclaw_is_answered_in_its_own_protocol() {
    let keychain = Memory::default();
    keychain.write("p", &Secret::new(KEY)).unwrap();
    let request = json!({ "protocolVersion": 1, "provider": "pilotlight-keychain", "ids": ["p", "q"] }).to_string();
    assert_eq!(
        answer(&request, &keychain).unwrap(),
        json!({ "protocolVersion": 1, "values": { "p": KEY }, "errors": { "q": { "code": "NOT_FOUND" } } })
    );
    let locked = Memory { locked: true, ..Memory::default() };
    let answered = answer(&request, &locked).unwrap();
    assert_eq!((&answered["values"], &answered["errors"]["p"]["code"]), (&json!({}), &json!("UNAVAILABLE")));
    for bad in ["", "{", "{}", r#"{"protocolVersion": 2, "ids": []}"#, r#"{"protocolVersion": 1}"#] {
        assert!(matches!(answer(bad, &keychain), Err(KeyError::Refused(_))), "{bad}");
    }
}

/// Against the keychain of whoever runs this: opt in with `PILOTLIGHT_TEST_KEYCHAIN=1`, for instance under
/// `dbus-run-session` with an unlocked gnome-keyring (`scripts/with-keychain` does that).
#[test]
fn the_real_keychain_keeps_and_forgets() {
    if std::env::var_os("PILOTLIGHT_TEST_KEYCHAIN").is_none() {
        eprintln!("skipped: PILOTLIGHT_TEST_KEYCHAIN is not set");
        return;
    }
    let bench = Bench::empty();
    let keychain = SystemKeychain::new(&Home::from(&bench.environment));
    let id = format!("test-{}", std::process::id());
    assert!(keychain.read(&id).unwrap().is_none());
    keychain.write(&id, &Secret::new("one")).unwrap();
    keychain.write(&id, &Secret::new(KEY)).unwrap();
    assert_eq!(keychain.read(&id).unwrap().as_ref().map(Secret::expose), Some(KEY));
    let noted = std::fs::read_to_string(Home::from(&bench.environment).keys().join("keychain")).unwrap();
    assert!(noted.starts_with(&id) && noted.lines().count() == 1 && !noted.contains(KEY), "{noted}");
    // From within a runtime too, as the engine asks.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    assert!(runtime.block_on(async { keychain.read(&id) }).unwrap().is_some());
    keychain.remove(&id).unwrap();
    keychain.remove(&id).unwrap();
    assert!(keychain.read(&id).unwrap().is_none());
}
