//! The comments of a document, and what each belongs to.

use std::ops::Range;

use crate::document::{Document, Kind, Member, Node};
use crate::layout::Layout;
use crate::path::{Path, Step};
use crate::scan::{comments_in, skip_trivia};

/// A comment, and what it belongs to. The rule, in the order it is applied to the entries (items or members) of an
/// array or object:
/// - A comment between a key and its value is the entry's; so is one between the value and its comma.
/// - Comments behind an entry or its comma on the same line are the entry's, when the line (or the array or object) ends
///   after them. When another entry follows on that line they are that one's.
/// - Comments behind the opening bracket on its line are the array's or object's, when the line ends after them.
/// - Comments above an entry, or before it on its line, are the entry's as far as no blank line stands between.
/// - Every other comment is the array's or object's own, and stays when its entries come and go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// Its bytes; of a line comment without the line end.
    pub span: Range<usize>,
    /// What it belongs to.
    pub path: Path,
    /// Where it stands, seen from there.
    pub place: CommentPlace,
}

/// Where a comment stands, seen from what it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CommentPlace {
    /// Before the outermost value.
    Head,
    /// Above the entry, or before it on its line.
    Above,
    /// Between the entry's key and value.
    Inside,
    /// Behind the entry.
    Behind,
    /// Behind the opening bracket of the array or object, or anywhere in it when it is empty.
    Opening,
    /// In the array or object, above a blank line.
    Between,
    /// In the array or object, below its last entry.
    Closing,
    /// After the outermost value.
    Tail,
}

impl Document {
    /// Every comment, in the text's order.
    #[must_use]
    pub fn comments(&self) -> Vec<Comment> {
        let mut found = Vec::with_capacity(self.comments.len());
        let root = self.root();
        let mut outside = |range: Range<usize>, place| {
            for span in comments_in(&self.text, range) {
                found.push(Comment { span, path: Path::root(), place });
            }
        };
        outside(0..root.span.start, CommentPlace::Head);
        outside(root.span.end..self.text.len(), CommentPlace::Tail);
        self.comments_below(root, &Path::root(), &mut found);
        found.sort_by_key(|comment| comment.span.start);
        found
    }

    fn comments_below(&self, node: &Node, path: &Path, found: &mut Vec<Comment>) {
        let text = &self.text;
        let layout = Layout::of(text, node);
        let mut put = |spans: Vec<Range<usize>>, path: &Path, place| {
            found.extend(spans.into_iter().map(|span| Comment { span, path: path.clone(), place }));
        };
        put(layout.opening, path, CommentPlace::Opening);
        put(layout.closing, path, CommentPlace::Closing);
        for (index, entry) in layout.entries.into_iter().enumerate() {
            let step = match &node.kind {
                Kind::Object(members) => Step::Key(members[index].key.clone()),
                _ => Step::Index(index),
            };
            let own = path.then(step);
            put(entry.free, path, CommentPlace::Between);
            put(entry.above, &own, CommentPlace::Above);
            if let Kind::Object(members) = &node.kind {
                put(inside(text, &members[index]), &own, CommentPlace::Inside);
            }
            put(entry.before_comma, &own, CommentPlace::Behind);
            put(entry.behind, &own, CommentPlace::Behind);
        }
        match &node.kind {
            Kind::Scalar(_) => {}
            Kind::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    if !matches!(item.kind, Kind::Scalar(_)) {
                        self.comments_below(item, &path.then(index), found);
                    }
                }
            }
            Kind::Object(members) => {
                for member in members {
                    if !matches!(member.value.kind, Kind::Scalar(_)) {
                        self.comments_below(&member.value, &path.then(member.key.as_str()), found);
                    }
                }
            }
        }
    }
}

/// The comments between a member's key and value.
pub(crate) fn inside(text: &str, member: &Member) -> Vec<Range<usize>> {
    let colon = skip_trivia(text, member.key_span.end);
    let mut found = comments_in(text, member.key_span.end..colon);
    found.extend(comments_in(text, colon + 1..member.value.span.start));
    found
}
