//! Requests that test, preview, apply or bring back a bundle.

use std::sync::Arc;
use std::time::{Duration, Instant};

use doorward_model::{Action, Device, Kind, Revision, Subject};
use doorward_policies::{
    Bundle, BundleText, Differ, Expectation, Failing, Preview, Question, Snapshot,
};
use doorward_session::{EndingView, Problem, json};
use doorward_store::{Applying, RevisionRow};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::admin::{Answer, Call, Changed, actor, denied, refused, wrong};
use crate::gate::{Denied, Gate, failed};

/// How many revisions a list shows.
const LISTED: u32 = 200;
/// How long a bundle is examined.
const EXAMINED: Duration = Duration::from_secs(5);
/// The longest reason that is kept, in bytes.
const REASON: usize = 256;

/// A bundle that is proposed: files, of which those that are absent stay as they are; or a former
/// revision.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Proposal {
    model: Option<String>,
    policy: Option<String>,
    roles: Option<String>,
    groups: Option<String>,
    tests: Option<String>,
    revision: Option<Revision>,
    /// Why, in the proposer's words.
    reason: String,
    /// Within how many seconds it must be confirmed, or goes back to the former one.
    confirm_within: Option<u32>,
    /// From when on recorded decisions are looked at.
    pub(crate) since: Option<Timestamp>,
    /// Only say what would change.
    dry_run: bool,
    force_lockout: bool,
}

/// A bundle that reads, whose tests pass, and what it would change.
struct Proposed {
    bundle: Arc<Bundle>,
    passed: usize,
    /// How many questions the compiled form and Casbin have decided alike.
    examined: usize,
    preview: Preview,
    ending: Vec<EndingView>,
}

#[derive(Serialize)]
struct ProposedView {
    /// Its number, once it is in force.
    revision: Option<Revision>,
    rules: usize,
    /// How many tests of its own it passed: all.
    passed: usize,
    /// How many questions, made from its words, both judges have decided alike: all.
    examined: usize,
    #[serde(flatten)]
    preview: Preview,
    /// The live flows that end by it.
    ending: Vec<EndingView>,
}

#[derive(Serialize)]
struct Tested {
    tests: usize,
    failing: Vec<Failing>,
}

#[derive(Serialize)]
struct RevisionView {
    revision: Revision,
    at: Timestamp,
    author: String,
    reason: String,
    rules: i64,
    passed: i64,
}

#[derive(Serialize)]
struct TextView {
    revision: Revision,
    at: Timestamp,
    author: String,
    model: String,
    policy: String,
    roles: String,
    groups: String,
    tests: String,
}

impl Call<'_> {
    /// Puts a bundle in force, or says what that would change.
    pub(crate) async fn apply_policy(mut self, gate: &mut Gate) -> Answer {
        let proposal: Proposal = self.read_up_to(BundleText::LIMIT).await?;
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
        let proposed = self.propose(text, &present).await?;
        if !force {
            self.keep_an_administrator(&present, &proposed.bundle)?;
        }
        let Proposed { bundle, passed, examined, preview, mut ending } = proposed;
        ending.retain(|one| one.flow.id != self.id);
        let rules = bundle.len();
        let view = |revision| ProposedView { revision, rules, passed, examined, preview, ending };
        if dry_run {
            gate.record(Some(&format!("preview of {rules} rules"))).await?;
            return Ok(json(&view(None)));
        }
        gate.record(Some(&format!("apply {rules} rules"))).await?;
        gate.stands()?;
        let within = confirm_within.map(|seconds| SignedDuration::from_secs(seconds.into()));
        let confirm_by = within.and_then(|within| self.now().checked_add(within).ok());
        let applying = Applying { upon: Some(present.revision()), reason, passed, confirm_by };
        let applied = self.parts.store.apply(actor(gate), bundle, applying).await;
        let applied = applied.map_err(refused)?;
        Ok(Changed::of(&applied, view(Some(applied.value))))
    }

    /// Runs the tests of a bundle, or of the one in force.
    pub(crate) async fn test_policy(mut self, gate: &mut Gate) -> Answer {
        let proposal: Proposal = self.read_up_to(BundleText::LIMIT).await?;
        let present = self.parts.leases.snapshot();
        let text = self.text(proposal, &present).await?;
        gate.record(None).await?;
        let now = self.now();
        let tested = blocking(move || {
            let (next, tests) = read(text, &present)?;
            let failing = next.failing(&tests, now);
            Ok(Tested { tests: tests.len(), failing })
        });
        Ok(json(&tested.await?))
    }

    pub(crate) async fn list_revisions(self, gate: &mut Gate) -> Answer {
        gate.record(None).await?;
        let rows = self.parts.store.revisions(LISTED).await.map_err(refused)?;
        let view = |row: RevisionRow| {
            let RevisionRow { revision, at, author, reason, rules, passed } = row;
            RevisionView { revision, at, author, reason, rules, passed }
        };
        Ok(json(&rows.into_iter().map(view).collect::<Vec<_>>()))
    }

    pub(crate) async fn show_revision(self, gate: &mut Gate) -> Answer {
        let number = self.names.first().and_then(|text| text.parse().ok()).map(Revision);
        let number = number.ok_or_else(|| wrong("A revision is a number."))?;
        gate.record(None).await?;
        let found = self.parts.store.revision(number).await.map_err(refused)?;
        let found = found.ok_or_else(|| no_revision(number))?;
        let (revision, at, author) = (found.revision, found.at, found.author);
        let BundleText { model, policy, roles, groups, tests } = found.text;
        Ok(json(&TextView { revision, at, author, model, policy, roles, groups, tests }))
    }

    /// The whole text of what is proposed.
    pub(crate) async fn text(
        &self,
        proposal: Proposal,
        present: &Snapshot,
    ) -> Result<BundleText, Denied> {
        let Proposal { model, policy, roles, groups, tests, revision, .. } = proposal;
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

    /// Reads a bundle, runs its tests, and finds out what it would change. That takes its time;
    /// others are served meanwhile.
    async fn propose(&self, text: BundleText, present: &Arc<Snapshot>) -> Result<Proposed, Denied> {
        let (present, leases, now) = (Arc::clone(present), self.parts.leases.clone(), self.now());
        blocking(move || {
            let (next, tests) = read(text, &present)?;
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
            Ok(Proposed { bundle, passed: tests.len(), examined, preview, ending })
        })
        .await
    }

    /// Refuses a bundle under which nobody could change the policy any more.
    fn keep_an_administrator(
        &self,
        present: &Snapshot,
        bundle: &Arc<Bundle>,
    ) -> Result<(), Denied> {
        let now = self.now();
        let next = present.clone().with_bundle(present.revision(), Arc::clone(bundle));
        let can_change = |subject: &Subject| {
            let question =
                next.question(subject.clone(), Action::Update, Device::Gateway, "policies", None);
            // Whoever can change it may have to connect anew for that.
            question.is_ok_and(|question| {
                let question = Question { proven: Some(now), ..question };
                next.opinion(&question, now).permits()
            })
        };
        let mut people = next.members().filter(|(subject, _)| subject.kind() == Kind::User);
        if people.any(|(subject, _)| can_change(subject)) {
            return Ok(());
        }
        Err(denied(Problem::new(
            409,
            "Lockout",
            "Under this bundle nobody could change the policy any more: no user may update \
             gateway/policies. Nothing was changed. If you mean it, add --force-lockout.",
        )))
    }
}

/// Work that takes its time, while others are served.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Denied> + Send + 'static,
) -> Result<T, Denied> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(_) => Err(denied(failed())),
    }
}

/// The state as it would be under a bundle, and the bundle's tests.
pub(crate) fn read(
    text: BundleText,
    present: &Snapshot,
) -> Result<(Snapshot, Vec<Expectation>), Denied> {
    let bundle = Arc::new(present.bundle().revise(text).map_err(wrong)?);
    let tests = bundle.tests().map_err(wrong)?;
    Ok((present.clone().with_bundle(present.revision(), bundle), tests))
}

fn no_revision(number: Revision) -> Denied {
    let detail = format!("There is no revision {}; see `doorward policy history`.", number.0);
    denied(Problem::new(404, "Not found", detail))
}

/// The two judges of a bundle differ: our fault, and no ground to decide by it.
fn judges_differ(count: usize, first: &Differ) -> Denied {
    tracing::error!(count, ?first, "the judges differ about a proposed bundle");
    let say = |permit| if permit { "permits" } else { "denies" };
    let casbin = first.casbin.map_or("fails on", say);
    let detail = format!(
        "Doorward has read this bundle in a way that Casbin does not: of {}, one {}, Casbin {casbin} \
         it; {count} such questions were found. This is a fault of Doorward, not of the bundle. \
         Nothing was changed; please report it with the bundle.",
        first.question,
        say(first.compiled),
    );
    denied(Problem::new(500, "Judges differ", detail))
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
    denied(Problem::new(409, "Tests failed", lines.join("\n")))
}
