//! Handles the packets of an MQTT client after CONNECT.

use std::borrow::Cow;

use doorward_model::Path;
use smallvec::SmallVec;

use super::ack::{ack, answer, auth, disconnect};
use super::inbox::{Fate, PublishPayload};
use super::packet::{Packet, PacketType, Version};
use super::properties::{RESPONSE_TOPIC, SUBSCRIPTION_ID};
use super::publish::Publish;
use super::reader::FieldReader;
use super::reason::{NOT_AUTHORIZED, SUCCESS, Violation, protocol_error};
use super::response::Needs;
use super::session::MqttSession;
use super::subscribe::unsubscribe;
use crate::machine::{Judge, Out, Sender};

impl MqttSession {
    /// Handles a packet from the client that is allowed now. Returns the payload of a PUBLISH,
    /// which has been read up to it.
    pub(super) fn read_client(
        &mut self,
        packet: &Packet<'_>,
        judge: &mut dyn Judge,
        out: &mut Out,
    ) -> Result<Option<PublishPayload>, Violation> {
        let fields = packet.fields();
        match packet.header.kind {
            PacketType::Publish => return self.publish(packet, judge, out),
            PacketType::Subscribe => return self.subscribe(packet, judge, out).map(|()| None),
            PacketType::Disconnect => {
                return self.disconnect(packet, judge, out).map(|()| None);
            }
            PacketType::Unsubscribe => unsubscribe(self.version, fields, &mut self.held)?,
            PacketType::Auth => {
                let method = self.method.as_deref().unwrap_or_default();
                // The client has not authenticated, so it cannot re-authenticate.
                if auth(Sender::Client, method, fields)? == 0x19 && !self.accepted {
                    return Err(protocol_error("authenticates again before it was let in"));
                }
            }
            PacketType::Pingreq => FieldReader::new(fields).end()?,
            // The PUBLISH that they acknowledge has been decided.
            kind @ (PacketType::Puback
            | PacketType::Pubrec
            | PacketType::Pubrel
            | PacketType::Pubcomp) => {
                ack(kind, Sender::Client, self.version, fields)?;
            }
            // `MqttSession::admit` has refused these.
            PacketType::Connect
            | PacketType::Connack
            | PacketType::Suback
            | PacketType::Unsuback
            | PacketType::Pingresp => {
                return Err(protocol_error("sends a packet that it may not send now"));
            }
        }
        self.to_server.put(&packet.bytes, &mut out.device)?;
        Ok(None)
    }

    fn publish(
        &mut self,
        packet: &Packet<'_>,
        judge: &mut dyn Judge,
        out: &mut Out,
    ) -> Result<Option<PublishPayload>, Violation> {
        let publish = Publish::read(self.version, packet)?;
        if publish.properties.has(SUBSCRIPTION_ID) {
            return Err(protocol_error("publishes with a subscription identifier"));
        }
        let response = publish.properties.text(RESPONSE_TOPIC);
        let (interface, rule) = (&self.interface, self.responses);
        let mut may = |path: Option<&Path>| {
            path.is_some_and(|path| Needs::met(path, response, rule, interface, judge).is_some())
        };
        let permitted = match publish.alias {
            None => {
                let path = Path::topic(&self.interface, publish.topic).ok();
                may(path.as_ref()).then(|| Cow::Borrowed(publish.head()))
            }
            Some(alias) => {
                let topic = self.aliases.topic(alias, publish.topic, &self.interface)?;
                may(topic.path.as_ref()).then(|| Cow::Owned(publish.unaliased(&topic.name)))
            }
        };
        let left = publish.payload();
        if let Some(head) = permitted {
            self.to_server.begin(head.len() + left, &head, &mut out.device)?;
            return Ok(Some(PublishPayload { left, fate: Fate::Forwarded }));
        }
        // 3.1.1 can only end the connection (section 3.3.5 there).
        if self.version == Version::V311 {
            out.over = Some("publish-refused");
            return Ok(None);
        }
        let answer = match publish.qos {
            0 => SmallVec::new(),
            1 => answer(PacketType::Puback, publish.id, NOT_AUTHORIZED),
            _ => answer(PacketType::Pubrec, publish.id, NOT_AUTHORIZED),
        };
        Ok(Some(PublishPayload { left, fate: Fate::Withheld(answer) }))
    }

    /// Handles a DISCONNECT. If the client leaves its will to be published, that is decided now. If
    /// the will is not permitted, the server gets a DISCONNECT without it.
    fn disconnect(
        &mut self,
        packet: &Packet<'_>,
        judge: &mut dyn Judge,
        out: &mut Out,
    ) -> Result<(), Violation> {
        let code = disconnect(Sender::Client, self.version, self.lasts, packet.fields())?;
        let (header, mut bytes) = (packet.header, Cow::Borrowed(&*packet.bytes));
        if code != SUCCESS
            && !self.may_leave_will(judge)
            && let Some(code) = bytes.to_mut().get_mut(header.length)
        {
            *code = SUCCESS;
        }
        self.will = None;
        out.over = Some("client-disconnected");
        self.to_server.put(&bytes, &mut out.device)
    }
}
