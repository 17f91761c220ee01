//! Records events that happen whether or not they can be recorded: refusals, ends, alarms.

use doorward_policies::{Journal, Record};

/// Writes a record, and waits until it is on disk. If the record cannot be written, this logs an
/// error and returns.
pub async fn note(journal: &dyn Journal, record: Record) {
    let (event, by) = (record.event, record.party());
    if let Err(error) = journal.write(record).await {
        tracing::error!(%by, %event, %error, "an event was not recorded in the audit log");
    }
}
