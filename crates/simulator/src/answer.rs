//! What is answered, before any API puts it into its own form: words, reasoning, a tool call, usage.

use serde_json::{Map, Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::options::{Kind, Options, ReasoningForm};
use crate::request::Asked;

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
    pub(crate) tool: Option<ToolCall>,
    pub(crate) end: End,
    pub(crate) input_tokens: u64,
    pub(crate) output_tokens: u64,
    pub(crate) reasoning_tokens: u64,
    pub(crate) word_delay: Duration,
}

/// A call of the client's first tool.
#[derive(Clone, Debug)]
pub(crate) struct ToolCall {
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
        let tool = if asked.after_tool || !asked.last_words.contains("TOOL") { None } else { asked.tool.as_ref() };
        let tool = tool.map(|(name, schema)| ToolCall { name: name.clone(), arguments: example_of(schema) });
        let text = match (&options.reply, &tool) {
            (_, Some(call)) => format!("I will call {} for that.", call.name),
            (Some(reply), None) => reply.clone(),
            (None, None) => {
                let place = if kind.is_local() { "Local model" } else { "Hosted" };
                let end = if asked.after_tool { "The tool has answered; thank you." } else { "That is my answer." };
                format!("{place} {model} here: you said “{}”. {end}", asked.last_words.trim())
            }
        };
        let mut words = in_words(&text);
        let mut thoughts = Vec::new();
        let mut form = ReasoningForm::Deltas;
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
        let mut end = if tool.is_some() { End::Tool } else { End::Stop };
        if let Some(limit) = asked.limit
            && tool.is_none()
            && thoughts.len() + words.len() > limit
        {
            thoughts.truncate(limit);
            words.truncate(limit - thoughts.len());
            end = End::Length;
        }
        let in_tool = tool.as_ref().map_or(0, |t| t.arguments.to_string().len().div_ceil(4)) as u64;
        Answer {
            kind,
            model: model.to_owned(),
            id: fresh_id(),
            created: unix_seconds(),
            output_tokens: (words.len() + thoughts.len()) as u64 + in_tool,
            reasoning_tokens: thoughts.len() as u64,
            words,
            thoughts,
            reasoning_form: form,
            tool,
            end,
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
    match schema.get("type").and_then(Value::as_str) {
        Some("string") => json!("pilot light"),
        Some("number" | "integer") => json!(1),
        Some("boolean") => json!(true),
        Some("array") => json!([]),
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
