//! Reads Modbus requests: function, addresses, values.

use doorward_model::{Action, Table};

use super::exception::Exception;
use super::right::{ModbusRight, ModbusRights};

/// The longest PDU, in bytes (Modbus Application Protocol 1.1b3, section 4.1).
pub const LONGEST: usize = 253;

/// Returns the rights on `unit` that the PDU of a request needs. The PDU begins with the function
/// code.
///
/// # Errors
/// The exception of a device for a request that cannot be named. The device does not get it.
pub fn rights(unit: u8, pdu: &[u8]) -> Result<ModbusRights, Exception> {
    let Some((&function, rest)) = pdu.split_first() else { return Err(Exception::Function) };
    let one = |action, table, (first, last)| {
        Ok(ModbusRights::one(ModbusRight { action, unit, table, first, last }))
    };
    let by_number = || {
        let number = u16::from(function);
        one(Action::Diagnose, Table::Function, (number, number))
    };
    match function {
        1 => one(Action::Read, Table::Coil, pair(rest, 2000)?),
        2 => one(Action::Read, Table::Discrete, pair(rest, 2000)?),
        3 => one(Action::Read, Table::Holding, pair(rest, 125)?),
        4 => one(Action::Read, Table::Input, pair(rest, 125)?),
        5 => match *rest {
            [high, low, 0x00 | 0xff, 0x00] => one(Action::Write, Table::Coil, at(high, low)),
            _ => Err(Exception::Value),
        },
        6 => match *rest {
            [high, low, _, _] => one(Action::Write, Table::Holding, at(high, low)),
            _ => Err(Exception::Value),
        },
        15 => {
            let (addresses, count) = written(rest, 0x7b0)?;
            bytes_are(rest, usize::from(count).div_ceil(8))?;
            one(Action::Write, Table::Coil, addresses)
        }
        16 => {
            let (addresses, count) = written(rest, 0x7b)?;
            bytes_are(rest, usize::from(count) * 2)?;
            one(Action::Write, Table::Holding, addresses)
        }
        20 => records(unit, Action::Read, rest),
        21 => records(unit, Action::Write, rest),
        // It changes some bits and keeps the others. The answer returns none of them.
        22 => match *rest {
            [high, low, _, _, _, _] => one(Action::Write, Table::Holding, at(high, low)),
            _ => Err(Exception::Value),
        },
        23 => {
            let (read, write) = rest.split_at_checked(4).ok_or(Exception::Value)?;
            let read = pair(read, 125)?;
            let (addresses, count) = written(write, 0x79)?;
            bytes_are(write, usize::from(count) * 2)?;
            let right = |action, (first, last)| ModbusRight {
                action,
                unit,
                table: Table::Holding,
                first,
                last,
            };
            Ok(ModbusRights::two(right(Action::Read, read), right(Action::Write, addresses)))
        }
        24 => match *rest {
            [high, low] => one(Action::Read, Table::Fifo, at(high, low)),
            _ => Err(Exception::Value),
        },
        // Encapsulated transport; 14 is the identification of the device.
        43 => match *rest {
            [14, kind, object] => one(Action::Read, Table::Device, objects(kind, object)?),
            [14, ..] => Err(Exception::Value),
            _ => by_number(),
        },
        0 | 128.. => Err(Exception::Function),
        _ => by_number(),
    }
}

/// Returns the range of one address.
fn at(high: u8, low: u8) -> (u16, u16) {
    let address = u16::from_be_bytes([high, low]);
    (address, address)
}

/// Returns the range of `count` addresses: at least one, at most `most`, within the table.
fn span(first: u16, count: u16, most: u16) -> Result<(u16, u16), Exception> {
    if count == 0 || count > most {
        return Err(Exception::Value);
    }
    first.checked_add(count - 1).map(|last| (first, last)).ok_or(Exception::Address)
}

/// Reads an address and a count, and nothing else.
fn pair(rest: &[u8], most: u16) -> Result<(u16, u16), Exception> {
    match *rest {
        [a, b, c, d] => span(u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]), most),
        _ => Err(Exception::Value),
    }
}

/// Reads an address and a count, before a byte count and the bytes to write.
fn written(rest: &[u8], most: u16) -> Result<((u16, u16), u16), Exception> {
    let head = rest.get(..4).ok_or(Exception::Value)?;
    let addresses = pair(head, most)?;
    Ok((addresses, addresses.1 - addresses.0 + 1))
}

/// Checks that the bytes to write are as many as their count says, and as expected.
fn bytes_are(rest: &[u8], expected: usize) -> Result<(), Exception> {
    match rest.get(4..) {
        Some([number, bytes @ ..])
            if usize::from(*number) == expected && bytes.len() == expected =>
        {
            Ok(())
        }
        _ => Err(Exception::Value),
    }
}

/// Reads file records (sections 6.14 and 6.15). Each needs a right on its file's number. The data
/// to write follows each record.
fn records(unit: u8, action: Action, rest: &[u8]) -> Result<ModbusRights, Exception> {
    let (&number, mut rest) = rest.split_first().ok_or(Exception::Value)?;
    if usize::from(number) != rest.len() || rest.is_empty() {
        return Err(Exception::Value);
    }
    let mut files = smallvec::SmallVec::<[u16; 8]>::new();
    while let Some((head, more)) = rest.split_at_checked(7) {
        let &[reference, a, b, c, d, e, f] = head else { return Err(Exception::Value) };
        let (file, record) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        let length = u16::from_be_bytes([e, f]);
        if reference != 6 || length == 0 {
            return Err(Exception::Value);
        }
        if file == 0 || record > 9999 || u32::from(record) + u32::from(length) > 10_000 {
            return Err(Exception::Address);
        }
        let data = if action == Action::Write { usize::from(length) * 2 } else { 0 };
        rest = more.get(data..).ok_or(Exception::Value)?;
        files.push(file);
    }
    if !rest.is_empty() || files.is_empty() {
        return Err(Exception::Value);
    }
    let right =
        |file: &u16| ModbusRight { action, unit, table: Table::File, first: *file, last: *file };
    Ok(ModbusRights::of(files.iter().map(right)))
}

/// Returns the objects that a request for the device's identification can return (section 6.21):
/// from the named object on, whatever the kind; or from the first one if the named one does not
/// exist.
fn objects(kind: u8, object: u8) -> Result<(u16, u16), Exception> {
    match kind {
        1 => Ok((0, 2)),
        2 => Ok((0, 127)),
        3 => Ok((0, 255)),
        4 => Ok((object.into(), object.into())),
        _ => Err(Exception::Value),
    }
}

#[cfg(test)]
mod tests {
    use Exception as E;

    use super::*;

    fn asked(hex: &str) -> Result<String, Exception> {
        let digits: Vec<u8> = hex.bytes().filter(|byte| *byte != b' ').collect();
        let byte = |two: &[u8]| u8::from_str_radix(str::from_utf8(two).unwrap(), 16).unwrap();
        let pdu: Vec<u8> = digits.chunks(2).map(byte).collect();
        let rights = rights(9, &pdu)?;
        let rights: Vec<_> = rights.iter().map(ToString::to_string).collect();
        Ok(rights.join(" and "))
    }

    #[test]
    fn requests_are_named_by_what_they_touch_or_answered_with_an_exception() {
        let long = |head: &str, bytes: usize| format!("{head}{}", "00".repeat(bytes));
        let cases: &[(&str, Result<&str, Exception>)] = &[
            // Reading: at least one, within the protocol's bound, within the table.
            ("01 0000 07d0", Ok("read 9/coil/0-1999")),
            ("01 0000 07d1", Err(E::Value)),
            ("01 0000 0000", Err(E::Value)),
            ("02 000a 0001", Ok("read 9/discrete/10")),
            ("03 0064 000a", Ok("read 9/holding/100-109")),
            ("03 0064 007d", Ok("read 9/holding/100-224")),
            ("03 0064 007e", Err(E::Value)),
            ("03 ffff 0001", Ok("read 9/holding/65535")),
            ("03 ffff 0002", Err(E::Address)),
            ("03 ff9c 0064", Ok("read 9/holding/65436-65535")),
            ("03 ff9c 0065", Err(E::Address)),
            ("04 0001 007d", Ok("read 9/input/1-125")),
            ("04 0001 007e", Err(E::Value)),
            ("03 0064 00", Err(E::Value)),
            ("03 0064 000a 00", Err(E::Value)),
            ("03", Err(E::Value)),
            ("", Err(E::Function)),
            // Writing.
            ("05 0007 ff00", Ok("write 9/coil/7")),
            ("05 0007 0000", Ok("write 9/coil/7")),
            ("05 0007 0100", Err(E::Value)),
            ("05 0007 ff01", Err(E::Value)),
            ("06 0007 1234", Ok("write 9/holding/7")),
            ("06 0007 1234 00", Err(E::Value)),
            ("0f 0013 000a 02 cd01", Ok("write 9/coil/19-28")),
            ("0f 0013 000a 01 cd", Err(E::Value)),
            ("0f 0013 000a 02 cd", Err(E::Value)),
            ("0f 0013 000a 02 cd0100", Err(E::Value)),
            ("0f 0013 0000 00", Err(E::Value)),
            ("0f fffe 0003 01 07", Err(E::Address)),
            ("10 0001 0002 04 000a0102", Ok("write 9/holding/1-2")),
            ("10 0001 0002 03 000a01", Err(E::Value)),
            ("10 0001 0002 05 000a010203", Err(E::Value)),
            ("10 ffff 0002 04 000a0102", Err(E::Address)),
            ("16 0004 00f2 0025", Ok("write 9/holding/4")),
            ("16 0004 00f2", Err(E::Value)),
            // Both at once.
            (
                "17 0003 0006 000e 0003 06 00ff00ff00ff",
                Ok("read 9/holding/3-8 and write 9/holding/14-16"),
            ),
            ("17 0003 0006 000e 0003 06 00ff00ff", Err(E::Value)),
            ("17 0003 007e 000e 0001 02 00ff", Err(E::Value)),
            ("17 ffff 0002 000e 0001 02 00ff", Err(E::Address)),
            ("17 0003 0006 ffff 0002 04 00ff00ff", Err(E::Address)),
            // Files: one right for each.
            ("14 07 06 0004 0001 0002", Ok("read 9/file/4")),
            ("14 0e 06 0004 0001 0002 06 0003 0009 0002", Ok("read 9/file/4 and read 9/file/3")),
            ("14 0e 06 0004 0001 0002 06 0004 0009 0002", Ok("read 9/file/4")),
            ("14 07 05 0004 0001 0002", Err(E::Value)),
            ("14 07 06 0004 0001 0000", Err(E::Value)),
            ("14 07 06 0000 0001 0002", Err(E::Address)),
            ("14 07 06 0004 270f 0002", Err(E::Address)),
            ("14 07 06 0004 2710 0001", Err(E::Address)),
            ("14 08 06 0004 0001 0002", Err(E::Value)),
            ("14 06 06 0004 0001 00", Err(E::Value)),
            ("14 00", Err(E::Value)),
            ("15 0d 06 0004 0007 0003 06af04be100d", Ok("write 9/file/4")),
            ("15 0b 06 0004 0007 0003 06af04be", Err(E::Value)),
            ("15 0e 06 0004 0007 0003 06af04be100d 00", Err(E::Value)),
            ("18 04de", Ok("read 9/fifo/1246")),
            ("18 04de 00", Err(E::Value)),
            // The identification, and other encapsulated transport.
            ("2b 0e 01 00", Ok("read 9/device/0-2")),
            ("2b 0e 02 00", Ok("read 9/device/0-127")),
            ("2b 0e 03 80", Ok("read 9/device/0-255")),
            ("2b 0e 04 05", Ok("read 9/device/5")),
            ("2b 0e 05 00", Err(E::Value)),
            ("2b 0e 00 00", Err(E::Value)),
            ("2b 0e 01", Err(E::Value)),
            ("2b 0d 00", Ok("diagnose 9/function/43")),
            ("2b", Ok("diagnose 9/function/43")),
            // By number.
            ("07", Ok("diagnose 9/function/7")),
            ("08 0000 a537", Ok("diagnose 9/function/8")),
            ("0b", Ok("diagnose 9/function/11")),
            ("11", Ok("diagnose 9/function/17")),
            ("5a 0001", Ok("diagnose 9/function/90")),
            ("7f", Ok("diagnose 9/function/127")),
            ("80", Err(E::Function)),
            ("83 02", Err(E::Function)),
            ("00", Err(E::Function)),
        ];
        for (hex, expected) in cases {
            let expected = expected.map(ToOwned::to_owned);
            assert_eq!(asked(hex), expected, "{hex}");
        }
        assert_eq!(asked(&long("0f 0000 07b0 f6", 246)).unwrap(), "write 9/coil/0-1967");
        assert_eq!(asked(&long("0f 0000 07b1 f7", 247)), Err(E::Value));
        assert_eq!(asked(&long("10 0000 007b f6", 246)).unwrap(), "write 9/holding/0-122");
        assert_eq!(asked(&long("10 0000 007c f8", 248)), Err(E::Value));
        assert_eq!(
            asked(&long("17 0000 0001 0000 0079 f2", 242)).unwrap(),
            "read 9/holding/0 and write 9/holding/0-120"
        );
    }
}
