//! E0624: method `dial` is private
//! The dialer takes no address from anybody: only the stage can ask it to dial.

use doorward_model::Target;
use doorward_proxy::{Dialer, Wants};

pub async fn path(dialer: &Dialer, target: &Target) {
    drop(dialer.dial(Some(target), Wants::ALL).await); //~
}
