//! What goes wrong at a machine, and what strangers send: one clear sentence, nothing half done,
//! nothing let through, and nothing that reaches a terminal raw.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use doorward_api::{Access, Route};
use doorward_tests::client::{Client, PATIENCE, read_all};
use doorward_tests::forge::{Credentials, sha256};
use doorward_tests::gateway::{agent, doorward, signal};
use doorward_tests::running::wait_until;
use doorward_tests::tools::program;
use doorward_tests::{Backend, Gateway, Kind, Ran};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const DOMAIN: &str = "doorward.home.arpa";

fn run(mut command: Command) -> Ran {
    Ran::of(command.output().unwrap())
}

/// A gateway that was founded and stopped, to be damaged in copies.
fn founded() -> Gateway {
    let mut gateway = Gateway::start();
    gateway.stop();
    gateway
}

fn copy(from: &Path, to: &Path) {
    let mut cp = Command::new("cp");
    cp.args(["-a", "--"]).arg(from).arg(to);
    run(cp).ok();
}

/// Every file under a directory with a digest of what is in it. What SQLite needs while a
/// database is open, and leaves when its process ends by an error, counts only if it holds
/// something that the database does not.
fn contents(dir: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut left = vec![dir.to_owned()];
    while let Some(dir) = left.pop() {
        for entry in fs::read_dir(dir).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                left.push(path);
                continue;
            }
            let bytes = fs::read(&path).unwrap();
            let name = path.to_string_lossy();
            if !(name.ends_with("-shm") || name.ends_with("-wal") && bytes.is_empty()) {
                found.insert(path.clone(), sha256(&bytes));
            }
        }
    }
    found
}

fn serve(data: &Path, options: &[&str]) -> Command {
    let mut command = doorward();
    command.arg("serve").arg("--data").arg(data).args(options);
    if !options.contains(&"--listen") {
        command.args(["--listen", "127.0.0.1:0"]);
    }
    command.args(["--management", "127.0.0.1:0"]);
    command
}

/// Runs what must fail with one sentence that says this.
#[track_caller]
fn fails(command: Command, parts: &[&str]) {
    let shown = format!("{command:?}");
    let complaint = run(command).failed();
    for part in parts {
        assert!(complaint.contains(part), "{shown}: {complaint}");
    }
    assert!(complaint.starts_with("doorward: "), "{complaint}");
}

async fn execute(data: &Path, sql: &'static str) {
    let file = data.join("state.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
    let mut connection = options.connect().await.unwrap();
    sqlx::query(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// What is done to a data directory, and what the gateway says then.
type Damage = (&'static str, fn(&Path), &'static [&'static str]);

#[tokio::test]
async fn a_damaged_data_directory_is_named_and_left_alone() {
    let gateway = founded();
    let damages: &[Damage] = &[
        ("others can enter", |data| mode(data, 0o755), &["others can enter", "chmod 700"]),
        (
            "lost key file",
            |data| fs::remove_file(data.join("sealing.key")).unwrap(),
            &["sealing.key is gone", "put it back from your backup"],
        ),
        (
            "another key file",
            |data| fs::write(data.join("sealing.key"), [7; 32]).unwrap(),
            &["cannot be opened with the key file", "backup"],
        ),
        (
            "short key file",
            |data| fs::write(data.join("sealing.key"), "short").unwrap(),
            &["sealing.key is not 32 bytes long"],
        ),
        (
            "readable key file",
            |data| mode(&data.join("sealing.key"), 0o644),
            &["sealing.key: other users can read the file", "chmod 600"],
        ),
        (
            "keys without state",
            |data| fs::remove_file(data.join("state.db")).unwrap(),
            &["holds an authority's keys but no state.db", "backup"],
        ),
        (
            "state without keys",
            |data| fs::remove_dir_all(data.join("keys")).unwrap(),
            &["issuing key", "backup"],
        ),
        (
            "garbage for a state",
            |data| fs::write(data.join("state.db"), "garbage".repeat(1000)).unwrap(),
            &["state.db is damaged", "backup", "Nothing was changed"],
        ),
        (
            "empty state",
            |data| fs::write(data.join("state.db"), "").unwrap(),
            &["state.db is damaged", "backup", "Nothing was changed"],
        ),
        (
            "pages of garbage",
            |data| {
                let mut bytes = fs::read(data.join("state.db")).unwrap();
                let end = bytes.len().min(60_000);
                bytes[8_192..end].fill(0x5a);
                fs::write(data.join("state.db"), bytes).unwrap();
            },
            &["state.db is damaged", "backup"],
        ),
        (
            "half a state",
            |data| {
                let bytes = fs::read(data.join("state.db")).unwrap();
                fs::write(data.join("state.db"), &bytes[..bytes.len() / 2]).unwrap();
            },
            &["state.db is damaged", "backup"],
        ),
        (
            "garbage for an audit log",
            |data| fs::write(data.join("audit.db"), "garbage".repeat(1000)).unwrap(),
            &["audit.db is damaged", "backup"],
        ),
    ];
    for (name, damage, says) in damages {
        let data = gateway.dir().join(name.replace([' ', '\''], "-"));
        copy(&gateway.data(), &data);
        damage(&data);
        let before = contents(&data);
        fails(serve(&data, &[]), says);
        let changed: Vec<_> = contents(&data)
            .into_iter()
            .filter(|(path, now)| before.get(path) != Some(now))
            .collect();
        assert!(changed.is_empty(), "{name}: {changed:?}");
    }

    for (name, sql, says) in [
        (
            "newer",
            "UPDATE _sqlx_migrations SET version = 99 WHERE version = 1",
            &["was written by a newer version of Doorward (schema 99)"][..],
        ),
        ("foreign", "PRAGMA application_id = 1", &["another program's database"]),
        (
            "bundle",
            "UPDATE pieces SET text = 'p, role/operator, plc' || char(10) \
             WHERE id = (SELECT piece FROM bundle_pieces WHERE file = 'policy.csv')",
            &["the bundle in force (revision 1) cannot be read", "policy.csv:1"],
        ),
    ] {
        let data = gateway.dir().join(name);
        copy(&gateway.data(), &data);
        execute(&data, sql).await;
        fails(serve(&data, &[]), says);
    }

    // Of another owner: only root can make one.
    if rustix::process::geteuid().is_root() {
        let data = gateway.dir().join("chowned");
        copy(&gateway.data(), &data);
        run({
            let mut chown = Command::new("chown");
            chown.args(["-R", "12345"]).arg(&data);
            chown
        })
        .ok();
        let says = &["belongs to user 12345", "run doorward as its owner"];
        fails(serve(&data, &[]), says);
        let mut recover = doorward();
        recover.args(["recover", "--data"]).arg(&data);
        fails(recover, says);
    }

    // The undamaged one still serves, and is nobody else's to serve at the same time.
    let mut gateway = gateway;
    gateway.serve();
    gateway.owner(&["status"]);
    fails(serve(&gateway.data(), &[]), &["another doorward is using", "choose another --data"]);
    fails(serve(&gateway.data(), &["--domain", "other.example.com"]), &["another doorward is"]);
    gateway.stop();
    for (options, says) in [
        (["--domain", "other.example.com"], "domain is doorward.home.arpa, fixed at first start"),
        (["--domain", "home"], "'home' has one label"),
    ] {
        fails(serve(&gateway.data(), &options), &[says]);
    }
    let config = gateway.dir().join("named.toml");
    fs::write(&config, "name = \"attic\"\n").unwrap();
    let config = config.to_str().unwrap();
    fails(serve(&gateway.data(), &["--config", config]), &["name is main, fixed at first start"]);
    gateway.serve();
    gateway.owner(&["status"]);
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn what_cannot_begin_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let founded = founded();
    let before = contents(&founded.data());
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    fails(serve(&data, &["--listen", &taken]), &["is in use by another program", "--listen"]);
    let mut command = doorward();
    command.arg("serve").arg("--data").arg(&data).args(["--listen", "127.0.0.1:0"]);
    command.args(["--management", &taken]);
    fails(command, &["is in use by another program", "--management"]);
    fails(serve(&data, &["--listen", "192.0.2.1:8443"]), &["not an address of this machine"]);
    fails(serve(&data, &["--listen", "everywhere"]), &["'everywhere' is no ADDRESS:PORT"]);
    fails(serve(&data, &["--domain", "x"]), &["'x' has one label"]);
    fails(serve(&data, &["--config", "/nowhere.toml"]), &["/nowhere.toml"]);
    for (text, says) in [
        ("lissten = \"[::]:1\"", &["wrong.toml, line 1: lissten: ", "did you mean listen?"][..]),
        ("\nlisten = 8443", &["wrong.toml, line 2: listen: found the number 8443; write a text"]),
        ("[dial]\nunix = [\"relative\"]", &["wrong.toml", "dial.unix", "relative"]),
        ("domain = \"\x1b[31m\u{202e}.x\"", &["wrong.toml"]),
        ("listen = ", &["wrong.toml, line 1: this is not TOML"]),
        ("hosts = [\"ü.de\"]", &["wrong.toml, line 1: hosts: 'ü.de'", "xn--"]),
        ("advertise = \"a:0\"", &["wrong.toml, line 1: advertise: 'a:0'", "HOST:PORT"]),
        ("[keys]\nfile = \"\"", &["wrong.toml, line 2: keys.file", "write a path in quotes"]),
        ("[keys]\nfile = \"/tmp\"", &["wrong.toml, line 2: keys.file: /tmp is not a file"]),
        ("[dial]\nnetworks = [\"10.0.0.1/8\"]", &["dial.networks: 10.0.0.1/8", "10.0.0.0/8"]),
        (
            "[limits]\nsessions = 9223372036854775807",
            &["wrong.toml, line 2: limits.sessions", "from 1 to 16777216"],
        ),
        (
            "[limits]\nhandshake-time = \"584542046090y\"",
            &["wrong.toml, line 2: limits.handshake-time", "from \"1s\" to \"1h\""],
        ),
        ("[limits]\nidle = \"0s\"", &["wrong.toml, line 2: limits.idle", "from \"1s\""]),
        ("[audit]\nkeep = \"0s\"", &["wrong.toml, line 2: audit.keep", "from \"1s\""]),
        ("[stop]\ngrace = 10", &["wrong.toml, line 2: stop.grace: found the number 10"]),
    ] {
        let config = dir.path().join("wrong.toml");
        fs::write(&config, text).unwrap();
        // Neither a gateway that would be new nor one with a state is changed.
        for data in [&data, &founded.data()] {
            let command = serve(data, &["--config", config.to_str().unwrap()]);
            let complaint = run(command).failed();
            for part in says {
                assert!(complaint.contains(part), "{complaint}");
            }
            assert!(!complaint.contains(['\x1b', '\u{202e}']), "{complaint:?}");
            assert_eq!(complaint.trim_end().lines().count(), 1, "{complaint}");
        }
    }
    assert_eq!(contents(&founded.data()), before, "a wrong setting changed a gateway");
    let same = ["--listen", "127.0.0.1:8443", "--management", "127.0.0.1:8443"];
    let mut command = doorward();
    command.arg("serve").arg("--data").arg(&data).args(same);
    fails(command, &["--management: the settings listen, 127.0.0.1:8443", "the same port"]);
    assert!(!data.exists(), "something was made: {:?}", contents(&data).keys());

    fs::write(&data, "a file").unwrap();
    fails(serve(&data, &[]), &["cannot be made the data directory", "--data"]);
    assert_eq!(fs::read_to_string(&data).unwrap(), "a file");

    // Nothing configured at all.
    for args in [&["status"][..], &["device", "list"], &["audit", "tail"], &["agent", "status"]] {
        let mut command = doorward();
        command.env("HOME", dir.path()).env_remove("XDG_DATA_HOME").args(args);
        fails(command, &["holds no identity", "enrol first"]);
    }
    let mut command = doorward();
    command.args(["ca", "import", "--data"]).arg(dir.path().join("imported"));
    for option in ["--cert", "--key", "--root"] {
        command.args([option, "/nowhere.pem"]);
    }
    fails(command, &["/nowhere.pem"]);
    assert!(contents(&dir.path().join("imported")).is_empty());
}

#[test]
fn everything_of_a_gateways_is_its_owners_alone() {
    let gateway = Gateway::start();
    gateway.enrol("user/alice", &[]);
    for dir in [gateway.data(), gateway.identity("owner"), gateway.identity("alice")] {
        assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
        for path in contents(&dir).keys() {
            let mode = fs::metadata(path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{}", path.display());
        }
    }
    // No private key stands anywhere in the data directory as it is.
    for path in contents(&gateway.data()).keys() {
        let bytes = fs::read(path).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("PRIVATE KEY"), "{}", path.display());
    }
}

#[test]
fn a_broken_bundle_is_refused_by_file_and_line_and_changes_nothing() {
    let gateway = Gateway::start();
    let shown = gateway.dir().join("bundle");
    gateway.owner(&["policy", "show", "--out", shown.to_str().unwrap()]);
    let before = gateway.owner_json(&["policy", "show"]);
    for (file, text, says) in [
        ("policy.csv", "p, role/operator, plc, tcp, connect, , allow\np, role/x\n", "policy.csv:2"),
        ("policy.csv", "p, role/operator, plc, tcp, fly, , allow\n", "fly"),
        ("policy.csv", "p, user/*, plc, tcp, connect, , allow\n", "policy.csv:1"),
        ("policy.csv", "p, role/operator, plc, tcp, connect, , Deny\n", "Deny"),
        ("policy.csv", "p, role/operator, plc, tcp, connect, from=nowhere, allow\n", "nowhere"),
        ("policy.csv", "p, role/\x1b[31mx, plc, tcp, connect, , allow\n", "policy.csv:1"),
        ("roles.csv", "g, role/a, role/b\ng, role/b, role/a\n", "roles.csv"),
        ("groups.csv", "g2, group/a\n", "groups.csv:1"),
        ("model.conf", "[request_definition]\nr = sub\n", "model.conf"),
    ] {
        let dir = gateway.dir().join("broken");
        copy(&shown, &dir);
        fs::write(dir.join(file), text).unwrap();
        let complaint = gateway.run("owner", &["policy", "apply", dir.to_str().unwrap()]).failed();
        assert!(complaint.contains(says), "{file} {text:?}: {complaint}");
        assert!(!complaint.contains('\x1b'), "{complaint:?}");
        fs::remove_dir_all(dir).unwrap();
    }
    let missing = gateway.dir().join("nothing-here");
    let complaint = gateway.run("owner", &["policy", "apply", missing.to_str().unwrap()]).failed();
    assert!(complaint.contains("nothing-here"), "{complaint}");
    assert_eq!(gateway.owner_json(&["policy", "show"]), before);
}

#[test]
fn what_is_not_built_says_so() {
    let gateway = Gateway::start();
    for args in [&["clock", "accept"][..], &["audit", "verify"], &["ca", "crl"], &["ca", "rotate"]]
    {
        let complaint = gateway.run("owner", args).failed();
        assert!(complaint.contains("is not built yet"), "{args:?}: {complaint}");
    }
    gateway.owner(&["device", "add", "plc", "--agentless"]);
    // What is built is taken, within the bounds of the configuration.
    for (name, url) in [
        ("udp", "udp://127.0.0.1:161"),
        ("line", "serial:/dev/ttyUSB0?baud=19200"),
        ("shell", "agent:shell"),
        ("dns", "udp+agent:dns"),
        ("console", "serial+agent:console?baud=9600"),
        ("web", "http://127.0.0.1:8080/api?body=1024&rate=10/s"),
        ("site", "http+agent:web"),
        ("bus", "mqtt://127.0.0.1:1883?client-id=strict"),
        ("plc", "modbus://127.0.0.1:502?audit=sync"),
        ("rtu", "modbus+serial:/dev/ttyUSB0?baud=19200&parity=even"),
        ("remote", "modbus+serial+agent:bus?baud=19200"),
        ("lamp", "coap://127.0.0.1:5683"),
    ] {
        let door = format!("plc/{name}");
        gateway.owner(&["interface", "add", &door, url]);
        let listed = gateway.owner_json(&["interface", "list"]);
        let found = listed.as_array().unwrap().iter().find(|one| one["name"] == name).cloned();
        assert_eq!(found.unwrap()["url"], url);
    }
    for (url, says) in [
        ("udp://192.0.2.1:161", "dial.networks"),
        ("modbus://192.0.2.1:502", "dial.networks"),
        ("modbus+serial:/dev/sda", "dial.serial"),
        ("modbus://127.0.0.1:502?client-id=off", "is no option of such an interface"),
        ("https://127.0.0.1:443", "is no interface URL"),
        ("serial:/dev/sda", "dial.serial"),
        ("serial:/dev/ttyUSB0?speed=9600", "'speed' is no setting of a serial line"),
        ("process:/usr/bin/true", "dial.process"),
        ("agent:Shell", "cannot be in a name"),
    ] {
        let complaint = gateway.run("owner", &["interface", "add", "plc/x", url]).failed();
        assert!(complaint.contains(says), "{url}: {complaint}");
    }
    // Whoever declares a protocol's port as a raw one is told what that means, then and later.
    let added = gateway.run("owner", &["interface", "add", "plc/raw", "tcp://127.0.0.1:502"]);
    assert!(added.err.contains("Declare it as modbus://127.0.0.1:502"), "{added:?}");
    let listed = gateway.owner_json(&["interface", "list"]);
    let warned =
        listed.as_array().unwrap().iter().filter(|one| one["warnings"] != serde_json::json!([]));
    assert_eq!(warned.map(|one| &one["name"]).collect::<Vec<_>>(), ["raw"]);
    // Wrong usage is another status.
    for args in [
        &["fly"][..],
        &["device", "add"],
        &["device", "add", "Not A Name"],
        &["interface", "add", "plc", "tcp://127.0.0.1:1"],
        &["interface", "add", "plc/x/y", "tcp://127.0.0.1:1"],
        &["session", "cut", "zz"],
        &["policy", "check", "user/a", "connect", "plc/tcp", "--attr", "mode=away"],
        &["user", "set", "carol"],
        &["device", "set", "plc"],
        &[],
    ] {
        assert_eq!(gateway.run("owner", args).status, Some(2), "{args:?}");
    }
}

/// A request by curl: its status and body.
fn curl(
    at: std::net::SocketAddr,
    identity: Option<&Path>,
    args: &[&str],
    path: &str,
) -> (u16, String) {
    let mut curl = Command::new(program("curl"));
    curl.args(["-sk", "--path-as-is", "-w", "\n%{http_code}"]).args(args);
    if let Some(dir) = identity {
        curl.arg("--cert").arg(dir.join("cert.pem")).arg("--key").arg(dir.join("key.pem"));
    }
    let out = run({
        curl.arg(format!("https://{at}{path}"));
        curl
    });
    let out = out.ok();
    let (body, status) = out.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), body.to_owned())
}

#[test]
fn the_administration_answers_nobody_without_a_right() {
    let gateway = Gateway::start();
    gateway.enrol("user/nobody", &[]);
    let nobody = gateway.identity("nobody");
    let epoch = gateway.owner_json(&["status"])["epoch"].clone();
    for route in Route::ALL {
        let path = route
            .path
            .replace("{name}", "x")
            .replace("{device}", "x")
            .replace("{id}", "x")
            .replace("{revision}", "1");
        let listeners = [
            (route.listeners.has_data(), gateway.listen),
            (route.listeners.has_management(), gateway.management),
        ];
        for (answers, at) in listeners {
            let ask = |who| curl(at, who, &["-X", route.method, "-d", "{}"], &path);
            let (stranger, nobody) = (ask(None).0, ask(Some(&nobody)).0);
            let expected = match (answers, route.access) {
                (false, _) => (404, 404),
                // What is public carries its own proof, and this is none.
                (true, Access::Public) => (400, 400),
                (true, Access::Identified) => (401, if route.method == "GET" { 200 } else { 400 }),
                (true, Access::Asked(_)) => (401, 403),
            };
            assert_eq!((stranger, nobody), expected, "{} {path} at {at}", route.method);
        }
    }
    for (path, args) in [
        ("/", &[][..]),
        ("/v1/devices/../users", &[]),
        ("/v1/devices/%2e%2e/users", &[]),
        ("/v1//devices", &[]),
        ("/v1/devices", &["-X", "TRACE"]),
        ("/v1/devices", &["-X", "PURGE"]),
        ("/%1b%5b31m%e2%80%ae", &[]),
    ] {
        let (status, body) = curl(gateway.management, Some(&nobody), args, path);
        assert!(matches!(status, 400 | 404 | 405), "{path}: {status}");
        assert!(!body.contains(['\x1b', '\u{202e}']), "{body}");
    }
    assert_eq!(gateway.owner_json(&["status"])["epoch"], epoch, "something was changed");
}

const HOSTILE: [&str; 6] =
    ["\x1b[31mred", "a\r\nInjected: yes", "\u{202e}gnp.exe", "\u{9b}31m", "a\0b", "%1b%5b31m"];

fn is_clean(text: &str) -> bool {
    text.chars().all(|letter| {
        letter == '\n'
            || !(letter.is_control()
                || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
    })
}

#[tokio::test]
async fn hostile_text_reaches_no_terminal_log_or_header() {
    let gateway = Gateway::start();
    let owner = gateway.identity("owner");
    let credentials = Credentials::read(&owner);
    let client =
        Client::speaking(gateway.listen, &owner.join("ca.pem"), Some(credentials), &["http/1.1"]);

    // Strange, but sayable: refused like any unknown name, and on record.
    for name in ["ghost--box", "a..b", "[::1]", "example.com", &"x".repeat(5000)] {
        let authority = format!("{name}:443");
        let (status, _, _) = client.tunnel("localhost", &authority).await.unwrap();
        assert_eq!(status, 403, "{name}");
    }
    for text in HOSTILE {
        // On the command line. A NUL cannot even be passed.
        for args in [
            &["device", "add", text][..],
            &["user", "add", text],
            &["interface", "add", text, "tcp://127.0.0.1:1"],
            &["interface", "add", "plc/x", text],
            &["policy", "check", text, "connect", "plc/tcp"],
            &["policy", "check", "user/owner", "connect", text],
            &["session", "cut", text],
            &["device", "show", text],
            &["agent", "connect", text],
            &["agent", "enroll", text],
        ] {
            if text.contains('\0') {
                continue;
            }
            let ran = gateway.run("owner", args);
            // A path takes any text; all else is wrong usage, or refused.
            assert_ne!(ran.status, Some(0), "{args:?}: {ran:?}");
            assert!(is_clean(&ran.out) && is_clean(&ran.err), "{args:?}: {ran:?}");
        }
        // In a request.
        let encoded: String = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
        for path in [
            format!("/v1/devices/{encoded}"),
            format!("/v1/interfaces/{encoded}/x"),
            format!("/{encoded}"),
            format!("/v1/audit?flow={encoded}"),
        ] {
            let (status, body) = curl(gateway.management, Some(&owner), &[], &path);
            assert!((400..500).contains(&status), "{path}: {status}");
            assert!(is_clean(&body), "{path}: {body:?}");
        }
        let body = serde_json::json!({ "subject": text, "action": "connect", "resource": text });
        let args = ["-X", "POST", "-d", &body.to_string()];
        let (status, body) = curl(gateway.management, Some(&owner), &args, "/v1/policies/check");
        assert_eq!(status, 400, "{body}");
        assert!(is_clean(&body), "{body:?}");
        // In a CONNECT: what HTTP lets through of it.
        let mut stream = client.connect("localhost").await.unwrap();
        let ask = format!("CONNECT {text}:443 HTTP/1.1\r\nHost: {text}:443\r\n\r\n");
        stream.write_all(ask.as_bytes()).await.unwrap();
        let mut answer = vec![0; 4096];
        let read = tokio::time::timeout(PATIENCE, stream.read(&mut answer)).await.unwrap();
        let answer = String::from_utf8_lossy(&answer[..read.unwrap_or(0)]).replace('\r', "");
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
        assert!(!answer.contains("Injected") && is_clean(&answer), "{answer:?}");
        // In a header that is kept nowhere.
        let header = format!("X-Hostile: {}", text.replace(['\r', '\n', '\0'], ""));
        let args = ["--http1.1", "-H", &header];
        let (status, body) = curl(gateway.management, Some(&owner), &args, "/v1/status");
        assert!(matches!(status, 200 | 400) && is_clean(&body), "{header:?}: {status} {body}");
    }
    // As SNI, raw: OpenSSL sends what it is told.
    for text in HOSTILE.iter().filter(|text| !text.contains('\0')) {
        let mut openssl = Command::new(program("openssl"));
        openssl.args(["s_client", "-quiet", "-connect", &gateway.listen.to_string()]);
        openssl.args(["-servername", text, "-cert"]).arg(owner.join("cert.pem"));
        openssl.arg("-key").arg(owner.join("key.pem")).stdin(Stdio::null());
        assert_ne!(run(openssl).status, Some(0), "{text:?}");
    }
    // What is kept of it stands raw in the log's JSON, and escaped in its table.
    let table = gateway.owner(&["audit", "tail", "-n", "1000"]);
    assert!(is_clean(&table), "{table:?}");
    for args in [&["session", "list"][..], &["user", "list"], &["device", "list"]] {
        assert!(is_clean(&gateway.owner(args)));
    }
    let log = gateway.log();
    let log: String = log.lines().filter(|line| !line.starts_with("dw1.")).collect();
    assert!(is_clean(&log), "{log:?}");
    let refused = gateway.audit().into_iter().filter(|record| record["event"] == "flow-refused");
    let refused: Vec<_> = refused.collect();
    assert_eq!(refused.len(), 5, "the refused names are on record: {refused:?}");
    assert!(refused.iter().all(|record| record.to_string().len() < 1000), "bounded");
}

#[test]
fn what_a_page_of_another_site_asks_is_not_answered() {
    let gateway = Gateway::start();
    let owner = gateway.identity("owner");
    let ask = |headers: &[&str]| {
        let mut args = vec!["-X", "POST", "-d", "{}"];
        headers.iter().for_each(|header| args.extend(["-H", header]));
        curl(gateway.management, Some(&owner), &args, "/v1/devices/forged").0
    };
    for headers in [
        &["Origin: https://evil.example", "Sec-Fetch-Site: cross-site"][..],
        &["Sec-Fetch-Site: same-site"],
        &["Origin: https://evil.example"],
        &["Origin: null"],
        &["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"],
        &[&format!("Origin: http://{}", gateway.management)],
        &["Origin: https://127.0.0.1:1"],
    ] {
        assert_eq!(ask(headers), 403, "{headers:?}");
    }
    assert_eq!(gateway.owner_json(&["device", "list"]).as_array().unwrap().len(), 0);
    assert_eq!(ask(&["Sec-Fetch-Site: same-origin"]), 200);
    // An old browser's, of the administration's own page: there is such a device by now.
    assert_eq!(ask(&[&format!("Origin: https://{}", gateway.management)]), 409);
}

#[tokio::test]
async fn a_connect_is_a_name_and_has_no_body() {
    let gateway = Gateway::start();
    gateway.enrol("user/alice", &["--role", "operator"]);
    let backend = Backend::tcp(Kind::Echo);
    gateway.declare("box/tcp", backend.url());
    let alice = gateway.identity("alice");
    let credentials = Some(Credentials::read(&alice));
    let client =
        Client::speaking(gateway.listen, &alice.join("ca.pem"), credentials, &["http/1.1"]);
    for authority in ["alice@tcp--box:443", "a:b@tcp--box:443"] {
        let (status, ..) = client.tunnel("localhost", authority).await.unwrap();
        assert!(matches!(status, 400 | 403), "{authority}: {status}");
    }
    for header in ["Content-Length: 5", "Transfer-Encoding: chunked"] {
        let mut stream = client.connect("localhost").await.unwrap();
        let ask =
            format!("CONNECT tcp--box:443 HTTP/1.1\r\nHost: tcp--box\r\n{header}\r\n\r\nabcde");
        stream.write_all(ask.as_bytes()).await.unwrap();
        let head = doorward_tests::client::read_head(&mut stream).await.unwrap();
        assert!(head.starts_with("HTTP/1.1 400"), "{head}");
        assert!(head.to_lowercase().contains("doorward-request-id"), "{head}");
    }
    assert_eq!(backend.saw(), (0, 0));
    let (status, ..) = client.tunnel("localhost", "tcp--box:443").await.unwrap();
    assert_eq!(status, 200);
}

#[test]
fn a_request_that_came_to_nothing_is_on_record() {
    let gateway = Gateway::start();
    let owner = gateway.identity("owner");
    let mut curl = Command::new(program("curl"));
    curl.args(["-sk", "-D", "-", "-o", "/dev/null", "-X", "POST", "-d"]);
    curl.arg(r#"{"url":"tcp://8.8.8.8:1"}"#);
    curl.arg("--cert").arg(owner.join("cert.pem")).arg("--key").arg(owner.join("key.pem"));
    curl.arg(format!("https://{}/v1/interfaces/plc/tcp", gateway.management));
    let head = run(curl).ok();
    let line = head.lines().find(|line| line.starts_with("doorward-request-id: ")).unwrap();
    let id = line.split(' ').nth(1).unwrap().trim();
    let found = gateway.owner_json(&["audit", "tail", "--flow", id]);
    assert_eq!(found["event"], "request-refused", "{found}");
    assert_eq!(found["subject"], "user/owner");
}

#[test]
fn a_lost_audit_log_is_told() {
    let mut gateway = Gateway::start();
    gateway.stop();
    fs::remove_file(gateway.data().join("audit.db")).unwrap();
    gateway.serve();
    let status = gateway.owner_json(&["status"]);
    assert_eq!(status["state"], "degraded", "{status}");
    assert!(status["conditions"].to_string().contains("audit log was gone"), "{status}");
    gateway.await_record("the alarm", |record| record["reason"] == "audit-log-gone");
}

#[test]
fn a_tail_that_nobody_reads_ends() {
    let gateway = Gateway::start();
    let mut tail = gateway.command("owner", &["audit", "tail", "-f", "-n", "1"]);
    let mut child = tail.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut [0; 1]).unwrap();
    drop(out);
    let patience = Instant::now() + PATIENCE;
    while child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < patience, "it goes on");
        gateway.owner(&["device", "list"]);
    }
}

/// With the database locked by somebody else, nothing can be taken away, so nothing is given.
#[tokio::test]
async fn while_nothing_can_be_taken_away_nothing_is_given() {
    let gateway = Gateway::start();
    gateway.enrol("user/alice", &["--role", "operator"]);
    gateway.enrol("user/bob", &[]);
    gateway.enrol("user/carol", &[]);
    gateway.enrol("device/spy", &[]);
    let backend = Backend::tcp(Kind::Echo);
    gateway.declare("box/tcp", backend.url());
    let alice = gateway.identity("alice");
    let client =
        Client::new(gateway.listen, &alice.join("ca.pem"), Some(Credentials::read(&alice)));
    let name = format!("tcp--box.{DOMAIN}");
    let mut live = client.connect(&name).await.unwrap();
    live.read_u8().await.unwrap();

    let options =
        sqlx::sqlite::SqliteConnectOptions::new().filename(gateway.data().join("state.db"));
    let mut holder = options.connect().await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut holder).await.unwrap();
    let refused = gateway.run("owner", &["device", "disable", "box"]);
    assert_eq!(refused.status, Some(1), "{refused:?}");
    assert_eq!(gateway.owner_json(&["status"])["state"], "degraded");
    let seen = backend.saw();
    let mut stream = client.connect(&name).await.unwrap();
    assert_eq!(read_all(&mut stream).await, (vec![], false));
    assert_eq!(backend.saw(), seen);
    // What runs goes on.
    live.write_all(b"still").await.unwrap();

    sqlx::query("ROLLBACK").execute(&mut holder).await.unwrap();
    holder.close().await.unwrap();
    let patience = Instant::now() + Duration::from_secs(40);
    loop {
        let mut stream = client.connect(&name).await.unwrap();
        if stream.read_u8().await.is_ok() {
            break;
        }
        assert!(Instant::now() < patience, "it does not recover: {}", gateway.log());
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[tokio::test]
async fn the_protocol_of_devices_is_for_those_who_show_a_certificate() {
    let gateway = Gateway::start();
    let owner = gateway.identity("owner");
    let credentials = Some(Credentials::read(&owner));
    let ca = owner.join("ca.pem");
    let speaking = |credentials, protocols: &[&str]| {
        Client::speaking(gateway.listen, &ca, credentials, protocols)
    };
    let error = speaking(credentials.clone(), &["something/9"]).connect("localhost").await;
    assert!(error.unwrap_err().to_string().contains("NoApplicationProtocol"));
    // Without one, TLS itself refuses, which a client of TLS 1.3 hears when it reads.
    let mut stream = speaking(None, &["doorward/1"]).connect("localhost").await.unwrap();
    let error = stream.read(&mut [0; 1]).await.unwrap_err().to_string();
    assert!(error.contains("CertificateRequired"), "{error}");
    let stream = speaking(credentials, &["doorward/1", "h2"]).connect("localhost").await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"doorward/1"[..]));
}

/// Whether the gateway resets a handshake.
fn is_turned_away(at: std::net::SocketAddr) -> bool {
    let mut curl = Command::new(program("curl"));
    curl.args(["-sk", "-o", "/dev/null"]).arg(format!("https://{at}/"));
    run(curl).status != Some(0)
}

#[tokio::test]
async fn strangers_are_kept_within_limits_and_known_people_get_through() {
    let limits = "[limits]\nhandshake-time = \"1s\"\nunauthenticated-rate = 8\nconnections = 64\n\
                  flows-per-subject = 2\nidle = \"2s\"\n";
    let gateway = Gateway::with(limits);
    gateway.enrol("user/alice", &["--role", "operator"]);
    let backend = Backend::tcp(Kind::Echo);
    gateway.declare("box/tcp", backend.url());

    // Whoever says nothing is not waited for.
    let silent = TcpStream::connect(gateway.listen).unwrap();
    silent.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut rest = Vec::new();
    // An end, or a reset: not a timeout.
    if let Err(error) = (&silent).read_to_end(&mut rest) {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }
    // Strangers ask more than they have turns for within five seconds; the owner, from the same
    // address, is answered.
    let ask = || curl(gateway.management, None, &[], "/v1/status").0;
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let asked: Vec<_> = (0..100).map(|_| scope.spawn(ask)).collect();
        asked.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert!(statuses.contains(&401) && statuses.contains(&429), "{statuses:?}");
    gateway.owner(&["status"]);
    // At most a quarter of all connections is one network's.
    let held: Vec<TcpStream> =
        (0..64).map(|_| TcpStream::connect(gateway.listen).unwrap()).collect();
    std::thread::sleep(Duration::from_millis(200));
    let open = held.iter().filter(|stream| {
        stream.set_nonblocking(true).unwrap();
        let read = (&mut &**stream).read(&mut [0; 1]);
        matches!(read, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
    });
    let open = open.count();
    assert!((1..=16).contains(&open), "{open} are open");
    drop(held);
    // Their places are free again when the gateway has seen that they are gone.
    let patience = Instant::now() + PATIENCE;
    while is_turned_away(gateway.listen) {
        assert!(Instant::now() < patience, "the places are not given back");
        std::thread::sleep(Duration::from_millis(50));
    }

    // Two flows of one subject, and not a third.
    let alice = gateway.identity("alice");
    let client =
        Client::new(gateway.listen, &alice.join("ca.pem"), Some(Credentials::read(&alice)));
    let name = format!("tcp--box.{DOMAIN}");
    let mut flows = Vec::new();
    for _ in 0..2 {
        let mut stream = client.connect(&name).await.unwrap();
        stream.read_u8().await.unwrap();
        flows.push(stream);
    }
    let mut third = client.connect(&name).await.unwrap();
    assert_eq!(read_all(&mut third).await, (vec![], false));
    // A flow that says nothing either way ends, and is not taken for complete.
    for mut stream in flows {
        assert!(!read_all(&mut stream).await.1);
    }
    gateway.await_record("an idle flow", |record| {
        record["event"] == "flow-end" && record["reason"] == "idle"
    });
    gateway.await_record("the one too many", |record| record["event"] == "flow-refused");
    // What strangers did is counted, once they have been quiet for a while or at the stop.
}

/// A gateway whose data directory lies on a small disk of its own, which outlives the gateway's
/// process.
struct SmallDisk {
    gateway: Gateway,
    /// Keeps the disk mounted in a mount namespace of its own.
    keeper: Child,
    /// Its data directory, seen from outside.
    data: PathBuf,
}

impl SmallDisk {
    fn new(gateway: Gateway) -> Self {
        let mut unshare = Command::new(program("unshare"));
        if rustix::process::geteuid().is_root() {
            unshare.arg("-m");
        } else {
            unshare.arg("-rm");
        }
        let script = "mkdir -p \"$0\" && mount -t tmpfs -o size=40m,mode=700 none \"$0\" && \
                      touch \"$0/../mounted\" && exec sleep 3600";
        let keeper = unshare.args(["sh", "-c", script]).arg(gateway.data()).spawn().unwrap();
        wait_until("the disk is mounted", || gateway.dir().join("mounted").exists());
        let data = gateway.data();
        let data = PathBuf::from(format!("/proc/{}/root{}", keeper.id(), data.display()));
        Self { gateway, keeper, data }
    }

    /// Returns a command that runs another one where the disk is mounted.
    fn inside(&self, inner: &Command) -> Command {
        let mut nsenter = Command::new(program("nsenter"));
        nsenter.args(["-t", &self.keeper.id().to_string(), "-m"]);
        if !rustix::process::geteuid().is_root() {
            nsenter.args(["-U", "--preserve-credentials"]);
        }
        nsenter.arg(inner.get_program()).args(inner.get_args());
        nsenter
    }

    fn serve(&mut self) {
        let command = self.inside(&self.gateway.serve_command());
        self.gateway.serve_by(command);
    }

    /// Fills what is left of the disk to the last byte; returns the file that did.
    fn fill(&self, name: &str) -> PathBuf {
        let path = self.data.join(name);
        let mut file = fs::File::create(&path).unwrap();
        for size in [1 << 16, 1 << 10, 1] {
            while file.write_all(&vec![0x55; size]).is_ok() {}
        }
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}

#[tokio::test]
async fn on_a_full_disk_flows_are_refused_and_an_administrator_makes_room() {
    let mut disk = SmallDisk::new(Gateway::unclaimed(""));
    disk.serve();
    let gateway = &disk.gateway;
    gateway.claim();
    gateway.enrol("user/alice", &["--role", "operator"]);
    gateway.enrol("user/bob", &[]);
    gateway.enrol("user/carol", &[]);
    gateway.enrol("device/spy", &[]);
    let backend = Backend::tcp(Kind::Echo);
    gateway.declare("box/tcp", backend.url());
    let alice = gateway.identity("alice");
    let client =
        Client::new(gateway.listen, &alice.join("ca.pem"), Some(Credentials::read(&alice)));
    let name = format!("tcp--box.{DOMAIN}");
    let mut live = client.connect(&name).await.unwrap();
    live.read_u8().await.unwrap();

    // Until nothing can be recorded any more, not even after the reserve has been given up.
    let mut fillers = vec![];
    let mut refused = false;
    for round in 0..200 {
        fillers.push(disk.fill(&format!("filler-{round}")));
        let mut stream = client.connect(&name).await.unwrap();
        let mut byte = [0];
        let read = tokio::time::timeout(PATIENCE, stream.read(&mut byte)).await.unwrap();
        if !matches!(read, Ok(1)) {
            refused = true;
            break;
        }
    }
    assert!(refused, "flows go on unrecorded");
    let seen = backend.saw();
    let mut stream = client.connect(&name).await.unwrap();
    assert_eq!(read_all(&mut stream).await, (vec![], false));
    assert_eq!(backend.saw(), seen, "a flow that cannot be recorded reaches no backend");
    // The owner still sees how it is, takes rights away, and makes room in the log: for that, room
    // was kept, which nobody else has used.
    assert!(gateway.owner(&["status"]).contains("degraded"));
    gateway.owner(&["user", "disable", "bob"]);
    gateway.owner(&["device", "revoke", "spy"]);
    gateway.owner(&["audit", "prune", "--before", "2020-01-01T00:00:00Z"]);
    for number in 0..20 {
        gateway.owner(&["user", "disable", if number % 2 == 0 { "bob" } else { "carol" }]);
    }
    assert_eq!(gateway.run("owner", &["user", "add", "dave"]).status, Some(1));
    // What runs goes on.
    live.write_all(b"still here").await.unwrap();
    let mut answer = vec![0; 22 + 10];
    tokio::time::timeout(PATIENCE, live.read_exact(&mut answer)).await.unwrap().unwrap();
    assert!(answer.ends_with(b"still here"));

    // Room is made, and everything goes on.
    for filler in &fillers {
        fs::remove_file(filler).unwrap();
    }
    let patience = Instant::now() + PATIENCE;
    loop {
        let mut stream = client.connect(&name).await.unwrap();
        if matches!(tokio::time::timeout(PATIENCE, stream.read(&mut [0])).await.unwrap(), Ok(1)) {
            break;
        }
        assert!(Instant::now() < patience, "it does not recover: {}", gateway.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    // It is told a moment after the first flow was let in.
    wait_until("all is well", || gateway.owner_json(&["status"])["state"] == "ok");
    // Nothing that was acknowledged is gone.
    let users = gateway.owner_json(&["user", "list"]);
    assert_eq!(users.as_array().unwrap().len(), 4);
    gateway.await_record("the live flow", |record| record["event"] == "flow-open");
}

#[tokio::test]
async fn a_gateway_starts_on_a_full_disk_and_an_administrator_makes_room() {
    for clean in [true, false] {
        let mut disk = SmallDisk::new(Gateway::unclaimed(""));
        disk.serve();
        disk.gateway.claim();
        disk.gateway.enrol("user/alice", &["--role", "operator"]);
        disk.gateway.enrol("device/spy", &[]);
        let backend = Backend::tcp(Kind::Download(10));
        disk.gateway.declare("box/http", backend.url());
        flow_of(&disk.gateway).ok();
        let before = backend.saw();
        let stop = |disk: &mut SmallDisk| {
            if clean {
                disk.gateway.stop();
            } else {
                disk.gateway.kill();
            }
        };
        stop(&mut disk);
        let filler = disk.fill("filler");
        // The second time, there is no reserve left to release.
        for round in 0..2 {
            disk.serve();
            assert_eq!(flow_of(&disk.gateway).status, Some(1), "{clean} {round}");
            assert_eq!(disk.gateway.run("owner", &["user", "add", "dave"]).status, Some(1));
            assert!(disk.gateway.owner(&["status"]).contains("degraded"));
            assert!(!disk.data.join("reserve").exists(), "{}", disk.gateway.log());
            disk.gateway.owner(&["user", "disable", "alice"]);
            disk.gateway.owner(&["device", "revoke", "spy"]);
            disk.gateway.owner(&["audit", "prune", "--before", "2020-01-01T00:00:00Z"]);
            stop(&mut disk);
        }
        assert_eq!(backend.saw(), before, "no flow has passed");

        // An owner who has lost the identity gets a code.
        let mut recover = doorward();
        recover.args(["recover", "--data"]).arg(disk.gateway.data());
        let mut recover = disk.inside(&recover);
        Ran::of(recover.output().unwrap()).ok();
        assert!(fs::metadata(disk.data.join("claim-code")).unwrap().len() > 0);

        // With nothing to release, the start says what is full, and what to do.
        let rest = disk.fill("rest");
        let started = disk.inside(&disk.gateway.serve_command()).output().unwrap();
        let complaint = Ran::of(started).failed();
        assert!(complaint.contains("the disk is full"), "{complaint}");

        fs::remove_file(filler).unwrap();
        fs::remove_file(rest).unwrap();
        disk.serve();
        disk.gateway.owner(&["user", "enable", "alice"]);
        assert!(disk.data.join("reserve").exists());
        flow_of(&disk.gateway).ok();
        wait_until("all is well", || disk.gateway.owner_json(&["status"])["state"] == "ok");
        disk.gateway.owner(&["user", "add", "dave"]);
    }
}

/// Fills the audit log of a gateway that does not run up to so many bytes, with records of long
/// ago.
async fn fill_log(gateway: &Gateway, bytes: i64) {
    let file = gateway.data().join("audit.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
    let mut connection = options.connect().await.unwrap();
    let record = serde_json::json!({
        "at": "2020-01-01T00:00:00Z", "event": "flow-refused", "detail": "x".repeat(800),
    });
    loop {
        let used = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
        let used: i64 = sqlx::query_scalar(used).fetch_one(&mut connection).await.unwrap();
        if used >= bytes {
            break;
        }
        sqlx::query("INSERT INTO records (at, record) VALUES (1577836800000000, ?)")
            .bind(record.to_string())
            .execute(&mut connection)
            .await
            .unwrap();
    }
    connection.close().await.unwrap();
}

#[tokio::test]
async fn a_full_audit_log_refuses_flows_until_it_is_pruned() {
    const MOST: i64 = 1 << 20;
    for full in [MOST / 32 * 30, MOST] {
        let mut gateway = Gateway::with(&format!("[audit]\nmax-bytes = {MOST}\n"));
        gateway.enrol("user/alice", &["--role", "operator"]);
        gateway.enrol("device/spy", &[]);
        let backend = Backend::tcp(Kind::Download(10));
        gateway.declare("box/http", backend.url());
        flow_of(&gateway).ok();
        let before = backend.saw();
        gateway.stop();
        fill_log(&gateway, full).await;
        // It starts all the same, and says what is wrong.
        gateway.serve();
        wait_until("it is said", || gateway.owner_json(&["status"])["state"] == "degraded");
        let said = gateway.owner_json(&["status"])["conditions"].to_string();
        assert!(said.contains("audit log") && said.contains("prune"), "{said}");
        assert!(gateway.owner(&["status"]).contains("degraded"));
        assert_eq!(flow_of(&gateway).status, Some(1));
        assert_eq!(backend.saw(), before);
        // What changes something has room for longer, and none at the cap; what takes rights away
        // and what makes room always has.
        let changed = gateway.run("owner", &["user", "add", "bob"]);
        assert_eq!(changed.status, Some(i32::from(full == MOST)), "{changed:?}");
        gateway.owner(&["device", "disable", "spy"]);
        gateway.owner(&["device", "revoke", "spy"]);
        gateway.owner(&["audit", "prune", "--before", "2021-01-01T00:00:00Z"]);
        flow_of(&gateway).ok();
        wait_until("all is well", || gateway.owner_json(&["status"])["state"] == "ok");
        gateway.owner(&["user", "add", "carol"]);
    }
}

fn flow_of(gateway: &Gateway) -> Ran {
    let mut connect = agent();
    connect.args(["connect", "box/http", "--stdio", "--dir"]).arg(gateway.identity("alice"));
    Ran::fed(connect, b"GET / HTTP/1.1\r\n\r\n")
}

#[test]
fn a_stop_is_graceful_and_leaves_every_flow_recorded() {
    let mut gateway = Gateway::with("[stop]\ngrace = \"300ms\"\n");
    gateway.enrol("user/alice", &["--role", "operator"]);
    let backend = Backend::tcp(Kind::Endless);
    gateway.declare("box/http", backend.url());
    let mut connect = agent();
    connect.args(["connect", "box/http", "--stdio", "--dir"]).arg(gateway.identity("alice"));
    let mut child = connect
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut [0; 4096]).unwrap();
    let reader = std::thread::spawn(move || drop(std::io::copy(&mut out, &mut std::io::sink())));
    assert_eq!(gateway.stop(), Some(0));
    let ran = Ran::of(child.wait_with_output().unwrap());
    reader.join().unwrap();
    assert_eq!(ran.status, Some(1), "a cut is no clean end: {ran:?}");
    gateway.serve();
    let ended = gateway.await_record("the flow's end", |record| record["event"] == "flow-end");
    assert_eq!(ended["reason"], "gateway-stopping", "{ended}");
    gateway.await_record("the stop", |record| record["event"] == "stop");

    // One that is killed has no end on record, and the log still reads.
    gateway.kill();
    gateway.serve();
    gateway.owner(&["audit", "tail"]);
    let child = gateway.process();
    signal(child, "INT");
    let patience = Instant::now() + PATIENCE;
    while TcpStream::connect(gateway.listen).is_ok() {
        assert!(Instant::now() < patience, "it does not stop");
        std::thread::sleep(Duration::from_millis(10));
    }
}
