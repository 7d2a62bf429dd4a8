//! The history of a conversation that a client goes on with by `previous_response_id`, for upstreams that keep none:
//! what a model said becomes turns, and turns go in front of what is asked next.
//!
//! Must not know where histories are kept, nor for how long.

use serde_json::Value;

use super::prompt::{Thought, ToolCall};
use super::{Block, ClientTool, Event, Names, Part, Prompt, Role, Turn};

/// What the model said, as turns of the next prompt; empty where it said nothing. Tools have the client's names again.
/// A call that broke off is left out, since its arguments are not whole.
#[must_use]
pub fn answered(events: &[Event], names: &Names) -> Vec<Turn> {
    let mut said = Said { parts: Vec::new(), thought: None, open: None };
    for event in events {
        match event {
            Event::Begin(block) => said.open = Some((block, String::new())),
            Event::Delta(text) => {
                if let Some((_, whole)) = &mut said.open {
                    whole.push_str(text);
                }
            }
            Event::End { opaque } => {
                if let Some((block, text)) = said.open.take() {
                    said.block(block, text, opaque.clone(), names);
                }
            }
            _ => {}
        }
    }
    if let Some((block, text)) = said.open.take()
        && !matches!(block, Block::ToolCall { .. })
    {
        said.block(block, text, None, names);
    }
    said.close_thought();
    if said.parts.is_empty() { Vec::new() } else { vec![Turn { role: Role::Assistant, parts: said.parts }] }
}

/// The conversation that a later request goes on from: what was asked, without the instructions that held for this
/// request alone, and what was answered.
#[must_use]
pub fn conversation(prompt: &Prompt, answer: Vec<Turn>) -> Vec<Turn> {
    prompt.turns.iter().skip(prompt.instructions).cloned().chain(answer).collect()
}

/// Puts the earlier conversation in front of what is asked now, behind the instructions. A lone result finds its call
/// there. A call that the client sends once more, though it stands there already, is not repeated.
pub fn resume(prompt: &mut Prompt, earlier: Vec<Turn>) {
    let made: Vec<&str> = earlier.iter().flat_map(|turn| &turn.parts).filter_map(call_id).collect();
    for turn in prompt.turns.iter_mut().skip(prompt.instructions) {
        turn.parts.retain(|part| call_id(part).is_none_or(|id| !made.contains(&id)));
    }
    let instructions = prompt.instructions.min(prompt.turns.len());
    let asked = prompt.turns.split_off(instructions);
    prompt.turns.extend(earlier);
    prompt.turns.extend(asked.into_iter().filter(|turn| !turn.parts.is_empty()));
    prompt.previous_response_id = None;
}

fn call_id(part: &Part) -> Option<&str> {
    match part {
        Part::ToolCall(call) => Some(&call.id),
        _ => None,
    }
}

/// An answer while it is put together.
struct Said<'e> {
    parts: Vec<Part>,
    /// A thought that no proof has closed: the paragraphs of a summary are one thought, and the last brings the proof.
    thought: Option<Thought>,
    open: Option<(&'e Block, String)>,
}

impl Said<'_> {
    fn block(&mut self, block: &Block, text: String, opaque: Option<super::Opaque>, names: &Names) {
        if let Block::Reasoning | Block::Summary = block {
            let thought = self.thought.get_or_insert_default();
            if *block == Block::Reasoning {
                thought.text.push_str(&text);
            } else if !text.is_empty() {
                thought.summary.push(text);
            }
            if opaque.is_some() {
                thought.opaque = opaque;
                self.close_thought();
            }
            return;
        }
        self.close_thought();
        match block {
            Block::ToolCall { id, name, custom } => {
                let ClientTool { name, namespace, custom: client_custom } = names.of_upstream(name);
                let client_custom = client_custom || *custom;
                let arguments = if client_custom && !custom { free_text(text) } else { text };
                let arguments = if arguments.is_empty() && !client_custom { "{}".to_owned() } else { arguments };
                let id = id.clone();
                self.parts.push(Part::ToolCall(ToolCall {
                    id,
                    name,
                    namespace,
                    arguments,
                    custom: client_custom,
                    opaque,
                }));
            }
            Block::Refusal => self.parts.push(Part::Refusal(text)),
            _ if text.is_empty() => {}
            _ => self.parts.push(Part::text(text)),
        }
    }

    fn close_thought(&mut self) {
        if let Some(thought) = self.thought.take().filter(|thought| *thought != Thought::default()) {
            self.parts.push(Part::Reasoning(thought));
        }
    }
}

/// The free text of a call of a function `{input}`, which stood for a free-form tool.
fn free_text(arguments: String) -> String {
    match serde_json::from_str::<Value>(&arguments) {
        Ok(value) => match value.get("input") {
            Some(Value::String(text)) => text.clone(),
            _ => arguments,
        },
        Err(_) => arguments,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ClientApi;
    use crate::translate::{Finish, Opaque, OpaqueKind, read_request};
    use serde_json::json;

    fn delta(text: &str) -> Event {
        Event::Delta(text.to_owned())
    }

    fn call(id: &str, name: &str, custom: bool) -> Event {
        Event::Begin(Block::ToolCall { id: id.into(), name: name.into(), custom })
    }

    const END: Event = Event::End { opaque: None };

    fn opaque() -> Opaque {
        Opaque { provider: Some("p".into()), kind: OpaqueKind::Encrypted, value: "v".into(), id: Some("rs_1".into()) }
    }

    #[test]
    fn an_answer_is_one_turn_with_its_thoughts_and_calls() {
        let mut names = Names::default();
        names.add("ns__g", ClientTool { name: "g".into(), namespace: Some("ns".into()), custom: false });
        names.add("patch", ClientTool { name: "patch".into(), namespace: None, custom: true });
        let events = [
            Event::Start { id: None, model: None, usage: None },
            Event::Begin(Block::Summary),
            delta("one"),
            END,
            Event::Begin(Block::Summary),
            delta("t"),
            Event::Life,
            delta("wo"),
            Event::End { opaque: Some(opaque()) },
            Event::Begin(Block::Reasoning),
            delta("hm"),
            END,
            Event::Begin(Block::Text),
            delta("so"),
            END,
            call("a", "ns__g", false),
            END,
            call("b", "patch", false),
            delta("{\"input\":\"*** "),
            delta("Begin\"}"),
            END,
            call("c", "cut", false),
            delta("{\"x\""),
            Event::Finish(Finish::Length),
        ];
        let thought =
            Thought { text: String::new(), summary: vec!["one".into(), "two".into()], opaque: Some(opaque()) };
        let call = |id: &str, name: &str, arguments: &str| ToolCall {
            id: id.into(),
            name: name.into(),
            arguments: arguments.into(),
            ..ToolCall::default()
        };
        let expected = vec![
            Part::Reasoning(thought),
            Part::Reasoning(Thought { text: "hm".into(), ..Thought::default() }),
            Part::text("so"),
            Part::ToolCall(ToolCall { namespace: Some("ns".into()), ..call("a", "g", "{}") }),
            Part::ToolCall(ToolCall { custom: true, ..call("b", "patch", "*** Begin") }),
        ];
        assert_eq!(answered(&events, &names), [Turn { role: Role::Assistant, parts: expected }]);
        assert_eq!(answered(&[Event::Finish(Finish::Stop)], &names), []);
    }

    fn read(body: &Value) -> Prompt {
        read_request(ClientApi::Responses, body.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn a_lone_result_finds_its_call_behind_the_new_instructions() {
        let first = read(&json!({"model": "m", "instructions": "old", "input": "go"}));
        let answer = answered(&[call("a", "f", false), delta("{}"), END], &Names::default());
        let earlier = conversation(&first, answer);
        assert_eq!(earlier.len(), 2, "without the instructions");

        let mut next = read(&json!({
            "model": "m", "instructions": "new", "previous_response_id": "resp_1", "input": [
                {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "a", "output": "1"}],
        }));
        resume(&mut next, earlier);
        let roles: Vec<Role> = next.turns.iter().map(|turn| turn.role).collect();
        assert_eq!(roles, [Role::System, Role::User, Role::Assistant, Role::User], "the call stands once");
        assert_eq!((&next.turns[0].parts[0], next.previous_response_id), (&Part::text("new"), None));
        assert!(matches!(&next.turns[3].parts[0], Part::ToolResult { call_id, .. } if call_id == "a"));
    }
}
