//! A device and a path on it.

use std::fmt;

use thiserror::Error;

use crate::path::Path;
use crate::subject::{Device, SubjectError};

/// The resource of a question: a device, and a path on it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Resource {
    /// The device, or the gateway's own administration.
    pub device: Device,
    /// The interface and the operand, or the part of the administration.
    pub path: Path,
}

/// Why a text names no resource.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ResourceError {
    /// It has no slash between device and path.
    #[error("a resource is DEVICE/PATH, such as plc-3/modbus or gateway/policies")]
    NoPath,
    /// The part before the first slash is no device.
    #[error(transparent)]
    Device(#[from] SubjectError),
}

impl Resource {
    /// Splits `DEVICE/PATH`. The path stays text, since its form depends on the interface's
    /// protocol (see [`Path::parse`]).
    ///
    /// # Errors
    /// When there is no slash, or when the part before it is no device.
    pub fn split(text: &str) -> Result<(Device, &str), ResourceError> {
        let (device, path) = text.split_once('/').ok_or(ResourceError::NoPath)?;
        if path.is_empty() {
            return Err(ResourceError::NoPath);
        }
        Ok((device.parse()?, path))
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.device, self.path)
    }
}
