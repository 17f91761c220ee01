//! The `when` column: a conjunction of typed conditions.
//!
//! CONTRIBUTING.md adds a condition as its worked example.

mod again;
mod age;
mod error;
mod hours;
mod source;
mod truth;
mod window;

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::question::Context;

pub use error::WhenError;
pub use truth::Truth;

/// The `when` column of a rule. An empty one always holds.
#[derive(Clone, PartialEq, Eq)]
pub struct When {
    predicates: Box<[Predicate]>,
    text: Box<str>,
}

#[derive(Clone, PartialEq, Eq)]
enum Predicate {
    From(source::SourceNetworks),
    Time(hours::Hours),
    Until(window::Until),
    After(window::After),
    Age(age::Age),
}

const NOT_BUILT: &[&str] = &["posture=", "firmware>=", "mode=", "seen<="];

impl When {
    /// Returns what the conditions say of `context`.
    #[must_use]
    pub fn holds(&self, context: &Context) -> Truth {
        self.predicates.iter().fold(Truth::True, |sum, predicate| sum.and(predicate.holds(context)))
    }

    /// Returns an empty column.
    pub(crate) fn always() -> Self {
        Self { predicates: Box::default(), text: Box::default() }
    }

    /// Returns about how many bytes of memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>() + self.text.len() + size_of_val(&*self.predicates)
    }

    /// Returns the first later instant at which time alone could change [`When::holds`].
    #[must_use]
    pub fn changes_at(&self, context: &Context) -> Option<Timestamp> {
        self.predicates.iter().filter_map(|predicate| predicate.changes_at(context)).min()
    }

    /// Returns what the conditions of time say.
    pub(crate) fn of_time(&self, context: &Context) -> Truth {
        let about = self.predicates.iter().filter(|predicate| predicate.is_of_time());
        about.fold(Truth::True, |sum, predicate| sum.and(predicate.holds(context)))
    }

    /// Returns whether the conditions would hold at some other instant. It tells "at another time"
    /// from "under other conditions".
    pub(crate) fn fails_by_time_only(&self, context: &Context) -> bool {
        let mut rest = self.predicates.iter().filter(|predicate| !predicate.is_of_time());
        rest.all(|predicate| predicate.holds(context) == Truth::True)
    }

    /// Yields the handshake ages that conditions ask for.
    pub(crate) fn ages(&self) -> impl Iterator<Item = SignedDuration> {
        self.predicates.iter().filter_map(|predicate| match predicate {
            Predicate::Age(age) => Some(age.most()),
            Predicate::From(_) | Predicate::Time(_) | Predicate::Until(_) | Predicate::After(_) => {
                None
            }
        })
    }

    /// Returns the instant from which on the conditions hold no more, if they name one.
    pub(crate) fn until(&self) -> Option<Timestamp> {
        let ends = self.predicates.iter().filter_map(|predicate| match predicate {
            Predicate::Until(until) => Some(until.instant()),
            Predicate::From(_) | Predicate::Time(_) | Predicate::After(_) | Predicate::Age(_) => {
                None
            }
        });
        ends.min()
    }

    /// Returns whether there are no conditions.
    pub(crate) fn is_empty(&self) -> bool {
        self.predicates.is_empty()
    }

    /// Returns whether the conditions hold whenever those of `other` hold. Where that is hard to
    /// tell, the answer is no.
    pub(crate) fn includes(&self, other: &Self) -> bool {
        self.predicates.iter().all(|wide| other.predicates.iter().any(|one| wide.includes(one)))
    }

    /// Returns whether a condition certainly fails in `context`. Conditions of time count if `timed`.
    pub(crate) fn fails(&self, context: &Context, timed: bool) -> bool {
        let mut counted = self.predicates.iter().filter(|one| timed || !one.is_of_time());
        counted.any(|predicate| predicate.holds(context) == Truth::False)
    }

    /// Returns whether all conditions certainly hold in `context`. Conditions of time do so if
    /// `timed`.
    pub(crate) fn is_met(&self, context: &Context, timed: bool) -> bool {
        let met =
            |one: &Predicate| (timed || !one.is_of_time()) && one.holds(context) == Truth::True;
        self.predicates.iter().all(met)
    }

    /// Returns the networks of a condition that the address of `context` does not meet, and an
    /// address that meets all conditions about addresses.
    pub(crate) fn other_source(&self, context: &Context) -> Option<(String, IpAddr)> {
        let networks = |predicate: &Predicate| match predicate {
            Predicate::From(networks) => Some(networks.clone()),
            Predicate::Time(_) | Predicate::Until(_) | Predicate::After(_) | Predicate::Age(_) => {
                None
            }
        };
        let all: Vec<_> = self.predicates.iter().filter_map(networks).collect();
        let holds = |source| all.iter().all(|networks| networks.holds(source) == Truth::True);
        if holds(context.circumstances.source) {
            return None;
        }
        let mut addresses = all.iter().flat_map(source::SourceNetworks::addresses);
        let address = addresses.find(|address| holds(Some(*address)))?;
        let within: Vec<String> = all.iter().map(ToString::to_string).collect();
        Some((within.join(" and "), address))
    }

    /// Returns whether a newer handshake is what a condition asks for.
    pub(crate) fn other_handshake(&self, context: &Context) -> bool {
        let ages = self.predicates.iter().filter(|one| matches!(one, Predicate::Age(_)));
        ages.into_iter().any(|age| age.holds(context) != Truth::True)
    }
}

/// A condition, with the value that it saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// The condition as the rule writes it.
    pub condition: String,
    /// The value that it saw.
    pub saw: String,
    /// Whether the condition holds; `None` if that is unknown.
    pub holds: Option<bool>,
}

impl When {
    /// Returns each condition with the value that it sees in `context`.
    #[must_use]
    pub fn seen(&self, context: &Context) -> Vec<Seen> {
        let texts = self.text.split(';').map(str::trim);
        let seen = |(predicate, text): (&Predicate, &str)| Seen {
            condition: text.to_owned(),
            saw: predicate.saw(context),
            holds: match predicate.holds(context) {
                Truth::True => Some(true),
                Truth::False => Some(false),
                Truth::Unknown => None,
            },
        };
        self.predicates.iter().zip(texts).map(seen).collect()
    }
}

impl Predicate {
    fn saw(&self, context: &Context) -> String {
        match self {
            Self::From(_) => match context.circumstances.source {
                Some(source) => source.to_string(),
                None => "no address".to_owned(),
            },
            Self::Time(hours) => hours.saw(context.now),
            Self::Until(_) | Self::After(_) => context.now.to_string(),
            Self::Age(_) => age::saw(context.circumstances.proven, context.now),
        }
    }

    fn holds(&self, context: &Context) -> Truth {
        match self {
            Self::From(networks) => networks.holds(context.circumstances.source),
            Self::Time(hours) => hours.holds(context.now),
            Self::Until(until) => until.holds(context.now),
            Self::After(after) => after.holds(context.now),
            Self::Age(age) => age.holds(context.circumstances.proven, context.now),
        }
    }

    fn changes_at(&self, context: &Context) -> Option<Timestamp> {
        match self {
            Self::From(_) => None,
            Self::Time(hours) => hours.changes_at(context.now),
            Self::Until(until) => until.changes_at(context.now),
            Self::After(after) => after.changes_at(context.now),
            Self::Age(age) => age.changes_at(context.circumstances.proven, context.now),
        }
    }

    /// Returns whether the condition holds whenever `other` holds.
    fn includes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Until(mine), Self::Until(other)) => mine.instant() >= other.instant(),
            (Self::After(mine), Self::After(other)) => mine.instant() <= other.instant(),
            (Self::Age(mine), Self::Age(other)) => mine.most() >= other.most(),
            (
                Self::From(_) | Self::Time(_) | Self::Until(_) | Self::After(_) | Self::Age(_),
                other,
            ) => self == other,
        }
    }

    /// Returns whether the condition depends on time alone, so that it may hold after some waiting.
    fn is_of_time(&self) -> bool {
        match self {
            Self::Time(_) | Self::Until(_) | Self::After(_) => true,
            Self::From(_) | Self::Age(_) => false,
        }
    }
}

impl FromStr for When {
    type Err = WhenError;

    fn from_str(text: &str) -> Result<Self, WhenError> {
        let predicates = match text.trim() {
            "" => Box::default(),
            text => text.split(';').map(|one| read(one.trim())).collect::<Result<_, _>>()?,
        };
        Ok(Self { predicates, text: text.trim().into() })
    }
}

fn read(text: &str) -> Result<Predicate, WhenError> {
    if text.is_empty() {
        return Err(WhenError::Empty);
    }
    let split = text.find(['=', '<', '>']).ok_or_else(|| WhenError::Form(text.to_owned()))?;
    let (name, rest) = text.split_at_checked(split).unwrap_or((text, ""));
    let value = rest.trim_start_matches(['<', '>', '=']);
    let operator = rest.strip_suffix(value).unwrap_or_default();
    match (name, operator) {
        ("from", "=") => source::read(value).map(Predicate::From),
        ("time", "=") => hours::read(value).map(Predicate::Time),
        ("until", "=") => window::until(value).map(Predicate::Until),
        ("after", "=") => window::after(value).map(Predicate::After),
        ("auth-age", "<=") => age::read(value).map(Predicate::Age),
        (name, operator) => {
            let whole = format!("{name}{operator}");
            match NOT_BUILT.iter().find(|known| **known == whole) {
                Some(known) => Err(WhenError::NotBuilt(known)),
                None => Err(WhenError::Name(whole)),
            }
        }
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::question::Circumstances;
    use crate::rule::effect::Effect;

    fn at(now: &str, source: Option<&str>) -> Context {
        let source = source.map(|source| source.parse().unwrap());
        let circumstances = Circumstances { source, proven: None };
        Context { circumstances, ..Context::at(now.parse().unwrap()) }
    }

    #[test]
    fn a_conjunction_is_false_before_it_is_unknown() {
        let when: When = "from=10.0.0.0/8; until=2027-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(when.holds(&at("2026-01-01T00:00:00Z", Some("10.1.2.3"))), Truth::True);
        assert_eq!(when.holds(&at("2026-01-01T00:00:00Z", None)), Truth::Unknown);
        assert_eq!(when.holds(&at("2028-01-01T00:00:00Z", None)), Truth::False);
        assert_eq!(when.holds(&at("2026-01-01T00:00:00Z", Some("11.1.2.3"))), Truth::False);
        assert!(Truth::Unknown.applies(Effect::Deny) && !Truth::Unknown.applies(Effect::Allow));
    }

    #[test]
    fn the_bounds_are_exact() {
        let instant = "2027-01-01T00:00:00Z";
        let before: Timestamp = "2026-12-31T23:59:59.999999999Z".parse().unwrap();
        let until: When = format!("until={instant}").parse().unwrap();
        let after: When = format!("after={instant}").parse().unwrap();
        let instant: Timestamp = instant.parse().unwrap();
        let context = Context::at;
        assert_eq!(until.holds(&context(before)), Truth::True);
        assert_eq!(until.holds(&context(instant)), Truth::False);
        assert_eq!(after.holds(&context(before)), Truth::False);
        assert_eq!(after.holds(&context(instant)), Truth::True);
        for when in [until, after] {
            assert_eq!(when.changes_at(&context(before)), Some(instant));
            assert_eq!(when.changes_at(&context(instant)), None);
        }
    }

    #[test]
    fn an_old_handshake_is_no_matter_of_waiting() {
        let when: When = "auth-age<=1h; time=12:00-14:00 UTC".parse().unwrap();
        let ask = |now: &str, proven: Option<&str>| {
            let proven = proven.map(|proven| proven.parse().unwrap());
            let mut context = at(now, None);
            context.circumstances.proven = proven;
            let only = (when.fails_by_time_only(&context), when.other_handshake(&context));
            (when.holds(&context), only, when.changes_at(&context).map(|at| at.to_string()))
        };
        let later = |text: &str| Some(text.to_owned());
        for (now, proven, truth, only, changes_at) in [
            // Fresh and in time, until the handshake is too old.
            ("12:30", Some("12:00"), Truth::True, (true, false), "13:00:00.000000001"),
            // Too old, in time: a new handshake would help.
            ("13:30", Some("12:00"), Truth::False, (false, true), "14:00:00"),
            ("13:30", None, Truth::Unknown, (false, true), "14:00:00"),
            // Fresh, too early: waiting would help.
            ("10:30", Some("10:00"), Truth::False, (true, false), "11:00:00.000000001"),
            // Both: neither alone would help.
            ("10:30", Some("09:00"), Truth::False, (false, true), "12:00:00"),
            ("10:30", None, Truth::False, (false, true), "12:00:00"),
        ] {
            let full = |clock: &str| format!("2027-01-01T{clock}:00Z");
            let proven = proven.map(full);
            let expected = (truth, only, later(&format!("2027-01-01T{changes_at}Z")));
            assert_eq!(ask(&full(now), proven.as_deref()), expected, "{now} {proven:?}");
        }
    }

    #[test]
    fn empty_means_always() {
        let when: When = "".parse().unwrap();
        assert_eq!(when.holds(&at("2026-01-01T00:00:00Z", None)), Truth::True);
    }

    #[test]
    fn refuses_what_it_cannot_judge() {
        for (text, part) in [
            (";", "empty condition"),
            ("until", "is no condition"),
            ("colour=red", "'colour=' is no condition"),
            ("until<=2027-01-01T00:00:00Z", "'until<=' is no condition"),
            ("until=tomorrow", "RFC 3339"),
            ("until=2027-01-01", "RFC 3339"),
            ("after=2027-01-01T00:00:00", "RFC 3339"),
            ("from=", "network"),
            ("from=10.0.0.1/8", "10.0.0.0/8"),
            ("from=10.0.0.0/33", "network"),
            ("from=10.0.0.0/8|", "network"),
            ("time=", "days, hours and a zone"),
            ("time=Europe/Berlin", "days, hours and a zone"),
            ("time=Mon-Fri 07:00-19:00", "'07:00-19:00' is no time zone"),
            ("time=Mon-Fri 07:00-19:00 Europe/Nowhere", "'Europe/Nowhere' is no time zone"),
            ("time=Mon-Fri 07:00-19:00 europe/berlin", "is no time zone"),
            ("time=Mon-Fri 7:00-19:00 UTC", "days, hours and a zone"),
            ("time=Mon-Fri 07:00-24:01 UTC", "days, hours and a zone"),
            ("time=Mon-Fri 07:60-08:00 UTC", "days, hours and a zone"),
            ("time=Mon-Fri 24:00-01:00 UTC", "days, hours and a zone"),
            ("time=mon 07:00-08:00 UTC", "days, hours and a zone"),
            ("time=Mon| 07:00-08:00 UTC", "days, hours and a zone"),
            ("time=Mon 07:00-08:00 Tue UTC", "days, hours and a zone"),
            ("posture=ok", "posture= is not built yet"),
            ("firmware>=1.2", "firmware>= is not built yet"),
            ("auth-age=1h", "'auth-age=' is no condition; did you mean auth-age<=?"),
            ("auth-age<1h", "'auth-age<' is no condition; did you mean auth-age<=?"),
            ("auth-age<=", "such as 8h, 30m or 1h30m"),
            ("auth-age<=8", "'8' is no value of auth-age<="),
            ("auth-age<=0h", "a duration above zero"),
            ("auth-age<=-1h", "'-1h' is no value of auth-age<="),
            ("auth-age<=9223372036854775807h", "is no value of auth-age<="),
        ] {
            let error = text.parse::<When>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
