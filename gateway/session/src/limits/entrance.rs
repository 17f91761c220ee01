//! The bounds before authentication, at one listener.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use doorward_model::Prefix;
use tokio::time::{Instant, timeout};

use super::known::KnownNetworks;
use super::queue::{Queue, Ticket};
use super::turns::Turns;
use crate::pot::Size;

/// How long a request without an identity may wait for its turn.
const REQUEST: Duration = Duration::from_secs(5);

/// The bounds before authentication at one listener. Every part of it has a bound itself.
#[derive(Debug)]
pub(crate) struct Entrance {
    connections: Arc<Queue>,
    handshakes: Arc<Queue>,
    turns: Turns,
    requests: Turns,
    /// How long a connection may take until it is identified.
    pub(crate) patience: Duration,
    known: KnownNetworks,
}

impl Entrance {
    /// Returns an entrance for this many connections and handshakes at the same time, of which one
    /// network gets the `share`th part, and for this many handshakes and requests a second. A part
    /// of each is kept for `known` networks.
    pub(crate) fn new(
        (connections, handshakes, share): (usize, usize, usize),
        (handshake_rate, request_rate): (u32, u32),
        patience: Duration,
        known: KnownNetworks,
    ) -> Self {
        Self {
            connections: Arc::new(Queue::new(connections, connections / share)),
            handshakes: Arc::new(Queue::new(handshakes, handshakes / share)),
            turns: Turns::new(handshake_rate),
            requests: Turns::new(request_rate),
            patience,
            known,
        }
    }

    /// Returns whether a known subject has come from that network.
    pub(crate) fn knows(&self, prefix: Prefix) -> bool {
        self.known.contain(prefix)
    }

    /// Takes a slot for a connection. If none is free, the connection that has held a slot longest
    /// loses it. Returns `None` if that connection is too new.
    pub(crate) fn enter(self: &Arc<Self>, peer: IpAddr) -> Option<EntranceSlot> {
        let prefix = Prefix::of(peer);
        let connection = self.connections.enter(prefix, self.knows(prefix), Instant::now())?;
        Some(EntranceSlot { prefix, connection, handshake: None, entrance: Arc::clone(self) })
    }

    /// Returns whether a stranger's packet must prove its address first (RFC 9000 section 8.1).
    /// That is so when many connections are not identified yet, so that forged addresses would use
    /// up slots.
    pub(crate) fn is_pressed(&self) -> bool {
        let few = |queue: &Queue| queue.size().total / 64;
        self.connections.taken() as u64 >= few(&self.connections)
            || self.handshakes.taken() as u64 >= few(&self.handshakes)
    }

    /// Waits for the turn of a request without an identity. Returns `false` if that takes too long.
    pub(crate) async fn admits_request(&self, peer: IpAddr) -> bool {
        let prefix = Prefix::of(peer);
        let turn = self.requests.turn(prefix, self.knows(prefix));
        timeout(REQUEST, turn).await.is_ok()
    }

    /// Returns the slots for connections and for handshakes, and how many are taken.
    pub(crate) fn slots(&self) -> [(Size, usize); 2] {
        [&self.connections, &self.handshakes].map(|queue| (queue.size(), queue.taken()))
    }
}

/// The slot of a connection that is not identified yet. A drop frees it.
pub(crate) struct EntranceSlot {
    prefix: Prefix,
    connection: Ticket,
    handshake: Option<Ticket>,
    entrance: Arc<Entrance>,
}

impl EntranceSlot {
    /// Waits until the connection may do its handshake. The peer has sent its ClientHello, so from
    /// here on the connection costs more than a slot. Returns `false` if there is no slot for a
    /// handshake. The caller bounds the wait.
    pub(crate) async fn begin_handshake(&mut self) -> bool {
        let Self { prefix, entrance, .. } = self;
        let is_known = entrance.knows(*prefix);
        tokio::select! {
            biased;
            () = self.connection.lost() => return false,
            () = entrance.turns.turn(*prefix, is_known) => {}
        }
        self.handshake = entrance.handshakes.enter(*prefix, is_known, Instant::now());
        self.handshake.is_some()
    }

    /// Frees the handshake slot, after a handshake that succeeded or failed.
    pub(crate) fn end_handshake(&mut self) {
        self.handshake = None;
    }

    /// Waits until the slot is given to another connection.
    pub(crate) async fn lost(&self) {
        match &self.handshake {
            None => self.connection.lost().await,
            Some(handshake) => {
                tokio::select! {
                    () = self.connection.lost() => {}
                    () = handshake.lost() => {}
                }
            }
        }
    }

    /// Notes that a known subject came from this network, and frees the slot.
    pub(crate) fn identified(self) {
        self.entrance.known.remember(self.prefix);
    }
}

impl fmt::Debug for EntranceSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EntranceSlot({})", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinSet;

    use super::*;

    fn entrance() -> Arc<Entrance> {
        Arc::new(Entrance::new(
            (16, 8, 4),
            (40, 8),
            Duration::from_secs(10),
            KnownNetworks::default(),
        ))
    }

    fn v4(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    #[tokio::test(start_paused = true)]
    async fn addresses_of_one_ipv6_network_count_together() {
        let entrance = entrance();
        let address = |n: u16| IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, n]);
        let slots: Vec<_> = (0..5).map(|n| entrance.enter(address(n))).collect();
        assert_eq!(slots.iter().flatten().count(), 4);
        assert!(entrance.enter([0x2001, 0xdb8, 0, 2, 0, 0, 0, 1].into()).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_for_a_handshake_is_taken_after_the_hello_and_can_be_lost() {
        let entrance = entrance();
        let mut slots = Vec::new();
        for n in 0..3 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let mut slot = entrance.enter(v4(1)).unwrap();
            assert!(n < 2 || entrance.slots()[1].1 == 2, "two of eight are one network's");
            assert!(slot.begin_handshake().await);
            slots.push(slot);
        }
        // The oldest handshake has lost its slot to the newest, and so its connection ends.
        let soon = Duration::from_millis(1);
        assert!(tokio::time::timeout(soon, slots[0].lost()).await.is_ok());
        assert!(tokio::time::timeout(soon, slots[1].lost()).await.is_err());
    }

    /// Starts requests without end from each of `networks` networks, `at_once` at the same time
    /// from each.
    fn flood(entrance: &Arc<Entrance>, networks: u8, at_once: usize) -> JoinSet<()> {
        let mut flood = JoinSet::new();
        for last in 0..networks {
            for _ in 0..at_once {
                let entrance = Arc::clone(entrance);
                flood.spawn(async move {
                    loop {
                        entrance.admits_request([198, 51, 100, last].into()).await;
                    }
                });
            }
        }
        flood
    }

    #[tokio::test(start_paused = true)]
    async fn networks_that_never_rest_keep_no_newcomer_out() {
        let entrance = Arc::new(Entrance::new(
            (64, 64, 4),
            (1000, 100),
            Duration::from_secs(10),
            KnownNetworks::default(),
        ));
        let flood = flood(&entrance, 250, 8);
        tokio::time::sleep(Duration::from_secs(10)).await;
        for last in 0..10 {
            assert!(entrance.admits_request(v4(last)).await, "newcomer {last}");
        }
        entrance.known.remember(Prefix::of(v4(99)));
        let begun = Instant::now();
        assert!(entrance.admits_request(v4(99)).await);
        assert!(
            begun.elapsed() < Duration::from_millis(100),
            "a known network has a queue of its own"
        );
        drop(flood);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_asks_too_much_at_once_is_refused() {
        let entrance = Arc::new(Entrance::new(
            (64, 64, 4),
            (1000, 100),
            Duration::from_secs(10),
            KnownNetworks::default(),
        ));
        let flood = flood(&entrance, 1, 1000);
        tokio::time::sleep(Duration::from_secs(10)).await;
        let mut all = JoinSet::new();
        for _ in 0..1000 {
            let entrance = Arc::clone(&entrance);
            all.spawn(async move { entrance.admits_request([198, 51, 100, 0].into()).await });
        }
        let admitted = all.join_all().await.into_iter().filter(|admitted| *admitted).count();
        assert!(admitted < 500, "{admitted}");
        drop(flood);
    }
}
