//! Why a text is no target.

use thiserror::Error;

use crate::name::NameError;
use crate::serial::LineError;
use crate::text::escape;

/// What can be dialed, for whoever wrote something else.
const REACHED: &str = "tcp://HOST:PORT, udp://HOST:PORT, unix:/PATH, serial:/dev/DEVICE, \
                       process:/PROGRAM or agent:NAME; http://, modbus://, mqtt:// or coap://HOST:PORT if each \
                       operation is to be decided; modbus+serial:/dev/DEVICE for Modbus on a line; \
                       and udp+, serial+, http+, modbus+, modbus+serial+, mqtt+ or coap+agent:NAME";

/// Why a text is no target.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TargetError {
    /// No scheme, or one that no interface has.
    #[error("'{}' is no interface URL; use {REACHED}", escape(.0))]
    Scheme(String),
    /// What follows the host of an `http://` interface is no path that could stand before others.
    #[error("'{}' is no path of plain segments, as in http://192.168.1.20:80/api", escape(.0))]
    Base(String),
    /// The host is neither an address nor a host name.
    #[error("'{}' is neither an address nor a host name", escape(.0))]
    Host(String),
    /// The port is missing or not 1 to 65535.
    #[error("a port from 1 to 65535 is needed, as in {0}://192.168.1.20:80")]
    Port(&'static str),
    /// Something follows the host and port.
    #[error("'{}' cannot follow the host and port of a {scheme} interface", escape(.rest))]
    Rest {
        /// What the URL begins with.
        scheme: &'static str,
        /// What follows.
        rest: String,
    },
    /// No pattern of lines that may be written to a serial line, or too long, or too many.
    #[error(
        "'{}' is no pattern of a line that may be written; there are at most 64 of 256 bytes, in \
         which * is any text, as in line=show%20*",
        escape(.0)
    )]
    Pattern(String),
    /// A pattern of lines that no line can match.
    #[error("'{}' permits no line: lines and patterns are of printable ASCII alone", escape(.0))]
    DeadPattern(String),
    /// Only some lines may be written, to a line that cannot carry their characters.
    #[error(
        "with line= a serial line has bits=7 or bits=8: of fewer bits, letters are read as the end \
         of a line"
    )]
    NarrowLine,
    /// What follows `?` is no option of such an interface, or not one of its values.
    #[error(
        "'{}' is no option of such an interface; there are audit=sync; for MQTT client-id=bound, \
         strict or off, and response-topic=publish or off; for Modbus \
         unit=any and tables=alias; for HTTP body=BYTES, rate=10/s (m, h), host=NAME, identity=signed, query=off, mask=token|password, operand=query:KEY, \
         origins=https://ha.example and keep=FIELD, which is none of Doorward-*",
        escape(.0)
    )]
    Option(String),
    /// The same parameter is an operand and a secret.
    #[error(
        "operand=query:{0} and mask={0} exclude each other: what is decided stands in the audit log; \
         leave one of them out"
    )]
    MaskedOperand(String),
    /// Not absolute, not normal, or with a NUL.
    #[error("a Unix socket is an absolute path without . or .., as in unix:/run/app.sock")]
    Path,
    /// Longer than the address of a Unix socket may be.
    #[error("the path of a Unix socket has at most 107 bytes")]
    PathTooLong,
    /// Not absolute, not normal, or with what cannot be shown.
    #[error(
        "a serial line is an absolute path without . or .., as in serial:/dev/ttyUSB0?baud=115200"
    )]
    Device,
    /// What follows the line is none of its settings.
    #[error(transparent)]
    Line(#[from] LineError),
    /// Not absolute, not normal, or with what cannot be shown.
    #[error(
        "a program is an absolute path without . or .., as in process:/usr/bin/meter?arg=--read"
    )]
    Program,
    /// What follows the program is no argument.
    #[error("'{}' is no argument of a program; write arg=TEXT, joined by &", escape(.0))]
    Argument(String),
    /// A percent sign without two digits, or what is encoded is no text or has a NUL.
    #[error("'{}' does not encode a text; write % as %25, & as %26 and a space as %20", escape(.0))]
    Encoding(String),
    /// More arguments than a program gets.
    #[error("a program gets at most 64 arguments")]
    TooManyArguments,
    /// Longer than a program's path and arguments may be.
    #[error("a program and its arguments have at most 4096 bytes")]
    TooLong,
    /// What follows `agent:` is no name.
    #[error("an agent's interface is called by its name, as in agent:console: {0}")]
    Agent(#[from] NameError),
}
