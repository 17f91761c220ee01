//! The path of a Unix socket.

use std::path::{Path, PathBuf};

use crate::target::error::TargetError;
use crate::target::file_path::absolute;

/// The most bytes of a path in the address of a Unix socket.
const LONGEST: usize = 107;

pub(super) fn read(text: &str) -> Result<PathBuf, TargetError> {
    let path = absolute(text).ok_or(TargetError::Path)?;
    if path.len() > LONGEST {
        return Err(TargetError::PathTooLong);
    }
    Ok(Path::new(path).components().collect())
}
