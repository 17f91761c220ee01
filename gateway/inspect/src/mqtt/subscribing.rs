//! A SUBSCRIBE whose filters are decided one by one, in several turns if needed.

use std::borrow::Cow;

use doorward_model::{Action, Name, Path};

use super::packet::Packet;
use super::subscribe::{Filters, Subscribe};
use crate::machine::Judge;

/// A SUBSCRIBE that is being decided.
#[derive(Debug)]
pub(super) struct Subscribing<'b> {
    pub(super) packet: Packet<'b>,
    /// The position of the first undecided filter in its fields.
    next: usize,
    /// The answers to the filters before it.
    pub(super) permitted: Vec<bool>,
}

impl<'b> Subscribing<'b> {
    pub(super) fn new(packet: &'b Packet<'_>, subscribe: &Subscribe<'_>) -> Self {
        let bytes = Cow::Borrowed(&*packet.bytes);
        let next = packet.fields().len() - subscribe.filters.bytes();
        let permitted = Vec::with_capacity(subscribe.count);
        Self { packet: Packet { header: packet.header, bytes }, next, permitted }
    }

    /// Returns it with its own copy of the packet, when the turn is over and it must wait.
    pub(super) fn kept(self) -> Box<Subscribing<'static>> {
        let Self { packet: Packet { header, bytes }, next, permitted } = self;
        let packet = Packet { header, bytes: Cow::Owned(bytes.into_owned()) };
        Box::new(Subscribing { packet, next, permitted })
    }

    /// Decides filters until the turn is over. Returns whether all are decided.
    pub(super) fn decide(&mut self, interface: &Name, judge: &mut dyn Judge) -> bool {
        let fields = self.packet.fields();
        let mut filters = Filters::from(fields.get(self.next..).unwrap_or_default());
        while !judge.turn_is_over() {
            let Some(filter) = filters.next() else { break };
            let path = Path::filter(interface, filter.text);
            let may = path.is_ok_and(|path| judge.may(Action::Subscribe, &path));
            self.permitted.push(may);
        }
        self.next = fields.len() - filters.bytes();
        filters.bytes() == 0
    }

    /// Returns how many bytes it stores.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn bytes(&self) -> usize {
        self.packet.bytes.len() + self.permitted.capacity()
    }
}
