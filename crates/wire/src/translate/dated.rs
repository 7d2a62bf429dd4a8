//! What a later version of Anthropic's API refuses in a request that passes untranslated. Every other byte stays.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::splice;

/// From this version on, a request that says how words are picked is a 400.
/// Source: the migration guide for `anthropic-version: 2026-10-21`.
const WITHOUT_SAMPLING: &str = "2026-10-21";

#[derive(Deserialize)]
struct Sampling<'a> {
    #[serde(borrow, default)]
    temperature: Option<&'a RawValue>,
    #[serde(borrow, default)]
    top_p: Option<&'a RawValue>,
    #[serde(borrow, default)]
    top_k: Option<&'a RawValue>,
}

/// The body without what this version refuses, and the names of what went; none where it can pass as it is.
#[must_use]
pub fn without_refused(version: &str, body: &[u8]) -> Option<(Vec<u8>, Vec<&'static str>)> {
    if version < WITHOUT_SAMPLING || !version.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let mut text = std::str::from_utf8(body).ok()?.to_owned();
    let mut gone = Vec::new();
    for key in ["temperature", "top_p", "top_k"] {
        if let Some(shorter) = without(&text, key) {
            text = shorter;
            gone.push(key);
        }
    }
    (!gone.is_empty()).then(|| (text.into_bytes(), gone))
}

/// The object without a member, and without the comma that parts it from its neighbour.
fn without(text: &str, key: &str) -> Option<String> {
    let said: Sampling<'_> = serde_json::from_str(text).ok()?;
    let value = match key {
        "temperature" => said.temperature,
        "top_p" => said.top_p,
        _ => said.top_k,
    };
    let value = splice::span(text, value?)?;
    let before = text.get(..value.start)?.trim_end().strip_suffix(':')?.trim_end();
    let before = before.strip_suffix('"')?.strip_suffix(key)?.strip_suffix('"')?;
    let after = text.get(value.end..)?;
    Some(match after.trim_start().strip_prefix(',') {
        Some(rest) => format!("{before}{}", rest.trim_start()),
        None => format!("{}{after}", before.trim_end().strip_suffix(',').unwrap_or(before)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(version: &str, body: &str) -> Option<(String, Vec<&'static str>)> {
        without_refused(version, body.as_bytes()).map(|(body, gone)| (String::from_utf8(body).unwrap(), gone))
    }

    #[test]
    fn what_the_version_refuses_goes_and_every_other_byte_stays() {
        let table: &[(&str, &str, &[&str])] = &[
            (r#"{"temperature":1,"model":"m"}"#, r#"{"model":"m"}"#, &["temperature"]),
            ("{ \"model\" : \"m\" , \"top_p\" :\t0.9\n}", "{ \"model\" : \"m\" \n}", &["top_p"]),
            (r#"{"top_k":5}"#, "{}", &["top_k"]),
            (
                r#"{"a":1.50,"temperature":1e0,"top_k":5,"é":"temperature","top_p":1}"#,
                r#"{"a":1.50,"é":"temperature"}"#,
                &["temperature", "top_p", "top_k"],
            ),
            (r#"{"x":{"temperature":1},"temperature": 0}"#, r#"{"x":{"temperature":1}}"#, &["temperature"]),
        ];
        for (body, left, gone) in table {
            assert_eq!(of("2026-10-21", body), Some(((*left).to_owned(), gone.to_vec())), "{body}");
        }
        assert_eq!(of("2027-01-01", r#"{"top_k":5,"temperature":1}"#).unwrap().1, ["temperature", "top_k"]);
    }

    #[test]
    fn what_may_pass_is_not_touched() {
        let body = r#"{"temperature":1}"#;
        for version in ["2023-06-01", "", "latest"] {
            assert_eq!(of(version, body), None, "{version}");
        }
        for body in [
            r#"{"model":"m"}"#,
            r#"{"top_p":null}"#,
            r#"{"x":{"top_p":1}}"#,
            r#"{"temperature":1,"temperature":2}"#,
            "{",
            "[1]",
        ] {
            assert_eq!(of("2026-10-21", body), None, "{body}");
        }
    }
}
