//! A keeper: the process between this program and one that it starts. Orphaned descendants of that
//! program become the keeper's children, so the keeper finds and ends all of them with the flow.

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

pub(crate) use message::{KeeperOrder, KeeperReport, ProgramStatus, REPORT_LEN};

/// The keeper's `argv[0]`, by which the binary knows that it is a keeper.
const NAME: &str = "doorward-keeper";

/// How long a keeper waits for its order.
const PATIENCE: Duration = Duration::from_secs(10);

/// The arguments with which another process of this binary reaches [`keep_programs`].
static AGAIN: OnceLock<&'static [&'static str]> = OnceLock::new();

/// Lets this binary start programs. Call it first in `main`.
///
/// Each program is started through another process of the same binary, its keeper, which also
/// reaches this function. There the function returns a value once the program and all its
/// descendants have ended, and `main` exits with that value.
///
/// `again` are the arguments with which another process of this binary reaches this call. A `main`
/// that makes it first needs none.
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
    // The reader of standard error may be gone.
    drop(writeln!(io::stderr(), "{NAME}: {what}"));
}

/// Returns the command that starts a keeper, which takes its order from `control`.
///
/// # Errors
/// Fails when this binary's `main` does not begin with [`keep_programs`].
pub(crate) fn command(control: UnixStream) -> io::Result<tokio::process::Command> {
    let again = AGAIN.get().ok_or_else(|| {
        io::Error::other("this binary cannot start programs: it never calls keep_programs")
    })?;
    // The running file, even if its path now names a newer one.
    let mut command = tokio::process::Command::new("/proc/self/exe");
    command.arg0(NAME).args(*again).env_clear().current_dir("/").process_group(0);
    command.stdin(Stdio::from(std::os::fd::OwnedFd::from(control)));
    command.stdout(Stdio::null()).stderr(Stdio::inherit());
    Ok(command)
}

/// Runs the keeper: takes an order, starts the program, and ends it with the flow.
fn keep(control: UnixStream) -> io::Result<()> {
    // The name that lists of processes show.
    if let Err(error) = set_name(c"doorward-keeper") {
        complain(&error);
    }
    control.set_read_timeout(Some(PATIENCE))?;
    let order = KeeperOrder::receive(&control)?;
    set_child_subreaper(Some(getpid()))?;
    control.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(watch(control, order))
}

async fn watch(control: UnixStream, order: KeeperOrder) -> io::Result<()> {
    let mut children = signal(SignalKind::child())?;
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut hangup = signal(SignalKind::hangup())?;
    let mut control = tokio::net::UnixStream::from_std(control)?;
    let leader = match start(order) {
        Ok(leader) => leader,
        Err(error) => {
            let errno = error.raw_os_error().unwrap_or_default();
            return control.write_all(&KeeperReport::NotStarted(errno).bytes()).await;
        }
    };
    let mut parent = control.write_all(&KeeperReport::Started.bytes()).await;
    while parent.is_ok() {
        if let Some(status) = reap(leader)? {
            parent = control.write_all(&KeeperReport::Ended(status).bytes()).await;
        }
        tokio::select! {
            _ = children.recv() => {}
            // The parent sends nothing more, so a byte or an end means that the flow is over.
            _ = control.read_u8() => break,
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => break,
        }
    }
    let left = family::end()?;
    let sent = control.write_all(&KeeperReport::Left(left).bytes()).await;
    if left > 0 && sent.is_err() {
        complain(&format!(
            "the flow of a program was cut, but {left} of its processes could not be ended"
        ));
    }
    Ok(())
}

/// Starts the program in its own process group, without a shell and without this program's
/// environment.
fn start(order: KeeperOrder) -> io::Result<Pid> {
    use std::os::unix::process::CommandExt as _;
    let KeeperOrder { program, name, arguments, input, output } = order;
    // Dropping the command closes this process's copies of the pipe ends.
    let mut command = Command::new(program);
    command.arg0(name).args(arguments).env_clear();
    command.env("PATH", "/usr/bin:/bin").env("LANG", "C.UTF-8").current_dir("/").process_group(0);
    command.stdin(Stdio::from(input)).stdout(Stdio::from(output)).stderr(Stdio::null());
    let child = command.spawn()?;
    let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    id.ok_or_else(|| io::Error::other("the program has no process id"))
}

/// Reaps all children that have ended: the program, and its orphaned descendants. Returns how the
/// program ended, if it is among them.
fn reap(leader: Pid) -> io::Result<Option<ProgramStatus>> {
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

fn status_of(status: WaitStatus) -> Option<ProgramStatus> {
    let code = status.exit_status().map(ProgramStatus::Code);
    code.or_else(|| status.terminating_signal().map(ProgramStatus::Signal))
}
