//! What is on its way to one side of an MQTT connection.

use super::packet::LONGEST;
use super::reason::{Violation, quota_exceeded, too_large};

/// How many bytes may wait until a packet that is under way has ended.
pub(super) const WAITING: usize = 256 * 1024;

/// The way to one side: packets go there whole, one after the other.
#[derive(Debug)]
pub(super) struct PacketQueue {
    /// Nothing else can go there now: a packet is under way, or CONNACK has to be the first one.
    busy: bool,
    /// Whole packets that wait for that.
    waiting: Vec<u8>,
    /// The largest packet that is taken there, in bytes (Maximum Packet Size, section 3.1.2.11.4).
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

    /// A whole packet, as soon as it can go there.
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

    /// A packet that goes there before any other: CONNACK and, before it, AUTH.
    pub(super) fn first(&mut self, packet: &[u8], out: &mut Vec<u8>) -> Result<(), Violation> {
        self.check(packet.len())?;
        out.extend_from_slice(packet);
        Ok(())
    }

    /// The beginning of a packet of so many bytes in all; what follows it passes by, up to
    /// [`Self::end`].
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

    /// The packet under way has ended, or the first one has gone: what has waited goes there.
    pub(super) fn end(&mut self, out: &mut Vec<u8>) {
        self.busy = false;
        out.append(&mut self.waiting);
    }

    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn held(&self) -> usize {
        self.waiting.len()
    }
}
