//! The stages of a flow's path, one file each.

mod approach;
mod authorize;
mod begin;
mod datagrams;
mod dial;
mod held;
mod inspected;
mod open;
mod record;
mod relay;
mod relay_end;
mod via;

use std::sync::Arc;

use doorward_model::{Clock, Domain};
use doorward_policies::Journal;
use doorward_session::Leases;

pub use approach::{Approach, Approached, approach};
pub use authorize::{NamedInterface, RefusedFlow, Requested, WantedFlow, authorize};
pub(crate) use begin::{NotBegun, begin};
pub use dial::{Dialed, NotDialed, dial};
pub use held::Granted;
pub use inspected::{Rates, inspect};
pub use open::{NotOpened, Opened, open};
pub use record::{Ended, record, refuse};
pub use relay::{ClientEnd, relay};
pub use via::Via;

use crate::dial::Dialer;
use crate::vouch::Vouch;

/// The shared parts that the stages work with.
#[derive(Clone)]
pub struct Means {
    /// The leases, by which the policy is asked.
    pub leases: Leases,
    /// The dialer, which connects backends.
    pub dialer: Dialer,
    /// The audit log.
    pub journal: Arc<dyn Journal>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The domain under which interfaces have their names.
    pub domain: Domain,
    /// The request rates of the interfaces.
    pub rates: Rates,
    /// The port that tells backends who asks, where that is declared.
    pub vouch: Arc<dyn Vouch>,
}
