use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

/// The bounds before and after authentication. One network prefix (an IPv4 address, or an
/// IPv6 /64) gets at most a quarter of each total.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections that are not identified yet, waiting ones included.
    pub connections: usize,
    /// Handshakes at the same time. A quarter is kept for networks that known subjects come
    /// from.
    pub handshakes: usize,
    /// Handshakes in a second. A quarter is kept as well.
    pub handshake_rate: u32,
    /// How long a connection may take to be identified.
    pub handshake_time: Duration,
    /// Requests without an identity in a second.
    pub unauthenticated_rate: u32,
    /// How many bytes may be on their way on all connections of `doorward/1` together, and how
    /// many may have come on their streams without having been taken.
    pub buffers: u64,
    /// What holds once a subject is identified.
    pub session: SessionLimits,
}

/// The bounds of identified subjects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLimits {
    /// Identified connections at the same time.
    pub sessions: usize,
    /// Those of one subject.
    pub sessions_per_subject: usize,
    /// Flows of one subject at the same time.
    pub flows_per_subject: usize,
    /// Flows at the same time.
    pub flows: usize,
    /// How long a flow may be silent in both directions.
    pub idle: Duration,
    /// How long a flow may live at all; `None` is as long as its permit.
    pub life: Option<Duration>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4096,
            handshakes: 256,
            handshake_rate: 1000,
            handshake_time: Duration::from_secs(10),
            unauthenticated_rate: 100,
            buffers: 1024 * 1024 * 1024,
            session: SessionLimits::default(),
        }
    }
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self {
            sessions: 16384,
            sessions_per_subject: 1024,
            flows_per_subject: 2048,
            flows: 16384,
            idle: Duration::from_secs(3600),
            life: None,
        }
    }
}

/// The network that a peer is counted by.
fn prefix(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from(u128::from(v6) & !u128::from(u64::MAX)).into(),
        v4 => v4,
    }
}

/// A steady pace with a burst of one second (the generic cell rate algorithm): each step is
/// told when it may be taken.
#[derive(Clone, Copy, Debug)]
struct Pace {
    step: Duration,
    next: Instant,
}

impl Pace {
    fn new(rate: u32, now: Instant) -> Self {
        let step = Duration::from_secs(1) / rate.max(1);
        Self { step, next: now.checked_sub(Duration::from_secs(1)).unwrap_or(now) }
    }

    /// When the next step may be taken. Not taken until [`Pace::take`].
    fn when(&self, now: Instant) -> Instant {
        self.next.max(now.checked_sub(Duration::from_secs(1)).unwrap_or(now)) + self.step
    }

    fn take(&mut self, now: Instant) {
        self.next = self.when(now);
    }

    fn is_rested(&self, now: Instant) -> bool {
        self.next + Duration::from_secs(1) <= now
    }
}

/// One network, while connections of it are open or its pace has not rested.
#[derive(Debug)]
struct Network {
    open: usize,
    handshakes: Arc<Semaphore>,
    pace: Pace,
    requests: Pace,
}

#[derive(Debug)]
struct State {
    open: usize,
    networks: HashMap<IpAddr, Network>,
    /// Networks that known subjects came from, and when they last did.
    known: HashMap<IpAddr, Instant>,
    pace: Pace,
    kept_pace: Pace,
    requests: Pace,
}

/// Keeps the bounds before authentication. Everything in it is bounded itself.
#[derive(Debug)]
pub(crate) struct Limiter {
    limits: Limits,
    state: Mutex<State>,
    handshakes: Arc<Semaphore>,
    kept: Arc<Semaphore>,
}

/// How many networks are remembered at the same time.
const NETWORKS: usize = 16 * 1024;
/// How many networks of known subjects are remembered.
const KNOWN: usize = 4096;

fn quarter(total: usize) -> usize {
    (total / 4).max(1)
}

fn quarter_rate(total: u32) -> u32 {
    (total / 4).max(1)
}

impl Limiter {
    pub(crate) fn new(limits: Limits) -> Self {
        let now = Instant::now();
        let kept = quarter(limits.handshakes);
        let kept_rate = quarter_rate(limits.handshake_rate);
        Self {
            limits,
            state: Mutex::new(State {
                open: 0,
                networks: HashMap::new(),
                known: HashMap::new(),
                pace: Pace::new(limits.handshake_rate.saturating_sub(kept_rate), now),
                kept_pace: Pace::new(kept_rate, now),
                requests: Pace::new(limits.unauthenticated_rate, now),
            }),
            handshakes: Arc::new(Semaphore::new(limits.handshakes.saturating_sub(kept).max(1))),
            kept: Arc::new(Semaphore::new(kept)),
        }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a connection, if its network and the gateway have one left.
    pub(crate) fn enter(self: &Arc<Self>, peer: IpAddr) -> Option<Slot> {
        let (peer, now) = (prefix(peer), Instant::now());
        let mut state = self.state();
        // A quarter of the places is kept for networks that known subjects came from.
        let kept =
            if state.known.contains_key(&peer) { 0 } else { quarter(self.limits.connections) };
        if state.open >= self.limits.connections.saturating_sub(kept).max(1) {
            return None;
        }
        let network = state.network(peer, now, &self.limits)?;
        if network.open >= quarter(self.limits.connections) {
            return None;
        }
        network.open += 1;
        state.open += 1;
        Some(Slot { peer, handshake: None, limiter: Arc::clone(self) })
    }

    /// Whether a stranger's packet is to prove its address first (RFC 9000 section 8.1): there
    /// are so many connections that are not identified yet that forged addresses would count.
    pub(crate) fn is_pressed(&self) -> bool {
        let few = quarter(self.limits.handshakes);
        self.state().open >= few || self.handshakes.available_permits() < few
    }

    fn leave(&self, peer: IpAddr) {
        let mut state = self.state();
        state.open = state.open.saturating_sub(1);
        if let Some(network) = state.networks.get_mut(&peer) {
            network.open = network.open.saturating_sub(1);
        }
    }

    /// Waits until a connection of that network may shake hands.
    async fn handshake(&self, peer: IpAddr) -> Handshake {
        let (is_known, own) = {
            let mut state = self.state();
            let is_known = state.known.contains_key(&peer);
            let own = state.network(peer, Instant::now(), &self.limits);
            (is_known, own.map(|network| Arc::clone(&network.handshakes)))
        };
        let own = match own {
            Some(own) => own.acquire_owned().await.ok(),
            None => None,
        };
        let general = Arc::clone(&self.handshakes).acquire_owned();
        let permit = if is_known {
            tokio::select! {
                biased;
                permit = general => permit,
                permit = Arc::clone(&self.kept).acquire_owned() => permit,
            }
        } else {
            general.await
        };
        let when = self.state().pace(peer, is_known, Instant::now());
        sleep_until(when).await;
        Handshake { _own: own, _permit: permit.ok() }
    }

    /// Whether a request without an identity may be answered now.
    pub(crate) fn admits_request(&self, peer: IpAddr) -> bool {
        let (peer, now) = (prefix(peer), Instant::now());
        let mut state = self.state();
        let total = state.requests;
        let Some(network) = state.network(peer, now, &self.limits) else { return false };
        if network.requests.when(now) > now || total.when(now) > now {
            return false;
        }
        network.requests.take(now);
        state.requests.take(now);
        true
    }

    /// Remembers that a known subject came from that network.
    fn remember(&self, peer: IpAddr) {
        let mut state = self.state();
        if state.known.len() >= KNOWN && !state.known.contains_key(&peer) {
            let oldest = state.known.iter().min_by_key(|(_, last)| **last);
            if let Some(oldest) = oldest.map(|(peer, _)| *peer) {
                state.known.remove(&oldest);
            }
        }
        state.known.insert(peer, Instant::now());
    }
}

impl State {
    fn network(&mut self, peer: IpAddr, now: Instant, limits: &Limits) -> Option<&mut Network> {
        if self.networks.len() >= NETWORKS && !self.networks.contains_key(&peer) {
            self.networks.retain(|_, network| {
                network.open > 0 || !network.pace.is_rested(now) || !network.requests.is_rested(now)
            });
            if self.networks.len() >= NETWORKS {
                return None;
            }
        }
        Some(self.networks.entry(peer).or_insert_with(|| Network {
            open: 0,
            handshakes: Arc::new(Semaphore::new(quarter(limits.handshakes))),
            pace: Pace::new(quarter_rate(limits.handshake_rate), now),
            requests: Pace::new(quarter_rate(limits.unauthenticated_rate), now),
        }))
    }

    /// Takes a step of the network's pace and of one of the common ones, and tells when.
    fn pace(&mut self, peer: IpAddr, is_known: bool, now: Instant) -> Instant {
        let own = self.networks.get_mut(&peer).map(|network| {
            network.pace.take(now);
            network.pace.next
        });
        let kept_first = is_known && self.kept_pace.when(now) < self.pace.when(now);
        let common = if kept_first { &mut self.kept_pace } else { &mut self.pace };
        common.take(now);
        common.next.max(own.unwrap_or(now))
    }
}

#[derive(Debug)]
struct Handshake {
    _own: Option<OwnedSemaphorePermit>,
    _permit: Option<OwnedSemaphorePermit>,
}

/// A connection's place among those that are not identified yet, given back when dropped.
pub(crate) struct Slot {
    peer: IpAddr,
    handshake: Option<Handshake>,
    limiter: Arc<Limiter>,
}

impl Slot {
    /// Waits until the connection may shake hands. The caller bounds the wait.
    pub(crate) async fn begin_handshake(&mut self) {
        self.handshake = Some(self.limiter.handshake(self.peer).await);
    }

    /// The handshake is over, well or not.
    pub(crate) fn end_handshake(&mut self) {
        self.handshake = None;
    }

    /// The connection turned out to be a known subject's.
    pub(crate) fn identified(self) {
        self.limiter.remember(self.peer);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.limiter.leave(self.peer);
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Slot({})", self.peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits {
            connections: 16,
            handshakes: 8,
            handshake_rate: 40,
            unauthenticated_rate: 8,
            ..Limits::default()
        }
    }

    fn v4(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    #[tokio::test(start_paused = true)]
    async fn one_network_gets_a_quarter_of_the_places() {
        let limiter = Arc::new(Limiter::new(limits()));
        let mut slots: Vec<Slot> = (0..4).map(|_| limiter.enter(v4(1)).unwrap()).collect();
        assert!(limiter.enter(v4(1)).is_none());
        slots.extend((0..8).map(|n| limiter.enter(v4(10 + n)).unwrap()));
        assert!(limiter.enter(v4(99)).is_none(), "what is left is kept");
        // For networks that somebody known has come from.
        limiter.remember(v4(50));
        slots.extend((0..4).map(|_| limiter.enter(v4(50)).unwrap()));
        limiter.remember(v4(51));
        assert!(limiter.enter(v4(51)).is_none(), "the gateway is full");
        slots.truncate(11);
        assert!(limiter.enter(v4(99)).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn addresses_of_one_ipv6_network_count_together() {
        let limiter = Arc::new(Limiter::new(limits()));
        let address = |n: u16| IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, n]);
        let slots: Vec<_> = (0..5).map(|n| limiter.enter(address(n))).collect();
        assert_eq!(slots.iter().flatten().count(), 4);
        assert!(limiter.enter([0x2001, 0xdb8, 0, 2, 0, 0, 0, 1].into()).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn handshakes_keep_the_pace_of_their_network() {
        let limiter = Arc::new(Limiter::new(limits()));
        let begin = Instant::now();
        for _ in 0..30 {
            let mut slot = limiter.enter(v4(1)).unwrap();
            slot.begin_handshake().await;
            slot.end_handshake();
        }
        // Ten in a second for one network, and a burst of one second.
        assert_eq!(begin.elapsed().as_secs(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_share_is_kept_for_known_networks() {
        let limiter = Arc::new(Limiter::new(limits()));
        limiter.remember(v4(200));
        let mut busy = Vec::new();
        for n in 0..6 {
            let mut slot = limiter.enter(v4(n)).unwrap();
            slot.begin_handshake().await;
            busy.push(slot);
        }
        let wait = Duration::from_secs(3600);
        let mut stranger = limiter.enter(v4(100)).unwrap();
        assert!(tokio::time::timeout(wait, stranger.begin_handshake()).await.is_err());
        let mut known = limiter.enter(v4(200)).unwrap();
        assert!(tokio::time::timeout(wait, known.begin_handshake()).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn requests_without_identity_are_paced() {
        let limiter = Arc::new(Limiter::new(limits()));
        let admitted = (0..100).filter(|_| limiter.admits_request(v4(1))).count();
        assert_eq!(admitted, 2, "a quarter of eight, as a burst");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(limiter.admits_request(v4(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_remembered_is_bounded() {
        let limiter = Arc::new(Limiter::new(limits()));
        for n in 0..40_000u32 {
            let address = IpAddr::from(n.to_be_bytes());
            limiter.remember(address);
            limiter.admits_request(address);
        }
        let state = limiter.state();
        assert!(state.networks.len() <= NETWORKS && state.known.len() <= KNOWN);
    }
}
