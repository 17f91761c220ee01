//! An MQTT connection after CONNECT: subscriptions, aliases, what waits for an answer.

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
use crate::machine::{Judge, Out, Side};

/// A connection whose CONNECT has been forwarded.
#[derive(Debug)]
pub(super) struct MqttSession {
    pub(super) version: Version,
    pub(super) interface: Name,
    /// CONNACK has let the client in.
    pub(super) accepted: bool,
    /// Who may name a response topic.
    pub(super) responses: ResponseTopics,
    /// What the will needs, as long as the server may publish it.
    pub(super) will: Option<Needs>,
    /// How the client authenticates beyond a user name and a password (section 4.12).
    pub(super) method: Option<Box<str>>,
    /// The session was to outlive the connection.
    pub(super) lasts: bool,
    /// The client has no identifier but what the gateway has made up.
    pub(super) nameless: bool,
    pub(super) aliases: Aliases,
    pub(super) awaited: Awaited,
    /// A SUBSCRIBE whose filters have not all been decided.
    pub(super) subscribing: Option<Box<Subscribing<'static>>>,
    pub(super) held: HeldFilters,
    /// The packet identifiers of the server's, QoS 2, that the client does not see; at most 65535.
    pub(super) withheld: BTreeSet<u16>,
    /// A PINGREQ of the gateway's own has not been answered.
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
        // CONNACK goes before everything else.
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

    /// Whether such a packet may come now from that side (table 2-1). A client need not wait for
    /// CONNACK (section 3.1.4), unless it authenticates by AUTH (section 3.1.2.11.9).
    pub(super) fn admit(&self, from: Side, header: &FixedHeader) -> Result<Version, Violation> {
        use PacketType as K;
        if self.version == Version::V5 && !header.minimal {
            return Err(malformed("writes a number longer than need be"));
        }
        let fits = match (from, header.kind) {
            (_, K::Auth) => self.method.is_some(),
            (Side::Client, K::Disconnect) => true,
            (Side::Client, K::Subscribe | K::Unsubscribe | K::Pingreq)
            | (Side::Client, K::Publish | K::Puback | K::Pubrec | K::Pubrel | K::Pubcomp) => {
                self.accepted || self.method.is_none()
            }
            (Side::Device, K::Connack) => !self.accepted,
            (Side::Device, K::Disconnect) => self.accepted && self.version == Version::V5,
            (Side::Device, K::Suback | K::Unsuback | K::Pingresp)
            | (Side::Device, K::Publish | K::Puback | K::Pubrec | K::Pubrel | K::Pubcomp) => {
                self.accepted
            }
            _ => false,
        };
        if fits { Ok(self.version) } else { Err(protocol_error("sends what it may not send now")) }
    }

    /// The payload of a PUBLISH has come to its end.
    pub(super) fn published(
        &mut self,
        from: Side,
        fate: Fate,
        out: &mut Out,
    ) -> Result<(), Violation> {
        match (from, fate) {
            (Side::Client, Fate::Forwarded) => self.to_server.end(&mut out.device),
            (Side::Device, Fate::Forwarded) => self.to_client.end(&mut out.client),
            (Side::Client, Fate::Withheld(answer)) => {
                self.to_client.put(&answer, &mut out.client)?;
                self.ping(out)?;
            }
            (Side::Device, Fate::Withheld(answer)) => {
                self.to_server.put(&answer, &mut out.device)?;
            }
        }
        Ok(())
    }

    /// Lets the server know that the client has said something, which has gone no further: its keep
    /// alive (section 3.1.2.10) counts what it hears.
    pub(super) fn ping(&mut self, out: &mut Out) -> Result<(), Violation> {
        if self.pinged {
            return Ok(());
        }
        self.pinged = true;
        self.to_server.put(&write(PacketType::Pingreq, &[]), &mut out.device)
    }

    /// Whether the server may publish the will. If there is none, there is nothing to ask.
    pub(super) fn may_leave_will(&self, judge: &mut dyn Judge) -> bool {
        self.will.as_ref().is_none_or(|will| will.are_met(judge))
    }

    /// How many bytes it holds of packets, about.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn bytes_held(&self) -> usize {
        assert!(self.held.len() <= super::held_filters::HELD, "the client has too many filters");
        let subscribing = self.subscribing.as_ref().map_or(0, |begun| begun.bytes());
        self.to_client.held() + self.to_server.held() + subscribing
    }
}
