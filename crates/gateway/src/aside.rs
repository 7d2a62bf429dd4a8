//! Work on a large body, where no other request waits for it: one worker serves them all.

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::block_in_place;

/// Bodies of at least so many bytes are large: to read one takes a millisecond or more.
const LARGE: usize = 256 * 1024;

/// Does work on a body of this size. While a large one is worked on, another thread serves the other requests.
pub fn aside<T>(size: usize, work: impl FnOnce() -> T) -> T {
    let can_move = || Handle::try_current().is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread);
    if size >= LARGE && can_move() { block_in_place(work) } else { work() }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn others_go_on_while_a_large_body_is_worked_on() {
        let (tell, told) = std::sync::mpsc::channel();
        let large = tokio::spawn(async move { aside(LARGE, || told.recv_timeout(Duration::from_secs(20))) });
        // On the one worker this runs only if the other has left it.
        let other = tokio::spawn(async move { tell.send(()) });
        assert!(large.await.unwrap().is_ok());
        assert!(other.await.unwrap().is_ok());
    }
}
