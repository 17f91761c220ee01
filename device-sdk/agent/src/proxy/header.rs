//! The header of a datagram that SOCKS 5 relays (RFC 1928 section 7).

use super::socks::NAME;

/// The destination or source of a datagram, as the client wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct DatagramTarget {
    pub(super) host: String,
    pub(super) port: u16,
}

/// Splits the bytes into the header's target and the datagram. Returns `None` for fragments, for IP
/// addresses and for malformed headers; the caller drops all of them.
pub(super) fn read(bytes: &[u8]) -> Option<(DatagramTarget, &[u8])> {
    let ([0, 0, 0, kind], rest) = bytes.split_first_chunk::<4>()? else { return None };
    if *kind != NAME {
        return None;
    }
    let (length, rest) = rest.split_first()?;
    let (host, rest) = rest.split_at_checked(usize::from(*length))?;
    let (port, datagram) = rest.split_first_chunk::<2>()?;
    let host = str::from_utf8(host).ok()?.to_owned();
    Some((DatagramTarget { host, port: u16::from_be_bytes(*port) }, datagram))
}

/// Returns a datagram with its header. Returns `None` if the host name is too long for a header.
pub(super) fn write(target: &DatagramTarget, datagram: &[u8]) -> Option<Vec<u8>> {
    let length = u8::try_from(target.host.len()).ok()?;
    let (host, port) = (target.host.as_bytes(), target.port.to_be_bytes());
    Some([&[0, 0, 0, NAME, length], host, &port, datagram].concat())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fragments_and_addresses_are_dropped() {
        let good = b"\0\0\0\x03\x01a\0\x35hello";
        assert_eq!(
            read(good),
            Some((DatagramTarget { host: "a".into(), port: 53 }, &b"hello"[..]))
        );
        for (at, byte) in [(0, 1), (1, 1), (2, 1), (3, 1), (3, 4), (3, 0), (4, 200)] {
            let mut bad = good.to_vec();
            bad[at] = byte;
            assert_eq!(read(&bad), None, "{at} {byte}");
        }
        assert_eq!(write(&DatagramTarget { host: "a".repeat(256), port: 1 }, b""), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            host in "[a-z.-]{0,60}",
            port in any::<u16>(),
            datagram in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            let target = DatagramTarget { host, port };
            let written = write(&target, &datagram).unwrap();
            prop_assert_eq!(read(&written), Some((target, datagram.as_slice())));
        }

        #[test]
        fn it_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Some((_, datagram)) = read(&bytes) {
                prop_assert!(datagram.len() + 7 <= bytes.len());
            }
        }
    }
}
