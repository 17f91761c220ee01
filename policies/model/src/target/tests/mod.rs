//! Targets that are read, and targets that are refused.

mod generated;

use super::*;

#[test]
fn reads_the_targets_that_can_be_dialed() {
    for (text, shown) in [
        ("tcp://10.0.0.7:502", "tcp://10.0.0.7:502"),
        ("tcp://[::1]:80", "tcp://[::1]:80"),
        ("tcp://[::ffff:10.0.0.7]:80", "tcp://10.0.0.7:80"),
        ("tcp://Printer.Local:9100", "tcp://printer.local:9100"),
        ("unix:/run/app.sock", "unix:/run/app.sock"),
        ("unix:///run/app.sock", "unix:/run/app.sock"),
        ("udp://10.0.0.7:161", "udp://10.0.0.7:161"),
        ("serial:/dev/ttyUSB0", "serial:/dev/ttyUSB0"),
        ("serial:///dev/ttyS0?baud=9600&bits=8", "serial:/dev/ttyS0"),
        ("serial:/dev/ttyS0?parity=even&baud=300", "serial:/dev/ttyS0?baud=300&parity=even"),
        ("process:/usr/bin/true", "process:/usr/bin/true"),
        ("process:/usr/bin/x?arg=a%20b&arg=&arg=%26", "process:/usr/bin/x?arg=a%20b&arg=&arg=%26"),
        ("process:/usr/bin/x?arg=a=b+c&arg=%c3%a4", "process:/usr/bin/x?arg=a=b+c&arg=%C3%A4"),
        ("agent:console", "agent:console"),
        ("udp+agent:dns", "udp+agent:dns"),
        ("serial+agent:console", "serial+agent:console"),
        ("serial+agent:console?baud=9600", "serial+agent:console?baud=9600"),
        ("serial:/dev/ttyS0?line=show%20*", "serial:/dev/ttyS0?line=show%20*"),
        (
            "serial:/dev/ttyS0?line=a%26b&baud=300&line=",
            "serial:/dev/ttyS0?baud=300&line=a%26b&line=",
        ),
        ("serial+agent:tty?baud=300&line=*", "serial+agent:tty?baud=300&line=*"),
        ("modbus://10.0.0.7:502", "modbus://10.0.0.7:502"),
        ("modbus://plc:502?audit=sync", "modbus://plc:502?audit=sync"),
        ("modbus://plc:502?audit=second", "modbus://plc:502"),
        ("modbus+serial:/dev/ttyS0?baud=300", "modbus+serial:/dev/ttyS0?baud=300"),
        (
            "modbus+serial:/dev/ttyS0?audit=sync&baud=300",
            "modbus+serial:/dev/ttyS0?baud=300&audit=sync",
        ),
        ("modbus+agent:plc", "modbus+agent:plc"),
        ("modbus://plc:502?tables=alias&unit=any", "modbus://plc:502?unit=any&tables=alias"),
        ("modbus+agent:plc?unit=any", "modbus+agent:plc?unit=any"),
        (
            "modbus+serial:/dev/ttyS0?tables=alias&baud=300",
            "modbus+serial:/dev/ttyS0?baud=300&tables=alias",
        ),
        ("modbus+serial+agent:plc?baud=300", "modbus+serial+agent:plc?baud=300"),
        ("http://10.0.0.7:80", "http://10.0.0.7:80"),
        ("http://web:8080/", "http://web:8080"),
        ("http://web:8080/api/v1/?body=10", "http://web:8080/api/v1?body=10"),
        (
            "http://web:8080?audit=sync&rate=10/m&body=10&host=a.b:81",
            "http://web:8080?host=a.b:81&body=10&rate=10/m&audit=sync",
        ),
        ("http://web:80?host=[::1]", "http://web:80?host=[::1]"),
        ("http+agent:web?rate=1/h", "http+agent:web?rate=1/h"),
        ("http://web:80/a?identity=signed", "http://web:80/a?identity=signed"),
        ("http+agent:web?audit=sync&identity=signed", "http+agent:web?identity=signed&audit=sync"),
        ("mqtt://bus:1883", "mqtt://bus:1883"),
        ("mqtt://bus:1883?client-id=bound", "mqtt://bus:1883"),
        (
            "mqtt://bus:1883?audit=sync&client-id=strict",
            "mqtt://bus:1883?client-id=strict&audit=sync",
        ),
        ("mqtt+agent:bus?client-id=off", "mqtt+agent:bus?client-id=off"),
        ("mqtt://bus:1883?response-topic=publish", "mqtt://bus:1883?response-topic=publish"),
        (
            "mqtt+agent:bus?response-topic=off&client-id=strict",
            "mqtt+agent:bus?client-id=strict&response-topic=off",
        ),
        ("http://web:80?query=off", "http://web:80?query=off"),
        (
            "http://web:80?keep=X-User|X_Remote_User&origins=https://HA.example:443|http://[::1]:81\
             &operand=query:cmd&mask=Token|user[password]&query=off",
            "http://web:80?query=off&mask=token|user[password]&operand=query:cmd\
             &origins=https://ha.example|http://[::1]:81&keep=x-user|x_remote_user",
        ),
        (
            "http+agent:web?operand=query:a.b_c&rate=1/s",
            "http+agent:web?rate=1/s&operand=query:a.b_c",
        ),
        ("coap://[::1]:5683", "coap://[::1]:5683"),
        ("coap+agent:lamp", "coap+agent:lamp"),
    ] {
        assert_eq!(text.parse::<Target>().unwrap().to_string(), shown, "{text}");
    }
}

#[test]
fn refuses_everything_else() {
    for text in [
        "",
        "10.0.0.7:502",
        "ftp://h:1",
        "tcp:h:1",
        "tcp://h",
        "tcp://h:0",
        "tcp://h:65536",
        "tcp://h:+1",
        "tcp://:80",
        "tcp://h:80/",
        "tcp://u@h:80",
        "tcp://::1:80",
        "tcp://127.1:80",
        "tcp://0x7f000001:80",
        "tcp://2130706433:80",
        "tcp://h\r\n:80",
        "unix:run/app.sock",
        "unix://run/app.sock",
        "unix:/run/../etc/app.sock",
        "unix:/run/./app.sock",
        "unix:",
        "udp://h",
        "udp:h:1",
        "serial:ttyUSB0",
        "serial:/",
        "serial:/dev/",
        "serial://dev/ttyUSB0",
        "serial:/dev/../etc/x",
        "serial:/dev/tty\u{7}",
        "serial:/dev/ttyUSB0?",
        "serial:/dev/ttyUSB0?speed=9600",
        "process:true",
        "process:/",
        "process:/usr/bin/../bin/true",
        "process:/usr/bin/true?",
        "process:/usr/bin/true?a",
        "process:/usr/bin/true?arg=%",
        "process:/usr/bin/true?arg=%zz",
        "process:/usr/bin/true?arg=%00",
        "process:/usr/bin/true?arg=%ff",
        "agent:",
        "agent://console",
        "agent:Console",
        "agent:console?baud=9600",
        "udp+agent:console?x",
        "serial+agent:console?",
        "serial+agent:console?baud=x",
        "serial:/dev/ttyS0?line=%",
        "serial:/dev/ttyS0?line=%07",
        "tcp://h:1?line=a",
        "modbus+serial:/dev/ttyS0?line=a",
        "http://web",
        "http://web:80/..",
        "http://web:80/a//b",
        "http://web:80/a%20b",
        "http://web:80/a?b",
        "http://web:80?body=",
        "http://web:80?body=-1",
        "http://web:80?rate=10",
        "http://web:80?rate=0/s",
        "http://web:80?rate=10/d",
        "http://web:80?identity=",
        "http://web:80?identity=plain",
        "http://web:80?identity=SIGNED",
        "http://web:80?identity=signed&identity=signed",
        "http+agent:web?identity=off",
        "mqtt://broker:1883?identity=signed",
        "mqtt://bus:1883?response-topic=either",
        "mqtt://bus:1883?response-topic=",
        "mqtt://bus:1883?response-topic=off&response-topic=off",
        "mqtt://bus:1883?query=off",
        "http://web:80?response-topic=off",
        "http://web:80?query=on",
        "http://web:80?query=off&query=off",
        "http://web:80?mask=",
        "http://web:80?mask=a|",
        "http://web:80?mask=a%20b",
        "http://web:80?mask=a&mask=b",
        "http://web:80?operand=cmd",
        "http://web:80?operand=query:",
        "http://web:80?operand=body:cmd",
        "http://web:80?operand=query:a[b]",
        "http://web:80?operand=query:a@b",
        "http://web:80?operand=query:a~b",
        "http://web:80?operand=query:_",
        "http://web:80?mask=[]",
        "http://web:80?operand=query:a%20b",
        "http://web:80?operand=query:a|b",
        "http://web:80?operand=query:cmd&operand=query:x",
        "http://web:80?operand=query:cmd&mask=x|CMD",
        "http://web:80?origins=",
        "http://web:80?origins=null",
        "http://web:80?origins=*",
        "http://web:80?origins=ha.example",
        "http://web:80?origins=https://ha.example/",
        "http://web:80?origins=https://a.example|",
        "http://web:80?keep=",
        "http://web:80?keep=a b",
        "http://web:80?keep=a:b",
        "http://web:80?keep=Doorward-Identity",
        "http://web:80?keep=x-user|doorward_identity",
        "http://web:80?keep=DOORWARD.Identity",
        "coap://lamp:5683?keep=x-user",
        "tcp://web:80?origins=https://ha.example",
        "tcp://web:80?identity=signed",
        "http://web:80?host=",
        "http://web:80?host=a:b",
        "http+agent:web/base",
        "https://web:443",
        "modbus:plc:502",
        "modbus://plc",
        "modbus://plc:502/1",
        "modbus://plc:502?",
        "modbus://plc:502?baud=9600",
        "modbus://plc:502?client-id=off",
        "modbus://plc:502?audit=never",
        "modbus://plc:502?unit=1",
        "modbus://plc:502?unit=",
        "modbus://plc:502?unit=any&unit=any",
        "modbus://plc:502?tables=any",
        "modbus://plc:502?tables=alias&tables=alias",
        "mqtt://bus:1883?unit=any",
        "http://web:80?tables=alias",
        "tcp://plc:502?unit=any",
        "modbus://plc:502?audit=sync&audit=sync",
        "modbus+serial:plc",
        "modbus+serial:/dev/ttyS0?speed=1",
        "modbus+udp://plc:502",
        "modbus+agent:plc?baud=9600",
        "modbus+unix:/run/plc",
        "mqtt+serial:/dev/ttyS0",
        "mqtt://bus:1883?client-id=none",
        "coap+serial+agent:lamp",
        "coap://lamp:5683/x",
    ] {
        assert!(text.parse::<Target>().is_err(), "{text}");
    }
    for option in ["mask", "keep"] {
        let of = |parts: usize| format!("http://web:80?{option}={}", vec!["a"; parts].join("|"));
        assert!(of(Several::<FieldName>::MOST).parse::<Target>().is_ok());
        assert!(of(Several::<FieldName>::MOST + 1).parse::<Target>().is_err());
    }
    let long = format!("unix:/{}", "a".repeat(107));
    assert_eq!(long.parse::<Target>(), Err(TargetError::PathTooLong));
}

#[test]
fn a_programs_arguments_are_bounded() {
    let of = |arguments: &[String]| {
        let all: Vec<String> = arguments.iter().map(|one| format!("arg={one}")).collect();
        format!("process:/bin/x?{}", all.join("&")).parse::<Target>()
    };
    assert!(of(&vec![String::new(); 64]).is_ok());
    assert_eq!(of(&vec![String::new(); 65]), Err(TargetError::TooManyArguments));
    let room = 4096 - "/bin/x".len() - 1;
    assert!(of(&["a".repeat(room)]).is_ok());
    assert_eq!(of(&["a".repeat(room + 1)]), Err(TargetError::TooLong));
}

#[test]
fn a_raw_interface_at_the_port_of_a_protocol_is_noticed() {
    for (text, protocol) in [
        ("tcp://h:502", Some(Protocol::Modbus)),
        ("tcp://h:1883", Some(Protocol::Mqtt)),
        ("tcp://h:80", Some(Protocol::Http)),
        ("tcp://h:8080", Some(Protocol::Http)),
        ("udp://h:5683", Some(Protocol::Coap)),
        ("tcp://h:22", None),
        ("tcp://h:5683", None),
        ("udp://h:502", None),
        ("modbus://h:502", None),
        ("mqtt://h:80", None),
        ("agent:modbus", None),
    ] {
        assert_eq!(text.parse::<Target>().unwrap().overlooked(), protocol, "{text}");
    }
}

#[test]
fn what_permits_no_line_is_not_to_be_declared() {
    for (text, objected) in [
        ("serial:/dev/a?line=show%20*", false),
        ("serial:/dev/a?line=show%20*&bits=7&parity=even", false),
        ("serial:/dev/a?line=show%20*&bits=6", true),
        ("serial:/dev/a?bits=5&line=", true),
        ("serial:/dev/a?bits=5", false),
        ("serial:/dev/a?line=a&line=%C3%A9*", true),
        ("serial+agent:a?line=a", false),
        ("serial+agent:a?line=a&bits=8", false),
        ("serial+agent:a?line=a&bits=5", true),
        ("tcp://h:1", false),
    ] {
        let target = text.parse::<Target>().unwrap();
        assert_eq!(target.objection().is_some(), objected, "{text}");
    }
}

#[test]
fn every_target_says_what_is_spoken() {
    for (text, protocol) in [
        ("tcp://h:1", Protocol::Tcp),
        ("udp://h:1", Protocol::Udp),
        ("unix:/a", Protocol::Unix),
        ("serial:/dev/a", Protocol::Serial),
        ("process:/a", Protocol::Process),
        ("agent:a", Protocol::Tcp),
        ("udp+agent:a", Protocol::Udp),
        ("serial+agent:a", Protocol::Serial),
        ("modbus://h:1", Protocol::Modbus),
        ("modbus+serial+agent:a", Protocol::Modbus),
        ("http://h:1/a", Protocol::Http),
        ("mqtt://h:1", Protocol::Mqtt),
        ("coap+agent:a", Protocol::Coap),
    ] {
        assert_eq!(text.parse::<Target>().unwrap().protocol(), protocol, "{text}");
    }
}
