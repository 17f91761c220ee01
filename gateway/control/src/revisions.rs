//! Requests that test, preview, apply or roll back a bundle.

use std::sync::Arc;
use std::time::{Duration, Instant};

use doorward_api::{
    BundleApplied, BundleProposal, BundleTested, EndingView, FailingTest, FirstOf, List, PageError,
    PolicyProblem, ProblemKind, RevisionText, RevisionView, endpoint,
};
use doorward_model::Revision;
use doorward_policies::{
    Bundle, BundleErrors, BundleText, Differ, Expectation, Failing, Preview, Snapshot,
};
use doorward_session::Problem;
use doorward_store::{Applying, RevisionRow};
use jiff::SignedDuration;

use crate::blocking::blocking;
use crate::gate::{Denied, Gate};
use crate::grants::{changes_view, first_of};
use crate::lockout::keep_an_administrator;
use crate::mismatches::{check_rules, problems};
use crate::request::AdminRequest;
use crate::response::{EndpointResult, actor, denied, refused, sentence, wrong};

/// How long to compare the compiled bundle with Casbin.
const EXAMINED: Duration = Duration::from_secs(5);
/// The longest reason, in bytes.
const REASON: usize = 256;

/// A bundle that parses and whose tests pass, and what it would change.
struct Proposed {
    bundle: Arc<Bundle>,
    passed: usize,
    /// How many questions the compiled form and Casbin have decided identically.
    examined: usize,
    preview: Preview,
    ending: Vec<EndingView>,
    /// Rules that match nothing.
    warnings: FirstOf<PolicyProblem>,
}

fn failing_test(failing: Failing) -> FailingTest {
    let Failing { line, question, why, rules } = failing;
    FailingTest { line, question, why, rules }
}

impl AdminRequest<'_> {
    /// Puts a bundle in force, or returns what the bundle would change.
    pub(crate) async fn apply_policy(
        mut self,
        gate: &mut Gate,
    ) -> EndpointResult<endpoint::ApplyPolicy> {
        let proposal: BundleProposal = self.read_up_to(BundleText::LIMIT).await?;
        if !proposal.proposes() {
            return Err(wrong(
                "Nothing is proposed. Send files of a bundle, or a former revision.",
            ));
        }
        let (dry_run, force) = (proposal.dry_run, proposal.force_lockout);
        let (former, confirm_within) = (proposal.revision, proposal.confirm_within);
        let reason = match (proposal.reason.trim(), former) {
            ("", Some(former)) => format!("rollback to {}", former.0),
            (reason, _) if reason.len() > REASON => {
                return Err(wrong(format!("The reason is longer than {REASON} bytes.")));
            }
            (reason, _) => reason.to_owned(),
        };
        let present = self.parts.leases.snapshot();
        let text = self.text(proposal, &present).await?;
        let proposed = self.propose(text, former.is_none(), &present).await?;
        if !force {
            let bundle = Arc::clone(&proposed.bundle);
            let next = Snapshot::clone(&present).with_bundle(present.revision(), bundle);
            keep_an_administrator(&next, self.now(), "Under this bundle")?;
        }
        let Proposed { bundle, passed, examined, preview, mut ending, warnings } = proposed;
        ending.retain(|one| one.flow.id != self.id);
        let rules = bundle.len();
        let Preview { added, removed, changes } = preview;
        let view = BundleApplied {
            revision: None,
            rules,
            passed,
            examined,
            added: first_of(added, |rule| rule),
            removed: first_of(removed, |rule| rule),
            changes: changes_view(changes),
            ending,
            warnings,
            epoch: None,
            ended: None,
        };
        if dry_run {
            gate.record(Some(&format!("preview of {rules} rules"))).await?;
            return Ok(view);
        }
        gate.record(Some(&format!("apply {rules} rules"))).await?;
        gate.check_permits()?;
        let within = confirm_within.map(|seconds| SignedDuration::from_secs(seconds.into()));
        let confirm_by = within.and_then(|within| self.now().checked_add(within).ok());
        let applying = Applying { upon: Some(present.revision()), reason, passed, confirm_by };
        let applied = self.parts.store.apply(actor(gate), bundle, applying).await;
        let applied = applied.map_err(refused)?;
        let (epoch, ended) = (Some(applied.epoch), Some(applied.ended));
        Ok(BundleApplied { revision: Some(applied.value), epoch, ended, ..view })
    }

    /// Runs the tests of a bundle, or of the bundle in force.
    pub(crate) async fn test_policy(
        mut self,
        gate: &mut Gate,
    ) -> EndpointResult<endpoint::TestPolicy> {
        let proposal: BundleProposal = self.read_up_to(BundleText::LIMIT).await?;
        let present = self.parts.leases.snapshot();
        let is_new = proposal.proposes() && proposal.revision.is_none();
        let text = self.text(proposal, &present).await?;
        gate.record(None).await?;
        let now = self.now();
        let tested = blocking(move || {
            let (next, tests) = read(text, &present)?;
            let warnings = check_rules(&next, is_new)?;
            let failing = next.failing(&tests, now);
            let failing = failing.into_iter().map(failing_test).collect();
            Ok(BundleTested { tests: tests.len(), failing, warnings })
        });
        tested.await
    }

    pub(crate) async fn list_revisions(
        self,
        gate: &mut Gate,
    ) -> EndpointResult<endpoint::ListRevisions> {
        let page = self.page_request()?;
        let number =
            |text: &str| text.parse().map_err(|_| wrong(sentence(&PageError::Cursor.to_string())));
        let before = page.after().map(number).transpose()?.map(Revision);
        gate.record(None).await?;
        let most = u32::try_from(page.limit()).unwrap_or(u32::MAX).saturating_add(1);
        let listed = self.parts.store.revisions(before, most).await.map_err(refused)?;
        let view = |row: RevisionRow| {
            let RevisionRow { revision, at, author, reason, rules, passed } = row;
            RevisionView { revision, at, author, reason, rules, passed }
        };
        let read = listed.rows.into_iter().map(view).collect();
        let key = |view: &RevisionView| view.revision.0.to_string();
        Ok(List::page_of(read, &page, listed.total, key))
    }

    pub(crate) async fn show_revision(
        self,
        gate: &mut Gate,
    ) -> EndpointResult<endpoint::ShowRevision> {
        let number = self.names.first().and_then(|text| text.parse().ok()).map(Revision);
        let number = number.ok_or_else(|| wrong("A revision is a number."))?;
        gate.record(None).await?;
        let found = self.parts.store.revision(number).await.map_err(refused)?;
        let found = found.ok_or_else(|| no_revision(number))?;
        let (revision, at, author) = (found.revision, found.at, found.author);
        let BundleText { model, policy, roles, groups, tests } = found.text;
        Ok(RevisionText { revision, at, author, model, policy, roles, groups, tests })
    }

    /// Returns the whole text of a proposed bundle: a former revision, or files. A missing file is
    /// that of the present bundle.
    pub(crate) async fn text(
        &self,
        proposal: BundleProposal,
        present: &Snapshot,
    ) -> Result<BundleText, Denied> {
        let BundleProposal { model, policy, roles, groups, tests, revision, .. } = proposal;
        let files = [&model, &policy, &roles, &groups, &tests];
        if let Some(number) = revision {
            if files.iter().any(|file| file.is_some()) {
                return Err(wrong("Either a former revision is proposed, or files."));
            }
            let found = self.parts.store.revision(number).await.map_err(refused)?;
            return found.map(|found| found.text).ok_or_else(|| no_revision(number));
        }
        let former = present.bundle().text();
        let or = |given: Option<String>, former: &str| given.unwrap_or_else(|| former.to_owned());
        Ok(BundleText {
            model: or(model, &former.model),
            policy: or(policy, &former.policy),
            roles: or(roles, &former.roles),
            groups: or(groups, &former.groups),
            tests: or(tests, &former.tests),
        })
    }

    /// Parses a bundle, compares its rules with the declared interfaces, runs its tests, compares
    /// it with Casbin and computes what it would change. A blocking thread does this.
    async fn propose(
        &self,
        text: BundleText,
        is_new: bool,
        present: &Arc<Snapshot>,
    ) -> Result<Proposed, Denied> {
        let (present, leases, now) = (Arc::clone(present), self.parts.leases.clone(), self.now());
        blocking(move || {
            let (next, tests) = read(text, &present)?;
            let warnings = check_rules(&next, is_new)?;
            let failing = next.failing(&tests, now);
            if !failing.is_empty() {
                return Err(tests_failed(&failing));
            }
            let begin = Instant::now();
            let former = Some(&**present.bundle());
            let seed = now.as_nanosecond().unsigned_abs() as u64;
            let examined = next.examine(former, now, seed, |_| begin.elapsed() < EXAMINED);
            if let Some(first) = examined.differing.first() {
                return Err(judges_differ(examined.differing.len(), first));
            }
            let preview = Preview::between(&present, &next, now);
            let ending = leases.would_end(&next);
            let bundle = Arc::clone(next.bundle());
            let examined = examined.decided;
            Ok(Proposed { bundle, passed: tests.len(), examined, preview, ending, warnings })
        })
        .await
    }
}

/// Parses a bundle. Returns the state with this bundle, and the bundle's tests.
pub(crate) fn read(
    text: BundleText,
    present: &Snapshot,
) -> Result<(Snapshot, Vec<Expectation>), Denied> {
    let bundle = Arc::new(present.bundle().revise(text).map_err(does_not_read)?);
    let tests = bundle.tests().map_err(does_not_read)?;
    Ok((present.clone().with_bundle(present.revision(), bundle), tests))
}

/// Refuses a bundle that does not parse, with the place and the reason of each error.
fn does_not_read(errors: BundleErrors) -> Denied {
    let places = problems(&errors);
    denied(Problem::new(ProblemKind::DoesNotRead, errors.to_string()).with_errors(places))
}

fn no_revision(number: Revision) -> Denied {
    let detail = format!("There is no revision {}; see `doorward policy history`.", number.0);
    denied(Problem::new(ProblemKind::NothingHere, detail))
}

/// Refuses a bundle that the compiled form and Casbin decide differently. This is a bug of Doorward.
fn judges_differ(count: usize, first: &Differ) -> Denied {
    tracing::error!(
        count,
        ?first,
        "the compiled form and Casbin decide a proposed bundle differently"
    );
    let say = |permit| if permit { "permits" } else { "denies" };
    let casbin = first.casbin.map_or("fails on", say);
    let detail = format!(
        "Doorward has read this bundle in a way that Casbin does not: of {}, one {}, Casbin {casbin} \
         it; {count} such questions were found. This is a fault of Doorward, not of the bundle. \
         Nothing was changed; please report it with the bundle.",
        first.question,
        say(first.compiled),
    );
    denied(Problem::new(ProblemKind::JudgesDiffer, detail))
}

fn tests_failed(failing: &[Failing]) -> Denied {
    let mut lines = vec![match failing.len() {
        1 => "A test of the bundle fails; nothing was changed.".to_owned(),
        count => format!("{count} tests of the bundle fail; nothing was changed."),
    }];
    lines.extend(failing.iter().take(20).map(|one| {
        let by: Vec<String> = one.rules.iter().map(|line| format!("policy.csv:{line}")).collect();
        let by = if by.is_empty() { String::new() } else { format!(", by {}", by.join(" ")) };
        format!("tests.toml:{}: {}: {}{by}", one.line, one.question, one.why)
    }));
    denied(Problem::new(ProblemKind::TestsFail, lines.join("\n")))
}
