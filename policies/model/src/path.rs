//! What is asked for on a device, segment by segment.

mod alias;
mod topic;

use std::fmt::{self, Write as _};
use std::sync::{Arc, LazyLock};

use thiserror::Error;

use crate::action::Action;
use crate::name::Name;
use crate::protocol::Protocol;
use crate::text::escape;

/// One part of a [`Path`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Segment {
    /// Literal text. It may be empty: `/a` and `/a/` differ, and so do MQTT's `a` and `a/`.
    Text(Arc<str>),
    /// A Modbus unit. Unit 0 is every unit at once.
    Unit(u8),
    /// The numbers from the first to the last, both included.
    Range(u32, u32),
    /// Any one level: MQTT's `+`.
    Any,
}

/// A table of a Modbus unit: what its addresses number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    /// Coils: single bits that can be written.
    Coil,
    /// Discrete inputs: single bits.
    Discrete,
    /// Input registers.
    Input,
    /// Holding registers, which can be written.
    Holding,
    /// Files, by their number.
    File,
    /// Queues, by the address of their pointer.
    Fifo,
    /// The objects of the device's identification, up to 255.
    Device,
    /// Functions, by their code, up to 255.
    Function,
}

impl Table {
    const ALL: [Self; 8] = [
        Self::Coil,
        Self::Discrete,
        Self::Input,
        Self::Holding,
        Self::File,
        Self::Fifo,
        Self::Device,
        Self::Function,
    ];

    /// Its name in rules and questions.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Coil => "coil",
            Self::Discrete => "discrete",
            Self::Input => "input",
            Self::Holding => "holding",
            Self::File => "file",
            Self::Fifo => "fifo",
            Self::Device => "device",
            Self::Function => "function",
        }
    }

    /// The same, without a copy.
    fn shared(self) -> Arc<str> {
        static NAMES: LazyLock<[Arc<str>; Table::ALL.len()]> =
            LazyLock::new(|| Table::ALL.map(|table| table.as_str().into()));
        let place = Self::ALL.iter().position(|table| *table == self);
        let known = place.and_then(|place| NAMES.get(place));
        known.map_or_else(|| self.as_str().into(), Arc::clone)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The path of a question: the interface's name, then the operand as its protocol types it.
///
/// A path may name a *set* of things, and only by its protocol's own means: a Modbus range
/// of addresses, or an MQTT filter. Everything else in it is literal.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Path {
    segments: Arc<[Segment]>,
    /// Zero or more further levels: MQTT's `#`.
    open: bool,
    /// The segments after the first are the levels of an MQTT topic or filter.
    topic: bool,
}

/// Why a text is no path of its protocol.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PathError {
    /// More than [`Path::LIMIT`] bytes or [`Path::SEGMENTS`] parts.
    #[error("the path is too long")]
    TooLong,
    /// The protocol's interfaces have no operand.
    #[error("nothing can follow the name of a {0} interface")]
    NoOperand(Protocol),
    /// The operand is not of the protocol's form.
    #[error("'{}' does not fit: {expected}", escape(.text))]
    Operand {
        /// The part that does not fit.
        text: String,
        /// What would.
        expected: &'static str,
    },
}

fn misfit(text: &str, expected: &'static str) -> PathError {
    PathError::Operand { text: text.to_owned(), expected }
}

impl Path {
    /// The longest path, in bytes.
    pub const LIMIT: usize = 8192;
    /// The most segments.
    pub const SEGMENTS: usize = 128;

    /// A path of literal segments, split at each slash.
    ///
    /// # Errors
    /// When it is too long.
    pub fn literal(text: &str) -> Result<Self, PathError> {
        check_length(text)?;
        let segments = text.split('/').map(|part| Segment::Text(part.into())).collect();
        Ok(Self { segments, open: false, topic: false })
    }

    /// [`Path::literal`] of `interface/operand`, for whoever has the two apart.
    ///
    /// # Errors
    /// When the whole is too long.
    pub fn beneath(interface: &Name, operand: &str) -> Result<Self, PathError> {
        let before = interface.as_str().len() + 1;
        let parts = operand.bytes().filter(|byte| *byte == b'/').count() + 2;
        if before + operand.len() > Self::LIMIT || parts > Self::SEGMENTS {
            return Err(PathError::TooLong);
        }
        let mut segments = Vec::with_capacity(parts);
        segments.push(Segment::Text(interface.shared()));
        segments.extend(operand.split('/').map(|part| Segment::Text(part.into())));
        Ok(Self { segments: segments.into(), open: false, topic: false })
    }

    /// Reads the path that a question with `action` asks for at an interface of `protocol`.
    ///
    /// | protocol | after the interface's name |
    /// | --- | --- |
    /// | tcp, udp, unix, process, serial | nothing |
    /// | http, coap | literal segments |
    /// | mqtt | nothing (`connect`), a topic (`publish`), a filter (`subscribe`) |
    /// | modbus | `unit/table/addresses` or `unit/function/N` |
    /// | administration | literal segments |
    ///
    /// # Errors
    /// When the text is too long or not of that form.
    pub fn parse(protocol: Protocol, action: Action, text: &str) -> Result<Self, PathError> {
        check_length(text)?;
        let mut parts = text.split('/');
        let first = parts.next().unwrap_or_default();
        let operand: Vec<&str> = parts.collect();
        let mut path = match protocol {
            Protocol::Http | Protocol::Coap | Protocol::Administration => {
                return Self::literal(text);
            }
            Protocol::Mqtt => return topic::parse(action, text),
            Protocol::Modbus => modbus(&operand)?,
            raw => match operand.as_slice() {
                [] => Vec::new(),
                _ => return Err(PathError::NoOperand(raw)),
            },
        };
        path.insert(0, Segment::Text(first.into()));
        Ok(Self { segments: path.into(), open: false, topic: false })
    }

    /// The path of an interface itself, without an operand.
    #[must_use]
    pub fn interface(interface: &Name) -> Self {
        let segments = Arc::new([Segment::Text(interface.shared())]);
        Self { segments, open: false, topic: false }
    }

    /// Everything at an interface: it, and whatever can follow its name.
    #[must_use]
    pub fn everything(interface: &Name) -> Self {
        let segments = Arc::new([Segment::Text(interface.as_str().into())]);
        Self { segments, open: true, topic: false }
    }

    /// Everything at all that a device has.
    #[must_use]
    pub fn all() -> Self {
        Self { segments: Arc::new([]), open: true, topic: false }
    }

    /// The path of addresses of a table at a Modbus interface, from the first to the last.
    #[must_use]
    pub fn modbus(interface: &Name, unit: u8, table: Table, first: u16, last: u16) -> Self {
        let segments = Arc::new([
            Segment::Text(interface.shared()),
            Segment::Unit(unit),
            Segment::Text(table.shared()),
            Segment::Range(first.into(), last.max(first).into()),
        ]);
        Self { segments, open: false, topic: false }
    }

    /// The segments, the interface's name first.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Whether zero or more further levels belong to the set (MQTT's `#`).
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// Whether it names a set by a wildcard: one level or all further ones (MQTT's `+` and `#`), or
    /// every Modbus unit (0, the broadcast).
    #[must_use]
    pub fn is_wide(&self) -> bool {
        let wide = |segment: &Segment| matches!(segment, Segment::Any | Segment::Unit(0));
        self.open || self.segments.iter().any(wide)
    }

    /// Whether the segment at `index` is the first level of an MQTT topic, where a wildcard
    /// does not meet a level that begins with `$` (MQTT 5.0 section 4.7.2).
    #[must_use]
    pub fn is_topic_root(&self, index: usize) -> bool {
        self.topic && index == 1
    }

    /// The path as it was asked for, unescaped. Only for JSON and comparisons.
    #[must_use]
    pub fn raw(&self) -> String {
        let mut out = String::new();
        for (index, segment) in self.segments.iter().enumerate() {
            if index > 0 {
                out.push('/');
            }
            // Writing to a String cannot fail.
            match segment {
                Segment::Text(text) => out.push_str(text),
                Segment::Unit(unit) => write!(out, "{unit}").unwrap_or_default(),
                Segment::Range(first, last) if first == last => {
                    write!(out, "{first}").unwrap_or_default();
                }
                Segment::Range(first, last) => write!(out, "{first}-{last}").unwrap_or_default(),
                Segment::Any => out.push('+'),
            }
        }
        if self.open {
            out.push_str("/#");
        }
        out
    }
}

fn check_length(text: &str) -> Result<(), PathError> {
    within(text.len(), parts(text))
}

/// How many parts a text has, split at each slash.
fn parts(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'/').count() + 1
}

fn within(bytes: usize, parts: usize) -> Result<(), PathError> {
    if bytes > Path::LIMIT || parts > Path::SEGMENTS {
        return Err(PathError::TooLong);
    }
    Ok(())
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
        _ => {
            range(numbers).ok_or_else(|| misfit(numbers, "addresses are N or N-M within 65535"))?
        }
    };
    Ok(vec![
        Segment::Unit(unit),
        Segment::Text(table.as_str().into()),
        Segment::Range(first.into(), last.into()),
    ])
}

/// Decimal digits only: no sign, no space, no leading zero.
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

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        escape(&self.raw()).fmt(f)
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(protocol: Protocol, action: Action, text: &str) -> Option<String> {
        Path::parse(protocol, action, text).ok().map(|path| path.raw())
    }

    #[test]
    fn each_protocol_types_its_operand() {
        use Action as A;
        use Protocol as P;
        for (protocol, action, text, expected) in [
            (P::Tcp, A::Connect, "ssh", Some("ssh")),
            (P::Tcp, A::Connect, "ssh/x", None),
            (P::Unix, A::Connect, "sock/", None),
            (P::Http, A::Get, "web/a//b/", Some("web/a//b/")),
            (P::Mqtt, A::Connect, "bus", Some("bus")),
            (P::Mqtt, A::Connect, "bus/a", None),
            (P::Mqtt, A::Publish, "bus/a//b", Some("bus/a//b")),
            (P::Mqtt, A::Publish, "bus/a/+", None),
            (P::Mqtt, A::Publish, "bus/a/#", None),
            (P::Mqtt, A::Publish, "bus", None),
            (P::Mqtt, A::Publish, "bus/", None),
            (P::Mqtt, A::Publish, "bus//", Some("bus//")),
            (P::Mqtt, A::Subscribe, "bus/+/b/#", Some("bus/+/b/#")),
            (P::Mqtt, A::Subscribe, "bus/#", Some("bus/#")),
            (P::Mqtt, A::Subscribe, "bus/a+", None),
            (P::Mqtt, A::Subscribe, "bus/#/a", None),
            (P::Mqtt, A::Subscribe, "bus/$share/g/a/+", Some("bus/a/+")),
            (P::Mqtt, A::Subscribe, "bus/$share/+/a", None),
            (P::Mqtt, A::Subscribe, "bus/$share/g", None),
            (P::Modbus, A::Read, "plc/1/holding/100-109", Some("plc/1/holding/100-109")),
            (P::Modbus, A::Read, "plc/1/holding/7-7", Some("plc/1/holding/7")),
            (P::Modbus, A::Read, "plc/1/holding/9-7", None),
            (P::Modbus, A::Read, "plc/1/holding/65536", None),
            (P::Modbus, A::Read, "plc/256/holding/1", None),
            (P::Modbus, A::Read, "plc/01/holding/1", None),
            (P::Modbus, A::Read, "plc/1/tape/1", None),
            (P::Modbus, A::Read, "plc/1/holding", None),
            (P::Modbus, A::Diagnose, "plc/1/function/43", Some("plc/1/function/43")),
            (P::Modbus, A::Diagnose, "plc/1/function/256", None),
        ] {
            assert_eq!(read(protocol, action, text).as_deref(), expected, "{protocol} {text}");
        }
    }

    #[test]
    fn addresses_are_the_same_as_numbers_and_as_text() {
        let interface: Name = "plc".parse().unwrap();
        for table in Table::ALL {
            let path = Path::modbus(&interface, 1, table, 7, 7);
            let read = Path::parse(Protocol::Modbus, Action::Read, &path.raw()).unwrap();
            assert_eq!(path, read);
        }
        let range = Path::modbus(&interface, 0, Table::Holding, 100, 109);
        assert_eq!(range.raw(), "plc/0/holding/100-109");
        assert!(range.is_wide());
    }

    #[test]
    fn an_operand_is_beneath_its_interface() {
        let interface: Name = "web".parse().unwrap();
        let (long, longer) = ("a".repeat(8188), "a".repeat(8189));
        let (many, more) = ("/".repeat(126), "/".repeat(127));
        for operand in ["", "a", "a/b", "a/", "/", "a//b", &long, &longer, &many, &more] {
            let literal = Path::literal(&format!("web/{operand}"));
            assert_eq!(Path::beneath(&interface, operand), literal, "{}", operand.len());
        }
        assert!(Path::beneath(&interface, &long).is_ok());
        assert!(Path::beneath(&interface, &many).is_ok());
    }

    #[test]
    fn the_length_is_bounded() {
        assert!(Path::literal(&"a/".repeat(128)).is_err());
        assert!(Path::literal(&"a".repeat(8193)).is_err());
    }
}
