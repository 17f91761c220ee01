//! The condition `time=`.

use std::sync::{Mutex, OnceLock};

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Span, Timestamp, ToSpan as _};

use super::error::WhenError;
use super::truth::Truth;

/// `time=DAYS HOURS ZONE`: by the local time of a time zone.
///
/// `Mon-Fri|Sun 07:00-12:00|13:00-19:00 Europe/Berlin`: on each of these days, within each of these
/// hours. Without days it is every day, without hours it is the whole day. The end of a span is
/// excluded. A span that ends before it begins goes on to the next day, so `Fri 22:00-06:00` is
/// Friday night. When the clock is set back, hours that occur twice count twice; hours that are
/// skipped do not occur.
pub(super) struct Hours {
    /// By weekday, Monday first.
    days: [bool; 7],
    spans: Box<[Minutes]>,
    zone: TimeZone,
    /// The last result. A thread that finds the lock taken or the result outdated computes anew, so
    /// nobody waits.
    last: Mutex<Option<Stretch>>,
}

/// A period in which the answer does not change. Its end is excluded; `None` is for ever.
#[derive(Clone, Copy)]
struct Stretch {
    from: Timestamp,
    until: Option<Timestamp>,
    truth: Truth,
}

impl Clone for Hours {
    fn clone(&self) -> Self {
        let Self { days, spans, zone, .. } = self;
        Self { days: *days, spans: spans.clone(), zone: zone.clone(), last: Mutex::default() }
    }
}

impl PartialEq for Hours {
    fn eq(&self, other: &Self) -> bool {
        (&self.days, &self.spans, &self.zone) == (&other.days, &other.spans, &other.zone)
    }
}

impl Eq for Hours {}

/// A span from a minute of the day to a later one, which is excluded and may be on the next day.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Minutes {
    from: u16,
    to: u16,
}

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const DAY: u16 = 24 * 60;
/// The most spans. Each decision checks all of them.
const SPANS: usize = 32;
/// Two weeks and a day: a span that a clock change has skipped occurs again within them.
const AHEAD: i32 = 15;

impl Hours {
    pub(super) fn holds(&self, now: Timestamp) -> Truth {
        self.stretch(now).truth
    }

    /// Returns the first instant after `now` at which the answer changes; `None` if it never does.
    pub(super) fn changes_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.stretch(now).until
    }

    /// Returns the period that contains `now`.
    fn stretch(&self, now: Timestamp) -> Stretch {
        let holds = |stretch: &Stretch| {
            stretch.from <= now && stretch.until.is_none_or(|until| now < until)
        };
        if let Ok(last) = self.last.try_lock()
            && let Some(stretch) = last.filter(holds)
        {
            return stretch;
        }
        let stretch =
            Stretch { from: now, until: self.work_out_change(now), truth: self.work_out(now) };
        if let Ok(mut last) = self.last.try_lock() {
            *last = Some(stretch);
        }
        stretch
    }

    fn work_out(&self, now: Timestamp) -> Truth {
        if self.is_within(self.zone.to_datetime(now)) { Truth::True } else { Truth::False }
    }

    /// Returns the local time as text.
    pub(super) fn saw(&self, now: Timestamp) -> String {
        let wall = self.zone.to_datetime(now);
        let zone = self.zone.iana_name().unwrap_or("that zone");
        let day = DAYS.get(index(wall.date().weekday())).copied().unwrap_or_default();
        let (hour, minute) = (wall.time().hour(), wall.time().minute());
        format!("{day} {hour:02}:{minute:02} in {zone}")
    }

    fn work_out_change(&self, now: Timestamp) -> Option<Timestamp> {
        let present = self.work_out(now);
        let mut instants = self.boundaries(now);
        instants.sort_unstable();
        instants.into_iter().find(|instant| *instant > now && self.work_out(*instant) != present)
    }

    fn is_within(&self, wall: DateTime) -> bool {
        let minute = minute_of(wall.time());
        let on = |day: Weekday| self.days.get(index(day)).copied().unwrap_or(false);
        let (today, yesterday) = (wall.date().weekday(), wall.date().weekday().previous());
        self.spans.iter().any(|span| {
            (on(today) && span.from <= minute && minute < span.to)
                || (on(yesterday) && span.to > DAY && minute < span.to - DAY)
        })
    }

    /// Returns every instant in the next days at which the answer can change: where the local time
    /// reaches the end of a span, once or twice, and where the clock is set.
    fn boundaries(&self, now: Timestamp) -> Vec<Timestamp> {
        let today = self.zone.to_datetime(now).date();
        let mut found = Vec::new();
        for ahead in -1..=AHEAD {
            let Ok(date) = today.checked_add(Span::new().days(ahead)) else { continue };
            for span in &self.spans {
                for minute in [span.from, span.to] {
                    let Some(wall) = at(date, minute) else { continue };
                    let passed = self.zone.to_ambiguous_timestamp(wall);
                    found.extend([passed.earlier().ok(), passed.later().ok()]);
                }
            }
        }
        let end = now.saturating_add((i64::from(AHEAD) * 24).hours()).unwrap_or(Timestamp::MAX);
        let set = self.zone.following(now).map(|transition| transition.timestamp());
        found.extend(set.take_while(|instant| *instant <= end).map(Some));
        found.into_iter().flatten().collect()
    }
}

fn index(day: Weekday) -> usize {
    usize::from(day.to_monday_zero_offset().unsigned_abs())
}

fn minute_of(time: Time) -> u16 {
    u16::from(time.hour().unsigned_abs()) * 60 + u16::from(time.minute().unsigned_abs())
}

/// Returns a minute of a day or of the next day.
fn at(date: Date, minute: u16) -> Option<DateTime> {
    let midnight = date.to_datetime(Time::midnight());
    midnight.checked_add(Span::new().minutes(i64::from(minute))).ok()
}

pub(super) fn read(value: &str) -> Result<Hours, WhenError> {
    let wrong = || WhenError::Value {
        name: "time=",
        value: value.into(),
        expected: "days, hours and a zone, such as Mon-Fri 07:00-19:00 Europe/Berlin".into(),
    };
    let words: Vec<&str> = value.split_ascii_whitespace().collect();
    let Some((zone, rest)) = words.split_last() else { return Err(wrong()) };
    let (days, hours) = match rest {
        [] => return Err(wrong()),
        [days, hours] => (Some(*days), Some(*hours)),
        [one] if one.starts_with(|c: char| c.is_ascii_digit()) => (None, Some(*one)),
        [one] => (Some(*one), None),
        _ => return Err(wrong()),
    };
    let days = match days {
        Some(days) => read_days(days).ok_or_else(wrong)?,
        None => [true; 7],
    };
    if hours.is_some_and(|hours| hours.split('|').count() > SPANS) {
        let expected = format!("at most {SPANS} stretches of hours");
        return Err(WhenError::Value { name: "time=", value: value.into(), expected });
    }
    let spans = match hours {
        Some(hours) => hours.split('|').map(read_span).collect::<Option<_>>().ok_or_else(wrong)?,
        None => Box::from([Minutes { from: 0, to: DAY }]),
    };
    let zone = zone_named(zone).ok_or_else(|| WhenError::Zone((*zone).to_owned()))?;
    Ok(Hours { days, spans, zone, last: Mutex::default() })
}

fn read_days(text: &str) -> Option<[bool; 7]> {
    let mut days = [false; 7];
    for part in text.split('|') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (mut day, last) = (read_day(first)?, read_day(last)?);
        loop {
            *days.get_mut(index(day))? = true;
            if day == last {
                break;
            }
            day = day.next();
        }
    }
    Some(days)
}

fn read_day(text: &str) -> Option<Weekday> {
    let offset = DAYS.iter().position(|day| *day == text)?;
    Weekday::from_monday_zero_offset(i8::try_from(offset).ok()?).ok()
}

fn read_span(text: &str) -> Option<Minutes> {
    let (from, to) = text.split_once('-')?;
    let (from, to) = (read_minute(from)?, read_minute(to)?);
    match from {
        DAY => None,
        _ if to > from => Some(Minutes { from, to }),
        _ => Some(Minutes { from, to: to + DAY }),
    }
}

/// Reads `07:30`, up to `24:00`.
fn read_minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let two = |text: &str| {
        let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        if digits { text.parse::<u16>().ok() } else { None }
    };
    let (hour, minute) = (two(hour)?, two(minute)?);
    let whole = hour * 60 + minute;
    (minute < 60 && whole <= DAY).then_some(whole)
}

/// Returns a zone of the built-in IANA database by its exact name.
fn zone_named(name: &str) -> Option<TimeZone> {
    static ZONES: OnceLock<TimeZoneDatabase> = OnceLock::new();
    let zone = ZONES.get_or_init(TimeZoneDatabase::bundled).get(name).ok()?;
    (zone.iana_name() == Some(name)).then_some(zone)
}
