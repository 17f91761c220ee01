//! A gateway that runs as its users run it.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::port;
use crate::tools::bin;

/// A gateway in a directory of its own, with an owner.
pub struct Gateway {
    dir: TempDir,
    child: Option<Child>,
    /// Where interfaces are reached.
    pub listen: SocketAddr,
    /// Where it is administered.
    pub management: SocketAddr,
    config: String,
    /// On how many threads it works, if not on as many as it likes.
    threads: Option<usize>,
}

/// What a program did.
#[derive(Debug)]
pub struct Ran {
    /// Its exit status; `None` if a signal ended it.
    pub status: Option<i32>,
    /// What it wrote to standard output.
    pub out: String,
    /// What it wrote to standard error.
    pub err: String,
}

impl Ran {
    /// What a finished program did.
    pub fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self { status: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// What a program does that is given something on its standard input.
    pub fn fed(mut command: Command, input: &[u8]) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        let feeder = std::thread::spawn(move || drop(stdin.write_all(&input)));
        let output = child.wait_with_output().unwrap();
        feeder.join().unwrap();
        Self::of(output)
    }

    /// Its output, if it ended with 0.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.status, Some(0), "{self:?}");
        self.out
    }

    /// Its complaint, if it ended with 1.
    #[track_caller]
    pub fn failed(self) -> String {
        assert_eq!(self.status, Some(1), "{self:?}");
        self.err
    }

    /// Its output as JSON, if it ended with 0.
    #[track_caller]
    pub fn json(self) -> Value {
        serde_json::from_str(&self.ok()).expect("JSON")
    }
}

/// `doorward` with a clean environment.
pub fn doorward() -> Command {
    clean(bin().join("doorward"))
}

/// `doorward-agent` with a clean environment.
pub fn agent() -> Command {
    clean(bin().join("doorward-agent"))
}

fn clean(program: PathBuf) -> Command {
    let mut command = Command::new(program);
    for name in ["DOORWARD_IDENTITY", "DOORWARD_SERVER", "DOORWARD_LOG"] {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
}

impl Gateway {
    /// A gateway with an owner, under the default bundle.
    pub fn start() -> Self {
        Self::with("")
    }

    /// The same, with more configuration.
    pub fn with(config: &str) -> Self {
        let mut gateway = Self::unclaimed(config);
        gateway.serve();
        gateway.claim();
        gateway
    }

    /// A gateway that has not been started. Sockets in its directory may be dialed.
    pub fn unclaimed(config: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("doorward-test-").tempdir().unwrap();
        std::fs::create_dir(dir.path().join("sockets")).unwrap();
        let (listen, management) = (port::reserve(), port::reserve());
        let mut gateway =
            Self { dir, child: None, listen, management, config: String::new(), threads: None };
        gateway.configure(config);
        gateway
    }

    /// Writes its configuration anew, for its next start.
    pub fn configure(&mut self, config: &str) {
        let mut whole = String::new();
        let (top, tables) = match config.find("\n[").map(|at| config.split_at(at)) {
            Some(split) => split,
            None if config.starts_with('[') => ("", config),
            None => (config, ""),
        };
        whole.push_str(top);
        if !tables.contains("[dial]") {
            let sockets = self.sockets();
            whole.push_str(&format!("\n[dial]\nunix = [\"{}/**\"]\n", sockets.display()));
        }
        whole.push_str(tables);
        self.config = whole;
    }

    /// A gateway with an owner that works on one thread: whatever takes long there, everybody waits
    /// for.
    pub fn on_one_thread() -> Self {
        let mut gateway = Self::unclaimed("");
        gateway.threads = Some(1);
        gateway.serve();
        gateway.claim();
        gateway
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Where its state is.
    pub fn data(&self) -> PathBuf {
        self.dir().join("data")
    }

    /// Where Unix sockets may be dialed.
    pub fn sockets(&self) -> PathBuf {
        self.dir().canonicalize().unwrap().join("sockets")
    }

    /// The directory of an identity.
    pub fn identity(&self, name: &str) -> PathBuf {
        self.dir().join("identities").join(name)
    }

    /// The command that serves it.
    pub fn serve_command(&self) -> Command {
        let file = self.dir().join("doorward.toml");
        std::fs::write(&file, &self.config).unwrap();
        let mut command = doorward();
        command.args(["serve", "--print-code"]);
        command.arg("--data").arg(self.data()).arg("--config").arg(file);
        command.arg("--listen").arg(self.listen.to_string());
        command.arg("--management").arg(self.management.to_string());
        if let Some(threads) = self.threads {
            command.env("TOKIO_WORKER_THREADS", threads.to_string());
        }
        command
    }

    /// Starts it, and waits until it answers.
    pub fn serve(&mut self) {
        self.serve_by(self.serve_command());
    }

    /// Starts it by a command that does, and waits until it answers.
    pub fn serve_by(&mut self, mut command: Command) {
        assert!(self.child.is_none(), "it runs already");
        let log = |name: &str| {
            let path = self.dir().join(name);
            std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap()
        };
        let mut child = command.stdout(log("out")).stderr(log("err")).spawn().expect("it starts");
        let patience = Instant::now() + Duration::from_secs(30);
        for address in [self.listen, self.management] {
            while TcpStream::connect(address).is_err() {
                if let Some(status) = child.try_wait().unwrap() {
                    panic!("the gateway ended with {status}: {}", self.log());
                }
                assert!(Instant::now() < patience, "the gateway does not answer: {}", self.log());
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        self.child = Some(child);
    }

    /// What it wrote.
    pub fn log(&self) -> String {
        let read = |name| std::fs::read_to_string(self.dir().join(name)).unwrap_or_default();
        read("out") + &read("err")
    }

    /// The last code that it printed for an owner.
    pub fn owner_code(&self) -> String {
        let patience = Instant::now() + Duration::from_secs(10);
        loop {
            let log = self.log();
            if let Some(code) = log.lines().rfind(|line| line.starts_with("dw1.claim.")) {
                return code.to_owned();
            }
            assert!(Instant::now() < patience, "no code: {log}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Makes the owner's identity.
    pub fn claim(&self) {
        let code = self.owner_code();
        let said = self.log();
        assert!(said.contains("Within an hour, run\n\n    doorward claim CODE\n\n"), "{said}");
        let mut command = doorward();
        command.args(["claim", &code, "--dir"]).arg(self.identity("owner"));
        Ran::of(command.output().unwrap()).ok();
    }

    /// Kills it as a power cut would.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Stops it as systemd would, and returns its exit status.
    pub fn stop(&mut self) -> Option<i32> {
        let mut child = self.child.take().expect("it runs");
        signal(&child, "TERM");
        child.wait().unwrap().code()
    }

    /// Whether it has been started and neither killed nor stopped.
    pub fn runs(&self) -> bool {
        self.child.is_some()
    }

    /// Its process.
    pub fn process(&self) -> &Child {
        self.child.as_ref().expect("it runs")
    }

    /// A command by somebody.
    pub fn command(&self, who: &str, args: &[&str]) -> Command {
        let mut command = doorward();
        command.arg("--identity").arg(self.identity(who)).args(args);
        command
    }

    /// Runs a command by somebody.
    pub fn run(&self, who: &str, args: &[&str]) -> Ran {
        Ran::of(self.command(who, args).output().unwrap())
    }

    /// Runs a command by the owner, who may.
    #[track_caller]
    pub fn owner(&self, args: &[&str]) -> String {
        self.run("owner", args).ok()
    }

    /// The same, as JSON.
    #[track_caller]
    pub fn owner_json(&self, args: &[&str]) -> Value {
        let args = [args, &["--json"]].concat();
        self.run("owner", &args).json()
    }

    /// Adds somebody and enrols them; `user/alice` or `device/plc`.
    #[track_caller]
    pub fn enrol(&self, subject: &str, options: &[&str]) {
        let (kind, name) = subject.split_once('/').unwrap();
        let code = self.code(&[&[kind, "add", name], options].concat());
        self.redeem(&code, name).ok();
    }

    /// The code that a command prints.
    #[track_caller]
    pub fn code(&self, args: &[&str]) -> String {
        self.owner_json(args)["code"].as_str().expect("a code").to_owned()
    }

    /// Redeems a code into the identity of that name.
    pub fn redeem(&self, code: &str, name: &str) -> Ran {
        let mut command = agent();
        command.args(["enroll", code, "--replace", "--dir"]).arg(self.identity(name));
        Ran::of(command.output().unwrap())
    }

    /// Declares an interface of a device, adding the device if it is not there.
    #[track_caller]
    pub fn declare(&self, interface: &str, url: &str) {
        let (device, _) = interface.split_once('/').unwrap();
        let devices = self.owner_json(&["device", "list"]);
        if !devices.as_array().unwrap().iter().any(|known| known["name"] == device) {
            self.owner(&["device", "add", device, "--agentless"]);
        }
        self.owner(&["interface", "add", interface, url]);
    }

    /// Puts more rules behind those of the default bundle.
    #[track_caller]
    pub fn rules(&self, lines: &str) {
        let file = self.dir().join("policy.csv");
        let shown = self.dir().join("bundle");
        if !shown.exists() {
            self.owner(&["policy", "show", "--out", shown.to_str().unwrap()]);
        }
        let former = std::fs::read_to_string(shown.join("policy.csv")).unwrap();
        std::fs::write(&file, format!("{former}\n{lines}\n")).unwrap();
        self.owner(&["policy", "apply", file.to_str().unwrap()]);
    }

    /// The records of the audit log, the oldest first.
    pub fn audit(&self) -> Vec<Value> {
        let out = self.owner(&["audit", "export"]);
        out.lines().map(|line| serde_json::from_str(line).expect("a record")).collect()
    }

    /// Waits until a record of that description is there.
    #[track_caller]
    pub fn await_record(&self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..100 {
            if let Some(found) = self.audit().into_iter().rfind(&is_it) {
                return found;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("no record of {what}: {:#?}", self.audit());
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            eprintln!("--- the gateway's log\n{}", self.log());
        }
    }
}

/// Sends a signal to a process.
pub fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").arg(format!("-{name}")).arg(child.id().to_string()).status();
    assert!(sent.unwrap().success());
}
