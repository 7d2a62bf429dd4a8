//! What OpenClaw's own schemas take and refuse, in the two versions that we answer for: our tables of them, and the check.
//!
//! The model configuration is looked at whole: `models`, the models of `agents`, `secrets`. Of everything else the
//! top-level key alone is. What both versions refuse is an error. What one of them takes is not: it is told, so that nobody
//! is surprised by another version.
//!
//! Must not know: what a configuration means (that is `interpret`'s), or files.

mod models;
mod rules;
mod secrets;
mod shape;
#[cfg(test)]
mod tests;
mod top;
mod walk;
mod whole;

use std::path::Path;

use indexmap::IndexMap;
use json5_edit::{Document, Kind, Node, Path as KeyPath, Step};

use crate::diagnostic::{Diagnostic, Severity};
use crate::tree::{At, Data, Origin, Report, Source, Tree};
pub use shape::Version;
use walk::{Finding, Walk};

/// Everything that a version of OpenClaw would refuse about a text, taken by itself: what it includes is not looked at,
/// and a `${VAR}` may stand for anything. `file` is only named.
#[must_use]
pub fn refusals(file: &Path, text: &str, version: Version) -> Vec<Diagnostic> {
    let path = file.to_owned();
    let document = match Document::parse(text) {
        Ok(document) => document,
        Err(error) => {
            let (line, column, message) = (error.line, error.column, error.message);
            let severity = Severity::Error;
            return vec![Diagnostic {
                severity,
                code: "syntax",
                file: path,
                path: String::new(),
                line,
                column,
                message,
                fix: None,
            }];
        }
    };
    let tree = tree_of(document.root(), None, &KeyPath::root());
    let sources = [Source { path, document }];
    let mut report = Report::new(&sources);
    for finding in findings(&tree, version) {
        tell(&mut report, Severity::Error, finding.code, &finding, &finding.message);
    }
    report.diagnostics
}

/// What the schemas say about a configuration that was read: an error for what both versions refuse, a word for what one
/// of them does. What `known` has as an error at the same place is not said again.
pub(crate) fn check(tree: &Tree, sources: &[Source], known: &[Diagnostic]) -> Vec<Diagnostic> {
    let february = findings(tree, Version::February);
    let september = findings(tree, Version::September);
    let mut report = Report::new(sources);

    let shared = |finding: &Finding<'_>, others: &[Finding<'_>]| others.iter().any(|other| on_one_line(finding, other));
    let (refused, only_september): (Vec<_>, Vec<_>) = september.iter().partition(|finding| shared(finding, &february));
    let (also, only_february): (Vec<_>, Vec<_>) = february.iter().partition(|finding| shared(finding, &september));
    for finding in &refused {
        tell(&mut report, Severity::Error, finding.code, finding, &finding.message);
    }
    for finding in also {
        if !refused.iter().any(|other| other.path == finding.path) {
            tell(&mut report, Severity::Error, finding.code, finding, &finding.message);
        }
    }
    let [old, new] = [Version::February.number(), Version::September.number()];
    if let (true, Some(one), Some(other)) = (refused.is_empty(), only_september.first(), only_february.first()) {
        let message = format!(
            "no OpenClaw takes this file as a whole: {} is not for {new}, and {} is not for {old}",
            one.path, other.path
        );
        report.warning("no-version", &At::root(tree), message);
    }
    for finding in only_september {
        let message = format!("OpenClaw {new} refuses this, {old} takes it: {}", finding.message);
        tell(&mut report, Severity::Info, "only-older", finding, &message);
    }
    // Whoever has let a later version write the file has no more use for the old one.
    for finding in only_february.into_iter().filter(|_| !written_after(tree, Version::February)) {
        let message = format!("OpenClaw {new} takes this, {old} refuses it: {}", finding.message);
        tell(&mut report, Severity::Info, "only-newer", finding, &message);
    }
    let place = |one: &Diagnostic| (one.file.clone(), one.line, one.column);
    let told =
        |one: &Diagnostic| known.iter().any(|other| other.severity == Severity::Error && place(other) == place(one));
    report.diagnostics.retain(|one| one.severity < Severity::Error || !told(one));
    report.diagnostics
}

fn findings(tree: &Tree, version: Version) -> Vec<Finding<'_>> {
    let root = At::root(tree);
    let mut walk = Walk::new(version);
    walk.shape(&root, &top::FILE);
    if version == Version::September {
        whole::september(&mut walk, &root);
    }
    // What a rule finds again is said once.
    let mut findings: Vec<Finding<'_>> = Vec::new();
    for finding in walk.findings {
        if !findings.iter().any(|other| other.path == finding.path && other.code == finding.code) {
            findings.push(finding);
        }
    }
    findings
}

/// Whether two findings are about the same thing: one stands where the other does, or within it.
fn on_one_line(one: &Finding<'_>, other: &Finding<'_>) -> bool {
    one.path.steps().iter().zip(other.path.steps()).all(|(a, b)| a == b)
}

fn tell(report: &mut Report<'_>, severity: Severity, code: &'static str, finding: &Finding<'_>, message: &str) {
    let at = At { tree: finding.part.tree, path: finding.path.clone() };
    if finding.at_key {
        report.at_key(severity, code, &at, message);
    } else {
        report.add(severity, code, &at, message);
    }
    report.mend(finding.fix.clone().filter(|_| severity == Severity::Error));
}

/// Whether the file says that a later version than this has written it.
fn written_after(tree: &Tree, version: Version) -> bool {
    let number =
        |text: &str| -> Vec<u32> { text.split(['.', '-']).take(3).map_while(|part| part.parse().ok()).collect() };
    At::root(tree)
        .at(&["meta", "lastTouchedVersion"])
        .and_then(|at| Some(number(at.as_str()?)))
        .is_some_and(|written| written.len() == 3 && written > number(version.number()))
}

fn tree_of(node: &Node, key: Option<usize>, path: &KeyPath) -> Tree {
    let below = |node: &Node, key: Option<usize>, step: Step| tree_of(node, key, &path.then(step));
    let data = match &node.kind {
        Kind::Scalar(value) => Data::Scalar(value.clone()),
        Kind::Array(items) => {
            Data::Array(items.iter().enumerate().map(|(at, item)| below(item, None, Step::Index(at))).collect())
        }
        Kind::Object(members) => Data::Object(
            members
                .iter()
                .map(|member| {
                    let tree = below(&member.value, Some(member.key_span.start), Step::Key(member.key.clone()));
                    (member.key.clone(), tree)
                })
                .collect::<IndexMap<_, _>>(),
        ),
    };
    Tree { data, origin: Origin { file: 0, path: path.clone(), offset: node.span.start, key } }
}
