//! The forms of interfaces' URLs, for people.

use super::carrier::TargetCarrier;
use crate::protocol::Protocol;

/// The URLs of interfaces that are not inspected.
pub(super) const RAW: &[&str] = &[
    "tcp://HOST:PORT",
    "udp://HOST:PORT",
    "unix:/PATH",
    "serial:/dev/DEVICE",
    "process:/PROGRAM",
    "agent:NAME",
    "udp+agent:NAME",
    "serial+agent:NAME",
];

/// Yields the URLs of interfaces that are inspected.
pub(super) fn inspected() -> impl Iterator<Item = String> {
    Protocol::ALL.iter().flat_map(|protocol| {
        let form = move |carrier: &TargetCarrier| {
            format!("{protocol}{}{}", carrier.suffix(), carrier.address())
        };
        protocol.carriers().iter().map(form)
    })
}
