//! How long the ledger keeps requests: what is older than the settings say is forgotten, at the start and every few
//! hours. Must not know: what the requests were.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pilotlight_config::settings_store::SettingsState;
use pilotlight_ledger::Ledger;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

const EVERY: Duration = Duration::from_secs(6 * 3_600);

/// Forgets what is too old, until told to stop. A shorter time in the settings takes hold at the next turn, so that a
/// slip of the keys can be taken back.
pub(crate) async fn keep_forgetting(
    ledger: Ledger,
    settings: watch::Receiver<Arc<SettingsState>>,
    stop: CancellationToken,
) {
    while stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
        let days = settings.borrow().settings.ledger.keep_days;
        forget_old(&ledger, days).await;
    }
}

/// Forgets what started more than `keep_days` ago.
pub(crate) async fn forget_old(ledger: &Ledger, keep_days: u32) {
    let keep = Duration::from_secs(u64::from(keep_days) * 86_400);
    let before = SystemTime::now().checked_sub(keep).and_then(|then| then.duration_since(UNIX_EPOCH).ok());
    let Some(before) = before.and_then(|then| u64::try_from(then.as_millis()).ok()) else { return };
    if let Err(error) = ledger.forget_before(before).await {
        tracing::error!(%error, "old requests could not be removed from the ledger");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use pilotlight_config::Settings;
    use pilotlight_ledger::{RequestOutcome, ServedRequest};
    use pilotlight_wire::ClientApi;

    use super::*;

    fn days_ago(days: u64) -> ServedRequest {
        let started = SystemTime::now() - Duration::from_secs(days * 86_400);
        ServedRequest {
            id: 1,
            started: u64::try_from(started.duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap(),
            asked: "primary".into(),
            api: ClientApi::Responses,
            streaming: false,
            served_by: None,
            location: None,
            passed_over: Vec::new(),
            outcome: RequestOutcome::Served,
            http_status: 200,
            first_content: None,
            total: 1,
            input_tokens: None,
            output_tokens: None,
            cost: None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn old_requests_are_forgotten_while_it_runs() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder.path().join("ledger.sqlite")).unwrap();
        let mut settings = Settings::default();
        settings.ledger.keep_days = 30;
        let path = folder.path().join("settings.json5");
        let state = SettingsState { settings: Arc::new(settings), path, stale: false, diagnostics: Vec::new() };
        let (_sender, settings) = watch::channel(Arc::new(state));
        let young = days_ago(29);
        ledger.record(vec![days_ago(31), young.clone()]);
        let stop = CancellationToken::new();
        let task = tokio::spawn(keep_forgetting(ledger.clone(), settings, stop.clone()));
        tokio::time::sleep(EVERY - Duration::from_secs(1)).await;
        assert_eq!(ledger.recent(9).await.unwrap().len(), 2);
        tokio::time::sleep(Duration::from_secs(2)).await;
        let kept: Vec<_> = ledger.recent(9).await.unwrap().iter().map(|request| request.started).collect();
        assert_eq!(kept, [young.started]);
        stop.cancel();
        task.await.unwrap();
    }
}
