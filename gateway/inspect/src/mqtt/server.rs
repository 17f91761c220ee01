//! Handles the packets of an MQTT server.

use doorward_model::{Action, Path};
use smallvec::SmallVec;

use super::ack::{ack, answer, auth, disconnect};
use super::client_id::Binding;
use super::connack::Connack;
use super::inbox::{Fate, PublishPayload};
use super::packet::{Packet, PacketType, Version};
use super::properties::{ALIAS_MAXIMUM, ASSIGNED_ID, PACKET_MAXIMUM};
use super::publish::Publish;
use super::reader::FieldReader;
use super::reason::{SUCCESS, Violation, protocol_error};
use super::session::MqttSession;
use super::subscribe::unsuback;
use super::topic::ALIASES;
use crate::machine::{Judge, Out, Sender};

impl MqttSession {
    /// Handles a packet from the server that is allowed now. Returns the payload of a PUBLISH,
    /// which has been read up to it.
    pub(super) fn read_server(
        &mut self,
        packet: &Packet<'_>,
        binding: &Binding,
        judge: &mut dyn Judge,
        out: &mut Out,
    ) -> Result<Option<PublishPayload>, Violation> {
        let fields = packet.fields();
        match packet.header.kind {
            PacketType::Connack => return self.connack(packet, binding, out).map(|()| None),
            PacketType::Publish => return self.deliver(packet, judge, out),
            PacketType::Suback => {
                let packet = self.awaited.suback(self.version, fields)?;
                return self.to_client.put(&packet, &mut out.client).map(|()| None);
            }
            PacketType::Unsuback => unsuback(self.version, fields)?,
            PacketType::Pingresp => {
                FieldReader::new(fields).end()?;
                // All PINGRESPs are equal. The client gets as many as it sent PINGREQs.
                if std::mem::take(&mut self.pinged) {
                    return Ok(None);
                }
            }
            PacketType::Disconnect => {
                disconnect(Sender::Device, self.version, self.lasts, fields)?;
                self.will = None;
                out.over = Some("broker-disconnected");
            }
            PacketType::Auth => {
                let method = self.method.as_deref().unwrap_or_default();
                let code = auth(Sender::Device, method, fields)?;
                if !self.accepted {
                    // Only CONNACK may report success.
                    if code == SUCCESS {
                        return Err(protocol_error("ends an authentication without CONNACK"));
                    }
                    return self.to_client.first(&packet.bytes, &mut out.client).map(|()| None);
                }
            }
            kind @ (PacketType::Puback
            | PacketType::Pubrec
            | PacketType::Pubrel
            | PacketType::Pubcomp) => {
                let id = ack(kind, Sender::Device, self.version, fields)?;
                if kind == PacketType::Pubrel && self.withheld.remove(&id) {
                    let answer = answer(PacketType::Pubcomp, id, SUCCESS);
                    return self.to_server.put(&answer, &mut out.device).map(|()| None);
                }
            }
            // `MqttSession::admit` has refused these.
            PacketType::Connect
            | PacketType::Subscribe
            | PacketType::Unsubscribe
            | PacketType::Pingreq => {
                return Err(protocol_error("sends a packet that it may not send now"));
            }
        }
        self.to_client.put(&packet.bytes, &mut out.client)?;
        Ok(None)
    }

    fn connack(
        &mut self,
        packet: &Packet<'_>,
        binding: &Binding,
        out: &mut Out,
    ) -> Result<(), Violation> {
        let connack = Connack::read(self.version, packet.fields())?;
        if connack.code != SUCCESS {
            self.will = None;
            out.over = Some("broker-refused");
            return self.to_client.first(&packet.bytes, &mut out.client);
        }
        let Connack { properties, .. } = connack;
        self.to_server.limit(properties.number(PACKET_MAXIMUM));
        match self.version {
            Version::V311 => self.to_client.first(&packet.bytes, &mut out.client)?,
            Version::V5 => {
                let aliases = properties.number(ALIAS_MAXIMUM).unwrap_or_default();
                self.aliases.maximum = u16::try_from(aliases).unwrap_or(u16::MAX).min(ALIASES);
                let made_up = self.nameless.then(|| binding.made_up()).flatten();
                let assigned = properties.text(ASSIGNED_ID).map(|id| binding.unbind(id));
                let packet = connack.packet(self.aliases.maximum, assigned.or(made_up));
                self.to_client.first(&packet, &mut out.client)?;
            }
        }
        self.accepted = true;
        self.to_client.end(&mut out.client);
        Ok(())
    }

    /// Handles a message for the client: asks whether the client may have it now.
    fn deliver(
        &mut self,
        packet: &Packet<'_>,
        judge: &mut dyn Judge,
        out: &mut Out,
    ) -> Result<Option<PublishPayload>, Violation> {
        let publish = Publish::read(self.version, packet)?;
        if publish.alias.is_some() {
            return Err(protocol_error("uses a topic alias where none was offered"));
        }
        let path = Path::topic(&self.interface, publish.topic);
        let permitted = path.is_ok_and(|path| judge.may(Action::Subscribe, &path));
        let (left, id) = (publish.payload(), publish.id);
        if permitted {
            self.withheld.remove(&id);
            let head = publish.head();
            self.to_client.begin(head.len() + left, head, &mut out.client)?;
            return Ok(Some(PublishPayload { left, fate: Fate::Forwarded }));
        }
        // The server must take the message as delivered. So it does not repeat it, and the client's
        // Receive Maximum counts only messages that the client can have seen.
        let answer = match publish.qos {
            0 => SmallVec::new(),
            1 => answer(PacketType::Puback, id, SUCCESS),
            _ => {
                // A repeated message may have reached the client on an earlier connection. Then the
                // client gets the PUBREL as well, so that it does not wait for it; it answers in
                // any case (section 4.3.3).
                if !publish.again {
                    self.withheld.insert(id);
                }
                answer(PacketType::Pubrec, id, SUCCESS)
            }
        };
        Ok(Some(PublishPayload { left, fate: Fate::Withheld(answer) }))
    }
}
