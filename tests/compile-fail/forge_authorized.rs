//! E0451: are private
//! A permit and a lease do not make an authorization: only asking does.

use doorward_policies::Permit;
use doorward_session::{Authorized, Lease};

pub fn path(permit: Permit, lease: Lease) -> Authorized {
    Authorized { permit, lease } //~
}
