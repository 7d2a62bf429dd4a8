//! Whether a request fits a model's context: what an upstream says when it does not, and a careful estimate before
//! anybody is asked. Pure.

use std::fmt;

/// A request that is longer than the context of some candidate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overflow {
    /// How many tokens were asked for, and whether that is an upstream's own count.
    pub asked: Option<(u64, bool)>,
    /// The largest context that was found too small.
    pub had: Option<u64>,
}

impl Overflow {
    /// One more candidate whose context is too small.
    pub fn note(&mut self, asked: Option<(u64, bool)>, had: Option<u64>) {
        // Tokenizers differ: the count goes with the largest context. A count is better than an estimate.
        let counted = |asked: Option<(u64, bool)>| asked.is_some_and(|(_, exact)| exact);
        if self.asked.is_none() || counted(asked) && (!counted(self.asked) || had >= self.had) {
            self.asked = asked.or(self.asked);
        }
        self.had = self.had.max(had);
    }
}

/// In the words by which clients know that a conversation has become too long: OpenAI's and Anthropic's.
impl fmt::Display for Overflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let asked = match self.asked {
            Some((tokens, true)) => format!("{tokens} tokens"),
            Some((tokens, false)) => format!("about {tokens} tokens"),
            None => "more tokens than that".to_owned(),
        };
        match self.had {
            Some(had) => write!(
                f,
                "prompt is too long: {asked} > {had} maximum. The maximum context length is {had} tokens, and the \
                 request has {asked}"
            ),
            None => write!(f, "prompt is too long: the request has {asked}, and exceeds the maximum context length"),
        }
    }
}

/// What an upstream says of an overflow in words: the tokens asked for, and its context.
///
/// Sources: LM Studio, llama.cpp, vLLM, OpenAI and Anthropic, as published by them and their users.
pub fn told(message: &str) -> (Option<u64>, Option<u64>) {
    let message = message.to_lowercase();
    let asked = [
        "n_keep: ",
        "keep the first ",
        "n_prompt_tokens\":",
        "prompt is too long: ",
        "resulted in ",
        "you requested ",
        "request (",
        "prompt contains ",
        "prompt contains at least ",
        "has ",
    ];
    let had = [
        "n_ctx: ",
        "n_ctx\":",
        "context length is only ",
        "context length of only ",
        "context length is ",
        "context length of ",
        "context size (",
        " tokens > ",
        "context window of ",
        "limit is ",
    ];
    let after = |words: &[&str]| words.iter().find_map(|word| number(message.split_once(word)?.1));
    (after(&asked), after(&had))
}

fn number(text: &str) -> Option<u64> {
    let digits: String =
        text.trim_start().chars().take_while(|c| c.is_ascii_digit() || *c == ',').filter(|c| *c != ',').collect();
    digits.parse().ok().filter(|tokens| *tokens > 0)
}

/// About how many tokens a request's body is, rather too few than too many: a quarter of its bytes, without what
/// tokens are not spent on as on text: encoded images, runs of one character, escapes.
pub fn estimate(body: &[u8]) -> u64 {
    let mut weight: u64 = 0;
    let mut at = 0;
    while let Some(&byte) = body.get(at) {
        let rest = body.get(at..).unwrap_or_default();
        let same = rest.iter().take_while(|other| **other == byte).count();
        if same > LONGEST_RUN {
            weight += LONGEST_RUN as u64;
            at += same;
            continue;
        }
        if is_base64(byte) {
            let run = rest.iter().take_while(|byte| is_base64(**byte)).count();
            // No word is that long.
            weight += if run > LONGEST_WORD { 0 } else { run as u64 };
            at += run;
            continue;
        }
        if byte == b'\\' && rest.get(1) == Some(&b'u') {
            weight += 3;
            at += 6;
            continue;
        }
        weight += 1;
        at += 1;
    }
    weight / 4
}

/// Whether so many tokens by [`estimate`] clearly exceed a context.
pub fn exceeds(estimate: u64, window: u64) -> bool {
    estimate > window.saturating_add(window / 4)
}

/// Whether so many tokens by [`estimate`] may well be too many for a context, if something else says so too.
pub fn may_fill(estimate: u64, window: u64) -> bool {
    estimate > window / 2
}

const LONGEST_RUN: usize = 4;
const LONGEST_WORD: usize = 512;

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'-' | b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_counts_of_every_vendor() {
        let table = [
            ("n_keep: 9000 >= n_ctx: 4096", Some(9000), Some(4096)),
            (
                "Trying to keep the first 9000 tokens from the prompt when context overflows. However, the model is \
                 loaded with context length of only 4096 tokens, which is not enough",
                Some(9000),
                Some(4096),
            ),
            ("prompt is too long: 210000 tokens > 200000 maximum", Some(210_000), Some(200_000)),
            (
                "This model's maximum context length is 8,192 tokens. However, your messages resulted in 9,001 tokens.",
                Some(9001),
                Some(8192),
            ),
            (
                "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens (4000 in the \
                 messages, 1000 in the completion).",
                Some(5000),
                Some(4096),
            ),
            ("the request (9000 tokens) exceeds the available context size (4096 tokens)", Some(9000), Some(4096)),
            ("Input does not fit in context length", None, None),
        ];
        for (message, asked, had) in table {
            assert_eq!(told(message), (asked, had), "{message}");
        }
    }

    #[test]
    fn our_own_words_are_read_back() {
        let overflow = Overflow { asked: Some((9000, true)), had: Some(4096) };
        assert_eq!(told(&overflow.to_string()), (Some(9000), Some(4096)));
    }

    #[test]
    fn an_image_is_not_counted_as_text() {
        let text = "The quick brown fox jumps over the lazy dog. ".repeat(100);
        assert_eq!(estimate(text.as_bytes()), 1_125);
        let image = format!("data:image/png;base64,{}", "iVBORw0KGgo".repeat(10_000));
        assert!(estimate(image.as_bytes()) < 10);
        assert!(estimate(" ".repeat(10_000).as_bytes()) < 10);
        assert_eq!(estimate("\\u4e2d".repeat(100).as_bytes()), 75);
        assert!(exceeds(1_300, 1_000) && !exceeds(1_250, 1_000));
    }

    #[test]
    fn the_largest_context_is_told_with_its_own_count() {
        let mut overflow = Overflow::default();
        overflow.note(Some((8_000, false)), Some(4_096));
        overflow.note(Some((9_000, true)), Some(8_192));
        overflow.note(Some((9_900, true)), Some(4_096));
        overflow.note(None, None);
        assert_eq!(overflow, Overflow { asked: Some((9_000, true)), had: Some(8_192) });
    }
}
