//! The files that tools keep their settings in, as values that are read and set by path: JSON and JSON5, TOML, and the
//! `NAME=value` lines of an `.env`. What is not set stays to the byte. No I/O.

use json5_edit::{Document, Edit, Expected, Path};
use serde_json::{Map, Value};
use toml_edit::{DocumentMut, Item, TableLike};

use crate::conceal::{Conceal, may_hide};

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// JSON, with or without comments.
    Json,
    Toml,
    /// `NAME=value` lines.
    Dotenv,
}

/// Where a value stands, by keys.
pub(super) type Keys = Vec<String>;

impl Format {
    /// What a text says.
    pub(super) fn read(self, text: &str) -> Result<Value, String> {
        match self {
            Self::Json if text.trim().is_empty() => Ok(Value::Object(Map::new())),
            Self::Json => {
                let document = Document::parse(text).map_err(|error| error.to_string())?;
                if document.value().is_object() {
                    Ok(document.value().clone())
                } else {
                    Err("it is no object".to_owned())
                }
            }
            Self::Toml => {
                let document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| first_line(&error))?;
                Ok(of_item(document.as_item()))
            }
            Self::Dotenv => {
                let pair = |line| assigned(line).map(|(name, value)| (name.to_owned(), Value::from(value)));
                Ok(Value::Object(text.lines().filter_map(pair).collect()))
            }
        }
    }

    /// The text with these values set, or, where there is none, removed.
    pub(super) fn edited(self, text: &str, edits: &[(Keys, Option<Value>)]) -> Result<String, String> {
        let new = match self {
            Self::Json => edited_json(text, edits)?,
            Self::Toml => edited_toml(text, edits)?,
            Self::Dotenv => edited_dotenv(text, edits),
        };
        let read = self.read(&new)?;
        let wrong = edits.iter().find(|(keys, value)| at(&read, keys) != value.as_ref());
        match wrong {
            None => Ok(new),
            Some((keys, _)) => Err(format!("{} cannot be set there without changing something else", keys.join("."))),
        }
    }

    /// The text with secrets hidden, but for values that are known to be none; none where it cannot be read.
    pub(super) fn concealed(self, text: &str, open: &[String], conceal: &mut Conceal) -> Option<String> {
        match self {
            Self::Json if text.trim().is_empty() => Some(text.to_owned()),
            Self::Json => conceal.text_but(text, open),
            Self::Toml => {
                let document = toml_edit::Document::parse(text.to_owned()).ok()?;
                let mut spans = Vec::new();
                toml_secrets(document.as_item(), false, &mut spans);
                spans.sort_by_key(|(span, _)| span.start);
                Some(conceal.spans(text, &spans))
            }
            Self::Dotenv => {
                let hidden = |line: &str| match (assigned(line), line.split_once('=')) {
                    (Some((_, value)), Some((name, _))) => format!("{name}={}", conceal.hidden(value)),
                    _ => line.to_owned(),
                };
                let lines: Vec<String> = text.lines().map(hidden).collect();
                Some(if text.is_empty() { String::new() } else { lines.join("\n") + "\n" })
            }
        }
    }

    /// Whether nothing is said in it.
    pub(super) fn is_empty(self, text: &str) -> bool {
        let nothing = self.read(text).is_ok_and(|value| value.as_object().is_some_and(Map::is_empty));
        let commented = match self {
            Self::Json => Document::parse(text).is_ok_and(|document| !document.comments().is_empty()),
            Self::Toml | Self::Dotenv => text.contains('#'),
        };
        nothing && !commented
    }
}

/// The value at these keys.
pub(super) fn at<'v>(value: &'v Value, keys: &[String]) -> Option<&'v Value> {
    keys.iter().try_fold(value, |value, key| value.as_object()?.get(key))
}

fn edited_json(text: &str, edits: &[(Keys, Option<Value>)]) -> Result<String, String> {
    // Nothing is there whose style could be followed.
    if text.trim().is_empty() {
        let mut whole = Value::Object(Map::new());
        for (keys, value) in edits {
            if let Some(value) = value {
                put(&mut whole, keys, value.clone());
            }
        }
        return Ok(format!("{whole:#}\n"));
    }
    let mut document = Document::parse(text).map_err(|error| error.to_string())?;
    let path = |keys: &[String]| keys.iter().fold(Path::root(), |path, key| path.then(key.as_str()));
    for (keys, value) in edits {
        let path = path(keys);
        let edit = match value {
            Some(value) => Edit::Set { path, value: value.clone(), expected: Expected::Anything },
            None if document.get(&path).is_none() => continue,
            None => Edit::Remove { path, expected: Expected::Anything },
        };
        document = document.apply(&[edit]).map_err(|error| error.to_string())?;
    }
    let new = document.text().to_owned();
    let strict = |text: &str| serde_json::from_str::<Value>(text).is_ok();
    // Its reader may know JSON alone.
    if strict(text) && !strict(&new) {
        return Ok(format!("{:#}\n", document.value()));
    }
    Ok(new)
}

fn put(whole: &mut Value, keys: &[String], value: Value) {
    let mut at = whole;
    for key in keys {
        if !at.is_object() {
            *at = Value::Object(Map::new());
        }
        at = &mut at[key.as_str()];
    }
    *at = value;
}

fn edited_toml(text: &str, edits: &[(Keys, Option<Value>)]) -> Result<String, String> {
    let mut document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| first_line(&error))?;
    for (keys, value) in edits {
        let Some((last, parents)) = keys.split_last() else { continue };
        let mut table: &mut dyn TableLike = document.as_table_mut();
        let mut missing = false;
        for key in parents {
            if table.get(key).is_none() {
                if value.is_none() {
                    missing = true;
                    break;
                }
                let mut new = toml_edit::Table::new();
                // `[a.b]` says that there is an `a`.
                new.set_implicit(true);
                table.insert(key, Item::Table(new));
            }
            let item = table.get_mut(key).ok_or_else(|| format!("{key} cannot be made"))?;
            table = item.as_table_like_mut().ok_or_else(|| format!("{key} is no table"))?;
        }
        match value {
            _ if missing => {}
            None => {
                table.remove(last);
            }
            Some(value) => {
                let mut new = to_toml(value).ok_or_else(|| format!("{last} has no form in TOML"))?;
                // A comment behind the old value stays.
                if let Some(old) = table.get(last).and_then(Item::as_value) {
                    *new.decor_mut() = old.decor().clone();
                }
                match table.get_mut(last) {
                    Some(item) => *item = Item::Value(new),
                    None => {
                        table.insert(last, Item::Value(new));
                    }
                }
            }
        }
    }
    Ok(document.to_string())
}

fn to_toml(value: &Value) -> Option<toml_edit::Value> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(value) => (*value).into(),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => whole.into(),
            None => number.as_f64()?.into(),
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(items) => {
            toml_edit::Value::Array(items.iter().map(to_toml).collect::<Option<toml_edit::Array>>()?)
        }
        Value::Object(members) => {
            let mut table = toml_edit::InlineTable::new();
            for (key, value) in members {
                table.insert(key, to_toml(value)?);
            }
            toml_edit::Value::InlineTable(table)
        }
    })
}

fn of_item(item: &Item) -> Value {
    match item {
        Item::None => Value::Null,
        Item::Value(value) => of_toml(value),
        Item::Table(table) => Value::Object(table.iter().map(|(key, item)| (key.to_owned(), of_item(item))).collect()),
        Item::ArrayOfTables(tables) => tables.iter().map(|table| of_item(&Item::Table(table.clone()))).collect(),
    }
}

fn of_toml(value: &toml_edit::Value) -> Value {
    use toml_edit::Value as Toml;
    match value {
        Toml::String(text) => text.value().as_str().into(),
        Toml::Integer(number) => (*number.value()).into(),
        Toml::Float(number) => (*number.value()).into(),
        Toml::Boolean(value) => (*value.value()).into(),
        Toml::Datetime(time) => time.value().to_string().into(),
        Toml::Array(items) => items.iter().map(of_toml).collect(),
        Toml::InlineTable(table) => {
            Value::Object(table.iter().map(|(key, value)| (key.to_owned(), of_toml(value))).collect())
        }
    }
}

/// Where strings stand that may be secrets.
fn toml_secrets(item: &Item, this: bool, spans: &mut Vec<(std::ops::Range<usize>, String)>) {
    if let (true, Some(text), Some(span)) = (this, item.as_str(), item.span()) {
        spans.push((span, text.to_owned()));
    } else if let Some(table) = item.as_table_like() {
        for (key, item) in table.iter() {
            toml_secrets(item, this || may_hide(key), spans);
        }
    } else if let Some(tables) = item.as_array_of_tables() {
        for (key, item) in tables.iter().flat_map(toml_edit::Table::iter) {
            toml_secrets(item, this || may_hide(key), spans);
        }
    } else if let Some(items) = item.as_array() {
        for value in items {
            toml_secrets(&Item::Value(value.clone()), this, spans);
        }
    }
}

fn first_line(error: &toml_edit::TomlError) -> String {
    // The whole of it shows the line, which may hold a key.
    error.message().lines().next().unwrap_or("it is no TOML").to_owned()
}

/// The name and value of a line of an `.env`.
fn assigned(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    let (name, value) = line.strip_prefix("export ").unwrap_or(line).split_once('=')?;
    (!line.starts_with('#')).then(|| (name.trim(), value.trim()))
}

fn edited_dotenv(text: &str, edits: &[(Keys, Option<Value>)]) -> String {
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    for (keys, value) in edits {
        let [name] = keys.as_slice() else { continue };
        let is_it = |line: &String| assigned(line).is_some_and(|(known, _)| known == name);
        let at = lines.iter().position(is_it);
        let new = value.as_ref().and_then(Value::as_str).map(|value| format!("{name}={value}\n"));
        match (at, new) {
            (Some(at), Some(new)) => lines[at] = new,
            (Some(at), None) => {
                lines.remove(at);
            }
            (None, Some(new)) => {
                if let Some(last) = lines.last_mut().filter(|last| !last.ends_with('\n')) {
                    last.push('\n');
                }
                lines.push(new);
            }
            (None, None) => {}
        }
    }
    lines.concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn keys(dotted: &str) -> Keys {
        dotted.split('.').map(str::to_owned).collect()
    }

    #[test]
    fn toml_keeps_what_is_not_set_and_the_comment_behind_what_is() {
        let text = "# mine\nmodel = \"gpt-5.5\" # the good one\n\n[mcp_servers.x]\ncommand = 'y'  # odd   spacing\n";
        let edits = [
            (keys("model"), Some(json!("primary"))),
            (keys("model_provider"), Some(json!("pilotlight"))),
            (keys("model_providers.pilotlight.base_url"), Some(json!("http://127.0.0.1:1/v1"))),
        ];
        let new = Format::Toml.edited(text, &edits).unwrap();
        assert_eq!(
            new,
            "# mine\nmodel = \"primary\" # the good one\nmodel_provider = \"pilotlight\"\n\n[mcp_servers.x]\ncommand = 'y'  # odd   \
             spacing\n\n[model_providers.pilotlight]\nbase_url = \"http://127.0.0.1:1/v1\"\n"
        );
        let back = [
            (keys("model"), Some(json!("gpt-5.5"))),
            (keys("model_provider"), None),
            (keys("model_providers.pilotlight.base_url"), None),
            (keys("model_providers.pilotlight"), None),
            (keys("model_providers"), None),
        ];
        assert_eq!(Format::Toml.edited(&new, &back).unwrap(), text);
        assert_eq!(Format::Toml.edited("", &edits[1..2]).unwrap(), "model_provider = \"pilotlight\"\n");
        assert!(Format::Toml.edited("model_providers = 3\n", &edits).is_err());
        assert!(Format::Toml.edited("model = ", &edits).is_err());
    }

    #[test]
    fn json_stays_json_and_keeps_comments_where_there_are_any() {
        let edits = [(keys("env.A"), Some(json!("1"))), (keys("model"), Some(json!("x")))];
        for (text, new) in [
            ("", "{\n  \"env\": {\n    \"A\": \"1\"\n  },\n  \"model\": \"x\"\n}\n"),
            ("{}\n", "{\"env\": {\"A\": \"1\"}, \"model\": \"x\"}\n"),
        ] {
            let edited = Format::Json.edited(text, &edits).unwrap();
            assert_eq!(
                serde_json::from_str::<Value>(&edited).unwrap(),
                serde_json::from_str::<Value>(new).unwrap(),
                "{edited}"
            );
        }
        let text = "{\n  // theirs\n  \"theme\": \"x\",\n  \"env\": { \"B\": \"2\" }\n}\n";
        let edited = Format::Json.edited(text, &edits).unwrap();
        assert!(edited.contains("// theirs\n") && edited.contains("\"A\": \"1\""), "{edited}");
        assert!(Format::Json.edited("[]", &edits).is_err());
    }

    #[test]
    fn lines_of_an_env_file() {
        let edit = [(keys("TOKEN"), Some(json!("t")))];
        assert_eq!(Format::Dotenv.edited("A=1", &edit).unwrap(), "A=1\nTOKEN=t\n");
        assert_eq!(Format::Dotenv.edited("# x\nexport TOKEN=old\nB=2\n", &edit).unwrap(), "# x\nTOKEN=t\nB=2\n");
        assert_eq!(Format::Dotenv.edited("A=1\nTOKEN=t\n", &[(keys("TOKEN"), None)]).unwrap(), "A=1\n");
    }

    #[test]
    fn secrets_are_hidden_in_each() {
        let mut conceal = Conceal::default();
        let toml =
            "[a]\nexperimental_bearer_token = \"hunter2\"\nbase_url = 'http://x'\n[mcp.env]\nK = 'k'\nL = ['l']\n";
        let shown = Format::Toml.concealed(toml, &[], &mut conceal).unwrap();
        assert!(!shown.contains("hunter2") && !shown.contains("'k'"), "{shown}");
        assert!(shown.contains("base_url = 'http://x'"), "{shown}");
        let json = "{\"env\":{\"A\":\"http://x\",\"B\":\"hunter2\"}}";
        let shown = Format::Json.concealed(json, &["http://x".to_owned()], &mut conceal).unwrap();
        assert_eq!(shown, "{\"env\":{\"A\":\"http://x\",\"B\":\"‹hidden key 1›\"}}");
        assert_eq!(Format::Dotenv.concealed("A=hunter2\n", &[], &mut conceal).unwrap(), "A=‹hidden key 1›\n");
    }
}
