//! The end of a connection and its reason.

use doorward_wire::Why;

use crate::backoff::Ending;
use crate::error::{Error, Next};

/// The end of a connection, or of the attempt to make one, with an explanation for people.
#[derive(Clone, Debug)]
pub(crate) struct Over {
    pub(crate) ending: Ending,
    pub(crate) why: String,
}

impl Over {
    pub(crate) fn failed(why: impl ToString) -> Self {
        Self { ending: Ending::Failed, why: why.to_string() }
    }

    pub(crate) fn refused(why: impl Into<String>) -> Self {
        Self { ending: Ending::Refused, why: why.into() }
    }

    pub(crate) fn stopped() -> Self {
        Self { ending: Ending::Stopped, why: "the client was stopped".to_owned() }
    }

    /// Returns the end for a reason that the gateway sent.
    pub(crate) fn told(why: Why, detail: &str) -> Self {
        let ending = match why {
            Why::Replaced => Ending::Replaced,
            Why::Stopping => Ending::Stopping,
            Why::Ended | Why::Forbidden => Ending::Refused,
            Why::Version => Ending::GivenUp,
            _ => Ending::Failed,
        };
        let why = match ending {
            Ending::Replaced => {
                "another program with this identity has connected; is the identity directory in \
                 use twice?"
                    .to_owned()
            }
            Ending::GivenUp => "this program and the gateway have no protocol version in common; \
                                   update the older one"
                .to_owned(),
            _ if detail.is_empty() || detail == why.to_string() => why.to_string(),
            _ => format!("{why}: {detail}"),
        };
        Self { ending, why }
    }
}

impl From<Error> for Over {
    fn from(error: Error) -> Self {
        let ending = match &error {
            // A retry can succeed: the network, or a server in it, may change.
            Error::Tls { .. } => Ending::Failed,
            other if other.next() == Next::Retry => Ending::Failed,
            _ => Ending::Refused,
        };
        Self { ending, why: error.to_string() }
    }
}
