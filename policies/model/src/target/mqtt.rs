//! How MQTT packets at an interface are handled.

/// How packets at an MQTT interface are handled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct MqttOptions {
    /// What becomes of client identifiers (`client-id=`).
    pub ids: ClientIds,
    /// Who may name a Response Topic (`response-topic=`).
    pub response: ResponseTopics,
}

/// What becomes of the client identifiers that MQTT clients choose (`client-id=`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ClientIds {
    /// The broker sees `SUBJECT:ID`, so that nobody can take over another's session.
    #[default]
    Bound,
    /// The client has to choose its subject's name, or `SUBJECT:ID`.
    Strict,
    /// The broker sees what the client chose.
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

/// What whoever names a Response Topic (MQTT 5.0 section 4.10) needs: who answers publishes there,
/// by its own right and on behalf of the one who asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ResponseTopics {
    /// `subscribe` or `publish` on that topic.
    #[default]
    Either,
    /// `publish` on it.
    Publish,
    /// Nobody may name one.
    Off,
}

impl ResponseTopics {
    pub(super) fn of_word(word: &str) -> Option<Self> {
        [Self::Publish, Self::Off].into_iter().find(|one| one.as_str() == Some(word))
    }

    /// The word that declares it; the default has none.
    pub(super) fn as_str(self) -> Option<&'static str> {
        match self {
            Self::Either => None,
            Self::Publish => Some("publish"),
            Self::Off => Some("off"),
        }
    }
}
