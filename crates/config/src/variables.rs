//! `${VAR}` in a string, and the variables it is looked up in. No I/O.

use std::collections::BTreeMap;

use crate::home::Environment;

/// Where a variable is looked up: the process's environment, then the `.env` file beside the configuration, then the
/// configuration's own `env` block. The first that has it counts, as it does for OpenClaw.
#[derive(Clone, Copy)]
pub(crate) struct Variables<'a> {
    pub environment: &'a Environment,
    pub dotenv: &'a BTreeMap<String, String>,
    pub block: &'a BTreeMap<String, String>,
}

impl<'a> Variables<'a> {
    /// A variable's value; an empty one counts as unset.
    pub(crate) fn get(&self, name: &str) -> Option<&'a str> {
        let other = |map: &'a BTreeMap<String, String>| {
            map.get(name).map(String::as_str).filter(|value| !value.trim().is_empty())
        };
        self.environment.var(name).or_else(|| other(self.dotenv)).or_else(|| other(self.block))
    }

    /// A string with its variables put in.
    pub(crate) fn substitute(&self, text: &str) -> Substituted {
        let mut out = Substituted::default();
        let mut rest = text;
        while let Some(dollar) = rest.find('$') {
            out.text.push_str(&rest[..dollar]);
            rest = &rest[dollar..];
            let escaped = rest.starts_with("$${");
            match name_in_braces(&rest[if escaped { 2 } else { 1 }..]) {
                Some(name) if escaped => {
                    out.text.push_str(&format!("${{{name}}}"));
                    rest = &rest[name.len() + 4..];
                }
                Some(name) => {
                    out.used.push(name.to_owned());
                    match self.get(name) {
                        Some(value) => out.text.push_str(value),
                        None => out.unset.push(name.to_owned()),
                    }
                    rest = &rest[name.len() + 3..];
                }
                None => {
                    out.text.push('$');
                    rest = &rest[1..];
                }
            }
        }
        out.text.push_str(rest);
        out
    }
}

/// A string with its variables put in.
#[derive(Default)]
pub(crate) struct Substituted {
    /// The result; a variable that is not set is left out of it.
    pub text: String,
    /// The variables it named.
    pub used: Vec<String>,
    /// Those of them that are not set.
    pub unset: Vec<String>,
}

/// Whether a text is a variable's name: upper case only, so that `${x}` in a template is left alone.
#[must_use]
pub fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_uppercase() || c == '_')
        && text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

fn name_in_braces(text: &str) -> Option<&str> {
    let inside = text.strip_prefix('{')?;
    let name = &inside[..inside.find('}')?];
    is_name(name).then_some(name)
}

/// The lines `NAME=value` of a `.env` file. Quotes around a value are taken off; `export ` in front, comments and
/// anything else are passed over.
pub(crate) fn parse_dotenv(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter_map(|line| {
            let line = line.trim_start_matches('\u{feff}').trim();
            let line = line.strip_prefix("export ").unwrap_or(line);
            let (name, value) = line.split_once('=')?;
            let (name, value) = (name.trim(), value.trim());
            if name.is_empty() || name.starts_with('#') || name.contains(char::is_whitespace) {
                return None;
            }
            let quoted = ['"', '\'', '`'].into_iter().find_map(|quote| {
                let inside = value.strip_prefix(quote)?;
                inside.find(quote).map(|end| &inside[..end])
            });
            let value = quoted.unwrap_or_else(|| value.split(" #").next().unwrap_or_default().trim());
            Some((name.to_owned(), value.to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn substituted(text: &str) -> (String, Vec<String>) {
        let environment = Environment::isolated(Path::new("/h"), &[("A", "1"), ("EMPTY", "")]);
        let dotenv = BTreeMap::from([("A".to_owned(), "other".to_owned()), ("B_2".to_owned(), "2".to_owned())]);
        let block = BTreeMap::from([("C".to_owned(), "3".to_owned()), ("EMPTY".to_owned(), "4".to_owned())]);
        let variables = Variables { environment: &environment, dotenv: &dotenv, block: &block };
        let done = variables.substitute(text);
        (done.text, done.unset)
    }

    #[test]
    fn variables_are_put_in_once_and_escapes_taken_off() {
        for (text, expected) in [
            ("${A}", "1"),
            ("x${A}y${B_2}z", "x1y2z"),
            ("${C}${EMPTY}", "34"),
            ("$${A}", "${A}"),
            ("$$${A}", "$${A}"),
            ("$${a} ${a} ${} $ {A} $A ${A", "$${a} ${a} ${} $ {A} $A ${A"),
        ] {
            assert_eq!(substituted(text), (expected.to_owned(), vec![]), "{text}");
        }
        assert_eq!(substituted("x${MISSING}${GONE}"), ("x".to_owned(), vec!["MISSING".to_owned(), "GONE".to_owned()]));
    }

    #[test]
    fn a_dotenv_file_is_read() {
        let read = parse_dotenv("# keys\nA=1\nexport B = 'two # 2' # b\nC=\"x\"\nD=4 # four\nnonsense\n#E=5\nF=\n");
        let read: Vec<_> = read.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(read, [("A", "1"), ("B", "two # 2"), ("C", "x"), ("D", "4"), ("F", "")]);
    }
}
