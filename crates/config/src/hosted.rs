//! The hosted providers that OpenClaw has built in: they may stand in a chain with no entry in `models.providers`.
//!
//! Sources: the ids and variables are those of OpenClaw's page "Model providers" (docs.openclaw.ai/concepts/model-providers);
//! the base URLs and APIs are those of each vendor's API reference, and where a vendor has several, the one that OpenClaw
//! uses.

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hosted {
    /// The provider's id.
    pub id: &'static str,
    /// Its base URL.
    pub base_url: &'static str,
    /// OpenClaw's name for the API it speaks.
    pub api: &'static str,
    /// The variables its key is looked for in, in this order.
    pub variables: &'static [&'static str],
}

const fn hosted(
    id: &'static str,
    base_url: &'static str,
    api: &'static str,
    variables: &'static [&'static str],
) -> Hosted {
    Hosted { id, base_url, api, variables }
}

/// All of them.
pub const HOSTED: &[Hosted] = &[
    // docs.claude.com/en/api/messages; OpenClaw appends /v1/messages.
    hosted("anthropic", "https://api.anthropic.com", "anthropic-messages", &["ANTHROPIC_API_KEY"]),
    // platform.openai.com/docs/api-reference/responses
    hosted("openai", "https://api.openai.com/v1", "openai-responses", &["OPENAI_API_KEY"]),
    // openrouter.ai/docs/api-reference/overview
    hosted("openrouter", "https://openrouter.ai/api/v1", "openai-completions", &["OPENROUTER_API_KEY"]),
    // ai.google.dev/api/generate-content
    hosted(
        "google",
        "https://generativelanguage.googleapis.com/v1beta",
        "google-generative-ai",
        &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
    ),
    // platform.minimax.io/docs/api-reference/text-anthropic-api; OpenClaw appends /v1/messages.
    hosted("minimax", "https://api.minimax.io/anthropic", "anthropic-messages", &["MINIMAX_API_KEY"]),
    // platform.moonshot.ai/docs/api/chat
    hosted("moonshot", "https://api.moonshot.ai/v1", "openai-completions", &["MOONSHOT_API_KEY"]),
    // docs.z.ai/api-reference/introduction
    hosted("zai", "https://api.z.ai/api/paas/v4", "openai-completions", &["ZAI_API_KEY", "Z_AI_API_KEY"]),
    // api-docs.deepseek.com
    hosted("deepseek", "https://api.deepseek.com/v1", "openai-completions", &["DEEPSEEK_API_KEY"]),
    // docs.x.ai/docs/api-reference
    hosted("xai", "https://api.x.ai/v1", "openai-responses", &["XAI_API_KEY"]),
    // console.groq.com/docs/api-reference
    hosted("groq", "https://api.groq.com/openai/v1", "openai-completions", &["GROQ_API_KEY"]),
    // docs.mistral.ai/api
    hosted("mistral", "https://api.mistral.ai/v1", "openai-completions", &["MISTRAL_API_KEY"]),
    // inference-docs.cerebras.ai/api-reference/chat-completions
    hosted("cerebras", "https://api.cerebras.ai/v1", "openai-completions", &["CEREBRAS_API_KEY"]),
    // docs.together.ai/reference/chat-completions-1
    hosted("together", "https://api.together.xyz/v1", "openai-completions", &["TOGETHER_API_KEY"]),
];

/// The one with this id (in lower case), if there is one.
#[must_use]
pub fn find(id: &str) -> Option<&'static Hosted> {
    HOSTED.iter().find(|hosted| hosted.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pilotlight_wire::UpstreamApi;

    #[test]
    fn every_row_can_be_used() {
        for hosted in HOSTED {
            let url: url::Url = hosted.base_url.parse().unwrap();
            assert_eq!(url.scheme(), "https");
            assert!(!hosted.base_url.ends_with('/'), "{}", hosted.id);
            assert!(!matches!(UpstreamApi::from_name(hosted.api), UpstreamApi::Other(_)), "{}", hosted.id);
            assert!(
                !hosted.variables.is_empty() && hosted.variables.iter().all(|name| crate::variables::is_name(name))
            );
            assert_eq!(HOSTED.iter().filter(|other| other.id == hosted.id).count(), 1, "{}", hosted.id);
        }
    }
}
