//! What is answered, before any API puts it into its own form: words, reasoning, a tool call, usage.

use serde_json::{Map, Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::options::{Kind, Options, ReasoningForm};
use crate::request::Asked;
use crate::wants::{Choice, Form};

/// One answer of a model.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) kind: Kind,
    /// The model that answers, as it names itself.
    pub(crate) model: String,
    /// Letters and digits that nobody else has; each API puts its own prefix before it.
    pub(crate) id: String,
    /// Unix seconds.
    pub(crate) created: u64,
    /// The text, in the pieces in which it is streamed.
    pub(crate) words: Vec<String>,
    /// Reasoning apart from the text, in pieces; empty where there is none.
    pub(crate) thoughts: Vec<String>,
    pub(crate) reasoning_form: ReasoningForm,
    pub(crate) calls: Vec<ToolCall>,
    pub(crate) end: End,
    /// The words before which the answer was ended, where the request has named such.
    pub(crate) stopped_at: Option<String>,
    /// How many times it is given (Chat's `n`).
    pub(crate) times: usize,
    pub(crate) input_tokens: u64,
    pub(crate) output_tokens: u64,
    pub(crate) reasoning_tokens: u64,
    pub(crate) word_delay: Duration,
}

/// A call of one of the client's tools.
#[derive(Clone, Debug)]
pub(crate) struct ToolCall {
    /// As [`Answer::id`].
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) arguments: Value,
}

/// Why the answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Stop,
    Length,
    Tool,
}

impl Answer {
    /// What this model says to this request.
    pub(crate) fn to(asked: &Asked, kind: Kind, model: &str, options: &Options) -> Answer {
        let calls = calls(asked);
        let mut text = match calls.first() {
            Some(call) => format!("I will call {} for that.", call.name),
            None => words_to(asked, kind, model, options),
        };
        let cut = asked.wants.stops.iter().filter(|stop| !stop.is_empty());
        let cut = cut.filter_map(|stop| text.find(stop).map(|at| (at, stop.clone()))).min();
        let stopped_at = cut.filter(|_| calls.is_empty()).map(|(at, stop)| {
            text.truncate(at);
            stop
        });
        let mut words = in_words(&text);
        let mut thoughts = Vec::new();
        let mut form = ReasoningForm::Deltas;
        if asked.wants.thinks && options.reasoning.is_none() {
            thoughts = in_words(THOUGHT);
        }
        if let Some(reasoning) = &options.reasoning {
            form = reasoning.form;
            let mut pieces = in_words(&reasoning.text);
            if form == ReasoningForm::InText {
                pieces.push("</think>\n".into());
                pieces.append(&mut words);
                words = pieces;
            } else {
                thoughts = pieces;
            }
        }
        let mut end = if !calls.is_empty() { End::Tool } else { End::Stop };
        if let Some(limit) = asked.limit
            && calls.is_empty()
            && thoughts.len() + words.len() > limit
        {
            thoughts.truncate(limit);
            words.truncate(limit - thoughts.len());
            end = End::Length;
        }
        let in_calls: usize = calls.iter().map(|call| call.arguments.to_string().len().div_ceil(4)).sum();
        Answer {
            kind,
            model: model.to_owned(),
            id: fresh_id(),
            created: unix_seconds(),
            output_tokens: (words.len() + thoughts.len()) as u64 + in_calls as u64,
            reasoning_tokens: thoughts.len() as u64,
            words,
            thoughts,
            reasoning_form: form,
            calls,
            end,
            stopped_at: stopped_at.filter(|_| end == End::Stop),
            times: asked.wants.answers,
            input_tokens: asked.input_tokens,
            word_delay: options.word_delay,
        }
    }

    pub(crate) fn text(&self) -> String {
        self.words.concat()
    }

    pub(crate) fn thought(&self) -> String {
        self.thoughts.concat()
    }

    /// How long a model takes to write all of it.
    pub(crate) fn writing_time(&self) -> Duration {
        self.word_delay * u32::try_from(self.words.len() + self.thoughts.len()).unwrap_or(u32::MAX)
    }
}

/// What is thought where a request asks for thoughts and nothing else was given.
const THOUGHT: &str = "This was asked plainly, so I answer plainly.";

/// The calls that the request asks for: by its choice of tools, or by the word TOOL in the user's last words, until the
/// result is there. `TOOL(name)` names one, `TOOL(name){…}` gives its arguments too.
fn calls(asked: &Asked) -> Vec<ToolCall> {
    let wants = &asked.wants;
    let (mut name, mut arguments) = (None, None);
    if let Some((_, rest)) = asked.order.as_deref().and_then(|order| order.split_once("TOOL("))
        && let Some((named, rest)) = rest.split_once(')')
    {
        name = Some(named.to_owned());
        arguments = serde_json::Deserializer::from_str(rest).into_iter::<Value>().next().and_then(Result::ok);
    }
    match &wants.choice {
        Choice::None => return Vec::new(),
        Choice::Named(named) => name = Some(named.clone()),
        Choice::Some => {}
        Choice::Free if asked.after_tool || asked.order.is_none() => return Vec::new(),
        Choice::Free => {}
    }
    let several = asked.last_words.contains("both tools") && !wants.one_call && name.is_none();
    let fits = |tool: &&(String, Value)| name.as_ref().is_none_or(|name| *name == tool.0);
    let chosen = wants.tools.iter().filter(fits).take(if several { 2 } else { 1 });
    chosen
        .map(|(name, schema)| {
            let arguments = arguments.clone().filter(Value::is_object).unwrap_or_else(|| example_of(schema));
            ToolCall { id: fresh_id(), name: name.clone(), arguments }
        })
        .collect()
}

/// The words of an answer that calls no tool.
fn words_to(asked: &Asked, kind: Kind, model: &str, options: &Options) -> String {
    match &asked.wants.form {
        Form::Schema(schema) => return example_of(schema).to_string(),
        Form::Object => return json!({"answer": asked.last_words.trim()}).to_string(),
        Form::Text => {}
    }
    if let Some(reply) = &options.reply {
        return reply.clone();
    }
    let one_word = asked.wants.system.split_once("exactly the word \"").and_then(|(_, rest)| rest.split_once('"'));
    if let Some((word, _)) = one_word {
        return word.to_owned();
    }
    // Only Anthropic's models go on with what stands there as their own beginning.
    if asked.begun && kind == Kind::Anthropic {
        return "is how I go on from there. That is my answer.".to_owned();
    }
    let place = if kind.is_local() { "Local model" } else { "Hosted" };
    let end = if asked.after_tool { "The tool has answered; thank you." } else { "That is my answer." };
    let earlier = asked.earlier_words.as_deref().map(str::trim).filter(|words| words.len() <= 80);
    let before = earlier.map(|words| format!("after “{words}” ")).unwrap_or_default();
    let said = asked.last_words.trim();
    let answer = format!("{place} {model} here: {before}you said “{said}”. {end}");
    let at_length = ["long essay", "at length", "1 to 100"].iter().any(|much| said.contains(much));
    if at_length { vec![answer; 6].join(" ") } else { answer }
}

/// Cuts before each word, so that the pieces put together give the text to the byte.
fn in_words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut in_space = true;
    for c in text.chars() {
        let space = c.is_whitespace();
        match words.last_mut() {
            Some(word) if !space || in_space => word.push(c),
            _ => words.push(c.to_string()),
        }
        in_space = space;
    }
    words
}

/// The least value that fits a JSON schema, as far as tool parameters go.
fn example_of(schema: &Value) -> Value {
    if let Some(first) = schema.get("enum").and_then(|e| e.get(0)) {
        return first.clone();
    }
    if let Some(only) = schema.get("const") {
        return only.clone();
    }
    if let Some(first) = ["anyOf", "oneOf"].iter().find_map(|several| schema.get(*several)?.get(0)) {
        return example_of(first);
    }
    let kind = schema.get("type");
    match kind.and_then(|kind| kind.as_str().or_else(|| kind.get(0)?.as_str())) {
        Some("string" | "STRING") => json!("pilot light"),
        Some("number" | "integer" | "NUMBER" | "INTEGER") => schema.get("minimum").cloned().unwrap_or(json!(1)),
        Some("boolean" | "BOOLEAN") => json!(true),
        Some("array" | "ARRAY") => {
            let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(0).min(16);
            let item = example_of(schema.get("items").unwrap_or(&Value::Null));
            Value::Array((0..least).map(|_| item.clone()).collect())
        }
        _ => {
            let mut object = Map::new();
            let required = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
            for name in required.iter().filter_map(Value::as_str) {
                let property = schema.pointer("/properties").and_then(|p| p.get(name)).unwrap_or(&Value::Null);
                object.insert(name.to_owned(), example_of(property));
            }
            Value::Object(object)
        }
    }
}

/// 24 letters and digits, different each time. They need not be hard to guess.
pub(crate) fn fresh_id() -> String {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let count = LAST.fetch_add(1, Ordering::Relaxed) + 1;
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos());
    let seed = u64::try_from(nanos & u128::from(u64::MAX)).unwrap_or(0);
    let mut mixed = seed ^ count.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    format!("{:016x}{:08x}", mixed ^ (mixed >> 31), count & 0xffff_ffff)
}

/// A moment as RFC 3339 writes it, in UTC.
pub(crate) fn rfc3339(unix_seconds: u64) -> String {
    let (days, second) = (unix_seconds / 86_400, unix_seconds % 86_400);
    // Howard Hinnant's civil_from_days, for days since 1970: the year begins in March, so that a leap day is its last.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3_600, second / 60 % 60, second % 60)
}

pub(crate) fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn words_put_together_give_the_text() {
        for text in ["", "one", " a  b\nc ", "Local model x here: you said “hé 日本”."] {
            assert_eq!(in_words(text).concat(), text);
        }
        assert_eq!(in_words("one two  three"), ["one", " two", "  three"]);
    }

    #[test]
    fn an_example_fits_its_schema() {
        let schema = json!({"type": "object", "required": ["city", "unit", "days"], "properties": {
            "city": {"type": "string"}, "unit": {"type": "string", "enum": ["c", "f"]}, "days": {"type": "integer"},
            "left_out": {"type": "string"}}});
        assert_eq!(example_of(&schema), json!({"city": "pilot light", "unit": "c", "days": 1}));
        assert_eq!(example_of(&Value::Null), json!({}));
    }

    #[test]
    fn moments() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_767_225_599, "2025-12-31T23:59:59Z"),
            (1_772_323_200, "2026-03-01T00:00:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(seconds), text);
        }
    }

    #[test]
    fn ids_differ() {
        assert_ne!(fresh_id(), fresh_id());
    }
}
