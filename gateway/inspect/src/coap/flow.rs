//! The CoAP messages between one client and one device.

use doorward_model::{Action, Name, Path};

use super::code::{CoapCode, CodeClass};
use super::exchange::{Exchange, Exchanges, REGISTRATION, SentResponse, SentResponses};
use super::form::passes_in_response;
use super::message::{CoapHeader, Message, MessageType};
use super::option::{CoapOptions, MARKER, OBSERVE};
use super::request::{CoapRefusal, CoapRequest, Observe, write_options};
use crate::machine::{Fault, Judge, Out, Side};

/// The messages between one client endpoint and one device endpoint.
///
/// It keeps up to 256 requests, with their paths, and the options of up to 64 registrations, each
/// at most 1152 bytes.
#[derive(Clone, Debug)]
pub struct Coap {
    interface: Name,
    exchanges: Exchanges,
    showings: SentResponses,
    /// The id of the client's last request.
    last: u16,
    /// Room for a path.
    text: String,
}

impl Coap {
    /// A flow at an interface. `seed` is a random number that nobody knows: towards the device,
    /// tokens count from it, so that whoever is not on the way cannot guess them (RFC 7252,
    /// section 5.3.1).
    #[must_use]
    pub fn new(interface: &Name, seed: u64) -> Self {
        Self {
            interface: interface.clone(),
            exchanges: Exchanges::new(seed),
            showings: SentResponses::default(),
            last: 0,
            text: String::new(),
        }
    }

    /// Reads one datagram. Of `out`, which is emptied before, `device` and `client` are then one
    /// datagram each, or nothing if they are empty; `over` is never set.
    ///
    /// A datagram for the device may be 8 bytes longer than the one that has come; one for the client
    /// is not longer, or else is a refusal, of 25 bytes at most.
    ///
    /// # Errors
    /// When this datagram goes nowhere because it is malformed, or nobody waits for it. In `out`
    /// there may be a Reset for its sender. The flow goes on: a late or repeated datagram is no
    /// crime.
    pub fn read(
        &mut self,
        from: Side,
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
            // A ping (RFC 7252, section 4.3) asks for nothing but the endpoint.
            (_, CodeClass::Empty, MessageType::Confirmable) => {
                CoapHeader::reset(id).write(towards(from, out));
                Ok(())
            }
            (Side::Client, CodeClass::Empty, _) => {
                self.receipt(&message.header, out).map_err(fault)
            }
            (Side::Client, CodeClass::Request, _) => {
                self.request(&message, judge, out);
                Ok(())
            }
            (Side::Device, CodeClass::Empty, _) => {
                self.answered(&message.header, out).map_err(fault)
            }
            (Side::Device, CodeClass::Response, _) => {
                self.response(&message, judge, out).map_err(fault)
            }
            _ => {
                if kind == MessageType::Confirmable {
                    CoapHeader::reset(id).write(towards(from, out));
                }
                Err(fault(match from {
                    Side::Client => "has sent a response",
                    Side::Device => "has sent a request",
                }))
            }
        }
    }

    /// The flow is about to be cut: ends every observation, as [`Coap::recheck`] does.
    pub fn parting(&mut self) -> Vec<Out> {
        self.end_observations(|_| true)
    }

    /// Whether the client observes anything.
    #[must_use]
    pub fn observes(&self) -> bool {
        self.exchanges.observe()
    }

    /// The policy may have changed: ends each observation that is not permitted any more. Of each
    /// `Out`, `device` is the datagram by which the device forgets the observer (RFC 7641, section
    /// 3.6), and `client` the notification that is the last (section 4.2).
    ///
    /// Neither is confirmable, since nobody would hear an acknowledgement. Where the device's is
    /// lost, it learns of the end by its next notification, which reaches nobody. Their ids are as
    /// far as can be from the last ones, so that they are not taken for messages sent again.
    pub fn recheck(&mut self, judge: &mut dyn Judge) -> Vec<Out> {
        self.end_observations(|path| !judge.may(Action::Observe, path))
    }

    fn end_observations(&mut self, mut ends: impl FnMut(&Path) -> bool) -> Vec<Out> {
        let far = |id: u16| (0u16..).map(move |n| id.wrapping_add(0x8000).wrapping_add(n));
        let ids = far(self.last).zip(far(self.showings.last_id()));
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

    /// How many exchanges there are, observations among them, and messages that the client was shown.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn sizes(&self) -> (usize, usize, usize) {
        let (exchanges, observations) = self.exchanges.sizes();
        (exchanges, observations, self.showings.len())
    }

    /// A request of the client's: asked about, and then forwarded or answered.
    fn request(&mut self, message: &Message<'_>, judge: &mut dyn Judge, out: &mut Out) {
        let asked = CoapRequest::read(message, &self.interface, &mut self.text);
        let permitted = asked.and_then(|asked| {
            let may = match asked.observe {
                Some(Observe::Register) => judge.may_all(&[
                    (asked.action, asked.path.clone()),
                    (Action::Observe, asked.path.clone()),
                ]),
                _ => judge.may(asked.action, &asked.path),
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
        // A server that cannot register an observer answers as if it had not been asked to (RFC 7641,
        // section 4.1). So it need not be asked.
        let fits =
            |path| message.options.len() <= REGISTRATION && self.exchanges.has_room(token, path);
        let observe = match asked.observe {
            Some(Observe::Register) if !fits(&asked.path) => None,
            observe => observe,
        };
        let ours = self.exchanges.enter(&message.header, asked.path, observe);
        if observe == Some(Observe::Register) {
            self.exchanges.register(ours, token, message.options);
        }
        self.last = id;
        CoapHeader { kind, code, id, token: ours.into() }.write(&mut out.device);
        write_options(message.options(), observe, &mut out.device);
        out.device.extend_from_slice(message.payload);
    }

    /// The client acknowledges or rejects what it was shown.
    fn receipt(&mut self, header: &CoapHeader, out: &mut Out) -> Result<(), &'static str> {
        let rejects = header.kind == MessageType::Reset;
        let shown = self.showings.by_id(header.id);
        let shown = shown.filter(|shown| rejects || shown.kind == MessageType::Confirmable);
        let shown = shown.ok_or("means a message that it was not shown")?;
        if rejects && let Some(exchange) = self.exchanges.by_ours(shown.ours) {
            exchange.end();
        }
        header.write(&mut out.device);
        Ok(())
    }

    /// The device acknowledges or rejects a request.
    fn answered(&mut self, header: &CoapHeader, out: &mut Out) -> Result<(), &'static str> {
        let rejects = header.kind == MessageType::Reset;
        let exchange = self.exchanges.by_id(header.id);
        let exchange = exchange.filter(|one| rejects || one.kind == MessageType::Confirmable);
        let exchange = exchange.ok_or("means a message that it was not sent")?;
        if rejects {
            exchange.end();
        }
        header.write(&mut out.client);
        Ok(())
    }

    /// A response of the device's: forwarded if it is due, or if it is a notification and may be
    /// seen now.
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
            let again = self.showings.has(shown);
            let due = match kind {
                // In an acknowledgement it answers the very message (RFC 7252, section 5.3.2).
                MessageType::Acknowledgement
                    if exchange.id != id || exchange.kind != MessageType::Confirmable =>
                {
                    false
                }
                _ if notifies => exchange.observes.is_some(),
                _ => exchange.waits || exchange.observes.is_some() || again,
            };
            due.then_some((exchange, shown, again))
        });
        let Some((exchange, shown, again)) = due else {
            // So the device forgets an observer (RFC 7641, section 3.6).
            if kind != MessageType::Acknowledgement {
                CoapHeader::reset(id).write(&mut out.device);
            }
            return Err("answers what nobody waits for");
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
            self.showings.enter(shown);
        }
        CoapHeader { kind, code, id, token: exchange.token }.write(&mut out.client);
        out.client.extend_from_slice(message.options);
        out.client.extend_from_slice(message.payload);
        Ok(())
    }
}

/// Where an answer to this side goes.
fn towards(side: Side, out: &mut Out) -> &mut Vec<u8> {
    match side {
        Side::Client => &mut out.client,
        Side::Device => &mut out.device,
    }
}

/// Answers a request in the device's stead (RFC 7252, section 5.2). It depends on nothing but the
/// request, so one that is sent again is answered alike, under the same id.
fn refuse(request: &CoapHeader, refusal: CoapRefusal, client: &mut Vec<u8>) {
    let kind = match request.kind {
        MessageType::Confirmable => MessageType::Acknowledgement,
        _ => MessageType::NonConfirmable,
    };
    CoapHeader { kind, code: refusal.code, ..*request }.write(client);
    if let Some(option) = refusal.option {
        client.push(MARKER);
        client.extend_from_slice(format!("option {option}").as_bytes());
    }
}

/// Shows the client this code in place of a response, and ends the exchange: the device forgets an
/// observer that rejects its notification (RFC 7641, section 3.6).
///
/// A message that was confirmable is not: nobody is there to send it again.
fn instead(code: CoapCode, response: &CoapHeader, exchange: &mut Exchange, out: &mut Out) {
    let kind = match response.kind {
        MessageType::Acknowledgement => MessageType::Acknowledgement,
        _ => {
            CoapHeader::reset(response.id).write(&mut out.device);
            MessageType::NonConfirmable
        }
    };
    CoapHeader { kind, code, id: response.id, token: exchange.token }.write(&mut out.client);
    exchange.end();
}
