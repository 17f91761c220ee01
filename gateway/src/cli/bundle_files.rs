//! The files of a bundle.

use std::fs;
use std::path::Path;

use doorward_api::BundleProposal;
use doorward_policies::BundleText;

use crate::data_directory::at;
use crate::failure::CommandFailure;

/// Reads the files of a bundle: those of a directory, or one file that replaces `policy.csv`.
pub(super) fn read(path: &Path) -> Result<BundleProposal, CommandFailure> {
    let text = |path: &Path| fs::read_to_string(path).map_err(at(path));
    if !path.is_dir() {
        return Ok(BundleProposal { policy: Some(text(path)?), ..BundleProposal::default() });
    }
    let [model, policy, roles, groups, tests] = BundleText::FILES.map(|file| path.join(file));
    // A dangling symbolic link counts as existing, so that reading it fails.
    let is_there = |path: &Path| path.symlink_metadata().is_ok();
    // The files of roles, groups and tests may be missing.
    let or_empty = |path: &Path| if is_there(path) { text(path) } else { Ok(String::new()) };
    Ok(BundleProposal {
        // All bundles have the same model, so its file may be missing.
        model: is_there(&model).then(|| text(&model)).transpose()?,
        policy: Some(text(&policy)?),
        roles: Some(or_empty(&roles)?),
        groups: Some(or_empty(&groups)?),
        tests: Some(or_empty(&tests)?),
        ..BundleProposal::default()
    })
}
