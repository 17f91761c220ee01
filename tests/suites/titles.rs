//! What people call users and devices: shown beside their names, and no more.

use doorward_tests::Gateway;
use serde_json::{Value, json};

#[test]
fn a_title_is_shown_beside_the_name_and_decides_nothing() {
    let gateway = Gateway::start();
    gateway.enrol("user/oskar", &["--role", "operator"]);
    gateway.owner(&["user", "add", "john", "--title", "John Öst"]);
    let long = "é".repeat(65);
    for title in ["", " John", "a\u{1b}[31m", "a\nb", "a\u{202e}b", &long] {
        let ran = gateway.run("owner", &["user", "set", "john", "--title", title]);
        assert_eq!(ran.status, Some(2), "{title:?}: {ran:?}");
        let says = ["1 to 128 bytes", "cannot be printed"];
        assert!(says.iter().any(|says| ran.err.contains(says)), "{title:?}: {ran:?}");
    }
    let mine = gateway.run("oskar", &["user", "set", "oskar", "--title", "The Owner"]).failed();
    assert!(mine.contains("must allow update on gateway/users/oskar"), "{mine}");
    let both = ["user", "set", "john", "--title", "J", "--no-title"];
    assert_eq!(gateway.run("owner", &both).status, Some(2));

    gateway.owner(&["device", "add", "phone", "--agentless", "--title", "John's phone"]);
    let shown = |kind: &str, name: &str| gateway.owner_json(&[kind, "show", name])["title"].clone();
    assert_eq!(shown("user", "john"), "John Öst");
    assert_eq!(shown("device", "phone"), "John's phone");
    assert!(gateway.owner(&["user", "list"]).contains("john (John Öst)"));
    assert!(gateway.owner(&["device", "list"]).contains("phone (John's phone)"));
    assert!(gateway.owner(&["device", "show", "phone"]).contains("title       John's phone"));
    gateway.await_record("the title", |record| {
        record["detail"] == "add device/phone: title 'John's phone'"
    });

    // To call somebody the owner gives no right, and takes no code away.
    let code = gateway.code(&["user", "code", "john"]);
    let ran = gateway.run("owner", &["user", "set", "john", "--title", "owner"]);
    assert_eq!((ran.status, ran.err.as_str()), (Some(0), ""));
    gateway.redeem(&code, "john").ok();
    assert!(gateway.run("john", &["user", "list"]).failed().contains("user/john may not"));

    gateway.owner(&["user", "set", "john", "--no-title"]);
    assert_eq!(shown("user", "john"), Value::Null);
    // Who gets the name next does not get the title.
    gateway.owner(&["device", "remove", "phone"]);
    gateway.owner(&["device", "add", "phone", "--agentless"]);
    assert_eq!(shown("device", "phone"), json!(null));
}
