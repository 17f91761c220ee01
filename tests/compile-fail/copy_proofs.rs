//! E0277: the trait bound
//! No proof can be copied or come from nothing.

use doorward_policies::{Denial, Permit};
use doorward_proxy::{Dialed, Ended, Granted, Opened, Requested};
use doorward_session::{Accepted, Authenticated, Authorized, Lease, Session, Tracked};

fn copied<T: Clone>() {}
fn from_nothing<T: Default>() {}

pub fn path() {
    copied::<Accepted>(); //~
    copied::<Authenticated>(); //~
    copied::<Session>(); //~
    copied::<Requested>(); //~
    copied::<Permit>(); //~
    copied::<Denial>(); //~
    copied::<Authorized>(); //~
    copied::<Lease>(); //~
    copied::<Granted>(); //~
    copied::<Opened>(); //~
    copied::<Dialed>(); //~
    copied::<Tracked>(); //~
    copied::<Ended>(); //~
    from_nothing::<Accepted>(); //~
    from_nothing::<Authenticated>(); //~
    from_nothing::<Session>(); //~
    from_nothing::<Requested>(); //~
    from_nothing::<Permit>(); //~
    from_nothing::<Authorized>(); //~
    from_nothing::<Lease>(); //~
    from_nothing::<Granted>(); //~
    from_nothing::<Opened>(); //~
    from_nothing::<Dialed>(); //~
    from_nothing::<Ended>(); //~
}
