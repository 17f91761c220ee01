//! Decides the requests of one HTTP flow.

use doorward_inspect::Judge;
use doorward_inspect::http::{HttpRefusal, PermittedRequest, UnjudgedRequest};
use doorward_model::{Action, Path, PeerText};
use smallvec::SmallVec;

use super::request_name::RequestName;
use crate::pipeline::held::{Granted, HeldLeases, TargetIds};
use crate::pipeline::inspected::operations::{GrantedRight, Objection, Operations};

/// What a permitted request runs by.
pub(super) enum PermittedBy {
    /// It is the first: its rights admit the flow.
    Admission(Box<Granted>),
    /// Its own rights within the flow.
    Leases(HeldLeases),
}

/// The rights that one request needs, asked for one after the other.
struct Rights<'a> {
    operations: &'a mut Operations,
    granted: SmallVec<[(Action, Path, GrantedRight); 2]>,
    refused: Option<(Action, Path, Objection)>,
}

impl Judge for Rights<'_> {
    fn may(&mut self, action: Action, path: &Path) -> bool {
        match self.operations.ask(action, path, true) {
            Ok(right) => self.granted.push((action, path.clone(), right)),
            Err(why) => {
                self.refused = Some((action, path.clone(), why));
                return false;
            }
        }
        true
    }
}

/// Decides a request, and notes the decision. `has_room` tells whether the rate of the interface
/// leaves room for it, and `query` is the part of the query to record.
pub(super) fn decide(
    operations: &mut Operations,
    has_room: impl FnOnce(TargetIds) -> bool,
    asked: UnjudgedRequest,
    query: Option<PeerText>,
) -> Result<(PermittedRequest, PermittedBy, RequestName), HttpRefusal> {
    if let Some(why) = asked.objection()
        && let Some((action, path)) = asked.asks().next()
    {
        operations.note((action, path, query.as_ref()), None, Some(why.word()));
    }
    let mut rights = Rights { operations, granted: SmallVec::new(), refused: None };
    let judged = asked.judge(&mut rights);
    let Rights { operations, granted, refused } = rights;
    if let Some((action, path, (opinion, why))) = refused {
        operations.note((action, &path, query.as_ref()), opinion.as_ref(), Some(why));
    }
    let permitted = judged?;
    let target = granted.first().map(|(_, _, right)| right.permit().target_ids());
    let why = (!has_room(target.unwrap_or_default())).then_some(HttpRefusal::TooFast);
    let mut name = None;
    for (action, path, right) in &granted {
        let named = (*action, path, query.as_ref());
        operations.note(named, Some(right.opinion()), why.map(HttpRefusal::word));
        name.get_or_insert_with(|| RequestName {
            action: *action,
            path: path.clone(),
            query: query.clone(),
        });
    }
    if let Some(why) = why {
        return Err(why);
    }
    let (mut flows, mut leases) = (Vec::new(), Vec::new());
    for (_, _, right) in granted {
        match right {
            GrantedRight::Flow(authorized) => flows.push(authorized),
            GrantedRight::Lasting(_, lease) => leases.push(lease),
            // Every right was asked for as a lasting one.
            GrantedRight::Once(_) => {}
        }
    }
    let by = match (pop_first(flows), pop_first(leases)) {
        (Some((first, more)), None) => {
            PermittedBy::Admission(Box::new(operations.approached().granted(first, more)))
        }
        (None, Some((first, more))) => PermittedBy::Leases(HeldLeases::new(first, more)),
        // A request without rights grants nothing. The gateway erred.
        (Some(_), Some(_)) | (None, None) => return Err(HttpRefusal::Forbidden),
    };
    name.map(|name| (permitted, by, name)).ok_or(HttpRefusal::Forbidden)
}

fn pop_first<T>(all: Vec<T>) -> Option<(T, Vec<T>)> {
    let mut all = all.into_iter();
    Some((all.next()?, all.collect()))
}
