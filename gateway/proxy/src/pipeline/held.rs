//! The rights of one flow, spent and held together.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use doorward_model::{Action, DeviceId, InterfaceId};
use doorward_policies::{Event, Party, Permit};
use doorward_session::{Authorized, Cause, Lease, Places, Tracked};
use doorward_wire::FlowKind;

use super::via::Via;
use crate::dial::kind_of;

/// A permitted flow: one right, or for a serial line one for each action, each with its pending
/// lease. All are spent together.
#[derive(Debug)]
#[must_use]
pub struct Granted {
    pub(super) first: Authorized,
    pub(super) more: Vec<Authorized>,
    pub(super) via: Via,
    pub(super) kind: Option<FlowKind>,
}

impl Granted {
    /// Returns the granted actions.
    #[must_use]
    pub fn actions(&self) -> Vec<Action> {
        let all = std::iter::once(&self.first).chain(&self.more);
        all.map(|authorized| authorized.permit().action()).collect()
    }

    /// Returns how the flow travels.
    pub(crate) fn travels(&self) -> FlowKind {
        let target = self.first.permit().target();
        target.map_or(FlowKind::Stream, |target| kind_of(target.way()))
    }

    /// Spends all permits. Returns the first, with the leases and the actions.
    pub(super) fn spend(self) -> (Permit, HeldLeases, Vec<Action>) {
        let actions = self.actions();
        let (permit, first) = self.first.spend();
        let more = self.more.into_iter().map(|authorized| authorized.spend().1).collect();
        (permit, HeldLeases::new(first, more), actions)
    }
}

/// The device and the interface that a permit is for.
pub(super) type TargetIds = (Option<DeviceId>, Option<InterfaceId>);

/// The leases of one flow, or of one lasting operation. When one of them is over, the flow is over.
/// They live as long as any clone of this.
#[derive(Clone, Debug)]
#[must_use]
pub(crate) struct HeldLeases(Arc<All>);

#[derive(Debug)]
struct All {
    first: Lease,
    more: Vec<Lease>,
}

impl HeldLeases {
    pub(super) fn new(first: Lease, more: Vec<Lease>) -> Self {
        Self(Arc::new(All { first, more }))
    }

    /// Returns these leases, unless they are the same as `other`. The same bytes are counted on
    /// `other` anyway, so they must not be counted twice.
    pub(super) fn apart_from(&self, other: &Self) -> Option<Self> {
        (!Arc::ptr_eq(&self.0, &other.0)).then(|| self.clone())
    }

    fn all(&self) -> impl Iterator<Item = &Lease> {
        std::iter::once(&self.0.first).chain(&self.0.more)
    }

    /// Returns why one of the leases was cut, if one was.
    pub(crate) fn cause(&self) -> Option<Cause> {
        self.all().find_map(Lease::cause)
    }

    /// Returns whether a datagram may pass now.
    pub(crate) fn passes(&self) -> bool {
        self.all().all(Lease::passes)
    }

    /// Waits until the flow must end, and returns the cause.
    pub(crate) async fn over(&self) -> Cause {
        if self.0.more.is_empty() {
            return self.0.first.over().await;
        }
        let mut all: Vec<_> = self.all().map(|lease| Box::pin(lease.over())).collect();
        let any = poll_fn(|cx| {
            let over = all.iter_mut().find_map(|lease| match lease.as_mut().poll(cx) {
                Poll::Ready(cause) => Some(cause),
                Poll::Pending => None,
            });
            over.map_or(Poll::Pending, Poll::Ready)
        });
        pin!(any).await
    }

    pub(crate) fn moved_up(&self, bytes: usize) {
        self.all().for_each(|lease| lease.moved_up(bytes));
    }

    pub(crate) fn moved_down(&self, bytes: usize) {
        self.all().for_each(|lease| lease.moved_down(bytes));
    }

    /// Counts a dialed backend that takes these files.
    pub(crate) fn dialed(&self, files: Places<Party>) -> Tracked {
        self.0.first.dialed(files)
    }

    /// Returns a record of how the flow ended.
    pub(super) fn ending(
        &self,
        outcome: doorward_policies::Outcome,
        reason: &str,
    ) -> doorward_policies::Record {
        self.0.first.ending(Event::FlowEnd, outcome, reason)
    }
}
