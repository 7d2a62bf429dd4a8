//! Ollama's own API (`/api/chat`).
//!
//! Source: its published reference. What it does not know it passes over, so that ids may stand beside names. Nothing is
//! said of `keep_alive`: the time that the keeper has set stays.

use serde_json::{Map, Value, json};

use super::effort::{Thinking, nearest};
use super::function::{arguments_object, function};
use super::names::Choice;
use super::thread::{IdRule, Piece, Step};
use super::words::{spoken, words_of, words_of_thought};
use super::{Draft, refused, set};
use crate::error::ApiError;
use crate::translate::Outgoing;
use crate::translate::prompt::{Format, Role, Source};

pub(super) fn write(mut draft: Draft<'_>) -> Result<Outgoing, ApiError> {
    let prompt = draft.prompt;
    let steps = draft.steps(IdRule { longest: 64, exact: false })?;
    let mut messages = Vec::new();
    for step in &steps {
        write_step(&mut draft, step, &mut messages)?;
    }
    let mut body = Map::new();
    body.insert("model".to_owned(), draft.upstream.model.as_str().into());
    body.insert("messages".to_owned(), messages.into());
    // Where nothing is said it streams.
    body.insert("stream".to_owned(), prompt.stream.into());
    tools(&mut draft, &mut body);
    match &prompt.format {
        Format::Text => {}
        Format::JsonObject => set(&mut body, "format", Some("json")),
        Format::JsonSchema { schema, .. } => set(&mut body, "format", Some(schema.clone())),
    }
    thinking(&mut draft, &mut body);
    options(&mut draft, &mut body);
    let lost = [
        (prompt.user.is_some(), "user"),
        (prompt.metadata.is_some(), "metadata"),
        (prompt.service_tier.is_some(), "service_tier"),
        (prompt.verbosity.is_some(), "verbosity"),
        (prompt.store == Some(true), "store"),
    ];
    for (lost, what) in lost {
        draft.left_out_if(lost, what);
    }
    Ok(draft.finish("/api/chat".to_owned(), None, body))
}

fn write_step(draft: &mut Draft<'_>, step: &Step<'_>, messages: &mut Vec<Value>) -> Result<(), ApiError> {
    match step.role {
        Role::System | Role::Developer => {
            let words = step.words();
            if !words.is_empty() {
                messages.push(json!({"role": "system", "content": words}));
            }
        }
        Role::User if step.answers() => {
            let mut pictures = Vec::new();
            for piece in &step.pieces {
                let Piece::Answer(answer) = piece else { continue };
                pictures.append(&mut images(&answer.content)?);
                messages.push(json!({
                    "role": "tool", "tool_name": answer.name, "tool_call_id": answer.id, "content": words_of(answer),
                }));
            }
            if !pictures.is_empty() {
                messages.push(json!({"role": "user", "content": "From the results of the tools.", "images": pictures}));
            }
        }
        Role::User => {
            let mut message = Map::new();
            message.insert("role".to_owned(), "user".into());
            message.insert("content".to_owned(), step.words().into());
            let images = images(&step.pieces)?;
            set(&mut message, "images", (!images.is_empty()).then_some(images));
            messages.push(message.into());
        }
        Role::Assistant => said(draft, step, messages),
    }
    Ok(())
}

/// Pictures stand apart from the words.
fn images(pieces: &[Piece<'_>]) -> Result<Vec<Value>, ApiError> {
    let mut images = Vec::new();
    for piece in pieces.iter().filter(|piece| piece.words().is_none()) {
        match piece {
            Piece::Image { source: Source::Data { data, .. }, .. } => images.push(data.as_str().into()),
            Piece::Image { .. } => return Err(refused("Ollama takes pictures as data only; send the picture itself")),
            Piece::File { .. } => return Err(refused("Ollama takes no documents; send their text")),
            Piece::Audio { .. } => return Err(refused("Ollama takes no sound; send words alone")),
            _ => {}
        }
    }
    Ok(images)
}

fn said(draft: &mut Draft<'_>, step: &Step<'_>, messages: &mut Vec<Value>) {
    let thoughts = step.pieces.iter().filter_map(|piece| match piece {
        Piece::Thought(thought) => Some(words_of_thought(thought)).filter(|words| !words.is_empty()),
        _ => None,
    });
    let thoughts = thoughts.collect::<Vec<_>>().join("\n\n");
    let calls: Vec<Value> = step
        .pieces
        .iter()
        .filter_map(|piece| if let Piece::Call(call) = piece { Some(call) } else { None })
        .map(|call| json!({"id": call.id, "function": {"name": call.name, "arguments": arguments_object(call)}}))
        .collect();
    let content = spoken(&step.pieces);
    if content.is_empty() && calls.is_empty() {
        draft.left_out("reasoning");
        return;
    }
    let mut message = Map::new();
    message.insert("role".to_owned(), "assistant".into());
    message.insert("content".to_owned(), content.into());
    set(&mut message, "thinking", (!thoughts.is_empty()).then_some(thoughts));
    set(&mut message, "tool_calls", (!calls.is_empty()).then_some(calls));
    messages.push(message.into());
}

/// Ollama knows no choice: what must not be called is not offered, and that something must be called is lost.
fn tools(draft: &mut Draft<'_>, body: &mut Map<String, Value>) {
    match draft.tools.choice(draft.prompt.tool_choice.as_ref()) {
        None | Some(Choice::Auto) => {}
        Some(Choice::None) => draft.tools.offer_none(),
        Some(Choice::Required) => draft.left_out("tool_choice"),
        Some(Choice::Named(name)) => {
            draft.tools.offer_only(&[name]);
            draft.left_out("tool_choice");
        }
        Some(Choice::Allowed { names, required }) => {
            draft.tools.offer_only(&names);
            draft.left_out_if(required, "tool_choice");
        }
    }
    let mut merged = false;
    let list: Vec<Value> = draft
        .tools
        .offered()
        .iter()
        .map(|(tool, name)| {
            let (function, one) = function(tool, name);
            merged |= one;
            json!({"type": "function", "function": function})
        })
        .collect();
    draft.left_out_if(merged, "tools.parameters.anyOf");
    draft.left_out_if(draft.prompt.tools.iter().any(|tool| tool.strict == Some(true)), "tools.strict");
    draft.left_out_if(draft.prompt.parallel_tools == Some(false), "parallel_tool_calls");
    set(body, "tools", (!list.is_empty()).then_some(list));
}

/// A model that cannot think refuses to be told that it shall, and one that can does so where nothing is said: only that
/// it shall not is told. gpt-oss is told how much.
fn thinking(draft: &mut Draft<'_>, body: &mut Map<String, Value>) {
    let thinking = draft.thinking();
    if draft.upstream.model.contains("gpt-oss") {
        let level = thinking.effort().and_then(|effort| nearest(effort, &["low", "medium", "high"]));
        set(body, "think", level);
    } else if thinking == Thinking::Off {
        body.insert("think".to_owned(), false.into());
    } else {
        draft.left_out_if(thinking.effort().is_some(), "reasoning_effort");
    }
}

fn options(draft: &mut Draft<'_>, body: &mut Map<String, Value>) {
    let sampling = &draft.prompt.sampling;
    let mut options = Map::new();
    set(&mut options, "num_predict", draft.max_output());
    set(&mut options, "temperature", sampling.temperature);
    set(&mut options, "top_p", sampling.top_p);
    set(&mut options, "top_k", sampling.top_k);
    set(&mut options, "frequency_penalty", sampling.frequency_penalty);
    set(&mut options, "presence_penalty", sampling.presence_penalty);
    set(&mut options, "seed", sampling.seed);
    set(&mut options, "stop", (!sampling.stop.is_empty()).then(|| sampling.stop.clone()));
    draft.left_out_if(draft.prompt.sampling.logprobs.is_some(), "logprobs");
    set(body, "options", (!options.is_empty()).then_some(options));
}
