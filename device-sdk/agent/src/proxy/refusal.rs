//! Translates refusals into HTTP statuses and SOCKS replies.

use doorward_wire::Why;

use super::http::ProxyRefusal;
use super::socks::SocksReply;
use crate::opener::FlowRefusal;

pub(super) fn http_refusal(refusal: &FlowRefusal) -> ProxyRefusal {
    let status = match refusal.why {
        Some(Why::Forbidden) => 403,
        Some(Why::Wrong) => 400,
        Some(Why::Taken) => 409,
        Some(Why::Busy | Why::NotRecorded | Why::Stopping) => 503,
        Some(Why::NoAnswer) => 504,
        Some(
            Why::Unreachable
            | Why::Broken
            | Why::Replaced
            | Why::Version
            | Why::Ended
            | Why::Idle
            | Why::Other(_),
        )
        | None => 502,
    };
    ProxyRefusal::new(status, refusal.to_string())
}

pub(super) fn socks_reply(refusal: &FlowRefusal) -> SocksReply {
    match refusal.why {
        Some(Why::Forbidden) => SocksReply::Forbidden,
        Some(Why::Unreachable | Why::NoAnswer) => SocksReply::HostUnreachable,
        Some(Why::Broken | Why::Taken) => SocksReply::Refused,
        Some(
            Why::Busy
            | Why::NotRecorded
            | Why::Wrong
            | Why::Replaced
            | Why::Version
            | Why::Stopping
            | Why::Ended
            | Why::Idle
            | Why::Other(_),
        ) => SocksReply::Failure,
        // The gateway was not reached.
        None => SocksReply::NetworkUnreachable,
    }
}
