//! A connection to a Unix socket of the device.

use std::path::Path;

use tokio::net::UnixStream;

use super::unavailable::Unavailable;
use crate::local_stream::LocalStream;

/// Connects to a Unix socket.
pub(super) async fn dial(path: &Path) -> Result<LocalStream, Unavailable> {
    #[expect(clippy::disallowed_methods, reason = "dials the target of an offered interface")]
    let unix = UnixStream::connect(path).await?;
    Ok(LocalStream::Unix(unix))
}
