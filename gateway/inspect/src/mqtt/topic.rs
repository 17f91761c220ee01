//! Topics, filters and topic aliases.

use std::collections::BTreeMap;

use doorward_model::{Name, Path};

use super::reason::{ALIAS_INVALID, Violation, malformed, protocol_error, quota_exceeded};

/// How many topic aliases a client can have, whatever the server would take.
pub(super) const ALIASES: u16 = 32;
/// The longest topic that can have an alias, in bytes. A PUBLISH of 8 bytes grows by so much.
pub(super) const ALIASED: usize = 512;

/// Whether a text is a topic name (section 4.7): not empty, without wildcards.
pub(super) fn is_topic(text: &str) -> bool {
    !text.is_empty() && !text.contains(['+', '#'])
}

/// Whether a text is a topic filter (sections 4.7.1 and 4.8.2). Servers share subscriptions with
/// clients of 3.1.1, too.
pub(super) fn is_filter(text: &str) -> bool {
    let filter = match text.strip_prefix("$share/").map(|shared| shared.split_once('/')) {
        None => text,
        Some(Some((group, filter))) if is_topic(group) => filter,
        Some(_) => return false,
    };
    let (levels, last) =
        filter.rsplit_once('/').map_or((None, filter), |(all, last)| (Some(all), last));
    let plain = |level: &str| level == "+" || !level.contains(['+', '#']);
    !filter.is_empty()
        && (last == "#" || plain(last))
        && levels.is_none_or(|levels| levels.split('/').all(plain))
}

/// Whether a subscription is shared (section 4.8.2).
pub(super) fn is_shared(filter: &str) -> bool {
    filter.starts_with("$share/")
}

/// A topic that is in a PUBLISH by name or by alias.
#[derive(Debug)]
pub(super) struct Topic {
    pub(super) name: Box<str>,
    /// What is asked about; none, if it is too long to be named.
    pub(super) path: Option<Path>,
}

/// The client's topic aliases (section 3.3.2.3.4). They are kept even if what sets them is refused,
/// for the client takes them as set. The server knows of none.
#[derive(Debug, Default)]
pub(super) struct Aliases {
    /// The highest that the client may use: none, before CONNACK has said so.
    pub(super) maximum: u16,
    topics: BTreeMap<u16, Topic>,
}

impl Aliases {
    /// The topic that a PUBLISH with this alias is about. A name in it sets the alias.
    pub(super) fn topic(
        &mut self,
        alias: u16,
        name: &str,
        interface: &Name,
    ) -> Result<&Topic, Violation> {
        if alias == 0 || alias > self.maximum {
            let what = "uses a topic alias beyond the maximum";
            return Err(Violation { reason: ALIAS_INVALID, what });
        }
        if name.len() > ALIASED {
            return Err(quota_exceeded("gives an alias to a topic that is too long for one"));
        }
        if !name.is_empty() {
            let topic = Topic { name: name.into(), path: Path::topic(interface, name).ok() };
            self.topics.insert(alias, topic);
        }
        self.topics.get(&alias).ok_or(protocol_error("uses a topic alias that it has not set"))
    }
}

/// A topic filter, as a packet has it.
pub(super) fn filter(text: &str) -> Result<&str, Violation> {
    if is_filter(text) { Ok(text) } else { Err(malformed("sends a topic filter that is none")) }
}

#[cfg(test)]
mod tests {
    use doorward_model::PathError;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn topics_and_filters_are_what_a_path_can_be_of(
            text in "(\\$share/)?[ab+#/]{0,8}",
        ) {
            let bus: Name = "bus".parse().unwrap();
            let topic = Path::topic(&bus, &text);
            prop_assert_ne!(&topic, &Err(PathError::TooLong));
            prop_assert_eq!(is_topic(&text), topic.is_ok());
            prop_assert_eq!(is_filter(&text), Path::filter(&bus, &text).is_ok());
        }
    }
}
