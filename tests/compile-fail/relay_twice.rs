//! E0382: use of moved value: `dialed`
//! One connection is relayed once.

use doorward_proxy::{Dialed, relay};
use doorward_session::Wire;

pub async fn path(dialed: Dialed, one: Box<dyn Wire>, other: Box<dyn Wire>) {
    drop(relay(dialed, one).await);
    drop(relay(dialed, other).await); //~
}
