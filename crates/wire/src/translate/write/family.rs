//! What is known of families of models by their ids: which take an effort, a temperature, a budget for thoughts. An id
//! that says nothing is taken for a model of the kind that takes least.

/// The version of a Claude, from an id such as `claude-opus-4-7`, `claude-3-5-haiku-20241022` or
/// `anthropic/claude-sonnet-4.5`. None for other models.
pub(super) fn claude(model: &str) -> Option<(u32, u32)> {
    let model = model.to_ascii_lowercase();
    let (_, rest) = model.split_once("claude-")?;
    // A date is no part of the version.
    let mut numbers = rest.split(['-', '.', '@', ':', '/']).filter(|part| part.len() < 3).map(str::parse::<u32>);
    let major = numbers.find_map(Result::ok)?;
    let minor = numbers.next().and_then(Result::ok).unwrap_or(0);
    Some((major, minor))
}

/// OpenAI's models, by what they take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OpenAi {
    /// GPT-4 and older: no effort, every way of sampling.
    Plain,
    /// They reason; these are the efforts they know.
    Reasoning(&'static [&'static str]),
    /// Not known.
    Unknown,
}

/// Source: OpenAI's reasoning guide and the 400s of its models.
pub(super) fn openai(model: &str) -> OpenAi {
    let model = model.rsplit('/').next().unwrap_or(model);
    let any = |starts: &[&str]| starts.iter().any(|start| model.starts_with(start));
    if any(&["gpt-4", "gpt-3", "chatgpt-4o", "gpt-5-chat", "ft:gpt-4", "ft:gpt-3"]) {
        return OpenAi::Plain;
    }
    if any(&["o1", "o3", "o4"]) {
        return OpenAi::Reasoning(&["low", "medium", "high"]);
    }
    let Some(version) = model.strip_prefix("gpt-") else { return OpenAi::Unknown };
    let number = version.split('-').next().unwrap_or(version);
    let (major, minor) = number.split_once('.').unwrap_or((number, "0"));
    let (Ok(major), Ok(minor)) = (major.parse::<u32>(), minor.parse::<u32>()) else { return OpenAi::Unknown };
    if model.contains("-pro") && (major, minor) == (5, 0) {
        return OpenAi::Reasoning(&["high"]);
    }
    match (major, minor) {
        (0..=4, _) => OpenAi::Plain,
        (5, 0) if model.contains("codex") => OpenAi::Reasoning(&["low", "medium", "high"]),
        (5, 0) => OpenAi::Reasoning(&["minimal", "low", "medium", "high"]),
        (5, 1) if model.contains("codex-max") => OpenAi::Reasoning(&["low", "medium", "high", "xhigh"]),
        (5, 1) if model.contains("codex") => OpenAi::Reasoning(&["low", "medium", "high"]),
        (5, 1) => OpenAi::Reasoning(&["none", "low", "medium", "high"]),
        _ => OpenAi::Reasoning(&["none", "low", "medium", "high", "xhigh"]),
    }
}

/// The version of a Gemini; none for other models (Gemma) and for names without one.
pub(super) fn gemini(model: &str) -> Option<(u32, u32)> {
    let model = model.to_ascii_lowercase();
    let (_, rest) = model.split_once("gemini-")?;
    let number = rest.split('-').next()?;
    let (major, minor) = number.split_once('.').unwrap_or((number, "0"));
    Some((major.parse().ok()?, minor.parse().unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_from_ids() {
        let claudes = [
            ("claude-opus-4-7", Some((4, 7))),
            ("claude-sonnet-5", Some((5, 0))),
            ("claude-fable-5-1", Some((5, 1))),
            ("claude-3-5-haiku-20241022", Some((3, 5))),
            ("claude-opus-4-20250514", Some((4, 0))),
            ("anthropic/claude-sonnet-4.5", Some((4, 5))),
            ("us.anthropic.claude-haiku-4-5-20251001-v1:0", Some((4, 5))),
            ("minimax-m2.1", None),
        ];
        for (id, version) in claudes {
            assert_eq!(claude(id), version, "{id}");
        }
        let geminis =
            [("gemini-2.5-pro", Some((2, 5))), ("gemini-3-flash-preview", Some((3, 0))), ("gemma-3-27b", None)];
        for (id, version) in geminis {
            assert_eq!(gemini(id), version, "{id}");
        }
    }

    #[test]
    fn efforts_of_openai_models() {
        assert_eq!(openai("gpt-4o-mini"), OpenAi::Plain);
        assert_eq!(openai("gpt-4.1"), OpenAi::Plain);
        assert_eq!(openai("gpt-oss-20b"), OpenAi::Unknown);
        assert_eq!(openai("o3"), OpenAi::Reasoning(&["low", "medium", "high"]));
        assert_eq!(openai("gpt-5-mini"), OpenAi::Reasoning(&["minimal", "low", "medium", "high"]));
        assert_eq!(openai("gpt-5.4"), OpenAi::Reasoning(&["none", "low", "medium", "high", "xhigh"]));
    }
}
