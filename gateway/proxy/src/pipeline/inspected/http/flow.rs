//! An HTTP flow: the state that its requests share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use doorward_api::ProblemKind;
use doorward_inspect::http::{
    Extended, Forwarded, HttpBackend, HttpInterface, HttpRefusal, ServedHost, recorded,
};
use doorward_model::{FlowId, Host, HttpOptions, Inspection, Subject, ToldIdentity, WayEnd};
use doorward_policies::{JournalError, Outcome, Record};
use doorward_session::{Cause, Payload, Problem};
use http::request::Parts;
use http::{HeaderMap, Response};
use tokio::sync::{Notify, SetOnce};
use tokio::task::yield_now;
use tokio::time::{sleep_until, timeout};

use super::answer::refused;
use super::identity::IdentityField;
use super::judge::{PermittedBy, decide};
use super::leased_stream::OwnPermit;
use super::pool::{ConnectionPool, HttpConnection};
use super::rates::every;
use super::request_name::RequestName;
use crate::dial::BackendConnection;
use crate::pipeline::approach::Approached;
use crate::pipeline::authorize::Requested;
use crate::pipeline::dial::{Dialed, DialedBackend};
use crate::pipeline::held::{Granted, HeldLeases, TargetIds};
use crate::pipeline::inspected::operations::{Operations, hand_over};
use crate::pipeline::inspected::unadmitted::PATIENCE;
use crate::pipeline::record::{Ended, FlowEnding};
use crate::pipeline::relay_end::RelayEnd;
use crate::pipeline::via::Via;
use crate::pipeline::{Means, begin};
use crate::problem::{forbidden, not_recorded};

/// The state that all requests of one HTTP flow share.
pub(super) struct HttpFlow {
    pub(super) means: Means,
    pub(super) approached: Arc<Approached>,
    pub(super) door: HttpInterface,
    pub(super) options: HttpOptions,
    pub(super) connections: ConnectionPool,
    /// Set if the backend must be told who asks.
    identity: Option<IdentityField>,
    operations: Mutex<Operations>,
    /// Notified when something has been noted for the record.
    noted: Notify,
    admitted: SetOnce<Admitted>,
    /// The reserved ending in the audit log, and the backend's address.
    ending: Mutex<Option<(FlowEnding, String)>>,
}

/// The rights of the first permitted request.
pub(super) struct Admitted {
    pub(super) lease: HeldLeases,
}

/// A request that may be forwarded.
pub(super) struct AdmittedRequest {
    pub(super) head: Parts,
    pub(super) forwarded: Forwarded,
    /// The lease of the request.
    pub(super) lease: HeldLeases,
    /// The request's name in records.
    pub(super) asked: RequestName,
    /// The connection that was dialed for the admission.
    pub(super) connection: Option<HttpConnection>,
}

impl HttpFlow {
    /// Returns the flow; `None` if the interface does not speak HTTP, or its base URL cannot be
    /// written. Ours.
    pub(super) fn new(means: Means, approached: Arc<Approached>) -> Option<Self> {
        let Inspection::Http(options) = &approached.inspected.spoken else { return None };
        let options = HttpOptions::clone(options);
        let (host, port) = match (&options.host, approached.target.way().end()) {
            (Some(told), _) => (told.host.clone(), told.port.unwrap_or(80)),
            (None, WayEnd::Host { host, port }) => (host.clone(), port),
            // The agent knows the address.
            (None, WayEnd::Local { .. } | WayEnd::Agent { .. }) => {
                (Host::Name("localhost".to_owned()), 80)
            }
        };
        let backend = HttpBackend::new(&host, port, &options.base).ok()?;
        let identity = options.identity.map(|ToldIdentity::Signed| {
            let Requested { connection, id, .. } = &approached.requested;
            let subject = connection.session().subject().clone();
            let vouch = Arc::clone(&means.vouch);
            IdentityField::new(vouch, subject, approached.door.clone(), *id)
        });
        let name = means.domain.door(&approached.door);
        let way = match approached.requested.via {
            Via::Sni => ServedHost::named(&name),
            Via::Connect | Via::Open => ServedHost::tunnel(&name),
        };
        let door =
            HttpInterface::new(approached.door.interface.clone(), backend, way).with(&options);
        let operations = Operations::new(means.clone(), Arc::clone(&approached));
        Some(Self {
            means,
            approached,
            door,
            options,
            connections: ConnectionPool::new(),
            identity,
            operations: Mutex::new(operations),
            noted: Notify::new(),
            admitted: SetOnce::new(),
            ending: Mutex::default(),
        })
    }

    /// Returns the id under which the audit log has the flow.
    pub(super) fn id(&self) -> FlowId {
        self.approached.requested.id
    }

    pub(super) fn admitted(&self) -> Option<&Admitted> {
        self.admitted.get()
    }

    fn operations(&self) -> MutexGuard<'_, Operations> {
        self.operations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one request from the interface's rate. Returns whether the rate allows it.
    pub(super) fn has_room(&self, target: TargetIds) -> bool {
        match (self.options.rate, target.1) {
            (Some(rate), Some(interface)) => self.means.rates.take(interface, rate),
            (Some(_), None) => false,
            (None, _) => true,
        }
    }

    /// Waits until the flow must end, and returns the cause.
    pub(super) async fn over(&self) -> Cause {
        let lease = async {
            match timeout(PATIENCE, self.admitted.wait()).await {
                Ok(admitted) => admitted.lease.over().await,
                Err(_) => Cause::Idle,
            }
        };
        tokio::select! {
            cause = self.approached.requested.connection.ended() => cause,
            cause = lease => cause,
        }
    }

    /// Decides a request by its head, and records the decision. The first permitted request admits
    /// the flow. Until then, callers must decide requests one after the other.
    ///
    /// # Errors
    /// The response to a refused request.
    pub(super) async fn admit(
        &self,
        head: Parts,
        extended: Option<Extended<'_>>,
        content: bool,
    ) -> Result<AdmittedRequest, Response<Payload>> {
        let (target, query) =
            (head.uri.path().to_owned(), recorded(head.uri.query(), &self.options));
        let (decided, records, has_had_its_turn) = {
            let mut operations = self.operations();
            operations.begin_turn();
            let decided = match self.door.read(head, extended, content) {
                Ok(asked) => decide(&mut operations, |target| self.has_room(target), asked, query),
                Err(refusal) => {
                    operations.note_unnamed(&target, query, refusal.word());
                    Err(refusal)
                }
            };
            (decided, operations.take(), operations.end_turn())
        };
        self.noted.notify_one();
        if has_had_its_turn {
            yield_now().await;
        }
        let (permitted, by, asked) = match decided {
            Ok(decided) => decided,
            Err(refusal) => {
                drop(self.write(records).await);
                return Err(self.refused(refusal));
            }
        };
        let (lease, connection) = match by {
            PermittedBy::Admission(granted) => {
                let (lease, connection) = self.begin(*granted, records).await.map_err(no)?;
                (lease, Some(connection))
            }
            PermittedBy::Leases(lease) => {
                self.write(records).await.map_err(|_| no(not_recorded()))?;
                (lease, None)
            }
        };
        let (head, forwarded) = self.door.forward(permitted);
        Ok(AdmittedRequest { head, forwarded, lease, asked, connection })
    }

    /// Returns the response to a refused request.
    pub(super) fn refused(&self, refusal: HttpRefusal) -> Response<Payload> {
        let after = self.options.rate.filter(|_| refusal == HttpRefusal::TooFast).map(every);
        refused(refusal, after)
    }

    /// Records that a request was refused after a part of it was forwarded, and returns the
    /// response.
    pub(super) async fn refuse(
        &self,
        asked: &RequestName,
        refusal: HttpRefusal,
    ) -> Response<Payload> {
        let records = {
            let mut operations = self.operations();
            operations.note(asked.parts(), None, Some(refusal.word()));
            operations.take()
        };
        drop(self.write(records).await);
        self.refused(refusal)
    }

    /// Records that a request was cut while the flow goes on.
    pub(super) async fn record_cut(&self, asked: &RequestName, cause: Cause) {
        let record = self.approached.operation(self.means.clock.now(), asked.parts(), None, None);
        let record = record.ended(Outcome::Cut, cause.as_str());
        drop(self.write(vec![record]).await);
    }

    /// Records that the backend gave no answer to a request that can be passed on, and why.
    pub(super) async fn record_bad_answer(&self, asked: &RequestName, why: &str) {
        let record = self.approached.operation(self.means.clock.now(), asked.parts(), None, None);
        let record = record.ended(Outcome::Failed, ProblemKind::BadAnswer.name()).detail(why);
        drop(self.write(vec![record]).await);
    }

    /// Admits the flow: records its opening, then the operation, then dials the backend.
    async fn begin(
        &self,
        granted: Granted,
        records: Vec<Record>,
    ) -> Result<(HeldLeases, HttpConnection), Problem> {
        let target = granted.first.permit().permitted_target();
        let (backend, OwnPermit { lease, ending, address }) = self.dial(granted, records).await?;
        let slot = self.connections.slot().await.map_err(|_| forbidden())?;
        let connection = self.connections.begin(backend, lease.clone(), None).await;
        *self.ending.lock().unwrap_or_else(PoisonError::into_inner) = Some((ending, address));
        // Nothing else admits the flow, because requests are decided one after the other until
        // then.
        self.operations().admitted = Some(target);
        drop(self.admitted.set(Admitted { lease: lease.clone() }));
        let connection = connection.map_err(|_| unreached())?;
        Ok((lease, connection.with_slot(slot)))
    }

    /// Returns a connection for a request: an idle one, or a new one by a permit of its own.
    pub(super) async fn connection(&self, asked: &RequestName) -> Result<HttpConnection, Problem> {
        let slot = self.connections.slot().await.map_err(|_| forbidden())?;
        if let Some(connection) = self.connections.take_idle().await {
            return Ok(connection.with_slot(slot));
        }
        let Some(Admitted { lease: flow }) = self.admitted() else { return Err(forbidden()) };
        let first = self.operations().ask_like_flow(asked.action, &asked.path);
        let granted = self.approached.granted(first.map_err(|_| forbidden())?, vec![]);
        let (backend, own) = self.dial(granted, vec![]).await?;
        let connection = self.connections.begin(backend, flow.clone(), Some(own)).await;
        Ok(connection.map_err(|_| unreached())?.with_slot(slot))
    }

    /// Records the opening and then `records`, and dials the backend.
    async fn dial(
        &self,
        granted: Granted,
        records: Vec<Record>,
    ) -> Result<(BackendConnection, OwnPermit), Problem> {
        let begun = begin(&self.means, granted, self.write(records)).await;
        let dialed = begun.map_err(|not_begun| not_begun.problem())?;
        let Dialed { backend, address, lease, ending, .. } = dialed;
        match backend {
            DialedBackend::Stream(backend) => Ok((backend, OwnPermit { lease, ending, address })),
            // The interface was declared anew as a datagram interface meanwhile.
            backend @ DialedBackend::Datagrams(_) => {
                backend.reset();
                Err(forbidden())
            }
        }
    }

    /// Writes who asks into a request that is about to be sent, if the backend must be told.
    ///
    /// # Errors
    /// The response, when the backend cannot be told.
    pub(super) fn introduce(&self, fields: &mut HeaderMap) -> Result<(), Problem> {
        let Some(identity) = &self.identity else { return Ok(()) };
        identity.write(fields, self.means.clock.now())
    }

    /// Hands records to the audit log, before any of the operations is done. This logs an error.
    async fn write(&self, records: Vec<Record>) -> Result<(), JournalError> {
        hand_over(&self.means, &self.approached, records).await
    }

    /// Records the counts whenever they are due. Never returns.
    pub(super) async fn count(&self) {
        loop {
            self.noted.notified().await;
            while let Some(due) = { self.operations().due() } {
                sleep_until(due).await;
                self.settle().await;
            }
        }
    }

    /// Returns the subject of the flow.
    pub(super) fn subject(&self) -> &Subject {
        self.approached.requested.connection.session().subject()
    }

    async fn settle(&self) {
        let records = {
            let mut operations = self.operations();
            operations.settle();
            operations.take()
        };
        drop(self.write(records).await);
    }

    /// Returns the end of the flow to record, after all its requests have stopped. `None` if the
    /// flow was never admitted.
    pub(super) async fn ended(&self, end: RelayEnd) -> Option<Ended> {
        self.connections.ended().await;
        self.settle().await;
        let (ending, address) =
            self.ending.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        let lease = self.admitted()?.lease.clone();
        let (outcome, reason) = end.outcome();
        Some(Ended { lease, ending, outcome, reason, backend: Some(address), detail: None })
    }
}

fn no(problem: Problem) -> Response<Payload> {
    problem.into_response()
}

fn unreached() -> Problem {
    Problem::new(ProblemKind::Unreachable, "The interface could not be reached.")
}
