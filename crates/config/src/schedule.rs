//! Days and hours at which a model is kept warm: reading them, and whether a moment is within them. No I/O, and no
//! clock: whoever asks brings the moment.
//!
//! A window is from one instant to another, worked out on the calendar of its time zone. So a night on which the clock
//! is put forward or back has one beginning and one end like any other, and is an hour shorter or longer.

use std::fmt;

use chrono::{DateTime, Datelike as _, Duration, Local, NaiveDate, NaiveDateTime, TimeZone, Utc, Weekday};
use chrono_tz::Tz;

use crate::settings_read::Reader;
use crate::tree::{At, Data};

pub(crate) const WINDOW_KEYS: &[&str] = &["days", "from", "to", "timeZone"];

const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Mon),
    ("tue", Weekday::Tue),
    ("wed", Weekday::Wed),
    ("thu", Weekday::Thu),
    ("fri", Weekday::Fri),
    ("sat", Weekday::Sat),
    ("sun", Weekday::Sun),
];

/// Windows of time, of which at least one must be open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// In the file's order. None: it is never open.
    pub windows: Vec<Window>,
}

/// One window of time on some days of the week.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// The days on which it begins, Monday first.
    pub days: Vec<Weekday>,
    /// When it begins, in minutes since midnight.
    pub from: u16,
    /// When it ends, in minutes since midnight, up to 1440; on the next day where it is not after `from`.
    pub to: u16,
    /// The time zone of both; none: this machine's.
    pub time_zone: Option<Tz>,
}

impl Schedule {
    /// Whether a window is open at this moment.
    #[must_use]
    pub fn is_open(&self, at: DateTime<Utc>) -> bool {
        self.windows.iter().any(|window| window.spans(at).any(|(from, to)| from <= at && at < to))
    }

    /// The next moment at which [`Schedule::is_open`] answers otherwise; none where it never does.
    #[must_use]
    pub fn next_change(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let now = self.is_open(after);
        let mut edges: Vec<_> =
            self.windows.iter().flat_map(|window| window.spans(after)).flat_map(|(from, to)| [from, to]).collect();
        edges.retain(|edge| *edge > after);
        edges.sort_unstable();
        edges.into_iter().find(|edge| self.is_open(*edge) != now)
    }
}

impl Window {
    /// The times it is open, from the day before `around` to a week and a day after it.
    fn spans(&self, around: DateTime<Utc>) -> impl Iterator<Item = (DateTime<Utc>, DateTime<Utc>)> + '_ {
        let today = match self.time_zone {
            Some(zone) => around.with_timezone(&zone).date_naive(),
            None => around.with_timezone(&Local).date_naive(),
        };
        (-1..=8).filter_map(move |offset| {
            let day = today.checked_add_signed(Duration::days(offset))?;
            if !self.days.contains(&day.weekday()) {
                return None;
            }
            let last = if self.to > self.from { day } else { day.succ_opt()? };
            let (from, to) = (moment(day, self.from)?, moment(last, self.to)?);
            let (from, to) = match self.time_zone {
                Some(zone) => (instant(&zone, from, false)?, instant(&zone, to, true)?),
                None => (instant(&Local, from, false)?, instant(&Local, to, true)?),
            };
            (from < to).then_some((from, to))
        })
    }
}

fn moment(day: NaiveDate, minutes: u16) -> Option<NaiveDateTime> {
    day.and_hms_opt(0, 0, 0)?.checked_add_signed(Duration::minutes(i64::from(minutes)))
}

/// The instant of a time on a zone's clock. A time that comes twice, when the clock is put back, is the first one, or
/// for an end the `last`. One that never comes is as long after the clock was put forward as it says.
fn instant<Z: TimeZone>(zone: &Z, at: NaiveDateTime, last: bool) -> Option<DateTime<Utc>> {
    let found = zone.from_local_datetime(&at);
    let found = if last { found.latest() } else { found.earliest() };
    if let Some(found) = found {
        return Some(found.with_timezone(&Utc));
    }
    let before = zone.from_local_datetime(&at.checked_sub_signed(Duration::hours(3))?).latest()?;
    Some(before.with_timezone(&Utc) + Duration::hours(3))
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.windows.is_empty() {
            return f.write_str("never");
        }
        for (at, window) in self.windows.iter().enumerate() {
            write!(f, "{}{window}", if at > 0 { "; " } else { "" })?;
        }
        Ok(())
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.days.len() < DAYS.len() {
            let named: Vec<_> = DAYS.iter().filter(|(_, day)| self.days.contains(day)).map(|(name, _)| *name).collect();
            write!(f, "{} ", named.join(", "))?;
        }
        let clock = |minutes: u16| format!("{:02}:{:02}", minutes / 60, minutes % 60);
        write!(f, "{} to {}", clock(self.from), clock(self.to))?;
        match self.time_zone {
            Some(zone) => write!(f, " {zone}"),
            None => Ok(()),
        }
    }
}

impl Reader<'_> {
    /// A window, or a list of them. One that is wrong is said and left out.
    pub(crate) fn schedule(&mut self, at: &At<'_>) -> Schedule {
        let windows = match &at.tree.data {
            Data::Array(_) => self.report.items(at).iter().filter_map(|at| self.window(at)).collect(),
            _ => self.window(at).into_iter().collect(),
        };
        Schedule { windows }
    }

    fn window(&mut self, at: &At<'_>) -> Option<Window> {
        if !matches!(at.tree.data, Data::Object(_)) {
            self.report.wrong_type(at, "a window such as { from: \"08:00\", to: \"18:00\" }");
            return None;
        }
        self.keys(at, WINDOW_KEYS);
        let days = match at.get("days") {
            Some(at) => self.days(&at),
            None => DAYS.map(|(_, day)| day).to_vec(),
        };
        let (from, to) = (self.clock(at, "from", 1439), self.clock(at, "to", 1440));
        let time_zone = match at.get("timeZone") {
            Some(at) => Some(self.time_zone(&at)?),
            None => None,
        };
        let (from, to) = (from?, to?);
        if from == to {
            let message = "from and to are the same: write from: \"00:00\", to: \"24:00\" for the whole day";
            self.report.error("unknown-value", at, message);
            return None;
        }
        (!days.is_empty()).then_some(Window { days, from, to, time_zone })
    }

    fn days(&mut self, at: &At<'_>) -> Vec<Weekday> {
        let mut days = Vec::new();
        for at in self.report.items(at) {
            let Some(written) = self.report.string(&at) else { continue };
            let name = written.trim().to_lowercase();
            match DAYS.iter().find(|(short, _)| *short == name) {
                Some((_, day)) if !days.contains(day) => days.push(*day),
                Some(_) => {}
                None => {
                    let message = format!("{written:?} is no day: write mon, tue, wed, thu, fri, sat or sun");
                    self.report.error("unknown-value", &at, message);
                }
            }
        }
        days.sort_unstable_by_key(Weekday::num_days_from_monday);
        days
    }

    fn clock(&mut self, window: &At<'_>, key: &str, most: u16) -> Option<u16> {
        let Some(at) = window.get(key) else {
            self.report.error("missing-key", window, format!("a window needs its {key}, such as \"08:00\""));
            return None;
        };
        let written = self.report.string(&at)?.trim();
        let read = written.split_once(':').and_then(|(hours, minutes)| {
            let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
            let plain = digits(hours) && digits(minutes) && (1..=2).contains(&hours.len()) && minutes.len() == 2;
            let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
            (plain && minutes < 60).then_some(hours * 60 + minutes).filter(|time| *time <= most)
        });
        if read.is_none() {
            let message = format!("{written:?} is no time of day: write it like \"08:00\" or \"17:30\"");
            self.report.error("unknown-value", &at, message);
        }
        read
    }

    fn time_zone(&mut self, at: &At<'_>) -> Option<Tz> {
        let written = self.report.string(at)?.trim();
        let zone = written.parse().ok();
        if zone.is_none() {
            let message = format!(
                "{written:?} is no time zone: write it like \"Europe/Berlin\", or leave it out for this machine's"
            );
            self.report.error("unknown-value", at, message);
        }
        zone
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn window(days: &[Weekday], from: &str, to: &str) -> Window {
        let minutes = |text: &str| {
            let (hours, minutes) = text.split_once(':').unwrap();
            hours.parse::<u16>().unwrap() * 60 + minutes.parse::<u16>().unwrap()
        };
        let time_zone = Some(Tz::Europe__Berlin);
        Window { days: days.to_vec(), from: minutes(from), to: minutes(to), time_zone }
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    /// Every change within a week, in Berlin's time.
    fn changes(schedule: &Schedule, from: &str) -> Vec<String> {
        let mut now = at(from);
        let end = now + Duration::days(7);
        let mut found = Vec::new();
        while let Some(next) = schedule.next_change(now).filter(|next| *next < end) {
            let open = if schedule.is_open(next) { "+" } else { "-" };
            found.push(format!("{open}{}", next.with_timezone(&Tz::Europe__Berlin).format("%a %H:%M %Z")));
            now = next;
        }
        found
    }

    use Weekday::{Fri, Mon, Sat, Sun};

    #[test]
    fn opens_and_closes_on_its_days() {
        let schedule = Schedule { windows: vec![window(&[Mon, Fri], "08:00", "18:00")] };
        assert_eq!(
            changes(&schedule, "2026-11-22T12:00:00Z"),
            ["+Mon 08:00 CET", "-Mon 18:00 CET", "+Fri 08:00 CET", "-Fri 18:00 CET"]
        );
        assert!(schedule.is_open(at("2026-11-23T07:00:00Z")) && !schedule.is_open(at("2026-11-23T17:00:00Z")));
        assert_eq!(Schedule::default().next_change(at("2026-11-22T12:00:00Z")), None);
        let always = Schedule { windows: vec![window(&DAYS.map(|(_, day)| day), "00:00", "24:00")] };
        assert_eq!(always.next_change(at("2026-11-22T12:00:00Z")), None, "one day follows the other without a gap");
    }

    #[test]
    fn a_night_belongs_to_the_day_it_begins_on() {
        let schedule = Schedule { windows: vec![window(&[Sun], "22:00", "06:00")] };
        assert_eq!(changes(&schedule, "2026-11-21T12:00:00Z"), ["+Sun 22:00 CET", "-Mon 06:00 CET"]);
        assert!(schedule.is_open(at("2026-11-23T03:00:00Z")));
    }

    #[test]
    fn windows_that_touch_or_overlap_are_one() {
        let schedule = Schedule {
            windows: vec![
                window(&[Sat], "08:00", "12:00"),
                window(&[Sat], "11:00", "13:00"),
                window(&[Sat], "13:00", "14:00"),
            ],
        };
        assert_eq!(changes(&schedule, "2026-11-20T12:00:00Z"), ["+Sat 08:00 CET", "-Sat 14:00 CET"]);
    }

    #[test]
    fn the_clock_put_forward_or_back_shortens_or_lengthens_the_night() {
        // 2026-03-29, 02:00 CET is 03:00 CEST; 2026-10-25, 03:00 CEST is 02:00 CET.
        let night = Schedule { windows: vec![window(&[Sat], "22:00", "06:00")] };
        let length = |from: &str| {
            let opens = night.next_change(at(from)).unwrap();
            night.next_change(opens).unwrap() - opens
        };
        assert_eq!(length("2026-03-28T12:00:00Z"), Duration::hours(7));
        assert_eq!(length("2026-10-24T12:00:00Z"), Duration::hours(9));
        // A beginning that never comes, and an end that comes twice.
        let gap = Schedule { windows: vec![window(&[Sun], "02:30", "04:00")] };
        assert_eq!(changes(&gap, "2026-03-28T12:00:00Z"), ["+Sun 03:30 CEST", "-Sun 04:00 CEST"]);
        let twice = Schedule { windows: vec![window(&[Sun], "01:00", "02:30")] };
        assert_eq!(changes(&twice, "2026-10-24T12:00:00Z"), ["+Sun 01:00 CEST", "-Sun 02:30 CET"]);
    }
}
