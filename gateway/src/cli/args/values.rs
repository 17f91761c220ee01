//! Parsers of the values of arguments.

use std::collections::BTreeMap;
use std::time::Duration;

use doorward_model::{Action, FlowId, Group, Name, Role, UnknownAction};
use doorward_policies::Attributes;
use jiff::Timestamp;

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

pub(super) fn time(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| format!("{error}; write 30m, 1h or 7d"))
}

pub(super) fn instant(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|_| "write RFC 3339, such as 2027-01-01T18:00:00+01:00".to_owned())
}

pub(super) fn attribute(text: &str) -> Result<Attribute, String> {
    let wrong = || "an attribute is NAME=VALUE, such as auth-age=2h".to_owned();
    let (name, value) = text.split_once('=').ok_or_else(wrong)?;
    let attribute = (name.to_owned(), value.to_owned());
    let known = Attributes::try_from(BTreeMap::from([attribute.clone()]));
    known.map(|_| attribute).map_err(|error| error.to_string())
}
