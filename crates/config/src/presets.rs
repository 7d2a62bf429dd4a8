//! Providers to begin with: what each is called, where it usually answers, and the models it is known to have. Pure
//! data; the editor and the command line both use it.
//!
//! Sources. Addresses of local servers are the defaults of their own manuals: lmstudio.ai/docs/developer (1234),
//! docs.ollama.com/openai (11434), the README of llama.cpp's tools/server (8080), docs.vllm.ai/serving (8000),
//! docs.litellm.ai/docs/proxy (4000). Hosted addresses and APIs are those of [`crate::hosted`]. Rows of hosted models
//! (context, answer and prices in US$ per million tokens) are those that OpenClaw 2026.9.6 and 2026.2.6 carry in their
//! own catalogues, except where a line names another page. Prices change: a row is a start, not a promise.
//!
//! Must not know: files, the network, how a preset is shown.

use pilotlight_wire::Location;
use serde_json::{Map, Value, json};

/// A provider to begin with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Preset {
    /// Its name on the command line.
    pub id: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// What it is, in a sentence.
    pub description: &'static str,
    /// Where it runs.
    pub location: Location,
    /// The region that its address pins requests to, if any.
    pub region: Option<&'static str>,
    /// The id it is given under `models.providers`, unless a person chooses another.
    pub provider_id: &'static str,
    /// Its base URL, unless a person names another.
    pub base_url: &'static str,
    /// OpenClaw's name for the API it speaks.
    pub api: &'static str,
    /// The environment variable its key is usually in; none where it asks for no key.
    pub key_variable: Option<&'static str>,
    /// What stands for a key where none is asked for: OpenClaw wants some text there, and `custom-local` means
    /// something of its own to it.
    pub placeholder_key: Option<&'static str>,
    /// The models that it surely has. Empty where only the server itself can tell.
    pub rows: &'static [Row],
}

/// A model that a preset knows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// As the provider knows it.
    pub id: &'static str,
    /// What a person calls it.
    pub name: &'static str,
    /// Whether it reasons.
    pub reasoning: bool,
    /// Whether it takes pictures.
    pub vision: bool,
    /// US$ per million tokens: input, output, read from the cache, written to the cache. None where it depends.
    pub cost: Option<[f64; 4]>,
    /// In tokens.
    pub context_window: u64,
    /// The most it may answer, in tokens.
    pub max_tokens: u64,
}

/// All of them: local ones first, the one for anything else last.
pub const PRESETS: &[Preset] = &[
    // The row, its context and its answer are those of OpenClaw's page "Local models" of February 2026.
    Preset {
        rows: &[row("minimax-m2.1-gs32", "MiniMax M2.1 GS32", PLAIN, Some([0.0; 4]), 196_608, 8_192)],
        ..local(
            "lmstudio",
            "LM Studio",
            "LM Studio with its local server switched on, on this machine or another of yours",
            "http://127.0.0.1:1234/v1",
            "openai-responses",
        )
    },
    local(
        "ollama",
        "Ollama",
        "Ollama, through its OpenAI-compatible address",
        "http://127.0.0.1:11434/v1",
        "openai-completions",
    ),
    local(
        "llama-server",
        "llama-server",
        "llama.cpp's own server, with one model or as a router of several",
        "http://127.0.0.1:8080/v1",
        "openai-completions",
    ),
    local(
        "vllm",
        "vLLM",
        "A vLLM server, on one machine or on a cluster",
        "http://127.0.0.1:8000/v1",
        "openai-responses",
    ),
    Preset {
        placeholder_key: None,
        key_variable: Some("LITELLM_API_KEY"),
        ..local(
            "litellm",
            "LiteLLM",
            "A LiteLLM proxy of your own, in front of whatever it is set up for",
            "http://127.0.0.1:4000/v1",
            "openai-completions",
        )
    },
    hosted(
        "anthropic",
        "Anthropic",
        "Claude, from Anthropic itself",
        "https://api.anthropic.com",
        "anthropic-messages",
        "ANTHROPIC_API_KEY",
        &[
            row("claude-opus-5-5", "Claude Opus 5.5", SEES, Some([4.0, 20.0, 0.2, 5.0]), 1_000_000, 128_000),
            row("claude-sonnet-5", "Claude Sonnet 5", SEES, Some([2.0, 10.0, 0.2, 2.5]), 1_000_000, 128_000),
            row("claude-haiku-4-5", "Claude Haiku 4.5", SEES, Some([1.0, 5.0, 0.1, 1.25]), 200_000, 64_000),
            row("claude-opus-4-6", "Claude Opus 4.6", SEES, Some([5.0, 25.0, 0.5, 6.25]), 200_000, 128_000),
            row("claude-sonnet-4-5", "Claude Sonnet 4.5", SEES, Some([3.0, 15.0, 0.3, 3.75]), 200_000, 64_000),
        ],
    ),
    hosted(
        "openai",
        "OpenAI",
        "GPT, from OpenAI itself, over the Responses API",
        "https://api.openai.com/v1",
        "openai-responses",
        "OPENAI_API_KEY",
        &[
            row("gpt-5.6-sol", "GPT-5.6 Sol", SEES, Some([5.0, 30.0, 0.5, 6.25]), 1_050_000, 128_000),
            row("gpt-5.6-terra", "GPT-5.6 Terra", SEES, Some([2.5, 15.0, 0.25, 3.125]), 1_050_000, 128_000),
            row("gpt-5.6-luna", "GPT-5.6 Luna", SEES, Some([1.0, 6.0, 0.1, 1.25]), 1_050_000, 128_000),
        ],
    ),
    // What OpenRouter asks depends on who serves a request there, so these rows have no price.
    hosted(
        "openrouter",
        "OpenRouter",
        "Many vendors' models with one key, wherever OpenRouter finds them",
        "https://openrouter.ai/api/v1",
        "openai-completions",
        "OPENROUTER_API_KEY",
        &[
            row("minimax/minimax-m2.1", "MiniMax M2.1 (OpenRouter)", REASONS, None, 196_608, 65_536),
            row("moonshotai/kimi-k2.5", "Kimi K2.5 (OpenRouter)", SEES, None, 262_144, 65_535),
            row("z-ai/glm-4.7", "GLM 4.7 (OpenRouter)", REASONS, None, 202_752, 65_535),
        ],
    ),
    // openrouter.ai/docs/guides/features/in-region-routing: a request to a region's own address is answered there or
    // not at all. Which models it has changes, so the list is the server's to give.
    Preset {
        region: Some("us"),
        ..hosted(
            "openrouter-us",
            "OpenRouter, United States",
            "OpenRouter with prompts and answers kept in the United States (its Business or Enterprise plan)",
            "https://us.openrouter.ai/api/v1",
            "openai-completions",
            "OPENROUTER_API_KEY",
            &[],
        )
    },
    Preset {
        region: Some("eu"),
        ..hosted(
            "openrouter-eu",
            "OpenRouter, Europe",
            "OpenRouter with prompts and answers kept in Europe (its Business or Enterprise plan)",
            "https://eu.openrouter.ai/api/v1",
            "openai-completions",
            "OPENROUTER_API_KEY",
            &[],
        )
    },
    hosted(
        "minimax",
        "MiniMax",
        "MiniMax from its maker, outside China",
        "https://api.minimax.io/anthropic",
        "anthropic-messages",
        "MINIMAX_API_KEY",
        &[
            row("MiniMax-M3", "MiniMax M3", SEES, Some([0.6, 2.4, 0.12, 0.0]), 1_000_000, 131_072),
            row("MiniMax-M2.7", "MiniMax M2.7", REASONS, Some([0.3, 1.2, 0.06, 0.375]), 204_800, 131_072),
        ],
    ),
    // Context: docs.openclaw.ai/providers/moonshot. Its price has changed with each version, so none is given.
    Preset {
        provider_id: "moonshot",
        ..hosted(
            "kimi",
            "Kimi",
            "Kimi from Moonshot AI, outside China",
            "https://api.moonshot.ai/v1",
            "openai-completions",
            "MOONSHOT_API_KEY",
            &[row("kimi-k2.6", "Kimi K2.6", SEES, None, 262_144, 65_536)],
        )
    },
    Preset {
        provider_id: "zai",
        ..hosted(
            "glm",
            "GLM",
            "GLM from Z.ai, outside China",
            "https://api.z.ai/api/paas/v4",
            "openai-completions",
            "ZAI_API_KEY",
            &[row("glm-4.7", "GLM 4.7", REASONS, Some([0.6, 2.2, 0.11, 0.0]), 204_800, 131_072)],
        )
    },
    Preset {
        provider_id: "local",
        ..local(
            "custom",
            "Any OpenAI-compatible server",
            "Whatever speaks OpenAI's API: say where it answers, with /v1 at the end",
            "http://127.0.0.1:8000/v1",
            "openai-completions",
        )
    },
];

/// The one of this name.
#[must_use]
pub fn find(id: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.id == id)
}

impl Preset {
    /// What to put under `models.providers`, with this base URL and key variable instead of the usual ones where they
    /// are given, and with these models.
    #[must_use]
    pub fn provider(&self, base_url: Option<&str>, key_variable: Option<&str>, models: Vec<Value>) -> Value {
        let key = match (key_variable.or(self.key_variable), self.placeholder_key) {
            (Some(variable), _) => Some(format!("${{{variable}}}")),
            (None, placeholder) => placeholder.map(str::to_owned),
        };
        let mut provider = Map::new();
        provider.insert("baseUrl".to_owned(), base_url.unwrap_or(self.base_url).trim_end_matches('/').into());
        if let Some(key) = key {
            provider.insert("apiKey".to_owned(), key.into());
        }
        provider.insert("api".to_owned(), self.api.into());
        provider.insert("models".to_owned(), Value::Array(models));
        Value::Object(provider)
    }

    /// The models that it surely has, as rows of `models`.
    #[must_use]
    pub fn models(&self) -> Vec<Value> {
        self.rows.iter().map(Row::value).collect()
    }

    /// A row for a model of which only the id is known. What runs on a machine of one's own costs nothing per token.
    #[must_use]
    pub fn model(&self, id: &str) -> Value {
        if let Some(row) = self.rows.iter().find(|row| row.id == id) {
            return row.value();
        }
        let mut model = json!({ "id": id, "name": id });
        if self.location == Location::Local {
            model["cost"] = cost([0.0; 4]);
        }
        model
    }
}

impl Row {
    /// As it stands in `models`.
    #[must_use]
    pub fn value(&self) -> Value {
        let input = if self.vision { json!(["text", "image"]) } else { json!(["text"]) };
        let mut row = json!({ "id": self.id, "name": self.name, "reasoning": self.reasoning, "input": input });
        if let Some(prices) = self.cost {
            row["cost"] = cost(prices);
        }
        row["contextWindow"] = self.context_window.into();
        row["maxTokens"] = self.max_tokens.into();
        row
    }
}

fn cost([input, output, read, write]: [f64; 4]) -> Value {
    json!({ "input": price(input), "output": price(output), "cacheRead": price(read), "cacheWrite": price(write) })
}

/// `3` rather than `3.0`, as a person writes it.
fn price(dollars: f64) -> Value {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the table above has small prices")]
    if dollars.fract() == 0.0 { Value::from(dollars as u64) } else { Value::from(dollars) }
}

/// Neither reasons nor sees; reasons; reasons and sees.
const PLAIN: (bool, bool) = (false, false);
const REASONS: (bool, bool) = (true, false);
const SEES: (bool, bool) = (true, true);

const fn row(
    id: &'static str,
    name: &'static str,
    (reasoning, vision): (bool, bool),
    cost: Option<[f64; 4]>,
    context_window: u64,
    max_tokens: u64,
) -> Row {
    Row { id, name, reasoning, vision, cost, context_window, max_tokens }
}

const fn local(
    id: &'static str,
    title: &'static str,
    description: &'static str,
    base_url: &'static str,
    api: &'static str,
) -> Preset {
    Preset {
        id,
        title,
        description,
        location: Location::Local,
        region: None,
        provider_id: id,
        base_url,
        api,
        key_variable: None,
        placeholder_key: Some("local"),
        rows: &[],
    }
}

const fn hosted(
    id: &'static str,
    title: &'static str,
    description: &'static str,
    base_url: &'static str,
    api: &'static str,
    key_variable: &'static str,
    rows: &'static [Row],
) -> Preset {
    Preset {
        id,
        title,
        description,
        location: Location::Hosted,
        region: None,
        provider_id: id,
        base_url,
        api,
        key_variable: Some(key_variable),
        placeholder_key: None,
        rows,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pilotlight_wire::UpstreamApi;

    #[test]
    fn every_preset_can_be_used() {
        for preset in PRESETS {
            let url: url::Url = preset.base_url.parse().unwrap();
            let local = preset.location == Location::Local;
            assert_eq!(url.scheme(), if local { "http" } else { "https" }, "{}", preset.id);
            assert!(preset.base_url.ends_with("/v1") || !local, "{}", preset.id);
            assert!(!matches!(UpstreamApi::from_name(preset.api), UpstreamApi::Other(_)), "{}", preset.id);
            assert!(preset.key_variable.is_some() != preset.placeholder_key.is_some(), "{}", preset.id);
            assert_eq!(PRESETS.iter().filter(|other| other.id == preset.id).count(), 1, "{}", preset.id);
            assert_eq!(PRESETS.iter().filter(|other| other.provider_id == preset.provider_id).count(), 1);
            for row in preset.rows {
                assert!(row.max_tokens < row.context_window, "{}", row.id);
            }
        }
    }

    #[test]
    fn what_openclaw_has_built_in_is_called_and_reached_the_same() {
        for preset in PRESETS {
            if let Some(hosted) = crate::hosted::find(preset.provider_id) {
                assert_eq!((preset.base_url, preset.api), (hosted.base_url, hosted.api), "{}", preset.id);
                assert!(hosted.variables.contains(&preset.key_variable.unwrap()), "{}", preset.id);
            }
        }
    }

    #[test]
    fn a_preset_becomes_an_entry() {
        let lmstudio = find("lmstudio").unwrap();
        let entry = lmstudio.provider(Some("http://studio.local:1234/v1/"), None, vec![lmstudio.model("qwen3-8b")]);
        assert_eq!(
            entry,
            json!({
                "baseUrl": "http://studio.local:1234/v1", "apiKey": "local", "api": "openai-responses",
                "models": [{ "id": "qwen3-8b", "name": "qwen3-8b",
                    "cost": { "input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0 } }],
            })
        );
        let anthropic = find("anthropic").unwrap();
        assert_eq!(anthropic.provider(None, None, Vec::new())["apiKey"], "${ANTHROPIC_API_KEY}");
        assert_eq!(anthropic.provider(None, Some("MINE"), Vec::new())["apiKey"], "${MINE}");
        assert_eq!(anthropic.models()[1]["cost"]["input"], json!(2));
    }
}
