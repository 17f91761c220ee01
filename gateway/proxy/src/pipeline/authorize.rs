use std::sync::Arc;

use doorward_model::{Action, Device, DoorName, FlowId, Path, PeerText, Resource};
use doorward_policies::{Event, Question, Record};
use doorward_session::{Authorized, Leases, Refused, Session};
use jiff::Timestamp;

/// Through which door a flow is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// The interface's own host name, by SNI.
    Sni,
    /// An HTTP CONNECT at the gateway's name.
    Connect,
}

impl Via {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Sni => "sni",
            Self::Connect => "connect",
        }
    }
}

/// What a peer named as the interface it wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authority {
    /// A door's name. Whether there is such a door is not known yet.
    Door(DoorName),
    /// Something that no door is called.
    Other(PeerText),
}

/// A flow that is asked for, by a session.
#[derive(Debug)]
#[must_use]
pub struct Requested {
    session: Arc<Session>,
    id: FlowId,
    authority: Authority,
    via: Via,
}

impl Requested {
    /// `session` asks for the interface that `authority` names.
    pub fn new(session: Arc<Session>, id: FlowId, authority: Authority, via: Via) -> Self {
        Self { session, id, authority, via }
    }

    /// The question. What no door is called is asked about all the same, so that it is refused
    /// on the same path: nobody may `connect` to the administration.
    fn question(&self) -> Option<Question> {
        let (device, path) = match &self.authority {
            Authority::Door(door) => (door.device.clone(), Path::literal(door.interface.as_str())),
            Authority::Other(text) => (Device::Gateway, Path::literal(text.raw())),
        };
        let resource = Resource { device, path: path.ok()? };
        let subject = self.session.subject().clone();
        let (source, proven) = (Some(self.session.peer().ip()), Some(self.session.proven()));
        Some(Question { subject, resource, action: Action::Connect, source, proven })
    }
}

/// A flow that was refused.
#[derive(Debug)]
#[must_use]
pub struct RefusedFlow {
    pub(crate) requested: Requested,
    /// `None` where what was asked for could not even be asked about.
    pub(crate) refused: Option<Refused>,
}

/// Decides a flow: enters its pending lease, then asks.
///
/// # Errors
/// When it is refused. Refusals are recorded, too.
pub fn authorize(
    leases: &Leases,
    requested: Requested,
) -> Result<(Authorized, Via), Box<RefusedFlow>> {
    let Some(question) = requested.question() else {
        return Err(Box::new(RefusedFlow { requested, refused: None }));
    };
    match leases.ask(&requested.session, requested.id, question) {
        Ok(authorized) => Ok((authorized, requested.via)),
        Err(refused) => Err(Box::new(RefusedFlow { requested, refused: Some(refused) })),
    }
}

impl RefusedFlow {
    /// Whether it was refused for want of room, whatever it asked for.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        matches!(self.refused, Some(Refused::Busy))
    }

    pub(crate) fn record(&self, at: Timestamp) -> Record {
        let Requested { session, id, authority, via } = &self.requested;
        let mut record = Record::new(at, Event::FlowRefused);
        record.flow = Some(*id);
        record.session = Some(session.id());
        record.subject = Some(session.subject().clone());
        record.certificate = Some(session.certificate().serial.clone());
        record.source = Some(session.peer());
        record.door = Some(via.as_str().to_owned());
        record.action = Some(Action::Connect);
        if let Some(Refused::Denied(denial)) = &self.refused {
            record = record.judged(denial.opinion());
        }
        let outcome = doorward_policies::Outcome::Refused;
        match (authority, &self.refused) {
            (Authority::Door(door), refused) => {
                record.device = Some(door.device.clone());
                record.path = Some(PeerText::new(door.interface.as_str()));
                let reason = refused.as_ref().map_or("unknown-interface", Refused::as_str);
                record.ended(outcome, reason)
            }
            (Authority::Other(text), Some(Refused::Busy)) => {
                record.path = Some(text.clone());
                record.ended(outcome, Refused::Busy.as_str())
            }
            (Authority::Other(text), _) => {
                record.path = Some(text.clone());
                record.ended(outcome, "unknown-interface")
            }
        }
    }
}
