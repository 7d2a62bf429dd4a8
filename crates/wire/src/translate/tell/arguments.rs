//! A call's arguments on their way from the form the upstream was told to the form the client knows: as they are,
//! free text out of a function's one string, or free text into one.

use super::json;

/// The key of the one string of a function that stands for a free-form tool.
const KEY: &str = "input";

/// Passes the arguments of one call on, piece by piece.
#[derive(Debug)]
pub(super) struct Arguments {
    way: Way,
    any: bool,
}

#[derive(Debug)]
enum Way {
    /// JSON to JSON.
    Json,
    /// Free text to free text.
    Text,
    /// Free text to a function's JSON.
    Wrap,
    /// A function's JSON to free text.
    Unwrap(Unwrap),
}

impl Arguments {
    /// Of a call whose tool is free-form for the upstream, for the client, for both or for neither.
    pub(super) fn new(upstream_custom: bool, client_custom: bool) -> Self {
        let way = match (upstream_custom, client_custom) {
            (false, false) => Way::Json,
            (true, true) => Way::Text,
            (true, false) => Way::Wrap,
            (false, true) => Way::Unwrap(Unwrap::default()),
        };
        Self { way, any: false }
    }

    /// Appends to `out` what the client is told for the next piece. Maybe nothing yet.
    pub(super) fn push(&mut self, piece: &str, out: &mut String) {
        let first = !self.any && !piece.is_empty();
        self.any |= first;
        match &mut self.way {
            Way::Json | Way::Text => out.push_str(piece),
            Way::Wrap => {
                if first {
                    out.push_str("{\"input\":\"");
                }
                out.push_str(&escaped(piece));
            }
            Way::Unwrap(unwrap) => unwrap.push(piece, out),
        }
    }

    /// Appends what is missing when there are no more pieces. JSON is never empty: a call without arguments is `{}`.
    pub(super) fn end(self, out: &mut String) {
        match self.way {
            Way::Json if !self.any => out.push_str("{}"),
            Way::Wrap => out.push_str(if self.any { "\"}" } else { "{\"input\":\"\"}" }),
            Way::Unwrap(unwrap) => unwrap.end(out),
            Way::Json | Way::Text => {}
        }
    }
}

fn escaped(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len() + 8);
    json::escape(&mut out, text);
    String::from_utf8(out).unwrap_or_default()
}

/// Takes the text out of `{"input":"…"}` while it comes. What begins otherwise is held to the end and read whole.
#[derive(Debug, Default)]
struct Unwrap {
    /// What was read and is needed yet: all of it until the string begins, then half an escape.
    held: String,
    state: State,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Before,
    Within,
    After,
    Otherwise,
}

impl Unwrap {
    fn push(&mut self, piece: &str, out: &mut String) {
        match self.state {
            State::After => {}
            State::Otherwise => self.held.push_str(piece),
            State::Before => {
                self.held.push_str(piece);
                match after_opening(&self.held) {
                    Opening::Partial => {}
                    Opening::Other => self.state = State::Otherwise,
                    Opening::String(at) => {
                        self.state = State::Within;
                        let rest = self.held.split_off(at);
                        self.held.clear();
                        self.read(&rest, out);
                    }
                }
            }
            State::Within => {
                if self.held.is_empty() {
                    self.read(piece, out);
                } else {
                    let text = std::mem::take(&mut self.held) + piece;
                    self.read(&text, out);
                }
            }
        }
    }

    /// Reads the inside of the string.
    fn read(&mut self, text: &str, out: &mut String) {
        let mut rest = text;
        while let Some(at) = rest.find(['"', '\\']) {
            let (plain, special) = rest.split_at(at);
            out.push_str(plain);
            if special.starts_with('"') {
                self.state = State::After;
                return;
            }
            let Some(length) = escape_length(special) else {
                self.held.push_str(special);
                return;
            };
            let (escape, after) = special.split_at(length);
            match serde_json::from_str::<String>(&format!("\"{escape}\"")) {
                Ok(character) => out.push_str(&character),
                // No escape of JSON's: the model wrote it, so it stays as it is.
                Err(_) => out.push_str(escape),
            }
            rest = after;
        }
        out.push_str(rest);
    }

    fn end(self, out: &mut String) {
        match self.state {
            State::After => {}
            State::Within => out.push_str(&self.held),
            State::Before | State::Otherwise => out.push_str(&whole(&self.held)),
        }
    }
}

enum Opening {
    /// It may become `{"input":"`.
    Partial,
    /// It is, and the string's inside begins at this byte.
    String(usize),
    Other,
}

fn after_opening(text: &str) -> Opening {
    let mut rest = text;
    for token in ["{", "\"input\"", ":", "\""] {
        rest = rest.trim_start_matches([' ', '\n', '\r', '\t']);
        match rest.strip_prefix(token) {
            Some(after) => rest = after,
            None if token.starts_with(rest) => return Opening::Partial,
            None => return Opening::Other,
        }
    }
    Opening::String(text.len() - rest.len())
}

/// The length of the escape that `text` begins with, a pair of surrogates being one. None: there may be more of it.
fn escape_length(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    if *bytes.get(1)? != b'u' {
        // The character after the backslash, whole.
        return text.char_indices().nth(2).map(|(at, _)| at).or(Some(text.len()));
    }
    let unit = |at: usize| -> Option<Option<u32>> {
        let digits = bytes.get(at..at + 4)?;
        Some(std::str::from_utf8(digits).ok().and_then(|digits| u32::from_str_radix(digits, 16).ok()))
    };
    let Some(first) = unit(2)? else { return Some(2) };
    if !(0xD800..0xDC00).contains(&first) {
        return Some(6);
    }
    match (bytes.get(6), bytes.get(7)) {
        (None, _) | (Some(b'\\'), None) => None,
        (Some(b'\\'), Some(b'u')) => unit(8).map(|_| 12),
        _ => Some(6),
    }
}

/// The free text of arguments that did not begin as told: another order of keys, another key, or no JSON at all.
fn whole(text: &str) -> String {
    use serde_json::Value;
    match serde_json::from_str::<Value>(text) {
        Ok(Value::Object(map)) => match (map.get(KEY), map.values().next()) {
            (Some(Value::String(input)), _) => input.clone(),
            (None, Some(Value::String(only))) if map.len() == 1 => only.clone(),
            (_, None) => String::new(),
            _ => text.to_owned(),
        },
        Ok(Value::String(input)) => input,
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn through(upstream_custom: bool, client_custom: bool, pieces: &[&str]) -> String {
        let mut arguments = Arguments::new(upstream_custom, client_custom);
        let mut out = String::new();
        for piece in pieces {
            arguments.push(piece, &mut out);
        }
        arguments.end(&mut out);
        out
    }

    #[test]
    fn json_is_never_empty_and_otherwise_untouched() {
        assert_eq!(through(false, false, &[]), "{}");
        assert_eq!(through(false, false, &["{\"a\"", ": 1}"]), "{\"a\": 1}");
        assert_eq!(through(true, false, &[]), "{\"input\":\"\"}");
        assert_eq!(through(true, true, &["a", "\n"]), "a\n");
    }

    #[test]
    fn free_text_out_of_what_models_write_in_its_place() {
        for (json, text) in [
            (r#"{"input":"a\nb"}"#, "a\nb"),
            (r#" { "input" : "a" , "more": 1}"#, "a"),
            (r#"{"patch":"a"}"#, "a"),
            (r#"{"why":"b","input":"a"}"#, "a"),
            (r#""a""#, "a"),
            ("*** Begin Patch", "*** Begin Patch"),
            (r#"{"input":"cut o"#, "cut o"),
            (r#"{"input":"\q\ud83d!"}"#, "\\q\\ud83d!"),
            ("{}", ""),
            ("", ""),
        ] {
            assert_eq!(through(false, true, &[json]), text, "{json}");
        }
    }

    proptest! {
        #[test]
        fn free_text_there_and_back_in_any_pieces(text in any::<String>(), spaced in any::<bool>(), ascii in any::<bool>(), cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..9)) {
            let mut json = through(true, false, &[&text]);
            prop_assert_eq!(&serde_json::from_str::<serde_json::Value>(&json).unwrap()["input"], &text);
            if ascii {
                json = json.chars().map(|c| if c.is_ascii() { c.to_string() } else { let mut units = [0; 2]; c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")).collect() }).collect();
            }
            if spaced {
                json = json.replacen("{\"input\":", "{ \"input\" :\n ", 1);
            }
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(json.len() + 1)).filter(|at| json.is_char_boundary(*at)).collect();
            at.extend([0, json.len()]);
            at.sort_unstable();
            let pieces: Vec<&str> = at.windows(2).map(|pair| &json[pair[0]..pair[1]]).collect();
            prop_assert_eq!(through(false, true, &pieces), text);
        }
    }
}
