//! Typed access to the values of a request, whose errors say where in it something is wrong.

use serde_json::{Map, Value};

use crate::error::{ApiError, ErrorKind};
use crate::translate::Note;

/// A value that is not what it must be. Its path is put together on the way out, so that nothing is spent on it where
/// all is well.
#[derive(Debug)]
pub struct Wrong {
    /// From the innermost out.
    path: Vec<Step>,
    code: &'static str,
    message: String,
}

#[derive(Debug)]
enum Step {
    Key(&'static str),
    Nth(usize),
}

/// What reading gives.
pub type Result<T> = std::result::Result<T, Wrong>;

impl Wrong {
    /// A value that is wrong in this way: the end of a sentence that begins with its path.
    pub fn new(message: impl Into<String>) -> Self {
        Self { path: Vec::new(), code: "invalid_request", message: message.into() }
    }

    /// A key that is missing.
    pub fn missing(key: &'static str) -> Self {
        Self::new("is missing").at(key)
    }

    /// The same, by another name than `invalid_request`.
    pub fn coded(mut self, code: &'static str) -> Self {
        self.code = code;
        self
    }

    /// It stands under this key.
    pub fn at(mut self, key: &'static str) -> Self {
        self.path.push(Step::Key(key));
        self
    }

    /// It stands at this place of a list.
    pub fn nth(mut self, index: usize) -> Self {
        self.path.push(Step::Nth(index));
        self
    }
}

impl From<Wrong> for ApiError {
    fn from(wrong: Wrong) -> Self {
        let mut path = String::new();
        for step in wrong.path.iter().rev() {
            match step {
                Step::Key(key) if path.is_empty() => path.push_str(key),
                Step::Key(key) => {
                    path.push('.');
                    path.push_str(key);
                }
                Step::Nth(index) => path.push_str(&format!("[{index}]")),
            }
        }
        if path.is_empty() {
            return Self::new(ErrorKind::InvalidRequest, wrong.code, format!("the request's body {}", wrong.message));
        }
        Self::new(ErrorKind::InvalidRequest, wrong.code, format!("`{path}` {}", wrong.message)).about(path)
    }
}

/// An object's values. A value of null is taken for one that is not there, as all three APIs do.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'v>(&'v Map<String, Value>);

impl<'v> Fields<'v> {
    /// Of a value that must be an object.
    pub fn of(value: &'v Value) -> Result<Self> {
        value.as_object().map(Self).ok_or_else(|| not("an object", value))
    }

    /// The value of a key.
    pub fn get(self, key: &str) -> Option<&'v Value> {
        self.0.get(key).filter(|value| !value.is_null())
    }

    /// A copy of the value of a key.
    pub fn cloned(self, key: &str) -> Option<Value> {
        self.get(key).cloned()
    }

    /// A text.
    pub fn text(self, key: &'static str) -> Result<Option<&'v str>> {
        self.typed(key, "a string", Value::as_str)
    }

    /// A text, as one's own.
    pub fn owned(self, key: &'static str) -> Result<Option<String>> {
        Ok(self.text(key)?.map(str::to_owned))
    }

    /// A text that must be there.
    pub fn needed(self, key: &'static str) -> Result<&'v str> {
        self.text(key)?.ok_or_else(|| Wrong::missing(key))
    }

    /// A name: a text that must be there and not be empty.
    pub fn name(self) -> Result<String> {
        match self.needed("name")? {
            "" => Err(Wrong::new("must not be empty").at("name")),
            name => Ok(name.to_owned()),
        }
    }

    /// The `type`; empty where there is none.
    pub fn kind(self) -> Result<&'v str> {
        Ok(self.text("type")?.unwrap_or_default())
    }

    /// True or false.
    pub fn flag(self, key: &'static str) -> Result<Option<bool>> {
        self.typed(key, "true or false", Value::as_bool)
    }

    /// A number.
    pub fn number(self, key: &'static str) -> Result<Option<f64>> {
        self.typed(key, "a number", Value::as_f64)
    }

    /// A whole number; `2.0` is one.
    pub fn integer(self, key: &'static str) -> Result<Option<i64>> {
        self.typed(key, "a whole number", whole)
    }

    /// How many of something. A negative number means none at all, as LM Studio and Ollama take `-1` for no limit.
    pub fn count(self, key: &'static str) -> Result<Option<u64>> {
        let read = |value: &Value| {
            value.as_u64().map_or_else(|| whole(value).map(|n| u64::try_from(n).ok()), |n| Some(Some(n)))
        };
        Ok(self.typed(key, "a whole number", read)?.flatten())
    }

    /// An object.
    pub fn fields(self, key: &'static str) -> Result<Option<Self>> {
        self.get(key).map(|value| Self::of(value).map_err(|wrong| wrong.at(key))).transpose()
    }

    /// A list.
    pub fn list(self, key: &'static str) -> Result<Option<&'v [Value]>> {
        self.typed(key, "a list", |value| value.as_array().map(Vec::as_slice))
    }

    /// Calls `read` with every value of a list and its place; with none where there is no list.
    pub fn each(self, key: &'static str, mut read: impl FnMut(usize, &'v Value) -> Result<()>) -> Result<()> {
        let list = self.list(key)?.unwrap_or_default();
        list.iter()
            .enumerate()
            .try_for_each(|(index, value)| read(index, value).map_err(|wrong| wrong.nth(index).at(key)))
    }

    /// Texts.
    pub fn texts(self, key: &'static str) -> Result<Vec<String>> {
        let mut texts = Vec::new();
        self.each(key, |_, value| {
            texts.push(value.as_str().ok_or_else(|| not("a string", value))?.to_owned());
            Ok(())
        })?;
        Ok(texts)
    }

    /// A JSON Schema: an object.
    pub fn schema(self, key: &'static str) -> Result<Option<Value>> {
        self.fields(key)?;
        Ok(self.cloned(key))
    }

    /// Notes every key with a value that is not among `known`, nor among `unimportant`.
    pub fn note_others(self, known: &[&str], unimportant: &[&str], notes: &mut Vec<Note>) {
        for (key, value) in self.0 {
            if !value.is_null() && !known.contains(&key.as_str()) && !unimportant.contains(&key.as_str()) {
                note(notes, key);
            }
        }
    }

    fn typed<T>(self, key: &'static str, what: &str, read: impl FnOnce(&'v Value) -> Option<T>) -> Result<Option<T>> {
        self.get(key).map(|value| read(value).ok_or_else(|| not(what, value).at(key))).transpose()
    }
}

/// Notes once that something was left out. What is no plain name is not repeated, for notes go into a header.
pub fn note(notes: &mut Vec<Note>, what: &str) {
    let plain = !what.is_empty()
        && what.len() <= 64
        && what.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
    let note = Note::dropped(if plain { what } else { "unknown" });
    if !notes.contains(&note) {
        notes.push(note);
    }
}

/// A value that must be something else.
pub fn not(what: &str, value: &Value) -> Wrong {
    let is = match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    Wrong::new(format!("must be {what}, not {is}"))
}

/// At most 40 characters of a word that a client sent, quoted.
pub fn shown(word: &str) -> String {
    let short: String = word.chars().take(40).collect();
    format!("{short:?}")
}

/// A whole number, also one that is written as `2.0`.
fn whole(value: &Value) -> Option<i64> {
    const LARGEST: f64 = 9_007_199_254_740_992.0;
    let float = || value.as_f64().filter(|number| number.fract() == 0.0 && number.abs() <= LARGEST);
    #[allow(clippy::cast_possible_truncation, reason = "it is whole and within 2^53")]
    value.as_i64().or_else(|| float().map(|number| number as i64))
}
