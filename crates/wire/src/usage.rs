//! How many tokens an answer cost, by the upstream's own count, in one meaning for all APIs.

use serde::{Deserialize, Serialize};

/// Tokens of one answer. The APIs count differently: OpenAI's input includes what was read from the cache, Anthropic's
/// does not. Here the four parts of the input and output never overlap, so a cost is a plain sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens read, without those of the cache.
    pub input: u64,
    /// Tokens written, reasoning included.
    pub output: u64,
    /// Tokens read from the provider's prompt cache.
    pub cache_read: u64,
    /// Tokens written to the provider's prompt cache.
    pub cache_write: u64,
    /// How many of `output` were reasoning.
    pub reasoning: u64,
}

impl Usage {
    /// Every token that was read, from the cache or not.
    #[must_use]
    pub fn total_input(&self) -> u64 {
        self.input.saturating_add(self.cache_read).saturating_add(self.cache_write)
    }
}
