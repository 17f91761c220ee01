//! Why a text is no target.

use thiserror::Error;

use crate::name::NameError;
use crate::serial::LineError;
use crate::text::escape;

/// Why a text is no target.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TargetError {
    /// It has no scheme, or one that no interface has.
    #[error("'{}' is no interface URL; use {forms}", escape(.text))]
    Scheme {
        /// The text.
        text: String,
        /// The forms that there are, for people.
        forms: String,
    },
    /// The part after the host of an `http://` URL is no path that could stand before others.
    #[error("'{}' is no path of plain segments, as in http://192.168.1.20:80/api", escape(.0))]
    Base(String),
    /// The host is neither an address nor a host name.
    #[error("'{}' is neither an address nor a host name", escape(.0))]
    Host(String),
    /// The port is missing or not 1 to 65535.
    #[error("a port from 1 to 65535 is needed, as in {0}://192.168.1.20:80")]
    Port(&'static str),
    /// Text follows the host and port.
    #[error("'{}' cannot follow the host and port of a {scheme} interface", escape(.rest))]
    Rest {
        /// The scheme of the URL.
        scheme: &'static str,
        /// The text that follows.
        rest: String,
    },
    /// A pattern of lines is not printable or too long, or there are too many patterns.
    #[error(
        "'{}' is no pattern of a line that may be written; there are at most 64 of 256 bytes, in \
         which * is any text, as in line=show%20*",
        escape(.0)
    )]
    Pattern(String),
    /// No line can match the pattern.
    #[error("'{}' permits no line: lines and patterns are of printable ASCII alone", escape(.0))]
    DeadPattern(String),
    /// Only some lines may be written, but the serial line cannot carry their characters.
    #[error(
        "with line= a serial line has bits=7 or bits=8: of fewer bits, letters are read as the end \
         of a line"
    )]
    NarrowLine,
    /// The text after `?` is no option of such an interface, or not one of its values.
    #[error(
        "'{}' is no option of such an interface; there are audit=sync; for MQTT client-id=bound, \
         strict or off, and response-topic=publish or off; for Modbus \
         unit=any and tables=alias; for HTTP body=BYTES, rate=10/s (m, h), host=NAME, identity=signed, query=off, mask=token|password, operand=query:KEY, paths=exact, \
         origins=https://ha.example and keep=FIELD, which is none of Doorward-*",
        escape(.0)
    )]
    Option(String),
    /// One parameter is both an operand and a secret.
    #[error(
        "operand=query:{0} and mask={0} exclude each other: what is decided stands in the audit log; \
         leave one of them out"
    )]
    MaskedOperand(String),
    /// The path is not absolute, not normal, or has a NUL.
    #[error("a Unix socket is an absolute path without . or .., as in unix:/run/app.sock")]
    Path,
    /// The path is longer than the address of a Unix socket may be.
    #[error("the path of a Unix socket has at most 107 bytes")]
    PathTooLong,
    /// The path is not absolute, not normal, or not printable.
    #[error(
        "a serial line is an absolute path without . or .., as in serial:/dev/ttyUSB0?baud=115200"
    )]
    Device,
    /// The text after the device is no setting of a serial line.
    #[error(transparent)]
    Line(#[from] LineError),
    /// The path is not absolute, not normal, or not printable.
    #[error(
        "a program is an absolute path without . or .., as in process:/usr/bin/meter?arg=--read"
    )]
    Program,
    /// The text after the program is no argument.
    #[error("'{}' is no argument of a program; write arg=TEXT, joined by &", escape(.0))]
    Argument(String),
    /// A percent sign is not followed by two digits, or the decoded bytes are no text or have a
    /// NUL.
    #[error("'{}' does not encode a text; write % as %25, & as %26 and a space as %20", escape(.0))]
    Encoding(String),
    /// A program has too many arguments.
    #[error("a program gets at most 64 arguments")]
    TooManyArguments,
    /// A program and its arguments are too long.
    #[error("a program and its arguments have at most 4096 bytes")]
    TooLong,
    /// The text after `agent:` is no name.
    #[error("an agent's interface is called by its name, as in agent:console: {0}")]
    Agent(#[from] NameError),
}
