//! Reads MQTT acknowledgements, DISCONNECT and AUTH.

use smallvec::SmallVec;

use super::packet::{PacketType, Version};
use super::packet_reason::reason;
use super::properties::{
    AUTHENTICATION_METHOD, Properties, PropertyContext, SERVER_REFERENCE, SESSION_EXPIRY,
};
use super::reader::FieldReader;
use super::reason::{SUCCESS, Violation, malformed, protocol_error};
use crate::machine::Sender;

/// Reads a PUBACK, PUBREC, PUBREL or PUBCOMP (sections 3.4 to 3.7). Returns the packet identifier.
pub(super) fn ack(
    kind: PacketType,
    from: Sender,
    version: Version,
    fields: &[u8],
) -> Result<u16, Violation> {
    let mut reader = FieldReader::new(fields);
    let id = reader.packet_id()?;
    if version == Version::V5 {
        reason_and_properties(kind, from, reader, PropertyContext::Ack)?;
    } else {
        reader.end()?;
    }
    Ok(id)
}

/// Returns an acknowledgement of the gateway's own. It has a reason code only if that is not
/// success.
pub(super) fn answer(kind: PacketType, id: u16, reason: u8) -> SmallVec<[u8; 8]> {
    let [high, low] = id.to_be_bytes();
    match reason {
        SUCCESS => SmallVec::from_slice(&[kind.first_byte(), 2, high, low]),
        reason => SmallVec::from_slice(&[kind.first_byte(), 3, high, low, reason]),
    }
}

/// Reads a reason code, then properties. Both may be left out at the end, if the code is 0 and
/// there are none (sections 3.4.2.2.1, 3.14.2.2.1).
fn reason_and_properties(
    kind: PacketType,
    from: Sender,
    mut reader: FieldReader<'_>,
    context: PropertyContext,
) -> Result<(u8, Properties<'_>), Violation> {
    let code = if reader.is_empty() { SUCCESS } else { reader.byte()? };
    let code = reason(kind, from, code)?;
    let properties = if reader.is_empty() {
        Properties::none(context)
    } else {
        Properties::read(&mut reader, context)?
    };
    reader.end()?;
    Ok((code, properties))
}

/// Reads a DISCONNECT (section 3.14). Returns the reason code. `lasts` says that CONNECT let the
/// session outlive the connection: only then may the client still set its expiry.
pub(super) fn disconnect(
    from: Sender,
    version: Version,
    lasts: bool,
    fields: &[u8],
) -> Result<u8, Violation> {
    let reader = FieldReader::new(fields);
    if version == Version::V311 {
        return reader.end().map(|()| SUCCESS);
    }
    let (code, properties) =
        reason_and_properties(PacketType::Disconnect, from, reader, PropertyContext::Disconnect)?;
    let expiry = properties.number(SESSION_EXPIRY);
    let wrong = match from {
        Sender::Client => {
            properties.has(SERVER_REFERENCE) || (!lasts && expiry.is_some_and(|after| after > 0))
        }
        Sender::Device => expiry.is_some(),
    };
    if wrong {
        return Err(protocol_error("disconnects with a property that cannot be there"));
    }
    Ok(code)
}

/// Reads an AUTH (section 3.15), which must have the method that CONNECT named. Returns the reason
/// code.
pub(super) fn auth(from: Sender, method: &str, fields: &[u8]) -> Result<u8, Violation> {
    let reader = FieldReader::new(fields);
    let (code, properties) =
        reason_and_properties(PacketType::Auth, from, reader, PropertyContext::Auth)?;
    match properties.text(AUTHENTICATION_METHOD) {
        Some(named) if named == method => Ok(code),
        // The shortest form has no method (section 3.15.2.1).
        None if fields.is_empty() => Ok(code),
        None => Err(malformed("authenticates without a method")),
        Some(_) => Err(protocol_error("authenticates by another method than it has named")),
    }
}
