//! The window's TypeScript types are made from the Rust ones. `UPDATE_BINDINGS=1 cargo test -p pilotlight-engine
//! --test bindings` writes them anew; without it, this test says whether the committed ones are current.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use pilotlight_engine::connect::types::{ConnectOutcome, ConnectRequest, ToolView, Verification};
use pilotlight_engine::editor::types::{
    ConfigDocument, ConfigDraft, ConfigPreview, FetchedModel, HistoryEntry, KeyKept, KeyRequest, ProviderRequest,
    ProviderTest, RestoreRequest, Saved,
};
use pilotlight_engine::settings_page::types::{SettingChange, SettingsDocument};
use pilotlight_engine::state::AppState;
use pilotlight_engine::{CommandError, Notice};
use ts_rs::{Config, TS};

#[test]
fn the_committed_bindings_are_current() {
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ui/src/lib/bindings");
    let fresh = tempfile::tempdir().unwrap();
    let config = Config::new().with_out_dir(fresh.path());
    AppState::export_all(&config).unwrap();
    Notice::export_all(&config).unwrap();
    CommandError::export_all(&config).unwrap();
    ConfigDocument::export_all(&config).unwrap();
    ConfigDraft::export_all(&config).unwrap();
    ConfigPreview::export_all(&config).unwrap();
    FetchedModel::export_all(&config).unwrap();
    HistoryEntry::export_all(&config).unwrap();
    KeyKept::export_all(&config).unwrap();
    KeyRequest::export_all(&config).unwrap();
    ProviderRequest::export_all(&config).unwrap();
    ProviderTest::export_all(&config).unwrap();
    RestoreRequest::export_all(&config).unwrap();
    Saved::export_all(&config).unwrap();
    ConnectOutcome::export_all(&config).unwrap();
    ConnectRequest::export_all(&config).unwrap();
    ToolView::export_all(&config).unwrap();
    Verification::export_all(&config).unwrap();
    SettingChange::export_all(&config).unwrap();
    SettingsDocument::export_all(&config).unwrap();

    if std::env::var_os("UPDATE_BINDINGS").is_some() {
        let _ = fs::remove_dir_all(&committed);
        fs::create_dir_all(&committed).unwrap();
        for (name, text) in files(fresh.path()) {
            fs::write(committed.join(name), text).unwrap();
        }
    }
    let (committed, fresh) = (files(&committed), files(fresh.path()));
    let names: BTreeSet<_> = committed.keys().chain(fresh.keys()).collect();
    let stale: Vec<_> = names.into_iter().filter(|name| committed.get(*name) != fresh.get(*name)).collect();
    assert!(stale.is_empty(), "not current: {stale:?}: run this test with UPDATE_BINDINGS=1");
}

fn files(folder: &Path) -> BTreeMap<String, String> {
    fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(path).unwrap()))
        .collect()
}
