//! Requests of `POST /v1/responses`.
//!
//! Sources: OpenAI's published schema and its Open Responses; what Codex and OpenClaw send.

use serde_json::Value;

use super::fields::{Fields, Result, Wrong, not};
use super::items::Items;
use super::tools::{read_format, read_tool_choice, read_tools};
use super::{note_others, read_common};
use crate::translate::prompt::Reasoning;
use crate::translate::{Part, Prompt, Role, Turn};

/// The keys that are read here.
const KNOWN: &[&str] = &[
    "input",
    "instructions",
    "tools",
    "tool_choice",
    "max_output_tokens",
    "reasoning",
    "text",
    "previous_response_id",
    "include",
    "background",
    "conversation",
    "prompt",
];

/// What may be left out without a word: it says nothing about the answer.
const UNIMPORTANT: &[&str] = &["stream_options", "client_metadata"];

pub fn read(fields: Fields<'_>) -> Result<Prompt> {
    refuse_what_is_stored(fields)?;
    let mut prompt = Prompt { usage_wanted: true, ..Prompt::default() };
    read_common(fields, &mut prompt)?;
    prompt.max_output = fields.count("max_output_tokens")?;
    if let Some(reasoning) = fields.fields("reasoning")? {
        prompt.reasoning = read_reasoning(reasoning).map_err(|wrong| wrong.at("reasoning"))?;
    }
    if let Some(text) = fields.fields("text")? {
        let wrong = |wrong: Wrong| wrong.at("text");
        prompt.verbosity = text.owned("verbosity").map_err(wrong)?;
        if let Some(format) = text.fields("format").map_err(wrong)? {
            prompt.format = read_format(format).map_err(|wrong| wrong.at("format").at("text"))?;
        }
    }
    prompt.previous_response_id = fields.owned("previous_response_id")?;
    prompt.include = fields.texts("include")?;
    if prompt.include.iter().any(|one| one == "message.output_text.logprobs") {
        prompt.sampling.logprobs = prompt.sampling.logprobs.or(Some(0));
    }

    if let Some(instructions) = fields.owned("instructions")?.filter(|text| !text.is_empty()) {
        prompt.turns.push(Turn { role: Role::System, parts: vec![Part::text(instructions)] });
        prompt.instructions = 1;
    }
    read_tools(fields, &mut prompt)?;
    prompt.tool_choice = read_tool_choice(fields)?;
    match fields.get("input") {
        Some(Value::String(text)) => {
            prompt.turns.push(Turn { role: Role::User, parts: vec![Part::text(text)] });
        }
        Some(Value::Array(_)) => {
            let mut items = Items::default();
            fields.each("input", |_, value| items.read(value, &mut prompt))?;
        }
        Some(other) => return Err(not("a string or a list of items", other).at("input")),
        None if prompt.previous_response_id.is_some() => {}
        None => return Err(Wrong::missing("input")),
    }
    note_others(fields, KNOWN, UNIMPORTANT, &mut prompt.notes);
    Ok(prompt)
}

/// What stands only in the vendor's own store, or would have to be put there.
fn refuse_what_is_stored(fields: Fields<'_>) -> Result<()> {
    let refused = |key: &'static str, why: &str| {
        Err(Wrong::new(format!("{why}; this model speaks another API, which has none"))
            .at(key)
            .coded("unsupported_value"))
    };
    if fields.get("conversation").is_some() {
        return refused("conversation", "names a conversation that is stored at OpenAI");
    }
    if fields.get("prompt").is_some() {
        return refused("prompt", "names a prompt that is stored at OpenAI");
    }
    if fields.flag("background")? == Some(true) {
        return refused("background", "asks for an answer that is fetched later");
    }
    Ok(())
}

fn read_reasoning(fields: Fields<'_>) -> Result<Reasoning> {
    let summary = match fields.owned("summary")? {
        Some(summary) => Some(summary),
        // Its older name.
        None => fields.owned("generate_summary")?,
    };
    Ok(Reasoning { effort: fields.owned("effort")?, summary, ..Reasoning::default() })
}

#[cfg(test)]
#[path = "responses_tests.rs"]
mod tests;
