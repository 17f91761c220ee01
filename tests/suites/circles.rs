//! No two files of a crate need each other: whoever reads one file never has to read a circle.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use doorward_tests::source::{Crate, Uses};
use doorward_tests::tools::root;

/// The root files of the product's crates.
const CRATES: [&str; 15] = [
    "ca/keys/src/lib.rs",
    "ca/src/lib.rs",
    "device-sdk/agent/src/lib.rs",
    "device-sdk/local/src/lib.rs",
    "device-sdk/src/lib.rs",
    "device-sdk/wire/src/lib.rs",
    "gateway/api/src/lib.rs",
    "gateway/control/src/lib.rs",
    "gateway/inspect/src/lib.rs",
    "gateway/proxy/src/lib.rs",
    "gateway/session/src/lib.rs",
    "gateway/src/main.rs",
    "gateway/store/src/lib.rs",
    "policies/model/src/lib.rs",
    "policies/src/lib.rs",
];

/// Circles that are natural, with the reason. Each is one set of files, in the order of their names.
const NATURAL: [(&[&str], &str); 0] = [];

/// The sets of files that need each other, directly or through others.
fn circles<'a>(uses: &Uses<'a>) -> Vec<BTreeSet<&'a Path>> {
    let reach: BTreeMap<&Path, BTreeSet<&Path>> = uses
        .keys()
        .map(|start| {
            let mut seen = BTreeSet::new();
            let mut left = vec![*start];
            while let Some(file) = left.pop() {
                left.extend(uses[file].keys().copied().filter(|next| seen.insert(*next)));
            }
            (*start, seen)
        })
        .collect();
    let mut circles: Vec<BTreeSet<&Path>> = Vec::new();
    for (file, reached) in &reach {
        let circle: BTreeSet<&Path> =
            reached.iter().copied().filter(|other| reach[other].contains(file)).collect();
        if circle.len() > 1 && !circles.contains(&circle) {
            circles.push(circle);
        }
    }
    circles
}

#[test]
fn no_files_need_each_other() {
    let root = root();
    let mut natural = 0;
    let mut found = String::new();
    for file in CRATES {
        let read = Crate::read(&root.join(file));
        assert!(read.files().count() > 1, "{file}");
        let uses = read.uses();
        for circle in circles(&uses) {
            let name = |file: &Path| file.strip_prefix(&root).unwrap().display().to_string();
            let names: Vec<String> = circle.iter().map(|file| name(file)).collect();
            if NATURAL.iter().any(|(files, _)| names == *files) {
                natural += 1;
                continue;
            }
            found += &format!("\na circle of {} files:\n", circle.len());
            for from in &circle {
                for (to, names) in uses[from].iter().filter(|(to, _)| circle.contains(*to)) {
                    found += &format!("  {} → {}: {names:?}\n", name(from), name(to));
                }
            }
        }
    }
    assert!(found.is_empty(), "{found}");
    assert_eq!(natural, NATURAL.len(), "a circle that NATURAL names is gone");
    assert!(NATURAL.len() <= 5, "mend circles, do not list them");
}
