//! Records what happens whether or not it can be recorded: refusals, ends, alarms.

use doorward_policies::{Journal, Record};

/// Records something, and waits until that is on disk. If it cannot be recorded, the log says so,
/// and what was to be recorded happens all the same.
pub async fn note(journal: &dyn Journal, record: Record) {
    let (event, by) = (record.event, record.party());
    if let Err(error) = journal.write(record).await {
        tracing::error!(%by, %event, %error, "something was not recorded");
    }
}
