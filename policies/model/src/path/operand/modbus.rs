//! The operands of Modbus, as text.

use crate::path::{PathError, Segment, Table, misfit};

/// Reads what follows the interface's name: `unit/table/addresses` or `unit/function/N`.
pub(super) fn read(operand: &[&str]) -> Result<Vec<Segment>, PathError> {
    const FORM: &str = "a Modbus operand is UNIT/TABLE/ADDRESSES, TABLE one of coil discrete \
                        input holding file fifo device, or UNIT/function/N";
    let &[unit, named, numbers] = operand else {
        return Err(misfit(&operand.join("/"), FORM));
    };
    let unit = number(unit).and_then(|n| u8::try_from(n).ok());
    let unit = unit.ok_or_else(|| misfit(operand.join("/").as_str(), "a unit is 0 to 255"))?;
    let table = Table::named(named).ok_or_else(|| misfit(named, FORM))?;
    let (first, last) = match table {
        Table::Device => range(numbers)
            .filter(|(_, last)| *last <= 255)
            .ok_or_else(|| misfit(numbers, "object ids are N or N-M within 255"))?,
        Table::Function => number(numbers)
            .filter(|code| *code <= 255)
            .map(|code| (code, code))
            .ok_or_else(|| misfit(numbers, "a function code is 0 to 255"))?,
        Table::Coil
        | Table::Discrete
        | Table::Input
        | Table::Holding
        | Table::File
        | Table::Fifo => {
            range(numbers).ok_or_else(|| misfit(numbers, "addresses are N or N-M within 65535"))?
        }
    };
    Ok(vec![
        Segment::Unit(unit),
        Segment::Text(table.as_str().into()),
        Segment::Range(first.into(), last.into()),
    ])
}

/// Reads decimal digits: no sign, no space, no leading zero.
fn number(text: &str) -> Option<u16> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let zeros = text.len() > 1 && text.starts_with('0');
    if plain && !zeros { text.parse().ok() } else { None }
}

fn range(text: &str) -> Option<(u16, u16)> {
    match text.split_once('-') {
        None => number(text).map(|n| (n, n)),
        Some((first, last)) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some((first, last))
        }
    }
}
