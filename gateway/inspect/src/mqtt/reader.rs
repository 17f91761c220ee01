//! Reads the fields of a packet one by one.

use super::packet::varint;
use super::reason::{Violation, malformed, protocol_error};

/// A reader of a packet's fields (section 1.5).
#[derive(Clone, Copy, Debug)]
pub(super) struct FieldReader<'b>(&'b [u8]);

impl<'b> FieldReader<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn rest(self) -> &'b [u8] {
        self.0
    }

    pub(super) fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// Checks that nothing follows the last field.
    pub(super) fn end(self) -> Result<(), Violation> {
        if self.is_empty() {
            Ok(())
        } else {
            Err(malformed("sends a packet longer than its fields"))
        }
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'b [u8], Violation> {
        let split = self.0.split_at_checked(count);
        let (taken, rest) = split.ok_or(malformed("sends a packet shorter than its fields"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Violation> {
        let (taken, rest) = self
            .0
            .split_first_chunk()
            .ok_or(malformed("sends a packet shorter than its fields"))?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Violation> {
        self.array().map(|[byte]| byte)
    }

    pub(super) fn two(&mut self) -> Result<u16, Violation> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn four(&mut self) -> Result<u32, Violation> {
        self.array().map(u32::from_be_bytes)
    }

    /// Reads a packet identifier, which is not 0 (section 2.2.1).
    pub(super) fn packet_id(&mut self) -> Result<u16, Violation> {
        match self.two()? {
            0 => Err(protocol_error("uses 0 as a packet identifier")),
            id => Ok(id),
        }
    }

    /// Reads a variable byte integer in its shortest form (section 1.5.5). Within packets, only
    /// MQTT 5.0 has it.
    pub(super) fn varint(&mut self) -> Result<u32, Violation> {
        match varint(self.0)? {
            Some(found) if found.minimal => {
                self.take(found.bytes)?;
                Ok(found.value)
            }
            Some(_) => Err(malformed("writes a length with more bytes than needed")),
            None => Err(malformed("sends a packet shorter than its fields")),
        }
    }

    /// Reads binary data (section 1.5.6).
    pub(super) fn binary(&mut self) -> Result<&'b [u8], Violation> {
        let length = self.two()?;
        self.take(length.into())
    }

    /// Reads a string: well-formed UTF-8 without U+0000 (section 1.5.4).
    pub(super) fn text(&mut self) -> Result<&'b str, Violation> {
        let text = str::from_utf8(self.binary()?);
        match text {
            Ok(text) if !text.contains('\0') => Ok(text),
            Ok(_) => Err(malformed("sends a text with U+0000 in it")),
            Err(_) => Err(malformed("sends a text that is not UTF-8")),
        }
    }
}
