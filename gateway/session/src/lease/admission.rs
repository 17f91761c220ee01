//! Admissions: sessions begin, and ask.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use doorward_model::{Action, Device, FlowId, Resource, SessionId};
use doorward_policies::{Cache, Decision, Door, Permit, Refusal, Request, Snapshot};
use jiff::Timestamp;

use super::flow_entry::FlowEntry;
use super::held::{Authorized, Lease};
use super::leases::{Leases, random};
use super::refused::Refused;
use super::session_entry::SessionEntry;
use crate::connection::Connection;
use crate::identify::VerifiedIdentity;
use crate::pot::Rank;
use crate::session::Session;

impl Leases {
    /// Opens the session of a proven identity, which is seen at that address and door; `None` if its
    /// subject has as many sessions as it may. Every session begins here, whatever its proof is.
    pub(crate) fn open(
        &self,
        identity: VerifiedIdentity,
        seen: (SocketAddr, Door),
        proven: Timestamp,
    ) -> Option<Session> {
        let now = self.now();
        let id = SessionId::new(now, random());
        let sessions = self.0.pots.sessions();
        let take = |rank| sessions.take(&identity.id, 1, rank);
        let place = self.take(&identity.subject, (seen.0.ip(), proven), take)?;
        let entry = Arc::new(SessionEntry::new(id, identity, seen, now, proven));
        entry.key.store(self.0.sessions.enter(Arc::clone(&entry)), Ordering::SeqCst);
        entry.record(&self.0.journal);
        let session = Session { entry, leases: self.clone(), _place: place };
        // A commit may have passed since the identity was proven.
        self.stands(&session.entry, &self.snapshot());
        Some(session)
    }

    /// Asks whether the session may do `action` on `resource`, over this connection: enters a pending lease,
    /// then loads the snapshot, then decides.
    ///
    /// # Errors
    /// When the request is refused. The pending lease is removed then.
    pub fn ask(
        &self,
        connection: &Arc<Connection>,
        id: FlowId,
        action: Action,
        resource: Resource,
    ) -> Result<Authorized, Refused> {
        let asked = (action, resource);
        let (permit, lease) = self.admit(connection, id, asked, |snapshot, request, now| {
            let decision = snapshot.decide(request, now);
            if let Decision::Denial(denial) = &decision
                && denial.reason() == Refusal::Disagreement
            {
                let lines = denial.opinion().rules.to_vec();
                self.0.samples.differed(id, request, snapshot, now, lines);
            }
            decision
        })?;
        Ok(Authorized { permit, lease })
    }

    /// Asks for one operation within the admitted flow `id`, and holds a lease for it, because the
    /// operation lasts. Only the compiled form decides, as in [`Self::decide`]. The permit cannot
    /// be used for a dial.
    ///
    /// # Errors
    /// When the operation is refused. The pending lease is removed then.
    pub fn operate(
        &self,
        connection: &Arc<Connection>,
        id: FlowId,
        action: Action,
        resource: Resource,
        cache: &mut Cache,
    ) -> Result<(Permit, Lease), Refused> {
        self.admit(connection, id, (action, resource), |snapshot, request, now| {
            let decision = cache.decide_again(snapshot, request, now);
            self.0.samples.offer(id, request, snapshot, now, &decision);
            decision
        })
    }

    /// Enters a pending lease, then loads the snapshot, then decides.
    fn admit(
        &self,
        connection: &Arc<Connection>,
        id: FlowId,
        (action, resource): (Action, Resource),
        decide: impl FnOnce(&Arc<Snapshot>, &Request, Timestamp) -> Decision,
    ) -> Result<(Permit, Lease), Refused> {
        connection.check_address();
        let request = connection.request(action, resource);
        let administers = request.question.resource.device == Device::Gateway;
        if !administers && self.0.trouble.borrow().is_some() {
            return Err(Refused::Degraded);
        }
        let rank = if administers { Rank::Administrator } else { Rank::Known };
        let place = self.0.pots.flows().take(&request.subject, 1, rank).ok_or(Refused::Busy)?;
        let now = self.now();
        let entry = Arc::new(FlowEntry::new(id, Arc::clone(&connection.entry), request, now));
        let (key, decision) = self.0.flows.admit(
            Arc::clone(&entry),
            || self.snapshot(),
            |snapshot| decide(&snapshot, &entry.request, now),
        );
        let (leases, connection) = (self.clone(), Arc::clone(connection));
        let lease = Lease { key, entry, leases, connection, _place: place };
        match decision {
            Decision::Permit(permit) => {
                lease.entry.permitted(&permit);
                Ok((permit, lease))
            }
            Decision::Denial(denial) => Err(Refused::Denied(denial)),
        }
    }

    /// Asks whether the session might do anything at all, by any action, at the interface that
    /// `resource` names in the state `snapshot`. The answer is no permit.
    ///
    /// # Errors
    /// When the session can do nothing there, or nothing can be admitted now.
    pub fn reaches(
        &self,
        connection: &Connection,
        resource: Resource,
        snapshot: &Snapshot,
    ) -> Result<(), Refused> {
        connection.check_address();
        if self.0.trouble.borrow().is_some() {
            return Err(Refused::Degraded);
        }
        // The answer covers every action, so it does not depend on this one.
        let request = connection.request(Action::Connect, resource);
        snapshot.reaches(&request, self.now()).map_err(Refused::Denied)
    }

    /// Returns when the session could first do something at the interface that `resource` names, if
    /// nothing but the time changes; `None` if waiting does not help.
    #[must_use]
    pub fn reaches_later(&self, connection: &Connection, resource: Resource) -> Option<Timestamp> {
        // The answer covers every action, so it does not depend on this one.
        let request = connection.request(Action::Connect, resource);
        self.snapshot().reaches_later(&request, self.now())
    }

    /// Asks for one operation within the admitted flow `id`, by the present state. Only the
    /// compiled form decides; the referee samples its answers. The permit may be for another
    /// interface that has the same name now: see
    /// [`Permit::permitted_target`](doorward_policies::Permit::permitted_target).
    pub fn decide(
        &self,
        connection: &Connection,
        id: FlowId,
        action: Action,
        resource: Resource,
        cache: &mut Cache,
    ) -> Decision {
        connection.check_address();
        let (request, snapshot) = (connection.request(action, resource), self.snapshot());
        let now = self.now();
        let decision = cache.decide_again(&snapshot, &request, now);
        self.0.samples.offer(id, &request, &snapshot, now, &decision);
        decision
    }
}
