//! E0382: use of moved value: `opened`
//! One opening is one connection.

use doorward_proxy::{Dialer, Opened, dial};

pub async fn path(dialer: &Dialer, opened: Opened) {
    drop(dial(dialer, opened).await);
    drop(dial(dialer, opened).await); //~
}
