//! Masks: what stands for a secret in everything that leaves for a page, and becomes the secret again on the way back.
//!
//! A mask is `‹kept:N›`. The secret behind a number never changes while the program runs, and no number is used again
//! by the next run (they begin at a random one), so a mask can be moved, copied, kept in a draft, and put into another
//! file; one that is not known is refused, never guessed at. What is hidden is decided by `ground`; texts are read word
//! by word (`lexer`), so a text with a mistake in it hides its keys as well.
//!
//! Must not know: files, the store, the page.

mod ground;
mod lexer;
mod text;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use pilotlight_wire::Secret;
use serde_json::Value;

pub(super) use ground::is_open as is_no_key;
use ground::{Ground, is_open, secrets_in};
pub(super) use text::Masked;

const START: &str = "‹kept:";
const END: char = '›';
/// A shorter secret is hidden where it stands, but not looked for elsewhere: it could be any word.
const SHORTEST: usize = 8;

/// A mask that stands for nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "line {line}: {mask} stands for no key that is known here: load the page anew, or write the key or a ${{VARIABLE}}"
)]
pub(super) struct UnknownMask {
    /// As it stands there.
    mask: String,
    /// Its line, in a text; in a value 0.
    line: usize,
}

impl UnknownMask {
    /// The same, in words that fit where it was found.
    pub(super) fn message(&self) -> String {
        if self.line > 0 { self.to_string() } else { self.to_string().replacen("line 0: ", "", 1) }
    }
}

/// How a secret was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Form {
    /// In quotes of this kind.
    Quoted(char),
    /// Without quotes: in a comment, or by mistake.
    Bare,
}

struct Hidden {
    raw: Secret,
    form: Form,
    value: Secret,
}

/// The masks in use. Every secret that was ever hidden is kept until the program ends.
pub(super) struct Masks {
    table: Mutex<Table>,
}

struct Table {
    first: u64,
    hidden: Vec<Hidden>,
    numbers: HashMap<(String, Form), usize>,
}

impl Masks {
    /// None so far.
    pub(super) fn new() -> Self {
        use std::hash::{BuildHasher as _, Hasher as _};
        // Random enough to be another one in the next run.
        let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
        let first = (random % 900_000 + 100_000) * 10_000;
        Self { table: Mutex::new(Table { first, hidden: Vec::new(), numbers: HashMap::new() }) }
    }

    /// The texts and the value of one configuration, masked. `known` are secrets that came from elsewhere, such as the
    /// environment. The masked value has the same masks as the texts.
    pub(super) fn hide(&self, texts: &[(&str, &str)], value: &Value, known: &[Secret]) -> Concealed {
        let mut secrets: Vec<String> = known.iter().map(|secret| secret.expose().to_owned()).collect();
        for text in texts {
            secrets.extend(text::secrets_by_place(text.1, Ground::Plain));
        }
        secrets_of_value(value, Ground::Plain, None, true, &mut secrets);
        secrets.retain(|secret| secret.len() >= SHORTEST && !is_open(secret));
        secrets.sort_by(|a, b| (b.len(), b).cmp(&(a.len(), a)));
        secrets.dedup();
        let grounds = text::grounds_of_includes(texts);
        let mut table = self.table();
        let texts = texts
            .iter()
            .map(|(path, text)| {
                let ground = grounds.get(*path).copied().unwrap_or(Ground::Plain);
                text::mask(&mut table, text, ground, &secrets)
            })
            .collect();
        let mut masked = value.clone();
        mask_value(&mut table, &mut masked, Ground::Plain, None, true, &secrets);
        Concealed { texts, value: masked, secrets }
    }

    /// A text with its secrets put back.
    pub(super) fn reveal(&self, masked: &str) -> Result<String, UnknownMask> {
        text::unmask(&self.table(), masked)
    }

    /// A value with its secrets put back.
    pub(super) fn reveal_value(&self, value: &mut Value) -> Result<(), UnknownMask> {
        let table = self.table();
        let mut result = Ok(());
        each_string(value, &mut |text| match table.revealed(text) {
            Ok(revealed) => *text = revealed,
            Err(unknown) => result = Err(unknown),
        });
        result
    }

    fn table(&self) -> std::sync::MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One configuration, masked.
pub(super) struct Concealed {
    /// In the order they were given.
    pub(super) texts: Vec<Masked>,
    pub(super) value: Value,
    secrets: Vec<String>,
}

impl Concealed {
    /// A message that may repeat part of the configuration.
    pub(super) fn message(&self, message: &str) -> String {
        let mut out = String::with_capacity(message.len());
        let mut at = 0;
        for range in secrets_in(message, &self.secrets) {
            out.push_str(&message[at..range.start]);
            out.push('…');
            at = range.end;
        }
        out.push_str(&message[at..]);
        out
    }

    /// A value that is not part of the configuration, such as that of an edit which would mend it.
    pub(super) fn other_value(&self, masks: &Masks, value: &mut Value, key: Option<&str>) {
        mask_value(&mut masks.table(), value, Ground::Plain, key, false, &self.secrets);
    }
}

impl Table {
    /// The mask of a secret.
    fn mask(&mut self, raw: &str, form: Form, value: &str) -> String {
        let next = self.hidden.len();
        let at = *self.numbers.entry((raw.to_owned(), form)).or_insert(next);
        if at == next {
            self.hidden.push(Hidden { raw: Secret::new(raw), form, value: Secret::new(value) });
        }
        format!("{START}{}{END}", self.first + at as u64)
    }

    /// The mask of a value, which is that of a text where one has it.
    fn mask_of_value(&mut self, value: &str) -> String {
        let known = self.hidden.iter().position(|hidden| hidden.value.expose() == value);
        match known {
            Some(at) => format!("{START}{}{END}", self.first + at as u64),
            None => self.mask(&escaped(value, '"'), Form::Quoted('"'), value),
        }
    }

    fn find(&self, number: &str) -> Option<&Hidden> {
        let number: u64 = number.parse().ok()?;
        self.hidden.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    fn revealed(&self, text: &str) -> Result<String, UnknownMask> {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, mask, number, after)) = next_mask(rest) {
            let hidden = self.find(number).ok_or_else(|| UnknownMask { mask: mask.to_owned(), line: 0 })?;
            out.push_str(before);
            out.push_str(hidden.value.expose());
            rest = after;
        }
        out.push_str(rest);
        Ok(out)
    }
}

/// The text before the next mask, the mask, its number, and the text after it.
fn next_mask(text: &str) -> Option<(&str, &str, &str, &str)> {
    let mut from = 0;
    loop {
        let start = from + text[from..].find(START)?;
        let inside = &text[start + START.len()..];
        let digits = inside.len() - inside.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        if digits > 0 && inside[digits..].starts_with(END) {
            let end = start + START.len() + digits + END.len_utf8();
            return Some((&text[..start], &text[start..end], &inside[..digits], &text[end..]));
        }
        from = start + START.len();
    }
}

/// A value as it is written between quotes of this kind.
fn escaped(value: &str, quote: char) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out
}

fn each_string(value: &mut Value, visit: &mut impl FnMut(&mut String)) {
    match value {
        Value::String(text) => visit(text),
        Value::Array(items) => items.iter_mut().for_each(|item| each_string(item, visit)),
        Value::Object(members) => members.values_mut().for_each(|value| each_string(value, visit)),
        _ => {}
    }
}

/// Whether an object says where a secret is to be had from: it holds none itself.
fn is_reference(members: &serde_json::Map<String, Value>) -> bool {
    members.get("source").and_then(Value::as_str).is_some_and(is_source)
}

fn is_source(source: &str) -> bool {
    matches!(source, "env" | "file" | "exec" | "store")
}

fn secrets_of_value(value: &Value, ground: Ground, key: Option<&str>, top: bool, found: &mut Vec<String>) {
    match value {
        Value::String(text) if ground.hides(key) && !is_open(text) => found.push(text.clone()),
        Value::Array(items) => {
            let ground = inside(ground, key, top);
            items.iter().for_each(|item| secrets_of_value(item, ground, None, false, found));
        }
        Value::Object(members) => {
            let ground = if is_reference(members) { Ground::Plain } else { inside(ground, key, top) };
            let is_root = top && key.is_none();
            for (key, value) in members {
                secrets_of_value(value, ground, Some(key), is_root, found);
            }
        }
        _ => {}
    }
}

fn mask_value(table: &mut Table, value: &mut Value, ground: Ground, key: Option<&str>, top: bool, known: &[String]) {
    match value {
        Value::String(text) => {
            if ground.hides(key) && !is_open(text) {
                *text = table.mask_of_value(text);
                return;
            }
            *text = text::mask_parts(text, &with_masks(text, known), |part| table.mask_of_value(part));
        }
        Value::Array(items) => {
            let ground = inside(ground, key, top);
            items.iter_mut().for_each(|item| mask_value(table, item, ground, None, false, known));
        }
        Value::Object(members) => {
            let ground = if is_reference(members) { Ground::Plain } else { inside(ground, key, top) };
            let is_root = top && key.is_none();
            for (key, value) in members.iter_mut() {
                mask_value(table, value, ground, Some(key), is_root, known);
            }
        }
        _ => {}
    }
}

fn inside(ground: Ground, key: Option<&str>, top: bool) -> Ground {
    ground.below(key, top)
}

/// What is hidden in a text wherever it stands: secrets, and what already looks like a mask, so that it comes back as
/// it was.
fn with_masks(text: &str, known: &[String]) -> Vec<std::ops::Range<usize>> {
    let mut found = secrets_in(text, known);
    let mut at = 0;
    while let Some((before, mask, _, _)) = next_mask(&text[at..]) {
        let start = at + before.len();
        at = start + mask.len();
        if !found.iter().any(|range| range.start < at && start < range.end) {
            found.push(start..at);
        }
    }
    found.sort_by_key(|range| range.start);
    found
}

#[cfg(test)]
mod tests;
