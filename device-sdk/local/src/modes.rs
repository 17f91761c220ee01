//! Opens serial lines and converts their settings: bits, parity, stop bits, flow control.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use doorward_model::{Baud, DataBits, FlowControl, LineSettings, Parity, StopBits};
use rustix::fs::{Mode, OFlags};
use rustix::termios::{ControlModes, InputModes, Termios, tcgetattr};

/// Opens the serial line at `path` and returns it with its current settings. It does not wait for a
/// carrier, and the line does not become this program's terminal. Reads and writes do not block.
/// Opening may block, so call it on a thread that may.
///
/// # Errors
/// Fails when the path cannot be opened or is not a terminal.
pub(crate) fn open(path: &Path) -> io::Result<(OwnedFd, Termios)> {
    let how = OFlags::RDWR | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, how, Mode::empty())?;
    let first = tcgetattr(&file)?;
    Ok((file, first))
}

/// Returns the terminal modes for `settings`: raw, and a read waits for a byte.
///
/// # Errors
/// Fails when the system does not support the speed.
pub(crate) fn modes(mut modes: Termios, settings: &LineSettings) -> io::Result<Termios> {
    use ControlModes as C;
    modes.make_raw();
    modes.input_modes -= InputModes::IXOFF | InputModes::IXANY | InputModes::INPCK;
    modes.control_modes -= C::CSIZE | C::PARENB | C::PARODD | C::CMSPAR | C::CSTOPB | C::CRTSCTS;
    modes.control_modes |= C::CREAD | C::CLOCAL;
    modes.control_modes |= match settings.bits {
        DataBits::Five => C::CS5,
        DataBits::Six => C::CS6,
        DataBits::Seven => C::CS7,
        DataBits::Eight => C::CS8,
    };
    modes.control_modes |= match settings.parity {
        Parity::None => C::empty(),
        Parity::Odd => C::PARENB | C::PARODD,
        Parity::Even => C::PARENB,
    };
    if settings.stop == StopBits::Two {
        modes.control_modes |= C::CSTOPB;
    }
    match settings.flow {
        FlowControl::None => {}
        FlowControl::Software => modes.input_modes |= InputModes::IXON | InputModes::IXOFF,
        FlowControl::Hardware => modes.control_modes |= C::CRTSCTS,
    }
    modes.set_speed(settings.baud.get())?;
    Ok(modes)
}

/// Returns the settings of a line with these modes. Settings that cannot be read are those asked
/// for.
pub(crate) fn settings(modes: &Termios, asked: &LineSettings) -> LineSettings {
    use ControlModes as C;
    let has = |mode| modes.control_modes.contains(mode);
    LineSettings {
        baud: Baud::new(modes.output_speed()).unwrap_or(asked.baud),
        bits: match modes.control_modes & C::CSIZE {
            size if size == C::CS5 => DataBits::Five,
            size if size == C::CS6 => DataBits::Six,
            size if size == C::CS7 => DataBits::Seven,
            _ => DataBits::Eight,
        },
        parity: match (has(C::PARENB), has(C::PARODD)) {
            (false, _) => Parity::None,
            (true, true) => Parity::Odd,
            (true, false) => Parity::Even,
        },
        stop: if has(C::CSTOPB) { StopBits::Two } else { StopBits::One },
        flow: if has(C::CRTSCTS) {
            FlowControl::Hardware
        } else if modes.input_modes.contains(InputModes::IXON) {
            FlowControl::Software
        } else {
            FlowControl::None
        },
        telnet: asked.telnet,
    }
}
