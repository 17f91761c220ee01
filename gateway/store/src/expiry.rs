//! Deletes old rows of the state.

use doorward_policies::Touched;
use jiff::Timestamp;

use crate::change::{Actor, Committed, change};
use crate::error::StoreError;
use crate::port::values;
use crate::rows::issuances::certificate_id;
use crate::store::Store;

/// The most rows that are deleted from one table in one transaction.
const FORGOTTEN_AT_ONCE: i64 = 5000;

impl Store {
    /// Removes certificates that expired between `since` and now from the snapshot. That changes no
    /// decision, and frees memory. Returns how many there were.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn forget_expired(&self, since: Timestamp) -> Result<Committed<usize>, StoreError> {
        let now = self.now();
        let change = change!((since, now), |tx| {
            let rows = tx
                .all(
                    "SELECT issuer, serial FROM issuances \
                     WHERE revoked IS NULL AND not_after >= $1 AND not_after < $2",
                    values![*since, *now],
                )
                .await?;
            // The snapshot has none that cannot be read.
            let certificates: Vec<_> = rows.iter().flat_map(certificate_id).collect();
            let count = certificates.len();
            Ok((count, Touched { certificates, ..Touched::default() }))
        });
        self.commit(Actor::Gateway, "forget what expired", change).await
    }

    /// Deletes all certificates and codes that ended before `ended`, some at a time. So the rows of a
    /// subject that renews as often as it may are bounded. Returns how many rows were deleted.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn forget_ended(&self, ended: Timestamp) -> Result<u64, StoreError> {
        let mut all = 0;
        loop {
            let rows = self.forget_some_ended(ended).await?;
            all += rows;
            if rows < FORGOTTEN_AT_ONCE.unsigned_abs() {
                return Ok(all);
            }
        }
    }

    async fn forget_some_ended(&self, ended: Timestamp) -> Result<u64, StoreError> {
        let change = change!((ended), |tx| {
            let mut rows = 0;
            for delete in [
                "DELETE FROM codes WHERE digest IN \
                     (SELECT digest FROM codes WHERE expires < $1 LIMIT $2)",
                "DELETE FROM issuances WHERE id IN \
                     (SELECT id FROM issuances ended WHERE not_after < $1 \
                          AND NOT EXISTS (SELECT 1 FROM issuances WHERE first = ended.id) \
                          AND NOT EXISTS (SELECT 1 FROM codes WHERE issuance = ended.id) LIMIT $2)",
            ] {
                rows += tx.run(delete, values![*ended, FORGOTTEN_AT_ONCE]).await?;
            }
            Ok((rows, Touched::default()))
        });
        Ok(self.commit(Actor::Gateway, "forget what ended long ago", change).await?.value)
    }
}
