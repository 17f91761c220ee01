//! Tests the bus on a pipe, with a paused clock.

use std::time::Duration;

use doorward_inspect::modbus::rtu;
use doorward_model::LineChange;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::time::{Instant, sleep, timeout};

use super::*;

fn settings(change: &str) -> LineSettings {
    LineChange::parse(change).unwrap().apply(LineSettings::default())
}

/// Returns a bus, the other end of its line, and a function that makes seats.
fn bus() -> (DuplexStream, impl Fn() -> RtuSeat, JoinHandle<()>) {
    let (near, far) = duplex(4096);
    let (bus, asked) = mpsc::channel(QUEUE);
    let timing = BusTiming::of(&settings("baud=9600"));
    let task = tokio::spawn(Bus::new(near, timing, "line".to_owned()).run(asked));
    (far, move || RtuSeat::new(bus.clone()), task)
}

fn frame(transaction: u16, unit: u8, pdu: &[u8]) -> Vec<u8> {
    let length = u16::try_from(pdu.len() + 1).unwrap();
    [&transaction.to_be_bytes()[..], &[0, 0], &length.to_be_bytes(), &[unit], pdu].concat()
}

async fn hears(line: &mut DuplexStream, unit: u8, pdu: &[u8]) {
    let expected = rtu(unit, pdu);
    let mut bytes = vec![0; expected.len()];
    line.read_exact(&mut bytes).await.unwrap();
    assert_eq!(bytes, expected);
}

async fn is_told(seat: &mut RtuSeat, expected: &[u8]) {
    let mut bytes = vec![0; expected.len()];
    seat.read_exact(&mut bytes).await.unwrap();
    assert_eq!(bytes, expected);
}

async fn nothing_comes(line: &mut DuplexStream) {
    assert!(timeout(Duration::from_secs(30), line.read(&mut [0; 1])).await.is_err());
}

const READ: &[u8] = &[3, 0, 0, 0, 1];
const SEVEN: &[u8] = &[3, 2, 0, 7];

#[tokio::test(start_paused = true)]
async fn requests_are_on_the_line_one_by_one_and_each_is_told_its_own_answer() {
    let (mut line, seat, _) = bus();
    let (mut one, mut other) = (seat(), seat());
    one.write_all(&frame(1, 5, READ)).await.unwrap();
    other.write_all(&frame(1, 6, READ)).await.unwrap();
    hears(&mut line, 5, READ).await;
    // The second request waits for the first response.
    assert!(timeout(Duration::from_millis(500), line.read(&mut [0; 1])).await.is_err());
    // A line delivers a response in pieces.
    let answer = rtu(5, SEVEN);
    line.write_all(&answer[..3]).await.unwrap();
    sleep(Duration::from_millis(5)).await;
    line.write_all(&answer[3..]).await.unwrap();
    is_told(&mut one, &frame(1, 5, SEVEN)).await;
    let answered = Instant::now();
    hears(&mut line, 6, READ).await;
    assert!(answered.elapsed() >= Duration::from_micros(3500), "no silence between two frames");
    line.write_all(&rtu(6, &[0x83, 2])).await.unwrap();
    is_told(&mut other, &frame(1, 6, &[0x83, 2])).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_no_answer_is_an_exception_and_a_late_answer_is_nobodys() {
    let (mut line, seat, _) = bus();
    let mut seat = seat();
    let mut number = 0;
    let garbled = [&rtu(5, SEVEN)[..6], &[0]].concat();
    for said in [rtu(6, SEVEN), rtu(5, &[4, 2, 0, 7]), garbled, rtu(5, SEVEN)[..4].to_vec(), vec![]]
    {
        number += 1;
        seat.write_all(&frame(number, 5, READ)).await.unwrap();
        hears(&mut line, 5, READ).await;
        line.write_all(&said).await.unwrap();
        is_told(&mut seat, &frame(number, 5, &[0x83, 11])).await;
    }
    // The response to the last request arrives late, and then the next request is sent.
    line.write_all(&rtu(5, &[3, 2, 9, 9])).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    seat.write_all(&frame(9, 5, READ)).await.unwrap();
    hears(&mut line, 5, READ).await;
    line.write_all(&rtu(5, SEVEN)).await.unwrap();
    is_told(&mut seat, &frame(9, 5, SEVEN)).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_said_to_all_units_has_no_answer_and_gets_its_time() {
    let (mut line, seat, _) = bus();
    let mut seat = seat();
    let write = &[6, 0, 1, 0, 1];
    let all = [frame(1, 0, write), frame(2, 5, READ)].concat();
    let asked = Instant::now();
    let (written, ()) = tokio::join!(seat.write_all(&all), async {
        hears(&mut line, 0, write).await;
        hears(&mut line, 5, READ).await;
        assert!(asked.elapsed() >= Duration::from_millis(100));
        line.write_all(&rtu(5, SEVEN)).await.unwrap();
    });
    written.unwrap();
    is_told(&mut seat, &frame(2, 5, SEVEN)).await;
}

#[tokio::test(start_paused = true)]
async fn whoever_is_cut_leaves_whole_frames_only() {
    let (mut line, seat, task) = bus();
    let (mut first, mut second, mut third) = (seat(), seat(), seat());
    first.write_all(&frame(1, 5, READ)).await.unwrap();
    second.write_all(&frame(1, 6, READ)).await.unwrap();
    third.write_all(&frame(1, 7, READ)[..7]).await.unwrap();
    hears(&mut line, 5, READ).await;
    // The first flow waits for its response, the second for the line, and the third has not written
    // all of its frame.
    drop((first, second, third));
    line.write_all(&rtu(5, SEVEN)).await.unwrap();
    let mut last = seat();
    last.write_all(&frame(1, 8, READ)).await.unwrap();
    hears(&mut line, 8, READ).await;
    line.write_all(&rtu(8, SEVEN)).await.unwrap();
    is_told(&mut last, &frame(1, 8, SEVEN)).await;
    nothing_comes(&mut line).await;
    // No flow is left, so the bus closes the line.
    drop((last, seat));
    task.await.unwrap();
    assert_eq!(line.read(&mut [0; 1]).await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_lost_line_is_an_error_and_no_end() {
    let (line, seat, task) = bus();
    let mut seat = seat();
    drop(line);
    seat.write_all(&frame(1, 5, READ)).await.unwrap();
    assert!(seat.read(&mut [0; 1]).await.is_err());
    task.await.unwrap();
    assert!(seat.write_all(&frame(2, 5, READ)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_ended_gets_its_last_answer() {
    let (mut line, seat, _) = bus();
    let mut seat = seat();
    seat.write_all(&frame(1, 5, READ)).await.unwrap();
    let answer = async {
        hears(&mut line, 5, READ).await;
        line.write_all(&rtu(5, SEVEN)).await.unwrap();
    };
    let (ended, ()) = tokio::join!(seat.shutdown(), answer);
    ended.unwrap();
    let mut rest = Vec::new();
    seat.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, frame(1, 5, SEVEN));
}

#[tokio::test(start_paused = true)]
async fn more_than_may_wait_is_told_so() {
    let (mut line, seat, _) = bus();
    let mut seats: Vec<RtuSeat> = (0..QUEUE + 2).map(|_| seat()).collect();
    for (number, seat) in seats.iter_mut().enumerate() {
        seat.write_all(&frame(1, 5, READ)).await.unwrap();
        if number == 0 {
            hears(&mut line, 5, READ).await;
        }
    }
    is_told(seats.last_mut().unwrap(), &frame(1, 5, &[0x83, 6])).await;
}

#[test]
fn the_pace_is_that_of_the_line() {
    let timing = |change| BusTiming::of(&settings(change)).between;
    // Three and a half characters, of ten bits each.
    assert_eq!(timing("baud=9600").as_micros(), 35_000_000 / 9600);
    assert_eq!(timing("baud=9600&parity=even&stop=2").as_micros(), 42_000_000 / 9600);
    assert_eq!(timing("baud=115200").as_micros(), 1750);
}
