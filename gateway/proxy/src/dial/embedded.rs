//! IPv4 addresses inside IPv6 addresses.

use std::net::IpAddr;

/// Returns the IPv4 address in an IPv6 address that a translator would forward to (RFC 6052, RFC
/// 3056).
pub(super) fn embedded(ip: IpAddr) -> Option<IpAddr> {
    let IpAddr::V6(v6) = ip else { return None };
    let [a, b, c, d, e, f, g, h] = v6.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        IpAddr::from([a, b, c, d])
    };
    match (a, b, c, d, e, f) {
        (0x64, 0xff9b, 0, 0, 0, 0) => Some(v4(g, h)),
        (0x2002, high, low, ..) => Some(v4(high, low)),
        (0, 0, 0, 0, 0, 0) if g != 0 => Some(v4(g, h)),
        _ => None,
    }
}
