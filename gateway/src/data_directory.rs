//! The data directory: its owner, its mode, its lock, and its private files.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::failure::CommandFailure;

/// A data directory that this process has locked. Dropping the value releases the lock.
pub(crate) struct DataDirectory {
    path: PathBuf,
    _lock: File,
}

impl DataDirectory {
    /// Creates the directory if it does not exist, checks its owner and mode, and locks it.
    pub(crate) fn lock(path: &Path) -> Result<Self, CommandFailure> {
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| {
            let shown = path.display();
            CommandFailure::new(format!(
                "{shown} cannot be made the data directory: {error}; choose another with --data"
            ))
        })?;
        check_owner(path)?;
        let lock = path.join("lock");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(&lock).map_err(at(&lock))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: file }),
            Err(fs::TryLockError::WouldBlock) => Err(CommandFailure::new(format!(
                "another doorward is using {}; stop it first, or choose another --data directory",
                path.display()
            ))),
            Err(fs::TryLockError::Error(error)) => Err(at(&lock)(error)),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

/// Refuses a directory that belongs to another user or that others can enter.
pub(crate) fn check_owner(path: &Path) -> Result<(), CommandFailure> {
    let found = fs::metadata(path).map_err(at(path))?;
    let me = rustix::process::geteuid().as_raw();
    if found.uid() != me {
        return Err(CommandFailure::new(format!(
            "{} belongs to user {}, not to user {me}; run doorward as its owner, or choose \
             another --data directory",
            path.display(),
            found.uid()
        )));
    }
    if found.mode() & 0o077 != 0 {
        return Err(CommandFailure::new(format!(
            "others can enter {} (mode {:o}); run `chmod 700 {}`",
            path.display(),
            found.mode() & 0o777,
            path.display()
        )));
    }
    Ok(())
}

/// Writes a file that only its owner can read. Replaces the file atomically.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), CommandFailure> {
    let write = || -> io::Result<()> {
        let mut name = path.as_os_str().to_owned();
        name.push(".new");
        let new = Path::new(&name);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(new, path)?;
        match path.parent() {
            Some(parent) => File::open(parent)?.sync_all(),
            None => Ok(()),
        }
    };
    write().map_err(at(path))
}

/// Removes a file. A missing file is not an error.
pub(crate) fn remove(path: &Path) -> Result<(), CommandFailure> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(path)(error)),
        _ => Ok(()),
    }
}

/// Returns a function that adds the path to an I/O error.
pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> CommandFailure {
    let shown = path.display().to_string();
    move |error| CommandFailure::new(format!("{shown}: {error}"))
}
