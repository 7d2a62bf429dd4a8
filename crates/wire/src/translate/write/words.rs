//! The words of a conversation's pieces, for APIs that take them as one text.

use super::thread::{Answer, Piece};
use crate::translate::prompt::Thought;

/// The words of these pieces, a paragraph between each two.
pub(super) fn join(pieces: &[Piece<'_>]) -> String {
    pieces.iter().filter_map(Piece::words).collect::<Vec<_>>().join("\n\n")
}

/// What the model said in words, refusals included: as one text within a turn, a paragraph between turns.
pub(super) fn spoken(pieces: &[Piece<'_>]) -> String {
    let turns = pieces.split(|piece| *piece == Piece::Break).map(|turn| {
        turn.iter()
            .filter_map(|piece| match piece {
                Piece::Text { text, .. } => Some(text.as_ref()),
                Piece::Refusal(text) => Some(text),
                _ => None,
            })
            .collect::<String>()
    });
    turns.filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n\n")
}

/// The words of a tool's answer; those of a tool that failed say so.
pub(super) fn words_of(answer: &Answer<'_>) -> String {
    let text = join(&answer.content);
    let says = text.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("error"));
    match (answer.is_error, text.is_empty()) {
        (true, true) => "Error: the tool failed and said nothing.".to_owned(),
        (true, false) if !says => format!("Error: {text}"),
        _ => text,
    }
}

/// A thought's words; its summary where there are no others.
pub(super) fn words_of_thought(thought: &Thought) -> String {
    if thought.text.is_empty() { thought.summary.join("\n\n") } else { thought.text.clone() }
}
