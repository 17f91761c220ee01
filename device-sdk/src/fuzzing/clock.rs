//! A fuzz target for the SDK's estimate of the time.

use std::time::Duration;

use doorward_wire::fuzzing::Feed;
use jiff::SignedDuration;
use rustls::pki_types::CertificateDer;

use super::waits::instant;
use crate::identity::Validity;
use crate::time::{GatewayTime, SLACK, judge, parse};
use crate::verify::unix_time;

/// Checks the estimate of the time. It never goes back before the gateway's time plus the time
/// since then. An accepted gateway time lies within the gateway's certificate and not before a
/// known lower bound. Parsers accept any file and any certificate without panicking.
pub fn clock(bytes: &[u8]) {
    if let Some(kept) = parse(bytes) {
        assert_eq!(parse(kept.to_string().as_bytes()), Some(kept));
    }
    // Any result is right.
    drop(Validity::of(&CertificateDer::from(bytes)));

    let mut feed = Feed::new(bytes);
    let shown = Validity { not_before: instant(&mut feed), not_after: instant(&mut feed) };
    let (time, low) = (instant(&mut feed), instant(&mut feed));
    let believed = judge(time, shown, low).is_ok();
    let (early, late) = (time.saturating_add(SLACK), time.saturating_sub(SLACK));
    let (early, late) = (early.unwrap_or(time), late.unwrap_or(time));
    let inside = early >= low && early >= shown.not_before && late <= shown.not_after;
    // Saturation can only narrow the slack.
    assert!(!believed || inside);
    assert_eq!(unix_time(time).as_secs(), u64::try_from(time.as_second()).unwrap_or_default());

    let local = instant(&mut feed);
    let gateway_time = GatewayTime::new(time, local);
    let (mut run, mut least) = (Duration::ZERO, time);
    while !feed.is_empty() {
        run = run.saturating_add(Duration::from_secs(feed.number()));
        let passed = SignedDuration::try_from(run).unwrap_or(SignedDuration::MAX);
        least = least.max(time.saturating_add(passed).unwrap_or(least));
        // The clock ran, was set, or the machine slept.
        let local = match feed.byte() % 3 {
            0 => local.saturating_add(passed).unwrap_or(local),
            1 => instant(&mut feed),
            _ => least,
        };
        let now = gateway_time.now_after(run, local);
        assert!(now >= least, "{now} is before {least}");
        assert!(now >= gateway_time.now_after(Duration::ZERO, local) || now >= least);
        if local == least {
            assert!(
                now == least || gateway_time.behind().abs() <= SLACK,
                "a clock that is right is believed: {local}, {now}"
            );
        }
    }
}

/// A gateway's certificate with a P-256 key, valid for a year.
const LEAF: &str = include_str!("leaf.hex");

pub(super) fn corpus() -> Vec<Vec<u8>> {
    let digits = LEAF.trim().as_bytes().chunks_exact(2);
    let leaf = digits.map(|two| u8::from_str_radix(str::from_utf8(two).unwrap(), 16).unwrap());
    vec![
        b"2026-01-01T00:00:00Z\n".to_vec(),
        leaf.collect(),
        // A clock that is right, one that is decades behind, and one that is set.
        vec![0, 0, 3, 200, 9, 9, 9, 0, 0, 3, 9, 0, 3, 0, 0, 3, 10, 0, 3, 60, 0, 0, 90, 0, 2],
        vec![0, 0, 0, 200, 9, 9, 9, 0, 0, 3, 9, 0, 3, 0, 0, 3, 10, 0, 0, 60, 0, 0, 90, 0, 2],
        vec![0, 0, 2, 0, 0, 1, 0, 0, 1, 0, 0, 2, 5, 0, 1, 200, 0, 1, 5, 0, 2, 199, 0, 1, 5, 0, 1],
    ]
}
