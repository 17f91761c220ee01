//! The TCP listeners, and what all listeners share.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use doorward_model::{Clock, Prefix};
use doorward_wire::{Carrier, RECOVERY, Side, Why};
use jiff::Timestamp;
use rustls::ProtocolVersion;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use crate::accept::Accepted;
use crate::authenticate::{Authenticated, Door, On, Porter};
use crate::doors::{Doors, OwnNames, ResumptionDomains, TlsSettings};
use crate::http;
use crate::identify::{Identity, identify};
use crate::lease::Leases;
use crate::limits::Entrance;
use crate::link;
use crate::ports::{Flows, Front, Visit};
use crate::refusals::Refusals;
use crate::secured::Secured;
use crate::session::Session;
use crate::trust::Trust;
use crate::wire::TlsWire;

/// Which listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// The one that interfaces are reached at.
    Data,
    /// The one for administrators; on loopback unless configured otherwise.
    Management,
}

/// An address that connections arrive at.
#[derive(Debug)]
pub struct Listener {
    tcp: TcpListener,
    place: Place,
}

/// What all listeners share.
pub struct Serving {
    pub(crate) refusals: Refusals,
    pub(crate) leases: Leases,
    pub(crate) front: Arc<dyn Front>,
    pub(crate) flows: Arc<dyn Flows>,
    pub(crate) names: Arc<OwnNames>,
    pub(crate) tasks: TaskTracker,
    trust: watch::Receiver<Trust>,
    tls: TlsSettings,
    resumption: ResumptionDomains,
    draining: watch::Sender<bool>,
}

impl Serving {
    /// What listeners serve with.
    #[must_use]
    pub fn new(
        trust: watch::Receiver<Trust>,
        tls: TlsSettings,
        names: OwnNames,
        leases: Leases,
        refusals: Refusals,
        front: Arc<dyn Front>,
        flows: Arc<dyn Flows>,
    ) -> Self {
        Self {
            refusals,
            leases,
            front,
            flows,
            names: Arc::new(names),
            tasks: TaskTracker::new(),
            trust,
            tls,
            resumption: ResumptionDomains::new(),
            draining: watch::Sender::new(false),
        }
    }

    /// The bounds before authentication. Those of the management are its own: whoever crowds the
    /// doors of interfaces keeps no administrator out.
    pub(crate) fn entrance(&self, place: Place) -> &Arc<Entrance> {
        self.leases.pots().entrance(place)
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.tls.clock
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock().now()
    }

    /// How many bytes may be on their way on one connection of `doorward/1`: its share of the
    /// total, within bounds.
    pub(crate) fn window(&self) -> u32 {
        const LEAST: u64 = 64 * 1024;
        const MOST: u64 = 4 * 1024 * 1024;
        let sessions = self.leases.session_count().max(1) as u64;
        let share = (self.leases.pots().limits().buffers / sessions).clamp(LEAST, MOST);
        u32::try_from(share).unwrap_or(u32::MAX)
    }

    pub(crate) fn tls(&self) -> &TlsSettings {
        &self.tls
    }

    pub(crate) fn trust(&self) -> watch::Receiver<Trust> {
        self.trust.clone()
    }

    /// Answers when nothing new is to be taken.
    pub(crate) async fn draining(&self) {
        let mut draining = self.draining.subscribe();
        // The sender is `self`, so it cannot be gone.
        drop(draining.wait_for(|draining| *draining).await);
    }

    /// Takes nothing new: listeners close, idle connections end, flows go on.
    pub fn drain(&self) {
        self.draining.send_replace(true);
    }

    /// Waits until every connection and flow has ended, at most for `grace`; then cuts what is
    /// left and waits until that has ended and been recorded.
    pub async fn stop(&self, grace: Duration) {
        self.drain();
        self.tasks.close();
        if tokio::time::timeout(grace, self.tasks.wait()).await.is_err() {
            self.leases.cut_all();
            let last = Duration::from_secs(5);
            if tokio::time::timeout(last, self.tasks.wait()).await.is_err() {
                tracing::warn!(tasks = self.tasks.len(), "some connections did not end in time");
            }
        }
    }

    pub(crate) fn porter(&self, trust: &Trust) -> Result<Porter, rustls::Error> {
        let doors = Doors::new(trust, &self.tls, &self.resumption)?;
        let (names, clock) = (Arc::clone(&self.names), Arc::clone(self.clock()));
        Ok(Porter { trust: trust.clone(), doors, names, clock })
    }

    async fn connection(self: Arc<Self>, porter: Arc<Porter>, accepted: Accepted, place: Place) {
        let peer = accepted.peer.ip();
        let patience = self.entrance(place).patience;
        let authenticated = match porter.authenticate(accepted, place, patience).await {
            Ok(authenticated) => authenticated,
            Err(error) => {
                tracing::debug!(by = %Prefix::of(peer), %peer, %error, "not authenticated");
                return self.refusals.count(peer, error.as_str());
            }
        };
        self.authenticated(&porter, authenticated, place).await;
    }

    /// Opens the session of an identified connection. From then on its subject answers for the
    /// connection's file, rather than the network that it came from.
    ///
    /// # Errors
    /// In a word, of what the subject has as much as it may.
    fn open(
        &self,
        identity: Identity,
        on: &mut On,
        (peer, word, proven): (SocketAddr, &'static str, Timestamp),
    ) -> Result<Session, &'static str> {
        let session = self.leases.open(identity, peer, word, proven).ok_or("too-many-sessions")?;
        match on {
            On::Quic(_) => {}
            On::Tls(stream) => {
                stream.line().belongs_to(session.files(1).ok_or("too-many-files")?);
            }
        }
        Ok(session)
    }

    /// Serves a link in a task of its own: that of the handshake is many times as large, and a
    /// link at rest would keep it.
    fn link(self: Arc<Self>, carrier: Carrier, session: &Arc<Session>) {
        let tasks = self.tasks.clone();
        tasks.spawn(link::serve(carrier, Arc::clone(session), self));
    }

    pub(crate) async fn authenticated(
        self: Arc<Self>,
        porter: &Porter,
        authenticated: Authenticated,
        place: Place,
    ) {
        let shown_host = authenticated.host();
        let Authenticated { mut on, door, leaf, peer, proven, slot } = authenticated;
        let word = word(&door, &on);
        let mut slot = Some(slot);
        let (now, snapshot) = (self.clock().now(), self.leases.snapshot());
        let identity = leaf.map(|leaf| identify(&leaf, &porter.trust.anchors, &snapshot, now));
        let session = match identity {
            None => None,
            Some(Ok(identity)) => match self.open(identity, &mut on, (peer, word, proven)) {
                Ok(session) => {
                    slot.take().into_iter().for_each(|slot| slot.identified());
                    Some(Arc::new(session))
                }
                // Whoever has all of their share takes no place of those who have none.
                Err(why) => {
                    self.refusals.count(peer.ip(), why);
                    return match on {
                        On::Quic(connection) => refuse(&connection).await,
                        On::Tls(stream) => drop(stream),
                    };
                }
            },
            Some(Err(error)) => {
                let by = Prefix::of(peer.ip());
                tracing::debug!(%by, %error, host = ?shown_host, "not identified");
                self.refusals.count(peer.ip(), error.as_str());
                None
            }
        };
        let (door, stream) = match (door, on, &session) {
            (_, On::Quic(connection), Some(session)) => {
                let carrier = Carrier::quic(connection);
                session.may_move(carrier.clone());
                return self.link(carrier, session);
            }
            (_, On::Quic(connection), None) => return refuse(&connection).await,
            (Door::Sdk, On::Tls(stream), Some(session)) => {
                let asked = Arc::downgrade(session);
                let admit = move || Some(Box::new(asked.upgrade()?.window()?) as Box<_>);
                let carrier = Carrier::yamux_admitting(*stream, Side::Gateway, Box::new(admit));
                return self.link(carrier, session);
            }
            (door, On::Tls(stream), _) => (door, *stream),
        };
        match (door, session) {
            // Whatever the ground: the handshake is done, and not a byte follows.
            (Door::Interface(_) | Door::Sdk, None) => drop(stream),
            (Door::Sdk, Some(_)) => {}
            (Door::Interface(host), Some(session)) => {
                let wire = Box::new(TlsWire::new(Bytes::new(), stream));
                let id = self.leases.new_flow_id();
                self.flows.door(session, id, host, wire).await;
            }
            (Door::Own | Door::Management, session) => {
                let exported = export(&stream);
                let entrance = Arc::clone(self.entrance(place));
                let visit = Visit { place, session, peer, entrance, exported };
                let served = http::serve(stream, visit, self);
                match slot {
                    // A visitor without an identity keeps its place until it is gone, or needed.
                    Some(slot) => tokio::select! {
                        () = served => {}
                        () = slot.lost() => {}
                    },
                    None => served.await,
                }
            }
        }
    }
}

fn word(door: &Door, on: &On) -> &'static str {
    match (door, on) {
        (_, On::Quic(_)) => "quic",
        (Door::Interface(_), _) => "sni",
        (Door::Own, _) => "own",
        (Door::Management, _) => "management",
        (Door::Sdk, _) => "tls",
    }
}

/// What a recovery signs. Before TLS 1.3 it would not be bound to the handshake (RFC 7627), so
/// there is none.
fn export(stream: &Secured) -> Option<[u8; 32]> {
    let connection = stream.session();
    let bound = connection.protocol_version() == Some(ProtocolVersion::TLSv1_3);
    let exported = || connection.export_keying_material([0; 32], RECOVERY, None).ok();
    bound.then(exported).flatten()
}

/// A QUIC connection of nobody ends with a code and without another word.
async fn refuse(connection: &quinn::Connection) {
    let code = quinn::VarInt::from_u64(Why::Ended.code()).unwrap_or_default();
    connection.close(code, b"");
    connection.closed().await;
}

impl Listener {
    /// Listens at `address`.
    ///
    /// # Errors
    /// When the address is in use or not ours.
    pub async fn bind(address: SocketAddr, place: Place) -> io::Result<Self> {
        Ok(Self { tcp: TcpListener::bind(address).await?, place })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// Takes connections until the gateway drains.
    ///
    /// # Errors
    /// When the TLS library refuses what the gateway shows.
    pub async fn serve(self, serving: Arc<Serving>) -> Result<(), rustls::Error> {
        let mut trust = serving.trust.clone();
        let first = trust.borrow_and_update().clone();
        let mut porter = Arc::new(serving.porter(&first)?);
        loop {
            let accepted = tokio::select! {
                biased;
                () = serving.draining() => return Ok(()),
                accepted = self.tcp.accept() => accepted,
            };
            if trust.has_changed().unwrap_or(false) {
                let changed = trust.borrow_and_update().clone();
                match serving.porter(&changed) {
                    Ok(changed) => porter = Arc::new(changed),
                    Err(error) => tracing::error!(%error, "the former certificates stay in use"),
                }
            }
            match accepted {
                Ok((tcp, peer)) => self.take(&serving, &porter, tcp, peer),
                Err(error) => {
                    // Out of files, mostly: the connection stays in the system's queue.
                    tracing::warn!(%error, "a connection could not be taken");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    fn take(&self, serving: &Arc<Serving>, porter: &Arc<Porter>, tcp: TcpStream, peer: SocketAddr) {
        match Accepted::new(tcp, peer, serving.leases.pots(), self.place) {
            Ok(accepted) => {
                let connection =
                    Arc::clone(serving).connection(Arc::clone(porter), accepted, self.place);
                serving.tasks.spawn(connection);
            }
            Err(why) => serving.refusals.count(peer.ip(), why),
        }
    }
}
