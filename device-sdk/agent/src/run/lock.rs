//! The lock that lets only one agent run with an identity directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::failure::Failure;
use crate::report::ErrorReport;

/// The lock on an identity directory. It is released when this value is dropped.
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    pub(super) fn take(dir: &Path) -> Result<Self, Failure> {
        let path = dir.join("agent.lock");
        let failed = |error| Failure::Local { what: path.display().to_string(), error };
        let mut options = OpenOptions::new();
        let opened = options.write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = opened.map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(Failure::Reported(
                ErrorReport::new(
                    "running",
                    format!("an agent already runs with the identity in {}", dir.display()),
                )
                .with_next("stop it first, or look at it with `doorward-agent status`"),
            )),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_agent_to_a_directory() {
        let dir = tempfile::tempdir().unwrap();
        let first = Lock::take(dir.path()).unwrap();
        let error = Lock::take(dir.path()).err().unwrap().to_string();
        assert!(error.contains("already"), "{error}");
        drop(first);
        assert!(Lock::take(dir.path()).is_ok());
    }
}
