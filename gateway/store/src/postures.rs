//! How the reports of devices about themselves are stored.

use doorward_model::{Posture, Subject, SubjectId};
use doorward_policies::Touched;
use jiff::SignedDuration;

use crate::change::{Actor, Committed, change};
use crate::error::StoreError;
use crate::rows::postures;
use crate::rows::subjects::known;
use crate::store::Store;

/// The least time between two reports of one device. Each report is a change of the state, and a
/// device must not fill the queue of changes.
const PACE: SignedDuration = SignedDuration::from_millis(500);

impl Store {
    /// Stores what a device reports about itself, in the place of its former report. Whatever rests
    /// on the device is asked again.
    ///
    /// # Errors
    /// When the device was removed, when its former report came less than half a second before, or
    /// when the database refuses.
    pub async fn report(
        &self,
        device: Subject,
        number: SubjectId,
        posture: Posture,
    ) -> Result<Committed<()>, StoreError> {
        let actor = Actor::Subject(device.clone());
        let change = change!((device, number, posture), |tx| {
            if known(tx, device).await? != *number {
                return Err(StoreError::NoSubject(device.clone()));
            }
            let former = postures::of(tx, device, *number).await?;
            // A former report of a later time means that the clock was set back.
            let since = former.map(|former| posture.at.duration_since(former.at));
            if since.is_some_and(|since| (SignedDuration::ZERO..PACE).contains(&since)) {
                return Err(StoreError::ReportsTooOften);
            }
            postures::put(tx, *number, posture).await?;
            Ok(((), Touched { subjects: vec![device.clone()], ..Touched::default() }))
        });
        self.commit(actor, "report", change).await
    }
}
