//! Puts what an upstream interleaves into blocks that follow each other.
//!
//! The first block that is open passes through as it comes; what belongs to the others is held until those before them
//! have ended. Must not know any API.

use std::collections::VecDeque;

use super::super::{Block, Event, Finish, Note, Opaque};
use super::made_id;
use crate::Usage;
use crate::failure::Failure;

/// The blocks of one answer, and the events that they make. `K` is what the upstream tells its own blocks apart by.
///
/// Blocks with a key are opened and closed by the reader. Prose without a key ([`Blocks::text`] and its like) opens by
/// itself, and closes when anything else begins.
#[derive(Debug)]
pub struct Blocks<K> {
    out: Vec<Event>,
    /// Those that have not ended, or wait for one that has not. Of the first, the beginning was told.
    waiting: VecDeque<Waiting<K>>,
    /// Whether the beginning was told, or something that may not come before it.
    started: bool,
    /// The ids of the calls so far.
    called: Vec<String>,
    usage: Option<Usage>,
    over: Over,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    No,
    Finished,
    Failed,
}

#[derive(Debug)]
struct Waiting<K> {
    key: Option<K>,
    block: Block,
    /// Deltas and citations that were not told yet; none of the first.
    held: Vec<Event>,
    /// A call's `{}`, which is not told before it is certain that nothing follows: some servers send it ahead of the
    /// arguments proper, and an empty call means the same.
    empty_object: bool,
    /// Whether it has grown.
    grown: bool,
    end: Option<Option<Opaque>>,
}

impl<K> Default for Blocks<K> {
    fn default() -> Self {
        Self {
            out: Vec::new(),
            waiting: VecDeque::new(),
            started: false,
            called: Vec::new(),
            usage: None,
            over: Over::No,
        }
    }
}

impl<K: PartialEq> Blocks<K> {
    /// The events since it was last asked.
    pub fn take(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.out)
    }

    /// Whether the answer was finished or has failed.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over != Over::No
    }

    /// Whether a tool was called.
    #[must_use]
    pub fn has_called(&self) -> bool {
        !self.called.is_empty()
    }

    /// The answer begins. Only the first call counts, and only before everything else.
    pub fn start(&mut self, id: Option<String>, model: Option<String>, usage: Option<Usage>) {
        if !std::mem::replace(&mut self.started, true) && self.over == Over::No {
            self.usage = usage;
            self.out.push(Event::Start { id, model, usage });
        }
    }

    /// A sign of life, unless there is something better to tell.
    pub fn life(&mut self) {
        if self.over == Over::No && self.out.is_empty() {
            self.out.push(Event::Life);
        }
    }

    /// Tokens as counted so far. What says nothing new is not told.
    pub fn usage(&mut self, usage: Usage) {
        let usage = usage.or_earlier(self.usage);
        if self.over != Over::Failed && self.usage != Some(usage) {
            self.started = true;
            self.usage = Some(usage);
            self.out.push(Event::Usage(usage));
        }
    }

    /// Something was left out.
    pub fn dropped(&mut self, what: &str) {
        if self.over != Over::Failed {
            self.started = true;
            self.out.push(Event::Dropped(Note::dropped(what)));
        }
    }

    /// Begins a block, after those that are open. Prose without a key ends.
    pub fn begin(&mut self, key: K, block: Block) {
        self.end_prose(None);
        self.push(Some(key), block);
    }

    /// Lets an open block grow. False when no open block has this key.
    pub fn delta(&mut self, key: &K, text: &str) -> bool {
        let place = self.place(key);
        if let Some(place) = place {
            self.grow(place, text);
        }
        place.is_some()
    }

    /// Ends a block. False when no open block has this key.
    pub fn end(&mut self, key: &K, opaque: Option<Opaque>) -> bool {
        let place = self.place(key);
        if let Some(place) = place {
            self.end_at(place, opaque);
        }
        place.is_some()
    }

    /// Whether a block of this key is open.
    #[must_use]
    pub fn is_open(&self, key: &K) -> bool {
        self.place(key).is_some()
    }

    /// Words of the answer.
    pub fn text(&mut self, text: &str) {
        self.prose(Block::Text, text);
    }

    /// Thoughts.
    pub fn reasoning(&mut self, text: &str) {
        self.prose(Block::Reasoning, text);
    }

    /// A summary of thoughts.
    pub fn summary(&mut self, text: &str) {
        self.prose(Block::Summary, text);
    }

    /// Words that decline.
    pub fn refusal(&mut self, text: &str) {
        self.prose(Block::Refusal, text);
    }

    /// Where the text that came last took something from. False when there is no such text, or it has ended.
    pub fn citation(&mut self, url: String, title: Option<String>) -> bool {
        let open = |block: &Waiting<K>| block.end.is_none() && block.block == Block::Text;
        let Some(place) = self.waiting.iter().rposition(open) else { return false };
        self.tell(place, Event::Citation { url, title });
        true
    }

    /// A call begins. Its id and name are as [`Block::ToolCall`] says.
    pub fn tool_begin(&mut self, key: K, id: String, name: String, custom: bool) {
        self.begin(key, Block::ToolCall { id, name, custom });
    }

    /// A piece of a call's arguments. False when no open call has this key.
    pub fn tool_arguments(&mut self, key: &K, text: &str) -> bool {
        self.delta(key, text)
    }

    /// A call ends. False when no open call has this key.
    pub fn tool_end(&mut self, key: &K, opaque: Option<Opaque>) -> bool {
        self.end(key, opaque)
    }

    /// What proves or holds the thoughts that came last; they end. Without any, it is a thought of its own.
    pub fn sealed(&mut self, opaque: Opaque) {
        let thought = |block: &Waiting<K>| {
            block.key.is_none() && block.end.is_none() && matches!(block.block, Block::Reasoning | Block::Summary)
        };
        let place = match self.waiting.iter().rposition(thought) {
            Some(place) => Some(place),
            None => {
                self.end_prose(None);
                self.push(None, Block::Reasoning)
            }
        };
        if let Some(place) = place {
            self.end_at(place, Some(opaque));
        }
    }

    /// What proves the prose that came last, words or thoughts; it ends. Without any, it is a thought of its own.
    pub fn seal_prose(&mut self, opaque: Opaque) {
        match self.waiting.iter().rposition(|block| block.key.is_none() && block.end.is_none()) {
            Some(place) => self.end_at(place, Some(opaque)),
            None => self.sealed(opaque),
        }
    }

    /// Ends the prose without a key that is open, if any is.
    pub fn end_prose(&mut self, opaque: Option<Opaque>) {
        let open = |block: &Waiting<K>| block.key.is_none() && block.end.is_none();
        if let Some(place) = self.waiting.iter().rposition(open) {
            self.end_at(place, opaque);
        }
    }

    /// The answer is whole: everything that is open ends. Whoever says that it was done, and has called a tool, waits
    /// for it; whoever says that it waits, and has called none, was done.
    pub fn finish(&mut self, finish: Finish) {
        if self.over != Over::No {
            return;
        }
        while !self.waiting.is_empty() {
            if let Some(place) = self.waiting.iter().position(|block| block.end.is_none()) {
                self.end_at(place, None);
            }
        }
        let finish = match (finish, self.has_called()) {
            (Finish::Stop, true) => Finish::ToolCalls,
            (Finish::ToolCalls, false) => Finish::Stop,
            (finish, _) => finish,
        };
        self.out.push(Event::Finish(finish));
        self.over = Over::Finished;
    }

    /// The upstream failed. What is open stays so, and what was held is not told: it would look whole. Nothing after
    /// a finish.
    pub fn fail(&mut self, failure: Failure) {
        if self.over == Over::No {
            self.waiting.clear();
            self.out.push(Event::Failed(failure));
            self.over = Over::Failed;
        }
    }

    fn prose(&mut self, block: Block, text: &str) {
        if text.is_empty() {
            return;
        }
        let last = self.waiting.len().checked_sub(1);
        let same = |open: &Waiting<K>| open.key.is_none() && open.end.is_none() && open.block == block;
        let place = match last.filter(|last| self.waiting.get(*last).is_some_and(same)) {
            Some(place) => Some(place),
            None => {
                self.end_prose(None);
                self.push(None, block)
            }
        };
        if let Some(place) = place {
            self.grow(place, text);
        }
    }

    fn place(&self, key: &K) -> Option<usize> {
        // The last: a server may use a key again, once its block has ended.
        self.waiting.iter().rposition(|block| block.end.is_none() && block.key.as_ref() == Some(key))
    }

    /// Adds a block, and says where it stands. None once the answer is over.
    fn push(&mut self, key: Option<K>, mut block: Block) -> Option<usize> {
        if self.over != Over::No {
            return None;
        }
        self.started = true;
        if let Block::ToolCall { id, .. } = &mut block {
            // A client tells the results apart by it.
            if self.called.contains(id) {
                *id = made_id(id.as_bytes(), self.called.len() + 1);
            }
            self.called.push(id.clone());
        }
        if self.waiting.is_empty() {
            self.out.push(Event::Begin(block.clone()));
        }
        self.waiting.push_back(Waiting { key, block, held: Vec::new(), empty_object: false, grown: false, end: None });
        Some(self.waiting.len() - 1)
    }

    fn grow(&mut self, place: usize, text: &str) {
        let Some(block) = self.waiting.get_mut(place).filter(|_| !text.is_empty()) else { return };
        if matches!(block.block, Block::ToolCall { custom: false, .. }) {
            if !block.grown && text.trim() == "{}" {
                block.empty_object = true;
                return;
            }
            if block.empty_object && text.trim().is_empty() {
                return;
            }
        }
        block.grown = true;
        block.empty_object = false;
        self.tell(place, Event::Delta(text.to_owned()));
    }

    fn tell(&mut self, place: usize, event: Event) {
        if place == 0 {
            self.out.push(event);
            return;
        }
        let Some(block) = self.waiting.get_mut(place) else { return };
        match (block.held.last_mut(), &event) {
            (Some(Event::Delta(before)), Event::Delta(more)) => before.push_str(more),
            _ => block.held.push(event),
        }
    }

    fn end_at(&mut self, place: usize, opaque: Option<Opaque>) {
        if let Some(block) = self.waiting.get_mut(place) {
            block.end = Some(opaque);
        }
        // Whoever stands first and has ended makes room for the next.
        while let Some(opaque) = self.waiting.front_mut().and_then(|first| first.end.take()) {
            self.waiting.pop_front();
            self.out.push(Event::End { opaque });
            if let Some(next) = self.waiting.front_mut() {
                self.out.push(Event::Begin(next.block.clone()));
                self.out.append(&mut next.held);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use crate::translate::OpaqueKind;
    use proptest::prelude::*;

    fn call(name: &str) -> Block {
        Block::ToolCall { id: format!("call_{name}"), name: name.to_owned(), custom: false }
    }

    fn delta(text: &str) -> Event {
        Event::Delta(text.to_owned())
    }

    const END: Event = Event::End { opaque: None };

    #[test]
    fn the_first_passes_and_the_others_wait() {
        let mut blocks = Blocks::<u8>::default();
        blocks.begin(0, call("a"));
        blocks.begin(1, call("b"));
        assert!(blocks.delta(&1, "{\"b\""));
        assert!(blocks.delta(&0, "{"));
        assert!(blocks.delta(&1, ":1}"));
        assert_eq!(blocks.take(), [Event::Begin(call("a")), delta("{")]);
        assert!(blocks.delta(&0, "}"));
        assert!(blocks.end(&1, None));
        assert_eq!(blocks.take(), [delta("}")], "the second has ended, but the first has not");
        assert!(blocks.end(&0, None));
        assert_eq!(blocks.take(), [END, Event::Begin(call("b")), delta("{\"b\":1}"), END]);
        assert!(!blocks.delta(&0, "x") && !blocks.end(&1, None), "both are gone");
    }

    #[test]
    fn prose_ends_when_anything_else_begins() {
        let mut blocks = Blocks::<u8>::default();
        blocks.reasoning("hm");
        blocks.text("");
        blocks.reasoning(", well");
        blocks.text("Yes");
        blocks.tool_begin(0, "call_a".to_owned(), "a".to_owned(), false);
        blocks.text("and ");
        blocks.tool_arguments(&0, "{\"x\":1}");
        blocks.text("no");
        blocks.finish(Finish::Stop);
        let expected = [
            Event::Begin(Block::Reasoning),
            delta("hm"),
            delta(", well"),
            END,
            Event::Begin(Block::Text),
            delta("Yes"),
            END,
            Event::Begin(call("a")),
            delta("{\"x\":1}"),
            END,
            Event::Begin(Block::Text),
            delta("and no"),
            END,
            Event::Finish(Finish::ToolCalls),
        ];
        assert_eq!(blocks.take(), expected);
        blocks.text("more");
        blocks.usage(Usage { output: 3, ..Usage::default() });
        blocks.finish(Finish::Stop);
        blocks.fail(Failure::new("late"));
        assert_eq!(blocks.take(), [Event::Usage(Usage { output: 3, ..Usage::default() })]);
    }

    #[test]
    fn a_second_call_of_the_same_id_gets_another() {
        let mut blocks = Blocks::<u8>::default();
        for key in 0..3 {
            blocks.begin(key, call("a"));
            blocks.end(&key, None);
        }
        let ids = |event: Event| if let Event::Begin(Block::ToolCall { id, .. }) = event { Some(id) } else { None };
        let ids: Vec<String> = blocks.take().into_iter().filter_map(ids).collect();
        assert_eq!(ids[0], "call_a");
        blocks.start(Some("late".to_owned()), None, None);
        assert!(blocks.take().is_empty(), "a beginning in the middle is none");
        assert!(ids[1] != ids[0] && ids[2] != ids[1] && ids[2] != ids[0], "{ids:?}");
    }

    #[test]
    fn empty_arguments_are_told_by_silence() {
        let mut blocks = Blocks::<u8>::default();
        blocks.begin(0, call("a"));
        blocks.delta(&0, "{}");
        blocks.end(&0, None);
        blocks.begin(1, call("b"));
        blocks.delta(&1, "{}");
        blocks.delta(&1, "{\"x\":1}");
        blocks.finish(Finish::ToolCalls);
        let expected = [
            Event::Begin(call("a")),
            END,
            Event::Begin(call("b")),
            delta("{\"x\":1}"),
            END,
            Event::Finish(Finish::ToolCalls),
        ];
        assert_eq!(blocks.take(), expected);
    }

    #[test]
    fn a_seal_ends_the_thoughts_or_is_one() {
        let seal = |value: &str| Opaque {
            provider: Some("p".to_owned()),
            kind: OpaqueKind::Signature,
            value: value.to_owned(),
            id: None,
        };
        let mut blocks = Blocks::<u8>::default();
        blocks.reasoning("hm");
        blocks.sealed(seal("1"));
        blocks.sealed(seal("2"));
        let expected = [
            Event::Begin(Block::Reasoning),
            delta("hm"),
            Event::End { opaque: Some(seal("1")) },
            Event::Begin(Block::Reasoning),
            Event::End { opaque: Some(seal("2")) },
        ];
        assert_eq!(blocks.take(), expected);
    }

    #[test]
    fn what_fails_is_not_made_whole() {
        let mut blocks = Blocks::<u8>::default();
        blocks.begin(0, call("a"));
        blocks.begin(1, call("b"));
        blocks.delta(&1, "{");
        blocks.fail(Failure::new("cut"));
        assert_eq!(blocks.take(), [Event::Begin(call("a")), Event::Failed(Failure::new("cut"))]);
        blocks.usage(Usage { output: 3, ..Usage::default() });
        blocks.finish(Finish::Stop);
        assert_eq!(blocks.take(), []);
    }

    #[test]
    fn a_finish_agrees_with_what_was_called() {
        let mut blocks = Blocks::<u8>::default();
        blocks.text("Yes");
        blocks.finish(Finish::ToolCalls);
        assert_eq!(blocks.take().last(), Some(&Event::Finish(Finish::Stop)));
    }

    proptest! {
        /// Whatever is interleaved, every block is told whole, in the order in which they began, and none overlap.
        #[test]
        fn nothing_is_lost_and_nothing_overlaps(steps in prop::collection::vec((0u8..5, 0u8..4), 0..40)) {
            let mut blocks = Blocks::<usize>::default();
            let mut expected: Vec<String> = Vec::new();
            let mut open: Vec<usize> = Vec::new();
            for (number, (step, which)) in steps.into_iter().enumerate() {
                match (step, open.get(usize::from(which) % open.len().max(1)).copied()) {
                    (0, _) | (_, None) => {
                        blocks.begin(expected.len(), Block::Text);
                        open.push(expected.len());
                        expected.push(String::new());
                    }
                    (1, Some(key)) => {
                        prop_assert!(blocks.end(&key, None));
                        open.retain(|other| *other != key);
                    }
                    (_, Some(key)) => {
                        let text = format!("{number},");
                        prop_assert!(blocks.delta(&key, &text));
                        expected[key].push_str(&text);
                    }
                }
            }
            blocks.finish(Finish::Length);
            let (mut told, mut within) = (Vec::new(), None::<String>);
            for event in blocks.take() {
                match event {
                    Event::Begin(_) => prop_assert!(within.replace(String::new()).is_none()),
                    Event::Delta(text) => within.as_mut().unwrap().push_str(&text),
                    Event::End { .. } => told.push(within.take().unwrap()),
                    Event::Finish(_) => prop_assert!(within.is_none()),
                    other => panic!("{other:?}"),
                }
            }
            prop_assert_eq!(told, expected);
        }
    }
}
