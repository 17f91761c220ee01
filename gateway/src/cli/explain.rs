//! `doorward policy` explain, lint and replay.

use std::path::Path;

use doorward_api::{
    BundleProposal, DifferingView, ExplainRequest, ReplayView, WeighedRule, endpoint,
};
use doorward_model::escape;
use jiff::Timestamp;

use super::bundle_files::read;
use super::client::{AdminClient, joined, rule_lines, when};
use super::grants;
use super::output::Output;
use crate::failure::CommandFailure;

pub(super) async fn explain(
    request: &ExplainRequest,
    client: &AdminClient<'_>,
    out: &Output,
) -> Result<(), CommandFailure> {
    let answer = client.call::<endpoint::ExplainPolicy>(&[], request).await?;
    out.print(&answer, |answer| {
        let head = if answer.permit { out.good("permit") } else { out.bad("deny") };
        let mut lines = vec![format!("{head}  {}", escape(&answer.why))];
        answer.decided.iter().for_each(|rule| weighed(rule, &mut lines));
        if !answer.nearest.is_empty() {
            lines.push(out.bold("the rules that come nearest"));
            answer.nearest.iter().for_each(|rule| weighed(rule, &mut lines));
        }
        let or_none = |text: String| if text.is_empty() { "none".to_owned() } else { text };
        lines.push(format!("{:<13}{}", "roles", or_none(joined(&answer.roles))));
        lines.push(format!("{:<13}{}", "groups", or_none(joined(&answer.groups))));
        if let Some(until) = answer.opinion.ask_again_at {
            lines.push(format!("{:<13}{}", "until", when(until)));
        }
        let first = answer.change.iter().filter(|_| answer.remedies.is_empty());
        let first = first.map(|change| ("to allow it", change.as_str()));
        let words = std::iter::once("to allow it").chain(std::iter::repeat("or"));
        let remedies = words.zip(answer.remedies.iter().map(|remedy| remedy.text.as_str()));
        let opened = answer.remedies.iter().map(Some).chain([None]);
        for ((word, text), remedy) in first.chain(remedies).zip(opened) {
            let text = escape(text).to_string();
            lines.push(format!("{word:<13}{}", out.bold(&text)));
            let opens = remedy.filter(|remedy| remedy.opens_more).map(|remedy| &remedy.opens);
            opens.iter().for_each(|opens| grants::opened(opens, &mut lines));
        }
        lines.join("\n")
    })
}

/// Adds the lines of a rule: its text, the parts that do not match, and the values that its
/// conditions were compared with.
fn weighed(rule: &WeighedRule, lines: &mut Vec<String>) {
    lines.push(format!("  policy.csv:{} {}", rule.line, escape(&rule.text)));
    if !rule.failed.is_empty() {
        lines.push(format!("      not this {}", rule.failed.join(", ")));
    }
    for seen in &rule.conditions {
        let holds = match seen.holds {
            Some(true) => "holds",
            Some(false) => "does not hold",
            None => "is not known",
        };
        let (condition, saw) = (escape(&seen.condition), escape(&seen.saw));
        lines.push(format!("      {condition} {holds}: it saw {saw}"));
    }
}

/// Prints the rules that deserve attention.
pub(super) async fn lint(
    bundle: Option<&Path>,
    client: &AdminClient<'_>,
    out: &Output,
) -> Result<(), CommandFailure> {
    let proposal = bundle.map(read).transpose()?.unwrap_or_default();
    let findings = client.call::<endpoint::LintPolicy>(&[], &proposal).await?.items;
    out.print(&findings, |findings| {
        let mut lines = Vec::new();
        for one in findings {
            let (kind, what) = (out.bold(&one.kind), escape(&one.what));
            lines.push(format!("policy.csv:{} {kind}: {what}", one.line));
            lines.push(format!("  {}", escape(&one.rule)));
        }
        if lines.is_empty() { "no findings".to_owned() } else { lines.join("\n") }
    })
}

/// Prints the recorded decisions that would differ under a bundle.
pub(super) async fn replay(
    bundle: &Path,
    since: Timestamp,
    client: &AdminClient<'_>,
    out: &Output,
) -> Result<(), CommandFailure> {
    let proposal = BundleProposal { since: Some(since), ..read(bundle)? };
    let answer = client.call::<endpoint::ReplayPolicy>(&[], &proposal).await?;
    out.print(&answer, |answer| replayed(answer, out))
}

fn replayed(answer: &ReplayView, out: &Output) -> String {
    let word = |permitted: bool| if permitted { "permit".to_owned() } else { "deny".to_owned() };
    let row = |one: &DifferingView| {
        let question = format!("{} {} {}", one.subject, one.action, escape(&one.resource));
        let (was, is) = (word(one.was_permitted), word(one.is_permitted));
        vec![one.count.to_string(), question, was, is, rule_lines(&one.rules), when(one.last)]
    };
    let rows: Vec<_> = answer.differing.iter().map(row).collect();
    let mut total =
        format!("{} recorded decisions, {} kinds of them differ", answer.decisions, answer.kinds);
    if answer.unknown > 0 {
        total.push_str(&format!(
            "\n{} are not compared: they depend on the age of the handshake, which is not recorded",
            answer.unknown
        ));
    }
    if rows.is_empty() {
        return total;
    }
    let head = ["COUNT", "QUESTION", "WAS", "WOULD BE", "BY", "LAST"];
    format!("{}\n{total}", out.table(&head, &rows))
}
