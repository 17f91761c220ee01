//! A serial console on a pseudo-terminal. It prints the temperature every second and answers
//! commands.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

use crate::failure::CommandFailure;

/// The longest command line, in bytes. The console ignores further bytes.
const LINE: usize = 256;

/// Starts the console, and returns the path of its serial line.
pub(super) fn start() -> Result<PathBuf, CommandFailure> {
    let failed = |error: io::Error| CommandFailure::new(format!("the serial console: {error}"));
    let (device, line, path) = pair().map_err(failed)?;
    let output = device.try_clone().map_err(failed)?;
    // Both threads end with the process. `answer` keeps the line open, so that the device sees no
    // hang-up while no client has the line open.
    std::thread::spawn(move || print_temperature(output));
    std::thread::spawn(move || answer(device, &line));
    Ok(path)
}

fn pair() -> io::Result<(File, File, PathBuf)> {
    let device = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
    grantpt(&device)?;
    unlockpt(&device)?;
    let path = ptsname(&device, Vec::new())?;
    let path = PathBuf::from(path.to_string_lossy().into_owned());
    let line = File::options().read(true).write(true).open(&path)?;
    let mut modes = tcgetattr(&line)?;
    modes.make_raw();
    tcsetattr(&line, OptionalActions::Now, &modes)?;
    Ok((File::from(device), line, path))
}

fn print_temperature(mut device: File) {
    for tenths in (205..225).chain((206..226).rev()).cycle() {
        std::thread::sleep(Duration::from_secs(1));
        // Without a reader, the terminal's buffer fills up and then this write blocks.
        if write!(device, "temperature {}.{}\r\n", tenths / 10, tenths % 10).is_err() {
            return;
        }
    }
}

fn answer(mut device: File, _line: &File) {
    let (mut typed, mut byte) = (Vec::new(), [0]);
    while device.read_exact(&mut byte).is_ok() {
        let [byte] = byte;
        if byte != b'\r' && byte != b'\n' {
            if typed.len() < LINE {
                typed.push(byte);
            }
            continue;
        }
        let said = match typed.trim_ascii() {
            b"" => "",
            b"status" => "heating is on\r\n",
            b"help" => "status, help\r\n",
            _ => "what? try help\r\n",
        };
        typed.clear();
        if device.write_all(said.as_bytes()).is_err() {
            return;
        }
    }
}
