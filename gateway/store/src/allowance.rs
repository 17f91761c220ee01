//! How many certificates renewals may issue to one subject.

use doorward_model::SubjectId;
use jiff::{SignedDuration, Timestamp};
use sqlx::sqlite::SqliteConnection;

use crate::database::micros;
use crate::error::StoreError;

/// How many certificates renewals may issue to one subject. Each certificate takes room in the
/// audit log and in the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Within an hour.
    pub hour: i64,
    /// Within a day.
    pub day: i64,
}

impl Allowance {
    /// Returns whether a subject that was issued `recent` certificates may have one more.
    pub(crate) fn permits(self, recent: Self) -> bool {
        recent.hour < self.hour && recent.day < self.day
    }
}

/// Returns how many certificates a subject was issued within the last hour and the last day.
pub(crate) async fn recent(
    connection: &mut SqliteConnection,
    subject: SubjectId,
    now: Timestamp,
) -> Result<Allowance, StoreError> {
    let before = |hours| now.checked_sub(SignedDuration::from_hours(hours)).unwrap_or(now);
    let (hour, day) = sqlx::query_as(
        "SELECT count(*) FILTER (WHERE issued > ?), count(*) FROM issuances \
         WHERE subject = ? AND issued > ?",
    )
    .bind(micros(before(1)))
    .bind(subject.0)
    .bind(micros(before(24)))
    .fetch_one(connection)
    .await?;
    Ok(Allowance { hour, day })
}
