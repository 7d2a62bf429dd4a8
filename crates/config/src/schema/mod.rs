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

use std::collections::HashSet;
use std::path::Path;

use json5_edit::{Document, Path as KeyPath, Step};

use crate::diagnostic::{Diagnostic, Severity};
use crate::tree::{At, Report, Source, Tree};
pub use shape::Version;
use walk::{Finding, Walk};

/// Everything that a version of OpenClaw would refuse about a text, taken by itself: what it includes is not looked at,
/// and a `${VAR}` may stand for anything. `file` is only named.
#[must_use]
pub fn refusals(file: &Path, text: &str, version: Version) -> Vec<Diagnostic> {
    let document = match Document::parse(text) {
        Ok(document) => document,
        Err(error) => return vec![Diagnostic::syntax(file, error)],
    };
    let tree = Tree::of(0, document.root(), None);
    let sources = [Source::new(file.to_owned(), document)];
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

    let (old_places, new_places) = (Places::of(&february), Places::of(&september));
    let (refused, only_september): (Vec<_>, Vec<_>) =
        september.iter().partition(|finding| old_places.on_one_line(&finding.path));
    let (also, only_february): (Vec<_>, Vec<_>) =
        february.iter().partition(|finding| new_places.on_one_line(&finding.path));
    for finding in &refused {
        tell(&mut report, Severity::Error, finding.code, finding, &finding.message);
    }
    let told: HashSet<&KeyPath> = refused.iter().map(|finding| &finding.path).collect();
    for finding in also {
        if !told.contains(&finding.path) {
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
    let errors = known.iter().filter(|one| one.severity == Severity::Error);
    let told: HashSet<_> = errors.map(|one| (one.file.as_path(), one.line, one.column)).collect();
    report
        .diagnostics
        .retain(|one| one.severity < Severity::Error || !told.contains(&(one.file.as_path(), one.line, one.column)));
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
    let mut findings = walk.findings;
    let mut seen = HashSet::new();
    findings.retain(|finding| seen.insert((finding.path.clone(), finding.code)));
    findings
}

/// The places of findings, for the question whether another one is about the same thing.
struct Places<'f> {
    themselves: HashSet<&'f [Step]>,
    /// And of all that they stand in.
    above: HashSet<&'f [Step]>,
}

impl<'f> Places<'f> {
    fn of(findings: &'f [Finding<'_>]) -> Self {
        let paths = || findings.iter().map(|finding| finding.path.steps());
        Self {
            themselves: paths().collect(),
            above: paths().flat_map(|steps| (0..=steps.len()).map(move |depth| &steps[..depth])).collect(),
        }
    }

    /// Whether one of them stands where this path leads, or within it, or it within that one.
    fn on_one_line(&self, path: &KeyPath) -> bool {
        let steps = path.steps();
        self.above.contains(steps) || (0..=steps.len()).any(|depth| self.themselves.contains(&steps[..depth]))
    }
}

fn tell(report: &mut Report<'_>, severity: Severity, code: &'static str, finding: &Finding<'_>, message: &str) {
    report.about(severity, code, &finding.part, finding.at_key, &finding.path, message);
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
