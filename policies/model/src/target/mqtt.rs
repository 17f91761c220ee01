//! The options of MQTT interfaces.

/// The options of an MQTT interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct MqttOptions {
    /// How client identifiers are bound to subjects (`client-id=`).
    pub ids: ClientIds,
    /// Which right a Response Topic needs (`response-topic=`).
    pub response: ResponseTopics,
}

impl MqttOptions {
    /// Reads one option of a query. `None` if it is no option of MQTT, and `false` if it does not
    /// have that value.
    pub(super) fn take(&mut self, key: &str, word: &str) -> Option<bool> {
        fn put<T>(option: &mut T, value: Option<T>) -> bool {
            value.map(|value| *option = value).is_some()
        }
        Some(match key {
            "client-id" => put(&mut self.ids, ClientIds::of_word(word)),
            "response-topic" => put(&mut self.response, ResponseTopics::of_word(word)),
            _ => return None,
        })
    }

    /// Yields the options that differ from the defaults, as in the query of a URL.
    pub(super) fn words(self) -> impl Iterator<Item = String> {
        let ids = (self.ids != ClientIds::default()).then(|| self.ids.as_str());
        let ids = ids.map(|word| format!("client-id={word}"));
        let response = self.response.as_str().map(|word| format!("response-topic={word}"));
        ids.into_iter().chain(response)
    }
}

/// How the client identifiers that MQTT clients choose are bound to subjects (`client-id=`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ClientIds {
    /// The broker gets `SUBJECT:ID`, so that nobody can take over the session of another subject.
    #[default]
    Bound,
    /// The client must choose its subject's name, or `SUBJECT:ID`.
    Strict,
    /// The broker gets the identifier that the client chose.
    Off,
}

impl ClientIds {
    pub(super) fn of_word(word: &str) -> Option<Self> {
        [Self::Bound, Self::Strict, Self::Off].into_iter().find(|one| one.as_str() == word)
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Bound => "bound",
            Self::Strict => "strict",
            Self::Off => "off",
        }
    }
}

/// Which right a client needs to name a Response Topic (MQTT 5.0 section 4.10). The client that
/// answers publishes there, with its own right and on behalf of the client that asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ResponseTopics {
    /// `subscribe` or `publish` on the topic.
    #[default]
    Either,
    /// `publish` on the topic.
    Publish,
    /// No client may name one.
    Off,
}

impl ResponseTopics {
    pub(super) fn of_word(word: &str) -> Option<Self> {
        [Self::Publish, Self::Off].into_iter().find(|one| one.as_str() == Some(word))
    }

    /// Returns the word of the option; the default has none.
    pub(super) fn as_str(self) -> Option<&'static str> {
        match self {
            Self::Either => None,
            Self::Publish => Some("publish"),
            Self::Off => Some("off"),
        }
    }
}
