//! Paths of files in targets.

use std::path::{Component, Path, PathBuf};

use crate::text::is_printable;

/// Returns a path that can be displayed as it is.
pub(super) fn normal(text: &str) -> Option<PathBuf> {
    let path = absolute(text).filter(|path| is_printable(path) && !path.contains('\\'))?;
    // A file has a name, and its path does not end with a slash.
    Path::new(path).file_name().filter(|_| !path.ends_with('/'))?;
    Some(Path::new(path).components().collect())
}

/// Returns the path of a URL such as `unix:/PATH` or `unix:///PATH`, without `.`, `..` or NUL.
pub(super) fn absolute(text: &str) -> Option<&str> {
    let path = match text.strip_prefix("//") {
        Some(rest) if rest.starts_with('/') => rest,
        Some(_) => return None,
        None => text,
    };
    let normal = |part| matches!(part, Component::RootDir | Component::Normal(_));
    let parsed = Path::new(path);
    // `components` drops inner `.`, so the spelling is checked as well.
    let dots = path.split('/').any(|part| part == "." || part == "..");
    let sound =
        parsed.is_absolute() && parsed.components().all(normal) && !dots && !path.contains('\0');
    sound.then_some(path)
}
