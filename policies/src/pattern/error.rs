//! Why a text is no pattern.

use doorward_model::{Path, escape};
use thiserror::Error;

/// Why a text is no [`Pattern`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PatternError {
    /// Nothing, or a slash at the start.
    #[error("a path begins with an interface's name, or * or **")]
    Empty,
    /// `**` before the end.
    #[error("** stands for all that follows, so it can only be the last segment")]
    Inner,
    /// A wildcard inside a segment.
    #[error("'{}' mixes * with text; a wildcard is a whole segment (write %2A for a literal *)", escape(.0))]
    Mixed(String),
    /// A character that must be written `%XX`.
    #[error("'{}' in a path is written %{:02X}", escape(&.0.to_string()), u32::from(*.0))]
    Bare(char),
    /// `%` without two hexadecimal digits, or bytes that are no text.
    #[error("'{}' is no %XX escape of text", escape(.0))]
    Escape(String),
    /// A range that runs backwards.
    #[error("{0}-{1} runs backwards; write {1}-{0}, or {0}%2D{1} for that text")]
    Backwards(u32, u32),
    /// More text than a path has.
    #[error("the path is longer than {} bytes", Path::LIMIT)]
    Length,
    /// More segments than a path has.
    #[error("the path has more than {} segments", Path::SEGMENTS)]
    TooLong,
}
