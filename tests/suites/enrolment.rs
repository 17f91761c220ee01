//! How identities come to be: codes, crashes, claims, renewals.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use doorward_model::{Code, Fingerprint, Method, Secret};
use doorward_tests::gateway::{agent, doorward, signal};
use doorward_tests::tools::program;
use doorward_tests::{Gateway, Ran};

/// How many enrolments are made under fire.
fn rounds() -> usize {
    std::env::var("ENROLMENTS").ok().and_then(|text| text.parse().ok()).unwrap_or(200)
}

fn enroll(code: &str, dir: &Path) -> Command {
    let mut command = agent();
    command.args(["enroll", code, "--dir"]).arg(dir);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(mut command: Command) -> Ran {
    Ran::of(command.output().unwrap())
}

/// The serial number of the leaf in an identity directory, as OpenSSL reads it.
fn serial(dir: &Path) -> String {
    let mut openssl = Command::new(program("openssl"));
    openssl.args(["x509", "-noout", "-serial", "-in"]).arg(dir.join("cert.pem"));
    let out = run(openssl).ok();
    out.trim().strip_prefix("serial=").unwrap().to_lowercase()
}

/// The serial numbers of a device's certificates, as the gateway has them.
fn known_serials(gateway: &Gateway, device: &str) -> Vec<String> {
    let shown = gateway.owner_json(&["device", "show", device]);
    let certificates = shown["certificates"].as_array().unwrap().iter();
    certificates.map(|one| one["serial"].as_str().unwrap().to_owned()).collect()
}

fn add(gateway: &Gateway, device: &str) -> String {
    gateway.code(&["device", "add", device])
}

/// A code with something else in one of its parts, and a check that is right.
fn altered(code: &str, alter: impl FnOnce(&mut Code)) -> String {
    let mut code: Code = code.parse().unwrap();
    alter(&mut code);
    code.reveal()
}

fn other_secret(code: &mut Code) {
    let mut secret = code.secret.expose().to_vec();
    secret[0] ^= 1;
    code.secret = Secret::new(secret);
}

/// Numbers that look random, from a seed that a failure prints.
struct Dice(u64);

impl Dice {
    fn new() -> Self {
        let seed = std::env::var("SEED").ok().and_then(|text| text.parse().ok());
        let seed = seed.unwrap_or_else(|| u64::from(std::process::id()) << 20 | 1);
        eprintln!("SEED={seed}");
        Self(seed)
    }

    /// One below `bound`.
    fn below(&mut self, bound: u64) -> u64 {
        // xorshift64
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// What stands in a directory of a device that has been enrolled.
fn is_whole(dir: &Path) -> bool {
    ["key.pem", "cert.pem", "ca.pem", "gateway.json"].iter().all(|name| dir.join(name).exists())
}

fn finish(child: Child) -> Ran {
    Ran::of(child.wait_with_output().unwrap())
}

#[test]
fn whatever_is_killed_no_certificate_is_lost_and_no_code_serves_two_keys() {
    let mut gateway = Gateway::start();
    let mut dice = Dice::new();
    let all: Vec<(String, String)> = (0..rounds())
        .map(|number| {
            let device = format!("d{number}");
            let code = add(&gateway, &device);
            (device, code)
        })
        .collect();
    let mut killed = [0; 2];
    let mut acknowledged: Vec<(PathBuf, String)> = Vec::new();
    for (number, (device, code)) in all.iter().enumerate() {
        let dirs = [gateway.identity(device), gateway.identity(&format!("{device}-rival"))];
        // Two keys for one code, at once in every fourth round.
        let rivals = if number % 4 == 0 { 2 } else { 1 };
        let mut children: Vec<Child> =
            dirs.iter().take(rivals).map(|dir| enroll(code, dir).spawn().unwrap()).collect();
        std::thread::sleep(Duration::from_micros(dice.below(60_000)));
        match dice.below(4) {
            0 | 1 => {
                gateway.kill();
                killed[0] += 1;
            }
            2 => {
                children[0].kill().unwrap();
                killed[1] += 1;
            }
            _ => {}
        }
        let first: Vec<bool> =
            children.into_iter().map(|child| finish(child).status == Some(0)).collect();
        assert!(first.iter().filter(|won| **won).count() <= 1, "{device}: two keys, one code");
        if first.iter().any(|won| *won) {
            let winner = &dirs[first.iter().position(|won| *won).unwrap()];
            acknowledged.push((winner.clone(), serial(winner)));
        }
        if !gateway.runs() {
            gateway.serve();
        }
        // Every retry goes on until the gateway has said yes or no: one of the keys gets it,
        // whichever was served, and the other never.
        let again: Vec<Ran> = dirs.iter().take(rivals).map(|dir| run(enroll(code, dir))).collect();
        let won: Vec<usize> = (0..rivals).filter(|which| again[*which].status == Some(0)).collect();
        assert_eq!(won.len(), 1, "{device}: {again:?}");
        let winner = &dirs[won[0]];
        assert!(is_whole(winner), "{device}");
        if rivals == 2 {
            assert!(!is_whole(&dirs[1 - won[0]]), "{device}: the loser has an identity");
        }
        if let Some((dir, before)) = acknowledged.last()
            && dirs.contains(dir)
        {
            assert_eq!((dir, before), (winner, &serial(winner)), "{device} was served twice");
        }
        // And once more with the same key, asking the gateway: the same certificate.
        let mut once_more = enroll(code, winner);
        once_more.arg("--replace");
        let before = serial(winner);
        run(once_more).ok();
        assert_eq!(before, serial(winner));
        assert_eq!(known_serials(&gateway, device), [before]);
    }
    eprintln!(
        "{} enrolments; the gateway was killed {} times, the agent {} times; {} were acknowledged \
         at the first try",
        all.len(),
        killed[0],
        killed[1],
        acknowledged.len()
    );
    // At the end, everything that was ever acknowledged is still there, after one more crash.
    gateway.kill();
    gateway.serve();
    for (device, _) in &all {
        let (dir, rival) = (gateway.identity(device), gateway.identity(&format!("{device}-rival")));
        let dir = if is_whole(&dir) { dir } else { rival };
        assert_eq!(known_serials(&gateway, device), [serial(&dir)]);
    }
}

#[test]
fn ten_who_race_for_one_code_get_one_certificate() {
    let mut gateway = Gateway::start();
    let code = add(&gateway, "raced");
    let dirs: Vec<PathBuf> = (0..10).map(|n| gateway.identity(&format!("racer-{n}"))).collect();
    let racers: Vec<Child> = dirs.iter().map(|dir| enroll(&code, dir).spawn().unwrap()).collect();
    let ran: Vec<Ran> = racers.into_iter().map(finish).collect();
    let won: Vec<usize> = (0..10).filter(|which| ran[*which].status == Some(0)).collect();
    assert_eq!(won.len(), 1, "{ran:?}");
    assert_eq!(known_serials(&gateway, "raced"), [serial(&dirs[won[0]])]);
    for (which, loser) in ran.iter().enumerate().filter(|(which, _)| *which != won[0]) {
        assert_eq!(loser.status, Some(1), "{loser:?}");
        assert!(loser.err.contains("The code is not good"), "{loser:?}");
        assert!(!is_whole(&dirs[which]));
    }

    // Ten with one key: a device whose tries cross each other. All get the one certificate.
    let code = add(&gateway, "crossed");
    gateway.kill();
    let first = gateway.identity("crossed-0");
    run(enroll(&code, &first)).failed();
    gateway.serve();
    let dirs: Vec<PathBuf> = (0..10).map(|n| gateway.identity(&format!("crossed-{n}"))).collect();
    for dir in &dirs[1..] {
        fs::create_dir_all(dir.join(".enrol")).unwrap();
        for file in fs::read_dir(first.join(".enrol")).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), dir.join(".enrol").join(file.file_name())).unwrap();
        }
    }
    let racers: Vec<Child> = dirs.iter().map(|dir| enroll(&code, dir).spawn().unwrap()).collect();
    racers.into_iter().for_each(|racer| {
        finish(racer).ok();
    });
    let one = serial(&first);
    assert!(dirs.iter().all(|dir| serial(dir) == one));
    assert_eq!(known_serials(&gateway, "crossed"), [one]);
}

#[test]
fn a_code_that_is_no_good_gives_nothing_and_spoils_nothing() {
    let gateway = Gateway::start();
    let good = add(&gateway, "plc");
    let dir = gateway.identity("plc");
    let refuse = |code: &str, why: &str| {
        let ran = run(enroll(code, &dir));
        let complaint = ran.failed();
        assert!(complaint.contains(why), "{code}: {complaint}");
        assert_eq!(complaint.lines().count(), 1, "{complaint}");
        assert!(!is_whole(&dir), "{code}");
    };

    for end in [0, 1, 4, 20, good.len() / 2, good.len() - 1] {
        refuse(&good[..end], if end < 4 { "begins with dw1." } else { "incomplete or mistyped" });
    }
    // Every single character, changed.
    for at in 0..good.len() {
        let mut bytes = good.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let parsed: Result<Code, _> = String::from_utf8(bytes).unwrap().parse();
        assert!(parsed.is_err(), "character {at}");
    }
    refuse(&format!("{good}{good}"), "incomplete or mistyped");
    refuse(&altered(&good, other_secret), "The code is not good");
    // A code for a person is none for an owner, even if it says so.
    let claim = altered(&good, |code| code.method = Method::Claim);
    refuse(&claim, "The code is not good");
    let mut command = doorward();
    command.args(["claim", &claim, "--dir"]).arg(&dir);
    assert!(run(command).failed().contains("The code is not good"));
    // Whoever answers at the address is not whom the code names.
    refuse(&altered(&good, |code| code.anchor = Fingerprint::new([7; 32])), "");
    refuse(&altered(&good, |code| code.url = "https://127.0.0.1:1".to_owned()), "was not reached");
    refuse(&altered(&good, |code| code.url = "ftp://127.0.0.1".to_owned()), "not a gateway's URL");
    // Not over a name that leads elsewhere, nor with anything hostile in it.
    let hostile = altered(&good, |code| code.url = "https://\x1b[31m\u{202e}x:1".to_owned());
    let complaint = run(enroll(&hostile, &dir)).failed();
    assert!(!complaint.contains(['\x1b', '\u{202e}']), "{complaint:?}");

    // After all that it is still good, once.
    run(enroll(&good, &dir)).ok();
    let other = gateway.identity("other");
    let used = run(enroll(&good, &other)).failed();
    assert!(used.contains("The code is not good"), "{used}");
    assert!(!is_whole(&other));
    // The holder of the key may ask again; an identity that is there is not given up by chance.
    run(enroll(&good, &dir)).ok();
    let fresh = gateway.code(&["device", "code", "plc"]);
    let kept = run(enroll(&fresh, &dir)).failed();
    assert!(kept.contains("holds an identity already; add --replace"), "{kept}");

    // Cancelled by a newer one, by removal, by the subject being off.
    let newer = gateway.code(&["device", "code", "plc"]);
    assert!(run(enroll(&fresh, &other)).failed().contains("The code is not good"));
    gateway.owner(&["device", "disable", "plc"]);
    assert!(run(enroll(&newer, &other)).failed().contains("The code is not good"));
    gateway.owner(&["device", "enable", "plc"]);
    gateway.owner(&["device", "remove", "plc"]);
    assert!(run(enroll(&newer, &other)).failed().contains("The code is not good"));

    // Expired: refused from its end on, and the agent says why. The gateway's clock decides.
    let code = gateway.code(&["device", "add", "late", "--ttl", "2s"]);
    let expires = code.parse::<Code>().unwrap().expires;
    while jiff::Timestamp::now() < expires {
        std::thread::sleep(Duration::from_millis(50));
    }
    let late = run(enroll(&code, &other)).failed();
    assert!(late.contains("the code expired at"), "{late}");
    assert!(known_serials(&gateway, "late").is_empty());
    // That somebody tried is on record, with the subject where the code has one.
    gateway.await_record("the expired code", |record| {
        record["event"] == "code-refused" && record["subject"] == "device/late"
    });
    let export = gateway.owner(&["audit", "export"]);
    for code in [&good, &newer, &code] {
        let secret = code.split('.').nth(5).unwrap();
        assert!(!export.contains(secret) && !gateway.log().contains(secret), "a secret was kept");
    }
}

/// What curl gets for a request without an identity.
fn stranger(at: SocketAddr, method: &str, path: &str, body: &str) -> (u16, String) {
    stranger_by("--http2", at, method, path, body)
}

fn stranger_by(
    version: &str,
    at: SocketAddr,
    method: &str,
    path: &str,
    body: &str,
) -> (u16, String) {
    let mut curl = Command::new(program("curl"));
    curl.args(["-sk", version, "-X", method, "-w", "\n%{http_code}", "-d", body]);
    let out = run({
        curl.arg(format!("https://{at}{path}"));
        curl
    });
    let out = out.ok();
    let (body, status) = out.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), body.to_owned())
}

fn claim(code: &str, dir: &Path) -> Ran {
    let mut command = doorward();
    command.args(["claim", code, "--dir"]).arg(dir);
    run(command)
}

#[test]
fn before_an_owner_only_the_claim_is_answered() {
    let mut gateway = Gateway::unclaimed("");
    gateway.serve();
    let code = gateway.owner_code();
    let unclaimed = stranger(gateway.management, "GET", "/", "");
    assert_eq!(unclaimed.0, 503, "{unclaimed:?}");
    assert!(unclaimed.1.contains("owner"), "it says what to do: {unclaimed:?}");
    for place in [gateway.listen, gateway.management] {
        assert_eq!(stranger_by("--http1.1", place, "POST", "/v1/enrol", "{}"), unclaimed);
        for (method, path) in [
            ("GET", "/v1/status"),
            ("GET", "/v1/devices"),
            ("POST", "/v1/devices/plc"),
            ("POST", "/v1/enrol"),
            ("POST", "/v1/renew"),
            ("GET", "/v1/self"),
            ("PUT", "/v1/policies"),
            ("GET", "/v1/nothing"),
        ] {
            let (status, body) = stranger(place, method, path, "{}");
            assert_eq!((status, body), unclaimed, "{method} {path}");
        }
    }
    // Nor is there a door for anybody. What came of it is the same as for an unknown name.
    let mut openssl = Command::new(program("openssl"));
    openssl.args(["s_client", "-quiet", "-connect", &gateway.listen.to_string()]);
    openssl.args(["-servername", "ssh--plc.doorward.home.arpa"]);
    assert_ne!(run(openssl).status, Some(0));

    // Wrong tries wait, each longer than the one before, and leave the owner's code as it is.
    let wrong = altered(&code, other_secret);
    let dir = gateway.identity("owner");
    let begun = Instant::now();
    for _ in 0..5 {
        assert!(claim(&wrong, &dir).failed().contains("The code is not good"));
    }
    let least = Duration::from_millis(100 + 200 + 400 + 800 + 1600);
    assert!(begun.elapsed() >= least, "{:?}", begun.elapsed());
    assert_eq!(gateway.owner_code(), code);
    assert!(!is_whole(&dir));

    // A crash and a restart: a new code; the one before is none any more.
    let second = gateway.owner_code();
    gateway.kill();
    gateway.serve();
    let patience = Instant::now() + Duration::from_secs(10);
    while gateway.owner_code() == second {
        assert!(Instant::now() < patience, "no code after a restart");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(claim(&second, &dir).failed().contains("The code is not good"));

    let third = gateway.owner_code();
    claim(&third, &dir).ok();
    assert_eq!(gateway.owner_json(&["user", "show", "owner"])["roles"][0]["role"], "role/owner");
    // Once. The same owner may ask again, nobody else.
    claim(&third, &dir).ok();
    assert!(claim(&third, &gateway.identity("thief")).failed().contains("The code is not good"));
    let (status, _) = stranger(gateway.management, "GET", "/v1/status", "");
    assert_eq!(status, 401);
}

#[test]
fn the_owners_code_is_left_in_a_private_file_where_nobody_would_see_it() {
    use std::os::unix::fs::MetadataExt as _;
    let gateway = Gateway::unclaimed("");
    let mut command = gateway.serve_command();
    let args: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
    command = doorward();
    command.args(args.into_iter().filter(|arg| arg != "--print-code"));
    let (out, err) = (gateway.dir().join("o"), gateway.dir().join("e"));
    command.stdout(fs::File::create(&out).unwrap()).stderr(fs::File::create(&err).unwrap());
    let mut child = command.spawn().unwrap();
    let file = gateway.data().join("claim-code");
    let patience = Instant::now() + Duration::from_secs(20);
    while !file.exists() {
        assert!(Instant::now() < patience, "{}", fs::read_to_string(&err).unwrap());
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    let code = fs::read_to_string(&file).unwrap();
    for log in [&out, &err] {
        let log = fs::read_to_string(log).unwrap();
        assert!(!log.contains("dw1."), "{log}");
    }
    // It is said right after.
    while !fs::read_to_string(&err).unwrap().contains("claim-code") {
        assert!(Instant::now() < patience, "{}", fs::read_to_string(&err).unwrap());
        std::thread::sleep(Duration::from_millis(10));
    }

    claim(code.trim(), &gateway.identity("owner")).ok();
    let patience = Instant::now() + Duration::from_secs(10);
    while file.exists() {
        assert!(Instant::now() < patience, "the used code is still there");
        std::thread::sleep(Duration::from_millis(10));
    }
    signal(&child, "TERM");
    assert!(child.wait().unwrap().success());
}

#[test]
fn whoever_has_the_data_directory_can_recover_the_owner() {
    let mut gateway = Gateway::start();
    let recover = |json: bool| {
        let mut command = doorward();
        command.args(["recover", "--print-code", "--data"]).arg(gateway.data());
        if json {
            command.arg("--json");
        }
        run(command)
    };
    let nobody = tempfile::tempdir().unwrap();
    let mut command = doorward();
    command.args(["recover", "--data"]).arg(nobody.path().join("nothing"));
    assert!(run(command).failed().contains("there is no gateway in"));

    // While it runs.
    let old = gateway.identity("owner");
    let code = recover(true).json()["code"].as_str().unwrap().to_owned();
    gateway.owner(&["status"]);
    claim(&code, &gateway.identity("owner-2")).ok();
    // The lost identity is worth nothing from then on.
    assert!(gateway.run("owner", &["status"]).failed().len() > 10);
    gateway.run("owner-2", &["status"]).ok();
    fs::rename(&old, gateway.dir().join("lost")).unwrap();
    fs::rename(gateway.identity("owner-2"), &old).unwrap();
    for event in ["recovery", "alarm"] {
        gateway.await_record(event, |record| record["event"] == event);
    }
    // And while it does not.
    gateway.stop();
    let out = recover_stopped(&gateway);
    let code = out.lines().find(|line| line.starts_with("dw1.claim.")).expect("a code").to_owned();
    gateway.serve();
    claim(&code, &gateway.identity("owner-3")).ok();
    gateway.run("owner-3", &["status"]).ok();
}

#[test]
fn a_code_for_recovery_stays_until_it_is_used() {
    let mut gateway = Gateway::start();
    gateway.stop();
    let mut recover = doorward();
    recover.args(["recover", "--data"]).arg(gateway.data());
    assert!(run(recover).ok().contains("claim-code"));
    let file = gateway.data().join("claim-code");
    let code = fs::read_to_string(&file).unwrap().trim().to_owned();
    gateway.serve();
    gateway.owner(&["status"]);
    assert!(file.exists(), "it was taken away at the start");
    // Nor can a stranger make it worthless.
    for _ in 0..12 {
        let (status, _) =
            stranger(gateway.listen, "POST", "/v1/claim", r#"{"secret":"AAAA","csr":"x"}"#);
        assert_eq!(status, 403);
    }
    claim(&code, &gateway.identity("owner-2")).ok();
    gateway.run("owner-2", &["status"]).ok();
    let patience = Instant::now() + Duration::from_secs(10);
    while file.exists() {
        assert!(Instant::now() < patience, "the used code is still there");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn renewals_that_cross_each_other_leave_an_identity_that_works() {
    let gateway = Gateway::start();
    gateway.enrol("device/plc", &[]);
    let plc = gateway.identity("plc");
    for round in 0..4 {
        let children: Vec<Child> = (0..6)
            .map(|number| {
                let mut command = agent();
                let word = if number % 3 == 0 { "status" } else { "renew" };
                command.arg(word).arg("--dir").arg(&plc);
                if word == "renew" {
                    command.arg("--force");
                }
                command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
            })
            .collect();
        for child in children {
            finish(child).ok();
        }
        assert!(known_serials(&gateway, "plc").contains(&serial(&plc)), "round {round}");
        let mut renew = agent();
        renew.args(["renew", "--force", "--dir"]).arg(&plc);
        run(renew).ok();
    }
}

#[test]
fn renewals_have_their_pace() {
    let gateway = Gateway::start();
    gateway.enrol("device/plc", &[]);
    let plc = gateway.identity("plc");
    let renew = || {
        let mut command = agent();
        command.args(["renew", "--force", "--dir"]).arg(&plc);
        run(command)
    };
    let refused = (0..150).map(|_| renew()).find(|ran| ran.status != Some(0));
    let refused = refused.expect("there is a bound").failed();
    assert!(refused.contains("renewed too often"), "{refused}");
    // What it has is as good as before.
    let mut command = agent();
    command.args(["status", "--json", "--dir"]).arg(&plc);
    assert_eq!(run(command).json()["state"], "live");
}

fn recover_stopped(gateway: &Gateway) -> String {
    let mut command = doorward();
    command.args(["recover", "--print-code", "--data"]).arg(gateway.data());
    run(command).ok()
}

#[test]
fn identities_are_renewed_before_they_end() {
    let gateway = Gateway::with("[certificates]\nuser = \"9s\"\ndevice = \"9s\"\n");
    gateway.enrol("device/plc", &[]);
    let (owner, plc) = (gateway.identity("owner"), gateway.identity("plc"));
    let renew = |args: &[&str]| {
        let mut command = agent();
        command.arg("renew").args(args).arg("--json").arg("--dir").arg(&plc);
        run(command)
    };
    let (first, first_plc) = (serial(&owner), serial(&plc));
    assert_eq!(renew(&[]).json()["renewed"], false);
    assert_eq!(renew(&["--force"]).json()["renewed"], true);
    assert_ne!(serial(&plc), first_plc);
    // The owner does something now and then: the identity renews itself, and lives on past the
    // end of the first.
    let begun = Instant::now();
    let mut seen = vec![first.clone()];
    while begun.elapsed() < Duration::from_secs(12) {
        gateway.owner(&["status"]);
        let now = serial(&owner);
        if !seen.contains(&now) {
            seen.push(now);
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(seen.len() >= 2, "{seen:?}");
    // The device did nothing: it says what to do.
    let late = renew(&[]).failed();
    assert!(!late.is_empty(), "{late}");
    let mut command = agent();
    command.args(["status", "--json", "--dir"]).arg(&plc);
    let shown = run(command);
    assert_eq!(shown.status, Some(1), "{shown:?}");
    let state: serde_json::Value = serde_json::from_str(&shown.out).unwrap();
    assert_eq!(state["state"], "expired");
}

#[test]
fn a_crash_between_the_phases_of_a_renewal_loses_nothing() {
    let mut gateway = Gateway::start();
    gateway.enrol("device/plc", &[]);
    let plc = gateway.identity("plc");
    let renew = || {
        let mut command = agent();
        command.args(["renew", "--force", "--dir"]).arg(&plc);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    let mut dice = Dice::new();
    for round in 0..30 {
        let mut child = renew().spawn().unwrap();
        std::thread::sleep(Duration::from_micros(dice.below(40_000)));
        if round % 3 == 0 {
            gateway.kill();
            finish(child);
            gateway.serve();
        } else {
            child.kill().unwrap();
            finish(child);
        }
        // Whatever happened, what is there works.
        run(renew()).ok();
        assert!(known_serials(&gateway, "plc").contains(&serial(&plc)));
    }
}

#[test]
fn the_gateway_renews_its_own_certificate_without_a_restart() {
    let gateway = Gateway::with("[certificates]\ngateway = \"9s\"\n");
    let shown = |name: &str| {
        let mut openssl = Command::new("sh");
        let (openssl_path, at) = (program("openssl"), gateway.listen);
        openssl.arg("-c").arg(format!(
            "{0} s_client -connect {at} -servername {name} </dev/null 2>/dev/null \
             | {0} x509 -noout -serial",
            openssl_path.display()
        ));
        run(openssl).out
    };
    let before = (shown("doorward.home.arpa"), shown("ssh--plc.doorward.home.arpa"));
    assert!(before.0.starts_with("serial=") && before.1.starts_with("serial="), "{before:?}");
    assert_ne!(before.0, before.1);
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(12) {
        gateway.owner(&["status"]);
        std::thread::sleep(Duration::from_millis(250));
    }
    let after = (shown("doorward.home.arpa"), shown("ssh--plc.doorward.home.arpa"));
    assert!(after.0.starts_with("serial="));
    assert!(before.0 != after.0 && before.1 != after.1, "{before:?} {after:?}");
}
