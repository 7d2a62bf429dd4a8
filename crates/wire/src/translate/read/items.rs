//! The items of Responses' `input`: messages, thoughts, calls and their results, and what the vendor's own tools left.
//!
//! Sources: OpenAI's published schema; what Codex sends.

use serde_json::Value;

use super::calls::Calls;
use super::chat::arguments;
use super::fields::{Fields, Result, Wrong, note, shown};
use super::part::read_content;
use super::tools::read_tools;
use crate::translate::exact;
use crate::translate::prompt::{Thought, ToolCall};
use crate::translate::{Opaque, OpaqueKind, Part, Prompt, Role, Turn};

/// Reads items one after the other.
#[derive(Debug, Default)]
pub struct Items {
    calls: Calls,
    /// Whose items the last turn is made of, while another may join it.
    run: Option<Role>,
}

impl Items {
    /// Reads one into the turns of a prompt.
    pub fn read(&mut self, value: &Value, prompt: &mut Prompt) -> Result<()> {
        let item = Fields::of(value)?;
        match item.kind()? {
            "message" => self.message(item, prompt),
            "" if item.get("role").is_some() => self.message(item, prompt),
            "reasoning" => self.reasoning(item, prompt),
            "function_call" => {
                let name = item.name()?;
                let text = arguments(item, "arguments")?;
                self.call(item, name, text, false, prompt)
            }
            "custom_tool_call" => {
                let name = item.name()?;
                let text = item.owned("input")?.unwrap_or_default();
                self.call(item, name, text, true, prompt)
            }
            // Tools of the vendor's that the client runs itself: calls like others, of a tool without a schema.
            "local_shell_call" => self.known_call(item, "local_shell", "action", prompt),
            "shell_call" => self.known_call(item, "shell", "action", prompt),
            "apply_patch_call" => self.known_call(item, "apply_patch", "operation", prompt),
            "computer_call" => self.known_call(item, "computer", "action", prompt),
            "tool_search_call" if item.get("call_id").is_some() => {
                self.known_call(item, "tool_search", "arguments", prompt)
            }
            "function_call_output"
            | "custom_tool_call_output"
            | "local_shell_call_output"
            | "shell_call_output"
            | "apply_patch_call_output"
            | "computer_call_output" => self.result(item, prompt),
            "tool_search_output" => self.found_tools(item, prompt),
            "additional_tools" => more_tools(item, prompt).map(drop),
            "item_reference" => Err(reference()),
            "" if item.get("id").is_some() => Err(reference()),
            "" => Err(Wrong::missing("type")),
            "compaction" | "compaction_summary" | "context_compaction" => Err(Wrong::new(
                "is a summary of the conversation that only the provider which wrote it can read: start a new \
                 conversation, or stay with that provider's model",
            )),
            // Searches, interpreters and the like, which ran at the vendor's. What came of them is in the text.
            hosted => {
                note(&mut prompt.notes, hosted);
                Ok(())
            }
        }
    }

    fn message(&mut self, item: Fields<'_>, prompt: &mut Prompt) -> Result<()> {
        let role = match item.needed("role")? {
            "system" => Role::System,
            "developer" => Role::Developer,
            "user" => Role::User,
            "assistant" => Role::Assistant,
            other => {
                let message = format!("is {}, and must be system, developer, user or assistant", shown(other));
                return Err(Wrong::new(message).at("role"));
            }
        };
        let value = item.get("content").ok_or_else(|| Wrong::missing("content"))?;
        let parts = read_content(value, role).map_err(|wrong| wrong.at("content"))?;
        if role == Role::Assistant {
            parts.into_iter().for_each(|part| self.push(Role::Assistant, part, prompt));
        } else if !parts.is_empty() {
            self.run = None;
            prompt.turns.push(Turn { role, parts });
        }
        Ok(())
    }

    fn reasoning(&mut self, item: Fields<'_>, prompt: &mut Prompt) -> Result<()> {
        let mut thought = Thought::default();
        item.each("content", |_, value| {
            thought.text.push_str(Fields::of(value)?.text("text")?.unwrap_or_default());
            Ok(())
        })?;
        item.each("summary", |_, value| {
            thought.summary.extend(Fields::of(value)?.owned("text")?.filter(|text| !text.is_empty()));
            Ok(())
        })?;
        if let Some(sealed) = item.text("encrypted_content")?.filter(|sealed| !sealed.is_empty()) {
            let mut opaque = Opaque::open(sealed, OpaqueKind::Encrypted);
            if opaque.value == sealed {
                opaque.id = item.owned("id")?;
            }
            thought.opaque = Some(opaque);
        }
        if thought != Thought::default() {
            self.push(Role::Assistant, Part::Reasoning(thought), prompt);
        }
        Ok(())
    }

    fn call(
        &mut self,
        item: Fields<'_>,
        name: String,
        arguments: String,
        custom: bool,
        prompt: &mut Prompt,
    ) -> Result<()> {
        let (id, opaque) = self.calls.made(call_id(item)?, &name, custom);
        let namespace = item.owned("namespace")?.filter(|namespace| !namespace.is_empty());
        let call = ToolCall { id, name, namespace, arguments, custom, opaque };
        self.push(Role::Assistant, Part::ToolCall(call), prompt);
        Ok(())
    }

    fn known_call(&mut self, item: Fields<'_>, name: &str, key: &'static str, prompt: &mut Prompt) -> Result<()> {
        let text = arguments(item, key)?;
        self.call(item, name.to_owned(), text, false, prompt)
    }

    fn result(&mut self, item: Fields<'_>, prompt: &mut Prompt) -> Result<()> {
        // Only a shell's result names the call by an `id`; elsewhere that is the result's own.
        let id = if item.kind()? == "local_shell_call_output" { call_id(item)? } else { item.text("call_id")? };
        let (call_id, custom) = self.calls.answered(id).ok_or_else(|| Wrong::missing("call_id"))?;
        // A result may come before what it belongs to is known: only its own type tells then.
        let custom = custom || item.kind()? == "custom_tool_call_output";
        let (content, failed) = match item.get("output") {
            None => (Vec::new(), false),
            Some(value) => read_output(value).map_err(|wrong| wrong.at("output"))?,
        };
        let is_error = failed || item.text("status")? == Some("failed");
        self.push(Role::User, Part::ToolResult { call_id, content, is_error, custom, cache: None }, prompt);
        Ok(())
    }

    /// The tools that a search gave may be called from here on.
    fn found_tools(&mut self, item: Fields<'_>, prompt: &mut Prompt) -> Result<()> {
        let names = more_tools(item, prompt)?;
        if item.get("call_id").is_none() {
            return Ok(());
        }
        let (call_id, custom) = self.calls.answered(call_id(item)?).ok_or_else(|| Wrong::missing("call_id"))?;
        let content = vec![Part::text(format!("Tools found: {}", names.join(", ")))];
        self.push(Role::User, Part::ToolResult { call_id, content, is_error: false, custom, cache: None }, prompt);
        Ok(())
    }

    /// Adds to the turn that the last item was put into, or begins one: what one answer held is one turn, and so is
    /// what its calls gave.
    fn push(&mut self, role: Role, part: Part, prompt: &mut Prompt) {
        match prompt.turns.last_mut().filter(|turn| self.run == Some(role) && turn.role == role) {
            Some(turn) => turn.parts.push(part),
            None => prompt.turns.push(Turn { role, parts: vec![part] }),
        }
        self.run = Some(role);
    }
}

/// Reads the `tools` of an item, and gives their names. One that is there already stays as it is.
fn more_tools(item: Fields<'_>, prompt: &mut Prompt) -> Result<Vec<String>> {
    let before = prompt.tools.len();
    read_tools(item, prompt)?;
    let mut names = Vec::new();
    for tool in prompt.tools.split_off(before) {
        names.push(tool.name.clone());
        if !prompt.tools.iter().any(|own| own.name == tool.name && own.namespace == tool.namespace) {
            prompt.tools.push(tool);
        }
    }
    Ok(names)
}

fn call_id(item: Fields<'_>) -> Result<Option<&str>> {
    Ok(item.text("call_id")?.filter(|id| !id.is_empty()).or(item.text("id")?))
}

fn reference() -> Wrong {
    Wrong::new(
        "refers to an item that is stored at the provider which wrote it, and this model is another's: send the item \
         itself",
    )
}

/// What a call gave, and whether it says that it failed.
fn read_output(value: &Value) -> Result<(Vec<Part>, bool)> {
    match value {
        Value::String(text) => Ok((vec![Part::text(text)], false)),
        // A shell's: each command's own output, which is text for everybody else.
        Value::Array(list) if list.iter().any(|one| one.get("stdout").is_some()) => {
            Ok((vec![Part::text(exact::release(value.to_string()))], false))
        }
        Value::Array(_) => Ok((read_content(value, Role::User)?, false)),
        Value::Object(_) => {
            let output = Fields::of(value)?;
            if output.kind()? == "computer_screenshot" {
                return Ok((vec![super::part::image(output)?], false));
            }
            let failed = output.flag("success")? == Some(false);
            match output.get("content") {
                Some(content) => Ok((read_content(content, Role::User).map_err(|wrong| wrong.at("content"))?, failed)),
                None => Ok((vec![Part::text(exact::release(value.to_string()))], failed)),
            }
        }
        other => Err(super::fields::not("a string or a list", other)),
    }
}
