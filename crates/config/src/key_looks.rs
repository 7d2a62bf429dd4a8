//! How keys look, and what stands where one is asked for and is none: one list for the rules, for what is shown in a
//! terminal, and for what a page is given. No I/O.

/// How the keys of well-known vendors begin.
///
/// Sources: each vendor's page on its keys.
pub const BEGINNINGS: [&str; 27] = [
    "sk-",
    "sk_",
    "pk-",
    "rk-",
    "pl-",
    "gsk_",
    "xai-",
    "AIza",
    "hf_",
    "ghp_",
    "gho_",
    "ghs_",
    "github_pat_",
    "glpat-",
    "pplx-",
    "nvapi-",
    "r8_",
    "eyJ",
    "AKIA",
    "ya29.",
    "csk-",
    "fw_",
    "tgp_",
    "xoxb-",
    "xoxp-",
    "xapp-",
    "xoxe-",
];

/// What people write where a server asks for a key and takes any, and the marker that OpenClaw itself puts there. In lower
/// case.
pub const PLACEHOLDERS: [&str; 28] = [
    "lmstudio",
    "lm-studio",
    "lm_studio",
    "ollama",
    "ollama-local",
    "custom-local",
    "llama.cpp",
    "llama-cpp",
    "llamacpp",
    "llama-server",
    "vllm",
    "vllm-local",
    "litellm",
    "local",
    "sk-local",
    "none",
    "no-key",
    "nokey",
    "not-needed",
    "not-required",
    "no-key-required",
    "empty",
    "dummy",
    "placeholder",
    "unused",
    "test",
    "secretref-managed",
    "n/a",
];

/// Headers that hold no secret, in lower case.
pub const PLAIN_HEADERS: [&str; 10] = [
    "http-referer",
    "referer",
    "x-title",
    "x-openrouter-title",
    "user-agent",
    "accept",
    "content-type",
    "anthropic-version",
    "anthropic-beta",
    "openai-beta",
];

/// Whether a key is only there because something has to be.
#[must_use]
pub fn is_placeholder(text: &str) -> bool {
    let text = text.trim().to_lowercase();
    let words = ["your", "example", "placeholder", "changeme", "no-key", "nokey", "not-needed", "dummy", "xxx", "..."];
    PLACEHOLDERS.contains(&text.as_str())
        || text.len() < 6
        || text.starts_with(['<', '‹'])
        || words.iter().any(|word| text.contains(word))
}

/// Whether a text begins as a vendor's keys do, and could be one.
#[must_use]
pub fn begins_like_a_key(text: &str) -> bool {
    text.len() >= 20
        && BEGINNINGS.iter().any(|beginning| text.starts_with(beginning))
        && !text.contains(char::is_whitespace)
        && !is_placeholder(text)
}

/// Whether a header of this name holds no secret.
#[must_use]
pub fn is_plain_header(name: &str) -> bool {
    PLAIN_HEADERS.contains(&name.to_lowercase().as_str())
}
