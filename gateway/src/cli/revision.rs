//! `doorward policy` apply, confirm, test, history, diff and rollback.

use std::collections::BTreeMap;
use std::path::Path;

use doorward_api::{
    BundleApplied, BundleProposal, BundleView, FailingTest, FirstOf, PolicyProblem, RevisionText,
    RevisionView, endpoint,
};
use doorward_model::escape;
use doorward_policies::BundleText;
use serde::Serialize;
use similar::{ChangeTag, TextDiff};

use super::bundle_files::read;
use super::client::{AdminClient, ended, when};
use super::end::End;
use super::grants;
use super::output::Output;
use super::preview::endings;
use crate::failure::CommandFailure;

/// Puts a bundle in force, or prints what it would change.
pub(super) async fn apply(
    proposal: &BundleProposal,
    client: &AdminClient<'_>,
    out: &Output,
) -> Result<(), CommandFailure> {
    let answer = client.call::<endpoint::ApplyPolicy>(&[], proposal).await?;
    out.print(&answer, |answer| {
        let mut shown = preview(answer, proposal.dry_run, out);
        shown.push(match answer.revision {
            None => "nothing was changed; leave --dry-run out to apply it".to_owned(),
            Some(revision) => format!(
                "revision {} is in force: {} rules{}",
                revision.0,
                answer.rules,
                ended(answer.ended.unwrap_or_default())
            ),
        });
        if let Some(seconds) = proposal.confirm_within.filter(|_| !proposal.dry_run) {
            shown.push(format!(
                "it undoes itself in {seconds} s unless you run `doorward policy confirm`"
            ));
        }
        shown.join("\n")
    })
}

/// Confirms the bundle in force.
pub(super) async fn confirm(client: &AdminClient<'_>, out: &Output) -> Result<(), CommandFailure> {
    let answer = client.call::<endpoint::ConfirmPolicy>(&[], &()).await?;
    out.print(&answer, |answer| format!("revision {} stays", answer.revision.0))
}

/// Formats what a bundle changes.
fn preview(applied: &BundleApplied, dry_run: bool, out: &Output) -> Vec<String> {
    let mut lines = Vec::new();
    let rule = |rule: &String| escape(rule).to_string();
    part(&mut lines, "+", "rules added", &applied.added, rule, out);
    part(&mut lines, "-", "rules removed", &applied.removed, rule, out);
    grants::changes(&applied.changes, out, &mut lines);
    endings(&applied.ending, dry_run, out, &mut lines);
    warnings(&mut lines, &applied.warnings, out);
    lines.push(format!(
        "Casbin decides alike: {} questions generated from the bundle",
        applied.examined
    ));
    if applied.passed > 0 {
        lines.push(format!("tests passed: {}", applied.passed));
    }
    lines
}

/// Adds the lines of one part of a preview: its title, its first items, and the number of the
/// others.
fn part<T>(
    lines: &mut Vec<String>,
    mark: &str,
    title: &str,
    listed: &FirstOf<T>,
    show: impl Fn(&T) -> String,
    out: &Output,
) {
    if listed.count == 0 {
        return;
    }
    lines.push(out.bold(&format!("{title} ({})", listed.count)));
    lines.extend(listed.first.iter().map(|one| {
        let line = format!("{mark} {}", show(one));
        if mark == "+" { out.good(&line) } else { out.bad(&line) }
    }));
    if listed.first.len() < listed.count {
        lines.push(format!("  and {} more", listed.count - listed.first.len()));
    }
}

/// Adds the rules that match nothing.
fn warnings(lines: &mut Vec<String>, found: &FirstOf<PolicyProblem>, out: &Output) {
    let show = |one: &PolicyProblem| {
        let PolicyProblem { file, line, column, message, .. } = one;
        escape(&format!("{file}:{line}:{column}: {message}")).to_string()
    };
    part(lines, "!", "rules that match nothing", found, show, out);
}

/// Runs the tests of a bundle. Returns [`End::Failed`] if a test fails.
pub(super) async fn test(
    bundle: Option<&Path>,
    client: &AdminClient<'_>,
    out: &Output,
) -> Result<End, CommandFailure> {
    let proposal = bundle.map(read).transpose()?.unwrap_or_default();
    let tested = client.call::<endpoint::TestPolicy>(&[], &proposal).await?;
    let failing = tested.failing.len();
    out.print(&tested, |tested| {
        let line = |one: &FailingTest| {
            let head = out.bad(&format!("tests.toml:{}", one.line));
            format!("{head} {}: {}", escape(&one.question), escape(&one.why))
        };
        let mut lines = Vec::new();
        warnings(&mut lines, &tested.warnings, out);
        lines.extend(tested.failing.iter().map(line));
        let tests = tested.tests;
        lines.push(match failing {
            0 => format!("{} {tests} tests", out.good("passed")),
            count => format!("{} {count} of {tests} tests", out.bad("failed")),
        });
        lines.join("\n")
    })?;
    Ok(if failing == 0 { End::Done } else { End::Failed })
}

/// Prints the bundles that are or were in force.
pub(super) async fn history(client: &AdminClient<'_>, out: &Output) -> Result<(), CommandFailure> {
    let revisions = client.list::<endpoint::ListRevisions, _>().await?;
    out.print(&revisions, |revisions| {
        let row = |one: &RevisionView| {
            vec![
                one.revision.0.to_string(),
                when(one.at),
                escape(&one.author).to_string(),
                one.rules.to_string(),
                one.passed.to_string(),
                escape(&one.reason).to_string(),
            ]
        };
        let rows: Vec<_> = revisions.iter().map(row).collect();
        out.table(&["REVISION", "SINCE", "BY", "RULES", "TESTS", "REASON"], &rows)
    })
}

/// The lines that differ between two versions of one file.
#[derive(Serialize)]
struct FileDifference {
    added: Vec<String>,
    removed: Vec<String>,
}

/// Prints the differences between two bundles as a unified diff of each file.
pub(super) async fn diff(
    former: &str,
    later: Option<&str>,
    client: &AdminClient<'_>,
    out: &Output,
) -> Result<(), CommandFailure> {
    let (first, second) = (bundle(Some(former), client).await?, bundle(later, client).await?);
    let mut files = BTreeMap::new();
    let mut shown = Vec::new();
    for ((old, new), file) in first.texts().into_iter().zip(second.texts()).zip(BundleText::FILES) {
        let changes = TextDiff::from_lines(old, new);
        let unified =
            changes.unified_diff().header(&format!("a/{file}"), &format!("b/{file}")).to_string();
        if unified.is_empty() {
            continue;
        }
        shown.extend(unified.lines().map(|line| {
            let line = escape(line).to_string();
            match line.chars().next() {
                Some('+') => out.good(&line),
                Some('-') => out.bad(&line),
                _ => line,
            }
        }));
        let of = |tag: ChangeTag| {
            let lines = changes.iter_all_changes().filter(|change| change.tag() == tag);
            lines.map(|change| change.value().trim_end().to_owned()).collect()
        };
        let difference =
            FileDifference { added: of(ChangeTag::Insert), removed: of(ChangeTag::Delete) };
        files.insert(file, difference);
    }
    out.print(&files, |_| match shown.is_empty() {
        true => "no difference".to_owned(),
        false => shown.join("\n"),
    })
}

/// Fetches the text of the bundle in force.
async fn in_force(client: &AdminClient<'_>) -> Result<BundleText, CommandFailure> {
    let bundle = client.call::<endpoint::ShowPolicy>(&[], &()).await?;
    let BundleView { model, policy, roles, groups, tests, .. } = bundle;
    Ok(BundleText { model, policy, roles, groups, tests })
}

/// Returns the text of a bundle: that of a revision number, of a directory, or the one in force.
async fn bundle(
    name: Option<&str>,
    client: &AdminClient<'_>,
) -> Result<BundleText, CommandFailure> {
    let Some(name) = name else { return in_force(client).await };
    if name.parse::<u32>().is_ok() {
        let found = client.call::<endpoint::ShowRevision>(&[name], &()).await?;
        let RevisionText { model, policy, roles, groups, tests, .. } = found;
        return Ok(BundleText { model, policy, roles, groups, tests });
    }
    let files = read(Path::new(name))?;
    // A file that the directory does not have is that of the bundle in force.
    let present = in_force(client).await?;
    Ok(BundleText {
        model: files.model.unwrap_or(present.model),
        policy: files.policy.unwrap_or(present.policy),
        roles: files.roles.unwrap_or(present.roles),
        groups: files.groups.unwrap_or(present.groups),
        tests: files.tests.unwrap_or(present.tests),
    })
}
