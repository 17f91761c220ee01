//! Finds the user who owns a local socket, in the kernel's socket tables.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A row of `/proc/net/tcp` or a similar table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Row {
    local: SocketAddr,
    remote: SocketAddr,
    user: u32,
}

/// Returns the user whose program has connected from `client` to `own`.
pub(super) fn of_connection(client: SocketAddr, own: SocketAddr) -> Option<u32> {
    let rows = read(["/proc/net/tcp", "/proc/net/tcp6"]);
    rows.into_iter().find(|row| (row.local, row.remote) == (client, own)).map(|row| row.user)
}

/// Returns the user whose program sends datagrams from `from`, or `None` if that is ambiguous.
pub(super) fn of_sender(from: SocketAddr) -> Option<u32> {
    let mut rows = read(["/proc/net/udp", "/proc/net/udp6"]);
    rows.retain(|row| {
        let ip = row.local.ip();
        row.local.port() == from.port() && (ip == from.ip() || ip.is_unspecified())
    });
    let user = rows.first()?.user;
    rows.iter().all(|row| row.user == user).then_some(user)
}

fn read(tables: [&str; 2]) -> Vec<Row> {
    // The table for IPv6 is missing where the system has no IPv6.
    let tables = tables.into_iter().filter_map(|table| std::fs::read_to_string(table).ok());
    tables.flat_map(|table| table.lines().skip(1).filter_map(row).collect::<Vec<_>>()).collect()
}

fn row(line: &str) -> Option<Row> {
    let mut words = line.split_whitespace().skip(1);
    let (local, remote) = (address(words.next()?)?, address(words.next()?)?);
    let user = words.nth(4)?.parse().ok()?;
    Some(Row { local, remote, user })
}

/// Parses an address as the kernel prints it: 32-bit words in native byte order as hexadecimal, a
/// colon, and the port.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let word = |at: usize| {
        let digits = ip.get(at * 8..at * 8 + 8)?;
        u32::from_str_radix(digits, 16).ok().map(u32::to_ne_bytes)
    };
    let ip: IpAddr = if ip.len() == 8 {
        Ipv4Addr::from(word(0)?).into()
    } else {
        let words = [word(0)?, word(1)?, word(2)?, word(3)?].concat();
        Ipv6Addr::from(<[u8; 16]>::try_from(words).ok()?).to_canonical()
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};

    use super::*;

    #[test]
    fn a_socket_is_its_users() {
        let own = rustix::process::getuid().as_raw();
        for address in ["127.0.0.1:0", "0.0.0.0:0"] {
            let socket = UdpSocket::bind(address).unwrap();
            let port = socket.local_addr().unwrap().port();
            let from = SocketAddr::from(([127, 0, 0, 1], port));
            assert_eq!(of_sender(from), Some(own), "{address}");
            drop(socket);
            assert_eq!(of_sender(from), None);
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        #[expect(clippy::disallowed_methods, reason = "a test's local program")]
        let client = std::net::TcpStream::connect(at).unwrap();
        assert_eq!(of_connection(client.local_addr().unwrap(), at), Some(own));
        assert_eq!(of_connection(at, at), None);
    }

    #[test]
    fn a_table_that_is_none_has_no_rows() {
        for line in ["", "0:", "0: 0100007F:0016 00000000:0000 0A 0 0 0 x", "0: z:z z:z 0 0 0 0 0"]
        {
            assert_eq!(row(line), None, "{line}");
        }
    }
}
