//! The machine of an MQTT connection.

use std::borrow::Cow;

use doorward_model::{Action, MqttOptions, Name, Path, ResponseTopics};

use super::client_id::Binding;
use super::connect::{Connect, ConnectRefusal, Will, level, refusal};
use super::inbox::{Fate, Inbox, PublishPayload};
use super::packet::{FixedHeader, Packet, PacketType, Version, write};
use super::reason::{ALIAS_INVALID, PROTOCOL_ERROR, Violation, malformed, protocol_error};
use super::response::Needs;
use super::session::MqttSession;
use crate::machine::{Fault, Judge, Machine, Out, Progress, Sender};

/// Why a connection ends whose client was told the reason.
const TOLD: &str = "client-broke-protocol";

/// One MQTT connection between a client and a server.
///
/// [`Machine::parting`] must be called however the connection ends. It asks about the client's
/// will, and writes nothing if that is not needed. It cannot write in the middle of a PUBLISH whose
/// payload the server still waits for; then the server publishes the will.
///
/// It stores one packet of each side (up to 256 KiB; never the payload of a PUBLISH), as many bytes
/// that wait for the end of another packet, 32 topic aliases, and a hash for each filter of the
/// client.
#[derive(Debug)]
pub struct Mqtt {
    interface: Name,
    binding: Binding,
    responses: ResponseTopics,
    from_client: Inbox,
    from_server: Inbox,
    session: Option<MqttSession>,
    /// Whether the client sends nothing more.
    parted: bool,
    over: bool,
}

impl Mqtt {
    /// Returns a connection through `interface` for `subject`, such as `user/alice`. `fresh` is the
    /// client identifier for a client that gives none: a new one for each connection, at most 256
    /// bytes of printable ASCII.
    pub fn new(
        interface: &Name,
        subject: &str,
        options: MqttOptions,
        fresh: impl Into<String>,
    ) -> Self {
        let MqttOptions { ids, response } = options;
        let (subject, fresh) = (subject.into(), fresh.into().into_boxed_str());
        Self {
            interface: interface.clone(),
            binding: Binding { subject, ids, fresh },
            responses: response,
            from_client: Inbox::default(),
            from_server: Inbox::default(),
            session: None,
            parted: false,
            over: false,
        }
    }

    /// Reads one packet, or a piece of a payload.
    fn step(
        &mut self,
        from: Sender,
        bytes: &mut &[u8],
        judge: &mut dyn Judge,
        out: &mut Out,
    ) -> Result<(), Violation> {
        let inbox = self.inbox(from);
        if let Some(payload) = &mut inbox.payload {
            let (piece, rest) = bytes.split_at(payload.left.min(bytes.len()));
            *bytes = rest;
            payload.left -= piece.len();
            if matches!(payload.fate, Fate::Forwarded) {
                match from {
                    Sender::Client => out.device.extend_from_slice(piece),
                    Sender::Device => out.client.extend_from_slice(piece),
                }
            }
        } else {
            // The session is borrowed as well, so `self.inbox` cannot be called here.
            let inbox = match from {
                Sender::Client => &mut self.from_client,
                Sender::Device => &mut self.from_server,
            };
            let session = self.session.as_ref();
            let next = inbox.next(bytes, |header| admit(session, from, header))?;
            let Some(packet) = next else { return Ok(()) };
            let payload = self.packet(from, &packet, judge, out)?;
            let inbox = self.inbox(from);
            inbox.done(packet);
            inbox.payload = payload;
        }
        if let Some(ended) = self.inbox(from).payload.take_if(|payload| payload.left == 0)
            && let Some(session) = &mut self.session
        {
            session.published(from, ended.fate, out)?;
        }
        Ok(())
    }

    fn inbox(&mut self, from: Sender) -> &mut Inbox {
        match from {
            Sender::Client => &mut self.from_client,
            Sender::Device => &mut self.from_server,
        }
    }

    fn packet(
        &mut self,
        from: Sender,
        packet: &Packet<'_>,
        judge: &mut dyn Judge,
        out: &mut Out,
    ) -> Result<Option<PublishPayload>, Violation> {
        match (&mut self.session, from) {
            (None, _) => self.connect(packet, judge, out).map(|()| None),
            (Some(session), Sender::Client) => session.read_client(packet, judge, out),
            (Some(session), Sender::Device) => {
                session.read_server(packet, &self.binding, judge, out)
            }
        }
    }

    fn connect(
        &mut self,
        packet: &Packet<'_>,
        judge: &mut dyn Judge,
        out: &mut Out,
    ) -> Result<(), Violation> {
        let fields = packet.fields();
        let level = level(fields)?;
        let version = match level {
            4 => Version::V311,
            5 => Version::V5,
            // Bridges set the highest bit, and try again without it.
            other => {
                let form = if other & 0x7f < 5 { Version::V311 } else { Version::V5 };
                refuse(ConnectRefusal::Version, form, out);
                return Ok(());
            }
        };
        let read = match version {
            Version::V5 if !packet.header.minimal => {
                Err(malformed("writes a length with more bytes than needed"))
            }
            Version::V5 | Version::V311 => Connect::read(version, fields),
        };
        // Only an accepted client may get a DISCONNECT (section 3.14).
        let connect = read.inspect_err(|violation| {
            if version == Version::V5 {
                out.client.extend(refusal(violation.reason));
                out.over = Some(TOLD);
            }
        })?;
        match self.admitted(&connect, judge) {
            Ok((id, will)) => {
                out.device.extend(connect.packet(&id));
                let interface = self.interface.clone();
                self.session = Some(MqttSession::new(&connect, will, self.responses, interface));
            }
            Err(refused) => refuse(refused, version, out),
        }
        Ok(())
    }

    /// Returns the client identifier for the server, and the needs of the will, if the client may
    /// connect.
    fn admitted<'b>(
        &self,
        connect: &Connect<'b>,
        judge: &mut dyn Judge,
    ) -> Result<(Cow<'b, str>, Option<Needs>), ConnectRefusal> {
        if !judge.may(Action::Connect, &Path::interface(&self.interface)) {
            return Err(ConnectRefusal::Authorization);
        }
        let id = self.binding.bind(connect).ok_or(ConnectRefusal::Id)?;
        let Some(Will { topic, response }) = connect.will else { return Ok((id, None)) };
        let path =
            Path::topic(&self.interface, topic).map_err(|_| ConnectRefusal::Authorization)?;
        let will = Needs::met(&path, response, self.responses, &self.interface, judge);
        will.map(|will| (id, Some(will))).ok_or(ConnectRefusal::Authorization)
    }

    /// Tells a client of MQTT 5.0 what is wrong, if that is possible now (section 4.13).
    fn tell(&self, reason: u8, out: &mut Out) {
        let Some(session) = &self.session else { return };
        if session.version == Version::V311 {
            return;
        }
        if !session.accepted {
            // CONNACK does not have this reason code.
            let reason = if reason == ALIAS_INVALID { PROTOCOL_ERROR } else { reason };
            out.client.extend(refusal(reason));
        } else if !session.to_client.is_busy() {
            out.client.extend(write(PacketType::Disconnect, &[&[reason]]));
        } else {
            return;
        }
        out.over = Some(TOLD);
    }

    /// Returns about how many bytes it stores.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn held(&self) -> usize {
        let lines = self.session.as_ref().map_or(0, MqttSession::bytes_held);
        self.from_client.held() + self.from_server.held() + lines
    }
}

/// Checks that a packet may come now. The first one is CONNECT (section 3.1).
fn admit(
    session: Option<&MqttSession>,
    from: Sender,
    header: &FixedHeader,
) -> Result<Version, Violation> {
    match (session, from) {
        (Some(session), Sender::Client | Sender::Device) => session.admit(from, header),
        // Nothing in this packet depends on the version before its end.
        (None, Sender::Client) if header.kind == PacketType::Connect => Ok(Version::V311),
        (None, Sender::Client) => Err(protocol_error("does not begin with CONNECT")),
        (None, Sender::Device) => Err(protocol_error("sends a packet before CONNECT")),
    }
}

fn refuse(refused: ConnectRefusal, version: Version, out: &mut Out) {
    out.client.extend(refused.packet(version));
    out.over = Some(refused.as_str());
}

impl Machine for Mqtt {
    fn read(
        &mut self,
        from: Sender,
        mut bytes: &[u8],
        judge: &mut dyn Judge,
        out: &mut Out,
    ) -> Result<Progress, Fault> {
        let (all, unheard) = (bytes.len(), self.parted && from == Sender::Client);
        while !self.over && !unheard {
            let begun = self.session.as_mut().filter(|session| session.subscribes(from));
            if begun.is_none() && bytes.is_empty() {
                break;
            }
            if judge.turn_is_over() {
                return Ok(Progress::Part(all - bytes.len()));
            }
            let read = match begun {
                Some(session) => session.subscribe_on(judge, out),
                None => self.step(from, &mut bytes, judge, out),
            };
            self.over = read.is_err() || out.over.is_some();
            if let Err(Violation { reason, what }) = read {
                if from == Sender::Client {
                    self.tell(reason, out);
                }
                return Err(Fault { by: from, what });
            }
        }
        Ok(Progress::All)
    }

    fn parting(&mut self, judge: &mut dyn Judge, out: &mut Out) {
        self.parted = true;
        let Some(session) = &mut self.session else { return };
        if !session.to_server.is_busy() && !session.may_leave_will(judge) {
            session.will = None;
            self.over = true;
            // The only reason for which a server discards a will (section 3.1.2.5).
            out.device.extend(write(PacketType::Disconnect, &[]));
        }
    }
}
