//! Edits by their path in the whole configuration: made in the file where the value stands, on what the file is now.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use json5_edit::{Edit, Expected, Position, Step};
use pilotlight_config::plan::{load, plan, plan_on, plan_text, sources};
use pilotlight_config::write::commit;
use pilotlight_config::{Saved, StoreError, Who};
use serde_json::{Value, json};
use support::Bench;

fn set(path: &str, value: Value) -> Edit {
    Edit::Set { path: path.parse().unwrap(), value, expected: Expected::Anything }
}

fn remove(path: &str) -> Edit {
    Edit::Remove { path: path.parse().unwrap(), expected: Expected::Anything }
}

fn insert(path: &str, position: Position, value: Value) -> Edit {
    Edit::Insert { path: path.parse().unwrap(), key: None, position, value, expected: Expected::Anything }
}

fn shift(path: &str, from: usize, to: usize) -> Edit {
    Edit::Move {
        path: path.parse().unwrap(),
        entry: Step::Index(from),
        position: Position::At(to),
        expected: Expected::Anything,
        anchor: Expected::Anything,
    }
}

fn make(bench: &Bench, edits: &[Edit]) -> Result<Saved, StoreError> {
    let planned = plan(&bench.location, &bench.environment, edits)?;
    commit(&bench.location, &bench.environment, &planned, Who::Command, "a test")
}

fn whole(bench: &Bench) -> Value {
    load(&bench.location, &bench.environment).value.unwrap()
}

const MAIN: &str = "{ // main\n  agents: { $include: './agents.json5' }, // theirs\n  $include: 'base.json5',\n  \
                    models: { providers: { b: { baseUrl: 'http://b.local/v1', models: [] } } },\n  list: ['own'],\n}\n";
const AGENTS: &str = "// agents\n{ defaults: {\n  model: 'a/m', // the one\n} }\n";
const BASE: &str = "{ models: { mode: 'merge', providers: { a: { baseUrl: 'http://a.local/v1', // a\n  models: [{ id: 'm', \
                    name: 'M' }] } } }, list: ['x', 'y'], // two\n}\n";

fn bench() -> Bench {
    let bench = Bench::with(MAIN);
    bench.write("agents.json5", AGENTS);
    bench.write("base.json5", BASE);
    bench
}

/// After the edits the files are these, and the whole is what the edits mean.
#[track_caller]
fn becomes(edits: &[Edit], main: &str, agents: &str, base: &str) {
    let bench = bench();
    let meant = json5_edit::Document::parse(&whole(&bench).to_string()).unwrap().apply(edits).unwrap();
    make(&bench, edits).unwrap();
    assert_eq!(bench.text("openclaw.json"), main);
    assert_eq!(bench.text("agents.json5"), agents);
    assert_eq!(bench.text("base.json5"), base);
    assert_eq!(&whole(&bench), meant.value());
}

#[test]
fn an_edit_goes_to_the_file_where_the_value_stands() {
    becomes(&[set("agents.defaults.model", json!("b/n"))], MAIN, &AGENTS.replace("'a/m'", "'b/n'"), BASE);
    becomes(
        &[set("models.providers.a.models[0].name", json!("New"))],
        MAIN,
        AGENTS,
        &BASE.replace("name: 'M'", "name: 'New'"),
    );
    becomes(&[set("models.mode", json!("replace"))], MAIN, AGENTS, &BASE.replace("'merge'", "'replace'"));
    // Both files say something of `models`: what is new goes to the one that includes.
    becomes(
        &[set("models.providers.c", json!({}))],
        &MAIN.replace("models: [] } }", "models: [] }, c: {} }"),
        AGENTS,
        BASE,
    );
    // A new member of an object that is written in one file goes there.
    becomes(
        &[set("agents.defaults.workspace", json!("~"))],
        MAIN,
        &AGENTS.replace("// the one\n", "// the one\n  workspace: '~',\n"),
        BASE,
    );
    becomes(
        &[
            set("agents.defaults.model", json!("b/n")),
            set("models.mode", json!("replace")),
            remove("models.providers.b"),
        ],
        &MAIN.replace(" b: { baseUrl: 'http://b.local/v1', models: [] } ", ""),
        &AGENTS.replace("'a/m'", "'b/n'"),
        &BASE.replace("'merge'", "'replace'"),
    );
}

#[test]
fn what_is_included_is_removed_where_it_is_included() {
    becomes(
        &[remove("agents")],
        &MAIN.replace("  agents: { $include: './agents.json5' }, // theirs\n", ""),
        AGENTS,
        BASE,
    );
}

#[test]
fn what_two_files_say_is_removed_from_both() {
    let bench = bench();
    make(&bench, &[remove("models")]).unwrap();
    assert_eq!(whole(&bench), json!({ "list": ["x", "y", "own"], "agents": { "defaults": { "model": "a/m" } } }));
}

#[test]
fn what_two_files_say_is_set_in_both() {
    let provider = |name: &str| json!({ "baseUrl": "http://a.local/v1", "models": [{ "id": "m", "name": name }] });
    becomes(
        &[set("models", json!({ "mode": "replace", "providers": { "a": provider("New"), "c": {} } }))],
        &MAIN.replace("b: { baseUrl: 'http://b.local/v1', models: [] }", "c: {}"),
        AGENTS,
        &BASE.replace("'merge'", "'replace'").replace("name: 'M'", "name: 'New'"),
    );
    // The items stay in the files that they stand in.
    becomes(&[set("list", json!(["x", "z"]))], &MAIN.replace("['own']", "[]"), AGENTS, &BASE.replace("'y'", "'z'"));
    becomes(&[set("list", json!(["x", "y", "own", "new"]))], &MAIN.replace("['own']", "['own', 'new']"), AGENTS, BASE);
    // Less than both say together: the rest goes from both.
    becomes(
        &[set("models.mode", json!("replace")), set("models", json!({ "mode": "merge" }))],
        &MAIN.replace("{ providers: { b: { baseUrl: 'http://b.local/v1', models: [] } } }", "{}"),
        AGENTS,
        "{ models: { mode: 'merge' }, list: ['x', 'y'], // two\n}\n",
    );
}

#[test]
fn an_array_that_is_joined_from_two_files_is_edited_item_by_item() {
    becomes(&[set("list[1]", json!("z"))], MAIN, AGENTS, &BASE.replace("'y'", "'z'"));
    becomes(&[remove("list[2]")], &MAIN.replace("['own']", "[]"), AGENTS, BASE);
    becomes(&[shift("list", 0, 1)], MAIN, AGENTS, &BASE.replace("['x', 'y']", "['y', 'x']"));
    becomes(&[insert("list", Position::Start, json!("w"))], MAIN, AGENTS, &BASE.replace("['x'", "['w', 'x'"));
    becomes(&[insert("list", Position::End, json!("w"))], &MAIN.replace("['own']", "['own', 'w']"), AGENTS, BASE);
    becomes(&[set("list[3]", json!("w"))], &MAIN.replace("['own']", "['own', 'w']"), AGENTS, BASE);
    let bench = bench();
    let error = make(&bench, &[shift("list", 0, 2)]).unwrap_err();
    assert!(matches!(error, StoreError::Spread { .. }), "{error}");
    assert_eq!((bench.text("openclaw.json"), bench.text("base.json5")), (MAIN.to_owned(), BASE.to_owned()));
}

#[test]
fn two_values_change_places_across_files_too() {
    let swap = |path: &str, other: &str| Edit::Swap {
        path: path.parse().unwrap(),
        other: other.parse().unwrap(),
        expected: Expected::Anything,
        expected_other: Expected::Anything,
    };
    becomes(&[swap("list[0]", "list[1]")], MAIN, AGENTS, &BASE.replace("['x', 'y']", "['y', 'x']"));
    // Of two files, each keeps its comments.
    becomes(
        &[swap("agents.defaults.model", "list[2]")],
        &MAIN.replace("['own']", "['a/m']"),
        &AGENTS.replace("'a/m'", "'own'"),
        BASE,
    );
}

#[test]
fn what_cannot_be_said_in_one_file_is_refused_and_nothing_is_written() {
    // What is included twice would change in both places.
    let main = "{ one: { $include: 'part.json5' }, two: { $include: 'part.json5' } }\n";
    let bench = Bench::with(main);
    bench.write("part.json5", "{ n: 1, m: 1 }\n");
    for edit in [set("one.n", json!(2)), set("one", json!({ "n": 2 }))] {
        let error = make(&bench, &[set("three", json!(3)), edit]);
        assert!(matches!(error, Err(StoreError::Spread { .. })), "{error:?}");
        assert_eq!((bench.text("openclaw.json"), bench.text("part.json5")), (main.into(), "{ n: 1, m: 1 }\n".into()));
    }
}

#[test]
fn a_change_by_somebody_else_between_planning_and_writing_is_kept() {
    let text = "{ a: 1, // one\n  b: { c: [ { id: 'x', n: 1 }, { id: 'y', n: 1 } ] } }\n";
    let bench = Bench::with(text);
    let planned = plan(&bench.location, &bench.environment, &[set("a", json!(2))]).unwrap();
    assert_eq!(planned.changes[0].before, text);
    bench.write("openclaw.json", &text.replace("n: 1 } ]", "n: 5 } ]"));
    let saved = commit(&bench.location, &bench.environment, &planned, Who::Editor, "a").unwrap();
    let both = text.replace("n: 1 } ]", "n: 5 } ]").replace("a: 1", "a: 2");
    assert_eq!(bench.text("openclaw.json"), both);
    assert_eq!(saved.changes[0].after, both);
    assert_eq!(saved.revision, bench.read().revision);
}

#[test]
fn in_the_same_place_both_texts_are_shown_and_nothing_is_written() {
    let text = "{ a: 1, // one\n  b: [ { id: 'x', n: 1 }, { id: 'y', n: 1 } ] }\n";
    for (edit, theirs) in [
        (set("a", json!(2)), text.replace("a: 1", "a: 3")),
        (remove("a"), text.replace("a: 1", "a: 3")),
        // Another item has the number now, though what was to be edited looks the same in it.
        (set("b[0].n", json!(7)), text.replace("{ id: 'x'", "{ id: 'new', n: 1 }, { id: 'x'")),
        (set("b[0].n", json!(7)), text.replace("b: [ { id: 'x', n: 1 }, { id: 'y', n: 1 } ]", "b: 1")),
    ] {
        let bench = Bench::with(text);
        let planned = plan(&bench.location, &bench.environment, std::slice::from_ref(&edit)).unwrap();
        bench.write("openclaw.json", &theirs);
        let error = commit(&bench.location, &bench.environment, &planned, Who::Editor, "a").unwrap_err();
        let StoreError::Conflict { path, ours, theirs: shown } = error else { panic!("{error}") };
        assert_eq!((path, &shown), (bench.location.path.clone(), &theirs));
        assert_eq!(ours, planned.changes[0].after);
        assert_eq!(bench.text("openclaw.json"), theirs);
    }
}

#[test]
fn edits_for_an_earlier_revision_are_made_where_the_same_still_stands() {
    let text = "{ a: 1, b: 2 }\n";
    let bench = Bench::with(text);
    make(&bench, &[set("b", json!(3))]).unwrap();
    let base = load(&bench.location, &bench.environment).reading.revision;
    bench.write("openclaw.json", "{ a: 1, b: 4, c: 5 }\n");
    let planned = plan_on(&bench.location, &bench.environment, &base, &[set("a", json!(9))]).unwrap();
    assert_eq!(planned.changes[0].after, "{ a: 9, b: 4, c: 5 }\n");
    let error = plan_on(&bench.location, &bench.environment, &base, &[set("b", json!(9))]).unwrap_err();
    let StoreError::Conflict { ours, theirs, .. } = error else { panic!("{error}") };
    assert_eq!((ours.as_str(), theirs.as_str()), ("{ a: 1, b: 9 }\n", "{ a: 1, b: 4, c: 5 }\n"));
    let error = plan_on(&bench.location, &bench.environment, "0123", &[set("a", json!(9))]).unwrap_err();
    assert!(matches!(error, StoreError::UnknownRevision { .. }), "{error}");
}

#[test]
fn a_new_text_is_merged_with_what_somebody_else_changed() {
    let text = "{\n  a: 1,\n  b: 2,\n}\n";
    let bench = Bench::with(text);
    make(&bench, &[set("b", json!(3))]).unwrap();
    let had = bench.text("openclaw.json");
    let base = load(&bench.location, &bench.environment).reading.revision;
    let with = |new: &str| plan_text(&bench.location, &bench.environment, &bench.location.path, new, Some(&base));
    bench.write("openclaw.json", &had.replace("b: 3", "b: 30"));
    let mine = had.replace("a: 1", "a: 10 /* mine */");
    let planned = with(&mine).unwrap();
    assert_eq!(planned.changes[0].after, mine.replace("b: 3", "b: 30"));
    commit(&bench.location, &bench.environment, &planned, Who::Editor, "text").unwrap();
    assert_eq!(bench.text("openclaw.json"), mine.replace("b: 3", "b: 30"));
    let error = with(&had.replace("b: 3", "b: 31")).unwrap_err();
    assert!(matches!(error, StoreError::Conflict { .. }), "{error}");
    let error = plan_text(&bench.location, &bench.environment, &bench.location.path, "{ a: ", None).unwrap_err();
    assert!(matches!(&error, StoreError::Broken(diagnostic) if diagnostic.code == "syntax"), "{error}");
    let error = plan_text(&bench.location, &bench.environment, &bench.path("other.json"), "{}", None).unwrap_err();
    assert!(matches!(error, StoreError::NotOurs { .. }), "{error}");
}

#[test]
fn a_broken_file_is_mended_by_a_text_and_by_nothing_else() {
    let bench = Bench::with("{ a: 1, b: }");
    let error = make(&bench, &[set("a", json!(2))]).unwrap_err();
    assert!(matches!(error, StoreError::Broken(_)), "{error}");
    let path = &bench.location.path;
    let planned = plan_text(&bench.location, &bench.environment, path, "{ a: 1, b: 2 }", None).unwrap();
    commit(&bench.location, &bench.environment, &planned, Who::Editor, "mended").unwrap();
    assert_eq!(bench.text("openclaw.json"), "{ a: 1, b: 2 }");
    assert_eq!(sources(&bench.location, &bench.environment)[0].text, "{ a: 1, b: 2 }");
}

#[test]
fn nothing_to_do_writes_nothing() {
    let bench = Bench::with("{ a: 1 }");
    let before = std::fs::metadata(&bench.location.path).unwrap().modified().unwrap();
    let saved = make(&bench, &[set("a", json!(1))]).unwrap();
    assert!(saved.changes.is_empty());
    assert_eq!(std::fs::metadata(&bench.location.path).unwrap().modified().unwrap(), before);
}
