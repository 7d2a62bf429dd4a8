//! How long an upstream is left alone after a failure, by its cause and by what its headers say. Pure; sees no request.

use std::fmt;
use std::time::{Duration, SystemTime};

use chrono::DateTime;
use http::{HeaderMap, header};
use pilotlight_wire::Location;

use crate::code::Code;
use crate::verdict::Miss;

/// Why an upstream is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// It failed several times in a row: its breaker is open.
    Failures,
    /// It refuses the key.
    Unauthorized,
    /// No credit is left.
    Payment,
    /// Too many requests at this time.
    RateLimited,
    /// It says that it cannot serve just now: a 502, 503, 504 or 529.
    Overloaded,
}

impl Cause {
    /// Its stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Failures => "failures",
            Self::Unauthorized => "unauthorized",
            Self::Payment => "payment",
            Self::RateLimited => "rate-limited",
            Self::Overloaded => "overloaded",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a failure is the failure of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The provider's, with all its models.
    Provider,
    /// The model's alone.
    Model,
}

/// A time to leave an upstream alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rest {
    /// Whom.
    pub scope: Scope,
    /// Why.
    pub cause: Cause,
    /// How long.
    pub time: Duration,
}

/// A key stays refused until it is changed, which is noticed, or until its provider changes its mind.
const KEY: Duration = Duration::from_secs(10 * 60);
/// A 403 may be about this one request.
const FORBIDDEN: Duration = Duration::from_secs(60);
const PAYMENT: Duration = Duration::from_secs(10 * 60);
const RATE: Duration = Duration::from_secs(20);
const OVERLOADED: Duration = Duration::from_secs(5);
/// Where an upstream says no time, each further failure of the same cause doubles it up to this.
const LONGEST: Duration = Duration::from_secs(5 * 60);
/// What an upstream says is believed up to this.
const LONGEST_TOLD: Duration = Duration::from_secs(60 * 60);
/// "At once" was tried and failed.
const SHORTEST_TOLD: Duration = Duration::from_millis(250);

/// How long to leave a target alone after this failure, if at all. `before` counts the failures of the same cause in a
/// row.
pub fn rest(miss: &Miss, location: Location, before: u32, now: SystemTime) -> Option<Rest> {
    let told = miss.answer.as_ref().and_then(|answer| told(&answer.headers, now));
    let status = miss.answer.as_ref().map_or(0, |answer| answer.status.as_u16());
    let doubled = |time: Duration| time.saturating_mul(1 << before.min(8)).min(LONGEST);
    let (scope, cause, time) = match miss.code {
        Code::Unauthorized if status == 403 => (Scope::Model, Cause::Unauthorized, FORBIDDEN),
        Code::Unauthorized => (Scope::Provider, Cause::Unauthorized, KEY),
        Code::Payment => (Scope::Provider, Cause::Payment, told.unwrap_or(PAYMENT)),
        Code::RateLimited => (Scope::Model, Cause::RateLimited, told.unwrap_or_else(|| doubled(RATE))),
        Code::Status | Code::Timeout if matches!(status, 408 | 502..=504 | 529) => match (told, location) {
            (Some(told), _) => (Scope::Model, Cause::Overloaded, told),
            (None, Location::Hosted) => (Scope::Model, Cause::Overloaded, doubled(OVERLOADED)),
            // A server of the user's is the one to be used, and is quickly asked.
            (None, Location::Local) => return None,
        },
        _ => return None,
    };
    Some(Rest { scope, cause, time })
}

/// After how long an upstream wants to be asked again, by its headers; bounded. None where they say nothing that can
/// be understood.
///
/// Sources: RFC 9110 (`Retry-After`: seconds or a date), OpenAI (`retry-after-ms`, `x-ratelimit-reset-requests: 6m0s`
/// with `x-ratelimit-remaining-requests`), OpenRouter (`x-ratelimit-reset`: Unix time in milliseconds).
pub fn told(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let milliseconds = || number(text("retry-after-ms")?).map(|ms| seconds(ms / 1_000.0));
    let after = || {
        let value = text(header::RETRY_AFTER.as_str())?;
        moment(value, now).or_else(|| date(value, now))
    };
    let reset = || {
        let value = text("x-ratelimit-reset")?;
        moment(value, now).or_else(|| spelled(value)).or_else(|| date(value, now))
    };
    // Of several limits, those that are used up; the longest of them.
    let used_up = || {
        let limits = headers.iter().filter_map(|(name, value)| {
            let limit = name.as_str().strip_prefix("x-ratelimit-reset-")?;
            let left = text(&format!("x-ratelimit-remaining-{limit}"))?;
            let value = value.to_str().ok()?.trim();
            (number(left)? <= 0.0).then(|| moment(value, now).or_else(|| spelled(value)))?
        });
        limits.max()
    };
    let told = milliseconds().or_else(after).or_else(reset).or_else(used_up)?;
    Some(told.clamp(SHORTEST_TOLD, LONGEST_TOLD))
}

/// A number that is one: neither negative nor endless.
fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0)
}

fn seconds(count: f64) -> Duration {
    Duration::try_from_secs_f64(count).unwrap_or(Duration::MAX)
}

/// A number of seconds from now, or a Unix time in seconds or milliseconds.
fn moment(text: &str, now: SystemTime) -> Option<Duration> {
    let number = number(text)?;
    let unix = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Some(match number {
        ..1e8 => seconds(number),
        1e8..1e11 => seconds(number).saturating_sub(unix),
        _ => seconds(number / 1_000.0).saturating_sub(unix),
    })
}

/// `6m0s`, `1.5s`, `250ms`, `2h`.
fn spelled(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut sum = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (count, after) = rest.split_at(digits);
        let unit = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        let factor = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3_600.0,
            "d" => 86_400.0,
            _ => return None,
        };
        sum += number(count)? * factor;
        rest = after;
    }
    (!text.is_empty()).then(|| seconds(sum))
}

/// An HTTP date, or one of RFC 3339. A past one is now.
fn date(text: &str, now: SystemTime) -> Option<Duration> {
    let at = DateTime::parse_from_rfc2822(text).or_else(|_| DateTime::parse_from_rfc3339(text)).ok()?;
    Some(SystemTime::from(at).duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::UpstreamError;
    use bytes::Bytes;
    use http::{HeaderName, HeaderValue, StatusCode};
    use proptest::prelude::*;

    /// Sun, 06 Nov 1994 08:49:37 GMT
    const NOW: u64 = 784_111_777;

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(NOW)
    }

    fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
        list.iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    #[test]
    fn reads_every_form_and_bounds_it() {
        type Case = (&'static [(&'static str, &'static str)], Option<u64>);
        let table: &[Case] = &[
            (&[], None),
            (&[("retry-after", "7")], Some(7_000)),
            (&[("retry-after", " 1.5 ")], Some(1_500)),
            (&[("retry-after", "0")], Some(250)),
            (&[("retry-after", "Sun, 06 Nov 1994 08:49:57 GMT")], Some(20_000)),
            (&[("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT")], Some(250)),
            (&[("retry-after", "Fri, 31 Dec 9999 23:59:59 GMT")], Some(3_600_000)),
            (&[("retry-after", "99999999")], Some(3_600_000)),
            (&[("retry-after", "1e300")], Some(3_600_000)),
            (&[("retry-after", "-5")], None),
            (&[("retry-after", "NaN")], None),
            (&[("retry-after", "inf")], None),
            (&[("retry-after", "soon")], None),
            (&[("retry-after", "")], None),
            (&[("retry-after", "soon"), ("x-ratelimit-reset", "3")], Some(3_000)),
            (&[("retry-after-ms", "450"), ("retry-after", "9")], Some(450)),
            (&[("x-ratelimit-reset", "784111807000")], Some(30_000)),
            (&[("x-ratelimit-reset", "784111807")], Some(30_000)),
            (&[("x-ratelimit-reset", "1994-11-06T08:49:47Z")], Some(10_000)),
            (&[("x-ratelimit-reset-requests", "6m0s"), ("x-ratelimit-remaining-requests", "0")], Some(360_000)),
            (&[("x-ratelimit-reset-requests", "6m0s"), ("x-ratelimit-remaining-requests", "9")], None),
            (
                &[
                    ("x-ratelimit-reset-requests", "6m0s"),
                    ("x-ratelimit-remaining-requests", "9"),
                    ("x-ratelimit-reset-tokens", "1h2m3.5s"),
                    ("x-ratelimit-remaining-tokens", "0"),
                ],
                Some(3_600_000),
            ),
            (&[("x-ratelimit-reset-tokens", "800ms"), ("x-ratelimit-remaining-tokens", "0")], Some(800)),
            (&[("x-ratelimit-reset-tokens", "5x"), ("x-ratelimit-remaining-tokens", "0")], None),
        ];
        for (list, expected) in table {
            assert_eq!(told(&headers(list), now()), expected.map(Duration::from_millis), "{list:?}");
        }
    }

    fn miss(status: u16, list: &[(&'static str, &str)], body: &'static str) -> Miss {
        let status = StatusCode::from_u16(status).unwrap();
        Miss::status(UpstreamError { status, headers: headers(list), body: Bytes::from_static(body.as_bytes()) })
    }

    #[test]
    fn each_cause_has_its_time() {
        use Cause::{Overloaded, Payment, RateLimited, Unauthorized};
        use Scope::{Model, Provider};
        let hosted = |miss: &Miss, before| {
            rest(miss, Location::Hosted, before, now()).map(|rest| (rest.scope, rest.cause, rest.time.as_secs()))
        };
        assert_eq!(hosted(&miss(401, &[], ""), 0), Some((Provider, Unauthorized, 600)));
        assert_eq!(hosted(&miss(403, &[], ""), 0), Some((Model, Unauthorized, 60)));
        assert_eq!(hosted(&miss(402, &[], ""), 0), Some((Provider, Payment, 600)));
        let quota = r#"{"error":{"code":"insufficient_quota","message":"m"}}"#;
        assert_eq!(hosted(&miss(429, &[], quota), 0), Some((Provider, Payment, 600)));
        assert_eq!(hosted(&miss(429, &[], ""), 0), Some((Model, RateLimited, 20)));
        assert_eq!(hosted(&miss(429, &[], ""), 2), Some((Model, RateLimited, 80)));
        assert_eq!(hosted(&miss(429, &[], ""), 99), Some((Model, RateLimited, 300)));
        assert_eq!(hosted(&miss(429, &[("retry-after", "3")], ""), 9), Some((Model, RateLimited, 3)));
        assert_eq!(hosted(&miss(503, &[("retry-after", "3")], ""), 0), Some((Model, Overloaded, 3)));
        assert_eq!(hosted(&miss(529, &[], ""), 1), Some((Model, Overloaded, 10)));
        for (status, body) in [(500, ""), (400, "{}"), (404, ""), (503, r#"{"error":"Model unloaded."}"#)] {
            assert_eq!(hosted(&miss(status, &[], body), 0), None, "{status}");
        }
        assert_eq!(rest(&miss(503, &[], ""), Location::Local, 0, now()), None);
        assert_eq!(rest(&Miss::new(Code::Timeout, "no content"), Location::Hosted, 0, now()), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]
        #[test]
        fn whatever_a_header_says_the_time_is_bounded(value in "[ -~]{0,40}|[0-9.]{1,30}[a-z]{0,2}", which in 0..4_usize) {
            let name = ["retry-after", "retry-after-ms", "x-ratelimit-reset", "x-ratelimit-reset-tokens"][which];
            if let Some(told) = told(&headers(&[(name, &value), ("x-ratelimit-remaining-tokens", "0")]), now()) {
                prop_assert!(told >= SHORTEST_TOLD && told <= LONGEST_TOLD);
            }
        }
    }
}
