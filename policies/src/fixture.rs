//! The state for unit tests of this crate: Alice, a device `plc`, and its interfaces.

use std::sync::Arc;

use doorward_model::{CertificateId, InterfaceId, Revision, SubjectId};
use jiff::Timestamp;

use crate::bundle::{Bundle, BundleText};
use crate::membership::Member;
use crate::snapshot::{Certificate, Interface, Snapshot};

/// Returns the instant of the tests.
pub(crate) fn now() -> Timestamp {
    "2027-01-01T12:00:00Z".parse().unwrap()
}

/// Returns Alice's certificate.
pub(crate) fn certificate() -> CertificateId {
    CertificateId { issuer: "00".repeat(32).parse().unwrap(), serial: "01".parse().unwrap() }
}

/// Returns a bundle of those rules, without tests.
pub(crate) fn bundle(policy: &str) -> Arc<Bundle> {
    let (policy, tests) = (policy.to_owned(), String::new());
    Arc::new(Bundle::parse(BundleText { policy, tests, ..BundleText::default() }).unwrap())
}

/// Returns a state under those rules, with interfaces of those names and targets.
pub(crate) fn snapshot(policy: &str, interfaces: &[(&str, &str)]) -> Snapshot {
    let member = |id| Member { id: SubjectId(id), enabled: true, roles: vec![], groups: vec![] };
    let interfaces = interfaces.iter().zip(1..).map(|((name, url), id)| Interface {
        id: InterfaceId(id),
        name: name.parse().unwrap(),
        target: url.parse().unwrap(),
        network: None,
        enabled: true,
    });
    let alices = Certificate {
        subject: SubjectId(1),
        key: "00".repeat(32).parse().unwrap(),
        not_before: Timestamp::MIN,
        not_after: Timestamp::MAX,
    };
    Snapshot::new("a.b".parse().unwrap(), Revision(1), bundle(policy))
        .with_member("user/alice".parse().unwrap(), Some(member(1)))
        .with_member("device/plc".parse().unwrap(), Some(member(2)))
        .with_interfaces("plc".parse().unwrap(), interfaces.collect())
        .with_certificate(certificate(), Some(alices))
}
