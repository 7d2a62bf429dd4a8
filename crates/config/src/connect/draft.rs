//! What connecting or disconnecting would make of a tool's files, and how a tool stands now. Reads, and writes nothing: that
//! is `write`'s.

use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::format::{Format, Keys, at};
use super::record::{FileRecord, Record, ValueRecord, read, token, token_file};
use super::tool::{Wish, in_the_way, wish};
use super::{ConnectError, ConnectState, Connector, Standing, Tool, openclaw};
use crate::plan::{self, Loaded, Plan, plan_exact};
use crate::settings_store;

/// What is to be written.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub files: Vec<DraftFile>,
    /// OpenClaw's configuration.
    pub plan: Option<Plan>,
    /// The way back from it.
    pub record: Record,
    /// What the history calls it.
    pub label: String,
    pub notes: Vec<String>,
    /// Values that are no secrets, whatever the keys they stand under.
    pub open: Vec<String>,
}

/// A file as it is and is to be; none where there is no file.
#[derive(Debug)]
pub(super) struct DraftFile {
    pub path: PathBuf,
    pub before: Option<String>,
    pub after: Option<String>,
    /// The rights to give it: before it is written where they are narrower, else after.
    pub mode: Option<u32>,
}

/// Readable and writable by its owner alone.
const PRIVATE: u32 = 0o600;

pub(super) fn format_of(path: &Path) -> Format {
    if path.extension().is_some_and(|extension| extension == "toml") {
        Format::Toml
    } else if path.file_name().is_some_and(|name| name == ".env") {
        Format::Dotenv
    } else {
        Format::Json
    }
}

impl Connector<'_> {
    /// How a tool stands.
    pub(super) fn standing(&self, tool: Tool) -> Standing {
        let record = Record::of(&self.home(), tool);
        let mut notes: Vec<String> = record.as_ref().err().map(ToString::to_string).into_iter().collect();
        let record = record.ok().flatten();
        let (file, found, routed) = match tool {
            Tool::OpenClaw => {
                let file = self.location.path.clone();
                let found = self.location.openclaw && file.exists();
                let loaded = found.then(|| plan::load(self.location, self.environment));
                let routed = loaded.and_then(|loaded| {
                    Some(openclaw::is_connected(loaded.configuration.as_ref()?, loaded.value.as_ref()?, self.base))
                });
                (file, found, routed.unwrap_or(false))
            }
            _ => self.file_standing(tool, &mut notes),
        };
        let known = record.as_ref().is_none_or(|record| self.knows_token(tool, &record.token));
        let state = match (routed, &record) {
            (true, _) if known => ConnectState::Connected,
            (true, _) => {
                notes.push("its token is not known any more: connect it again".to_owned());
                ConnectState::Outdated
            }
            (false, Some(record)) => {
                notes.push(if record.base == self.base {
                    "its settings were changed since it was connected: connect it again, or disconnect it".to_owned()
                } else {
                    format!("it was connected to {}: connect it again", record.base)
                });
                ConnectState::Outdated
            }
            (false, None) if found => ConnectState::Apart,
            (false, None) => ConnectState::Absent,
        };
        Standing { tool, state, file, can_disconnect: record.is_some(), notes }
    }

    /// The settings file of a tool with one, whether the tool is here, and whether it comes to us.
    fn file_standing(&self, tool: Tool, notes: &mut Vec<String>) -> (PathBuf, bool, bool) {
        let Some(wish) = self.wish(tool, "") else { return (PathBuf::new(), false, false) };
        let found = tool.is_found(&wish.file, self.environment);
        let settings = match read(&wish.file).map(|text| wish.format.read(&text.unwrap_or_default())) {
            Ok(Ok(settings)) => settings,
            Ok(Err(reason)) => {
                notes.push(format!("its settings cannot be read: {reason}"));
                Value::Null
            }
            Err(error) => {
                notes.push(error.to_string());
                Value::Null
            }
        };
        let routed = wish.routing.iter().all(|keys| {
            let wanted = wish.values.iter().find(|(known, _)| known == keys).map(|(_, value)| value);
            let alike = |value: &Value| value.as_str().map(|text| text.trim_end_matches('/').to_owned());
            wanted.and_then(alike) == at(&settings, keys).and_then(alike)
        });
        if routed {
            notes.extend(in_the_way(tool, &settings));
        }
        (wish.file, found, routed)
    }

    fn wish(&self, tool: Tool, token: &str) -> Option<Wish> {
        wish(tool, self.environment, self.base, token, &token_file(&self.home(), tool))
    }

    /// Whether the settings know the token that was made for a tool.
    pub(super) fn knows_token(&self, tool: Tool, name: &str) -> bool {
        let Ok(Some(token)) = token(&self.home(), tool) else { return false };
        let settings = settings_store::read(self.settings, self.environment).settings;
        let hash = hex::encode(Sha256::digest(token.expose()));
        settings.access.tokens.get(name).is_some_and(|limits| limits.sha256 == hash)
    }

    /// What connects a tool. `former` is the way back that is known already.
    pub(super) fn draft(
        &self,
        tool: Tool,
        token: &str,
        token_name: &str,
        former: Option<&Record>,
    ) -> Result<Draft, ConnectError> {
        let mut draft = Draft { label: format!("{} connected", tool.title()), ..Draft::default() };
        draft.record.token = token_name.to_owned();
        self.base.clone_into(&mut draft.record.base);
        match self.wish(tool, token) {
            Some(wish) => {
                let secret = |value: &Value| value.as_str() == Some(token);
                let text = |value: &Value| value.as_str().map(str::to_owned);
                draft.open =
                    wish.values.iter().filter(|(_, value)| !secret(value)).filter_map(|(_, v)| text(v)).collect();
                let settings = draft.set(&wish.file, wish.format, &wish.values, wish.holds_token, former)?;
                draft.notes.extend(in_the_way(tool, &settings));
                if !tool.is_found(&wish.file, self.environment) {
                    draft.notes.push(format!("there is no sign of {} on this machine", tool.title()));
                }
            }
            None => self.draft_openclaw(&mut draft, token, former)?,
        }
        Ok(draft)
    }

    fn draft_openclaw(&self, draft: &mut Draft, token: &str, former: Option<&Record>) -> Result<(), ConnectError> {
        let (path, loaded) = self.openclaw()?;
        let (Some(configuration), Some(whole)) = (&loaded.configuration, &loaded.value) else {
            return Err(unreadable(&path, &loaded));
        };
        let tokens = token_file(&self.home(), Tool::OpenClaw);
        let no_chain = || ConnectError::NoChain { path: path.clone() };
        let work = openclaw::connect(configuration, whole, self.base, &tokens).ok_or_else(no_chain)?;
        let plan = plan::plan(self.location, self.environment, &work.edits)?;
        let before = former.and_then(|former| former.file(&path));
        let mut file = FileRecord {
            made: false,
            mode: None,
            exact: None,
            parents: parents(whole, work.values.iter().map(|value| &value.keys)),
            values: Vec::new(),
            path: path.clone(),
        };
        // Where it stands in one file, and that is the main one, its very bytes can come back.
        if let [change] = plan.changes.as_slice()
            && change.path == path
        {
            file.exact = exact(before, &change.before, &change.after);
        } else if plan.changes.is_empty() {
            file.exact = before.and_then(|before| before.exact.clone());
        }
        file.values = work.values.into_iter().map(|value| kept(value, before)).collect();
        file.parents.extend(before.map(|before| before.parents.clone()).unwrap_or_default());
        file.parents.dedup();
        draft.record.files.push(file);
        draft.record.allowed = work.allowed || former.is_some_and(|former| former.allowed);
        let now = whole.pointer("/agents/defaults/model").cloned();
        draft.record.chain = match work.chain {
            Some(chain) => Some((now, chain)),
            None => former.and_then(|former| former.chain.clone()),
        };
        draft.notes.extend(work.notes);
        if work.variable {
            let folder = path.parent().unwrap_or(Path::new("."));
            let value = vec![(vec![openclaw::VARIABLE.to_owned()], Value::from(token))];
            draft.set(&folder.join(".env"), Format::Dotenv, &value, true, former)?;
            draft.notes.push(format!(
                "OpenClaw reads {} from the .env file beside its configuration when it starts: restart its gateway",
                openclaw::VARIABLE
            ));
        }
        draft.plan = Some(plan);
        Ok(())
    }

    fn openclaw(&self) -> Result<(PathBuf, Loaded), ConnectError> {
        let path = self.location.path.clone();
        if !self.location.openclaw || !path.exists() {
            return Err(ConnectError::NoOpenClaw { looked: path });
        }
        Ok((path, plan::load(self.location, self.environment)))
    }

    /// What takes a connection back.
    pub(super) fn draft_back(&self, tool: Tool, record: &Record) -> Result<Draft, ConnectError> {
        let label = format!("{} disconnected", tool.title());
        let mut draft = Draft { record: record.clone(), label, ..Draft::default() };
        let values = record.files.iter().flat_map(|file| &file.values);
        // What we wrote and was no secret; what stood there before may be one.
        let token = token(&self.home(), tool)?;
        let plain = values.filter_map(|value| value.after.as_str());
        draft.open =
            plain.filter(|text| token.as_ref().is_none_or(|it| it.expose() != *text)).map(str::to_owned).collect();
        for file in &record.files {
            if tool == Tool::OpenClaw && file.path == self.location.path {
                draft.plan = self.openclaw_back(record, file, &mut draft.notes)?;
            } else if let Some(text) = read(&file.path)? {
                let after = back(file, &text, &mut draft.notes)?;
                draft.files.push(DraftFile { path: file.path.clone(), before: Some(text), after, mode: file.mode });
            }
        }
        Ok(draft)
    }

    fn openclaw_back(
        &self,
        record: &Record,
        file: &FileRecord,
        notes: &mut Vec<String>,
    ) -> Result<Option<Plan>, ConnectError> {
        if !file.path.exists() {
            return Ok(None);
        }
        if let Some((before, after)) = &file.exact
            && read(&file.path)?.as_deref() == Some(after)
        {
            let texts = [(file.path.clone(), before.clone())];
            return Ok(Some(plan_exact(self.location, self.environment, texts)));
        }
        let (path, loaded) = self.openclaw()?;
        let whole = loaded.value.as_ref().ok_or_else(|| unreadable(&path, &loaded))?;
        let (edits, found) = openclaw::disconnect(whole, record);
        notes.extend(found);
        Ok(Some(plan::plan(self.location, self.environment, &edits)?))
    }
}

impl Draft {
    /// Sets values in a file. Gives what it will say.
    fn set(
        &mut self,
        path: &Path,
        format: Format,
        values: &[(Keys, Value)],
        holds_token: bool,
        former: Option<&Record>,
    ) -> Result<Value, ConnectError> {
        let unreadable = |reason| ConnectError::Unreadable { path: path.to_owned(), reason };
        let text = read(path)?;
        let before = former.and_then(|former| former.file(path));
        let now = format.read(text.as_deref().unwrap_or_default()).map_err(unreadable)?;
        let edits: Vec<(Keys, Option<Value>)> = values
            .iter()
            .filter(|(keys, value)| at(&now, keys) != Some(value))
            .map(|(keys, value)| (keys.clone(), Some(value.clone())))
            .collect();
        let after = if edits.is_empty() {
            text.clone().unwrap_or_default()
        } else {
            format.edited(text.as_deref().unwrap_or_default(), &edits).map_err(unreadable)?
        };
        let record = |(keys, after): &(Keys, Value)| {
            let value = ValueRecord { keys: keys.clone(), before: at(&now, keys).cloned(), after: after.clone() };
            kept(value, before)
        };
        let mut made = parents(&now, values.iter().map(|(keys, _)| keys));
        made.extend(before.map(|before| before.parents.clone()).unwrap_or_default());
        let mode = mode_of(path);
        let open = mode.filter(|mode| holds_token && mode & 0o077 != 0);
        self.record.files.push(FileRecord {
            path: path.to_owned(),
            made: before.map_or(text.is_none(), |before| before.made),
            mode: before.map_or(open, |before| before.mode),
            exact: exact(before, text.as_deref().unwrap_or_default(), &after),
            values: values.iter().map(record).collect(),
            parents: made,
        });
        let mode = open.map(|_| PRIVATE);
        let said = format.read(&after).map_err(unreadable)?;
        self.files.push(DraftFile { path: path.to_owned(), before: text, after: Some(after), mode });
        Ok(said)
    }
}

/// The way back of a value: where it is still as it was set the last time, to what stood there before that.
fn kept(value: ValueRecord, before: Option<&FileRecord>) -> ValueRecord {
    let former = before.and_then(|before| before.values.iter().find(|former| former.keys == value.keys));
    match former {
        Some(former) if value.before.as_ref() == Some(&former.after) => {
            ValueRecord { before: former.before.clone(), ..value }
        }
        _ => value,
    }
}

/// The way back of a whole text.
fn exact(before: Option<&FileRecord>, now: &str, after: &str) -> Option<(String, String)> {
    match before {
        None => Some((now.to_owned(), after.to_owned())),
        Some(FileRecord { exact: Some((old, then)), .. }) if then == now => Some((old.clone(), after.to_owned())),
        // Somebody changed it in between.
        Some(_) => None,
    }
}

/// The objects on the way to these values that are not there yet.
fn parents<'k>(now: &Value, values: impl Iterator<Item = &'k Keys>) -> Vec<Keys> {
    let mut made: Vec<Keys> = Vec::new();
    for keys in values {
        for depth in 1..keys.len() {
            let parent = keys[..depth].to_vec();
            if at(now, &parent).is_none() && !made.contains(&parent) {
                made.push(parent);
            }
        }
    }
    made
}

/// A file's text without us; none where nothing is left of one that was made for us.
fn back(file: &FileRecord, text: &str, notes: &mut Vec<String>) -> Result<Option<String>, ConnectError> {
    if let Some((before, after)) = &file.exact
        && after == text
    {
        return Ok((!file.made).then(|| before.clone()));
    }
    let format = format_of(&file.path);
    let unreadable = |reason| ConnectError::Unreadable { path: file.path.clone(), reason };
    let now = format.read(text).map_err(unreadable)?;
    let mut edits = Vec::new();
    for value in &file.values {
        match at(&now, &value.keys) {
            Some(found) if *found == value.after => edits.push((value.keys.clone(), value.before.clone())),
            Some(found) if Some(found) != value.before.as_ref() => {
                notes.push(format!("{} was changed since: it stays as it is", value.keys.join(".")));
            }
            _ => {}
        }
    }
    let mut text = format.edited(text, &edits).map_err(unreadable)?;
    let mut parents = file.parents.clone();
    parents.sort_by_key(|keys| std::cmp::Reverse(keys.len()));
    for parent in parents {
        let now = format.read(&text).map_err(unreadable)?;
        if at(&now, &parent).and_then(Value::as_object).is_some_and(serde_json::Map::is_empty) {
            text = format.edited(&text, &[(parent, None)]).map_err(unreadable)?;
        }
    }
    Ok((!file.made || !format.is_empty(&text)).then_some(text))
}

fn unreadable(path: &Path, loaded: &Loaded) -> ConnectError {
    let first = loaded.reading.diagnostics.first().map(ToString::to_string);
    ConnectError::Unreadable { path: path.to_owned(), reason: first.unwrap_or_else(|| "it cannot be read".to_owned()) }
}

#[cfg(unix)]
fn mode_of(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).ok().map(|metadata| metadata.permissions().mode() & 0o7777)
}

#[cfg(not(unix))]
fn mode_of(_: &Path) -> Option<u32> {
    None
}
