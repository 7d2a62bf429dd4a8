//! Which strings of a configuration are secrets: by where they stand, and by how they look. Rather one too many than
//! one too few: a mask costs a person nothing but the sight.

use pilotlight_config::key_looks::{BEGINNINGS, PLACEHOLDERS, is_plain_header};

/// What kind of object or array a string stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ground {
    /// Nothing special.
    Plain,
    /// The keys in here are names that people chose, such as a provider's id: they say nothing of what they hold.
    Names,
    /// All strings in here are secret.
    Secret,
    /// HTTP headers.
    Headers,
    /// A provider's `request`.
    Request,
    /// How a provider's requests show who they are.
    Auth,
    /// Environment variables.
    Variables,
}

/// Objects whose keys are names.
const NAMES: [&str; 8] = ["providers", "models", "profiles", "entries", "accounts", "channels", "plugins", "agents"];
/// Parts of names of keys that hold secrets.
const SECRET: [&str; 12] = [
    "key",
    "token",
    "secret",
    "passw",
    "passphrase",
    "credential",
    "authorization",
    "cookie",
    "webhook",
    "bearer",
    "private",
    "signature",
];
/// Strings in `auth` that say how, not what.
const PLAIN_AUTH: [&str; 7] = ["mode", "type", "scheme", "header", "headername", "prefix", "location"];
impl Ground {
    /// Of the object or array that stands in this one, under `key` where this is an object. `top`: this is the
    /// configuration's outermost object.
    pub(super) fn below(self, key: Option<&str>, top: bool) -> Self {
        let Some(key) = key else { return self };
        let key = key.to_lowercase();
        match (self, key.as_str()) {
            (Self::Secret, _) | (Self::Headers | Self::Auth, _) => Self::Secret,
            (Self::Variables, _) => Self::Variables,
            (_, "env" | "environment") => Self::Variables,
            (_, name) if name.ends_with("headers") => Self::Headers,
            (_, "request") => Self::Request,
            (Self::Request, "auth") => Self::Auth,
            (_, name) if NAMES.contains(&name) => Self::Names,
            (Self::Names, _) => Self::Plain,
            // OpenClaw's list of the places that secrets come from.
            (_, "secrets") if top => Self::Plain,
            (_, name) if is_secret_name(name) => Self::Secret,
            _ => Self::Plain,
        }
    }

    /// Whether a string that stands in this one is a secret by its place.
    pub(super) fn hides(self, key: Option<&str>) -> bool {
        let key = key.map(str::to_lowercase);
        let key = key.as_deref();
        match self {
            Self::Secret | Self::Variables => true,
            Self::Headers => key.is_none_or(|key| !is_plain_header(key)),
            Self::Auth => key.is_none_or(|key| !PLAIN_AUTH.contains(&key)),
            Self::Plain | Self::Names | Self::Request => key.is_some_and(is_secret_name),
        }
    }
}

fn is_secret_name(name: &str) -> bool {
    // A model ref or id as a key is no word.
    !name.contains('/') && SECRET.iter().any(|part| name.contains(part))
}

/// Whether a string in a secret's place is none: it names a variable, or stands there because something must.
pub(in crate::editor) fn is_open(text: &str) -> bool {
    let text = text.trim();
    let text = ["Bearer ", "Basic ", "Token "].iter().find_map(|scheme| text.strip_prefix(scheme)).unwrap_or(text);
    let text = text.trim();
    text.is_empty()
        || PLACEHOLDERS.contains(&text.to_lowercase().as_str())
        || is_only_variables(text)
        || is_key_name(text)
}

fn is_only_variables(text: &str) -> bool {
    let mut rest = text;
    while !rest.is_empty() {
        let Some((name, after)) = rest.strip_prefix("${").and_then(|rest| rest.split_once('}')) else { return false };
        if !is_upper_name(name) {
            return false;
        }
        rest = after;
    }
    true
}

/// A variable's name without braces, which the seed version of OpenClaw takes as well.
fn is_key_name(text: &str) -> bool {
    is_upper_name(text) && ["_KEY", "_TOKEN", "_SECRET", "_PASSWORD"].iter().any(|end| text.ends_with(end))
}

fn is_upper_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_uppercase() || c == '_')
        && text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

/// What in a text is a secret wherever it stands: the known ones, what looks like a vendor's key, and the password or
/// key in a URL. In the text's order, without overlap.
pub(super) fn secrets_in(text: &str, known: &[String]) -> Vec<std::ops::Range<usize>> {
    let mut found: Vec<std::ops::Range<usize>> = Vec::new();
    for secret in known {
        found.extend(text.match_indices(secret.as_str()).map(|(at, secret)| at..at + secret.len()));
    }
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let length = rest.find(|c: char| !is_key_char(c)).unwrap_or(rest.len());
        if length == 0 {
            at += rest.chars().next().map_or(1, char::len_utf8);
            continue;
        }
        let run = &rest[..length];
        if length >= 20
            && BEGINNINGS.iter().any(|beginning| run.starts_with(beginning))
            && run.bytes().any(|b| b.is_ascii_digit())
        {
            found.push(at..at + length);
        }
        at += length;
    }
    found.extend(in_url(text));
    found.sort_by_key(|range| (range.start, std::cmp::Reverse(range.end)));
    let mut apart: Vec<std::ops::Range<usize>> = Vec::new();
    for range in found {
        match apart.last_mut() {
            Some(last) if range.start < last.end => last.end = last.end.max(range.end),
            _ => apart.push(range),
        }
    }
    apart
}

fn is_key_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

/// `https://user:PASSWORD@host` and `?key=SECRET`.
fn in_url(text: &str) -> Vec<std::ops::Range<usize>> {
    let mut found = Vec::new();
    for (at, sign) in text.match_indices("://") {
        let from = at + sign.len();
        let rest = &text[from..];
        let url = &rest[..rest.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'')).unwrap_or(rest.len())];
        let authority = &url[..url.find(['/', '?', '#']).unwrap_or(url.len())];
        if let Some((user, _)) = authority.rsplit_once('@')
            && let Some((name, password)) = user.split_once(':')
            && !is_open(password)
        {
            let start = from + name.len() + 1;
            found.push(start..start + password.len());
        }
        let Some(query) = url.find('?') else { continue };
        let mut start = query + 1;
        for pair in url[start..].split('&') {
            if let Some((name, value)) = pair.split_once('=')
                && is_secret_name(&name.to_lowercase())
                && !is_open(value)
            {
                let value_start = from + start + name.len() + 1;
                found.push(value_start..value_start + value.len());
            }
            start += pair.len() + 1;
        }
    }
    found
}
