//! MQTT 3.1.1 and 5.0: what a client publishes, what it subscribes to, and what comes to it.
//!
//! Sections are those of MQTT 5.0; where 3.1.1 differs, it is named. A server is what is behind the
//! door, most often called a broker.
//!
//! Decisions
//! - CONNECT asks `connect`, and `publish` on the topic of its will. PUBLISH from the client asks
//!   `publish` on its topic. A message or a will that names a response topic asks `subscribe` or
//!   `publish` on that one as well, as the interface has it. Each filter of a SUBSCRIBE asks `subscribe`, and so does each PUBLISH
//!   towards the client: what was subscribed to earlier gives nothing away.
//! - The other packets name nothing. They are forwarded if they are well formed and may come now.
//! - A SUBSCRIBE with too many filters is refused whole, before any of them is asked about. One with
//!   many may take several turns; nothing else is read from its client meanwhile.
//!
//! Invariants
//! - What the server reads is a topic that was asked about: a topic alias (section 3.3.2.3.4)
//!   ends at the gateway.
//! - A packet is sent whole. What the gateway itself has to say waits until one that is under way
//!   has ended, and towards the client until CONNACK has been sent.

mod ack;
mod client;
mod client_id;
mod connack;
mod connect;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod held_filters;
mod inbox;
mod machine;
#[cfg(any(test, feature = "fuzzing"))]
mod oracle;
mod packet;
mod packet_queue;
mod properties;
mod publish;
mod reader;
mod reason;
mod response;
mod server;
mod session;
mod subscribe;
mod subscribing;
#[cfg(test)]
mod tests;
mod topic;

pub use machine::Mqtt;
