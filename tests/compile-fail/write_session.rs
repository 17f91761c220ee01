//! E0451: of struct `Session` are private
//! A session is not written down: it is made of a proven certificate.

use doorward_session::{Leases, Session};

pub fn path(leases: Leases) -> Session {
    Session { leases, ..unreachable!() } //~
}
