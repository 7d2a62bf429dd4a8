//! What the readers of Chat and of Ollama have in common: text that may hold thoughts and calls, thoughts of their own
//! key, and calls in fragments, as blocks.

use super::blocks::Blocks;
use super::calls::{Calls, Fragment};
use super::{think, tool_xml};
use crate::failure::Failure;
use crate::translate::{Asked, Event, Finish, Opaque};

/// An answer under way.
#[derive(Debug)]
pub(super) struct Assembly {
    /// Where everything goes in the end.
    pub(super) blocks: Blocks<usize>,
    thoughts: think::Splitter,
    /// For MiniMax alone: nobody else's text is looked through for calls.
    xml: Option<tool_xml::Splitter>,
    calls: Calls,
    /// Calls that stood in the text; they need keys that no call in fragments has.
    in_text: usize,
    seed: Vec<u8>,
    /// What was noted as dropped, to note it once.
    noted: Vec<&'static str>,
    refused: bool,
}

impl Assembly {
    pub(super) fn new(asked: &Asked) -> Self {
        let minimax = asked.is_minimax();
        Self {
            blocks: Blocks::default(),
            thoughts: think::Splitter::new(minimax),
            xml: minimax.then(|| tool_xml::Splitter::new(asked.tools.clone())),
            calls: Calls::default(),
            in_text: 0,
            seed: Vec::new(),
            noted: Vec::new(),
            refused: false,
        }
    }

    /// Another event of the stream begins. The ids that are made up come from the first seed.
    pub(super) fn next_event(&mut self, seed: &[u8]) {
        self.calls.next_event();
        if self.seed.is_empty() {
            self.seed = seed.to_vec();
        }
    }

    /// The answer's words, as the server gives them.
    pub(super) fn content(&mut self, text: &str) {
        let pieces = self.thoughts.push(text);
        self.pieces(pieces);
    }

    /// Thoughts in a key of their own.
    pub(super) fn reasoning(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        self.thoughts.separated();
        self.blocks.reasoning(text);
    }

    /// A summary of thoughts in a key of its own.
    pub(super) fn summary(&mut self, text: &str) {
        self.thoughts.separated();
        self.blocks.summary(text);
    }

    /// What proves or holds thoughts.
    pub(super) fn sealed(&mut self, opaque: Opaque) {
        self.thoughts.separated();
        self.blocks.sealed(opaque);
    }

    /// Words that decline.
    pub(super) fn refusal(&mut self, text: &str) {
        self.flush();
        self.refused |= !text.is_empty();
        self.blocks.refusal(text);
    }

    /// A piece of a call.
    pub(super) fn call(&mut self, fragment: Fragment) {
        self.flush();
        self.calls.fragment(fragment, &mut self.blocks, &self.seed);
    }

    /// Notes once that something was left out.
    pub(super) fn dropped(&mut self, what: &'static str) {
        if !self.noted.contains(&what) {
            self.noted.push(what);
            self.blocks.dropped(what);
        }
    }

    /// What is held of the text, because something else comes next.
    pub(super) fn flush(&mut self) {
        let pieces = self.thoughts.flush();
        self.pieces(pieces);
        let held = self.xml.as_mut().map(tool_xml::Splitter::flush).unwrap_or_default();
        self.xml_pieces(held);
    }

    /// The answer is whole.
    pub(super) fn finish(&mut self, finish: Finish) {
        self.flush();
        self.calls.end(&mut self.blocks);
        let finish = if finish == Finish::Stop && self.refused { Finish::Refusal } else { finish };
        self.blocks.finish(finish);
    }

    /// The upstream failed.
    pub(super) fn fail(&mut self, failure: Failure) {
        self.blocks.fail(failure);
    }

    /// The events since it was last asked.
    pub(super) fn take(&mut self) -> Vec<Event> {
        self.blocks.take()
    }

    fn pieces(&mut self, pieces: Vec<think::Piece>) {
        for piece in pieces {
            match (piece, &mut self.xml) {
                (think::Piece::Reasoning(text), _) => self.blocks.reasoning(&text),
                (think::Piece::Text(text), None) => self.blocks.text(&text),
                (think::Piece::Text(text), Some(xml)) => {
                    let pieces = xml.push(&text);
                    self.xml_pieces(pieces);
                }
            }
        }
    }

    fn xml_pieces(&mut self, pieces: Vec<tool_xml::Piece>) {
        for piece in pieces {
            match piece {
                tool_xml::Piece::Text(text) => self.blocks.text(&text),
                tool_xml::Piece::Call { name, arguments } => {
                    let key = usize::MAX - self.in_text;
                    // Calls in fragments count from 0, these from 50: their ids differ.
                    let id = super::made_id(&self.seed, 50 + self.in_text);
                    self.in_text += 1;
                    self.blocks.tool_begin(key, id, name, false);
                    self.blocks.tool_arguments(&key, &arguments);
                    self.blocks.tool_end(&key, None);
                }
            }
        }
    }
}
