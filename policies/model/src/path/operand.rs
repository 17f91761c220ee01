//! The forms of operands: how each is read, and which patterns it can never match.

mod coap;
mod http;
mod modbus;

use super::{Path, PathError, Segment, check_length, topic};
use crate::action::Action;
use crate::target::Operand;

/// The form of what follows an interface's name in a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OperandForm {
    /// Nothing: a flow is about the interface itself.
    Nothing,
    /// Literal segments: the parts of the administration.
    Parts,
    /// Literal segments: the path of an HTTP request, in the one spelling that is decided. Other
    /// spellings are read as it.
    HttpPath,
    /// Literal segments: the path of a CoAP request.
    CoapPath,
    /// An MQTT topic to publish to, a filter to subscribe to, or nothing to connect.
    Topic,
    /// A Modbus unit, a table and addresses: `unit/table/addresses` or `unit/function/N`.
    Addresses,
}

impl OperandForm {
    /// Reads the path of a question. `protocol` is for error texts.
    pub(super) fn read(
        self,
        protocol: &'static str,
        action: Action,
        text: &str,
    ) -> Result<Path, PathError> {
        check_length(text)?;
        match self {
            Self::Nothing if text.contains('/') => Err(PathError::NoOperand(protocol)),
            Self::Nothing | Self::Parts => Path::literal(text),
            Self::HttpPath => http::read(text),
            Self::CoapPath => coap::read(text),
            Self::Topic => topic::parse(action, text),
            Self::Addresses => typed(text, modbus::read),
        }
    }

    /// Returns why a pattern matches no path that is decided, as it is written. The pattern's first
    /// segment is the interface's name; `None` stands for `*`. `decided` is the part of an HTTP query that the
    /// interface decides.
    #[must_use]
    pub fn never(self, pattern: &[Option<&str>], decided: Option<&Operand>) -> Option<String> {
        match self {
            Self::HttpPath => http::never(pattern, decided),
            Self::CoapPath => coap::never(pattern),
            Self::Nothing | Self::Parts | Self::Topic | Self::Addresses => None,
        }
    }

    /// Returns why a pattern matches no path that is decided under any of its readings, which deny
    /// rules meet.
    #[must_use]
    pub fn never_read(self, pattern: &[Option<&str>], decided: Option<&Operand>) -> Option<String> {
        match self {
            Self::HttpPath => http::never_read(pattern, decided),
            Self::CoapPath | Self::Nothing | Self::Parts | Self::Topic | Self::Addresses => {
                self.never(pattern, decided)
            }
        }
    }
}

/// Reads the interface's name as text, and the segments that follow as `read` says.
fn typed(
    text: &str,
    read: impl FnOnce(&[&str]) -> Result<Vec<Segment>, PathError>,
) -> Result<Path, PathError> {
    let mut parts = text.split('/');
    let first = Segment::Text(parts.next().unwrap_or_default().into());
    let operand = read(&parts.collect::<Vec<_>>())?;
    let segments = std::iter::once(first).chain(operand).collect();
    Ok(Path { segments, open: false, topic: false, any_case: false })
}
