//! The history: undo, redo and restore to the byte, what others change, comments that others drop, and what a crash
//! leaves behind.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::path::PathBuf;
use std::time::Duration;

use json5_edit::{Edit, Expected};
use pilotlight_config::plan::plan;
use pilotlight_config::write::{Step, commit, difference, dismiss_lost_comments, go, history, restore_comments};
use pilotlight_config::{ConfigStore, Saved, StoreError, Who, set_primary};
use serde_json::{Value, json};
use support::{Bench, fixture};

fn set(bench: &Bench, path: &str, value: Value) -> Result<Saved, StoreError> {
    let edit = Edit::Set { path: path.parse().unwrap(), value, expected: Expected::Anything };
    let planned = plan(&bench.location, &bench.environment, &[edit])?;
    commit(&bench.location, &bench.environment, &planned, Who::Command, &format!("{path} set"))
}

fn step(bench: &Bench, step: Step) -> Result<Saved, StoreError> {
    go(&bench.location, &bench.environment, &step, Who::Command)
}

fn labels(bench: &Bench) -> Vec<String> {
    let revisions = history(&bench.location, &bench.environment).unwrap();
    revisions.into_iter().map(|one| format!("{}{}", if one.current { "* " } else { "" }, one.label)).collect()
}

/// The folder of the one configuration's history.
fn folder(bench: &Bench) -> PathBuf {
    let histories = bench.path(".config/pilotlight/history");
    let mut folders = std::fs::read_dir(histories).unwrap().map(|entry| entry.unwrap().path());
    let folder = folders.next().unwrap();
    assert!(folders.next().is_none());
    folder
}

#[test]
fn undo_redo_and_restore_give_back_the_bytes() {
    for text in [
        fixture("commented.json5"),
        fixture("commented.json5").replace('\n', "\r\n"),
        format!("\u{feff}{}", fixture("commented.json5").replace('\n', "\r\n")),
        fixture("commented.json5").trim_end().to_owned(),
    ] {
        let bench = Bench::with(&text);
        let at = "models.providers.lmstudio.models[0].maxTokens";
        let states: Vec<String> = std::iter::once(text.clone())
            .chain((1..=4).map(|round| {
                set(&bench, at, json!(round * 1024)).unwrap();
                bench.text("openclaw.json")
            }))
            .collect();
        for state in states.iter().rev().skip(1) {
            step(&bench, Step::Undo).unwrap();
            assert_eq!(&bench.text("openclaw.json"), state);
        }
        assert!(matches!(step(&bench, Step::Undo), Err(StoreError::NothingToUndo)));
        for state in &states[1..] {
            assert_eq!(step(&bench, Step::Redo).unwrap().label, format!("{at} set"));
            assert_eq!(&bench.text("openclaw.json"), state);
        }
        assert!(matches!(step(&bench, Step::Redo), Err(StoreError::NothingToRedo)));
        let revisions = history(&bench.location, &bench.environment).unwrap();
        assert_eq!(revisions.len(), 5);
        step(&bench, Step::To(revisions[4].revision[..10].to_owned())).unwrap();
        assert_eq!(bench.text("openclaw.json"), text);
        // Going back is a change of its own.
        step(&bench, Step::Undo).unwrap();
        assert_eq!(&bench.text("openclaw.json"), &states[4]);
    }
}

#[cfg(unix)]
#[test]
fn mode_and_link_are_kept_and_the_history_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let bench = Bench::with("{}");
    bench.write("elsewhere/real.json5", "{ a: 1 } // real\n");
    std::fs::remove_file(bench.path("openclaw.json")).unwrap();
    std::os::unix::fs::symlink("elsewhere/real.json5", bench.path("openclaw.json")).unwrap();
    let real = bench.path("elsewhere/real.json5");
    std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o640)).unwrap();
    set(&bench, "a", json!(2)).unwrap();
    for (way, text) in [(Step::Undo, "{ a: 1 } // real\n"), (Step::Redo, "{ a: 2 } // real\n")] {
        step(&bench, way).unwrap();
        assert_eq!(std::fs::read_to_string(&real).unwrap(), text);
        assert_eq!(mode(&real), 0o640);
        assert!(std::fs::symlink_metadata(bench.path("openclaw.json")).unwrap().is_symlink());
    }
    let folder = folder(&bench);
    assert_eq!((mode(&folder), mode(&folder.join("texts")), mode(folder.parent().unwrap())), (0o700, 0o700, 0o700));
    assert_eq!((mode(&folder.join("index")), mode(&folder.join("lock"))), (0o600, 0o600));
    for text in std::fs::read_dir(folder.join("texts")).unwrap() {
        assert_eq!(mode(&text.unwrap().path()), 0o600);
    }
}

#[test]
fn a_change_by_somebody_else_is_recorded_and_can_be_undone() {
    let bench = Bench::with("{ a: 1 }");
    set(&bench, "a", json!(2)).unwrap();
    bench.write("openclaw.json", "{ a: 2, b: 'by hand' }");
    // Not recorded yet, so what undo would go back to is the last that was.
    let changes = difference(&bench.location, &bench.environment, None).unwrap();
    assert_eq!((changes[0].before.as_str(), changes[0].after.as_str()), ("{ a: 2 }", "{ a: 2, b: 'by hand' }"));
    set(&bench, "a", json!(3)).unwrap();
    assert_eq!(labels(&bench), ["* a set", "changed by another program or by hand", "a set", "as it was found"]);
    for text in ["{ a: 2, b: 'by hand' }", "{ a: 2 }", "{ a: 1 }"] {
        step(&bench, Step::Undo).unwrap();
        assert_eq!(bench.text("openclaw.json"), text);
    }
    for text in ["{ a: 2 }", "{ a: 2, b: 'by hand' }", "{ a: 3, b: 'by hand' }"] {
        step(&bench, Step::Redo).unwrap();
        assert_eq!(bench.text("openclaw.json"), text);
    }
    // A broken text is not lost either when it is written over.
    bench.write("openclaw.json", "{ a: 3, ");
    assert_eq!(step(&bench, Step::Undo).unwrap().label, "changed by another program or by hand");
    assert_eq!(bench.text("openclaw.json"), "{ a: 3, b: 'by hand' }");
    step(&bench, Step::Redo).unwrap();
    assert_eq!(bench.text("openclaw.json"), "{ a: 3, ");
}

#[test]
fn what_spans_several_files_is_undone_in_all_of_them() {
    let bench = Bench::with("{ $include: 'b.json5', a: 1 }");
    bench.write("b.json5", "{ b: 1 } // b");
    let edits =
        ["a", "b"].map(|key| Edit::Set { path: key.parse().unwrap(), value: json!(2), expected: Expected::Anything });
    let planned = plan(&bench.location, &bench.environment, &edits).unwrap();
    let saved = commit(&bench.location, &bench.environment, &planned, Who::Editor, "both").unwrap();
    assert_eq!(saved.changes.len(), 2);
    let texts = || (bench.text("openclaw.json"), bench.text("b.json5"));
    assert_eq!(texts(), ("{ $include: 'b.json5', a: 2 }".to_owned(), "{ b: 2 } // b".to_owned()));
    step(&bench, Step::Undo).unwrap();
    assert_eq!(texts(), ("{ $include: 'b.json5', a: 1 }".to_owned(), "{ b: 1 } // b".to_owned()));
    step(&bench, Step::Redo).unwrap();
    // A file that has gone meanwhile is made again.
    std::fs::remove_file(bench.path("b.json5")).unwrap();
    step(&bench, Step::Undo).unwrap();
    assert_eq!(texts(), ("{ $include: 'b.json5', a: 2 }".to_owned(), "{ b: 2 } // b".to_owned()));
}

#[test]
fn where_writing_is_forbidden_nothing_is_written() {
    let text = "{ a: 1, // one\n models: { providers: { p: { baseUrl: 'http://p.local/v1', models: [{ id: 'm', name: 'M' }] } } } }";
    let mut bench = Bench::with(text);
    set(&bench, "a", json!(2)).unwrap();
    step(&bench, Step::Undo).unwrap();
    let revision = history(&bench.location, &bench.environment).unwrap()[0].revision.clone();
    bench.location.read_only = true;
    let refused = |result: Result<(), StoreError>| {
        assert!(matches!(result, Err(StoreError::ReadOnly { .. })), "{result:?}");
        assert_eq!(bench.text("openclaw.json"), text);
    };
    refused(set(&bench, "a", json!(3)).map(drop));
    refused(step(&bench, Step::Undo).map(drop));
    refused(step(&bench, Step::Redo).map(drop));
    refused(step(&bench, Step::To(revision)).map(drop));
    refused(restore_comments(&bench.location, &bench.environment, Who::Editor).map(drop));
    refused(set_primary(&bench.location, &bench.environment, &"p/m".parse().unwrap(), Who::Editor).map(drop));
}

#[test]
fn the_last_fifty_are_kept_and_what_nobody_needs_is_deleted() {
    let bench = Bench::with("{ n: 0 }");
    for n in 1..=130 {
        set(&bench, "n", json!(n)).unwrap();
    }
    let revisions = history(&bench.location, &bench.environment).unwrap();
    assert_eq!(revisions.len(), 50);
    step(&bench, Step::To(revisions[49].revision.clone())).unwrap();
    assert_eq!(bench.text("openclaw.json"), "{ n: 81 }");
    let texts = std::fs::read_dir(folder(&bench).join("texts")).unwrap().count();
    assert!(texts < 70, "{texts}");
}

#[test]
fn several_who_write_at_once_lose_nothing() {
    let bench = Bench::with("{}");
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let bench = &bench;
            scope.spawn(move || {
                for n in 0..8 {
                    set(bench, &format!("w{writer}.n{n}"), json!(n)).unwrap();
                }
            });
        }
    });
    let value = pilotlight_config::plan::load(&bench.location, &bench.environment).value.unwrap();
    for writer in 0..4 {
        assert_eq!(value[format!("w{writer}")].as_object().unwrap().len(), 8);
    }
    assert_eq!(history(&bench.location, &bench.environment).unwrap().len(), 33);
}

#[test]
fn a_save_that_a_crash_broke_off_is_told_by_the_bytes() {
    let cut = |bench: &Bench, to: &str| {
        let index = folder(bench).join("index");
        let text = std::fs::read_to_string(&index).unwrap();
        let at = text.rfind(to).unwrap();
        std::fs::write(&index, &text[..at]).unwrap();
    };
    // The file was replaced, and then it crashed.
    let bench = Bench::with("{ a: 1 }");
    set(&bench, "a", json!(2)).unwrap();
    cut(&bench, "{\"done\"");
    assert_eq!(labels(&bench), ["* a set", "as it was found"]);
    step(&bench, Step::Undo).unwrap();
    assert_eq!(bench.text("openclaw.json"), "{ a: 1 }");
    // It crashed before.
    set(&bench, "a", json!(3)).unwrap();
    cut(&bench, "{\"done\"");
    bench.write("openclaw.json", "{ a: 1 }");
    assert_eq!(labels(&bench), ["a set", "* as it was found"]);
    // Within the line.
    set(&bench, "a", json!(4)).unwrap();
    bench.write("openclaw.json", "{ a: 1 }");
    cut(&bench, "\"label\"");
    assert_eq!(labels(&bench), ["a set", "* as it was found"]);
    set(&bench, "a", json!(5)).unwrap();
    step(&bench, Step::Undo).unwrap();
    assert_eq!(bench.text("openclaw.json"), "{ a: 1 }");
    // An undo.
    step(&bench, Step::Redo).unwrap();
    step(&bench, Step::Undo).unwrap();
    cut(&bench, "{\"done\"");
    bench.write("openclaw.json", "{ a: 5 }");
    assert_eq!(labels(&bench)[0], "* a set");
}

#[test]
fn a_save_of_two_files_that_a_crash_broke_off_is_finished_by_the_next() {
    let bench = Bench::with("{ $include: 'b.json5', a: 1 }");
    bench.write("b.json5", "{ b: 1 }");
    let edits =
        ["a", "b"].map(|key| Edit::Set { path: key.parse().unwrap(), value: json!(2), expected: Expected::Anything });
    let planned = plan(&bench.location, &bench.environment, &edits).unwrap();
    commit(&bench.location, &bench.environment, &planned, Who::Editor, "both").unwrap();
    let index = folder(&bench).join("index");
    let whole = std::fs::read_to_string(&index).unwrap();
    let broken_off = &whole[..whole.rfind("{\"done\"").unwrap()];
    // One of the two was written.
    std::fs::write(&index, broken_off).unwrap();
    bench.write("b.json5", "{ b: 1 }");
    set(&bench, "a", json!(3)).unwrap();
    assert_eq!(
        (bench.text("openclaw.json"), bench.text("b.json5")),
        ("{ $include: 'b.json5', a: 3 }".into(), "{ b: 2 }".into())
    );
    assert_eq!(labels(&bench), ["* a set", "both", "as it was found"]);
    // The same, but somebody else has changed the other since.
    std::fs::write(&index, broken_off).unwrap();
    bench.write("openclaw.json", "{ $include: 'b.json5', a: 2 }");
    bench.write("b.json5", "{ b: 'by hand' }");
    set(&bench, "a", json!(4)).unwrap();
    assert_eq!(
        (bench.text("openclaw.json"), bench.text("b.json5")),
        ("{ $include: 'b.json5', a: 4 }".into(), "{ b: 'by hand' }".into())
    );
}

#[test]
fn a_damaged_text_is_told_and_never_written() {
    let bench = Bench::with("{ a: 1 }");
    set(&bench, "a", json!(2)).unwrap();
    for text in std::fs::read_dir(folder(&bench).join("texts")).unwrap() {
        std::fs::write(text.unwrap().path(), "{ a: 'something else' }").unwrap();
    }
    let error = step(&bench, Step::Undo).unwrap_err();
    assert!(error.to_string().contains("damaged"), "{error}");
    assert_eq!(bench.text("openclaw.json"), "{ a: 2 }");
}

#[test]
fn what_a_crash_left_half_written_is_deleted_later() {
    let bench = Bench::with("{ a: 1 }");
    bench.write(".pilotlight-old.tmp", "{ a: ");
    bench.write(".pilotlight-new.tmp", "{ a: ");
    bench.write("mine.tmp", "mine");
    let old = std::fs::File::options().write(true).open(bench.path(".pilotlight-old.tmp")).unwrap();
    old.set_modified(std::time::SystemTime::now() - Duration::from_secs(3600)).unwrap();
    set(&bench, "a", json!(2)).unwrap();
    assert!(!bench.path(".pilotlight-old.tmp").exists());
    assert!(bench.path(".pilotlight-new.tmp").exists() && bench.path("mine.tmp").exists());
}

/// What OpenClaw makes of the file when it writes it: the same value as plain JSON.
fn rewritten(bench: &Bench, change: impl FnOnce(&mut Value)) -> String {
    let mut value = pilotlight_config::plan::load(&bench.location, &bench.environment).value.unwrap();
    change(&mut value);
    let text = serde_json::to_string_pretty(&value).unwrap() + "\n";
    bench.write("openclaw.json", &text);
    text
}

#[test]
fn comments_that_another_program_dropped_are_put_back() {
    let bench = Bench::with(&fixture("commented.json5"));
    set(&bench, "models.mode", json!("merge")).unwrap();
    let had = bench.text("openclaw.json");
    let plain = rewritten(&bench, |value| {
        value["agents"]["defaults"]["model"]["primary"] = json!("lmstudio/minimax-m2.1-gs32");
        value["meta"] = json!({ "lastTouchedVersion": "2026.9.6" });
    });
    let value = |text: &str| json5_edit::Document::parse(text).unwrap().value().clone();
    // An edit of ours in between takes nothing away from what can be put back.
    set(&bench, "agents.defaults.workspace", json!("~/other")).unwrap();
    let edited = bench.text("openclaw.json");
    assert_ne!(edited, plain);
    let (saved, homeless) = restore_comments(&bench.location, &bench.environment, Who::Editor).unwrap();
    let now = bench.text("openclaw.json");
    assert_eq!(value(&now), value(&edited));
    let comments = |text: &str| json5_edit::Document::parse(text).unwrap().comments().len();
    assert_eq!(comments(&now) + homeless.len(), comments(&had));
    assert!(now.contains("/* My OpenClaw.") && now.contains("// costs money!") && now.contains("// the end"), "{now}");
    assert!(saved.label.contains("comments put back"));
    assert!(matches!(restore_comments(&bench.location, &bench.environment, Who::Editor), Err(StoreError::NothingLost)));
    step(&bench, Step::Undo).unwrap();
    assert_eq!(bench.text("openclaw.json"), edited);
    // It can be done again.
    restore_comments(&bench.location, &bench.environment, Who::Editor).unwrap();
    assert_eq!(bench.text("openclaw.json"), now);
}

#[tokio::test]
async fn the_store_notices_records_and_offers() {
    let bench = Bench::with(&fixture("commented.json5"));
    let store = ConfigStore::open(bench.location.clone(), bench.environment.clone()).unwrap();
    let mut state = store.watch();
    assert_eq!((state.borrow().can_undo, state.borrow().can_redo), (false, false));
    let base = state.borrow().revision.clone();
    let edit = Edit::Set { path: "models.mode".parse().unwrap(), value: json!("merge"), expected: Expected::Anything };
    let saved = store.apply(vec![edit], "merge", Some(base)).await.unwrap();
    assert_eq!((saved.revision.as_str(), state.borrow().can_undo), (state.borrow().revision.as_str(), true));
    let had = bench.text("openclaw.json");

    rewritten(&bench, |value| value["models"]["mode"] = json!("replace"));
    let wait = state.wait_for(|state| state.lost_comments.is_some());
    let seen = tokio::time::timeout(Duration::from_secs(10), wait).await.unwrap().unwrap().clone();
    let lost = seen.lost_comments.clone().unwrap();
    assert_eq!(lost.revision, saved.revision);
    assert!(lost.count > 10, "{}", lost.count);
    let history = store.history().await.unwrap();
    assert_eq!((history[0].who, history[0].current), (Who::External, true));

    let (saved, homeless) = store.restore_comments().await.unwrap();
    assert_eq!(homeless, []);
    assert_eq!((state.borrow().revision.clone(), state.borrow().lost_comments.clone()), (saved.revision, None));
    store.undo().await.unwrap();
    assert!(state.borrow().lost_comments.is_some() && state.borrow().can_redo);
    store.undo().await.unwrap();
    assert_eq!(bench.text("openclaw.json"), had);
    assert_eq!(state.borrow().lost_comments, None);
    let text = had.replace("/* My OpenClaw.", "/* Mine.");
    let base = state.borrow().revision.clone();
    store.replace_text(bench.location.path.clone(), text.clone(), "text", Some(base)).await.unwrap();
    assert_eq!(bench.text("openclaw.json"), text);
    let oldest = store.history().await.unwrap().pop().unwrap();
    store.restore(oldest.revision).await.unwrap();
    assert_eq!(bench.text("openclaw.json"), fixture("commented.json5"));
}

/// Whether any file of the history holds a text.
fn remembers(bench: &Bench, text: &str) -> bool {
    let files = std::fs::read_dir(folder(bench).join("texts")).unwrap().map(|entry| entry.unwrap().path());
    let mut files = files.chain([folder(bench).join("index")]);
    files.any(|file| String::from_utf8_lossy(&std::fs::read(file).unwrap()).contains(text))
}

#[test]
fn a_key_that_was_moved_out_of_the_file_is_out_of_the_history_too() {
    const KEY: &str = "sk-or-v1-9f8e7d6c5b4a39281706f5e4d3c2b1a0";
    let text = format!(
        "{{\n  // was {KEY}\n  models: {{ providers: {{ p: {{ baseUrl: 'https://p.example.com/v1', apiKey: '{KEY}', models: \
         [{{ id: 'm', name: 'M' }}] }} }} }},\n  agents: {{ defaults: {{ model: {{ primary: 'p/m' }} }} }},\n}}\n"
    );
    let mut bench = Bench::with(&text);
    set(&bench, "models.mode", json!("merge")).unwrap();
    let first = history(&bench.location, &bench.environment).unwrap().pop().unwrap().revision;
    assert!(remembers(&bench, KEY));

    // Into a variable that does not have it: it would be lost.
    set(&bench, "models.providers.p.apiKey", json!("${P_KEY}")).unwrap();
    assert!(remembers(&bench, KEY), "the history is the only place that has it");
    step(&bench, Step::Undo).unwrap();

    bench.environment.vars.insert("P_KEY".to_owned(), KEY.to_owned());
    set(&bench, "models.providers.p.apiKey", json!("${P_KEY}")).unwrap();
    // The comment in the file still has it, and so has the text of the file as it is now: only there.
    let moved = bench.text("openclaw.json");
    assert!(moved.contains("${P_KEY}"));
    assert!(!remembers(&bench, KEY));

    // Back to the byte, from where the key lives now.
    step(&bench, Step::Undo).unwrap();
    assert!(bench.text("openclaw.json").contains(&format!("apiKey: '{KEY}'")));
    step(&bench, Step::Redo).unwrap();
    assert_eq!(bench.text("openclaw.json"), moved);
    step(&bench, Step::To(first.clone())).unwrap();
    assert_eq!(bench.text("openclaw.json"), text);

    // It stands in the file again, so it is kept again: nothing else has it once the provider goes.
    set(&bench, "models.providers.p", json!({ "baseUrl": "http://127.0.0.1:1/v1", "models": [] })).unwrap();
    bench.environment.vars.clear();
    step(&bench, Step::Undo).unwrap();
    assert_eq!(bench.text("openclaw.json"), text);
}

#[test]
fn a_revision_whose_key_is_gone_says_so_and_changes_nothing() {
    const KEY: &str = "sk-or-v1-9f8e7d6c5b4a39281706f5e4d3c2b1a0";
    let mut bench = Bench::with(&format!(
        "{{ models: {{ providers: {{ p: {{ baseUrl: 'https://p.example.com/v1', apiKey: '{KEY}', models: [] }} }} }} }}"
    ));
    bench.environment.vars.insert("P_KEY".to_owned(), KEY.to_owned());
    set(&bench, "models.providers.p.apiKey", json!("${P_KEY}")).unwrap();
    bench.environment.vars.clear();
    let now = bench.text("openclaw.json");
    assert!(matches!(step(&bench, Step::Undo), Err(StoreError::KeyGone { provider }) if provider == "p"));
    assert_eq!(bench.text("openclaw.json"), now);
    // All else goes on.
    set(&bench, "models.mode", json!("merge")).unwrap();
    step(&bench, Step::Undo).unwrap();
    assert_eq!(bench.text("openclaw.json"), now);
}

#[test]
fn comments_that_are_not_wanted_back_are_offered_no_longer() {
    let bench = Bench::with(&fixture("commented.json5"));
    set(&bench, "models.mode", json!("replace")).unwrap();
    let value: Value = json5_edit::Document::parse(&bench.text("openclaw.json")).unwrap().value().clone();
    bench.write("openclaw.json", &format!("{value:#}"));
    set(&bench, "models.mode", json!("merge")).unwrap();
    dismiss_lost_comments(&bench.location, &bench.environment).unwrap();
    set(&bench, "models.mode", json!("replace")).unwrap();
    let again = dismiss_lost_comments(&bench.location, &bench.environment);
    assert!(matches!(again, Err(StoreError::NothingLost)), "{again:?}");
    let restored = restore_comments(&bench.location, &bench.environment, Who::Command);
    assert!(matches!(restored, Err(StoreError::NothingLost)));
}
