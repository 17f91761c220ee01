//! E0382: use of moved value: `authorized`
//! One permit is one flow.

use doorward_policies::Journal;
use doorward_proxy::{Via, open};
use doorward_session::Authorized;

pub async fn path(journal: &dyn Journal, authorized: Authorized) {
    drop(open(journal, authorized, Via::Sni).await);
    drop(open(journal, authorized, Via::Sni).await); //~
}
