//! Collects the bytes of one packet until it can be read.

use std::borrow::Cow;
use std::mem;

use smallvec::SmallVec;

use super::packet::{FixedHeader, Packet, PacketType, Version, varint};
use super::reason::{Violation, malformed, too_large};

/// The longest packets that are held, in bytes after the fixed header: lists of filters, packets
/// whose fields can be of 64 KiB each, and all others.
pub(super) const FILTER_LIST: usize = 256 * 1024;
pub(super) const FIELDS: usize = 128 * 1024;
const SHORT: usize = 16 * 1024;
/// So much room is kept for the next packet that comes in pieces.
const KEPT: usize = 4096;

/// What has come from one side and cannot be judged yet.
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
    /// How many bytes of it have not come yet.
    pub(super) left: usize,
    /// What becomes of it.
    pub(super) fate: Fate,
}

/// What becomes of a PUBLISH.
#[derive(Debug)]
pub(super) enum Fate {
    /// It goes to the other side.
    Forwarded,
    /// It goes nowhere, and is answered at its end so.
    Withheld(SmallVec<[u8; 8]>),
}

/// How much of a packet has to be there.
enum Needed {
    /// So many bytes at least, which is more than there are.
    More(usize),
    /// So many: a whole packet, or a PUBLISH without its payload.
    Bytes(FixedHeader, usize),
}

impl Inbox {
    /// The first packet of what is held and of `bytes`, from which it is taken; a PUBLISH without
    /// its payload. `admit` says whether such a packet may come now. None, if not all of it is
    /// there: everything is held then.
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
            // Never more than is needed: what is held is one packet, or less.
            let (piece, rest) = bytes.split_at(more.min(bytes.len()));
            self.held.extend_from_slice(piece);
            *bytes = rest;
        }
    }

    /// Takes back the room of a packet that has been read.
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

/// It says of more bytes what it has said of fewer: so it makes no difference how they come.
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
        _ => SHORT,
    };
    if header.remaining > bound {
        return Err(too_large("sends a packet that is too large"));
    }
    let length = header.packet();
    Ok(if bytes.len() < length { Needed::More(length) } else { Needed::Bytes(header, length) })
}

/// Up to the payload: the topic, the packet identifier, the properties (section 3.3.2).
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
    // What follows the packet has no say in it.
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
