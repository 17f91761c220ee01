//! A serial line on a person's terminal.

use std::io::{self, Write as _};

use doorward_model::{Action, DoorName};
use tokio::io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::signal::unix::SignalKind;
use tokio::sync::mpsc;

use crate::carry::download;
use crate::failure::Failure;
use crate::keys::{ESCAPES, KeyReader, Typed};
use crate::opener::{ByteFlow, explained};
use crate::raw_terminal::RawTerminal;
use crate::signals::listen;

/// How many typed pieces may wait for the line. Further ones are dropped, and the terminal rings.
const WAITING: usize = 64;

/// Returns whether a flow with these actions is a serial line: no other protocol has these alone.
pub(crate) fn is_line(actions: &[Action]) -> bool {
    let of_lines = [Action::Read, Action::Write, Action::Control];
    !actions.is_empty() && actions.iter().all(|action| of_lines.contains(action))
}

/// Joins the terminal and the line until the person leaves or the flow ends.
pub(crate) async fn serve(flow: &mut dyn ByteFlow, interface: &DoorName) -> Result<(), Failure> {
    let writes = flow.actions().contains(&Action::Write);
    let lost = |error| Failure::Local { what: "the terminal".to_owned(), error };
    let (mut hangup, mut quit) = (listen(SignalKind::hangup())?, listen(SignalKind::quit())?);
    let place = interface.path();
    say(&format!("connected to {place}; ~. at the beginning of a line leaves, ~? lists escapes"));
    if !writes {
        say("you only watch: what you type goes nowhere");
    }
    let ended = {
        let _raw = RawTerminal::enter().map_err(lost)?;
        let (mut from, mut to) = tokio::io::split(&mut *flow);
        let (typed, waiting) = mpsc::channel(WAITING);
        let mut output = tokio::io::stdout();
        tokio::select! {
            left = read_keys(typed, writes) => left.map_err(lost),
            () = write(&mut to, waiting) => Ok(()),
            ended = download(&mut from, &mut output) => ended,
            _ = hangup.recv() => Err(Failure::Cut(io::ErrorKind::Interrupted.into())),
            _ = quit.recv() => Err(Failure::Cut(io::ErrorKind::Interrupted.into())),
        }
    };
    // The device's last line may have no end.
    say("");
    match ended {
        Ok(()) => {
            say(&format!("the connection to {place} is closed"));
            Ok(())
        }
        Err(failure) => Err(explained(failure, flow).await),
    }
}

/// Reads what the person types until the person leaves. What is for the device goes to `typed`.
async fn read_keys(typed: mpsc::Sender<Vec<u8>>, writes: bool) -> io::Result<()> {
    let (mut input, mut keys, mut bytes) = (tokio::io::stdin(), KeyReader::new(), [0; 1024]);
    loop {
        let count = input.read(&mut bytes).await?;
        if count == 0 {
            return Ok(());
        }
        for one in keys.read(bytes.get(..count).unwrap_or_default()) {
            match one {
                Typed::Leave => return Ok(()),
                Typed::Help => {
                    let escapes = ESCAPES.map(|(escape, does)| format!("{escape} {does}"));
                    say_raw(&format!("at the beginning of a line: {}", escapes.join(", ")));
                }
                Typed::Send(_) if !writes => {}
                Typed::Send(bytes) => {
                    if typed.try_send(bytes).is_err() {
                        drop(io::stderr().lock().write_all(b"\x07"));
                    }
                }
            }
        }
    }
}

/// Writes what is typed to the line. If the line takes no more, this waits forever: reading from the
/// line shows why.
async fn write(to: &mut (impl AsyncWrite + Unpin), mut typed: mpsc::Receiver<Vec<u8>>) {
    while let Some(bytes) = typed.recv().await {
        let written = async {
            to.write_all(&bytes).await?;
            to.flush().await
        };
        if written.await.is_err() {
            return std::future::pending().await;
        }
    }
}

/// Says something to the person. Nobody may be reading.
fn say(line: &str) {
    drop(writeln!(io::stderr().lock(), "{line}"));
}

/// Says something while the terminal is in raw mode, on lines of its own.
fn say_raw(line: &str) {
    drop(write!(io::stderr().lock(), "\r\n{line}\r\n"));
}
