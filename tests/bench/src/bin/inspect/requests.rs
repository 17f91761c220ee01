//! What clients ask for.

use doorward_bench::Failure;

use crate::Protocol;

/// Writes a request for that operand: a register, a topic or a path.
pub(crate) fn write(
    protocol: Protocol,
    operand: u16,
    id: u16,
    into: &mut Vec<u8>,
) -> Result<(), Failure> {
    into.clear();
    let [high, low] = id.to_be_bytes();
    match protocol {
        Protocol::Modbus => {
            let [first, second] = operand.to_be_bytes();
            into.extend_from_slice(&[high, low, 0, 0, 0, 6, 1, 3, first, second, 0, 10]);
        }
        Protocol::Mqtt => {
            let topic = format!("plant/line/{operand}/temperature");
            let length = u8::try_from(2 + topic.len() + 2 + 64)?;
            into.extend_from_slice(&[0x32, length, 0, u8::try_from(topic.len())?]);
            into.extend_from_slice(topic.as_bytes());
            into.extend_from_slice(&[0, 7]);
            into.extend_from_slice(&[b'x'; 64]);
        }
        Protocol::Http => {
            let request = format!("GET /api/v1/state/{operand} HTTP/1.1\r\nhost: plc\r\n\r\n");
            into.extend_from_slice(request.as_bytes());
        }
        Protocol::Coap => {
            let segment = operand.to_string();
            // Uri-Path twice: the option's number less the one before, and the length.
            let length = u8::try_from(segment.len())?;
            into.extend_from_slice(&[0x52, 1, high, low, high, low, 0xb5]);
            into.extend_from_slice(b"state");
            into.push(length);
            into.extend_from_slice(segment.as_bytes());
        }
    }
    Ok(())
}
