//! A call's arguments that arrive value by value, each under a JSONPath, put together into one object. Vertex streams
//! calls so when it is asked for `streamFunctionCallArguments`. Must not know: what a call is.
//!
//! Source: `partialArgs` of a `functionCall` in Google's Gemini API reference, and recorded streams.

use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// How far behind the end of a list an index may point. A path that points further is nonsense, and would cost memory.
const LARGEST_GAP: usize = 1024;

/// The object under way.
#[derive(Debug, Default)]
pub struct PartialArgs {
    root: Option<Value>,
    /// Arguments that came in one piece, in their own text: no number of theirs changes.
    whole: Option<String>,
    /// The path of the string that is to be continued.
    open: Option<String>,
}

enum Step {
    Key(String),
    Index(usize),
}

impl PartialArgs {
    /// Takes one of `partialArgs`: `jsonPath`, one of `stringValue`, `numberValue`, `boolValue`, `nullValue`, and
    /// whether a string `willContinue`.
    ///
    /// # Errors
    /// When the path cannot be understood, or leads through something that is no container; the path is the error.
    pub fn add(&mut self, part: &Value) -> Result<(), String> {
        self.take_apart();
        let path = part.get("jsonPath").and_then(Value::as_str).unwrap_or_default();
        let steps = steps(path).ok_or_else(|| path.to_owned())?;
        let value = ["stringValue", "numberValue", "boolValue", "nullValue"]
            .iter()
            .find_map(|key| part.get(*key).map(|value| if *key == "nullValue" { Value::Null } else { value.clone() }));
        let continues = self.open.as_deref() == Some(path);
        let place =
            place(self.root.get_or_insert_with(|| Value::Object(Map::new())), &steps).ok_or_else(|| path.to_owned())?;
        match (place, value) {
            (Value::String(text), Some(Value::String(more))) if continues => text.push_str(&more),
            (place, Some(value)) => *place = value,
            (_, None) => {}
        }
        self.open = (part.get("willContinue").and_then(Value::as_bool) == Some(true)).then(|| path.to_owned());
        Ok(())
    }

    /// Takes what came of the arguments in one piece: an object.
    pub fn merge(&mut self, args: &RawValue) {
        if self.root.is_none() && self.whole.is_none() {
            self.whole = Some(args.get().to_owned());
            return;
        }
        self.take_apart();
        if let (Some(Value::Object(object)), Ok(args)) = (&mut self.root, serde_json::from_str::<Map<_, _>>(args.get()))
        {
            object.extend(args);
        }
    }

    /// The arguments as JSON text; empty where there are none.
    #[must_use]
    pub fn text(&self) -> String {
        self.whole.clone().or_else(|| self.root.as_ref().map(Value::to_string)).unwrap_or_default()
    }

    fn take_apart(&mut self) {
        if let Some(whole) = self.whole.take() {
            self.root = serde_json::from_str(&whole).ok();
        }
    }
}

/// Takes a path apart: `$`, `.name`, `['name']`, `["name"]`, `[0]`.
fn steps(path: &str) -> Option<Vec<Step>> {
    let mut rest = path.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            let (name, tail) = after.split_at(end);
            if name.is_empty() {
                return None;
            }
            steps.push(Step::Key(name.to_owned()));
            rest = tail;
            continue;
        }
        let after = rest.strip_prefix('[')?;
        if let Some(quote) = after.chars().next().filter(|c| matches!(c, '\'' | '"')) {
            let (name, tail) = quoted(after.get(1..)?, quote)?;
            steps.push(Step::Key(name));
            rest = tail.strip_prefix(']')?;
        } else {
            let (index, tail) = after.split_once(']')?;
            steps.push(Step::Index(index.parse().ok()?));
            rest = tail;
        }
    }
    Some(steps)
}

/// A name up to its closing quote, and what follows.
fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => name.push(chars.next()?.1),
            c if c == quote => return Some((name, text.get(at + c.len_utf8()..)?)),
            c => name.push(c),
        }
    }
    None
}

/// The place that steps lead to, made where it is not there.
fn place<'a>(root: &'a mut Value, steps: &[Step]) -> Option<&'a mut Value> {
    steps.iter().try_fold(root, |at, step| match step {
        Step::Key(name) => {
            if at.is_null() {
                *at = Value::Object(Map::new());
            }
            Some(at.as_object_mut()?.entry(name.clone()).or_insert(Value::Null))
        }
        Step::Index(index) => {
            if at.is_null() {
                *at = Value::Array(Vec::new());
            }
            let list = at.as_array_mut()?;
            if *index > list.len().saturating_add(LARGEST_GAP) {
                return None;
            }
            if list.len() <= *index {
                list.resize(*index + 1, Value::Null);
            }
            list.get_mut(*index)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn all(parts: &[Value]) -> Result<String, String> {
        let mut args = PartialArgs::default();
        parts.iter().try_for_each(|part| args.add(part))?;
        Ok(args.text())
    }

    #[test]
    fn values_at_paths_become_one_object() {
        let text = all(&[
            json!({"jsonPath": "$.a[0].b", "stringValue": "x", "willContinue": true}),
            json!({"jsonPath": "$.a[0].b", "stringValue": "y", "willContinue": true}),
            json!({"jsonPath": "$.a[0].b", "stringValue": ""}),
            json!({"jsonPath": "$.a[1]", "numberValue": 0.5}),
            json!({"jsonPath": "$['odd.name'][\"q\\\"\"]", "boolValue": true}),
            json!({"jsonPath": "$.n", "nullValue": "NULL_VALUE"}),
            json!({"jsonPath": "$.s", "stringValue": ""}),
        ]);
        assert_eq!(text, Ok(r#"{"a":[{"b":"xy"},0.5],"odd.name":{"q\"":true},"n":null,"s":""}"#.to_owned()));
        assert_eq!(all(&[]), Ok(String::new()));
    }

    #[test]
    fn one_piece_keeps_its_text_until_another_comes() {
        let piece = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        let mut args = PartialArgs::default();
        args.merge(&piece(r#"{"n": 12345678901234567890123}"#));
        assert_eq!(args.text(), r#"{"n": 12345678901234567890123}"#);
        let mut args = PartialArgs::default();
        args.merge(&piece(r#"{"a": 1}"#));
        args.merge(&piece(r#"{"b": 2}"#));
        args.add(&json!({"jsonPath": "$.c", "numberValue": 3})).unwrap();
        assert_eq!(args.text(), r#"{"a":1,"b":2,"c":3}"#);
    }

    #[test]
    fn nonsense_is_refused() {
        for path in ["", "a", "$.", "$[x]", "$[", "$['a", "$[999999999999]", "$[1]", "$a"] {
            assert!(all(&[json!({"jsonPath": path, "stringValue": "x"})]).is_err(), "{path}");
        }
        assert!(
            all(&[json!({"jsonPath": "$.a", "stringValue": "x"}), json!({"jsonPath": "$.a.b", "stringValue": "x"})])
                .is_err()
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_path_is_taken_or_refused(path in "\\$([.\\[\\]'\"a0-9]{0,12})", text in ".{0,4}") {
            let _ = all(&[json!({"jsonPath": path, "stringValue": text})]);
        }
    }
}
