//! How much a model is to think, from one API's words into another's: an effort, a budget in tokens, on or off.

use super::Draft;
use super::family::{self, OpenAi};
use crate::translate::prompt::Reasoning;

/// Efforts in their order.
const LEVELS: [&str; 7] = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];

/// What the request says about thinking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Thinking<'a> {
    /// Nothing.
    Unsaid,
    /// It shall not.
    Off,
    /// It shall, this much where that is said.
    On { effort: Option<&'a str>, budget: Option<u64> },
}

impl<'a> Thinking<'a> {
    pub(super) fn of(reasoning: &'a Reasoning) -> Self {
        let effort = reasoning.effort.as_deref();
        match (reasoning.enabled, effort, reasoning.budget) {
            (Some(false), ..) | (_, Some("none" | "off"), _) | (None, None, Some(0)) => Self::Off,
            (None, None, None) => Self::Unsaid,
            (_, effort, budget) => Self::On { effort, budget },
        }
    }

    pub(super) fn is_on(self) -> bool {
        matches!(self, Self::On { .. })
    }

    /// As an effort; none where nothing is said, or only that it shall think.
    pub(super) fn effort(self) -> Option<&'a str> {
        match self {
            Self::Unsaid => None,
            Self::Off => Some("none"),
            Self::On { effort: Some(effort), .. } => Some(effort),
            Self::On { effort: None, budget } => budget.map(|tokens| match tokens {
                0..=4096 => "low",
                4097..=16_384 => "medium",
                _ => "high",
            }),
        }
    }

    /// As a budget in tokens; none where it is off or nothing is said.
    pub(super) fn budget(self) -> Option<u64> {
        match self {
            Self::Unsaid | Self::Off => None,
            Self::On { budget: Some(tokens), .. } => Some(tokens),
            Self::On { effort, budget: None } => Some(match effort {
                Some("minimal") => 1024,
                Some("low") => 4096,
                Some("high") => 16_384,
                Some("xhigh") => 24_576,
                Some("max") => 32_768,
                _ => 8192,
            }),
        }
    }
}

/// The effort that is nearest, of those that a model has: the highest that is not above it, else the lowest. Not to think
/// at all is only chosen when it is asked for. An effort that is not of the known ones stays what it is.
pub(super) fn nearest<'a>(effort: &'a str, has: &[&'a str]) -> Option<&'a str> {
    let rank = |word: &str| LEVELS.iter().position(|level| *level == word);
    let Some(asked) = rank(effort) else { return Some(effort) };
    let thinks = || has.iter().copied().filter(|word| effort == "none" || *word != "none");
    thinks()
        .filter(|word| rank(word).is_some_and(|rank| rank <= asked))
        .max_by_key(|word| rank(word))
        .or_else(|| thinks().min_by_key(|word| rank(word)))
}

impl<'a> Draft<'a> {
    pub(super) fn thinking(&self) -> Thinking<'a> {
        Thinking::of(&self.prompt.reasoning)
    }

    /// The word for the effort that an OpenAI-shaped upstream is told; none: it is told nothing.
    pub(super) fn effort_word(&self) -> Option<String> {
        let asked = self.thinking().effort()?;
        let compat = &self.upstream.compat;
        if compat.reasoning_effort == Some(false) {
            return None;
        }
        if let Some(word) = compat.effort_words.get(asked) {
            return word.clone();
        }
        if let Some(efforts) = &compat.efforts {
            let efforts: Vec<&str> = efforts.iter().map(String::as_str).collect();
            return nearest(asked, &efforts).map(ToOwned::to_owned);
        }
        let known: &[&str] = match family::openai(&self.upstream.model) {
            OpenAi::Plain if self.upstream.vendor => return None,
            OpenAi::Reasoning(efforts) if self.upstream.vendor => efforts,
            // Servers of others check the word against the three that came first.
            _ if asked == "none" => return None,
            _ => &["low", "medium", "high"],
        };
        nearest(asked, known).map(ToOwned::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effort_budget_and_switch_say_the_same() {
        let of = |effort: Option<&str>, budget, enabled| Reasoning {
            effort: effort.map(Into::into),
            budget,
            enabled,
            summary: None,
        };
        let table = [
            (of(None, None, None), None, None),
            (of(Some("none"), None, None), Some("none"), None),
            (of(None, None, Some(false)), Some("none"), None),
            (of(None, None, Some(true)), None, Some(8192)),
            (of(Some("low"), None, Some(true)), Some("low"), Some(4096)),
            (of(None, Some(31_999), Some(true)), Some("high"), Some(31_999)),
            (of(None, Some(2048), None), Some("low"), Some(2048)),
        ];
        for (reasoning, effort, budget) in table {
            let thinking = Thinking::of(&reasoning);
            assert_eq!((thinking.effort(), thinking.budget()), (effort, budget), "{reasoning:?}");
        }
    }

    #[test]
    fn the_nearest_effort_that_there_is() {
        let table = [
            ("max", &["low", "medium", "high"][..], Some("high")),
            ("minimal", &["low", "high"], Some("low")),
            ("medium", &["none", "high"], Some("high")),
            ("none", &["minimal", "low"], Some("minimal")),
            ("none", &["none", "low"], Some("none")),
            ("deep", &["low"], Some("deep")),
            ("low", &[], None),
        ];
        for (asked, has, word) in table {
            assert_eq!(nearest(asked, has), word, "{asked} of {has:?}");
        }
    }
}
