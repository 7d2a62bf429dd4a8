//! What is wrong with a file: where, what, and what to do. No I/O; never holds a secret.

use std::fmt;
use std::path::{Path, PathBuf};

use json5_edit::{Edit, ParseError};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing; nothing has to be done.
    Info,
    /// Something will not work as written; the rest does.
    Warning,
    /// The file cannot be used as it is, so the last good one stays in force.
    Error,
}

impl Severity {
    /// `error`, `warning` or `info`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One thing that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// A stable name in kebab-case, such as `unknown-primary`.
    pub code: &'static str,
    /// The file it stands in: an included file is named itself.
    pub file: PathBuf,
    /// The key's path in the configuration as a whole, such as `agents.defaults.model.primary`; empty where there is
    /// none, as for a syntax error.
    pub path: String,
    /// Counted from 1, in that file.
    pub line: u32,
    /// In characters, counted from 1.
    pub column: u32,
    /// What, and what to do.
    pub message: String,
    /// What would mend it, where that is certain.
    pub fix: Option<Fix>,
}

/// What would mend something. It holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// What it does, as words on a button: `Write lmstudio/minimax-m2.1-gs32`.
    pub label: String,
    /// Its edits, by paths in the configuration as a whole.
    pub edits: Vec<Edit>,
}

impl Fix {
    /// A fix of one edit.
    #[must_use]
    pub fn one(label: impl Into<String>, edit: Edit) -> Self {
        Self { label: label.into(), edits: vec![edit] }
    }
}

impl Diagnostic {
    /// A text that cannot be read.
    #[must_use]
    pub fn syntax(file: &Path, error: ParseError) -> Self {
        let ParseError { line, column, message, .. } = error;
        let message = sentence(message);
        Self {
            severity: Severity::Error,
            code: "syntax",
            file: file.to_owned(),
            path: String::new(),
            line,
            column,
            message,
            fix: None,
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}[{}]", self.file.display(), self.line, self.column, self.severity, self.code)?;
        if !self.path.is_empty() {
            write!(f, " {}", self.path)?;
        }
        write!(f, ": {}", self.message)
    }
}

/// Whether one of them is an error.
#[must_use]
pub fn has_error(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
}

/// A message as a sentence: with a capital, where it begins with a word and not with a name, and with a full stop.
pub(crate) fn sentence(mut message: String) -> String {
    let first = message.split(char::is_whitespace).next().unwrap_or_default();
    if !first.is_empty() && first.chars().all(|c| c.is_ascii_lowercase()) {
        message[..1].make_ascii_uppercase();
    }
    if !message.ends_with(['.', '?', '!', '…']) {
        message.push('.');
    }
    message
}

#[cfg(test)]
mod tests {
    use super::sentence;

    #[test]
    fn a_message_is_a_sentence_and_a_name_stays_as_it_is_written() {
        for (said, expected) in [
            ("expected a string, found null", "Expected a string, found null."),
            ("a base URL names a host", "A base URL names a host."),
            ("studio/big is loaded. Did you mean it?", "studio/big is loaded. Did you mean it?"),
            ("baseUrl is missing", "baseUrl is missing."),
            ("OpenClaw refuses this.", "OpenClaw refuses this."),
        ] {
            assert_eq!(sentence(said.to_owned()), expected);
        }
    }
}
