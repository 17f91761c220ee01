//! Prints what changes would do, and what they did.

use doorward_api::{ChangeAnswer, ChangePreview, Changed, EndingView};
use serde::Serialize;

use super::client::show_warnings;
use super::grants;
use super::output::Output;
use crate::failure::CommandFailure;

/// Prints the answer to a change: `words` describe one that was made.
pub(super) fn print<T: Serialize>(
    answer: &ChangeAnswer<T>,
    out: &Output,
    words: impl FnOnce(&Changed<T>) -> String,
) -> Result<(), CommandFailure> {
    if let ChangeAnswer::Previewed(preview) = answer {
        show_warnings(&preview.warnings);
    }
    out.print(answer, |answer| match answer {
        ChangeAnswer::Made(changed) => words(changed),
        ChangeAnswer::Previewed(preview) => show(preview, out),
    })
}

/// Formats what a change would do.
fn show(preview: &ChangePreview, out: &Output) -> String {
    let mut lines = Vec::new();
    grants::changes(&preview.changes, out, &mut lines);
    endings(&preview.ending, true, out, &mut lines);
    if lines.is_empty() {
        lines.push("nobody may do more or less, and no live flow would end".to_owned());
    }
    lines.push("nothing was changed; leave --dry-run out to make the change".to_owned());
    lines.join("\n")
}

/// Adds the lines of the live flows that a change ends, or would end in a dry run.
pub(super) fn endings(ending: &[EndingView], dry_run: bool, out: &Output, lines: &mut Vec<String>) {
    if ending.is_empty() {
        return;
    }
    let title = if dry_run { "live flows that would end" } else { "live flows that ended" };
    lines.push(out.bold(&format!("{title} ({})", ending.len())));
    lines.extend(ending.iter().map(|one| {
        let EndingView { subject, flow, why, .. } = one;
        let (id, action, device, path) = (&flow.id, flow.action, &flow.device, &flow.path);
        out.bad(&format!("- {id} {subject} {action} {device}/{path}: {why}"))
    }));
}
