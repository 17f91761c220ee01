//! The table of requests: one row for each.

use doorward_model::Action;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Who may make a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anyone, within the limits: the request carries its own proof, a code or a signature.
    Public,
    /// A subject with a proven identity, about itself only.
    Identified,
    /// A subject that the policy permits this action on this part of the administration.
    Asked(Action),
}

/// The listeners that answer a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listeners {
    /// The data listener, which clients and devices use.
    Data,
    /// The management listener, which administrators use.
    Management,
    /// Both.
    Both,
}

impl Listeners {
    /// Whether the data listener answers.
    #[must_use]
    pub fn has_data(self) -> bool {
        match self {
            Self::Data | Self::Both => true,
            Self::Management => false,
        }
    }

    /// Whether the management listener answers.
    #[must_use]
    pub fn has_management(self) -> bool {
        match self {
            Self::Management | Self::Both => true,
            Self::Data => false,
        }
    }
}

/// One row of the table. The request and answer types are those of its [`Endpoint`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The HTTP method.
    pub method: &'static str,
    /// The path. A segment in braces stands for any text without a slash.
    pub path: &'static str,
    /// Which listeners answer it.
    pub listeners: Listeners,
    /// Who may make it.
    pub access: Access,
    /// What it does.
    pub operation: Operation,
    /// What it does, in one sentence.
    pub summary: &'static str,
}

/// A request with its types.
pub trait Endpoint {
    /// Its row of the table.
    const ROUTE: Route;
    /// The JSON that its body carries; `()` if it has none.
    type Request: Serialize + DeserializeOwned + Send + 'static;
    /// The JSON that its answer carries.
    type Answer: Serialize + DeserializeOwned;
}

impl Route {
    /// The path with `names` in the places of its braces, in order.
    ///
    /// ```
    /// use doorward_api::{Endpoint, endpoint::ShowDevice};
    /// assert_eq!(ShowDevice::ROUTE.path_of(&["plc-3"]), "/v1/devices/plc-3");
    /// ```
    #[must_use]
    pub fn path_of(&self, names: &[&str]) -> String {
        let mut names = names.iter();
        let segments = self.path.split('/').map(|segment| match segment.starts_with('{') {
            true => names.next().copied().unwrap_or_default(),
            false => segment,
        });
        segments.collect::<Vec<_>>().join("/")
    }

    /// What stands in the places of the braces of the path, if `path` is one of this route.
    #[must_use]
    pub fn matches<'p>(&self, path: &'p str) -> Option<Vec<&'p str>> {
        let (mut template, mut segments) = (self.path.split('/'), path.split('/'));
        let mut names = Vec::new();
        loop {
            match (template.next(), segments.next()) {
                (None, None) => return Some(names),
                (Some(word), Some(name)) if word.starts_with('{') && !name.is_empty() => {
                    names.push(name);
                }
                (Some(word), Some(segment)) if word == segment => {}
                _ => return None,
            }
        }
    }

    /// The part of the administration that a request for `path` is about, as rules name it.
    #[must_use]
    pub fn resource<'p>(&self, path: &'p str) -> &'p str {
        path.strip_prefix("/v1/").unwrap_or(path)
    }
}

/// Makes the table, the operations and the endpoints of one list.
macro_rules! routes {
    ($(
        $(#[doc = $summary:literal])+
        $name:ident: $method:literal $path:literal, $listeners:ident, $access:expr,
        $request:ty => $answer:ty;
    )+) => {
        /// What a request does; each is one row of [`Route::ALL`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Operation {
            $($(#[doc = $summary])+ $name,)+
        }

        impl Route {
            /// Every request that a gateway answers.
            pub const ALL: &'static [Self] =
                &[$(<crate::endpoint::$name as Endpoint>::ROUTE),+];
        }

        /// The endpoints themselves, for [`crate::endpoint`] to name.
        pub(crate) mod table {
            use Access::{Asked, Identified, Public};
            use Action::{Create, Delete, Read, Update};
            use serde_json::Value;

            use super::*;
            use crate::*;

            $(
                $(#[doc = $summary])+
                #[derive(Clone, Copy, Debug)]
                pub struct $name;

                impl Endpoint for $name {
                    const ROUTE: Route = Route {
                        method: $method,
                        path: $path,
                        listeners: Listeners::$listeners,
                        access: $access,
                        operation: Operation::$name,
                        summary: concat!($($summary),+),
                    };
                    type Request = $request;
                    type Answer = $answer;
                }
            )+
        }
    };
}

routes! {
    /// Redeems an owner code and makes its holder the owner.
    Claim: "POST" "/v1/claim", Both, Public,
        RedeemRequest => IssuedIdentity;
    /// Redeems an enrolment code for an identity.
    Enrol: "POST" "/v1/enrol", Data, Public,
        RedeemRequest => IssuedIdentity;
    /// Gives a subject whose certificate has ended a new one, by its old key.
    Recover: "POST" "/v1/recover", Data, Public,
        RecoverRequest => IssuedIdentity;
    /// Gives a subject with a live certificate a new one.
    Renew: "POST" "/v1/renew", Both, Identified,
        RenewRequest => IssuedIdentity;
    /// Says who the certificate of the connection belongs to.
    WhoAmI: "GET" "/v1/self", Both, Identified,
        () => LiveIdentity;
    /// Shows the state of the gateway and its limits.
    Status: "GET" "/v1/status", Management, Asked(Read),
        () => StatusView;
    /// Lists the devices.
    ListDevices: "GET" "/v1/devices", Management, Asked(Read),
        () => List<SubjectView>;
    /// Adds a device and makes a code for it.
    AddDevice: "POST" "/v1/devices/{name}", Management, Asked(Create),
        DeviceAddition => Changed<IssuedCode>;
    /// Shows a device, its interfaces, certificates and last report.
    ShowDevice: "GET" "/v1/devices/{name}", Management, Asked(Read),
        () => SubjectView;
    /// Changes the groups of a device, or enables or disables it.
    ChangeDevice: "PATCH" "/v1/devices/{name}", Management, Asked(Update),
        DeviceChange => Changed<WarnedAnswer>;
    /// Removes a device with its interfaces, and ends its identity.
    RemoveDevice: "DELETE" "/v1/devices/{name}", Management, Asked(Delete),
        () => Changed<Nothing>;
    /// Makes a new code for a device.
    NewDeviceCode: "POST" "/v1/devices/{name}/identity", Management, Asked(Create),
        CodeRequest => Changed<IssuedCode>;
    /// Ends the identity of a device.
    RevokeDevice: "DELETE" "/v1/devices/{name}/identity", Management, Asked(Delete),
        () => Changed<RevokedAnswer>;
    /// Lists the people.
    ListUsers: "GET" "/v1/users", Management, Asked(Read),
        () => List<SubjectView>;
    /// Adds a person and makes a code for them.
    AddUser: "POST" "/v1/users/{name}", Management, Asked(Create),
        UserAddition => Changed<IssuedCode>;
    /// Shows a person, their roles and certificates.
    ShowUser: "GET" "/v1/users/{name}", Management, Asked(Read),
        () => SubjectView;
    /// Changes the roles of a person, or enables or disables them.
    ChangeUser: "PATCH" "/v1/users/{name}", Management, Asked(Update),
        UserChange => Changed<WarnedAnswer>;
    /// Removes a person and ends their identity.
    RemoveUser: "DELETE" "/v1/users/{name}", Management, Asked(Delete),
        () => Changed<Nothing>;
    /// Makes a new code for a person.
    NewUserCode: "POST" "/v1/users/{name}/identity", Management, Asked(Create),
        CodeRequest => Changed<IssuedCode>;
    /// Ends the identity of a person.
    RevokeUser: "DELETE" "/v1/users/{name}/identity", Management, Asked(Delete),
        () => Changed<RevokedAnswer>;
    /// Lists the interfaces of all devices.
    ListInterfaces: "GET" "/v1/interfaces", Management, Asked(Read),
        () => List<InterfaceView>;
    /// Declares an interface.
    AddInterface: "POST" "/v1/interfaces/{device}/{name}", Management, Asked(Create),
        InterfaceAddition => Changed<InterfaceDeclared>;
    /// Enables or disables an interface.
    ChangeInterface: "PATCH" "/v1/interfaces/{device}/{name}", Management, Asked(Update),
        InterfaceChange => Changed<InterfaceChanged>;
    /// Removes an interface.
    RemoveInterface: "DELETE" "/v1/interfaces/{device}/{name}", Management, Asked(Delete),
        () => Changed<Nothing>;
    /// Shows the bundle in force.
    ShowPolicy: "GET" "/v1/policies", Management, Asked(Read),
        () => BundleView;
    /// Puts a bundle in force, or says what it would change.
    ApplyPolicy: "PUT" "/v1/policies", Management, Asked(Update),
        BundleProposal => BundleApplied;
    /// Says whether the policy permits an action.
    CheckPolicy: "POST" "/v1/policies/check", Management, Asked(Read),
        CheckRequest => CheckAnswer;
    /// Explains why the policy permits or denies an action.
    ExplainPolicy: "POST" "/v1/policies/explain", Management, Asked(Read),
        CheckRequest => ExplanationView;
    /// Lists who may do something.
    WhoCan: "POST" "/v1/policies/who-can", Management, Asked(Read),
        WhoCanRequest => List<GrantView>;
    /// Lists what a subject may do.
    WhatCan: "POST" "/v1/policies/what-can", Management, Asked(Read),
        WhatCanRequest => List<GrantView>;
    /// Runs the tests of a bundle.
    TestPolicy: "POST" "/v1/policies/test", Management, Asked(Read),
        BundleProposal => BundleTested;
    /// Keeps a bundle that would otherwise be undone.
    ConfirmPolicy: "POST" "/v1/policies/confirm", Management, Asked(Update),
        () => UnconfirmedView;
    /// Decides recorded requests again under a bundle.
    ReplayPolicy: "POST" "/v1/policies/replay", Management, Asked(Read),
        BundleProposal => ReplayView;
    /// Lists rules of a bundle that deserve a look.
    LintPolicy: "POST" "/v1/policies/lint", Management, Asked(Read),
        BundleProposal => List<FindingView>;
    /// Lists the bundles that are or were in force.
    ListRevisions: "GET" "/v1/policies/revisions", Management, Asked(Read),
        () => List<RevisionView>;
    /// Shows the text of a bundle that is or was in force.
    ShowRevision: "GET" "/v1/policies/revisions/{revision}", Management, Asked(Read),
        () => RevisionText;
    /// Lists the live sessions and their flows.
    ListSessions: "GET" "/v1/sessions", Management, Asked(Read),
        () => List<SessionView>;
    /// Cuts a session or a flow.
    CutSession: "DELETE" "/v1/sessions/{id}", Management, Asked(Delete),
        () => CutAnswer;
    /// Streams audit records, one line of JSON each.
    ReadAudit: "GET" "/v1/audit", Management, Asked(Read),
        () => Value;
    /// Deletes audit records before an instant.
    PruneAudit: "DELETE" "/v1/audit", Management, Asked(Delete),
        () => PrunedAnswer;
    /// Shows the certificates of the authority.
    ShowAuthority: "GET" "/v1/ca", Management, Asked(Read),
        () => AuthorityView;
    /// Shows the keys that signed identities and states are verified by (RFC 7517).
    ShowKeySet: "GET" "/v1/ca/jwks", Management, Asked(Read),
        () => Value;
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
        for route in Route::ALL.iter().filter(|route| route.listeners.has_data()) {
            assert!(!matches!(route.access, Access::Asked(_)), "{}", route.path);
        }
    }

    #[test]
    fn a_path_belongs_to_a_route_only_as_a_whole() {
        let show = endpoint::ShowDevice::ROUTE;
        assert_eq!(show.matches("/v1/devices/plc"), Some(vec!["plc"]));
        for no in ["/v1/devices/", "/v1/devices/plc/", "/v1//devices", "v1/devices", "/v1/x", "/"] {
            assert_eq!(show.matches(no), None, "{no}");
        }
    }

    #[test]
    fn no_two_routes_answer_the_same_request() {
        for (index, one) in Route::ALL.iter().enumerate() {
            let names = vec!["name"; one.path.matches('{').count()];
            let path = one.path_of(&names);
            let alike =
                |other: &&Route| other.method == one.method && other.matches(&path).is_some();
            let first = Route::ALL.iter().position(|other| alike(&other));
            assert_eq!(first, Some(index), "{} {path}", one.method);
        }
    }

    #[test]
    fn every_action_that_is_asked_is_one_of_the_administration() {
        for route in Route::ALL {
            if let Access::Asked(action) = route.access {
                assert!(doorward_model::Protocol::Administration.actions().contains(&action));
            }
        }
    }

    #[test]
    fn every_summary_is_one_sentence() {
        for route in Route::ALL {
            let text = route.summary.trim();
            assert!(text.ends_with('.') && text.starts_with(char::is_uppercase), "{text}");
        }
    }

    use crate::endpoint;
}
