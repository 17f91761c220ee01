//! E0624: is private
//! Only a handshake leads to a session.

use doorward_session::Leases;

pub fn path() {
    Leases::open; //~
}
