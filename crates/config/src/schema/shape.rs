//! The vocabulary in which the tables say what may stand where, version by version. Pure data.

use crate::tree::Tree;

/// A version of OpenClaw whose rules we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// 2026.2.6, of February: the version of the page "Local models".
    February,
    /// 2026.9.6, of September.
    September,
}

impl Version {
    /// Both, the older first.
    pub const ALL: [Self; 2] = [Self::February, Self::September];

    /// Its number, as `openclaw --version` says it.
    #[must_use]
    pub fn number(self) -> &'static str {
        match self {
            Self::February => "2026.2.6",
            Self::September => "2026.9.6",
        }
    }
}

/// Which versions have a key or a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum In {
    Neither,
    Both,
    February,
    September,
}

impl In {
    pub(super) fn has(self, version: Version) -> bool {
        match self {
            Self::Neither => false,
            Self::Both => true,
            Self::February => version == Version::February,
            Self::September => version == Version::September,
        }
    }
}

/// What may stand in a place.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    /// Not looked at.
    Any,
    Bool,
    Null,
    Text(Rule),
    Number(Range),
    /// One of these words.
    Word(&'static [(&'static str, In)]),
    List {
        item: &'static Shape,
        most: Option<usize>,
    },
    /// An array of one of these lengths.
    Tuple {
        item: &'static Shape,
        lengths: &'static [usize],
    },
    /// Keys of the user's own choice.
    Map {
        value: &'static Shape,
        key: Rule,
    },
    /// These keys and no others.
    Object(&'static [Key]),
    /// These keys are looked at; others are not.
    Partial(&'static [Key]),
    /// One key says which of several objects it is.
    Tagged {
        tag: &'static str,
        of: &'static [(&'static str, Shape)],
    },
    /// Any of these.
    OneOf(&'static [Shape]),
    /// What it is in February, and in September.
    Differs(&'static Shape, &'static Shape),
    /// What it is, told by what stands there.
    By(fn(&Tree) -> &'static Shape),
}

/// A key of an object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    pub name: &'static str,
    pub shape: Shape,
    pub versions: In,
    pub required: In,
}

/// What a text must be like.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rule {
    Free,
    NotEmpty,
    AtMost(usize),
    /// Between one character and so many.
    Filled(usize),
    /// A condition, and what it asks for in a person's words.
    Like(fn(&str) -> bool, &'static str),
}

/// What a number must be like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    pub whole: bool,
    pub least: Least,
    pub most: Option<f64>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Least {
    None,
    /// At least zero.
    Zero,
    /// More than zero.
    AboveZero,
}

pub(super) const TEXT: Shape = Shape::Text(Rule::Free);
pub(super) const FILLED: Shape = Shape::Text(Rule::NotEmpty);
pub(super) const TEXTS: Shape = Shape::List { item: &TEXT, most: None };
pub(super) const FILLED_TEXTS: Shape = Shape::List { item: &FILLED, most: None };
pub(super) const NUMBER: Shape = Shape::Number(Range { whole: false, least: Least::None, most: None });
/// A number above zero.
pub(super) const POSITIVE: Shape = Shape::Number(Range { whole: false, least: Least::AboveZero, most: None });
/// A whole number above zero.
pub(super) const COUNT: Shape = Shape::Number(Range { whole: true, least: Least::AboveZero, most: None });
/// A whole number from zero.
pub(super) const FROM_ZERO: Shape = Shape::Number(Range { whole: true, least: Least::Zero, most: None });
/// An object with whatever keys and values.
pub(super) const FREE_OBJECT: Shape = Shape::Map { value: &Shape::Any, key: Rule::Free };
pub(super) const TEXT_MAP: Shape = Shape::Map { value: &TEXT, key: Rule::Free };

pub(super) const fn count_to(most: f64) -> Shape {
    Shape::Number(Range { whole: true, least: Least::AboveZero, most: Some(most) })
}

/// A key of both versions.
pub(super) const fn both(name: &'static str, shape: Shape) -> Key {
    Key { name, shape, versions: In::Both, required: In::Neither }
}

/// A key of February alone.
pub(super) const fn february(name: &'static str, shape: Shape) -> Key {
    Key { name, shape, versions: In::February, required: In::Neither }
}

/// A key of September alone.
pub(super) const fn september(name: &'static str, shape: Shape) -> Key {
    Key { name, shape, versions: In::September, required: In::Neither }
}

impl Key {
    /// Required wherever it is known.
    pub(super) const fn required(self) -> Self {
        Self { required: self.versions, ..self }
    }

    /// Required in these versions.
    pub(super) const fn required_in(self, required: In) -> Self {
        Self { required, ..self }
    }
}

impl Shape {
    /// What is expected, in a person's words.
    pub(super) fn words(&self, version: Version) -> String {
        match self {
            Self::Any | Self::By(_) => "anything".to_owned(),
            Self::Bool => "true or false".to_owned(),
            Self::Null => "null".to_owned(),
            Self::Text(_) => "a string".to_owned(),
            Self::Number(range) if range.whole => "a whole number".to_owned(),
            Self::Number(_) => "a number".to_owned(),
            Self::Word(words) => {
                let known: Vec<String> =
                    words.iter().filter(|(_, in_)| in_.has(version)).map(|(word, _)| format!("{word:?}")).collect();
                match known.as_slice() {
                    [only] => only.clone(),
                    _ => format!("one of {}", known.join(", ")),
                }
            }
            Self::List { .. } | Self::Tuple { .. } => "an array".to_owned(),
            Self::Map { .. } | Self::Object(_) | Self::Partial(_) | Self::Tagged { .. } => "an object".to_owned(),
            Self::OneOf(shapes) => {
                let mut all: Vec<String> = Vec::new();
                for words in shapes.iter().map(|shape| shape.words(version)) {
                    if !all.contains(&words) {
                        all.push(words);
                    }
                }
                all.join(" or ")
            }
            Self::Differs(..) => self.of(version).words(version),
        }
    }

    /// The shape that a version has.
    pub(super) fn of(&self, version: Version) -> &Self {
        match (self, version) {
            (Self::Differs(february, _), Version::February) => february.of(version),
            (Self::Differs(_, september), Version::September) => september.of(version),
            _ => self,
        }
    }
}
