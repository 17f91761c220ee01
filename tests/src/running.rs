//! Agents that run as their users run them, and the lines and addresses that they use.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use serde_json::Value;

use crate::gateway::{Gateway, Ran, agent, signal};
use crate::port;

/// How long anything may take.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until something is so.
#[track_caller]
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A number that no other call returns, for the names of files.
pub fn number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Reads from what may say nothing: that is an error in time.
pub struct Patient<T>(pub T);

impl<T: AsFd + Read> Read for Patient<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut waited = [PollFd::new(&self.0, PollFlags::IN)];
        let most = PATIENCE.try_into().map_err(io::Error::other)?;
        match poll(&mut waited, Some(&most))? {
            0 => Err(io::ErrorKind::TimedOut.into()),
            _ => self.0.read(buffer),
        }
    }
}

/// A program that is killed with the test.
pub struct Running {
    child: Child,
    errors: PathBuf,
}

impl Running {
    /// Starts it. What it complains of goes to `errors`.
    pub fn start(command: &mut Command, errors: PathBuf) -> Self {
        let file = File::create(&errors).unwrap();
        Self { child: command.stderr(file).spawn().unwrap(), errors }
    }

    /// Its process.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// What it has complained of.
    pub fn complaint(&self) -> String {
        // Its directory may have gone before it.
        std::fs::read_to_string(&self.errors).unwrap_or_default()
    }

    /// Whether it runs.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Its standard input.
    pub fn input(&mut self) -> ChildStdin {
        self.child.stdin.take().unwrap()
    }

    /// Its standard output.
    pub fn output(&mut self) -> BufReader<Patient<ChildStdout>> {
        BufReader::new(Patient(self.child.stdout.take().unwrap()))
    }

    /// Sends it a signal.
    pub fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    /// Waits until it ends, and answers how.
    #[track_caller]
    pub fn ended(&mut self) -> Option<i32> {
        let mut status = None;
        wait_until("the end of a program", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- {}\n{}", self.errors.display(), self.complaint());
        }
    }
}

impl Gateway {
    /// `doorward-agent run` with that identity and those interfaces, once it is connected and
    /// the gateway has answered to its offer.
    #[track_caller]
    pub fn agent(&self, who: &str, config: &str) -> Running {
        let running = self.start_agent(who, config);
        self.await_agent(who, |seen| seen["state"]["is"] == "up" && answered(seen, config));
        running
    }

    /// The same, without waiting.
    pub fn start_agent(&self, who: &str, config: &str) -> Running {
        let file = self.dir().join(format!("{who}.toml"));
        std::fs::write(&file, config).unwrap();
        let mut command = agent();
        command.args(["run", "--dir"]).arg(self.identity(who)).arg("--config").arg(file);
        Running::start(&mut command, self.dir().join(format!("{who}.log")))
    }

    /// What `doorward-agent status` says.
    pub fn agent_status(&self, who: &str) -> Value {
        let mut command = agent();
        command.args(["status", "--json", "--dir"]).arg(self.identity(who));
        // With status 1 if the identity is not accepted.
        let ran = Ran::of(command.output().unwrap());
        serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{ran:?}"))
    }

    /// Waits until the agent that runs is so.
    #[track_caller]
    pub fn await_agent(&self, who: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let mut seen = Value::Null;
        wait_until("an agent's state", || {
            seen = self.agent_status(who);
            is_so(&seen["agent"])
        });
        seen
    }

    /// `doorward-agent connect` by somebody.
    pub fn connect(&self, who: &str, interface: &str, options: &[&str]) -> Command {
        let mut command = agent();
        command.args(["connect", interface, "--dir"]).arg(self.identity(who)).args(options);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command
    }

    /// The same, started.
    pub fn connected(&self, who: &str, interface: &str, options: &[&str]) -> Running {
        let errors = self.dir().join(format!("{who}-{}.log", number()));
        Running::start(&mut self.connect(who, interface, options), errors)
    }

    /// `doorward-agent connect --listen` at a loopback port, once it listens. It listens even if
    /// the gateway refuses the interface.
    #[track_caller]
    pub fn listening(&self, who: &str, interface: &str) -> (Running, SocketAddr) {
        let at = port::reserve();
        let options = ["--listen", &at.to_string(), "--open", "--keep"];
        let mut running = self.connected(who, interface, &options);
        assert_eq!(line(&mut running.output()), format!("{interface} is at {at}"));
        (running, at)
    }
}

/// Whether every interface of a configuration has been answered to.
fn answered(seen: &Value, config: &str) -> bool {
    let names = config.lines().filter_map(|line| line.strip_prefix("[interfaces."));
    let mut names = names.map(|name| name.trim_end_matches(']'));
    names.all(|name| !seen["offers"][name].is_null())
}

/// The next line of a program's output, without its end. What is no text in it is replaced.
pub fn line(output: &mut impl std::io::BufRead) -> String {
    let mut line = Vec::new();
    output.read_until(b'\n', &mut line).unwrap();
    String::from_utf8_lossy(&line).trim_end().to_owned()
}

impl<T: Write> Write for Patient<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Has the device say that line until the one who watches has heard it: that a flow is open says
/// not yet that it is at the line.
pub fn say_until_heard(device: &Patient<File>, said: &str, watcher: &mut impl std::io::BufRead) {
    let heard = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !heard.load(Ordering::Relaxed) {
                writeln!(&device.0, "{said}").unwrap();
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        let line = line(watcher);
        heard.store(true, Ordering::Relaxed);
        assert_eq!(line, said);
    });
}

/// The next line of a program's output that is another one than `said`, without its end.
pub fn line_after(said: &str, output: &mut impl std::io::BufRead) -> String {
    loop {
        let line = line(output);
        if line != said {
            return line;
        }
    }
}

/// A pseudo-terminal: what stands in for a serial device, and the line that leads there.
pub struct Pty {
    /// The device's end.
    pub device: Patient<File>,
    /// The line, held open so that it stays as it is set when nobody else has it open.
    pub line: File,
    /// Where the line is.
    pub path: PathBuf,
}

impl Pty {
    /// A new one, in raw mode.
    pub fn new() -> Self {
        use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
        let device = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&device).unwrap();
        unlockpt(&device).unwrap();
        let path = ptsname(&device, Vec::new()).unwrap().into_string().unwrap();
        let line = File::options().read(true).write(true).open(&path).unwrap();
        let mut modes = rustix::termios::tcgetattr(&line).unwrap();
        modes.make_raw();
        modes.set_speed(2400).unwrap();
        rustix::termios::tcsetattr(&line, rustix::termios::OptionalActions::Now, &modes).unwrap();
        Self { device: Patient(File::from(device)), line, path: Path::new(&path).to_owned() }
    }

    /// Symbols a second, as the line is set now.
    pub fn speed(&self) -> u32 {
        rustix::termios::tcgetattr(&self.line).unwrap().output_speed()
    }
}

impl Default for Pty {
    fn default() -> Self {
        Self::new()
    }
}
