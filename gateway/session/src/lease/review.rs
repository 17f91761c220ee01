//! Asks live sessions and flows again when the state or the clock has changed.

use std::sync::Arc;

use doorward_api::EndingView;
use doorward_policies::{Commit, Decision, Observer, Refusal, Snapshot};

use super::cause::Cause;
use super::connection_entry::ConnectionEntry;
use super::flow_entry::FlowEntry;
use super::leases::Leases;
use super::session_entry::SessionEntry;
use super::view;

impl Leases {
    /// Asks a live flow's question again, by this state and at the present instant. Returns whether
    /// it still stands; if not, the flow has been cut.
    pub(super) fn ask_again(&self, entry: &FlowEntry, snapshot: &Arc<Snapshot>) -> bool {
        let now = self.now();
        let request = entry.present_request();
        let decision = snapshot.decide_again(&request, now);
        self.0.samples.offer(entry.id, &request, snapshot, now, &decision);
        let cause = match decision {
            Decision::Permit(permit) => match entry.leads_elsewhere(&permit) {
                Some(cause) => cause,
                None => {
                    entry.permitted(&permit);
                    return true;
                }
            },
            Decision::Denial(denial) => {
                // What ends the identity ends the session, for the same reason.
                self.stands(&entry.connection.session, snapshot);
                entry.denied(denial.opinion());
                Cause::Refused(denial.reason())
            }
        };
        entry.cut.cut(cause);
        false
    }

    /// Returns the flows that would not stand under `next`, the oldest first. Cuts nothing.
    #[must_use]
    pub fn would_end(&self, next: &Snapshot) -> Vec<EndingView> {
        let now = self.now();
        let mut flows = self.0.flows.all();
        flows.sort_by_key(|entry| entry.id);
        let ending = |entry: &Arc<FlowEntry>| match next.decide_again(&entry.present_request(), now)
        {
            Decision::Permit(permit) => {
                entry.leads_elsewhere(&permit).map(|cause| view::ending(entry, cause.as_str()))
            }
            Decision::Denial(denial) => Some(view::ending(entry, denial.reason().as_str())),
        };
        flows.iter().filter_map(ending).collect()
    }

    /// Returns whether a session's identity is still valid; if not, the session has been cut.
    pub(super) fn stands(&self, entry: &SessionEntry, snapshot: &Snapshot) -> bool {
        let now = self.now();
        let member = snapshot.member(&entry.subject);
        let proof = snapshot.standing(&entry.state().proof);
        let refusal = if member.is_none_or(|member| member.id != entry.subject_id) {
            Refusal::UnknownSubject
        } else if member.is_some_and(|member| !member.enabled) {
            Refusal::SubjectDisabled
        } else if proof.is_none_or(|proof| !proof.is_live(now)) {
            Refusal::CertificateNotLive
        } else {
            return true;
        };
        entry.cut.cut(Cause::Refused(refusal));
        false
    }

    /// Asks the flows of one session again, and checks the session's identity. Callers use this
    /// when the session's proof has changed.
    pub(crate) fn ask_session_again(&self, session: &SessionEntry) {
        let snapshot = self.snapshot();
        self.0.flows.walk(|entry| {
            entry.connection.session.id != session.id || self.ask_again(entry, &snapshot)
        });
        self.stands(session, &snapshot);
    }

    /// Asks the flows of one connection again, and checks its session's identity. Callers use this
    /// when the connection's address has changed.
    pub(crate) fn ask_connection_again(&self, connection: &Arc<ConnectionEntry>) {
        let snapshot = self.snapshot();
        self.0.flows.walk(|entry| {
            !Arc::ptr_eq(&entry.connection, connection) || self.ask_again(entry, &snapshot)
        });
        self.stands(&connection.session, &snapshot);
    }

    /// Checks a session whose certificate may have expired.
    pub(crate) fn check_session(&self, session: &SessionEntry) {
        self.stands(session, &self.snapshot());
    }

    /// Asks every flow and session again, after the clock has jumped. Returns how many flows no
    /// longer stand.
    #[must_use]
    pub fn ask_all_again(&self) -> usize {
        let snapshot = self.snapshot();
        let ended = self.0.flows.walk(|entry| self.ask_again(entry, &snapshot));
        self.0.sessions.walk(|entry| self.stands(entry, &snapshot));
        ended
    }
}

impl Observer for Leases {
    fn committed(&self, commit: &Commit, snapshot: &Arc<Snapshot>) -> usize {
        let ended = self.0.flows.walk(|entry| {
            !commit.touched.concerns(&entry.present_request()) || self.ask_again(entry, snapshot)
        });
        self.0.sessions.walk(|entry| self.stands(entry, snapshot));
        ended
    }
}
