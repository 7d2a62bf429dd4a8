//! From the text of the settings file to [`Settings`], with a diagnostic for every unknown key and wrong value. No I/O.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use indexmap::IndexMap;
use json5_edit::Document;
use pilotlight_wire::{Location, ModelRef, Secret};

use crate::diagnostic::{Diagnostic, Severity};
use crate::home::Environment;
use crate::near::distance;
use crate::settings::{
    Cold, KeepWarm, KeeperSettings, LedgerSettings, ModelSettings, Named, NotificationSettings, Privacy,
    ProviderSettings, QuietHours, Runtime, Settings, TokenSetting,
};
use crate::tree::{At, Data, Report, Source, Tree};
use crate::variables::Variables;

/// Reads the settings. What is wrong takes its default, except where that would open what was meant to be closed: a
/// mistake in `privacy`, or a text that cannot be read at all, means local only.
pub(crate) fn read_settings(path: &Path, text: &str, environment: &Environment) -> (Settings, Vec<Diagnostic>) {
    let document = match Document::parse(text) {
        Ok(document) => document,
        Err(error) => {
            return (closed(), vec![Diagnostic::syntax(path, error)]);
        }
    };
    let tree = Tree::of(0, document.root(), None);
    let sources = [Source::new(path.to_owned(), document)];
    let mut reader = Reader { report: Report::new(&sources), environment };
    let settings = reader.settings(&At::root(&tree));
    (settings, reader.report.diagnostics)
}

/// What holds when the file cannot be read at all and nothing is known of what it forbids.
pub(crate) fn closed() -> Settings {
    Settings { privacy: Privacy { local_only: true, regions: None }, ..Settings::default() }
}

/// The keys of the file, object by object. The published schema has the same ones, by a test.
pub(crate) const KEYS: &[&str] = &[
    "$schema",
    "listen",
    "token",
    "cold",
    "named",
    "map",
    "privacy",
    "access",
    "providers",
    "models",
    "keeper",
    "budgets",
    "notifications",
    "ledger",
];
pub(crate) const PRIVACY_KEYS: &[&str] = &["localOnly", "regions"];
pub(crate) const PROVIDER_KEYS: &[&str] = &["location", "region", "runtime"];
pub(crate) const MODEL_KEYS: &[&str] = &["keepWarm", "firstToken"];
pub(crate) const KEEPER_KEYS: &[&str] = &["poll", "maxModels", "maxMemory"];
pub(crate) const NOTIFICATION_KEYS: &[&str] =
    &["unloaded", "back", "hosted", "loadFailed", "configuration", "keyRefused", "cut", "problems", "quiet"];
pub(crate) const QUIET_KEYS: &[&str] = &["from", "to"];
pub(crate) const LEDGER_KEYS: &[&str] = &["keepDays"];

pub(crate) struct Reader<'s> {
    pub(crate) report: Report<'s>,
    environment: &'s Environment,
}

impl Reader<'_> {
    fn settings(&mut self, root: &At<'_>) -> Settings {
        let default = Settings::default();
        if !matches!(root.tree.data, Data::Object(_)) {
            self.report.wrong_type(root, "an object");
            return closed();
        }
        // A misspelt `privacy` may forbid what its default allows.
        let privacy_unclear = root.member("privacy").is_none()
            && self.report.members(root).iter().any(|(key, _)| is_near("privacy", key));
        self.keys(root, KEYS);
        let listen = root.get("listen").and_then(|at| Some((self.address(&at)?, at)));
        let token = root.member("token").map(|at| self.token(&at)).unwrap_or(TokenSetting::Made);
        let mut settings = Settings {
            listen: listen.as_ref().map_or(default.listen, |(address, _)| *address),
            token,
            cold: self.choice(root, "cold", &[("bridge", Cold::Bridge), ("wait", Cold::Wait)]),
            named: self.choice(root, "named", &[("strict", Named::Strict), ("failover", Named::Failover)]),
            map: self.map(root),
            privacy: if privacy_unclear { closed().privacy } else { self.privacy(root) },
            access: self.access(root),
            providers: self.providers(root),
            models: self.models(root),
            keeper: self.keeper(root),
            notifications: self.notifications(root),
            ledger: self.ledger(root),
        };
        self.later(root, "budgets", "budgets");
        if let Some((address, at)) = listen
            && settings.token == TokenSetting::None
            && !address.ip().is_loopback()
        {
            let message = format!(
                "{address} can be reached from other machines, so a token must be asked for: remove token: null, or listen \
                 on 127.0.0.1"
            );
            self.report.error("open-listener", &at, message);
            settings.listen = default.listen;
        }
        settings
    }

    /// Unknown keys, with the known one that was likely meant.
    pub(crate) fn keys(&mut self, at: &At<'_>, known: &[&str]) {
        for (key, member) in self.report.members(at) {
            if known.contains(&key) {
                continue;
            }
            let meant = known.iter().find(|name| is_near(name, key));
            let hint = meant
                .map_or_else(|| format!("known here: {}", known.join(", ")), |name| format!("did you mean {name}?"));
            self.report.at_key(Severity::Error, "unknown-key", &member, format!("there is no setting {key}: {hint}"));
        }
    }

    /// An object that may be left out, with its keys checked.
    pub(crate) fn object<'a>(&mut self, root: &At<'a>, key: &str, known: &[&str]) -> Option<At<'a>> {
        let at = root.get(key)?;
        self.keys(&at, known);
        matches!(at.tree.data, Data::Object(_)).then_some(at)
    }

    /// A key that a later version will obey; said, rather than taken in silence, when it is used.
    fn later(&mut self, root: &At<'_>, key: &str, what: &str) {
        let Some(at) = root.get(key) else { return };
        if !matches!(&at.tree.data, Data::Object(members) if members.is_empty()) {
            self.report.warning("not-yet", &at, format!("{what} are not obeyed by this version yet"));
        }
    }

    fn choice<T: Clone + Default>(&mut self, root: &At<'_>, key: &str, values: &[(&str, T)]) -> T {
        let Some(at) = root.get(key) else { return T::default() };
        let Some(written) = self.report.string(&at) else { return T::default() };
        if let Some((_, value)) = values.iter().find(|(name, _)| *name == written) {
            return value.clone();
        }
        let names: Vec<String> = values.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        self.report.error("unknown-value", &at, format!("{written:?} is none of {}", names.join(", ")));
        T::default()
    }

    fn address(&mut self, at: &At<'_>) -> Option<SocketAddr> {
        let written = self.report.string(at)?.trim();
        let port = |port: &str| port.parse::<u16>().ok();
        let local = written.strip_prefix("localhost:").and_then(port);
        if let Some(port) = local {
            return Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        }
        if let Ok(address) = written.parse() {
            return Some(address);
        }
        self.report.error("bad-address", at, format!("{written:?} is no address and port: write \"127.0.0.1:11235\""));
        None
    }

    /// The token; where it is wrong, one is made and asked for.
    fn token(&mut self, at: &At<'_>) -> TokenSetting {
        if at.is_null() {
            return TokenSetting::None;
        }
        let none = std::collections::BTreeMap::new();
        let variables = Variables { environment: self.environment, dotenv: &none, block: &none };
        if matches!(at.tree.data, Data::Object(_)) {
            self.keys(at, &["source", "provider", "id"]);
            let part = |key: &str| at.get(key).and_then(|at| at.as_str()).unwrap_or_default();
            let (source, variable) = (part("source"), part("id"));
            return match (source, variables.get(variable)) {
                ("env", Some(value)) => TokenSetting::Env { variable: variable.to_owned(), value: Secret::new(value) },
                ("env", None) => self.unset(at, variable),
                _ => {
                    let message = "a token can be taken from {source: \"env\", id: \"VARIABLE\"} only, or be a string";
                    self.report.error("unknown-value", at, message);
                    TokenSetting::Made
                }
            };
        }
        let Some(written) = self.report.string(at) else { return TokenSetting::Made };
        let done = variables.substitute(written);
        if let Some(variable) = done.unset.first() {
            return self.unset(at, variable);
        }
        let token = done.text.trim();
        if token.is_empty() || !token.chars().all(|c| c.is_ascii_graphic()) {
            let message = "a token is of letters, digits and signs, without spaces: write null to ask for none";
            self.report.error("unknown-value", at, message);
            return TokenSetting::Made;
        }
        let value = Secret::new(token);
        match done.used.into_iter().next() {
            Some(variable) => TokenSetting::Env { variable, value },
            None => TokenSetting::Literal(value),
        }
    }

    fn unset(&mut self, at: &At<'_>, variable: &str) -> TokenSetting {
        let message = format!("the variable {variable} is not set: set it where Pilot Light is started");
        self.report.error("variable-unset", at, message);
        TokenSetting::Made
    }

    fn map(&mut self, root: &At<'_>) -> IndexMap<String, String> {
        let Some(at) = root.get("map") else { return IndexMap::new() };
        let members = self.report.members(&at);
        members
            .into_iter()
            .filter_map(|(pattern, target)| {
                let target = self.report.string(&target)?.trim();
                Some((pattern.to_owned(), target.to_owned()))
            })
            .collect()
    }

    /// How many errors were found so far.
    pub(crate) fn errors(&self) -> usize {
        self.report.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count()
    }

    fn privacy(&mut self, root: &At<'_>) -> Privacy {
        let before = self.errors();
        let mut privacy = Privacy::default();
        if let Some(at) = self.object(root, "privacy", PRIVACY_KEYS) {
            if let Some(at) = at.get("localOnly") {
                privacy.local_only = self.report.boolean(&at).unwrap_or_default();
            }
            if let Some(at) = at.get("regions") {
                let items = self.report.items(&at);
                let regions = items.iter().filter_map(|item| self.report.string(item));
                privacy.regions = Some(regions.map(|region| region.trim().to_lowercase()).collect());
            }
        }
        if self.errors() > before {
            privacy.local_only = true;
        }
        privacy
    }

    fn providers(&mut self, root: &At<'_>) -> IndexMap<String, ProviderSettings> {
        let Some(at) = root.get("providers") else { return IndexMap::new() };
        let mut providers = IndexMap::new();
        for (id, at) in self.report.members(&at) {
            self.keys(&at, PROVIDER_KEYS);
            let places = [("local", Some(Location::Local)), ("hosted", Some(Location::Hosted))];
            let runtimes = [
                ("lmstudio", Some(Runtime::LmStudio)),
                ("ollama", Some(Runtime::Ollama)),
                ("llama-server", Some(Runtime::LlamaServer)),
                ("vllm", Some(Runtime::Vllm)),
                ("litellm", Some(Runtime::LiteLlm)),
                ("openai-compatible", Some(Runtime::OpenaiCompatible)),
            ];
            let settings = ProviderSettings {
                location: self.choice(&at, "location", &places),
                region: at
                    .get("region")
                    .and_then(|at| self.report.string(&at))
                    .map(|region| region.trim().to_lowercase()),
                runtime: self.choice(&at, "runtime", &runtimes),
            };
            providers.insert(id.trim().to_lowercase(), settings);
        }
        providers
    }

    fn models(&mut self, root: &At<'_>) -> IndexMap<ModelRef, ModelSettings> {
        let Some(at) = root.get("models") else { return IndexMap::new() };
        let mut models = IndexMap::new();
        for (name, at) in self.report.members(&at) {
            let Ok(model) = name.parse::<ModelRef>() else {
                let message = format!("{name:?} is no model ref: write provider/model");
                self.report.at_key(Severity::Error, "bad-ref", &at, message);
                continue;
            };
            self.keys(&at, MODEL_KEYS);
            let keep_warm = match at.get("keepWarm") {
                Some(at) if matches!(at.tree.data, Data::Object(_) | Data::Array(_)) => {
                    KeepWarm::Schedule(self.schedule(&at))
                }
                _ => {
                    let values = [("always", KeepWarm::Always), ("chain", KeepWarm::Chain), ("never", KeepWarm::Never)];
                    self.choice(&at, "keepWarm", &values)
                }
            };
            let first_token = at.get("firstToken").and_then(|at| self.duration(&at));
            models.insert(model, ModelSettings { keep_warm, first_token });
        }
        models
    }

    fn keeper(&mut self, root: &At<'_>) -> KeeperSettings {
        let mut keeper = KeeperSettings::default();
        if let Some(at) = self.object(root, "keeper", KEEPER_KEYS) {
            if let Some(at) = at.get("poll")
                && let Some(poll) = self.duration(&at)
            {
                if poll < Duration::from_millis(100) {
                    self.report.error(
                        "unknown-value",
                        &at,
                        "less than 100ms would keep the runtime busy: write \"5s\"",
                    );
                } else {
                    keeper.poll = poll;
                }
            }
            if let Some(at) = at.get("maxModels")
                && let Some(count) = self.positive(&at)
            {
                keeper.max_models = Some(u32::try_from(count).unwrap_or(u32::MAX));
            }
            keeper.max_memory = at.get("maxMemory").and_then(|at| self.size(&at));
        }
        keeper
    }

    fn notifications(&mut self, root: &At<'_>) -> NotificationSettings {
        let default = NotificationSettings::default();
        let Some(at) = self.object(root, "notifications", NOTIFICATION_KEYS) else { return default };
        let mut shown = |key: &str, or: bool| at.get(key).and_then(|at| self.report.boolean(&at)).unwrap_or(or);
        // One key for all that went wrong, from before each had its own: it holds for those that are not said.
        let problems = shown("problems", true);
        NotificationSettings {
            unloaded: shown("unloaded", true),
            back: shown("back", true),
            hosted: shown("hosted", true),
            load_failed: shown("loadFailed", problems),
            configuration: shown("configuration", problems),
            key_refused: shown("keyRefused", problems),
            cut: shown("cut", problems),
            quiet: at.get("quiet").and_then(|at| self.quiet_hours(&at)),
        }
    }

    /// `{ from: "22:00", to: "07:00" }`
    fn quiet_hours(&mut self, at: &At<'_>) -> Option<QuietHours> {
        self.keys(at, QUIET_KEYS);
        let mut time = |key: &str| {
            let Some(at) = at.get(key) else {
                self.report.error(
                    "missing-key",
                    at,
                    format!("quiet hours need {key}: {{ from: \"22:00\", to: \"07:00\" }}"),
                );
                return None;
            };
            let written = self.report.string(&at)?.trim();
            let read = parse_time_of_day(written);
            if read.is_none() {
                self.report.error("bad-time", &at, format!("{written:?} is no time of day: write it like \"22:00\""));
            }
            read
        };
        let (from, to) = (time("from"), time("to"));
        let (from, to) = (from?, to?);
        if from == to {
            // Nobody means to be told nothing ever by this.
            let message =
                "from and to are the same: switch off the kinds of notifications instead, to have none at all";
            self.report.error("bad-time", at, message);
            return None;
        }
        Some(QuietHours { from, to })
    }

    fn ledger(&mut self, root: &At<'_>) -> LedgerSettings {
        let default = LedgerSettings::default();
        let days = self.object(root, "ledger", LEDGER_KEYS).and_then(|at| at.get("keepDays"));
        let days = days.and_then(|at| self.report.count(&at)).and_then(|days| u32::try_from(days).ok());
        LedgerSettings { keep_days: days.unwrap_or(default.keep_days) }
    }

    /// `48GB`, `512 MB`, `44.7GiB`, in bytes. Above zero.
    fn size(&mut self, at: &At<'_>) -> Option<u64> {
        let written = self.report.string(at)?.trim();
        let read = parse_size(written);
        if read.is_none() {
            let message = format!("{written:?} is no amount of memory: write it like \"48GB\" or \"512MB\"");
            self.report.error("bad-size", at, message);
        }
        read
    }

    /// `500ms`, `5s`, `2m`, `1h`. Above zero.
    fn duration(&mut self, at: &At<'_>) -> Option<Duration> {
        let written = self.report.string(at)?.trim();
        let read = parse_duration(written);
        if read.is_none() {
            let message =
                format!("{written:?} is no length of time: write it like \"500ms\", \"5s\", \"2m\" or \"1h\"");
            self.report.error("bad-duration", at, message);
        }
        read
    }
}

/// `22:00`, in minutes since midnight.
fn parse_time_of_day(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |text: &str| {
        let digits = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        if digits { text.parse::<u16>().ok() } else { None }
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
}

fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len();
    let (number, unit) = text.split_at(digits);
    let milliseconds = match unit.trim() {
        "ms" => 1.0,
        "s" => 1e3,
        "m" | "min" => 60e3,
        "h" => 3600e3,
        _ => return None,
    };
    let length = Duration::try_from_secs_f64(number.parse::<f64>().ok()? * milliseconds / 1e3).ok()?;
    // A year is longer than anything that is meant.
    (length > Duration::ZERO && length < Duration::from_secs(365 * 86400)).then_some(length)
}

fn parse_size(text: &str) -> Option<u64> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len();
    let (number, unit) = text.split_at(digits);
    let unit = match unit.trim().to_ascii_lowercase().as_str() {
        "mb" => 1e6,
        "gb" => 1e9,
        "tb" => 1e12,
        "mib" => 1_048_576.0,
        "gib" => 1_073_741_824.0,
        "tib" => 1_099_511_627_776.0,
        _ => return None,
    };
    let bytes = number.parse::<f64>().ok()? * unit;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is within these bounds")]
    (1.0..1e18).contains(&bytes).then_some(bytes as u64)
}

/// Whether two names differ, their case apart, by no more than one letter that is added, left out, changed, or exchanged
/// with the next.
fn is_near(a: &str, b: &str) -> bool {
    distance(a, b, 1).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_day() {
        let table = [
            ("22:00", Some(1320)),
            ("7:05", Some(425)),
            ("24:00", None),
            ("7", None),
            ("07:60", None),
            ("+7:00", None),
        ];
        for (text, expected) in table {
            assert_eq!(parse_time_of_day(text), expected, "{text}");
        }
        let night = QuietHours { from: 1320, to: 420 };
        assert_eq!([1319, 1320, 0, 419, 420].map(|minute| night.hold(minute)), [false, true, true, true, false]);
        let noon = QuietHours { from: 720, to: 780 };
        assert_eq!([719, 720, 779, 780].map(|minute| noon.hold(minute)), [false, true, true, false]);
    }

    #[test]
    fn amounts_of_memory() {
        let gib = 1_073_741_824;
        for (text, expected) in [
            ("48GB", Some(48_000_000_000)),
            ("1.5 gib", Some(gib + gib / 2)),
            ("512MB", Some(512_000_000)),
            ("0GB", None),
            ("48", None),
            ("GB", None),
            ("-1GB", None),
            ("9999999TB", None),
        ] {
            assert_eq!(parse_size(text), expected, "{text}");
        }
    }

    #[test]
    fn lengths_of_time() {
        for (text, expected) in [
            ("500ms", Some(500)),
            ("5s", Some(5000)),
            ("1.5 s", Some(1500)),
            ("2m", Some(120_000)),
            ("1h", Some(3_600_000)),
            ("0s", None),
            ("5", None),
            ("s", None),
            ("-1s", None),
            ("1e9h", None),
            ("99999999h", None),
            ("1.2.3s", None),
        ] {
            assert_eq!(parse_duration(text), expected.map(Duration::from_millis), "{text}");
        }
    }
}
