//! An MQTT connection after CONNECT: its subscriptions, aliases and waiting packets.

use std::collections::BTreeSet;

use doorward_model::{Name, ResponseTopics};

use super::connect::Connect;
use super::held_filters::HeldFilters;
use super::inbox::Fate;
use super::packet::{FixedHeader, PacketType, Version, write};
use super::packet_queue::PacketQueue;
use super::properties::{AUTHENTICATION_METHOD, PACKET_MAXIMUM, SESSION_EXPIRY};
use super::reason::{Violation, malformed, protocol_error};
use super::response::Needs;
use super::subscribe::Awaited;
use super::subscribing::Subscribing;
use super::topic::Aliases;
use crate::machine::{Judge, Out, Sender};

/// An MQTT connection whose CONNECT has been forwarded.
#[derive(Debug)]
pub(super) struct MqttSession {
    pub(super) version: Version,
    pub(super) interface: Name,
    /// Whether CONNACK has accepted the client.
    pub(super) accepted: bool,
    /// Which right a response topic needs.
    pub(super) responses: ResponseTopics,
    /// The needs of the will, while the server may publish it.
    pub(super) will: Option<Needs>,
    /// The client's authentication method in addition to user name and password (section 4.12).
    pub(super) method: Option<Box<str>>,
    /// Whether the session is to outlive the connection.
    pub(super) lasts: bool,
    /// Whether the client gave no identifier, so that the gateway made one.
    pub(super) nameless: bool,
    pub(super) aliases: Aliases,
    pub(super) awaited: Awaited,
    /// A SUBSCRIBE whose filters are not all decided.
    pub(super) subscribing: Option<Box<Subscribing<'static>>>,
    pub(super) held: HeldFilters,
    /// The packet identifiers of the server's messages of QoS 2 that the client does not get; at
    /// most 65535.
    pub(super) withheld: BTreeSet<u16>,
    /// Whether a PINGREQ of the gateway's own waits for its answer.
    pub(super) pinged: bool,
    pub(super) to_client: PacketQueue,
    pub(super) to_server: PacketQueue,
}

impl MqttSession {
    pub(super) fn new(
        connect: &Connect<'_>,
        will: Option<Needs>,
        responses: ResponseTopics,
        interface: Name,
    ) -> Self {
        let properties = connect.properties;
        // CONNACK must come first.
        let mut to_client = PacketQueue::new(true);
        to_client.limit(properties.number(PACKET_MAXIMUM));
        Self {
            version: connect.version,
            interface,
            accepted: false,
            responses,
            will,
            method: properties.text(AUTHENTICATION_METHOD).map(Into::into),
            lasts: properties.number(SESSION_EXPIRY).is_some_and(|seconds| seconds > 0),
            nameless: connect.id.is_empty(),
            aliases: Aliases::default(),
            awaited: Awaited::default(),
            subscribing: None,
            held: HeldFilters::default(),
            withheld: BTreeSet::new(),
            pinged: false,
            to_client,
            to_server: PacketQueue::new(false),
        }
    }

    /// Checks that such a packet may come now from that side (table 2-1). A client need not wait
    /// for CONNACK (section 3.1.4), unless it authenticates by AUTH (section 3.1.2.11.9).
    pub(super) fn admit(&self, from: Sender, header: &FixedHeader) -> Result<Version, Violation> {
        use PacketType as K;
        if self.version == Version::V5 && !header.minimal {
            return Err(malformed("writes a length with more bytes than needed"));
        }
        let fits = match (from, header.kind) {
            (Sender::Client | Sender::Device, K::Auth) => self.method.is_some(),
            (Sender::Client, K::Disconnect) => true,
            (Sender::Client, K::Subscribe | K::Unsubscribe | K::Pingreq)
            | (Sender::Client, K::Publish | K::Puback | K::Pubrec | K::Pubrel | K::Pubcomp) => {
                self.accepted || self.method.is_none()
            }
            (Sender::Device, K::Connack) => !self.accepted,
            (Sender::Device, K::Disconnect) => self.accepted && self.version == Version::V5,
            (Sender::Device, K::Suback | K::Unsuback | K::Pingresp)
            | (Sender::Device, K::Publish | K::Puback | K::Pubrec | K::Pubrel | K::Pubcomp) => {
                self.accepted
            }
            (Sender::Client, K::Connect | K::Connack | K::Suback | K::Unsuback | K::Pingresp)
            | (Sender::Device, K::Connect | K::Subscribe | K::Unsubscribe | K::Pingreq) => false,
        };
        if fits {
            Ok(self.version)
        } else {
            Err(protocol_error("sends a packet that it may not send now"))
        }
    }

    /// Handles the end of a PUBLISH's payload.
    pub(super) fn published(
        &mut self,
        from: Sender,
        fate: Fate,
        out: &mut Out,
    ) -> Result<(), Violation> {
        match (from, fate) {
            (Sender::Client, Fate::Forwarded) => self.to_server.end(&mut out.device),
            (Sender::Device, Fate::Forwarded) => self.to_client.end(&mut out.client),
            (Sender::Client, Fate::Withheld(answer)) => {
                self.to_client.put(&answer, &mut out.client)?;
                self.ping(out)?;
            }
            (Sender::Device, Fate::Withheld(answer)) => {
                self.to_server.put(&answer, &mut out.device)?;
            }
        }
        Ok(())
    }

    /// Sends the server a PINGREQ for a client packet that was not forwarded, since the server's
    /// keep alive counts the packets that it gets (section 3.1.2.10).
    pub(super) fn ping(&mut self, out: &mut Out) -> Result<(), Violation> {
        if self.pinged {
            return Ok(());
        }
        self.pinged = true;
        self.to_server.put(&write(PacketType::Pingreq, &[]), &mut out.device)
    }

    /// Returns whether the server may publish the will. Without a will it asks nothing.
    pub(super) fn may_leave_will(&self, judge: &mut dyn Judge) -> bool {
        self.will.as_ref().is_none_or(|will| will.are_met(judge))
    }

    /// Returns about how many bytes of packets it stores.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn bytes_held(&self) -> usize {
        assert!(self.held.len() <= super::held_filters::HELD, "the client has too many filters");
        let subscribing = self.subscribing.as_ref().map_or(0, |begun| begun.bytes());
        self.to_client.held() + self.to_server.held() + subscribing
    }
}
