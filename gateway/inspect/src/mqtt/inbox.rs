//! Collects the bytes of one packet until it can be read.

use std::borrow::Cow;
use std::mem;

use smallvec::SmallVec;

use super::packet::{FixedHeader, Packet, PacketType, Version, varint};
use super::reason::{Violation, malformed, too_large};

/// The longest packets that are stored, in bytes after the fixed header: lists of filters, packets
/// with fields of 64 KiB each, and all others.
pub(super) const FILTER_LIST: usize = 256 * 1024;
pub(super) const FIELDS: usize = 128 * 1024;
const SHORT: usize = 16 * 1024;
/// The most bytes of a buffer that is kept for the next packet in pieces.
const KEPT: usize = 4096;

/// The bytes from one side that cannot be handled yet.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    /// The beginning of a packet.
    held: Vec<u8>,
    /// The rest of a PUBLISH that has been decided.
    pub(super) payload: Option<PublishPayload>,
}

/// The payload of a PUBLISH.
#[derive(Debug)]
pub(super) struct PublishPayload {
    /// How many of its bytes have not come.
    pub(super) left: usize,
    /// What happens to it.
    pub(super) fate: Fate,
}

/// What happens to a PUBLISH.
#[derive(Debug)]
pub(super) enum Fate {
    /// It is forwarded to the other side.
    Forwarded,
    /// It is dropped. Its sender gets this answer after its last byte.
    Withheld(SmallVec<[u8; 8]>),
}

/// How much of a packet is needed.
enum Needed {
    /// At least this many bytes, which have not come yet.
    More(usize),
    /// This many bytes: a whole packet, or a PUBLISH without its payload.
    Bytes(FixedHeader, usize),
}

impl Inbox {
    /// Takes the first packet from the stored bytes and `bytes`; of a PUBLISH, the part before the
    /// payload. `admit` checks that the packet may come now. Returns `None` if the packet is
    /// incomplete; then all bytes are stored.
    pub(super) fn next<'b>(
        &mut self,
        bytes: &mut &'b [u8],
        admit: impl Fn(&FixedHeader) -> Result<Version, Violation>,
    ) -> Result<Option<Packet<'b>>, Violation> {
        loop {
            let there: &[u8] = if self.held.is_empty() { bytes } else { &self.held };
            let more = match needed(there, &admit)? {
                Needed::Bytes(header, _) if !self.held.is_empty() => {
                    return Ok(Some(Packet {
                        header,
                        bytes: Cow::Owned(mem::take(&mut self.held)),
                    }));
                }
                Needed::Bytes(header, length) => {
                    let (packet, rest) = bytes.split_at_checked(length).unwrap_or((bytes, &[]));
                    *bytes = rest;
                    return Ok(Some(Packet { header, bytes: Cow::Borrowed(packet) }));
                }
                Needed::More(length) => length - self.held.len(),
            };
            if bytes.is_empty() {
                return Ok(None);
            }
            // It stores at most one packet.
            let (piece, rest) = bytes.split_at(more.min(bytes.len()));
            self.held.extend_from_slice(piece);
            *bytes = rest;
        }
    }

    /// Takes back the buffer of a packet that was handled.
    pub(super) fn done(&mut self, packet: Packet<'_>) {
        if let Cow::Owned(mut room) = packet.bytes
            && room.capacity() <= KEPT
        {
            room.clear();
            self.held = room;
        }
    }

    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn held(&self) -> usize {
        self.held.capacity()
    }
}

/// Returns how much of a packet is needed. More bytes never change an answer about fewer, so the
/// split of the input makes no difference.
fn needed(
    bytes: &[u8],
    admit: impl Fn(&FixedHeader) -> Result<Version, Violation>,
) -> Result<Needed, Violation> {
    let Some(header) = FixedHeader::read(bytes)? else { return Ok(Needed::More(bytes.len() + 1)) };
    let version = admit(&header)?;
    let bound = match header.kind {
        PacketType::Publish => return head_of_publish(&header, bytes, version),
        PacketType::Subscribe | PacketType::Unsubscribe => FILTER_LIST,
        PacketType::Connect
        | PacketType::Connack
        | PacketType::Suback
        | PacketType::Unsuback
        | PacketType::Auth => FIELDS,
        PacketType::Puback
        | PacketType::Pubrec
        | PacketType::Pubrel
        | PacketType::Pubcomp
        | PacketType::Pingreq
        | PacketType::Pingresp
        | PacketType::Disconnect => SHORT,
    };
    if header.remaining > bound {
        return Err(too_large("sends a packet that is too large"));
    }
    let length = header.packet();
    Ok(if bytes.len() < length { Needed::More(length) } else { Needed::Bytes(header, length) })
}

/// Returns how many bytes a PUBLISH has before its payload: the topic, the packet identifier, the
/// properties (section 3.3.2).
fn head_of_publish(
    header: &FixedHeader,
    bytes: &[u8],
    version: Version,
) -> Result<Needed, Violation> {
    let within = |length: usize| {
        if length > header.packet() {
            Err(malformed("sends a packet shorter than its fields"))
        } else if length - header.length > FIELDS {
            Err(too_large("sends a packet that is too large"))
        } else {
            Ok(length)
        }
    };
    // The bytes after the packet do not matter.
    let bytes = bytes.get(..header.packet()).unwrap_or(bytes);
    let mut length = within(header.length + 2)?;
    let Some([.., high, low]) = bytes.get(..length) else { return Ok(Needed::More(length)) };
    let id = if header.flags & 0b0110 == 0 { 0 } else { 2 };
    length = within(length + usize::from(u16::from_be_bytes([*high, *low])) + id)?;
    if version == Version::V5 {
        let properties = bytes.get(length..).unwrap_or_default();
        let Some(found) = varint(properties)? else {
            return Ok(Needed::More(within(length + properties.len() + 1)?));
        };
        length = within(length + found.bytes + found.value as usize)?;
    }
    Ok(if bytes.len() < length { Needed::More(length) } else { Needed::Bytes(*header, length) })
}
