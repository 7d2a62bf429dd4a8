//! Responses: OpenAI's own, and the servers that speak it. Nothing is left to the upstream's store: each request holds the
//! whole conversation.

use serde_json::{Map, Value, json};

use super::chat::{is_tier, user};
use super::family::{self, OpenAi};
use super::function::{arguments, function};
use super::names::Choice;
use super::thread::{Answer, Call, IdRule, Piece, Step};
use super::words::{words_of, words_of_thought};
use super::{Draft, digest, form, picture, refused, set};
use crate::error::ApiError;
use crate::translate::prompt::{Format, Role, Source, Thought};
use crate::translate::{OpaqueKind, Outgoing};

/// OpenAI refuses a lower limit. Source: its 400.
const LEAST_OUTPUT: u64 = 16;

pub(super) fn write(mut draft: Draft<'_>) -> Result<Outgoing, ApiError> {
    let prompt = draft.prompt;
    let compat = &draft.upstream.compat;
    let vendor = draft.upstream.vendor;
    let steps = draft.steps(IdRule { longest: 64, exact: false })?;
    let mut input = Vec::new();
    for step in &steps {
        items(&mut draft, step, &mut input)?;
    }
    let mut text = Map::new();
    match &prompt.format {
        Format::Text => {}
        Format::JsonSchema { name, description, schema, strict } if compat.json_schema != Some(false) => {
            let mut format = Map::new();
            format.insert("type".to_owned(), "json_schema".into());
            format.insert("name".to_owned(), form::name(name.as_deref()).into());
            set(&mut format, "description", description.as_deref());
            format.insert("schema".to_owned(), schema.clone());
            set(&mut format, "strict", *strict);
            text.insert("format".to_owned(), format.into());
        }
        format => {
            if let (Format::JsonSchema { .. }, Some(words)) = (format, form::instruction(format)) {
                input.insert(0, message("system", "input_text", &words));
            }
            text.insert("format".to_owned(), json!({"type": "json_object"}));
        }
    }
    let mut body = Map::new();
    body.insert("model".to_owned(), draft.upstream.model.as_str().into());
    body.insert("input".to_owned(), input.into());
    body.insert("stream".to_owned(), prompt.stream.into());
    set(&mut body, "previous_response_id", prompt.previous_response_id.as_deref());
    // OpenAI keeps what it is not told to forget.
    if compat.store != Some(false) {
        body.insert("store".to_owned(), prompt.store.unwrap_or(false).into());
    }
    set(&mut body, "max_output_tokens", draft.max_output().map(|most| most.max(LEAST_OUTPUT)));
    tools(&mut draft, &mut body);
    let reasons = reasoning(&mut draft, &mut body);
    sampling(&mut draft, reasons, &mut body);
    if vendor {
        set(&mut text, "verbosity", prompt.verbosity.as_deref());
        set(&mut body, "safety_identifier", prompt.user.as_deref().map(user));
        set(&mut body, "metadata", prompt.metadata.clone());
        let tier = prompt.service_tier.as_deref().filter(|tier| is_tier(tier));
        draft.left_out_if(tier.is_none() && prompt.service_tier.is_some(), "service_tier");
        set(&mut body, "service_tier", tier);
    } else {
        draft.left_out_if(prompt.verbosity.is_some(), "verbosity");
        draft.left_out_if(prompt.user.is_some(), "user");
        draft.left_out_if(prompt.metadata.is_some(), "metadata");
        draft.left_out_if(prompt.service_tier.is_some(), "service_tier");
    }
    set(&mut body, "text", (!text.is_empty()).then_some(text));
    if compat.prompt_cache_key.unwrap_or(vendor) {
        set(&mut body, "prompt_cache_key", prompt.cache_key.as_deref());
    }
    Ok(draft.finish("/responses".to_owned(), None, body))
}

fn message(role: &str, kind: &str, text: &str) -> Value {
    json!({"type": "message", "role": role, "content": [{"type": kind, "text": text}]})
}

fn items(draft: &mut Draft<'_>, step: &Step<'_>, input: &mut Vec<Value>) -> Result<(), ApiError> {
    let upstream = draft.upstream;
    match step.role {
        Role::System | Role::Developer => {
            let words = step.words();
            let developer = step.role == Role::Developer && upstream.compat.developer_role.unwrap_or(upstream.vendor);
            if !words.is_empty() {
                input.push(message(if developer { "developer" } else { "system" }, "input_text", &words));
            }
        }
        Role::User if step.answers() => {
            for piece in &step.pieces {
                if let Piece::Answer(answer) = piece {
                    input.push(output(draft, answer)?);
                }
            }
        }
        Role::User => {
            let content = content(draft, &step.pieces)?;
            if !content.is_empty() {
                input.push(json!({"type": "message", "role": "user", "content": content}));
            }
        }
        Role::Assistant => said(draft, &step.pieces, input),
    }
    Ok(())
}

/// What the model said: a message for each run of words, calls and thoughts in their order.
fn said(draft: &mut Draft<'_>, pieces: &[Piece<'_>], input: &mut Vec<Value>) {
    let mut words: Vec<Value> = Vec::new();
    let flush = |words: &mut Vec<Value>, input: &mut Vec<Value>| {
        if !words.is_empty() {
            input.push(json!({"type": "message", "role": "assistant", "content": std::mem::take(words)}));
        }
    };
    // A thought without what it led to is refused.
    let ends =
        pieces.iter().rposition(|piece| !matches!(piece, Piece::Thought(_) | Piece::Break)).map_or(0, |at| at + 1);
    for (at, piece) in pieces.iter().enumerate() {
        match piece {
            Piece::Text { text, .. } => words.push(json!({"type": "output_text", "text": text, "annotations": []})),
            Piece::Refusal(text) => words.push(json!({"type": "refusal", "refusal": text})),
            Piece::Break => flush(&mut words, input),
            Piece::Thought(thought) => {
                flush(&mut words, input);
                let item = if at < ends { reasoning_item(draft, thought) } else { None };
                draft.left_out_if(item.is_none(), "reasoning");
                input.extend(item);
            }
            Piece::Call(call) => {
                flush(&mut words, input);
                input.push(call_item(draft, call));
            }
            Piece::Image { .. } | Piece::File { .. } | Piece::Audio { .. } | Piece::Answer(_) => {
                draft.left_out("assistant.image");
            }
        }
    }
    flush(&mut words, input);
}

/// A thought goes back to the provider that sealed it. OpenAI takes no other; servers of others take the words.
fn reasoning_item(draft: &Draft<'_>, thought: &Thought) -> Option<Value> {
    let upstream = draft.upstream;
    let sealed = thought.opaque.as_ref().filter(|opaque| opaque.is_for(&upstream.provider, OpaqueKind::Encrypted));
    let mut item = Map::new();
    item.insert("type".to_owned(), "reasoning".into());
    let id = sealed.and_then(|opaque| opaque.id.as_deref()).map(ToOwned::to_owned);
    match sealed {
        Some(_) => set(&mut item, "id", id),
        None if upstream.vendor || words_of_thought(thought).trim().is_empty() => return None,
        None => {
            item.insert("id".to_owned(), format!("rs_{:016x}", digest(&words_of_thought(thought))).into());
        }
    }
    let summary: Vec<_> = thought.summary.iter().map(|text| json!({"type": "summary_text", "text": text})).collect();
    item.insert("summary".to_owned(), summary.into());
    if !thought.text.is_empty() && !upstream.vendor {
        item.insert("content".to_owned(), json!([{"type": "reasoning_text", "text": thought.text}]));
    }
    set(&mut item, "encrypted_content", sealed.map(|opaque| opaque.value.as_str()));
    Some(item.into())
}

/// Whether a free-form tool can stay one.
fn free_form(draft: &Draft<'_>) -> bool {
    draft.upstream.vendor && matches!(family::openai(&draft.upstream.model), OpenAi::Reasoning(_) | OpenAi::Unknown)
}

fn call_item(draft: &Draft<'_>, call: &Call<'_>) -> Value {
    if call.call.custom && free_form(draft) {
        return json!({"type": "custom_tool_call", "call_id": call.id, "name": call.name, "input": call.call.arguments});
    }
    json!({"type": "function_call", "call_id": call.id, "name": call.name, "arguments": arguments(call)})
}

fn output(draft: &mut Draft<'_>, answer: &Answer<'_>) -> Result<Value, ApiError> {
    let kind = if answer.custom && free_form(draft) { "custom_tool_call_output" } else { "function_call_output" };
    let output: Value = if answer.content.iter().all(|piece| piece.words().is_some()) {
        words_of(answer).into()
    } else {
        let mut parts = content(draft, &answer.content)?;
        if answer.is_error {
            parts.insert(0, json!({"type": "input_text", "text": "Error: the tool failed."}));
        }
        parts.into()
    };
    Ok(json!({"type": kind, "call_id": answer.id, "output": output}))
}

fn content(draft: &Draft<'_>, pieces: &[Piece<'_>]) -> Result<Vec<Value>, ApiError> {
    let known = draft.upstream.vendor;
    let mut parts = Vec::new();
    for piece in pieces {
        if let Some(words) = piece.words() {
            parts.push(json!({"type": "input_text", "text": words}));
            continue;
        }
        parts.push(match piece {
            Piece::Image { source, detail } => {
                let mut image = Map::new();
                image.insert("type".to_owned(), "input_image".into());
                image.insert("detail".to_owned(), detail.unwrap_or("auto").into());
                match (picture::url(source), source) {
                    (Some(url), _) => set(&mut image, "image_url", Some(url)),
                    (None, Source::Id(id)) if known => set(&mut image, "file_id", Some(id.as_str())),
                    _ => {
                        return Err(refused(
                            "this model's server does not know a picture by its file id; send it as data",
                        ));
                    }
                }
                image.into()
            }
            Piece::File { source, name } => {
                let mut file = Map::new();
                file.insert("type".to_owned(), "input_file".into());
                match source {
                    Source::Data { media_type, data } => {
                        set(&mut file, "filename", Some(name.unwrap_or("document.pdf")));
                        set(&mut file, "file_data", Some(picture::data_url(media_type, data)));
                    }
                    Source::Url(url) => set(&mut file, "file_url", Some(url.as_str())),
                    Source::Id(id) if known => set(&mut file, "file_id", Some(id.as_str())),
                    Source::Id(_) | Source::Text(_) => {
                        return Err(refused(
                            "this model's server does not know a document by its file id; send it as data",
                        ));
                    }
                }
                file.into()
            }
            Piece::Audio { format, data } => {
                json!({"type": "input_audio", "input_audio": {"data": data, "format": format}})
            }
            _ => continue,
        });
    }
    Ok(parts)
}

fn tools(draft: &mut Draft<'_>, body: &mut Map<String, Value>) {
    let vendor = draft.upstream.vendor;
    let free = free_form(draft);
    let choice = match draft.tools.choice(draft.prompt.tool_choice.as_ref()) {
        None => None,
        Some(Choice::Auto) => Some("auto".into()),
        Some(Choice::None) => Some("none".into()),
        Some(Choice::Required) => Some("required".into()),
        Some(Choice::Named(name)) if vendor => Some(named(draft, &name, free)),
        Some(Choice::Allowed { names, required }) if vendor => {
            let tools: Vec<_> = names.iter().map(|name| named(draft, name, free)).collect();
            let mode = if required { "required" } else { "auto" };
            Some(json!({"type": "allowed_tools", "mode": mode, "tools": tools}))
        }
        Some(Choice::Named(name)) => {
            draft.tools.offer_only(&[name]);
            Some("required".into())
        }
        Some(Choice::Allowed { names, required }) => {
            draft.tools.offer_only(&names);
            Some(if required { "required" } else { "auto" }.into())
        }
    };
    if draft.tools.offered().is_empty() {
        return;
    }
    let mut merged = false;
    let strict = draft.upstream.compat.strict != Some(false);
    let list: Vec<Value> = draft
        .tools
        .offered()
        .iter()
        .map(|(tool, name)| {
            if let Some(format) = tool.custom.as_ref().filter(|_| free) {
                let mut custom = Map::new();
                custom.insert("type".to_owned(), "custom".into());
                custom.insert("name".to_owned(), name.as_str().into());
                set(&mut custom, "description", tool.description.as_deref());
                set(&mut custom, "format", grammar(format));
                return custom.into();
            }
            let (mut written, one) = function(tool, name);
            merged |= one;
            written.insert("type".to_owned(), "function".into());
            // Responses takes a tool for strict where nothing is said, and so makes optional arguments obligatory.
            set(&mut written, "strict", strict.then_some(tool.strict.unwrap_or(false)));
            written.into()
        })
        .collect();
    draft.left_out_if(merged, "tools.parameters.anyOf");
    body.insert("tools".to_owned(), list.into());
    set(body, "tool_choice", choice);
    set(body, "parallel_tool_calls", draft.prompt.parallel_tools);
}

fn named(draft: &Draft<'_>, name: &str, free: bool) -> Value {
    let custom = free && draft.tools.offered().iter().any(|(tool, other)| other == name && tool.custom.is_some());
    json!({"type": if custom { "custom" } else { "function" }, "name": name})
}

/// A format as Responses has it: Chat puts the grammar's keys one level deeper.
fn grammar(format: &Value) -> Option<Value> {
    let Some(grammar) = format.get("grammar") else { return format.is_object().then(|| format.clone()) };
    let mut flat = Map::new();
    flat.insert("type".to_owned(), "grammar".into());
    for key in ["syntax", "definition"] {
        set(&mut flat, key, grammar.get(key).cloned());
    }
    Some(flat.into())
}

/// How much to think, and the sealed thoughts, without which they cannot be given back. Returns whether it reasons.
fn reasoning(draft: &mut Draft<'_>, body: &mut Map<String, Value>) -> bool {
    let thinking = draft.thinking();
    let word = draft.effort_word();
    let known = draft.upstream.vendor.then(|| family::openai(&draft.upstream.model));
    draft.left_out_if(word.is_none() && thinking.effort().is_some(), "reasoning.effort");
    let on = thinking.is_on() && known != Some(OpenAi::Plain);
    let mut reasoning = Map::new();
    set(&mut reasoning, "effort", word.as_deref());
    if on {
        set(&mut reasoning, "summary", Some(draft.prompt.reasoning.summary.as_deref().unwrap_or("auto")));
    }
    set(body, "reasoning", (!reasoning.is_empty()).then_some(reasoning));
    let reasons = matches!(known, Some(OpenAi::Reasoning(_)));
    if reasons || on {
        body.insert("include".to_owned(), json!(["reasoning.encrypted_content"]));
    }
    reasons && word.as_deref() != Some("none")
}

fn sampling(draft: &mut Draft<'_>, reasons: bool, body: &mut Map<String, Value>) {
    let sampling = &draft.prompt.sampling;
    let takes = !reasons && draft.upstream.compat.temperature != Some(false);
    set(body, "temperature", sampling.temperature.filter(|_| takes));
    set(body, "top_p", sampling.top_p.filter(|_| takes));
    let lost = [
        (!takes && sampling.temperature.is_some(), "temperature"),
        (!takes && sampling.top_p.is_some(), "top_p"),
        (sampling.top_k.is_some(), "top_k"),
        (sampling.frequency_penalty.is_some(), "frequency_penalty"),
        (sampling.presence_penalty.is_some(), "presence_penalty"),
        (sampling.seed.is_some(), "seed"),
        (!sampling.stop.is_empty(), "stop"),
        (sampling.logprobs.is_some(), "logprobs"),
    ];
    for (lost, what) in lost {
        draft.left_out_if(lost, what);
    }
}
