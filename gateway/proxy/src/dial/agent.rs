//! The interfaces that devices offer through their own connections.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use doorward_model::{Action, DeviceId, Kind as SubjectKind, LineChange, Name, Way, WayEnd};
use doorward_policies::Permit;
use doorward_session::{DeviceFlow, Leases, Link, LinkError};
use doorward_wire::{Asked, FlowDatagrams, FlowKind, Offering, Why};
use tokio::io::ReadBuf;
use tokio::time::Instant;

use super::DialError;
use super::messenger::Messenger;

/// What the gateway does when two running programs offer interfaces with one identity. Either the
/// directory of the identity was copied, or the agent was started twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Twice {
    /// Keeps the newest connection, and ends the other.
    #[default]
    Newest,
    /// Ends both connections, as often as both programs come back.
    Neither,
}

/// How many interfaces a device may offer.
const MAX_OFFERS: usize = 256;
/// How long a device is refused after both of its programs were ended.
const BAN_AFTER_CONTEST: Duration = Duration::from_secs(60);

/// The connections of the devices that offer interfaces.
#[derive(Clone, Default)]
pub struct OnlineAgents(Arc<Mutex<State>>, Twice);

#[derive(Default)]
struct State {
    devices: HashMap<DeviceId, Offers>,
    /// The devices whose two programs were ended, and when.
    contested: HashMap<DeviceId, Instant>,
    /// The devices for which [`OnlineAgents::settle`] is running. It runs once per device at a time,
    /// however often the device offers.
    settling: BTreeSet<DeviceId>,
}

struct Offers {
    link: Arc<Link>,
    /// The interfaces that the device offers, declared or not, and how the flows to each travel.
    offered: BTreeMap<String, FlowKind>,
}

/// Two connections that offer with one identity. [`OnlineAgents::settle`] finds out whether the program
/// of the former connection still runs.
pub(crate) struct Rivals {
    last: Arc<Link>,
    former: Arc<Link>,
}

impl OnlineAgents {
    /// Returns an empty set of agents. `twice` says what happens when two programs offer with one
    /// identity.
    #[must_use]
    pub fn new(twice: Twice) -> Self {
        Self(Arc::default(), twice)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the offer of a link. Returns the interfaces that it declines, with the reason, and
    /// the two connections if another program offers with the same identity.
    pub(crate) fn offer(
        &self,
        leases: &Leases,
        link: &Arc<Link>,
        offers: Vec<Offering>,
    ) -> (BTreeMap<String, String>, Option<Rivals>) {
        let session = link.session();
        let mut declined = BTreeMap::new();
        if session.subject().kind() != SubjectKind::Device {
            let why = "only devices have interfaces".to_owned();
            return (offers.into_iter().map(|one| (one.name, why.clone())).collect(), None);
        }
        let declared = declared(leases, session.subject().name());
        let mut offered: BTreeMap<String, FlowKind> = BTreeMap::new();
        let mut twice = BTreeSet::new();
        for Offering { name, kind } in offers {
            let why = if name.parse::<Name>().is_err() {
                Some("the name is invalid")
            } else if twice.contains(&name) || offered.contains_key(&name) {
                // It is unknown which of the two was meant, so neither is accepted.
                offered.remove(&name);
                twice.insert(name.clone());
                Some("the name was offered twice")
            } else if offered.len() == MAX_OFFERS {
                Some("a device offers at most 256 interfaces")
            } else {
                // An interface is kept before it is declared, because the declaration may follow in
                // a moment. A flow needs a declaration, and is compared with the offer when it
                // opens.
                offered.insert(name.clone(), kind);
                match declared.get(&name) {
                    None => Some("no interface of this device is declared agent: with that name"),
                    Some(known) if *known != kind => {
                        Some("the interface is declared for the other kind of flow")
                    }
                    Some(_) => None,
                }
            };
            if let Some(why) = why {
                declined.insert(name.chars().take(64).collect(), why.to_owned());
            }
        }
        let id = DeviceId::from(session.subject_id());
        let mut state = self.state();
        let other = state.devices.get(&id).filter(|held| !Arc::ptr_eq(&held.link, link));
        let other = other.map(|held| Arc::clone(&held.link));
        let now = Instant::now();
        state.contested.retain(|_, since| now.duration_since(*since) < BAN_AFTER_CONTEST);
        if state.contested.contains_key(&id) {
            drop(state);
            link.part(Why::Replaced);
            return (declined, None);
        }
        state.devices.insert(id, Offers { link: Arc::clone(link), offered });
        let Some(former) = other else { return (declined, None) };
        let is_other = former.instance() != link.instance();
        if is_other && !state.settling.insert(id) {
            return (declined, None);
        }
        drop(state);
        if former.instance() == link.instance() {
            // The same program has reconnected before the gateway noticed the loss of its former
            // connection.
            former.part(Why::Replaced);
            return (declined, None);
        }
        (declined, Some(Rivals { last: Arc::clone(link), former }))
    }

    /// Ends the former connection, and both if the policy is [`Twice::Neither`]. Returns whether
    /// two programs were running: a program that restarted before its former connection was found
    /// lost does not count.
    pub(crate) async fn settle(&self, rivals: &Rivals) -> bool {
        let Rivals { last, former } = rivals;
        let lives = former.lives().await;
        self.state().settling.remove(&DeviceId::from(last.session().subject_id()));
        former.part(Why::Replaced);
        if lives && self.1 == Twice::Neither {
            let id = DeviceId::from(last.session().subject_id());
            self.state().contested.insert(id, Instant::now());
            self.link_closed(last);
            last.part(Why::Replaced);
        }
        lives
    }

    /// Forgets the offer of a connection that has ended.
    pub(crate) fn link_closed(&self, link: &Arc<Link>) {
        let mut state = self.state();
        let id = DeviceId::from(link.session().subject_id());
        if state.devices.get(&id).is_some_and(|held| Arc::ptr_eq(&held.link, link)) {
            state.devices.remove(&id);
        }
    }

    /// Returns the link of a device, if the device offers `name` for flows of this kind.
    fn find(&self, device: DeviceId, name: &Name, kind: FlowKind) -> Result<Arc<Link>, DialError> {
        let state = self.state();
        let held = state.devices.get(&device).ok_or(DialError::NoAgent)?;
        match held.offered.get(name.as_str()) {
            Some(offered) if *offered == kind => Ok(Arc::clone(&held.link)),
            Some(_) | None => Err(DialError::NotOffered(name.clone())),
        }
    }
}

/// Returns the names that the declarations of a device use for its agent's interfaces, and how the
/// flows to each travel.
fn declared(leases: &Leases, device: &Name) -> BTreeMap<String, FlowKind> {
    let snapshot = leases.snapshot();
    let interfaces = snapshot.interfaces(device).iter();
    let agents = interfaces.filter_map(|interface| {
        let way = interface.target.way();
        match way.end() {
            WayEnd::Agent { name } => Some((name.to_string(), kind_of(way))),
            WayEnd::Host { .. } | WayEnd::Local { .. } => None,
        }
    });
    agents.collect()
}

/// Returns how flows to such a target travel.
pub(crate) fn kind_of(way: &Way) -> FlowKind {
    if way.protocol().travels_as_datagrams() { FlowKind::Datagrams } else { FlowKind::Stream }
}

/// Opens a flow to the interface that the device offers under `name`, for the subject of the
/// permit.
pub(super) async fn dial(
    agents: &OnlineAgents,
    permit: &Permit,
    name: &Name,
    kind: FlowKind,
    actions: &[Action],
    parameters: BTreeMap<String, String>,
) -> Result<DeviceFlow, DialError> {
    let (device, _) = permit.target_ids();
    let link = agents.find(device.ok_or(DialError::Nothing)?, name, kind)?;
    let asked = Asked {
        interface: name.to_string(),
        actions: actions.iter().map(ToString::to_string).collect(),
        kind: Some(kind),
        subject: Some(permit.subject().0.to_string()),
        parameters,
    };
    link.open(asked).await.map_err(|error| match error {
        LinkError::Slow => DialError::Slow,
        LinkError::NoRoom => DialError::NoRoom,
        other @ (LinkError::Broken(_) | LinkError::Refused(..) | LinkError::Said(_)) => {
            DialError::Agent(other)
        }
    })
}

/// Returns the line settings that the interface declares, as parameters for the agent.
pub(super) fn parameters(change: &LineChange) -> BTreeMap<String, String> {
    let text = change.to_string();
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    // Telnet is between the client and this gateway, so the agent does not need the setting.
    let pairs = pairs.filter(|(key, _)| *key != "telnet");
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// Returns the text that records show as the address of an agent's interface.
pub(super) fn address(permit: &Permit, name: &Name) -> String {
    let device = &permit.resource().device;
    format!("agent:{name} of {device}")
}

/// A flow of datagrams to an interface that a device offers.
#[derive(Debug)]
pub(crate) struct AgentDatagrams(pub(super) FlowDatagrams);

impl Messenger for AgentDatagrams {
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<bool>> {
        let Some(datagram) = ready!(self.0.poll_receive(cx))? else {
            return Poll::Ready(Ok(false));
        };
        let length = datagram.len().min(into.remaining());
        into.put_slice(datagram.get(..length).unwrap_or_default());
        Poll::Ready(Ok(true))
    }

    fn send(&mut self, datagram: &[u8]) {
        self.0.send(datagram);
    }

    fn close(self) {
        self.0.close(Why::Ended);
    }
}
