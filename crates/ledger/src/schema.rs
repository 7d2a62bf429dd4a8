//! The database file: opening, its format, and what is done with one that cannot be read.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, ErrorCode};

use crate::LedgerError;

/// The format this version writes, kept in SQLite's `user_version`.
const FORMAT: i64 = 1;

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS request (
        number         INTEGER PRIMARY KEY,
        started        INTEGER NOT NULL,   -- Unix time, milliseconds
        asked          TEXT NOT NULL,
        api            TEXT NOT NULL,
        streaming      INTEGER NOT NULL,
        served_by      TEXT,
        location       TEXT,
        passed_over    TEXT NOT NULL,      -- JSON
        outcome        TEXT NOT NULL,
        http_status    INTEGER NOT NULL,
        first_content  INTEGER,            -- milliseconds
        total          INTEGER NOT NULL,   -- milliseconds
        input_tokens   INTEGER,
        output_tokens  INTEGER,
        cost           REAL                -- US$
    );
    CREATE INDEX IF NOT EXISTS request_started ON request (started);
";

/// Opens or makes the file.
pub(crate) fn open(path: &Path) -> Result<Connection, LedgerError> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|source| LedgerError::File { path: folder.to_owned(), source })?;
    }
    match prepare(path) {
        Err(LedgerError::Database { source, .. })
            if matches!(source.sqlite_error_code(), Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt)) =>
        {
            set_aside(path)?;
            prepare(path)
        }
        other => other,
    }
}

fn prepare(path: &Path) -> Result<Connection, LedgerError> {
    let database = |source| LedgerError::Database { path: path.to_owned(), source };
    let connection = Connection::open(path).map_err(database)?;
    connection.busy_timeout(Duration::from_secs(5)).map_err(database)?;
    // WAL with NORMAL: a crash of this program loses nothing, one of the machine at most the last batch.
    connection.pragma_update(None, "journal_mode", "WAL").map_err(database)?;
    connection.pragma_update(None, "synchronous", "NORMAL").map_err(database)?;
    // The tables are small and read seldom: SQLite's default page cache of 2 MB would be most of what is idle here.
    connection.pragma_update(None, "cache_size", -256).map_err(database)?;
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(database)?;
    if found > FORMAT {
        return Err(LedgerError::Newer { path: path.to_owned(), found, known: FORMAT });
    }
    connection.execute_batch(TABLES).map_err(database)?;
    connection.pragma_update(None, "user_version", FORMAT).map_err(database)?;
    Ok(connection)
}

fn set_aside(path: &Path) -> Result<(), LedgerError> {
    let stamp = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".unreadable-{stamp}"));
    tracing::warn!(path = %path.display(), moved_to = %name.display(), "the ledger cannot be read: a new one is begun");
    fs::rename(path, name).map_err(|source| LedgerError::File { path: path.to_owned(), source })
}
