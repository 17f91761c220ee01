//! E0308: mismatched types
//! What was not dialed under a live lease cannot be relayed.

use doorward_proxy::{Opened, relay};
use doorward_session::Wire;

pub async fn path(opened: Opened, wire: Box<dyn Wire>) {
    drop(relay(opened, wire).await); //~
}
