//! Asks `json5` what a text means, and compares that with what was found in it: every key and value, in the text's
//! order, repeated keys and numbers without a JSON notation included. Nothing is built, so it costs little more than
//! the reading.

use std::fmt;

use json5::Deserializer;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::document::{Kind, Node};

/// Whether `json5` reads `text` as exactly what `root` says.
pub(crate) fn agrees(text: &str, root: &Node) -> bool {
    let mut reader = Deserializer::from_str(text);
    // What follows the value can be read only as the end of a text of its own.
    let tail = &text[root.span.end..];
    Expected { text, node: root }.deserialize(&mut reader).is_ok()
        && (tail.is_empty() || json5::from_str::<()>(&format!("null{tail}")).is_ok())
}

/// Takes a value only when it is that of `node`.
#[derive(Clone, Copy)]
struct Expected<'a> {
    text: &'a str,
    node: &'a Node,
}

/// Takes a key only when it is this one.
struct ExpectedKey<'a>(&'a str);

fn differs<T, E: Error>() -> Result<T, E> {
    Err(E::custom("not what was found"))
}

fn when<E: Error>(equal: bool) -> Result<(), E> {
    if equal { Ok(()) } else { differs() }
}

impl Expected<'_> {
    fn scalar(&self) -> Option<&Value> {
        match &self.node.kind {
            Kind::Scalar(value) => Some(value),
            _ => None,
        }
    }

    fn written(&self) -> &str {
        self.text.get(self.node.span.clone()).unwrap_or_default()
    }
}

impl<'de> DeserializeSeed<'de> for Expected<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Expected<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what was found")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        when(self.scalar() == Some(&Value::Null) && self.written() == "null")
    }

    fn visit_bool<E: Error>(self, read: bool) -> Result<(), E> {
        when(self.scalar().and_then(Value::as_bool) == Some(read))
    }

    fn visit_i64<E: Error>(self, read: i64) -> Result<(), E> {
        when(self.scalar().and_then(Value::as_i64) == Some(read))
    }

    fn visit_u64<E: Error>(self, read: u64) -> Result<(), E> {
        when(self.scalar().and_then(Value::as_u64) == Some(read))
    }

    fn visit_f64<E: Error>(self, read: f64) -> Result<(), E> {
        when(match self.scalar() {
            // JSON's values have no NaN and no infinity; they are told from null by how they are written.
            Some(Value::Null) => !read.is_finite() && self.written() != "null",
            Some(Value::Number(number)) => number.is_f64() && number.as_f64() == Some(read),
            _ => false,
        })
    }

    fn visit_str<E: Error>(self, read: &str) -> Result<(), E> {
        when(self.scalar().and_then(Value::as_str) == Some(read))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut read: A) -> Result<(), A::Error> {
        let Kind::Array(items) = &self.node.kind else { return differs() };
        for node in items {
            if read.next_element_seed(Expected { node, ..self })?.is_none() {
                return differs();
            }
        }
        when(read.next_element::<IgnoredAny>()?.is_none())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut read: A) -> Result<(), A::Error> {
        let Kind::Object(members) = &self.node.kind else { return differs() };
        for member in members {
            if read.next_key_seed(ExpectedKey(&member.key))?.is_none() {
                return differs();
            }
            read.next_value_seed(Expected { node: &member.value, ..self })?;
        }
        when(read.next_key::<IgnoredAny>()?.is_none())
    }
}

impl<'de> DeserializeSeed<'de> for ExpectedKey<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_identifier(self)
    }
}

impl Visitor<'_> for ExpectedKey<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the key that was found")
    }

    fn visit_str<E: Error>(self, read: &str) -> Result<(), E> {
        when(read == self.0)
    }
}
