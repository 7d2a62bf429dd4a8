//! An answer in no API's own form: what happens in it, in an order that every client API can be told in.
//!
//! The same events make a stream and a whole body. Blocks never overlap: one begins, grows and ends before the next
//! begins. What an upstream interleaves is put in order before it becomes events.

use super::{Note, Opaque};
use crate::Usage;
use crate::failure::Failure;

/// What happens.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The answer begins. At most once, and first.
    Start {
        /// The upstream's id of it.
        id: Option<String>,
        /// The model that the upstream says answers.
        model: Option<String>,
        /// What it has counted of the input so far.
        usage: Option<Usage>,
    },
    /// The upstream is alive and says nothing yet.
    Life,
    /// A block begins.
    Begin(Block),
    /// It grows: words, thoughts, arguments. Never empty.
    Delta(String),
    /// It ends.
    End {
        /// What proves or holds it: a thought's signature or encrypted item, Gemini's signature of a call or a text.
        opaque: Option<Opaque>,
    },
    /// Where the text block that is open took something from.
    Citation {
        /// Of the page.
        url: String,
        /// Of the page.
        title: Option<String>,
    },
    /// Tokens as counted so far. A later report replaces the counts that it has.
    Usage(Usage),
    /// Something was left out.
    Dropped(Note),
    /// The answer is whole. At most once, and nothing but [`Event::Usage`] and [`Event::Dropped`] follows.
    Finish(Finish),
    /// The upstream failed. At most once, and last.
    Failed(Failure),
}

/// What a block is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// The answer's words.
    Text,
    /// Thoughts themselves.
    Reasoning,
    /// A paragraph of a summary of thoughts.
    Summary,
    /// The model declines.
    Refusal,
    /// A call. Its arguments follow as deltas; a call without any has none, and means `{}`.
    ToolCall {
        /// What the result will name; made up where the upstream has none. Never empty.
        id: String,
        /// The tool's name as the upstream was told it; the writer restores the client's.
        name: String,
        /// Whether the upstream called a free-form tool, so that its arguments are text, not JSON.
        custom: bool,
    },
}

/// Why an answer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finish {
    /// It was done.
    Stop,
    /// It met this stop sequence.
    StopSequence(Option<String>),
    /// It reached the most that it may write.
    Length,
    /// It reached the end of the model's context.
    ContextFull,
    /// It called tools, and waits for them.
    ToolCalls,
    /// A filter stopped it.
    ContentFilter,
    /// It declined.
    Refusal,
    /// It paused (Anthropic's `pause_turn`) and wants to be sent on.
    Pause,
    /// Something that was not known when this was written, as the upstream says it.
    Other(String),
}
