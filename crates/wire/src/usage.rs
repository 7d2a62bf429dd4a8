//! How many tokens an answer cost, by the upstream's own count, in one meaning for all APIs.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Tokens of one answer. The APIs count differently: OpenAI's input includes what was read from the cache, Anthropic's
/// does not. Here `input`, `cache_read`, `cache_write` and `output` never overlap, so a cost is a plain sum of the four.
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

    /// Reads a `usage` object of any API: `prompt_tokens` or `input_tokens`, and their details. None where it holds
    /// no count.
    ///
    /// Sources: OpenAI's and Anthropic's published schemas, and recorded streams of eleven providers. xAI counts
    /// reasoning beside `completion_tokens`, the others within: its `total_tokens` tells.
    #[must_use]
    pub fn read(usage: &Value) -> Option<Self> {
        let count = |path: &[&str]| path.iter().try_fold(usage, |value, key| value.get(key)).and_then(Value::as_u64);
        let first = |paths: &[&[&str]]| paths.iter().find_map(|path| count(path));
        let read = first(&[&["prompt_tokens"], &["input_tokens"]]);
        let written = first(&[&["completion_tokens"], &["output_tokens"]]);
        if read.is_none() && written.is_none() {
            return None;
        }
        let (read, mut output) = (read.unwrap_or(0), written.unwrap_or(0));
        let reasoning = first(&[
            &["completion_tokens_details", "reasoning_tokens"],
            &["output_tokens_details", "reasoning_tokens"],
            &["output_tokens_details", "thinking_tokens"],
            &["reasoning_tokens"],
        ])
        .unwrap_or(0);
        if reasoning > 0 && count(&["total_tokens"]) == Some(read.saturating_add(output).saturating_add(reasoning)) {
            output = output.saturating_add(reasoning);
        }
        let apart = (count(&["cache_read_input_tokens"]), count(&["cache_creation_input_tokens"]));
        if let (None, None) = apart {
            let cache_read = first(&[
                &["prompt_tokens_details", "cached_tokens"],
                &["input_tokens_details", "cached_tokens"],
                &["prompt_cache_hit_tokens"],
                &["cached_tokens"],
            ])
            .unwrap_or(0);
            let cache_write = first(&[
                &["prompt_tokens_details", "cache_write_tokens"],
                &["input_tokens_details", "cache_write_tokens"],
            ])
            .unwrap_or(0);
            let input = read.saturating_sub(cache_read).saturating_sub(cache_write);
            return Some(Self { input, output, cache_read, cache_write, reasoning });
        }
        let (cache_read, cache_write) = (apart.0.unwrap_or(0), apart.1.unwrap_or(0));
        Some(Self { input: read, output, cache_read, cache_write, reasoning })
    }

    /// A later report of the same answer over an earlier one. Anthropic's first event counts the input, its last one
    /// the output and sometimes the input again: each count that the later one has stands.
    #[must_use]
    pub fn or_earlier(self, earlier: Option<Self>) -> Self {
        let Some(earlier) = earlier else { return self };
        let pick = |later: u64, earlier: u64| if later == 0 { earlier } else { later };
        Self {
            input: pick(self.input, earlier.input),
            output: pick(self.output, earlier.output),
            cache_read: pick(self.cache_read, earlier.cache_read),
            cache_write: pick(self.cache_write, earlier.cache_write),
            reasoning: pick(self.reasoning, earlier.reasoning),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn one_meaning_for_every_api() {
        let table = [
            (
                json!({"prompt_tokens": 339, "completion_tokens": 83, "total_tokens": 422, "prompt_tokens_details": {"cached_tokens": 320}, "completion_tokens_details": {"reasoning_tokens": 39}}),
                Usage { input: 19, output: 83, cache_read: 320, cache_write: 0, reasoning: 39 },
            ),
            (
                // xAI: reasoning is not within completion_tokens.
                json!({"prompt_tokens": 12, "completion_tokens": 2, "total_tokens": 354, "prompt_tokens_details": {"cached_tokens": 11}, "completion_tokens_details": {"reasoning_tokens": 340}}),
                Usage { input: 1, output: 342, cache_read: 11, cache_write: 0, reasoning: 340 },
            ),
            (
                json!({"input_tokens": 100, "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 10}, "output_tokens": 5, "total_tokens": 105}),
                Usage { input: 30, output: 5, cache_read: 60, cache_write: 10, reasoning: 0 },
            ),
            (
                json!({"input_tokens": 6, "cache_creation_input_tokens": 3337, "cache_read_input_tokens": 6289, "output_tokens": 198, "output_tokens_details": {"thinking_tokens": 7}}),
                Usage { input: 6, output: 198, cache_read: 6289, cache_write: 3337, reasoning: 7 },
            ),
            (
                json!({"prompt_tokens": 9, "total_tokens": 9, "prompt_tokens_details": null}),
                Usage { input: 9, ..Usage::default() },
            ),
        ];
        for (text, expected) in table {
            assert_eq!(Usage::read(&text), Some(expected), "{text}");
        }
        assert_eq!(Usage::read(&json!({"total_tokens": 3})), None);
        assert_eq!(Usage::read(&Value::Null), None);
        assert_eq!(Usage { input: 6, cache_read: 6289, cache_write: 3337, ..Usage::default() }.total_input(), 9632);
    }
}
