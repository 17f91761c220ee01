//! unused_must_use: unused `Ended` that must be used
//! An ending that nobody records does not pass.
#![deny(unused_must_use)]

use doorward_proxy::{Dialed, relay};
use doorward_session::Wire;

pub async fn path(dialed: Dialed, wire: Box<dyn Wire>) {
    relay(dialed, wire).await; //~
}
