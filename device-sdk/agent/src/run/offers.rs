//! Keeps the offered interfaces equal to the configuration file.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use doorward_model::{Action, Name, Way, escape};
use doorward_sdk::{Asked, Client, Handler, Incoming, Offered, Pipe, Why};
use doorward_wire::Datagrams;

use super::say;
use crate::failure::Failure;
use crate::serve::{Lines, Service, Waiting};

/// A port for offering interfaces. An offer lasts as long as its guard.
pub(super) trait Offering {
    type Guard;

    fn offer(&self, name: &Name, service: Service) -> Result<Self::Guard, Failure>;
}

/// The interfaces that are offered now, each with its target and the guard of its offer.
pub(super) struct Offers<G> {
    lines: Lines,
    live: BTreeMap<Name, (Way, G)>,
}

impl<G> Offers<G> {
    pub(super) fn new() -> Self {
        Self { lines: Lines::default(), live: BTreeMap::new() }
    }

    /// Offers exactly the `wanted` interfaces. Unchanged offers stay as they are. Running flows
    /// continue even if their interface is no longer offered.
    pub(super) fn apply(
        &mut self,
        to: &impl Offering<Guard = G>,
        wanted: &BTreeMap<Name, Way>,
    ) -> Result<(), Failure> {
        self.live.retain(|name, (way, _)| wanted.get(name) == Some(way));
        for (name, way) in wanted {
            if !self.live.contains_key(name) {
                let service = Service::new(way.clone(), self.lines.clone());
                let guard = to.offer(name, service)?;
                self.live.insert(name.clone(), (way.clone(), guard));
            }
        }
        Ok(())
    }
}

impl Offering for Client {
    type Guard = Offered;

    fn offer(&self, name: &Name, service: Service) -> Result<Offered, Failure> {
        let kind = service.kind();
        let served = Arc::new(Served { name: name.clone(), service });
        Ok(Client::offer(self, name.clone(), kind, served)?)
    }
}

/// An interface as a handler for the SDK.
struct Served {
    name: Name,
    service: Service,
}

impl Handler for Served {
    fn serve(&self, asked: Asked, incoming: Incoming) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let (name, service) = (self.name.clone(), self.service.clone());
        Box::pin(async move {
            if let Err(error) = service.serve(&asked, incoming).await {
                let whose = asked.subject.as_deref().unwrap_or("somebody");
                say(&format!("{name}, for {}: {error}", escape(whose)));
            }
        })
    }
}

impl Waiting for Incoming {
    async fn stream(self, granted: &[Action]) -> std::io::Result<Pipe> {
        Incoming::stream_granting(self, granted).await
    }

    async fn datagrams(self) -> std::io::Result<Datagrams> {
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
    struct Fake(Rc<RefCell<(Vec<String>, usize)>>);

    struct Guard(Fake, String);

    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.0.borrow_mut().0.retain(|name| *name != self.1);
        }
    }

    impl Offering for Fake {
        type Guard = Guard;

        fn offer(&self, name: &Name, _: Service) -> Result<Guard, Failure> {
            let mut state = self.0.borrow_mut();
            assert!(!state.0.contains(&name.to_string()), "offered twice");
            state.0.push(name.to_string());
            state.1 += 1;
            Ok(Guard(self.clone(), name.to_string()))
        }
    }

    #[test]
    fn what_has_not_changed_is_not_touched() {
        let (fake, mut offers) = (Fake::default(), Offers::new());
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
