//! Keys where they can be read by others: written out in the configuration, or left by OpenClaw in the files that it makes
//! for its agents. No message and no fix holds one.

use json5_edit::{Document, Edit, Expected, Kind, Node, Path};
use pilotlight_wire::Location;
use serde_json::Value;

use super::{AgentFile, Ground, items, members};
use crate::diagnostic::{Diagnostic, Fix, Severity};
use crate::key_looks::{begins_like_a_key, is_placeholder};
use crate::keys::usual_variable;
use crate::model::{OWN_PROVIDER, Provider};
use crate::tree::{At, Report};
use crate::variables::is_name;

pub(super) fn check(ground: &Ground<'_>, report: &mut Report<'_>) {
    for (provider, entry) in ground.providers().filter(|(provider, _)| provider.id != OWN_PROVIDER) {
        let location = ground.location(provider);
        if let Some(at) = entry.get("apiKey") {
            written_out(ground, report, &at, provider, Some(location));
        }
        let request = entry.get("request");
        for key in ["token", "value"] {
            if let Some(at) = request.as_ref().and_then(|request| request.at(&["auth", key])) {
                written_out(ground, report, &at, provider, Some(location));
            }
        }
        let rows = entry.get("models").map(|at| items(&at)).unwrap_or_default();
        for holder in [Some(entry), request.as_ref()].into_iter().flatten().chain(&rows) {
            for (name, at) in holder.get("headers").map(|at| members(&at)).unwrap_or_default() {
                written_out(ground, report, &at, provider, is_key_header(name).then_some(location));
            }
        }
    }
    for block in [&["env"][..], &["env", "vars"]] {
        for (name, at) in ground.root.at(block).map(|at| members(&at)).unwrap_or_default() {
            let Some(text) = at.as_str().filter(|text| is_plain(ground, text)) else { continue };
            let telling = ["KEY", "TOKEN", "SECRET", "PASSWORD"].iter().any(|word| name.contains(word));
            if begins_like_a_key(text) || telling && is_dense(text) {
                let message = format!(
                    "The variable {name} is written out in this file, and goes wherever the file goes: move the line to the \
                     .env file beside it."
                );
                report.warning("secret-in-file", &at, message);
            }
        }
    }
}

/// `location` is that of the provider whose key it is; none where it may be anything.
fn written_out(
    ground: &Ground<'_>,
    report: &mut Report<'_>,
    at: &At<'_>,
    provider: &Provider,
    location: Option<Location>,
) {
    let Some(text) = at.as_str().map(str::trim).filter(|text| is_plain(ground, text)) else { return };
    if !is_key(text, location) {
        return;
    }
    let id = &provider.id;
    let variable = usual_variable(id);
    let message = format!(
        "A key of {id} is written out in this file, and goes wherever the file goes: move it to the keychain or to a \
         private file, or put it into a variable and write \"${{{variable}}}\"."
    );
    report.warning("secret-in-file", at, message);
    let bare = text.strip_prefix("Bearer ").unwrap_or(text);
    let before = &text[..text.len() - bare.len()];
    report.mend(variable_with(ground, bare, &variable).map(|name| {
        // What stands here now is the key itself, so it is not repeated.
        let value = Value::from(format!("{before}${{{name}}}"));
        let edit = Edit::Set { path: at.path(), value, expected: Expected::Anything };
        Fix::one(format!("Write ${{{name}}}"), edit)
    }));
}

/// The variable for a provider's key: `OPENROUTER_EU_API_KEY` for `openrouter-eu`.
pub(crate) fn variable_for(provider: &str) -> String {
    let upper = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    let name: String = provider.chars().map(upper).collect();
    let name = name.trim_matches('_');
    if name.starts_with(|c: char| c.is_ascii_uppercase()) { format!("{name}_API_KEY") } else { format!("KEY_{name}") }
}

/// A variable that holds this key already, the expected one rather than another.
fn variable_with(ground: &Ground<'_>, key: &str, expected: &str) -> Option<String> {
    let variables = ground.variables;
    let holds = |name: &&String| variables.get(name).is_some_and(|value| value.trim() == key);
    let elsewhere = variables.environment.vars.keys().chain(variables.dotenv.keys()).filter(|name| is_name(name));
    let mut having: Vec<&String> = elsewhere.filter(holds).collect();
    having.sort_by_key(|name| name.as_str() != expected);
    having.first().map(|name| (*name).clone())
}

/// Whether a text is written out: no variable in it, and none itself.
fn is_plain(ground: &Ground<'_>, text: &str) -> bool {
    !is_name(text) && ground.variables.substitute(text).used.is_empty()
}

fn is_key(text: &str, location: Option<Location>) -> bool {
    let text = text.strip_prefix("Bearer ").unwrap_or(text).trim();
    if is_placeholder(text) {
        return false;
    }
    begins_like_a_key(text)
        || match location {
            Some(Location::Hosted) => text.len() >= 8,
            Some(Location::Local) => is_dense(text),
            None => false,
        }
}

/// Whether a text is too long and too mixed to be words.
fn is_dense(text: &str) -> bool {
    let letters = text.chars().any(|c| c.is_ascii_alphabetic());
    let digits = text.chars().filter(char::is_ascii_digit).count();
    text.len() >= 16 && letters && digits >= 2 && !text.contains(char::is_whitespace) && entropy(text) >= 3.0
}

/// In bits a character.
fn entropy(text: &str) -> f64 {
    let mut counts = [0_u32; 256];
    text.bytes().for_each(|byte| counts[usize::from(byte)] += 1);
    #[allow(clippy::cast_precision_loss, reason = "no key is that long")]
    let all = text.len() as f64;
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| f64::from(*count) / all)
        .map(|share| -share * share.log2())
        .sum()
}

fn is_key_header(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["authorization", "cookie", "key", "token", "secret"].iter().any(|word| name.contains(word))
}

/// Keys that OpenClaw has written out in the files that it makes for its agents, which the seed version does with every
/// key it resolved.
pub(super) fn left_behind(ground: &Ground<'_>) -> Vec<Diagnostic> {
    ground.agent_files.iter().flat_map(|file| in_agent_file(ground, file)).collect()
}

fn in_agent_file(ground: &Ground<'_>, file: &AgentFile) -> Vec<Diagnostic> {
    // What is no JSON is OpenClaw's affair: it makes the file anew.
    let Ok(document) = Document::parse(file.text.expose()) else { return Vec::new() };
    let Some(Kind::Object(providers)) = child(document.root(), "providers").map(|node| &node.kind) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for member in providers {
        let id = member.key.trim().to_lowercase();
        let provider = ground.configuration.provider(&id);
        let known = |text: &str| {
            ground.configuration.providers.iter().any(|provider| {
                let keys = provider.key.iter().chain(provider.headers.iter().map(|(_, key)| key));
                keys.filter_map(|key| key.secret()).any(|secret| secret.expose() == text)
            })
        };
        let location = provider.map(|provider| ground.location(provider));
        let mut look = |path: Path, node: &Node, location: Option<Location>| {
            let Kind::Scalar(Value::String(text)) = &node.kind else { return };
            let text = text.trim();
            let marker = text.starts_with("secretref-") || !is_plain(ground, text);
            if marker || is_placeholder(text) || !(known(text) || is_key(text, location)) {
                return;
            }
            let (line, column) = document.position(node.span.start);
            let message = format!(
                "OpenClaw has left a key of {id} here in clear: take the value out (OpenClaw makes this file anew from the \
                 configuration), and where others could read it, have the vendor make you a new key."
            );
            found.push(Diagnostic {
                severity: Severity::Warning,
                code: "secret-left-behind",
                file: file.path.clone(),
                path: path.to_string(),
                line,
                column,
                message,
                fix: None,
            });
        };
        let path = Path::root().then("providers").then(member.key.as_str());
        if let Some(key) = child(&member.value, "apiKey") {
            look(path.then("apiKey"), key, location);
        }
        if let Some(Kind::Object(headers)) = child(&member.value, "headers").map(|node| &node.kind) {
            for header in headers {
                let location = location.filter(|_| is_key_header(&header.key));
                look(path.then("headers").then(header.key.as_str()), &header.value, location);
            }
        }
    }
    found
}

fn child<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    match &node.kind {
        Kind::Object(members) => members.iter().rev().find(|member| member.key == key).map(|member| &member.value),
        _ => None,
    }
}
