//! `models`: the providers and their rows.
//!
//! Sources: the schemas in the npm packages `openclaw@2026.2.6-3` and `openclaw@2026.9.6`. A test compares verdicts with
//! both.

use super::rules::is_catalog_url;
use super::secrets::SECRET;
use super::shape::{
    COUNT, FILLED, FILLED_TEXTS, FREE_OBJECT, FROM_ZERO, In, Key, NUMBER, POSITIVE, Rule, Shape, TEXT, TEXT_MAP, TEXTS,
    both, february, september,
};

const FEB: In = In::February;
const SEP: In = In::September;

/// What is passed on as it stands.
pub(super) const PARAMS: Shape = FREE_OBJECT;

pub(super) const MODELS: Shape = Shape::Object(&[
    both("mode", Shape::Word(&[("merge", In::Both), ("replace", In::Both)])),
    both("providers", Shape::Map { value: &Shape::Object(PROVIDER), key: Rule::Free }),
    february(
        "bedrockDiscovery",
        Shape::Object(&[
            both("enabled", Shape::Bool),
            both("region", TEXT),
            both("providerFilter", TEXTS),
            both("refreshInterval", FROM_ZERO),
            both("defaultContextWindow", COUNT),
            both("defaultMaxTokens", COUNT),
        ]),
    ),
    september(
        "catalogRefresh",
        Shape::Object(&[
            both("enabled", Shape::Bool),
            both("url", Shape::Text(Rule::Like(is_catalog_url, "an https URL, or an http one on this machine"))),
        ]),
    ),
]);

const API: Shape = Shape::Word(&[
    ("openai-responses", In::Both),
    ("openai-completions", In::Both),
    ("anthropic-messages", In::Both),
    ("google-generative-ai", In::Both),
    ("github-copilot", In::Both),
    ("bedrock-converse-stream", In::Both),
    ("ollama", SEP),
    ("openai-chatgpt-responses", SEP),
    ("google-vertex", SEP),
    ("pi-messages", SEP),
    ("azure-openai-responses", SEP),
]);

/// An entry of `models.providers`. That September asks a provider of the user's own for `baseUrl` and `models`, and
/// none of those it knows, is a rule of its own.
const PROVIDER: &[Key] = &[
    both("baseUrl", Shape::Differs(&FILLED, &TEXT)).required_in(FEB),
    both("apiKey", Shape::Differs(&TEXT, &SECRET)),
    both(
        "auth",
        Shape::Word(&[("api-key", In::Both), ("aws-sdk", In::Both), ("oauth", In::Both), ("token", In::Both)]),
    ),
    both("api", API),
    both("headers", Shape::Map { value: &Shape::Differs(&TEXT, &SECRET), key: Rule::Free }),
    both("authHeader", Shape::Bool),
    both("models", Shape::List { item: &Shape::Object(ROW), most: None }).required_in(FEB),
    september("maxTokens", POSITIVE),
    september("timeoutSeconds", COUNT),
    september("region", FILLED),
    september("injectNumCtxForOpenAICompat", Shape::Bool),
    september("params", PARAMS),
    september("agentRuntime", RUNTIME),
    september("localService", LOCAL_SERVICE),
    september("request", REQUEST),
    // September moves them into the rows that lack them; a rule of its own looks at the value then.
    september("contextWindow", Shape::Any),
    september("contextTokens", Shape::Any),
];

const RUNTIME: Shape = Shape::Object(&[both("id", TEXT)]);

const LOCAL_SERVICE: Shape = Shape::Object(&[
    both("command", FILLED).required(),
    both("args", TEXTS),
    both("cwd", FILLED),
    both("env", TEXT_MAP),
    both("healthUrl", FILLED),
    both("readyTimeoutMs", COUNT),
    both("idleStopMs", FROM_ZERO),
]);

const TLS: Shape = Shape::Object(&[
    both("ca", SECRET),
    both("cert", SECRET),
    both("key", SECRET),
    both("passphrase", SECRET),
    both("serverName", TEXT),
    both("insecureSkipVerify", Shape::Bool),
]);

const REQUEST: Shape = Shape::Object(&[
    both("headers", Shape::Map { value: &SECRET, key: Rule::Free }),
    both(
        "auth",
        Shape::Tagged {
            tag: "mode",
            of: &[
                ("provider-default", Shape::Object(&[])),
                ("authorization-bearer", Shape::Object(&[both("token", SECRET).required()])),
                (
                    "header",
                    Shape::Object(&[
                        both("headerName", FILLED).required(),
                        both("value", SECRET).required(),
                        both("prefix", TEXT),
                    ]),
                ),
            ],
        },
    ),
    both(
        "proxy",
        Shape::Tagged {
            tag: "mode",
            of: &[
                ("env-proxy", Shape::Object(&[both("tls", TLS)])),
                ("explicit-proxy", Shape::Object(&[both("url", FILLED).required(), both("tls", TLS)])),
            ],
        },
    ),
    both("tls", TLS),
    both("allowPrivateNetwork", Shape::Bool),
]);

/// A row of a provider's `models`.
const ROW: &[Key] = &[
    both("id", FILLED).required(),
    both("name", FILLED).required(),
    both("api", API),
    both("reasoning", Shape::Bool),
    both(
        "input",
        Shape::List {
            item: &Shape::Word(&[("text", In::Both), ("image", In::Both), ("video", SEP), ("audio", SEP)]),
            most: None,
        },
    ),
    both("cost", COST),
    both("contextWindow", POSITIVE),
    both("maxTokens", POSITIVE),
    both("headers", TEXT_MAP),
    both("compat", COMPAT),
    september("baseUrl", FILLED),
    september("contextTokens", COUNT),
    september("thinkingLevelMap", THINKING),
    september("params", PARAMS),
    september("agentRuntime", RUNTIME),
    september("mediaInput", MEDIA_INPUT),
    september("metadataSource", Shape::Word(&[("models-add", SEP)])),
];

const COST: Shape = Shape::Object(&[
    both("input", NUMBER),
    both("output", NUMBER),
    both("cacheRead", NUMBER),
    both("cacheWrite", NUMBER),
    september(
        "tieredPricing",
        Shape::List {
            item: &Shape::Object(&[
                both("input", NUMBER).required(),
                both("output", NUMBER).required(),
                both("cacheRead", NUMBER).required(),
                both("cacheWrite", NUMBER).required(),
                both("range", Shape::Tuple { item: &NUMBER, lengths: &[1, 2] }).required(),
            ]),
            most: None,
        },
    ),
]);

const TEXT_OR_NULL: Shape = Shape::OneOf(&[TEXT, Shape::Null]);

const THINKING: Shape = Shape::Object(&[
    both("off", TEXT_OR_NULL),
    both("minimal", TEXT_OR_NULL),
    both("low", TEXT_OR_NULL),
    both("medium", TEXT_OR_NULL),
    both("high", TEXT_OR_NULL),
    both("xhigh", TEXT_OR_NULL),
    both("max", TEXT_OR_NULL),
]);

const MEDIA_INPUT: Shape = Shape::Object(&[both(
    "image",
    Shape::Object(&[
        both("maxBytes", COUNT),
        both("maxPixels", COUNT),
        both("maxSidePx", COUNT),
        both("preferredSidePx", COUNT),
        both("tokenMode", Shape::Word(&[("tile", SEP), ("detail", SEP), ("provider", SEP)])),
    ]),
)]);

/// What a server of one of the APIs does its own way.
const COMPAT: Shape = Shape::Object(&[
    both("supportsStore", Shape::Bool),
    both("supportsDeveloperRole", Shape::Bool),
    both("supportsReasoningEffort", Shape::Bool),
    both("maxTokensField", Shape::Word(&[("max_completion_tokens", In::Both), ("max_tokens", In::Both)])),
    september("supportsPromptCacheKey", Shape::Bool),
    september("supportsResponsesContinuation", Shape::Bool),
    september("supportsTemperature", Shape::Bool),
    september("supportsInstructions", Shape::Bool),
    september("supportsUsageInStreaming", Shape::Bool),
    september("supportsTools", Shape::Bool),
    september("codeMode", Shape::Word(&[("preferred", SEP), ("capable", SEP)])),
    september("supportsStrictMode", Shape::Bool),
    september("supportsJsonSchemaResponseFormat", Shape::Bool),
    september("requiresStringContent", Shape::Bool),
    september("strictMessageKeys", Shape::Bool),
    september("visibleReasoningDetailTypes", FILLED_TEXTS),
    september("supportedReasoningEfforts", FILLED_TEXTS),
    september("reasoningEffortMap", Shape::Map { value: &FILLED, key: Rule::NotEmpty }),
    september(
        "thinkingFormat",
        Shape::Word(&[
            ("openai", SEP),
            ("openrouter", SEP),
            ("deepseek", SEP),
            ("together", SEP),
            ("qwen", SEP),
            ("qwen-chat-template", SEP),
            ("zai", SEP),
        ]),
    ),
    september("requiresToolResultName", Shape::Bool),
    september("requiresAssistantAfterToolResult", Shape::Bool),
    september("requiresThinkingAsText", Shape::Bool),
    september("requiresReasoningContentOnAssistantMessages", Shape::Bool),
    september("toolSchemaProfile", TEXT),
    september("unsupportedToolSchemaKeywords", FILLED_TEXTS),
    september("toolCallArgumentsEncoding", TEXT),
    september("requiresOpenAiAnthropicToolPayload", Shape::Bool),
    september("openRouterRouting", OPENROUTER),
    september("vercelGatewayRouting", Shape::Object(&[both("only", TEXTS), both("order", TEXTS)])),
    september("zaiToolStream", Shape::Bool),
    september("cacheControlFormat", Shape::Word(&[("anthropic", SEP)])),
    september("sendSessionAffinityHeaders", Shape::Bool),
    september("sendSessionIdHeader", Shape::Bool),
    september("supportsEagerToolInputStreaming", Shape::Bool),
    september("supportsLongCacheRetention", Shape::Bool),
]);

const PRICE: Shape = Shape::OneOf(&[NUMBER, TEXT]);
const PERCENTILES: Shape = Shape::OneOf(&[
    NUMBER,
    Shape::Object(&[both("p50", NUMBER), both("p75", NUMBER), both("p90", NUMBER), both("p99", NUMBER)]),
]);

/// OpenRouter's routing preferences, by its own names.
const OPENROUTER: Shape = Shape::Object(&[
    both("allow_fallbacks", Shape::Bool),
    both("require_parameters", Shape::Bool),
    both("data_collection", Shape::Word(&[("deny", SEP), ("allow", SEP)])),
    both("zdr", Shape::Bool),
    both("enforce_distillable_text", Shape::Bool),
    both("order", TEXTS),
    both("only", TEXTS),
    both("ignore", TEXTS),
    both("quantizations", TEXTS),
    both("sort", Shape::OneOf(&[TEXT, Shape::Object(&[both("by", TEXT), both("partition", TEXT_OR_NULL)])])),
    both(
        "max_price",
        Shape::Object(&[
            both("prompt", PRICE),
            both("completion", PRICE),
            both("image", PRICE),
            both("audio", PRICE),
            both("request", PRICE),
        ]),
    ),
    both("preferred_min_throughput", PERCENTILES),
    both("preferred_max_latency", PERCENTILES),
]);
