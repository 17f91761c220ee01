//! Parsers of the values of arguments.

use std::collections::BTreeMap;

use doorward_model::{Action, Clock as _, FlowId, Group, Name, Period, Role, UnknownAction};
use doorward_policies::Attributes;
use jiff::Timestamp;

use crate::clock::SystemClock;

/// The name and the value of an attribute that the policy knows.
pub(crate) type Attribute = (String, String);

/// An action that is asked about; `None` for any.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AskedAction(pub(crate) Option<Action>);

pub(super) fn any_action(text: &str) -> Result<AskedAction, String> {
    if text == "any" {
        return Ok(AskedAction(None));
    }
    text.parse()
        .map(|action| AskedAction(Some(action)))
        .map_err(|error: UnknownAction| error.to_string())
}

pub(super) fn role(text: &str) -> Result<Role, String> {
    Role::from_argument(text).map_err(|error| error.to_string())
}

pub(super) fn group(text: &str) -> Result<Group, String> {
    Group::from_argument(text).map_err(|error| error.to_string())
}

/// Checks that a text is `DEVICE/NAME`, and returns it.
pub(super) fn interface(text: &str) -> Result<String, String> {
    let wrong = || "an interface is DEVICE/NAME, such as plc-3/ssh".to_owned();
    let (device, name) = text.split_once('/').ok_or_else(wrong)?;
    for part in [device, name] {
        part.parse::<Name>().map_err(|error| error.to_string())?;
    }
    Ok(text.to_owned())
}

/// Checks that a text is the id of a session or a flow, and returns it. Both kinds of id have the
/// same form.
pub(super) fn session(text: &str) -> Result<String, String> {
    text.parse::<FlowId>().map(|_| text.to_owned()).map_err(|error| error.to_string())
}

pub(super) fn period(text: &str) -> Result<Period, String> {
    text.parse().map_err(|_| "write how long, such as 90s, 15m, 2h, 3d, 2w or 1h30m".to_owned())
}

/// Reads an instant, or how long from now it is. A `+` may stand before that.
pub(super) fn instant(text: &str) -> Result<Timestamp, String> {
    let period = text.strip_prefix('+').unwrap_or(text).parse::<Period>().ok();
    let instant = match period {
        Some(period) => period.after(SystemClock.now()),
        None => text.parse().ok(),
    };
    instant.ok_or_else(|| wrong_instant("how long from now"))
}

/// Reads an instant, or how long ago it was.
pub(super) fn past_instant(text: &str) -> Result<Timestamp, String> {
    let instant = match text.parse::<Period>() {
        Ok(period) => period.before(SystemClock.now()),
        Err(_) => text.parse().ok(),
    };
    instant.ok_or_else(|| wrong_instant("how long ago"))
}

fn wrong_instant(how_long: &str) -> String {
    format!(
        "write an instant, such as 2027-01-01T18:00:00+01:00, or {how_long}, such as 2h, 3d or 1h30m"
    )
}

pub(super) fn attribute(text: &str) -> Result<Attribute, String> {
    let wrong = || "an attribute is NAME=VALUE, such as auth-age=2h".to_owned();
    let (name, value) = text.split_once('=').ok_or_else(wrong)?;
    let attribute = (name.to_owned(), value.to_owned());
    let known = Attributes::try_from(BTreeMap::from([attribute.clone()]));
    known.map(|_| attribute).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_also_how_far_it_is_from_now() {
        for text in ["", "2", "-2h", "++2h", "+2027-01-01T00:00:00Z", "100000000000000d", "noon"] {
            let error = instant(text).unwrap_err();
            assert!(error.contains("2027-01-01T18:00:00+01:00, or how long from now"), "{error}");
        }
        let before = SystemClock.now();
        let read = [instant("1h30m"), instant("+1h30m")].map(Result::unwrap);
        let after = SystemClock.now();
        let period: Period = "1h30m".parse().unwrap();
        let possible = period.after(before).unwrap()..=period.after(after).unwrap();
        assert!(read.iter().all(|one| possible.contains(one)), "{read:?}");
        let fixed: Timestamp = "2027-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(instant("2027-01-01T01:00:00+01:00"), Ok(fixed));
        assert_eq!(past_instant("2027-01-01T01:00:00+01:00"), Ok(fixed));
    }

    #[test]
    fn what_is_over_is_counted_back() {
        // Of records to delete, "+30d" could mean all.
        for text in ["+30d", "-30d", "30", "100000000000000d"] {
            let error = past_instant(text).unwrap_err();
            assert!(error.contains("or how long ago"), "{error}");
        }
        let before = SystemClock.now();
        let read = past_instant("30d").unwrap();
        let period: Period = "30d".parse().unwrap();
        assert!(period.before(before).unwrap() <= read && read < before, "{read}");
    }
}
