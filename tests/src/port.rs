//! Ports for programs that cannot be told to choose one themselves and say which.
//!
//! A number that was free a moment ago can be taken by any connection that the system gives a number
//! to. So these ports lie outside of the range from which the system chooses (`ip_local_port_range`),
//! in blocks: a process of tests locks a block before it uses a port of it, and uses no port twice.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::ops::RangeInclusive;
use std::sync::{Mutex, PoisonError};

/// The first port that is used. Many services have a fixed port below.
const FIRST: u16 = 10_000;
/// How many ports have one lock.
const BLOCK: u16 = 256;

/// The blocks that this process has locked, by their first ports, and the ports of the last one that
/// are not used yet.
struct Reserved {
    locks: BTreeMap<u16, File>,
    next_block: u16,
    left: Vec<u16>,
}

static RESERVED: Mutex<Reserved> =
    Mutex::new(Reserved { locks: BTreeMap::new(), next_block: 0, left: Vec::new() });

/// An address on loopback that no other test uses and no connection gets, for TCP and for UDP. It
/// stays so when the program that uses it starts again.
pub fn reserve() -> SocketAddr {
    let mut reserved = RESERVED.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        while let Some(port) = reserved.left.pop() {
            let at = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            // A service of this machine may have it.
            if TcpListener::bind(at).is_ok() && UdpSocket::bind(at).is_ok() {
                return at;
            }
        }
        reserved.lock_block();
    }
}

/// Reserves the address that an earlier process of tests got from [`reserve`]. Returns whether no
/// other process has it.
pub fn reserve_again(at: SocketAddr) -> bool {
    let mut reserved = RESERVED.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(after) = at.port().checked_sub(FIRST) else { return false };
    let first = at.port() - after % BLOCK;
    reserved.locks.contains_key(&first) || reserved.lock(first)
}

impl Reserved {
    /// Locks the block with that first port. Returns whether no other process has it.
    fn lock(&mut self, first: u16) -> bool {
        // Another user's lock cannot be opened: then that user has the block.
        let file = std::env::temp_dir().join(format!("doorward-test-ports-{first}"));
        let lock = OpenOptions::new().create(true).append(true).open(file);
        let Some(lock) = lock.ok().filter(|lock| lock.try_lock().is_ok()) else { return false };
        self.locks.insert(first, lock);
        true
    }

    fn lock_block(&mut self) {
        let chosen = chosen_by_system();
        let blocks = (u16::MAX - FIRST) / BLOCK;
        while self.next_block < blocks {
            let first = FIRST + self.next_block * BLOCK;
            let ports = first..=first + (BLOCK - 1);
            self.next_block += 1;
            if chosen.start() <= ports.end() && ports.start() <= chosen.end() {
                continue;
            }
            if self.lock(first) {
                self.left = ports.rev().collect();
                return;
            }
        }
        panic!("other tests use all ports from {FIRST} on that are not in {chosen:?}");
    }
}

/// The ports that the system gives to connections and to whoever asks for port 0.
fn chosen_by_system() -> RangeInclusive<u16> {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap();
    let mut ends = text.split_whitespace().map(|end| end.parse().unwrap());
    ends.next().unwrap()..=ends.next().unwrap()
}

/// Whether a program listens there over TCP. To connect would be a connection already, and to bind
/// would keep the program from listening.
pub fn listens(at: SocketAddr) -> bool {
    const LISTEN: &str = "0A";
    sockets("tcp").any(|(port, state)| port == at.port() && state == LISTEN)
}

/// Whether a program has a UDP socket there.
pub fn receives(at: SocketAddr) -> bool {
    sockets("udp").any(|(port, _)| port == at.port())
}

/// The local port and the state of each socket.
fn sockets(protocol: &str) -> impl Iterator<Item = (u16, String)> {
    let tables = [String::new(), "6".to_owned()].map(|version| {
        std::fs::read_to_string(format!("/proc/net/{protocol}{version}")).unwrap_or_default()
    });
    let rows = tables.concat();
    let rows: Vec<_> = rows.lines().filter_map(socket).collect();
    rows.into_iter()
}

/// Reads a row of `/proc/net/tcp`: its number, the local address, the peer's, the state.
fn socket(row: &str) -> Option<(u16, String)> {
    let mut columns = row.split_whitespace().skip(1);
    let (_, port) = columns.next()?.rsplit_once(':')?;
    Some((u16::from_str_radix(port, 16).ok()?, columns.nth(1)?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    // One test, since it gives ports back that another would get.
    #[test]
    fn a_port_is_given_once_and_only_while_nobody_has_it() {
        let chosen = chosen_by_system();
        let mut all: Vec<u16> = (0..300).map(|_| reserve().port()).collect();
        assert!(all.iter().all(|port| !chosen.contains(port)));
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 300);

        let own = SocketAddr::from((Ipv4Addr::LOCALHOST, all[0]));
        assert!(reserve_again(own));
        let lock = RESERVED.lock().unwrap().locks.remove(&(all[0] - (all[0] - FIRST) % BLOCK));
        assert!(!reserve_again(own), "another process has it");
        drop(lock);
        assert!(reserve_again(own));

        let at = reserve();
        assert!(!listens(at) && !receives(at));
        let listener = TcpListener::bind(at).unwrap();
        assert!(listens(at) && !receives(at));
        drop(listener);
        assert!(!listens(at));
        let taken = UdpSocket::bind(at).unwrap();
        assert!(receives(at));
        RESERVED.lock().unwrap().left.push(at.port());
        assert_ne!(reserve(), at);
        drop(taken);
        RESERVED.lock().unwrap().left.push(at.port());
        assert_eq!(reserve(), at);
    }
}
