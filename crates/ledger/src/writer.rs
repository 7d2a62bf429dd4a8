//! The thread that owns the database connection. What is handed over together is one transaction.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use rusqlite::{Connection, Row, params};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;

use crate::{LedgerError, ServedRequest};

type Reply<T> = oneshot::Sender<Result<T, LedgerError>>;

/// What the thread is asked to do.
pub(crate) enum Order {
    Record(Vec<ServedRequest>),
    Recent { count: usize, reply: Reply<Vec<ServedRequest>> },
    CostSince { since: u64, reply: Reply<f64> },
    ForgetBefore { before: u64, reply: Reply<usize> },
}

/// The thread's end of the handle: dropping it writes what is queued, and ends the thread.
pub(crate) struct Writer {
    orders: Option<Sender<Order>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(crate) fn spawn(connection: Connection, path: PathBuf) -> Self {
        let (orders, queue) = channel();
        let thread = std::thread::spawn(move || Database { connection, path }.run(&queue));
        Self { orders: Some(orders), thread: Some(thread) }
    }

    pub(crate) fn send(&self, order: Order) {
        // The thread outlives its sender; were it gone, a question would be answered with `Closed` by its dropped
        // reply, and an entry would be lost, which is logged.
        if self.orders.as_ref().is_none_or(|orders| orders.send(order).is_err()) {
            tracing::error!("the ledger's thread has ended: a request was not recorded");
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.orders.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Database {
    connection: Connection,
    path: PathBuf,
}

impl Database {
    fn run(mut self, queue: &Receiver<Order>) {
        while let Ok(order) = queue.recv() {
            self.carry_out(order);
        }
    }

    fn write(&mut self, entries: &[ServedRequest]) {
        if let Err(error) = self.insert(entries) {
            tracing::error!(path = %self.path.display(), %error, count = entries.len(), "requests were not recorded");
        }
    }

    fn insert(&mut self, entries: &[ServedRequest]) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        {
            let mut insert = transaction.prepare_cached(
                "INSERT INTO request (started, asked, api, streaming, served_by, location, passed_over, outcome,
                                      http_status, first_content, total, input_tokens, output_tokens, cost)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
            )?;
            for entry in entries {
                insert.execute(params![
                    integer(entry.started),
                    entry.asked,
                    name(&entry.api),
                    entry.streaming,
                    entry.served_by.as_ref().map(ToString::to_string),
                    entry.location.as_ref().map(name),
                    serde_json::to_string(&entry.passed_over).unwrap_or_else(|_| "[]".to_owned()),
                    name(&entry.outcome),
                    entry.http_status,
                    entry.first_content.map(integer),
                    integer(entry.total),
                    entry.input_tokens.map(integer),
                    entry.output_tokens.map(integer),
                    entry.cost,
                ])?;
            }
        }
        transaction.commit()
    }

    fn carry_out(&mut self, order: Order) {
        // A reply that nobody waits for any longer is not an error.
        match order {
            Order::Record(entries) => self.write(&entries),
            Order::Recent { count, reply } => drop(reply.send(self.recent(count).map_err(|e| self.error(e)))),
            Order::CostSince { since, reply } => drop(reply.send(self.cost_since(since).map_err(|e| self.error(e)))),
            Order::ForgetBefore { before, reply } => drop(reply.send(self.forget(before).map_err(|e| self.error(e)))),
        }
    }

    fn error(&self, source: rusqlite::Error) -> LedgerError {
        LedgerError::Database { path: self.path.clone(), source }
    }

    fn recent(&self, count: usize) -> rusqlite::Result<Vec<ServedRequest>> {
        let mut select = self.connection.prepare_cached(
            "SELECT started, asked, api, streaming, served_by, location, passed_over, outcome,
                    http_status, first_content, total, input_tokens, output_tokens, cost
             FROM request ORDER BY started DESC, number DESC LIMIT ?1",
        )?;
        let rows = select.query_map([i64::try_from(count).unwrap_or(i64::MAX)], read)?;
        rows.collect()
    }

    fn cost_since(&self, since: u64) -> rusqlite::Result<f64> {
        self.connection.query_row(
            "SELECT coalesce(sum(cost), 0.0) FROM request WHERE started >= ?1",
            [integer(since)],
            |row| row.get(0),
        )
    }

    fn forget(&self, before: u64) -> rusqlite::Result<usize> {
        self.connection.execute("DELETE FROM request WHERE started < ?1", [integer(before)])
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<ServedRequest> {
    Ok(ServedRequest {
        id: 0,
        started: row.get::<_, i64>(0)?.unsigned_abs(),
        asked: row.get(1)?,
        api: value(2, quoted(row.get(2)?))?,
        streaming: row.get(3)?,
        served_by: row.get::<_, Option<String>>(4)?.map(|text| value(4, quoted(text))).transpose()?,
        location: row.get::<_, Option<String>>(5)?.map(|text| value(5, quoted(text))).transpose()?,
        passed_over: value(6, row.get(6)?)?,
        outcome: value(7, quoted(row.get(7)?))?,
        http_status: row.get(8)?,
        first_content: row.get::<_, Option<i64>>(9)?.map(i64::unsigned_abs),
        total: row.get::<_, i64>(10)?.unsigned_abs(),
        input_tokens: row.get::<_, Option<i64>>(11)?.map(i64::unsigned_abs),
        output_tokens: row.get::<_, Option<i64>>(12)?.map(i64::unsigned_abs),
        cost: row.get(13)?,
    })
}

/// The serde name of a field-less enum's variant, which is what stands in the column.
fn name<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
        _ => String::new(),
    }
}

fn quoted(text: String) -> String {
    serde_json::Value::String(text).to_string()
}

fn value<T: DeserializeOwned>(column: usize, json: String) -> rusqlite::Result<T> {
    serde_json::from_str(&json).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
    })
}

/// SQLite's integers are signed; no time or count here comes near the sign.
fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
