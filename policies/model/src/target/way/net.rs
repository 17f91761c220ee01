//! The `//HOST:PORT` of a port in a network.

use crate::target::error::TargetError;
use crate::target::host::Host;

/// Reads a host and a port. `scheme` is for error texts.
pub(super) fn read(scheme: &'static str, text: &str) -> Result<(Host, u16), TargetError> {
    let wrong = || TargetError::Port(scheme);
    let authority = text.strip_prefix("//").ok_or_else(wrong)?;
    if let Some(at) = authority.find(['/', '?', '#', '@']) {
        let rest = authority.get(at..).unwrap_or_default().to_owned();
        return Err(TargetError::Rest { scheme, rest });
    }
    let (host, port) = authority.rsplit_once(':').ok_or_else(wrong)?;
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let port = port.parse().ok().filter(|port| digits && *port != 0).ok_or_else(wrong)?;
    Ok((host.parse()?, port))
}
