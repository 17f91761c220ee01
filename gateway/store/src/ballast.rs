//! Disk space that is reserved for changes that take rights away or make room.

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::FallocateFlags;
use rustix::io::Errno;

use crate::error::OpenError;

/// A file of 8 MiB that is deleted when the disk is full, so that an administrator can still log
/// in, revoke and prune. Clones stand for the same file.
#[derive(Clone, Debug)]
pub(crate) struct Ballast {
    path: PathBuf,
    given_up: Arc<AtomicBool>,
}

const SIZE: u64 = 8 * 1024 * 1024;
/// With less free space than this, in bytes, a change may fail for want of space.
const SHORT: u64 = 2 * 1024 * 1024;
/// With less than this, no change is sure to find room, even where a small write still does.
const LEAST: u64 = 512 * 1024;

impl Ballast {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, given_up: Arc::default() }
    }

    /// Deletes the file if the disk is full, so that the gateway can start.
    pub(crate) fn release_if_spent(&self) {
        if self.is_spent() && self.release() {
            tracing::error!("the disk is full; the reserved disk space has been released");
        }
    }

    /// Opens a database. If the disk is too full for that, deletes the file and opens once more.
    pub(crate) async fn open_with_room<T>(
        &self,
        open: impl AsyncFn() -> Result<T, OpenError>,
    ) -> Result<T, OpenError> {
        let outcome = open().await;
        if !outcome.as_ref().is_err_and(OpenError::is_full) || !self.release() {
            return outcome;
        }
        tracing::error!("the disk is full; the reserved disk space has been released");
        open().await
    }

    /// Creates the file, unless it is there or was deleted to make space. If the disk has no space
    /// for the file, this only logs a warning.
    pub(crate) fn take_at_start(&self) {
        if !self.is_given_up() {
            self.take();
        }
    }

    /// Creates the file, unless it is there. If the disk has no space for the file, this logs a
    /// warning, and what is left counts as reserved.
    pub(crate) fn take(&self) {
        let take = || -> io::Result<()> {
            if fs::metadata(&self.path).is_ok_and(|found| found.len() >= SIZE) {
                return Ok(());
            }
            let mut options = OpenOptions::new();
            let mut file =
                options.write(true).create(true).truncate(true).mode(0o600).open(&self.path)?;
            match rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, SIZE) {
                // This file system cannot reserve space, so write real bytes.
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
                tracing::warn!(path = %self.path.display(), %error, "no disk space could be reserved");
                drop(fs::remove_file(&self.path));
                self.note_if_short();
            }
        }
    }

    /// Returns how many bytes the disk has left, besides this file.
    fn free(&self) -> u64 {
        let disk = self.path.parent().and_then(|dir| rustix::fs::statvfs(dir).ok());
        disk.map_or(0, |disk| disk.f_bavail * disk.f_frsize)
    }

    /// Returns whether the disk has so little left that a change may fail.
    pub(crate) fn is_short(&self) -> bool {
        self.free() < SHORT
    }

    /// Returns whether the disk has so little space left that a change may not fit, even where a
    /// small write does.
    pub(crate) fn is_spent(&self) -> bool {
        self.free() < LEAST
    }

    /// Returns whether the file is missing for want of space.
    pub(crate) fn is_given_up(&self) -> bool {
        self.given_up.load(Ordering::SeqCst)
    }

    /// Returns whether the file is there. Creates it again when the disk has twice as much space
    /// left.
    pub(crate) fn is_kept(&self) -> bool {
        let kept = || fs::metadata(&self.path).is_ok_and(|found| found.len() >= SIZE);
        if kept() {
            return true;
        }
        if !self.note_if_short() {
            self.take();
        }
        kept()
    }

    /// Notes that the file is given up if the disk has less than twice its space left: another
    /// process, or an earlier one, has deleted it. Returns whether that is so.
    fn note_if_short(&self) -> bool {
        let is_short = self.free() < 2 * SIZE;
        if is_short {
            self.given_up.store(true, Ordering::SeqCst);
        }
        is_short
    }

    /// Deletes the file. Returns whether it was there.
    pub(crate) fn release(&self) -> bool {
        let released = fs::remove_file(&self.path).is_ok();
        if released {
            self.given_up.store(true, Ordering::SeqCst);
        }
        released
    }
}
