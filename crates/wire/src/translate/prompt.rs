//! A request in no API's own form: what every client API can say, in an order that every upstream API can be told in.

use serde_json::Value;

use super::{Note, Opaque};

/// One request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Prompt {
    /// The `model` as the client asked for it. Whoever writes the request puts the upstream's own id in its place.
    pub model: String,
    /// Whether a stream is asked for.
    pub stream: bool,
    /// The conversation in order, instructions included: Responses' `instructions` and Messages' `system` come first.
    pub turns: Vec<Turn>,
    /// How many of the first turns are Responses' `instructions`, which hold for this request alone: a later one that
    /// goes on from its answer does not inherit them.
    pub instructions: usize,
    /// What the model may call.
    pub tools: Vec<Tool>,
    /// Which of them it must or may call; none: the API's default.
    pub tool_choice: Option<ToolChoice>,
    /// Whether it may call several at once; none: the API's default.
    pub parallel_tools: Option<bool>,
    /// How it picks its words.
    pub sampling: Sampling,
    /// The most tokens to write, reasoning included.
    pub max_output: Option<u64>,
    /// How much it thinks.
    pub reasoning: Reasoning,
    /// The form of its answer.
    pub format: Format,
    /// Responses' and Chat's `verbosity`: `low`, `medium`, `high`.
    pub verbosity: Option<String>,
    /// Chat's `stream_options.include_usage`. True for the other APIs, whose streams always tell it.
    pub usage_wanted: bool,
    /// Responses' `store`, Chat's `store`.
    pub store: Option<bool>,
    /// Responses' `previous_response_id`. Its history must have been put in front of `turns` before this is written for
    /// an upstream without state.
    pub previous_response_id: Option<String>,
    /// Responses' `include`.
    pub include: Vec<String>,
    /// A session's name for the upstream's prompt cache: `prompt_cache_key`.
    pub cache_key: Option<String>,
    /// Who asks: Chat's and Responses' `user` or `safety_identifier`, Messages' `metadata.user_id`.
    pub user: Option<String>,
    /// `metadata` of Chat and Responses.
    pub metadata: Option<Value>,
    /// `service_tier`, as the client's API names it.
    pub service_tier: Option<String>,
    /// What was left out when it was read.
    pub notes: Vec<Note>,
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The operator, as `system`.
    System,
    /// The operator, as OpenAI's `developer`.
    Developer,
    /// The person, or what their tools answered.
    User,
    /// The model.
    Assistant,
}

/// What one of them said. Neighbouring turns of one role may stand apart, as the client sent them.
#[derive(Clone, Debug, PartialEq)]
pub struct Turn {
    /// Who.
    pub role: Role,
    /// What, in order. Only the assistant's hold [`Part::Reasoning`], [`Part::ToolCall`] and [`Part::Refusal`], only the
    /// user's [`Part::ToolResult`].
    pub parts: Vec<Part>,
}

/// A piece of a turn.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// Words.
    Text {
        /// They may be empty.
        text: String,
        /// Anthropic's `cache_control`, as it came.
        cache: Option<Value>,
    },
    /// A picture.
    Image {
        /// Where it is.
        source: Source,
        /// OpenAI's `detail`.
        detail: Option<String>,
    },
    /// A document.
    File {
        /// Where it is.
        source: Source,
        /// Its name or title.
        name: Option<String>,
    },
    /// Sound.
    Audio {
        /// `wav`, `mp3`.
        format: String,
        /// Base64.
        data: String,
    },
    /// What the model thought before.
    Reasoning(Thought),
    /// A call that the model made.
    ToolCall(ToolCall),
    /// What a call gave.
    ToolResult {
        /// Of which call.
        call_id: String,
        /// Text, images and files. May be empty.
        content: Vec<Part>,
        /// Whether the tool failed.
        is_error: bool,
        /// Whether the call was of a free-form tool (Responses' `custom_tool_call_output`).
        custom: bool,
        /// Anthropic's `cache_control`, as it came.
        cache: Option<Value>,
    },
    /// The model declined, in these words.
    Refusal(String),
}

impl Part {
    /// Words without anything else.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into(), cache: None }
    }
}

/// Where a picture or a document is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Here.
    Data {
        /// Such as `image/png`.
        media_type: String,
        /// Base64, exactly as it came.
        data: String,
    },
    /// Plain text, here (Messages' documents).
    Text(String),
    /// To be fetched by the upstream.
    Url(String),
    /// Uploaded to the upstream before; nobody else knows it.
    Id(String),
}

/// What the model thought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Thought {
    /// Its thoughts themselves.
    pub text: String,
    /// Their summary, a paragraph each.
    pub summary: Vec<String>,
    /// What proves or holds them: a signature, an encrypted item, a redacted block.
    pub opaque: Option<Opaque>,
}

/// A call of a tool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolCall {
    /// What its result will name.
    pub id: String,
    /// The tool. With a namespace, without its prefix.
    pub name: String,
    /// Responses' `namespace` that the tool stands in.
    pub namespace: Option<String>,
    /// JSON text, or the free text of a custom tool. Never empty for a function: `{}`.
    pub arguments: String,
    /// Whether it is a free-form tool (Responses' and Chat's `custom`).
    pub custom: bool,
    /// Gemini's thought signature of the call.
    pub opaque: Option<Opaque>,
}

/// A tool.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tool {
    /// Its name. With a namespace, without its prefix.
    pub name: String,
    /// Responses' `namespace` that it stands in.
    pub namespace: Option<String>,
    /// What it does.
    pub description: Option<String>,
    /// The JSON Schema of its arguments; none for a custom tool.
    pub parameters: Option<Value>,
    /// `strict`.
    pub strict: Option<bool>,
    /// The `format` of a free-form tool (a grammar or text), as Responses has it: `{type, syntax, definition}`; some: it
    /// is one.
    pub custom: Option<Value>,
    /// Anthropic's `cache_control`, as it came.
    pub cache: Option<Value>,
}

/// Which tool must be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolChoice {
    /// As the model likes.
    Auto,
    /// None.
    None,
    /// At least one.
    Required,
    /// This one, by its name (and namespace).
    Named {
        /// Its name.
        name: String,
        /// Its namespace.
        namespace: Option<String>,
    },
    /// Some of these only (`allowed_tools`).
    Allowed {
        /// Their names.
        names: Vec<String>,
        /// Whether one must be called.
        required: bool,
    },
}

/// How words are picked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sampling {
    /// As every API has it; 0 to 2, Anthropic's to 1.
    pub temperature: Option<f64>,
    /// As every API has it.
    pub top_p: Option<f64>,
    /// Anthropic's, Gemini's, Ollama's.
    pub top_k: Option<u64>,
    /// OpenAI's, Gemini's, Ollama's.
    pub frequency_penalty: Option<f64>,
    /// OpenAI's, Gemini's, Ollama's.
    pub presence_penalty: Option<f64>,
    /// Chat's, Gemini's, Ollama's.
    pub seed: Option<i64>,
    /// Texts that end the answer.
    pub stop: Vec<String>,
    /// How many log probabilities per token; `Some(0)`: of the chosen token alone.
    pub logprobs: Option<u64>,
}

/// How much the model thinks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reasoning {
    /// `none`, `minimal`, `low`, `medium`, `high`, `xhigh`, `max`, or what else an API says.
    pub effort: Option<String>,
    /// In tokens (Anthropic's `budget_tokens`).
    pub budget: Option<u64>,
    /// Whether it is said to think at all. Anthropic's `adaptive` is `Some(true)` without a budget.
    pub enabled: Option<bool>,
    /// Responses' `summary`: `auto`, `concise`, `detailed`.
    pub summary: Option<String>,
}

/// The form of the answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Format {
    /// Words.
    #[default]
    Text,
    /// Some JSON object.
    JsonObject,
    /// JSON of a schema.
    JsonSchema {
        /// Its name; Messages has none.
        name: Option<String>,
        /// What it is for.
        description: Option<String>,
        /// JSON Schema.
        schema: Value,
        /// `strict`.
        strict: Option<bool>,
    },
}
