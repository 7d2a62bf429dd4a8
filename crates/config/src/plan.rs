//! What edits would make of the configuration's files. Reads, and writes nothing: that is `write`'s.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use json5_edit::{Document, Edit, EditError, Expected, Kind, Node, TextChange, changes, unified_diff};
use pilotlight_wire::Secret;
use serde_json::Value;

use crate::check::{Full, Reading, read_through};
use crate::files::{Disk, Files as _, Overlay};
use crate::history::{History, by_prefix, hash};
use crate::home::{Environment, Home};
use crate::key_looks::is_placeholder;
use crate::location::ConfigLocation;
use crate::model::{Key, ModelConfiguration};
use crate::place::{parts, place, whole};
use crate::starting::STARTING;
use crate::store::{StoreError, broken};
use crate::tree::Tree;
use crate::write::{keys, opened};

/// One file of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its text, byte for byte.
    pub text: String,
    /// The hash of its bytes.
    pub revision: String,
}

/// The configuration as it stands on the disk, or would.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The main file first, then those it includes.
    pub files: Vec<SourceFile>,
    /// The whole, includes put in and `${VAR}` as written; none while a file cannot be read.
    pub value: Option<Value>,
    /// The typed view, errors of meaning or not; none while a file cannot be read.
    pub configuration: Option<ModelConfiguration>,
    /// Its revision, what it says, and what is wrong with it.
    pub reading: Reading,
}

/// A file that is to be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileChange {
    /// Where it is.
    pub path: PathBuf,
    /// Its text now; empty where there is no such file.
    pub before: String,
    /// Its text then.
    pub after: String,
    /// The hash of the bytes it has now.
    pub revision: String,
}

/// What is to be written, and what it would make of the configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The revision that it was made for.
    pub base: String,
    /// The files that change; none where everything is as it is to be already.
    pub changes: Vec<FileChange>,
    /// The same for people, as `diff -u` shows it. A key that stands in the file stands here too.
    pub diff: String,
    /// The configuration as it would be, with its revision and diagnostics.
    pub after: Loaded,
    work: Work,
    /// The keys that stood in the files before, by provider.
    written_out: Vec<(String, Secret)>,
}

/// How to make a plan again when the files have changed meanwhile.
#[derive(Clone, Debug, PartialEq)]
enum Work {
    /// Each knows what it expects.
    Edits(Vec<Edit>),
    Texts(Vec<NewText>),
    /// It was made for exactly those bytes.
    Exact,
}

/// What a person has made of a file's text, and the text it was made from.
#[derive(Clone, Debug, PartialEq)]
struct NewText {
    file: PathBuf,
    base: String,
    text: String,
}

/// The configuration as it is on the disk now. Never fails: what is wrong is in the diagnostics.
#[must_use]
pub fn load(location: &ConfigLocation, environment: &Environment) -> Loaded {
    loaded(State::now(location, environment).full)
}

/// The configuration's files, the main one first.
#[must_use]
pub fn sources(location: &ConfigLocation, environment: &Environment) -> Vec<SourceFile> {
    load(location, environment).files
}

/// What edits, by their paths in the whole configuration, would make of the files: each is made where its value stands.
/// What it finds now is what [`crate::write::commit`] must find.
///
/// # Errors
/// [`StoreError`]: a file is broken, an edit does not fit, or a value is put together from several files.
pub fn plan(location: &ConfigLocation, environment: &Environment, edits: &[Edit]) -> Result<Plan, StoreError> {
    let now = State::now(location, environment);
    let (edits, edited) = now.pinned(edits)?;
    let after = match now.full.sources.as_slice() {
        [only] => now.with(&only.path, edited.text()),
        _ => now.edited(&edits)?,
    };
    Ok(Plan::of(&now.full, after, Work::Edits(edits)))
}

/// The same for edits that were made for an earlier revision, which may be gone from the disk meanwhile. Where the same
/// still stands at their places they are made.
///
/// # Errors
/// [`StoreError`]; [`StoreError::Conflict`] where something else stands there now.
pub fn plan_on(
    location: &ConfigLocation,
    environment: &Environment,
    base: &str,
    edits: &[Edit],
) -> Result<Plan, StoreError> {
    let now = State::now(location, environment);
    if now.full.reading.revision == base {
        return plan(location, environment, edits);
    }
    let before = State::at(location, environment, base)?;
    let (edits, _) = before.pinned(edits)?;
    let ours = before.edited(&edits)?;
    let meant = Plan::of(&before.full, ours, Work::Edits(edits));
    meant.again(location, environment)?.ok_or_else(|| meant.conflict(&now.full))
}

/// What a new text for one of the files would make of the configuration. `base` is the revision it was made from; a
/// change by somebody else since then is merged where it is in another place.
///
/// # Errors
/// [`StoreError`]: the text is no JSON5, the file is none of the configuration's, or somebody else changed the same
/// place.
pub fn plan_text(
    location: &ConfigLocation,
    environment: &Environment,
    file: &Path,
    text: &str,
    base: Option<&str>,
) -> Result<Plan, StoreError> {
    let now = State::now(location, environment);
    let base = match base {
        Some(base) if base != now.full.reading.revision => State::at(location, environment, base)?.text(file)?,
        _ => now.text(file)?,
    };
    now.with_texts(vec![NewText { file: file.to_owned(), base, text: text.to_owned() }])
}

/// The same where edits are to be made on the new text: by their paths in the configuration as it would be with it.
///
/// # Errors
/// [`StoreError`]; also where an edit does not fit what the text says.
pub fn plan_text_and_edits(
    location: &ConfigLocation,
    environment: &Environment,
    file: &Path,
    text: &str,
    edits: &[Edit],
    base: Option<&str>,
) -> Result<Plan, StoreError> {
    let now = State::now(location, environment);
    let earlier = match base {
        Some(base) if base != now.full.reading.revision => Some(State::at(location, environment, base)?),
        _ => None,
    };
    let then = earlier.as_ref().unwrap_or(&now);
    then.text(file)?;
    let mut overlay = then.overlay.clone();
    overlay.0.insert(file.to_owned(), text.to_owned());
    let after = then.like(overlay).edited(edits)?;
    // A file that the text only now includes has no text that a draft could have been made from, but the disk's.
    let before = |file: &Path| then.text(file).or_else(|_| Ok::<_, StoreError>(Disk.read(file).unwrap_or_default()));
    let mut texts = Vec::new();
    for (file, text) in after.overlay.0 {
        let base = before(&file)?;
        if base != text {
            texts.push(NewText { file, base, text });
        }
    }
    now.with_texts(texts)
}

/// The configuration as it is read now, with what an edit needs.
pub(crate) fn read_now(location: &ConfigLocation, environment: &Environment) -> Full {
    State::now(location, environment).full
}

/// What it would be to have exactly these texts.
pub(crate) fn plan_exact(
    location: &ConfigLocation,
    environment: &Environment,
    texts: impl IntoIterator<Item = (PathBuf, String)>,
) -> Plan {
    let now = State::now(location, environment);
    let mut overlay = now.overlay.clone();
    overlay.0.extend(texts);
    let after = now.like(overlay);
    Plan::of(&now.full, after, Work::Exact)
}

/// The configuration through some files.
struct State<'a> {
    location: &'a ConfigLocation,
    environment: &'a Environment,
    overlay: Overlay,
    full: Full,
}

impl<'a> State<'a> {
    fn now(location: &'a ConfigLocation, environment: &'a Environment) -> Self {
        let mut overlay = Overlay::default();
        // Our own file is made when it is first needed; until then it is as good as there.
        if !location.openclaw && !location.path.exists() {
            overlay.0.insert(location.path.clone(), STARTING.to_owned());
        }
        Self::through(location, environment, overlay)
    }

    /// As it was at a revision of the history.
    fn at(location: &'a ConfigLocation, environment: &'a Environment, revision: &str) -> Result<Self, StoreError> {
        let unknown = || StoreError::UnknownRevision { revision: revision.to_owned(), several: false };
        let histories = Home::from(environment).history();
        if !History::exists(&histories, location) {
            return Err(unknown());
        }
        let history = opened(location, environment)?;
        let snapshot = by_prefix(&history.log, revision)?;
        let overlay = Overlay(history.texts(snapshot, &keys(location, environment))?.into_iter().collect());
        Ok(Self::through(location, environment, overlay))
    }

    fn through(location: &'a ConfigLocation, environment: &'a Environment, overlay: Overlay) -> Self {
        let full = read_through(&overlay, location, environment);
        Self { location, environment, overlay, full }
    }

    fn like(&self, overlay: Overlay) -> Self {
        Self::through(self.location, self.environment, overlay)
    }

    /// The same with another text of one file.
    fn with(&self, file: &Path, text: &str) -> Self {
        let mut overlay = self.overlay.clone();
        overlay.0.insert(file.to_owned(), text.to_owned());
        self.like(overlay)
    }

    fn text(&self, file: &Path) -> Result<String, StoreError> {
        let found = self.full.texts.iter().find(|(path, _)| path == file);
        match found {
            Some((_, text)) => Ok(text.clone()),
            None => Err(StoreError::NotOurs { path: file.to_owned() }),
        }
    }

    /// The whole as a document: the one file itself where there is only one, so that lines are its own.
    fn document(&self) -> Result<Rc<Document>, StoreError> {
        let broken = || broken(self.location, &self.full.reading.diagnostics);
        match (&self.full.tree, self.full.sources.as_slice()) {
            (Some(_), [only]) => Ok(Rc::clone(&only.document)),
            (Some(tree), _) => whole(&tree.value()).map(Rc::new).ok_or_else(broken),
            (None, _) => Err(broken()),
        }
    }

    /// The edits, each expecting what stands at its place here, and the whole with all of them made.
    fn pinned(&self, edits: &[Edit]) -> Result<(Vec<Edit>, Rc<Document>), StoreError> {
        let mut document = self.document()?;
        let mut pinned = Vec::with_capacity(edits.len());
        for edit in edits {
            // What whoever made the edit expected is asked for here; what is found now is what is expected later.
            let exact = edit.clone().against(&document);
            document = Rc::new(document.apply(std::slice::from_ref(edit)).map_err(|error| self.refused(error))?);
            pinned.push(exact);
        }
        Ok((pinned, document))
    }

    /// The configuration with edits made, each in the file where its value stands.
    fn edited(&self, edits: &[Edit]) -> Result<Self, StoreError> {
        let document = self.document()?;
        if let [only] = self.full.sources.as_slice() {
            let after = document.apply(edits).map_err(|error| self.refused(error))?;
            return Ok(self.with(&only.path, after.text()));
        }
        let mut at = self.like(self.overlay.clone());
        for edit in edits {
            at = match at.apart(edit) {
                Some(edits) => edits.iter().try_fold(at, |at, edit| at.edited_once(edit))?,
                None => at.edited_once(edit)?,
            };
        }
        Ok(at)
    }

    /// Two values of different files that are to change places, as a change of each; their comments stay in their files.
    fn apart(&self, edit: &Edit) -> Option<[Edit; 2]> {
        let Edit::Swap { path, other, .. } = edit else { return None };
        let tree = self.full.tree.as_ref()?;
        let (one, two) = (crate::place::get(tree, path)?, crate::place::get(tree, other)?);
        let set = |path: &json5_edit::Path, value: &Tree| Edit::Set {
            path: path.clone(),
            value: value.value(),
            expected: Expected::Anything,
        };
        (one.origin.file != two.origin.file).then(|| [set(path, two), set(other, one)])
    }

    fn edited_once(&self, edit: &Edit) -> Result<Self, StoreError> {
        match (self.edited_in_one_place(edit), edit) {
            (Err(error @ StoreError::Spread { .. }), Edit::Set { path, value, .. }) => {
                self.set_in_parts(path, value).ok_or(error)
            }
            (done, _) => done,
        }
    }

    /// A value that several files say together, set part by part where each stands. None where that is not what comes out.
    fn set_in_parts(&self, path: &json5_edit::Path, value: &Value) -> Option<Self> {
        let document = self.document().ok()?;
        let parts = parts(path, &document.get(path)?.to_value(), value)?;
        let at = parts.iter().try_fold(self.like(self.overlay.clone()), |at, part| at.edited_once(part)).ok()?;
        let found = at.document().ok()?.get(path).map(Node::to_value);
        (found.as_ref() == Some(value)).then_some(at)
    }

    fn edited_in_one_place(&self, edit: &Edit) -> Result<Self, StoreError> {
        let intended = self.document()?.apply(std::slice::from_ref(edit)).map_err(|error| self.refused(error))?;
        let spread = || StoreError::Spread { path: edit.path().to_string() };
        let mut at = self.like(self.overlay.clone());
        // What is removed in one file may show what another has in its place, which is to be removed too.
        for _ in 0..=at.full.sources.len() {
            let tree = at.full.tree.as_ref().ok_or_else(spread)?;
            let placed = place(tree, &at.full.sources, edit).ok_or_else(spread)?;
            let source = at.full.sources.get(placed.file).ok_or_else(spread)?;
            let after = source
                .document
                .apply(std::slice::from_ref(&placed.edit))
                .map_err(|source_error| StoreError::Edit { path: source.path.clone(), source: source_error })?;
            let mut overlay = at.overlay.clone();
            overlay.0.insert(source.path.clone(), after.text().to_owned());
            at = at.like(overlay);
            let document = at.document().map_err(|_| spread())?;
            if document.value() == intended.value() {
                return Ok(at);
            }
            if !matches!(edit, Edit::Remove { .. }) || document.get(edit.path()).is_none() {
                break;
            }
        }
        Err(spread())
    }

    /// Why an edit of the whole was refused. Where there are several files the whole's lines mean nothing.
    fn refused(&self, error: EditError) -> StoreError {
        StoreError::Edit { path: self.location.path.clone(), source: self.relined(error) }
    }

    fn relined(&self, error: EditError) -> EditError {
        let line_of = |path: &json5_edit::Path, line: u32| {
            let [_, _, ..] = self.full.sources.as_slice() else { return line };
            let found = self.full.tree.as_ref().and_then(|tree| crate::place::get(tree, path));
            found.map_or(line, |found| {
                let origin = &found.origin;
                self.full.sources.get(origin.file).map_or(line, |source| source.position(origin.offset).0)
            })
        };
        match error {
            EditError::NotAContainer { path, line, found } => {
                EditError::NotAContainer { line: line_of(&path, line), path, found }
            }
            EditError::KeyExists { path, line } => EditError::KeyExists { line: line_of(&path, line), path },
            other => other,
        }
    }

    fn with_texts(&self, texts: Vec<NewText>) -> Result<Plan, StoreError> {
        let mut overlay = self.overlay.clone();
        for new in &texts {
            let theirs = match self.text(&new.file) {
                Ok(text) => text,
                Err(_) if new.base == Disk.read(&new.file).unwrap_or_default() => new.base.clone(),
                Err(error) => return Err(error),
            };
            let conflict =
                || StoreError::Conflict { path: new.file.clone(), ours: new.text.clone(), theirs: theirs.clone() };
            let merged = merged(&new.base, &new.text, &theirs).ok_or_else(conflict)?;
            // A merge that is no JSON5 was two changes of one thing.
            if theirs != new.base && Document::parse(&merged).is_err() && Document::parse(&new.text).is_ok() {
                return Err(conflict());
            }
            overlay.0.insert(new.file.clone(), merged);
        }
        let after = self.like(overlay);
        if let Some(new) = texts.iter().find(|new| Document::parse(&after.overlay.0[&new.file]).is_err()) {
            let found = after.full.reading.diagnostics.iter().filter(|diagnostic| diagnostic.file == new.file).cloned();
            return Err(broken(self.location, &found.collect::<Vec<_>>()));
        }
        Ok(Plan::of(&self.full, after, Work::Texts(texts)))
    }
}

impl Plan {
    fn of(before: &Full, after: State<'_>, work: Work) -> Self {
        let mut changes: Vec<FileChange> = Vec::new();
        for (path, text) in &after.overlay.0 {
            let now = before.texts.iter().find(|(known, _)| known == path).map(|(_, text)| text.clone());
            // A file that the configuration does not include now may be there all the same.
            let now = now.unwrap_or_else(|| Disk.read(path).unwrap_or_default());
            if now != *text {
                let revision = hash(now.as_bytes());
                changes.push(FileChange { path: path.clone(), before: now, after: text.clone(), revision });
            }
        }
        let place = |path: &Path| before.reading.files.iter().position(|file| file == path).unwrap_or(usize::MAX);
        changes.sort_by_key(|change| place(&change.path));
        let diff = changes.iter().map(FileChange::diff).collect();
        let providers = before.configuration().into_iter().flat_map(|configuration| &configuration.providers);
        let written_out = providers
            .filter_map(|provider| match &provider.key {
                Some(Key::Literal(key)) if !is_placeholder(key.expose()) => Some((provider.id.clone(), key.clone())),
                _ => None,
            })
            .collect();
        let base = before.reading.revision.clone();
        Self { base, changes, diff, after: loaded(after.full), work, written_out }
    }

    /// The keys that stand in the files now and not then, and can be read where they are then.
    pub(crate) fn moved_keys(&self) -> impl Iterator<Item = (&str, &Secret)> {
        let moved = |id: &str, key: &Secret| {
            let configuration = self.after.configuration.as_ref();
            let then = configuration.and_then(|configuration| configuration.provider(id)?.key.as_ref());
            then.is_some_and(|then| {
                !matches!(then, Key::Literal(_)) && then.secret().is_some_and(|there| there.expose() == key.expose())
            })
        };
        self.written_out.iter().filter(move |(id, key)| moved(id, key)).map(|(id, key)| (id.as_str(), key))
    }

    /// The same on the files as they are now; none where it was made for exactly the bytes that were.
    pub(crate) fn again(
        &self,
        location: &ConfigLocation,
        environment: &Environment,
    ) -> Result<Option<Self>, StoreError> {
        let now = State::now(location, environment);
        match &self.work {
            Work::Exact => Ok(None),
            Work::Texts(texts) => now.with_texts(texts.clone()).map(Some),
            Work::Edits(edits) => {
                let fits = now.same_items(edits, self).then(|| now.edited(edits));
                match fits {
                    Some(Ok(after)) => Ok(Some(Self::of(&now.full, after, Work::Edits(edits.clone())))),
                    Some(Err(error @ (StoreError::Broken(_) | StoreError::Spread { .. }))) => Err(error),
                    Some(Err(_)) | None => Err(self.conflict(&now.full)),
                }
            }
        }
    }

    /// What was to be written beside what is there now.
    fn conflict(&self, now: &Full) -> StoreError {
        let theirs = |path: &Path| now.texts.iter().find(|(known, _)| known == path).map(|(_, text)| text.clone());
        let Some(change) = self.changes.iter().find(|change| theirs(&change.path).as_ref() != Some(&change.before))
        else {
            let path = self.changes.first().map(|change| change.path.clone()).unwrap_or_default();
            let ours = self.changes.first().map(|change| change.after.clone()).unwrap_or_default();
            let theirs = theirs(&path).unwrap_or_default();
            return StoreError::Conflict { path, ours, theirs };
        };
        let theirs = theirs(&change.path).unwrap_or_default();
        StoreError::Conflict { path: change.path.clone(), ours: change.after.clone(), theirs }
    }
}

impl State<'_> {
    /// Whether the items of arrays that the edits name by number are still the same ones. An item with an `id` is known
    /// by it; any other by its whole value.
    fn same_items(&self, edits: &[Edit], plan: &Plan) -> bool {
        let before = Overlay(plan.changes.iter().map(|change| (change.path.clone(), change.before.clone())).collect());
        let (Ok(before), Ok(now)) = (self.like(before).document(), self.document()) else { return false };
        edits.iter().all(|edit| {
            let steps = edit.path().steps();
            (1..=steps.len()).filter(|depth| matches!(steps[depth - 1], json5_edit::Step::Index(_))).all(|depth| {
                let path: json5_edit::Path = steps[..depth].iter().cloned().collect();
                let (before, now) = (before.get(&path).map(Node::to_value), now.get(&path).map(Node::to_value));
                match (&before, &now) {
                    (Some(before), Some(now)) if before.get("id").is_some() => before.get("id") == now.get("id"),
                    // One that an earlier edit of the same plan adds.
                    (None, _) => true,
                    _ => before == now,
                }
            })
        })
    }
}

impl FileChange {
    /// For people, as `diff -u` shows it.
    #[must_use]
    pub fn diff(&self) -> String {
        unified_diff(&self.before, &self.after, &self.path.display().to_string())
    }
}

pub(crate) fn loaded(full: Full) -> Loaded {
    let configuration = full.configuration().cloned();
    let mut files: Vec<SourceFile> = Vec::new();
    for (path, text) in full.texts {
        if !files.iter().any(|file| file.path == path) {
            files.push(SourceFile { revision: hash(text.as_bytes()), path, text });
        }
    }
    Loaded { files, value: full.tree.as_ref().map(Tree::value), configuration, reading: full.reading }
}

/// Two changes of one text, made as one; none where they touch, or where together they say a key twice.
fn merged(base: &str, ours: &str, theirs: &str) -> Option<String> {
    if theirs == base || theirs == ours {
        return Some(ours.to_owned());
    }
    if ours == base {
        return Some(theirs.to_owned());
    }
    let (mine, other) = (changes(base, ours), changes(base, theirs));
    let apart = |one: &TextChange, two: &TextChange| one.range.end < two.range.start || two.range.end < one.range.start;
    if !mine.iter().all(|one| other.iter().all(|two| apart(one, two))) {
        return None;
    }
    let mut all = [mine, other].concat();
    all.sort_by_key(|change| change.range.start);
    let merged = TextChange::apply(base, &all)?;
    let twice = |text: &str| Document::parse(text).is_ok_and(|document| says_twice(document.root()));
    (!twice(&merged) || twice(theirs)).then_some(merged)
}

fn says_twice(node: &Node) -> bool {
    match &node.kind {
        Kind::Scalar(_) => false,
        Kind::Array(items) => items.iter().any(says_twice),
        Kind::Object(members) => {
            let mut keys = std::collections::HashSet::new();
            !members.iter().all(|member| keys.insert(member.key.as_str()))
                || members.iter().any(|member| says_twice(&member.value))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_in_different_places_are_merged_and_in_one_place_not() {
        let base = "{\n  a: 1,\n  b: 2,\n  c: 3,\n}\n";
        let ours = base.replace("a: 1", "a: 10");
        assert_eq!(
            merged(base, &ours, &base.replace("c: 3", "c: 30")),
            Some(base.replace("a: 1", "a: 10").replace("c: 3", "c: 30"))
        );
        assert_eq!(merged(base, &ours, &base.replace("a: 1", "a: 11")), None);
        assert_eq!(merged(base, &ours, base), Some(ours.clone()));
        assert_eq!(merged(base, base, &ours), Some(ours.clone()));
        // Each adds the same key, in another place.
        let mine = base.replace("{\n", "{\n  d: 4,\n");
        assert_eq!(merged(base, &mine, &base.replace("c: 3,\n", "c: 3,\n  d: 5,\n")), None);
    }
}
