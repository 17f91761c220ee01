//! The list of requests that there are, and who may make each.

use doorward_model::Action;
use doorward_session::ListenerKind;
use http::Method;

/// Who may make a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anyone, within the limits: it carries its own proof, a code.
    Public,
    /// Whoever has proven an identity, about nobody but itself.
    Identified,
    /// Whoever the policy lets do that to that part of the administration.
    Asked(Action),
}

/// A request that is answered: the whole list is [`Route::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The method.
    pub method: &'static str,
    /// The path; a segment in braces takes any text.
    pub path: &'static str,
    /// Whether it is answered at the data listener, too. All are at the management listener,
    /// but for enrolment.
    pub places: &'static [ListenerKind],
    /// Who may make it.
    pub access: Access,
    /// What is done.
    pub operation: Operation,
}

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the table below says what each is")]
pub enum Operation {
    Claim,
    Enrol,
    Renew,
    Recover,
    WhoAmI,
    Status,
    ListDevices,
    AddDevice,
    ShowDevice,
    ChangeDevice,
    NewDeviceCode,
    RevokeDevice,
    RemoveDevice,
    ListUsers,
    AddUser,
    ShowUser,
    ChangeUser,
    NewUserCode,
    RevokeUser,
    RemoveUser,
    ListInterfaces,
    AddInterface,
    ChangeInterface,
    RemoveInterface,
    ShowPolicy,
    ApplyPolicy,
    CheckPolicy,
    ExplainPolicy,
    WhoCan,
    WhatCan,
    TestPolicy,
    ConfirmPolicy,
    ReplayPolicy,
    LintPolicy,
    ListRevisions,
    ShowRevision,
    ListSessions,
    CutSession,
    ReadAudit,
    PruneAudit,
    ShowAuthority,
    ShowKeySet,
}

const BOTH: &[ListenerKind] = &[ListenerKind::Data, ListenerKind::Management];
const DATA: &[ListenerKind] = &[ListenerKind::Data];
const MANAGEMENT: &[ListenerKind] = &[ListenerKind::Management];

const fn route(
    method: &'static str,
    path: &'static str,
    places: &'static [ListenerKind],
    access: Access,
    operation: Operation,
) -> Route {
    Route { method, path, places, access, operation }
}

const fn asked(
    method: &'static str,
    path: &'static str,
    action: Action,
    operation: Operation,
) -> Route {
    route(method, path, MANAGEMENT, Access::Asked(action), operation)
}

impl Route {
    /// Every request that is answered.
    pub const ALL: &'static [Self] = {
        use Access::{Identified, Public};
        use Action::{Create, Delete, Read, Update};
        use Operation as O;
        &[
            route("POST", "/v1/claim", BOTH, Public, O::Claim),
            route("POST", "/v1/enrol", DATA, Public, O::Enrol),
            route("POST", "/v1/recover", DATA, Public, O::Recover),
            route("POST", "/v1/renew", BOTH, Identified, O::Renew),
            route("GET", "/v1/self", BOTH, Identified, O::WhoAmI),
            asked("GET", "/v1/status", Read, O::Status),
            asked("GET", "/v1/devices", Read, O::ListDevices),
            asked("POST", "/v1/devices/{name}", Create, O::AddDevice),
            asked("GET", "/v1/devices/{name}", Read, O::ShowDevice),
            asked("PATCH", "/v1/devices/{name}", Update, O::ChangeDevice),
            asked("DELETE", "/v1/devices/{name}", Delete, O::RemoveDevice),
            asked("POST", "/v1/devices/{name}/identity", Create, O::NewDeviceCode),
            asked("DELETE", "/v1/devices/{name}/identity", Delete, O::RevokeDevice),
            asked("GET", "/v1/users", Read, O::ListUsers),
            asked("POST", "/v1/users/{name}", Create, O::AddUser),
            asked("GET", "/v1/users/{name}", Read, O::ShowUser),
            asked("PATCH", "/v1/users/{name}", Update, O::ChangeUser),
            asked("DELETE", "/v1/users/{name}", Delete, O::RemoveUser),
            asked("POST", "/v1/users/{name}/identity", Create, O::NewUserCode),
            asked("DELETE", "/v1/users/{name}/identity", Delete, O::RevokeUser),
            asked("GET", "/v1/interfaces", Read, O::ListInterfaces),
            asked("POST", "/v1/interfaces/{device}/{name}", Create, O::AddInterface),
            asked("PATCH", "/v1/interfaces/{device}/{name}", Update, O::ChangeInterface),
            asked("DELETE", "/v1/interfaces/{device}/{name}", Delete, O::RemoveInterface),
            asked("GET", "/v1/policies", Read, O::ShowPolicy),
            asked("PUT", "/v1/policies", Update, O::ApplyPolicy),
            asked("POST", "/v1/policies/check", Read, O::CheckPolicy),
            asked("POST", "/v1/policies/explain", Read, O::ExplainPolicy),
            asked("POST", "/v1/policies/who-can", Read, O::WhoCan),
            asked("POST", "/v1/policies/what-can", Read, O::WhatCan),
            asked("POST", "/v1/policies/test", Read, O::TestPolicy),
            asked("POST", "/v1/policies/confirm", Update, O::ConfirmPolicy),
            asked("POST", "/v1/policies/replay", Read, O::ReplayPolicy),
            asked("POST", "/v1/policies/lint", Read, O::LintPolicy),
            asked("GET", "/v1/policies/revisions", Read, O::ListRevisions),
            asked("GET", "/v1/policies/revisions/{revision}", Read, O::ShowRevision),
            asked("GET", "/v1/sessions", Read, O::ListSessions),
            asked("DELETE", "/v1/sessions/{id}", Delete, O::CutSession),
            asked("GET", "/v1/audit", Read, O::ReadAudit),
            asked("DELETE", "/v1/audit", Delete, O::PruneAudit),
            asked("GET", "/v1/ca", Read, O::ShowAuthority),
            asked("GET", "/v1/ca/jwks", Read, O::ShowKeySet),
        ]
    };

    /// The route of a request, and what stands in the places of its braces.
    #[must_use]
    pub fn find<'p>(
        place: ListenerKind,
        method: &Method,
        path: &'p str,
    ) -> Option<(Self, Vec<&'p str>)> {
        Self::ALL
            .iter()
            .filter(|route| route.method == method.as_str() && route.places.contains(&place))
            .find_map(|route| Some((*route, route.matches(path)?)))
    }

    /// Whether another method would be answered there.
    #[must_use]
    pub fn exists(place: ListenerKind, path: &str) -> bool {
        let mut routes = Self::ALL.iter().filter(|route| route.places.contains(&place));
        routes.any(|route| route.matches(path).is_some())
    }

    fn matches<'p>(&self, path: &'p str) -> Option<Vec<&'p str>> {
        let (mut template, mut parts) = (self.path.split('/'), path.split('/'));
        let mut taken = Vec::new();
        loop {
            match (template.next(), parts.next()) {
                (None, None) => return Some(taken),
                (Some(place), Some(part)) if place.starts_with('{') && !part.is_empty() => {
                    taken.push(part);
                }
                (Some(word), Some(part)) if word == part => {}
                _ => return None,
            }
        }
    }

    /// The path of the question: the part of the administration that the request is about.
    #[must_use]
    pub fn resource<'p>(&self, path: &'p str) -> &'p str {
        path.strip_prefix("/v1/").unwrap_or(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_public_requests_is_short() {
        let public = Route::ALL.iter().filter(|route| route.access == Access::Public);
        let public: Vec<_> = public.map(|route| (route.method, route.path)).collect();
        let expected = ["/v1/claim", "/v1/enrol", "/v1/recover"].map(|path| ("POST", path));
        assert_eq!(public, expected);
    }

    #[test]
    fn the_data_listener_administers_nothing() {
        for route in Route::ALL.iter().filter(|route| route.places.contains(&ListenerKind::Data)) {
            assert!(!matches!(route.access, Access::Asked(_)), "{}", route.path);
        }
    }

    #[test]
    fn a_route_is_found_by_its_exact_path() {
        let find = |method, path| {
            Route::find(ListenerKind::Management, &method, path).map(|(route, _)| route.operation)
        };
        assert_eq!(find(Method::GET, "/v1/devices/plc"), Some(Operation::ShowDevice));
        for no in ["/v1/devices/", "/v1/devices/plc/", "/v1//devices", "v1/devices", "/v1/x", "/"] {
            assert_eq!(find(Method::GET, no), None, "{no}");
        }
        assert!(Route::find(ListenerKind::Data, &Method::GET, "/v1/devices").is_none());
    }

    #[test]
    fn every_asked_action_is_one_of_the_administration() {
        for route in Route::ALL {
            if let Access::Asked(action) = route.access {
                assert!(doorward_model::Protocol::Administration.actions().contains(&action));
            }
        }
    }
}
