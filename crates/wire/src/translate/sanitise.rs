//! Takes out of a request what another provider wrote and this one cannot read: sealed thoughts and signatures, which a
//! vendor refuses the whole request for when they are not its own.
//!
//! For requests that pass untranslated. Every byte stays that does not have to go. Must not know where it is noted who
//! wrote what.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::tell::FOREIGN_CITATION;
use super::{Opaque, OpaqueKind, Upstream};
use crate::ClientApi;
use crate::splice::{self, quoted};

/// The body for this upstream, which speaks the client's own API; none where it can pass as it is.
///
/// `wrote` names the provider that gave a value, by its id in the configuration, where that is known: a bare
/// `encrypted_content`, `signature`, `redacted_thinking` or entry of `reasoning_details`, or the id of a reasoning item.
/// What nobody knows stays. A vendor's own server is besides spared thoughts that carry no proof, which it refuses.
#[must_use]
pub fn sanitise(api: ClientApi, body: &[u8], to: &Upstream, wrote: &dyn Fn(&str) -> Option<String>) -> Option<Vec<u8>> {
    let marks: &[&str] = match api {
        ClientApi::Responses => &["\"reasoning\"", "~pl1."],
        ClientApi::Chat => &["reasoning_details", "~pl1."],
        ClientApi::Messages => &["thinking\"", "~pl1.", FOREIGN_CITATION],
        ClientApi::Completions | ClientApi::Embeddings => return None,
    };
    let text = std::str::from_utf8(body).ok()?;
    if !marks.iter().any(|mark| text.contains(mark)) {
        return None;
    }
    let whole: Node<'_> = serde_json::from_str(text).ok()?;
    let judge = Judge { to, wrote, stored: whole.store.is_none_or(|store| store.get() != "false") };
    let mut edits = Vec::new();
    match api {
        ClientApi::Responses => edits.extend(list(whole.input?, |item| judge.item(item)).map(|new| (whole.input, new))),
        ClientApi::Chat => edits.extend(list(whole.messages?, |one| judge.chat(one)).map(|new| (whole.messages, new))),
        _ => {
            let (messages, bare) = judge.conversation(whole.messages?);
            edits.extend(messages.map(|new| (whole.messages, new)));
            let enabled = whole
                .thinking
                .and_then(node)
                .is_some_and(|thinking| text_of(thinking.kind).as_deref() == Some("enabled"));
            if bare && enabled && to.vendor {
                // Anthropic refuses to think on in a turn whose own beginning it was not shown.
                edits.push((whole.thinking, "{\"type\":\"disabled\"}".to_owned()));
            }
        }
    }
    edited(text, edits).map(String::into_bytes)
}

/// The keys of all objects that are looked into.
#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct Node<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow, default)]
    input: Option<&'a RawValue>,
    #[serde(borrow, default)]
    messages: Option<&'a RawValue>,
    #[serde(borrow, default)]
    thinking: Option<&'a RawValue>,
    #[serde(borrow, default)]
    store: Option<&'a RawValue>,
    #[serde(borrow, default)]
    role: Option<&'a RawValue>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    call_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tool_call_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tool_use_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tool_calls: Option<&'a RawValue>,
    #[serde(borrow, default)]
    encrypted_content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    signature: Option<&'a RawValue>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(borrow, default)]
    reasoning_details: Option<&'a RawValue>,
    #[serde(borrow, default)]
    citations: Option<&'a RawValue>,
}

/// What becomes of a value.
enum Fate {
    Stays,
    Goes,
    Becomes(String),
}

impl From<Option<String>> for Fate {
    fn from(new: Option<String>) -> Self {
        new.map_or(Self::Stays, Self::Becomes)
    }
}

struct Judge<'a> {
    to: &'a Upstream,
    wrote: &'a dyn Fn(&str) -> Option<String>,
    /// Whether the upstream may find by their ids the items that it wrote.
    stored: bool,
}

impl Judge<'_> {
    /// An item of Responses' `input`.
    fn item(&self, raw: &RawValue) -> Fate {
        let Some(item) = node(raw) else { return Fate::Stays };
        if text_of(item.kind).as_deref() != Some("reasoning") {
            return edited(raw.get(), bare_ids(&[item.call_id])).into();
        }
        let Some(sealed) = text_of(item.encrypted_content).filter(|sealed| !sealed.is_empty()) else {
            let open = item.content.is_some_and(|content| content.get().len() > 2);
            let unreadable = self.to.vendor && (open || !self.stored);
            let other = text_of(item.id).is_some_and(|id| self.is_another_s(&id));
            return if unreadable || other { Fate::Goes } else { Fate::Stays };
        };
        match self.sealed(&sealed, OpaqueKind::Encrypted) {
            Sealed::Stays => Fate::Stays,
            Sealed::Goes => Fate::Goes,
            Sealed::Opens(opaque) => {
                let mut edits = vec![(item.encrypted_content, quoted(&opaque.value))];
                let id = opaque.id.as_deref().map(quoted);
                edits.extend(id.clone().filter(|_| item.id.is_some()).map(|id| (item.id, id)));
                let new = edited(raw.get(), edits).unwrap_or_default();
                let new = match id.filter(|_| item.id.is_none()) {
                    Some(id) => new.replacen('{', &format!("{{\"id\":{id},"), 1),
                    None => new,
                };
                Fate::Becomes(new)
            }
        }
    }

    /// A message of Chat.
    fn chat(&self, raw: &RawValue) -> Fate {
        let Some(message) = node(raw) else { return Fate::Stays };
        let mut edits = bare_ids(&[message.tool_call_id]);
        let call = |raw: &RawValue| node(raw).and_then(|call| edited(raw.get(), bare_ids(&[call.id]))).into();
        edits.extend(message.tool_calls.and_then(|calls| list(calls, call)).map(|new| (message.tool_calls, new)));
        let details = message.reasoning_details.and_then(|details| list(details, |raw| self.detail(raw)));
        edits.extend(details.map(|new| (message.reasoning_details, new)));
        edited(raw.get(), edits).into()
    }

    /// An entry of `reasoning_details`.
    fn detail(&self, raw: &RawValue) -> Fate {
        let Some(detail) = node(raw) else { return Fate::Stays };
        for value in [detail.data, detail.signature].into_iter().filter_map(text_of) {
            match self.sealed(&value, OpaqueKind::Detail) {
                Sealed::Stays => {}
                Sealed::Goes => return Fate::Goes,
                Sealed::Opens(opaque) => return Fate::Becomes(opaque.value),
            }
        }
        Fate::Stays
    }

    /// Messages' `messages`, and whether the last answer lost the thoughts that its calls came from.
    fn conversation(&self, raw: &RawValue) -> (Option<String>, bool) {
        let mut bare = false;
        let new = list(raw, |raw| {
            let Some(message) = node(raw) else { return Fate::Stays };
            let Some(content) = message.content.filter(|content| content.get().starts_with('[')) else {
                return Fate::Stays;
            };
            let (mut kept, mut lost, mut thinks, mut calls) = (0, 0, false, false);
            let new = list(content, |raw| {
                let kind = node(raw).and_then(|block| text_of(block.kind)).unwrap_or_default();
                let fate = self.block(raw, &kind);
                match fate {
                    Fate::Goes => lost += 1,
                    _ => {
                        kept += 1;
                        thinks |= matches!(kind.as_str(), "thinking" | "redacted_thinking");
                        calls |= kind == "tool_use";
                    }
                }
                fate
            });
            if text_of(message.role).as_deref() == Some("assistant") {
                bare = lost > 0 && calls && !thinks;
            }
            if kept == 0 && lost > 0 {
                return Fate::Goes;
            }
            edited(raw.get(), new.map(|new| (message.content, new)).into_iter().collect()).into()
        });
        (new, bare)
    }

    /// A block of Messages.
    fn block(&self, raw: &RawValue, kind: &str) -> Fate {
        let Some(block) = node(raw) else { return Fate::Stays };
        let (at, kind) = match kind {
            "thinking" => (block.signature, OpaqueKind::Signature),
            "redacted_thinking" => (block.data, OpaqueKind::Redacted),
            _ => {
                let mut edits = bare_ids(&[block.id, block.tool_use_id]);
                let foreign = block.citations.filter(|citations| citations.get().contains(FOREIGN_CITATION));
                edits.extend(foreign.map(|citations| (Some(citations), "null".to_owned())));
                return edited(raw.get(), edits).into();
            }
        };
        let Some(sealed) = text_of(at).filter(|sealed| !sealed.is_empty()) else {
            return if self.to.vendor { Fate::Goes } else { Fate::Stays };
        };
        match self.sealed(&sealed, kind) {
            Sealed::Stays => Fate::Stays,
            Sealed::Goes => Fate::Goes,
            Sealed::Opens(opaque) => edited(raw.get(), vec![(at, quoted(&opaque.value))]).into(),
        }
    }

    fn sealed(&self, value: &str, kind: OpaqueKind) -> Sealed {
        if !value.starts_with("pl1.") {
            return if self.is_another_s(value) { Sealed::Goes } else { Sealed::Stays };
        }
        let opaque = Opaque::open(value, kind);
        if opaque.value != value && opaque.is_for(&self.to.provider, kind) {
            Sealed::Opens(opaque)
        } else {
            Sealed::Goes
        }
    }

    fn is_another_s(&self, value: &str) -> bool {
        (self.wrote)(value).is_some_and(|provider| !provider.eq_ignore_ascii_case(&self.to.provider))
    }
}

/// What becomes of a sealed value.
enum Sealed {
    Stays,
    Goes,
    Opens(Opaque),
}

type Edit<'a> = (Option<&'a RawValue>, String);

/// Ids of calls without the signatures that they carry, which only Gemini's own API can read.
fn bare_ids<'a>(ids: &[Option<&'a RawValue>]) -> Vec<Edit<'a>> {
    let carries = |raw: &&RawValue| raw.get().contains("~pl1.");
    ids.iter()
        .filter_map(|raw| raw.filter(carries))
        .filter_map(|raw| Some((Some(raw), quoted(Opaque::split_id(&text_of(Some(raw))?).0))))
        .collect()
}

/// A text with values in it replaced; none where there is nothing to replace.
fn edited(text: &str, edits: Vec<Edit<'_>>) -> Option<String> {
    let mut spans: Vec<_> = edits.into_iter().filter_map(|(raw, new)| Some((splice::span(text, raw?)?, new))).collect();
    spans.sort_by_key(|(range, _)| range.start);
    (!spans.is_empty()).then(|| splice::replace(text, &spans))
}

/// A list after every value in it met its fate; none where all stay.
fn list(raw: &RawValue, mut fate: impl FnMut(&RawValue) -> Fate) -> Option<String> {
    let values: Vec<&RawValue> = serde_json::from_str(raw.get()).ok()?;
    let fates: Vec<Fate> = values.iter().map(|value| fate(value)).collect();
    if fates.iter().any(|fate| matches!(fate, Fate::Goes)) {
        let kept = values.iter().zip(fates).filter_map(|(value, fate)| match fate {
            Fate::Stays => Some(value.get().to_owned()),
            Fate::Becomes(new) => Some(new),
            Fate::Goes => None,
        });
        return Some(format!("[{}]", kept.collect::<Vec<_>>().join(",")));
    }
    let edits = values.iter().zip(fates).filter_map(|(value, fate)| match fate {
        Fate::Becomes(new) => Some((Some(*value), new)),
        _ => None,
    });
    edited(raw.get(), edits.collect())
}

fn node(raw: &RawValue) -> Option<Node<'_>> {
    serde_json::from_str(raw.get()).ok().filter(|_| raw.get().starts_with('{'))
}

fn text_of(raw: Option<&RawValue>) -> Option<String> {
    serde_json::from_str(raw?.get()).ok()
}

#[cfg(test)]
#[path = "sanitise_tests.rs"]
mod tests;
