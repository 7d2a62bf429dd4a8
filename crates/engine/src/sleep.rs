//! What a sleep of the machine means outside the keeper, which sees it by itself: what was to last for so long of the
//! calendar's time has lasted meanwhile. Must not know: what any of it is for.

use std::time::Duration;

use pilotlight_gateway::Gateway;
use pilotlight_runtime::Clocks;
use tokio_util::sync::CancellationToken;

use crate::notices::NoticeLog;

/// How late a sleep may be noticed.
const COMPARE: Duration = Duration::from_secs(5);

/// Tells of each sleep, until `stop`.
pub(crate) async fn tell_of_sleep(gateway: Gateway, notices: NoticeLog, stop: CancellationToken) {
    let mut clocks = Clocks::default();
    while stop.run_until_cancelled(tokio::time::sleep(COMPARE)).await.is_some() {
        if let Some(slept) = clocks.slept() {
            gateway.slept(slept);
            notices.slept(slept);
        }
    }
}
