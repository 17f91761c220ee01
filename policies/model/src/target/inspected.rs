use std::fmt;

use super::error::TargetError;
use crate::protocol::Protocol;

/// What is read in an interface's traffic, so that each operation can be decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Inspected {
    /// The protocol, and how it is handled.
    pub spoken: Inspection,
    /// Whether an operation waits until its record is on disk (`audit=sync`), instead of its being
    /// there within a second.
    pub synced: bool,
}

/// A protocol that is inspected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Inspection {
    /// Modbus: `modbus://HOST:PORT`, `modbus+serial:/dev/DEVICE?baud=9600`, `modbus+agent:NAME` or
    /// `modbus+serial+agent:NAME?baud=9600`. Clients speak Modbus/TCP, whatever the device does.
    Modbus,
    /// MQTT: `mqtt://HOST:PORT?client-id=bound` or `mqtt+agent:NAME`.
    Mqtt(ClientIds),
    /// CoAP: `coap://HOST:PORT` or `coap+agent:NAME`.
    Coap,
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
    fn as_str(self) -> &'static str {
        match self {
            Self::Bound => "bound",
            Self::Strict => "strict",
            Self::Off => "off",
        }
    }
}

impl Inspection {
    /// Its protocol.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        match self {
            Self::Modbus => Protocol::Modbus,
            Self::Mqtt(_) => Protocol::Mqtt,
            Self::Coap => Protocol::Coap,
        }
    }
}

impl Inspected {
    /// Takes what is its own out of the query of a URL. What is not, is left.
    pub(super) fn take(
        protocol: Protocol,
        query: Option<&str>,
    ) -> Result<(Self, Option<String>), TargetError> {
        let (mut ids, mut synced) = (None, None);
        let mut others = Vec::new();
        for part in query.into_iter().flat_map(|query| query.split('&')) {
            let taken = match part.split_once('=') {
                Some(("client-id", word)) if protocol == Protocol::Mqtt => {
                    let all = [ClientIds::Bound, ClientIds::Strict, ClientIds::Off];
                    let found = all.into_iter().find(|one| one.as_str() == word);
                    found.is_some() && ids.replace(found.unwrap_or_default()).is_none()
                }
                Some(("audit", word)) => {
                    matches!(word, "sync" | "second") && synced.replace(word == "sync").is_none()
                }
                _ => {
                    others.push(part);
                    continue;
                }
            };
            if !taken {
                return Err(TargetError::Option(part.to_owned()));
            }
        }
        let spoken = match protocol {
            Protocol::Mqtt => Inspection::Mqtt(ids.unwrap_or_default()),
            Protocol::Coap => Inspection::Coap,
            _ => Inspection::Modbus,
        };
        let rest = (!others.is_empty()).then(|| others.join("&"));
        Ok((Self { spoken, synced: synced.unwrap_or_default() }, rest))
    }
}

/// As in the query of a URL: what is not as it is by default.
impl fmt::Display for Inspected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids = match self.spoken {
            Inspection::Mqtt(ids) if ids != ClientIds::default() => Some(ids),
            _ => None,
        };
        if let Some(ids) = ids {
            write!(f, "client-id={}", ids.as_str())?;
        }
        match self.synced {
            true if ids.is_some() => f.write_str("&audit=sync"),
            true => f.write_str("audit=sync"),
            false => Ok(()),
        }
    }
}
