//! Numbers that 64 bits do not hold, on their way through trees of values: marked text when they are read, and the number
//! that stood there when they are written. In a call's arguments every digit may count.

use std::borrow::Cow;

use serde_json::Value;
use serde_json::value::RawValue;

/// Of Unicode's private use, and in nobody's text by chance.
const MARK: &str = "\u{f8ff}number:";
/// No shorter number is larger or finer than 64 bits hold, unless it has an exponent.
const SHORT: usize = 16;
/// The digits that any floating-point number of 64 bits is told apart by.
const DIGITS: usize = 17;

/// JSON text whose numbers of that kind are marked, from this level of lists and objects down. What is no JSON stays
/// none.
pub fn guard(json: &[u8], level: usize) -> Cow<'_, [u8]> {
    let mut out: Option<Vec<u8>> = None;
    let (mut copied, mut at, mut depth) = (0, 0, 0_usize);
    while let Some(&byte) = json.get(at) {
        match byte {
            b'"' => at = after_string(json, at),
            b'{' | b'[' => {
                depth += 1;
                at += 1;
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                at += 1;
            }
            b'-' | b'0'..=b'9' => {
                let rest = json.get(at..).unwrap_or_default();
                let length = rest.iter().take_while(|byte| is_of_number(**byte)).count();
                if depth >= level && rest.get(..length).is_some_and(is_large) {
                    let out = out.get_or_insert_default();
                    out.extend_from_slice(json.get(copied..at).unwrap_or_default());
                    out.extend_from_slice(format!("\"{MARK}").as_bytes());
                    out.extend_from_slice(rest.get(..length).unwrap_or_default());
                    out.push(b'"');
                    copied = at + length;
                }
                at += length.max(1);
            }
            _ => at += 1,
        }
    }
    match out {
        None => Cow::Borrowed(json),
        Some(mut out) => {
            out.extend_from_slice(json.get(copied..).unwrap_or_default());
            Cow::Owned(out)
        }
    }
}

/// JSON text with every marked number as it stood.
pub fn release(json: String) -> String {
    let begin = format!("\"{MARK}");
    if !json.contains(&begin) {
        return json;
    }
    let mut out = String::with_capacity(json.len());
    let mut rest = json.as_str();
    while let Some((before, after)) = rest.split_once(&begin) {
        out.push_str(before);
        match after.split_once('"').filter(|(number, _)| is_large(number.as_bytes())) {
            Some((number, after)) => {
                out.push_str(number);
                rest = after;
            }
            None => {
                out.push_str(&begin);
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

/// A number of that kind as a value.
pub fn marked(number: &str) -> Option<Value> {
    is_large(number.as_bytes()).then(|| Value::String(format!("{MARK}{number}")))
}

fn after_string(json: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    while let Some(byte) = json.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    at
}

fn is_of_number(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E')
}

/// Whether it is a JSON number that 64 bits do not hold to the digit.
fn is_large(number: &[u8]) -> bool {
    let exponent = number.iter().position(|byte| matches!(byte, b'e' | b'E'));
    if number.len() <= SHORT && exponent.is_none() {
        return false;
    }
    let whole = exponent.is_none() && !number.contains(&b'.');
    match serde_json::from_slice::<Value>(number) {
        Ok(Value::Number(read)) if whole => read.is_f64(),
        Ok(Value::Number(read)) => {
            let digits = number.get(..exponent.unwrap_or(number.len())).unwrap_or_default();
            let digits: Vec<u8> = digits.iter().copied().filter(u8::is_ascii_digit).collect();
            let from = digits.iter().take_while(|digit| **digit == b'0').count();
            let trailing = digits.iter().rev().take_while(|digit| **digit == b'0').count();
            let significant = digits.len().saturating_sub(from + trailing);
            // One that is too small is read as nothing.
            significant > DIGITS || significant > 0 && read.as_f64() == Some(0.0)
        }
        // Out of range for a tree of values, but JSON.
        _ => serde_json::from_slice::<&RawValue>(number).is_ok(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_digit_comes_through_a_tree_of_values() {
        for number in [
            "115792089237316195423570985008687907853269984665640564039457584007913129639935",
            "-9223372036854775809",
            "18446744073709551616",
            "100000000000000000000",
            "0.12345678901234567890123",
            "1e320",
            "-1.5E-400",
        ] {
            let json = format!(r#"{{"a":[{number},"{number}",{{"b":{number}}}],"c":{number}}}"#);
            let tree: Value = serde_json::from_slice(&guard(json.as_bytes(), 0)).unwrap();
            assert_eq!(release(tree.to_string()), json);
        }
    }

    #[test]
    fn what_64_bits_hold_and_what_stands_above_the_level_is_left_alone() {
        let json =
            br#"{"a":18446744073709551615,"b":-9223372036854775808,"c":0.30000000000000004,"d":1e21,"e":"1e999"}"#;
        assert!(matches!(guard(json, 0), Cow::Borrowed(_)));
        let json = br#"{"a":1e999,"b":[1e999]}"#;
        assert_eq!(guard(json, 2).as_ref(), format!("{{\"a\":1e999,\"b\":[\"{MARK}1e999\"]}}").as_bytes());
        let words = format!("{{\"a\":\"{MARK}\",\"b\":\"{MARK}x\"}}");
        assert_eq!(release(words.clone()), words);
    }

    proptest! {
        #[test]
        fn what_is_no_json_stays_none_and_what_is_json_stays_so(text in "[0-9eE+\\-.,:\\[\\]{}\"\\\\a ]{0,40}") {
            let guarded = guard(text.as_bytes(), 0);
            let is_json = |text: &[u8]| serde_json::from_slice::<&RawValue>(text).is_ok();
            prop_assert_eq!(is_json(&guarded), is_json(text.as_bytes()));
        }
    }
}
