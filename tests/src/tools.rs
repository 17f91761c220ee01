//! The programs that the suites run, and where they are.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The directory of the built programs. They are built first, so that no stale one is tested, unless
/// `DOORWARD_BIN` names a directory of programs that are built already.
pub fn bin() -> &'static Path {
    static BIN: OnceLock<PathBuf> = OnceLock::new();
    BIN.get_or_init(|| {
        if let Some(built) = std::env::var_os("DOORWARD_BIN") {
            return root().join(built);
        }
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "-p", "doorward", "-p", "doorward-agent"])
            .current_dir(root())
            .status()
            .expect("cargo runs");
        assert!(built.success(), "the programs build");
        // target/debug/deps/suites-… → target/debug
        let me = std::env::current_exe().unwrap();
        me.parent().and_then(Path::parent).unwrap().to_owned()
    })
}

/// The Python of the tests' own environment, which `tests/run` makes.
pub fn python() -> PathBuf {
    let python = root().join("target/test-env/bin/python");
    assert!(python.exists(), "{} is missing: run tests/run once", python.display());
    python
}

/// A script of `tests/clients`.
pub fn script(name: &str) -> PathBuf {
    root().join("tests/clients").join(name)
}

/// A program that `tests/run` sees to.
pub fn program(name: &str) -> PathBuf {
    for dir in ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"] {
        let path = Path::new(dir).join(name);
        if path.exists() {
            return path;
        }
    }
    panic!("{name} is missing: run tests/run, which installs it");
}
