//! The ledger: what was served, by whom, why not by others, and at what cost, in SQLite. Never content, never a key.
//!
//! Must not know: the configuration, the gateway, HTTP. One thread owns the database; a request only hands its entry
//! over and never waits for the disk.

mod entry;
mod schema;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use entry::{PassedOver, RequestOutcome, ServedRequest};
use tokio::sync::oneshot;
use writer::{Order, Writer};

/// What can go wrong with the ledger.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The folder or file cannot be made or opened.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// SQLite refused.
    #[error("{}: {source}", path.display())]
    Database {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// Written by a newer version of this program.
    #[error("{} was written by a newer version of Pilot Light (format {found}; this one reads {known}): update, or move the file away", path.display())]
    Newer {
        /// Which.
        path: PathBuf,
        /// The format found.
        found: i64,
        /// The newest format known here.
        known: i64,
    },
    /// The thread that owns the database has ended.
    #[error("the ledger is closed")]
    Closed,
}

/// A handle to the ledger. Cheap to clone; the file is closed, and everything in it, when the last one is dropped.
#[derive(Clone)]
pub struct Ledger {
    writer: Arc<Writer>,
}

impl Ledger {
    /// Opens the file, making it and its folder where they are missing. A file that is no database is moved aside
    /// (its name gains `.unreadable`), never deleted.
    ///
    /// # Errors
    /// When the folder cannot be made, the file cannot be opened, or a newer version wrote it.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        let connection = schema::open(path)?;
        Ok(Self { writer: Arc::new(Writer::spawn(connection, path.to_owned())) })
    }

    /// Hands entries over, to be written in one transaction; returns at once. A failure to write is logged, and the
    /// requests it speaks of are not disturbed.
    pub fn record(&self, entries: Vec<ServedRequest>) {
        self.writer.send(Order::Record(entries));
    }

    /// The last `count` entries, newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn recent(&self, count: usize) -> Result<Vec<ServedRequest>, LedgerError> {
        self.ask(|reply| Order::Recent { count, reply }).await
    }

    /// US$ spent on requests that started at or after `since` (Unix time in milliseconds).
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn cost_since(&self, since: u64) -> Result<f64, LedgerError> {
        self.ask(|reply| Order::CostSince { since, reply }).await
    }

    /// Forgets what started before `before` (Unix time in milliseconds); says how many entries went.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn forget_before(&self, before: u64) -> Result<usize, LedgerError> {
        self.ask(|reply| Order::ForgetBefore { before, reply }).await
    }

    async fn ask<T>(
        &self,
        order: impl FnOnce(oneshot::Sender<Result<T, LedgerError>>) -> Order,
    ) -> Result<T, LedgerError> {
        let (reply, answer) = oneshot::channel();
        self.writer.send(order(reply));
        answer.await.map_err(|_| LedgerError::Closed)?
    }
}
