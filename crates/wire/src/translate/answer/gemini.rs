//! What a Gemini upstream answers: `generateContent`, and `streamGenerateContent` with `alt=sse`. Must not know: who
//! asked.
//!
//! Source: Google's Gemini API reference (`GenerateContentResponse`), and recorded streams of it and of Vertex.

use std::collections::HashSet;

use serde_json::Value;
use serde_json::value::RawValue;

use super::blocks::Blocks;
use super::json::{Fields, list, string, value};
use super::partial_args::PartialArgs;
use super::{Payload, cut, made_id, malformed, no_answer, payload};
use crate::Usage;
use crate::failure::Failure;
use crate::sse::Frame;
use crate::translate::{Asked, Event, Finish, Opaque, OpaqueKind};

/// Reads the chunks of one answer.
#[derive(Debug)]
pub struct Gemini {
    provider: String,
    blocks: Blocks<usize>,
    /// The answer's id: what the ids of its calls are made from, since Gemini seldom gives any.
    id: String,
    /// How many calls there were: each has its number as its key.
    calls: usize,
    /// The call that comes in pieces.
    call: Option<Call>,
    /// What proves the words or thoughts that came last. They stay open for what is cited of them.
    signature: Option<Opaque>,
    cited: HashSet<String>,
    /// Why it ended. Some send a reason with every chunk, so only the end of the body says which was the last.
    finish: Option<Finish>,
}

#[derive(Debug)]
struct Call {
    key: usize,
    arguments: PartialArgs,
    signature: Option<Opaque>,
}

/// Reads a whole body: one response, or the list of them that a stream without `alt=sse` is.
pub fn whole(asked: &Asked, body: &[u8]) -> Vec<Event> {
    let mut reader = Gemini::new(asked);
    let chunks = match serde_json::from_slice::<&RawValue>(body) {
        Ok(raw) if raw.get().starts_with('[') => list(raw),
        Ok(raw) => vec![raw],
        Err(_) => Vec::new(),
    };
    let answers =
        |raw: &RawValue| ["candidates", "promptFeedback"].iter().any(|key| Fields::of(raw).get(key).is_some());
    if !chunks.iter().any(|chunk| answers(chunk)) {
        let failure = chunks.iter().find_map(|chunk| Failure::read(&value(chunk)));
        return vec![Event::Failed(failure.unwrap_or_else(|| no_answer(body)))];
    }
    if let Err(failure) = chunks.iter().try_for_each(|chunk| reader.chunk(chunk)) {
        reader.blocks.fail(failure);
    }
    let mut events = reader.blocks.take();
    events.extend(reader.end());
    events
}

impl Gemini {
    /// A reader of an answer that begins.
    pub fn new(asked: &Asked) -> Self {
        Self {
            provider: asked.provider.clone(),
            blocks: Blocks::default(),
            id: String::new(),
            calls: 0,
            call: None,
            signature: None,
            cited: HashSet::new(),
            finish: None,
        }
    }

    /// Reads one event.
    pub fn read(&mut self, frame: &Frame) -> Vec<Event> {
        if self.blocks.is_over() {
            return Vec::new();
        }
        let read = match payload(frame) {
            Payload::Nothing | Payload::Done => Ok(()),
            Payload::Bare(body) => Err(no_answer(body)),
            Payload::Json(data) => match serde_json::from_slice(data) {
                Ok(chunk) => self.chunk(chunk),
                Err(error) => Err(malformed(&error)),
            },
        };
        if let Err(failure) = read {
            self.blocks.fail(failure);
        }
        let events = self.blocks.take();
        if events.is_empty() { vec![Event::Life] } else { events }
    }

    /// The body has ended. Whether the answer is whole, its last chunk with a reason says: the API has no other end.
    pub fn end(&mut self) -> Vec<Event> {
        match self.finish.take() {
            Some(finish) => {
                self.end_call();
                self.seal();
                self.blocks.finish(finish);
            }
            None => self.blocks.fail(cut()),
        }
        self.blocks.take()
    }

    fn chunk(&mut self, raw: &RawValue) -> Result<(), Failure> {
        let chunk = Fields::of(raw);
        if chunk.says("error").is_some() {
            let chunk = value(raw);
            return Err(Failure::read(&chunk).unwrap_or_else(|| Failure::read_error(&chunk)));
        }
        let usage = chunk.value("usageMetadata").as_ref().and_then(usage);
        if let Some(id) = chunk.text("responseId").filter(|_| self.id.is_empty()) {
            self.id = id;
        }
        self.blocks.start(chunk.text("responseId"), chunk.text("modelVersion"), usage);
        let Some(candidate) = chunk.list("candidates").first().copied().map(Fields::of) else {
            let feedback = chunk.object("promptFeedback");
            if let Some(reason) = feedback.text("blockReason") {
                self.blocks.refusal(&feedback.text("blockReasonMessage").unwrap_or_default());
                self.finish = Some(if reason == "OTHER" { Finish::Other(reason) } else { Finish::ContentFilter });
            }
            if let Some(usage) = usage {
                self.blocks.usage(usage);
            }
            return Ok(());
        };
        for part in candidate.object("content").list("parts") {
            self.part(part)?;
        }
        self.cite(&candidate);
        if let Some(usage) = usage {
            self.blocks.usage(usage);
        }
        if let Some(reason) = candidate.text("finishReason") {
            self.finish = Some(finish(reason, candidate.text("finishMessage"))?);
        }
        Ok(())
    }

    fn part(&mut self, raw: &RawValue) -> Result<(), Failure> {
        let part = Fields::of(raw);
        let signature = part.text("thoughtSignature").map(|value| Opaque {
            provider: Some(self.provider.clone()),
            kind: OpaqueKind::ThoughtSignature,
            value,
            id: None,
        });
        self.seal();
        if let Some(call) = part.get("functionCall") {
            return self.function_call(call, signature);
        }
        // A call that comes in pieces ends where anything else is said, even if no piece said so.
        self.end_call();
        if let Some(words) = part.get("text").and_then(string) {
            if part.get("thought").is_some_and(|thought| thought.get() == "true") {
                self.blocks.reasoning(&words);
            } else {
                self.blocks.text(&words);
            }
        } else {
            let known = ["thought", "thoughtSignature", "partMetadata", "videoMetadata"];
            let part = value(raw);
            let keys = part.as_object().into_iter().flat_map(|part| part.keys());
            keys.filter(|key| !known.contains(&key.as_str())).for_each(|key| self.blocks.dropped(key));
        }
        self.signature = signature;
        Ok(())
    }

    fn function_call(&mut self, raw: &RawValue, signature: Option<Opaque>) -> Result<(), Failure> {
        let call = Fields::of(raw);
        if let Some(name) = call.text("name") {
            self.end_call();
            self.calls += 1;
            let key = self.calls;
            let id = call.text("id").unwrap_or_else(|| {
                let seed = if self.id.is_empty() { raw.get() } else { &self.id };
                made_id(seed.as_bytes(), key)
            });
            self.blocks.tool_begin(key, id, name, false);
            self.call = Some(Call { key, arguments: PartialArgs::default(), signature: None });
        }
        let Some(open) = &mut self.call else { return Ok(()) };
        open.signature = open.signature.take().or(signature);
        if let Some(args) = call.says("args").filter(|args| args.get().starts_with('{')) {
            open.arguments.merge(args);
        }
        for piece in call.list("partialArgs") {
            open.arguments.add(&value(piece)).map_err(|path| {
                Failure::new(format!("the arguments of a tool call came in pieces of which one has no place: {path}"))
            })?;
        }
        if call.get("willContinue").is_none_or(|more| more.get() != "true") {
            self.end_call();
        }
        Ok(())
    }

    /// A signature proves what it came with, or, with an empty text, what came right before it.
    fn seal(&mut self) {
        if let Some(signature) = self.signature.take() {
            self.blocks.seal_prose(signature);
        }
    }

    fn end_call(&mut self) {
        if let Some(call) = self.call.take() {
            self.blocks.tool_arguments(&call.key, &call.arguments.text());
            self.blocks.tool_end(&call.key, call.signature);
        }
    }

    /// Pages that the words were taken from: of a search (`groundingMetadata`), or recited (`citationMetadata`).
    fn cite(&mut self, candidate: &Fields<'_>) {
        let searched = candidate.object("groundingMetadata").list("groundingChunks");
        let searched = searched.into_iter().map(|chunk| Fields::of(chunk).object("web"));
        let recited = candidate.object("citationMetadata");
        let recited = [recited.list("citationSources"), recited.list("citations")].concat().into_iter().map(Fields::of);
        for page in searched.chain(recited) {
            let Some(url) = page.text("uri").filter(|url| self.cited.insert(url.clone())) else { continue };
            if !self.blocks.citation(url, page.text("title")) {
                self.blocks.dropped("groundingMetadata");
            }
        }
    }
}

/// Why it ended; some reasons are failures. Source: `FinishReason` in Google's API reference.
fn finish(reason: String, words: Option<String>) -> Result<Finish, Failure> {
    Ok(match reason.as_str() {
        "STOP" => Finish::Stop,
        "MAX_TOKENS" => Finish::Length,
        "SAFETY"
        | "RECITATION"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION" => Finish::ContentFilter,
        "MALFORMED_FUNCTION_CALL"
        | "UNEXPECTED_TOOL_CALL"
        | "TOO_MANY_TOOL_CALLS"
        | "MALFORMED_RESPONSE"
        | "MISSING_THOUGHT_SIGNATURE" => {
            let message = words.unwrap_or_else(|| format!("the model's answer could not be used: {reason}"));
            return Err(Failure { code: Some(reason.to_ascii_lowercase()), message });
        }
        _ => Finish::Other(reason),
    })
}

/// Tokens, as Gemini counts them: the input includes what was cached, the candidates do not include the thoughts.
fn usage(metadata: &Value) -> Option<Usage> {
    let count = |key: &str| metadata.get(key).and_then(Value::as_u64);
    if count("promptTokenCount").is_none() && count("candidatesTokenCount").is_none() {
        return None;
    }
    let of = |key: &str| count(key).unwrap_or(0);
    let (cached, thoughts) = (of("cachedContentTokenCount"), of("thoughtsTokenCount"));
    Some(Usage {
        input: of("promptTokenCount").saturating_sub(cached).saturating_add(of("toolUsePromptTokenCount")),
        output: of("candidatesTokenCount").saturating_add(thoughts),
        cache_read: cached,
        cache_write: 0,
        reasoning: thoughts,
    })
}
