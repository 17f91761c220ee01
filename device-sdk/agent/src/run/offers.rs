//! Keeps the offered interfaces equal to the configuration file.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use doorward_model::{Action, Name, Way, escape};
use doorward_sdk::{Asked, Client, Handler, Incoming, Offered, Pipe, Why};
use doorward_wire::FlowDatagrams;

use super::log::log;
use crate::failure::Failure;
use crate::serve::{LinesInUse, OfferedInterface, PendingFlow};

/// A port for offering interfaces. An offer lasts as long as its guard.
pub(super) trait OfferSink {
    type Guard;

    fn offer(&self, name: &Name, interface: OfferedInterface) -> Result<Self::Guard, Failure>;
}

/// The interfaces that are offered now, each with its target and the guard of its offer.
pub(super) struct ConfiguredOffers<G> {
    lines: LinesInUse,
    live: BTreeMap<Name, (Way, G)>,
}

impl<G> ConfiguredOffers<G> {
    pub(super) fn new() -> Self {
        Self { lines: LinesInUse::default(), live: BTreeMap::new() }
    }

    /// Offers exactly the `wanted` interfaces. Unchanged offers stay as they are. Running flows
    /// continue even if their interface is no longer offered.
    pub(super) fn apply(
        &mut self,
        to: &impl OfferSink<Guard = G>,
        wanted: &BTreeMap<Name, Way>,
    ) -> Result<(), Failure> {
        self.live.retain(|name, (way, _)| wanted.get(name) == Some(way));
        for (name, way) in wanted {
            if !self.live.contains_key(name) {
                let interface = OfferedInterface::new(way.clone(), self.lines.clone());
                let guard = to.offer(name, interface)?;
                self.live.insert(name.clone(), (way.clone(), guard));
            }
        }
        Ok(())
    }
}

impl OfferSink for Client {
    type Guard = Offered;

    fn offer(&self, name: &Name, interface: OfferedInterface) -> Result<Offered, Failure> {
        let kind = interface.kind();
        let served = Arc::new(Served { name: name.clone(), interface });
        Ok(Client::offer(self, name.clone(), kind, served)?)
    }
}

/// An interface as a handler for the SDK.
struct Served {
    name: Name,
    interface: OfferedInterface,
}

impl Handler for Served {
    fn serve(
        &self,
        request: Asked,
        incoming: Incoming,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let (name, interface) = (self.name.clone(), self.interface.clone());
        Box::pin(async move {
            if let Err(error) = interface.serve(&request, incoming).await {
                let whose = request.subject.as_deref().unwrap_or("somebody");
                log(&format!("{name}, for {}: {error}", escape(whose)));
            }
        })
    }
}

impl PendingFlow for Incoming {
    async fn stream(self, granted: &[Action]) -> std::io::Result<Pipe> {
        Incoming::stream_granting(self, granted).await
    }

    async fn datagrams(self) -> std::io::Result<FlowDatagrams> {
        Incoming::datagrams(self).await
    }

    async fn refuse(self, why: Why, detail: &str) {
        Incoming::refuse(self, why, detail).await;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;

    /// A fake that holds the names offered now, and the number of offers made.
    #[derive(Clone, Default)]
    struct FakeSink(Rc<RefCell<(Vec<String>, usize)>>);

    struct Guard(FakeSink, String);

    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.0.borrow_mut().0.retain(|name| *name != self.1);
        }
    }

    impl OfferSink for FakeSink {
        type Guard = Guard;

        fn offer(&self, name: &Name, _: OfferedInterface) -> Result<Guard, Failure> {
            let mut state = self.0.borrow_mut();
            assert!(!state.0.contains(&name.to_string()), "offered twice");
            state.0.push(name.to_string());
            state.1 += 1;
            Ok(Guard(self.clone(), name.to_string()))
        }
    }

    #[test]
    fn what_has_not_changed_is_not_touched() {
        let (fake, mut offers) = (FakeSink::default(), ConfiguredOffers::new());
        for (wanted, offered, times) in [
            (&[("a", "tcp://h:1"), ("b", "tcp://h:2")][..], &["a", "b"][..], 2),
            (&[("a", "tcp://h:1"), ("b", "tcp://h:3")], &["a", "b"], 3),
            (&[("b", "tcp://h:3")], &["b"], 3),
            (&[], &[], 3),
        ] {
            let of = |(name, url): &(&str, &str)| (name.parse().unwrap(), url.parse().unwrap());
            offers.apply(&fake, &wanted.iter().map(of).collect()).unwrap();
            assert_eq!(
                (fake.0.borrow().0.as_slice(), fake.0.borrow().1),
                (offered.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>().as_slice(), times)
            );
        }
    }
}
