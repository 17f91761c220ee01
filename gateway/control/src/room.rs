use std::sync::Arc;
use std::time::Duration;

use doorward_session::Problem;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::admin::denied;
use crate::gate::Denied;

/// Room for requests that may hold a whole bundle: a few at once, since each may be large.
#[derive(Clone, Debug)]
pub struct Room(Arc<Semaphore>);

impl Room {
    /// How many there is room for.
    pub const PLACES: usize = 4;
    /// How long one waits for room.
    const TIME: Duration = Duration::from_secs(10);

    /// Room for that many.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Semaphore::new(Self::PLACES)))
    }

    pub(crate) async fn enter(&self) -> Result<OwnedSemaphorePermit, Denied> {
        let place = tokio::time::timeout(Self::TIME, Arc::clone(&self.0).acquire_owned()).await;
        place.ok().and_then(Result::ok).ok_or_else(|| {
            let detail = "Others are having bundles read. Try again in a moment.";
            denied(Problem::new(503, "Busy", detail))
        })
    }
}

impl Default for Room {
    fn default() -> Self {
        Self::new()
    }
}
