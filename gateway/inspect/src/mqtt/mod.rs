//! MQTT 3.1.1 and 5.0: reads what a client publishes and subscribes to, and what it receives.
//!
//! Section numbers are those of MQTT 5.0 unless 3.1.1 is named. A server is the backend of the
//! interface, which is usually called a broker.
//!
//! Decisions
//! - CONNECT needs `connect`, and `publish` on the topic of its will. A PUBLISH from the client
//!   needs `publish` on its topic. A message or a will with a response topic also needs `subscribe`
//!   or `publish` on that topic, as the interface's options say. Each filter of a SUBSCRIBE needs
//!   `subscribe`, and so does each PUBLISH towards the client: an earlier subscription is not
//!   enough.
//! - Other packets name nothing. They are forwarded if they are well formed and allowed now.
//! - A SUBSCRIBE with too many filters is refused whole, without asking the judge. One with many
//!   filters may take several turns; meanwhile nothing else is read from its client.
//!
//! Invariants
//! - The server reads only topics that the judge was asked about: a topic alias (section 3.3.2.3.4)
//!   ends at the gateway.
//! - A packet is sent whole. The gateway's own packets wait until a packet that is being sent has
//!   ended, and towards the client until CONNACK has been sent.

mod ack;
mod client;
mod client_id;
mod connack;
mod connect;
mod decide_filters;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod held_filters;
mod inbox;
mod machine;
#[cfg(any(test, feature = "fuzzing"))]
mod oracle;
mod packet;
mod packet_queue;
mod packet_reason;
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
