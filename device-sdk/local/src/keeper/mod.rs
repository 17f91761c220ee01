//! A keeper: the process between this program and one that it starts. Whatever that one leaves
//! behind becomes the keeper's child, so the keeper finds all of it, and ends it with the flow.

mod family;
mod message;

use std::ffi::OsStr;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::process::{Command, ExitCode, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use rustix::process::{Pid, WaitOptions, WaitStatus, getpid, set_child_subreaper, wait};
use rustix::thread::set_name;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::signal::unix::{SignalKind, signal};

pub(crate) use message::{Order, Status, TOLD, Told};

/// The name that a keeper is started by, in the place of the binary's own.
const NAME: &str = "doorward-keeper";

/// How long a keeper waits for its order.
const PATIENCE: Duration = Duration::from_secs(10);

/// What leads another process of this binary to [`keep_programs`].
static AGAIN: OnceLock<&'static [&'static str]> = OnceLock::new();

/// Lets this binary start programs: call it first in `main`. Each program is started through
/// another process of the same binary, its keeper, which gets here as well. There this returns
/// when the program and all its descendants have ended, and `main` ends with what it returns.
///
/// `again` are the arguments by which another process of this binary gets here. A `main` that
/// calls this first needs none.
#[must_use]
pub fn keep_programs(again: &'static [&'static str]) -> Option<ExitCode> {
    if std::env::args_os().next().as_deref() != Some(OsStr::new(NAME)) {
        AGAIN.get_or_init(|| again);
        return None;
    }
    let control = io::stdin().as_fd().try_clone_to_owned().map(UnixStream::from);
    Some(match control.and_then(keep) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    })
}

fn complain(what: &dyn std::fmt::Display) {
    // Whoever reads the log may be gone.
    drop(writeln!(io::stderr(), "{NAME}: {what}"));
}

/// The command that starts a keeper which takes its order from `control`.
///
/// # Errors
/// When this binary's `main` does not begin with [`keep_programs`].
pub(crate) fn command(control: UnixStream) -> io::Result<tokio::process::Command> {
    let again = AGAIN.get().ok_or_else(|| {
        io::Error::other("this binary cannot start programs: it never calls keep_programs")
    })?;
    // The file that runs here, also if its path leads to a newer one by now.
    let mut command = tokio::process::Command::new("/proc/self/exe");
    command.arg0(NAME).args(*again).env_clear().current_dir("/").process_group(0);
    command.stdin(Stdio::from(std::os::fd::OwnedFd::from(control)));
    command.stdout(Stdio::null()).stderr(Stdio::inherit());
    Ok(command)
}

/// What a keeper does.
fn keep(control: UnixStream) -> io::Result<()> {
    // For whoever looks at the list of processes.
    if let Err(error) = set_name(c"doorward-keeper") {
        complain(&error);
    }
    control.set_read_timeout(Some(PATIENCE))?;
    let order = Order::receive(&control)?;
    set_child_subreaper(Some(getpid()))?;
    control.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(watch(control, order))
}

async fn watch(control: UnixStream, order: Order) -> io::Result<()> {
    let mut children = signal(SignalKind::child())?;
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut hangup = signal(SignalKind::hangup())?;
    let mut control = tokio::net::UnixStream::from_std(control)?;
    let leader = match start(order) {
        Ok(leader) => leader,
        Err(error) => {
            let errno = error.raw_os_error().unwrap_or_default();
            return control.write_all(&Told::NotStarted(errno).bytes()).await;
        }
    };
    let mut parent = control.write_all(&Told::Started.bytes()).await;
    while parent.is_ok() {
        if let Some(status) = reap(leader)? {
            parent = control.write_all(&Told::Ended(status).bytes()).await;
        }
        tokio::select! {
            _ = children.recv() => {}
            // Nothing more is said: the flow is over, or the parent is.
            _ = control.read_u8() => break,
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => break,
        }
    }
    let left = family::end()?;
    let told = control.write_all(&Told::Left(left).bytes()).await;
    if left > 0 && told.is_err() {
        complain(&format!("a program was cut, and {left} of its processes run on"));
    }
    Ok(())
}

/// Starts the program, as its own process group. It is started by no shell, and has nothing of
/// this program's environment.
fn start(order: Order) -> io::Result<Pid> {
    use std::os::unix::process::CommandExt as _;
    let Order { program, name, arguments, input, output } = order;
    // What it starts by is dropped with the command: only the program has its ends of the pipes.
    let mut command = Command::new(program);
    command.arg0(name).args(arguments).env_clear();
    command.env("PATH", "/usr/bin:/bin").env("LANG", "C.UTF-8").current_dir("/").process_group(0);
    command.stdin(Stdio::from(input)).stdout(Stdio::from(output)).stderr(Stdio::null());
    let child = command.spawn()?;
    let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    id.ok_or_else(|| io::Error::other("the program has no process id"))
}

/// Reaps all children that have ended: the program, and what it left behind. Answers how the
/// program ended, if it is among them.
fn reap(leader: Pid) -> io::Result<Option<Status>> {
    let mut ended = None;
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((child, status))) if child == leader => ended = status_of(status),
            Ok(Some(_)) => {}
            Ok(None) | Err(rustix::io::Errno::CHILD) => return Ok(ended),
            Err(error) => return Err(error.into()),
        }
    }
}

fn status_of(status: WaitStatus) -> Option<Status> {
    let code = status.exit_status().map(Status::Code);
    code.or_else(|| status.terminating_signal().map(Status::Signal))
}
