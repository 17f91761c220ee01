//! The settings that are addresses or names of hosts.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use doorward_agent::{GivenSetting, SettingsError};

use crate::host::is_host_name;

/// Reads the address of a listener.
pub(super) fn address(given: &GivenSetting<String>) -> Result<SocketAddr, SettingsError> {
    let wrong = |_| {
        let text = &given.value;
        given.wrong(format!("'{text}' is no ADDRESS:PORT, such as 192.168.1.2:8443"))
    };
    given.value.parse().map_err(wrong)
}

/// Returns whether two listeners would use one port of one address.
pub(super) fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    let [mine, theirs] = [one, other].map(|address| address.ip().to_canonical());
    // A listener at [::] takes IPv4 as well.
    let covers = |all: IpAddr, ip: IpAddr| all.is_unspecified() && (all.is_ipv6() || ip.is_ipv4());
    one.port() == other.port()
        && one.port() != 0
        && (mine == theirs || covers(mine, theirs) || covers(theirs, mine))
}

/// Reads the address by which clients reach the gateway.
pub(super) fn advertise(given: GivenSetting<String>) -> Result<String, SettingsError> {
    let reachable = |host: &str| match host.strip_prefix('[').and_then(|v6| v6.strip_suffix(']')) {
        Some(v6) => v6.parse().is_ok_and(|v6: Ipv6Addr| !v6.is_unspecified()),
        None => match host.parse() {
            Ok(ip) => matches!(ip, IpAddr::V4(v4) if !v4.is_unspecified()),
            Err(_) => is_dns_name(host),
        },
    };
    let is_port = |port: &str| {
        port.bytes().all(|digit| digit.is_ascii_digit())
            && port.parse().is_ok_and(|port: u16| port > 0)
    };
    let parts = given.value.rsplit_once(':');
    if parts.is_some_and(|(host, port)| reachable(host) && is_port(port)) {
        return Ok(given.value);
    }
    Err(given.wrong(format!(
        "'{}' is no HOST:PORT that clients can reach, such as gateway.home.arpa:8443 or \
         192.168.1.2:8443 (port 1 to 65535{})",
        given.value,
        ascii_form(&given.value)
    )))
}

/// Reads a host for the gateway's certificate: a DNS name or an IP address.
pub(super) fn host(given: GivenSetting<String>) -> Result<String, SettingsError> {
    let text = &given.value;
    if text.parse::<IpAddr>().is_ok() || is_dns_name(text) {
        return Ok(given.value);
    }
    let instead = if text.contains('*') {
        "; name each host, since the certificate has no wildcards"
    } else {
        "; write one such as gateway.home.arpa or 192.168.1.2"
    };
    let ascii = ascii_form(text);
    Err(given.wrong(format!("'{text}' is no DNS name and no IP address{instead}{ascii}")))
}

/// Returns the advice for a name with letters that DNS does not have.
fn ascii_form(text: &str) -> &'static str {
    if text.is_ascii() { "" } else { "; a name with other letters is written as xn--…" }
}

/// Returns whether a text is a DNS name. The last label of a name is not a number.
fn is_dns_name(text: &str) -> bool {
    let last = text.rsplit('.').next().unwrap_or(text);
    is_host_name(&text.to_ascii_lowercase()) && !last.bytes().all(|b| b.is_ascii_digit())
}
