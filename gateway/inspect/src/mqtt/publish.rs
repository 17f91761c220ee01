//! Reads PUBLISH up to its payload.

use super::packet::{FixedHeader, Packet, Version, put_varint};
use super::properties::{ALIAS, Properties, PropertyContext};
use super::reader::FieldReader;
use super::reason::{Violation, malformed, protocol_error};
use super::topic::is_topic;

/// A PUBLISH up to its payload (section 3.3).
pub(super) struct Publish<'b> {
    header: FixedHeader,
    /// Its quality of service: 0, 1 or 2.
    pub(super) qos: u8,
    /// Whether it may be a repetition.
    pub(super) again: bool,
    /// The topic. It is empty only if an alias stands for it.
    pub(super) topic: &'b str,
    /// The packet identifier; 0 if there is none, at QoS 0.
    pub(super) id: u16,
    pub(super) properties: Properties<'b>,
    pub(super) alias: Option<u16>,
    /// All bytes up to the payload, with the fixed header.
    head: &'b [u8],
}

impl<'b> Publish<'b> {
    pub(super) fn read(version: Version, packet: &'b Packet<'_>) -> Result<Self, Violation> {
        let (header, head) = (packet.header, &*packet.bytes);
        let mut reader = FieldReader::new(packet.fields());
        let (qos, again) = (header.flags >> 1 & 0b11, header.flags & 0b1000 != 0);
        if qos == 3 || (qos == 0 && again) {
            return Err(malformed("sends flags of PUBLISH that do not fit together"));
        }
        let topic = reader.text()?;
        let id = if qos == 0 { 0 } else { reader.packet_id()? };
        let properties = match version {
            Version::V311 => Properties::none(PropertyContext::Publish),
            Version::V5 => Properties::read(&mut reader, PropertyContext::Publish)?,
        };
        let alias = properties.number(ALIAS).and_then(|alias| u16::try_from(alias).ok());
        if topic.is_empty() && alias.is_none() {
            return Err(protocol_error("publishes without a topic"));
        }
        if !(is_topic(topic) || topic.is_empty() && alias.is_some()) {
            return Err(malformed("publishes to an invalid topic"));
        }
        Ok(Self { header, qos, again, topic, id, properties, alias, head })
    }

    /// Returns the length of its payload, in bytes.
    pub(super) fn payload(&self) -> usize {
        self.header.packet() - self.head.len()
    }

    /// Returns the bytes up to the payload.
    pub(super) fn head(&self) -> &'b [u8] {
        self.head
    }

    /// Returns the message up to its payload, with its topic in place of the alias.
    pub(super) fn unaliased(&self, topic: &str) -> Vec<u8> {
        let mut fields = Vec::with_capacity(self.head.len() + topic.len());
        fields.extend(u16::try_from(topic.len()).unwrap_or_default().to_be_bytes());
        fields.extend(topic.as_bytes());
        if self.qos > 0 {
            fields.extend(self.id.to_be_bytes());
        }
        let properties = self.properties.without(&[ALIAS]);
        put_varint(properties.len(), &mut fields);
        fields.extend(properties);
        let mut head = Vec::with_capacity(5 + fields.len());
        head.extend(self.head.first());
        put_varint(fields.len() + self.payload(), &mut head);
        head.extend(fields);
        head
    }
}
