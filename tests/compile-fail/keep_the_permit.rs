//! E0507: cannot move out
//! A permit does not leave its lease by a look at it.

use doorward_policies::Permit;
use doorward_session::Authorized;

pub fn path(authorized: &Authorized) -> Permit {
    *authorized.permit() //~
}
