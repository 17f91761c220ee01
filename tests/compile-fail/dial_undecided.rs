//! E0308: mismatched types
//! What has only been asked for cannot be dialed.

use doorward_proxy::{Dialer, Requested, dial};

pub async fn path(dialer: &Dialer, requested: Requested) {
    drop(dial(dialer, requested).await); //~
}
