//! How far one name is from another: for the question what was probably meant. No I/O.

/// How many characters have to be added, taken away, replaced or swapped with the next, whatever their case; none above
/// `most`.
pub(crate) fn distance(one: &str, other: &str, most: usize) -> Option<usize> {
    let letters = |text: &str| text.trim().to_lowercase().chars().take(256).collect::<Vec<char>>();
    let (one, other) = (letters(one), letters(other));
    if one.len().abs_diff(other.len()) > most {
        return None;
    }
    let mut rows: Vec<Vec<usize>> = vec![(0..=other.len()).collect()];
    for at in 1..=one.len() {
        let mut row = vec![at];
        for column in 1..=other.len() {
            let replaced = rows[at - 1][column - 1] + usize::from(one[at - 1] != other[column - 1]);
            let mut least = replaced.min(rows[at - 1][column] + 1).min(row[column - 1] + 1);
            if at > 1 && column > 1 && one[at - 1] == other[column - 2] && one[at - 2] == other[column - 1] {
                least = least.min(rows[at - 2][column - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows.last().and_then(|row| row.last()).copied().filter(|far| *far <= most)
}
