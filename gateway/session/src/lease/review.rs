//! Asks live sessions and flows again, when the state or the clock has changed.

use std::sync::Arc;

use doorward_policies::{Commit, Decision, Observer, Refusal, Snapshot};

use super::Leases;
use super::cause::Cause;
use super::entry::{FlowEntry, SessionEntry};
use super::view::EndingView;

impl Leases {
    /// Asks a live flow's question again, by the present state and at the present instant.
    /// Whether it still stands; if not, it has been cut.
    pub(super) fn ask_again(&self, entry: &FlowEntry, snapshot: &Arc<Snapshot>) -> bool {
        let now = self.now();
        let request = entry.asks();
        let decision = snapshot.decide_again(&request, now);
        self.0.samples.offer(entry.id, &request, snapshot, now, &decision);
        let cause = match decision {
            Decision::Permit(permit) if entry.is_still_for(&permit) => {
                entry.permitted(&permit);
                return true;
            }
            // The name belongs to another device or interface by now.
            Decision::Permit(_) => Cause::Refused(Refusal::UnknownInterface),
            Decision::Denial(denial) => Cause::Refused(denial.reason()),
        };
        entry.cut.cut(cause);
        false
    }

    /// The flows that would not stand under `next`, the oldest first. Nothing is cut.
    #[must_use]
    pub fn would_end(&self, next: &Snapshot) -> Vec<EndingView> {
        let now = self.now();
        let mut flows = self.0.flows.all();
        flows.sort_by_key(|entry| entry.id);
        let ending = |entry: &Arc<FlowEntry>| match next.decide_again(&entry.asks(), now) {
            Decision::Permit(permit) if entry.is_still_for(&permit) => None,
            Decision::Permit(_) => Some(EndingView::of(entry, Refusal::UnknownInterface.as_str())),
            Decision::Denial(denial) => Some(EndingView::of(entry, denial.reason().as_str())),
        };
        flows.iter().filter_map(ending).collect()
    }

    /// Whether the identity behind a session still stands; if not, it is cut.
    pub(super) fn stands(&self, entry: &SessionEntry, snapshot: &Snapshot) -> bool {
        let now = self.now();
        let member = snapshot.member(&entry.subject);
        let row = snapshot.certificate(&entry.state().certificate);
        let refusal = if member.is_none_or(|member| member.id != entry.subject_id) {
            Refusal::UnknownSubject
        } else if member.is_some_and(|member| !member.enabled) {
            Refusal::SubjectDisabled
        } else if row.is_none_or(|row| now < row.not_before || now > row.not_after) {
            Refusal::CertificateNotLive
        } else {
            return true;
        };
        entry.cut.cut(Cause::Refused(refusal));
        false
    }

    /// Asks the flows of one session again, and whether it stands itself: what it stands on has
    /// changed, or its time has come.
    pub(crate) fn ask_session_again(&self, session: &SessionEntry) {
        let snapshot = self.snapshot();
        self.0
            .flows
            .walk(|entry| entry.session.id != session.id || self.ask_again(entry, &snapshot));
        self.stands(session, &snapshot);
    }

    /// Looks at a session whose time may have come.
    pub(crate) fn looks_at(&self, session: &SessionEntry) {
        self.stands(session, &self.snapshot());
    }

    /// Asks every flow and session again, as after the clock has jumped. Returns how many did
    /// not stand.
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
            !commit.touched.concerns(&entry.asks()) || self.ask_again(entry, snapshot)
        });
        self.0.sessions.walk(|entry| self.stands(entry, snapshot));
        ended
    }
}
