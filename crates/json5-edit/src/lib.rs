//! A lossless JSON5 document: parse, locate by path, edit by path.
//!
//! What a text means is decided by the `json5` crate alone. Beside it stands a scan that only finds *where* each key
//! and value is, and leaves the reading of every key and scalar to `json5`; a document exists only when both agree. An
//! edit splices text, so whatever it does not touch stays to the byte (comments, order, quotes, number notation, line
//! ends, a byte order mark), and it is given out only when `json5` reads the new text as exactly the intended value.
//!
//! Must not know: files, OpenClaw, or anything else of ours.

mod document;
mod edit;
mod explain;
mod path;
mod scan;
mod style;

pub use document::{Document, Kind, Member, Node, ParseError, Place};
pub use edit::EditError;
pub use path::{Path, PathError, Step};
