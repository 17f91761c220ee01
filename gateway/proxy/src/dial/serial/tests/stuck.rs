//! Tests flows at a line that takes no bytes until a test permits it.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::io::ReadBuf;

use super::*;

/// A line that takes a limited number of bytes, and records the requests to it.
#[derive(Clone)]
struct Stuck {
    done: Arc<Mutex<Vec<String>>>,
    taken: Arc<Mutex<Taken>>,
    in_force: InForce,
    /// Never completes a request.
    silent: bool,
    /// Cannot be set to eight bits.
    stubborn: bool,
}

/// The bytes that a line has taken, its limit, and the task that waits for a higher limit.
#[derive(Default)]
struct Taken {
    bytes: Vec<u8>,
    most: usize,
    waits: Option<Waker>,
}

impl Stuck {
    fn new(settings: LineSettings) -> Self {
        let (done, taken, in_force) = (Arc::default(), Arc::default(), InForce::new(settings));
        Self { done, taken, in_force, silent: false, stubborn: false }
    }

    fn taken(&self) -> String {
        String::from_utf8(self.taken.lock().unwrap().bytes.clone()).unwrap()
    }

    /// Lets the line take `more` bytes.
    fn takes(&self, more: usize) {
        let mut taken = self.taken.lock().unwrap();
        taken.most += more;
        taken.waits.take().into_iter().for_each(Waker::wake);
    }

    fn done(&self) -> Vec<String> {
        self.done.lock().unwrap().clone()
    }
}

impl Line for Stuck {
    fn leaves_within(&self) -> Duration {
        Duration::from_secs(4)
    }

    fn in_force(&self) -> InForce {
        self.in_force
    }
    fn poll_request(&mut self, _: &mut Context<'_>, request: LineRequest) -> Poll<io::Result<()>> {
        let said = format!("{request:?}");
        let mut done = self.done.lock().unwrap();
        if done.last() != Some(&said) {
            done.push(said);
        }
        if self.silent && !matches!(request, LineRequest::Purge(_)) {
            return Poll::Pending;
        }
        if !self.stubborn || request != LineRequest::Bits(Some(DataBits::Eight)) {
            self.in_force = self.in_force.with(request);
        }
        Poll::Ready(Ok(()))
    }
    fn modem(&mut self) -> io::Result<Modem> {
        Ok(Modem { cts: true, ..Modem::default() })
    }
    fn poll_restore(&mut self, _: &mut Context<'_>) -> Poll<()> {
        self.done.lock().unwrap().push("restore".to_owned());
        Poll::Ready(())
    }
}

impl AsyncRead for Stuck {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for Stuck {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut taken = self.taken.lock().unwrap();
        let more = bytes.len().min(taken.most - taken.bytes.len());
        if more == 0 {
            taken.waits = Some(cx.waker().clone());
            return Poll::Pending;
        }
        taken.bytes.extend_from_slice(&bytes[..more]);
        Poll::Ready(Ok(more))
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn a_cut_discards_what_was_not_sent_and_puts_everything_back() {
    let baud = Baud::new(300).unwrap();
    let settings = LineSettings { baud, ..LineSettings::default() };
    let (line, lines) = (Stuck::new(settings), SerialLines::default());
    let opened = line.clone();
    let open = async move { Ok(opened) };
    let mut seat = lines.sit("a".into(), settings, Wants::ALL, open).await.unwrap();
    for control in [9, 12, 5] {
        seat.write_all(&[255, 250, 44, 5, control, 255, 240]).await.unwrap();
        assert_eq!(read(&mut seat, 7).await[4], control);
    }
    // NOTIFY-MODEMSTATE, once the mask is set: first the current state, then the change.
    seat.write_all(&[255, 250, 44, 11, 0x11, 255, 240]).await.unwrap();
    assert_eq!(read(&mut seat, 7).await[3..5], [111, 0x11]);
    assert_eq!(read(&mut seat, 7).await[3..5], [107, 0]);
    assert_eq!(read(&mut seat, 7).await[3..5], [107, 0x11]);
    let mut taken = 0;
    let full = poll_fn(|cx| {
        while let Poll::Ready(Ok(more)) = Pin::new(&mut seat).poll_write(cx, &[b'x'; 1000]) {
            taken += more;
        }
        Poll::Ready(taken)
    })
    .await;
    assert_eq!(full, 16 * 1024);
    seat.reset();
    let expected = [
        "Dtr(Some(false))",
        "Rts(Some(false))",
        "Break(Some(true))",
        "Purge(ToLine)",
        "Dtr(Some(true))",
        "Rts(Some(true))",
        "Break(Some(false))",
        "restore",
    ];
    until(|| line.done() == expected).await;
    assert!(seat.write(b"x").await.is_err());
    assert!(seat.read(&mut [0]).await.is_err());
}

/// The beginning of a text line and the next writer's bytes could form a line that nobody may
/// write.
#[tokio::test]
async fn a_line_of_which_only_whole_ones_may_be_written_is_not_cut_short() {
    let target: Target = "serial:/dev/ttyS0?line=no%20debug&line=reload*".parse().unwrap();
    let settings = LineSettings::default();
    let sit = async |line: &Stuck, lines: &SerialLines| {
        let opened = line.clone();
        let seat = lines.sit("a".into(), settings, WRITE, async move { Ok(opened) }).await;
        seat.unwrap().limited_to(target.lines()).unwrap()
    };
    let said = b"no debug\rreload later\rno debug\r";
    for by_purge in [false, true] {
        let (line, lines) = (Stuck::new(settings), SerialLines::default());
        let mut seat = sit(&line, &lines).await;
        if by_purge {
            // Makes the flow telnet.
            seat.write_all(&[255, 253, 3]).await.unwrap();
        }
        seat.write_all(said).await.unwrap();
        line.takes(3);
        until(|| line.taken() == "no ").await;
        if by_purge {
            seat.write_all(&[255, 250, 44, 12, 2, 255, 240]).await.unwrap();
        } else {
            seat.reset();
        }
        line.takes(100);
        until(|| line.taken() == "no debug\r").await;
        if !by_purge {
            seat = sit(&line, &lines).await;
        }
        seat.write_all(b"reload\r").await.unwrap();
        until(|| line.taken() == "no debug\rreload\r").await;
        assert!(!line.done().contains(&"Purge(ToLine)".to_owned()), "{:?}", line.done());
    }
    // A text line that has not begun is not sent.
    let (line, lines) = (Stuck::new(settings), SerialLines::default());
    let mut seat = sit(&line, &lines).await;
    seat.write_all(said).await.unwrap();
    seat.reset();
    drop(seat);
    until(|| line.done() == ["Purge(ToLine)", "restore"]).await;
    assert_eq!(line.taken(), "");
}

/// With `line=`, a client with the right to control cannot change the settings: the device would
/// read other characters.
#[tokio::test]
async fn where_only_some_lines_may_be_written_nobody_sets_the_line() {
    let target: Target = "serial:/dev/ttyS0?line=show%20*".parse().unwrap();
    let (line, lines) = (Stuck::new(LineSettings::default()), SerialLines::default());
    let sit = async || {
        let opened = line.clone();
        let settings = LineSettings::default();
        lines.sit("a".into(), settings, Wants::ALL, async move { Ok(opened) }).await.unwrap()
    };
    let mut seat = sit().await.limited_to(target.lines()).unwrap();
    // A speed, five bits, a parity, two stop bits, flow control, a break, DTR and RTS. Each answer
    // gives the value in force.
    for (asked, answered) in [
        (&[1, 0, 0, 1, 0x2c][..], &[101, 0, 0, 0x25, 0x80][..]),
        (&[2, 5], &[102, 8]),
        (&[3, 3], &[103, 1]),
        (&[4, 2], &[104, 1]),
        (&[5, 2], &[105, 1]),
        (&[5, 5], &[105, 6]),
        (&[5, 9], &[105, 8]),
        (&[5, 12], &[105, 11]),
    ] {
        seat.write_all(&[&[255, 250, 44], asked, &[255, 240]].concat()).await.unwrap();
        let told = read(&mut seat, answered.len() + 5).await;
        assert_eq!(told[3..told.len() - 2], *answered, "{asked:?}");
    }
    line.takes(100);
    seat.write_all(b"show x\xc4\x8dreboot\rshow a\r").await.unwrap();
    until(|| line.taken() == "show a\r").await;
    assert!(seat.remark().unwrap().starts_with("lines refused: 1, the last: show x"));
    seat.shutdown().await.unwrap();
    drop(seat);
    // The line received only a request to wait, and was restored.
    until(|| line.done().last().is_some_and(|last| last == "restore")).await;
    assert_eq!(line.done(), ["Stop(Some(One))", "restore"]);
}

/// With five or six bits, the character `M` arrives as a carriage return.
#[tokio::test]
async fn lines_are_not_told_apart_on_fewer_than_seven_bits() {
    let target: Target = "serial+agent:a?line=show%20*".parse().unwrap();
    for (bits, told_apart) in
        [(DataBits::Five, false), (DataBits::Six, false), (DataBits::Seven, true)]
    {
        // The agent has set the line so, whatever the interface declares.
        let set = LineSettings { bits, ..LineSettings::default() };
        let (line, lines) = (Stuck::new(set), SerialLines::default());
        let opened = line.clone();
        let open = async move { Ok(opened) };
        let seat = lines.sit("a".into(), LineSettings::default(), WRITE, open).await.unwrap();
        let limited = seat.limited_to(target.lines());
        assert_eq!(limited.is_ok(), told_apart, "{bits:?}");
        assert!(limited.is_ok() || matches!(limited, Err(DialError::Narrow)));
    }
    // A flow at another interface has set the line so, and restoring it failed.
    let (mut line, lines) = (Stuck::new(LineSettings::default()), SerialLines::default());
    line.stubborn = true;
    let opened = line.clone();
    let open = async move { Ok(opened) };
    let mut other = lines.sit("a".into(), LineSettings::default(), CONTROL, open).await.unwrap();
    let never = async { Err::<Stuck, _>(io::ErrorKind::Unsupported.into()) };
    let _watcher = lines.sit("a".into(), LineSettings::default(), READ, never).await.unwrap();
    other.write_all(&[255, 250, 44, 2, 5, 255, 240]).await.unwrap();
    read(&mut other, 7).await;
    drop(other);
    let never = async { Err::<Stuck, _>(io::ErrorKind::Unsupported.into()) };
    let seat = lines.sit("a".into(), LineSettings::default(), WRITE, never).await.unwrap();
    let mut seat = seat.limited_to(target.lines()).unwrap();
    line.takes(100);
    seat.write_all(b"show a\r").await.unwrap();
    let ended = timeout(SOON, seat.read(&mut [0])).await.unwrap();
    assert!(ended.is_err());
    assert_eq!(line.taken(), "");
}

#[tokio::test(start_paused = true)]
async fn what_nobody_waits_for_any_more_is_given_up() {
    let settings = LineSettings::default();
    let (line, lines) = (Stuck::new(settings), SerialLines::default());
    let opened = line.clone();
    let open = async move { Ok(opened) };
    let mut seat = lines.sit("a".into(), settings, WRITE, open).await.unwrap();
    seat.write_all(b"never").await.unwrap();
    seat.shutdown().await.unwrap();
    drop(seat);
    // The next flow waits until the line is closed, and opens it again.
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(line.done(), ["Purge(ToLine)", "restore"]);
    let opened = line.clone();
    let again = lines.sit("a".into(), settings, WRITE, async move { Ok(opened) }).await;
    assert!(again.is_ok());
}

#[tokio::test]
async fn a_cut_does_not_wait_for_an_answer_and_undoes_what_was_asked() {
    let settings = LineSettings::default();
    let (mut line, lines) = (Stuck::new(settings), SerialLines::default());
    line.silent = true;
    let opened = line.clone();
    let open = async move { Ok(opened) };
    let mut seat = lines.sit("a".into(), settings, Wants::ALL, open).await.unwrap();
    seat.write_all(&[255, 250, 44, 1, 0, 1, 0xc2, 0, 255, 240]).await.unwrap();
    until(|| line.done().len() == 1).await;
    assert!(is_silent(&mut seat).await);
    seat.reset();
    until(|| line.done().len() == 3).await;
    let asked = ["Baud(Some(Baud(115200)))", "Purge(ToLine)", "Baud(Some(Baud(9600)))"];
    assert_eq!(line.done(), asked);
}
