//! Chromium, as a person has it: at a local port, or by an interface's own name with a certificate
//! of its own.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Ran;
use crate::running::Running;
use crate::tools::program;

/// What it shows to interfaces without asking anybody.
const POLICY: &str = r#"{"AutoSelectCertificateForUrls":
    ["{\"pattern\":\"https://[*.]doorward.home.arpa\",\"filter\":{}}"]}"#;

/// A browser that has not started yet.
pub struct Browser {
    home: PathBuf,
    command: Command,
}

impl Browser {
    /// One that keeps its things in `home`.
    pub fn new(home: &Path) -> Self {
        fs::create_dir_all(home).unwrap();
        Self { home: home.to_owned(), command: Command::new(program("chromium")) }
    }

    /// The same, with the certificate of that identity, and with trust in its authority. Names are
    /// reached at `at`.
    pub fn with_identity(self, identity: &Path, at: SocketAddr) -> Self {
        let Self { home, .. } = self;
        let (database, policies) = (home.join(".pki/nssdb"), home.join("etc/policies/managed"));
        for dir in [&database, &policies] {
            fs::create_dir_all(dir).unwrap();
        }
        fs::write(policies.join("certificate.json"), POLICY).unwrap();
        let run = |name: &str, words: &[&str]| {
            Ran::of(Command::new(program(name)).args(words).output().unwrap()).ok()
        };
        let file = |name: &str| identity.join(name).display().to_string();
        let (cert, key, ca) = (file("cert.pem"), file("key.pem"), file("ca.pem"));
        let pair = home.join("identity.p12").display().to_string();
        let database = format!("sql:{}", database.display());
        run("certutil", &["-d", &database, "-N", "--empty-password"]);
        let export = ["-export", "-in", &cert, "-inkey", &key, "-passout", "pass:x", "-out", &pair];
        run("openssl", &[&["pkcs12"], &export[..]].concat());
        run("pk12util", &["-d", &database, "-i", &pair, "-W", "x"]);
        run("certutil", &["-d", &database, "-A", "-t", "C,,", "-n", "doorward", "-i", &ca]);
        // Which certificate is shown is told by a policy of the machine's. This machine's is not
        // touched: the browser sees a mount of its own.
        let mut command = Command::new(program("unshare"));
        command.args(["--mount", "--user", "--map-root-user", "sh", "-c"]);
        command.arg(r#"mount --bind "$0" /etc/chromium && exec "$@""#);
        command.arg(home.join("etc")).arg(program("chromium"));
        command.arg(format!("--host-resolver-rules=MAP *.doorward.home.arpa {}", at.ip()));
        Self { home, command }
    }

    /// Opens a page.
    pub fn open(mut self, url: &str) -> Running {
        self.command.args(["--headless=new", "--no-sandbox", "--disable-gpu"]);
        self.command.arg("--remote-debugging-port=0");
        self.command.arg(format!("--user-data-dir={}", self.home.join("profile").display()));
        self.command.arg(url).env("HOME", &self.home).stdout(Stdio::null());
        Running::start(&mut self.command, self.home.join("log"))
    }
}
