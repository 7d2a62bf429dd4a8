//! What OpenClaw asks of single texts: ids, names, paths, URLs. Pure functions.
//!
//! Sources: `src/secrets/ref-contract.ts`, `src/infra/exec-safety.ts`, `src/config/model-policy-ref.ts`,
//! `packages/normalization-core/src/agent-id.ts` and the schemas, all as bundled in the npm package `openclaw@2026.9.6`.

use std::net::IpAddr;

use url::{Host, Url};

/// The ids under which September knows a provider without being told its address.
///
/// Source: `src/config/model-provider-overlay-ids.ts`.
const KNOWN_PROVIDERS: &[&str] = &[
    "amazon-bedrock",
    "amazon-bedrock-mantle",
    "anthropic",
    "anthropic-vertex",
    "arcee",
    "azure-openai-responses",
    "byteplus",
    "byteplus-plan",
    "cerebras",
    "chutes",
    "claude-cli",
    "clawrouter",
    "cloudflare-ai-gateway",
    "codex",
    "comfy",
    "copilot-proxy",
    "dashscope",
    "deepinfra",
    "deepseek",
    "fal",
    "fireworks",
    "github-copilot",
    "gmi",
    "gmi-cloud",
    "gmicloud",
    "google",
    "google-antigravity",
    "google-gemini-cli",
    "google-vertex",
    "groq",
    "huggingface",
    "kilocode",
    "kimi",
    "kimi-coding",
    "litellm",
    "lmstudio",
    "meta",
    "microsoft-foundry",
    "minimax",
    "minimax-portal",
    "mistral",
    "modelstudio",
    "moonshot",
    "moonshot-ai",
    "moonshotai",
    "nvidia",
    "novita",
    "novita-ai",
    "novitaai",
    "ollama",
    "ollama-cloud",
    "openai",
    "opencode",
    "opencode-go",
    "openrouter",
    "qianfan",
    "qwen",
    "qwen-token-plan",
    "qwencloud",
    "sglang",
    "stepfun",
    "stepfun-plan",
    "synthetic",
    "tencent-tokenhub",
    "tencent-tokenplan",
    "together",
    "venice",
    "vercel-ai-gateway",
    "vllm",
    "volcengine",
    "volcengine-plan",
    "vydra",
    "x-ai",
    "xai",
    "xiaomi",
    "xiaomi-token-plan",
    "z.ai",
    "z-ai",
    "zai",
];

/// Whether September knows this provider, so that its entry may leave out `baseUrl` and `models`.
pub(super) fn is_known_provider(id: &str) -> bool {
    KNOWN_PROVIDERS.contains(&id.trim().to_lowercase().as_str())
}

/// `[A-Z][A-Z0-9_]*`, at most 128 characters.
pub(super) fn is_variable(text: &str) -> bool {
    text.len() <= 128
        && text.starts_with(|c: char| c.is_ascii_uppercase())
        && text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

/// `[a-z][a-z0-9_-]*`, at most 64 characters.
pub(super) fn is_secret_provider(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-'))
}

/// An absolute JSON pointer, or `value`.
pub(super) fn is_file_id(text: &str) -> bool {
    // In a pointer, ~ is written ~0 and / within a name ~1.
    let escapes = |rest: &str| rest.split('~').skip(1).all(|after| after.starts_with(['0', '1']));
    text == "value" || (text.starts_with('/') && escapes(text))
}

/// What a command is asked for: `[A-Za-z0-9][A-Za-z0-9._:/#-]*`, at most 256 characters, without `.` and `..` as a part.
pub(super) fn is_exec_id(text: &str) -> bool {
    text.len() <= 256
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | ':' | '/' | '#' | '-'))
        && text.split('/').all(|part| !matches!(part, "." | ".."))
}

/// A path that is absolute on Unix or on Windows.
pub(super) fn is_absolute_path(text: &str) -> bool {
    let bytes = text.as_bytes();
    let drive =
        bytes.len() > 2 && bytes[0].is_ascii_alphabetic() && bytes[1] == b':' && matches!(bytes[2], b'/' | b'\\');
    let share = text.strip_prefix(r"\\").is_some_and(|rest| {
        let mut parts = rest.splitn(2, '\\');
        parts.next().is_some_and(|host| !host.is_empty()) && parts.next().is_some_and(|share| !share.is_empty())
    });
    text.starts_with('/') || drive || share
}

/// An absolute path that a shell would read as one word.
pub(super) fn is_executable(text: &str) -> bool {
    let forbidden = |c: char| matches!(c, ';' | '&' | '|' | '`' | '$' | '<' | '>' | '\r' | '\n' | '"' | '\'' | '\0');
    is_absolute_path(text) && !text.contains(forbidden)
}

/// A host's name or an address, with no port, scheme, path or wildcard.
pub(super) fn is_host(text: &str) -> bool {
    let name = text.trim().trim_end_matches('.');
    let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    if bare.parse::<IpAddr>().is_ok() {
        return true;
    }
    let Ok(Host::Domain(ascii)) = Host::parse(bare) else { return false };
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    ascii.len() <= 253 && ascii.split('.').all(label)
}

/// `https`, or `http` on this machine.
pub(super) fn is_catalog_url(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| match url.scheme() {
        "https" => true,
        "http" => matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]")),
        _ => false,
    })
}

/// `provider/model`, as the first `/` splits it.
fn split_ref(text: &str) -> Option<(&str, &str)> {
    let (provider, model) = text.trim().split_once('/')?;
    let (provider, model) = (provider.trim(), model.trim());
    (!provider.is_empty() && !model.is_empty()).then_some((provider, model))
}

/// A ref of one model, not of several.
pub(super) fn is_exact_ref(text: &str) -> bool {
    !text.contains('*') && split_ref(text).is_some()
}

/// A ref, or nothing at all.
pub(super) fn is_decision_model(text: &str) -> bool {
    let text = text.trim();
    text.encode_utf16().count() <= 512 && (text.is_empty() || split_ref(text).is_some())
}

/// An entry of `modelPolicy.allow`, where it is no alias: `provider/model`, or a prefix that ends in `/*`.
pub(super) fn is_policy_ref(text: &str) -> bool {
    let text = text.trim();
    let plain = |part: &str| {
        !part.is_empty() && !part.contains(|c: char| c == '*' || c.is_whitespace() || c.is_ascii_control())
    };
    let exact = split_ref(text).is_some_and(|(provider, model)| plain(provider) && model.split('/').all(plain));
    let prefix = text.strip_suffix('*').map(str::trim_end).and_then(|rest| rest.strip_suffix('/'));
    let prefix = prefix.is_some_and(|rest| rest.split('/').all(|part| plain(part.trim())));
    exact || prefix || matches!(text.to_lowercase().as_str(), "openrouter:auto" | "openrouter:free")
}

/// A key of `agents.entries`.
pub(super) fn is_agent_key(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
}

/// An id of `agents.list` that can become a key of `agents.entries` as it is.
pub(super) fn is_roster_id(text: &str) -> bool {
    is_agent_key(text) && !text.starts_with('_') && !text.contains(|c: char| c.is_ascii_uppercase())
}

/// An id in `pickerRuntimes`.
pub(super) fn is_picker_runtime(text: &str) -> bool {
    let text = text.trim();
    text.len() <= 128
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && !matches!(text, "auto" | "default")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn judged(rule: fn(&str) -> bool, good: &[&str], bad: &[&str]) {
        for text in good {
            assert!(rule(text), "{text:?} should pass");
        }
        for text in bad {
            assert!(!rule(text), "{text:?} should not pass");
        }
    }

    #[test]
    fn ids_of_secrets() {
        judged(is_variable, &["A", "OPENAI_API_KEY", "A1"], &["", "a", "_A", "1A", "A-B", &"A".repeat(129)]);
        judged(is_secret_provider, &["default", "a-b_1"], &["", "Default", "1a", "a b"]);
        judged(is_file_id, &["value", "/", "/a/b", "/a~0b~1"], &["", "a", "values", "/a~", "/a~2"]);
        judged(is_exec_id, &["vault/openai/key", "a#b", "0"], &["", "/a", "a b", "a/../b", "a/."]);
        judged(
            is_absolute_path,
            &["/a", r"C:\a", "c:/a", r"\\host\share"],
            &["", "a", "./a", "C:a", r"\\host", r"\\\a"],
        );
        judged(is_executable, &["/usr/bin/op", r"C:\op.exe"], &["op", "/bin/sh -c 'x'", "/a;b", "/a$b", "/a\nb"]);
        judged(
            is_host,
            &["api.openai.com", "[::1]", "10.0.0.1", "a.", "bücher.de"],
            &["", "*.a", "a:1", "http://a", "a/b", "-a", "a..b"],
        );
    }

    #[test]
    fn refs_and_ids_of_agents() {
        judged(
            is_policy_ref,
            &["a/b", "a/b/c", "a/*", "a/b/*", " a / b ", "openrouter:auto"],
            &["", "a", "*", "/*", "a/", "/b", "a/b*", "a b/c", "a/b c", "a//b"],
        );
        judged(is_exact_ref, &["a/b", "a/b/c"], &["a", "a/*", "a/"]);
        judged(is_decision_model, &["", " ", "a/b"], &["a", "/b", &format!("a/{}", "b".repeat(511))]);
        judged(is_agent_key, &["main", "_a", "A-1"], &["", "-a", "a b", &"a".repeat(65)]);
        judged(is_roster_id, &["main", "a_1"], &["", "_a", "Main", "a "]);
        judged(is_picker_runtime, &["codex", "a-1"], &["", "auto", "default", "A", "1a"]);
        judged(
            is_catalog_url,
            &["https://a/b", "http://localhost:1/x", "http://[::1]/"],
            &["", "a", "http://a", "ftp://a"],
        );
        judged(is_known_provider, &["lmstudio", " OpenAI "], &["", "studio"]);
    }
}
