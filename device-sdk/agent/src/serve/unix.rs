//! A connection to a Unix socket of the device.

use std::path::Path;

use tokio::net::UnixStream;

use super::Absent;
use crate::local::Local;

/// Connects to a Unix socket.
pub(super) async fn dial(path: &Path) -> Result<Local, Absent> {
    #[expect(clippy::disallowed_methods, reason = "a flow that was asked of this interface")]
    let unix = UnixStream::connect(path).await?;
    Ok(Local::Unix(unix))
}
