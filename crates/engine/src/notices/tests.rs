//! What is told, and how often.

#![allow(clippy::unwrap_used)]

use pilotlight_config::Settings;

use super::*;

fn settings(change: impl FnOnce(&mut NotificationSettings)) -> Arc<SettingsState> {
    let mut settings = Settings::default();
    change(&mut settings.notifications);
    let path = "settings.json5".into();
    Arc::new(SettingsState { settings: Arc::new(settings), path, stale: false, diagnostics: Vec::new() })
}

fn telling(kind: NoticeKind) -> Telling {
    Telling { kind, title: format!("{kind:?}"), body: String::new(), model: None, why: Why::Titled }
}

#[tokio::test(start_paused = true)]
async fn each_kind_has_a_setting_of_its_own() {
    type Off = fn(&mut NotificationSettings);
    let kinds: [(NoticeKind, Off); 7] = [
        (NoticeKind::Unloaded, |told| told.unloaded = false),
        (NoticeKind::Back, |told| told.back = false),
        (NoticeKind::HostedMeanwhile, |told| told.hosted = false),
        (NoticeKind::LoadFailed, |told| told.load_failed = false),
        (NoticeKind::Configuration, |told| told.configuration = false),
        (NoticeKind::KeyRefused, |told| told.key_refused = false),
        (NoticeKind::Cut, |told| told.cut = false),
    ];
    for (off, change) in kinds {
        let (out, mut shown) = broadcast::channel(16);
        let (_sender, settings) = watch::channel(settings(change));
        let mut board = NoticeBoard::new(out, NoticeLog::default(), settings);
        for (kind, _) in kinds {
            board.post(telling(kind), &AppState::empty());
        }
        let mut told = Vec::new();
        while let Ok(notice) = shown.try_recv() {
            told.push(notice.kind);
        }
        let others: Vec<_> = kinds.iter().map(|(kind, _)| *kind).filter(|kind| *kind != off).collect();
        assert_eq!(told, others, "{off:?} is off");
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_is_muted_is_kept_and_shown_again_after_an_hour() {
    let (out, mut shown) = broadcast::channel(16);
    let (_sender, settings) = watch::channel(settings(|_| {}));
    let log = NoticeLog::default();
    let mut board = NoticeBoard::new(out, log.clone(), settings);
    log.mute(NoticeKind::Back);
    board.post(telling(NoticeKind::Back), &AppState::empty());
    board.post(telling(NoticeKind::Cut), &AppState::empty());
    assert_eq!(shown.recv().await.unwrap().kind, NoticeKind::Cut);
    assert_eq!(log.kept().len(), 2, "both can be read later");
    tokio::time::advance(MUTED).await;
    assert_eq!(log.muted(), []);
    board.post(telling(NoticeKind::Back), &AppState::empty());
    assert_eq!(shown.recv().await.unwrap().kind, NoticeKind::Back);
}

#[tokio::test(start_paused = true)]
async fn the_hour_of_a_muting_passes_while_the_machine_sleeps() {
    let log = NoticeLog::default();
    log.mute(NoticeKind::Back);
    log.slept(MUTED - QUIET);
    assert_eq!(log.muted().len(), 1);
    log.slept(QUIET);
    assert_eq!(log.muted(), []);
}

fn crash(detail: &str) -> Cause {
    Cause::Crashed { detail: detail.to_owned() }
}

fn went(cause: Cause) -> Occurrence {
    let (model, title) = ("studio/m".parse().unwrap(), "Em".to_owned());
    Occurrence::Unloaded { model, title, cause, evidence: String::new(), reloading: true }
}

fn failed(again: bool) -> Occurrence {
    let (model, title) = ("studio/m".parse().unwrap(), "Em".to_owned());
    let retry_in = again.then_some(Duration::from_secs(2));
    Occurrence::LoadFailed { model, title, message: "no".to_owned(), retry_in, given_up: !again }
}

#[tokio::test(start_paused = true)]
async fn what_goes_on_is_told_once_a_minute_and_each_cause_by_itself() {
    let (out, mut shown) = broadcast::channel(16);
    let (_sender, settings) = watch::channel(settings(|_| {}));
    let mut board = NoticeBoard::new(out, NoticeLog::default(), settings);
    let mut told = |occurrence: &Occurrence| {
        board.occurrence(occurrence, &AppState::empty());
        shown.try_recv().is_ok()
    };
    let mut at = Vec::new();
    for second in (0..=160).step_by(40) {
        if told(&went(crash(&format!("exit code {second}")))) {
            at.push(second);
        }
        tokio::time::advance(Duration::from_secs(40)).await;
    }
    assert_eq!(at, [0, 80, 160], "more often than once a minute, and not once and never again");
    assert!(told(&went(Cause::EjectedByPerson)), "a person's eject offers the way back, whatever was told before");
    assert!(told(&failed(true)) && !told(&failed(true)));
    assert!(told(&failed(false)), "that it is given up is another thing");
    let back = || Occurrence::Loaded {
        model: "studio/m".parse().unwrap(),
        title: "Em".to_owned(),
        after: Some(QUIET),
        away: Some(QUIET),
    };
    assert!(!told(&went(Cause::UnloadedHere)) && !told(&back()), "whoever ejects it and loads it again knows");
    assert!(told(&back()), "and of any other absence it is told");
}

#[test]
fn a_server_that_went_is_told_with_what_was_seen_of_it() {
    let told = |cause: Cause| {
        let (provider, detail) = ("box".to_owned(), "connection refused".to_owned());
        of_occurrence(&Occurrence::Unreachable { provider, detail, cause }, &AppState::empty()).unwrap().body
    };
    let rest = ". Nothing else in the chain can answer.";
    let ended = "Likely its program ended: it was stopped, or it crashed (connection refused)";
    assert_eq!(told(Cause::ProgramEnded), format!("{ended}{rest}"));
    assert_eq!(told(crash("its engine died")), format!("Likely a crash (its engine died){rest}"));
}
