//! Thoughts that a server leaves inside the answer's text, between `<think>` and `</think>`.
//!
//! Text comes in pieces of any size, and only what may be the beginning of a tag is held back. Only an answer that
//! begins with the tag holds thoughts: later the same characters are what the model writes about.

const OPEN: &str = "<think>";
const CLOSE: &str = "</think>";

/// A piece of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Words. Never empty.
    Text(String),
    /// Thoughts. Never empty.
    Reasoning(String),
}

/// Takes an answer's text apart.
#[derive(Debug)]
pub struct Splitter {
    state: State,
    /// What cannot be told yet: blanks, and what may be the beginning of a tag.
    held: String,
    /// Whether text that begins without a tag begins inside thoughts.
    unopened: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing but blanks and a part of a tag has come.
    Start,
    /// A tag has just been opened: blanks are its own.
    Opened,
    Thinking,
    /// The tag has just been closed: blanks are its own, but for the indentation of the answer's first line.
    Closed,
    Text,
}

impl Splitter {
    /// For an answer that begins. `unopened`: the model is one whose template opens the tag before it writes (MiniMax
    /// M2), so that everything before the first closing tag is thought, and all of it where none comes.
    #[must_use]
    pub fn new(unopened: bool) -> Self {
        Self { state: State::Start, held: String::new(), unopened }
    }

    /// The server gives thoughts apart from the text, so the text does not begin inside them.
    pub fn separated(&mut self) {
        self.unopened = false;
    }

    /// Takes the next piece of the text.
    pub fn push(&mut self, text: &str) -> Vec<Piece> {
        let mut out = Vec::new();
        if self.state == State::Text {
            tell(&mut out, Piece::Text, text);
            return out;
        }
        self.held.push_str(text);
        while self.step(&mut out) {}
        out
    }

    /// Gives what is held, because something that is no text comes next.
    pub fn flush(&mut self) -> Vec<Piece> {
        let mut out = Vec::new();
        let held = std::mem::take(&mut self.held);
        match self.state {
            // Blanks alone are no thought.
            State::Start if self.unopened => {
                tell(&mut out, Piece::Reasoning, if held.trim().is_empty() { "" } else { &held })
            }
            State::Start => {
                if !held.is_empty() {
                    self.state = State::Text;
                }
                tell(&mut out, Piece::Text, &held);
            }
            State::Thinking => tell(&mut out, Piece::Reasoning, &held),
            State::Text => tell(&mut out, Piece::Text, &held),
            State::Opened | State::Closed => {}
        }
        out
    }

    /// One step through what is held. False when nothing more can be told.
    fn step(&mut self, out: &mut Vec<Piece>) -> bool {
        let trimmed = self.held.trim_start();
        let blanks = self.held.len() - trimmed.len();
        match self.state {
            State::Start => {
                if trimmed.is_empty() {
                    return false;
                }
                if let Some(rest) = trimmed.strip_prefix(OPEN) {
                    self.held = rest.to_owned();
                    self.state = State::Opened;
                } else if let Some(rest) = trimmed.strip_prefix(CLOSE) {
                    self.held = rest.to_owned();
                    self.state = State::Closed;
                } else if OPEN.starts_with(trimmed) || CLOSE.starts_with(trimmed) {
                    return false;
                } else {
                    self.state = if self.unopened { State::Thinking } else { State::Text };
                }
            }
            State::Opened => {
                if trimmed.is_empty() {
                    self.held.clear();
                    return false;
                }
                self.held.drain(..blanks);
                self.state = State::Thinking;
            }
            State::Thinking => {
                if let Some(at) = self.held.find(CLOSE) {
                    let (thought, rest) = self.held.split_at(at);
                    tell(out, Piece::Reasoning, thought.trim_end());
                    self.held = rest.get(CLOSE.len()..).unwrap_or_default().to_owned();
                    self.state = State::Closed;
                } else {
                    let certain = before_tag(&self.held, CLOSE);
                    tell(out, Piece::Reasoning, self.held.get(..certain).unwrap_or_default());
                    self.held.drain(..certain);
                    return false;
                }
            }
            State::Closed => {
                if trimmed.is_empty() {
                    return false;
                }
                let line = self.held.get(..blanks).and_then(|blank| blank.rfind('\n')).map_or(blanks, |at| at + 1);
                self.held.drain(..line);
                self.state = State::Text;
            }
            State::Text => {
                tell(out, Piece::Text, &std::mem::take(&mut self.held));
                return false;
            }
        }
        true
    }
}

fn tell(out: &mut Vec<Piece>, piece: fn(String) -> Piece, text: &str) {
    if !text.is_empty() {
        out.push(piece(text.to_owned()));
    }
}

/// How much of a text is certain not to be blanks before `tag` or a part of it, which the text that follows may complete.
pub(super) fn before_tag(text: &str, tag: &str) -> usize {
    let part = (1..tag.len()).rev().find(|length| text.ends_with(tag.get(..*length).unwrap_or(tag))).unwrap_or(0);
    text.get(..text.len() - part).unwrap_or_default().trim_end().len()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use proptest::prelude::*;

    /// The thoughts and the text of an answer that comes in these pieces.
    fn split<'a>(unopened: bool, pieces: impl IntoIterator<Item = &'a str>) -> (String, String) {
        let mut splitter = Splitter::new(unopened);
        let mut all: Vec<Piece> = pieces.into_iter().flat_map(|piece| splitter.push(piece)).collect();
        all.extend(splitter.flush());
        let mut both = (String::new(), String::new());
        for piece in all {
            match piece {
                Piece::Reasoning(text) => {
                    assert!(both.1.is_empty(), "a thought after the text");
                    both.0.push_str(&text);
                }
                Piece::Text(text) => both.1.push_str(&text),
            }
        }
        both
    }

    /// Text, whether it begins unopened, its thoughts, its words.
    const TABLE: &[(&str, bool, &str, &str)] = &[
        ("plain", false, "", "plain"),
        ("", false, "", ""),
        ("  plain ", false, "", "  plain "),
        ("<think>hm</think>yes", false, "hm", "yes"),
        ("\n<think>\nhm \n</think>\n\nyes\n", false, "hm", "yes\n"),
        ("<think>hm</think>\n\n    indented", false, "hm", "    indented"),
        ("<think>hm</think>   yes", false, "hm", "yes"),
        ("<think>\n\n</think>\n\nyes", false, "", "yes"),
        ("<think>never closed </thin", false, "never closed </thin", ""),
        ("<think>a <think> b</think>c", false, "a <think> b", "c"),
        ("<think>a < b </ c</think>d", false, "a < b </ c", "d"),
        ("</think>\n\nyes", false, "", "yes"),
        ("The <think> tag, and </think>.", false, "", "The <think> tag, and </think>."),
        ("<think>hm</think>then <think>not</think>", false, "hm", "then <think>not</think>"),
        ("<thin", false, "", "<thin"),
        ("<thinker>x", false, "", "<thinker>x"),
        ("hm\n</think>\n\nyes", true, "hm", "yes"),
        ("<think>hm</think>yes", true, "hm", "yes"),
        ("it never closes", true, "it never closes", ""),
        ("</think>yes", true, "", "yes"),
        ("é</think>→", true, "é", "→"),
    ];

    #[test]
    fn thoughts_and_words() {
        for (text, unopened, thoughts, words) in TABLE {
            assert_eq!(split(*unopened, [*text]), ((*thoughts).to_owned(), (*words).to_owned()), "{text:?}");
        }
    }

    #[test]
    fn in_any_split() {
        for (text, unopened, thoughts, words) in TABLE {
            let expected = ((*thoughts).to_owned(), (*words).to_owned());
            for at in (0..text.len()).filter(|at| text.is_char_boundary(*at)) {
                assert_eq!(split(*unopened, [&text[..at], &text[at..]]), expected, "{text:?} at {at}");
            }
            let letters: Vec<String> = text.chars().map(String::from).collect();
            assert_eq!(split(*unopened, letters.iter().map(String::as_str)), expected, "{text:?} by letters");
        }
    }

    #[test]
    fn nothing_certain_is_held() {
        let mut splitter = Splitter::new(false);
        assert_eq!(splitter.push("<think>"), []);
        assert_eq!(splitter.push("so 1 < 2"), [Piece::Reasoning("so 1 < 2".to_owned())]);
        assert_eq!(splitter.push(" and </th"), [Piece::Reasoning(" and".to_owned())]);
        assert_eq!(splitter.push("us"), [Piece::Reasoning(" </thus".to_owned())]);
        assert_eq!(splitter.push("</think>y"), [Piece::Text("y".to_owned())]);
        assert_eq!(splitter.push(" <"), [Piece::Text(" <".to_owned())]);
    }

    #[test]
    fn a_server_that_gives_thoughts_apart_is_believed() {
        let mut splitter = Splitter::new(true);
        assert_eq!(splitter.push("\n"), []);
        splitter.separated();
        assert_eq!(splitter.push("yes"), [Piece::Text("\nyes".to_owned())]);
    }

    proptest! {
        #[test]
        fn every_split_says_the_same(
            parts in prop::collection::vec(prop::sample::select(vec!["<think>", "</think>", "<", "</", "think>", "a", " ", "\n", "é"]), 0..12),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
            unopened in any::<bool>(),
        ) {
            let text = parts.concat();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).filter(|at| text.is_char_boundary(*at)).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let pieces = cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]);
            prop_assert_eq!(split(unopened, pieces), split(unopened, [text.as_str()]));
        }
    }
}
