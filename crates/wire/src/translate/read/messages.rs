//! Requests of `POST /v1/messages`.
//!
//! Sources: Anthropic's published API reference; what Claude Code sends.

use serde_json::Value;

use super::calls::Calls;
use super::fields::{Fields, Result, Wrong, not, note, shown};
use super::tools::read_format;
use crate::translate::prompt::{Format, Reasoning, Sampling, Source, Thought, Tool, ToolCall, ToolChoice};
use crate::translate::{Note, Opaque, OpaqueKind, Part, Prompt, Role, Turn};

/// The keys that are read here.
const KNOWN: &[&str] = &[
    "model",
    "messages",
    "system",
    "max_tokens",
    "stream",
    "temperature",
    "top_p",
    "top_k",
    "stop_sequences",
    "tools",
    "tool_choice",
    "thinking",
    "output_config",
    "output_format",
    "metadata",
    "service_tier",
];

/// What may be left out without a word: `cache_control` here says where the vendor shall cache, and betas are its own.
const UNIMPORTANT: &[&str] = &["cache_control", "anthropic_beta", "anthropic_version", "betas"];

pub fn read(fields: Fields<'_>) -> Result<Prompt> {
    let mut prompt = Prompt {
        model: fields.needed("model")?.to_owned(),
        stream: fields.flag("stream")?.unwrap_or(false),
        max_output: fields.count("max_tokens")?,
        sampling: Sampling {
            temperature: fields.number("temperature")?,
            top_p: fields.number("top_p")?,
            top_k: fields.count("top_k")?,
            stop: fields.texts("stop_sequences")?,
            ..Sampling::default()
        },
        service_tier: fields.owned("service_tier")?,
        usage_wanted: true,
        ..Prompt::default()
    };
    read_effort(fields, &mut prompt)?;
    if let Some(metadata) = fields.fields("metadata")? {
        prompt.user = metadata.owned("user_id").map_err(|wrong| wrong.at("metadata"))?;
    }
    fields.each("tools", |_, value| read_tool(Fields::of(value)?, &mut prompt))?;
    if let Some(choice) = fields.fields("tool_choice")? {
        read_choice(choice, &mut prompt).map_err(|wrong| wrong.at("tool_choice"))?;
    }

    if let Some(system) = fields.get("system") {
        let parts = read_system(system).map_err(|wrong| wrong.at("system"))?;
        if !parts.is_empty() {
            prompt.turns.push(Turn { role: Role::System, parts });
        }
    }
    if fields.get("messages").is_none() {
        return Err(Wrong::missing("messages"));
    }
    let mut calls = Calls::default();
    fields.each("messages", |_, value| read_message(Fields::of(value)?, &mut calls, &mut prompt))?;
    fields.note_others(KNOWN, UNIMPORTANT, &mut prompt.notes);
    Ok(prompt)
}

/// `thinking`, and `output_config` with the effort and the form of the answer.
fn read_effort(fields: Fields<'_>, prompt: &mut Prompt) -> Result<()> {
    if let Some(thinking) = fields.fields("thinking")? {
        prompt.reasoning = read_thinking(thinking).map_err(|wrong| wrong.at("thinking"))?;
    }
    if let Some(config) = fields.fields("output_config")? {
        let wrong = |wrong: Wrong| wrong.at("output_config");
        prompt.reasoning.effort = config.owned("effort").map_err(wrong)?;
        if let Some(format) = config.fields("format").map_err(wrong)? {
            prompt.format = read_format(format).map_err(|wrong| wrong.at("format").at("output_config"))?;
        }
        if config.get("task_budget").is_some() {
            note(&mut prompt.notes, "output_config.task_budget");
        }
    }
    // Where the form stood while it was a beta.
    if let Some(format) = fields.fields("output_format")?.filter(|_| prompt.format == Format::Text) {
        prompt.format = read_format(format).map_err(|wrong| wrong.at("output_format"))?;
    }
    Ok(())
}

fn read_thinking(thinking: Fields<'_>) -> Result<Reasoning> {
    let enabled = match thinking.needed("type")? {
        "enabled" | "adaptive" => true,
        "disabled" => false,
        other => {
            let message = format!("is {}, and must be \"enabled\", \"adaptive\" or \"disabled\"", shown(other));
            return Err(Wrong::new(message).at("type"));
        }
    };
    let summary = (thinking.text("display")? == Some("summarized")).then(|| "auto".to_owned());
    Ok(Reasoning { effort: None, budget: thinking.count("budget_tokens")?, enabled: Some(enabled), summary })
}

fn read_tool(fields: Fields<'_>, prompt: &mut Prompt) -> Result<()> {
    match fields.kind()? {
        "" | "custom" => {
            prompt.tools.push(Tool {
                name: fields.name()?,
                description: fields.owned("description")?,
                parameters: Some(fields.schema("input_schema")?.ok_or_else(|| Wrong::missing("input_schema"))?),
                strict: fields.flag("strict")?,
                cache: fields.cloned("cache_control"),
                ..Tool::default()
            });
        }
        hosted => note(&mut prompt.notes, hosted),
    }
    Ok(())
}

fn read_choice(choice: Fields<'_>, prompt: &mut Prompt) -> Result<()> {
    prompt.tool_choice = Some(match choice.needed("type")? {
        "auto" => ToolChoice::Auto,
        "any" => ToolChoice::Required,
        "none" => ToolChoice::None,
        "tool" => ToolChoice::Named { name: choice.name()?, namespace: None },
        other => {
            let message = format!("is {}, and must be \"auto\", \"any\", \"tool\" or \"none\"", shown(other));
            return Err(Wrong::new(message).at("type"));
        }
    });
    prompt.parallel_tools = choice.flag("disable_parallel_tool_use")?.map(|disabled| !disabled);
    Ok(())
}

fn read_system(value: &Value) -> Result<Vec<Part>> {
    match value {
        Value::String(text) if text.is_empty() => Ok(Vec::new()),
        Value::String(text) => Ok(vec![Part::text(text)]),
        Value::Array(_) => blocks(value, |block, parts| {
            match block.kind()? {
                "text" => parts.push(text(block)?),
                other => return Err(Wrong::new(format!("is {}, and must be \"text\"", shown(other))).at("type")),
            }
            Ok(())
        }),
        other => Err(not("a string or a list of text blocks", other)),
    }
}

fn read_message(message: Fields<'_>, calls: &mut Calls, prompt: &mut Prompt) -> Result<()> {
    let content = message.get("content").ok_or_else(|| Wrong::missing("content"))?;
    let notes = &mut prompt.notes;
    let (role, parts) = match message.needed("role")? {
        "user" => (Role::User, blocks(content, |block, parts| read_user(block, parts, calls))),
        "assistant" => (Role::Assistant, blocks(content, |block, parts| read_assistant(block, parts, calls, notes))),
        "system" => (Role::System, read_system(content)),
        other => {
            return Err(Wrong::new(format!("is {}, and must be user, assistant or system", shown(other))).at("role"));
        }
    };
    let parts = parts.map_err(|wrong| wrong.at("content"))?;
    if !parts.is_empty() {
        prompt.turns.push(Turn { role, parts });
    }
    Ok(())
}

/// Reads a text or a list of blocks.
fn blocks<'v>(content: &'v Value, mut read: impl FnMut(Fields<'v>, &mut Vec<Part>) -> Result<()>) -> Result<Vec<Part>> {
    let list = match content {
        Value::String(text) => return Ok(vec![Part::text(text)]),
        Value::Array(list) => list,
        other => return Err(not("a string or a list of blocks", other)),
    };
    let mut parts = Vec::with_capacity(list.len());
    for (index, value) in list.iter().enumerate() {
        Fields::of(value).and_then(|block| read(block, &mut parts)).map_err(|wrong| wrong.nth(index))?;
    }
    Ok(parts)
}

fn read_user(block: Fields<'_>, parts: &mut Vec<Part>, calls: &mut Calls) -> Result<()> {
    if block.kind()? != "tool_result" {
        return read_given(block, parts);
    }
    let id = block.text("tool_use_id")?;
    let (call_id, custom) = calls.answered(id).ok_or_else(|| Wrong::missing("tool_use_id"))?;
    let content = match block.get("content") {
        None => Vec::new(),
        Some(content) => blocks(content, read_given).map_err(|wrong| wrong.at("content"))?,
    };
    let is_error = block.flag("is_error")?.unwrap_or(false);
    parts.push(Part::ToolResult { call_id, content, is_error, custom, cache: block.cloned("cache_control") });
    Ok(())
}

/// What a person or a tool gives.
fn read_given(block: Fields<'_>, parts: &mut Vec<Part>) -> Result<()> {
    match block.kind()? {
        "text" => parts.push(text(block)?),
        "image" => parts.push(Part::Image { source: nested_source(block)?, detail: None }),
        "document" => read_document(block, parts)?,
        "search_result" => {
            let mut whole = String::new();
            for key in ["title", "source"] {
                if let Some(line) = block.text(key)? {
                    whole.push_str(line);
                    whole.push('\n');
                }
            }
            block.each("content", |_, value| {
                whole.push_str(Fields::of(value)?.text("text")?.unwrap_or_default());
                whole.push('\n');
                Ok(())
            })?;
            parts.push(Part::text(whole.trim_end()));
        }
        // A tool that a search found. All tools are told anyway.
        "tool_reference" => parts.push(Part::text(block.needed("tool_name")?)),
        other => return Err(super::part::cannot_carry(other)),
    }
    Ok(())
}

fn read_document(block: Fields<'_>, parts: &mut Vec<Part>) -> Result<()> {
    // What is known of a document besides itself.
    if let Some(context) = block.text("context")?.filter(|context| !context.is_empty()) {
        parts.push(Part::text(context));
    }
    let inner = block.fields("source")?.ok_or_else(|| Wrong::missing("source"))?;
    if inner.kind().map_err(|wrong| wrong.at("source"))? == "content" {
        let content = inner.get("content").ok_or_else(|| Wrong::missing("content").at("source"))?;
        parts.extend(blocks(content, read_given).map_err(|wrong| wrong.at("content").at("source"))?);
    } else {
        parts.push(Part::File { source: nested_source(block)?, name: block.owned("title")? });
    }
    Ok(())
}

fn nested_source(block: Fields<'_>) -> Result<Source> {
    let inner = block.fields("source")?.ok_or_else(|| Wrong::missing("source"))?;
    read_source(inner).map_err(|wrong| wrong.at("source"))
}

fn read_source(source: Fields<'_>) -> Result<Source> {
    match source.kind()? {
        "base64" => Ok(Source::Data {
            media_type: source.needed("media_type")?.to_owned(),
            data: source.needed("data")?.to_owned(),
        }),
        "url" => Ok(Source::Url(source.needed("url")?.to_owned())),
        "file" => Ok(Source::Id(source.needed("file_id")?.to_owned())),
        "text" => Ok(Source::Text(source.needed("data")?.to_owned())),
        other => {
            let message = format!("is {}, and must be \"base64\", \"url\", \"file\" or \"text\"", shown(other));
            Err(Wrong::new(message).at("type"))
        }
    }
}

fn read_assistant(block: Fields<'_>, parts: &mut Vec<Part>, calls: &mut Calls, notes: &mut Vec<Note>) -> Result<()> {
    match block.kind()? {
        "text" => parts.push(text(block)?),
        "thinking" => {
            let signature = block.text("signature")?.filter(|signature| !signature.is_empty());
            let text = block.owned("thinking")?.unwrap_or_default();
            if !text.is_empty() || signature.is_some() {
                let opaque = signature.map(|signature| Opaque::open(signature, OpaqueKind::Signature));
                parts.push(Part::Reasoning(Thought { text, summary: Vec::new(), opaque }));
            }
        }
        "redacted_thinking" => {
            let opaque = Some(Opaque::open(block.needed("data")?, OpaqueKind::Redacted));
            parts.push(Part::Reasoning(Thought { opaque, ..Thought::default() }));
        }
        "tool_use" => {
            let name = block.name()?;
            let (id, opaque) = calls.made(block.text("id")?, &name, false);
            let arguments = super::chat::arguments(block, "input")?;
            parts.push(Part::ToolCall(ToolCall { id, name, arguments, opaque, ..ToolCall::default() }));
        }
        // A summary that stands for all that was said before it.
        "compaction" => parts.extend(block.owned("content")?.map(Part::text)),
        "image" | "document" => read_given(block, parts)?,
        "" => return Err(Wrong::missing("type")),
        // What ran at the vendor's. What came of it is in the text.
        hosted => note(notes, hosted),
    }
    Ok(())
}

fn text(block: Fields<'_>) -> Result<Part> {
    Ok(Part::Text { text: block.needed("text")?.to_owned(), cache: block.cloned("cache_control") })
}

#[cfg(test)]
#[path = "messages_tests.rs"]
mod tests;
