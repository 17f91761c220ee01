use std::fs::{self, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use rustix::fs::FallocateFlags;
use rustix::io::Errno;

/// Room on the disk that is given up when there is no other, so that an administrator can
/// still log in, revoke and prune.
#[derive(Clone, Debug)]
pub(crate) struct Ballast {
    path: PathBuf,
}

const SIZE: u64 = 8 * 1024 * 1024;

impl Ballast {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
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
        if let Err(error) = take() {
            tracing::warn!(path = %self.path.display(), %error, "no room could be kept");
            self.release();
        }
    }

    /// Whether the room is there; it is taken again when there is as much left besides.
    pub(crate) fn is_kept(&self) -> bool {
        let kept = || fs::metadata(&self.path).is_ok_and(|found| found.len() >= SIZE);
        if kept() {
            return true;
        }
        let Some(dir) = self.path.parent() else { return false };
        let free = rustix::fs::statvfs(dir).map_or(0, |disk| disk.f_bavail * disk.f_frsize);
        if free >= 2 * SIZE {
            self.take();
        }
        kept()
    }

    /// Gives the room up. Whether there was any.
    pub(crate) fn release(&self) -> bool {
        fs::remove_file(&self.path).is_ok()
    }
}
