//! Telnet (RFC 854, 855) with COM-PORT-OPTION (RFC 2217): bytes in, what they mean out. It reads
//! and writes nothing itself, and keeps no more than one subnegotiation.

mod client;
mod option;
mod port;
mod reader;
mod server;

pub use client::{Client, Told};
pub use server::{Heard, Server};

/// What every command begins with.
pub const IAC: u8 = 255;

const SE: u8 = 240;
const SB: u8 = 250;
const WILL: u8 = 251;
const WONT: u8 = 252;
const DO: u8 = 253;
const DONT: u8 = 254;

/// Whether a byte after [`IAC`] shows that somebody speaks telnet.
#[must_use]
pub fn is_command(byte: u8) -> bool {
    (SB..=DONT).contains(&byte)
}

/// A byte of data, as the other side reads it.
pub fn escape(byte: u8, into: &mut impl Extend<u8>) {
    into.extend([byte]);
    if byte == IAC {
        into.extend([byte]);
    }
}

#[cfg(test)]
mod tests;
