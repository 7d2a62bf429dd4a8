//! The conversations that clients go on with by `previous_response_id`, where the upstream keeps none itself: bounded
//! memory, the oldest forgotten first. Kept in memory only: never on disk.

use std::sync::{Arc, Mutex, PoisonError};

use indexmap::IndexMap;
use pilotlight_wire::translate::prompt::Source;
use pilotlight_wire::translate::{Part, Turn};

/// The most responses that are remembered.
const MOST: usize = 1000;
/// The most bytes of words and pictures that are remembered.
const LARGEST: usize = 64 * 1024 * 1024;

/// What is known of a response that was given.
#[derive(Clone, Debug)]
pub enum Known {
    /// Its conversation is here.
    Here(Arc<Kept>),
    /// The upstream that gave it keeps it.
    There {
        /// The provider's id.
        provider: String,
        /// The upstream's own id of the response.
        id: String,
    },
}

/// A conversation up to a response.
#[derive(Debug)]
pub struct Kept {
    earlier: Option<Arc<Kept>>,
    turns: Vec<Turn>,
}

impl Kept {
    /// Its turns, the oldest first, without instructions.
    pub fn turns(&self) -> Vec<Turn> {
        let mut links = vec![self];
        while let Some(earlier) = links.last().and_then(|kept| kept.earlier.as_deref()) {
            links.push(earlier);
        }
        links.iter().rev().flat_map(|kept| kept.turns.iter().cloned()).collect()
    }
}

impl Drop for Kept {
    /// A long conversation is a long chain, and dropping it link within link would need as deep a stack.
    fn drop(&mut self) {
        let mut next = self.earlier.take();
        while let Some(mut kept) = next.and_then(Arc::into_inner) {
            next = kept.earlier.take();
        }
    }
}

/// The responses that can be gone on with.
#[derive(Debug, Default)]
pub struct Conversations(Mutex<Remembered>);

#[derive(Debug, Default)]
struct Remembered {
    known: IndexMap<String, (Known, usize)>,
    bytes: usize,
}

impl Conversations {
    /// What is known of this response.
    pub fn get(&self, id: &str) -> Option<Known> {
        let remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.known.get(id).map(|(known, _)| known.clone())
    }

    /// Keeps the conversation up to a response: `earlier`, what was asked on top of it, and what was answered.
    pub fn keep(&self, id: String, earlier: Option<Arc<Kept>>, turns: Vec<Turn>) {
        let bytes = turns.iter().flat_map(|turn| &turn.parts).map(size).sum();
        self.put(id, Known::Here(Arc::new(Kept { earlier, turns })), bytes);
    }

    /// Notes who keeps a response, and under which id.
    pub fn kept_there(&self, id: String, provider: &str, theirs: String) {
        self.put(id, Known::There { provider: provider.to_owned(), id: theirs }, 0);
    }

    fn put(&self, id: String, known: Known, bytes: usize) {
        let mut remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, old)) = remembered.known.insert(id, (known, bytes)) {
            remembered.bytes = remembered.bytes.saturating_sub(old);
        }
        remembered.bytes += bytes;
        while remembered.known.len() > MOST || remembered.bytes > LARGEST && remembered.known.len() > 1 {
            let Some((_, (_, gone))) = remembered.known.shift_remove_index(0) else { return };
            remembered.bytes = remembered.bytes.saturating_sub(gone);
        }
    }
}

fn size(part: &Part) -> usize {
    match part {
        Part::Text { text, .. } | Part::Refusal(text) => text.len(),
        Part::Image { source, .. } | Part::File { source, .. } => match source {
            Source::Data { data, .. } | Source::Text(data) | Source::Url(data) | Source::Id(data) => data.len(),
        },
        Part::Audio { data, .. } => data.len(),
        Part::Reasoning(thought) => {
            let summary: usize = thought.summary.iter().map(String::len).sum();
            thought.text.len() + summary + thought.opaque.as_ref().map_or(0, |opaque| opaque.value.len())
        }
        Part::ToolCall(call) => call.arguments.len() + call.name.len(),
        Part::ToolResult { content, .. } => content.iter().map(size).sum(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pilotlight_wire::translate::Role;

    fn turn(text: &str) -> Turn {
        Turn { role: Role::User, parts: vec![Part::text(text)] }
    }

    fn kept(conversations: &Conversations, id: &str) -> Option<Arc<Kept>> {
        match conversations.get(id) {
            Some(Known::Here(kept)) => Some(kept),
            _ => None,
        }
    }

    #[test]
    fn each_response_goes_on_from_the_one_it_names() {
        let conversations = Conversations::default();
        conversations.keep("a".into(), None, vec![turn("1")]);
        conversations.keep("b".into(), kept(&conversations, "a"), vec![turn("2")]);
        conversations.keep("c".into(), kept(&conversations, "a"), vec![turn("3")]);
        assert_eq!(kept(&conversations, "b").unwrap().turns(), [turn("1"), turn("2")]);
        assert_eq!(kept(&conversations, "c").unwrap().turns(), [turn("1"), turn("3")]);
        assert!(conversations.get("d").is_none());
    }

    #[test]
    fn what_is_remembered_has_a_bound() {
        let conversations = Conversations::default();
        for count in 0..MOST + 5 {
            conversations.keep(count.to_string(), None, vec![turn("x")]);
        }
        assert!(conversations.get("4").is_none());
        assert!(conversations.get("5").is_some());
        let large = "x".repeat(LARGEST / 2 + 1);
        conversations.keep("large".into(), None, vec![turn(&large)]);
        conversations.keep("larger".into(), None, vec![turn(&large)]);
        assert!(conversations.get("large").is_none());
        assert!(conversations.get("larger").is_some());
    }

    #[test]
    fn a_very_long_conversation_ends_without_a_deep_stack() {
        let conversations = Conversations::default();
        let mut last = None;
        for count in 0..200_000 {
            conversations.keep("same".into(), last.take(), vec![turn(&count.to_string())]);
            last = kept(&conversations, "same");
        }
        assert_eq!(last.as_ref().unwrap().turns().len(), 200_000);
        drop(conversations);
        drop(last);
    }
}
