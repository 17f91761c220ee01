//! Suspended rules: they permit nothing until the next bundle.

use doorward_model::Revision;
use sqlx::Connection as _;
use sqlx::sqlite::SqliteConnection;

use crate::error::StoreError;

/// Stores that these lines of a revision are suspended.
pub(crate) async fn note(
    connection: &mut SqliteConnection,
    revision: Revision,
    lines: &[usize],
) -> Result<(), StoreError> {
    let mut transaction = connection.begin().await?;
    for line in lines {
        sqlx::query("INSERT OR IGNORE INTO suspended (revision, line) VALUES (?, ?)")
            .bind(revision.0)
            .bind(i64::try_from(*line).unwrap_or(i64::MAX))
            .execute(&mut *transaction)
            .await?;
    }
    Ok(transaction.commit().await?)
}

/// Returns the suspended lines of a revision.
pub(crate) async fn of(
    connection: &mut SqliteConnection,
    revision: Revision,
) -> Result<Vec<usize>, StoreError> {
    let lines: Vec<i64> = sqlx::query_scalar("SELECT line FROM suspended WHERE revision = ?")
        .bind(revision.0)
        .fetch_all(connection)
        .await?;
    Ok(lines.into_iter().filter_map(|line| usize::try_from(line).ok()).collect())
}
