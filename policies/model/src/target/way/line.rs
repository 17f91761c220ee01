//! A serial line with its settings, as `/dev/DEVICE?baud=9600` or, at an agent, `NAME?baud=9600`.

use std::path::PathBuf;

use crate::name::Name;
use crate::serial::{LineChange, LineSettings};
use crate::target::error::TargetError;
use crate::target::file_path::normal;

/// Reads a line of this machine.
pub(super) fn read(text: &str) -> Result<(PathBuf, LineSettings), TargetError> {
    let (path, change) = split(text)?;
    let path = normal(path).ok_or(TargetError::Device)?;
    Ok((path, change.apply(LineSettings::default())))
}

/// Reads a line that an agent offers.
pub(super) fn read_offered(text: &str) -> Result<(Name, LineChange), TargetError> {
    let (name, change) = split(text)?;
    Ok((name.parse()?, change))
}

/// Splits off the settings.
fn split(text: &str) -> Result<(&str, LineChange), TargetError> {
    match text.split_once('?') {
        Some((before, query)) => Ok((before, LineChange::parse(query)?)),
        None => Ok((text, LineChange::default())),
    }
}
