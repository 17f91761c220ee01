//! Fuzz targets for every parser of a peer's bytes, and inputs for them.
//!
//! A target takes any bytes. It must not panic, hang or grow without bound, and it asserts its
//! parser's invariants. Targets for state machines read their events from the bytes with a
//! [`Feed`]. The crates above have their own targets. `tests/fuzz` runs all targets by hand; a unit
//! test of each crate runs its share of a million inputs.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

mod carrier;
mod feed;
mod frames;
mod inputs;
mod messages;
mod storm;

pub use carrier::{buffer, chunks, datagrams, marks};
pub use feed::Feed;
pub use frames::frames;
pub use inputs::Inputs;
pub use messages::{control, wire};
pub use storm::{FuzzFailure, FuzzRun, share, storm};

/// A function to fuzz.
#[derive(Clone, Copy, Debug)]
pub struct FuzzTarget {
    /// Its name, here and in `tests/fuzz`.
    pub name: &'static str,
    /// The function.
    pub run: fn(&[u8]),
    /// Valid or almost valid inputs, from which others are made.
    pub corpus: fn() -> Vec<Vec<u8>>,
}

/// The targets of this crate.
pub const TARGETS: &[FuzzTarget] = &[
    FuzzTarget { name: "wire", run: wire, corpus: vectors },
    FuzzTarget { name: "frames", run: frames, corpus: frames::corpus },
    FuzzTarget { name: "chunks", run: chunks, corpus: carrier::corpus },
    FuzzTarget { name: "datagrams", run: datagrams, corpus: carrier::corpus },
    FuzzTarget { name: "marks", run: marks, corpus: carrier::corpus },
    FuzzTarget { name: "buffer", run: buffer, corpus: carrier::corpus },
];

/// Returns the messages of `device-sdk/docs/vectors.txt`, without their length prefixes.
#[must_use]
pub fn vectors() -> Vec<Vec<u8>> {
    let lines = include_str!("../../../docs/vectors.txt").lines();
    let frames = lines.filter(|line| !line.starts_with('#')).filter_map(|line| {
        let hex = line.split_once(' ')?.1.as_bytes();
        let bytes = hex
            .chunks_exact(2)
            .map(|digits| u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap());
        Some(bytes.skip(4).collect())
    });
    frames.collect()
}

/// Splits `bytes` into pieces. The bytes of `cuts` are the lengths, repeated from the start when
/// they run out.
#[must_use]
pub fn pieces<'b>(bytes: &'b [u8], cuts: &[u8]) -> Vec<&'b [u8]> {
    let (mut pieces, mut rest) = (vec![], bytes);
    let mut cuts = cuts.iter().copied().cycle();
    while !rest.is_empty() {
        let length = cuts.next().map_or(rest.len(), |cut| usize::from(cut).max(1));
        let (piece, after) = rest.split_at(length.min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

#[cfg(test)]
mod tests;
