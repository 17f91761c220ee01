//! A fuzz target for the set of offered interfaces.

use std::collections::BTreeMap;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;

use doorward_model::Name;
use doorward_wire::fuzzing::Feed;
use doorward_wire::{Asked, FlowKind};

use crate::offer::{Handler, Incoming, OfferedInterfaces};

struct Nobody;

impl Handler for Nobody {
    fn serve(&self, _: Asked, _: Incoming) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(ready(()))
    }
}

/// Checks the offers: a name has one handler, the first; the offer sent to the gateway and the
/// handlers match; any requested name is handled without panicking.
pub fn offers(bytes: &[u8]) {
    let mut feed = Feed::new(bytes);
    let mut offers = OfferedInterfaces::default();
    let mut model: BTreeMap<Name, (FlowKind, Arc<dyn Handler>)> = BTreeMap::new();
    while !feed.is_empty() {
        let text = match feed.byte() {
            some @ 0..128 => format!("i{}", some % 8),
            _ => feed.text(40),
        };
        let name: Result<Name, _> = text.parse();
        let served = offers.handler(&text);
        let known = name.as_ref().ok().and_then(|name| model.get(name));
        assert_eq!(served.is_some(), known.is_some(), "{text}");
        if let (Some(served), Some((_, known))) = (served, known) {
            assert!(Arc::ptr_eq(&served, known));
        }
        let Ok(name) = name else { continue };
        if feed.flag() {
            let kind = feed.pick(&[FlowKind::Stream, FlowKind::Datagrams]);
            let handler: Arc<dyn Handler> = Arc::new(Nobody);
            let added = offers.add(name.clone(), kind, Arc::clone(&handler));
            assert_eq!(added, !model.contains_key(&name));
            model.entry(name).or_insert((kind, handler));
        } else {
            assert_eq!(offers.remove(&name), model.remove(&name).is_some());
        }
        assert_eq!(offers.names(), model.keys().cloned().collect::<Vec<_>>());
        let sent = offers.offerings().into_iter().map(|one| (one.name, one.kind));
        let known = model.iter().map(|(name, (kind, _))| (name.to_string(), *kind));
        assert!(sent.eq(known));
    }
}

pub(super) fn corpus() -> Vec<Vec<u8>> {
    vec![
        vec![1, 1, 0, 2, 1, 1, 1, 1, 1, 1, 0, 2, 0, 1, 1, 0],
        [&[200, 7, 0][..], b"console", &[1, 0, 200, 9, 0], b"gate\xffway\n", &[1, 0]].concat(),
    ]
}
