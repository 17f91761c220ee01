//! Reads CONNACK, the MQTT server's answer to CONNECT.

use super::packet::{PacketType, Version, put_varint, write};
use super::packet_reason::reason;
use super::properties::{ALIAS_MAXIMUM, ASSIGNED_ID, Properties, PropertyContext};
use super::reader::FieldReader;
use super::reason::{SUCCESS, Violation, malformed, protocol_error};
use crate::machine::Sender;

/// A CONNACK of the server (section 3.2).
pub(super) struct Connack<'b> {
    /// Whether an earlier session is resumed.
    present: u8,
    pub(super) code: u8,
    pub(super) properties: Properties<'b>,
}

impl<'b> Connack<'b> {
    pub(super) fn read(version: Version, fields: &'b [u8]) -> Result<Self, Violation> {
        let mut reader = FieldReader::new(fields);
        let (present, code) = (reader.byte()?, reader.byte()?);
        let mut properties = Properties::none(PropertyContext::Connack);
        match version {
            Version::V311 if code > 5 => {
                return Err(protocol_error("gives an unknown return code"));
            }
            Version::V311 => {}
            // A server that supports nothing newer than 3.1.1 refuses like this.
            Version::V5 if code == 1 && reader.is_empty() => {}
            Version::V5 => {
                reason(PacketType::Connack, Sender::Device, code)?;
                properties = Properties::read(&mut reader, PropertyContext::Connack)?;
            }
        }
        reader.end()?;
        match present {
            0 => {}
            1 if code == SUCCESS => {}
            1 => return Err(protocol_error("refuses the connection, and resumes a session")),
            _ => return Err(malformed("sends a packet with reserved flags")),
        }
        Ok(Self { present, code, properties })
    }

    /// Returns the CONNACK for a client of MQTT 5.0 that is accepted, with the topic aliases that
    /// the gateway allows, and the client identifier that was assigned.
    pub(super) fn packet(&self, aliases: u16, assigned: Option<&str>) -> Vec<u8> {
        let mut properties = self.properties.without(&[ALIAS_MAXIMUM, ASSIGNED_ID]);
        if aliases > 0 {
            properties.push(ALIAS_MAXIMUM);
            properties.extend(aliases.to_be_bytes());
        }
        if let Some(id) = assigned {
            properties.push(ASSIGNED_ID);
            properties.extend(u16::try_from(id.len()).unwrap_or_default().to_be_bytes());
            properties.extend(id.as_bytes());
        }
        let mut length = Vec::new();
        put_varint(properties.len(), &mut length);
        write(PacketType::Connack, &[&[self.present, self.code], &length, &properties])
    }
}
