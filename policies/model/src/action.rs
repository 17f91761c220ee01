//! The actions of questions: a closed list.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::text::{did_you_mean, escape};

macro_rules! actions {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)+) => {
        /// An action of the closed list. The [`Protocol`](crate::Protocol) of an interface says
        /// which actions it has.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Action {
            $($(#[$doc])* $variant,)+
        }

        impl Action {
            /// All actions, in the order of this list.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Returns the action as rules write it.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }
    };
}

actions! {
    /// Open a raw stream, a datagram flow, an upgrade or an MQTT session.
    Connect = "connect",
    /// Read from a serial line or a Modbus table; see a part of the administration.
    Read = "read",
    /// Write to a serial line or a Modbus table.
    Write = "write",
    /// Change a serial line's settings or modem lines.
    Control = "control",
    /// Modbus diagnostics, and function codes granted by number.
    Diagnose = "diagnose",
    /// HTTP or CoAP GET.
    Get = "get",
    /// HTTP HEAD.
    Head = "head",
    /// HTTP or CoAP POST.
    Post = "post",
    /// HTTP or CoAP PUT.
    Put = "put",
    /// HTTP PATCH.
    Patch = "patch",
    /// HTTP or CoAP DELETE; end a part of the administration.
    Delete = "delete",
    /// HTTP OPTIONS.
    Options = "options",
    /// CoAP Observe.
    Observe = "observe",
    /// MQTT PUBLISH.
    Publish = "publish",
    /// MQTT SUBSCRIBE, and each message towards a subscriber.
    Subscribe = "subscribe",
    /// Add to the administration.
    Create = "create",
    /// Change a part of the administration.
    Update = "update",
}

/// A word that is no action.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("'{}' is no action{}", escape(.0), instead(.0))]
pub struct UnknownAction(pub String);

/// Returns the action that was meant, or all actions.
fn instead(text: &str) -> String {
    let all: Vec<&str> = Action::ALL.iter().map(|action| action.as_str()).collect();
    match did_you_mean(text, all.iter().copied()) {
        none if none.is_empty() => format!("; the actions are {}", all.join(" ")),
        meant => meant,
    }
}

impl FromStr for Action {
    type Err = UnknownAction;

    fn from_str(text: &str) -> Result<Self, UnknownAction> {
        let found = Self::ALL.iter().find(|action| action.as_str() == text);
        found.copied().ok_or_else(|| UnknownAction(text.to_owned()))
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

crate::serde_as_text!(Action);
