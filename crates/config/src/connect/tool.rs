//! The tools that can be connected: where each keeps its settings, and which of them lead to us. Looks at the file
//! system only to see which of several places exists.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::format::{Format, Keys, at};
use crate::home::Environment;
use crate::model::OWN_PROVIDER;

/// A client that can be connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tool {
    /// OpenClaw.
    OpenClaw,
    /// OpenAI's Codex, its command line and its editors' extension alike.
    Codex,
    /// Anthropic's Claude Code.
    ClaudeCode,
    /// opencode.
    Opencode,
}

impl Tool {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::OpenClaw, Self::Codex, Self::ClaudeCode, Self::Opencode];

    /// Its name on the command line.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::OpenClaw => "openclaw",
            Self::Codex => "codex",
            Self::ClaudeCode => "claude-code",
            Self::Opencode => "opencode",
        }
    }

    /// Its name for people.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::OpenClaw => "OpenClaw",
            Self::Codex => "Codex",
            Self::ClaudeCode => "Claude Code",
            Self::Opencode => "opencode",
        }
    }

    /// The path below our address at which it asks for an answer.
    #[must_use]
    pub fn asks_at(self) -> &'static str {
        match self {
            Self::OpenClaw | Self::Codex => "/v1/responses",
            Self::ClaudeCode => "/v1/messages",
            Self::Opencode => "/v1/chat/completions",
        }
    }

    /// The one of this name.
    #[must_use]
    pub fn named(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tool| tool.id() == id)
    }

    /// The program's name in `PATH`.
    fn program(self) -> &'static str {
        match self {
            Self::ClaudeCode => "claude",
            other => other.id(),
        }
    }

    /// Whether it is on this machine, as far as that can be seen: its program, or a file or folder of its own.
    pub(super) fn is_found(self, file: &Path, environment: &Environment) -> bool {
        let folders = environment.var("PATH").map(std::env::split_paths).into_iter().flatten();
        let names = [self.program().to_owned(), format!("{}.exe", self.program()), format!("{}.cmd", self.program())];
        file.exists()
            || file.parent().is_some_and(Path::is_dir)
            || folders.into_iter().any(|folder| names.iter().any(|name| folder.join(name).is_file()))
    }
}

/// How a tool other than OpenClaw is connected: a file, and values in it.
pub(super) struct Wish {
    pub file: PathBuf,
    pub format: Format,
    /// What is to stand there.
    pub values: Vec<(Keys, Value)>,
    /// Those of them that decide where its requests go.
    pub routing: Vec<Keys>,
    /// Whether the file itself holds the token.
    pub holds_token: bool,
}

fn keys(keys: &[&str]) -> Keys {
    keys.iter().map(|key| (*key).to_owned()).collect()
}

/// What connects a tool. `base` is our address without a path, `token` what it is to show, `token_file` where that is
/// kept. None for OpenClaw, which is another matter.
pub(super) fn wish(tool: Tool, environment: &Environment, base: &str, token: &str, token_file: &Path) -> Option<Wish> {
    match tool {
        Tool::OpenClaw => None,
        Tool::Codex => Some(codex(environment, base, token)),
        Tool::ClaudeCode => Some(claude_code(environment, base, token)),
        Tool::Opencode => Some(opencode(environment, base, token_file)),
    }
}

/// Source: OpenAI's pages "Config basics" and "Advanced configuration" of Codex, and codex 0.169 itself. It speaks the
/// Responses API alone.
fn codex(environment: &Environment, base: &str, token: &str) -> Wish {
    let folder = environment.var("CODEX_HOME").map(|path| environment.path(path));
    let provider = |key: &str| keys(&["model_providers", OWN_PROVIDER, key]);
    Wish {
        file: folder.unwrap_or_else(|| environment.user_home.join(".codex")).join("config.toml"),
        format: Format::Toml,
        values: vec![
            (keys(&["model"]), json!("primary")),
            (keys(&["model_provider"]), json!(OWN_PROVIDER)),
            (provider("name"), json!("Pilot Light")),
            (provider("base_url"), json!(format!("{base}/v1"))),
            (provider("wire_api"), json!("responses")),
            (provider("experimental_bearer_token"), json!(token)),
        ],
        routing: vec![keys(&["model_provider"]), provider("base_url")],
        holds_token: true,
    }
}

/// Source: Anthropic's pages "LLM gateway configuration", "Model configuration" and "Settings" of Claude Code, and
/// claude-code 2.1.330 itself. It appends `/v1/messages`.
fn claude_code(environment: &Environment, base: &str, token: &str) -> Wish {
    let folder = environment.var("CLAUDE_CONFIG_DIR").map(|path| environment.path(path));
    let variable = |name: &str, value: &str| (keys(&["env", name]), Value::from(value));
    Wish {
        file: folder.unwrap_or_else(|| environment.user_home.join(".claude")).join("settings.json"),
        format: Format::Json,
        values: vec![
            variable("ANTHROPIC_BASE_URL", base),
            variable("ANTHROPIC_AUTH_TOKEN", token),
            // The model that is asked for, and those that its shorthands and its background work mean.
            variable("ANTHROPIC_MODEL", "primary"),
            variable("ANTHROPIC_DEFAULT_OPUS_MODEL", "primary"),
            variable("ANTHROPIC_DEFAULT_SONNET_MODEL", "primary"),
            variable("ANTHROPIC_DEFAULT_HAIKU_MODEL", "primary"),
        ],
        routing: vec![keys(&["env", "ANTHROPIC_BASE_URL"])],
        holds_token: true,
    }
}

/// Source: opencode's pages "Config" and "Providers", and opencode 1.18.33 itself. `{file:…}` stands for what is in a file,
/// so the token is not in this one.
fn opencode(environment: &Environment, base: &str, token_file: &Path) -> Wish {
    let provider = |below: &[&str]| keys(&[&["provider", OWN_PROVIDER], below].concat());
    Wish {
        file: opencode_file(environment),
        format: Format::Json,
        values: vec![
            (keys(&["model"]), json!(format!("{OWN_PROVIDER}/primary"))),
            (provider(&["npm"]), json!("@ai-sdk/openai-compatible")),
            (provider(&["name"]), json!("Pilot Light")),
            (provider(&["options", "baseURL"]), json!(format!("{base}/v1"))),
            (provider(&["options", "apiKey"]), json!(format!("{{file:{}}}", token_file.display()))),
            (provider(&["models", "primary", "name"]), json!("Primary")),
        ],
        routing: vec![keys(&["model"]), provider(&["options", "baseURL"])],
        holds_token: false,
    }
}

/// Of the files that it merges, the last one that exists.
fn opencode_file(environment: &Environment) -> PathBuf {
    if let Some(path) = environment.var("OPENCODE_CONFIG") {
        return environment.path(path);
    }
    let configuration = environment.var("XDG_CONFIG_HOME").map(|path| environment.path(path));
    let folder = configuration.unwrap_or_else(|| environment.user_home.join(".config")).join("opencode");
    let names = ["opencode.jsonc", "opencode.json", "config.json"];
    let existing = names.iter().map(|name| folder.join(name)).find(|path| path.exists());
    existing.unwrap_or_else(|| folder.join("opencode.json"))
}

/// What else in a tool's settings keeps requests from coming to us.
pub(super) fn in_the_way(tool: Tool, settings: &Value) -> Vec<String> {
    let mut notes = Vec::new();
    let text = |keys_: &[&str]| at(settings, &keys(keys_)).and_then(Value::as_str);
    match tool {
        Tool::Codex => {
            if let Some(profile) = text(&["profile"]) {
                let of = |key: &str| at(settings, &keys(&["profiles", profile, key])).is_some();
                if of("model") || of("model_provider") {
                    notes.push(format!(
                        "the profile {profile:?} is in use and has a model of its own: what it says wins"
                    ));
                }
            }
        }
        Tool::ClaudeCode => {
            for name in ["CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY"] {
                if text(&["env", name]).is_some_and(|value| !matches!(value.trim(), "" | "0" | "false")) {
                    notes.push(format!("{name} is set in env: with it, requests go elsewhere; take it out"));
                }
            }
        }
        Tool::Opencode => {
            let listed = |key: &str| {
                let list = settings.get(key)?.as_array()?;
                Some(list.iter().any(|item| item.as_str() == Some(OWN_PROVIDER)))
            };
            if listed("enabled_providers") == Some(false) {
                notes.push(format!("enabled_providers does not list {OWN_PROVIDER}: add it there"));
            }
            if listed("disabled_providers") == Some(true) {
                notes.push(format!("disabled_providers lists {OWN_PROVIDER}: take it out there"));
            }
        }
        Tool::OpenClaw => {}
    }
    notes
}
