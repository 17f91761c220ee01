//! Modbus, decided request by request: pymodbus and mbpoll in front, pymodbus behind, over TCP and
//! on a line.

mod hostile;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use doorward_tests::Gateway;
use doorward_tests::gateway::Ran;
use doorward_tests::port;
use doorward_tests::running::{Pty, Running, number, wait_until};
use doorward_tests::tools::{program, python, script};
use serde_json::{Value, json};

const RULES: &str = "p, user/reader, group/devices, modbus/1/holding/0-99, read, , allow\n\
                     p, user/reader, group/devices, modbus/1/input/*, read, , allow\n\
                     p, user/reader, group/devices, modbus/1/device/0-2, read, , allow\n\
                     p, user/writer, group/devices, modbus/1/holding/*, read|write, , allow\n\
                     p, user/writer, group/devices, modbus/1/holding/50-59, write, , deny\n\
                     p, user/writer, group/devices, modbus/1/coil/0-15, *, , allow\n\
                     p, user/service, group/devices, modbus/1/function/8, diagnose, , allow\n\
                     p, user/all, group/devices, modbus/0/holding/*, write, , allow\n\
                     p, user/all, group/devices, modbus/**, *, , allow";

/// pymodbus's device.
struct Device {
    _running: Running,
    log: std::path::PathBuf,
}

impl Device {
    fn start(gateway: &Gateway, kind: &str, place: &str) -> Self {
        let log = gateway.dir().join(format!("device-{}.log", number()));
        std::fs::write(&log, "").unwrap();
        let mut command = Command::new(python());
        command.arg(script("modbus_device.py")).args([kind, place]).arg(&log);
        let running = Running::start(&mut command, log.with_extension("err"));
        Self { _running: running, log }
    }

    fn tcp(gateway: &Gateway) -> (Self, String) {
        let at = port::reserve();
        let device = Self::start(gateway, "tcp", &at.port().to_string());
        wait_until("the device", || port::listens(at));
        (device, format!("modbus://{at}"))
    }

    /// What has reached it, as frames without their transactions.
    fn heard(&self) -> Vec<String> {
        let log = std::fs::read_to_string(&self.log).unwrap();
        log.lines().map(|line| line.get(12..).unwrap_or(line).to_owned()).collect()
    }
}

fn world(url: &str, gateway: &Gateway) {
    gateway.declare("plc/modbus", url);
    for who in ["reader", "writer", "service", "all", "mallory"] {
        gateway.enrol(&format!("user/{who}"), &[]);
    }
    gateway.rules(RULES);
}

/// By which door a client comes.
enum Door {
    Sni,
    Connect,
}

/// What pymodbus is answered to each request.
#[track_caller]
fn asked(gateway: &Gateway, door: &Door, who: &str, requests: &[(&str, Value)]) -> Vec<Value> {
    let mut command = Command::new(python());
    command.arg(script("modbus_client.py"));
    let listener = match door {
        Door::Sni => {
            command.args(["tls", "modbus--plc.doorward.home.arpa"]);
            command.arg(gateway.listen.port().to_string()).arg(gateway.identity(who));
            None
        }
        Door::Connect => {
            let (running, at) = gateway.listening(who, "plc/modbus");
            command.args(["tcp", "-", &at.port().to_string(), "-"]);
            Some(running)
        }
    };
    let answers = told(command, requests);
    drop(listener);
    answers
}

/// What pymodbus is answered, that is started like this.
#[track_caller]
fn told(mut command: Command, requests: &[(&str, Value)]) -> Vec<Value> {
    let lines: Vec<String> =
        requests.iter().map(|(method, arguments)| format!("{method} {arguments}\n")).collect();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.as_mut().unwrap().write_all(lines.concat().as_bytes()).unwrap();
    let out = Ran::of(child.wait_with_output().unwrap()).ok();
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn refused(code: u8) -> Value {
    json!({ "exception": code })
}

fn read(address: u16, count: u16) -> (&'static str, Value) {
    ("read_holding_registers", json!({ "address": address, "count": count, "device_id": 1 }))
}

fn write(address: u16, value: u16) -> (&'static str, Value) {
    ("write_register", json!({ "address": address, "value": value, "device_id": 1 }))
}

#[test]
fn pymodbus_does_what_it_may_and_goes_on_after_a_refusal() {
    let gateway = Gateway::start();
    let (device, url) = Device::tcp(&gateway);
    world(&url, &gateway);
    for door in [Door::Sni, Door::Connect] {
        let before = device.heard().len();
        // Nobody's business: as if there were no such interface.
        let answers = asked(&gateway, &door, "mallory", &[read(0, 1)]);
        assert!(answers[0]["error"].is_string(), "{answers:?}");
        assert_eq!(device.heard().len(), before);

        let read_both = json!({
            "read_address": 10, "read_count": 2, "write_address": 10, "values": [7, 8],
            "device_id": 1
        });
        let requests = [
            read(98, 2),
            read(99, 2),
            read(100, 1),
            write(5, 1),
            ("readwrite_registers", read_both.clone()),
            ("read_input_registers", json!({ "address": 5, "count": 1, "device_id": 1 })),
            ("read_input_registers", json!({ "address": 5, "count": 1, "device_id": 2 })),
            ("read_coils", json!({ "address": 0, "count": 3, "device_id": 1 })),
            ("read_device_information", json!({ "read_code": 1, "object_id": 0, "device_id": 1 })),
            ("diag_query_data", json!({ "msg": "0102", "device_id": 1 })),
            read(0, 3),
        ];
        let answers = asked(&gateway, &door, "reader", &requests[..8]);
        let expected = [
            json!([98, 99]),
            refused(2),
            refused(2),
            refused(2),
            refused(2),
            json!([1005]),
            refused(2),
            refused(2),
        ];
        assert_eq!(answers, expected);
        let heard = device.heard().split_off(before);
        assert_eq!(heard, ["010300620002", "010400050001"], "only what is permitted");

        let answers = asked(&gateway, &door, "reader", &requests[8..9]);
        assert_eq!(answers[0]["0"], "Acme");

        let before = device.heard().len();
        let mask = json!({ "address": 12, "and_mask": 0, "or_mask": 9, "device_id": 1 });
        let mask_denied = json!({ "address": 55, "and_mask": 0, "or_mask": 9, "device_id": 1 });
        let many = json!({ "address": 48, "values": [1, 2, 3], "device_id": 1 });
        let answers = asked(
            &gateway,
            &door,
            "writer",
            &[
                ("readwrite_registers", read_both),
                ("mask_write_register", mask),
                ("mask_write_register", mask_denied),
                ("write_registers", many),
                ("write_coil", json!({ "address": 15, "value": true, "device_id": 1 })),
                ("write_coil", json!({ "address": 16, "value": true, "device_id": 1 })),
                read(10, 3),
                read(50, 1),
            ],
        );
        let expected = [
            json!([7, 8]),
            json!("done"),
            refused(2),
            refused(2),
            json!([true, false, false, false, false, false, false, false]),
            refused(2),
            json!([7, 8, 9]),
            json!([50]),
        ];
        assert_eq!(answers[0], expected[0]);
        assert_eq!(answers[2..4], expected[2..4]);
        assert_eq!(answers[5..], expected[5..]);
        let heard = device.heard().split_off(before);
        let functions: Vec<&str> = heard.iter().map(|frame| &frame[2..4]).collect();
        assert_eq!(functions, ["17", "16", "05", "03", "03"], "{heard:?}");

        // By its number.
        let before = device.heard().len();
        let answers = asked(&gateway, &door, "service", &requests[9..]);
        assert_eq!(answers[1], refused(2));
        assert_ne!(answers[0], refused(1));
        assert_eq!(device.heard().len(), before + 1);
        let answers = asked(&gateway, &door, "reader", &requests[9..]);
        assert_eq!(answers, [refused(1), json!([0, 1, 2])]);
    }
    // The same questions, asked beforehand.
    for (resource, action, status) in [
        ("plc/modbus/1/holding/98-99", "read", 0),
        ("plc/modbus/1/holding/99-100", "read", 3),
        ("plc/modbus/1/holding/5", "write", 3),
        ("plc/modbus/2/input/5", "read", 3),
    ] {
        let check = gateway.run("owner", &["policy", "check", "user/reader", action, resource]);
        assert_eq!(check.status, Some(status), "{check:?}");
    }
    let why = gateway.owner_json(&[
        "policy",
        "explain",
        "user/writer",
        "write",
        "plc/modbus/1/holding/48-50",
    ]);
    assert_eq!((&why["permit"], &why["refusal"]), (&false.into(), &"denied-by-rule".into()));
    let wrong = gateway.run("owner", &["policy", "check", "user/a", "read", "plc/modbus/1/tape/1"]);
    assert_eq!(wrong.status, Some(1), "{wrong:?}");
    // Each is in the log, with what decided.
    let record = gateway.await_record("an operation", |record| {
        record["event"] == "operation-refused" && record["path"] == "modbus/1/holding/99-100"
    });
    assert_eq!((&record["reason"], &record["action"]), (&"no-rule".into(), &"read".into()));
    let record = gateway.await_record("an operation", |record| {
        record["event"] == "operation" && record["path"] == "modbus/1/holding/98-99"
    });
    assert_eq!(record["subject"], "user/reader");
    assert!(record["rules"].as_array().is_some_and(|rules| !rules.is_empty()));
}

/// A device that ignores the unit, and whose tables are views of one memory.
#[test]
fn what_is_denied_by_one_name_is_denied_by_all_names_that_are_declared() {
    let gateway = Gateway::start();
    let (device, url) = Device::tcp(&gateway);
    gateway.declare("plc/plain", &url);
    gateway.declare("plc/units", &format!("{url}?unit=any"));
    gateway.declare("plc/both", &format!("{url}?unit=any&tables=alias"));
    gateway.enrol("user/probe", &[]);
    let rules: Vec<String> = ["plain", "units", "both"]
        .iter()
        .flat_map(|name| {
            [
                format!("p, user/probe, plc, {name}/1/**, *, , allow"),
                format!("p, user/probe, plc, {name}/2/holding/50, *, , deny"),
                format!("p, user/probe, plc, {name}/1/coil/47, *, , deny"),
            ]
        })
        .collect();
    gateway.rules(&rules.join("\n"));
    let (input, coils, bits) = ("read_input_registers", "read_coils", "read_discrete_inputs");
    let at =
        |address: u16, count: u16| json!({ "address": address, "count": count, "device_id": 1 });
    let both = |from: u16, to: u16| {
        let fields = json!({
            "read_address": from, "read_count": 1, "write_address": to, "values": [1],
            "device_id": 1
        });
        ("readwrite_registers", fields)
    };
    // Each with whether it passes at the three.
    let requests = [
        (read(49, 1), [true, true, true]),
        (read(50, 1), [true, false, false]),
        (read(40, 20), [true, false, false]),
        (write(50, 1), [true, false, false]),
        (both(50, 60), [true, false, false]),
        (both(60, 50), [true, false, false]),
        ((input, at(49, 1)), [true, true, true]),
        ((input, at(50, 1)), [true, true, false]),
        // Bit 15 of register 2, and bits 800 to 815 of register 50.
        ((coils, at(46, 1)), [true, true, true]),
        ((coils, at(47, 1)), [false, false, false]),
        ((bits, at(47, 1)), [true, true, false]),
        (read(2, 1), [true, true, false]),
        (read(3, 1), [true, true, true]),
        (write(2, 1), [true, true, false]),
        ((coils, at(799, 1)), [true, true, true]),
        ((coils, at(815, 1)), [true, true, false]),
        ((coils, at(816, 1)), [true, true, true]),
    ];
    for (place, name) in ["plain", "units", "both"].into_iter().enumerate() {
        let (_listener, at) = gateway.listening("probe", &format!("plc/{name}"));
        let before = device.heard().len();
        let mut command = Command::new(python());
        command.arg(script("modbus_client.py"));
        command.args(["tcp", "-", &at.port().to_string(), "-"]);
        let asked: Vec<_> = requests.iter().map(|(request, _)| request.clone()).collect();
        let answers = told(command, &asked);
        for ((request, passes), answer) in requests.iter().zip(&answers) {
            assert_eq!(*answer != refused(2), passes[place], "{name} {request:?}: {answer}");
        }
        let passed = requests.iter().filter(|(_, passes)| passes[place]).count();
        assert_eq!(device.heard().len() - before, passed, "{name}");
    }
    for (resource, status) in [
        ("plc/plain/1/holding/50", 0),
        ("plc/units/1/holding/50", 3),
        ("plc/both/1/input/50", 3),
        ("plc/both/1/coil/800-801", 3),
        ("plc/both/1/fifo/19", 3),
        ("plc/both/1/fifo/51", 0),
    ] {
        let check = gateway.run("owner", &["policy", "check", "user/probe", "read", resource]);
        assert_eq!(check.status, Some(status), "{resource}: {check:?}");
    }
    let ask = ["policy", "explain", "user/probe", "read", "plc/both/1/input/50"];
    let why = gateway.owner_json(&ask);
    assert_eq!((&why["permit"], &why["refusal"]), (&false.into(), &"denied-by-rule".into()));
    let record = gateway.await_record("what was refused", |record| {
        record["event"] == "operation-refused" && record["path"] == "both/1/input/50"
    });
    assert_eq!(record["reason"], "denied-by-rule");
    // What is declared from now on counts from now on.
    let ask = ["policy", "check", "user/probe", "read", "plc/units/1/holding/50"];
    gateway.owner(&["interface", "remove", "plc/units"]);
    gateway.declare("plc/units", &url);
    assert_eq!(gateway.run("owner", &ask).status, Some(0));
}

/// Two lines, and a cable between them.
fn cable() -> (Pty, Pty) {
    let (one, other) = (Pty::new(), Pty::new());
    for (from, to) in [(&one, &other), (&other, &one)] {
        let (mut from, mut to) =
            (from.device.0.try_clone().unwrap(), to.device.0.try_clone().unwrap());
        std::thread::spawn(move || std::io::copy(&mut from, &mut to));
    }
    (one, other)
}

#[test]
fn a_line_is_asked_by_many_and_answers_each() {
    let gateway = Gateway::with("[dial]\nserial = [\"/dev/pts/*\"]\n");
    let (near, far) = cable();
    let device = Device::start(&gateway, "rtu", far.path.to_str().unwrap());
    world(&format!("modbus+serial:{}?baud=9600", near.path.display()), &gateway);
    let up = |requests: &[(&str, Value)]| asked(&gateway, &Door::Connect, "reader", requests);
    // pymodbus takes a while to open its line; until then nobody answers.
    wait_until("the device", || up(&[read(1, 1)]) == [json!([1])]);
    // As long as a flow is there, the line is as it is declared.
    let (_listener, at) = gateway.listening("reader", "plc/modbus");
    let mut held = TcpStream::connect(at).unwrap();
    held.write_all(&[0, 1, 0, 0, 0, 6, 1, 3, 0, 1, 0, 1]).unwrap();
    held.read_exact(&mut [0; 11]).unwrap();
    assert_eq!(near.speed(), 9600);
    let requests = |from: u16| {
        let reads = (0..10).map(|n| read(from + n, 1));
        reads.chain([write(from, 1)]).collect::<Vec<_>>()
    };
    std::thread::scope(|scope| {
        let ask = |door, who, from: u16| {
            let gateway = &gateway;
            scope.spawn(move || asked(gateway, &door, who, &requests(from)))
        };
        let one = ask(Door::Sni, "reader", 10);
        let other = ask(Door::Connect, "writer", 30);
        let (one, other) = (one.join().unwrap(), other.join().unwrap());
        let read = |from: u16| (from..from + 10).map(|n| json!([n])).collect::<Vec<_>>();
        assert_eq!((&one[..10], &one[10]), (&read(10)[..], &refused(2)));
        assert_eq!((&other[..10], &other[10]), (&read(30)[..], &json!([1])));
    });
    // To all units at once; nobody answers, and it is done.
    let all = json!({ "address": 60, "value": 77, "device_id": 0 });
    let ask = json!({ "address": 60, "count": 1, "device_id": 2 });
    let answers = asked(
        &gateway,
        &Door::Sni,
        "all",
        &[("write_register", all.clone()), ("read_holding_registers", ask)],
    );
    assert!(answers[0]["error"].is_string(), "{answers:?}");
    assert_eq!(answers[1], json!([77]));
    let answers = asked(&gateway, &Door::Sni, "writer", &[("write_register", all)]);
    assert_eq!(answers, [refused(2)]);
    // Nobody is there any more: the unit is silent, and the line is as it was found.
    drop((device, held));
    assert_eq!(up(&[read(1, 1)]), [refused(11)]);
    wait_until("the first settings", || near.speed() == 2400);
}

#[test]
fn behind_an_agent_modbus_is_inspected_too_and_mbpoll_knows_no_difference() {
    let gateway = Gateway::start();
    let (device, url) = Device::tcp(&gateway);
    let (near, far) = cable();
    let line = Device::start(&gateway, "rtu", far.path.to_str().unwrap());
    gateway.enrol("device/plc", &[]);
    world("modbus+agent:net", &gateway);
    gateway.owner(&["interface", "add", "plc/line", "modbus+serial+agent:line?baud=9600"]);
    gateway.rules(&format!("{RULES}\n{}", RULES.replace("modbus/", "line/")));
    let config = format!(
        "[interfaces.net]\nurl = \"{}\"\n[interfaces.line]\nurl = \"serial:{}\"\n",
        url.replace("modbus:", "tcp:"),
        near.path.display(),
    );
    let _agent = gateway.agent("plc", &config);
    let answers = asked(&gateway, &Door::Sni, "reader", &[read(7, 2), read(99, 2), write(7, 1)]);
    assert_eq!(answers, [json!([7, 8]), refused(2), refused(2)]);
    assert_eq!(device.heard(), ["010300070002"]);

    // mbpoll counts from 1.
    let mbpoll = |who: &str, interface: &str, first: &str, more: &[&str]| {
        let (_listener, at) = gateway.listening(who, interface);
        let mut command = Command::new(program("mbpoll"));
        command.args(["-m", "tcp", "-a", "1", "-t", "4", "-1", "-r", first, "-o", "5"]);
        command.args(["-p", &at.port().to_string(), "127.0.0.1"]).args(more);
        Ran::of(command.output().unwrap())
    };
    for interface in ["plc/modbus", "plc/line"] {
        wait_until("the device", || {
            mbpoll("reader", interface, "8", &["-c", "2"]).status == Some(0)
        });
        let read = mbpoll("reader", interface, "8", &["-c", "2"]).ok();
        assert!(read.contains("[8]: \t7") && read.contains("[9]: \t8"), "{read}");
        let refused = mbpoll("reader", interface, "8", &["4711"]);
        assert!(refused.err.contains("Illegal data address"), "{refused:?}");
        mbpoll("writer", interface, "8", &["4711"]).ok();
        let read = mbpoll("reader", interface, "8", &["-c", "1"]).ok();
        assert!(read.contains("[8]: \t4711"), "{read}");
        mbpoll("writer", interface, "8", &["7"]).ok();
        mbpoll("mallory", interface, "8", &["-c", "1"])
            .status
            .filter(|status| *status != 0)
            .unwrap();
    }
    assert!(line.heard().len() > 3);
}
