//! Deletes old rows of the state.

use doorward_policies::Touched;
use jiff::Timestamp;

use crate::change::{Actor, Committed, change};
use crate::database::micros;
use crate::error::StoreError;
use crate::issuances::certificate_id;
use crate::open::Store;

/// The most rows that are deleted from one table in one transaction.
const FORGOTTEN_AT_ONCE: i64 = 5000;
/// How many epochs keep their row.
const EPOCHS: i64 = 100_000;

impl Store {
    /// Removes certificates that expired between `since` and now from the snapshot. That changes no
    /// decision, and frees memory. Returns how many there were.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn forget_expired(&self, since: Timestamp) -> Result<Committed<usize>, StoreError> {
        let now = self.now();
        let change = change!(|connection| {
            let rows = sqlx::query(
                "SELECT issuer, serial FROM issuances \
                 WHERE revoked IS NULL AND not_after >= ? AND not_after < ?",
            )
            .bind(micros(since))
            .bind(micros(now))
            .fetch_all(connection)
            .await?;
            let certificates = rows.iter().map(certificate_id).collect::<Result<Vec<_>, _>>()?;
            let count = certificates.len();
            Ok((count, Touched { certificates, ..Touched::default() }))
        });
        self.commit(Actor::Gateway, "forget what expired", change).await
    }

    /// Deletes certificates and codes that ended before `ended`, and all but the newest rows of the
    /// list of epochs. So the rows of a subject that renews as often as it may are bounded. Returns
    /// how many rows were deleted.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn forget_ended(&self, ended: Timestamp) -> Result<u64, StoreError> {
        let change = change!(|connection| {
            let before = micros(ended);
            let mut rows = 0;
            for delete in [
                "DELETE FROM codes WHERE digest IN \
                     (SELECT digest FROM codes WHERE expires < ? LIMIT ?)",
                "DELETE FROM issuances WHERE id IN \
                     (SELECT id FROM issuances ended WHERE not_after < ? \
                          AND NOT EXISTS (SELECT 1 FROM issuances WHERE first = ended.id) \
                          AND NOT EXISTS (SELECT 1 FROM codes WHERE issuance = ended.id) LIMIT ?)",
            ] {
                let deleted = sqlx::query(delete)
                    .bind(before)
                    .bind(FORGOTTEN_AT_ONCE)
                    .execute(&mut *connection)
                    .await?;
                rows += deleted.rows_affected();
            }
            let deleted = sqlx::query(
                "DELETE FROM epochs WHERE epoch IN (SELECT epoch FROM epochs \
                     WHERE epoch <= (SELECT max(epoch) FROM epochs) - ? ORDER BY epoch LIMIT ?)",
            )
            .bind(EPOCHS)
            .bind(FORGOTTEN_AT_ONCE)
            .execute(&mut *connection)
            .await?;
            rows += deleted.rows_affected();
            Ok((rows, Touched::default()))
        });
        Ok(self.commit(Actor::Gateway, "forget what ended long ago", change).await?.value)
    }
}
