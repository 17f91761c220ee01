//! The path of a question, segment by segment.

mod alias;
mod operand;
mod parse;
mod reading;
mod spelling;
mod topic;

use std::fmt::{self, Write as _};
use std::sync::{Arc, LazyLock};

use thiserror::Error;

pub use operand::OperandForm;
pub use reading::segment_readings;
pub use spelling::{Misspelt, spelt_path, spelt_segment};

use crate::name::Name;
use crate::text::escape;

/// A segment of a [`Path`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Segment {
    /// Literal text. It may be empty: `/a` and `/a/` differ, and so do MQTT's `a` and `a/`.
    Text(Arc<str>),
    /// A Modbus unit. Unit 0 is all units.
    Unit(u8),
    /// The numbers from the first to the last, both included. Modbus has numbers up to 65535.
    Range(u32, u32),
    /// Any one level: MQTT's `+`.
    Any,
    /// One of several texts: the readings of a segment of an HTTP path.
    OneOf(Arc<[Arc<str>]>),
}

/// A table of a Modbus unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    /// Coils: writable single bits.
    Coil,
    /// Discrete inputs: single bits.
    Discrete,
    /// Input registers.
    Input,
    /// Holding registers, which are writable.
    Holding,
    /// Files by their number.
    File,
    /// Queues by the address of their pointer.
    Fifo,
    /// Objects of the device's identification, up to 255.
    Device,
    /// Functions by their code, up to 255.
    Function,
}

impl Table {
    /// All tables.
    pub const ALL: [Self; 8] = [
        Self::Coil,
        Self::Discrete,
        Self::Input,
        Self::Holding,
        Self::File,
        Self::Fifo,
        Self::Device,
        Self::Function,
    ];

    /// Returns the name of the table in rules and questions.
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

    /// Returns the table of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.as_str() == name)
    }

    /// Returns the name without copying it.
    fn shared(self) -> Arc<str> {
        static NAMES: LazyLock<[Arc<str>; Table::ALL.len()]> =
            LazyLock::new(|| Table::ALL.map(|table| table.as_str().into()));
        let index = Self::ALL.iter().position(|table| *table == self);
        let known = index.and_then(|index| NAMES.get(index));
        known.map_or_else(|| self.as_str().into(), Arc::clone)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The path of a question: the interface's name, then the operand in the form of its protocol.
///
/// A path may name a *set* of things by the means of its protocol: a Modbus range of addresses or
/// an MQTT filter. Everything else is literal.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Path {
    segments: Arc<[Segment]>,
    /// Whether it goes on with zero or more further levels: MQTT's `#`.
    open: bool,
    /// Whether the segments after the first are the levels of an MQTT topic or filter.
    topic: bool,
    /// Whether the segments after the first are compared in any ASCII case. They are in lower case.
    any_case: bool,
}

/// Why a text is no path of its protocol.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PathError {
    /// It has more than [`Path::LIMIT`] bytes or [`Path::SEGMENTS`] segments.
    #[error("the path is too long")]
    TooLong,
    /// Interfaces of the protocol of this name have no operand.
    #[error("nothing can follow the name of a {0} interface")]
    NoOperand(&'static str),
    /// No HTTP request is decided that has this path.
    #[error("the path {0}, so no rule is asked about it: the gateway refuses such a request")]
    Misspelt(#[from] Misspelt),
    /// The path of an HTTP request has its query.
    #[error(
        "? and # cannot be in a path: leave out the query, or, if the interface decides one of its \
         parameters, write that as the last segment, as in web/relay/@cmd=on"
    )]
    Query,
    /// The operand does not have the protocol's form.
    #[error("'{}' does not fit: {expected}", escape(.text))]
    Operand {
        /// The part with the wrong form.
        text: String,
        /// The expected form.
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

    /// Returns a path of literal segments, split at each slash.
    ///
    /// # Errors
    /// When it is too long.
    pub fn literal(text: &str) -> Result<Self, PathError> {
        check_length(text)?;
        let segments = text.split('/').map(|part| Segment::Text(part.into())).collect();
        Ok(Self { segments, open: false, topic: false, any_case: false })
    }

    /// Returns [`Path::literal`] of `interface/operand`, without joining the two.
    ///
    /// # Errors
    /// When the path is too long.
    pub fn beneath(interface: &Name, operand: &str) -> Result<Self, PathError> {
        let before = interface.as_str().len() + 1;
        let parts = operand.bytes().filter(|byte| *byte == b'/').count() + 2;
        if before + operand.len() > Self::LIMIT || parts > Self::SEGMENTS {
            return Err(PathError::TooLong);
        }
        let mut segments = Vec::with_capacity(parts);
        segments.push(Segment::Text(interface.shared()));
        segments.extend(operand.split('/').map(|part| Segment::Text(part.into())));
        Ok(Self { segments: segments.into(), open: false, topic: false, any_case: false })
    }

    /// Returns the path of an interface itself, without an operand.
    #[must_use]
    pub fn interface(interface: &Name) -> Self {
        let segments = Arc::new([Segment::Text(interface.shared())]);
        Self { segments, open: false, topic: false, any_case: false }
    }

    /// Returns the set of an interface and everything that can follow its name.
    #[must_use]
    pub fn everything(interface: &Name) -> Self {
        let segments = Arc::new([Segment::Text(interface.as_str().into())]);
        Self { segments, open: true, topic: false, any_case: false }
    }

    /// Returns the set of everything on a device.
    #[must_use]
    pub fn all() -> Self {
        Self { segments: Arc::new([]), open: true, topic: false, any_case: false }
    }

    /// Returns the path of the addresses from `first` to `last` of a table at a Modbus interface.
    #[must_use]
    pub fn modbus(interface: &Name, unit: u8, table: Table, first: u16, last: u16) -> Self {
        let segments = Arc::new([
            Segment::Text(interface.shared()),
            Segment::Unit(unit),
            Segment::Text(table.shared()),
            Segment::Range(first.into(), last.max(first).into()),
        ]);
        Self { segments, open: false, topic: false, any_case: false }
    }

    /// Returns the segments, the interface's name first.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Returns whether zero or more further levels belong to the set (MQTT's `#`).
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// Returns whether the path has a wildcard: one level or all further levels (MQTT's `+` and
    /// `#`), or all Modbus units (0, the broadcast).
    #[must_use]
    pub fn is_wide(&self) -> bool {
        let wide = |segment: &Segment| matches!(segment, Segment::Any | Segment::Unit(0));
        self.open || self.segments.iter().any(wide)
    }

    /// Returns whether the segment at `index` is the first level of an MQTT topic. There a wildcard
    /// does not match a level that begins with `$` (MQTT 5.0 section 4.7.2).
    #[must_use]
    pub fn is_topic_root(&self, index: usize) -> bool {
        self.topic && index == 1
    }

    /// Returns whether the text of the segment at `index` is compared in any ASCII case. It is in
    /// lower case then.
    #[must_use]
    pub fn is_in_any_case(&self, index: usize) -> bool {
        self.any_case && index > 0
    }

    /// Returns whether every rule that meets `other` meets this path as well, since it is the same
    /// in any case.
    #[must_use]
    pub fn is_any_case_of(&self, other: &Self) -> bool {
        self.any_case && Arc::ptr_eq(&self.segments, &other.segments)
    }

    /// Returns the path as the client sent it, unescaped. Only for JSON and comparisons.
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
                Segment::OneOf(texts) => out.push_str(&texts.join("|")),
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

/// Returns how many segments a text has, split at each slash.
fn parts(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'/').count() + 1
}

fn within(bytes: usize, parts: usize) -> Result<(), PathError> {
    if bytes > Path::LIMIT || parts > Path::SEGMENTS {
        return Err(PathError::TooLong);
    }
    Ok(())
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
    use crate::action::Action;
    use crate::protocol::Protocol;

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
            (P::Http, A::Get, "web", Some("web/")),
            (P::Http, A::Get, "web/", Some("web/")),
            (P::Http, A::Get, "web/a/b/", Some("web/a/b/")),
            (P::Http, A::Get, "web/a b/\u{fc}/%7e%3a", Some("web/a%20b/%C3%BC/~%3A")),
            (P::Http, A::Get, "web/a//@cmd=on it", Some("web/a//@cmd=on%20it")),
            (P::Http, A::Get, "web//@cmd=on", Some("web//@cmd=on")),
            (P::Http, A::Get, "web/a//b/", None),
            (P::Http, A::Get, "web/a/../b", None),
            (P::Http, A::Get, "web/a%2fb", None),
            (P::Http, A::Get, "web/100%", None),
            (P::Http, A::Get, "web/a?b=c", None),
            (P::Coap, A::Get, "lamp", Some("lamp/")),
            (P::Coap, A::Get, "lamp/a b/A", Some("lamp/a b/A")),
            (P::Coap, A::Get, "lamp/a//b/", None),
            (P::Coap, A::Get, "lamp/a%20b", None),
            (P::Coap, A::Get, "lamp/../b", None),
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
