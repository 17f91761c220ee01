//! E0308: mismatched types
//! What is permitted but does not stand in the audit log cannot be dialed.

use doorward_proxy::{Dialer, Granted, dial};

pub async fn path(dialer: &Dialer, granted: Granted) {
    drop(dial(dialer, granted).await); //~
}
