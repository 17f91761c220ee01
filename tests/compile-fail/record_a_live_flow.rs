//! E0308: mismatched types
//! Only what is over is recorded as over.

use doorward_proxy::{Dialed, record};

pub fn path(dialed: Dialed) {
    record(dialed); //~
}
