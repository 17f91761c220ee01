//! E0382: use of moved value: `authorized`
//! A permit is spent once.

use doorward_session::Authorized;

pub fn path(authorized: Authorized) {
    drop(authorized.spend());
    drop(authorized.spend()); //~
}
