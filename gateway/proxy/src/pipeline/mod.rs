//! The stages of the path, one file each.

mod authorize;
mod datagrams;
mod dial;
mod held;
mod open;
mod record;
mod relay;

pub use authorize::{Authority, RefusedFlow, Requested, Via, Wanted, authorize};
pub use dial::{Dialed, NotDialed, dial};
pub use held::Granted;
pub use open::{NotOpened, Opened, open};
pub use record::{Ended, record, refuse};
pub use relay::{Client, relay};
