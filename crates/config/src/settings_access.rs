//! The settings' `access`: further names and pages that may call, and named tokens with limits of their own. No I/O.

use indexmap::IndexMap;

use crate::settings_read::Reader;
use crate::tree::At;

pub(crate) const ACCESS_KEYS: &[&str] = &["hosts", "origins", "tokens", "maxRequests"];
pub(crate) const TOKEN_KEYS: &[&str] = &["sha256", "localOnly", "models", "perMinute"];

/// Who may call, besides who shows the one token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessSettings {
    /// Further names that a request's `Host` may have, such as `studio.local`, in lower case and without a port.
    pub hosts: Vec<String>,
    /// Web origins whose pages may call, such as `http://localhost:3000`. Default: none but our own.
    pub origins: Vec<String>,
    /// Tokens with limits, by name.
    pub tokens: IndexMap<String, TokenLimits>,
    /// How many requests are served at once; more wait their turn. Default 256.
    pub max_requests: usize,
}

impl Default for AccessSettings {
    fn default() -> Self {
        Self { hosts: Vec::new(), origins: Vec::new(), tokens: IndexMap::new(), max_requests: 256 }
    }
}

/// What the bearer of a named token may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenLimits {
    /// SHA-256 of the token, as 64 hexadecimal digits: the token itself stands nowhere.
    pub sha256: String,
    /// Its requests go to local models only.
    pub local_only: bool,
    /// The only models it may ask for: names, aliases or refs, where `*` stands for any run of characters. None: any.
    pub models: Option<Vec<String>>,
    /// The most requests in a minute. None: any number.
    pub per_minute: Option<u32>,
}

impl Reader<'_> {
    pub(super) fn access(&mut self, root: &At<'_>) -> AccessSettings {
        let mut access = AccessSettings::default();
        let Some(at) = self.object(root, "access", ACCESS_KEYS) else { return access };
        access.hosts = at.get("hosts").map(|at| self.hosts(&at)).unwrap_or_default();
        access.origins = at.get("origins").map(|at| self.origins(&at)).unwrap_or_default();
        if let Some(at) = at.get("maxRequests")
            && let Some(count) = self.positive(&at)
        {
            access.max_requests = usize::try_from(count).unwrap_or(usize::MAX);
        }
        if let Some(tokens) = at.get("tokens") {
            for (name, at) in self.report.members(&tokens) {
                if let Some(limits) = self.token_limits(&at) {
                    access.tokens.insert(name.to_owned(), limits);
                }
            }
        }
        access
    }

    fn hosts(&mut self, at: &At<'_>) -> Vec<String> {
        let mut hosts = Vec::new();
        for (at, written) in self.strings(at) {
            let host = written.trim().trim_end_matches('.').to_ascii_lowercase();
            let named =
                !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
            if named && host.parse::<std::net::IpAddr>().is_err() {
                hosts.push(host);
            } else {
                let message =
                    format!("{written:?} is no host name: write it without scheme and port, such as \"studio.local\"");
                self.report.error("bad-host", &at, message);
            }
        }
        hosts
    }

    fn origins(&mut self, at: &At<'_>) -> Vec<String> {
        let mut origins = Vec::new();
        for (at, written) in self.strings(at) {
            let origin = written.trim().trim_end_matches('/').to_ascii_lowercase();
            let rest = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
            if rest.is_some_and(|host| !host.is_empty() && !host.contains(['/', '?', '#', '@', '*', ' '])) {
                origins.push(origin);
            } else {
                let message = format!("{written:?} is no web origin: write it like \"http://localhost:3000\"");
                self.report.error("bad-origin", &at, message);
            }
        }
        origins
    }

    /// A token's limits. What is wrong in them is an error, and then the token is not known at all: a limit that is
    /// misread must not let anything through.
    fn token_limits(&mut self, at: &At<'_>) -> Option<TokenLimits> {
        let before = self.errors();
        self.keys(at, TOKEN_KEYS);
        let mut limits = TokenLimits::default();
        match at.get("sha256").and_then(|at| Some((self.report.string(&at)?.trim().to_ascii_lowercase(), at))) {
            Some((hash, _)) if hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                limits.sha256 = hash;
            }
            Some((_, at)) => self.report.error("bad-hash", &at, "sha256 must be 64 hexadecimal digits".to_owned()),
            None => {
                let message = "a named token needs its sha256: `pilotlight token add NAME` makes one".to_owned();
                self.report.error("missing-key", at, message);
            }
        }
        if let Some(at) = at.get("localOnly") {
            limits.local_only = self.report.boolean(&at).unwrap_or(true);
        }
        if let Some(at) = at.get("models") {
            limits.models = Some(self.strings(&at).into_iter().map(|(_, pattern)| pattern.trim().to_owned()).collect());
        }
        if let Some(at) = at.get("perMinute") {
            limits.per_minute = self.positive(&at).map(|count| u32::try_from(count).unwrap_or(u32::MAX));
        }
        (self.errors() == before).then_some(limits)
    }

    fn strings<'a>(&mut self, at: &At<'a>) -> Vec<(At<'a>, &'a str)> {
        let items = self.report.items(at);
        items.into_iter().filter_map(|at| self.report.string(&at).map(|text| (at, text))).collect()
    }

    pub(crate) fn positive(&mut self, at: &At<'_>) -> Option<u64> {
        let count = self.report.count(at)?;
        if count == 0 {
            self.report.error("unknown-value", at, "write a number above 0, or leave it out".to_owned());
            return None;
        }
        Some(count)
    }
}
