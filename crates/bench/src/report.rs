//! The table, and which targets hold.

use std::fmt::Write as _;

use crate::contestant::{BARE, Contestant, PASSING};
use crate::measure::{Figures, Times};

/// The middle one.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted: Vec<f64> = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// One contestant's figures, set against those of the upstream asked directly.
struct Row {
    name: &'static str,
    added: f64,
    added_late: f64,
    rate: f64,
    processor: f64,
    burst: f64,
    first: f64,
    gap: f64,
    late: f64,
    resident: f64,
}

fn row(contestant: &Contestant, own: &Figures, direct: &Figures) -> Row {
    let over = |times: fn(&Figures) -> &Times, part: f64| times(own).at(part) - times(direct).at(part);
    // Round by round, since the machine is not equally busy in all.
    let rates: Vec<f64> = own.rates.iter().zip(&direct.rates).map(|(own, direct)| own / direct).collect();
    Row {
        name: contestant.name,
        added: over(|figures| &figures.single, 0.5),
        added_late: over(|figures| &figures.single, 0.99),
        rate: median(&rates),
        processor: median(&own.processor),
        burst: own.bursts.at(0.5) / direct.bursts.at(0.5),
        first: over(|figures| &figures.first, 0.5),
        gap: over(|figures| &figures.gaps, 0.99),
        late: own.late.at(0.99),
        resident: if own.resident > 0.0 { own.resident } else { f64::NAN },
    }
}

/// Everything as text.
pub fn report(contestants: &[Contestant], figures: &[Figures], skipped: &[String]) -> String {
    let mut text = String::new();
    let Some(direct) = figures.first() else { return text };
    let rows: Vec<Row> =
        contestants.iter().zip(figures).map(|(contestant, figures)| row(contestant, figures, direct)).collect();
    let head = [
        "",
        "added p50 ms",
        "added p99 ms",
        "req/s x direct",
        "CPU us/req",
        "burst x direct",
        "first +ms",
        "gap p99 +ms",
        "late p99 ms",
        "RSS MB",
    ];
    let _ = writeln!(text, "{}", head.map(|name| format!("{name:>14}")).concat());
    for row in &rows {
        let figures = [
            (row.added, 3),
            (row.added_late, 3),
            (row.rate, 4),
            (row.processor, 0),
            (row.burst, 2),
            (row.first, 2),
            (row.gap, 2),
            (row.late, 1),
            (row.resident, 0),
        ];
        let cells: String = figures
            .iter()
            .map(|(figure, digits)| match figure {
                figure if figure.is_nan() => format!("{:>14}", "-"),
                figure => format!("{figure:>14.digits$}"),
            })
            .collect();
        let _ = writeln!(text, "{:>14}{cells}", row.name);
    }
    let _ = writeln!(
        text,
        "direct: {:.3} ms p50, {:.0} requests/s, a burst {:.3} ms",
        direct.single.at(0.5),
        median(&direct.rates),
        direct.bursts.at(0.5)
    );
    for (contestant, figures) in contestants.iter().zip(figures) {
        for (what, failed) in [("whole answers", &figures.failed_whole), ("streams", &figures.failed_streams)] {
            if let Some(error) = failed {
                let _ = writeln!(text, "{} failed at {what}: {error}", contestant.name);
            }
        }
    }
    for skipped in skipped {
        let _ = writeln!(text, "skipped {skipped}");
    }
    text + &targets(&rows)
}

/// What we mean to keep, and whether it was kept this time.
fn targets(rows: &[Row]) -> String {
    let find = |name: &str| rows.iter().find(|row| row.name == name);
    let (Some(bare), Some(passing)) = (find(BARE), find(PASSING)) else { return String::new() };
    let mut text = String::new();
    let mut target = |what: &str, figure: f64, holds: bool| {
        let word = if figure.is_nan() {
            "not measured"
        } else if holds {
            "holds"
        } else {
            "MISSED"
        };
        let _ = writeln!(text, "{word:>12}  {what}: {figure:.2}");
    };
    let mut most = |what: &str, figure: f64, limit: f64| target(what, figure, figure <= limit);
    most("pass-through adds at p50 at most 1.3 x what the bare proxy adds", passing.added / bare.added, 1.3);
    most("and at most 2 x its processor time per request", passing.processor / bare.processor, 2.0);
    for row in rows.iter().filter(|row| row.name.starts_with("to ")) {
        most(&format!("{} adds at p50 at most 2 x pass-through", row.name), row.added / passing.added, 2.0);
    }
    most("a burst of 51 events takes at most 2.5 x direct", passing.burst, 2.5);
    most("64 paced streams: at most 1 ms more to the first event (p50)", passing.first, 1.0);
    most("64 paced streams: at most 1 ms more between events (p99)", passing.gap, 1.0);
    most("2,000 open streams: at most 150 MB", passing.resident, 150.0);
    most("2,000 open streams: no event later than 50 ms (p99)", passing.late, 50.0);
    target(
        "it carries at least 0.3 x of the direct requests a second at 64 at once",
        passing.rate,
        passing.rate >= 0.3,
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_one() {
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!(median(&[]).is_nan());
    }
}
