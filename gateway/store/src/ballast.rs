//! Room on the disk that is kept for whoever takes rights away or makes room.

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::FallocateFlags;
use rustix::io::Errno;

/// Room on the disk that is given up when there is no other, so that an administrator can
/// still log in, revoke and prune. Clones are the same room.
#[derive(Clone, Debug)]
pub(crate) struct Ballast {
    path: PathBuf,
    given_up: Arc<AtomicBool>,
}

const SIZE: u64 = 8 * 1024 * 1024;
/// With less than this, a change may not find room.
const SHORT: u64 = 2 * 1024 * 1024;
/// With less than this, no change is sure to find room, even where a small write still does.
const LEAST: u64 = 512 * 1024;

impl Ballast {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, given_up: Arc::default() }
    }

    /// Takes the room, if it is not taken already. A disk that is too full for it is not an
    /// error: there is nothing to keep then.
    pub(crate) fn take(&self) {
        let take = || -> io::Result<()> {
            if fs::metadata(&self.path).is_ok_and(|found| found.len() >= SIZE) {
                return Ok(());
            }
            let mut options = OpenOptions::new();
            let mut file =
                options.write(true).create(true).truncate(true).mode(0o600).open(&self.path)?;
            match rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, SIZE) {
                // A file system that reserves nothing takes what is written.
                Err(Errno::OPNOTSUPP) => {
                    io::copy(&mut io::repeat(0x5a).take(SIZE), &mut file)?;
                    file.sync_all()
                }
                done => Ok(done?),
            }
        };
        match take() {
            Ok(()) => self.given_up.store(false, Ordering::SeqCst),
            Err(error) => {
                tracing::warn!(path = %self.path.display(), %error, "no room could be kept");
                drop(fs::remove_file(&self.path));
            }
        }
    }

    /// How many bytes the disk has left, besides this room.
    fn free(&self) -> u64 {
        let disk = self.path.parent().and_then(|dir| rustix::fs::statvfs(dir).ok());
        disk.map_or(0, |disk| disk.f_bavail * disk.f_frsize)
    }

    /// Whether the disk has so little left that a change may not find room.
    pub(crate) fn is_short(&self) -> bool {
        self.free() < SHORT
    }

    /// Whether the disk has so little left that no change is sure to find room.
    pub(crate) fn is_spent(&self) -> bool {
        self.free() < LEAST
    }

    /// Whether the room has been given up and not been taken again.
    pub(crate) fn is_given_up(&self) -> bool {
        self.given_up.load(Ordering::SeqCst)
    }

    /// Whether the room is there; it is taken again when there is as much left besides.
    pub(crate) fn is_kept(&self) -> bool {
        let kept = || fs::metadata(&self.path).is_ok_and(|found| found.len() >= SIZE);
        if kept() {
            return true;
        }
        if self.free() >= 2 * SIZE {
            self.take();
        }
        kept()
    }

    /// Gives the room up. Whether there was any.
    pub(crate) fn release(&self) -> bool {
        let released = fs::remove_file(&self.path).is_ok();
        if released {
            self.given_up.store(true, Ordering::SeqCst);
        }
        released
    }
}
