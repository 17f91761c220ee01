//! The proofs of the path cannot be made, copied, spent twice or ignored: programs that try do
//! not compile, each for the reason that its first line gives.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use doorward_tests::tools::root;
use serde_json::Value;

/// The rlib of each crate that a proof may use, as the product's build made it.
fn crates() -> BTreeMap<String, PathBuf> {
    let output = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "-p", "doorward", "-p", "doorward-agent"])
        .args(["--message-format", "json"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut found = BTreeMap::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let message: Value = serde_json::from_str(line).unwrap();
        if message["reason"] != "compiler-artifact" {
            continue;
        }
        let name = message["target"]["name"].as_str().unwrap().replace('-', "_");
        let files = message["filenames"].as_array().unwrap().iter();
        let files = files.map(|file| PathBuf::from(file.as_str().unwrap()));
        if let Some(rlib) = files.into_iter().find(|file| file.extension() == Some("rlib".as_ref()))
        {
            found.insert(name, rlib);
        }
    }
    found
}

/// An error of the compiler.
#[derive(Debug)]
struct Error {
    code: String,
    message: String,
    lines: BTreeSet<u64>,
}

/// The errors of a program that is compiled against the crates.
fn compile(program: &Path, crates: &BTreeMap<String, PathBuf>) -> Vec<Error> {
    let out = tempfile::tempdir().unwrap();
    let mut rustc = Command::new("rustc");
    rustc.args(["--edition", "2024", "--crate-type", "lib", "--emit", "metadata"]);
    rustc.args(["--error-format", "json", "--out-dir"]).arg(out.path());
    // Where everything else is that the crates are made of.
    let deps = crates["jiff"].parent().unwrap();
    rustc.arg("-L").arg(format!("dependency={}", deps.display()));
    for name in
        ["doorward_model", "doorward_policies", "doorward_session", "doorward_proxy", "jiff"]
    {
        rustc.arg("--extern").arg(format!("{name}={}", crates[name].display()));
    }
    let output = rustc.arg(program).output().expect("rustc runs");
    let mut errors = Vec::new();
    for line in String::from_utf8(output.stderr).unwrap().lines() {
        let one: Value = serde_json::from_str(line).expect("a diagnostic");
        let spans = one["spans"].as_array().expect("spans").iter();
        // Only places in the program itself, not those in the crates that an error points to.
        let here = program.to_str();
        let primary =
            spans.filter(|span| span["is_primary"] == true && span["file_name"].as_str() == here);
        let lines: BTreeSet<u64> = primary.filter_map(|span| span["line_start"].as_u64()).collect();
        // An error without a place is the count of the others.
        if one["level"] == "error" && !lines.is_empty() {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let (code, message) = (text(&one["code"]["code"]), text(&one["message"]));
            errors.push(Error { code, message, lines });
        }
    }
    assert_eq!(output.status.success(), errors.is_empty(), "{}", program.display());
    errors
}

#[test]
fn what_must_not_compile_does_not() {
    let crates = crates();
    let mut proofs: Vec<PathBuf> = fs::read_dir(root().join("tests/compile-fail"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    proofs.sort();
    assert!(proofs.len() > 10, "the proofs are there");
    for proof in proofs {
        let text = fs::read_to_string(&proof).unwrap();
        // The first line: `//! compiles`, or `//! CODE: message`, a part of the message. The
        // lines that must fail, and no others, end with `//~`.
        let first = text.lines().next().and_then(|line| line.strip_prefix("//! ")).unwrap();
        let marked: BTreeSet<u64> = (1..)
            .zip(text.lines())
            .filter_map(|(number, line)| line.ends_with("//~").then_some(number))
            .collect();
        let errors = compile(&proof, &crates);
        let shown = format!("{}: {errors:#?}", proof.display());
        match first.split_once(": ") {
            None => assert_eq!((first, marked.len()), ("compiles", 0), "{shown}"),
            Some((code, message)) => {
                assert!(!marked.is_empty(), "{} compiles", proof.display());
                for error in &errors {
                    assert_eq!(error.code, code, "{shown}");
                    assert!(error.message.contains(message), "{shown}");
                }
            }
        }
        let failed: BTreeSet<u64> = errors.iter().flat_map(|error| error.lines.clone()).collect();
        assert_eq!(failed, marked, "{shown}");
    }
}
