//! The account of one request, from its arrival to its one `Finished` event, however it ends.

use std::fmt::Write as _;
use std::time::SystemTime;

use http::{HeaderMap, HeaderName, HeaderValue};
use pilotlight_wire::{ClientApi, ModelRef, Usage};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::callers::Turn;
use crate::code::Code;
use crate::events::{AttemptReport, Event, Outcome, Phase, Served};
use crate::routes::Target;

/// The header that names who served, or whose fault it is.
pub const MODEL: HeaderName = HeaderName::from_static("x-pilotlight-model");
/// The header with every candidate and what became of it.
pub const ATTEMPTS: HeaderName = HeaderName::from_static("x-pilotlight-attempts");
/// The header that names who is waited for, where headers had to be sent before anybody had answered.
pub const WAITING: HeaderName = HeaderName::from_static("x-pilotlight-waiting");

/// The account of one request. Dropped before it was closed, it tells that the client went away.
pub struct Record {
    events: mpsc::UnboundedSender<Event>,
    arrived: Instant,
    /// `None` once it is closed.
    served: Option<Box<Served>>,
    whole: bool,
    /// Its place among the requests that are served.
    turn: Option<Turn>,
}

impl Record {
    /// Opens the account and tells of it.
    pub fn open(events: mpsc::UnboundedSender<Event>, id: u64, asked: &str, api: ClientApi, streaming: bool) -> Self {
        let at = SystemTime::now();
        let asked = asked.to_owned();
        // Nobody need listen.
        let _ = events.send(Event::Started { id, asked: asked.clone(), api, streaming, at });
        let served = Served {
            id,
            started: at,
            asked,
            api,
            streaming,
            served_by: None,
            location: None,
            attempts: Vec::new(),
            outcome: Outcome::Cancelled,
            http_status: 0,
            first_content: None,
            total: std::time::Duration::ZERO,
            usage: None,
        };
        Self { events, arrived: Instant::now(), served: Some(Box::new(served)), whole: false, turn: None }
    }

    /// The request has its place, until the account ends.
    pub fn holds(&mut self, turn: Turn) {
        self.turn = Some(turn);
    }

    /// A candidate enters a phase.
    pub fn phase(&self, candidate: &ModelRef, phase: Phase) {
        if let Some(served) = &self.served {
            let _ = self.events.send(Event::Phase { id: served.id, candidate: candidate.clone(), phase });
        }
    }

    /// What became of a candidate.
    pub fn attempt(&mut self, model: &ModelRef, code: Code, detail: impl Into<String>) {
        let detail = detail.into();
        tracing::debug!(%model, %code, detail, "attempt");
        if let Some(served) = &mut self.served {
            served.attempts.push(AttemptReport { model: model.clone(), code, detail });
        }
    }

    /// Every candidate so far.
    pub fn attempts(&self) -> &[AttemptReport] {
        self.served.as_ref().map(|served| served.attempts.as_slice()).unwrap_or_default()
    }

    /// The first content came from this target.
    pub fn content(&mut self, target: &Target) {
        let after = self.arrived.elapsed();
        self.attempt(&target.model, Code::Ok, "");
        if let Some(served) = &mut self.served {
            served.served_by = Some(target.model.clone());
            served.location = Some(target.location);
            served.first_content = Some(after);
        }
        self.phase(&target.model, Phase::Streaming);
    }

    /// The status that was sent.
    pub fn status(&mut self, status: u16) {
        if let Some(served) = &mut self.served {
            served.http_status = status;
        }
    }

    /// What was read of a stream so far: its tokens, and whether it is whole. A client that leaves after that has
    /// been served.
    pub fn progress(&mut self, usage: Option<Usage>, whole: bool) {
        self.whole = whole;
        if let Some(served) = &mut self.served {
            served.usage = usage;
        }
    }

    /// Closes the account.
    pub fn close(&mut self, outcome: Outcome) {
        let Some(mut served) = self.served.take() else { return };
        served.outcome = outcome;
        served.total = self.arrived.elapsed();
        let _ = self.events.send(Event::Finished(served));
    }

    /// The headers that say who served and what was tried.
    pub fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Some(served) = &self.served {
            if let Some(model) = &served.served_by {
                headers.insert(MODEL, ascii(&model.to_string()));
            }
            if !served.attempts.is_empty() {
                headers.insert(ATTEMPTS, ascii(&self.attempts_text()));
            }
        }
        headers
    }

    /// `lmstudio/x=cold; anthropic/y=ok`.
    pub fn attempts_text(&self) -> String {
        let mut text = String::with_capacity(64);
        for (place, report) in self.attempts().iter().enumerate() {
            let between = if place == 0 { "" } else { "; " };
            // A string takes whatever is written.
            let _ = write!(text, "{between}{}={}", report.model, report.code);
        }
        text
    }

    /// The same as [`Record::headers`] as a comment of a stream whose headers were sent before this was known.
    pub fn comment(&self) -> String {
        let served_by = self.served.as_ref().and_then(|served| served.served_by.as_ref());
        let model = served_by.map_or_else(|| "none".to_owned(), ModelRef::to_string);
        let line = format!(": x-pilotlight-model={model} x-pilotlight-attempts={}", self.attempts_text());
        format!("{}\n\n", line.replace(['\r', '\n'], " "))
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.close(if self.whole { Outcome::Served } else { Outcome::Cancelled });
    }
}

/// A header's value; what cannot stand in one becomes `?`.
pub fn ascii(text: &str) -> HeaderValue {
    let fits = |c: char| c.is_ascii_graphic() || c == ' ';
    if text.bytes().all(|byte| fits(byte.into())) {
        return HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""));
    }
    let text: String = text.chars().map(|c| if fits(c) { c } else { '?' }).collect();
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
}
