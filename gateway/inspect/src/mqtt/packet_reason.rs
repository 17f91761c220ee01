//! Which reason codes each type of packet may have.

use super::packet::PacketType;
use super::reason::{Violation, protocol_error};
use crate::machine::Sender;

/// Checks that packets of this type may have this reason code from that side (the tables of
/// sections 3.2.2.2, 3.4.2.1 and so on to 3.15.2.1).
pub(super) fn reason(kind: PacketType, from: Sender, code: u8) -> Result<u8, Violation> {
    let by_server = from == Sender::Device;
    let known = match kind {
        PacketType::Connack => {
            matches!(code, 0x00 | 0x80..=0x8a | 0x8c | 0x90 | 0x95 | 0x97 | 0x99..=0x9d | 0x9f)
        }
        PacketType::Puback | PacketType::Pubrec => match code {
            // No matching subscribers: only a server knows.
            0x10 => by_server,
            _ => matches!(code, 0x00 | 0x80 | 0x83 | 0x87 | 0x90 | 0x91 | 0x97 | 0x99),
        },
        PacketType::Pubrel | PacketType::Pubcomp => matches!(code, 0x00 | 0x92),
        PacketType::Suback => matches!(
            code,
            0x00..=0x02 | 0x80 | 0x83 | 0x87 | 0x8f | 0x91 | 0x97 | 0x9e | 0xa1 | 0xa2
        ),
        PacketType::Unsuback => {
            matches!(code, 0x00 | 0x11 | 0x80 | 0x83 | 0x87 | 0x8f | 0x91)
        }
        PacketType::Disconnect => match code {
            0x00 | 0x80..=0x83 | 0x90 | 0x93..=0x99 => true,
            // Disconnect with will message.
            0x04 => !by_server,
            // 0x8c is only in the table of section 2.4.
            0x87 | 0x89 | 0x8b..=0x8f | 0x9a..=0xa2 => by_server,
            _ => false,
        },
        PacketType::Auth => match code {
            0x00 => by_server,
            0x18 => true,
            // Re-authenticate.
            0x19 => !by_server,
            _ => false,
        },
        // They have no reason code.
        PacketType::Connect
        | PacketType::Publish
        | PacketType::Subscribe
        | PacketType::Unsubscribe
        | PacketType::Pingreq
        | PacketType::Pingresp => false,
    };
    if known { Ok(code) } else { Err(protocol_error("gives a reason code that is none here")) }
}
