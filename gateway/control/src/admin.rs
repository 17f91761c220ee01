//! The administration: finds the route of a request, asks whether it may be made, and answers it.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use doorward_api::{
    Access, Changed, Endpoint, List, Operation, PageRequest, ProblemKind, Route, endpoint,
};
use doorward_ca::{Assertions, Authority, Profiles};
use doorward_inspect::http::{Scheme, comes_from_elsewhere};
use doorward_model::{Action, Clock, Domain, FlowId, Name, Role, Subject, Target};
use doorward_policies::{Journal, Outcome, Party};
use doorward_session::{
    Body, BodyError, Front, LARGEST_BODY, Leases, Payload, Places, Problem, Rank, Refusals,
    Renewal, Session, Visit, Whole, json,
};
use doorward_store::{Actor, AuditLog, Committed, Store, StoreError};
use doorward_wire::Report;
use http::{Request, Response};
use serde::de::DeserializeOwned;

use crate::codes::CodeMaker;
use crate::gate::{Denied, Gate, failed};
use crate::posture::Postures;
use crate::renewals::Renewals;
use crate::revisions::blocking;
use crate::route;
use crate::status::Health;
use crate::tries::Tries;

/// What the administration is made of.
pub struct Parts {
    /// The state.
    pub store: Store,
    /// The audit log, for reading and pruning.
    pub audit: AuditLog,
    /// The audit log, for writing.
    pub journal: Arc<dyn Journal>,
    /// The sessions and flows.
    pub leases: Leases,
    /// The issuing authority.
    pub authority: Arc<Authority>,
    /// What backends are told of who asks.
    pub assertions: Arc<Assertions>,
    /// For how long certificates live.
    pub profiles: Profiles,
    /// Makes codes.
    pub codes: CodeMaker,
    /// Counts what is refused before identity.
    pub refusals: Refusals,
    /// What may be dialed.
    pub reach: Arc<dyn Reach>,
    /// How the gateway is.
    pub health: Health,
    /// The present time.
    pub clock: Arc<dyn Clock>,
    /// The gateway's domain.
    pub domain: Domain,
    /// The gateway's own subject.
    pub gateway: Subject,
    /// Where it is administered, as `https://HOST:PORT`.
    pub management: String,
    /// How often networks have tried wrong codes of late.
    pub tries: Tries,
    /// The renewals that are under way.
    pub renewals: Renewals,
    /// For how long after the end of its certificate a subject may come back by its key.
    pub recovery: Duration,
    /// What devices have last reported about themselves.
    pub postures: Postures,
}

/// What an interface may point to. The proxy knows; the administration only asks.
pub trait Reach: Send + Sync {
    /// The network that an interface at `target` is declared in: `wanted`, or else the one that
    /// it is in now. `None` if it is reached by no network.
    ///
    /// # Errors
    /// When it is outside the bounds of the local configuration, or its network is not clear; the
    /// text says why, and what to do.
    fn declare<'a>(
        &'a self,
        target: &'a Target,
        wanted: Option<&'a Name>,
    ) -> Pin<Box<dyn Future<Output = Result<Option<Name>, String>> + Send + 'a>>;

    /// Why what was declared in `network` would not be dialed under the present configuration.
    fn doubts(&self, target: &Target, network: Option<&Name>) -> Option<String>;
}

/// The administration, as the doors know it.
pub struct Administration(Arc<Parts>);

/// What an endpoint answers, or the response that refuses the request.
pub(crate) type Served<E> = Result<<E as Endpoint>::Answer, Denied>;

/// The answer to a request: what was asked for, or why not.
pub(crate) type Answer = Result<Response<Payload>, Denied>;

/// The longest body of a request, in bytes; bundles have a bound of their own.
const BODY: usize = LARGEST_BODY as usize;
/// How long a request waits until a bundle may be examined.
const TURN: Duration = Duration::from_secs(10);

/// Whose places a request takes while it is read.
fn rank(visit: &Visit, route: Route) -> Rank {
    match (route.access, &visit.session) {
        (Access::Asked(Action::Create | Action::Update | Action::Delete), _) => Rank::Administrator,
        (_, Some(_)) => Rank::Known,
        (_, None) => Rank::Anyone,
    }
}

impl Administration {
    /// The administration of those parts.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

impl Front for Administration {
    fn answer(
        &self,
        visit: Arc<Visit>,
        id: FlowId,
        request: Request<Body>,
    ) -> Pin<Box<dyn Future<Output = Response<Payload>> + Send>> {
        let parts = Arc::clone(&self.0);
        Box::pin(async move {
            match parts.answer(&visit, id, request).await {
                Ok(response) => response,
                Err(denied) => *denied,
            }
        })
    }

    fn renew(
        &self,
        session: &Arc<Session>,
        id: FlowId,
        request: String,
    ) -> Pin<Box<dyn Future<Output = Result<Renewal, Problem>> + Send>> {
        let (parts, session) = (Arc::clone(&self.0), Arc::clone(session));
        Box::pin(async move {
            let renewed = parts.renew(&session, id, &request).await;
            renewed.map(|renewed| parts.renewal(renewed)).map_err(|denied| {
                Problem::new(
                    ProblemKind::of_status(denied.status().as_u16()),
                    match denied.status().as_u16() {
                        429 => "This identity was renewed too often within an hour.",
                        400 => "The request is no PKCS #10 request of a key that can be certified.",
                        503 => "Nothing can be recorded or stored now. Try again later.",
                        _ => "This identity cannot be renewed. The administrator knows why.",
                    },
                )
            })
        })
    }

    fn posture(
        &self,
        session: &Arc<Session>,
        report: Report,
    ) -> Pin<Box<dyn Future<Output = Result<(), Problem>> + Send>> {
        let noted = self.0.postures.note(session, report, self.0.clock.now());
        Box::pin(std::future::ready(noted))
    }
}

/// A request on its way to what it asks for.
pub(crate) struct Call<'a> {
    pub(crate) parts: &'a Arc<Parts>,
    pub(crate) visit: &'a Arc<Visit>,
    pub(crate) id: FlowId,
    /// What stands in the places of the route's braces.
    pub(crate) names: Vec<String>,
    pub(crate) query: HashMap<String, String>,
    pub(crate) body: Option<Body>,
    /// Whose places it takes: those of whoever changes something are kept.
    pub(crate) rank: Rank,
    /// Its room, and its place among those that have a bundle examined, as long as it goes on.
    held: Option<(Whole, Places<Party>)>,
}

impl Parts {
    async fn answer(
        self: Arc<Self>,
        visit: &Arc<Visit>,
        id: FlowId,
        request: Request<Body>,
    ) -> Answer {
        let (head, body) = request.into_parts();
        let path = head.uri.path();
        // With a certificate in the browser, its holder would make the request.
        if comes_from_elsewhere(&head, false, Scheme::Https, None) {
            return Err(denied(Problem::new(
                ProblemKind::Forbidden,
                "A page of another origin made this request. Open this address itself.",
            )));
        }
        let found = route::find(visit.listener, &head.method, path);
        let claims = found.as_ref().is_some_and(|(route, _)| route.operation == Operation::Claim);
        if !claims && !self.leases.snapshot().is_claimed() {
            return Err(denied(Problem::new(
                ProblemKind::NoOwnerYet,
                "This gateway has no owner yet, and answers nothing but `doorward claim CODE`.",
            )));
        }
        let Some((route, names)) = found else {
            return Err(denied(if route::exists(visit.listener, path) {
                Problem::new(ProblemKind::WrongMethod, "This is not done here.")
            } else {
                Problem::new(ProblemKind::NothingHere, "There is nothing here.")
            }));
        };
        let call = Call {
            parts: &self,
            visit,
            id,
            names: names.into_iter().map(str::to_owned).collect(),
            query: query(head.uri.query().unwrap_or_default()),
            body: Some(body),
            rank: rank(visit, route),
            held: None,
        };
        let part = route.resource(path);
        if route.access == Access::Public && !visit.may_ask_unproven().await {
            self.refusals.count(visit.peer.ip(), "too-many-requests");
            let detail = "Try again in a few seconds.";
            return Err(denied(Problem::new(ProblemKind::TooMany, detail)));
        }
        match (route.access, route.operation) {
            (Access::Public, Operation::Claim) => done::<endpoint::Claim>(call.claim().await),
            (Access::Public, Operation::Recover) => done::<endpoint::Recover>(call.recover().await),
            (Access::Public, Operation::Enrol) => done::<endpoint::Enrol>(call.enrol().await),
            (Access::Identified, operation) => {
                let session = self.identified(visit)?;
                self.still_lives(&session)?;
                match operation {
                    Operation::Renew => done::<endpoint::Renew>(call.renew(&session).await),
                    Operation::WhoAmI => done::<endpoint::WhoAmI>(Ok(call.who_am_i(&session))),
                    operation => Err(misplaced(operation)),
                }
            }
            (Access::Public, operation) => Err(misplaced(operation)),
            (Access::Asked(action), operation) => {
                let session = self.identified(visit)?;
                let (leases, journal) = (self.leases.clone(), Arc::clone(&self.journal));
                let mut gate = Gate::new(session, id, leases, journal);
                gate.ask(action, part, self.clock.now()).await?;
                call.asked(operation, gate).await
            }
        }
    }

    fn identified(&self, visit: &Visit) -> Result<Arc<Session>, Denied> {
        if let Some(session) = &visit.session {
            return Ok(Arc::clone(session));
        }
        self.refusals.count(visit.peer.ip(), "request-without-identity");
        Err(denied(Problem::new(
            ProblemKind::IdentityNeeded,
            "Show a certificate of this gateway's; one is made with `doorward agent enroll CODE`.",
        )))
    }
}

/// The table gives an operation an access with which it is not answered: our fault.
fn misplaced(operation: Operation) -> Denied {
    tracing::error!(?operation, "an operation has the wrong access in the table of the API");
    denied(failed())
}

fn query(text: &str) -> HashMap<String, String> {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), unescape(value))).collect()
}

/// Percent-decoding (RFC 3986 section 2.1); what does not decode stays as it is.
fn unescape(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let mut ahead = bytes.clone();
        let mut digit = || ahead.next().and_then(|byte| char::from(byte).to_digit(16));
        match (byte, digit(), digit()) {
            (b'%', Some(high), Some(low)) => {
                out.push(u8::try_from(high << 4 | low).unwrap_or(b'?'));
                bytes = ahead;
            }
            _ => out.push(byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

pub(crate) fn denied(problem: Problem) -> Denied {
    Box::new(problem.into_response())
}

/// What the asker got wrong.
pub(crate) fn wrong(detail: impl std::fmt::Display) -> Denied {
    denied(Problem::new(ProblemKind::WrongRequest, detail.to_string()))
}

/// What the store refused, as far as the asker may know.
pub(crate) fn refused(error: StoreError) -> Denied {
    use StoreError as E;
    let kind = match &error {
        E::NoSubject(_) | E::NoInterface(_) => ProblemKind::NothingHere,
        E::SubjectExists(_) | E::InterfaceExists(_) => ProblemKind::NameTaken,
        E::SubjectChanged(_) | E::InterfaceChanged(_) | E::BundleChanged => ProblemKind::Overtaken,
        E::Ended => ProblemKind::Forbidden,
        E::TooOften => ProblemKind::TooMany,
        E::Code(_) => ProblemKind::CodeRefused,
        E::Full => ProblemKind::DiskFull,
        E::Closed => ProblemKind::Stopping,
        _ => {
            tracing::error!(%error, "the store refused");
            return denied(failed());
        }
    };
    denied(Problem::new(kind, sentence(&error.to_string())))
}

/// A text that begins with a capital and ends with a full stop.
pub(crate) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str().trim_end_matches('.'))
}

impl Call<'_> {
    /// The name in the first pair of braces, or the second.
    pub(crate) fn name<T>(&self, index: usize) -> Result<T, Denied>
    where
        T: std::str::FromStr,
        T::Err: std::fmt::Display,
    {
        let text = self.names.get(index).map_or("", String::as_str);
        text.parse().map_err(|error: T::Err| wrong(sentence(&error.to_string())))
    }

    /// The page of `all` that the query asks for; `key` orders it.
    pub(crate) fn page<T, K: Ord + ToString>(
        &self,
        all: impl IntoIterator<Item = T>,
        key: impl Fn(&T) -> K,
    ) -> Result<List<T>, Denied> {
        let parameter = |name: &str| self.query.get(name).map(String::as_str);
        let request = PageRequest::read(parameter("limit"), parameter("after"));
        let request = request.map_err(|error| wrong(sentence(&error.to_string())))?;
        Ok(List::page(all, &request, key))
    }

    /// The body, which must be JSON of that form. No body is an empty object.
    pub(crate) async fn read<T: DeserializeOwned + Send + 'static>(&mut self) -> Result<T, Denied> {
        self.read_up_to(BODY).await
    }

    pub(crate) async fn read_up_to<T: DeserializeOwned + Send + 'static>(
        &mut self,
        limit: usize,
    ) -> Result<T, Denied> {
        let body = self.body.take().ok_or_else(|| denied(failed()))?;
        let whole = body.read(limit, self.rank).await.map_err(|error| {
            let kind = match error {
                BodyError::TooLong(_) => ProblemKind::TooLong,
                BodyError::Late => ProblemKind::TooSlow,
                BodyError::Broken => ProblemKind::WrongRequest,
                BodyError::NoRoom => ProblemKind::Busy,
            };
            denied(Problem::new(kind, sentence(&error.to_string())))
        })?;
        let read = |bytes: &Bytes| {
            let bytes: &[u8] = if bytes.is_empty() { b"{}" } else { bytes };
            serde_json::from_slice(bytes).map_err(|error| wrong(sentence(&error.to_string())))
        };
        if limit <= BODY {
            return read(whole.bytes());
        }
        // A place is taken when the bundle is there: whoever sends one slowly holds none.
        let bundles = self.parts.leases.pots().bundles();
        let place = bundles.take_within(&self.visit.party(), 1, self.rank, TURN).await;
        let place = place.ok_or_else(|| {
            let detail = "Others are having bundles examined. Try again in a moment.";
            denied(Problem::new(ProblemKind::Busy, detail))
        })?;
        let bytes = whole.bytes().clone();
        self.held = Some((whole, place));
        // A large bundle takes a while; others are served meanwhile.
        blocking(move || read(&bytes)).await
    }

    /// A place among the questions about the policy, each of which may look at every rule.
    pub(crate) async fn question(&self) -> Result<Places<Party>, Denied> {
        let questions = self.parts.leases.pots().questions();
        let place = questions.take_within(&self.visit.party(), 1, self.rank, TURN).await;
        place.ok_or_else(|| {
            let detail =
                "Other questions about the policy are being worked on. Try again in a moment.";
            denied(Problem::new(ProblemKind::Busy, detail))
        })
    }

    /// Works on one question about the policy, in its turn.
    pub(crate) async fn work_out<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Denied> + Send + 'static,
    ) -> Result<T, Denied> {
        let _place = self.question().await?;
        blocking(work).await
    }

    /// A request whose first question has been answered with yes.
    async fn asked(self, operation: Operation, mut gate: Gate) -> Answer {
        use Operation as O;
        use endpoint as E;
        let clock = Arc::clone(&self.parts.clock);
        // Reading the log goes on by itself, with its own lease.
        if operation == O::ReadAudit {
            return self.read_audit(gate).await;
        }
        let outcome = match operation {
            O::Status => done::<E::Status>(self.status(&mut gate).await),
            O::ListDevices => done::<E::ListDevices>(self.list_devices(&mut gate).await),
            O::AddDevice => done::<E::AddDevice>(self.add_device(&mut gate).await),
            O::ShowDevice => done::<E::ShowDevice>(self.show_device(&mut gate).await),
            O::ChangeDevice => done::<E::ChangeDevice>(self.change_device(&mut gate).await),
            O::NewDeviceCode => done::<E::NewDeviceCode>(self.new_device_code(&mut gate).await),
            O::RevokeDevice => done::<E::RevokeDevice>(self.revoke_device(&mut gate).await),
            O::RemoveDevice => done::<E::RemoveDevice>(self.remove_device(&mut gate).await),
            O::ListUsers => done::<E::ListUsers>(self.list_users(&mut gate).await),
            O::AddUser => done::<E::AddUser>(self.add_user(&mut gate).await),
            O::ShowUser => done::<E::ShowUser>(self.show_user(&mut gate).await),
            O::ChangeUser => done::<E::ChangeUser>(self.change_user(&mut gate).await),
            O::NewUserCode => done::<E::NewUserCode>(self.new_user_code(&mut gate).await),
            O::RevokeUser => done::<E::RevokeUser>(self.revoke_user(&mut gate).await),
            O::RemoveUser => done::<E::RemoveUser>(self.remove_user(&mut gate).await),
            O::ListInterfaces => done::<E::ListInterfaces>(self.list_interfaces(&mut gate).await),
            O::AddInterface => done::<E::AddInterface>(self.add_interface(&mut gate).await),
            O::ChangeInterface => {
                done::<E::ChangeInterface>(self.change_interface(&mut gate).await)
            }
            O::RemoveInterface => {
                done::<E::RemoveInterface>(self.remove_interface(&mut gate).await)
            }
            O::ShowPolicy => done::<E::ShowPolicy>(self.show_policy(&mut gate).await),
            O::ApplyPolicy => done::<E::ApplyPolicy>(self.apply_policy(&mut gate).await),
            O::CheckPolicy => done::<E::CheckPolicy>(self.check_policy(&mut gate).await),
            O::ConfirmPolicy => done::<E::ConfirmPolicy>(self.confirm_policy(&mut gate).await),
            O::ExplainPolicy => done::<E::ExplainPolicy>(self.explain_policy(&mut gate).await),
            O::WhoCan => done::<E::WhoCan>(self.who_can(&mut gate).await),
            O::WhatCan => done::<E::WhatCan>(self.what_can(&mut gate).await),
            O::ReplayPolicy => done::<E::ReplayPolicy>(self.replay_policy(&mut gate).await),
            O::LintPolicy => done::<E::LintPolicy>(self.lint_policy(&mut gate).await),
            O::TestPolicy => done::<E::TestPolicy>(self.test_policy(&mut gate).await),
            O::ListRevisions => done::<E::ListRevisions>(self.list_revisions(&mut gate).await),
            O::ShowRevision => done::<E::ShowRevision>(self.show_revision(&mut gate).await),
            O::ListSessions => done::<E::ListSessions>(self.list_sessions(&mut gate).await),
            O::CutSession => done::<E::CutSession>(self.cut_session(&mut gate).await),
            O::PruneAudit => done::<E::PruneAudit>(self.prune_audit(&mut gate).await),
            O::ShowAuthority => done::<E::ShowAuthority>(self.show_authority(&mut gate).await),
            O::ShowKeySet => done::<E::ShowKeySet>(self.show_key_set(&mut gate).await),
            O::Claim | O::Enrol | O::Recover | O::Renew | O::WhoAmI | O::ReadAudit => {
                Err(misplaced(operation))
            }
        };
        let now = clock.now();
        let status = outcome.as_ref().err().map(|refused| refused.status());
        match status {
            None => gate.close(Outcome::Done, "done", now),
            Some(status) => {
                gate.turned_down(status.as_str(), now).await;
                gate.close(Outcome::Failed, status.as_str(), now);
            }
        }
        outcome
    }
}

/// The answer to a change that has been committed.
pub(crate) fn changed<U, T>(committed: &Committed<U>, value: T) -> Changed<T> {
    Changed { value, epoch: committed.epoch, ended: committed.ended }
}

/// The response of an endpoint. Its type is the one that the API's table gives.
fn done<E: Endpoint>(outcome: Served<E>) -> Answer {
    outcome.map(|answer| json(&answer))
}

pub(crate) fn actor(gate: &Gate) -> Actor {
    Actor::Subject(gate.subject().clone())
}

/// The role that a claim gives.
pub(crate) fn owner_role() -> Option<Role> {
    "role/owner".parse().ok()
}
