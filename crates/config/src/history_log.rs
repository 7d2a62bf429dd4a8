//! A history's index, as lines and as what they add up to. No I/O.
//!
//! A save is told in two lines: what is about to be written, and that it was. Where a crash leaves the first alone, the
//! configuration's bytes tell whether it happened. A line that is no line (cut off by a crash) is passed over.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// How many revisions are kept.
pub const KEPT: usize = 50;

/// Who wrote a revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Who {
    /// The tray or the window.
    Editor,
    /// The command line.
    Command,
    /// Somebody else: a person's text editor, OpenClaw, another program.
    External,
}

/// The configuration at one time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    pub id: u64,
    pub revision: String,
    /// In milliseconds since 1970.
    pub at: u64,
    pub who: Who,
    pub label: String,
    /// What undoing it goes back to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<u64>,
    /// The main one first.
    pub files: Vec<Kept>,
    /// Comments that another program dropped, and that can still be put back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<LostComments>,
}

/// A file of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub path: PathBuf,
    /// The hash of its text, under which that is kept.
    pub blob: String,
}

/// Comments that another program dropped when it rewrote the file, and that can be put back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostComments {
    /// How many have a place to go back to.
    pub count: usize,
    /// The revision that has them.
    pub revision: String,
}

/// A line of the index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Line {
    /// This configuration's history begins.
    Of(PathBuf),
    /// This is about to be written.
    Save(Snapshot),
    /// This snapshot is about to be gone back (or forward) to.
    Move { id: u64, to: u64 },
    /// What was about to happen has happened.
    Done(u64),
    /// It has not.
    Void(u64),
    /// Where it stands now.
    Now(u64),
    /// The comments that were dropped before this snapshot are not wanted back.
    Dismissed(u64),
}

/// What the lines add up to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Log {
    /// In the order they were written.
    pub snapshots: Vec<Snapshot>,
    /// The snapshot that the configuration is at, as far as is known.
    pub now: Option<u64>,
    /// What was about to happen, and the snapshot it leads to.
    pending: Option<(u64, u64)>,
    last: u64,
}

impl Log {
    pub(crate) fn read(text: &str) -> Self {
        let mut log = Self::default();
        for line in text.lines() {
            match serde_json::from_str(line) {
                Ok(line) => log.add(&line),
                Err(error) => tracing::debug!(%error, "a line of the history was cut off"),
            }
        }
        log
    }

    pub(crate) fn add(&mut self, line: &Line) {
        match line {
            Line::Of(_) => {}
            Line::Save(snapshot) => {
                self.drop_pending();
                self.last = self.last.max(snapshot.id);
                self.pending = Some((snapshot.id, snapshot.id));
                self.snapshots.push(snapshot.clone());
            }
            Line::Move { id, to } => {
                self.drop_pending();
                self.last = self.last.max(*id);
                self.pending = Some((*id, *to));
            }
            Line::Done(id) => {
                if let Some((_, to)) = self.pending.take_if(|(pending, _)| pending == id) {
                    self.now = Some(to);
                }
            }
            Line::Void(id) => {
                if self.pending.is_some_and(|(pending, _)| pending == *id) {
                    self.drop_pending();
                }
            }
            Line::Now(id) => {
                self.drop_pending();
                self.now = Some(*id);
            }
            Line::Dismissed(id) => {
                if let Some(snapshot) = self.snapshots.iter_mut().find(|snapshot| snapshot.id == *id) {
                    snapshot.lost = None;
                }
            }
        }
    }

    /// Where a save that a crash broke off began, and where it was to lead.
    pub(crate) fn unfinished(&self) -> Option<(&Snapshot, &Snapshot)> {
        Some((self.current()?, self.get(self.pending?.1)?))
    }

    /// What became of a save that a crash broke off: the line to add, when the configuration is at `revision`.
    pub(crate) fn settle(&self, revision: &str) -> Option<Line> {
        let (id, to) = self.pending?;
        let happened = self.get(to).is_some_and(|snapshot| snapshot.revision == revision);
        Some(if happened { Line::Done(id) } else { Line::Void(id) })
    }

    pub(crate) fn next_id(&self) -> u64 {
        self.last + 1
    }

    pub(crate) fn get(&self, id: u64) -> Option<&Snapshot> {
        self.snapshots.iter().find(|snapshot| snapshot.id == id)
    }

    /// The snapshot that the configuration is at, as far as is known.
    pub(crate) fn current(&self) -> Option<&Snapshot> {
        self.get(self.now?)
    }

    /// What undo goes to when the configuration is at `revision`: back from a change that nobody has recorded yet, or
    /// from the last one that was.
    pub(crate) fn before(&self, revision: &str) -> Option<&Snapshot> {
        let current = self.current()?;
        if current.revision == revision { self.get(current.parent?) } else { Some(current) }
    }

    /// What redo goes to: the newest that was made from here.
    pub(crate) fn after(&self, revision: &str) -> Option<&Snapshot> {
        let current = self.current().filter(|current| current.revision == revision)?;
        self.snapshots.iter().rev().find(|snapshot| snapshot.parent == Some(current.id))
    }

    /// The same with what is older than the last [`KEPT`] left out; none while there is little to leave out.
    pub(crate) fn compacted(&self) -> Option<(Self, Vec<Line>)> {
        if self.snapshots.len() <= KEPT + KEPT / 4 || self.pending.is_some() {
            return None;
        }
        let from = self.snapshots.len() - KEPT;
        let kept = |snapshot: &&Snapshot| Some(snapshot.id) == self.now;
        let old = self.snapshots[..from].iter().filter(kept);
        let lines = old.chain(&self.snapshots[from..]).cloned().flat_map(|snapshot| {
            let id = snapshot.id;
            [Line::Save(snapshot), Line::Done(id)]
        });
        let lines: Vec<_> = lines.chain(self.now.map(Line::Now)).collect();
        let mut log = Self::default();
        for line in &lines {
            log.add(line);
        }
        Some((log, lines))
    }

    fn drop_pending(&mut self) {
        if let Some((id, to)) = self.pending.take()
            && id == to
        {
            self.snapshots.retain(|snapshot| snapshot.id != id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(id: u64, parent: Option<u64>) -> Snapshot {
        Snapshot {
            id,
            revision: format!("r{id}"),
            at: id,
            who: Who::Editor,
            label: format!("the {id}th"),
            parent,
            files: vec![Kept { path: "/c".into(), blob: format!("b{id}") }],
            lost: None,
        }
    }

    fn saved(log: &mut Log) -> u64 {
        let id = log.next_id();
        log.add(&Line::Save(snapshot(id, log.now)));
        log.add(&Line::Done(id));
        id
    }

    fn moved(log: &mut Log, to: u64) {
        let id = log.next_id();
        log.add(&Line::Move { id, to });
        log.add(&Line::Done(id));
    }

    #[test]
    fn undo_and_redo_go_along_the_line_and_a_new_save_starts_another() {
        let mut log = Log::default();
        let [one, two, three] = [saved(&mut log), saved(&mut log), saved(&mut log)];
        let id = |snapshot: Option<&Snapshot>| snapshot.map(|snapshot| snapshot.id);
        assert_eq!((id(log.before("r3")), id(log.after("r3"))), (Some(two), None));
        moved(&mut log, two);
        assert_eq!((id(log.before("r2")), id(log.after("r2"))), (Some(one), Some(three)));
        let new = saved(&mut log);
        assert_eq!((id(log.before("r5")), id(log.after("r5"))), (Some(two), None));
        moved(&mut log, two);
        assert_eq!(id(log.after("r2")), Some(new));
        // Changed by somebody else, and not recorded yet.
        assert_eq!((id(log.before("other")), id(log.after("other"))), (Some(two), None));
    }

    #[test]
    fn what_a_crash_broke_off_is_settled_by_the_bytes() {
        let mut log = Log::default();
        let one = saved(&mut log);
        let id = log.next_id();
        log.add(&Line::Save(snapshot(id, Some(one))));
        assert_eq!(log.now, Some(one));
        assert_eq!(log.settle("r1"), Some(Line::Void(id)));
        assert_eq!(log.settle(&format!("r{id}")), Some(Line::Done(id)));
        let mut void = log.clone();
        void.add(&Line::Void(id));
        assert_eq!((void.snapshots.len(), void.settle("r1")), (1, None));
        log.add(&Line::Done(id));
        assert_eq!((log.snapshots.len(), log.now), (2, Some(id)));
        // A broken-off undo takes no snapshot with it.
        log.add(&Line::Move { id: 9, to: one });
        log.add(&Line::Void(9));
        assert_eq!((log.snapshots.len(), log.now, log.next_id()), (2, Some(id), 10));
    }

    #[test]
    fn lines_are_read_back_and_a_torn_one_is_passed_over() {
        let lines = [Line::Of("/c".into()), Line::Save(snapshot(1, None)), Line::Done(1), Line::Move { id: 2, to: 1 }];
        let mut text: String = lines.iter().map(|line| serde_json::to_string(line).unwrap() + "\n").collect();
        let whole = Log::read(&text);
        text.push_str("{\"save\":{\"id\":3,\"rev\n");
        text.push_str("{\"void\":2}\n");
        let mut expected = whole.clone();
        expected.add(&Line::Void(2));
        assert_eq!(Log::read(&text), expected);
        assert_eq!(whole.snapshots.len(), 1);
    }

    #[test]
    fn the_last_fifty_are_kept_and_where_it_stands() {
        let mut log = Log::default();
        for _ in 0..KEPT + KEPT / 4 {
            saved(&mut log);
        }
        assert!(log.compacted().is_none());
        saved(&mut log);
        moved(&mut log, 1);
        let (compacted, lines) = log.compacted().unwrap();
        assert_eq!(compacted.snapshots.len(), KEPT + 1);
        assert_eq!(compacted.current().unwrap().id, 1);
        assert_eq!(lines.last(), Some(&Line::Now(1)));
        assert!(compacted.next_id() > KEPT as u64);
    }
}
