//! unused_must_use: that must be used
//! A decision that nobody looks at does not pass.
#![deny(unused_must_use)]

use doorward_policies::{Request, Snapshot};
use doorward_proxy::{Requested, authorize};
use doorward_session::Leases;

pub fn path(leases: &Leases, requested: Requested) {
    authorize(leases, requested); //~
}

pub fn decide(snapshot: &Snapshot, request: &Request, now: jiff::Timestamp) {
    snapshot.decide(request, now); //~
}
