use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use doorward_model::{DoorName, escape};
use doorward_sdk::Identity;
use tokio::net::{TcpListener, UnixListener};
use tokio::signal::unix::{SignalKind, signal};

use crate::carry::{Patience, carry};
use crate::command::tell;
use crate::failure::Failure;

/// Where local programs find an interface.
pub(crate) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, Removed),
}

/// A socket's file, removed with the listener.
pub(crate) struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        // Whoever removed it first has saved us the work.
        drop(std::fs::remove_file(&self.0));
    }
}

impl Listener {
    /// Listens at `unix:PATH`, or at a loopback address after `--open`.
    pub(crate) fn bind(address: &str, open: bool) -> Result<Self, Failure> {
        if let Some(path) = address.strip_prefix("unix:") {
            return unix(Path::new(path));
        }
        let parsed: SocketAddr = address.parse().map_err(|_| {
            Failure::Usage(format!(
                "'{}' is no place to listen; use unix:PATH, or 127.0.0.1:PORT with --open",
                escape(address)
            ))
        })?;
        if !parsed.ip().is_loopback() {
            return Err(Failure::Usage(format!(
                "{parsed} can be reached from other machines, past the gateway; listen at \
                 unix:PATH, use --stdio, or a loopback address with --open"
            )));
        }
        if !open {
            return Err(Failure::Usage(
                "a TCP port can be used by everyone on this machine; use --stdio, or --listen \
                 unix:PATH, or add --open if that is what you mean"
                    .to_owned(),
            ));
        }
        let bound = std::net::TcpListener::bind(parsed).and_then(|listener| {
            listener.set_nonblocking(true)?;
            TcpListener::from_std(listener)
        });
        bound.map(Self::Tcp).map_err(|error| Failure::Local { what: address.to_owned(), error })
    }

    fn shown(&self) -> String {
        match self {
            Self::Tcp(listener) => {
                listener.local_addr().map_or_else(|error| error.to_string(), |at| at.to_string())
            }
            Self::Unix(_, Removed(path)) => format!("unix:{}", path.display()),
        }
    }
}

/// A Unix socket that only its owner can open: made in a directory that only its owner can
/// enter, and moved to its place when its mode is right.
fn unix(path: &Path) -> Result<Listener, Failure> {
    let failed = |error| Failure::Local { what: format!("unix:{}", path.display()), error };
    let bind = || -> io::Result<Listener> {
        match std::fs::symlink_metadata(path) {
            Ok(found) if found.file_type().is_socket() && !is_served(path) => {
                std::fs::remove_file(path)?;
            }
            Ok(_) => return Err(io::Error::other("it is there already; remove it first")),
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
            Ok(Listener::Unix(listener, Removed(path.to_owned())))
        })();
        drop(std::fs::remove_dir_all(&private));
        made
    };
    bind().map_err(failed)
}

/// Whether somebody answers at a socket.
fn is_served(path: &Path) -> bool {
    #[expect(clippy::disallowed_methods, reason = "asks whether a local socket is stale")]
    std::os::unix::net::UnixStream::connect(path).is_ok()
}

/// Serves local programs until the agent is told to stop; each gets a flow of its own.
pub(crate) async fn serve(
    listener: Listener,
    identity: Arc<Identity>,
    door: DoorName,
) -> Result<(), Failure> {
    let stop =
        |kind| signal(kind).map_err(|error| Failure::Local { what: "signals".to_owned(), error });
    let (mut interrupt, mut terminate) =
        (stop(SignalKind::interrupt())?, stop(SignalKind::terminate())?);
    tell(&format!("{door} is at {}", listener.shown()));
    let mut flows = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            _ = interrupt.recv() => return Ok(()),
            _ = terminate.recv() => return Ok(()),
            Some(_) = flows.join_next(), if !flows.is_empty() => {}
            accepted = accept(&listener) => match accepted {
                Ok(local) => {
                    flows.spawn(flow(local, Arc::clone(&identity), door.clone()));
                }
                Err(error) => {
                    tell(&format!("doorward: a connection could not be taken: {error}"));
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
            },
        }
    }
}

enum Local {
    Tcp(tokio::net::TcpStream),
    Unix(tokio::net::UnixStream),
}

async fn accept(listener: &Listener) -> io::Result<Local> {
    match listener {
        Listener::Tcp(listener) => listener.accept().await.map(|(stream, _)| Local::Tcp(stream)),
        Listener::Unix(listener, _) => {
            listener.accept().await.map(|(stream, _)| Local::Unix(stream))
        }
    }
}

async fn flow(local: Local, identity: Arc<Identity>, door: DoorName) {
    let ended = async {
        let stream = doorward_sdk::connect(&identity, &door).await.map_err(Failure::from)?;
        match local {
            Local::Tcp(mut tcp) => {
                // Until the flow has ended properly, the local program is to see a reset.
                let lost = |error| Failure::Local { what: "the local program".to_owned(), error };
                tcp.set_zero_linger().map_err(lost)?;
                let ended = {
                    let (input, output) = tcp.split();
                    carry(stream, input, output, Patience::Whole).await
                };
                if ended.is_ok() {
                    #[expect(deprecated, reason = "no linger at all is the system's default")]
                    tcp.set_linger(None).map_err(lost)?;
                }
                ended
            }
            Local::Unix(mut unix) => {
                let (input, output) = unix.split();
                carry(stream, input, output, Patience::Whole).await
            }
        }
    };
    if let Err(error) = ended.await {
        tell(&format!("doorward: {error}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_local_listener_is_no_way_around() {
        for (address, open, why) in [
            ("0.0.0.0:0", true, "other machines"),
            ("192.0.2.1:80", true, "other machines"),
            ("127.0.0.1:0", false, "--stdio"),
            ("127.0.0.1:0", false, "unix:PATH"),
            ("nowhere", true, "no place to listen"),
        ] {
            let error = Listener::bind(address, open).err().unwrap().to_string();
            assert!(error.contains(why), "{address}: {error}");
        }
        assert!(Listener::bind("127.0.0.1:0", true).is_ok());
    }

    #[tokio::test]
    async fn a_socket_is_its_owners_alone_and_goes_with_its_listener() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("door.sock");
        let listener = Listener::bind(&format!("unix:{}", path.display()), false).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(Listener::bind(&format!("unix:{}", path.display()), false).is_err());
        drop(listener);
        assert!(!path.exists());
        // One that was left behind is taken over; a file is not.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(Listener::bind(&format!("unix:{}", path.display()), false).is_ok());
        std::fs::write(&path, "mine").unwrap();
        assert!(Listener::bind(&format!("unix:{}", path.display()), false).is_err());
    }
}
