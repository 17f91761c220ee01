//! Translates refusals into HTTP statuses and SOCKS replies.

use doorward_wire::Why;

use super::http::Problem;
use super::socks::Reply;
use crate::doors::Refusal;

pub(super) fn problem(refusal: &Refusal) -> Problem {
    let status = match refusal.why {
        Some(Why::Forbidden) => 403,
        Some(Why::Wrong) => 400,
        Some(Why::Taken) => 409,
        Some(Why::Busy | Why::NotRecorded | Why::Stopping) => 503,
        Some(Why::NoAnswer) => 504,
        _ => 502,
    };
    Problem::new(status, refusal.detail.clone())
}

pub(super) fn reply(refusal: &Refusal) -> Reply {
    match refusal.why {
        Some(Why::Forbidden) => Reply::Forbidden,
        Some(Why::Unreachable | Why::NoAnswer) => Reply::HostUnreachable,
        Some(Why::Broken | Why::Taken) => Reply::Refused,
        Some(_) => Reply::Failure,
        // The gateway was not reached.
        None => Reply::NetworkUnreachable,
    }
}
