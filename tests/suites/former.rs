//! A data directory that the former version made: see `tests/former`.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use doorward_tests::Gateway;
use doorward_tests::gateway::{Ran, doorward};
use doorward_tests::tools::root;
use serde_json::Value;

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Starts the present version on the former directory, with a new identity of its owner.
fn opened() -> Gateway {
    let mut gateway = Gateway::unclaimed("");
    let unpacked = Command::new("tar")
        .args(["-xzf"])
        .arg(root().join("tests/former/data.tar.gz"))
        .arg("-C")
        .arg(gateway.dir())
        .status();
    assert!(unpacked.unwrap().success());
    gateway.serve();
    // It listens before it has read its state. Its first lines say that it serves.
    let patience = Instant::now() + Duration::from_secs(30);
    while !gateway.log().contains("\nmanagement ") {
        assert!(Instant::now() < patience, "{}", gateway.log());
        std::thread::sleep(Duration::from_millis(10));
    }
    // The former certificates end one day, so the owner comes back by the data directory.
    let mut recover = doorward();
    recover.args(["recover", "--print-code", "--json", "--data"]).arg(gateway.data());
    let code = Ran::of(recover.output().unwrap()).json()["code"].as_str().unwrap().to_owned();
    let mut claim = doorward();
    claim.args(["claim", &code, "--dir"]).arg(gateway.identity("owner"));
    Ran::of(claim.output().unwrap()).ok();
    gateway
}

#[test]
fn the_state_of_the_former_version_is_all_there_and_goes_on() {
    let mut gateway = opened();
    let names = |items: &Value, name: &str| -> Vec<String> {
        let items = items.as_array().unwrap().iter();
        items.map(|one| one[name].as_str().unwrap().to_owned()).collect()
    };
    let users = gateway.owner_json(&["user", "list"]);
    assert_eq!(names(&users, "name"), ["alice", "bob", "owner"], "{users}");
    assert_eq!(users[1]["enabled"], false, "{users}");
    let devices = gateway.owner_json(&["device", "list"]);
    assert_eq!(names(&devices, "name"), ["box", "dev1"], "{devices}");
    let history = gateway.owner_json(&["policy", "history"]);
    let revisions: Vec<i64> =
        history.as_array().unwrap().iter().map(|one| one["revision"].as_i64().unwrap()).collect();
    assert_eq!(revisions, [3, 2, 1], "{history}");

    // Its rules refuse and permit as before.
    let check = |action: &str, path: &str| {
        gateway.run("owner", &["policy", "check", "user/alice", action, path]).status
    };
    assert_eq!(check("get", "box/web/secret/x"), Some(3));
    assert_eq!(check("post", "box/web/page"), Some(3));
    assert_eq!(check("get", "box/web/page"), Some(0));
    assert_eq!(check("connect", "box/raw"), Some(0));

    // Changes go on, and are there after a power cut.
    gateway.owner(&["user", "enable", "bob"]);
    gateway.owner(&["interface", "disable", "box/raw"]);
    let code = gateway.code(&["device", "add", "plc"]);
    gateway.redeem(&code, "plc").ok();
    gateway.kill();
    gateway.serve();
    let users = gateway.owner_json(&["user", "list"]);
    assert_eq!(users[1]["enabled"], true, "{users}");
    assert_eq!(
        gateway.run("owner", &["policy", "check", "user/alice", "connect", "box/raw"]).status,
        Some(3)
    );
    assert_eq!(names(&gateway.owner_json(&["device", "list"]), "name"), ["box", "dev1", "plc"]);
}

#[test]
fn the_records_of_the_former_version_are_as_they_were() {
    let gateway = opened();
    let former = fs::read_to_string(root().join("tests/former/audit.jsonl")).unwrap();
    let (former, present) = (lines(&former), gateway.audit());
    assert!(former.len() > 60 && present.len() > former.len());
    assert_eq!(present[..former.len()], former);
}
