//! The ledger as its users see it: what is handed over is read back, also by the next run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use pilotlight_ledger::{Ledger, LedgerError, PassedOver, RequestOutcome, ServedRequest};
use pilotlight_wire::{ClientApi, Location};

fn entry(started: u64, cost: Option<f64>) -> ServedRequest {
    ServedRequest {
        id: 7,
        started,
        asked: "primary".into(),
        api: ClientApi::Responses,
        streaming: true,
        served_by: Some("anthropic/claude-sonnet-4-5".parse().unwrap()),
        location: Some(Location::Hosted),
        passed_over: vec![PassedOver {
            model: "lmstudio/minimax-m2.1-gs32".parse().unwrap(),
            code: "cold".into(),
            detail: "loading for 12 s".into(),
        }],
        outcome: RequestOutcome::Served,
        http_status: 200,
        first_content: Some(310),
        total: 2_400,
        input_tokens: Some(1_200),
        output_tokens: None,
        cost,
    }
}

#[tokio::test]
async fn an_entry_comes_back_as_it_was_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deeper").join("ledger.sqlite");
    {
        let ledger = Ledger::open(&path).unwrap();
        ledger.record(vec![entry(1_000, Some(0.25))]);
        ledger.record(vec![entry(3_000, Some(0.5))]);
        ledger.record(vec![entry(2_000, None)]);
    }
    let ledger = Ledger::open(&path).unwrap();
    let recent = ledger.recent(2).await.unwrap();
    assert_eq!(recent.iter().map(|entry| entry.started).collect::<Vec<_>>(), [3_000, 2_000]);
    assert_eq!(recent[0], ServedRequest { id: 0, ..entry(3_000, Some(0.5)) });
    assert_eq!(ledger.cost_since(1_001).await.unwrap(), 0.5);
    assert_eq!(ledger.forget_before(2_500).await.unwrap(), 2);
    assert_eq!(ledger.recent(10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_moved_aside_not_lost() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    std::fs::write(&path, "somebody's notes, long enough to look like a header of a database file: ".repeat(50))
        .unwrap();
    let ledger = Ledger::open(&path).unwrap();
    ledger.record(vec![entry(1, None)]);
    assert_eq!(ledger.recent(10).await.unwrap().len(), 1);
    let kept = std::fs::read_dir(folder.path())
        .unwrap()
        .filter_map(|file| file.unwrap().file_name().into_string().ok())
        .find(|name| name.contains(".unreadable-"))
        .expect("the old file is kept");
    assert!(std::fs::read_to_string(folder.path().join(kept)).unwrap().starts_with("somebody's notes"));
}

#[tokio::test]
async fn a_newer_format_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    assert!(matches!(Ledger::open(&path), Err(LedgerError::Newer { found: 99, .. })));
    assert!(path.exists());
}
