//! The packets towards one side of an MQTT connection.

use super::packet::LONGEST;
use super::reason::{Violation, quota_exceeded, too_large};

/// The most bytes that may wait until a packet has been sent.
pub(super) const WAITING: usize = 256 * 1024;

/// A queue of packets towards one side. They are sent whole, one after the other.
#[derive(Debug)]
pub(super) struct PacketQueue {
    /// Whether other packets must wait: a packet is being sent, or CONNACK must come first.
    busy: bool,
    /// The packets that wait.
    waiting: Vec<u8>,
    /// The largest packet that this side accepts, in bytes (Maximum Packet Size, section
    /// 3.1.2.11.4).
    limit: usize,
}

impl PacketQueue {
    pub(super) fn new(busy: bool) -> Self {
        Self { busy, waiting: Vec::new(), limit: LONGEST + 5 }
    }

    pub(super) fn is_busy(&self) -> bool {
        self.busy
    }

    pub(super) fn limit(&mut self, bytes: Option<u32>) {
        if let Some(bytes) = bytes {
            self.limit = bytes as usize;
        }
    }

    fn check(&self, packet: usize) -> Result<(), Violation> {
        if packet > self.limit {
            return Err(too_large("makes a packet larger than the other side takes"));
        }
        Ok(())
    }

    /// Sends a whole packet as soon as possible.
    pub(super) fn put(&mut self, packet: &[u8], out: &mut Vec<u8>) -> Result<(), Violation> {
        self.check(packet.len())?;
        if !self.busy {
            out.extend_from_slice(packet);
        } else if self.waiting.len() + packet.len() <= WAITING {
            self.waiting.extend_from_slice(packet);
        } else {
            return Err(quota_exceeded("asks for more than can wait for an answer"));
        }
        Ok(())
    }

    /// Sends a packet before all others: CONNACK and, before it, AUTH.
    pub(super) fn first(&mut self, packet: &[u8], out: &mut Vec<u8>) -> Result<(), Violation> {
        self.check(packet.len())?;
        out.extend_from_slice(packet);
        Ok(())
    }

    /// Sends the beginning of a packet of `packet` bytes. The caller writes the rest directly, and
    /// then calls [`Self::end`].
    pub(super) fn begin(
        &mut self,
        packet: usize,
        head: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Violation> {
        self.check(packet)?;
        out.extend_from_slice(head);
        self.busy = true;
        Ok(())
    }

    /// Sends the waiting packets, after a packet or the CONNACK has been sent.
    pub(super) fn end(&mut self, out: &mut Vec<u8>) {
        self.busy = false;
        out.append(&mut self.waiting);
    }

    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn held(&self) -> usize {
        self.waiting.len()
    }
}
