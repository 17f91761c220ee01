//! Dials Unix sockets.

use std::path::Path;

use doorward_model::Scheme;
use tokio::net::UnixStream;

use super::{BackendStream, Bounds, ConnectedStream, DialError};

pub(super) async fn dial(bounds: &Bounds, path: &Path) -> Result<ConnectedStream, DialError> {
    let real = bounds.real_path(Scheme::Unix, path).await?;
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
        let paths = Paths::default().with(Scheme::Unix, vec![glob]);
        let bounds = Bounds::within(&[], paths);
        assert!(dial(&bounds, &dir.join("inside/a.sock")).await.is_ok());
        let led_out = dial(&bounds, &dir.join("inside/b.sock")).await;
        assert!(matches!(led_out, Err(DialError::Forbidden { .. })));
        let missing = dial(&bounds, &dir.join("inside/c.sock")).await;
        assert!(matches!(missing, Err(DialError::Refused(_))));
    }
}
