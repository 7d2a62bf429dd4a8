//! The conversation in the order that every API takes: what a model said at one go is one step; a step with calls is
//! followed at once by a step with the answer to each of them, in their order. Call ids are made to fit, and unique.
//!
//! What a client's API allows and others refuse is repaired here: answers that stand later, twice, or without their call;
//! calls without an answer; empty words; pictures for a model that takes none.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::names::ToolNames;
use super::words::join;
use super::{digest, refused};
use crate::error::ApiError;
use crate::translate::prompt::{Part, Prompt, Role, Source, Thought, ToolCall};
use crate::translate::{Note, Opaque, Upstream};

/// What one of them says at one go. Either answers to calls alone, or none of them.
#[derive(Debug, PartialEq)]
pub(super) struct Step<'a> {
    pub role: Role,
    pub pieces: Vec<Piece<'a>>,
}

/// A piece of a step.
#[derive(Debug, PartialEq)]
pub(super) enum Piece<'a> {
    /// Never empty.
    Text {
        text: Cow<'a, str>,
        cache: Option<&'a Value>,
    },
    Image {
        source: &'a Source,
        detail: Option<&'a str>,
    },
    File {
        source: &'a Source,
        name: Option<&'a str>,
    },
    Audio {
        format: &'a str,
        data: &'a str,
    },
    Thought(&'a Thought),
    Call(Call<'a>),
    Answer(Answer<'a>),
    Refusal(&'a str),
    /// What follows was said in another turn.
    Break,
}

/// A call, by its id and name upstream.
#[derive(Debug, PartialEq)]
pub(super) struct Call<'a> {
    pub id: String,
    pub name: String,
    pub call: &'a ToolCall,
}

/// What a call gave.
#[derive(Debug, PartialEq)]
pub(super) struct Answer<'a> {
    pub id: String,
    pub name: String,
    /// Whether the call was of a free-form tool.
    pub custom: bool,
    /// Text, images, files.
    pub content: Vec<Piece<'a>>,
    pub is_error: bool,
    pub cache: Option<&'a Value>,
}

impl<'a> Piece<'a> {
    pub(super) fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self::Text { text: text.into(), cache: None }
    }

    /// The words of a text, or of a document that is text.
    pub(super) fn words(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Text { text, .. } => Some(Cow::Borrowed(text)),
            Self::File { source: Source::Text(text), name } => Some(match name {
                Some(name) => Cow::Owned(format!("{name}:\n{text}")),
                None => Cow::Borrowed(text),
            }),
            _ => None,
        }
    }
}

impl Step<'_> {
    pub(super) fn is_operator(&self) -> bool {
        matches!(self.role, Role::System | Role::Developer)
    }

    pub(super) fn calls(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Call(_)))
    }

    pub(super) fn answers(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Answer(_)))
    }

    /// Its words, a paragraph between those of two pieces.
    pub(super) fn words(&self) -> String {
        join(&self.pieces)
    }
}

/// What an API takes as the id of a call. Letters and digits are taken by all.
#[derive(Clone, Copy, Debug)]
pub(super) struct IdRule {
    /// The most characters.
    pub longest: usize,
    /// Whether it has exactly so many, letters and digits (Mistral).
    pub exact: bool,
}

impl IdRule {
    fn fits(self, id: &str) -> bool {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || (!self.exact && matches!(byte, b'_' | b'-'));
        let length = if self.exact { id.len() == self.longest } else { (1..=self.longest).contains(&id.len()) };
        length && id.bytes().all(plain)
    }

    fn fit(self, id: &str) -> String {
        if self.fits(id) {
            return id.to_owned();
        }
        let digest = format!("{:016x}", digest(id));
        if self.exact { digest.chars().take(self.longest).collect() } else { format!("call_{digest}") }
    }

    /// An id that is not in use yet, and is from now on.
    fn take(self, id: &str, used: &mut HashSet<String>) -> String {
        let mut fitted = self.fit(id);
        let mut count = 1_u32;
        while !used.insert(fitted.clone()) {
            count += 1;
            fitted = self.fit(&format!("{id} {count}"));
        }
        fitted
    }
}

/// The id of a call as its result names it, without an envelope of ours.
fn key(id: &str) -> &str {
    Opaque::split_id(id).0
}

/// Said in place of an answer that never came.
const UNANSWERED: &str = "This call was not answered.";
/// Said in place of a picture for a model that takes none.
const NO_PICTURE: &str = "[A picture was left out here: this model takes none.]";

/// Puts a conversation in order.
///
/// # Errors
/// When the person asks about a picture just now, and the model takes none.
pub(super) fn steps<'a>(
    prompt: &'a Prompt,
    upstream: &Upstream,
    tools: &ToolNames<'_>,
    ids: IdRule,
    notes: &mut Vec<Note>,
) -> Result<Vec<Step<'a>>, ApiError> {
    let mut results = Results::default();
    let mut steps = Vec::new();
    let mut sees = Sees { images: upstream.images, current: current_exchange(prompt), notes };
    for (at, turn) in prompt.turns.iter().enumerate() {
        let mut step = Step { role: turn.role, pieces: Vec::new() };
        let mut separates = false;
        for part in &turn.parts {
            if let Part::ToolResult { call_id, content, is_error, custom, cache } = part {
                separates = true;
                let content = content.iter().map(|part| sees.piece(part, None)).collect::<Result<Vec<_>, _>>()?;
                let content = content.into_iter().flatten().collect();
                results.add(
                    key(call_id),
                    Answer {
                        id: String::new(),
                        name: String::new(),
                        custom: *custom,
                        content,
                        is_error: *is_error,
                        cache: cache.as_ref(),
                    },
                );
                // Where it stands, until its call takes it.
                step.pieces.push(Piece::Answer(results.placeholder()));
                continue;
            }
            if let Some(piece) = sees.piece(part, Some(at))? {
                step.pieces.push(piece);
            }
        }
        if !step.pieces.is_empty() || separates {
            push(&mut steps, step);
        }
    }
    Ok(answered(steps, results, tools, ids, sees.notes))
}

/// Puts a step behind the others; what a model said in neighbouring turns is one step.
fn push<'a>(steps: &mut Vec<Step<'a>>, mut step: Step<'a>) {
    match steps.last_mut() {
        Some(last) if step.role == Role::Assistant && last.role == Role::Assistant => {
            last.pieces.push(Piece::Break);
            last.pieces.append(&mut step.pieces);
        }
        _ => steps.push(step),
    }
}

/// Where the exchange begins that is under way: behind the last turn in which the model answered without calling a tool.
fn current_exchange(prompt: &Prompt) -> usize {
    let calls = |part: &Part| matches!(part, Part::ToolCall(_));
    prompt
        .turns
        .iter()
        .enumerate()
        .rev()
        .find(|(at, turn)| {
            let next = prompt.turns.get(at + 1).map(|next| next.role);
            turn.role == Role::Assistant && next != Some(Role::Assistant) && !turn.parts.iter().any(calls)
        })
        .map_or(0, |(at, _)| at + 1)
}

struct Sees<'n> {
    images: Option<bool>,
    current: usize,
    notes: &'n mut Vec<Note>,
}

impl Sees<'_> {
    /// A part as a piece. `at`: the turn that it stands in, none for what is within a tool's result.
    fn piece<'a>(&mut self, part: &'a Part, at: Option<usize>) -> Result<Option<Piece<'a>>, ApiError> {
        Ok(Some(match part {
            Part::Text { text, .. } if text.is_empty() => return Ok(None),
            Part::Text { text, cache } => Piece::Text { text: text.into(), cache: cache.as_ref() },
            Part::Image { .. } if self.images == Some(false) => {
                if at.is_some_and(|at| at >= self.current) {
                    return Err(
                        refused("this model takes no pictures; ask one that does, or send words alone").about("model")
                    );
                }
                self.notes.push(Note::dropped("image"));
                Piece::text(NO_PICTURE)
            }
            Part::Image { source: Source::Text(text), .. } => Piece::text(text.as_str()),
            Part::Image { source, detail } => Piece::Image { source, detail: detail.as_deref() },
            Part::File { source, name } => Piece::File { source, name: name.as_deref() },
            Part::Audio { format, data } => Piece::Audio { format, data },
            Part::Reasoning(thought) => Piece::Thought(thought),
            Part::ToolCall(call) => Piece::Call(Call { id: String::new(), name: String::new(), call }),
            Part::Refusal(text) if text.is_empty() => return Ok(None),
            Part::Refusal(text) => Piece::Refusal(text),
            Part::ToolResult { .. } => return Ok(None),
        }))
    }
}

/// The answers that calls can still take, by the id that they name.
#[derive(Default)]
struct Results<'a> {
    all: Vec<Option<Answer<'a>>>,
    by_id: HashMap<String, Vec<usize>>,
}

impl<'a> Results<'a> {
    fn add(&mut self, id: &str, answer: Answer<'a>) {
        self.by_id.entry(id.to_owned()).or_default().push(self.all.len());
        self.all.push(Some(answer));
    }

    /// What stands for the last one in the step where it came: its number.
    fn placeholder(&self) -> Answer<'a> {
        let id = (self.all.len() - 1).to_string();
        Answer { id, name: String::new(), custom: false, content: Vec::new(), is_error: false, cache: None }
    }

    /// The first of this id that stands behind the number `after`.
    fn take(&mut self, id: &str, after: usize) -> Option<Answer<'a>> {
        let at = self
            .by_id
            .get(id)?
            .iter()
            .copied()
            .find(|at| *at >= after && self.all.get(*at).is_some_and(Option::is_some))?;
        self.all.get_mut(at)?.take()
    }

    fn at(&mut self, number: &str) -> Option<Answer<'a>> {
        self.all.get_mut(number.parse::<usize>().ok()?)?.take()
    }
}

/// Gives each call its answer and its id; what is left of the answers becomes words where it stands.
fn answered<'a>(
    steps: Vec<Step<'a>>,
    mut results: Results<'a>,
    tools: &ToolNames<'_>,
    ids: IdRule,
    notes: &mut Vec<Note>,
) -> Vec<Step<'a>> {
    let mut used = HashSet::new();
    let mut with_answers: Vec<Step<'a>> = Vec::new();
    let mut passed = 0;
    for mut step in steps {
        let mut answers = Vec::new();
        for piece in &mut step.pieces {
            match piece {
                Piece::Call(call) => {
                    let wanted = key(&call.call.id);
                    call.id = ids.take(if wanted.is_empty() { &call.call.name } else { wanted }, &mut used);
                    call.name = tools.of(&call.call.name, call.call.namespace.as_deref());
                    let answer = results.take(wanted, passed).unwrap_or_else(|| {
                        notes.push(Note::dropped("tool_call without its result"));
                        Answer {
                            id: String::new(),
                            name: String::new(),
                            custom: call.call.custom,
                            content: vec![Piece::text(UNANSWERED)],
                            is_error: true,
                            cache: None,
                        }
                    });
                    let (id, name) = (call.id.clone(), call.name.clone());
                    answers.push(Piece::Answer(Answer { id, name, custom: call.call.custom, ..answer }));
                }
                Piece::Answer(_) => passed += 1,
                _ => {}
            }
        }
        with_answers.push(step);
        if !answers.is_empty() {
            with_answers.push(Step { role: Role::User, pieces: answers });
        }
    }
    let mut whole = Vec::new();
    for step in with_answers {
        let role = step.role;
        let pieces: Vec<_> = step.pieces.into_iter().flat_map(|piece| left_over(piece, &mut results, notes)).collect();
        if !pieces.is_empty() {
            push(&mut whole, Step { role, pieces });
        }
    }
    whole
}

/// A result that no call has taken, as words. Its content stays: nothing of a conversation is lost.
fn left_over<'a>(piece: Piece<'a>, results: &mut Results<'a>, notes: &mut Vec<Note>) -> Vec<Piece<'a>> {
    match piece {
        Piece::Answer(placeholder) if placeholder.name.is_empty() => {
            let Some(answer) = results.at(&placeholder.id) else { return Vec::new() };
            notes.push(Note::dropped("tool_result without its call"));
            let mut pieces = vec![Piece::text("The result of an earlier tool call:")];
            pieces.extend(answer.content);
            pieces
        }
        other => vec![other],
    }
}
