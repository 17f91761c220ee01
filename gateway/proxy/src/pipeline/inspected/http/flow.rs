//! An HTTP flow: what its requests have in common.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use doorward_api::ProblemKind;
use doorward_inspect::http::{
    Extended, Forwarded, HttpBackend, HttpInterface, HttpRefusal, ServedHost, recorded,
};
use doorward_model::{FlowId, Host, HttpOptions, Inspection, Subject, ToldIdentity, Way};
use doorward_policies::{JournalError, Outcome, Record};
use doorward_session::{Cause, Payload, Problem};
use http::request::Parts;
use http::{HeaderMap, Response};
use tokio::sync::{Notify, SetOnce};
use tokio::task::yield_now;
use tokio::time::{sleep_until, timeout};

use super::answer::refused;
use super::identity::IdentityField;
use super::judge::{GrantedRight, Requests, TargetIds};
use super::leased_stream::OwnPermit;
use super::pool::{ConnectionPool, HttpConnection};
use super::rates::every;
use super::request_name::RequestName;
use crate::pipeline::Means;
use crate::pipeline::approach::Approached;
use crate::pipeline::authorize::{Requested, Via};
use crate::pipeline::dial::{Dialed, DialedBackend, NotDialed};
use crate::pipeline::held::{Granted, HeldLeases};
use crate::pipeline::inspected::PATIENCE;
use crate::pipeline::inspected::begin::{NotBegun, begin, hand_over};
use crate::pipeline::record::{Ended, FlowEnding, record};
use crate::pipeline::relay::RelayEnd;
use crate::problem::{forbidden, not_recorded, unreachable};

/// One HTTP flow: what its requests have in common.
pub(super) struct HttpFlow {
    pub(super) means: Means,
    pub(super) approached: Approached,
    pub(super) door: HttpInterface,
    pub(super) options: HttpOptions,
    pub(super) connections: ConnectionPool,
    /// If the backend is told who asks.
    identity: Option<IdentityField>,
    requests: Mutex<Requests>,
    /// Rung when something has been noted.
    noted: Notify,
    admitted: SetOnce<Admitted>,
    /// The place in the audit log that is kept for the flow's end, and the backend's address.
    ending: Mutex<Option<(FlowEnding, String)>>,
}

/// What the first permitted request was granted.
pub(super) struct Admitted {
    pub(super) lease: HeldLeases,
    pub(super) target: TargetIds,
}

/// A request that may be forwarded.
pub(super) struct PermittedRequest {
    pub(super) head: Parts,
    pub(super) forwarded: Forwarded,
    /// It lives as long as the request does.
    pub(super) lease: HeldLeases,
    /// What was asked about first.
    pub(super) asked: RequestName,
    /// The connection that was dialed with the admission.
    pub(super) connection: Option<HttpConnection>,
}

impl HttpFlow {
    /// `None` if the interface is none of HTTP, or its base has no spelling: ours.
    pub(super) fn new(means: Means, approached: Approached) -> Option<Self> {
        let Inspection::Http(options) = &approached.inspected.spoken else { return None };
        let options = HttpOptions::clone(options);
        let (host, port) = match (&options.host, approached.target.way()) {
            (Some(told), _) => (told.host.clone(), told.port.unwrap_or(80)),
            (None, Way::Tcp { host, port }) => (host.clone(), *port),
            // The agent knows where it is.
            (None, _) => (Host::Name("localhost".to_owned()), 80),
        };
        let backend = HttpBackend::new(&host, port, &options.base).ok()?;
        let identity = options.identity.map(|ToldIdentity::Signed| {
            let Requested { session, id, .. } = &approached.requested;
            let (vouch, subject) = (Arc::clone(&means.vouch), session.subject().clone());
            IdentityField::new(vouch, subject, approached.door(), *id)
        });
        let name = means.domain.door(&approached.door());
        let way = match approached.requested.via {
            Via::Sni => ServedHost::named(&name),
            Via::Connect | Via::Open => ServedHost::tunnel(&name),
        };
        let door = HttpInterface::new(approached.interface.clone(), backend, way).with(&options);
        let requests = Requests::new(!approached.inspected.synced);
        Some(Self {
            means,
            approached,
            door,
            options,
            connections: ConnectionPool::new(),
            identity,
            requests: Mutex::new(requests),
            noted: Notify::new(),
            admitted: SetOnce::new(),
            ending: Mutex::default(),
        })
    }

    /// Under what the audit log has it.
    pub(super) fn id(&self) -> FlowId {
        self.approached.requested.id
    }

    pub(super) fn admitted(&self) -> Option<&Admitted> {
        self.admitted.get()
    }

    fn requests(&self) -> MutexGuard<'_, Requests> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the interface takes one more request.
    pub(super) fn has_room(&self, target: TargetIds) -> bool {
        match (self.options.rate, target.1) {
            (Some(rate), Some(interface)) => self.means.rates.take(interface, rate),
            (Some(_), None) => false,
            (None, _) => true,
        }
    }

    /// Answers when the flow must end, and why.
    pub(super) async fn over(&self) -> Cause {
        let lease = async {
            match timeout(PATIENCE, self.admitted.wait()).await {
                Ok(admitted) => admitted.lease.over().await,
                Err(_) => Cause::Idle,
            }
        };
        tokio::select! {
            cause = self.approached.requested.session.ended() => cause,
            cause = lease => cause,
        }
    }

    /// Decides a request by its head, and records that. The first that is permitted admits the
    /// flow; until then they are to be decided one after the other.
    ///
    /// # Errors
    /// The answer, when it is not to be forwarded.
    pub(super) async fn admit(
        &self,
        head: Parts,
        extended: Option<Extended<'_>>,
        content: bool,
    ) -> Result<PermittedRequest, Response<Payload>> {
        let (target, query) =
            (head.uri.path().to_owned(), recorded(head.uri.query(), &self.options));
        let (decided, records, has_had_its_turn) = {
            let mut requests = self.requests();
            requests.begin_turn();
            let read = self.door.read(head, extended, content);
            let decided = match read {
                Ok(asked) => requests.decide(self, asked, query),
                Err(refusal) => {
                    requests.refuse_unnamed(self, &target, query, refusal);
                    Err(refusal)
                }
            };
            (decided, requests.take(), requests.end_turn())
        };
        self.noted.notify_one();
        if has_had_its_turn {
            yield_now().await;
        }
        let (permitted, right, asked) = match decided {
            Ok(decided) => decided,
            Err(refusal) => {
                drop(self.write(records).await);
                return Err(self.refused(refusal));
            }
        };
        let (lease, connection) = match right {
            GrantedRight::Flow(granted) => {
                let (lease, connection) = self.begin(*granted, records).await.map_err(no)?;
                (lease, Some(connection))
            }
            GrantedRight::Request(lease) => {
                self.write(records).await.map_err(|_| no(not_recorded()))?;
                (lease, None)
            }
        };
        let (head, forwarded) = self.door.forward(permitted);
        Ok(PermittedRequest { head, forwarded, lease, asked, connection })
    }

    /// The answer to a refused request.
    pub(super) fn refused(&self, refusal: HttpRefusal) -> Response<Payload> {
        let after = self.options.rate.filter(|_| refusal == HttpRefusal::TooFast).map(every);
        refused(refusal, after)
    }

    /// Notes and answers that a request is refused of which some was forwarded.
    pub(super) async fn refuse(
        &self,
        asked: &RequestName,
        refusal: HttpRefusal,
    ) -> Response<Payload> {
        let records = {
            let mut requests = self.requests();
            requests.refuse(self, asked, refusal);
            requests.take()
        };
        drop(self.write(records).await);
        self.refused(refusal)
    }

    /// Records that a request was cut while the flow goes on.
    pub(super) async fn cut(&self, asked: &RequestName, cause: Cause) {
        let record = asked.record(&self.approached, self.means.clock.now(), None, None);
        let record = record.ended(Outcome::Cut, cause.as_str());
        drop(self.write(vec![record]).await);
    }

    /// Admits the flow: its opening is recorded, then the operation, then the backend is dialed.
    async fn begin(
        &self,
        granted: Granted,
        records: Vec<Record>,
    ) -> Result<(HeldLeases, HttpConnection), Problem> {
        let target = granted.first.permit().behind();
        let begun = begin(&self.means, &self.approached, granted, records).await;
        let dialed = begun.map_err(not_begun)?;
        let Dialed { backend, address, lease, ending, .. } = dialed;
        let DialedBackend::Stream(backend) = backend else {
            backend.reset();
            return Err(forbidden());
        };
        let room = self.connections.room().await.map_err(|_| forbidden())?;
        let connection = self.connections.begin(backend, lease.clone(), None).await;
        *self.ending.lock().unwrap_or_else(PoisonError::into_inner) = Some((ending, address));
        // Nobody else admits it: requests are decided one after the other until it is.
        drop(self.admitted.set(Admitted { lease: lease.clone(), target }));
        let connection = connection.map_err(|_| unreached())?;
        Ok((lease, connection.with_room(room)))
    }

    /// A connection for a request: one that is free, or one more, by a permit of its own.
    pub(super) async fn connection(&self, asked: &RequestName) -> Result<HttpConnection, Problem> {
        let room = self.connections.room().await.map_err(|_| forbidden())?;
        if let Some(connection) = self.connections.take_idle().await {
            return Ok(connection.with_room(room));
        }
        let Some(Admitted { lease: flow, target }) = self.admitted() else {
            return Err(forbidden());
        };
        let (requested, question) =
            (&self.approached.requested, self.approached.question(asked.action, &asked.path));
        let first = self.means.leases.ask(&requested.session, requested.id, question);
        let first = first.map_err(|_| forbidden())?;
        if first.permit().behind() != *target || !self.approached.is_for(first.permit()) {
            return Err(forbidden());
        }
        let (via, kind) = (requested.via, Some(self.approached.kind()));
        let granted = Granted { first, more: vec![], via, kind };
        let begun = begin(&self.means, &self.approached, granted, vec![]).await;
        let dialed = begun.map_err(not_begun)?;
        let Dialed { backend, address, lease, ending, .. } = dialed;
        let DialedBackend::Stream(backend) = backend else {
            backend.reset();
            return Err(forbidden());
        };
        let own = OwnPermit { lease, ending, address };
        let connection = self.connections.begin(backend, flow.clone(), Some(own)).await;
        Ok(connection.map_err(|_| unreached())?.with_room(room))
    }

    /// Tells the backend who asks, in a request that is about to be sent, if it is to be told.
    ///
    /// # Errors
    /// The answer, when it is and cannot be.
    pub(super) fn introduce(&self, fields: &mut HeaderMap) -> Result<(), Problem> {
        let Some(identity) = &self.identity else { return Ok(()) };
        identity.write(fields, self.means.clock.now())
    }

    /// Hands records over, before anything of what they tell is done. An error is in the log.
    async fn write(&self, records: Vec<Record>) -> Result<(), JournalError> {
        hand_over(&self.means, &self.approached, records).await
    }

    /// Records what is counted, whenever that is due. Never answers.
    pub(super) async fn count(&self) {
        loop {
            self.noted.notified().await;
            while let Some(due) = { self.requests().due() } {
                sleep_until(due).await;
                self.settle().await;
            }
        }
    }

    /// Who asks.
    pub(super) fn subject(&self) -> &Subject {
        self.approached.requested.session.subject()
    }

    async fn settle(&self) {
        let records = {
            let mut requests = self.requests();
            requests.settle();
            requests.take()
        };
        drop(self.write(records).await);
    }

    /// What is to be recorded of the flow, once nothing of it runs any more. `None` if it never
    /// was admitted.
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

/// Records that a flow, or one more connection of it, has not begun, and says so as far as the
/// client may know.
fn not_begun(why: NotBegun) -> Problem {
    match why {
        NotBegun::NotRecorded(ended) => {
            ended.into_iter().for_each(record);
            not_recorded()
        }
        NotBegun::NotDialed(NotDialed { error, ended }) => {
            record(ended);
            error.as_ref().map_or_else(forbidden, unreachable)
        }
    }
}
