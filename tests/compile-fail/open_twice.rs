//! E0382: use of moved value: `granted`
//! One permit is one flow.

use doorward_policies::Journal;
use doorward_proxy::{Granted, open};

pub async fn path(journal: &dyn Journal, granted: Granted) {
    drop(open(journal, granted).await);
    drop(open(journal, granted).await); //~
}
