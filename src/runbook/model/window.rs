//! Times in which no run may begin: `[limits] deny`.
//!
//! A window is written as its beginning and its end in a named time zone: `Fri 16:00..Mon 08:00 Europe/Berlin` each week,
//! `22:00..06:00 Europe/Berlin` each day, or `2026-12-21..2027-01-06 Europe/Berlin` once, both days included. The rules of the zones are
//! compiled in, so that a runbook means the same on every machine.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;

/// A time in which no run may begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DenyWindow {
    text: String,
    zone: TimeZone,
    span: Span,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Span {
    /// Each week, from one minute of it to another, counted from Monday, midnight.
    Week(u16, u16),
    /// Each day, from one minute of it to another.
    Day(u16, u16),
    /// From one day to another.
    Dates(Date, Date),
}

/// A text that is no such window.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadWindow {
    /// It has another form.
    #[error("`{0}` is no window")]
    Form(String),
    /// Its time zone is none.
    #[error("`{0}` is no time zone")]
    Zone(String),
    /// It has no length.
    #[error("`{0}` begins when it ends")]
    Empty(String),
}

const WEEKDAYS: [(&str, Weekday); 7] = [
    ("Mon", Weekday::Monday),
    ("Tue", Weekday::Tuesday),
    ("Wed", Weekday::Wednesday),
    ("Thu", Weekday::Thursday),
    ("Fri", Weekday::Friday),
    ("Sat", Weekday::Saturday),
    ("Sun", Weekday::Sunday),
];

const MINUTES_A_DAY: u16 = 24 * 60;

/// The minute of a day, such as `16:00`.
fn minute_of_day(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let number = |text: &str| text.parse::<u16>().ok().filter(|_| text.len() == 2);
    let (hour, minute) = (number(hour)?, number(minute)?);
    (hour < 24 && minute < 60).then_some(hour * 60 + minute)
}

/// The minute of a week, such as `Fri 16:00`.
fn minute_of_week(text: &str) -> Option<u16> {
    let (day, time) = text.split_once(' ')?;
    let (_, day) = WEEKDAYS.iter().find(|(name, _)| *name == day)?;
    Some(days_before(*day) * MINUTES_A_DAY + minute_of_day(time)?)
}

fn days_before(day: Weekday) -> u16 {
    u16::from(day.to_monday_zero_offset().unsigned_abs())
}

fn minutes(time: Time) -> u16 {
    u16::from(time.hour().unsigned_abs()) * 60 + u16::from(time.minute().unsigned_abs())
}

fn span(from: &str, to: &str) -> Option<Span> {
    let week = || Some(Span::Week(minute_of_week(from)?, minute_of_week(to)?));
    let day = || Some(Span::Day(minute_of_day(from)?, minute_of_day(to)?));
    let dates = || Some(Span::Dates(from.parse().ok()?, to.parse().ok()?));
    week().or_else(day).or_else(dates)
}

impl FromStr for DenyWindow {
    type Err = BadWindow;

    fn from_str(text: &str) -> Result<DenyWindow, BadWindow> {
        let form = || BadWindow::Form(text.to_owned());
        let (span_text, zone) = text.rsplit_once(' ').ok_or_else(form)?;
        let (from, to) = span_text.split_once("..").ok_or_else(form)?;
        let span = span(from, to).ok_or_else(form)?;
        let zone = TimeZone::get(zone).map_err(|_| BadWindow::Zone(zone.to_owned()))?;
        let is_empty = match &span {
            Span::Week(from, to) | Span::Day(from, to) => from == to,
            Span::Dates(from, to) => from > to,
        };
        if is_empty {
            return Err(BadWindow::Empty(text.to_owned()));
        }
        Ok(DenyWindow { text: text.to_owned(), zone, span })
    }
}

impl fmt::Display for DenyWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl DenyWindow {
    /// Whether a time is in it: from its first minute on, and not in its last.
    pub fn has(&self, at: Timestamp) -> bool {
        let local = at.to_zoned(self.zone.clone());
        let of_day = minutes(local.time());
        let is_between = |from: u16, to: u16, now: u16| {
            if from < to { (from..to).contains(&now) } else { now >= from || now < to }
        };
        match self.span {
            Span::Week(from, to) => is_between(from, to, days_before(local.weekday()) * MINUTES_A_DAY + of_day),
            Span::Day(from, to) => is_between(from, to, of_day),
            Span::Dates(from, to) => (from..=to).contains(&local.date()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(window: &str, at: &str) -> bool {
        window.parse::<DenyWindow>().unwrap().has(at.parse().unwrap())
    }

    #[test]
    fn a_weekend_is_one_in_its_own_time_zone_and_over_the_end_of_a_week() {
        let weekend = "Fri 16:00..Mon 08:00 Europe/Berlin";
        // 2026-03-06 is a Friday; Berlin is an hour ahead of UTC, and two from 2026-03-29 on.
        for (at, is_in) in [
            ("2026-03-06T14:59:59Z", false),
            ("2026-03-06T15:00:00Z", true),
            ("2026-03-08T23:30:00Z", true),
            ("2026-03-09T06:59:59Z", true),
            ("2026-03-09T07:00:00Z", false),
            ("2026-04-03T13:59:59Z", false),
            ("2026-04-03T14:00:00Z", true),
        ] {
            assert_eq!(has(weekend, at), is_in, "{at}");
        }
    }

    #[test]
    fn nights_and_holidays_are_windows() {
        assert!(has("22:00..06:00 UTC", "2026-03-06T23:00:00Z") && has("22:00..06:00 UTC", "2026-03-06T05:59:00Z"));
        assert!(!has("22:00..06:00 UTC", "2026-03-06T06:00:00Z"));
        let freeze = "2026-12-21..2027-01-06 America/New_York";
        assert!(!has(freeze, "2026-12-21T04:59:00Z") && has(freeze, "2026-12-21T05:00:00Z"));
        assert!(has(freeze, "2027-01-07T04:59:00Z") && !has(freeze, "2027-01-07T05:00:00Z"));
    }

    #[test]
    fn what_is_no_window_is_said() {
        for (text, why) in [
            ("Fri 16:00..Mon 08:00", "is no window"),
            ("Fri 16:00 Europe/Berlin", "is no window"),
            ("Fri 25:00..Mon 08:00 UTC", "is no window"),
            ("Fri 16:00..08:00 UTC", "is no window"),
            ("Fri 16:00..Mon 08:00 Europe/Berlim", "is no time zone"),
            ("08:00..08:00 UTC", "begins when it ends"),
            ("2027-01-06..2026-12-21 UTC", "begins when it ends"),
        ] {
            let error = text.parse::<DenyWindow>().unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
