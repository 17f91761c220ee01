//! Decides the filters of a session's SUBSCRIBE, and forwards the permitted ones.

use std::borrow::Cow;

use doorward_model::{Action, Path};

use super::packet::Packet;
use super::reason::Violation;
use super::session::MqttSession;
use super::subscribe::{FILTERS, Subscribe};
use super::subscribing::Subscribing;
use crate::machine::{Judge, Out, Sender};

/// Why a SUBSCRIBE is refused whole, in a word for the record.
const TOO_MANY: &str = "too-many-filters";

impl MqttSession {
    /// Returns whether packets from that side must wait until a SUBSCRIBE is decided.
    pub(super) fn subscribes(&self, from: Sender) -> bool {
        from == Sender::Client && self.subscribing.is_some()
    }

    /// Handles a SUBSCRIBE of the client: decides its filters, unless there are too many.
    pub(super) fn subscribe(
        &mut self,
        packet: &Packet<'_>,
        judge: &mut dyn Judge,
        out: &mut Out,
    ) -> Result<(), Violation> {
        let subscribe = Subscribe::read(self.version, packet.fields())?;
        let texts = || subscribe.filters.map(|filter| filter.text);
        if subscribe.count > FILTERS || !self.held.have_room(texts()) {
            judge.refused(Action::Subscribe, &Path::interface(&self.interface), TOO_MANY);
            self.to_client.put(&subscribe.too_many(), &mut out.client)?;
            return self.ping(out);
        }
        self.awaited.takes(&subscribe)?;
        self.decide(Subscribing::new(packet, &subscribe), judge, out)
    }

    /// Goes on with the SUBSCRIBE that is being decided.
    pub(super) fn subscribe_on(
        &mut self,
        judge: &mut dyn Judge,
        out: &mut Out,
    ) -> Result<(), Violation> {
        match self.subscribing.take() {
            Some(begun) => self.decide(*begun, judge, out),
            None => Ok(()),
        }
    }

    /// Decides filters and, after the last one, sends the permitted filters to the server with the
    /// same packet identifier. The SUBACK is completed when it comes back.
    fn decide(
        &mut self,
        mut subscribing: Subscribing<'_>,
        judge: &mut dyn Judge,
        out: &mut Out,
    ) -> Result<(), Violation> {
        if !subscribing.decide(&self.interface, judge) {
            self.subscribing = Some(subscribing.kept());
            return Ok(());
        }
        let Subscribing { packet, permitted, .. } = subscribing;
        let subscribe = Subscribe::read(self.version, packet.fields())?;
        if !permitted.contains(&true) {
            self.to_client.put(&subscribe.refusal(), &mut out.client)?;
            return self.ping(out);
        }
        for (filter, permitted) in subscribe.filters.zip(&permitted) {
            if *permitted {
                self.held.insert(filter.text);
            }
        }
        let packet = if permitted.contains(&false) {
            Cow::Owned(subscribe.packet(&permitted))
        } else {
            Cow::Borrowed(&*packet.bytes)
        };
        self.awaited.insert(subscribe.id, permitted);
        self.to_server.put(&packet, &mut out.device)
    }
}
