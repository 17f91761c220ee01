//! Frames of Modbus/TCP.

use super::exception::Exception;
use super::pdu::LONGEST;
use crate::machine::{Fault, Sender};

/// The length of the header before a PDU: transaction, protocol, length and unit (Modbus Messaging
/// on TCP/IP 1.0b, section 3.1.3).
pub(super) const HEAD: usize = 7;
/// The longest frame, in bytes.
pub const FRAME: usize = HEAD + LONGEST;
/// A whole frame of Modbus/TCP.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'b> {
    pub(super) bytes: &'b [u8],
    pub(super) transaction: u16,
    pub(super) unit: u8,
    pub(super) function: u8,
    pub(super) pdu: &'b [u8],
}

/// Returns the length of the frame that begins with `bytes`; `None` if more bytes are needed.
pub(super) fn length(from: Sender, bytes: &[u8]) -> Result<Option<usize>, Fault> {
    let wrong = |what| Fault { by: from, what };
    let &[_, _, a, b, c, d, ..] = bytes else { return Ok(None) };
    if u16::from_be_bytes([a, b]) != 0 {
        return Err(wrong("spoke another protocol than Modbus (the number in the head is not 0)"));
    }
    let said = usize::from(u16::from_be_bytes([c, d]));
    // At least a unit and a function.
    if !(2..=1 + LONGEST).contains(&said) {
        return Err(wrong("sent a frame of a length that cannot be"));
    }
    Ok(Some(HEAD - 1 + said))
}

impl<'b> Frame<'b> {
    /// Reads a frame; `None` if it is too short for a function.
    #[must_use]
    pub fn of(bytes: &'b [u8]) -> Option<Self> {
        let (&[a, b, _, _, _, _, unit], pdu) = bytes.split_first_chunk()?;
        let function = *pdu.first()?;
        Some(Self { bytes, transaction: u16::from_be_bytes([a, b]), unit, function, pdu })
    }

    /// Returns the answer that refuses this request.
    #[must_use]
    pub fn refusal(&self, exception: Exception) -> [u8; HEAD + 2] {
        let [a, b] = self.transaction.to_be_bytes();
        [a, b, 0, 0, 0, 3, self.unit, self.function | 0x80, exception.code()]
    }

    /// Returns the unit that it is for, or from.
    #[must_use]
    pub fn unit(&self) -> u8 {
        self.unit
    }

    /// Returns the PDU: the function code and its data.
    #[must_use]
    pub fn pdu(&self) -> &'b [u8] {
        self.pdu
    }

    /// Returns the header of an answer with a PDU of that many bytes.
    #[must_use]
    pub fn head_of(&self, pdu: usize) -> [u8; HEAD] {
        let [a, b] = self.transaction.to_be_bytes();
        let [c, d] = u16::try_from(pdu + 1).unwrap_or(u16::MAX).to_be_bytes();
        [a, b, 0, 0, c, d, self.unit]
    }

    /// Returns how many bytes are missing of the header, or then of the whole frame; 0 if it is
    /// whole, and `None` if no such frame exists.
    #[must_use]
    pub fn missing(bytes: &[u8]) -> Option<usize> {
        let whole = length(Sender::Client, bytes).ok()?;
        Some(whole.unwrap_or(HEAD - 1).saturating_sub(bytes.len()))
    }
}
