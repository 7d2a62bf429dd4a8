//! What the Models page is given and sends: the configuration as text and as value, drafts of edits, tests of a
//! provider. Every secret in it is a mask, `‹kept:N›`: see `mask`.

use pilotlight_config::rules::LiveModel;
use pilotlight_wire::{Location, ModelRef, Secret};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use ts_rs::TS;

use crate::state::{Problem, RuntimeSummary};

/// The configuration, for an editor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ConfigDocument {
    /// The main file.
    pub path: String,
    /// Whether it is OpenClaw's file (or our own of the same shape).
    pub openclaw: bool,
    /// Whether writing is forbidden.
    pub read_only: bool,
    /// Of the bytes below; a draft names it.
    pub revision: String,
    /// The main file first, then those it includes.
    pub files: Vec<ConfigFile>,
    /// The whole configuration, includes put in; `null` while a file cannot be read.
    #[ts(type = "unknown")]
    pub value: Value,
    /// What is wrong with it. Lines and columns are those of the texts above.
    pub diagnostics: Vec<ConfigProblem>,
    /// Whether there is something to undo.
    pub can_undo: bool,
    /// Whether there is something to redo.
    pub can_redo: bool,
    /// How many comments another program dropped that can be put back.
    #[ts(type = "number")]
    pub lost_comments: u32,
    /// Providers to begin with.
    pub presets: Vec<PresetView>,
    /// The providers of the configuration, in the file's order.
    pub providers: Vec<ProviderView>,
}

/// One file of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ConfigFile {
    /// Where it is.
    pub path: String,
    /// Its text, with masks.
    pub text: String,
}

/// A diagnostic, and how it can be mended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ConfigProblem {
    /// What is wrong, and where.
    #[serde(flatten)]
    pub problem: Problem,
    /// Edits that mend it, where these are certain.
    pub fix: Option<ConfigFix>,
}

/// Edits that mend something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ConfigFix {
    /// What they do, for a button.
    pub label: String,
    /// They.
    pub edits: Vec<ConfigEdit>,
}

/// An edit, by its path in the whole configuration: `json5_edit::Edit` as it is sent. `path` is written like
/// `agents.defaults.models["provider/model"].alias`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(
    type = "{ edit: \"set\", path: string, value: unknown, expected?: \"anything\" | \"nothing\" | { value: unknown } } | { edit: \"insert\", path: string, key?: string, position: \"start\" | \"end\" | { before: string | number } | { after: string | number } | { at: number }, value: unknown, expected?: \"anything\" | \"nothing\" | { value: unknown } } | { edit: \"remove\", path: string, expected?: \"anything\" | \"nothing\" | { value: unknown } } | { edit: \"rename\", path: string, key: string, expected?: \"anything\" | \"nothing\" | { value: unknown } } | { edit: \"move\", path: string, entry: string | number, position: \"start\" | \"end\" | { before: string | number } | { after: string | number } | { at: number }, expected?: \"anything\" | \"nothing\" | { value: unknown }, anchor?: \"anything\" | \"nothing\" | { value: unknown } } | { edit: \"swap\", path: string, other: string, expected?: \"anything\" | \"nothing\" | { value: unknown }, expected_other?: \"anything\" | \"nothing\" | { value: unknown } }"
)]
pub struct ConfigEdit(pub json5_edit::Edit);

/// A provider to begin with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct PresetView {
    /// Its name on the command line.
    pub id: String,
    /// Its name for people.
    pub title: String,
    /// What it is, in a sentence.
    pub description: String,
    /// Where it runs.
    pub location: Location,
    /// The region it is pinned to, if any.
    pub region: Option<String>,
    /// The id it is given under `models.providers`, unless a person chooses another.
    pub provider_id: String,
    /// What to put there.
    #[ts(type = "unknown")]
    pub provider: Value,
    /// The environment variable its key is usually in.
    pub key_variable: Option<String>,
    /// Its models, as rows of `models`.
    #[ts(type = "unknown[]")]
    pub models: Vec<Value>,
}

/// A provider of the configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ProviderView {
    /// Its id.
    pub id: String,
    /// Its name for people.
    pub title: String,
    /// Where it runs.
    pub location: Location,
    /// The region that the settings give it.
    pub region: Option<String>,
    /// The API it speaks.
    pub api: String,
    /// Its address, without user name and password.
    pub base_url: Option<String>,
    /// Whether OpenClaw has it built in, so that the file needs no entry for it.
    pub built_in: bool,
    /// Where its key is.
    pub key: KeyView,
    /// What is known of the runtime, for a local one.
    pub runtime: Option<RuntimeSummary>,
}

/// Where a provider's key is. Never the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct KeyView {
    /// Where.
    pub place: KeyStand,
    /// In a person's words, such as `the variable OPENROUTER_API_KEY`.
    pub detail: String,
    /// Why it cannot be read, and what to do.
    pub problem: Option<String>,
}

/// Where a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum KeyStand {
    /// Written out in the configuration.
    Config,
    /// In an environment variable.
    Environment,
    /// In the operating system's keychain.
    Keychain,
    /// In a file that only its owner can read.
    PrivateFile,
    /// Somewhere only OpenClaw can read it.
    Reference,
    /// There is none.
    None,
}

/// An edit that is not saved yet: `edits`, or `file` with its whole new `text`, or both: then the edits are made on the
/// text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ConfigDraft {
    /// The revision it was made from.
    pub revision: String,
    /// The edits, made in this order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub edits: Option<Vec<ConfigEdit>>,
    /// A file of the configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub file: Option<String>,
    /// Its whole new text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub text: Option<String>,
    /// What it does, for the history. Looked at on saving only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub label: Option<String>,
}

/// What a draft would make of the configuration. Nothing is written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ConfigPreview {
    /// All files as they would be.
    pub files: Vec<ConfigFile>,
    /// The whole configuration as it would be; `null` where it could not be read.
    #[ts(type = "unknown")]
    pub value: Value,
    /// What would change, as `diff -u` shows it.
    pub diff: String,
    /// What would be wrong with it. Lines and columns are those of the texts above.
    pub diagnostics: Vec<ConfigProblem>,
    /// The revision on the disk now; other than the draft's when the file changed meanwhile.
    pub revision: String,
}

/// The configuration after something was saved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Saved {
    /// Its revision.
    pub revision: String,
}

/// A revision of the past.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct HistoryEntry {
    /// Its name.
    pub revision: String,
    /// Unix time in milliseconds.
    #[ts(type = "number")]
    pub at: u64,
    /// `editor`, `command` or `external`.
    pub who: String,
    /// What was done.
    pub label: String,
    /// Whether it is what stands in the file now.
    pub current: bool,
}

/// The revision to go back to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct RestoreRequest {
    /// Its name in the history.
    pub revision: String,
}

/// A file that somebody else changed in the same place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ConflictingFile {
    /// Which.
    pub path: String,
    /// As it would be with the draft.
    pub ours: String,
    /// As it is.
    pub theirs: String,
}

/// A provider to ask: one of the configuration, or a draft of one (with masks where the page has them). With both,
/// `provider` is the draft's id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ProviderRequest {
    /// An id of `models.providers`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub provider: Option<String>,
    /// What would stand there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional, type = "unknown")]
    pub draft: Option<Value>,
}

/// What a test of a provider found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ProviderTest {
    /// Whether every step went well.
    pub ok: bool,
    /// The steps, up to the first that failed and made the next ones pointless.
    pub steps: Vec<TestStep>,
}

/// One step of a test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct TestStep {
    /// Which.
    pub name: TestStepName,
    /// Whether it went well.
    pub ok: bool,
    /// What was seen.
    pub detail: String,
    /// What to do.
    pub advice: Option<String>,
}

/// The steps of a test, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum TestStepName {
    /// The base URL, and its host's address.
    Address,
    /// A connection to it.
    Connect,
    /// The server's certificate, for https.
    Tls,
    /// An answer of something that could be a model server.
    Answer,
    /// Whether the key is taken.
    Key,
    /// Whether it speaks the API that the configuration says.
    Api,
    /// Whether it has the configured models.
    Models,
}

/// A model that a server offers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct FetchedModel {
    /// As requests name it.
    pub id: String,
    /// For people.
    pub name: String,
    /// The most it can hold, in tokens.
    #[ts(type = "number | null")]
    pub context_length: Option<u64>,
    /// What it is loaded with now, in tokens.
    #[ts(type = "number | null")]
    pub loaded_context: Option<u64>,
    /// The most it answers, in tokens.
    #[ts(type = "number | null")]
    pub max_tokens: Option<u64>,
    /// Whether it sees images.
    pub vision: Option<bool>,
    /// Whether it is trained to call tools.
    pub tools: Option<bool>,
    /// Whether it reasons before it answers.
    pub reasoning: Option<bool>,
    /// Whether it makes embeddings, and cannot chat.
    pub embedding: bool,
    /// Such as `4bit` or `Q4_K_M`.
    pub quantization: Option<String>,
    /// On the disk, in bytes.
    #[ts(type = "number | null")]
    pub size_bytes: Option<u64>,
    /// Whether it is in memory.
    pub loaded: Option<bool>,
    /// US$ per million tokens.
    pub cost: Option<FetchedCost>,
    /// Whether the configuration has a row for it.
    pub listed: bool,
}

/// US$ per million tokens, as rows of the configuration have it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct FetchedCost {
    /// Tokens of the prompt.
    pub input: f64,
    /// Tokens of the answer.
    pub output: f64,
    /// Tokens of the prompt that were read from a cache.
    pub cache_read: f64,
    /// Tokens of the prompt that were written to a cache.
    pub cache_write: f64,
}

/// Where a provider's key is to be kept from now on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct KeyRequest {
    /// The provider's id.
    pub provider: String,
    /// Where.
    pub place: KeyStand,
    /// The key; left out, the one there is is moved.
    #[serde(default)]
    #[ts(optional, type = "string")]
    pub value: Option<Entered>,
    /// The variable, where the place is the environment.
    #[serde(default)]
    #[ts(optional)]
    pub variable: Option<String>,
}

/// A key that is kept elsewhere from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct KeyKept {
    /// The configuration's revision.
    pub revision: String,
    /// What is worth knowing.
    pub notes: Vec<String>,
}

/// A key as a person entered it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entered(pub Secret);

impl<'de> Deserialize<'de> for Entered {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Secret::new(text)))
    }
}

/// What is known of the models of a configuration beyond its files, for `pilotlight config check`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LiveFacts {
    /// The configuration's main file.
    pub path: String,
    /// The models that a runtime says something about.
    pub live: Vec<LiveFact>,
}

/// What a runtime says about a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LiveFact {
    /// The model.
    pub model: ModelRef,
    /// What.
    #[serde(flatten)]
    pub facts: LiveModel,
}
