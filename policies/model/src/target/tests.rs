//! Targets that are read, and targets that are refused.

use proptest::prelude::*;

use super::*;
use std::path::PathBuf;

use crate::serial::{Baud, DataBits, FlowControl, LineChange, Parity, StopBits, Telnet};
use crate::text::is_printable;

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

fn host() -> impl Strategy<Value = Host> {
    prop_oneof![
        any::<std::net::IpAddr>().prop_map(|address| Host::Address(address.to_canonical())),
        "[a-z][a-z0-9]{0,8}(\\.[a-z][a-z0-9]{0,8})?".prop_map(Host::Name),
    ]
}

fn change() -> impl Strategy<Value = LineChange> {
    let baud = prop::option::of((1..=Baud::LIMIT).prop_map(|rate| Baud::new(rate).unwrap()));
    let bits = [DataBits::Five, DataBits::Six, DataBits::Seven, DataBits::Eight];
    let flow = [FlowControl::None, FlowControl::Software, FlowControl::Hardware];
    let parity = [Parity::None, Parity::Odd, Parity::Even];
    let telnet = [Telnet::Auto, Telnet::On, Telnet::Off];
    let of = prop::option::of::<prop::sample::Select<DataBits>>;
    (
        baud,
        of(prop::sample::select(bits.to_vec())),
        prop::option::of(prop::sample::select(parity.to_vec())),
        prop::option::of(prop::sample::select(vec![StopBits::One, StopBits::Two])),
        prop::option::of(prop::sample::select(flow.to_vec())),
        prop::option::of(prop::sample::select(telnet.to_vec())),
    )
        .prop_map(|(baud, bits, parity, stop, flow, telnet)| LineChange {
            baud,
            bits,
            parity,
            stop,
            flow,
            telnet,
        })
}

fn path() -> impl Strategy<Value = PathBuf> {
    "(/[a-zA-Z0-9_%& +:é-]{1,10}){1,3}".prop_map(PathBuf::from)
}

/// An option with several values.
fn several<T: std::fmt::Debug>(
    word: &'static str,
    of: fn(&str) -> Option<T>,
) -> impl Strategy<Value = Several<T>> {
    let words = prop::collection::vec(word, 1..4);
    words.prop_map(move |words| Several::of_word(&words.join("|"), of).unwrap())
}

fn target() -> impl Strategy<Value = Target> {
    let spoken = prop::option::of(prop_oneof![
        (any::<bool>(), any::<bool>()).prop_map(|(any_unit, aliased_tables)| {
            Inspection::Modbus(ModbusOptions { any_unit, aliased_tables })
        }),
        (
            prop::sample::select(vec![ClientIds::Bound, ClientIds::Strict, ClientIds::Off]),
            prop::sample::select(vec![
                ResponseTopics::Either,
                ResponseTopics::Publish,
                ResponseTopics::Off,
            ]),
        )
            .prop_map(|(ids, response)| Inspection::Mqtt(MqttOptions { ids, response })),
        Just(Inspection::Coap),
        (
            "(/[a-z.~-]{2,5}x){0,3}",
            prop::option::of((host(), prop::option::of(1..=u16::MAX))),
            prop::option::of(any::<u64>()),
            prop::option::of((1..1_000_000_u32, prop::sample::select(vec![1, 60, 3600]))),
            prop::option::of(Just(ToldIdentity::Signed)),
            (
                any::<bool>(),
                prop::option::of(several("[a-z][a-z\\[\\]$:@.~-]{0,9}", SecretParameter::of_word)),
                prop::option::of("[A-Z0-9][A-Z0-9._-]{0,9}"),
                prop::option::of(several("https?://[a-z]{1,5}(:[1-9]{1,4})?", |one| one
                    .parse()
                    .ok())),
                prop::option::of(several("[a-c][a-z_.-]{0,9}", FieldName::of_word)),
            ),
        )
            .prop_map(
                |(base, host, body, rate, identity, (hides_query, mask, key, origins, keep))| {
                    let host = host.map(|(host, port)| HttpHost { host, port });
                    let rate = rate.map(|(count, seconds)| RequestRate { count, seconds });
                    let operand = key.and_then(|key| Operand::of_word(&format!("query:{key}")));
                    let mut options = HttpOptions {
                        base,
                        host,
                        body,
                        rate,
                        identity,
                        hides_query,
                        mask,
                        operand: None,
                        origins,
                        keep,
                    };
                    options.operand = operand.filter(|operand| !options.masks(operand.key()));
                    Inspection::Http(Box::new(options))
                }
            ),
    ]);
    (way(), spoken, any::<bool>()).prop_map(|(way, spoken, synced)| {
        let goes = |spoken: &Inspection| {
            let of = INSPECTED.iter().find(|(protocol, _)| *protocol == spoken.protocol());
            Carrier::of(&way).is_some_and(|carrier| of.unwrap().1.contains(&carrier))
        };
        // An agent has no paths.
        let bare = |spoken: &Inspection| {
            !matches!(spoken, Inspection::Http(http) if !http.base.is_empty())
                || matches!(way, Way::Tcp { .. })
        };
        let spoken = spoken.filter(|spoken| goes(spoken) && bare(spoken));
        let inspected = spoken.map(|spoken| Inspected { spoken, synced });
        Target { way, inspected, lines: None }
    })
}

fn way() -> impl Strategy<Value = Way> {
    let port = 1..=u16::MAX;
    let argument = any::<String>().prop_map(|text| text.replace('\0', ""));
    let spoken = prop_oneof![
        Just(Spoken::Stream),
        Just(Spoken::Datagrams),
        change().prop_map(Spoken::Line),
    ];
    prop_oneof![
        (host(), port.clone()).prop_map(|(host, port)| Way::Tcp { host, port }),
        (host(), port).prop_map(|(host, port)| Way::Udp { host, port }),
        path().prop_map(|path| Way::Unix { path }),
        (path(), change()).prop_map(|(path, change)| Way::Serial {
            path,
            settings: change.apply(LineSettings::default()),
        }),
        (path(), prop::collection::vec(argument, 0..5))
            .prop_map(|(program, arguments)| Way::Process { program, arguments }),
        (spoken, "[a-f]{1,20}")
            .prop_map(|(spoken, name)| Way::Agent { spoken, name: name.parse().unwrap() }),
    ]
}

proptest! {
    #[test]
    fn what_is_shown_is_read_again(target in target()) {
        let shown = target.to_string();
        prop_assert!(is_printable(&shown));
        prop_assert_eq!(shown.parse::<Target>(), Ok(target));
    }

    #[test]
    fn whatever_is_written_is_read_or_refused(
        scheme in prop::sample::select(vec![
            "", "tcp://", "udp://", "unix:", "serial:", "process:", "process:/x?arg=", "agent:",
            "serial:/dev/x?", "serial+agent:a?", "serial:/dev/x?baud=", "http://a:1/", "http://a:1?host=", "serial:/dev/x?line=", "modbus://",
            "mqtt://h:1?", "http://a:1?origins=", "http://a:1?keep=", "http://a:1?operand=query:",
            "modbus+serial:/dev/x?", "coap+agent:",
        ]),
        rest in any::<String>(),
    ) {
        if let Ok(target) = format!("{scheme}{rest}").parse::<Target>() {
            // The store keeps what Serialize writes.
            let kept = match target.way() {
                Way::Unix { path } => format!("unix:{}", path.display()),
                _ => target.to_string(),
            };
            prop_assert_eq!(kept.parse::<Target>(), Ok(target));
        }
    }
}
