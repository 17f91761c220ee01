//! A serial line is governed: who watches, who types, and how it is set. A pseudo-terminal
//! stands in for the device; it has no modem lines, which is tolerated.

mod hostile;

use std::io::{BufRead, Read as _, Write as _};
use std::process::{Child, Command, Stdio};

use doorward_tests::Gateway;
use doorward_tests::gateway::Ran;
use doorward_tests::running::{Patient, Pty, line, line_after, say_until_heard, wait_until};
use doorward_tests::tools::{python, script};

const LINES: &str = "[dial]\nserial = [\"/dev/pts/*\"]\n";

/// A gateway with a line at 9600, one who may read, two who may read and write, one who may only
/// write, and one who may do everything.
fn world() -> (Gateway, Pty) {
    let (gateway, pty) = (Gateway::with(LINES), Pty::new());
    gateway.declare("plc/console", &format!("serial:{}?baud=9600", pty.path.display()));
    for user in ["watcher", "typist", "second", "blind", "engineer"] {
        gateway.enrol(&format!("user/{user}"), &[]);
    }
    gateway.rules(RULES);
    (gateway, pty)
}

const RULES: &str = "p, user/watcher, plc, console, read, , allow\n\
                     p, user/typist, plc, console, read|write, , allow\n\
                     p, user/second, plc, console, read|write, , allow\n\
                     p, user/blind, plc, console, write, , allow\n\
                     p, user/engineer, plc, console, *, , allow\n";

fn device_reads(pty: &mut Pty, expected: &str) {
    let mut found = vec![0; expected.len()];
    pty.device.read_exact(&mut found).unwrap();
    assert_eq!(String::from_utf8(found).unwrap(), expected);
}

#[test]
fn one_types_others_watch_and_a_cut_puts_the_line_back() {
    let (gateway, mut pty) = world();
    assert_eq!(pty.speed(), 2400);

    let mut watcher = gateway.connected("watcher", "plc/console", &[]);
    let (mut seen, mut ignored) = (watcher.output(), watcher.input());
    wait_until("the line's settings", || pty.speed() == 9600);
    let mut typist = gateway.connected("typist", "plc/console", &[]);
    let (mut typed, mut typing) = (typist.output(), typist.input());
    typing.write_all(b"status\r").unwrap();
    device_reads(&mut pty, "status\r");
    // Both hear the device; what the watcher says reaches nobody.
    ignored.write_all(b"reboot\r").unwrap();
    pty.device.write_all(b"running\n").unwrap();
    assert_eq!((line(&mut seen), line(&mut typed)), ("running".into(), "running".into()));

    // The writer's place is taken: nobody is let in with less than it wanted.
    for who in ["second", "blind", "engineer"] {
        let mut refused = gateway.connect(who, "plc/console", &[]);
        let error = Ran::of(refused.stdin(Stdio::null()).output().unwrap()).failed();
        assert!(error.contains("another flow already writes"), "{who}: {error}");
        let ended = gateway.await_record("its end", |record| {
            record["event"] == "flow-end" && record["subject"] == format!("user/{who}")
        });
        assert_eq!((&ended["outcome"], &ended["bytes_up"]), (&"failed".into(), &0.into()));
        assert_eq!(ended["reason"], "serial-line-taken");
    }
    // Who wants to read only, is let in beside it.
    let mut observer = gateway.connected("second", "plc/console", &["--observe"]);
    let mut observed = observer.output();
    say_until_heard(&pty.device, "again", &mut observed);
    typing.write_all(b"x").unwrap();
    device_reads(&mut pty, "x");
    pty.device.write_all(b"all hear\n").unwrap();
    assert_eq!(line_after("again", &mut seen), "all hear");
    assert_eq!(line_after("again", &mut observed), "all hear");

    // The right to write is taken away: the writer is cut, the others go on, and the place is
    // free.
    gateway.rules(&RULES.replace("p, user/typist", "p, user/typist-no-more"));
    assert_eq!(typist.ended(), Some(1), "a cut is no success");
    let mut second = gateway.connected("second", "plc/console", &[]);
    second.input().write_all(b"mine").unwrap();
    device_reads(&mut pty, "mine");
    pty.device.write_all(b"still here\n").unwrap();
    assert_eq!(line(&mut seen), "still here");
    assert_eq!(pty.speed(), 9600);

    // The last one leaves, and the line is as it was found.
    for mut flow in [watcher, observer, second] {
        flow.signal("TERM");
        flow.ended();
    }
    wait_until("the first settings", || pty.speed() == 2400);
}

#[test]
fn whoever_may_only_write_gets_nothing_back() {
    let (gateway, mut pty) = world();
    let mut blind = gateway.connected("blind", "plc/console", &[]);
    let (mut got, mut typing) = (blind.output(), blind.input());
    typing.write_all(b"on\r").unwrap();
    device_reads(&mut pty, "on\r");
    pty.device.write_all(b"secret\n").unwrap();
    let mut watcher = gateway.connected("watcher", "plc/console", &[]);
    let mut seen = watcher.output();
    typing.write_all(b"off\r").unwrap();
    device_reads(&mut pty, "off\r");
    // When the watcher has heard this, the other could have heard it as well.
    say_until_heard(&pty.device, "heard", &mut seen);
    gateway.rules(&RULES.replace("user/blind", "user/blind-no-more"));
    assert_eq!(blind.ended(), Some(1));
    let mut rest = Vec::new();
    got.read_to_end(&mut rest).unwrap();
    assert_eq!(String::from_utf8(rest).unwrap(), "");
    drop(typing);
}

/// pyserial, which speaks RFC 2217, at a local port.
fn pyserial(at: std::net::SocketAddr, words: &[&str]) -> Command {
    let mut command = Command::new(python());
    command.arg(script("serial_client.py")).arg(format!("rfc2217://{at}")).args(words);
    command
}

fn what_telnet_escapes_is_whole(client: &mut Child, said: &mut impl BufRead, pty: &mut Pty) {
    client.stdin.as_mut().unwrap().write_all(b"AT\xff\n").unwrap();
    let mut found = [0; 3];
    pty.device.read_exact(&mut found).unwrap();
    assert_eq!(found, *b"AT\xff");
    pty.device.write_all(b"OK\xff\n").unwrap();
    assert_eq!(line(said), "read 4f4bff0a");
}

#[test]
fn pyserial_sets_the_line_if_it_may_and_a_cut_sets_it_back() {
    let (gateway, mut pty) = world();
    let (_listener, at) = gateway.listening("engineer", "plc/console");
    let mut client = pyserial(at, &["38400", "hold"]);
    let mut client = client.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = std::io::BufReader::new(Patient(client.stdout.take().unwrap()));
    assert_eq!(line(&mut said), "open");
    wait_until("the client's speed", || pty.speed() == 38400);
    what_telnet_escapes_is_whole(&mut client, &mut said, &mut pty);
    // Somebody watches while the one who has set the line is cut: it is as declared again.
    let mut watcher = gateway.connected("watcher", "plc/console", &[]);
    say_until_heard(&pty.device, "watched", &mut watcher.output());
    gateway.rules(&RULES.replace("user/engineer", "user/engineer-no-more"));
    wait_until("the declared settings", || pty.speed() == 9600);
    assert_eq!(line_after("read 776174636865640a", &mut said), "cut");
    client.wait().unwrap();
    watcher.signal("TERM");
    watcher.ended();
    wait_until("the first settings", || pty.speed() == 2400);

    // Who may type and not control, types at the line as it is.
    let (_listener, at) = gateway.listening("typist", "plc/console");
    let out = pyserial(at, &["38400", "hold"]).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(said.contains("refused"), "{said}");
    assert_ne!(pty.speed(), 38400);
}

/// The device's line is set through its agent, over either carrier, as if it were the gateway's.
fn behind_an_agent_a_line_is_set_too(transport: &str) {
    let (gateway, mut pty) = (Gateway::start(), Pty::new());
    gateway.enrol("device/plc", &[]);
    gateway.owner(&["interface", "add", "plc/console", "serial+agent:line?baud=9600"]);
    for user in ["watcher", "typist", "engineer"] {
        gateway.enrol(&format!("user/{user}"), &[]);
    }
    let rules: String = RULES
        .lines()
        .filter(|rule| !rule.contains("second") && !rule.contains("blind"))
        .map(|rule| rule.to_owned() + "\n")
        .collect();
    gateway.rules(&rules);
    let path = pty.path.display();
    let config =
        format!("transport = \"{transport}\"\n[interfaces.line]\nurl = \"serial:{path}\"\n");
    let _agent = gateway.agent("plc", &config);
    assert_eq!(gateway.agent_status("plc")["agent"]["state"]["carrier"], transport);

    let mut watcher = gateway.connected("watcher", "plc/console", &[]);
    let mut seen = watcher.output();
    say_until_heard(&pty.device, "tick", &mut seen);
    assert_eq!(pty.speed(), 9600);

    // Who may type and not control, types at the line as it is.
    let (mut listener, at) = gateway.listening("typist", "plc/console");
    let out = pyserial(at, &["38400", "hold"]).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(said.contains("refused"), "{said}");
    assert_eq!(pty.speed(), 9600);
    // A line has no end of its own, so neither has its flow.
    listener.signal("TERM");
    listener.ended();
    gateway.await_record("the writer's place", |record| {
        record["event"] == "flow-end" && record["subject"] == "user/typist"
    });

    let (_listener, at) = gateway.listening("engineer", "plc/console");
    let mut client = pyserial(at, &["38400", "hold"]);
    let mut client = client.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = std::io::BufReader::new(Patient(client.stdout.take().unwrap()));
    assert_eq!(line(&mut said), "open");
    // It is told when that is so, and not before.
    assert_eq!(pty.speed(), 38400);
    what_telnet_escapes_is_whole(&mut client, &mut said, &mut pty);

    // The right is taken away while somebody watches: the line is as it was declared again.
    gateway.rules(&rules.replace("user/engineer", "user/engineer-no-more"));
    wait_until("the declared settings", || pty.speed() == 9600);
    assert_eq!(line(&mut said), "cut");
    client.wait().unwrap();
    pty.device.write_all(b"still here\n").unwrap();
    assert_eq!(line_after("tick", &mut seen), "OK\u{fffd}");
    assert_eq!(line(&mut seen), "still here");
    assert_eq!(pty.speed(), 9600);

    // The last one leaves, and the line is as the agent has found it.
    watcher.signal("TERM");
    watcher.ended();
    wait_until("the first settings", || pty.speed() == 2400);
}

#[test]
fn behind_an_agent_a_line_is_set_too_over_quic() {
    behind_an_agent_a_line_is_set_too("quic");
}

#[test]
fn behind_an_agent_a_line_is_set_too_over_tls() {
    behind_an_agent_a_line_is_set_too("tls");
}

#[test]
fn where_only_some_lines_may_be_written_others_do_not_reach_the_device() {
    let (gateway, mut pty) = world();
    let url = format!("serial:{}?baud=9600&line=show%20*&line=status", pty.path.display());
    gateway.declare("switch/console", &url);
    gateway.rules(&RULES.replace("plc, console", "switch, console"));
    let mut typist = gateway.connected("typist", "switch/console", &[]);
    let (mut told, mut typing) = (typist.output(), typist.input());
    typing.write_all(b"reboot\r\nstatus\r\nsho").unwrap();
    device_reads(&mut pty, "status\r\n");
    assert_eq!(
        (line(&mut told), line(&mut told)),
        ("".into(), "(this line is not permitted)".into())
    );
    typing.write_all(b"w version\rshow \x15reboot\rstatus\r").unwrap();
    device_reads(&mut pty, "show version\rstatus\r");
    assert_eq!(
        (line(&mut told), line(&mut told)),
        ("".into(), "(this line is not permitted)".into())
    );
    pty.device.write_all(b"up\n").unwrap();
    assert_eq!(line(&mut told), "up");
    // What has no end yet, and never gets one.
    typing.write_all(b"show").unwrap();
    drop(typing);
    typist.signal("TERM");
    typist.ended();
    let ended = gateway.await_record("its end", |record| {
        record["event"] == "flow-end" && record["subject"] == "user/typist"
    });
    let detail = ended["detail"].as_str().unwrap();
    assert!(detail.ends_with("lines refused: 2, the last: show \u{15}reboot"), "{detail}");
}

#[test]
fn behind_an_agent_other_lines_do_not_reach_the_device_and_nobody_sets_the_line() {
    let (gateway, mut pty) = (Gateway::start(), Pty::new());
    gateway.enrol("device/plc", &[]);
    let url = "serial+agent:line?baud=9600&line=show%20*";
    gateway.owner(&["interface", "add", "plc/console", url]);
    gateway.enrol("user/engineer", &[]);
    gateway.rules("p, user/engineer, plc, console, *, , allow");
    let config = format!("[interfaces.line]\nurl = \"serial:{}\"\n", pty.path.display());
    let _agent = gateway.agent("plc", &config);
    let (mut listener, at) = gateway.listening("engineer", "plc/console");
    let out = pyserial(at, &["38400", "hold"]).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(said.contains("refused"), "{said}");
    assert_eq!(pty.speed(), 9600);
    listener.signal("TERM");
    listener.ended();
    let ended = |record: &serde_json::Value| record["event"] == "flow-end";
    gateway.await_record("the writer's place", ended);
    let mut typist = gateway.connected("engineer", "plc/console", &[]);
    let (mut told, mut typing) = (typist.output(), typist.input());
    typing.write_all(b"show x\xc4\x8dreboot\rshow a\r").unwrap();
    device_reads(&mut pty, "show a\r");
    assert_eq!(line_after("", &mut told), "(this line is not permitted)");
}
