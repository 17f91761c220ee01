//! The fixed header of MQTT packets, and the versions of the protocol.

use std::borrow::Cow;

use super::reason::{Violation, malformed};

/// A version, by the protocol level in CONNECT (section 3.1.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// 4: MQTT 3.1.1.
    V311,
    /// 5: MQTT 5.0.
    V5,
}

/// The packet types by their number (section 2.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PacketType {
    Connect = 1,
    Connack,
    Publish,
    Puback,
    Pubrec,
    Pubrel,
    Pubcomp,
    Subscribe,
    Suback,
    Unsubscribe,
    Unsuback,
    Pingreq,
    Pingresp,
    Disconnect,
    Auth,
}

impl PacketType {
    const ALL: [Self; 15] = [
        Self::Connect,
        Self::Connack,
        Self::Publish,
        Self::Puback,
        Self::Pubrec,
        Self::Pubrel,
        Self::Pubcomp,
        Self::Subscribe,
        Self::Suback,
        Self::Unsubscribe,
        Self::Unsuback,
        Self::Pingreq,
        Self::Pingresp,
        Self::Disconnect,
        Self::Auth,
    ];

    fn of(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number).checked_sub(1)?).copied()
    }

    /// Returns its flags (section 2.1.3). Only those of PUBLISH vary.
    fn flags(self) -> Option<u8> {
        match self {
            Self::Publish => None,
            Self::Pubrel | Self::Subscribe | Self::Unsubscribe => Some(0b0010),
            Self::Connect
            | Self::Connack
            | Self::Puback
            | Self::Pubrec
            | Self::Pubcomp
            | Self::Suback
            | Self::Unsuback
            | Self::Pingreq
            | Self::Pingresp
            | Self::Disconnect
            | Self::Auth => Some(0),
        }
    }

    /// Returns the first byte of such a packet, except PUBLISH.
    pub(super) fn first_byte(self) -> u8 {
        (self as u8) << 4 | self.flags().unwrap_or_default()
    }
}

/// The largest remaining length: four bytes of seven bits (section 2.1.4).
pub(super) const LONGEST: usize = 268_435_455;

/// The fixed header of a packet (section 2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FixedHeader {
    pub(super) kind: PacketType,
    pub(super) flags: u8,
    /// The length of the fixed header, in bytes.
    pub(super) length: usize,
    /// How many bytes follow the fixed header.
    pub(super) remaining: usize,
    /// Whether that number is written in its shortest form. MQTT 5.0 demands it (section 1.5.5),
    /// 3.1.1 does not.
    pub(super) minimal: bool,
}

impl FixedHeader {
    /// Reads the fixed header of the first packet in `bytes`; `None` if it is incomplete.
    pub(super) fn read(bytes: &[u8]) -> Result<Option<Self>, Violation> {
        let Some((first, rest)) = bytes.split_first() else { return Ok(None) };
        let kind =
            PacketType::of(first >> 4).ok_or(malformed("sends a packet of an unknown type"))?;
        let flags = first & 0x0f;
        if kind.flags().is_some_and(|fixed| fixed != flags) {
            return Err(malformed("sends a packet with reserved flags"));
        }
        let header = |found: Varint| Self {
            kind,
            flags,
            length: 1 + found.bytes,
            // The value has 28 bits.
            remaining: found.value as usize,
            minimal: found.minimal,
        };
        Ok(varint(rest)?.map(header))
    }

    /// Returns the length of the whole packet, in bytes.
    pub(super) fn packet(&self) -> usize {
        self.length + self.remaining
    }
}

/// A whole packet, or a PUBLISH up to its payload.
#[derive(Clone, Debug)]
pub(super) struct Packet<'b> {
    pub(super) header: FixedHeader,
    /// The bytes, with the fixed header.
    pub(super) bytes: Cow<'b, [u8]>,
}

impl Packet<'_> {
    /// Returns the bytes after the fixed header.
    pub(super) fn fields(&self) -> &[u8] {
        self.bytes.get(self.header.length..).unwrap_or_default()
    }
}

/// A variable byte integer (section 1.5.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Varint {
    pub(super) value: u32,
    /// The length of its encoding: 1 to 4.
    pub(super) bytes: usize,
    /// Whether no shorter encoding exists.
    pub(super) minimal: bool,
}

/// Reads the variable byte integer at the beginning of `bytes`; `None` if it is incomplete.
pub(super) fn varint(bytes: &[u8]) -> Result<Option<Varint>, Violation> {
    let mut value = 0;
    for (at, byte) in bytes.iter().take(4).enumerate() {
        value |= u32::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Ok(Some(Varint { value, bytes: at + 1, minimal: at == 0 || *byte != 0 }));
        }
    }
    if bytes.len() < 4 { Ok(None) } else { Err(malformed("writes a length of more than 4 bytes")) }
}

/// Appends `value`, at most [`LONGEST`], as a variable byte integer.
pub(super) fn put_varint(mut value: usize, to: &mut Vec<u8>) {
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            return to.push(low);
        }
        to.push(low | 0x80);
    }
}

/// Writes a packet that the gateway makes or changes.
pub(super) fn write(kind: PacketType, fields: &[&[u8]]) -> Vec<u8> {
    let remaining = fields.iter().map(|field| field.len()).sum();
    let mut packet = Vec::with_capacity(5 + remaining);
    packet.push(kind.first_byte());
    put_varint(remaining, &mut packet);
    fields.iter().for_each(|field| packet.extend_from_slice(field));
    packet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_those_of_the_standard() {
        // Table 1-1.
        for (value, bytes) in [
            (0, &[0][..]),
            (127, &[0x7f]),
            (128, &[0x80, 0x01]),
            (16_383, &[0xff, 0x7f]),
            (16_384, &[0x80, 0x80, 0x01]),
            (2_097_151, &[0xff, 0xff, 0x7f]),
            (2_097_152, &[0x80, 0x80, 0x80, 0x01]),
            (268_435_455, &[0xff, 0xff, 0xff, 0x7f]),
        ] {
            let mut written = Vec::new();
            put_varint(value, &mut written);
            assert_eq!(written, bytes);
            let found =
                Varint { value: u32::try_from(value).unwrap(), bytes: bytes.len(), minimal: true };
            assert_eq!(varint(bytes), Ok(Some(found)));
            for end in 0..bytes.len() {
                assert_eq!(varint(&bytes[..end]), Ok(None));
            }
        }
        assert!(!varint(&[0x80, 0]).unwrap().unwrap().minimal);
        assert!(!varint(&[0xff, 0x80, 0]).unwrap().unwrap().minimal);
        assert!(varint(&[0x80, 0x80, 0x80, 0x80]).is_err());
    }

    #[test]
    fn packets_have_their_numbers_and_flags() {
        assert_eq!(PacketType::of(0), None);
        assert_eq!(PacketType::of(16), None);
        for (number, kind) in (1..).zip(PacketType::ALL) {
            assert_eq!(PacketType::of(number), Some(kind));
            assert_eq!(kind as u8, number);
            for flags in 0..16 {
                let two = [PacketType::Pubrel, PacketType::Subscribe, PacketType::Unsubscribe];
                let right = if two.contains(&kind) { 2 } else { 0 };
                let right = kind == PacketType::Publish || flags == right;
                let read = FixedHeader::read(&[number << 4 | flags, 0]);
                assert_eq!(read.is_ok(), right, "{kind:?} {flags}");
            }
        }
    }
}
