//! Requests of `POST /v1/chat/completions`.
//!
//! Sources: OpenAI's published schema, with its older forms; OpenRouter's `reasoning` and `reasoning_details`; the
//! `thinking`, `enable_thinking` and `reasoning_content` of DeepSeek, Z.ai and Qwen.

use serde_json::Value;

use super::calls::Calls;
use super::fields::{Fields, Result, Wrong, not, note, shown};
use super::part::{read_content, read_part};
use super::tools::{nested, read_format, read_function, read_tool_choice, read_tools};
use super::{note_others, read_common};
use crate::translate::exact;
use crate::translate::prompt::{Reasoning, Thought, ToolCall, ToolChoice};
use crate::translate::{Note, Opaque, OpaqueKind, Part, Prompt, Role, Turn};

/// The keys that are read here.
const KNOWN: &[&str] = &[
    "messages",
    "tools",
    "tool_choice",
    "functions",
    "function_call",
    "n",
    "logprobs",
    "max_tokens",
    "max_completion_tokens",
    "reasoning_effort",
    "reasoning",
    "thinking",
    "enable_thinking",
    "chat_template_kwargs",
    "response_format",
    "verbosity",
    "stream_options",
    "modalities",
];

pub fn read(fields: Fields<'_>) -> Result<Prompt> {
    let mut prompt = Prompt::default();
    read_common(fields, &mut prompt)?;
    prompt.max_output = fields.count("max_completion_tokens")?.or(fields.count("max_tokens")?);
    prompt.reasoning = read_reasoning(fields)?;
    prompt.verbosity = fields.owned("verbosity")?;
    if let Some(format) = fields.fields("response_format")? {
        prompt.format = read_format(format).map_err(|wrong| wrong.at("response_format"))?;
    }
    if let Some(options) = fields.fields("stream_options")? {
        let wanted = options.flag("include_usage").map_err(|wrong| wrong.at("stream_options"))?;
        prompt.usage_wanted = wanted.unwrap_or(false);
    }
    prompt.sampling.logprobs = match fields.flag("logprobs")? {
        Some(true) => Some(prompt.sampling.logprobs.unwrap_or(0)),
        _ => None,
    };
    refuse_what_cannot_be_told(fields)?;

    read_tools(fields, &mut prompt)?;
    fields.each("functions", |_, value| {
        prompt.tools.push(read_function(Fields::of(value)?)?);
        Ok(())
    })?;
    prompt.tool_choice = match read_tool_choice(fields)? {
        Some(choice) => Some(choice),
        None => read_function_choice(fields)?,
    };

    if fields.get("messages").is_none() {
        return Err(Wrong::missing("messages"));
    }
    let mut calls = Calls::default();
    fields.each("messages", |_, value| read_message(Fields::of(value)?, &mut calls, &mut prompt))?;
    note_others(fields, KNOWN, &[], &mut prompt.notes);
    Ok(prompt)
}

/// Several answers or spoken ones: nothing that another API could say.
fn refuse_what_cannot_be_told(fields: Fields<'_>) -> Result<()> {
    if fields.count("n")?.is_some_and(|n| n > 1) {
        return Err(Wrong::new("must be 1: this model speaks an API that gives one answer").at("n"));
    }
    if fields.texts("modalities")?.iter().any(|modality| modality != "text") {
        return Err(Wrong::new("must be [\"text\"]: this model speaks an API that answers in text").at("modalities"));
    }
    Ok(())
}

fn read_reasoning(fields: Fields<'_>) -> Result<Reasoning> {
    let mut reasoning = Reasoning { effort: fields.owned("reasoning_effort")?, ..Reasoning::default() };
    if let Some(inner) = fields.fields("reasoning")? {
        let wrong = |wrong: Wrong| wrong.at("reasoning");
        reasoning.effort = reasoning.effort.or(inner.owned("effort").map_err(wrong)?);
        reasoning.budget = inner.count("max_tokens").map_err(wrong)?;
        reasoning.enabled = inner.flag("enabled").map_err(wrong)?;
        reasoning.summary = inner.owned("summary").map_err(wrong)?;
    }
    if let Some(inner) = fields.fields("thinking")? {
        let wrong = |wrong: Wrong| wrong.at("thinking");
        reasoning.enabled = match inner.kind().map_err(wrong)? {
            "" => reasoning.enabled,
            word => Some(word != "disabled"),
        };
        reasoning.budget = reasoning.budget.or(inner.count("budget_tokens").map_err(wrong)?);
    }
    // Templates of local models take many things in many types; only this one has a meaning elsewhere.
    let template = fields.get("chat_template_kwargs").and_then(|value| value.get("enable_thinking"));
    let switch = fields.flag("enable_thinking")?.or(template.and_then(Value::as_bool));
    reasoning.enabled = reasoning.enabled.or(switch);
    Ok(reasoning)
}

/// Chat's older `function_call`: `auto`, `none`, or a function by its name.
fn read_function_choice(fields: Fields<'_>) -> Result<Option<ToolChoice>> {
    match fields.get("function_call") {
        None => Ok(None),
        Some(Value::String(word)) if word == "auto" => Ok(Some(ToolChoice::Auto)),
        Some(Value::String(word)) if word == "none" => Ok(Some(ToolChoice::None)),
        Some(value @ Value::Object(_)) => {
            let name = Fields::of(value)?.name().map_err(|wrong| wrong.at("function_call"))?;
            Ok(Some(ToolChoice::Named { name, namespace: None }))
        }
        Some(_) => Err(Wrong::new("must be \"auto\", \"none\" or name a function").at("function_call")),
    }
}

fn read_message(message: Fields<'_>, calls: &mut Calls, prompt: &mut Prompt) -> Result<()> {
    let (role, parts) = match message.needed("role")? {
        "system" => (Role::System, needed_content(message, Role::System)?),
        "developer" => (Role::Developer, needed_content(message, Role::Developer)?),
        "user" => (Role::User, needed_content(message, Role::User)?),
        "assistant" => (Role::Assistant, read_assistant(message, calls, &mut prompt.notes)?),
        "tool" => (Role::User, vec![read_result(message, calls)?]),
        "function" => (Role::User, vec![read_function_result(message, calls)?]),
        other => {
            let message = format!("is {}, and must be system, developer, user, assistant or tool", shown(other));
            return Err(Wrong::new(message).at("role"));
        }
    };
    if message.get("name").is_some() && role != Role::Assistant && message.text("role")? != Some("function") {
        note(&mut prompt.notes, "messages.name");
    }
    if !parts.is_empty() {
        prompt.turns.push(Turn { role, parts });
    }
    Ok(())
}

fn needed_content(message: Fields<'_>, role: Role) -> Result<Vec<Part>> {
    let value = message.get("content").ok_or_else(|| Wrong::missing("content"))?;
    read_content(value, role).map_err(|wrong| wrong.at("content"))
}

fn read_result(message: Fields<'_>, calls: &mut Calls) -> Result<Part> {
    let (call_id, custom) =
        calls.answered(message.text("tool_call_id")?).ok_or_else(|| Wrong::missing("tool_call_id"))?;
    Ok(Part::ToolResult { call_id, content: result_content(message)?, is_error: false, custom, cache: None })
}

fn read_function_result(message: Fields<'_>, calls: &mut Calls) -> Result<Part> {
    let name = message.name()?;
    let call_id = calls
        .answered_by_name(&name)
        .ok_or_else(|| Wrong::new(format!("is {}, which was not called before", shown(&name))).at("name"))?;
    Ok(Part::ToolResult { call_id, content: result_content(message)?, is_error: false, custom: false, cache: None })
}

fn result_content(message: Fields<'_>) -> Result<Vec<Part>> {
    let content = message.get("content").map(|value| read_content(value, Role::User));
    content.transpose().map_err(|wrong| wrong.at("content")).map(Option::unwrap_or_default)
}

fn read_assistant(message: Fields<'_>, calls: &mut Calls, notes: &mut Vec<Note>) -> Result<Vec<Part>> {
    if message.get("audio").is_some() && message.get("content").is_none() {
        return Err(Wrong::new("is an answer in sound, which only the model that gave it still has").at("audio"));
    }
    let mut parts: Vec<Part> = read_thoughts(message, notes)?.into_iter().map(Part::Reasoning).collect();
    match message.get("content") {
        // Beside calls it is often there and empty, which means the same as none.
        None => {}
        Some(Value::String(text)) if text.is_empty() => {}
        Some(Value::Array(list)) => {
            for (index, value) in list.iter().enumerate() {
                parts.push(match thinking_part(value) {
                    Some(thought) => Part::Reasoning(thought),
                    None => read_part(value, Role::Assistant).map_err(|wrong| wrong.nth(index).at("content"))?,
                });
            }
        }
        Some(value) => parts.extend(read_content(value, Role::Assistant).map_err(|wrong| wrong.at("content"))?),
    }
    if let Some(words) = message.owned("refusal")? {
        parts.push(Part::Refusal(words));
    }
    message.each("tool_calls", |_, value| {
        parts.push(Part::ToolCall(read_call(Fields::of(value)?, calls)?));
        Ok(())
    })?;
    if let Some(call) = message.fields("function_call")? {
        let mut read = || {
            let name = call.name()?;
            let (id, opaque) = calls.made(None, &name, false);
            Ok(ToolCall { id, arguments: arguments(call, "arguments")?, name, opaque, ..ToolCall::default() })
        };
        parts.push(Part::ToolCall(read().map_err(|wrong: Wrong| wrong.at("function_call"))?));
    }
    Ok(parts)
}

/// Mistral's thoughts among the pieces of content: `{type: "thinking", thinking: [{type: "text", text}]}`.
fn thinking_part(value: &Value) -> Option<Thought> {
    let thinking = value.get("thinking").filter(|_| value.get("type").is_some_and(|kind| kind == "thinking"))?;
    let text = match thinking {
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().filter_map(|piece| piece.get("text")?.as_str()).collect(),
        _ => return None,
    };
    Some(Thought { text, ..Thought::default() })
}

fn read_call(call: Fields<'_>, calls: &mut Calls) -> Result<ToolCall> {
    let id = call.text("id")?;
    if call.kind()? == "custom" {
        return nested(call, "custom", |custom| {
            let name = custom.name()?;
            let (id, opaque) = calls.made(id, &name, true);
            let arguments = custom.owned("input")?.unwrap_or_default();
            Ok(ToolCall { id, name, arguments, custom: true, opaque, namespace: None })
        });
    }
    nested(call, "function", |function| {
        let name = function.name()?;
        let (id, opaque) = calls.made(id, &name, false);
        Ok(ToolCall { id, arguments: arguments(function, "arguments")?, name, opaque, ..ToolCall::default() })
    })
}

/// The arguments of a call as JSON text. Some servers give an object, and some nothing where there are none.
pub fn arguments(call: Fields<'_>, key: &'static str) -> Result<String> {
    match call.get(key) {
        None => Ok("{}".to_owned()),
        Some(Value::String(text)) if text.trim().is_empty() => Ok("{}".to_owned()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(value @ Value::Object(_)) => Ok(exact::release(value.to_string())),
        Some(other) => Err(not("a string of JSON", other).at(key)),
    }
}

/// What the model thought before: the text under whichever key a server knows it by, and envelopes of ours in
/// `reasoning_details`. Thoughts that another server sealed came here unread, so nobody else can read them.
fn read_thoughts(message: Fields<'_>, notes: &mut Vec<Note>) -> Result<Vec<Thought>> {
    let mut text = String::new();
    for key in ["reasoning_content", "reasoning", "reasoning_text"] {
        if text.is_empty() {
            text = message.owned(key)?.unwrap_or_default();
        }
    }
    let told = !text.is_empty();
    let (mut summary, mut sealed) = (Vec::new(), Vec::new());
    message.each("reasoning_details", |_, value| {
        let detail = Fields::of(value)?;
        // The same words again, if they stand in `reasoning` too.
        if !told {
            text.push_str(detail.text("text")?.unwrap_or_default());
            summary.extend(detail.owned("summary")?.filter(|paragraph| !paragraph.is_empty()));
        }
        for key in ["data", "signature"] {
            let Some(value) = detail.text(key)?.filter(|value| !value.is_empty()) else { continue };
            let opaque = Opaque::open(value, OpaqueKind::Encrypted);
            if opaque.value == value {
                note(notes, "reasoning_details");
            } else {
                sealed.push(opaque);
            }
        }
        Ok(())
    })?;
    // The text belongs to the first thought that can have one. Where there are several, no client says which is whose.
    let first = sealed.iter().position(|opaque| opaque.kind != OpaqueKind::Redacted);
    let mut thoughts: Vec<Thought> =
        sealed.into_iter().map(|opaque| Thought { opaque: Some(opaque), ..Thought::default() }).collect();
    match first.and_then(|first| thoughts.get_mut(first)) {
        Some(thought) => (thought.text, thought.summary) = (text, summary),
        None if text.is_empty() && summary.is_empty() => {}
        None => thoughts.insert(0, Thought { text, summary, opaque: None }),
    }
    Ok(thoughts)
}

#[cfg(test)]
#[path = "chat_tests.rs"]
mod tests;
