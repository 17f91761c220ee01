//! Topics, filters and topic aliases.

use std::collections::BTreeMap;

use doorward_model::{Name, Path};

use super::reason::{ALIAS_INVALID, Violation, malformed, protocol_error, quota_exceeded};

/// The most topic aliases of a client, even if the server allows more.
pub(super) const ALIASES: u16 = 32;
/// The longest topic that may have an alias, in bytes. A PUBLISH of 8 bytes grows by as much.
pub(super) const ALIASED: usize = 512;

/// Returns whether a text is a topic name (section 4.7): not empty, without wildcards.
pub(super) fn is_topic(text: &str) -> bool {
    !text.is_empty() && !text.contains(['+', '#'])
}

/// Returns whether a text is a topic filter (sections 4.7.1 and 4.8.2). Servers allow shared
/// subscriptions with 3.1.1 as well.
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

/// Returns whether a subscription is shared (section 4.8.2).
pub(super) fn is_shared(filter: &str) -> bool {
    filter.starts_with("$share/")
}

/// The topic of a PUBLISH, by name or by alias.
#[derive(Debug)]
pub(super) struct Topic {
    pub(super) name: Box<str>,
    /// The path to ask about; `None` if the topic is too long.
    pub(super) path: Option<Path>,
}

/// The client's topic aliases (section 3.3.2.3.4). A refused message sets its alias as well, since
/// the client assumes that. The server gets no aliases.
#[derive(Debug, Default)]
pub(super) struct Aliases {
    /// The highest alias that the client may use; 0 before CONNACK.
    pub(super) maximum: u16,
    topics: BTreeMap<u16, Topic>,
}

impl Aliases {
    /// Returns the topic of a PUBLISH with this alias. A name in it sets the alias.
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

/// Checks a topic filter of a packet.
pub(super) fn filter(text: &str) -> Result<&str, Violation> {
    if is_filter(text) { Ok(text) } else { Err(malformed("sends an invalid topic filter")) }
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
