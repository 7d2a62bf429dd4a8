//! Where a value stands in a document: `agents.defaults.models["anthropic/claude-opus-4-6"].alias`, `fallbacks[0]`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One step down. As data it is a string or a number.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Step {
    /// Into a member of an object.
    Key(String),
    /// Into an item of an array, counted from 0.
    Index(usize),
}

impl From<&str> for Step {
    fn from(key: &str) -> Self {
        Self::Key(key.to_owned())
    }
}

impl From<String> for Step {
    fn from(key: String) -> Self {
        Self::Key(key)
    }
}

impl From<usize> for Step {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

/// The steps from the root to a value. The empty path is the root.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Path(Vec<Step>);

impl Serialize for Path {
    /// As it is printed.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Path {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A text that is no path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no path, from character {at}: write it like agents.defaults.models[\"provider/model\"].alias or a.b[0]"
)]
pub struct PathError {
    /// The text.
    pub text: String,
    /// The character at which it stops being one, counted from 1.
    pub at: usize,
}

impl Path {
    /// The root.
    #[must_use]
    pub fn root() -> Self {
        Self::default()
    }

    /// A path of these keys, outermost first.
    #[must_use]
    pub fn of(keys: &[&str]) -> Self {
        Self(keys.iter().map(|key| Step::from(*key)).collect())
    }

    /// The steps, outermost first.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// This path and one step more.
    #[must_use]
    pub fn then(&self, step: impl Into<Step>) -> Self {
        let mut steps = self.0.clone();
        steps.push(step.into());
        Self(steps)
    }

    /// The path of what this one's value stands in, and the step from there; none for the root.
    #[must_use]
    pub fn split_last(&self) -> Option<(Self, &Step)> {
        self.0.split_last().map(|(last, before)| (Self(before.to_vec()), last))
    }

    /// The first `count` steps.
    pub(crate) fn first(&self, count: usize) -> Self {
        Self(self.0.iter().take(count).cloned().collect())
    }
}

impl FromIterator<Step> for Path {
    fn from_iter<I: IntoIterator<Item = Step>>(steps: I) -> Self {
        Self(steps.into_iter().collect())
    }
}

/// Whether a key needs no quotes in a path.
fn is_plain(key: &str) -> bool {
    key.starts_with(|c: char| c.is_alphabetic() || matches!(c, '_' | '$'))
        && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '$' | '-'))
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if is_plain(key) => {
                    if place > 0 {
                        f.write_str(".")?;
                    }
                    f.write_str(key)?;
                }
                Step::Key(key) => write!(f, "[{}]", serde_json::Value::from(key.as_str()))?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

impl FromStr for Path {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        let error = |at: usize| PathError { text: text.to_owned(), at: text[..at].chars().count() + 1 };
        let mut steps = Vec::new();
        let mut at = 0;
        while at < text.len() {
            let rest = &text[at..];
            if let Some(inside) = rest.strip_prefix('[') {
                let (step, length) = if inside.starts_with(['"', '\'']) {
                    let (key, length) = quoted(inside).ok_or_else(|| error(at + 1))?;
                    (Step::Key(key), length)
                } else {
                    let digits = inside.len() - inside.trim_start_matches(|c: char| c.is_ascii_digit()).len();
                    (Step::Index(inside[..digits].parse().map_err(|_| error(at + 1))?), digits)
                };
                at += 1 + length;
                if !text[at..].starts_with(']') {
                    return Err(error(at));
                }
                at += 1;
                steps.push(step);
                continue;
            }
            if !steps.is_empty() {
                if !rest.starts_with('.') {
                    return Err(error(at));
                }
                at += 1;
            }
            let rest = &text[at..];
            if rest.starts_with(['"', '\'']) {
                let (key, length) = quoted(rest).ok_or_else(|| error(at))?;
                at += length;
                steps.push(Step::Key(key));
                continue;
            }
            let length = rest.find(['.', '[', ']', '"', '\'']).unwrap_or(rest.len());
            if length == 0 {
                return Err(error(at));
            }
            steps.push(Step::Key(rest[..length].to_owned()));
            at += length;
        }
        Ok(Self(steps))
    }
}

/// The quoted key at the start of `text` and its length with the quotes. Escapes are JSON5's.
fn quoted(text: &str) -> Option<(String, usize)> {
    let quote = text.chars().next()?;
    let mut escaped = false;
    let (end, _) = text.char_indices().skip(1).find(|(_, c)| {
        let closes = *c == quote && !escaped;
        escaped = *c == '\\' && !escaped;
        closes
    })?;
    json5::from_str(&text[..=end]).ok().map(|key| (key, end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_way_of_writing_a_path() {
        for (text, steps) in [
            ("", vec![]),
            ("a", vec!["a".into()]),
            ("a.b[0]", vec!["a".into(), "b".into(), 0.into()]),
            ("a[\"x/y\"].z", vec!["a".into(), "x/y".into(), "z".into()]),
            ("a['x.y'][12]", vec!["a".into(), "x.y".into(), 12.into()]),
            ("a.\"x/y\".z", vec!["a".into(), "x/y".into(), "z".into()]),
            ("[\"q\\\"q\"]", vec!["q\"q".into()]),
            ("claude-cli.x", vec!["claude-cli".into(), "x".into()]),
        ] {
            assert_eq!(text.parse::<Path>().unwrap().steps(), steps, "{text}");
        }
    }

    #[test]
    fn says_where_a_text_stops_being_a_path() {
        for (text, at) in
            [("a..b", 3), (".a", 1), ("a[", 3), ("a[x]", 3), ("a[0", 4), ("a[\"x]", 3), ("a]b", 2), ("a.", 3)]
        {
            assert_eq!(text.parse::<Path>().map_err(|error| error.at), Err(at), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_printed_path_is_read_as_itself(
            steps in proptest::collection::vec(
                proptest::prop_oneof![".{0,6}".prop_map(Step::Key), (0_usize..100).prop_map(Step::Index)], 0..5)
        ) {
            let path = Path::from_iter(steps);
            proptest::prop_assert_eq!(path.to_string().parse::<Path>().unwrap(), path);
        }
    }

    use proptest::strategy::Strategy as _;
}
