//! Dials Unix sockets.

use std::path::Path;

use tokio::net::UnixStream;

use super::{BackendStream, Bounds, ConnectedStream, DialError};

pub(super) async fn dial(bounds: &Bounds, path: &Path) -> Result<ConnectedStream, DialError> {
    bounds.check_unix(path)?;
    // A symbolic link could lead out of the bounds, so the gateway resolves it and checks again.
    let real = tokio::fs::canonicalize(path).await?;
    bounds.check_unix(&real)?;
    #[expect(clippy::disallowed_methods, reason = "this is the dial, after a permit")]
    let stream = UnixStream::connect(&real).await?;
    let address = format!("unix:{}", real.display());
    Ok(ConnectedStream { stream: BackendStream::Unix(stream), address })
}

#[cfg(test)]
mod tests {
    use super::super::Paths;
    use super::*;

    #[tokio::test]
    async fn a_link_that_leads_out_of_the_bounds_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        for sub in ["inside", "outside"] {
            std::fs::create_dir(dir.join(sub)).unwrap();
        }
        let _inside = std::os::unix::net::UnixListener::bind(dir.join("inside/a.sock")).unwrap();
        let _outside = std::os::unix::net::UnixListener::bind(dir.join("outside/b.sock")).unwrap();
        std::os::unix::fs::symlink(dir.join("outside/b.sock"), dir.join("inside/b.sock")).unwrap();
        let glob = format!("{}/inside/*", dir.display()).parse().unwrap();
        let paths = Paths { unix: vec![glob], ..Paths::default() };
        let bounds = Bounds::within(&[], paths);
        assert!(dial(&bounds, &dir.join("inside/a.sock")).await.is_ok());
        let led_out = dial(&bounds, &dir.join("inside/b.sock")).await;
        assert!(matches!(led_out, Err(DialError::Forbidden { .. })));
        let missing = dial(&bounds, &dir.join("inside/c.sock")).await;
        assert!(matches!(missing, Err(DialError::Refused(_))));
    }
}
