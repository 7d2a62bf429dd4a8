//! Faults: what can go wrong on demand, when, and for which requests. Knows no API's words and no socket: the server
//! asks for the fault that fits a request and acts on it.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

use crate::lm_studio::shelf::UnloadCause;

/// What goes wrong. In JSON the name stands under `fault`, as in `{"fault":"cut","after":3,"times":1}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Fault {
    /// The listener is closed: connections are refused until the rule is cleared or its `for_ms` is over. Concerns
    /// every path. See [`Control::refuse`](crate::Control::refuse), which returns when it is in force.
    Refuse {},
    /// The request is read, and from this moment on nothing more is sent; the connection stays open.
    Hang {
        /// When.
        #[serde(default)]
        after: After,
    },
    /// Another status, at once.
    Status {
        /// The status code.
        status: u16,
        /// Headers to add, such as `retry-after`.
        #[serde(default)]
        headers: BTreeMap<String, String>,
        /// The body: JSON, or a string to be sent as it is. Left out: this API's own error for this status.
        #[serde(default)]
        body: Option<Value>,
    },
    /// Not a byte (headers included) for so long, then the usual answer. Adds to any other fault that fits.
    SlowFirstByte {
        /// How long, in milliseconds.
        ms: u64,
    },
    /// The connection breaks, without the chunk that would end the body.
    Cut {
        /// When.
        #[serde(default = "After::no_content")]
        after: After,
        /// Whether by a TCP reset. Otherwise the connection is closed.
        #[serde(default)]
        reset: bool,
    },
    /// An error in this API's own form: in a stream an event (`request` and `headers`: its very first), otherwise a 500
    /// (LM Studio: a 400).
    ErrorEvent {
        /// When.
        #[serde(default = "After::no_content")]
        after: After,
        /// The message. Left out: what this server says when it is overloaded or its model crashed.
        #[serde(default)]
        message: Option<String>,
        /// The code or type, where this API has one.
        #[serde(default)]
        code: Option<String>,
    },
    /// The stream ends properly but early: its last chunk comes, its last event does not.
    End {
        /// When.
        #[serde(default = "After::no_content")]
        after: After,
    },
    /// Something under HTTP 200 that is not what was promised.
    Malformed {
        /// What.
        form: Malformed,
        /// When, for the two forms that can come in the midst of a stream.
        #[serde(default = "After::no_content")]
        after: After,
    },
    /// LM Studio, Ollama: the model that answers is unloaded at this moment.
    Unload {
        /// When.
        #[serde(default = "After::no_content")]
        after: After,
        /// Why.
        cause: UnloadCause,
    },
    /// The server dies at this moment, as after `kill -9`: see [`Die`](crate::Die).
    Die {
        /// When.
        #[serde(default = "After::no_content")]
        after: After,
    },
    /// LM Studio, Ollama: loads take so long. Combines with [`Fault::LoadFails`].
    LoadTakes {
        /// How long, in milliseconds.
        ms: u64,
    },
    /// LM Studio, Ollama: loads end in an error.
    LoadFails {
        /// What it says. Left out: that memory does not suffice.
        #[serde(default)]
        message: Option<String>,
    },
}

impl Fault {
    /// The request is read and never answered.
    pub fn hang() -> Fault {
        Fault::Hang { after: After::Request }
    }

    /// Headers are sent, and nothing after them.
    pub fn hang_after_headers() -> Fault {
        Fault::Hang { after: After::Headers }
    }

    /// This status with this API's own error.
    pub fn status(status: u16) -> Fault {
        Fault::Status { status, headers: BTreeMap::new(), body: None }
    }

    /// This status with a header and this API's own error.
    pub fn status_with_header(status: u16, name: &str, value: &str) -> Fault {
        Fault::Status { status, headers: BTreeMap::from([(name.to_owned(), value.to_owned())]), body: None }
    }

    /// This status with this body.
    pub fn status_with_body(status: u16, body: Value) -> Fault {
        Fault::Status { status, headers: BTreeMap::new(), body: Some(body) }
    }

    /// Nothing for so long, then the usual answer.
    pub fn slow_first_byte(delay: Duration) -> Fault {
        Fault::SlowFirstByte { ms: milliseconds(delay) }
    }

    /// The connection closes after so many content events; 0 is before any content.
    pub fn cut(content_events: usize) -> Fault {
        Fault::Cut { after: After::Content(content_events), reset: false }
    }

    /// An error event after so many content events; 0 is before any content.
    pub fn error_event(content_events: usize) -> Fault {
        Fault::ErrorEvent { after: After::Content(content_events), message: None, code: None }
    }

    /// Something malformed before any content.
    pub fn malformed(form: Malformed) -> Fault {
        Fault::Malformed { form, after: After::Content(0) }
    }

    /// Loads take so long.
    pub fn load_takes(time: Duration) -> Fault {
        Fault::LoadTakes { ms: milliseconds(time) }
    }

    /// Loads fail.
    pub fn load_fails() -> Fault {
        Fault::LoadFails { message: None }
    }

    /// As a rule for so many requests (or loads).
    pub fn times(self, times: u32) -> Rule {
        Rule::from(self).times(times)
    }

    /// As a rule for one path.
    pub fn on_path(self, path: &str) -> Rule {
        Rule::from(self).on_path(path)
    }

    /// As a rule for one model.
    pub fn for_model(self, model: &str) -> Rule {
        Rule::from(self).for_model(model)
    }

    /// The moment at which it happens, where it is one that comes in the course of an answer.
    pub(crate) fn after(&self) -> Option<After> {
        match self {
            Fault::Hang { after }
            | Fault::Cut { after, .. }
            | Fault::ErrorEvent { after, .. }
            | Fault::End { after }
            | Fault::Malformed { after, .. }
            | Fault::Unload { after, .. }
            | Fault::Die { after } => Some(*after),
            Fault::Refuse {}
            | Fault::Status { .. }
            | Fault::SlowFirstByte { .. }
            | Fault::LoadTakes { .. }
            | Fault::LoadFails { .. } => None,
        }
    }

    fn concerns_loads(&self) -> bool {
        matches!(self, Fault::LoadTakes { .. } | Fault::LoadFails { .. })
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A moment in an answer. In JSON: `"request"`, `"headers"`, or a number of content events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub enum After {
    /// The request was read, nothing was sent.
    #[default]
    Request,
    /// Status and headers were sent.
    Headers,
    /// So many events with content were sent. 0: everything that goes before the first of them was. More than the
    /// answer has: all of them were, and the events that end the stream were not.
    Content(usize),
}

impl After {
    fn no_content() -> After {
        After::Content(0)
    }
}

impl TryFrom<Value> for After {
    type Error = String;

    fn try_from(json: Value) -> Result<After, String> {
        let number = json.as_u64().and_then(|n| usize::try_from(n).ok());
        match (json.as_str(), number) {
            (Some("request"), _) => Ok(After::Request),
            (Some("headers"), _) => Ok(After::Headers),
            (_, Some(events)) => Ok(After::Content(events)),
            _ => {
                Err(format!("after: {json} is no moment; write \"request\", \"headers\" or a number of content events"))
            }
        }
    }
}

impl From<After> for Value {
    fn from(after: After) -> Value {
        match after {
            After::Request => Value::from("request"),
            After::Headers => Value::from("headers"),
            After::Content(events) => Value::from(events),
        }
    }
}

/// What is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Malformed {
    /// A well-framed event whose data is not JSON; then the end.
    BadJson,
    /// Plain text where an event should be; then the end. So ends a stream behind a proxy whose upstream crashed.
    Unframed,
    /// A page of HTML instead of an answer.
    Html,
    /// No body at all.
    Empty,
}

/// A fault, and which requests it concerns.
///
/// Without a path it concerns every request for an answer (responses, chat, completions, messages, embeddings), but not
/// listings and the like, so that a poll does not use it up.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// What goes wrong.
    pub fault: Fault,
    /// For how many requests (loads, for the faults of loads); `None`: until it is cleared.
    pub times: Option<u32>,
    /// Only on this path, without its query. `*` at the end stands for anything: `*` alone is every path.
    pub path: Option<String>,
    /// Only where the request names this model (for the faults of loads: where this model is loaded).
    pub model: Option<String>,
    /// For so long from when it is set; `None`: until it is cleared.
    pub lasting: Option<Duration>,
}

impl From<Fault> for Rule {
    fn from(fault: Fault) -> Rule {
        Rule { fault, times: None, path: None, model: None, lasting: None }
    }
}

impl Rule {
    /// For so many requests.
    pub fn times(mut self, times: u32) -> Rule {
        self.times = Some(times);
        self
    }

    /// Only on this path; see [`Rule::path`].
    pub fn on_path(mut self, path: &str) -> Rule {
        self.path = Some(path.to_owned());
        self
    }

    /// Only for this model; see [`Rule::model`].
    pub fn for_model(mut self, model: &str) -> Rule {
        self.model = Some(model.to_owned());
        self
    }

    /// For so long.
    pub fn lasting(mut self, time: Duration) -> Rule {
        self.lasting = Some(time);
        self
    }

    /// Reads a rule from JSON: the fault's own members and, beside them, `times`, `path`, `model`, `for_ms`.
    pub fn from_json(json: Value) -> Result<Rule, RuleError> {
        let Value::Object(mut members) = json else {
            return Err(RuleError("a fault is an object, such as {\"fault\":\"hang\",\"times\":1}".into()));
        };
        let times = members.remove("times").unwrap_or_default();
        let path = members.remove("path").unwrap_or_default();
        let model = members.remove("model").unwrap_or_default();
        let lasting = members.remove("for_ms").unwrap_or_default();
        let fault = serde_json::from_value(Value::Object(members)).map_err(|e| RuleError(e.to_string()))?;
        let times = serde_json::from_value(times).map_err(|e| RuleError(format!("times: {e}")))?;
        let path = serde_json::from_value(path).map_err(|e| RuleError(format!("path: {e}")))?;
        let model = serde_json::from_value(model).map_err(|e| RuleError(format!("model: {e}")))?;
        let lasting: Option<u64> = serde_json::from_value(lasting).map_err(|e| RuleError(format!("for_ms: {e}")))?;
        let rule = Rule { fault, times, path, model, lasting: lasting.map(Duration::from_millis) };
        if matches!(rule.fault, Fault::Refuse {})
            && (rule.times.is_some() || rule.path.is_some() || rule.model.is_some())
        {
            return Err(RuleError("refuse sees no request: it takes for_ms, but no times, path or model".into()));
        }
        Ok(rule)
    }

    /// The same as [`Rule::from_json`] reads.
    pub fn to_json(&self) -> Value {
        let mut json = serde_json::to_value(&self.fault).unwrap_or_default();
        if let Value::Object(members) = &mut json {
            let mut put = |name: &str, value: Option<Value>| {
                if let Some(value) = value {
                    members.insert(name.to_owned(), value);
                }
            };
            put("times", self.times.map(Value::from));
            put("path", self.path.clone().map(Value::from));
            put("model", self.model.clone().map(Value::from));
            put("for_ms", self.lasting.map(|d| Value::from(milliseconds(d))));
        }
        json
    }

    fn fits_path(&self, path: &str, generation: bool) -> bool {
        match self.path.as_deref() {
            None => generation,
            Some(pattern) => match pattern.strip_suffix('*') {
                Some(start) => path.starts_with(start),
                None => path == pattern,
            },
        }
    }

    fn fits_model(&self, model: Option<&str>) -> bool {
        self.model.is_none() || self.model.as_deref() == model
    }
}

/// Why a rule was not understood.
#[derive(Clone, Debug)]
pub struct RuleError(pub(crate) String);

impl std::fmt::Display for RuleError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RuleError {}

/// A rule that was set, for clearing it alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultId(pub u64);

/// The rules in force, in the order they were set.
#[derive(Default)]
pub(crate) struct Rules {
    rules: Vec<Entry>,
    last: u64,
}

struct Entry {
    id: FaultId,
    rule: Rule,
    until: Option<Instant>,
}

/// What fits one load.
#[derive(Default)]
pub(crate) struct LoadFaults {
    pub(crate) takes: Option<Duration>,
    pub(crate) fails: Option<String>,
}

impl Rules {
    pub(crate) fn add(&mut self, rule: Rule, now: Instant) -> FaultId {
        self.last += 1;
        let id = FaultId(self.last);
        let until = rule.lasting.map(|d| now + d);
        self.rules.push(Entry { id, rule, until });
        id
    }

    pub(crate) fn clear(&mut self) {
        self.rules.clear();
    }

    pub(crate) fn clear_one(&mut self, id: FaultId) -> bool {
        let before = self.rules.len();
        self.rules.retain(|e| e.id != id);
        self.rules.len() < before
    }

    pub(crate) fn list(&mut self, now: Instant) -> Vec<(FaultId, Rule)> {
        self.expire(now);
        self.rules.iter().map(|e| (e.id, e.rule.clone())).collect()
    }

    /// The delay and the first other fault for this request; each counts down the rules it took.
    pub(crate) fn take(
        &mut self,
        path: &str,
        model: Option<&str>,
        generation: bool,
        now: Instant,
    ) -> (Duration, Option<Fault>) {
        self.expire(now);
        let mut delay = Duration::ZERO;
        let mut found = None;
        for entry in &mut self.rules {
            let rule = &mut entry.rule;
            if rule.fault.concerns_loads() || !rule.fits_path(path, generation) || !rule.fits_model(model) {
                continue;
            }
            match &rule.fault {
                Fault::Refuse {} => continue,
                Fault::SlowFirstByte { ms } => delay += Duration::from_millis(*ms),
                fault if found.is_none() => found = Some(fault.clone()),
                _ => continue,
            }
            count_down(rule);
        }
        self.rules.retain(|e| e.rule.times != Some(0));
        (delay, found)
    }

    /// What fits a load of this model. `no_memory` is what it ends in where a fault has no words of its own.
    pub(crate) fn take_for_load(&mut self, key: &str, now: Instant, no_memory: &str) -> LoadFaults {
        self.expire(now);
        let mut faults = LoadFaults::default();
        for entry in &mut self.rules {
            let rule = &mut entry.rule;
            if !rule.fits_model(Some(key)) {
                continue;
            }
            match &rule.fault {
                Fault::LoadTakes { ms } if faults.takes.is_none() => faults.takes = Some(Duration::from_millis(*ms)),
                Fault::LoadFails { message } if faults.fails.is_none() => {
                    faults.fails = Some(message.clone().unwrap_or_else(|| no_memory.to_owned()));
                }
                _ => continue,
            }
            count_down(rule);
        }
        self.rules.retain(|e| e.rule.times != Some(0));
        faults
    }

    fn expire(&mut self, now: Instant) {
        self.rules.retain(|e| e.until.is_none_or(|until| now < until) && e.rule.times != Some(0));
    }
}

fn count_down(rule: &mut Rule) {
    if let Some(times) = &mut rule.times {
        *times = times.saturating_sub(1);
    }
}
