//! A lossless JSON5 document: parse, locate by path, edit by path, compare, put comments back.
//!
//! What a text means is decided by the `json5` crate alone. Beside it stands a scan that finds *where* each key, value
//! and comment is; a document exists only when `json5` reads exactly what was found. An edit splices text, so whatever
//! it does not touch stays to the byte (comments, order, quotes, number notation, line ends, a byte order mark), and
//! it is given out only when `json5` reads the new text as exactly the intended value and no comment is gone but those
//! of what was removed. Which comments belong to what is told in [`Comment`].
//!
//! Must not know: files, OpenClaw, or anything else of ours.

mod apply;
mod change;
mod check;
mod comments;
mod diff;
mod document;
mod edit;
mod explain;
mod layout;
mod path;
mod plan;
mod restore;
mod scan;
mod style;

pub use comments::{Comment, CommentPlace};
pub use diff::{TextChange, changes, unified_diff};
pub use document::{Document, Kind, Member, Node, ParseError, Place};
pub use edit::{Conflict, Edit, EditError, Expected, Position};
pub use path::{Path, PathError, Step};
pub use restore::{Lost, restore_comments};
