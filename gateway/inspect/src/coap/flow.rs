//! The CoAP messages between one client and one device.

use doorward_model::{Action, Name, Path};

use super::code::{CoapCode, CodeClass};
use super::exchange::{Exchange, Exchanges, REGISTRATION, SentResponse, SentResponses};
use super::form::passes_in_response;
use super::message::{CoapHeader, Message, MessageType};
use super::option::{CoapOptions, MARKER, OBSERVE};
use super::request::{CoapRefusal, CoapRequest, Observe, write_options};
use crate::machine::{DatagramMachine, Fault, Judge, Out, Sender};

/// The CoAP messages between one client endpoint and one device endpoint.
///
/// It stores up to 256 requests with their paths, and the options of up to 64 registrations of at
/// most 1152 bytes each.
#[derive(Clone, Debug)]
pub struct Coap {
    interface: Name,
    exchanges: Exchanges,
    sent: SentResponses,
    /// The id of the client's last request.
    last: u16,
    /// A buffer for a path.
    text: String,
}

impl DatagramMachine for Coap {
    /// A datagram for the device is at most 8 bytes longer than the one read. A datagram for the
    /// client is not longer, or it is a refusal of at most 25 bytes. After a malformed datagram,
    /// `out` may have a Reset for its sender.
    fn read(
        &mut self,
        from: Sender,
        datagram: &[u8],
        judge: &mut dyn Judge,
        out: &mut Out,
    ) -> Result<(), Fault> {
        out.device.clear();
        out.client.clear();
        out.over = None;
        let fault = |what| Fault { by: from, what };
        let message = Message::read(datagram).map_err(|malformed| {
            if let Some(id) = malformed.reset {
                CoapHeader::reset(id).write(towards(from, out));
            }
            fault(malformed.what)
        })?;
        let CoapHeader { kind, code, id, .. } = message.header;
        match (from, code.class(), kind) {
            // A ping (RFC 7252, section 4.3) needs no more than an answer of this endpoint.
            (_, CodeClass::Empty, MessageType::Confirmable) => {
                CoapHeader::reset(id).write(towards(from, out));
                Ok(())
            }
            (
                Sender::Client,
                CodeClass::Empty,
                MessageType::NonConfirmable | MessageType::Acknowledgement | MessageType::Reset,
            ) => self.receipt(&message.header, out).map_err(fault),
            (Sender::Client, CodeClass::Request, _) => {
                self.request(&message, judge, out);
                Ok(())
            }
            (
                Sender::Device,
                CodeClass::Empty,
                MessageType::NonConfirmable | MessageType::Acknowledgement | MessageType::Reset,
            ) => self.answered(&message.header, out).map_err(fault),
            (Sender::Device, CodeClass::Response, _) => {
                self.response(&message, judge, out).map_err(fault)
            }
            (Sender::Client, CodeClass::Response | CodeClass::Reserved, _)
            | (Sender::Device, CodeClass::Request | CodeClass::Reserved, _) => {
                if kind == MessageType::Confirmable {
                    CoapHeader::reset(id).write(towards(from, out));
                }
                Err(fault(match from {
                    Sender::Client => "has sent a response",
                    Sender::Device => "has sent a request",
                }))
            }
        }
    }

    fn lasts(&self) -> bool {
        self.exchanges.observe()
    }

    /// In each `Out`, `device` is the datagram that makes the device forget the observer (RFC 7641,
    /// section 3.6), and `client` is the last notification (section 4.2).
    ///
    /// Neither is confirmable, since nobody would wait for an acknowledgement. If the device's
    /// datagram is lost, its next notification is rejected. The ids are as far as possible from the
    /// last ones, so that no side takes these messages for repeated ones.
    fn recheck(&mut self, judge: &mut dyn Judge) -> Vec<Out> {
        self.end_observations(|path| !judge.may(Action::Observe, path))
    }

    fn parting(&mut self) -> Vec<Out> {
        self.end_observations(|_| true)
    }
}

impl Coap {
    /// Returns a flow at an interface. `seed` is a secret random number. Tokens towards the device
    /// count from it, so that nobody off the path can guess them (RFC 7252, section 5.3.1).
    #[must_use]
    pub fn new(interface: &Name, seed: u64) -> Self {
        Self {
            interface: interface.clone(),
            exchanges: Exchanges::new(seed),
            sent: SentResponses::default(),
            last: 0,
            text: String::new(),
        }
    }

    fn end_observations(&mut self, mut ends: impl FnMut(&Path) -> bool) -> Vec<Out> {
        let far = |id: u16| (0u16..).map(move |n| id.wrapping_add(0x8000).wrapping_add(n));
        let ids = far(self.last).zip(far(self.sent.last_id()));
        let mut all = Vec::new();
        for ((ended, options), (id, told)) in self.exchanges.end_observations(&mut ends).zip(ids) {
            let (mut out, kind) = (Out::default(), MessageType::NonConfirmable);
            CoapHeader { kind, code: CoapCode::GET, id, token: ended.ours.into() }
                .write(&mut out.device);
            write_options(CoapOptions::new(&options), Some(Observe::Deregister), &mut out.device);
            CoapHeader { kind, code: CoapCode::FORBIDDEN, id: told, token: ended.token }
                .write(&mut out.client);
            all.push(out);
        }
        all
    }

    /// Returns how many exchanges, observations and sent responses there are.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn sizes(&self) -> (usize, usize, usize) {
        let (exchanges, observations) = self.exchanges.sizes();
        (exchanges, observations, self.sent.len())
    }

    /// Handles a request of the client: asks the judge, then forwards or answers the request.
    fn request(&mut self, message: &Message<'_>, judge: &mut dyn Judge, out: &mut Out) {
        let asked = CoapRequest::read(message, &self.interface, &mut self.text);
        let permitted = asked.and_then(|asked| {
            let may = match asked.observe {
                Some(Observe::Register) => judge.may_all(&[
                    (asked.action, asked.path.clone()),
                    (Action::Observe, asked.path.clone()),
                ]),
                Some(Observe::Deregister) | None => judge.may(asked.action, &asked.path),
            };
            may.then_some(asked).ok_or(CoapCode::FORBIDDEN.into())
        });
        let CoapHeader { id, token, kind, code } = message.header;
        let asked = match permitted {
            Ok(asked) => asked,
            Err(refusal) => {
                // An error ends the observation of its token (RFC 7641, section 4.2).
                self.exchanges.over(token);
                return refuse(&message.header, refusal, &mut out.client);
            }
        };
        // A server that cannot register an observer answers as if the request had not asked for it
        // (RFC 7641, section 4.1). So the gateway can leave the registration out.
        let fits =
            |path| message.options.len() <= REGISTRATION && self.exchanges.has_room(token, path);
        let observe =
            asked.observe.filter(|observe| *observe != Observe::Register || fits(&asked.path));
        let ours = self.exchanges.enter(&message.header, asked.path, observe);
        if observe == Some(Observe::Register) {
            self.exchanges.register(ours, token, message.options);
        }
        self.last = id;
        CoapHeader { kind, code, id, token: ours.into() }.write(&mut out.device);
        write_options(message.options(), observe, &mut out.device);
        out.device.extend_from_slice(message.payload);
    }

    /// Handles an acknowledgement or a Reset of the client.
    fn receipt(&mut self, header: &CoapHeader, out: &mut Out) -> Result<(), &'static str> {
        let rejects = header.kind == MessageType::Reset;
        let shown = self.sent.by_id(header.id);
        let shown = shown.filter(|shown| rejects || shown.kind == MessageType::Confirmable);
        let shown = shown.ok_or("acknowledges or rejects a message that it was not sent")?;
        if rejects && let Some(exchange) = self.exchanges.by_ours(shown.ours) {
            exchange.end();
        }
        header.write(&mut out.device);
        Ok(())
    }

    /// Handles an acknowledgement or a Reset of the device.
    fn answered(&mut self, header: &CoapHeader, out: &mut Out) -> Result<(), &'static str> {
        let rejects = header.kind == MessageType::Reset;
        let exchange = self.exchanges.by_id(header.id);
        let exchange = exchange.filter(|one| rejects || one.kind == MessageType::Confirmable);
        let exchange = exchange.ok_or("acknowledges or rejects a request that it was not sent")?;
        if rejects {
            exchange.end();
        }
        header.write(&mut out.client);
        Ok(())
    }

    /// Handles a response of the device: forwards it if it is due, or if it is a notification that
    /// the client may see now.
    fn response(
        &mut self,
        message: &Message<'_>,
        judge: &mut dyn Judge,
        out: &mut Out,
    ) -> Result<(), &'static str> {
        let CoapHeader { kind, id, code, token } = message.header;
        let notifies = message.options().any(|field| field.number == OBSERVE);
        let due = self.exchanges.by_token(&token).and_then(|exchange| {
            let shown = SentResponse { kind, id, ours: exchange.ours };
            let again = self.sent.has(shown);
            // In an acknowledgement it must answer that very message (RFC 7252, section 5.3.2).
            let answers = kind != MessageType::Acknowledgement
                || exchange.id == id && exchange.kind == MessageType::Confirmable;
            let awaited = !notifies && (exchange.waits || again);
            let due = answers && (awaited || exchange.observes.is_some());
            due.then_some((exchange, shown, again))
        });
        let Some((exchange, shown, again)) = due else {
            // A Reset makes the device forget the observer (RFC 7641, section 3.6).
            if kind != MessageType::Acknowledgement {
                CoapHeader::reset(id).write(&mut out.device);
            }
            return Err("has sent a response that matches no request");
        };
        let asks = notifies || !(exchange.waits || again);
        if !message.options().all(|field| passes_in_response(&field)) {
            instead(CoapCode::BAD_GATEWAY, &message.header, exchange, out);
            return Ok(());
        }
        if asks && !judge.may(Action::Observe, &exchange.path) {
            instead(CoapCode::FORBIDDEN, &message.header, exchange, out);
            return Ok(());
        }
        exchange.waits = false;
        if !(notifies && code.is_success()) {
            exchange.observes = None;
        }
        if kind != MessageType::Acknowledgement {
            self.sent.enter(shown);
        }
        CoapHeader { kind, code, id, token: exchange.token }.write(&mut out.client);
        out.client.extend_from_slice(message.options);
        out.client.extend_from_slice(message.payload);
        Ok(())
    }
}

/// Returns the buffer of answers to this side.
fn towards(side: Sender, out: &mut Out) -> &mut Vec<u8> {
    match side {
        Sender::Client => &mut out.client,
        Sender::Device => &mut out.device,
    }
}

/// Refuses a request in place of the device (RFC 7252, section 5.2). The answer depends on the
/// request alone, so a repeated request gets the same answer with the same id.
fn refuse(request: &CoapHeader, refusal: CoapRefusal, client: &mut Vec<u8>) {
    let kind = match request.kind {
        MessageType::Confirmable => MessageType::Acknowledgement,
        MessageType::NonConfirmable | MessageType::Acknowledgement | MessageType::Reset => {
            MessageType::NonConfirmable
        }
    };
    CoapHeader { kind, code: refusal.code, ..*request }.write(client);
    if let Some(option) = refusal.option {
        client.push(MARKER);
        client.extend_from_slice(format!("option {option}").as_bytes());
    }
}

/// Sends the client this code in place of a response, and ends the exchange. It rejects the
/// device's notification, so that the device forgets the observer (RFC 7641, section 3.6).
///
/// A confirmable response becomes a non-confirmable one, since nobody would repeat it.
fn instead(code: CoapCode, response: &CoapHeader, exchange: &mut Exchange, out: &mut Out) {
    let kind = match response.kind {
        MessageType::Acknowledgement => MessageType::Acknowledgement,
        MessageType::Confirmable | MessageType::NonConfirmable | MessageType::Reset => {
            CoapHeader::reset(response.id).write(&mut out.device);
            MessageType::NonConfirmable
        }
    };
    CoapHeader { kind, code, id: response.id, token: exchange.token }.write(&mut out.client);
    exchange.end();
}
