//! Answers of the Chat Completions API, as OpenAI and those who speak it after OpenAI send them.
//!
//! Sources: OpenAI's schema; recorded streams of twelve providers; the documentation of OpenRouter (`reasoning_details`),
//! Mistral (content in parts), Perplexity (`citations`), Google (`extra_content`), vLLM (`stop_reason`), DeepSeek
//! (`insufficient_system_resource`) and MiniMax (`base_resp`).

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::assembly::Assembly;
use super::calls::Fragment;
use super::json::{Fields, list, string, value};
use super::{Payload, cut, malformed, no_answer, payload};
use crate::Usage;
use crate::failure::Failure;
use crate::sse::Frame;
use crate::translate::{Asked, Event, Finish, Opaque, OpaqueKind};

/// Reads a stream.
#[derive(Debug)]
pub(super) struct Reader {
    answer: Assembly,
    provider: String,
    /// The key that thoughts come in. A server may tell the same ones in several, so that the first stands for all.
    thoughts: Option<&'static str>,
    /// Whether an answer has begun, be it empty.
    begun: bool,
    /// Whether it has said anything.
    said: bool,
    finish: Option<Finish>,
    /// Whether calls came as `tool_calls`; `function_call` says the same again then.
    modern: bool,
    /// Pages that were named, and whether each was told.
    pages: Vec<Page>,
    /// Proofs of thoughts that were told: some servers repeat them at the end.
    seals: Vec<String>,
    /// JSON that was no part of an answer: what it says, should nothing else come.
    strange: Option<Failure>,
}

#[derive(Debug)]
struct Page {
    url: String,
    title: Option<String>,
    told: bool,
}

/// Reads a whole body.
pub(super) fn whole(asked: &Asked, body: &[u8]) -> Vec<Event> {
    let mut reader = Reader::new(asked);
    reader.whole(body);
    reader.answer.take()
}

impl Reader {
    pub(super) fn new(asked: &Asked) -> Self {
        Self {
            answer: Assembly::new(asked),
            provider: asked.provider.clone(),
            thoughts: None,
            begun: false,
            said: false,
            finish: None,
            modern: false,
            pages: Vec::new(),
            seals: Vec::new(),
            strange: None,
        }
    }

    pub(super) fn read(&mut self, frame: &Frame) -> Vec<Event> {
        if self.answer.blocks.is_over() {
            return Vec::new();
        }
        match payload(frame) {
            Payload::Nothing => self.answer.blocks.life(),
            Payload::Done if self.begun => self.conclude(),
            Payload::Done => self.fail(),
            Payload::Json(data) => self.event(frame.name(), data),
            Payload::Bare(data) if self.begun => self.event("", data),
            Payload::Bare(data) => self.whole(data),
        }
        self.answer.take()
    }

    pub(super) fn end(&mut self) -> Vec<Event> {
        if self.finish.is_some() {
            self.conclude();
        } else {
            self.fail();
        }
        self.answer.take()
    }

    fn whole(&mut self, body: &[u8]) {
        if Fields::parse(body).is_err() {
            return self.answer.fail(no_answer(body));
        }
        self.event("", body);
        if self.begun {
            self.conclude();
        } else {
            self.answer.fail(no_answer(body));
        }
    }

    fn conclude(&mut self) {
        self.cite(true);
        self.answer.finish(self.finish.take().unwrap_or(Finish::Stop));
    }

    fn fail(&mut self) {
        let failure = self.strange.take().filter(|_| !self.begun).unwrap_or_else(cut);
        self.answer.fail(failure);
    }

    fn event(&mut self, name: &str, data: &[u8]) {
        let event = match Fields::parse(data) {
            Ok(event) => event,
            Err(_) if name == "error" => return self.answer.fail(Failure::read_body(data)),
            Err(error) => return self.answer.fail(malformed(&error)),
        };
        if let Some(failure) = failure(name, &event, data) {
            return self.answer.fail(failure);
        }
        let id = event.text("id");
        self.answer.next_event(id.as_deref().map_or(data, str::as_bytes));
        let choices = event.list("choices");
        if id.is_some() || !choices.is_empty() {
            self.answer.blocks.start(id, event.text("model"), None);
        } else if !["usage", "x_groq", "citations"].iter().any(|key| event.get(key).is_some()) {
            self.strange = Some(Failure::read_body(data));
        }
        self.pages_of(&event);
        // Of several answers to one request only the first has a place elsewhere.
        for (place, choice) in choices.into_iter().map(Fields::of).enumerate() {
            if choice.number("index").unwrap_or(place as u64) == 0 {
                self.choice(&choice);
            } else {
                self.answer.dropped("choices");
            }
        }
        let usage = event.value("usage").or_else(|| event.object("x_groq").value("usage"));
        self.usage(usage);
        self.answer.blocks.life();
    }

    fn usage(&mut self, usage: Option<Value>) {
        if let Some(usage) = usage.as_ref().and_then(Usage::read) {
            self.answer.blocks.usage(usage);
        }
    }

    fn choice(&mut self, choice: &Fields<'_>) {
        self.begun = true;
        if let Some(delta) = choice.get("delta") {
            self.delta(&Fields::of(delta));
        } else if let Some(message) = choice.get("message").filter(|_| !self.said) {
            // A whole answer; in a stream, some servers repeat it at the end.
            self.delta(&Fields::of(message));
        }
        if choice.says("logprobs").is_some() {
            self.answer.dropped("logprobs");
        }
        self.usage(choice.value("usage"));
        match choice.text("finish_reason").as_deref() {
            None => {}
            Some("error" | "network_error" | "insufficient_system_resource") => {
                let reason = choice.text("finish_reason").unwrap_or_default();
                let told = choice.value("error").map(|error| Failure::read(&json!({ "error": error })));
                let ours = || Failure::new(format!("the answer ended with finish_reason \"{reason}\""));
                self.answer.fail(told.flatten().unwrap_or_else(ours));
            }
            Some(reason) => self.finish = Some(finish(reason, choice)),
        }
    }

    fn delta(&mut self, delta: &Fields<'_>) {
        self.reasoning(delta);
        if let Some(content) = delta.says("content") {
            match string(content) {
                Some(text) => self.content(&text),
                None => list(content).into_iter().for_each(|part| self.part(part)),
            }
        }
        if let Some(text) = delta.text("refusal") {
            self.said = true;
            self.answer.refusal(&text);
        }
        for annotation in delta.list("annotations") {
            self.annotation(&Fields::of(annotation));
        }
        for call in delta.list("tool_calls") {
            self.modern = true;
            self.call(&Fields::of(call));
        }
        if let Some(call) = delta.get("function_call").filter(|_| !self.modern) {
            let call = Fields::of(call);
            let fragment =
                Fragment { name: call.text("name"), arguments: arguments(&call, "arguments"), ..Fragment::default() };
            self.fragment(fragment);
        }
        for key in ["audio", "images"] {
            if delta.says(key).is_some() {
                self.answer.dropped(key);
            }
        }
    }

    fn content(&mut self, text: &str) {
        self.said |= !text.is_empty();
        self.answer.content(text);
    }

    /// Thoughts, in whichever key.
    fn reasoning(&mut self, delta: &Fields<'_>) {
        for key in ["reasoning_content", "reasoning", "reasoning_text", "thinking"] {
            if self.thoughts.is_none_or(|own| own == key)
                && let Some(text) = delta.text(key)
            {
                self.thoughts = Some(key);
                self.said = true;
                self.answer.reasoning(&text);
            }
        }
        for detail in delta.list("reasoning_details") {
            self.detail(detail);
        }
    }

    /// An entry of `reasoning_details`: a thought, its summary, or what proves or holds it.
    fn detail(&mut self, raw: &RawValue) {
        const KEY: &str = "reasoning_details";
        let detail = Fields::of(raw);
        let own = self.thoughts.is_none_or(|own| own == KEY);
        for key in ["text", "summary"] {
            let Some(text) = detail.text(key).filter(|_| own) else { continue };
            self.thoughts = Some(KEY);
            self.said = true;
            if key == "text" { self.answer.reasoning(&text) } else { self.answer.summary(&text) }
        }
        if detail.text("signature").is_some() || detail.text("data").is_some() {
            let mut entry = value(raw);
            if let Some(entry) = entry.as_object_mut() {
                entry.shift_remove("text");
                entry.shift_remove("summary");
            }
            let entry = entry.to_string();
            if !self.seals.contains(&entry) {
                self.seals.push(entry.clone());
                self.said = true;
                self.answer.sealed(self.opaque(OpaqueKind::Detail, entry, detail.text("id")));
            }
        }
    }

    fn opaque(&self, kind: OpaqueKind, value: String, id: Option<String>) -> Opaque {
        Opaque { provider: Some(self.provider.clone()), kind, value, id }
    }

    /// A part of a content that is a list (Mistral; whole answers of others).
    fn part(&mut self, raw: &RawValue) {
        let part = Fields::of(raw);
        match part.text("type").as_deref() {
            Some("text" | "output_text") => self.content(&part.text("text").unwrap_or_default()),
            Some("thinking") => {
                let thoughts = part.get("thinking");
                let whole = thoughts.and_then(string);
                let parts = thoughts.map(list).unwrap_or_default();
                let text = whole.into_iter().chain(parts.into_iter().filter_map(|part| Fields::of(part).text("text")));
                for text in text {
                    self.said = true;
                    self.answer.reasoning(&text);
                }
            }
            Some("refusal") => self.answer.refusal(&part.text("refusal").unwrap_or_default()),
            Some("reference") => self.answer.dropped("reference"),
            Some("image_url") => self.answer.dropped("images"),
            _ => self.answer.dropped("content"),
        }
    }

    fn call(&mut self, call: &Fields<'_>) {
        let custom = call.get("custom").is_some();
        let tool = call.object(if custom { "custom" } else { "function" });
        let google = call.object("extra_content").object("google");
        let signature = google.text("thought_signature");
        self.fragment(Fragment {
            index: call.number("index"),
            id: call.text("id"),
            name: tool.text("name"),
            arguments: arguments(&tool, if custom { "input" } else { "arguments" }),
            custom,
            opaque: signature.map(|signature| self.opaque(OpaqueKind::ThoughtSignature, signature, None)),
        });
    }

    fn fragment(&mut self, fragment: Fragment) {
        self.said = true;
        // The text ends here, and its citations with it.
        self.answer.flush();
        self.cite(false);
        self.answer.call(fragment);
    }

    fn annotation(&mut self, annotation: &Fields<'_>) {
        let cited = annotation.object("url_citation");
        let cited = if cited.get("url").is_some() { &cited } else { annotation };
        match cited.text("url") {
            Some(url) => self.page(url, cited.text("title")),
            None => self.answer.dropped("annotations"),
        }
    }

    /// Perplexity and xAI name pages beside the choices.
    fn pages_of(&mut self, event: &Fields<'_>) {
        for result in event.list("search_results").into_iter().map(Fields::of) {
            if let Some(url) = result.text("url") {
                self.page(url, result.text("title"));
            }
        }
        for raw in event.list("citations") {
            let fields = Fields::of(raw);
            if let Some(url) = string(raw).or_else(|| fields.text("url")) {
                self.page(url, fields.text("title"));
            }
        }
    }

    fn page(&mut self, url: String, title: Option<String>) {
        match self.pages.iter_mut().find(|page| page.url == url) {
            Some(page) => page.title = page.title.take().or(title),
            None => self.pages.push(Page { url, title, told: false }),
        }
    }

    /// Tells the pages of the text that is open; they are told once, when it ends. Without a text there is no place for
    /// them.
    fn cite(&mut self, last: bool) {
        if last {
            self.answer.flush();
        }
        for page in &mut self.pages {
            page.told |= self.answer.blocks.citation(page.url.clone(), page.title.clone());
        }
        self.pages.retain(|page| !page.told);
        if last && !self.pages.is_empty() {
            self.answer.dropped("citations");
        }
    }
}

/// The failure that an event tells, if it does.
fn failure(name: &str, event: &Fields<'_>, data: &[u8]) -> Option<Failure> {
    let is = |key: &str| event.text(key).as_deref() == Some("error");
    let tells = ["error", "error_type", "error_message"].iter().any(|key| event.says(key).is_some());
    if tells || name == "error" || is("object") || is("type") {
        let value: Value = serde_json::from_slice(data).unwrap_or_default();
        return Some(Failure::read(&value).unwrap_or_else(|| Failure::read_error(&value)));
    }
    let base = event.object("base_resp");
    let status = base.number("status_code").filter(|status| *status != 0)?;
    let message = base.text("status_msg").unwrap_or_else(|| format!("status_code {status}"));
    Some(Failure { code: Some(status.to_string()), message })
}

/// Arguments: text, or an object in place of the text.
fn arguments(tool: &Fields<'_>, key: &str) -> String {
    tool.get(key).map(|raw| string(raw).unwrap_or_else(|| raw.get().to_owned())).unwrap_or_default()
}

/// Why it ended. Some servers name the stop sequence that they met, in the same key as other reasons.
fn finish(reason: &str, choice: &Fields<'_>) -> Finish {
    const REASONS: [&str; 8] =
        ["stop", "end_turn", "eos", "eos_token", "length", "tool_calls", "tool_use", "max_tokens"];
    let met = choice.text("stop_reason").or_else(|| choice.text("matched_stop"));
    match reason {
        "stop" | "eos" | "eos_token" | "end_turn" => match met.filter(|met| !REASONS.contains(&met.as_str())) {
            Some(sequence) => Finish::StopSequence(Some(sequence)),
            None => Finish::Stop,
        },
        "stop_sequence" => Finish::StopSequence(met),
        "length" | "max_tokens" => Finish::Length,
        "model_length" | "model_context_window_exceeded" => Finish::ContextFull,
        "tool_calls" | "function_call" | "tool_use" => Finish::ToolCalls,
        "content_filter" | "sensitive" => Finish::ContentFilter,
        "refusal" => Finish::Refusal,
        other => Finish::Other(other.to_owned()),
    }
}
