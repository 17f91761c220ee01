//! `serve --demo`, as somebody tries it who has just built it: what it prints is pasted.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use doorward_tests::Ran;
use doorward_tests::gateway::{doorward, signal};
use serde_json::Value;

struct Demo {
    child: Child,
    dir: tempfile::TempDir,
    text: String,
}

impl Demo {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        let mut command = doorward();
        command.args(["serve", "--demo", "--listen", "127.0.0.1:0"]);
        command.args(["--management", "127.0.0.1:0"]);
        // Its temporary directory lies in ours, so that its end can be seen.
        command.env("TMPDIR", dir.path()).stdout(fs::File::create(&out).unwrap());
        command.stderr(fs::File::create(dir.path().join("err")).unwrap());
        let child = command.spawn().unwrap();
        let mut demo = Self { child, dir, text: String::new() };
        let patience = Instant::now() + Duration::from_secs(30);
        while !demo.text.contains("Press Ctrl-C") {
            let err = fs::read_to_string(demo.dir.path().join("err")).unwrap();
            assert!(Instant::now() < patience, "{}{err}", demo.text);
            std::thread::sleep(Duration::from_millis(10));
            demo.text = fs::read_to_string(&out).unwrap();
        }
        demo
    }

    /// The printed commands that hold all of these words.
    fn commands(&self, words: &[&str]) -> Vec<&str> {
        let lines = self.text.lines().filter(|line| !line.starts_with('#'));
        lines.filter(|line| words.iter().all(|word| line.contains(word))).collect()
    }

    /// Pastes the one command that holds these words.
    fn paste(&self, words: &[&str]) -> Ran {
        let commands = self.commands(words);
        assert_eq!(commands.len(), 1, "{words:?}: {}", self.text);
        // As in one terminal: what was exported before still holds.
        let exported = self.commands(&["export "])[0];
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!("{exported}\n{}", commands[0])).stdin(Stdio::null());
        Ran::of(shell.output().unwrap())
    }

    /// The record of a request, by the id that its answer carried.
    fn record(&self, answer: &str) -> Value {
        let head = answer.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("Doorward-Request-Id").then(|| value.trim().to_owned())
        });
        let id = head.expect("an id");
        let tail = self.commands(&["audit tail"])[0];
        let exported = self.commands(&["export "])[0];
        let script = format!("{exported}\n{tail}\n{tail} --flow {id} --json");
        let ran = Ran::of(Command::new("sh").arg("-c").arg(script).output().unwrap());
        let out = ran.ok();
        assert!(out.lines().any(|line| line.contains(&format!("id={id}"))), "{id}: {out}");
        let json = out.lines().find(|line| line.starts_with('{')).expect("a record");
        serde_json::from_str(json).unwrap()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn what_the_demonstration_prints_does_what_it_says() {
    let mut demo = Demo::start();
    // By name: one is let in, one is refused.
    let direct = ["curl -sS --connect-to"];
    let allowed = demo.paste(&[direct[0], "/api/temperature"]).ok();
    let reading: Value = serde_json::from_str(&allowed).expect("a temperature");
    assert!(reading.to_string().contains("celsius"), "{reading}");
    let refused = demo.paste(&[direct[0], "/api/setpoint"]).ok();
    assert!(refused.contains("\"status\":403"), "{refused}");

    // Through the proxy: both answers have their record.
    let proxied = "--proxytunnel";
    let allowed = demo.paste(&[proxied, "/api/temperature"]).ok();
    assert!(allowed.contains("celsius") && allowed.contains("HTTP/1.1 200"), "{allowed}");
    let record = demo.record(&allowed);
    assert_eq!((&record["event"], &record["device"]), (&"flow-open".into(), &"thermostat".into()));
    let refused = demo.paste(&[proxied, "/api/setpoint"]).ok();
    assert!(refused.contains("HTTP/1.1 403"), "{refused}");
    let record = demo.record(&refused);
    assert_eq!(record["event"], "operation-refused");
    assert_eq!(
        (&record["device"], &record["path"]),
        (&"thermostat".into(), &"http/api/setpoint".into())
    );

    let openssl = demo.paste(&["| openssl s_client"]).ok();
    assert!(openssl.contains("celsius"), "{openssl}");
    // It ends its side as soon as it has asked, and is answered all the same, every time.
    for _ in 0..20 {
        let agent = demo.paste(&["thermostat/http --stdio"]).ok();
        assert!(agent.contains("celsius"), "{agent}");
    }
    for _ in 0..5 {
        let read = demo.paste(&["plc-3/modbus --stdio", r"\6\1\3"]).ok();
        assert_eq!(
            read.split_whitespace().collect::<String>(),
            "000100000007010304".to_owned() + "0064006e"
        );
        let written = demo.paste(&["plc-3/modbus --stdio", r"\6\1\6"]).ok();
        assert_eq!(written.split_whitespace().collect::<String>(), "000200000003018602");
    }
    let console = demo.paste(&["printf 'status"]);
    assert!(console.out.contains("heating is on"), "{console:?}");
    assert_eq!(demo.commands(&["thermostat/console --observe"]).len(), 1);
    let listen = demo.commands(&["--listen unix:"])[0];
    assert!(listen.ends_with(".sock"), "{listen}");
    assert!(demo.paste(&["session list"]).ok().contains("user/owner"));
    assert_eq!(demo.paste(&["policy check", " read "]).status, Some(0));
    assert_eq!(demo.paste(&["policy check", " write "]).status, Some(3));
    demo.paste(&["user revoke alice"]).ok();
    let refused = demo.paste(&[direct[0], "/api/temperature"]);
    assert!(refused.status != Some(0) && refused.out.is_empty(), "{refused:?}");

    // Everything is gone when it ends.
    let temporary = || {
        let entries = fs::read_dir(demo.dir.path()).unwrap().flatten();
        entries.filter(|entry| entry.path().is_dir()).count()
    };
    assert_eq!(temporary(), 1);
    signal(&demo.child, "INT");
    assert!(demo.child.wait().unwrap().success());
    assert_eq!(temporary(), 0);
}

#[test]
fn a_demonstration_that_is_kept_can_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let run = |text: &str| {
        let mut command = doorward();
        command.args(["serve", "--demo", "--listen", "127.0.0.1:0"]);
        command.args(["--management", "127.0.0.1:0", "--data"]).arg(&data);
        let out = dir.path().join("out");
        command.stdout(fs::File::create(&out).unwrap()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let patience = Instant::now() + Duration::from_secs(30);
        let printed = loop {
            let printed = fs::read_to_string(&out).unwrap();
            if printed.contains("Press Ctrl-C") {
                break printed;
            }
            assert!(Instant::now() < patience, "{printed}");
            std::thread::sleep(Duration::from_millis(10));
        };
        let line = printed.lines().find(|line| line.contains(text)).unwrap();
        let ran = Ran::of(Command::new("sh").arg("-c").arg(line).output().unwrap());
        signal(&child, "TERM");
        assert!(child.wait().unwrap().success());
        ran
    };
    for _ in 0..2 {
        assert!(run("https://http--thermostat").ok().contains("celsius"));
    }
}
