//! The operands of MQTT: topic names and topic filters (MQTT 5.0 section 4.7).

use std::sync::Arc;

use super::{Path, PathError, Segment, misfit, parts, within};
use crate::action::Action;
use crate::name::Name;

const FILTER: &str = "a topic filter has + for one whole level and # only at its end";

impl Path {
    /// Returns the path of a topic at an MQTT interface. `publish` asks for it, and `subscribe`
    /// does when a message goes to a subscriber. `$share` has no special meaning in it.
    ///
    /// # Errors
    /// When the topic is too long or empty, or has a wildcard.
    pub fn topic(interface: &Name, topic: &str) -> Result<Self, PathError> {
        fits(interface, topic)?;
        levels(interface.shared(), topic, false)
    }

    /// Returns the path of a topic filter at an MQTT interface. `subscribe` asks for it.
    /// `$share/G/F` is judged as `F`.
    ///
    /// # Errors
    /// When the filter is too long or not well formed.
    pub fn filter(interface: &Name, filter: &str) -> Result<Self, PathError> {
        fits(interface, filter)?;
        levels(interface.shared(), unshared(filter)?, true)
    }
}

/// Reads a path: the interface's name, then what `action` needs.
pub(super) fn parse(action: Action, text: &str) -> Result<Path, PathError> {
    let (interface, operand) = match text.split_once('/') {
        Some((interface, operand)) => (interface, Some(operand)),
        None => (text, None),
    };
    if action == Action::Connect {
        let Some(topic) = operand else { return Path::literal(interface) };
        let first = topic.split('/').next().unwrap_or_default();
        return Err(misfit(first, "connect asks for the interface, without a topic"));
    }
    let operand = operand.unwrap_or_default();
    let is_filter = action == Action::Subscribe;
    let topic = if is_filter { unshared(operand)? } else { operand };
    levels(interface.into(), topic, is_filter)
}

fn fits(interface: &Name, operand: &str) -> Result<(), PathError> {
    within(interface.as_str().len() + 1 + operand.len(), 1 + parts(operand))
}

/// Returns the filter of a shared subscription, or the filter itself (section 4.8.2).
fn unshared(filter: &str) -> Result<&str, PathError> {
    let Some(shared) = filter.strip_prefix("$share/") else { return Ok(filter) };
    let (group, filter) = shared.split_once('/').unwrap_or((shared, ""));
    if group.is_empty() || group.contains(['+', '#']) {
        return Err(misfit(group, "a shared subscription is $share/GROUP/FILTER"));
    }
    Ok(filter)
}

/// Reads the levels of a topic name (section 4.7.3) or, with `wild`, of a topic filter (4.7.1).
fn levels(interface: Arc<str>, text: &str, wild: bool) -> Result<Path, PathError> {
    if text.is_empty() {
        return Err(misfit("", "a topic has at least one character"));
    }
    let mut segments = Vec::with_capacity(1 + parts(text));
    segments.push(Segment::Text(interface));
    let (mut open, mut levels) = (false, text.split('/').peekable());
    while let Some(level) = levels.next() {
        match level {
            "#" if wild && levels.peek().is_none() => open = true,
            "+" if wild => segments.push(Segment::Any),
            text if text.contains(['+', '#', '\0']) => return Err(misfit(text, FILTER)),
            text => segments.push(Segment::Text(text.into())),
        }
    }
    Ok(Path { segments: segments.into(), open, topic: true, any_case: false })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::Protocol;

    #[test]
    fn connect_asks_for_the_interface_alone() {
        let bus: Name = "bus".parse().unwrap();
        let parsed = Path::parse(Protocol::Mqtt, Action::Connect, "bus").unwrap();
        assert_eq!(Path::interface(&bus), parsed);
    }

    #[test]
    fn a_topic_is_literal_where_a_filter_is_shared() {
        let bus: Name = "bus".parse().unwrap();
        assert_eq!(Path::topic(&bus, "$share/g/a").unwrap().raw(), "bus/$share/g/a");
        assert_eq!(Path::filter(&bus, "$share/g/a").unwrap().raw(), "bus/a");
        assert!(Path::filter(&bus, "$share/g").is_err());
        assert!(Path::filter(&bus, "$share//a").is_err());
        assert_eq!(Path::filter(&bus, "#").unwrap().raw(), "bus/#");
        let long = "/".repeat(Path::SEGMENTS - 2);
        assert!(Path::topic(&bus, &long).is_ok());
        assert_eq!(Path::topic(&bus, &format!("{long}/")), Err(PathError::TooLong));
        let long = "a".repeat(Path::LIMIT - "bus/".len());
        assert!(Path::filter(&bus, &long).is_ok());
        assert_eq!(Path::filter(&bus, &format!("{long}a")), Err(PathError::TooLong));
    }

    proptest! {
        #[test]
        fn a_topic_and_a_filter_are_the_same_as_their_text(
            operand in "(\\$share/)?[ab+#/\0]{0,8}|[a/]{120,140}|a{8180,8200}",
        ) {
            let bus: Name = "bus".parse().unwrap();
            let text = format!("bus/{operand}");
            let publish = Path::parse(Protocol::Mqtt, Action::Publish, &text);
            prop_assert_eq!(Path::topic(&bus, &operand), publish);
            let subscribe = Path::parse(Protocol::Mqtt, Action::Subscribe, &text);
            prop_assert_eq!(Path::filter(&bus, &operand), subscribe);
        }
    }
}
