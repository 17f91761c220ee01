//! E0624: method `dial` is private
//! The dialer takes no address from anybody: only the stage can ask it to dial.

use doorward_policies::Permit;
use doorward_proxy::{Dialer, Wants};

pub async fn path(dialer: &Dialer, permit: &Permit) {
    drop(dialer.dial(permit, None, Wants::ALL).await); //~
}
