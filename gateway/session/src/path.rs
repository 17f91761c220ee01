//! Where a QUIC connection comes from, once that is proven. Without I/O; time is an argument.
//!
//! A QUIC connection moves with the first packet that comes from another address, and that address
//! may be forged until the path has been validated (RFC 9000 sections 8.2 and 9.3). quinn does not
//! tell when it has been. But as long as it has not, quinn writes a PATH_CHALLENGE into every packet
//! that carries stream data. So if stream data has left and no challenge has, the path that it left
//! on was validated. When validation fails, quinn goes back to the former path, where stream data
//! leaves without a challenge as well; it does so three seconds after the move at the earliest.
//! Therefore it must be seen twice in a row, within less than that, with the same address before,
//! between and after.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use doorward_wire::PathSeen;

/// For how long a connection that has moved is taken to be where it was. After that, and as long
/// as its new address is not proven, nobody knows where it is.
const GRACE: Duration = Duration::from_secs(2);
/// Within what time both proofs must be seen: less than quinn takes to give a path up.
const WITHIN: Duration = Duration::from_millis(2500);

/// Where a connection comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PeerAddress {
    /// From there, and that is proven.
    Proven(SocketAddr),
    /// It has moved and does not prove where to. It was there last.
    Unknown {
        /// The last address that was proven.
        last: SocketAddr,
    },
}

impl PeerAddress {
    /// The address that conditions are judged by.
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

/// Follows one connection.
#[derive(Debug)]
pub(crate) struct PathTracker {
    proven: SocketAddr,
    moved: Option<Moved>,
}

/// A connection whose packets come from an address that is not proven.
#[derive(Debug)]
struct Moved {
    to: IpAddr,
    /// Since when they come from elsewhere, from wherever.
    since: Duration,
    /// What was seen when it was last looked at whether stream data has left.
    seen: PathSeen,
    /// When that was seen for the first time from which a proof has followed.
    first: Duration,
    proofs: u8,
}

impl PathTracker {
    /// A connection whose handshake has proven that address.
    pub(crate) fn new(proven: SocketAddr) -> Self {
        Self { proven, moved: None }
    }

    /// Looks at what the transport has done so far.
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

    /// Whether packets come from an address that is not proven.
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
        // Challenges leave with the data: not yet.
        assert_eq!(path.look(seen(2, 6, 11), millis(100)), PeerAddress::Proven(address(1)));
        assert_eq!(path.look(seen(2, 6, 12), millis(200)), PeerAddress::Proven(address(1)));
        assert!(path.is_moving());
        // Nothing has left.
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
        // Hopping from one forged address to the next does not win time.
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

    /// quinn's own idea of the path, as far as it matters here.
    struct Transport {
        /// Each with whether it was validated.
        path: (u8, bool),
        former: Option<(u8, bool)>,
        gives_up: Option<Duration>,
        validated: Vec<u8>,
        challenges: u64,
        streams: u64,
    }

    impl Transport {
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

        /// The peer answers the challenge that went to where the path leads: it must be there.
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

        /// Whatever a peer sends from wherever it likes, and whenever it is looked at: an address
        /// is proven only if the peer has received something there. It is at 1 and 2, and forges
        /// 3 and 4.
        #[test]
        fn only_where_the_peer_receives_is_proven(steps in prop::collection::vec(step(), 0..60)) {
            let mut transport = Transport {
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
