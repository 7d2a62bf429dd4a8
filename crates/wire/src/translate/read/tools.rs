//! Tools, the choice among them, and the form of an answer, as Chat (in an object of its own) and Responses (flat) name
//! them.

use serde_json::{Value, json};

use super::fields::{Fields, Result, Wrong, not, note, shown};
use crate::translate::Prompt;
use crate::translate::prompt::{Format, Tool, ToolChoice};

/// Reads `tools` into a prompt. What the vendor itself would run (`web_search` and its like) is noted and left out.
pub fn read_tools(fields: Fields<'_>, prompt: &mut Prompt) -> Result<()> {
    fields.each("tools", |_, value| read_tool(value, None, prompt))
}

fn read_tool(value: &Value, namespace: Option<&str>, prompt: &mut Prompt) -> Result<()> {
    let fields = Fields::of(value)?;
    match fields.kind()? {
        "function" | "" => {
            let mut tool = nested(fields, "function", read_function)?;
            tool.namespace = namespace.map(str::to_owned);
            tool.cache = tool.cache.or_else(|| fields.cloned("cache_control"));
            prompt.tools.push(tool);
        }
        "custom" => {
            let mut tool = nested(fields, "custom", read_custom)?;
            tool.namespace = namespace.map(str::to_owned);
            prompt.tools.push(tool);
        }
        "namespace" if namespace.is_none() => {
            let name = fields.name()?;
            fields.each("tools", |_, value| read_tool(value, Some(&name), prompt))?;
        }
        hosted => note(&mut prompt.notes, hosted),
    }
    Ok(())
}

/// Reads a function: `name`, `description`, `parameters`, `strict`.
pub fn read_function(fields: Fields<'_>) -> Result<Tool> {
    let parameters = fields.schema("parameters")?.unwrap_or_else(|| json!({"type": "object", "properties": {}}));
    Ok(Tool {
        name: fields.name()?,
        description: fields.owned("description")?,
        parameters: Some(parameters),
        strict: fields.flag("strict")?,
        cache: fields.cloned("cache_control"),
        ..Tool::default()
    })
}

fn read_custom(fields: Fields<'_>) -> Result<Tool> {
    let format = match fields.fields("format")? {
        None => json!({"type": "text"}),
        // Chat puts the grammar one object deeper.
        Some(format) => match format.fields("grammar").map_err(|wrong| wrong.at("format"))? {
            Some(grammar) => json!({
                "type": "grammar", "syntax": grammar.cloned("syntax"), "definition": grammar.cloned("definition"),
            }),
            None => fields.cloned("format").unwrap_or_default(),
        },
    };
    Ok(Tool {
        name: fields.name()?,
        description: fields.owned("description")?,
        custom: Some(format),
        ..Tool::default()
    })
}

/// Reads `tool_choice`.
pub fn read_tool_choice(fields: Fields<'_>) -> Result<Option<ToolChoice>> {
    fields.get("tool_choice").map(|value| choice(value).map_err(|wrong| wrong.at("tool_choice"))).transpose()
}

fn choice(value: &Value) -> Result<ToolChoice> {
    if let Value::String(word) = value {
        return mode(word).ok_or_else(|| {
            Wrong::new(format!("is {}, and must be \"auto\", \"none\", \"required\" or name a tool", shown(word)))
        });
    }
    let fields = Fields::of(value).map_err(|_| not("a string or an object", value))?;
    match fields.kind()? {
        "function" => nested(fields, "function", read_named),
        "custom" => nested(fields, "custom", read_named),
        "tool" => read_named(fields),
        "allowed_tools" => nested(fields, "allowed_tools", |fields| {
            let mut names = Vec::new();
            fields.each("tools", |_, value| {
                let tool = Fields::of(value)?;
                let inner = tool.fields("function")?.or(tool.fields("custom")?).unwrap_or(tool);
                names.extend(inner.owned("name")?);
                Ok(())
            })?;
            Ok(ToolChoice::Allowed { names, required: fields.text("mode")? == Some("required") })
        }),
        kind => mode(kind).ok_or_else(|| {
            Wrong::new(format!("is {}: this model can only be made to call a function or custom tool", shown(kind)))
                .at("type")
        }),
    }
}

fn mode(word: &str) -> Option<ToolChoice> {
    match word {
        "auto" => Some(ToolChoice::Auto),
        "none" => Some(ToolChoice::None),
        // `any` is Mistral's and Anthropic's word.
        "required" | "any" => Some(ToolChoice::Required),
        _ => None,
    }
}

fn read_named(fields: Fields<'_>) -> Result<ToolChoice> {
    Ok(ToolChoice::Named { name: fields.name()?, namespace: fields.owned("namespace")? })
}

/// Reads Chat's `response_format`, Responses' `text.format` or Messages' `output_config.format`.
pub fn read_format(fields: Fields<'_>) -> Result<Format> {
    match fields.kind()? {
        "text" | "" => Ok(Format::Text),
        "json_object" => Ok(Format::JsonObject),
        "json_schema" => nested(fields, "json_schema", |fields| {
            let Some(schema) = fields.schema("schema")? else { return Ok(Format::JsonObject) };
            Ok(Format::JsonSchema {
                name: fields.owned("name")?,
                description: fields.owned("description")?,
                schema,
                strict: fields.flag("strict")?,
            })
        }),
        other => {
            let message = format!("is {}, and must be \"text\", \"json_object\" or \"json_schema\"", shown(other));
            Err(Wrong::new(message).at("type"))
        }
    }
}

/// Reads the object under `key`, or the object itself where there is none.
pub fn nested<T>(fields: Fields<'_>, key: &'static str, read: impl FnOnce(Fields<'_>) -> Result<T>) -> Result<T> {
    match fields.fields(key)? {
        Some(inner) => read(inner).map_err(|wrong| wrong.at(key)),
        None => read(fields),
    }
}
