//! Answers for clients: [`Event`]s become the bytes of a client's API, as a stream or as one body.
//!
//! Bytes are put together directly and every text is escaped once: the end of a stream repeats what was kept in
//! escaped form. Must not know: which API the upstream speaks, whether a socket takes the bytes.

mod arguments;
mod chat;
mod failed;
mod json;
mod messages;
mod responses;

use bytes::Bytes;

use super::{Block, Event, Finish, Note, Opaque, OpaqueKind, Opening};
use crate::failure::Failure;
use crate::{ClientApi, Usage};

/// The `encrypted_index` of a citation that Anthropic did not write, as JSON text. It refuses such a citation when it
/// comes back.
pub(super) const FOREIGN_CITATION: &str = "\"pl1.\"";

/// Writes one streamed answer in a client's API.
#[derive(Debug)]
pub struct Writer {
    form: Form,
    opening: Opening,
    told: Told,
}

#[derive(Debug)]
enum Form {
    Responses(responses::Responses),
    Chat(chat::Chat),
    Messages(messages::Messages),
}

/// What is common to the forms: where the answer stands.
#[derive(Debug, Default)]
struct Told {
    started: bool,
    /// Whether a word, a thought or a call was told.
    content: bool,
    called: bool,
    refused: bool,
    /// Bytes of words, thoughts and arguments: the output's tokens are guessed from them where nobody counts.
    length: u64,
    usage: Option<Usage>,
    finish: Option<Finish>,
    over: bool,
    /// Whether a block has begun and not ended.
    within: bool,
    notes: Vec<Note>,
}

impl Writer {
    /// A writer of an answer that begins. Completions is told as Chat is; embeddings are never streamed.
    #[must_use]
    pub fn new(api: ClientApi, opening: Opening) -> Self {
        let form = match api {
            ClientApi::Responses => Form::Responses(responses::Responses::new(&opening)),
            ClientApi::Messages => Form::Messages(messages::Messages::default()),
            ClientApi::Chat | ClientApi::Completions | ClientApi::Embeddings => Form::Chat(chat::Chat::new(&opening)),
        };
        Self { form, opening, told: Told::default() }
    }

    /// What to send for one event: whole SSE events, or nothing yet. After [`Event::Failed`] nothing follows.
    pub fn write(&mut self, event: &Event) -> Bytes {
        self.write_all(std::slice::from_ref(event))
    }

    /// What to send for several. A call's signature is told in the call's id, so a call that comes whole should be
    /// given whole.
    pub fn write_all(&mut self, events: &[Event]) -> Bytes {
        let mut out = Vec::with_capacity(256 * events.len());
        for (at, event) in events.iter().enumerate() {
            self.tell(event, events.get(at + 1..).unwrap_or_default(), &mut out);
        }
        out.into()
    }

    /// The end of the stream after [`Event::Finish`], once no usage can follow it any more. Nothing the second time;
    /// an error where no finish came.
    pub fn end(&mut self) -> Bytes {
        let mut out = Vec::new();
        if !self.told.over && self.told.finish.is_none() {
            self.tell(&Event::Failed(broken_off()), &[], &mut out);
        } else {
            self.close(&mut out);
        }
        out.into()
    }

    /// Whether a word, a thought or a call was written: from then on no other upstream may be asked.
    #[must_use]
    pub fn has_content(&self) -> bool {
        self.told.content
    }

    /// Whether [`Event::Finish`] came.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.told.finish.is_some()
    }

    /// Whether the last byte was written.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.told.over
    }

    /// The tokens told so far.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        self.told.usage
    }

    /// What was left out, in reading the answer and in writing it.
    #[must_use]
    pub fn notes(&self) -> &[Note] {
        &self.told.notes
    }

    fn tell(&mut self, event: &Event, after: &[Event], out: &mut Vec<u8>) {
        if self.told.over {
            return;
        }
        match event {
            Event::Usage(usage) => return self.told.count(*usage),
            Event::Start { usage, .. } => {
                if let Some(usage) = usage {
                    self.told.count(*usage);
                }
                return self.start(out);
            }
            Event::Dropped(note) => {
                self.told.note(note.clone());
                // Something stood between two blocks: what comes after it is apart from what came before.
                if let Form::Responses(responses) = &mut self.form
                    && !self.told.within
                {
                    responses.part(out);
                }
                return;
            }
            Event::Failed(failure) => {
                self.told.over = true;
                match &mut self.form {
                    Form::Responses(form) => form.fail(failure, &self.opening, &self.told, out),
                    Form::Chat(_) => failed::chat(failure, out),
                    Form::Messages(_) => failed::messages(failure, out),
                }
                return;
            }
            // Before there is content, the gateway's own heartbeats tell that we live.
            Event::Life if !self.told.content => return,
            _ if self.told.finish.is_some() => return,
            _ => {}
        }
        self.start(out);
        match event {
            Event::Finish(finish) => self.told.finish = Some(finish.clone()),
            Event::Begin(block) => {
                self.told.within = true;
                if let Block::ToolCall { .. } = block {
                    self.told.called = true;
                    self.told.content = true;
                }
                self.told.refused |= *block == Block::Refusal;
                let sealed = sealed_id(block, after);
                let block = sealed.as_ref().unwrap_or(block);
                match &mut self.form {
                    Form::Responses(form) => form.begin(block, &self.opening, out),
                    Form::Chat(form) => form.begin(block, &self.opening, out),
                    Form::Messages(form) => form.begin(block, &self.opening, out),
                }
            }
            Event::Delta(text) if !text.is_empty() => {
                self.told.content = true;
                self.told.length += text.len() as u64;
                match &mut self.form {
                    Form::Responses(form) => form.delta(text, out),
                    Form::Chat(form) => form.delta(text, out),
                    Form::Messages(form) => form.delta(text, out),
                }
            }
            Event::End { opaque } => {
                self.told.within = false;
                let kept = match &mut self.form {
                    Form::Responses(form) => form.end(opaque.as_ref(), out),
                    Form::Chat(form) => form.end(opaque.as_ref(), out),
                    Form::Messages(form) => form.end(opaque.as_ref(), out),
                };
                if !kept {
                    self.told.note(Note::dropped("thoughtSignature"));
                }
            }
            Event::Citation { url, title } => {
                let title = title.as_deref();
                let kept = match &mut self.form {
                    Form::Responses(form) => form.cite(url, title, out),
                    Form::Chat(form) => form.cite(url, title, out),
                    Form::Messages(form) => form.cite(url, title, out),
                };
                if !kept {
                    self.told.note(Note::dropped("citations"));
                }
            }
            Event::Life => match &mut self.form {
                Form::Responses(form) => form.life(&self.opening, out),
                Form::Chat(form) => form.life(out),
                Form::Messages(_) => messages::life(out),
            },
            _ => {}
        }
    }

    fn start(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.told.started, true) {
            return;
        }
        match &mut self.form {
            Form::Responses(form) => form.start(&self.opening, out),
            Form::Chat(form) => form.start(out),
            Form::Messages(_) => messages::start(&self.opening, &self.told, out),
        }
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        if self.told.over {
            return;
        }
        self.told.over = true;
        match &mut self.form {
            Form::Responses(form) => form.finish(&self.opening, &self.told, out),
            Form::Chat(form) => form.finish(&self.opening, &self.told, out),
            Form::Messages(form) => form.finish(&self.opening, &self.told, out),
        }
    }
}

impl Told {
    fn count(&mut self, usage: Usage) {
        self.usage = Some(usage.or_earlier(self.usage));
    }

    fn note(&mut self, note: Note) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Why it ended, made to fit what was told: an answer with calls waits for them, whatever the upstream calls it,
    /// and none without can.
    fn finish(&self) -> Finish {
        match &self.finish {
            Some(Finish::Stop | Finish::Other(_) | Finish::ToolCalls) | None if self.called => Finish::ToolCalls,
            Some(Finish::ToolCalls | Finish::Other(_)) | None => Finish::Stop,
            Some(finish) => finish.clone(),
        }
    }

    /// A guess at the tokens written.
    fn length_in_tokens(&self) -> u64 {
        self.length.div_ceil(4)
    }
}

/// An answer's events as one body of the client's API.
///
/// # Errors
/// When the upstream failed, or the events have no end.
pub fn whole(api: ClientApi, opening: &Opening, events: &[Event]) -> Result<Bytes, Failure> {
    let failure = events.iter().find_map(|event| if let Event::Failed(failure) = event { Some(failure) } else { None });
    if let Some(failure) = failure {
        return Err(failure.clone());
    }
    if !events.iter().any(|event| matches!(event, Event::Finish(_))) {
        return Err(broken_off());
    }
    match api {
        ClientApi::Responses => {
            let mut writer = Writer::new(api, opening.clone());
            // The stream's last event holds the whole body.
            writer.write_all(events);
            writer.end();
            match writer.form {
                Form::Responses(form) => Ok(form.into_last()),
                Form::Chat(_) | Form::Messages(_) => Err(broken_off()),
            }
        }
        ClientApi::Messages => Ok(messages::whole(opening, events)),
        ClientApi::Chat | ClientApi::Completions | ClientApi::Embeddings => Ok(chat::whole(opening, events)),
    }
}

/// What the forms of a whole body are made from: the blocks with what they grew to, and how it all ended.
fn gather(events: &[Event]) -> (Vec<Whole>, Told) {
    let (mut blocks, mut told) = (Vec::<Whole>::new(), Told::default());
    for (at, event) in events.iter().enumerate() {
        match event {
            Event::Begin(block) => {
                told.called |= matches!(block, Block::ToolCall { .. });
                told.refused |= *block == Block::Refusal;
                let block = sealed_id(block, events.get(at + 1..).unwrap_or_default()).unwrap_or_else(|| block.clone());
                blocks.push(Whole { block, text: String::new(), opaque: None, citations: Vec::new() });
            }
            Event::Delta(text) => {
                told.length += text.len() as u64;
                if let Some(open) = blocks.last_mut() {
                    open.text.push_str(text);
                }
            }
            Event::End { opaque } => {
                if let Some(open) = blocks.last_mut() {
                    open.opaque.clone_from(opaque);
                }
            }
            Event::Citation { url, title } => {
                let text = blocks.iter_mut().rev().find(|whole| whole.block == Block::Text);
                if let Some(text) = text {
                    text.citations.push((url.clone(), title.clone()));
                }
            }
            Event::Start { usage: Some(usage), .. } | Event::Usage(usage) => told.count(*usage),
            Event::Finish(finish) => told.finish = Some(finish.clone()),
            Event::Start { .. } | Event::Life | Event::Dropped(_) | Event::Failed(_) => {}
        }
    }
    (blocks, told)
}

/// A block, whole.
struct Whole {
    block: Block,
    text: String,
    opaque: Option<Opaque>,
    citations: Vec<(String, Option<String>)>,
}

impl Whole {
    /// A call's arguments as the client is told them.
    fn arguments(&self, upstream_custom: bool, client_custom: bool) -> String {
        let mut out = String::with_capacity(self.text.len());
        let mut arguments = arguments::Arguments::new(upstream_custom, client_custom);
        arguments.push(&self.text, &mut out);
        arguments.end(&mut out);
        out
    }
}

/// The call that `block` begins under an id that carries the signature it ends with, if it has one.
fn sealed_id(block: &Block, after: &[Event]) -> Option<Block> {
    let Block::ToolCall { id, name, custom } = block else { return None };
    let end = after.iter().find(|event| matches!(event, Event::End { .. }))?;
    let Event::End { opaque: Some(opaque) } = end else { return None };
    Some(Block::ToolCall { id: opaque.on_id(id), name: name.clone(), custom: *custom })
}

/// What proves a thought, as the client's API carries it: as it is where the API has such a thing itself, else in an
/// envelope.
fn carried(opaque: &Opaque, own: OpaqueKind) -> String {
    if opaque.kind == own { opaque.value.clone() } else { opaque.seal() }
}

fn broken_off() -> Failure {
    Failure::new("the answer broke off before its end")
}

/// `a` or `b` tokens, as a JSON member after another.
fn member(out: &mut Vec<u8>, key: &str, count: u64) {
    json::raw(out, ",\"");
    json::raw(out, key);
    json::raw(out, "\":");
    json::number(out, count);
}
