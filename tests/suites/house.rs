//! The house itself: who may know whom.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use doorward_tests::exhaustive::Enums;
use doorward_tests::tokens::strings;
use doorward_tests::tools::root;
use serde_json::Value;

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Each room (by its directory) with what it depends on, tests aside.
fn rooms(metadata: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let root = root();
    let members: Vec<&str> = metadata["workspace_members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|id| id.as_str().unwrap())
        .collect();
    let packages = metadata["packages"].as_array().unwrap();
    let ours = packages.iter().filter(|one| members.contains(&one["id"].as_str().unwrap()));
    let room = |package: &Value| {
        let manifest = package["manifest_path"].as_str().unwrap();
        let dir = std::path::Path::new(manifest).parent().unwrap();
        dir.strip_prefix(&root).unwrap().display().to_string()
    };
    let by_name: BTreeMap<&str, String> =
        ours.clone().map(|one| (one["name"].as_str().unwrap(), room(one))).collect();
    ours.map(|package| {
        let needs = package["dependencies"].as_array().unwrap().iter();
        let needs = needs.filter(|one| one["kind"] != "dev").map(|one| {
            let name = one["name"].as_str().unwrap();
            by_name.get(name).cloned().unwrap_or_else(|| name.to_owned())
        });
        (room(package), needs.collect())
    })
    .collect()
}

/// All that a room depends on, directly and through other rooms.
fn reach(room: &str, rooms: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut left = vec![room.to_owned()];
    while let Some(next) = left.pop() {
        let needs = rooms.get(&next).into_iter().flatten();
        left.extend(needs.filter(|need| reached.insert((*need).clone())).cloned());
    }
    reached
}

/// The floors: an arrow only ever points down.
const FLOORS: [&[&str]; 5] = [
    &["policies/model"],
    &["policies", "ca", "gateway/api", "gateway/inspect", "device-sdk/local", "device-sdk/wire"],
    &["gateway/session", "gateway/store", "device-sdk", "ca/keys"],
    &["gateway/control", "gateway/proxy", "device-sdk/agent"],
    &["gateway"],
];

#[test]
fn arrows_only_point_down() {
    let rooms = rooms(&metadata());
    let floor = |room: &str| FLOORS.iter().position(|floor| floor.contains(&room));
    for (room, needs) in &rooms {
        if room == "tests" {
            continue;
        }
        let mine = floor(room).unwrap_or_else(|| panic!("{room} has no floor"));
        for need in needs {
            if let Some(theirs) = floor(need) {
                assert!(theirs < mine, "{room} → {need} does not point down");
            }
        }
    }
}

#[test]
fn arrows_that_must_never_be_are_not() {
    let rooms = rooms(&metadata());
    for (from, to, why) in [
        ("gateway/inspect", "quinn", "what is read comes from no socket"),
        ("gateway/inspect", "rustix", "what is read comes from no file"),
        ("policies", "sqlx", "a decision reads no database"),
        ("ca", "sqlx", "the authority has no database"),
        ("device-sdk", "gateway/store", "a device knows no state of the gateway"),
        ("device-sdk/agent", "gateway/store", "a device knows no state of the gateway"),
        ("gateway/session", "ca", "a parser bug must not reach signing keys"),
        ("gateway/session", "ca/keys", "a parser bug must not reach signing keys"),
        ("gateway/proxy", "ca", "a parser bug must not reach signing keys"),
        ("gateway/proxy", "ca/keys", "a parser bug must not reach signing keys"),
        ("gateway/proxy", "gateway/store", "records go through a port"),
        ("gateway/control", "gateway/proxy", "they share sessions, not code"),
        ("gateway/proxy", "gateway/control", "they share sessions, not code"),
        ("gateway/control", "ca/keys", "the authority is handed to it"),
        ("device-sdk", "policies", "a device knows no policy"),
        ("device-sdk/agent", "policies", "a device knows no policy"),
        ("ca", "tokio", "the authority opens no socket"),
        ("ca", "device-sdk/wire", "the authority hears no peer"),
        ("device-sdk/wire", "policies/model", "what is said knows nobody"),
        ("device-sdk/wire", "rustls", "what is said knows no TLS"),
        ("device-sdk/local", "device-sdk/wire", "what is local goes nowhere"),
        ("device-sdk/local", "policies", "what is local knows no policy"),
        ("gateway/inspect", "policies", "what is read knows no policy"),
        ("gateway/inspect", "tokio", "what is read comes from no socket"),
        ("policies", "tokio", "a decision waits for nothing"),
        ("policies", "rustls", "a decision knows no TLS"),
        ("policies/model", "tokio", "nouns do nothing"),
        ("policies/model", "aws-lc-rs", "nouns know no cryptography"),
    ] {
        assert!(rooms.contains_key(from), "{from}");
        assert!(!reach(from, &rooms).contains(to), "{from} → {to}: {why}");
    }
    for (library, places) in [
        ("casbin", &["policies"][..]),
        ("rcgen", &["ca", "device-sdk", "tests"]),
        ("sqlx", &["gateway/store", "tests"]),
        ("hyper", &["gateway/session", "gateway/proxy", "device-sdk", "gateway"]),
        ("h2", &["gateway/session", "gateway/proxy"]),
        ("minicbor", &["device-sdk/wire"]),
        ("yamux", &["device-sdk/wire"]),
        ("quinn", &["device-sdk/wire", "device-sdk", "gateway/session", "tests"]),
    ] {
        for (room, needs) in &rooms {
            let allowed = places.contains(&room.as_str());
            assert!(allowed || !needs.contains(library), "{library} is used in {room}");
        }
    }
}

#[test]
fn casbins_dangerous_features_are_off() {
    let metadata = metadata();
    let nodes = metadata["resolve"]["nodes"].as_array().unwrap();
    let casbin = nodes.iter().find(|node| node["id"].as_str().unwrap().contains("casbin@"));
    let features = casbin.unwrap()["features"].as_array().unwrap();
    for off in ["cached", "ip", "explain", "logging", "glob"] {
        assert!(!features.iter().any(|feature| feature == off), "{off} is on");
    }
}

#[test]
fn every_room_takes_the_lints_of_the_house() {
    for room in FLOORS.concat() {
        let manifest = std::fs::read_to_string(root().join(room).join("Cargo.toml")).unwrap();
        assert!(manifest.contains("[lints]\nworkspace = true"), "{room}");
    }
}

/// The Rust files behind a directory.
fn files(dir: &std::path::Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if name != "target" && !name.starts_with('.') {
                files(&path, found);
            }
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_file_says_first_what_it_is_for() {
    let mut found = Vec::new();
    files(&root(), &mut found);
    assert!(found.len() > 400, "{} files", found.len());
    let says =
        |path: &std::path::PathBuf| std::fs::read_to_string(path).unwrap().starts_with("//! ");
    let silent: Vec<_> = found.iter().filter(|path| !says(path)).collect();
    assert!(silent.is_empty(), "without a first line that begins with //!: {silent:?}");
}

/// Lines that a file has at most, its unit tests included.
const LONGEST: usize = 450;

/// The files of the product, without those that are tests only.
fn product() -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for room in FLOORS.concat() {
        files(&root().join(room).join("src"), &mut found);
    }
    found
}

#[test]
fn no_file_is_longer_than_a_reader_takes_in() {
    let long = |path: &std::path::PathBuf| {
        std::fs::read_to_string(path).unwrap().lines().count() > LONGEST
    };
    let long: Vec<_> = product().into_iter().filter(long).collect();
    assert!(long.is_empty(), "more than {LONGEST} lines: {long:?}");
}

/// The names of the types that a file shows to other files.
fn shown_types(text: &str) -> Vec<String> {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let mut names = Vec::new();
    for line in text.lines() {
        let line = line.trim_start();
        let Some(rest) = line.strip_prefix("pub ").or_else(|| {
            line.strip_prefix("pub(").and_then(|rest| rest.split_once(") ")).map(|(_, rest)| rest)
        }) else {
            continue;
        };
        let Some((word, rest)) = rest.split_once(' ') else { continue };
        if ["struct", "enum", "trait", "type", "union"].contains(&word) {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            // In a macro, a type's name is a parameter.
            if end > 0 {
                names.push(rest[..end].to_owned());
            }
        }
    }
    names
}

/// The names of all types that a file defines.
fn types(text: &str) -> Vec<String> {
    let words: Vec<_> = text.split_whitespace().collect();
    let named = |pair: &[&str]| {
        let name = pair[1].split(|c: char| !c.is_alphanumeric()).next()?;
        ["struct", "enum", "trait"].contains(&pair[0]).then(|| name.to_owned())
    };
    words.windows(2).filter_map(named).collect()
}

/// Returns whether a file is the module of that name, or lies in it.
fn lies_in(module: &str, path: &std::path::Path) -> bool {
    // The repository itself may lie in a directory of that name.
    let inside = path.strip_prefix(root()).unwrap();
    inside.with_extension("").components().any(|part| part.as_os_str() == module)
}

#[test]
fn a_type_name_means_one_thing() {
    let mut seen = std::collections::BTreeMap::<String, Vec<std::path::PathBuf>>::new();
    for path in product() {
        if !lies_in("tests", &path) {
            for name in shown_types(&std::fs::read_to_string(&path).unwrap()) {
                seen.entry(name).or_default().push(path.clone());
            }
        }
    }
    assert!(seen.len() > 500, "{} types", seen.len());
    seen.retain(|_, paths| paths.len() > 1);
    assert!(seen.is_empty(), "{seen:#?}");
}

/// Returns whether a word is written as the name of a type that has at least two parts: `FlowEnd`.
fn is_camel_case(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_uppercase())
        && word.chars().skip(1).any(|c| c.is_ascii_uppercase())
        && word.chars().any(|c| c.is_ascii_lowercase())
}

#[test]
fn no_message_has_the_name_of_a_type_in_it() {
    let read = |path: &std::path::PathBuf| std::fs::read_to_string(path).unwrap();
    let files: Vec<_> = product().iter().map(|path| (path.clone(), read(path))).collect();
    let types: BTreeSet<String> =
        files.iter().flat_map(|(_, text)| types(text)).filter(|name| is_camel_case(name)).collect();
    assert!(types.len() > 400, "{} types", types.len());
    let mut found = String::new();
    for (path, text) in &files {
        for string in strings(text).iter().filter(|string| string.contains(' ')) {
            let words = string.split(|c: char| !c.is_alphanumeric());
            for name in words.filter(|word| types.contains(*word)) {
                found += &format!("\n{}: {name} in {string}", path.display());
            }
        }
    }
    assert!(found.is_empty(), "people read the names of types:{found}");
}

/// How many files of the product outside its own folder may name a database: those that a second
/// database would touch as well.
const NAMING_FILES: usize = 8;

/// The folders of databases: those that the store's port imports.
fn databases() -> Vec<std::path::PathBuf> {
    let store = root().join("gateway/store/src");
    let port = std::fs::read_to_string(store.join("port/mod.rs")).unwrap();
    let module =
        |line: &str| line.strip_prefix("use crate::")?.split("::").next().map(str::to_owned);
    let imported = port.lines().filter_map(module).map(|name| store.join(name));
    imported.filter(|folder| folder.is_dir()).collect()
}

#[test]
fn only_the_folder_of_a_database_knows_which_database_it_is() {
    let own = databases();
    let mut naming = Vec::new();
    let mut wrong = Vec::new();
    let mut inside = 0;
    for path in product() {
        let text = std::fs::read_to_string(&path).unwrap();
        if own.iter().any(|folder| path.starts_with(folder)) {
            inside += usize::from(text.contains("sqlx::"));
            continue;
        }
        if text.to_lowercase().contains("sqlite") {
            naming.push(path.clone());
        }
        let is_of_the_store = path.starts_with(root().join("gateway/store"));
        let says = |word: &str| text.contains(word);
        // A space or a parenthesis before the mark: in Rust it follows a value.
        let has_old_parameters = says(" ?") || says("(?");
        if is_of_the_store
            && (says("PRAGMA") || says("sqlx") || says(".db\"") || has_old_parameters)
        {
            wrong.push(path);
        }
    }
    assert!(inside >= 3, "{own:?} has {inside} files that know the driver");
    assert!(wrong.is_empty(), "SQL of one database, or its driver: {wrong:?}");
    assert!(naming.len() <= NAMING_FILES, "{naming:?}");
}

#[test]
fn the_compiler_asks_every_match_about_a_new_variant() {
    let read = |path: &std::path::PathBuf| std::fs::read_to_string(path).unwrap();
    let files: Vec<_> = product().iter().map(|path| (path.clone(), read(path))).collect();
    let enums = Enums::read(files.iter().map(|(_, text)| text.as_str()));
    assert!(enums.count() > 200, "{} enums", enums.count());
    let mut found = String::new();
    for (path, text) in &files {
        // Tests may match loosely.
        if !lies_in("tests", path) && !lies_in("fuzzing", path) {
            for one in enums.catch_alls(text) {
                found += &format!("\n{}: {one}", path.display());
            }
        }
    }
    assert!(found.is_empty(), "an arm stands for all other variants of an enum:{found}");
}
