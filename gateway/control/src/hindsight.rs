//! Compares a bundle with the audit log: which decisions would differ, and which rules were never
//! used.

use std::sync::Arc;

use doorward_api::{BundleProposal, DifferingView, FindingView, List, ReplayView, endpoint};
use doorward_model::{Action, Revision};
use doorward_policies::{
    BundleText, Differing, Finding, Record, Replay, Replayed, RuleUse, Snapshot,
};
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
        // The use of rules is known for the bundle in force only.
        let used = if in_force { self.rule_use(&present).await? } else { None };
        let now = self.now();
        let found =
            self.with_question_permit(move || Ok(read(text, &present)?.0.lint(used.as_ref(), now)));
        Ok(List::whole(found.await?.into_iter().map(finding).collect()))
    }

    /// Counts how often each rule in force has let something through, also under former bundles.
    async fn rule_use(&self, present: &Arc<Snapshot>) -> Result<Option<RuleUse>, Denied> {
        let revision = present.revision();
        let store = &self.parts.store;
        let before = Some(Revision(revision.0.saturating_add(1)));
        let rows = store.revisions(before, RuleUse::FORMER + 1).await.map_err(refused)?.rows;
        let Some(in_force) = rows.iter().find(|row| row.revision == revision) else {
            return Ok(None);
        };
        let mut used = RuleUse::of(present.bundle(), revision, in_force.at);
        let looks_back = used.looks_back();
        for row in rows.iter().filter(|row| row.revision != revision && looks_back) {
            let Some(former) = store.revision(row.revision).await.map_err(refused)? else {
                continue;
            };
            used = blocking(move || {
                used.add_former(former.revision, former.at, &former.text.policy);
                Ok(used)
            })
            .await?;
        }
        let mut after = 0;
        while let Some((last, records)) = self.records(after).await? {
            after = last;
            records.iter().for_each(|record| used.take(record));
        }
        Ok(Some(used))
    }

    /// Reads the next records of the log. Returns the number of the last one and the records, or
    /// `None` at the end of the log.
    async fn records(&self, after: i64) -> Result<Option<(i64, Vec<Record>)>, Denied> {
        let page = self.parts.audit.read_after(after, None, PAGE).await.map_err(refused)?;
        let last = page.last().map(|one| one.seq);
        Ok(last.map(|last| (last, page.into_iter().map(|one| one.record).collect())))
    }
}
