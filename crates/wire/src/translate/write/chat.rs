//! Chat Completions. OpenAI's own and the many servers that speak it differ in what they refuse; `Upstream::vendor` and
//! `Compat` tell which it is.

use serde_json::{Map, Value, json};

use super::effort::Thinking;
use super::family::{self, OpenAi};
use super::function::{arguments, function};
use super::names::Choice;
use super::thread::{IdRule, Piece, Step};
use super::words::{spoken, words_of, words_of_thought};
use super::{Draft, form, picture, refused, set};
use crate::error::ApiError;
use crate::translate::prompt::{Format, Role, Source, Thought};
use crate::translate::{OpaqueKind, Outgoing};

/// OpenAI refuses longer ids than 40; Mistral takes nine letters or digits and nothing else. Source: their 400s.
fn id_rule(draft: &Draft<'_>) -> IdRule {
    if draft.upstream.provider.to_ascii_lowercase().contains("mistral") {
        IdRule { longest: 9, exact: true }
    } else {
        IdRule { longest: 40, exact: false }
    }
}

pub(super) fn write(mut draft: Draft<'_>) -> Result<Outgoing, ApiError> {
    let prompt = draft.prompt;
    let compat = &draft.upstream.compat;
    let vendor = draft.upstream.vendor;
    let mut body = Map::new();
    body.insert("model".to_owned(), draft.upstream.model.as_str().into());
    let steps = draft.steps(id_rule(&draft))?;
    let mut messages = Messages { draft: &mut draft, list: Vec::new() };
    messages.write(&steps)?;
    let messages = messages.list;
    body.insert("messages".to_owned(), messages.into());
    body.insert("stream".to_owned(), prompt.stream.into());
    if prompt.stream && compat.usage_in_streaming != Some(false) {
        body.insert("stream_options".to_owned(), json!({"include_usage": true}));
    }
    let limit = if compat.max_completion_tokens.unwrap_or(vendor) { "max_completion_tokens" } else { "max_tokens" };
    set(&mut body, limit, draft.max_output());
    tools(&mut draft, &mut body);
    sampling(&mut draft, &mut body);
    thinking(&mut draft, &mut body);
    match &prompt.format {
        Format::Text => {}
        Format::JsonSchema { name, description, schema, strict } if compat.json_schema != Some(false) => {
            let mut form = Map::new();
            form.insert("name".to_owned(), form::name(name.as_deref()).into());
            set(&mut form, "description", description.as_deref());
            form.insert("schema".to_owned(), schema.clone());
            set(&mut form, "strict", *strict);
            body.insert("response_format".to_owned(), json!({"type": "json_schema", "json_schema": form}));
        }
        Format::JsonObject | Format::JsonSchema { .. } => {
            body.insert("response_format".to_owned(), json!({"type": "json_object"}));
        }
    }
    if vendor {
        set(&mut body, "verbosity", prompt.verbosity.as_deref());
        set(&mut body, "safety_identifier", prompt.user.as_deref().map(user));
        let tier = prompt.service_tier.as_deref().filter(|tier| is_tier(tier));
        draft.left_out_if(tier.is_none() && prompt.service_tier.is_some(), "service_tier");
        set(&mut body, "service_tier", tier);
        // Metadata is refused where nothing is stored.
        let stored = prompt.store == Some(true) && compat.store != Some(false);
        set(&mut body, "store", stored.then_some(true));
        draft.left_out_if(!stored && prompt.metadata.is_some(), "metadata");
        set(&mut body, "metadata", prompt.metadata.clone().filter(|_| stored));
    } else {
        draft.left_out_if(prompt.verbosity.is_some(), "verbosity");
        draft.left_out_if(prompt.user.is_some(), "user");
        draft.left_out_if(prompt.service_tier.is_some(), "service_tier");
        draft.left_out_if(prompt.metadata.is_some(), "metadata");
        draft.left_out_if(prompt.store == Some(true), "store");
    }
    if compat.prompt_cache_key.unwrap_or(vendor) {
        set(&mut body, "prompt_cache_key", prompt.cache_key.as_deref());
    }
    Ok(draft.finish("/chat/completions".to_owned(), None, body))
}

/// Who asks, as OpenAI takes it: at most 64 characters.
pub(super) fn user(user: &str) -> String {
    if user.len() <= 64 { user.to_owned() } else { format!("user_{:016x}", super::digest(user)) }
}

/// OpenAI's names of service tiers; Anthropic's are others.
pub(super) fn is_tier(tier: &str) -> bool {
    matches!(tier, "auto" | "default" | "flex" | "priority" | "scale")
}

fn tools(draft: &mut Draft<'_>, body: &mut Map<String, Value>) {
    let vendor = draft.upstream.vendor;
    let choice = draft.tools.choice(draft.prompt.tool_choice.as_ref());
    // LM Studio and llama.cpp take words alone for a choice: the tool that must be called is then the only one offered.
    let choice = match choice {
        Some(Choice::Named(name)) if vendor => Some(json!({"type": "function", "function": {"name": name}})),
        Some(Choice::Allowed { names, required }) if vendor => {
            let tools: Vec<_> =
                names.iter().map(|name| json!({"type": "function", "function": {"name": name}})).collect();
            let mode = if required { "required" } else { "auto" };
            Some(json!({"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}}))
        }
        Some(Choice::Named(name)) => {
            draft.tools.offer_only(&[name]);
            Some("required".into())
        }
        Some(Choice::Allowed { names, required }) => {
            draft.tools.offer_only(&names);
            Some(if required { "required" } else { "auto" }.into())
        }
        Some(Choice::Auto) => Some("auto".into()),
        Some(Choice::None) => Some("none".into()),
        Some(Choice::Required) => Some("required".into()),
        None => None,
    };
    if draft.tools.offered().is_empty() {
        return;
    }
    let strict = draft.upstream.compat.strict != Some(false);
    let mut merged = false;
    let list: Vec<Value> = draft
        .tools
        .offered()
        .iter()
        .map(|(tool, name)| {
            let (mut function, one) = function(tool, name);
            merged |= one;
            set(&mut function, "strict", tool.strict.filter(|_| strict));
            json!({"type": "function", "function": function})
        })
        .collect();
    draft.left_out_if(merged, "tools.parameters.anyOf");
    body.insert("tools".to_owned(), list.into());
    set(body, "tool_choice", choice);
    set(body, "parallel_tool_calls", draft.prompt.parallel_tools);
}

fn sampling(draft: &mut Draft<'_>, body: &mut Map<String, Value>) {
    let sampling = &draft.prompt.sampling;
    let (vendor, compat) = (draft.upstream.vendor, &draft.upstream.compat);
    // OpenAI's models that reason take none of these, unless they are told not to.
    let reasons = vendor
        && matches!(family::openai(&draft.upstream.model), OpenAi::Reasoning(_))
        && !(draft.thinking() == Thinking::Off && draft.effort_word().as_deref() == Some("none"));
    let plain = !reasons && compat.temperature != Some(false);
    let mut put = |key: &'static str, value: Option<Value>, takes: bool| {
        let said = value.is_some();
        set(body, key, value.filter(|_| takes));
        said && !takes
    };
    // Groq and Mistral refuse keys that OpenAI has not.
    let provider = draft.upstream.provider.to_ascii_lowercase();
    let top_k = !vendor && !["groq", "mistral", "cerebras", "azure"].iter().any(|name| provider.contains(name));
    let stop = sampling.stop.iter().filter(|text| !text.is_empty()).take(4).cloned().collect::<Vec<_>>();
    let more = sampling.stop.len() > stop.len() && !reasons;
    let dropped = [
        ("temperature", put("temperature", sampling.temperature.map(Into::into), plain)),
        ("top_p", put("top_p", sampling.top_p.map(Into::into), plain)),
        ("top_k", put("top_k", sampling.top_k.map(Into::into), top_k)),
        ("frequency_penalty", put("frequency_penalty", sampling.frequency_penalty.map(Into::into), plain)),
        ("presence_penalty", put("presence_penalty", sampling.presence_penalty.map(Into::into), plain)),
        ("seed", put("seed", sampling.seed.map(Into::into), true)),
        ("stop", put("stop", (!stop.is_empty()).then(|| stop.into()), !reasons)),
    ];
    for (key, dropped) in dropped {
        draft.left_out_if(dropped, key);
    }
    draft.left_out_if(more, "stop");
    draft.left_out_if(draft.prompt.sampling.logprobs.is_some(), "logprobs");
}

/// How much to think. Source of the forms: the vendors' documents, and OpenClaw's names for them (`thinkingFormat`).
fn thinking(draft: &mut Draft<'_>, body: &mut Map<String, Value>) {
    let word = draft.effort_word();
    let thinking = draft.thinking();
    if thinking == Thinking::Unsaid {
        return;
    }
    let on = thinking.is_on();
    let switch = || json!({"type": if on { "enabled" } else { "disabled" }});
    let provider = draft.upstream.provider.to_ascii_lowercase();
    let format = match draft.upstream.compat.thinking_format.as_deref() {
        Some(format) => format,
        None if draft.upstream.vendor => "openai",
        None => ["openrouter", "deepseek", "together", "zai"]
            .into_iter()
            .find(|name| provider.contains(name))
            .unwrap_or("openai"),
    };
    match format {
        "openrouter" => {
            let reasoning = match thinking {
                Thinking::On { effort: None, budget: Some(tokens) } => json!({"max_tokens": tokens}),
                Thinking::On { effort: Some(effort), .. } => json!({"effort": effort}),
                Thinking::On { .. } => json!({"enabled": true}),
                _ => json!({"enabled": false}),
            };
            body.insert("reasoning".to_owned(), reasoning);
            return;
        }
        "together" => {
            body.insert("reasoning".to_owned(), json!({"enabled": on}));
        }
        "zai" | "deepseek" => {
            body.insert("thinking".to_owned(), switch());
        }
        "qwen" => {
            body.insert("enable_thinking".to_owned(), on.into());
        }
        "qwen-chat-template" => {
            body.insert("chat_template_kwargs".to_owned(), json!({"enable_thinking": on}));
        }
        _ => {
            let nothing = word.is_none() && thinking.effort().is_some();
            draft.left_out_if(nothing, "reasoning_effort");
            set(body, "reasoning_effort", word);
            return;
        }
    }
    if format == "deepseek" || draft.upstream.compat.reasoning_effort == Some(true) {
        set(body, "reasoning_effort", word.filter(|_| on));
    }
}

struct Messages<'d, 'a> {
    draft: &'d mut Draft<'a>,
    list: Vec<Value>,
}

impl Messages<'_, '_> {
    fn write(&mut self, steps: &[Step<'_>]) -> Result<(), ApiError> {
        let vendor = self.draft.upstream.vendor;
        let mut instruction = form::instruction(&self.draft.prompt.format)
            .filter(|_| self.draft.upstream.compat.json_schema == Some(false));
        let mut at = 0;
        while let Some(step) = steps.get(at) {
            let rest = steps.get(at..).unwrap_or_default();
            // Templates of local models take one message of the system's and then turns that alternate; OpenAI takes
            // all of them as they stand.
            let count = |same: fn(&Step<'_>) -> bool| {
                if vendor { 1 } else { rest.iter().take_while(|step| same(step)).count() }
            };
            let taken = match step.role {
                Role::System | Role::Developer => {
                    let taken = count(|step| step.is_operator());
                    self.operator(rest.get(..taken).unwrap_or_default(), instruction.take());
                    taken
                }
                Role::User if step.answers() => {
                    let following = rest.get(1..).unwrap_or_default().iter();
                    let following = following.take_while(|next| next.role == Role::User && !next.answers());
                    let following: Vec<_> = following.take(if vendor { 1 } else { usize::MAX }).collect();
                    self.answers(step, &following)?;
                    1 + following.len()
                }
                Role::User => {
                    let taken = count(|step| step.role == Role::User && !step.answers());
                    let pieces: Vec<_> = rest.iter().take(taken).flat_map(|step| &step.pieces).collect();
                    self.user(&pieces)?;
                    taken
                }
                Role::Assistant => {
                    self.assistant(step);
                    1
                }
            };
            at += taken.max(1);
        }
        if let Some(instruction) = instruction {
            self.list.insert(0, json!({"role": "system", "content": instruction}));
        }
        Ok(())
    }

    fn operator(&mut self, steps: &[Step<'_>], instruction: Option<String>) {
        let upstream = self.draft.upstream;
        let developer = upstream.compat.developer_role.unwrap_or(upstream.vendor)
            && steps.iter().all(|step| step.role == Role::Developer);
        let mut words: Vec<_> = steps.iter().map(Step::words).filter(|words| !words.is_empty()).collect();
        words.extend(instruction);
        if !words.is_empty() {
            let role = if developer { "developer" } else { "system" };
            self.list.push(json!({"role": role, "content": words.join("\n\n")}));
        }
    }

    fn user(&mut self, pieces: &[&Piece<'_>]) -> Result<(), ApiError> {
        let content = self.content(pieces)?;
        self.list.push(json!({"role": "user", "content": content}));
        Ok(())
    }

    /// The answers to a step's calls, and what the person says with them. Pictures follow in a message of the person's:
    /// a tool's message holds words alone.
    fn answers(&mut self, step: &Step<'_>, following: &[&Step<'_>]) -> Result<(), ApiError> {
        let mut pictures = Vec::new();
        for piece in &step.pieces {
            let Piece::Answer(answer) = piece else { continue };
            let others: Vec<_> = answer.content.iter().filter(|piece| piece.words().is_none()).collect();
            let mut text = words_of(answer);
            if !others.is_empty() {
                if text.is_empty() {
                    "The result is in the next message.".clone_into(&mut text);
                }
                pictures.push((format!("From the result of {}:", answer.name), others));
            }
            let mut message = Map::new();
            message.insert("role".to_owned(), "tool".into());
            message.insert("tool_call_id".to_owned(), answer.id.as_str().into());
            if self.draft.upstream.compat.tool_result_name == Some(true) {
                message.insert("name".to_owned(), answer.name.as_str().into());
            }
            message.insert("content".to_owned(), text.into());
            self.list.push(message.into());
        }
        let labels: Vec<_> = pictures.iter().map(|(label, _)| Piece::text(label.as_str())).collect();
        let mut pieces = Vec::new();
        for (label, (_, others)) in labels.iter().zip(&pictures) {
            pieces.push(label);
            pieces.extend(others.iter().copied());
        }
        pieces.extend(following.iter().flat_map(|step| &step.pieces));
        if pieces.is_empty() {
            return Ok(());
        }
        if self.draft.upstream.compat.assistant_after_tool_result == Some(true) {
            self.list.push(json!({"role": "assistant", "content": "I have read the results."}));
        }
        self.user(&pieces)
    }

    fn assistant(&mut self, step: &Step<'_>) {
        let upstream = self.draft.upstream;
        let thoughts: Vec<&Thought> = step
            .pieces
            .iter()
            .filter_map(|piece| if let Piece::Thought(thought) = piece { Some(*thought) } else { None })
            .collect();
        let thought = thoughts.iter().map(|thought| words_of_thought(thought)).filter(|text| !text.is_empty());
        let thought = thought.collect::<Vec<_>>().join("\n\n");
        let as_text = upstream
            .compat
            .thinking_as_text
            .unwrap_or_else(|| !upstream.vendor && upstream.provider.to_ascii_lowercase().contains("minimax"));
        let mut content = spoken(&step.pieces);
        let mut message = Map::new();
        message.insert("role".to_owned(), "assistant".into());
        if as_text && !thought.is_empty() {
            content = format!("<think>\n{thought}\n</think>\n\n{content}");
        }
        let calls = step.calls();
        if content.is_empty() && !calls {
            // Thoughts alone, of an answer that was broken off: no API takes a message without words or calls.
            self.draft.left_out_if(!thought.is_empty(), "reasoning");
            return;
        }
        message.insert("content".to_owned(), if content.is_empty() { Value::Null } else { content.into() });
        if upstream.vendor {
            self.draft.left_out_if(!thoughts.is_empty(), "reasoning");
        } else if !as_text {
            let must = upstream.compat.reasoning_content == Some(true);
            set(&mut message, "reasoning_content", (must || !thought.is_empty()).then_some(thought));
            let sealed: Vec<Value> =
                thoughts.iter().filter_map(|thought| sealed(thought, &upstream.provider)).collect();
            set(&mut message, "reasoning_details", (!sealed.is_empty()).then_some(sealed));
        }
        if calls {
            let list: Vec<Value> = step
                .pieces
                .iter()
                .filter_map(|piece| if let Piece::Call(call) = piece { Some(call) } else { None })
                .map(|call| {
                    let mut json = json!({"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments(call)}});
                    // Google's Chat API has its signatures here.
                    let google = OpaqueKind::ThoughtSignature;
                    let own = call.call.opaque.as_ref().filter(|own| own.provider.is_some() && own.is_for(&upstream.provider, google));
                    if let (Some(own), Some(json)) = (own, json.as_object_mut()) {
                        let signature = json!({"google": {"thought_signature": own.value}});
                        json.insert("extra_content".to_owned(), signature);
                    }
                    json
                })
                .collect();
            message.insert("tool_calls".to_owned(), list.into());
        }
        let other = |piece: &Piece<'_>| matches!(piece, Piece::Image { .. } | Piece::Audio { .. } | Piece::File { .. });
        self.draft.left_out_if(step.pieces.iter().any(other), "assistant.image");
        self.list.push(message.into());
    }

    /// Words alone as a string, which every server takes; else parts.
    fn content(&self, pieces: &[&Piece<'_>]) -> Result<Value, ApiError> {
        let words: Vec<_> = pieces.iter().map(|piece| piece.words()).collect();
        if words.iter().all(Option::is_some) {
            let words: Vec<_> = words.into_iter().flatten().collect();
            return Ok(words.join("\n\n").into());
        }
        let parts: Result<Vec<_>, _> = pieces.iter().filter_map(|piece| self.part(piece).transpose()).collect();
        Ok(parts?.into())
    }

    fn part(&self, piece: &Piece<'_>) -> Result<Option<Value>, ApiError> {
        if let Some(words) = piece.words() {
            return Ok(Some(json!({"type": "text", "text": words})));
        }
        Ok(Some(match piece {
            Piece::Image { source, detail } => {
                let Some(url) = picture::url(source) else {
                    return Err(refused("this model's server does not know a picture by its file id; send it as data"));
                };
                let mut image = Map::new();
                image.insert("url".to_owned(), url.into());
                set(&mut image, "detail", *detail);
                json!({"type": "image_url", "image_url": image})
            }
            Piece::File { source: Source::Data { media_type, data }, name } => {
                let name = name.unwrap_or("document.pdf");
                json!({"type": "file", "file": {"filename": name, "file_data": picture::data_url(media_type, data)}})
            }
            Piece::File { source: Source::Id(id), .. } if self.draft.upstream.vendor => {
                json!({"type": "file", "file": {"file_id": id}})
            }
            Piece::File { .. } => {
                return Err(refused("this model's API takes documents as data only; send the document itself"));
            }
            Piece::Audio { format, data } => {
                json!({"type": "input_audio", "input_audio": {"data": data, "format": format}})
            }
            _ => return Ok(None),
        }))
    }
}

/// What proves or holds a thought, for the provider that wrote it and no other: the entry of `reasoning_details` as it
/// came, with the words that were told apart from it.
fn sealed(thought: &Thought, provider: &str) -> Option<Value> {
    let opaque = thought.opaque.as_ref().filter(|opaque| opaque.provider.is_some())?;
    if !opaque.is_for(provider, OpaqueKind::Detail) {
        return None;
    }
    let mut detail: Map<String, Value> = serde_json::from_str(&opaque.value).ok()?;
    let words = match detail.get("type").and_then(Value::as_str) {
        Some("reasoning.text") => Some(("text", thought.text.clone())),
        Some("reasoning.summary") => Some(("summary", thought.summary.join("\n\n"))),
        _ => None,
    };
    if let Some((key, words)) = words {
        detail.insert(key.to_owned(), words.into());
    }
    Some(detail.into())
}
