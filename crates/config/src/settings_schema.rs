//! The published schema of the settings file, for editors that complete and check by one. The types here are only its
//! shape; what is read is read by `settings_read`, and a test keeps the two alike.
#![allow(dead_code, reason = "the fields are there for their names, types and comments")]

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde_json::Value;

/// The JSON Schema of `settings.json5`.
#[must_use]
pub fn settings_schema() -> Value {
    schemars::schema_for!(SettingsFile).to_value()
}

/// Settings of Pilot Light. Every key has a default.
#[derive(JsonSchema)]
#[schemars(title = "Pilot Light settings", rename_all = "camelCase", deny_unknown_fields)]
struct SettingsFile {
    /// This schema.
    #[schemars(rename = "$schema", default)]
    schema: Option<String>,
    /// Address and port of the proxy. Default: 127.0.0.1:11235.
    #[schemars(default, example = "127.0.0.1:11235")]
    listen: Option<String>,
    /// What clients must show, as bearer or x-api-key. Left out: one is made at the first run. null: none is asked for, on
    /// loopback only.
    #[schemars(default)]
    token: Option<Token>,
    /// A request for a cold local model is answered by the next candidate while it loads (bridge, the default), or waits.
    #[schemars(default)]
    cold: Option<ColdName>,
    /// A request for a named model is for that model alone (strict, the default), or goes on along the chain (failover).
    #[schemars(default)]
    named: Option<NamedName>,
    /// What names mean that no model has: a pattern with *, and primary, an alias or a ref. The first that fits wins.
    #[schemars(default, example = serde_json::json!({ "claude-*": "primary" }))]
    map: BTreeMap<String, String>,
    /// Where requests may go.
    #[schemars(default)]
    privacy: Option<PrivacyFile>,
    /// Who may call, besides who shows the token.
    #[schemars(default)]
    access: Option<AccessFile>,
    /// What cannot be told from a provider's address, by provider id.
    #[schemars(default)]
    providers: BTreeMap<String, ProviderFile>,
    /// Policies, by model ref.
    #[schemars(default)]
    models: BTreeMap<String, ModelFile>,
    /// How local models are watched.
    #[schemars(default)]
    keeper: Option<KeeperFile>,
    /// Not obeyed by this version yet.
    #[schemars(default)]
    budgets: Option<BTreeMap<String, Value>>,
    /// Which notifications are shown. All are by default.
    #[schemars(default)]
    notifications: Option<NotificationsFile>,
    /// How long what was served is remembered.
    #[schemars(default)]
    ledger: Option<LedgerFile>,
}

/// A token, "${VARIABLE}", or a secret ref to a variable.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum Token {
    Text(String),
    Reference(SecretRef),
}

/// A secret that stands elsewhere.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct SecretRef {
    /// Where: the environment.
    source: SecretSource,
    /// Not used for variables.
    #[schemars(default)]
    provider: Option<String>,
    /// The variable.
    id: String,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum SecretSource {
    Env,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum ColdName {
    Bridge,
    Wait,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum NamedName {
    Strict,
    Failover,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
struct AccessFile {
    /// Further names that this machine is called by, such as ["studio.local"].
    #[schemars(default)]
    hosts: Vec<String>,
    /// Web origins whose pages may call, such as ["http://localhost:3000"]. Default: none.
    #[schemars(default)]
    origins: Vec<String>,
    /// Tokens with limits of their own, by name; `pilotlight token add NAME` makes one.
    #[schemars(default)]
    tokens: BTreeMap<String, NamedTokenFile>,
    /// How many requests are served at once; more wait their turn. Default: 256.
    #[schemars(default)]
    max_requests: Option<u64>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
struct NamedTokenFile {
    /// SHA-256 of the token, in hexadecimal digits.
    sha256: String,
    /// Its requests go to local models only.
    #[schemars(default)]
    local_only: Option<bool>,
    /// The only models it may ask for: names, aliases or refs, with * for any run of characters. Left out: any.
    #[schemars(default)]
    models: Option<Vec<String>>,
    /// The most requests in a minute. Left out: any number.
    #[schemars(default)]
    per_minute: Option<u32>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
struct PrivacyFile {
    /// No byte goes to a hosted model, whatever fails.
    #[schemars(default)]
    local_only: Option<bool>,
    /// The only regions that a hosted provider may be in, such as ["eu"]. null: any.
    #[schemars(default)]
    regions: Option<Vec<String>>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
struct ProviderFile {
    /// Whether it runs on hardware of yours. Default: told by its address.
    #[schemars(default)]
    location: Option<LocationName>,
    /// The region it is in.
    #[schemars(default)]
    region: Option<String>,
    /// What it is. Default: found by asking.
    #[schemars(default)]
    runtime: Option<RuntimeName>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum LocationName {
    Local,
    Hosted,
}

#[derive(JsonSchema)]
enum RuntimeName {
    #[schemars(rename = "lmstudio")]
    LmStudio,
    #[schemars(rename = "ollama")]
    Ollama,
    #[schemars(rename = "llama-server")]
    LlamaServer,
    #[schemars(rename = "vllm")]
    Vllm,
    #[schemars(rename = "litellm")]
    LiteLlm,
    #[schemars(rename = "openai-compatible")]
    OpenaiCompatible,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
struct ModelFile {
    /// Keep it loaded always, while it is the first local model of the chain (the default), never, or on some days at
    /// some hours.
    #[schemars(default)]
    keep_warm: Option<KeepWarmFile>,
    /// How long its first content may take once it is warm, such as "120s".
    #[schemars(default, example = "120s")]
    first_token: Option<Length>,
}

#[derive(JsonSchema)]
#[schemars(untagged)]
enum KeepWarmFile {
    Named(KeepWarmName),
    Window(WindowFile),
    Windows(Vec<WindowFile>),
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum KeepWarmName {
    Always,
    Chain,
    Never,
}

/// A window of time on some days of the week.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
struct WindowFile {
    /// The days on which it begins. Default: all of them.
    #[schemars(default)]
    days: Option<Vec<DayName>>,
    /// When it begins, such as "08:00".
    #[schemars(regex(pattern = r"^[0-9]{1,2}:[0-9]{2}$"))]
    from: String,
    /// When it ends, up to "24:00"; on the next day where that is not after from.
    #[schemars(regex(pattern = r"^[0-9]{1,2}:[0-9]{2}$"))]
    to: String,
    /// The time zone of both, such as "Europe/Berlin". Default: this machine's.
    #[schemars(default)]
    time_zone: Option<String>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum DayName {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
struct KeeperFile {
    /// How often a runtime is asked for its state. Default: 5s.
    #[schemars(default, example = "5s")]
    poll: Option<Length>,
    /// The most models in memory at once, per provider: the least recently used one goes first.
    #[schemars(default)]
    max_models: Option<u32>,
    /// The most memory that models may take at once, per provider, such as "48GB".
    #[schemars(default, regex(pattern = r"^[0-9]+(\.[0-9]+)? ?([MGT]i?B|[mgt]i?b)$"))]
    max_memory: Option<String>,
}

/// A length of time: a number and ms, s, m or h.
#[derive(JsonSchema)]
#[schemars(transparent)]
struct Length(#[schemars(regex(pattern = r"^[0-9]+(\.[0-9]+)? ?(ms|s|m|min|h)$"))] String);

#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
struct NotificationsFile {
    /// A local model was unloaded, or its runtime went away.
    #[schemars(default)]
    unloaded: Option<bool>,
    /// It is back.
    #[schemars(default)]
    back: Option<bool>,
    /// A hosted model is answering instead.
    #[schemars(default)]
    hosted: Option<bool>,
    /// A load failed, or was given up.
    #[schemars(default)]
    load_failed: Option<bool>,
    /// The configuration or the settings have a mistake, or are good again.
    #[schemars(default)]
    configuration: Option<bool>,
    /// A provider refuses its key, or no credit is left with it.
    #[schemars(default)]
    key_refused: Option<bool>,
    /// An answer broke off after content had been sent.
    #[schemars(default)]
    cut: Option<bool>,
    /// What the four before this have where they do not say.
    #[schemars(default)]
    problems: Option<bool>,
    /// Hours in which nothing is shown; what happens is kept to be read later.
    #[schemars(default)]
    quiet: Option<QuietFile>,
}

/// A part of every day, by local time; over midnight where `to` is not after `from`.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct QuietFile {
    /// Such as "22:00".
    #[schemars(regex(pattern = r"^[0-9]{1,2}:[0-9]{2}$"), example = "22:00")]
    from: String,
    /// Such as "07:00".
    #[schemars(regex(pattern = r"^[0-9]{1,2}:[0-9]{2}$"), example = "07:00")]
    to: String,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
struct LedgerFile {
    /// In days. Default: 90.
    #[schemars(default)]
    keep_days: Option<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings_read as read;

    #[test]
    fn the_committed_schema_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/settings.schema.json");
        let now = format!("{:#}\n", settings_schema());
        if std::env::var_os("UPDATE_SCHEMA").is_some() {
            std::fs::write(path, &now).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap();
        assert!(committed.replace("\r\n", "\n") == now, "run this test once with UPDATE_SCHEMA=1 and commit {path}");
    }

    #[test]
    fn schema_and_reader_know_the_same_keys() {
        let schema = settings_schema();
        for (name, known) in [
            (None, read::KEYS),
            (Some("PrivacyFile"), read::PRIVACY_KEYS),
            (Some("AccessFile"), crate::settings_access::ACCESS_KEYS),
            (Some("NamedTokenFile"), crate::settings_access::TOKEN_KEYS),
            (Some("ProviderFile"), read::PROVIDER_KEYS),
            (Some("ModelFile"), read::MODEL_KEYS),
            (Some("WindowFile"), crate::schedule::WINDOW_KEYS),
            (Some("KeeperFile"), read::KEEPER_KEYS),
            (Some("NotificationsFile"), read::NOTIFICATION_KEYS),
            (Some("QuietFile"), read::QUIET_KEYS),
            (Some("LedgerFile"), read::LEDGER_KEYS),
        ] {
            let object = name.map_or(&schema, |name| &schema["$defs"][name]);
            let mut keys: Vec<&str> = object["properties"].as_object().unwrap().keys().map(String::as_str).collect();
            let mut known = known.to_vec();
            keys.sort_unstable();
            known.sort_unstable();
            assert_eq!(keys, known, "{name:?}");
        }
    }
}
