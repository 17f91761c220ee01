//! The stages of the path, one file each.

mod authorize;
mod dial;
mod open;
mod record;
mod relay;

pub use authorize::{Authority, RefusedFlow, Requested, Via, authorize};
pub use dial::{Dialed, NotDialed, dial};
pub use open::{NotOpened, Opened, open};
pub use record::{Ended, record, refuse};
pub use relay::relay;
