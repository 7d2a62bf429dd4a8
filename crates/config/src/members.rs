//! The members of an object, for files of a megabyte: most objects have a handful of keys, and a few have thousands.
//! Equal keys share their text. No I/O.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::rc::Rc;

use crate::tree::Tree;

/// Up to this many, looking through them is quicker than a table.
const FEW: usize = 12;

/// The members of an object, in the text's order, each key once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Members {
    entries: Vec<(Rc<str>, Tree)>,
    /// Where each is, once there are many.
    places: Option<Box<QuickMap<Rc<str>, usize>>>,
}

impl Members {
    pub(crate) fn with_capacity(count: usize) -> Self {
        Self { entries: Vec::with_capacity(count), places: None }
    }

    /// Puts a member at the end, or in the place of the one with its key, which is given back.
    pub(crate) fn insert(&mut self, key: Rc<str>, tree: Tree) -> Option<Tree> {
        if let Some((_, before)) = self.place(&key).and_then(|place| self.entries.get_mut(place)) {
            return Some(std::mem::replace(before, tree));
        }
        if let Some(places) = &mut self.places {
            places.insert(Rc::clone(&key), self.entries.len());
        }
        self.entries.push((key, tree));
        if self.places.is_none() && self.entries.len() > FEW {
            let keys = self.entries.iter().enumerate();
            self.places = Some(Box::new(keys.map(|(place, (key, _))| (Rc::clone(key), place)).collect()));
        }
        None
    }

    /// Where in the order a key stands.
    pub(crate) fn place(&self, key: &str) -> Option<usize> {
        match &self.places {
            Some(places) => places.get(key).copied(),
            None => self.entries.iter().position(|(known, _)| **known == *key),
        }
    }

    /// A member, with its key as it lives here.
    pub(crate) fn entry(&self, key: &str) -> Option<(&str, &Tree)> {
        self.entries.get(self.place(key)?).map(|(key, tree)| (&**key, tree))
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Tree> {
        self.entry(key).map(|(_, tree)| tree)
    }

    pub(crate) fn at(&self, place: usize) -> Option<&Tree> {
        self.entries.get(place).map(|(_, tree)| tree)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Tree)> {
        self.entries.iter().map(|(key, tree)| (&**key, tree))
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// `later` over these: what both have becomes what `merge` makes of the two, in its place here.
    pub(crate) fn merged(mut self, later: Self, merge: impl Fn(Tree, Tree) -> Tree) -> Self {
        for (key, tree) in later.entries {
            let merged = match self.get(&key) {
                Some(before) => merge(before.clone(), tree),
                None => tree,
            };
            self.insert(key, merged);
        }
        self
    }
}

/// The keys that were met, each kept once.
#[derive(Debug, Default)]
pub(crate) struct Keys(QuickSet<Rc<str>>);

impl Keys {
    pub(crate) fn shared(&mut self, key: &str) -> Rc<str> {
        if let Some(known) = self.0.get(key) {
            return Rc::clone(known);
        }
        let new: Rc<str> = key.into();
        self.0.insert(Rc::clone(&new));
        new
    }
}

/// Tables of what a person's own files hold, which nobody fills to make them slow.
pub(crate) type QuickMap<K, V> = HashMap<K, V, BuildHasherDefault<Quick>>;
pub(crate) type QuickSet<K> = HashSet<K, BuildHasherDefault<Quick>>;

/// A hash that costs a few instructions for a key of a few letters.
#[derive(Clone, Copy, Default)]
pub(crate) struct Quick(u64);

impl Quick {
    fn mix(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

impl Hasher for Quick {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        words.iter().for_each(|word| self.mix(u64::from_le_bytes(*word)));
        if !rest.is_empty() {
            self.mix(rest.iter().fold(rest.len() as u64, |word, byte| word << 8 | u64::from(*byte)));
        }
    }

    fn write_u8(&mut self, byte: u8) {
        self.mix(u64::from(byte));
    }

    fn write_usize(&mut self, number: usize) {
        self.mix(number as u64);
    }

    fn finish(&self) -> u64 {
        // The upper bits have seen all of the key, and a table looks at the lower ones too.
        self.0.rotate_left(26)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Data, Origin};

    fn tree(number: usize) -> Tree {
        Tree { data: Data::Scalar(number.into()), origin: Origin { file: 0, offset: number, key: None } }
    }

    #[test]
    fn few_and_many_are_found_alike() {
        let mut members = Members::default();
        for count in 0..3 * FEW {
            assert!(members.insert(format!("k{count}").into(), tree(count)).is_none());
            for known in 0..=count {
                assert_eq!(members.get(&format!("k{known}")).map(|tree| tree.origin.offset), Some(known));
            }
            assert!(members.get("k").is_none());
        }
        // The later one counts, where the first stood.
        assert_eq!(members.insert("k1".into(), tree(99)).map(|tree| tree.origin.offset), Some(1));
        assert_eq!((members.place("k1"), members.len()), (Some(1), 3 * FEW));
        let mut other = Members::default();
        other.insert("new".into(), tree(7));
        other.insert("k0".into(), tree(8));
        let merged = members.merged(other, |_, later| later);
        assert_eq!((merged.place("new"), merged.at(0).map(|tree| tree.origin.offset)), (Some(3 * FEW), Some(8)));
    }
}
