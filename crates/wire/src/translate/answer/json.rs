//! JSON read one level at a time, so that what is passed on keeps its own text: numbers of any size, keys in their order.
//!
//! A key that is missing, null or of another type than expected says nothing; it is no error.

use std::collections::HashMap;

use serde_json::Value;
use serde_json::value::RawValue;

/// The keys of an object.
#[derive(Debug, Default)]
pub(super) struct Fields<'a>(HashMap<String, &'a RawValue>);

impl<'a> Fields<'a> {
    /// Reads JSON text. What is JSON but no object has no keys.
    ///
    /// # Errors
    /// When it is not JSON.
    pub(super) fn parse(text: &'a [u8]) -> Result<Self, serde_json::Error> {
        let raw: &RawValue = serde_json::from_slice(text)?;
        Ok(Self::of(raw))
    }

    /// The keys of a value; none of what is no object.
    pub(super) fn of(raw: &'a RawValue) -> Self {
        Self(serde_json::from_str(raw.get()).unwrap_or_default())
    }

    /// The value of a key, unless it is null.
    pub(super) fn get(&self, key: &str) -> Option<&'a RawValue> {
        self.0.get(key).copied().filter(|raw| raw.get() != "null")
    }

    /// A value that holds anything: not `""`, `[]` or `{}` either.
    pub(super) fn says(&self, key: &str) -> Option<&'a RawValue> {
        self.get(key).filter(|raw| match raw.get().as_bytes() {
            b"\"\"" => false,
            [b'[' | b'{', inner @ .., _] => !inner.trim_ascii().is_empty(),
            _ => true,
        })
    }

    /// A string that is not empty.
    pub(super) fn text(&self, key: &str) -> Option<String> {
        string(self.get(key)?).filter(|text| !text.is_empty())
    }

    /// A whole number.
    pub(super) fn number(&self, key: &str) -> Option<u64> {
        serde_json::from_str(self.get(key)?.get()).ok()
    }

    /// The members of a list; none of what is no list.
    pub(super) fn list(&self, key: &str) -> Vec<&'a RawValue> {
        self.get(key).map(list).unwrap_or_default()
    }

    /// The keys of an object within; none where there is none.
    pub(super) fn object(&self, key: &str) -> Fields<'a> {
        self.get(key).map(Fields::of).unwrap_or_default()
    }

    /// The value, read whole.
    pub(super) fn value(&self, key: &str) -> Option<Value> {
        self.get(key).map(value)
    }
}

/// A string's text.
pub(super) fn string(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

/// The members of a list; none of what is no list.
pub(super) fn list(raw: &RawValue) -> Vec<&RawValue> {
    serde_json::from_str(raw.get()).unwrap_or_default()
}

/// A value, read whole.
pub(super) fn value(raw: &RawValue) -> Value {
    serde_json::from_str(raw.get()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn what_says_nothing_is_not_there() {
        let fields = Fields::parse(
            br#"{"a": null, "b": "", "c": [ ], "g": " ", "d": {"e": 12345678901234567890123}, "f": 7, "f": 8}"#,
        )
        .unwrap();
        assert!(fields.get("a").is_none() && fields.get("z").is_none());
        assert!(fields.get("c").is_some() && fields.says("c").is_none() && fields.says("b").is_none());
        assert!(fields.says("g").is_some(), "a blank is text");
        assert_eq!(fields.text("b"), None);
        assert_eq!(fields.object("d").get("e").unwrap().get(), "12345678901234567890123");
        assert_eq!(fields.number("f"), Some(8), "the last of two");
        assert!(Fields::parse(b"[1]").unwrap().get("a").is_none());
        assert!(Fields::parse(b"{").is_err());
    }
}
