//! The end of a connection and its reason.

use doorward_wire::Why;

use crate::backoff::EndReason;
use crate::error::{Error, Next};

/// The end of a connection, or of the attempt to make one, with an explanation for people.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionEnd {
    pub(crate) reason: EndReason,
    pub(crate) why: String,
}

impl ConnectionEnd {
    pub(crate) fn failed(why: impl ToString) -> Self {
        Self { reason: EndReason::Failed, why: why.to_string() }
    }

    pub(crate) fn refused(why: impl Into<String>) -> Self {
        Self { reason: EndReason::Refused, why: why.into() }
    }

    pub(crate) fn stopped() -> Self {
        Self { reason: EndReason::Stopped, why: "the client was stopped".to_owned() }
    }

    /// Returns the end for a reason that the gateway sent.
    pub(crate) fn from_gateway(why: Why, detail: &str) -> Self {
        let reason = match why {
            Why::Replaced => EndReason::Replaced,
            Why::Stopping => EndReason::Stopping,
            Why::Ended | Why::Forbidden => EndReason::Refused,
            Why::Version => EndReason::GivenUp,
            Why::Busy
            | Why::Unreachable
            | Why::NoAnswer
            | Why::Taken
            | Why::NotRecorded
            | Why::Wrong
            | Why::Idle
            | Why::Broken
            | Why::Other(_) => EndReason::Failed,
        };
        let why = match reason {
            EndReason::Replaced => {
                "another program with this identity has connected; is the identity directory in \
                 use twice?"
                    .to_owned()
            }
            EndReason::GivenUp => {
                "this program and the gateway have no protocol version in common; update the \
                 older one"
                    .to_owned()
            }
            EndReason::Failed | EndReason::Stopping | EndReason::Refused | EndReason::Stopped => {
                let told = why.to_string();
                if detail.is_empty() || detail == told { told } else { format!("{told}: {detail}") }
            }
        };
        Self { reason, why }
    }
}

impl From<Error> for ConnectionEnd {
    fn from(error: Error) -> Self {
        // After an error of TLS a retry can succeed: the network, or a server in it, may change.
        let may_succeed = matches!(error, Error::Tls { .. }) || error.next() == Next::Retry;
        let reason = if may_succeed { EndReason::Failed } else { EndReason::Refused };
        Self { reason, why: error.to_string() }
    }
}
