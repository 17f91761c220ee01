//! Tests of a line served over a stream, and of its user at the other end.

mod echo;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use doorward_model::{Baud, LineSettings, Parity};
use proptest::prelude::*;
use tokio::io::{
    AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadBuf, duplex,
};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::*;
use crate::line::leaving;
use crate::telnet::{IAC, TelnetServer};
use echo::{Done, Echo};

const SOON: Duration = Duration::from_secs(60);

/// Serves a line over a stream that buffers `holds` bytes.
async fn served(line: &Echo, holds: usize) -> (Remote<DuplexStream>, JoinHandle<bool>) {
    let (far, mut near) = duplex(holds);
    let line = line.clone();
    let ended = tokio::spawn(async move {
        let properly = serve(line, &mut near).await.is_ok();
        properly && near.shutdown().await.is_ok()
    });
    (soon(Remote::open(far, LineSettings::default())).await.unwrap(), ended)
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(SOON, what).await.unwrap()
}

/// A step of a line's user.
#[derive(Clone, Debug)]
enum Say {
    Write(Vec<u8>),
    Ask(LineRequest),
}

/// Performs the steps, and reads at the same time until `length` bytes have come.
async fn tell(line: &mut Remote<DuplexStream>, says: &[Say], length: usize) -> Vec<u8> {
    let (mut says, mut written, mut read) = (says.iter().peekable(), 0, vec![]);
    let all = poll_fn(|cx| {
        loop {
            let mut bytes = [0; 300];
            let mut into = ReadBuf::new(&mut bytes);
            let heard =
                Pin::new(&mut *line).poll_read(cx, &mut into).map(Result::unwrap).is_ready();
            read.extend(into.filled());
            let said = match says.peek() {
                None if read.len() >= length => return Poll::Ready(()),
                None => false,
                Some(Say::Ask(request)) => match line.poll_request(cx, *request) {
                    Poll::Ready(done) => {
                        done.unwrap();
                        says.next();
                        true
                    }
                    Poll::Pending => false,
                },
                Some(Say::Write(bytes)) if written == bytes.len() => {
                    written = 0;
                    says.next();
                    true
                }
                Some(Say::Write(bytes)) => {
                    match Pin::new(&mut *line).poll_write(cx, &bytes[written..]) {
                        Poll::Ready(more) => {
                            written += more.unwrap();
                            true
                        }
                        Poll::Pending => false,
                    }
                }
            };
            if !heard && !said {
                return Poll::Pending;
            }
        }
    });
    soon(all).await;
    read
}

async fn restore(mut line: Remote<DuplexStream>) {
    soon(poll_fn(|cx| line.poll_restore(cx))).await;
}

/// Runs a future with a paused clock, which advances when all tasks wait. A task that waits for
/// nothing is thus found.
fn run<T>(what: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().unwrap().block_on(what)
}

fn say() -> impl Strategy<Value = Say> {
    use LineRequest as R;
    let byte = prop_oneof![3 => any::<u8>(), 1 => Just(IAC), 1 => Just(b'\r'), 1 => Just(0)];
    prop_oneof![
        prop::collection::vec(byte, 1..3000).prop_map(Say::Write),
        (1..=Baud::LIMIT).prop_map(|rate| Say::Ask(R::Baud(Baud::new(rate)))),
        prop::sample::select(vec![
            R::Parity(Some(Parity::Odd)),
            R::Parity(Some(Parity::Even)),
            R::Baud(None),
            R::Dtr(Some(false)),
            R::Dtr(Some(true)),
            R::Break(None),
            R::Purge(Purge::FromLine),
        ])
        .prop_map(Say::Ask),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_told_is_done_in_its_order_and_all_of_it_comes_back(
        says in prop::collection::vec(say(), 0..20),
        holds in 1..5000_usize,
    ) {
        run(async {
            let line = Echo::default();
            let (mut remote, ended) = served(&line, holds).await;
            line.with(|state| state.done.clear());
            let (mut expected, mut all) = (vec![], vec![]);
            for one in &says {
                match (expected.last_mut(), one) {
                    (Some(Done::Wrote(before)), Say::Write(bytes)) => before.extend(bytes),
                    (_, Say::Write(bytes)) => expected.push(Done::Wrote(bytes.clone())),
                    (_, Say::Ask(request)) => expected.push(Done::Request(*request)),
                }
                if let Say::Write(bytes) = one {
                    all.extend(bytes);
                }
            }
            assert_eq!(tell(&mut remote, &says, all.len()).await, all);
            let known = remote.in_force();
            assert_eq!((known.settings, known.dtr), line.with(|state| (state.settings, state.dtr)));
            restore(remote).await;
            assert!(ended.await.unwrap());
            expected.push(Done::Restored);
            assert_eq!(line.done(), expected);
        });
    }

    #[test]
    fn whatever_a_far_end_says_its_user_stands(
        bytes in prop::collection::vec(prop_oneof![
            2 => any::<u8>(),
            3 => prop::sample::select(vec![IAC, IAC, 250, 240, 251, 253, 6, 44, 101, 105, 107, 108]),
        ], 0..3000),
    ) {
        run(async {
            let (far, mut near) = duplex(100);
            let says = tokio::spawn(async move {
                // The other side may close the stream.
                drop(near.write_all(&bytes).await);
                drop(near.shutdown().await);
                let mut all = vec![];
                drop(near.read_to_end(&mut all).await);
            });
            if let Ok(mut line) = soon(Remote::open(far, LineSettings::default())).await {
                drop(line.modem());
                soon(async { while line.read(&mut [0; 100]).await.is_ok() {} }).await;
                drop(soon(poll_fn(|cx| line.poll_request(cx, LineRequest::Baud(None)))).await);
                restore(line).await;
            }
            soon(says).await.unwrap();
        });
    }
}

#[tokio::test(start_paused = true)]
async fn how_it_is_set_the_far_end_says() {
    let line = Echo::default();
    let settings = LineSettings { baud: Baud::new(300).unwrap(), ..LineSettings::default() };
    line.with(|state| state.settings = settings);
    let (mut remote, _ended) = served(&line, 64).await;
    assert_eq!(remote.in_force().settings, settings);
    // A request that the line does not support changes nothing.
    let odd = Say::Ask(LineRequest::Parity(Some(Parity::Odd)));
    tell(&mut remote, &[odd], 0).await;
    assert_eq!(remote.in_force().settings, settings);
}

#[tokio::test(start_paused = true)]
async fn a_line_that_takes_nothing_still_hears_what_is_asked() {
    let line = Echo::default();
    line.with(|state| state.stuck = true);
    let (mut remote, ended) = served(&line, 64).await;
    let mut said = 0;
    // It takes a fixed number of bytes and no more, however long the writer waits.
    let full = async {
        loop {
            said += poll_fn(|cx| {
                let mut none = [0; 1];
                assert!(
                    Pin::new(&mut remote).poll_read(cx, &mut ReadBuf::new(&mut none)).is_pending()
                );
                Pin::new(&mut remote).poll_write(cx, &[IAC; 100])
            })
            .await
            .unwrap();
        }
    };
    assert!(
        timeout(SOON, async {
            let () = full.await;
        })
        .await
        .is_err()
    );
    assert_eq!(said as u64, u64::from(remote::AHEAD));
    let before = Instant::now();
    let purge = Say::Ask(LineRequest::Purge(Purge::ToLine));
    tell(&mut remote, &[purge, Say::Ask(LineRequest::Dtr(Some(false)))], 0).await;
    assert_eq!(before.elapsed(), Duration::ZERO);
    line.with(|state| (state.stuck, state.done) = (false, vec![]));
    let told = tell(&mut remote, &[Say::Write(vec![7; 20_000])], 20_000).await;
    assert_eq!(told, vec![7; 20_000], "discarded bytes do not come back");

    // A blocked line does not delay the end forever either.
    line.with(|state| (state.stuck, state.done) = (true, vec![]));
    tell(&mut remote, &[Say::Write(vec![8; 10])], 0).await;
    restore(remote).await;
    assert!(ended.await.unwrap());
    let discarded = Done::Request(LineRequest::Purge(Purge::ToLine));
    assert_eq!(line.done(), [discarded, Done::Restored]);
}

#[tokio::test(start_paused = true)]
async fn a_far_end_that_does_not_answer_is_waited_for_once() {
    let (far, mut near) = duplex(4096);
    let asked = LineRequest::Baud(Baud::new(300));
    let before = Instant::now();
    let mut line = Remote::open(far, LineSettings::default()).await.unwrap();
    let once = before.elapsed();
    assert!(once >= Duration::from_secs(5) && once < Duration::from_secs(6), "{once:?}");
    for _ in 0..1000 {
        assert!(poll_fn(|cx| line.poll_request(cx, asked)).await.is_err());
    }
    assert_eq!(before.elapsed(), once);
    assert_eq!(line.in_force(), InForce::new(LineSettings::default()), "as it was opened");
    // An answer ends the silence.
    near.write_all(&TelnetServer::answer(LineAnswer::Done(asked))).await.unwrap();
    near.write_all(b"x").await.unwrap();
    assert_eq!(line.read_u8().await.unwrap(), b'x');
    assert_eq!(line.in_force().settings.baud.get(), 300);
    assert!(poll_fn(|cx| line.poll_request(cx, LineRequest::Bits(None))).await.is_err());
    assert!(before.elapsed() >= 2 * once);
}

/// Returns how many bytes the other side accepts from a peer that never reads.
async fn takes(mut far: DuplexStream, says: &[u8]) -> usize {
    let mut taken = 0;
    let all = async {
        while far.write_all(says).await.is_ok() {
            taken += says.len();
        }
    };
    assert!(timeout(SOON, all).await.is_err(), "{taken}");
    taken
}

#[tokio::test(start_paused = true)]
async fn whoever_says_much_and_hears_nothing_is_not_kept_for() {
    const MOST: usize = 300 * 1024;
    for says in [&[IAC, 253, 1][..], &[IAC, 250, 44, 0, IAC, 240], &[IAC, 253, 6]] {
        let (far, mut near) = duplex(64);
        tokio::spawn(async move { serve(Echo::default(), &mut near).await.is_ok() });
        assert!(takes(far, says).await < MOST);
        let (far, near) = duplex(64);
        tokio::spawn(async move {
            let mut line = Remote::open(near, LineSettings::default()).await?;
            line.read_u8().await
        });
        if says[1] == 253 {
            assert!(takes(far, says).await < MOST);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_modems_lines_are_told_to_whoever_asks() {
    let line = Echo::default();
    let (mut remote, _ended) = served(&line, 64).await;
    assert_eq!(remote.modem().unwrap(), Modem::default());
    let modem = Modem { cts: true, carrier: true, ..Modem::default() };
    line.with(|state| state.modem = modem);
    let told = async {
        while remote.modem().unwrap() != modem {
            let read = tokio::time::timeout(Duration::from_millis(10), remote.read_u8());
            assert!(read.await.is_err());
        }
    };
    soon(told).await;
}

#[tokio::test(start_paused = true)]
async fn bare_bytes_pass_and_nothing_else() {
    let (far, mut near) = duplex(64);
    let mut line = Remote::bare(far, LineSettings::default());
    let asked = LineRequest::Baud(Baud::new(300));
    poll_fn(|cx| line.poll_request(cx, asked)).await.unwrap();
    assert_eq!(line.in_force(), InForce::new(LineSettings::default()));
    line.write_all(&[IAC, 0, IAC]).await.unwrap();
    near.write_all(&[IAC, IAC, 1]).await.unwrap();
    let mut bytes = [0; 3];
    line.read_exact(&mut bytes).await.unwrap();
    assert_eq!(bytes, [IAC, IAC, 1]);
    near.read_exact(&mut bytes).await.unwrap();
    assert_eq!(bytes, [IAC, 0, IAC]);
    // The far end sees the end of the stream, and the line waits for the far end's.
    let restored = tokio::spawn(async move { poll_fn(|cx| line.poll_restore(cx)).await });
    assert!(near.read_u8().await.is_err());
    assert!(!restored.is_finished());
    near.shutdown().await.unwrap();
    soon(restored).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_slow_line_has_its_time_for_all_that_was_said() {
    let line = Echo::default();
    line.with(|state| (state.stuck, state.slow) = (true, true));
    let (mut remote, ended) = served(&line, 4096).await;
    line.with(|state| state.done.clear());
    tell(&mut remote, &[Say::Write(vec![7; 1000])], 0).await;
    let takes = line.clone();
    let takes = tokio::spawn(async move {
        loop {
            // Longer than the bound in all, but never without progress for so long.
            tokio::time::sleep(takes.leaves_within() * 3 / 4).await;
            takes.with(|state| state.stuck = false);
        }
    });
    restore(remote).await;
    assert!(ended.await.unwrap());
    takes.abort();
    assert_eq!(line.done(), [Done::Wrote(vec![7; 1000]), Done::Restored]);
}

#[test]
fn what_a_line_has_taken_may_take_as_long_as_it_takes() {
    let settings =
        |baud| LineSettings { baud: Baud::new(baud).unwrap(), ..LineSettings::default() };
    // At 1200 baud and twelve symbols each, 4096 characters need 41 s.
    let slow = leaving(4096, &settings(1200));
    assert!(slow > Duration::from_secs(41) && slow < Duration::from_secs(60), "{slow:?}");
    assert!(leaving(4096, &settings(115_200)) < Duration::from_secs(5));
    assert!(leaving(u32::MAX, &settings(1)) < Duration::MAX);
}
