//! E0308: mismatched types
//! What is permitted but does not stand in the audit log cannot be dialed.

use doorward_proxy::{Dialer, dial};
use doorward_session::Authorized;

pub async fn path(dialer: &Dialer, authorized: Authorized) {
    drop(dial(dialer, authorized).await); //~
}
