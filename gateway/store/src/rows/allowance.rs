//! How many certificates renewals may issue to one subject.

use doorward_model::SubjectId;
use jiff::{SignedDuration, Timestamp};

use crate::error::StoreError;
use crate::port::{Reading, values};

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
    reading: &mut Reading,
    subject: SubjectId,
    now: Timestamp,
) -> Result<Allowance, StoreError> {
    let before = |hours| now.checked_sub(SignedDuration::from_hours(hours)).unwrap_or(now);
    let row = reading
        .one(
            "SELECT count(*) FILTER (WHERE issued > $1) AS of_hour, count(*) AS of_day \
             FROM issuances WHERE subject = $2 AND issued > $3",
            values![before(1), subject.0, before(24)],
        )
        .await?;
    Ok(Allowance { hour: row.get("of_hour")?, day: row.get("of_day")? })
}
