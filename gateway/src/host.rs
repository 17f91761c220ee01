//! What the system says of this machine.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

/// The machine's host name, if it is one that a certificate can carry.
pub(crate) fn name() -> Option<String> {
    let system = rustix::system::uname();
    let name = system.nodename().to_str().ok()?.to_ascii_lowercase();
    is_host_name(&name).then_some(name)
}

/// Whether a text is a host name (RFC 1123 section 2.1).
pub(crate) fn is_host_name(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(label) && text.parse::<IpAddr>().is_err()
}

/// The address that this machine would be reached at from elsewhere: the one that its default
/// route uses. Nothing is sent.
pub(crate) fn address() -> Option<IpAddr> {
    // TEST-NET-1 (RFC 5737): routed like any address that is not ours.
    let elsewhere = SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 9));
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect(elsewhere).ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_unspecified() && !address.is_loopback()).then_some(address)
}
