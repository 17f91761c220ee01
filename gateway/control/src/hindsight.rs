//! Compares a bundle with the audit log: which decisions would differ, and which rules were never
//! used.

use std::collections::BTreeMap;
use std::sync::Arc;

use doorward_api::{BundleProposal, DifferingView, FindingView, List, ReplayView, endpoint};
use doorward_model::{Action, Revision};
use doorward_policies::{BundleText, Differing, Event, Finding, Record, Replay, Replayed};
use jiff::Timestamp;

use crate::blocking::blocking;
use crate::gate::{Denied, Gate};
use crate::request::AdminRequest;
use crate::response::{EndpointResult, refused};
use crate::revisions::read;

/// How many records one read of the log returns.
const PAGE: u32 = 1000;

fn finding(found: Finding) -> FindingView {
    let Finding { line, rule, kind, what } = found;
    FindingView { line, rule, kind: kind.to_owned(), what }
}

fn differing(found: Differing) -> DifferingView {
    let Differing { subject, action, resource, was_permitted, is_permitted, rules, count, last } =
        found;
    DifferingView { subject, action, resource, was_permitted, is_permitted, rules, count, last }
}

fn replay_view(replayed: Replayed) -> ReplayView {
    let Replayed { decisions, left_out, unknown, differing: found, kinds } = replayed;
    let differing = found.into_iter().map(differing).collect();
    ReplayView { decisions, left_out, unknown, differing, kinds }
}

impl AdminRequest<'_> {
    /// Decides the recorded requests again under a bundle.
    pub(crate) async fn replay_policy(
        mut self,
        gate: &mut Gate,
    ) -> EndpointResult<endpoint::ReplayPolicy> {
        let proposal: BundleProposal = self.read_up_to(BundleText::LIMIT).await?;
        let since = proposal.since.unwrap_or(Timestamp::MIN);
        let present = self.parts.leases.snapshot();
        let text = self.text(proposal, &present).await?;
        // The answer contains parts of the audit log, so it needs the right to read it.
        gate.ask(Action::Read, "audit", self.now()).await?;
        gate.record(Some("replay")).await?;
        let _permit = self.question_permit().await?;
        let next = blocking(move || Ok(read(text, &present)?.0)).await?;
        let (mut replay, mut after) = (Replay::new(Arc::new(next)), 0);
        while let Some((last, records)) = self.records(after).await? {
            after = last;
            replay = blocking(move || {
                let recent = records.iter().filter(|record| record.at >= since);
                recent.for_each(|record| replay.take(record));
                Ok(replay)
            })
            .await?;
        }
        Ok(replay_view(replay.done()))
    }

    /// Lists the rules of a bundle that deserve attention.
    pub(crate) async fn lint_policy(
        mut self,
        gate: &mut Gate,
    ) -> EndpointResult<endpoint::LintPolicy> {
        let proposal: BundleProposal = self.read_up_to(BundleText::LIMIT).await?;
        let present = self.parts.leases.snapshot();
        let text = self.text(proposal, &present).await?;
        gate.record(None).await?;
        let in_force = text == **present.bundle().text();
        // A record names lines of the bundle that was in force, so the use of rules is known for
        // the present bundle only.
        let mut used = in_force.then(BTreeMap::new);
        if let Some(used) = &mut used {
            self.count_use(present.revision(), used).await?;
        }
        let now = self.now();
        let found =
            self.with_question_permit(move || Ok(read(text, &present)?.0.lint(used.as_ref(), now)));
        Ok(List::whole(found.await?.into_iter().map(finding).collect()))
    }

    /// Counts how often each rule of a revision has permitted a flow or a request.
    async fn count_use(
        &self,
        revision: Revision,
        used: &mut BTreeMap<usize, u64>,
    ) -> Result<(), Denied> {
        let mut after = 0;
        while let Some((last, records)) = self.records(after).await? {
            after = last;
            let permits = records.iter().filter(|record| {
                matches!(record.event, Event::FlowOpen | Event::Request)
                    && record.revision == Some(revision)
            });
            for line in permits.flat_map(|record| &record.rules) {
                *used.entry(*line).or_default() += 1;
            }
        }
        Ok(())
    }

    /// Reads the next records of the log. Returns the number of the last one and the records, or
    /// `None` at the end of the log.
    async fn records(&self, after: i64) -> Result<Option<(i64, Vec<Record>)>, Denied> {
        let page = self.parts.audit.read_after(after, None, PAGE).await.map_err(refused)?;
        let last = page.last().map(|one| one.seq);
        Ok(last.map(|last| (last, page.into_iter().map(|one| one.record).collect())))
    }
}
