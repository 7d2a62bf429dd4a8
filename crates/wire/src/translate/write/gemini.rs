//! Google's Gemini API (`generateContent` of v1beta).
//!
//! Source: the API's published reference, and Google's pages on thought signatures and function calling.

use serde_json::{Map, Value, json};

use super::effort::{Thinking, nearest};
use super::function::{arguments_object, function};
use super::names::Choice;
use super::thread::{Answer, IdRule, Piece, Step};
use super::words::join;
use super::{Draft, family, form, picture, refused, set};
use crate::error::ApiError;
use crate::translate::prompt::{Format, Role, Source};
use crate::translate::{Opaque, OpaqueKind, Outgoing};

/// What Google documents for calls that another model made: Gemini 3 refuses them without a signature.
const NO_SIGNATURE: &str = "skip_thought_signature_validator";

pub(super) fn write(mut draft: Draft<'_>) -> Result<Outgoing, ApiError> {
    let prompt = draft.prompt;
    let steps = draft.steps(IdRule { longest: 64, exact: false })?;
    let leading = steps.iter().take_while(|step| step.is_operator()).count();
    let (operator, rest) = steps.split_at(leading);
    let mut system: Vec<Value> = operator
        .iter()
        .flat_map(|step| &step.pieces)
        .filter_map(|piece| Some(json!({"text": piece.words()?})))
        .collect();
    let mut body = Map::new();
    body.insert("contents".to_owned(), contents(&mut draft, rest)?.into());
    let mut config = Map::new();
    tools(&mut draft, &mut body);
    sampling(&mut draft, &mut config);
    thinking(&mut draft, &mut config);
    set(&mut config, "maxOutputTokens", draft.max_output());
    // Before Gemini 3 an answer is held to a form only where no tools are offered.
    let holds = !body.contains_key("tools") || family::gemini(&draft.upstream.model).is_some_and(|own| own >= (3, 0));
    if let Some(instruction) = form::instruction(&prompt.format) {
        if holds {
            config.insert("responseMimeType".to_owned(), "application/json".into());
            if let Format::JsonSchema { schema, .. } = &prompt.format {
                config.insert("responseJsonSchema".to_owned(), schema.clone());
            }
        } else {
            system.push(json!({"text": instruction}));
            draft.left_out("response_format");
        }
    }
    if !system.is_empty() {
        body.insert("systemInstruction".to_owned(), json!({"parts": system}));
    }
    set(&mut body, "generationConfig", (!config.is_empty()).then_some(config));
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
    let model = &draft.upstream.model;
    let (folder, id) = match model.split_once('/') {
        Some(("models", id)) => ("models", id),
        Some(("tunedModels", id)) => ("tunedModels", id),
        _ => ("models", model.as_str()),
    };
    let (verb, query) =
        if prompt.stream { ("streamGenerateContent", Some("alt=sse")) } else { ("generateContent", None) };
    let path = format!("/{folder}/{}:{verb}", encoded(id));
    Ok(draft.finish(path, query, body))
}

/// A segment of a path.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

/// The turns, alternating, from the person's to the person's.
fn contents(draft: &mut Draft<'_>, steps: &[Step<'_>]) -> Result<Vec<Value>, ApiError> {
    let mut list: Vec<(&'static str, Vec<Value>)> = Vec::new();
    for step in steps {
        let (role, mut parts) = match step.role {
            Role::Assistant => ("model", said(draft, step)),
            Role::User if step.answers() => ("user", answers(step)?),
            Role::User => ("user", heard(&step.pieces)?),
            Role::System | Role::Developer => {
                let words = step.words();
                let tagged = || json!({"text": format!("<system>\n{words}\n</system>")});
                ("user", if words.is_empty() { Vec::new() } else { vec![tagged()] })
            }
        };
        match list.last_mut() {
            _ if parts.is_empty() => {}
            Some((last, all)) if *last == role => all.append(&mut parts),
            _ => list.push((role, parts)),
        }
    }
    if list.first().is_none_or(|(role, _)| *role == "model") {
        let text = if list.is_empty() { "Begin." } else { "(The conversation begins with the model.)" };
        list.insert(0, ("user", vec![json!({"text": text})]));
    }
    if list.last().is_some_and(|(role, _)| *role == "model") {
        list.push(("user", vec![json!({"text": "Continue."})]));
    }
    Ok(list.into_iter().map(|(role, parts)| json!({"role": role, "parts": parts})).collect())
}

/// What the person says.
fn heard(pieces: &[Piece<'_>]) -> Result<Vec<Value>, ApiError> {
    let mut parts = Vec::new();
    for piece in pieces {
        if let Some(words) = piece.words() {
            parts.push(json!({"text": words}));
            continue;
        }
        let (source, other) = match piece {
            Piece::Image { source, .. } => (source, "image/jpeg"),
            Piece::File { source, .. } => (source, "application/pdf"),
            Piece::Audio { format, data } => {
                let inline = json!({"mimeType": format!("audio/{format}"), "data": data});
                parts.push(json!({"inlineData": inline}));
                continue;
            }
            _ => continue,
        };
        parts.push(match source {
            Source::Data { media_type, data } => json!({"inlineData": {"mimeType": media_type, "data": data}}),
            Source::Url(url) => {
                json!({"fileData": {"mimeType": picture::media_type(url, other), "fileUri": url}})
            }
            Source::Id(_) | Source::Text(_) => {
                return Err(refused("this model's server does not know a file by that id; send it as data"));
            }
        });
    }
    Ok(parts)
}

/// The answers to all calls, then what they hold besides words: their number must be that of the calls.
fn answers(step: &Step<'_>) -> Result<Vec<Value>, ApiError> {
    let mut parts = Vec::new();
    let mut rest = Vec::new();
    for piece in &step.pieces {
        let Piece::Answer(Answer { id, name, content, is_error, .. }) = piece else { continue };
        let mut response = Map::new();
        response.insert(if *is_error { "error" } else { "output" }.to_owned(), join(content).into());
        parts.push(json!({"functionResponse": {"id": id, "name": name, "response": response}}));
        for piece in content.iter().filter(|piece| piece.words().is_none()) {
            rest.extend(heard(std::slice::from_ref(piece))?);
        }
    }
    parts.append(&mut rest);
    Ok(parts)
}

/// What the model said. A signature stands on the part that follows the thought; thoughts themselves are not given back.
fn said(draft: &mut Draft<'_>, step: &Step<'_>) -> Vec<Value> {
    let provider = draft.upstream.provider.as_str();
    let own = |opaque: Option<&Opaque>| {
        opaque.filter(|opaque| opaque.is_for(provider, OpaqueKind::ThoughtSignature)).map(|opaque| opaque.value.clone())
    };
    let asks_for_signatures = family::gemini(&draft.upstream.model).is_none_or(|version| version >= (3, 0))
        && draft.upstream.model.contains("gemini");
    let mut parts = Vec::new();
    let mut signature: Option<String> = None;
    let mut calls = 0;
    let mut lost = false;
    for piece in &step.pieces {
        let mut part = Map::new();
        match piece {
            Piece::Thought(thought) => {
                let proof = own(thought.opaque.as_ref());
                lost |= proof.is_none();
                if let Some(earlier) = signature.take() {
                    parts.push(json!({"text": "", "thoughtSignature": earlier}));
                }
                signature = proof;
                continue;
            }
            Piece::Text { text, .. } => set(&mut part, "text", Some(text.as_ref())),
            Piece::Refusal(text) => set(&mut part, "text", Some(*text)),
            Piece::Call(call) => {
                let args = arguments_object(call);
                part.insert("functionCall".to_owned(), json!({"id": call.id, "name": call.name, "args": args}));
                let proof = own(call.call.opaque.as_ref());
                if proof.is_some() {
                    if let Some(earlier) = signature.take() {
                        parts.push(json!({"text": "", "thoughtSignature": earlier}));
                    }
                    signature = proof;
                }
                // Of calls at one go only the first carries one.
                if signature.is_none() && calls == 0 && asks_for_signatures {
                    signature = Some(NO_SIGNATURE.to_owned());
                }
                calls += 1;
            }
            _ => continue,
        }
        set(&mut part, "thoughtSignature", signature.take());
        parts.push(part.into());
    }
    if let Some(signature) = signature {
        parts.push(json!({"text": "", "thoughtSignature": signature}));
    }
    draft.left_out_if(lost, "reasoning");
    parts
}

fn tools(draft: &mut Draft<'_>, body: &mut Map<String, Value>) {
    let calling = match draft.tools.choice(draft.prompt.tool_choice.as_ref()) {
        None => None,
        Some(Choice::Auto) => Some(json!({"mode": "AUTO"})),
        Some(Choice::None) => Some(json!({"mode": "NONE"})),
        Some(Choice::Required) => Some(json!({"mode": "ANY"})),
        Some(Choice::Named(name)) => Some(json!({"mode": "ANY", "allowedFunctionNames": [name]})),
        Some(Choice::Allowed { names, required: true }) => Some(json!({"mode": "ANY", "allowedFunctionNames": names})),
        Some(Choice::Allowed { names, required: false }) => {
            draft.tools.offer_only(&names);
            Some(json!({"mode": "AUTO"}))
        }
    };
    if draft.tools.offered().is_empty() {
        return;
    }
    let mut merged = false;
    let list: Vec<Value> = draft
        .tools
        .offered()
        .iter()
        .map(|(tool, name)| {
            let (mut function, one) = function(tool, name);
            merged |= one;
            // `parameters` is a dialect of its own; this key takes JSON Schema as it is.
            if let Some(schema) = function.remove("parameters") {
                function.insert("parametersJsonSchema".to_owned(), schema);
            }
            function.into()
        })
        .collect();
    draft.left_out_if(merged, "tools.parameters.anyOf");
    draft.left_out_if(draft.prompt.tools.iter().any(|tool| tool.strict == Some(true)), "tools.strict");
    draft.left_out_if(draft.prompt.parallel_tools == Some(false), "parallel_tool_calls");
    body.insert("tools".to_owned(), json!([{"functionDeclarations": list}]));
    if let Some(calling) = calling {
        body.insert("toolConfig".to_owned(), json!({"functionCallingConfig": calling}));
    }
}

fn sampling(draft: &mut Draft<'_>, config: &mut Map<String, Value>) {
    let sampling = &draft.prompt.sampling;
    // Source: the 400 "Penalty is not enabled for this model" of Gemini 2.5.
    let penalties = family::gemini(&draft.upstream.model).is_none_or(|version| version < (2, 5));
    set(config, "temperature", sampling.temperature);
    set(config, "topP", sampling.top_p);
    set(config, "topK", sampling.top_k);
    set(config, "frequencyPenalty", sampling.frequency_penalty.filter(|_| penalties));
    set(config, "presencePenalty", sampling.presence_penalty.filter(|_| penalties));
    let seed = sampling.seed.filter(|seed| i32::try_from(*seed).is_ok());
    set(config, "seed", seed);
    let stop: Vec<_> = sampling.stop.iter().filter(|text| !text.is_empty()).take(5).cloned().collect();
    let lost = [
        (!penalties && sampling.frequency_penalty.is_some(), "frequency_penalty"),
        (!penalties && sampling.presence_penalty.is_some(), "presence_penalty"),
        (seed.is_none() && sampling.seed.is_some(), "seed"),
        (stop.len() < sampling.stop.len(), "stop"),
        (sampling.logprobs.is_some(), "logprobs"),
    ];
    set(config, "stopSequences", (!stop.is_empty()).then_some(stop));
    for (lost, what) in lost {
        draft.left_out_if(lost, what);
    }
}

/// Gemini 3 is told a level, Gemini 2.5 a budget, and the older ones and Gemma nothing.
fn thinking(draft: &mut Draft<'_>, config: &mut Map<String, Value>) {
    let thinking = draft.thinking();
    if thinking == Thinking::Unsaid {
        return;
    }
    let model = &draft.upstream.model;
    let pro = model.contains("pro");
    let mut written = Map::new();
    match family::gemini(model) {
        Some(version) if version >= (3, 0) => {
            let levels: &[&str] = match pro {
                true if version == (3, 0) => &["low", "high"],
                true => &["low", "medium", "high"],
                false => &["minimal", "low", "medium", "high"],
            };
            let level = thinking.effort().and_then(|effort| nearest(effort, levels));
            set(&mut written, "thinkingLevel", level);
        }
        Some(version) if version >= (2, 5) => {
            let (least, most) = if pro { (128, 32_768) } else { (1, 24_576) };
            let budget = match thinking {
                Thinking::On { effort: None, budget: None } => None,
                Thinking::Off if pro => Some(least),
                Thinking::Off => Some(0),
                _ => thinking.budget().map(|budget| budget.clamp(least, most)),
            };
            set(&mut written, "thinkingBudget", budget);
        }
        _ => {
            draft.left_out("reasoning_effort");
            return;
        }
    }
    // A Pro model always thinks.
    draft.left_out_if(thinking == Thinking::Off && pro, "reasoning_effort");
    set(&mut written, "includeThoughts", thinking.is_on().then_some(true));
    config.insert("thinkingConfig".to_owned(), written.into());
}
