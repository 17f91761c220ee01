//! Local listeners: sockets that programs of this machine connect to.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use doorward_model::escape;
use tokio::net::{TcpListener, UnixListener};

use crate::failure::Failure;
use crate::local_stream::LocalStream;

/// A socket that local programs connect to.
pub(crate) enum LocalListener {
    Tcp(TcpListener),
    Unix(UnixListener, SocketFile),
}

/// The file of a Unix socket, which is removed with its listener.
pub(crate) struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Fails if somebody else has removed the file already.
        drop(std::fs::remove_file(&self.0));
    }
}

/// An address that other machines cannot reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ListenAddress {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl ListenAddress {
    /// Parses `unix:PATH`, or a loopback address and port.
    pub(crate) fn parse(address: &str) -> Result<Self, Failure> {
        if let Some(path) = address.strip_prefix("unix:") {
            return Ok(Self::Unix(path.into()));
        }
        let parsed: SocketAddr = address.parse().map_err(|_| {
            Failure::Usage(format!(
                "'{}' is not an address to listen at; use unix:PATH, or 127.0.0.1:PORT with --open",
                escape(address)
            ))
        })?;
        if !parsed.ip().is_loopback() {
            return Err(Failure::Usage(format!(
                "{parsed} can be reached from other machines, past the gateway; listen at \
                 unix:PATH, use --stdio, or a loopback address with --open"
            )));
        }
        Ok(Self::Tcp(parsed))
    }
}

impl LocalListener {
    pub(crate) fn bind(address: &ListenAddress) -> Result<Self, Failure> {
        match address {
            ListenAddress::Tcp(address) => tcp(*address),
            ListenAddress::Unix(path) => unix(path),
        }
    }

    /// Returns the address, for people.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Tcp(listener) => {
                listener.local_addr().map_or_else(|error| error.to_string(), |at| at.to_string())
            }
            Self::Unix(_, SocketFile(path)) => format!("unix:{}", path.display()),
        }
    }

    /// Accepts the next local program.
    pub(crate) async fn accept(&self) -> io::Result<LocalStream> {
        match self {
            Self::Tcp(listener) => {
                listener.accept().await.map(|(stream, _)| LocalStream::Tcp(stream))
            }
            Self::Unix(listener, _) => {
                listener.accept().await.map(|(stream, _)| LocalStream::Unix(stream))
            }
        }
    }
}

fn tcp(address: SocketAddr) -> Result<LocalListener, Failure> {
    let bound = std::net::TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener)
    });
    bound
        .map(LocalListener::Tcp)
        .map_err(|error| Failure::Local { what: address.to_string(), error })
}

/// Binds a Unix socket that only its owner can open. The socket is created in a directory that only
/// its owner can enter, gets its mode, and is then moved to `path`.
pub(crate) fn unix(path: &Path) -> Result<LocalListener, Failure> {
    let failed = |error| Failure::Local { what: format!("unix:{}", path.display()), error };
    let bind = || -> io::Result<LocalListener> {
        match std::fs::symlink_metadata(path) {
            Ok(found) if found.file_type().is_socket() && !is_served(path) => {
                std::fs::remove_file(path)?;
            }
            Ok(_) => return Err(io::Error::other("the path exists already; remove it first")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let private = parent.join(format!(".doorward-{}", std::process::id()));
        std::fs::DirBuilder::new().mode(0o700).create(&private)?;
        let made = (|| {
            let socket = private.join("s");
            let listener = UnixListener::bind(&socket)?;
            std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o600))?;
            std::fs::rename(&socket, path)?;
            Ok(LocalListener::Unix(listener, SocketFile(path.to_owned())))
        })();
        drop(std::fs::remove_dir_all(&private));
        made
    };
    bind().map_err(failed)
}

/// Returns whether a process accepts connections at a socket.
fn is_served(path: &Path) -> bool {
    #[expect(clippy::disallowed_methods, reason = "asks whether a local socket is stale")]
    std::os::unix::net::UnixStream::connect(path).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_is_its_owners_alone_and_goes_with_its_listener() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("door.sock");
        let address = ListenAddress::parse(&format!("unix:{}", path.display())).unwrap();
        let listener = LocalListener::bind(&address).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(LocalListener::bind(&address).is_err());
        drop(listener);
        assert!(!path.exists());
        // The socket of a listener that ended without removing it is replaced; a regular file is
        // not.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(LocalListener::bind(&address).is_ok());
        std::fs::write(&path, "mine").unwrap();
        assert!(LocalListener::bind(&address).is_err());
    }
}
