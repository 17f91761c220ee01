//! compiles
//! The path as it is meant to be: what the proofs beside this file differ from.
#![deny(unused_must_use)]

use doorward_policies::Journal;
use doorward_proxy::{Dialer, Requested, authorize, dial, open, record, relay};
use doorward_session::{Leases, Wire};

pub async fn path(
    leases: &Leases,
    journal: &dyn Journal,
    dialer: &Dialer,
    requested: Requested,
    wire: Box<dyn Wire>,
) {
    let Ok(granted) = authorize(leases, requested) else { return };
    let Ok(opened) = open(journal, granted).await else { return };
    let Ok(dialed) = dial(dialer, opened).await else { return };
    record(relay(dialed, wire).await);
}
