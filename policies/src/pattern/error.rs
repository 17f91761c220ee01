//! Why a text is no pattern.

use doorward_model::{Path, escape};
use thiserror::Error;

/// Why a text is no [`Pattern`](super::Pattern).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PatternError {
    /// The path is empty or begins with a slash.
    #[error("a path begins with an interface's name, or * or **")]
    Empty,
    /// `**` is not the last segment.
    #[error("** stands for all that follows, so it can only be the last segment")]
    Inner,
    /// A segment mixes a wildcard with text.
    #[error("'{}' mixes * with text; a wildcard is a whole segment (write %2A for a literal *)", escape(.0))]
    Mixed(String),
    /// A character must be written `%XX`.
    #[error("'{}' in a path is written %{:02X}", escape(&.0.to_string()), u32::from(*.0))]
    Bare(char),
    /// `%` is not followed by two hexadecimal digits, or the bytes are no UTF-8 text.
    #[error("'{}' is no %XX escape of text", escape(.0))]
    Escape(String),
    /// A range ends before it begins.
    #[error("{0}-{1} runs backwards; write {1}-{0}, or {0}%2D{1} for that text")]
    Backwards(u32, u32),
    /// The path has more bytes than a path may have.
    #[error("the path is longer than {} bytes", Path::LIMIT)]
    Length,
    /// The path has more segments than a path may have.
    #[error("the path has more than {} segments", Path::SEGMENTS)]
    TooLong,
}
