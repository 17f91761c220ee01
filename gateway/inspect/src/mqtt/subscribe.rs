//! Reads SUBSCRIBE, SUBACK, UNSUBSCRIBE and UNSUBACK.

use std::collections::BTreeMap;

use super::held_filters::HeldFilters;
use super::packet::{PacketType, Version, put_varint, write};
use super::packet_reason::reason;
use super::properties::{Properties, PropertyContext};
use super::reader::FieldReader;
use super::reason::{
    NOT_AUTHORIZED, QUOTA_EXCEEDED, Violation, malformed, protocol_error, quota_exceeded,
};
use super::topic::{filter, is_shared};
use crate::machine::Sender;

/// The most filters of a packet.
pub(super) const FILTERS: usize = 1024;
/// The most filters that wait for a SUBACK.
pub(super) const WAITING: usize = 16 * 1024;

/// A SUBSCRIBE (section 3.8).
pub(super) struct Subscribe<'b> {
    version: Version,
    pub(super) id: u16,
    properties: Properties<'b>,
    /// The filters, at least one, and their number.
    pub(super) filters: Filters<'b>,
    pub(super) count: usize,
}

/// The filters of a SUBSCRIBE, which have been checked.
#[derive(Clone, Copy)]
pub(super) struct Filters<'b>(FieldReader<'b>);

/// A filter of a SUBSCRIBE, with its options.
pub(super) struct Filter<'b> {
    pub(super) text: &'b str,
    /// The bytes of the filter and its options.
    raw: &'b [u8],
}

impl<'b> From<&'b [u8]> for Filters<'b> {
    fn from(bytes: &'b [u8]) -> Self {
        Self(FieldReader::new(bytes))
    }
}

impl Filters<'_> {
    /// Returns how many bytes they have.
    pub(super) fn bytes(self) -> usize {
        self.0.rest().len()
    }
}

impl<'b> Iterator for Filters<'b> {
    type Item = Filter<'b>;

    fn next(&mut self) -> Option<Filter<'b>> {
        let start = self.0.rest();
        let text = self.0.text().ok()?;
        self.0.byte().ok()?;
        let (raw, _) = start.split_at(start.len() - self.0.rest().len());
        Some(Filter { text, raw })
    }
}

fn own_properties<'b>(
    version: Version,
    reader: &mut FieldReader<'b>,
    context: PropertyContext,
) -> Result<Properties<'b>, Violation> {
    match version {
        Version::V311 => Ok(Properties::none(context)),
        Version::V5 => Properties::read(reader, context),
    }
}

impl<'b> Subscribe<'b> {
    pub(super) fn read(version: Version, fields: &'b [u8]) -> Result<Self, Violation> {
        let mut reader = FieldReader::new(fields);
        let id = reader.packet_id()?;
        let properties = own_properties(version, &mut reader, PropertyContext::Subscribe)?;
        let (filters, mut count) = (Filters(reader), 0);
        while !reader.is_empty() {
            count += 1;
            if count > FILTERS {
                // These filters are only counted, since the SUBACK must refuse each.
                reader.binary()?;
                reader.byte()?;
                continue;
            }
            let text = filter(reader.text()?)?;
            options(version, text, reader.byte()?)?;
        }
        if count == 0 {
            return Err(protocol_error("subscribes to nothing"));
        }
        Ok(Self { version, id, properties, filters, count })
    }

    /// Returns the SUBSCRIBE with the permitted filters alone.
    pub(super) fn packet(&self, permitted: &[bool]) -> Vec<u8> {
        let mut length = Vec::new();
        if self.version == Version::V5 {
            put_varint(self.properties.raw().len(), &mut length);
        }
        let mut filters = Vec::new();
        for (filter, _) in self.filters.zip(permitted).filter(|(_, permitted)| **permitted) {
            filters.extend_from_slice(filter.raw);
        }
        let id = self.id.to_be_bytes();
        write(PacketType::Subscribe, &[&id, &length, self.properties.raw(), &filters])
    }

    /// Returns the SUBACK that refuses all filters.
    pub(super) fn refusal(&self) -> Vec<u8> {
        self.answered(refused(self.version))
    }

    /// Returns the SUBACK for too many filters (section 3.9.3).
    pub(super) fn too_many(&self) -> Vec<u8> {
        self.answered(match self.version {
            Version::V311 => 0x80,
            Version::V5 => QUOTA_EXCEEDED,
        })
    }

    fn answered(&self, code: u8) -> Vec<u8> {
        let codes = vec![code; self.count];
        let id = self.id.to_be_bytes();
        let properties: &[u8] = if self.version == Version::V5 { &[0] } else { &[] };
        write(PacketType::Suback, &[&id, properties, &codes])
    }
}

/// Returns the code for a filter that is not permitted (section 3.9.3).
fn refused(version: Version) -> u8 {
    match version {
        Version::V311 => 0x80,
        Version::V5 => NOT_AUTHORIZED,
    }
}

/// Checks the options of a filter (section 3.8.3.1); in 3.1.1 they are the QoS alone.
fn options(version: Version, filter: &str, options: u8) -> Result<(), Violation> {
    let reserved = match version {
        Version::V311 => 0b1111_1100,
        Version::V5 => 0b1100_0000,
    };
    if options & reserved != 0 {
        return Err(malformed("sends subscription options with reserved bits"));
    }
    let no_local = options & 0b0000_0100 != 0;
    if options & 0b11 == 3 || options & 0b0011_0000 == 0b0011_0000 {
        return Err(protocol_error("sends invalid subscription options"));
    }
    if no_local && is_shared(filter) {
        return Err(protocol_error("sets No Local on a shared subscription"));
    }
    Ok(())
}

/// Checks an UNSUBSCRIBE (section 3.10), and removes its filters.
pub(super) fn unsubscribe(
    version: Version,
    fields: &[u8],
    held: &mut HeldFilters,
) -> Result<(), Violation> {
    let mut reader = FieldReader::new(fields);
    reader.packet_id()?;
    own_properties(version, &mut reader, PropertyContext::Unsubscribe)?;
    if reader.is_empty() {
        return Err(protocol_error("unsubscribes from nothing"));
    }
    let (mut rest, mut count) = (reader, 0);
    while !rest.is_empty() {
        filter(rest.text()?)?;
        count += 1;
        // UNSUBACK has no code for it.
        if count > FILTERS {
            return Err(quota_exceeded("unsubscribes from too many filters at once"));
        }
    }
    while !reader.is_empty() {
        held.remove(reader.text()?);
    }
    Ok(())
}

/// The subscriptions that wait for a SUBACK, with which of their filters were permitted.
#[derive(Debug, Default)]
pub(super) struct Awaited {
    subscriptions: BTreeMap<u16, Vec<bool>>,
    filters: usize,
}

impl Awaited {
    /// Checks that one more can wait.
    pub(super) fn takes(&self, subscribe: &Subscribe<'_>) -> Result<(), Violation> {
        if self.subscriptions.contains_key(&subscribe.id) {
            return Err(protocol_error("uses a packet identifier that is in use"));
        }
        if self.filters + subscribe.count > WAITING {
            return Err(quota_exceeded("subscribes to too many filters at once"));
        }
        Ok(())
    }

    pub(super) fn insert(&mut self, id: u16, permitted: Vec<bool>) {
        self.filters += permitted.len();
        self.subscriptions.insert(id, permitted);
    }

    /// Returns the SUBACK for the client from the server's (section 3.9): a code for each of the
    /// client's filters, in their order.
    pub(super) fn suback(&mut self, version: Version, fields: &[u8]) -> Result<Vec<u8>, Violation> {
        let mut reader = FieldReader::new(fields);
        let id = reader.packet_id()?;
        let properties = own_properties(version, &mut reader, PropertyContext::Suback)?;
        let codes = reader.rest();
        for code in codes {
            match version {
                Version::V311 if !matches!(code, 0..=2 | 0x80) => {
                    return Err(protocol_error("gives an unknown return code"));
                }
                Version::V311 => {}
                Version::V5 => {
                    reason(PacketType::Suback, Sender::Device, *code)?;
                }
            }
        }
        let permitted = self
            .subscriptions
            .remove(&id)
            .ok_or(protocol_error("answers a SUBSCRIBE that was not sent"))?;
        self.filters -= permitted.len();
        if codes.len() != permitted.iter().filter(|permitted| **permitted).count() {
            return Err(protocol_error("answers another number of filters than it was asked"));
        }
        let mut codes = codes.iter().copied();
        let code = |permitted: &bool| {
            let code = if *permitted { codes.next() } else { None };
            code.unwrap_or(refused(version))
        };
        let merged: Vec<u8> = permitted.iter().map(code).collect();
        let mut length = Vec::new();
        if version == Version::V5 {
            put_varint(properties.raw().len(), &mut length);
        }
        let fields = [&id.to_be_bytes()[..], &length, properties.raw(), &merged];
        Ok(write(PacketType::Suback, &fields))
    }
}

/// Checks an UNSUBACK (section 3.11).
pub(super) fn unsuback(version: Version, fields: &[u8]) -> Result<(), Violation> {
    let mut reader = FieldReader::new(fields);
    reader.packet_id()?;
    if version == Version::V311 {
        return reader.end();
    }
    Properties::read(&mut reader, PropertyContext::Suback)?;
    if reader.is_empty() {
        return Err(malformed("sends a packet shorter than its fields"));
    }
    reader.rest().iter().try_for_each(|code| {
        reason(PacketType::Unsuback, Sender::Device, *code)?;
        Ok(())
    })
}
