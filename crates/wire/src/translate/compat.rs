//! What a server of one of the APIs does its own way, as OpenClaw's configuration knows it: a model's `compat` and
//! `thinkingLevelMap`. What is not said there is guessed by the writers.

use std::collections::BTreeMap;

use serde_json::Value;

/// OpenClaw's `compat` of a model, as far as a request is written by it. `None`: not said.
///
/// Source of the names: the schema of the npm package `openclaw@2026.9.6`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compat {
    /// `supportsStore`: takes `store`.
    pub store: Option<bool>,
    /// `supportsDeveloperRole`.
    pub developer_role: Option<bool>,
    /// `supportsReasoningEffort`: takes an effort.
    pub reasoning_effort: Option<bool>,
    /// `maxTokensField`: whether it is `max_completion_tokens`.
    pub max_completion_tokens: Option<bool>,
    /// `supportsPromptCacheKey`.
    pub prompt_cache_key: Option<bool>,
    /// `supportsTemperature`.
    pub temperature: Option<bool>,
    /// `supportsUsageInStreaming`: takes `stream_options`.
    pub usage_in_streaming: Option<bool>,
    /// `supportsTools`.
    pub tools: Option<bool>,
    /// `supportsStrictMode`: takes `strict`.
    pub strict: Option<bool>,
    /// `supportsJsonSchemaResponseFormat`.
    pub json_schema: Option<bool>,
    /// `requiresToolResultName`: a tool message must name the tool.
    pub tool_result_name: Option<bool>,
    /// `requiresAssistantAfterToolResult`: a user's message may not follow a tool's.
    pub assistant_after_tool_result: Option<bool>,
    /// `requiresThinkingAsText`: thoughts go back within the words, in `<think>` tags.
    pub thinking_as_text: Option<bool>,
    /// `requiresReasoningContentOnAssistantMessages`: every assistant message needs the key, if only empty.
    pub reasoning_content: Option<bool>,
    /// `thinkingFormat`: `openai`, `openrouter`, `deepseek`, `together`, `qwen`, `qwen-chat-template`, `zai`.
    pub thinking_format: Option<String>,
    /// `supportedReasoningEfforts`.
    pub efforts: Option<Vec<String>>,
    /// `reasoningEffortMap` and the model's `thinkingLevelMap` (`off` stands as `none`): the server's word for an effort;
    /// none: it has none.
    pub effort_words: BTreeMap<String, Option<String>>,
}

impl Compat {
    /// Reads a model's `compat` and `thinkingLevelMap`; null or whatever is wrong in them counts as not said.
    #[must_use]
    pub fn read(compat: &Value, levels: &Value) -> Self {
        let flag = |key: &str| compat.get(key).and_then(Value::as_bool);
        let mut effort_words = BTreeMap::new();
        for map in [compat.get("reasoningEffortMap").unwrap_or(&Value::Null), levels] {
            for (level, word) in map.as_object().into_iter().flatten() {
                let level = if level == "off" { "none" } else { level };
                effort_words.insert(level.to_owned(), word.as_str().map(ToOwned::to_owned));
            }
        }
        Self {
            store: flag("supportsStore"),
            developer_role: flag("supportsDeveloperRole"),
            reasoning_effort: flag("supportsReasoningEffort"),
            max_completion_tokens: compat
                .get("maxTokensField")
                .and_then(Value::as_str)
                .map(|field| field == "max_completion_tokens"),
            prompt_cache_key: flag("supportsPromptCacheKey"),
            temperature: flag("supportsTemperature"),
            usage_in_streaming: flag("supportsUsageInStreaming"),
            tools: flag("supportsTools"),
            strict: flag("supportsStrictMode"),
            json_schema: flag("supportsJsonSchemaResponseFormat"),
            tool_result_name: flag("requiresToolResultName"),
            assistant_after_tool_result: flag("requiresAssistantAfterToolResult"),
            thinking_as_text: flag("requiresThinkingAsText"),
            reasoning_content: flag("requiresReasoningContentOnAssistantMessages"),
            thinking_format: compat.get("thinkingFormat").and_then(Value::as_str).map(ToOwned::to_owned),
            efforts: compat
                .get("supportedReasoningEfforts")
                .and_then(Value::as_array)
                .map(|words| words.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect()),
            effort_words,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reads_what_is_said_and_nothing_else() {
        let compat = json!({
            "supportsStore": false, "maxTokensField": "max_tokens", "thinkingFormat": "zai", "supportsTools": "yes",
            "supportedReasoningEfforts": ["low", "high"], "reasoningEffortMap": {"high": "deep", "low": "shallow"},
        });
        let read = Compat::read(&compat, &json!({"off": null, "high": "deepest"}));
        assert_eq!((read.store, read.max_completion_tokens, read.tools), (Some(false), Some(false), None));
        assert_eq!(read.thinking_format.as_deref(), Some("zai"));
        assert_eq!(read.efforts, Some(vec!["low".to_owned(), "high".to_owned()]));
        let words: Vec<_> = read.effort_words.iter().map(|(level, word)| (level.as_str(), word.as_deref())).collect();
        assert_eq!(words, [("high", Some("deepest")), ("low", Some("shallow")), ("none", None)]);
        assert_eq!(Compat::read(&Value::Null, &Value::Null), Compat::default());
    }
}
