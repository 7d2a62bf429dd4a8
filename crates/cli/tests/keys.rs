//! `pilotlight key` from end to end, with the private file and without a keychain.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const KEY: &str = "sk-or-v1-9f8e7d6c5b4a39281706f5e4d3c2b1a0";
const CONFIG: &str =
    "{\n  // mine\n  models: { providers: { openrouter: { apiKey: '${OPENROUTER_API_KEY}' /* ! */ } } },\n}\n";

/// A machine where nobody has logged in to a desktop.
fn key(folder: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_pilotlight"))
        .arg("key")
        .args(arguments)
        .env_clear()
        .env("HOME", folder)
        .env("PILOTLIGHT_HOME", folder.join("home"))
        .env("OPENCLAW_CONFIG_PATH", folder.join("openclaw.json"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // One that refuses before it reads may be gone already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn a_key_goes_in_and_is_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("openclaw.json");
    std::fs::write(&config, CONFIG).unwrap();
    let input = format!("{KEY}\n");

    let look = key(folder.path(), &["set", "openrouter", "--in", "file", "--dry-run"], "");
    assert!(look.status.success() && text(&look).contains("pilotlight-keys"), "{}", text(&look));
    assert_eq!(std::fs::read_to_string(&config).unwrap(), CONFIG);

    let set = key(folder.path(), &["set", "openrouter", "--in", "file"], &input);
    assert!(set.status.success(), "{}", text(&set));
    let list = key(folder.path(), &["list"], "");
    assert!(text(&list).contains("private-file") && text(&list).contains("can be read"), "{}", text(&list));
    let get = key(folder.path(), &["get", "openrouter", "--json"], "");
    let moved = key(folder.path(), &["move", "openrouter", "--in", "config"], "");
    assert!(moved.status.success(), "{}", text(&moved));
    for output in [&look, &set, &list, &get, &moved] {
        assert!(!text(output).contains("9f8e7d6c"), "{}", text(output));
    }
    let after = std::fs::read_to_string(&config).unwrap();
    assert!(after.contains(KEY) && after.contains("// mine") && after.contains("/* ! */"), "{after}");
}

#[cfg(target_os = "linux")]
#[test]
fn without_a_keychain_it_says_so_and_keeps_nothing_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    // A file that cannot be read is told of, not taken for one without providers.
    std::fs::write(folder.path().join("openclaw.json"), "{ models: ").unwrap();
    let list = key(folder.path(), &["list"], "");
    assert!(list.status.code() == Some(1) && text(&list).contains("openclaw.json:1"), "{}", text(&list));
    std::fs::write(folder.path().join("openclaw.json"), "{}").unwrap();
    assert!(text(&key(folder.path(), &["list"], "")).contains("No provider is configured"));
    std::fs::write(folder.path().join("openclaw.json"), CONFIG).unwrap();
    let set = key(folder.path(), &["set", "openrouter", "--in", "keychain"], KEY);
    let told = text(&set);
    assert_eq!(set.status.code(), Some(1), "{told}");
    assert!(told.contains("no keychain") && told.contains("`--in file`") && !told.contains("9f8e7d6c"), "{told}");
    assert_eq!(std::fs::read_to_string(folder.path().join("openclaw.json")).unwrap(), CONFIG);
    assert!(!folder.path().join("home/keys/keys.json").exists());
    let several = key(folder.path(), &["set", "openrouter", "--in", "file"], "two words");
    assert!(text(&several).contains("one word"), "{}", text(&several));
}
