//! The stores on a real disk: a change is live within a second, a mistake leaves the last good one in force.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use pilotlight_config::{
    ConfigLocation, ConfigState, ConfigStore, Environment, Home, SettingsState, SettingsStore, Severity,
};
use support::Bench;
use tokio::sync::watch;
use tokio::time::timeout;

const WITHIN: Duration = Duration::from_secs(1);
const STEP: Duration = Duration::from_millis(10);

fn text(model: &str) -> String {
    format!(
        "{{ agents: {{ defaults: {{ model: '{model}' }} }}, models: {{ providers: {{ a: {{ baseUrl: 'http://a/v1', \
         models: [{{ id: 'm', name: 'M' }}, {{ id: 'n', name: 'N' }}] }} }} }} }}"
    )
}

fn open(bench: &Bench) -> (ConfigStore, watch::Receiver<Arc<ConfigState>>) {
    let store = ConfigStore::open(bench.location.clone(), bench.environment.clone()).unwrap();
    let mut state = store.watch();
    state.mark_unchanged();
    (store, state)
}

fn head(state: &ConfigState) -> String {
    state.in_force.chain().first().map(ToString::to_string).unwrap_or_default()
}

/// The next state that is as wanted, which must come in time: within a second that the machine lets us run. Of each step
/// no more is counted than it should take; what it takes longer belongs to whoever else is busy.
async fn until<T>(state: &mut watch::Receiver<Arc<T>>, what: &str, wanted: impl Fn(&T) -> bool) -> Arc<T> {
    let mut found = std::pin::pin!(state.wait_for(|state| wanted(state)));
    for _ in 0..WITHIN.as_millis() / STEP.as_millis() {
        if let Ok(found) = timeout(STEP, &mut found).await {
            return Arc::clone(&found.unwrap());
        }
    }
    panic!("not within {WITHIN:?}: {what}")
}

/// Nothing is published for longer than a change would take.
async fn silent<T>(state: &mut watch::Receiver<Arc<T>>, why: &str) {
    state.mark_unchanged();
    assert!(timeout(Duration::from_millis(600), state.changed()).await.is_err(), "published: {why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_live_within_a_second_however_it_is_written() {
    let bench = Bench::with(&text("a/m"));
    let (_store, mut state) = open(&bench);
    assert_eq!(head(&state.borrow()), "a/m");
    let first = state.borrow().revision.clone();

    bench.write("openclaw.json", &text("a/n"));
    let now = until(&mut state, "written in place", |state| head(state) == "a/n").await;
    assert!(!now.stale && now.revision != first);

    // As most editors do it.
    bench.write("new", &text("a/m"));
    std::fs::rename(bench.path("new"), bench.path("openclaw.json")).unwrap();
    until(&mut state, "replaced", |state| head(state) == "a/m").await;

    // And again: the watch is on the folder, and lives on.
    std::fs::rename(bench.path("openclaw.json"), bench.path("openclaw.json~")).unwrap();
    bench.write("openclaw.json", &text("a/n"));
    until(&mut state, "moved away and written", |state| head(state) == "a/n").await;

    bench.write("openclaw.json", &text("a/n"));
    silent(&mut state, "the same bytes").await;
    bench.write("unrelated.json", "{}");
    silent(&mut state, "another file").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_leaves_the_last_good_one_in_force() {
    let bench = Bench::with(&text("a/m"));
    let (_store, mut state) = open(&bench);
    let good = Arc::clone(&state.borrow());
    bench.write("openclaw.json", "{ agents: ");
    let bad = until(&mut state, "bad", |state| state.stale).await;
    assert_eq!((&bad.in_force, &bad.revision), (&good.in_force, &good.revision));
    assert_eq!((bad.diagnostics[0].code, bad.diagnostics[0].line), ("syntax", 1));
    bench.write("openclaw.json", "{ agents: \n\n]");
    let worse = until(&mut state, "worse", |state| state.diagnostics[0].line == 3).await;
    assert!(worse.stale);
    std::fs::remove_file(bench.path("openclaw.json")).unwrap();
    let gone = until(&mut state, "gone", |state| state.diagnostics[0].code == "missing").await;
    assert_eq!(head(&gone), "a/m");
    bench.write("openclaw.json", &text("a/n"));
    let back = until(&mut state, "good again", |state| !state.stale).await;
    assert_eq!(head(&back), "a/n");
    assert!(back.diagnostics.iter().all(|diagnostic| diagnostic.severity < Severity::Error), "{:?}", back.diagnostics);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_editor_that_empties_the_file_first_has_made_no_mistake() {
    let bench = Bench::with(&text("a/m"));
    let (_store, mut state) = open(&bench);
    let mut all = state.clone();
    let seen = tokio::spawn(async move {
        let mut seen = Vec::new();
        while all.changed().await.is_ok() {
            let now = Arc::clone(&all.borrow_and_update());
            seen.push(now.stale);
            if head(&now) == "a/n" {
                break;
            }
        }
        seen
    });
    bench.write("openclaw.json", "");
    tokio::time::sleep(Duration::from_millis(130)).await;
    bench.write("openclaw.json", &text("a/n"));
    until(&mut state, "written", |state| head(state) == "a/n").await;
    assert_eq!(seen.await.unwrap(), [false]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_whose_folder_does_not_exist_yet_is_found_when_it_comes() {
    let mut bench = Bench::empty();
    bench.location.path = bench.path("deep/er/openclaw.json");
    let (_store, mut state) = open(&bench);
    assert!(state.borrow().stale);
    bench.write("deep/er/openclaw.json", &text("a/m"));
    until(&mut state, "folders and file made", |state| head(state) == "a/m").await;
    // The folder goes, and another comes in its place.
    std::fs::remove_dir_all(bench.path("deep")).unwrap();
    until(&mut state, "all gone", |state| state.stale).await;
    bench.write("deep/er/openclaw.json", &text("a/n"));
    until(&mut state, "made again", |state| head(state) == "a/n").await;
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_link_and_what_it_leads_to_are_both_watched() {
    let bench = Bench::empty();
    bench.write("dotfiles/one.json", &text("a/m"));
    bench.write("dotfiles/two.json", &text("a/n"));
    std::os::unix::fs::symlink("dotfiles/one.json", bench.path("openclaw.json")).unwrap();
    let (_store, mut state) = open(&bench);
    assert_eq!(head(&state.borrow()), "a/m");
    bench.write("dotfiles/new", &text("a/n"));
    std::fs::rename(bench.path("dotfiles/new"), bench.path("dotfiles/one.json")).unwrap();
    until(&mut state, "the target was replaced", |state| head(state) == "a/n").await;
    bench.write("dotfiles/two.json", &text("a/m"));
    std::os::unix::fs::symlink("dotfiles/two.json", bench.path("link")).unwrap();
    std::fs::rename(bench.path("link"), bench.path("openclaw.json")).unwrap();
    until(&mut state, "the link leads elsewhere", |state| head(state) == "a/m").await;
    bench.write("dotfiles/two.json", &text("a/n"));
    until(&mut state, "the new target was written", |state| head(state) == "a/n").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn included_files_and_the_variables_file_are_watched_too() {
    let bench = Bench::with("{ $include: './parts/all.json5' }");
    bench.write("parts/all.json5", &text("a/m"));
    let (_store, mut state) = open(&bench);
    bench.write("parts/all.json5", &text("a/n"));
    until(&mut state, "an included file", |state| head(state) == "a/n").await;
    bench.write("openclaw.json", "{ $include: './other/all.json5' }");
    until(&mut state, "a file that is missing", |state| state.stale).await;
    bench.write("other/all.json5", &text("a/m").replace("'http", "'${SCHEME}ttp"));
    until(&mut state, "an unset variable", |state| state.diagnostics.iter().any(|it| it.code == "variable-unset"))
        .await;
    bench.write(".env", "SCHEME=h\n");
    until(&mut state, "the variable", |state| !state.stale && head(state) == "a/m").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_is_published_before_it_returns() {
    let bench = Bench::with(&text("a/m"));
    let (store, mut state) = open(&bench);
    let change = store.set_primary(&"a/n".parse().unwrap()).await.unwrap();
    assert_eq!(head(&state.borrow_and_update()), "a/n");
    assert_eq!(change.before, Some("a/m".parse().unwrap()));
    assert_eq!(bench.text("openclaw.json"), text("a/n"));
    silent(&mut state, "our own write, seen by the watch").await;
    assert!(store.set_primary(&"a/none".parse().unwrap()).await.is_err());
    assert_eq!(head(&state.borrow()), "a/n");
    // Many at once are made one after the other.
    let edits = (0..10).map(|round| {
        let store = store.clone();
        tokio::spawn(async move {
            store.set_primary(&format!("a/{}", if round % 2 == 0 { "m" } else { "n" }).parse().unwrap()).await
        })
    });
    for edit in edits.collect::<Vec<_>>() {
        edit.await.unwrap().unwrap();
    }
    assert_eq!(bench.text("openclaw.json"), text(&head(&state.borrow())));
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_file_is_made_where_there_is_none_and_only_then() {
    let bench = Bench::empty();
    let home = Home::at(bench.path("home"));
    let location = ConfigLocation::find(&bench.environment, &home, None);
    let store = ConfigStore::open(location.clone(), bench.environment.clone()).unwrap();
    assert_eq!(head(&store.watch().borrow()), "lmstudio/minimax-m2.1-gs32");
    let written = std::fs::read_to_string(home.own_config_file()).unwrap();
    std::fs::write(home.own_config_file(), format!("{written}// mine\n")).unwrap();
    drop(store);
    let _again = ConfigStore::open(location, bench.environment.clone()).unwrap();
    assert!(std::fs::read_to_string(home.own_config_file()).unwrap().ends_with("// mine\n"));
    // OpenClaw's file is OpenClaw's to make.
    let (_store, state) = open(&bench);
    assert!(state.borrow().stale && !bench.path("openclaw.json").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_watched_in_the_same_way() {
    let bench = Bench::empty();
    let environment = Environment::isolated(bench.folder.path(), &[]);
    let store = SettingsStore::open("home/settings.json5", environment).unwrap();
    let mut state = store.watch();
    assert_eq!(state.borrow().path, bench.path("home/settings.json5"));
    let days = |days: u32| move |state: &SettingsState| state.settings.ledger.keep_days == days;
    bench.write("home/settings.json5", "{ ledger: { keepDays: 7 }, privacy: { localOnly: true } }");
    until(&mut state, "made", days(7)).await;
    bench.write("home/settings.json5", "{ ledger: { keepDays: 8 }, privacy: { localOnly: false }, }}");
    let bad = until(&mut state, "bad", |state| state.stale).await;
    assert!(bad.settings.privacy.local_only && bad.settings.ledger.keep_days == 7);
    bench.write("home/settings.json5", "{ ledger: { keepDays: 8 } }");
    until(&mut state, "good again", days(8)).await;
    std::fs::remove_file(bench.path("home/settings.json5")).unwrap();
    until(&mut state, "gone", days(90)).await;
}

#[tokio::test]
async fn the_diagnostics_follow_what_is_known_of_the_surroundings() {
    use pilotlight_config::rules::{LiveModel, Surroundings};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("openclaw.json");
    let text = "{ models: { providers: { a: { baseUrl: 'http://127.0.0.1:9/v1', models: [{ id: 'm', name: 'M', \
                contextWindow: 8192 }] } } }, agents: { defaults: { model: { primary: 'a/m' } } } }";
    std::fs::write(&path, text).unwrap();
    let location = pilotlight_config::ConfigLocation { path: path.clone(), openclaw: true, read_only: false };
    let environment = pilotlight_config::Environment::isolated(folder.path(), &[]);
    let store = pilotlight_config::ConfigStore::open(location, environment).unwrap();
    let mut states = store.watch();
    let above = |state: &std::sync::Arc<pilotlight_config::ConfigState>| {
        state.diagnostics.iter().any(|one| one.code == "context-above-loaded")
    };
    assert!(!above(&states.borrow_and_update().clone()));
    let live = LiveModel { loaded_context: Some(4096), ..LiveModel::default() };
    let known = Surroundings { live: [("a/m".parse().unwrap(), live)].into(), ..Surroundings::default() };
    store.surround(known.clone());
    states.wait_for(|state| above(state)).await.unwrap();
    store.surround(Surroundings::default());
    states.wait_for(|state| !above(state)).await.unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}
