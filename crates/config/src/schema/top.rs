//! The file's top level and `agents`: which keys there are, and those of the model configuration below them.
//!
//! Sources: the schemas in the npm packages `openclaw@2026.2.6-3` and `openclaw@2026.9.6`. A test compares verdicts with
//! both.

use crate::tree::{Data, Tree};

use super::models::{MODELS, PARAMS};
use super::rules::{is_agent_key, is_decision_model, is_picker_runtime, is_roster_id};
use super::secrets::SECRETS;
use super::shape::{COUNT, In, Key, POSITIVE, Rule, Shape, TEXT, TEXTS, both, february, september};

/// The whole file. What is not of the model configuration is known by its key alone.
pub(super) const FILE: Shape = Shape::Object(&[
    both("agents", AGENTS),
    both("models", MODELS),
    september("secrets", SECRETS),
    september("$schema", TEXT),
    both("approvals", Shape::Any),
    both("auth", Shape::Any),
    both("bindings", Shape::Any),
    both("broadcast", Shape::Any),
    both("browser", Shape::Any),
    both("channels", Shape::Any),
    both("commands", Shape::Any),
    both("cron", Shape::Any),
    both("diagnostics", Shape::Any),
    both("discovery", Shape::Any),
    both("env", Shape::Any),
    both("gateway", Shape::Any),
    both("hooks", Shape::Any),
    both("logging", Shape::Any),
    both("memory", Shape::Any),
    both("messages", Shape::Any),
    both("meta", Shape::Any),
    both("nodeHost", Shape::Any),
    both("plugins", Shape::Any),
    both("session", Shape::Any),
    both("skills", Shape::Any),
    both("talk", Shape::Any),
    both("tools", Shape::Any),
    both("ui", Shape::Any),
    both("update", Shape::Any),
    both("wizard", Shape::Any),
    february("audio", Shape::Any),
    february("canvasHost", Shape::Any),
    february("media", Shape::Any),
    february("web", Shape::Any),
    september("accessGroups", Shape::Any),
    september("acp", Shape::Any),
    september("attachments", Shape::Any),
    september("cloudWorkers", Shape::Any),
    september("desktop", Shape::Any),
    september("mcp", Shape::Any),
    september("proxy", Shape::Any),
    september("security", Shape::Any),
    september("surfaces", Shape::Any),
    september("telemetry", Shape::Any),
    september("transcripts", Shape::Any),
    september("tts", Shape::Any),
    september("worktreeAcceleration", Shape::Any),
    september("worktreeRoot", Shape::Any),
]);

/// `{ primary, fallbacks }`.
const CHAIN: Shape = Shape::Object(&[both("primary", TEXT), both("fallbacks", TEXTS)]);
/// A model ref, or a chain.
const CHOICE: Shape = Shape::OneOf(&[TEXT, CHAIN]);
/// The same for a model that is used as a tool.
const TOOL_CHOICE: Shape = Shape::OneOf(&[
    TEXT,
    Shape::Object(&[both("primary", TEXT), both("fallbacks", TEXTS), september("timeoutMs", COUNT)]),
]);
/// The same for what used to be a chain only.
const TOOL_CHOICE_OR_CHAIN: Shape = Shape::Differs(&CHAIN, &TOOL_CHOICE);

const DECISION_MODEL: Shape =
    Shape::Text(Rule::Like(is_decision_model, "provider/model in at most 512 characters, or nothing"));

/// `models`, by ref, in `agents.defaults` and in an agent's entry.
const ROWS: Shape = Shape::Map {
    value: &Shape::Object(&[
        both("alias", TEXT),
        both("params", PARAMS),
        both("streaming", Shape::Bool),
        september("codeMode", Shape::Bool),
        september("agentRuntime", Shape::Object(&[both("id", TEXT)])),
        september(
            "pickerRuntimes",
            Shape::List {
                item: &Shape::Text(Rule::Like(is_picker_runtime, "a runtime's id in small letters")),
                most: Some(8),
            },
        ),
    ]),
    key: Rule::Free,
};

/// Which models may be chosen in a session. The refs in it are checked by a rule of their own.
const POLICY: Shape = Shape::Object(&[both("allow", TEXTS)]);

const AGENTS: Shape = Shape::By(agents);

const AGENTS_WITH_ENTRIES: Shape = Shape::Object(&[
    both("defaults", Shape::Object(DEFAULTS)),
    february("list", Shape::List { item: &Shape::Object(LISTED), most: None }),
    september("entries", Shape::Map { value: &Shape::Object(ENTRY), key: Rule::Like(is_agent_key, AGENT_KEY) }),
    september("ownership", Shape::Word(&[("explicit", In::September)])),
]);

/// Where there is a `list` and no `entries`, September takes the list for entries, if it can.
fn agents(tree: &Tree) -> &'static Shape {
    match &tree.data {
        Data::Object(members) if members.get("list").is_some() && members.get("entries").is_none() => {
            &Shape::Differs(&AGENTS_WITH_ENTRIES, &AGENTS_WITH_LIST)
        }
        _ => &AGENTS_WITH_ENTRIES,
    }
}

const AGENTS_WITH_LIST: Shape = Shape::Object(&[
    both("defaults", Shape::Object(DEFAULTS)),
    september("list", Shape::List { item: &Shape::Object(MOVED), most: None }),
    september("ownership", Shape::Word(&[("explicit", In::September)])),
]);

const AGENT_KEY: &str = "an agent's id: letters, digits, _ and -, at most 64";

const DEFAULTS: &[Key] = &[
    both("model", Shape::Differs(&CHAIN, &CHOICE)),
    both("models", ROWS),
    september("modelPolicy", POLICY),
    september(
        "modelSelectionScope",
        Shape::Word(&[("session", In::September), ("agent", In::September), ("global", In::September)]),
    ),
    both("imageModel", TOOL_CHOICE_OR_CHAIN),
    september("pdfModel", TOOL_CHOICE),
    september("voiceModel", TOOL_CHOICE),
    september(
        "mediaModels",
        Shape::Object(&[both("image", TOOL_CHOICE), both("video", TOOL_CHOICE), both("music", TOOL_CHOICE)]),
    ),
    september("utilityModel", TEXT),
    september("decisionModel", DECISION_MODEL),
    september("params", PARAMS),
    september("pdfMaxMb", POSITIVE),
    september("pdfMaxPages", COUNT),
    both("subagents", Shape::Partial(&[both("model", CHOICE)])),
    both("heartbeat", Shape::Partial(&[both("model", TEXT)])),
    both("compaction", Shape::Partial(&[september("model", TEXT)])),
    // September takes it out, whatever it holds.
    both("contextTokens", Shape::Differs(&COUNT, &Shape::Any)),
    both("blockStreamingBreak", Shape::Any),
    both("blockStreamingChunk", Shape::Any),
    both("blockStreamingCoalesce", Shape::Any),
    both("blockStreamingDefault", Shape::Any),
    both("bootstrapMaxChars", Shape::Any),
    both("contextPruning", Shape::Any),
    both("elevatedDefault", Shape::Any),
    both("humanDelay", Shape::Any),
    both("maxConcurrent", Shape::Any),
    both("mediaMaxMb", Shape::Any),
    both("repoRoot", Shape::Any),
    both("sandbox", Shape::Any),
    both("skipBootstrap", Shape::Any),
    both("thinkingDefault", Shape::Any),
    both("timeoutSeconds", Shape::Any),
    both("typingIntervalSeconds", Shape::Any),
    both("typingMode", Shape::Any),
    both("userTimezone", Shape::Any),
    both("verboseDefault", Shape::Any),
    both("workspace", Shape::Any),
    february("cliBackends", Shape::Any),
    february("envelopeElapsed", Shape::Any),
    february("envelopeTimestamp", Shape::Any),
    february("envelopeTimezone", Shape::Any),
    february("memorySearch", Shape::Any),
    february("timeFormat", Shape::Any),
    september("authInheritance", Shape::Any),
    september("bootstrapTotalMaxChars", Shape::Any),
    september("contextInjection", Shape::Any),
    september("contextLimits", Shape::Any),
    september("cwd", Shape::Any),
    september("embeddedAgent", Shape::Any),
    september("experimental", Shape::Any),
    september("fastModeDefault", Shape::Any),
    september("imageMaxDimensionPx", Shape::Any),
    september("imageQuality", Shape::Any),
    september("reasoningDefault", Shape::Any),
    september("sessionStore", Shape::Any),
    september("silentReply", Shape::Any),
    september("skills", Shape::Any),
    september("skipOptionalBootstrapFiles", Shape::Any),
    september("startupContext", Shape::Any),
    september("systemAgent", Shape::Any),
    september("toolProgressDetail", Shape::Any),
];

/// An item of `agents.list`.
const LISTED: &[Key] = &[
    both("id", TEXT).required(),
    both("default", Shape::Bool),
    both("model", CHOICE),
    both("subagents", Shape::Partial(&[both("model", CHOICE)])),
    both("heartbeat", Shape::Partial(&[both("model", TEXT)])),
    both("agentDir", Shape::Any),
    both("groupChat", Shape::Any),
    both("humanDelay", Shape::Any),
    both("identity", Shape::Any),
    both("memorySearch", Shape::Any),
    both("name", Shape::Any),
    both("sandbox", Shape::Any),
    both("skills", Shape::Any),
    both("tools", Shape::Any),
    both("workspace", Shape::Any),
];

/// The keys of an agent in September, with one more in front.
macro_rules! entry {
    ($($first:expr)?) => {
        &[
            $($first,)?
            both("default", Shape::Bool),
            both("model", CHOICE),
            both("models", ROWS),
            both("modelPolicy", POLICY),
            both("utilityModel", TEXT),
            both("decisionModel", DECISION_MODEL),
            both("params", PARAMS),
            both("subagents", Shape::Partial(&[both("model", CHOICE)])),
            both("heartbeat", Shape::Partial(&[both("model", TEXT)])),
            // Taken out, whatever it holds.
            both("contextTokens", Shape::Any),
            both("agentDir", Shape::Any),
            both("bootstrapMaxChars", Shape::Any),
            both("bootstrapTotalMaxChars", Shape::Any),
            both("contextInjection", Shape::Any),
            both("contextLimits", Shape::Any),
            both("cwd", Shape::Any),
            both("description", Shape::Any),
            both("embeddedAgent", Shape::Any),
            both("experimental", Shape::Any),
            both("fastModeDefault", Shape::Any),
            both("groupChat", Shape::Any),
            both("humanDelay", Shape::Any),
            both("identity", Shape::Any),
            both("memory", Shape::Any),
            both("name", Shape::Any),
            both("reasoningDefault", Shape::Any),
            both("runtime", Shape::Any),
            both("sandbox", Shape::Any),
            both("skills", Shape::Any),
            both("skillsLimits", Shape::Any),
            both("thinkingDefault", Shape::Any),
            both("toolProgressDetail", Shape::Any),
            both("tools", Shape::Any),
            both("tts", Shape::Any),
            both("typingMode", Shape::Any),
            both("verboseDefault", Shape::Any),
            both("workspace", Shape::Any),
        ]
    };
}

/// An entry of `agents.entries`.
const ENTRY: &[Key] = entry!();
/// An item of `agents.list`, to be moved.
const MOVED: &[Key] =
    entry!(both("id", Shape::Text(Rule::Like(is_roster_id, "an id in small letters, digits, _ and -"))).required());
