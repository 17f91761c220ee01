//! Frames of Modbus over TCP.

use super::exception::Exception;
use super::pdu::LONGEST;
use crate::machine::{Fault, Side};

/// The length of what stands before a PDU: transaction, protocol, length and unit (Modbus
/// Messaging on TCP/IP 1.0b, section 3.1.3).
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

/// How long the frame is that begins with `bytes`; `None` if that is not said yet.
pub(super) fn length(from: Side, bytes: &[u8]) -> Result<Option<usize>, Fault> {
    let wrong = |what| Fault { by: from, what };
    let &[_, _, a, b, c, d, ..] = bytes else { return Ok(None) };
    if u16::from_be_bytes([a, b]) != 0 {
        return Err(wrong("spoke another protocol than Modbus (the number in the head is not 0)"));
    }
    let said = usize::from(u16::from_be_bytes([c, d]));
    // A unit and a function at least.
    if !(2..=1 + LONGEST).contains(&said) {
        return Err(wrong("sent a frame of a length that cannot be"));
    }
    Ok(Some(HEAD - 1 + said))
}

impl<'b> Frame<'b> {
    /// Reads one; `None` if it is too short for a function.
    #[must_use]
    pub fn of(bytes: &'b [u8]) -> Option<Self> {
        let (&[a, b, _, _, _, _, unit], pdu) = bytes.split_first_chunk()?;
        let function = *pdu.first()?;
        Some(Self { bytes, transaction: u16::from_be_bytes([a, b]), unit, function, pdu })
    }

    /// The answer that refuses it.
    #[must_use]
    pub fn refusal(&self, exception: Exception) -> [u8; HEAD + 2] {
        let [a, b] = self.transaction.to_be_bytes();
        [a, b, 0, 0, 0, 3, self.unit, self.function | 0x80, exception.code()]
    }

    /// The unit that it is for, or from.
    #[must_use]
    pub fn unit(&self) -> u8 {
        self.unit
    }

    /// What is asked or answered: the function code, and what belongs to it.
    #[must_use]
    pub fn pdu(&self) -> &'b [u8] {
        self.pdu
    }

    /// What stands before the PDU of so many bytes that answers it.
    #[must_use]
    pub fn head_of(&self, pdu: usize) -> [u8; HEAD] {
        let [a, b] = self.transaction.to_be_bytes();
        let [c, d] = u16::try_from(pdu + 1).unwrap_or(u16::MAX).to_be_bytes();
        [a, b, 0, 0, c, d, self.unit]
    }

    /// How many bytes are missing of the head that `bytes` begin, or then of the whole frame; 0 if
    /// it is whole, and `None` if there can be no such frame.
    #[must_use]
    pub fn missing(bytes: &[u8]) -> Option<usize> {
        let whole = length(Side::Client, bytes).ok()?;
        Some(whole.unwrap_or(HEAD - 1).saturating_sub(bytes.len()))
    }
}
