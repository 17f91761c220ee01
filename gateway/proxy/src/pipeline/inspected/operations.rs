//! Decides the operations of one inspected flow, and records them. Streams, datagrams and HTTP all
//! decide here.

use std::sync::Arc;

use doorward_model::{Action, Path, PeerText};
use doorward_policies::{
    Cache, Decision, JournalError, Opinion, Permit, PermittedTarget, Record, Snapshot,
};
use doorward_session::{Authorized, Lease, Refused};
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::Instant;

use super::tally::Tally;
use super::turn::Turn;
use crate::pipeline::Means;
use crate::pipeline::approach::Approached;

/// Decides and records the operations of one flow.
///
/// The first permitted message is the flow's admission. Each right that it needs is asked for like
/// a flow. Later operations are decided by the state of their moment.
pub(super) struct Operations {
    means: Means,
    approached: Arc<Approached>,
    cache: Cache,
    tally: Tally,
    turn: Turn,
    /// What the flow was admitted to.
    pub(super) admitted: Option<PermittedTarget>,
}

/// A granted right, with what it is good for.
pub(super) enum GrantedRight {
    /// It admits the flow.
    Flow(Authorized),
    /// It lets an operation begin, which goes on as long as the lease lives.
    Lasting(Permit, Lease),
    /// It lets an operation be done at once.
    Once(Permit),
}

impl GrantedRight {
    pub(super) fn permit(&self) -> &Permit {
        match self {
            Self::Flow(authorized) => authorized.permit(),
            Self::Lasting(permit, _) | Self::Once(permit) => permit,
        }
    }

    pub(super) fn opinion(&self) -> &Opinion {
        self.permit().opinion()
    }
}

/// Why a right was not granted: what the policy says, if it was asked, and a word for the record.
pub(super) type Objection = (Option<Opinion>, &'static str);

/// The refusal of an operation after the interface has changed, or another has taken its name.
const OTHER: &str = "unknown-interface";
/// The refusal of an operation that the client itself has not asked for.
pub(super) const UNWANTED: &str = "not-asked-for";
/// How many answers a flow caches.
const ANSWERS: usize = 256;

impl Operations {
    pub(super) fn new(means: Means, approached: Arc<Approached>) -> Self {
        let (cache, tally) = (Cache::of(ANSWERS), Tally::new(!approached.inspected.synced));
        Self { means, approached, cache, tally, turn: Turn::default(), admitted: None }
    }

    pub(super) fn approached(&self) -> &Approached {
        &self.approached
    }

    /// Asks for a right. Before the admission it is asked for like a flow, afterwards within the
    /// flow: with a lease if the operation `lasts`.
    pub(super) fn ask(
        &mut self,
        action: Action,
        path: &Path,
        lasts: bool,
    ) -> Result<GrantedRight, Objection> {
        if !self.approached.wants(action) {
            return Err((None, UNWANTED));
        }
        self.turn.ask();
        let Some(target) = &self.admitted else {
            return self.ask_like_flow(action, path).map(GrantedRight::Flow);
        };
        let (requested, resource) = (&self.approached.requested, self.approached.resource(path));
        let (leases, id) = (&self.means.leases, requested.id);
        let connection = &requested.connection;
        let cache = &mut self.cache;
        let granted = if lasts {
            let asked = leases.operate(connection, id, action, resource, cache);
            asked.map(|(permit, lease)| GrantedRight::Lasting(permit, lease))
        } else {
            match leases.decide(connection, id, action, resource, cache) {
                Decision::Permit(permit) => Ok(GrantedRight::Once(permit)),
                Decision::Denial(denial) => Err(Refused::Denied(denial)),
            }
        };
        let granted = granted.map_err(objection)?;
        if target.is_that_of(granted.permit()) { Ok(granted) } else { Err((None, OTHER)) }
    }

    /// Asks for a right like for a flow: both judges decide, and the permit can be dialed.
    pub(super) fn ask_like_flow(
        &self,
        action: Action,
        path: &Path,
    ) -> Result<Authorized, Objection> {
        let (requested, resource) = (&self.approached.requested, self.approached.resource(path));
        let asked = self.means.leases.ask(&requested.connection, requested.id, action, resource);
        let authorized = asked.map_err(objection)?;
        let permit = authorized.permit();
        let is_this = self.admitted.as_ref().is_none_or(|target| target.is_that_of(permit));
        if is_this && self.approached.is_for(permit) { Ok(authorized) } else { Err((None, OTHER)) }
    }

    /// Notes the decision about an operation: permitted, or refused for the reason `refused`.
    /// `query` is the part of an HTTP query to record.
    pub(super) fn note(
        &mut self,
        named: (Action, &Path, Option<&PeerText>),
        opinion: Option<&Opinion>,
        refused: Option<&'static str>,
    ) {
        let Self { means, approached, tally, .. } = self;
        let epoch = opinion.map(|opinion| opinion.epoch);
        tally.note(named, refused, epoch, || {
            approached.operation(means.clock.now(), named, opinion, refused)
        });
    }

    /// Notes a message that was refused because it could not be read as an operation.
    pub(super) fn note_unnamed(
        &mut self,
        said: &str,
        query: Option<PeerText>,
        refused: &'static str,
    ) {
        self.turn.ask();
        let Self { means, approached, tally, .. } = self;
        tally.note_unnamed(refused, || Record {
            query,
            ..approached.unnamed(means.clock.now(), said, refused)
        });
    }

    /// Returns a receiver of the state.
    pub(super) fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.means.leases.snapshots()
    }

    /// Returns when the counts must be recorded.
    pub(super) fn due(&self) -> Option<Instant> {
        self.tally.due()
    }

    /// Records the counts.
    pub(super) fn settle(&mut self) {
        self.tally.settle();
    }

    /// Returns the records to be written now.
    pub(super) fn take(&mut self) -> Vec<Record> {
        self.tally.take()
    }

    /// Hands the records to the audit log, before any of the operations is forwarded.
    ///
    /// # Errors
    /// When one cannot be recorded, which this logs. Then none of the operations may be done.
    pub(super) async fn recorded(&mut self) -> Result<(), JournalError> {
        let records = self.take();
        hand_over(&self.means, &self.approached, records).await
    }

    /// Notes that bytes of a peer are about to be read.
    pub(super) fn begin_turn(&mut self) {
        self.turn.begin();
    }

    /// Returns whether the flow has used up its turn.
    pub(super) fn turn_is_over(&self) -> bool {
        self.turn.is_over()
    }

    /// Notes that nothing more is read for now. Returns whether the flow must yield.
    pub(super) fn end_turn(&mut self) -> bool {
        self.turn.end()
    }

    /// Notes that nothing more is read for now. Yields if the flow has used up its turn.
    pub(super) async fn rest(&mut self) {
        if self.end_turn() {
            yield_now().await;
        }
    }
}

fn objection(refused: Refused) -> Objection {
    let opinion = match &refused {
        Refused::Denied(denial) => Some(denial.opinion().clone()),
        Refused::Busy | Refused::Degraded => None,
    };
    (opinion, refused.as_str())
}

/// Hands the records of operations to the audit log, before any of the operations is forwarded.
///
/// # Errors
/// When one cannot be recorded, which this logs. Then none of the operations may be done.
pub(super) async fn hand_over(
    means: &Means,
    approached: &Approached,
    records: Vec<Record>,
) -> Result<(), JournalError> {
    let write = |record| match approached.inspected.synced {
        true => means.journal.write(record),
        false => means.journal.append(record),
    };
    // Hands over all at once, because they mostly share one sync.
    let written: Vec<_> = records.into_iter().map(write).collect();
    for one in written {
        one.await.inspect_err(|error| {
            let by = approached.requested.connection.session().subject();
            tracing::warn!(%by, %error, "an operation was not forwarded because it could not be recorded");
        })?;
    }
    Ok(())
}
