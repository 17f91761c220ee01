//! The stages of the path, one file each.

mod approach;
mod authorize;
mod datagrams;
mod dial;
mod held;
mod inspected;
mod open;
mod record;
mod relay;

use std::sync::Arc;

use doorward_model::{Clock, Domain};
use doorward_policies::Journal;
use doorward_session::Leases;

pub use approach::{Approach, Approached, approach};
pub use authorize::{Authority, RefusedFlow, Requested, Via, Wanted, authorize};
pub use dial::{Dialed, NotDialed, dial};
pub use held::Granted;
pub use inspected::{Rates, inspect};
pub use open::{NotOpened, Opened, open};
pub use record::{Ended, record, refuse};
pub use relay::{Client, relay};

use crate::dial::Dialer;
use crate::vouch::Vouch;

/// What the stages work with.
#[derive(Clone)]
pub struct Means {
    /// Who asks the policy.
    pub leases: Leases,
    /// What reaches backends.
    pub dialer: Dialer,
    /// What is recorded goes here.
    pub journal: Arc<dyn Journal>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// What doors are called in.
    pub domain: Domain,
    /// How many requests interfaces have taken.
    pub rates: Rates,
    /// Who tells backends who asks, where that is declared.
    pub vouch: Arc<dyn Vouch>,
}
