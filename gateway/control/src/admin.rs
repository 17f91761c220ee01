//! The administration: finds the route of a request, asks the policy, and calls the operation.

use std::pin::Pin;
use std::sync::Arc;

use doorward_api::{Access, Endpoint, Operation, ProblemKind, endpoint};
use doorward_inspect::http::{Scheme, comes_from_elsewhere};
use doorward_model::FlowId;
use doorward_policies::Outcome;
use doorward_session::{
    Body, Connection, Front, Payload, Problem, RenewedCertificate, Visit, json,
};
use doorward_wire::Report;
use http::{Request, Response};

use crate::gate::{Denied, Gate};
use crate::parts::AdministrationParts;
use crate::request::AdminRequest;
use crate::response::{AdminResult, EndpointResult, denied, misplaced};
use crate::route;

/// The administration, as the listeners call it.
pub struct Administration(Arc<AdministrationParts>);

impl Administration {
    /// Creates the administration from its parts.
    #[must_use]
    pub fn new(parts: AdministrationParts) -> Self {
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
        connection: &Arc<Connection>,
        id: FlowId,
        request: String,
    ) -> Pin<Box<dyn Future<Output = Result<RenewedCertificate, Problem>> + Send>> {
        let (parts, connection) = (Arc::clone(&self.0), Arc::clone(connection));
        Box::pin(async move {
            let renewed = parts.renew(&connection, id, &request).await;
            renewed.map(|renewed| parts.renewal(renewed)).map_err(|denied| {
                Problem::new(
                    ProblemKind::of_status(denied.status().as_u16()),
                    match denied.status().as_u16() {
                        429 => "This identity was renewed too often within an hour.",
                        400 => "The request is no PKCS #10 request of a key that can be certified.",
                        503 => "Nothing can be recorded or stored now. Try again later.",
                        _ => {
                            "This identity cannot be renewed. Ask an administrator for the reason."
                        }
                    },
                )
            })
        })
    }

    fn posture(
        &self,
        connection: &Arc<Connection>,
        report: Report,
    ) -> Pin<Box<dyn Future<Output = Result<(), Problem>> + Send>> {
        let (parts, connection) = (Arc::clone(&self.0), Arc::clone(connection));
        Box::pin(async move { parts.note_report(connection.session(), report).await })
    }
}

impl AdministrationParts {
    /// Answers a request, or returns the response that refuses it.
    async fn answer(
        self: Arc<Self>,
        visit: &Arc<Visit>,
        id: FlowId,
        request: Request<Body>,
    ) -> AdminResult {
        let (head, body) = request.into_parts();
        let path = head.uri.path();
        // A browser that holds a client certificate would send the request of a hostile page with
        // the identity of its user.
        if comes_from_elsewhere(&head, false, Scheme::Https, None) {
            return Err(denied(Problem::new(
                ProblemKind::FromAnotherPage,
                "A page of another origin made this request. Open this address itself.",
            )));
        }
        let found = route::find(visit.listener, &head.method, path);
        let is_claim = found.as_ref().is_some_and(|(route, _)| route.operation == Operation::Claim);
        if !is_claim && !self.leases.snapshot().is_claimed() {
            return Err(denied(Problem::new(
                ProblemKind::NoOwnerYet,
                "This gateway has no owner yet, and answers nothing but `doorward claim CODE`.",
            )));
        }
        let Some((route, names)) = found else {
            return Err(denied(if route::exists(visit.listener, path) {
                Problem::new(ProblemKind::WrongMethod, "This path has no such method.")
            } else {
                Problem::new(ProblemKind::NothingHere, "There is nothing here.")
            }));
        };
        let names = names.into_iter().map(str::to_owned).collect();
        let query = head.uri.query().unwrap_or_default();
        let request = AdminRequest::new(&self, visit, id, route, names, query, body);
        let part = route.resource(path);
        if route.access == Access::Public && !visit.may_ask_unproven().await {
            self.refusals.count(visit.peer.ip(), "too-many-requests");
            let detail = "Try again in a few seconds.";
            return Err(denied(Problem::new(ProblemKind::TooMany, detail)));
        }
        // The compiler asks about a new operation in `dispatch`, which names all.
        let operation = route.operation;
        let is = |one| operation == one;
        match route.access {
            Access::Public if is(Operation::Claim) => {
                respond::<endpoint::Claim>(request.claim().await)
            }
            Access::Public if is(Operation::Recover) => {
                respond::<endpoint::Recover>(request.recover().await)
            }
            Access::Public if is(Operation::Enrol) => {
                respond::<endpoint::Enrol>(request.enrol().await)
            }
            Access::Public => Err(misplaced(operation)),
            Access::Identified => {
                let connection = self.identified(visit)?;
                self.still_lives(connection.session())?;
                if is(Operation::Renew) {
                    return respond::<endpoint::Renew>(request.renew(&connection).await);
                }
                if is(Operation::WhoAmI) {
                    return respond::<endpoint::WhoAmI>(Ok(request.who_am_i(connection.session())));
                }
                Err(misplaced(operation))
            }
            Access::Asked(action) => {
                let connection = self.identified(visit)?;
                let (leases, journal) = (self.leases.clone(), Arc::clone(&self.journal));
                let mut gate = Gate::new(connection, id, leases, journal);
                gate.ask(action, part, self.clock.now()).await?;
                request.dispatch(operation, gate).await
            }
        }
    }

    /// Returns the connection of a request whose visitor has a session. Counts a request without an identity.
    fn identified(&self, visit: &Visit) -> Result<Arc<Connection>, Denied> {
        if let Some(connection) = &visit.connection {
            return Ok(Arc::clone(connection));
        }
        self.refusals.count(visit.peer.ip(), "request-without-identity");
        Err(denied(Problem::new(
            ProblemKind::IdentityNeeded,
            "Send a certificate of this gateway; `doorward agent enroll CODE` gets one.",
        )))
    }
}

impl AdminRequest<'_> {
    /// Performs the operation of a request that the policy has permitted, and records the outcome.
    async fn dispatch(self, operation: Operation, mut gate: Gate) -> AdminResult {
        use Operation as O;
        use endpoint as E;
        let clock = Arc::clone(&self.parts.clock);
        // The stream of audit records outlives this call, and keeps the gate and its lease.
        if operation == O::ReadAudit {
            return self.read_audit(gate).await;
        }
        let outcome = match operation {
            O::Status => respond::<E::Status>(self.status(&mut gate).await),
            O::ListDevices => respond::<E::ListDevices>(self.list_devices(&mut gate).await),
            O::AddDevice => respond::<E::AddDevice>(self.add_device(&mut gate).await),
            O::ShowDevice => respond::<E::ShowDevice>(self.show_device(&mut gate).await),
            O::ChangeDevice => respond::<E::ChangeDevice>(self.change_device(&mut gate).await),
            O::NewDeviceCode => respond::<E::NewDeviceCode>(self.new_device_code(&mut gate).await),
            O::RevokeDevice => respond::<E::RevokeDevice>(self.revoke_device(&mut gate).await),
            O::RemoveDevice => respond::<E::RemoveDevice>(self.remove_device(&mut gate).await),
            O::ListUsers => respond::<E::ListUsers>(self.list_users(&mut gate).await),
            O::AddUser => respond::<E::AddUser>(self.add_user(&mut gate).await),
            O::ShowUser => respond::<E::ShowUser>(self.show_user(&mut gate).await),
            O::ChangeUser => respond::<E::ChangeUser>(self.change_user(&mut gate).await),
            O::NewUserCode => respond::<E::NewUserCode>(self.new_user_code(&mut gate).await),
            O::RevokeUser => respond::<E::RevokeUser>(self.revoke_user(&mut gate).await),
            O::RemoveUser => respond::<E::RemoveUser>(self.remove_user(&mut gate).await),
            O::ListInterfaces => {
                respond::<E::ListInterfaces>(self.list_interfaces(&mut gate).await)
            }
            O::AddInterface => respond::<E::AddInterface>(self.add_interface(&mut gate).await),
            O::ChangeInterface => {
                respond::<E::ChangeInterface>(self.change_interface(&mut gate).await)
            }
            O::RemoveInterface => {
                respond::<E::RemoveInterface>(self.remove_interface(&mut gate).await)
            }
            O::ShowPolicy => respond::<E::ShowPolicy>(self.show_policy(&mut gate).await),
            O::ApplyPolicy => respond::<E::ApplyPolicy>(self.apply_policy(&mut gate).await),
            O::CheckPolicy => respond::<E::CheckPolicy>(self.check_policy(&mut gate).await),
            O::ConfirmPolicy => respond::<E::ConfirmPolicy>(self.confirm_policy(&mut gate).await),
            O::ExplainPolicy => respond::<E::ExplainPolicy>(self.explain_policy(&mut gate).await),
            O::WhoCan => respond::<E::WhoCan>(self.who_can(&mut gate).await),
            O::WhatCan => respond::<E::WhatCan>(self.what_can(&mut gate).await),
            O::ReplayPolicy => respond::<E::ReplayPolicy>(self.replay_policy(&mut gate).await),
            O::LintPolicy => respond::<E::LintPolicy>(self.lint_policy(&mut gate).await),
            O::TestPolicy => respond::<E::TestPolicy>(self.test_policy(&mut gate).await),
            O::ListRevisions => respond::<E::ListRevisions>(self.list_revisions(&mut gate).await),
            O::ShowRevision => respond::<E::ShowRevision>(self.show_revision(&mut gate).await),
            O::ListSessions => respond::<E::ListSessions>(self.list_sessions(&mut gate).await),
            O::CutSession => respond::<E::CutSession>(self.cut_session(&mut gate).await),
            O::PruneAudit => respond::<E::PruneAudit>(self.prune_audit(&mut gate).await),
            O::ShowAuthority => respond::<E::ShowAuthority>(self.show_authority(&mut gate).await),
            O::ShowKeySet => respond::<E::ShowKeySet>(self.show_key_set(&mut gate).await),
            // The audit was read above; no rule is asked about the others (`answer`).
            O::Claim | O::Enrol | O::Recover | O::Renew | O::WhoAmI | O::ReadAudit => {
                Err(misplaced(operation))
            }
        };
        let now = clock.now();
        let status = outcome.as_ref().err().map(|refused| refused.status());
        match status {
            None => gate.close(Outcome::Done, "done", now),
            Some(status) => {
                gate.record_failure(status.as_str(), now).await;
                gate.close(Outcome::Failed, status.as_str(), now);
            }
        }
        outcome
    }
}

/// Turns the answer of an endpoint into a response. The API's table gives the type of the answer.
fn respond<E: Endpoint>(outcome: EndpointResult<E>) -> AdminResult {
    outcome.map(|answer| json(&answer))
}
