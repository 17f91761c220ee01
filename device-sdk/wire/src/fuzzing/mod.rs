//! What every byte from a peer must stand: targets for fuzzers, and inputs for them.
//!
//! A target takes any bytes; it must neither panic, nor hang, nor grow without bound, and it
//! asserts what else always holds. Machines that take events read them from the bytes by a
//! [`Feed`]. The crates above have targets of their own; `tests/fuzz` runs all of them by hand,
//! and a test of each crate its share of a million inputs.

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
pub use storm::{Fault, Ran, share, storm};

/// One function that is to be fuzzed.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// What it is called, here and in `tests/fuzz`.
    pub name: &'static str,
    /// The function.
    pub run: fn(&[u8]),
    /// Inputs that get far; others are made from them.
    pub corpus: fn() -> Vec<Vec<u8>>,
}

/// The targets of this crate.
pub const TARGETS: &[Target] = &[
    Target { name: "wire", run: wire, corpus: vectors },
    Target { name: "frames", run: frames, corpus: frames::corpus },
    Target { name: "chunks", run: chunks, corpus: carrier::corpus },
    Target { name: "datagrams", run: datagrams, corpus: carrier::corpus },
    Target { name: "marks", run: marks, corpus: carrier::corpus },
    Target { name: "buffer", run: buffer, corpus: carrier::corpus },
];

/// The messages of `device-sdk/docs/vectors.txt`, without their lengths.
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

/// Cuts `bytes` in pieces, each so long as a byte of `cuts` says, from the first again where
/// they end.
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
