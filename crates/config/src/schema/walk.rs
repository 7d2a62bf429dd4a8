//! Holds a configuration against the tables of one version. No I/O.

use std::borrow::Cow;

use json5_edit::{Edit, Expected, Path};
use serde_json::Value;

use super::shape::{In, Key, Least, Range, Rule, Shape, Version};
use crate::diagnostic::Fix;
use crate::near::distance;
use crate::tree::{At, Data, Tree};

/// Something that a version refuses.
#[derive(Clone, Debug)]
pub(super) struct Finding<'a> {
    /// The part it is said of: of a key that is missing, the object that lacks it.
    pub part: At<'a>,
    /// The path of what is wrong: of a key that is missing, its own.
    pub path: Path,
    /// Whether it is said at the part's key rather than at its value.
    pub at_key: bool,
    pub code: &'static str,
    pub message: String,
    pub fix: Option<Fix>,
}

/// Everything that `version` refuses below `at`.
pub(super) struct Walk<'a> {
    version: Version,
    pub findings: Vec<Finding<'a>>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(version: Version) -> Self {
        Self { version, findings: Vec::new() }
    }

    pub(super) fn say(&mut self, code: &'static str, at: &At<'a>, message: impl Into<String>) {
        let (part, path) = (at.clone(), at.path());
        self.findings.push(Finding { part, path, at_key: false, code, message: message.into(), fix: None });
    }

    pub(super) fn say_at_key(&mut self, code: &'static str, at: &At<'a>, message: impl Into<String>) {
        let (part, path) = (at.clone(), at.path());
        self.findings.push(Finding { part, path, at_key: true, code, message: message.into(), fix: None });
    }

    pub(super) fn missing(&mut self, at: &At<'a>, key: &str, message: impl Into<String>) {
        let (part, path) = (at.clone(), at.path().then(key));
        self.findings.push(Finding {
            part,
            path,
            at_key: true,
            code: "missing-key",
            message: message.into(),
            fix: None,
        });
    }

    /// What would mend that which was said last.
    fn mend(&mut self, label: String, edit: Edit) {
        if let Some(last) = self.findings.last_mut() {
            last.fix = Some(Fix::one(label, edit));
        }
    }

    pub(super) fn shape(&mut self, at: &At<'a>, shape: &Shape) {
        self.tagged_shape(at, shape, None);
    }

    /// The same for one of many, of which most are as they should be.
    fn entry(&mut self, at: &At<'a>, shape: &Shape) {
        if !fits(at.tree, shape, self.version) {
            self.shape(at, shape);
        }
    }

    /// The same, where an object's `tag` was looked at already.
    fn tagged_shape(&mut self, at: &At<'a>, shape: &Shape, tag: Option<&str>) {
        let shape = shape.of(self.version);
        match (shape, &at.tree.data) {
            (Shape::Any, _)
            | (Shape::Bool, Data::Scalar(Value::Bool(_)))
            | (Shape::Null, Data::Scalar(Value::Null)) => {}
            (Shape::By(choose), _) => self.shape(at, choose(at.tree)),
            (Shape::OneOf(shapes), _) => self.one_of(at, shape, shapes, tag),
            (Shape::Text(rule), Data::Scalar(Value::String(text))) => self.text(at, *rule, text),
            (Shape::Word(words), Data::Scalar(Value::String(text))) => self.word(at, shape, words, text),
            (Shape::Number(range), Data::Scalar(Value::Number(number))) => {
                self.number(at, *range, number.as_f64().unwrap_or(f64::NAN));
            }
            (Shape::List { item, most }, Data::Array(items)) => {
                if let Some(most) = most.filter(|most| items.len() > *most) {
                    self.say(
                        "bad-value",
                        at,
                        format!("at most {most} are allowed here, and there are {}", items.len()),
                    );
                }
                at.items().for_each(|child| self.entry(&child, item));
            }
            (Shape::Tuple { item, lengths }, Data::Array(items)) => {
                if !lengths.contains(&items.len()) {
                    let lengths: Vec<String> = lengths.iter().map(ToString::to_string).collect();
                    let message =
                        format!("{} values are expected here, and there are {}", lengths.join(" or "), items.len());
                    self.say("bad-value", at, message);
                }
                at.items().for_each(|child| self.shape(&child, item));
            }
            (Shape::Map { value, key }, Data::Object(_)) => {
                for (name, child) in at.members() {
                    if let Some(wanted) = refused(*key, name) {
                        self.say_at_key(
                            "bad-key",
                            &child,
                            format!("{name:?} cannot be a key here: {wanted} is expected"),
                        );
                    }
                    self.entry(&child, value);
                }
            }
            (Shape::Object(keys), Data::Object(_)) => self.object(at, keys, tag, true),
            (Shape::Partial(keys), Data::Object(_)) => self.object(at, keys, tag, false),
            (Shape::Tagged { tag, of }, Data::Object(_)) => self.tagged(at, tag, of),
            _ => self.wrong_type(at, shape),
        }
    }

    fn wrong_type(&mut self, at: &At<'a>, shape: &Shape) {
        let message = format!("expected {}, found {}", shape.words(self.version), at.tree.type_name());
        self.say("wrong-type", at, message);
    }

    fn text(&mut self, at: &At<'a>, rule: Rule, text: &str) {
        if let Some(wanted) = refused(rule, text) {
            // The text itself is left out: it may be a secret.
            self.say("bad-value", at, format!("this text cannot stand here: {wanted} is expected"));
        }
    }

    fn word(&mut self, at: &At<'a>, shape: &Shape, words: &[(&'static str, In)], text: &str) {
        if has_variable(text) || words.iter().any(|(word, versions)| *word == text && versions.has(self.version)) {
            return;
        }
        let known = words.iter().filter(|(_, versions)| versions.has(self.version)).map(|(word, _)| *word);
        let meant = nearest(known, text);
        let hint = match meant {
            Some(meant) => format!("did you mean {meant:?}?"),
            None => format!("write {}", shape.words(self.version)),
        };
        self.say("bad-value", at, format!("{text:?} is not known here: {hint}"));
        if let Some(meant) = meant {
            let edit = Edit::Set { path: at.path(), value: meant.into(), expected: Expected::Anything };
            self.mend(format!("Write {meant}"), edit);
        }
    }

    fn number(&mut self, at: &At<'a>, range: Range, number: f64) {
        if let Some((code, message)) = out_of(range, number) {
            self.say(code, at, message);
        }
    }

    fn object(&mut self, at: &At<'a>, keys: &'static [Key], tag: Option<&str>, closed: bool) {
        let version = self.version;
        let mut included = false;
        for (name, child) in at.members() {
            // What is included is not in view here, so nothing can be said to be missing.
            included |= name == "$include";
            if tag == Some(name) || name == "$include" {
                continue;
            }
            match keys.iter().find(|key| key.name == name) {
                Some(key) if key.versions.has(version) => self.shape(&child, &key.shape),
                None if !closed => {}
                _ => {
                    let known: Vec<_> =
                        keys.iter().filter(|key| key.versions.has(version)).map(|key| key.name).collect();
                    let meant = nearest(known.iter().copied(), name);
                    self.say_at_key("unknown-key", &child, unknown_key(name, meant, &known));
                    // A key that is there already cannot be what was meant.
                    if let Some(meant) = meant.filter(|meant| at.member(meant).is_none()) {
                        let (path, key) = (child.path(), meant.to_owned());
                        self.mend(
                            format!("Rename it to {meant}"),
                            Edit::Rename { path, key, expected: Expected::Anything },
                        );
                    }
                }
            }
        }
        for key in keys.iter().filter(|key| key.required.has(version) && !included) {
            if at.member(key.name).is_none() {
                let message = format!("the key {} is missing: add {}: {}", key.name, key.name, example(key, version));
                self.missing(at, key.name, message);
            }
        }
    }

    fn tagged(&mut self, at: &At<'a>, tag: &'static str, of: &'static [(&'static str, Shape)]) {
        let names = || of.iter().map(|(name, _)| format!("{name:?}")).collect::<Vec<_>>().join(", ");
        let Some(value) = at.member(tag) else {
            if at.member("$include").is_none() {
                self.missing(at, tag, format!("the key {tag} is missing: add one of {}", names()));
            }
            return;
        };
        let Some(name) = value.as_str() else {
            self.say("wrong-type", &value, format!("expected one of {}, found {}", names(), value.tree.type_name()));
            return;
        };
        match of.iter().find(|(known, _)| *known == name) {
            Some((_, shape)) => self.tagged_shape(at, shape, Some(tag)),
            None if has_variable(name) => {}
            None => self.say("bad-value", &value, format!("{name:?} is not known here: write one of {}", names())),
        }
    }

    /// Of several shapes, none of which fits, the one that comes nearest says what is wrong.
    fn one_of(&mut self, at: &At<'a>, whole: &Shape, shapes: &'static [Shape], tag: Option<&str>) {
        let tries = shapes.iter().map(|shape| {
            let mut walk = Self::new(self.version);
            walk.tagged_shape(at, shape, tag);
            walk.findings
        });
        let at_all =
            |findings: &Vec<Finding<'a>>| findings.iter().any(|one| one.code == "wrong-type" && one.path == at.path());
        match tries.min_by_key(|findings| (at_all(findings), findings.len())) {
            Some(findings) if at_all(&findings) => self.wrong_type(at, whole),
            Some(findings) => self.findings.extend(findings),
            None => {}
        }
    }
}

/// Whether a part is certainly as it should be. It says no too where it would take a closer look, which [`Walk`] takes.
fn fits(tree: &Tree, shape: &Shape, version: Version) -> bool {
    match (shape.of(version), &tree.data) {
        (Shape::Any, _) | (Shape::Bool, Data::Scalar(Value::Bool(_))) | (Shape::Null, Data::Scalar(Value::Null)) => {
            true
        }
        (Shape::By(choose), _) => fits(tree, choose(tree), version),
        (Shape::OneOf(shapes), _) => shapes.iter().any(|shape| fits(tree, shape, version)),
        (Shape::Text(rule), Data::Scalar(Value::String(text))) => refused(*rule, text).is_none(),
        (Shape::Word(words), Data::Scalar(Value::String(text))) => {
            words.iter().any(|(word, versions)| *word == text && versions.has(version))
        }
        (Shape::Number(range), Data::Scalar(Value::Number(number))) => {
            number.as_f64().is_some_and(|number| out_of(*range, number).is_none())
        }
        (Shape::List { item, most: None }, Data::Array(items)) => items.iter().all(|child| fits(child, item, version)),
        (Shape::Map { value, key }, Data::Object(members)) => {
            members.iter().all(|(name, child)| refused(*key, name).is_none() && fits(child, value, version))
        }
        (Shape::Object(keys), Data::Object(members)) => {
            let known = |name: &str| keys.iter().find(|key| key.name == name && key.versions.has(version));
            members.iter().all(|(name, child)| known(name).is_some_and(|key| fits(child, &key.shape, version)))
                && keys.iter().all(|key| !key.required.has(version) || members.get(key.name).is_some())
        }
        _ => false,
    }
}

/// What is wrong with a number, with the code of it.
fn out_of(range: Range, number: f64) -> Option<(&'static str, String)> {
    // Up to here every whole number is exact, and OpenClaw takes none beyond.
    const SAFE: f64 = 9_007_199_254_740_991.0;
    if range.whole && (number.fract() != 0.0 || number.abs() > SAFE) {
        return Some(("wrong-type", format!("expected a whole number, found {number:?}")));
    }
    let message = match (range.least, range.most) {
        (Least::Zero, _) if number < 0.0 => format!("{number} is below 0"),
        (Least::AboveZero, _) if number <= 0.0 => format!("expected a number above 0, found {number}"),
        (_, Some(most)) if number > most => format!("at most {most} is allowed here, found {number}"),
        _ => return None,
    };
    Some(("bad-value", message))
}

/// The members or items of a part, with their keys or places.
pub(super) fn children<'a>(at: &At<'a>) -> impl Iterator<Item = (Cow<'a, str>, At<'a>)> + use<'a> {
    let items = at.items().enumerate().map(|(index, item)| (Cow::from(index.to_string()), item));
    at.members().map(|(key, member)| (Cow::from(key), member)).chain(items)
}

/// What a rule asks for, where a text is not like that.
fn refused(rule: Rule, text: &str) -> Option<Cow<'static, str>> {
    if matches!(rule, Rule::Free) || has_variable(text) {
        return None;
    }
    let length = text.encode_utf16().count();
    match rule {
        Rule::Free => None,
        Rule::NotEmpty => text.is_empty().then_some("some text".into()),
        Rule::AtMost(most) => (length > most).then(|| format!("a text of at most {most} characters").into()),
        Rule::Filled(most) => {
            (length == 0 || length > most).then(|| format!("a text of 1 to {most} characters").into())
        }
        Rule::Like(fits, wanted) => (!fits(text)).then_some(wanted.into()),
    }
}

/// Whether a text gets its meaning only where OpenClaw runs.
fn has_variable(text: &str) -> bool {
    text.contains('$')
        && text
            .split("${")
            .skip(1)
            .any(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase() || c == '_') && rest.contains('}'))
}

fn unknown_key(name: &str, meant: Option<&str>, known: &[&str]) -> String {
    let hint = match meant {
        Some(meant) => format!("did you mean {meant}?"),
        None if known.is_empty() => "remove it".to_owned(),
        None if known.len() <= 12 => format!("known here: {}", known.join(", ")),
        None => "remove it, or move it where it belongs".to_owned(),
    };
    format!("OpenClaw knows no key {name} here and refuses the file: {hint}")
}

/// The known name that was likely meant.
fn nearest(known: impl Iterator<Item = &'static str>, written: &str) -> Option<&'static str> {
    // One mistake in a short name, two in a longer one.
    let allowed = if written.chars().count() < 6 { 1 } else { 2 };
    known
        .filter_map(|name| Some((distance(name, written, allowed)?, name)))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

fn example(key: &Key, version: Version) -> &'static str {
    match key.name {
        "baseUrl" => "\"http://127.0.0.1:1234/v1\"",
        "models" => "[{ id: \"…\", name: \"…\" }]",
        _ => match key.shape.of(version) {
            Shape::Number(_) => "0",
            Shape::List { .. } | Shape::Tuple { .. } => "[…]",
            Shape::Object(_) | Shape::Map { .. } | Shape::Tagged { .. } => "{ … }",
            _ => "\"…\"",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_that_was_meant() {
        let known = || ["baseUrl", "apiKey", "models", "api", "name"].into_iter();
        for (written, meant) in [
            ("baseURL", Some("baseUrl")),
            ("base_url", Some("baseUrl")),
            ("apikey", Some("apiKey")),
            ("modles", Some("models")),
            ("nmae", Some("name")),
            ("url", None),
            ("x", None),
            ("context", None),
        ] {
            assert_eq!(nearest(known(), written), meant, "{written}");
        }
    }

    #[test]
    fn a_variable_may_stand_for_anything() {
        for (text, expected) in [("${A}", true), ("x${A_1}y", true), ("${a}", false), ("${A", false), ("$A", false)] {
            assert_eq!(has_variable(text), expected, "{text}");
        }
    }
}
