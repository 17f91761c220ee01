//! Brings a snapshot up to the last change, whoever has made the changes since.

use doorward_policies::{Snapshot, Touched};
use jiff::Timestamp;

use crate::error::StoreError;
use crate::load;
use crate::port::Reading;
use crate::rows::epochs;

/// A snapshot of the last change, and what the changes since the former snapshot touched.
pub(crate) struct CaughtUp {
    pub(crate) snapshot: Snapshot,
    pub(crate) touched: Touched,
}

/// Returns the snapshot of the last change, given the one of an earlier change; `None` if there
/// was no change since. All reads must be in one transaction, so that the snapshot has exactly the
/// state of its number.
pub(crate) async fn catch_up(
    reading: &mut Reading,
    before: &Snapshot,
    now: Timestamp,
) -> Result<Option<CaughtUp>, StoreError> {
    let head = epochs::last(reading).await?;
    if head == before.epoch() {
        return Ok(None);
    }
    if head < before.epoch() {
        return Err(StoreError::Row(format!(
            "its last change is {}, but this gateway has seen change {}; if the database was put \
             back from a backup, restart the gateway",
            head.0,
            before.epoch().0
        )));
    }
    match epochs::touched_since(reading, before.epoch(), head).await? {
        Some(touched) => {
            let snapshot = Snapshot::clone(before);
            let snapshot = load::again(reading, snapshot, &touched, None, now).await?.at(head);
            Ok(Some(CaughtUp { snapshot, touched }))
        }
        None => {
            let snapshot = load::all(reading, before.domain().clone(), now).await?;
            let touched = Touched { bundle: true, ..Touched::default() };
            Ok(Some(CaughtUp { snapshot: snapshot.holding_like(before), touched }))
        }
    }
}
