//! The nouns of Doorward: names, subjects, identities, resources, actions.
//!
//! Every other crate uses these types, so a word means the same in code, command line, API, audit
//! log and documents. A type is parsed once, by its `FromStr` or constructor. After that, code can
//! rely on its grammar.
//!
//! Invariants
//! - A value that exists is valid: its fields are private, and every constructor checks.
//! - `Display` and `FromStr` are inverse, and `Display` never prints a control character.
//! - Secrets print as `***` and are wiped when dropped.
//!
//! This crate must never know: async, I/O, cryptography, randomness, the current time. (Time and
//! random bytes are arguments.)

mod action;
mod certificate;
mod clock;
mod code;
mod domain;
mod epoch;
mod id;
mod name;
mod path;
mod period;
mod posture;
mod prefix;
mod protocol;
mod resource;
mod secret;
mod serial;
mod spiffe;
mod subject;
mod target;
mod text;
mod title;

pub use action::{Action, UnknownAction};
pub use certificate::{CertificateId, Fingerprint, NotHex, Serial};
pub use clock::Clock;
pub use code::{Code, CodeError, Method};
pub use domain::{Domain, DomainError, DoorName};
pub use epoch::{Epoch, Revision};
pub use id::{FlowId, NotAnId, SessionId};
pub use name::{Name, NameError};
pub use path::{
    Misspelt, OperandForm, Path, PathError, Segment, Table, segment_readings, spelt_path,
    spelt_segment,
};
pub use period::{NotAPeriod, Period};
pub use posture::{Fact, Posture, PostureError};
pub use prefix::Prefix;
pub use protocol::Protocol;
pub use resource::{Resource, ResourceError};
pub use secret::Secret;
pub use serial::{
    Baud, DataBits, FlowControl, LineChange, LineError, LineSettings, Parity, StopBits, Telnet,
};
pub use spiffe::{SpiffeError, SpiffeId};
pub use subject::{
    Device, DeviceId, Group, InterfaceId, Kind, Role, Subject, SubjectError, SubjectId,
};
pub use target::{
    ClientIds, FieldName, Host, HttpHost, HttpOptions, Inspected, Inspection, Lines, ModbusOptions,
    MqttOptions, NoOrigin, Operand, OptionChangeError, Origin, RequestRate, ResponseTopics, Scheme,
    SecretParameter, Several, Spoken, Target, TargetError, ToldIdentity, Way, WayEnd,
};
pub use text::{Escaped, PeerText, did_you_mean, escape, escape_lines, is_printable, nearest};
pub use title::{NotATitle, Title};

/// Implements `Serialize` by `Display` and `Deserialize` by `FromStr`, so that JSON and text have
/// one grammar.
macro_rules! serde_as_text {
    ($($ty:ty),+ $(,)?) => {$(
        impl serde::Serialize for $ty {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }
        impl<'de> serde::Deserialize<'de> for $ty {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )+};
}
pub(crate) use serde_as_text;
