//! `kill -9` while the configuration is saved, again and again: the file is whole, and so is the history.
//!
//! `PILOTLIGHT_KILLS` says how often; a few by default, so that the suite stays quick.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]
#![allow(clippy::disallowed_methods, reason = "the moment of a kill is a real one")]

mod support;

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use json5_edit::{Document, Edit, Expected};
use pilotlight_config::plan::{load, plan};
use pilotlight_config::write::{Step, commit, difference, go, history};
use pilotlight_config::{ConfigLocation, Environment, Who};
use serde_json::json;
use support::Bench;

/// The folder in which the child saves.
const CHILD: &str = "PILOTLIGHT_SAVING_CHILD";

fn location(folder: &Path) -> ConfigLocation {
    ConfigLocation { path: folder.join("openclaw.json"), openclaw: true, read_only: false }
}

/// No test of its own: what is killed. Saves as fast as it can, now and then goes back and forth.
#[test]
fn a_child_that_saves() {
    let Some(folder) = std::env::var_os(CHILD) else { return };
    let folder = Path::new(&folder);
    let (location, environment) = (location(folder), Environment::isolated(folder, &[]));
    let set = |path: &str, value: u64| Edit::Set {
        path: path.parse().unwrap(),
        value: json!(value),
        expected: Expected::Anything,
    };
    let first = load(&location, &environment).value.unwrap()["n"].as_u64().unwrap();
    for n in first + 1.. {
        // Three values in two files that are always the same.
        let edits = [set("n", n), set("deep.same", n), set("included", n)];
        let planned = plan(&location, &environment, &edits).unwrap();
        commit(&location, &environment, &planned, Who::Command, &format!("save {n}")).unwrap();
        if n == first + 1 {
            println!("saving");
        }
        if n % 7 == 0 {
            go(&location, &environment, &Step::Undo, Who::Command).unwrap();
            go(&location, &environment, &Step::Redo, Who::Command).unwrap();
        }
    }
}

#[test]
fn whatever_moment_a_kill_picks_each_file_is_old_or_new() {
    let kills: u64 = std::env::var("PILOTLIGHT_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(12);
    let padding = "// a comment that makes the file longer than one page\n".repeat(200);
    let main = format!("{{ // the head\n{padding}  n: 0, deep: {{ same: 0 /* the same */ }}, $include: 'b.json5' }}\n");
    let bench = Bench::with(&main);
    bench.write("b.json5", &format!("{padding}{{ included: 0 }}\n"));
    let (location, environment) = (location(bench.folder.path()), bench.environment.clone());
    let skeleton = |text: &str| text.chars().filter(|c| !c.is_ascii_digit()).collect::<String>();
    let included = skeleton(&bench.text("b.json5"));
    let (mut last, mut saved) = (0, 0);
    for kill in 0..kills {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_child_that_saves", "--nocapture"])
            .env(CHILD, bench.folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains("saving")), "the child ended early");
        // Any moment of the saves after the first; which one is left to the machine's own pace and to this spread.
        std::thread::sleep(Duration::from_micros(kill * 7919 % 120_000));
        child.kill().unwrap();
        child.wait().unwrap();

        let text = bench.text("openclaw.json");
        let document = Document::parse(&text).unwrap_or_else(|error| panic!("kill {kill}: {error}"));
        let n = document.value()["n"].as_u64().unwrap();
        assert_eq!(document.value()["deep"]["same"], json!(n), "kill {kill}: a mixture of two saves");
        assert_eq!(skeleton(&text), skeleton(&main), "kill {kill}");
        assert_eq!(skeleton(&bench.text("b.json5")), included, "kill {kill}");
        // A kill between the two leaves one of them old; whoever opens the history next finishes that.
        let revisions = history(&location, &environment).unwrap();
        let value = load(&location, &environment).value.unwrap();
        assert_eq!(value["included"], value["n"], "kill {kill}");
        assert!(n + 1 >= last, "kill {kill}: {n} after {last}: a finished save was lost");
        saved += n.saturating_sub(last);
        last = value["n"].as_u64().unwrap();
        if n > 0 {
            assert!(revisions.iter().any(|revision| revision.label.starts_with("save ")), "kill {kill}");
        }
    }
    assert!(saved > 0, "no save was ever finished");
    // Every revision that is listed can be had, to the byte. Going to one adds one, which may push the oldest out.
    let revisions = history(&location, &environment).unwrap();
    for revision in &revisions {
        difference(&location, &environment, Some(&revision.revision)).unwrap();
    }
    for revision in revisions.iter().take(5) {
        let gone = go(&location, &environment, &Step::To(revision.revision.clone()), Who::Command).unwrap();
        assert_eq!(gone.revision, revision.revision);
        assert_eq!(load(&location, &environment).reading.revision, revision.revision);
    }
    println!("{kills} kills, {last} saves");
}
