//! Reads CONNECT, the first packet of MQTT.

use super::packet::{PacketType, Version, put_varint, write};
use super::properties::{
    ALIAS_MAXIMUM, AUTHENTICATION_DATA, AUTHENTICATION_METHOD, Properties, PropertyContext,
    RESPONSE_TOPIC,
};
use super::reader::FieldReader;
use super::reason::{
    ID_NOT_VALID, NOT_AUTHORIZED, UNSUPPORTED_VERSION, Violation, malformed, protocol_error,
};
use super::topic::is_topic;

/// A CONNECT (section 3.1).
pub(super) struct Connect<'b> {
    pub(super) version: Version,
    /// Whether the client wants a new session.
    pub(super) clean: bool,
    pub(super) properties: Properties<'b>,
    pub(super) id: &'b str,
    pub(super) will: Option<Will<'b>>,
    /// The bytes from the protocol's name to the keep alive.
    opening: &'b [u8],
    /// The bytes of the will, the user name and the password.
    rest: &'b [u8],
}

/// The message that the server publishes when the client is gone (section 3.1.2.5).
#[derive(Clone, Copy, Debug)]
pub(super) struct Will<'b> {
    pub(super) topic: &'b str,
    /// The response topic, on which the receivers may answer.
    pub(super) response: Option<&'b str>,
}

/// Reads the protocol level (section 3.1.2.2), which decides the form of the rest.
pub(super) fn level(fields: &[u8]) -> Result<u8, Violation> {
    let mut reader = FieldReader::new(fields);
    match (reader.binary()?, reader.byte()?) {
        (b"MQTT", level) => Ok(level),
        // The name before 3.1.1. No version with it is served.
        (b"MQIsdp", level) => Ok(level.min(3)),
        _ => Err(malformed("does not speak MQTT")),
    }
}

impl<'b> Connect<'b> {
    /// Reads a packet whose level is that of `version`.
    pub(super) fn read(version: Version, fields: &'b [u8]) -> Result<Self, Violation> {
        let mut reader = FieldReader::new(fields);
        let opening = reader.take(10)?;
        let &[.., flags, _, _] = opening else { return Err(malformed("has no connect flags")) };
        let flag = |bit: u8| flags & bit != 0;
        let (will, user_name, password) = (flag(0x04), flag(0x80), flag(0x40));
        // Sections 3.1.2.3, 3.1.2.6 and 3.1.2.7; 3.1.1 section 3.1.2.9.
        let lone_will = !will && flags & 0x38 != 0;
        let lone_password = version == Version::V311 && password && !user_name;
        if flag(0x01) || lone_will || flags & 0x18 == 0x18 || lone_password {
            return Err(malformed("sends connect flags that do not fit together"));
        }
        let properties = |reader: &mut _, context| match version {
            Version::V311 => Ok(Properties::none(context)),
            Version::V5 => Properties::read(reader, context),
        };
        let own = properties(&mut reader, PropertyContext::Connect)?;
        if own.has(AUTHENTICATION_DATA) && !own.has(AUTHENTICATION_METHOD) {
            return Err(protocol_error("sends authentication data without a method"));
        }
        let id = reader.text()?;
        let rest = reader.rest();
        let will = if will {
            let response = properties(&mut reader, PropertyContext::Will)?.text(RESPONSE_TOPIC);
            let topic = reader.text()?;
            reader.binary()?;
            if !is_topic(topic) {
                return Err(malformed("has a will for an invalid topic"));
            }
            Some(Will { topic, response })
        } else {
            None
        };
        if user_name {
            reader.text()?;
        }
        if password {
            reader.binary()?;
        }
        reader.end()?;
        Ok(Self { version, clean: flag(0x02), properties: own, id, will, opening, rest })
    }

    /// Returns the CONNECT for the server: with that client identifier of at most 65535 bytes, and
    /// without topic aliases towards the client. So no message can set an alias that the client
    /// does not see.
    pub(super) fn packet(&self, id: &str) -> Vec<u8> {
        let (mut length, mut properties) = (Vec::new(), Vec::new());
        if self.version == Version::V5 {
            properties = self.properties.without(&[ALIAS_MAXIMUM]);
            put_varint(properties.len(), &mut length);
        }
        let size = u16::try_from(id.len()).unwrap_or_default().to_be_bytes();
        let fields = [self.opening, &length, &properties, &size, id.as_bytes(), self.rest];
        write(PacketType::Connect, &fields)
    }
}

/// Why a client with a readable CONNECT is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ConnectRefusal {
    Version,
    Id,
    Authorization,
}

impl ConnectRefusal {
    /// Returns the CONNACK that refuses the client (section 3.2.2.2; 3.1.1 section 3.2.2.3).
    pub(super) fn packet(self, version: Version) -> Vec<u8> {
        let (code, reason) = match self {
            Self::Version => (1, UNSUPPORTED_VERSION),
            Self::Id => (2, ID_NOT_VALID),
            Self::Authorization => (5, NOT_AUTHORIZED),
        };
        match version {
            Version::V311 => write(PacketType::Connack, &[&[0, code]]),
            Version::V5 => refusal(reason),
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Version => "version-not-served",
            Self::Id => "client-id-refused",
            Self::Authorization => "connect-refused",
        }
    }
}

/// Returns the CONNACK that refuses a client of MQTT 5.0.
pub(super) fn refusal(reason: u8) -> Vec<u8> {
    write(PacketType::Connack, &[&[0, reason, 0]])
}
