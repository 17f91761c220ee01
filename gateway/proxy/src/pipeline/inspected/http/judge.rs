//! Decides the requests of one HTTP flow.

use doorward_inspect::Judge;
use doorward_inspect::http::{HttpRefusal, PermittedRequest, UnjudgedRequest};
use doorward_model::{Action, Path, PeerText};
use doorward_policies::{Cache, Opinion, Record};
use doorward_session::{Authorized, Lease, Refused};
use smallvec::SmallVec;
use tokio::time::Instant;

use super::flow::HttpFlow;
use super::request_name::RequestName;
use crate::pipeline::held::{Granted, HeldLeases, TargetIds};
use crate::pipeline::inspected::operations::{ANSWERS, OTHER, UNWANTED};
use crate::pipeline::inspected::tally::Tally;
use crate::pipeline::inspected::turn::Turn;

/// What the decisions of one flow's requests share.
pub(super) struct Requests {
    cache: Cache,
    tally: Tally,
    turn: Turn,
}

/// The right that a request was granted.
pub(super) enum GrantedRight {
    /// The flow's admission, by the first permitted request.
    Flow(Box<Granted>),
    /// The right to run within the flow.
    Request(HeldLeases),
}

/// The rights that one request needs, asked for one after the other.
struct Rights<'a> {
    flow: &'a HttpFlow,
    cache: &'a mut Cache,
    admitted: Option<TargetIds>,
    had: SmallVec<[Had; 2]>,
    refused: Option<(Action, Path, Option<Opinion>, &'static str)>,
}

struct Had {
    action: Action,
    path: Path,
    opinion: Opinion,
    by: By,
}

enum By {
    Flow(Authorized),
    Request(Lease),
}

impl Rights<'_> {
    /// Asks for one right.
    fn ask(&mut self, action: Action, path: &Path) -> Result<Had, (Option<Opinion>, &'static str)> {
        let (means, requested) = (&self.flow.means, &self.flow.approached.requested);
        if !self.flow.approached.wants(action) {
            return Err((None, UNWANTED));
        }
        let question = self.flow.approached.question(action, path);
        let (connection, id) = (&requested.connection, requested.id);
        let no = |refused: Refused| {
            let opinion = match &refused {
                Refused::Denied(denial) => Some(denial.opinion().clone()),
                Refused::Busy | Refused::Degraded => None,
            };
            (opinion, refused.as_str())
        };
        let (is_this, opinion, by) = match self.admitted {
            None => {
                let authorized = means.leases.ask(connection, id, question).map_err(no)?;
                let permit = authorized.permit();
                (
                    self.flow.approached.is_for(permit),
                    permit.opinion().clone(),
                    By::Flow(authorized),
                )
            }
            Some(target) => {
                let asked = means.leases.operate(connection, id, question, self.cache);
                let (permit, lease) = asked.map_err(no)?;
                (permit.behind() == target, permit.opinion().clone(), By::Request(lease))
            }
        };
        if !is_this {
            return Err((None, OTHER));
        }
        Ok(Had { action, path: path.clone(), opinion, by })
    }
}

impl Judge for Rights<'_> {
    fn may(&mut self, action: Action, path: &Path) -> bool {
        match self.ask(action, path) {
            Ok(had) => self.had.push(had),
            Err((opinion, why)) => {
                self.refused = Some((action, path.clone(), opinion, why));
                return false;
            }
        }
        true
    }
}

impl Requests {
    /// Returns the state of a flow without requests. `counts` says whether equal operations are
    /// counted.
    pub(super) fn new(counts: bool) -> Self {
        let (cache, tally) = (Cache::of(ANSWERS), Tally::new(counts));
        Self { cache, tally, turn: Turn::default() }
    }

    /// Notes that a request is about to be read and decided.
    pub(super) fn begin_turn(&mut self) {
        self.turn.begin();
        self.turn.ask();
    }

    /// Notes that the request was decided. Returns whether the flow must yield.
    pub(super) fn end_turn(&mut self) -> bool {
        self.turn.end()
    }

    /// Decides a request, and notes the decision. `query` is the part of the query to record.
    pub(super) fn decide(
        &mut self,
        flow: &HttpFlow,
        asked: UnjudgedRequest,
        query: Option<PeerText>,
    ) -> Result<(PermittedRequest, GrantedRight, RequestName), HttpRefusal> {
        let admitted = flow.admitted().map(|admitted| admitted.target);
        let Self { cache, tally, .. } = self;
        if let Some(why) = asked.objection()
            && let Some((action, path)) = asked.asks().next()
        {
            let named = RequestName { action, path: path.clone(), query: query.clone() };
            note(tally, flow, &named, None, Some(why.word()));
        }
        let had = SmallVec::new();
        let mut rights = Rights { flow, cache, admitted, had, refused: None };
        let judged = asked.judge(&mut rights);
        let Rights { had, refused, .. } = rights;
        if let Some((action, path, opinion, why)) = refused {
            let named = RequestName { action, path, query: query.clone() };
            note(tally, flow, &named, opinion.as_ref(), Some(why));
        }
        let permitted = judged?;
        let interface = admitted.unwrap_or_else(|| match had.first() {
            Some(Had { by: By::Flow(authorized), .. }) => authorized.permit().behind(),
            Some(Had { by: By::Request(_), .. }) | None => (None, None),
        });
        let why = (!flow.has_room(interface)).then_some(HttpRefusal::TooFast);
        let mut first = None;
        for Had { action, path, opinion, .. } in &had {
            let named = RequestName { action: *action, path: path.clone(), query: query.clone() };
            note(tally, flow, &named, Some(opinion), why.map(HttpRefusal::word));
            first.get_or_insert(named);
        }
        if let Some(why) = why {
            return Err(why);
        }
        let (mut flows, mut leases) = (Vec::new(), Vec::new());
        for had in had {
            match had.by {
                By::Flow(authorized) => flows.push(authorized),
                By::Request(lease) => leases.push(lease),
            }
        }
        let right = match (pop_first(flows), pop_first(leases)) {
            (Some((first, more)), None) => {
                let (via, kind) = (flow.approached.requested.via, Some(flow.approached.kind()));
                GrantedRight::Flow(Box::new(Granted { first, more, via, kind }))
            }
            (None, Some((first, more))) => GrantedRight::Request(HeldLeases::new(first, more)),
            // A request without rights grants nothing. The gateway erred.
            (Some(_), Some(_)) | (None, None) => return Err(HttpRefusal::Forbidden),
        };
        first.map(|asked| (permitted, right, asked)).ok_or(HttpRefusal::Forbidden)
    }

    /// Notes a request that was refused because it could not be read.
    pub(super) fn refuse_unnamed(
        &mut self,
        flow: &HttpFlow,
        path: &str,
        query: Option<PeerText>,
        why: HttpRefusal,
    ) {
        self.tally.note_unnamed(why.word(), || {
            let record = flow.approached.unnamed(flow.means.clock.now(), path, why.word());
            Record { query, ..record }
        });
    }

    /// Notes that a request was refused after it had been permitted.
    pub(super) fn refuse(&mut self, flow: &HttpFlow, named: &RequestName, why: HttpRefusal) {
        note(&mut self.tally, flow, named, None, Some(why.word()));
    }

    /// Returns the records to be written now.
    pub(super) fn take(&mut self) -> Vec<Record> {
        self.tally.take()
    }

    /// Returns when the counts must be recorded.
    pub(super) fn due(&self) -> Option<Instant> {
        self.tally.due()
    }

    /// Records the counts.
    pub(super) fn settle(&mut self) {
        self.tally.settle();
    }
}

fn pop_first<T>(all: Vec<T>) -> Option<(T, Vec<T>)> {
    let mut all = all.into_iter();
    Some((all.next()?, all.collect()))
}

fn note(
    tally: &mut Tally,
    flow: &HttpFlow,
    named: &RequestName,
    opinion: Option<&Opinion>,
    refused: Option<&'static str>,
) {
    let epoch = opinion.map(|opinion| opinion.epoch);
    let kind = (named.action, &named.path, named.query.as_ref());
    tally.note(kind, refused, epoch, || {
        named.record(&flow.approached, flow.means.clock.now(), opinion, refused)
    });
}
