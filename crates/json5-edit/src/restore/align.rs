//! Which entry of a new array or object is which of the old one.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::document::{Kind, Node};

/// Above this many comparisons, items are the same only by being equal or by standing in the same place.
const MOST_COMPARISONS: usize = 1 << 20;

/// For each entry of `from`, the number of the one in `to` that it is; none where it is gone.
pub(super) fn align(from: &Node, to: &Node) -> Vec<Option<usize>> {
    match (&from.kind, &to.kind) {
        (Kind::Object(was), Kind::Object(is)) => {
            // Of members with the same key, the first is the first, and so on.
            let mut places: HashMap<(&str, usize), usize> = HashMap::new();
            let mut seen: HashMap<&str, usize> = HashMap::new();
            for (at, member) in is.iter().enumerate() {
                let count = seen.entry(&member.key).or_default();
                places.insert((&member.key, *count), at);
                *count += 1;
            }
            seen.clear();
            was.iter()
                .map(|member| {
                    let count = seen.entry(&member.key).or_default();
                    *count += 1;
                    places.get(&(member.key.as_str(), *count - 1)).copied()
                })
                .collect()
        }
        (Kind::Array(was), Kind::Array(is)) => items(was, is),
        _ => Vec::new(),
    }
}

fn items(was: &[Node], is: &[Node]) -> Vec<Option<usize>> {
    let hashes = |items: &[Node]| -> Vec<u64> {
        items
            .iter()
            .map(|item| {
                let mut hasher = DefaultHasher::new();
                hash(item, &mut hasher);
                hasher.finish()
            })
            .collect()
    };
    let (old_hashes, new_hashes) = (hashes(was), hashes(is));
    let mut places = vec![None; was.len()];
    let mut taken = vec![false; is.len()];
    for (a, b) in in_order(&old_hashes, &new_hashes) {
        places[a] = Some(b);
        taken[b] = true;
    }
    // Those that moved past others.
    let mut free: HashMap<u64, Vec<usize>> = HashMap::new();
    for b in (0..is.len()).rev().filter(|b| !taken[*b]) {
        free.entry(new_hashes[b]).or_default().push(b);
    }
    for a in 0..was.len() {
        if places[a].is_none()
            && let Some(b) = free.get_mut(&old_hashes[a]).and_then(Vec::pop)
        {
            places[a] = Some(b);
            taken[b] = true;
        }
    }
    changed(was, is, &mut places, &mut taken);
    places
}

/// Items that changed: those between the same neighbours, all of them where as many are there as were, else objects
/// that share most of their members.
fn changed(was: &[Node], is: &[Node], places: &mut [Option<usize>], taken: &mut [bool]) {
    let mut a = 0;
    while a < was.len() {
        if places[a].is_some() {
            a += 1;
            continue;
        }
        let end = (a..was.len()).find(|at| places[*at].is_some()).unwrap_or(was.len());
        let first = a.checked_sub(1).and_then(|before| places[before]).map_or(0, |before| before + 1);
        let stop = (first..is.len()).find(|at| taken[*at]).unwrap_or(is.len());
        if end - a == stop - first {
            for (old, new) in (a..end).zip(first..stop) {
                places[old] = Some(new);
                taken[new] = true;
            }
        } else if (end - a) * (stop - first) < MOST_COMPARISONS / 64 {
            let mut from = first;
            for old in a..end {
                if let Some(new) = (from..stop).find(|new| alike(&was[old], &is[*new])) {
                    places[old] = Some(new);
                    taken[new] = true;
                    from = new + 1;
                }
            }
        }
        a = end;
    }
}

/// Whether two objects have at least half of their members in common.
fn alike(a: &Node, b: &Node) -> bool {
    let (Kind::Object(a), Kind::Object(b)) = (&a.kind, &b.kind) else { return false };
    let values: HashMap<&str, &Node> = b.iter().map(|member| (member.key.as_str(), &member.value)).collect();
    let same = a
        .iter()
        .filter(|member| {
            values.get(member.key.as_str()).is_some_and(|value| value.to_value() == member.value.to_value())
        })
        .count();
    same > 0 && 2 * same >= a.len().max(b.len())
}

/// The longest row of equal items that are in the same order.
fn in_order(a: &[u64], b: &[u64]) -> Vec<(usize, usize)> {
    let head = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let tail = a[head..].iter().rev().zip(b[head..].iter().rev()).take_while(|(a, b)| a == b).count();
    let (middle_a, middle_b) = (&a[head..a.len() - tail], &b[head..b.len() - tail]);
    let mut pairs: Vec<(usize, usize)> = (0..head).map(|at| (at, at)).collect();
    if middle_a.len() * middle_b.len() <= MOST_COMPARISONS {
        let width = middle_b.len() + 1;
        let mut longest = vec![0_u32; (middle_a.len() + 1) * width];
        for x in (0..middle_a.len()).rev() {
            for y in (0..middle_b.len()).rev() {
                longest[x * width + y] = if middle_a[x] == middle_b[y] {
                    longest[(x + 1) * width + y + 1] + 1
                } else {
                    longest[(x + 1) * width + y].max(longest[x * width + y + 1])
                };
            }
        }
        let (mut x, mut y) = (0, 0);
        while x < middle_a.len() && y < middle_b.len() {
            if middle_a[x] == middle_b[y] {
                pairs.push((head + x, head + y));
                (x, y) = (x + 1, y + 1);
            } else if longest[(x + 1) * width + y] >= longest[x * width + y + 1] {
                x += 1;
            } else {
                y += 1;
            }
        }
    }
    pairs.extend((0..tail).rev().map(|back| (a.len() - 1 - back, b.len() - 1 - back)));
    pairs
}

/// A value by what it means; the order of members does not count, as a program may have changed it.
fn hash(node: &Node, hasher: &mut DefaultHasher) {
    match &node.kind {
        Kind::Scalar(value) => match value.as_f64() {
            Some(number) => (0_u8, number.to_bits()).hash(hasher),
            None => (1_u8, value).hash(hasher),
        },
        Kind::Array(items) => {
            (2_u8, items.len()).hash(hasher);
            items.iter().for_each(|item| hash(item, hasher));
        }
        Kind::Object(members) => {
            let all = members.iter().fold(0_u64, |all, member| {
                let mut own = DefaultHasher::new();
                member.key.hash(&mut own);
                hash(&member.value, &mut own);
                all.wrapping_add(own.finish())
            });
            (3_u8, members.len(), all).hash(hasher);
        }
    }
}
