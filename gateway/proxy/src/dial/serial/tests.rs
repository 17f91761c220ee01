//! Tests flows at serial lines.

use std::future::poll_fn;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use doorward_local::{InForce, LineRequest, Modem, Tty};
use doorward_model::{Baud, DataBits, LineChange, Scheme, Target};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::timeout;

use super::super::{Bounds, Paths};
use super::*;

mod stuck;

const SOON: Duration = Duration::from_secs(20);
const READ: Wants = Wants { read: true, write: false, control: false };
const WRITE: Wants = Wants { read: true, write: true, control: false };
const CONTROL: Wants = Wants { read: false, write: false, control: true };

/// Returns a seat at a line of this machine, and the address of the line.
async fn dial(
    bounds: &Bounds,
    lines: &SerialLines,
    path: &Path,
    settings: LineSettings,
    wants: Wants,
) -> Result<(Seat, String), DialError> {
    let real = bounds.real_path(Scheme::Serial, path).await?;
    let address = format!("serial:{}", real.display());
    let open = Tty::open(real, settings);
    Ok((lines.sit(address.clone(), settings, wants, open).await?, address))
}

/// A pseudo-terminal: the other end of a line, and the settings of the line.
struct Pty {
    far: AsyncFd<OwnedFd>,
    near: OwnedFd,
    path: PathBuf,
    bounds: Bounds,
    lines: SerialLines,
}

impl Pty {
    fn new() -> Self {
        let far = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        rustix::fs::fcntl_setfl(&far, OFlags::NONBLOCK).unwrap();
        grantpt(&far).unwrap();
        unlockpt(&far).unwrap();
        let path = PathBuf::from(ptsname(&far, vec![]).unwrap().into_string().unwrap());
        let near = rustix::fs::open(&path, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        let paths = Paths::default().with(Scheme::Serial, vec!["/dev/pts/*".parse().unwrap()]);
        let bounds = Bounds::within(&[], paths);
        #[expect(
            deprecated,
            reason = "unsound only with a descriptor that changes; the other is unsafe"
        )]
        let far = AsyncFd::new(far).unwrap();
        Self { far, near, path, bounds, lines: SerialLines::default() }
    }

    async fn try_sit(&self, settings: &str, wants: Wants) -> Result<Seat, DialError> {
        let change = if settings.is_empty() {
            LineChange::default()
        } else {
            LineChange::parse(settings).unwrap()
        };
        let settings = change.apply(LineSettings::default());
        Ok(dial(&self.bounds, &self.lines, &self.path, settings, wants).await?.0)
    }

    async fn sit(&self, settings: &str, wants: Wants) -> Seat {
        self.try_sit(settings, wants).await.unwrap()
    }

    fn baud(&self) -> u32 {
        tcgetattr(&self.near).unwrap().output_speed()
    }

    async fn is_baud(&self, baud: u32) {
        until(|| self.baud() == baud).await;
    }

    /// Sends bytes from the device.
    async fn say(&self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let mut ready = timeout(SOON, self.far.writable()).await.unwrap().unwrap();
            if let Ok(written) = ready.try_io(|far| Ok(rustix::io::write(far.get_ref(), bytes)?)) {
                bytes = &bytes[written.unwrap()..];
            }
        }
    }

    /// Returns the bytes that the device receives.
    async fn hear(&self, length: usize) -> Vec<u8> {
        let mut heard = vec![0; length];
        let mut filled = 0;
        while filled < length {
            let mut ready = timeout(SOON, self.far.readable()).await.unwrap().unwrap();
            if let Ok(read) =
                ready.try_io(|far| Ok(rustix::io::read(far.get_ref(), &mut heard[filled..])?))
            {
                filled += read.unwrap();
            }
        }
        heard
    }
}

/// Waits for a condition that another task soon makes true.
async fn until(is: impl Fn() -> bool) {
    let is = async {
        while !is() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(SOON, is).await.unwrap();
}

async fn read(seat: &mut Seat, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    timeout(SOON, seat.read_exact(&mut bytes)).await.unwrap().unwrap();
    bytes
}

/// Returns whether there is nothing to read now.
async fn is_silent(seat: &mut Seat) -> bool {
    let mut bytes = [0; 16];
    poll_fn(|cx| {
        let mut into = ReadBuf::new(&mut bytes);
        Poll::Ready(Pin::new(&mut *seat).poll_read(cx, &mut into).is_pending())
    })
    .await
}

#[tokio::test]
async fn all_who_read_see_every_byte() {
    let pty = Pty::new();
    let mut one = pty.sit("", WRITE).await;
    let mut two = pty.sit("", READ).await;
    let mut none = pty.sit("", Wants { read: false, ..READ }).await;
    let bytes: Vec<u8> = (0..=255).collect();
    pty.say(&bytes).await;
    assert_eq!(read(&mut one, 256).await, bytes);
    assert_eq!(read(&mut two, 256).await, bytes);
    assert!(is_silent(&mut none).await);
    // All bytes reach the line unchanged.
    one.write_all(&[255, 0, 13, 10, 3, 255, 17]).await.unwrap();
    assert_eq!(pty.hear(7).await, [255, 0, 13, 10, 3, 255, 17]);
}

#[tokio::test]
async fn one_flow_writes() {
    let pty = Pty::new();
    let writer = pty.sit("", WRITE).await;
    for wants in [WRITE, CONTROL, Wants::ALL] {
        let second = pty.try_sit("", wants).await;
        assert!(matches!(second, Err(DialError::Taken)));
    }
    let mut reader = pty.sit("", READ).await;
    reader.write_all(b"not for the line").await.unwrap();
    drop(writer);
    let mut writer = pty.sit("", WRITE).await;
    writer.write_all(b"next").await.unwrap();
    assert_eq!(pty.hear(4).await, b"next");
    assert_eq!(reader.discarded(), 16);
    // A flow that was shut down still reads, and does not hinder another writer.
    writer.shutdown().await.unwrap();
    assert!(pty.try_sit("", WRITE).await.is_ok());
    let otherwise = pty.try_sit("baud=300", READ).await;
    assert!(matches!(otherwise, Err(DialError::OtherSettings)));
    assert!(pty.try_sit("telnet=off", READ).await.is_ok());
}

#[tokio::test]
async fn what_a_controller_changed_is_put_back_when_it_goes() {
    let pty = Pty::new();
    let first = tcgetattr(&pty.near).unwrap();
    let mut reader = pty.sit("baud=19200", READ).await;
    assert_eq!(pty.baud(), 19200);
    assert!(!tcgetattr(&pty.near).unwrap().local_modes.contains(LocalModes::ECHO));
    for cut in [true, false] {
        let mut controller = pty.sit("baud=19200", Wants::ALL).await;
        // IAC SB COM-PORT-OPTION SET-BAUDRATE 115200 IAC SE
        controller.write_all(&[255, 250, 44, 1, 0, 1, 0xc2, 0, 255, 240]).await.unwrap();
        let told = read(&mut controller, 10).await;
        assert_eq!(told, [255, 250, 44, 101, 0, 1, 0xc2, 0, 255, 240]);
        assert_eq!(pty.baud(), 115_200);
        // IAC SB COM-PORT-OPTION SET-CONTROL DTR off IAC SE: a pseudo-terminal has none.
        controller.write_all(&[255, 250, 44, 5, 9, 255, 240]).await.unwrap();
        assert_eq!(read(&mut controller, 7).await, [255, 250, 44, 105, 9, 255, 240]);
        if cut {
            controller.reset();
        } else {
            controller.write_all(b"last").await.unwrap();
            controller.shutdown().await.unwrap();
            drop(controller);
            assert_eq!(pty.hear(4).await, b"last");
        }
        pty.is_baud(19200).await;
        pty.say(b"still here").await;
        assert_eq!(read(&mut reader, 10).await, b"still here");
    }
    drop(reader);
    pty.is_baud(first.output_speed()).await;
    until(|| tcgetattr(&pty.near).unwrap().local_modes == first.local_modes).await;
    // A flow that arrives while the line is being closed finds its original settings.
    for baud in ["300", "600"] {
        drop(pty.sit(&format!("baud={baud}"), WRITE).await);
    }
    pty.is_baud(first.output_speed()).await;
}

#[tokio::test]
async fn who_may_not_control_is_told_what_is_in_force() {
    let pty = Pty::new();
    let mut writer = pty.sit("baud=19200&telnet=on", WRITE).await;
    let offered = read(&mut writer, 15).await;
    assert_eq!(&offered[..3], [255, 251, 0]);
    writer.write_all(&[255, 250, 44, 1, 0, 1, 0xc2, 0, 255, 240]).await.unwrap();
    let told = read(&mut writer, 10).await;
    assert_eq!(told, [255, 250, 44, 101, 0, 0, 0x4b, 0, 255, 240]);
    assert_eq!(pty.baud(), 19200);
    writer.write_all(&[b'a', 255, 255]).await.unwrap();
    assert_eq!(pty.hear(2).await, [b'a', 255]);
    pty.say(&[b'b', 255, b'c']).await;
    assert_eq!(read(&mut writer, 4).await, [b'b', 255, 255, b'c']);
    // A writer may discard its own bytes.
    pty.say(b"old").await;
    until(|| writer.hub.has_data()).await;
    writer.write_all(&[255, 250, 44, 12, 1, 255, 240]).await.unwrap();
    assert_eq!(read(&mut writer, 7).await, [255, 250, 44, 112, 1, 255, 240]);
    assert!(is_silent(&mut writer).await);
}

#[tokio::test]
async fn a_flow_is_telnet_if_it_begins_so() {
    let pty = Pty::new();
    let mut telnet = pty.sit("", WRITE).await;
    telnet.write_all(&[255]).await.unwrap();
    telnet.write_all(&[251, 44, b'x']).await.unwrap();
    assert_eq!(read(&mut telnet, 3).await, [255, 253, 44]);
    assert_eq!(pty.hear(1).await, b"x");
    drop(telnet);
    for (settings, bytes) in
        [("", &[255, 255][..]), ("", &[255, 1]), ("telnet=off", &[255, 251, 44]), ("", &[255])]
    {
        let mut plain = pty.sit(settings, WRITE).await;
        for byte in bytes {
            plain.write_all(&[*byte]).await.unwrap();
        }
        plain.shutdown().await.unwrap();
        drop(plain);
        assert_eq!(pty.hear(bytes.len()).await, bytes);
    }
}

#[tokio::test]
async fn what_a_client_cannot_be_told_is_no_end() {
    let pty = Pty::new();
    let mut plain = pty.sit("telnet=off", WRITE).await;
    plain.hub.inform(0, LineRequest::Baud(None));
    assert!(is_silent(&mut plain).await);
    pty.say(b"still here").await;
    assert_eq!(read(&mut plain, 10).await, b"still here");
}

#[tokio::test]
async fn who_does_not_keep_up_is_ended_and_the_others_go_on() {
    let pty = Pty::new();
    let mut slow = pty.sit("", WRITE).await;
    let mut quick = pty.sit("", READ).await;
    let bytes: Vec<u8> = (0..=255).cycle().take(4096).collect();
    for _ in 0..=hub::MAX_UNREAD / bytes.len() {
        pty.say(&bytes).await;
        assert_eq!(read(&mut quick, bytes.len()).await, bytes);
    }
    let error = timeout(SOON, slow.read(&mut [0; 16])).await.unwrap().unwrap_err();
    assert!(error.to_string().contains("too slow"), "{error}");
    assert!(slow.write(b"x").await.is_err());
    // The slow flow has lost its right to write, though the seat still exists.
    let mut writer = pty.sit("", WRITE).await;
    writer.write_all(b"y").await.unwrap();
    assert_eq!(pty.hear(1).await, b"y");
}

#[tokio::test]
async fn a_line_that_is_gone_ends_its_seats() {
    let Pty { far, near, path, bounds, lines } = Pty::new();
    let settings = LineSettings::default();
    let (mut seat, address) = dial(&bounds, &lines, &path, settings, Wants::ALL).await.unwrap();
    assert_eq!(address, format!("serial:{}", path.display()));
    drop((far, near));
    assert!(timeout(SOON, seat.read(&mut [0; 16])).await.unwrap().is_err());
    assert!(seat.write(b"x").await.is_err());
}

#[tokio::test]
async fn a_link_that_leads_out_of_the_bounds_is_not_followed() {
    let pty = Pty::new();
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().canonicalize().unwrap();
    std::os::unix::fs::symlink(&pty.path, dir.join("line")).unwrap();
    std::fs::write(dir.join("file"), "").unwrap();
    let glob = format!("{}/*", dir.display());
    let both = vec![glob.parse().unwrap(), "/dev/pts/*".parse().unwrap()];
    let paths = |globs| Bounds::within(&[], Paths::default().with(Scheme::Serial, globs));
    let open = async |bounds: Bounds, path: &str| {
        let settings = LineSettings::default();
        dial(&bounds, &pty.lines, &dir.join(path), settings, READ).await
    };
    let led_out = open(paths(vec![glob.parse().unwrap()]), "line").await;
    assert!(matches!(led_out, Err(DialError::Forbidden { .. })));
    assert!(open(paths(both.clone()), "line").await.is_ok());
    // A regular file is not opened as a line.
    let file = open(paths(both.clone()), "file").await;
    assert!(matches!(file, Err(DialError::Refused(_))));
    let missing = open(paths(both), "none").await;
    assert!(matches!(missing, Err(DialError::Refused(_))));
}
