//! Long work beside the other requests.

use crate::gate::{Denied, failed};
use crate::response::denied;

/// Does long work on a blocking thread, so that the runtime can serve other requests.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Denied> + Send + 'static,
) -> Result<T, Denied> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(_) => Err(denied(failed())),
    }
}
