//! What devices offer through their own connections.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use doorward_model::{Action, DeviceId, Kind as SubjectKind, LineChange, Name, Spoken, Way};
use doorward_policies::Permit;
use doorward_session::{DeviceFlow, Leases, Link, LinkError};
use doorward_wire::{Asked, Kind, Offering, Why};
use tokio::time::Instant;

use super::DialError;

/// What happens when two programs that run at the same time offer with one identity: its
/// directory has been copied, or the agent was started twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Twice {
    /// The one that came last stays; the other is ended.
    #[default]
    Newest,
    /// Both are ended, as often as both are there.
    Neither,
}

/// How many interfaces a device offers at most.
const OFFERS: usize = 256;
/// For how long a device is kept out after both of its programs were ended.
const APART: Duration = Duration::from_secs(60);

/// The connections of the devices that offer something.
#[derive(Clone, Default)]
pub struct Agents(Arc<Mutex<State>>, Twice);

#[derive(Default)]
struct State {
    devices: HashMap<DeviceId, Offers>,
    /// Devices of which two programs were ended, and when.
    contested: HashMap<DeviceId, Instant>,
    /// Devices of which it is being found out whether two programs are there: once at a time, however
    /// often they offer.
    settling: BTreeSet<DeviceId>,
}

struct Offers {
    link: Arc<Link>,
    /// What the device would serve, and how it travels; declared or not.
    offered: BTreeMap<String, Kind>,
}

/// Two programs that offer with one identity: the one that came last, and the one that was there.
/// Whether that one still is, [`Agents::settle`] finds out.
pub(crate) struct Rivals {
    last: Arc<Link>,
    former: Arc<Link>,
}

impl Agents {
    /// Agents of which there is one for each device; if there are two, `twice` says what
    /// happens.
    #[must_use]
    pub fn new(twice: Twice) -> Self {
        Self(Arc::default(), twice)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an offer in the place of the link's former one. Answers what is not taken and why,
    /// and whether another program is there with the same identity.
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
        let mut offered: BTreeMap<String, Kind> = BTreeMap::new();
        let mut twice = BTreeSet::new();
        for Offering { name, kind } in offers {
            let why = if name.parse::<Name>().is_err() {
                Some("that is no name")
            } else if twice.contains(&name) || offered.contains_key(&name) {
                // Which of the two was meant nobody knows: neither is taken.
                offered.remove(&name);
                twice.insert(name.clone());
                Some("it was offered twice")
            } else if offered.len() == OFFERS {
                Some("a device offers at most 256 interfaces")
            } else {
                // It is kept, declared or not: it may be declared in a moment. Flows come here by
                // a declaration only, and are held against how it is offered then.
                offered.insert(name.clone(), kind);
                match declared.get(&name) {
                    None => Some("no interface of this device is declared agent: with that name"),
                    Some(known) if *known != kind => Some("it is declared to travel another way"),
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
        state.contested.retain(|_, since| now.duration_since(*since) < APART);
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
            // One program that has come back before its former connection was missed.
            former.part(Why::Replaced);
            return (declined, None);
        }
        (declined, Some(Rivals { last: Arc::clone(link), former }))
    }

    /// Ends what there is one too many of. Whether there was: a program that was started again
    /// before its former connection was missed is none.
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

    /// A connection is over.
    pub(crate) fn link_closed(&self, link: &Arc<Link>) {
        let mut state = self.state();
        let id = DeviceId::from(link.session().subject_id());
        if state.devices.get(&id).is_some_and(|held| Arc::ptr_eq(&held.link, link)) {
            state.devices.remove(&id);
        }
    }

    /// The link of the device with that number, if it offers `name` that way.
    fn find(&self, device: DeviceId, name: &Name, kind: Kind) -> Result<Arc<Link>, DialError> {
        let state = self.state();
        let held = state.devices.get(&device).ok_or(DialError::NoAgent)?;
        match held.offered.get(name.as_str()) {
            Some(offered) if *offered == kind => Ok(Arc::clone(&held.link)),
            _ => Err(DialError::NotOffered(name.clone())),
        }
    }
}

/// The names that a device's interfaces have with its agent, and how each travels.
fn declared(leases: &Leases, device: &Name) -> BTreeMap<String, Kind> {
    let snapshot = leases.snapshot();
    let interfaces = snapshot.interfaces(device).iter();
    let agents = interfaces.filter_map(|interface| match interface.target.way() {
        way @ Way::Agent { name, .. } => Some((name.to_string(), kind_of(way))),
        _ => None,
    });
    agents.collect()
}

/// How flows travel that go this way.
pub(crate) fn kind_of(way: &Way) -> Kind {
    match way {
        Way::Udp { .. } | Way::Agent { spoken: Spoken::Datagrams, .. } => Kind::Datagrams,
        _ => Kind::Stream,
    }
}

/// Asks the device for what it offers under `name`, on behalf of whoever holds the permit.
pub(super) async fn dial(
    agents: &Agents,
    permit: &Permit,
    name: &Name,
    kind: Kind,
    actions: &[Action],
    parameters: BTreeMap<String, String>,
) -> Result<DeviceFlow, DialError> {
    let (device, _) = permit.behind();
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
        other => DialError::Agent(other),
    })
}

/// What the gateway's declaration says of a line, for the agent.
pub(super) fn parameters(change: &LineChange) -> BTreeMap<String, String> {
    let text = change.to_string();
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    // Whether telnet is spoken with clients is a matter of this gateway.
    let pairs = pairs.filter(|(key, _)| *key != "telnet");
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// How an agent's interface is shown.
pub(super) fn address(permit: &Permit, name: &Name) -> String {
    let device = &permit.resource().device;
    format!("agent:{name} of {device}")
}
