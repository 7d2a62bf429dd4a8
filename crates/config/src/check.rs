//! Reads the configuration from its files: `$include`, `${VAR}`, the typed view, and every diagnostic. I/O happens here,
//! through `files`.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use json5_edit::{Document, Kind, Member, Node, Path as KeyPath};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::agent_files::agent_files;
use crate::diagnostic::{Diagnostic, Severity, has_error};
use crate::files::{Disk, Files};
use crate::home::{Environment, Home};
use crate::interpret::interpret;
use crate::keys::{self, KeptIn};
use crate::location::ConfigLocation;
use crate::members::{Keys, Members};
use crate::model::ModelConfiguration;
use crate::rules::{Ground, Surroundings, lint};
use crate::schema;
use crate::tree::{At, Data, Origin, Source, Tree};
use crate::variables::{Variables, parse_dotenv};

/// How deep files may include files.
///
/// Source: `MAX_INCLUDE_DEPTH` in `src/config/includes.ts` of OpenClaw.
pub const MAX_INCLUDE_DEPTH: usize = 10;

/// What was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Every file it depends on, the main one first, whether it exists or not.
    pub files: Vec<PathBuf>,
    /// The hash of the bytes of every file that was read.
    pub revision: String,
    /// What it says; none when an error stops it from being used.
    pub result: Option<ModelConfiguration>,
    /// What is wrong, in the order of the files and lines.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads the configuration as it is on the disk now. Never fails: what is wrong is in the diagnostics.
#[must_use]
pub fn read(location: &ConfigLocation, environment: &Environment) -> Reading {
    read_through(&Disk, location, environment).reading
}

/// The same, with what is known of the surroundings, so that it is also said where the two do not fit together.
#[must_use]
pub fn read_with(location: &ConfigLocation, environment: &Environment, surroundings: &Surroundings) -> Reading {
    read_in(&Disk, location, environment, surroundings).reading
}

/// What was read, with what an edit needs.
pub(crate) struct Full {
    pub reading: Reading,
    pub sources: Vec<Source>,
    /// Every text that was read, the main file's first, whether it is good or not. A file that is included twice is
    /// here twice.
    pub texts: Vec<(PathBuf, String)>,
    /// None when a file could not be read or parsed, or an include failed.
    pub tree: Option<Tree>,
    /// What it says where errors of meaning keep it from being used.
    pub unusable: Option<ModelConfiguration>,
}

impl Full {
    /// What it says, errors of meaning or not.
    pub(crate) fn configuration(&self) -> Option<&ModelConfiguration> {
        self.reading.result.as_ref().or(self.unusable.as_ref())
    }

    /// The same for whoever needs nothing else.
    pub(crate) fn into_configuration(self) -> Option<ModelConfiguration> {
        self.reading.result.or(self.unusable)
    }
}

pub(crate) fn read_through(files: &dyn Files, location: &ConfigLocation, environment: &Environment) -> Full {
    read_in(files, location, environment, &Surroundings::default())
}

pub(crate) fn read_in(
    files: &dyn Files,
    location: &ConfigLocation,
    environment: &Environment,
    surroundings: &Surroundings,
) -> Full {
    let folder = location.path.parent().unwrap_or(Path::new("/"));
    let mut assembly = Assembly {
        files,
        folder: without_dots(folder),
        real_folder: files.real(folder),
        sources: Vec::new(),
        texts: Vec::new(),
        places: Vec::new(),
        paths: Vec::new(),
        diagnostics: Vec::new(),
        hash: Sha256::new(),
        keys: Keys::default(),
    };
    let mut tree = assembly.main(location);
    if has_error(&assembly.diagnostics) {
        tree = None;
    }
    let dotenv_path = folder.join(".env");
    let dotenv = files.read(&dotenv_path).map(|text| parse_dotenv(&text)).unwrap_or_default();
    assembly.paths.push(dotenv_path);
    let Assembly { sources, texts, mut paths, mut diagnostics, hash, .. } = assembly;
    let mut usable = !has_error(&diagnostics);
    let configuration = tree.as_ref().map(|tree| {
        let block = env_block(tree);
        let variables = Variables { environment, dotenv: &dotenv, block: &block };
        let home = Home::from(environment);
        let used = Cell::new(false);
        let keeper = |place: KeptIn, id: &str| {
            used.set(true);
            keys::look_up(&home, place, id)
        };
        let (configuration, found) = interpret(tree, &sources, variables, &keeper);
        if used.get() {
            // A key that is changed there changes what the configuration says.
            paths.extend(keys::files(&home));
        }
        diagnostics.extend(found);
        let agent_files = agent_files(location, environment);
        let ground = Ground::new(At::root(tree), &configuration, variables, surroundings, &agent_files);
        diagnostics.extend(lint(&ground, &sources));
        // What OpenClaw refuses beyond that is told, and keeps nobody from using the rest: its next version may take it.
        usable = !has_error(&diagnostics);
        if location.openclaw {
            diagnostics.extend(schema::check(tree, &sources, &diagnostics));
        }
        configuration
    });
    let places: HashMap<&Path, usize> =
        paths.iter().enumerate().rev().map(|(place, path)| (path.as_path(), place)).collect();
    diagnostics.sort_by_cached_key(|diagnostic| {
        let file = places.get(diagnostic.file.as_path());
        (file.copied().unwrap_or(paths.len()), diagnostic.line, diagnostic.column)
    });
    let (result, unusable) = if usable { (configuration, None) } else { (None, configuration) };
    let reading = Reading { files: paths, revision: hex::encode(hash.finalize()), result, diagnostics };
    Full { reading, sources, texts, tree, unusable }
}

/// The configuration's own `env` block, which stands in for variables that are not set.
pub(crate) fn env_block(tree: &Tree) -> BTreeMap<String, String> {
    let root = At::root(tree);
    let strings = |at: Option<At<'_>>| match at.map(|at| &at.tree.data) {
        Some(Data::Object(members)) => members
            .iter()
            .filter_map(|(key, value)| match &value.data {
                Data::Scalar(Value::String(text)) => Some((key.to_owned(), text.clone())),
                _ => None,
            })
            .collect(),
        _ => BTreeMap::new(),
    };
    let mut block = strings(root.get("env"));
    block.extend(strings(root.at(&["env", "vars"])));
    block
}

/// The files being put together.
struct Assembly<'f> {
    files: &'f dyn Files,
    /// The folder that includes must stay in, as written and with links followed.
    folder: PathBuf,
    real_folder: PathBuf,
    sources: Vec<Source>,
    texts: Vec<(PathBuf, String)>,
    /// For each source, where in the configuration it is included.
    places: Vec<KeyPath>,
    paths: Vec<PathBuf>,
    diagnostics: Vec<Diagnostic>,
    hash: Sha256,
    keys: Keys,
}

impl Assembly<'_> {
    fn main(&mut self, location: &ConfigLocation) -> Option<Tree> {
        let path = location.path.clone();
        self.paths.push(path.clone());
        match self.files.read(&path) {
            Ok(text) => self.file(path, &text, KeyPath::root(), &[]),
            Err(error) => {
                let (code, message) = unreadable(&error, location.openclaw);
                self.diagnostics.push(Diagnostic {
                    severity: Severity::Error,
                    code,
                    file: path,
                    path: String::new(),
                    line: 1,
                    column: 1,
                    message,
                    fix: None,
                });
                None
            }
        }
    }

    /// One file's tree, with what it includes. `place` is where it stands in the configuration, and `above` are the files that led to it.
    fn file(&mut self, path: PathBuf, text: &str, place: KeyPath, above: &[PathBuf]) -> Option<Tree> {
        self.hash.update((text.len() as u64).to_le_bytes());
        self.hash.update(text.as_bytes());
        self.texts.push((path.clone(), text.to_owned()));
        match Document::parse(text) {
            Ok(document) => {
                let source = Source::new(path.clone(), document);
                let document = Rc::clone(&source.document);
                let mut here = above.to_vec();
                here.push(without_dots(&path));
                self.sources.push(source);
                self.places.push(place);
                self.build(self.sources.len() - 1, document.root(), None, &here)
            }
            Err(error) => {
                self.diagnostics.push(Diagnostic::syntax(&path, error));
                None
            }
        }
    }

    fn build(&mut self, file: usize, node: &Node, key: Option<usize>, here: &[PathBuf]) -> Option<Tree> {
        let origin = Origin { file, offset: node.span.start, key };
        let data = match &node.kind {
            Kind::Scalar(value) => Data::Scalar(value.clone()),
            Kind::Array(items) => {
                Data::Array(items.iter().map(|item| self.build(file, item, None, here)).collect::<Option<_>>()?)
            }
            Kind::Object(members) => {
                let mut object = Members::with_capacity(members.len());
                let mut include = None;
                for member in members {
                    if member.key == "$include" {
                        if include.is_some() {
                            self.twice(file, node, member);
                        }
                        include = Some(&member.value);
                        continue;
                    }
                    let tree = self.build(file, &member.value, Some(member.key_span.start), here)?;
                    if object.insert(self.keys.shared(&member.key), tree).is_some() {
                        self.twice(file, node, member);
                    }
                }
                if let Some(include) = include {
                    return self.include(file, include, object, origin, here);
                }
                Data::Object(object)
            }
        };
        Some(Tree { data, origin })
    }

    fn twice(&mut self, file: usize, object: &Node, member: &Member) {
        let message = "This key stands twice in its object, and the later one counts: remove the other.";
        let path = self.sources[file].path_of(object.span.start).then(member.key.as_str());
        self.note(Severity::Warning, "duplicate-key", file, member.key_span.start, &path, message.to_owned());
    }

    /// What an object with `$include` stands for: the included file in its place, or under its other members.
    fn include(
        &mut self,
        file: usize,
        include: &Node,
        others: Members,
        origin: Origin,
        here: &[PathBuf],
    ) -> Option<Tree> {
        let place = origin.path(&self.sources);
        let path = place.then("$include");
        let (names, is_list): (Vec<&Node>, bool) = match &include.kind {
            Kind::Array(items) => (items.iter().collect(), true),
            _ => (vec![include], false),
        };
        let mut included: Option<Tree> = None;
        for node in names {
            let Kind::Scalar(Value::String(name)) = &node.kind else {
                let message = format!("$include takes a file name or a list of them, found {}", node.type_name());
                self.note(Severity::Error, "include-type", file, node.span.start, &path, message);
                continue;
            };
            let tree = match self.target(file, name, here) {
                Ok((target, text)) => self.file(target, &text, self.whole(file, &place), here),
                Err((code, message)) => {
                    self.note(Severity::Error, code, file, node.span.start, &path, message);
                    None
                }
            };
            included = match (included, tree) {
                (Some(before), Some(tree)) => Some(before.merged(tree)),
                (before, tree) => tree.or(before),
            };
        }
        let empty = Tree { data: Data::Object(Members::default()), origin: origin.clone() };
        let included = match included {
            Some(tree) => tree,
            None if is_list => empty,
            None => return None,
        };
        if others.is_empty() {
            return Some(included);
        }
        if !matches!(included.data, Data::Object(_)) {
            let message = "a file that is included beside other keys must hold an object".to_owned();
            self.note(Severity::Error, "include-type", file, include.span.start, &path, message);
            return None;
        }
        Some(included.merged(Tree { data: Data::Object(others), origin }))
    }

    /// The file that an include names, and its text.
    fn target(
        &mut self,
        file: usize,
        name: &str,
        here: &[PathBuf],
    ) -> Result<(PathBuf, String), (&'static str, String)> {
        let base = self.sources[file].path.parent().unwrap_or(Path::new("/")).to_owned();
        let target = without_dots(&base.join(name));
        if !target.starts_with(&self.folder) {
            let folder = self.folder.display();
            return Err((
                "include-outside",
                format!("{name} is outside the configuration's folder {folder}: move it there"),
            ));
        }
        if here.contains(&target) {
            let chain: Vec<String> = here.iter().chain([&target]).map(|path| path.display().to_string()).collect();
            return Err(("include-cycle", format!("this file includes itself: {}", chain.join(" includes "))));
        }
        if here.len() > MAX_INCLUDE_DEPTH {
            return Err((
                "include-depth",
                format!("files include files more than {MAX_INCLUDE_DEPTH} deep: flatten them"),
            ));
        }
        if !self.paths.contains(&target) {
            self.paths.push(target.clone());
        }
        let real = self.files.real(&target);
        if !real.starts_with(&self.real_folder) {
            let shown = real.display();
            return Err((
                "include-outside",
                format!("{name} is a link that leads outside the configuration's folder, to {shown}"),
            ));
        }
        match self.files.read(&target) {
            Ok(text) => Ok((target, text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(("include-missing", format!("there is no file {}", target.display())))
            }
            Err(error) => Err(("include-unreadable", format!("{} cannot be read: {error}", target.display()))),
        }
    }

    /// A path in one of the files as a path in the configuration.
    fn whole(&self, file: usize, path: &KeyPath) -> KeyPath {
        self.places[file].steps().iter().chain(path.steps()).cloned().collect()
    }

    fn note(
        &mut self,
        severity: Severity,
        code: &'static str,
        file: usize,
        offset: usize,
        path: &KeyPath,
        message: String,
    ) {
        let path = self.whole(file, path);
        self.diagnostics.push(self.sources[file].diagnostic(severity, code, offset, &path, message));
    }
}

fn unreadable(error: &io::Error, openclaw: bool) -> (&'static str, String) {
    match error.kind() {
        io::ErrorKind::NotFound if openclaw => {
            ("missing", "There is no such file: run OpenClaw's setup, or choose another file.".to_owned())
        }
        io::ErrorKind::NotFound => {
            ("missing", "There is no such file yet: it is made when Pilot Light first starts.".to_owned())
        }
        io::ErrorKind::PermissionDenied => {
            ("unreadable", "This file may not be read by you: change its owner or its mode.".to_owned())
        }
        _ => ("unreadable", format!("This file cannot be read: {error}.")),
    }
}

/// A path without `.` and `..`, by its text alone: files name each other by it, and are told apart by it.
#[must_use]
pub fn without_dots(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}
