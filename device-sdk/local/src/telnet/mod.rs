//! Telnet (RFC 854, 855) with COM-PORT-OPTION (RFC 2217), without I/O. The parsers keep at most one
//! subnegotiation.

mod client;
mod event;
mod option;
mod port;
mod reader;
mod server;

pub use client::TelnetClient;
pub use event::{ClientEvent, ServerEvent};
pub use server::TelnetServer;

/// The first byte of every command.
pub const IAC: u8 = 255;

const SE: u8 = 240;
const SB: u8 = 250;
const WILL: u8 = 251;
const WONT: u8 = 252;
const DO: u8 = 253;
const DONT: u8 = 254;

/// Returns whether a byte after [`IAC`] shows that the peer speaks telnet.
#[must_use]
pub fn is_command(byte: u8) -> bool {
    (SB..=DONT).contains(&byte)
}

/// Appends a data byte in telnet's encoding, where [`IAC`] is doubled.
pub fn escape(byte: u8, into: &mut impl Extend<u8>) {
    into.extend([byte]);
    if byte == IAC {
        into.extend([byte]);
    }
}

#[cfg(test)]
mod tests;
