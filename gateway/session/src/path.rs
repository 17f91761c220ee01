//! Finds out the proven address of a QUIC connection. Does no I/O; the time is an argument.
//!
//! A QUIC connection moves with the first packet that comes from another address. That address may
//! be forged until the path has been validated (RFC 9000 sections 8.2 and 9.3). quinn does not tell
//! when that has happened. But until then, quinn writes a PATH_CHALLENGE into every packet with
//! stream data. So if stream data has left and no challenge has, the path that the data left on was
//! validated. There is one exception: when validation fails, quinn goes back to the former path,
//! where stream data leaves without a challenge as well. That happens three seconds after the move
//! at the earliest. Therefore the proof must be seen twice in a row, within less than three
//! seconds, with the same address before, between and after.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use doorward_wire::PathSeen;

/// How long a connection that has moved still counts as being at its former address. After that,
/// its address is unknown until the new one is proven.
const GRACE: Duration = Duration::from_secs(2);
/// How far apart both proofs may be: less than quinn takes to give a path up.
const WITHIN: Duration = Duration::from_millis(2500);

/// The address of a connection's peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PeerAddress {
    /// The peer has proven that it receives there.
    Proven(SocketAddr),
    /// The peer has moved, and has not proven its new address.
    Unknown {
        /// The last address that was proven.
        last: SocketAddr,
    },
}

impl PeerAddress {
    /// Returns the address that conditions are decided by.
    pub(crate) fn known(self) -> Option<IpAddr> {
        match self {
            Self::Proven(address) => Some(address.ip()),
            Self::Unknown { .. } => None,
        }
    }

    /// The last address that was proven.
    pub(crate) fn last(self) -> SocketAddr {
        match self {
            Self::Proven(address) | Self::Unknown { last: address } => address,
        }
    }
}

/// Follows the path of one connection.
#[derive(Debug)]
pub(crate) struct PathTracker {
    proven: SocketAddr,
    moved: Option<Moved>,
}

/// A connection whose packets come from an address that is not proven.
#[derive(Debug)]
struct Moved {
    to: IpAddr,
    /// When packets first came from an unproven address, whichever.
    since: Duration,
    /// What was seen at the last check at which stream data had left.
    seen: PathSeen,
    /// When the check began whose outcome counts as the first proof.
    first: Duration,
    proofs: u8,
}

impl PathTracker {
    /// Returns a tracker for a connection whose handshake has proven that address.
    pub(crate) fn new(proven: SocketAddr) -> Self {
        Self { proven, moved: None }
    }

    /// Takes note of what the transport has done so far, and returns the peer's address.
    pub(crate) fn look(&mut self, seen: PathSeen, now: Duration) -> PeerAddress {
        let remote = canonical(seen.remote);
        if remote.ip() == self.proven.ip() {
            // Another port of the same address is the same source.
            (self.proven, self.moved) = (remote, None);
            return PeerAddress::Proven(remote);
        }
        let since = self.moved.as_ref().map_or(now, |moved| moved.since);
        let afresh = Moved { to: remote.ip(), since, seen, first: now, proofs: 0 };
        match &mut self.moved {
            Some(moved) if moved.to == remote.ip() && moved.seen.challenges == seen.challenges => {
                if seen.streams > moved.seen.streams {
                    (moved.seen, moved.proofs) = (seen, moved.proofs + 1);
                }
                if now.saturating_sub(moved.first) > WITHIN {
                    *moved = afresh;
                } else if moved.proofs >= 2 {
                    (self.proven, self.moved) = (remote, None);
                    return PeerAddress::Proven(remote);
                }
            }
            other => *other = Some(afresh),
        }
        match now.saturating_sub(since) < GRACE {
            true => PeerAddress::Proven(self.proven),
            false => PeerAddress::Unknown { last: self.proven },
        }
    }

    /// Returns whether packets come from an address that is not proven.
    pub(crate) fn is_moving(&self) -> bool {
        self.moved.is_some()
    }
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn address(last: u8) -> SocketAddr {
        ([192, 0, 2, last], 4433).into()
    }

    fn seen(last: u8, challenges: u64, streams: u64) -> PathSeen {
        PathSeen { remote: address(last), challenges, streams }
    }

    fn millis(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn a_move_counts_when_stream_data_has_left_twice_without_a_challenge() {
        let mut path = PathTracker::new(address(1));
        assert_eq!(path.look(seen(2, 5, 10), millis(0)), PeerAddress::Proven(address(1)));
        // A challenge left with the data, so this is no proof.
        assert_eq!(path.look(seen(2, 6, 11), millis(100)), PeerAddress::Proven(address(1)));
        assert_eq!(path.look(seen(2, 6, 12), millis(200)), PeerAddress::Proven(address(1)));
        assert!(path.is_moving());
        // No stream data has left.
        assert_eq!(path.look(seen(2, 6, 12), millis(300)), PeerAddress::Proven(address(1)));
        assert_eq!(path.look(seen(2, 6, 13), millis(400)), PeerAddress::Proven(address(2)));
        assert!(!path.is_moving());
    }

    #[test]
    fn what_is_not_proven_is_soon_unknown() {
        let mut path = PathTracker::new(address(1));
        for step in 0..100 {
            let now = millis(step * 100);
            let source = path.look(seen(2, step, step), now);
            match now < GRACE {
                true => assert_eq!(source, PeerAddress::Proven(address(1))),
                false => assert_eq!(source, PeerAddress::Unknown { last: address(1) }),
            }
        }
        // Moving from one forged address to the next does not win time.
        let mut path = PathTracker::new(address(1));
        for step in 0..100 {
            let now = millis(step * 100);
            let source = path.look(seen(2 + (step % 7) as u8, 0, step), now);
            assert_eq!(source.known().is_some(), now < GRACE, "{now:?}");
        }
        assert_eq!(path.look(seen(1, 0, 200), millis(20_000)), PeerAddress::Proven(address(1)));
    }

    #[test]
    fn proofs_that_lie_too_far_apart_are_none() {
        let mut path = PathTracker::new(address(1));
        let mut now = 0;
        for step in 0..50 {
            now += 1500;
            assert_ne!(path.look(seen(2, 0, step), millis(now)), PeerAddress::Proven(address(2)));
        }
    }

    #[test]
    fn another_port_is_the_same_source() {
        let mut path = PathTracker::new(address(1));
        let other = SocketAddr::new(address(1).ip(), 9);
        let moved = PathSeen { remote: other, challenges: 0, streams: 0 };
        assert_eq!(path.look(moved, millis(0)), PeerAddress::Proven(other));
    }

    /// A model of quinn's path validation, as far as it matters here.
    struct AuthenticatedTransport {
        /// The address, and whether it was validated.
        path: (u8, bool),
        former: Option<(u8, bool)>,
        gives_up: Option<Duration>,
        validated: Vec<u8>,
        challenges: u64,
        streams: u64,
    }

    impl AuthenticatedTransport {
        fn tick(&mut self, now: Duration) {
            if self.gives_up.is_some_and(|at| now >= at) {
                self.gives_up = None;
                if let Some(former) = self.former.take() {
                    self.path = former;
                }
            }
        }

        fn packet_from(&mut self, from: u8, now: Duration) {
            if from == self.path.0 {
                return;
            }
            if self.path.1 {
                self.former = Some(self.path);
            }
            self.path = (from, false);
            self.gives_up = Some(now + Duration::from_secs(3));
        }

        /// The peer answers the challenge that went to the present path, so it receives there.
        fn answer(&mut self) {
            self.path.1 = true;
            self.gives_up = None;
            self.validated.push(self.path.0);
        }

        fn send_stream_data(&mut self) {
            self.streams += 1;
            self.challenges += u64::from(!self.path.1);
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Wait(u64),
        PacketFrom(u8),
        Answer,
        Send,
        Look,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..1500_u64).prop_map(Step::Wait),
            (1..5_u8).prop_map(Step::PacketFrom),
            Just(Step::Answer),
            Just(Step::Send),
            Just(Step::Look),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 20_000, ..ProptestConfig::default() })]

        /// The peer is at the addresses 1 and 2, and forges 3 and 4. Whatever it sends, and
        /// whenever the path is checked: an address is proven only if the peer has received
        /// something there.
        #[test]
        fn only_where_the_peer_receives_is_proven(steps in prop::collection::vec(step(), 0..60)) {
            let mut transport = AuthenticatedTransport {
                path: (1, true),
                former: None,
                gives_up: None,
                validated: vec![1],
                challenges: 0,
                streams: 0,
            };
            let (mut path, mut now) = (PathTracker::new(address(1)), Duration::ZERO);
            for step in steps {
                transport.tick(now);
                match step {
                    Step::Wait(count) => now += millis(count),
                    Step::PacketFrom(from) => transport.packet_from(from, now),
                    Step::Answer if transport.path.0 <= 2 => transport.answer(),
                    Step::Answer => {}
                    Step::Send => transport.send_stream_data(),
                    Step::Look => {
                        let (challenges, streams) = (transport.challenges, transport.streams);
                        let source = path.look(seen(transport.path.0, challenges, streams), now);
                        if let PeerAddress::Proven(from) = source {
                            let validated = |last: &u8| address(*last).ip() == from.ip();
                            prop_assert!(transport.validated.iter().any(validated));
                        }
                    }
                }
            }
        }
    }
}
