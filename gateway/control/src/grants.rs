//! Reviews of what rules grant: who-can and what-can, and how previews show it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use doorward_api::{
    ExclusionView, FirstOf, GrantChangesView, GrantView, List, NarrowedView, WhatCanRequest,
    WhoCanRequest, endpoint,
};
use doorward_model::Action;
use doorward_policies::{
    Attributes, Circumstances, Exclusion, Grant, GrantChanges, Listed, Narrowed, Review,
    ReviewScope, Snapshot,
};
use jiff::Timestamp;

use crate::gate::{Denied, Gate};
use crate::request::AdminRequest;
use crate::response::{EndpointResult, sentence, wrong};

/// Turns a list into its API form.
pub(crate) fn first_of<T, V>(listed: Listed<T>, view: impl Fn(T) -> V) -> FirstOf<V> {
    FirstOf { count: listed.count, first: listed.first.into_iter().map(view).collect() }
}

/// Turns a grant into its API form.
pub(crate) fn grant_view(grant: Grant) -> GrantView {
    let when = grant.when();
    let exclusion = |one: Exclusion| {
        let (operand, when) = (one.operand.to_string(), one.when());
        ExclusionView { operand, rule: one.rule, when, suspended: one.suspended }
    };
    GrantView {
        subject: grant.subject,
        interface: grant.interface,
        action: grant.action,
        operand: grant.operand.to_string(),
        except: grant.except.into_iter().map(exclusion).collect(),
        rule: grant.rule,
        when,
        until: grant.until,
        via: grant.via,
        whole: grant.whole,
    }
}

/// Turns what a change opens, closes and narrows into its API form.
pub(crate) fn changes_view(changes: GrantChanges) -> GrantChangesView {
    let GrantChanges { opened, closed, narrowed, complete, administers: _ } = changes;
    let view = |one: Narrowed| NarrowedView {
        was: grant_view(one.was),
        now: one.now.into_iter().map(grant_view).collect(),
    };
    GrantChangesView {
        opened: first_of(opened, grant_view),
        closed: first_of(closed, grant_view),
        narrowed: first_of(narrowed, view),
        complete,
    }
}

/// The scope of a review, and the instant of it.
fn scope(
    snapshot: &Snapshot,
    (action, resource): (Option<Action>, Option<&str>),
    supposed: Supposed,
    now: Timestamp,
) -> Result<(ReviewScope, Timestamp), Denied> {
    let Supposed { at, from, attrs } = supposed;
    let refused = |error: String| wrong(sentence(&error));
    let attributes = Attributes::try_from(attrs).map_err(|error| refused(error.to_string()))?;
    let scope = ReviewScope::read(snapshot, action, resource);
    let scope = scope.map_err(|error| refused(error.to_string()))?;
    let instant = at.unwrap_or(now);
    let circumstances = Circumstances { source: from, proven: attributes.proven(instant) };
    Ok((scope.supposing(circumstances, at), instant))
}

/// How subjects are supposed to ask.
struct Supposed {
    at: Option<Timestamp>,
    from: Option<IpAddr>,
    attrs: BTreeMap<String, String>,
}

impl AdminRequest<'_> {
    /// Lists what rules let subjects do of what was asked about.
    pub(crate) async fn who_can(mut self, gate: &mut Gate) -> EndpointResult<endpoint::WhoCan> {
        let WhoCanRequest { action, resource, at, from, attrs } = self.read().await?;
        let snapshot = self.parts.leases.snapshot();
        let asked = (action, Some(resource.as_str()));
        let (scope, at) = scope(&snapshot, asked, Supposed { at, from, attrs }, self.now())?;
        gate.record(None).await?;
        let grants = move || Ok(Review::of(&snapshot, &scope, at).all_grants());
        let grants = self.with_question_permit(grants).await?;
        Ok(List::whole(grants.into_iter().map(grant_view).collect()))
    }

    /// Lists what rules let one subject do.
    pub(crate) async fn what_can(mut self, gate: &mut Gate) -> EndpointResult<endpoint::WhatCan> {
        let WhatCanRequest { subject, action, resource, at, from, attrs } = self.read().await?;
        let snapshot = self.parts.leases.snapshot();
        if snapshot.member(&subject).is_none() {
            return Err(wrong(format!("There is no {subject}.")));
        }
        let asked = (action, resource.as_deref());
        let (scope, at) = scope(&snapshot, asked, Supposed { at, from, attrs }, self.now())?;
        gate.record(None).await?;
        let grants = move || Ok(Review::of(&snapshot, &scope, at).grants(&subject));
        let grants = self.with_question_permit(grants).await?;
        Ok(List::whole(grants.into_iter().map(grant_view).collect()))
    }
}
