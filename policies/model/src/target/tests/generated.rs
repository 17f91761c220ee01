//! Generated targets: each is read as it is displayed.

use std::path::PathBuf;

use proptest::prelude::*;

use super::super::*;
use crate::serial::{
    Baud, DataBits, FlowControl, LineChange, LineSettings, Parity, StopBits, Telnet,
};
use crate::text::is_printable;

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
        // Each inspected protocol, with the default options.
        prop::sample::select(Protocol::ALL.to_vec())
            .prop_filter_map("inspected", |protocol| Inspected::take(protocol, "", None).ok())
            .prop_map(|(inspected, _)| inspected.spoken),
        (
            "(/[a-z.~-]{2,5}x){0,3}",
            prop::option::of((host(), prop::option::of(1..=u16::MAX))),
            prop::option::of(any::<u64>()),
            prop::option::of((1..1_000_000_u32, prop::sample::select(vec![1, 60, 3600]))),
            prop::option::of(Just(ToldIdentity::Signed)),
            (
                any::<(bool, bool)>(),
                prop::option::of(several("[a-z][a-z\\[\\]$:@.~-]{0,9}", SecretParameter::of_word)),
                prop::option::of("[A-Z0-9][A-Z0-9._-]{0,9}"),
                prop::option::of(several("https?://[a-z]{1,5}(:[1-9]{1,4})?", |one| one
                    .parse()
                    .ok())),
                prop::option::of(several("[a-c][a-z_.-]{0,9}", FieldName::of_word)),
            ),
        )
            .prop_map(
                |(base, host, body, rate, identity, (flags, mask, key, origins, keep))| {
                    let (hides_query, exact_paths) = flags;
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
                        exact_paths,
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
            Scheme::carrying(spoken.protocol()).any(|scheme| scheme == way.scheme())
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

/// Returns a URL of a form for people.
fn example(form: &str) -> String {
    form.replace("PORT", "7").to_lowercase()
}

/// A way of any scheme; of those with values of their own, with any values.
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
        prop::sample::select(Scheme::ALL.to_vec())
            .prop_map(|scheme| example(&scheme.form()).parse().unwrap()),
    ]
}

/// Returns what URLs begin with: each scheme, each form, and some queries.
fn beginnings() -> Vec<String> {
    let forms = Target::raw_forms().chain(Target::inspected_forms());
    let forms = forms.flat_map(|form| {
        let scheme = form.split_inclusive(':').next().unwrap().to_owned();
        [scheme, example(&form)]
    });
    let others = [
        "",
        "tcp://",
        "process:/x?arg=",
        "serial:/dev/x?",
        "serial+agent:a?",
        "serial:/dev/x?baud=",
        "http://a:1/",
        "http://a:1?host=",
        "serial:/dev/x?line=",
        "mqtt://h:1?",
        "modbus://",
        "http://a:1?origins=",
        "http://a:1?keep=",
        "http://a:1?operand=query:",
        "modbus+serial:/dev/x?",
    ];
    forms.chain(others.map(str::to_owned)).collect()
}

#[test]
fn every_form_is_read_and_shown() {
    for scheme in Scheme::ALL {
        let way: Way = example(&scheme.form()).parse().unwrap();
        assert_eq!(way.to_string(), example(&scheme.form()));
        assert_eq!(way.scheme(), *scheme);
        assert_eq!(matches!(way.end(), WayEnd::Local { .. }), scheme.is_local(), "{scheme}");
    }
    for protocol in Protocol::ALL {
        for scheme in Scheme::carrying(*protocol) {
            let url = example(&scheme.inspected_form(*protocol));
            let target: Target = url.parse().unwrap();
            assert_eq!(target.to_string(), url);
            assert_eq!(target.protocol(), *protocol, "{url}");
            assert_eq!(target.way().scheme(), scheme, "{url}");
            let travels = target.way().protocol().travels_as_datagrams();
            assert_eq!(protocol.travels_as_datagrams(), travels, "{url}");
        }
    }
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
        before in prop::sample::select(beginnings()),
        rest in any::<String>(),
    ) {
        if let Ok(target) = format!("{before}{rest}").parse::<Target>() {
            // The store keeps what Serialize writes.
            let kept = if let Way::Unix { path } = target.way() {
                format!("unix:{}", path.display())
            } else {
                target.to_string()
            };
            prop_assert_eq!(kept.parse::<Target>(), Ok(target));
        }
    }
}
