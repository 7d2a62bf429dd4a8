//! Messages: Anthropic's own, and the servers that speak it. What Anthropic refuses and other APIs allow is repaired:
//! empty words, roles that do not alternate, an end in white space.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};

use super::effort::{Thinking, nearest};
use super::function::{arguments_object, input_schema};
use super::names::Choice;
use super::thread::{Answer, IdRule, Piece, Step};
use super::words::words_of_thought;
use super::{Draft, cache, family, form, refused, schema, set};
use crate::error::ApiError;
use crate::translate::prompt::{Format, Role, Source, Thought};
use crate::translate::{OpaqueKind, Outgoing};

/// Said by the person where the conversation begins with the model.
const BEGIN: &str = "(The conversation begins with the assistant.)";
/// Said by the person where it ends with the model, which may not be put words in its mouth.
const GO_ON: &str = "Continue.";

pub(super) fn write(mut draft: Draft<'_>) -> Result<Outgoing, ApiError> {
    let prompt = draft.prompt;
    let vendor = draft.upstream.vendor;
    let steps = draft.steps(IdRule { longest: 64, exact: false })?;
    let mut body = Map::new();
    body.insert("model".to_owned(), draft.upstream.model.as_str().into());
    let leading = steps.iter().take_while(|step| step.is_operator()).count();
    let (operator, rest) = steps.split_at(leading);
    let mut messages = messages(&mut draft, rest)?;
    let mut system: Vec<Value> =
        operator.iter().flat_map(|step| &step.pieces).filter_map(|piece| words(piece, vendor)).collect();

    let schema = match &prompt.format {
        Format::JsonSchema { schema, .. } if vendor && takes_format(&draft) && schema::is_closed(schema) => {
            Some(schema)
        }
        format => {
            if let Some(instruction) = form::instruction(format) {
                system.push(json!({"type": "text", "text": instruction}));
                draft.left_out("response_format");
            }
            None
        }
    };
    tools(&mut draft, &steps, &mut body);
    let thinks = thinking(&mut draft, &messages, &mut body);
    if let Some(schema) = schema {
        let config = body.entry("output_config").or_insert_with(|| json!({}));
        if let Some(config) = config.as_object_mut() {
            config.insert("format".to_owned(), json!({"type": "json_schema", "schema": schema}));
        }
    }
    end(&draft, thinks, &mut messages);
    set(&mut body, "system", (!system.is_empty()).then_some(system));
    body.insert("messages".to_owned(), messages.into());
    body.insert("stream".to_owned(), prompt.stream.into());
    sampling(&mut draft, thinks, &mut body);
    cache::arrange(&mut body, vendor && !prompt.tools.is_empty());

    if let Some(user) = prompt.user.as_deref().filter(|_| vendor) {
        // Anthropic wants no names of people here.
        let user = if user.contains('@') { format!("user_{:016x}", super::digest(user)) } else { user.to_owned() };
        body.insert("metadata".to_owned(), json!({"user_id": user}));
    }
    let tier = prompt.service_tier.as_deref().filter(|tier| vendor && matches!(*tier, "auto" | "standard_only"));
    set(&mut body, "service_tier", tier);
    draft.left_out_if(tier.is_none() && prompt.service_tier.is_some(), "service_tier");
    draft.left_out_if(prompt.user.is_some() && !vendor, "user");
    draft.left_out_if(prompt.metadata.is_some(), "metadata");
    draft.left_out_if(prompt.verbosity.is_some(), "verbosity");
    draft.left_out_if(prompt.store == Some(true), "store");
    let mut outgoing = draft.finish("/v1/messages".to_owned(), None, body);
    outgoing.headers.push(("anthropic-version", "2023-06-01".to_owned()));
    Ok(outgoing)
}

/// Whether it is a Claude of this version or a later one.
fn since(draft: &Draft<'_>, version: (u32, u32)) -> bool {
    family::claude(&draft.upstream.model).is_some_and(|own| own >= version)
}

/// Source: "Structured outputs" in Anthropic's API documentation.
fn takes_format(draft: &Draft<'_>) -> bool {
    since(draft, (4, 5)) && draft.upstream.compat.json_schema != Some(false)
}

/// A block of words; none where there are none, since Anthropic refuses a text of white space alone.
fn words(piece: &Piece<'_>, vendor: bool) -> Option<Value> {
    let (text, cache) = match piece {
        Piece::Text { text, cache } => (text.as_ref().into(), *cache),
        Piece::Refusal(text) => ((*text).into(), None),
        // Anthropic has a block of its own for it.
        Piece::File { source: Source::Text(_), .. } if vendor => return None,
        other => (other.words()?, None),
    };
    if text.trim().is_empty() {
        return None;
    }
    let mut block = Map::new();
    block.insert("type".to_owned(), "text".into());
    block.insert("text".to_owned(), text.as_ref().into());
    set(&mut block, "cache_control", cache.cloned());
    Some(block.into())
}

/// The turns, alternating from the person's on. What the operator says later stands among them in tags.
fn messages(draft: &mut Draft<'_>, steps: &[Step<'_>]) -> Result<Vec<Value>, ApiError> {
    let mut list: Vec<(&'static str, Vec<Value>)> = Vec::new();
    for step in steps {
        let role = if step.role == Role::Assistant { "assistant" } else { "user" };
        let mut blocks = Vec::new();
        if step.is_operator() {
            let words = step.words();
            if !words.trim().is_empty() {
                blocks.push(json!({"type": "text", "text": format!("<system>\n{words}\n</system>")}));
            }
        } else {
            for piece in &step.pieces {
                blocks.extend(block(draft, piece)?);
            }
        }
        match list.last_mut() {
            _ if blocks.is_empty() => {}
            Some((last, all)) if *last == role => all.append(&mut blocks),
            _ => list.push((role, blocks)),
        }
    }
    if list.first().is_none_or(|(role, _)| *role == "assistant") {
        let text = if list.is_empty() { "Begin." } else { BEGIN };
        list.insert(0, ("user", vec![json!({"type": "text", "text": text})]));
    }
    Ok(list.into_iter().map(|(role, blocks)| json!({"role": role, "content": blocks})).collect())
}

fn block(draft: &mut Draft<'_>, piece: &Piece<'_>) -> Result<Option<Value>, ApiError> {
    if let Some(words) = words(piece, draft.upstream.vendor) {
        return Ok(Some(words));
    }
    Ok(match piece {
        Piece::Image { source, .. } => Some(json!({"type": "image", "source": image(source)?})),
        Piece::File { source, name } => {
            let mut document = Map::new();
            document.insert("type".to_owned(), "document".into());
            document.insert("source".to_owned(), document_source(source)?);
            set(&mut document, "title", *name);
            Some(document.into())
        }
        Piece::Audio { .. } => return Err(refused("this model's API takes no sound; send words alone")),
        Piece::Thought(thought) => {
            let block = thought_block(draft, thought);
            draft.left_out_if(block.is_none(), "reasoning");
            block
        }
        Piece::Call(call) => {
            Some(json!({"type": "tool_use", "id": call.id, "name": call.name, "input": arguments_object(call)}))
        }
        Piece::Answer(answer) => Some(result(draft, answer)?),
        Piece::Text { .. } | Piece::Refusal(_) | Piece::Break => None,
    })
}

fn image(source: &Source) -> Result<Value, ApiError> {
    match source {
        Source::Data { media_type, data } => Ok(json!({"type": "base64", "media_type": media_type, "data": data})),
        Source::Url(url) => Ok(json!({"type": "url", "url": url})),
        Source::Text(_) | Source::Id(_) => {
            Err(refused("this model's server does not know a picture by its file id; send it as data"))
        }
    }
}

/// Documents are PDFs or plain text.
fn document_source(source: &Source) -> Result<Value, ApiError> {
    let text = |text: &str| json!({"type": "text", "media_type": "text/plain", "data": text});
    match source {
        Source::Text(words) => Ok(text(words)),
        Source::Url(url) => Ok(json!({"type": "url", "url": url})),
        Source::Data { media_type, data } if media_type == "application/pdf" => {
            Ok(json!({"type": "base64", "media_type": media_type, "data": data}))
        }
        Source::Data { media_type, data } => {
            let words = BASE64_STANDARD.decode(data).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            words
                .filter(|_| media_type.starts_with("text/") || media_type == "application/json")
                .map(|words| text(&words))
                .ok_or_else(|| {
                    refused(format!("this model's API takes PDF and plain text as documents, but not {media_type}"))
                })
        }
        Source::Id(_) => Err(refused("this model's server does not know a document by its file id; send it as data")),
    }
}

/// A thought goes back to the provider that signed it, byte for byte. Anthropic refuses any other; servers of others take
/// it without a signature.
fn thought_block(draft: &Draft<'_>, thought: &Thought) -> Option<Value> {
    let words = words_of_thought(thought);
    let provider = &draft.upstream.provider;
    match &thought.opaque {
        Some(opaque) if opaque.is_for(provider, OpaqueKind::Signature) => {
            Some(json!({"type": "thinking", "thinking": words, "signature": opaque.value}))
        }
        Some(opaque) if opaque.is_for(provider, OpaqueKind::Redacted) => {
            Some(json!({"type": "redacted_thinking", "data": opaque.value}))
        }
        _ if draft.upstream.vendor || words.trim().is_empty() => None,
        _ => Some(json!({"type": "thinking", "thinking": words, "signature": ""})),
    }
}

fn result(draft: &mut Draft<'_>, answer: &Answer<'_>) -> Result<Value, ApiError> {
    let mut content = Vec::new();
    for piece in &answer.content {
        let mut written = block(draft, piece)?;
        // The mark of the whole result counts.
        if let Some(block) = written.as_mut().and_then(Value::as_object_mut) {
            block.remove("cache_control");
        }
        content.extend(written);
    }
    if content.is_empty() && answer.is_error {
        // Anthropic refuses an error without words.
        content.push(json!({"type": "text", "text": "The tool failed and said nothing."}));
    }
    let mut block = Map::new();
    block.insert("type".to_owned(), "tool_result".into());
    block.insert("tool_use_id".to_owned(), answer.id.as_str().into());
    match content.as_slice() {
        [] => {}
        [one] if one.get("text").is_some() => {
            set(&mut block, "content", one.get("text").cloned());
        }
        _ => {
            block.insert("content".to_owned(), content.into());
        }
    }
    set(&mut block, "is_error", answer.is_error.then_some(true));
    set(&mut block, "cache_control", answer.cache.cloned());
    Ok(block.into())
}

fn tools(draft: &mut Draft<'_>, steps: &[Step<'_>], body: &mut Map<String, Value>) {
    let choice = draft.tools.choice(draft.prompt.tool_choice.as_ref());
    if let Some(Choice::Allowed { names, .. }) = &choice {
        draft.tools.offer_only(names);
    }
    let mut merged = false;
    let mut list: Vec<Value> = Vec::new();
    for (tool, name) in draft.tools.offered() {
        let mut written = Map::new();
        written.insert("name".to_owned(), name.as_str().into());
        set(&mut written, "description", tool.description.as_deref());
        let (schema, one) = input_schema(tool);
        merged |= one;
        written.insert("input_schema".to_owned(), schema);
        set(&mut written, "cache_control", tool.cache.clone());
        list.push(written.into());
    }
    draft.left_out_if(merged, "tools.parameters.anyOf");
    draft.left_out_if(draft.prompt.tools.iter().any(|tool| tool.strict == Some(true)), "tools.strict");
    let single = draft.prompt.parallel_tools == Some(false);
    let mut choice = match choice {
        None if single && !list.is_empty() => Some(json!({"type": "auto"})),
        None => None,
        Some(Choice::Auto | Choice::Allowed { required: false, .. }) => Some(json!({"type": "auto"})),
        Some(Choice::None) => Some(json!({"type": "none"})),
        Some(Choice::Required | Choice::Allowed { required: true, .. }) => Some(json!({"type": "any"})),
        Some(Choice::Named(name)) => Some(json!({"type": "tool", "name": name})),
    };
    let none = choice.as_ref().is_some_and(|choice| choice.get("type") == Some(&"none".into()));
    if let Some(choice) = choice.as_mut().and_then(Value::as_object_mut)
        && single
        && !none
    {
        choice.insert("disable_parallel_tool_use".to_owned(), true.into());
    }
    if list.is_empty() {
        // A conversation with calls is refused without tools.
        let mut called: Vec<&str> = steps
            .iter()
            .flat_map(|step| &step.pieces)
            .filter_map(|piece| if let Piece::Call(call) = piece { Some(call.name.as_str()) } else { None })
            .collect();
        called.sort_unstable();
        called.dedup();
        list.extend(
            called.iter().map(|name| json!({"name": name, "input_schema": {"type": "object", "properties": {}}})),
        );
        choice = (!list.is_empty()).then(|| json!({"type": "none"}));
    }
    if !list.is_empty() {
        body.insert("tools".to_owned(), list.into());
        set(body, "tool_choice", choice);
    }
}

/// The limit and how much to think. Returns whether it thinks.
///
/// Source: Anthropic's documents on extended and adaptive thinking, and the 400s that they name.
fn thinking(draft: &mut Draft<'_>, messages: &[Value], body: &mut Map<String, Value>) -> bool {
    // Every Claude that is served today can write this much; of others nothing is known.
    let usual = if draft.upstream.vendor { 32_000 } else { 8192 };
    let mut most = draft.max_output().or(draft.upstream.max_tokens).unwrap_or(usual).max(1);
    let thinking = draft.thinking();
    let claude = family::claude(&draft.upstream.model);
    let forced = body
        .get("tool_choice")
        .and_then(|choice| choice.get("type"))
        .and_then(Value::as_str)
        .is_some_and(|kind| matches!(kind, "any" | "tool"));
    let mut written = None;
    let mut lost = false;
    match thinking {
        Thinking::Unsaid => {}
        // Before 3.7 none of them thought; Fable and Mythos always do.
        Thinking::Off => {
            let always = draft.upstream.model.contains("fable") || draft.upstream.model.contains("mythos");
            if claude.is_none_or(|version| version >= (3, 7)) && !always {
                written = Some(json!({"type": "disabled"}));
            }
            lost = always;
        }
        Thinking::On { .. } if forced || claude.is_some_and(|version| version < (3, 7)) => lost = true,
        Thinking::On { .. } if since(draft, (4, 6)) => {
            written = Some(json!({"type": "adaptive"}));
            let known: &[&str] = if since(draft, (4, 7)) {
                &["low", "medium", "high", "xhigh", "max"]
            } else {
                &["low", "medium", "high", "max"]
            };
            if let Some(effort) = thinking.effort().and_then(|effort| nearest(effort, known)) {
                body.insert("output_config".to_owned(), json!({"effort": effort}));
            }
        }
        Thinking::On { .. } => {
            let wanted = thinking.budget().unwrap_or_default().max(1024);
            if draft.prompt.max_output.is_none() && draft.upstream.max_tokens.is_none() {
                most = most.max(wanted.saturating_add(usual / 2));
            }
            let budget = wanted.min(most / 4 * 3);
            if budget < 1024 || !begins_with_a_thought(messages) {
                lost = true;
            } else {
                written = Some(json!({"type": "enabled", "budget_tokens": budget}));
            }
        }
    }
    draft.left_out_if(lost, "thinking");
    let thinks = written.is_some() && thinking_is_on(&written);
    body.insert("max_tokens".to_owned(), most.into());
    set(body, "thinking", written);
    thinks
}

fn thinking_is_on(written: &Option<Value>) -> bool {
    written.as_ref().and_then(|written| written.get("type")).is_some_and(|kind| kind != "disabled")
}

/// A model that thinks on a budget takes the results of its calls only where the turn with them begins with its thoughts.
/// They are lost when another provider wrote that turn.
fn begins_with_a_thought(messages: &[Value]) -> bool {
    let first = |message: Option<&Value>| {
        message.and_then(|message| message.get("content")?.get(0)?.get("type")?.as_str()).unwrap_or_default().to_owned()
    };
    let before = messages.len().checked_sub(2).and_then(|at| messages.get(at));
    first(messages.last()) != "tool_result" || matches!(first(before).as_str(), "thinking" | "redacted_thinking")
}

/// The conversation ends with the person. A beginning of the answer that the model shall go on from stays where the model
/// takes it: it may not end in white space.
fn end(draft: &Draft<'_>, thinks: bool, messages: &mut Vec<Value>) {
    let Some(last) = messages.last_mut() else { return };
    if last.get("role") != Some(&"assistant".into()) {
        return;
    }
    let begun = !thinks && !since(draft, (4, 6));
    let text = last.get_mut("content").and_then(Value::as_array_mut).and_then(|blocks| blocks.last_mut());
    if let Some(Value::String(text)) = text.and_then(|block| block.get_mut("text"))
        && begun
    {
        text.truncate(text.trim_end().len());
        return;
    }
    messages.push(json!({"role": "user", "content": [{"type": "text", "text": GO_ON}]}));
}

fn sampling(draft: &mut Draft<'_>, thinks: bool, body: &mut Map<String, Value>) {
    let sampling = &draft.prompt.sampling;
    // Models after Claude Opus 4.6 take none of the three, and none takes all of them while it thinks.
    let takes = !since(draft, (4, 7)) && draft.upstream.compat.temperature != Some(false);
    let temperature = sampling.temperature.filter(|_| takes && !thinks);
    let both = since(draft, (4, 1)) && temperature.is_some();
    let top_p = sampling.top_p.filter(|top_p| takes && !both && (!thinks || *top_p >= 0.95));
    let top_k = sampling.top_k.filter(|_| takes && !thinks);
    set(body, "temperature", temperature.map(|temperature| temperature.clamp(0.0, 1.0)));
    set(body, "top_p", top_p);
    set(body, "top_k", top_k);
    let stop: Vec<_> = sampling.stop.iter().filter(|text| !text.trim().is_empty()).cloned().collect();
    let lost = [
        (sampling.temperature.is_some() && temperature.is_none(), "temperature"),
        (temperature.is_some_and(|temperature| temperature > 1.0), "temperature above 1"),
        (sampling.top_p.is_some() && top_p.is_none(), "top_p"),
        (sampling.top_k.is_some() && top_k.is_none(), "top_k"),
        (sampling.frequency_penalty.is_some(), "frequency_penalty"),
        (sampling.presence_penalty.is_some(), "presence_penalty"),
        (sampling.seed.is_some(), "seed"),
        (sampling.logprobs.is_some(), "logprobs"),
        (stop.len() < sampling.stop.len(), "stop"),
    ];
    set(body, "stop_sequences", (!stop.is_empty()).then_some(stop));
    for (lost, what) in lost {
        draft.left_out_if(lost, what);
    }
}
