//! Backends that count what reaches them.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What a backend does with a connection.
#[derive(Clone, Debug)]
pub enum Kind {
    /// Sends a greeting at once, then echoes until the client has ended, then ends.
    Echo,
    /// Reads until the client has ended, then sends how many bytes that were, and ends.
    Count,
    /// As `Count`, but reads nothing before it is told to.
    Later(Arc<AtomicBool>),
    /// Reads a request's head, then sends that many bytes after an HTTP head that announces
    /// them, and ends.
    Download(u64),
    /// Reads a request's head, then sends a head that announces no length, and bytes for as long
    /// as they are taken.
    Endless,
    /// As `Download`, but breaks off with a reset after half of the bytes.
    BreaksOff(u64),
}

/// What a greeting says.
pub const GREETING: &[u8] = b"hello from the backend\n";

#[derive(Default)]
struct Seen {
    connections: AtomicU64,
    bytes: AtomicU64,
    /// Connections whose client ended properly (end of file), and those that were reset.
    ended: AtomicU64,
    reset: AtomicU64,
    stopped: AtomicBool,
    open: Mutex<u64>,
}

/// A server on loopback or at a Unix socket.
pub struct Backend {
    seen: Arc<Seen>,
    url: String,
    _dir: Option<tempfile::TempDir>,
}

trait Stream: Read + Write + Send {
    fn end(&self);
    /// Makes the drop a reset, where the transport has one.
    fn reset(&self);
}

impl Stream for TcpStream {
    fn end(&self) {
        let _ = self.shutdown(Shutdown::Write);
    }
    fn reset(&self) {
        let at_once = Some(Duration::ZERO);
        rustix::net::sockopt::set_socket_linger(self, at_once).unwrap();
    }
}

impl Stream for UnixStream {
    fn end(&self) {
        let _ = self.shutdown(Shutdown::Write);
    }
    fn reset(&self) {
        let _ = self.shutdown(Shutdown::Both);
    }
}

impl Backend {
    /// A TCP server on loopback.
    pub fn tcp(kind: Kind) -> Self {
        Self::at("127.0.0.1", kind)
    }

    /// A TCP server at an address of loopback.
    pub fn at(address: &str, kind: Kind) -> Self {
        let listener = TcpListener::bind((address, 0)).unwrap();
        let url = format!("tcp://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Seen::default());
        let shared = Arc::clone(&seen);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if shared.stopped.load(Ordering::SeqCst) {
                    return;
                }
                serve(stream, kind.clone(), Arc::clone(&shared));
            }
        });
        Self { seen, url, _dir: None }
    }

    /// A server at a Unix socket in `dir`.
    pub fn unix(kind: Kind, dir: &Path) -> Self {
        let path: PathBuf = dir.join(format!("backend-{}.sock", fastrand()));
        let listener = UnixListener::bind(&path).unwrap();
        let seen = Arc::new(Seen::default());
        let shared = Arc::clone(&seen);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if shared.stopped.load(Ordering::SeqCst) {
                    return;
                }
                serve(stream, kind.clone(), Arc::clone(&shared));
            }
        });
        Self { seen, url: format!("unix:{}", path.display()), _dir: None }
    }

    /// The URL of the interface.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// HOST:PORT of a TCP server.
    pub fn address(&self) -> &str {
        self.url.strip_prefix("tcp://").unwrap()
    }

    /// How many connections arrived, and how many bytes on them.
    pub fn saw(&self) -> (u64, u64) {
        (self.seen.connections.load(Ordering::SeqCst), self.seen.bytes.load(Ordering::SeqCst))
    }

    /// How many connections ended properly, and how many broke.
    pub fn endings(&self) -> (u64, u64) {
        (self.seen.ended.load(Ordering::SeqCst), self.seen.reset.load(Ordering::SeqCst))
    }

    /// Waits until no connection is open any more.
    pub fn wait_until_quiet(&self) {
        for _ in 0..1000 {
            if *self.seen.open.lock().unwrap() == 0 {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("a connection to the backend is still open");
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.seen.stopped.store(true, Ordering::SeqCst);
    }
}

fn fastrand() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}

fn serve(stream: impl Stream + 'static, kind: Kind, seen: Arc<Seen>) {
    seen.connections.fetch_add(1, Ordering::SeqCst);
    *seen.open.lock().unwrap() += 1;
    thread::spawn(move || {
        let broke = talk(stream, &kind, &seen).is_err();
        let count = if broke { &seen.reset } else { &seen.ended };
        count.fetch_add(1, Ordering::SeqCst);
        *seen.open.lock().unwrap() -= 1;
    });
}

fn talk<S: Stream>(mut stream: S, kind: &Kind, seen: &Seen) -> std::io::Result<()> {
    let mut chunk = vec![0; 64 * 1024];
    match kind {
        Kind::Echo => {
            stream.write_all(GREETING)?;
            loop {
                let count = stream.read(&mut chunk)?;
                if count == 0 {
                    stream.end();
                    return Ok(());
                }
                seen.bytes.fetch_add(count as u64, Ordering::SeqCst);
                stream.write_all(&chunk[..count])?;
            }
        }
        Kind::Later(told) => {
            while !told.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_millis(10));
            }
            talk(stream, &Kind::Count, seen)
        }
        Kind::Count => {
            let mut total = 0u64;
            loop {
                let count = stream.read(&mut chunk)?;
                if count == 0 {
                    stream.write_all(format!("{total}\n").as_bytes())?;
                    stream.end();
                    return Ok(());
                }
                total += count as u64;
                seen.bytes.fetch_add(count as u64, Ordering::SeqCst);
            }
        }
        Kind::Endless => {
            read_head(&mut stream, seen)?;
            stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
            loop {
                stream.write_all(&chunk[..1000])?;
                thread::sleep(Duration::from_millis(5));
            }
        }
        Kind::Download(bytes) | Kind::BreaksOff(bytes) => {
            read_head(&mut stream, seen)?;
            let announced =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {bytes}\r\nConnection: close\r\n\r\n");
            stream.write_all(announced.as_bytes())?;
            let whole = matches!(kind, Kind::Download(_));
            let mut left = if whole { *bytes } else { bytes / 2 };
            let mut number = 0u64;
            while left > 0 {
                fill(&mut chunk, &mut number);
                let now = usize::try_from(left.min(chunk.len() as u64)).unwrap();
                stream.write_all(&chunk[..now])?;
                left -= now as u64;
            }
            if whole {
                stream.end();
                // Until the client has ended as well.
                while stream.read(&mut chunk)? > 0 {}
            } else {
                stream.reset();
            }
            Ok(())
        }
    }
}

fn read_head(stream: &mut impl Stream, seen: &Seen) -> std::io::Result<()> {
    let mut chunk = [0; 4096];
    let mut head = Vec::new();
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        let count = stream.read(&mut chunk)?;
        if count == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        seen.bytes.fetch_add(count as u64, Ordering::SeqCst);
        head.extend_from_slice(&chunk[..count]);
    }
    Ok(())
}

/// Bytes that tell if any is lost, repeated or moved: a counter in every eight.
pub fn fill(chunk: &mut [u8], number: &mut u64) {
    for eight in chunk.chunks_mut(8) {
        let bytes = number.to_le_bytes();
        let count = eight.len();
        eight.copy_from_slice(&bytes[..count]);
        *number += 1;
    }
}

/// The first `count` of those bytes, in pieces.
pub fn expected(count: u64) -> impl Iterator<Item = Vec<u8>> {
    let mut number = 0;
    let mut left = count;
    std::iter::from_fn(move || {
        if left == 0 {
            return None;
        }
        let mut chunk = vec![0; 64 * 1024];
        fill(&mut chunk, &mut number);
        chunk.truncate(usize::try_from(left.min(chunk.len() as u64)).unwrap());
        left -= chunk.len() as u64;
        Some(chunk)
    })
}
