//! Reads the path of a question in the form of its protocol.

use super::{Path, PathError, Segment, Table, check_length, misfit, topic};
use crate::action::Action;
use crate::operand::OperandForm;
use crate::protocol::Protocol;

impl Path {
    /// Reads the path of a question with `action` at an interface of `protocol`.
    ///
    /// | protocol | after the interface's name |
    /// | --- | --- |
    /// | tcp, udp, unix, process, serial | nothing |
    /// | http, coap, administration | literal segments |
    /// | mqtt | nothing (`connect`), a topic (`publish`), a filter (`subscribe`) |
    /// | modbus | `unit/table/addresses` or `unit/function/N` |
    ///
    /// # Errors
    /// When the text is too long or does not have that form.
    pub fn parse(protocol: Protocol, action: Action, text: &str) -> Result<Self, PathError> {
        check_length(text)?;
        let mut parts = text.split('/');
        let first = parts.next().unwrap_or_default();
        let operand: Vec<&str> = parts.collect();
        let mut path = match protocol.operand() {
            OperandForm::Parts | OperandForm::HttpPath | OperandForm::CoapPath => {
                return Self::literal(text);
            }
            OperandForm::Topic => return topic::parse(action, text),
            OperandForm::Addresses => modbus(&operand)?,
            OperandForm::Nothing if operand.is_empty() => Vec::new(),
            OperandForm::Nothing => return Err(PathError::NoOperand(protocol)),
        };
        path.insert(0, Segment::Text(first.into()));
        Ok(Self { segments: path.into(), open: false, topic: false })
    }
}

fn modbus(operand: &[&str]) -> Result<Vec<Segment>, PathError> {
    const FORM: &str = "a Modbus operand is UNIT/TABLE/ADDRESSES, TABLE one of coil discrete \
                        input holding file fifo device, or UNIT/function/N";
    let &[unit, named, numbers] = operand else {
        return Err(misfit(&operand.join("/"), FORM));
    };
    let unit = number(unit).and_then(|n| u8::try_from(n).ok());
    let unit = unit.ok_or_else(|| misfit(operand.join("/").as_str(), "a unit is 0 to 255"))?;
    let table = Table::ALL.into_iter().find(|table| table.as_str() == named);
    let table = table.ok_or_else(|| misfit(named, FORM))?;
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
