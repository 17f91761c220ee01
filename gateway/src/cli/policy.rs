//! `doorward policy`: shows the bundle in force, and asks it questions.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use doorward_api::{
    BundleProposal, BundleView, CheckAnswer, CheckRequest, ExplainRequest, WhatCanRequest,
    WhoCanRequest, endpoint,
};
use doorward_model::{Period, Revision, escape};
use doorward_policies::BundleText;

use super::args::{AskedAction, Attribute, PolicyCommand, PolicyQuestion, SupposedCircumstances};
use super::bundle_files::read;
use super::client::{AdminClient, when};
use super::end::End;
use super::output::Output;
use super::{bench, explain, grants, revision, sets};
use crate::data_directory::at;
use crate::failure::CommandFailure;

pub(crate) async fn run(
    command: PolicyCommand,
    client: &AdminClient<'_>,
    out: &Output,
) -> Result<End, CommandFailure> {
    use PolicyCommand as C;
    match command {
        C::Show { out: dir } => show(dir.as_deref(), client, out).await?,
        C::Apply { bundle, force_lockout, dry_run, reason, confirm_within } => {
            let seconds = |within: Period| u32::try_from(within.seconds().max(1));
            let confirm_within = confirm_within.map(|within| seconds(within).unwrap_or(u32::MAX));
            let files = read(&bundle)?;
            let proposal =
                BundleProposal { dry_run, reason, force_lockout, confirm_within, ..files };
            revision::apply(&proposal, client, out).await?;
        }
        C::Rollback { revision, dry_run, reason, force_lockout } => {
            let revision = Some(Revision(revision));
            let proposal = BundleProposal {
                revision,
                dry_run,
                reason,
                force_lockout,
                ..BundleProposal::default()
            };
            revision::apply(&proposal, client, out).await?;
        }
        C::Test { bundle } => return revision::test(bundle.as_deref(), client, out).await,
        C::History => revision::history(client, out).await?,
        C::Diff { former, later } => revision::diff(&former, later.as_deref(), client, out).await?,
        C::Check(question) => {
            let answer =
                client.call::<endpoint::CheckPolicy>(&[], &check_request(question)).await?;
            out.print(&answer, |answer| verdict(answer, out))?;
            return Ok(if answer.permit { End::Done } else { End::Denied });
        }
        C::Confirm => revision::confirm(client, out).await?,
        C::Explain { question, until } => {
            let CheckRequest { subject, action, resource, at, from, attrs } =
                check_request(question);
            let request = ExplainRequest { subject, action, resource, at, from, attrs, until };
            explain::explain(&request, client, out).await?;
        }
        C::WhoCan { action: AskedAction(action), resource, supposed } => {
            let SupposedCircumstances { at, from, attr } = supposed;
            let attrs = attributes(attr);
            let request = WhoCanRequest { action, resource, at, from, attrs };
            grants::who_can(&request, client, out).await?;
        }
        C::Lint { bundle } => explain::lint(bundle.as_deref(), client, out).await?,
        C::Replay { bundle, since } => explain::replay(&bundle, since, client, out).await?,
        C::WhatCan { subject, device, action, supposed } => {
            let SupposedCircumstances { at, from, attr } = supposed;
            let (resource, attrs) = (device, attributes(attr));
            let request = WhatCanRequest { subject, action, resource, at, from, attrs };
            grants::what_can(&request, client, out).await?;
        }
        C::Bench { sets: true, .. } => sets::run(out)?,
        C::Bench { bundle, rules, shape, sets: false } => {
            bench::run(bundle.as_deref(), rules, shape, client, out).await?
        }
    }
    Ok(End::Done)
}

/// Turns the arguments of a question into a request.
fn check_request(question: PolicyQuestion) -> CheckRequest {
    let PolicyQuestion { subject, action, resource, supposed } = question;
    let SupposedCircumstances { at, from, attr } = supposed;
    CheckRequest { subject, action, resource, at, from, attrs: attributes(attr) }
}

fn attributes(given: Option<Attribute>) -> BTreeMap<String, String> {
    given.into_iter().collect()
}

/// Returns the files of the bundle in force, in the order of [`BundleText::FILES`].
fn files(bundle: &BundleView) -> [&str; 5] {
    [&bundle.model, &bundle.policy, &bundle.roles, &bundle.groups, &bundle.tests]
}

async fn show(
    dir: Option<&Path>,
    client: &AdminClient<'_>,
    out: &Output,
) -> Result<(), CommandFailure> {
    let bundle = client.call::<endpoint::ShowPolicy>(&[], &()).await?;
    let Some(dir) = dir else {
        return out.print(&bundle, |bundle| {
            let (revision, since) = (bundle.revision.0, when(bundle.at));
            let by = escape(&bundle.author);
            let mut text = format!("# revision {revision}, since {since}, by {by}\n");
            for (lines, file) in files(bundle).into_iter().zip(BundleText::FILES).skip(1).take(3) {
                text.push_str(&format!("\n{}\n{lines}", out.bold(&format!("# {file}"))));
            }
            text
        });
    };
    fs::create_dir_all(dir).map_err(at(dir))?;
    for (lines, file) in files(&bundle).into_iter().zip(BundleText::FILES) {
        let path = dir.join(file);
        fs::write(&path, lines).map_err(at(&path))?;
    }
    out.print(&bundle, |bundle| format!("revision {} is in {}", bundle.revision.0, dir.display()))
}

fn verdict(answer: &CheckAnswer, out: &Output) -> String {
    let head = if answer.permit { out.good("permit") } else { out.bad("deny") };
    let mut lines = vec![format!("{head}  {}", escape(&answer.why))];
    lines.extend(answer.text.iter().map(|rule| format!("  {}", escape(rule))));
    if let Some(until) = answer.opinion.ask_again_at {
        lines.push(format!("  ask again at {}", when(until)));
    }
    lines.join("\n")
}
