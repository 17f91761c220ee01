//! Which configurations are taken, and which are refused with what words.

use super::*;

/// A machine on which no limit has to be reduced.
const MACHINE: MachineResources = MachineResources { files: 1 << 20, memory: 64 << 30 };

fn read(text: &str) -> Result<Config, CommandFailure> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("doorward.toml");
    std::fs::write(&path, text).unwrap();
    Config::read(Some(&path), Overrides::default(), MACHINE)
}

#[test]
fn an_empty_configuration_has_defaults() {
    let config = Config::read(None, Overrides::default(), MACHINE).unwrap();
    assert_eq!(config.listen.port(), 8443);
    assert_eq!(config.management.to_string(), "127.0.0.1:8444");
    assert!(config.paths.of(Scheme::Unix).is_empty());
    assert!(config.paths.of(Scheme::Process).is_empty());
    assert_eq!(config.first_domain().unwrap().as_str(), DOMAIN);
}

#[test]
fn the_sample_configuration_shows_the_defaults() {
    let sample = include_str!("../../../deploy/doorward.toml");
    let plain = Config::read(None, Overrides::default(), MACHINE).unwrap();
    // Every setting that is commented out is shown with its default.
    let shown: String = sample
        .lines()
        .map(|line| line.strip_prefix("#: ").unwrap_or(line))
        .collect::<Vec<_>>()
        .join("\n");
    let all = read(&shown).unwrap();
    assert_eq!(format!("{:?}", all.limits), format!("{:?}", plain.limits));
    assert_eq!((all.profiles, all.recovery), (plain.profiles, plain.recovery));
    assert_eq!(all.networks, plain.networks);
    assert_eq!(format!("{:?}", all.paths), format!("{:?}", plain.paths));
    assert_eq!((all.listen, all.management), (plain.listen, plain.management));
    assert_eq!((all.grace, all.audit.max_bytes), (plain.grace, plain.audit.max_bytes));
    assert!(read(sample).is_ok());
}

#[test]
fn an_error_names_the_wrong_setting() {
    for (text, part) in [
        ("colour = 1", "colour"),
        ("listen = 8443", "listen"),
        ("listen = \"everywhere\"", "listen: 'everywhere' is no ADDRESS:PORT"),
        ("domain = \"home\"", "domain: 'home' has one label"),
        ("name = \"Main\"", "name: 'M' cannot be in a name"),
        ("advertise = \"home\"", "line 1: advertise: 'home' is no HOST:PORT"),
        ("advertise = \"a:0\"", "advertise: 'a:0' is no HOST:PORT that clients can reach"),
        ("advertise = \"ü.de:1\"", "is written as xn--…"),
        ("advertise = \"0.0.0.0:8443\"", "advertise: '0.0.0.0:8443' is no HOST:PORT"),
        ("advertise = \":8443\"", "advertise: ':8443' is no HOST:PORT"),
        ("advertise = \"fd12::1:8443\"", "advertise: 'fd12::1:8443' is no HOST:PORT"),
        ("hosts = [\n\"a.example\",\n\"ü.de\"]", "line 3: hosts: 'ü.de' is no DNS name"),
        ("hosts = [\"ü.de\"]", "is written as xn--…"),
        ("hosts = [\"\"]", "hosts: '' is no DNS name and no IP address; write one such as"),
        ("hosts = [\"a b\"]", "hosts: 'a b' is no DNS name"),
        ("hosts = [\"a.example.\"]", "hosts: 'a.example.' is no DNS name"),
        ("hosts = [\"10.0.0.256\"]", "hosts: '10.0.0.256' is no DNS name"),
        ("hosts = [\"*.example.com\"]", "the certificate has no wildcards"),
        (
            "management = \"[::]:8443\"",
            "line 1: management: the settings listen, [::]:8443, and management",
        ),
        ("management = \"127.0.0.1:8443\"", "have the same port"),
        (
            "listen = \"127.0.0.1:8444\"",
            "line 1: listen: the settings listen, 127.0.0.1:8444, and management",
        ),
        ("data = \"\"", "data: found the text \"\"; write a path"),
        ("log = \"xml\"", "log: found the text \"xml\"; write \"text\" or \"json\""),
        ("[tls]\nleast = \"1.1\"", "tls.least"),
        (
            "[dial]\nnetworks = [\"10.0.0.0/33\"]",
            "dial.networks: '10.0.0.0/33' is no network; write",
        ),
        ("[dial]\nnetworks = [\"\"]", "dial.networks: '' is no network; write ADDRESS/LENGTH"),
        ("[dial]\nnetworks = [\"10.0.0.1\"]", "write 10.0.0.1/32 for this one address"),
        ("[dial]\nnetworks = [\"10.0.0.1/8\"]", "line 2: dial.networks: 10.0.0.1/8 is no network"),
        ("[dial]\nnetworks = [\"10.0.0.1/8\"]", "the network is 10.0.0.0/8"),
        ("[dial.named]\nPlant = [\"10.0.0.0/8\"]", "dial.named.Plant: 'P' cannot be in a name"),
        ("[dial.named]\nplant = \"10.0.0.0/8\"", "plant"),
        ("[dial.named]\nplant = [\"10.0.0.0\"]", "dial.named.plant: '10.0.0.0' is no network"),
        ("[dial.named]\nplant = []", "dial.named: 'plant' names no network"),
        ("[dial.named]\nplant = [\"10.0.0.1/8\"]", "the network is 10.0.0.0/8"),
        ("[dial.named]\nprivate = [\"10.0.0.0/8\"]", "dial.named: 'private' is built in"),
        ("[dial.named]\nother = [\"10.0.0.0/8\"]", "dial.named: 'other' is built in"),
        (
            "[dial.named]\nline = [\"10.0.0.0/8\"]\nplant = [\"10.0.0.0/8\"]",
            "10.0.0.0/8 is called both 'line' and 'plant'",
        ),
        ("[dial]\nunix = [\"run/x\"]", "dial.unix: 'run/x'"),
        ("[dial]\nserial = [\"ttyS0\"]", "dial.serial: 'ttyS0'"),
        ("[dial]\ntcp = [\"/x\"]", "line 2: dial.tcp: there is no setting of this name"),
        ("[dial]\nunix = 5", "line 2"),
        ("[dial]\nprocess = [\"/bin/../x\"]", "dial.process: '/bin/../x'"),
        ("[certificates]\ndevice = \"1s\"", "write a time in quotes, from \"5s\" to \"825d\""),
        ("[certificates]\ndevice = \"soon\"", "certificates.device"),
        (
            "[limits]\nflows = 0",
            "limits.flows: found the number 0; write a whole number from 1 to 16777216",
        ),
        ("[audit]\nmax-bytes = 1", "audit.max-bytes"),
        ("[agents]\ntwice = \"both\"", "agents.twice"),
        ("[limits]\nbuffers = 1", "limits.buffers"),
        ("[keys]\nfile = \"\"", "keys.file: found the text \"\"; write a path"),
        ("[keys]\nfile = \"/tmp\"", "keys.file: /tmp is not a file; name a file, such as"),
        ("[keys]\nfile = \"/nowhere/\"", "keys.file: /nowhere/ is not a file"),
        ("[keys]\nfile = \"/dev/null\"", "keys.file: /dev/null is not a file"),
        ("[keys]\nfile = \"/etc/passwd/key\"", "keys.file: /etc/passwd/key: Not a directory"),
        ("[keys]\nalgorithm = \"rsa\"", "keys.algorithm"),
    ] {
        let error = read(text).unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
        assert!(error.contains("doorward.toml"), "{error}");
    }
}

#[test]
fn hosts_and_addresses_that_clients_can_use_are_taken() {
    for text in [
        "hosts = [\"Gateway.example.com\", \"xn--tda.de\", \"gateway\", \"10.0.0.1\", \"fd12::1\"]",
        "advertise = \"gateway:8443\"",
        "advertise = \"192.168.1.2:65535\"",
        "advertise = \"[fd12::1]:1\"",
        "management = \"[::]:0\"\nlisten = \"[::]:0\"",
        "management = \"[::1]:8443\"\nlisten = \"0.0.0.0:8443\"",
        "management = \"10.0.0.1:8443\"\nlisten = \"10.0.0.2:8443\"",
        "[dial]\nnetworks = [\"64:ff9b::/96\", \"0.0.0.0/0\"]",
        "[keys]\nfile = \"sealing.key\"",
    ] {
        read(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    }
}

/// Returns the section and the name of every setting in the sample file.
fn settings() -> Vec<(String, String)> {
    let mut section = String::new();
    let mut all = Vec::new();
    for line in include_str!("../../../deploy/doorward.toml").lines() {
        let line = line.strip_prefix("#: ").or(line.strip_prefix("# ")).unwrap_or(line);
        let is_name = |text: &str| text.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
        if line.starts_with('[') {
            section = format!("{line}\n");
        } else if let Some((name, _)) = line.split_once(" = ").filter(|(name, _)| is_name(name)) {
            all.push((section.clone(), name.to_owned()));
        }
    }
    all
}

#[test]
fn whatever_a_setting_is_the_gateway_starts_or_names_it_on_one_line() {
    let numbers = ["0", "-1", "1", "4294967295", "4294967296", "9223372036854775807"];
    let more = ["99999999999999999999999", "0xffff_ffff_ffff_ffff", "1e300", "nan", "true"];
    let texts = ["", " ", "0s", "1ns", "100y", "584542046090y", "-1s", "soon", "a:0", "a\\u0000"];
    let others = ["2026-01-01", "[]", "[1]", "[\"\"]", "[[\"a\"]]", "{}", "{ x = 1 }"];
    let texts = texts.map(|text| format!("\"{text}\""));
    let values = numbers.iter().chain(&more).chain(&others).map(|value| (*value).to_owned());
    let values: Vec<String> = values.chain(texts).collect();
    let settings = settings();
    assert!(settings.len() > 35, "{settings:?}");
    let (mut taken, mut refused) = (0, 0);
    for (section, name) in &settings {
        let key = section.trim().trim_matches(['[', ']']);
        let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
        let found_wrong = values.iter().filter(|value| {
            read(&format!("{section}{name} = {value}\n")).is_err_and(|error| {
                let text = error.to_string();
                assert!(text.contains("doorward.toml, line "), "{text}");
                // Whether names identify networks is a question about all of them.
                let named = key.starts_with("dial.named.") && text.contains(": dial.named: ");
                assert!(named || text.contains(&format!(": {key}: ")), "{text}");
                assert!(doorward_model::is_printable(&text), "{text:?}");
                for word in ["expected usize", "struct", "u32", "invalid type", " | ", "^"] {
                    assert!(!text.contains(word), "{text}");
                }
                true
            })
        });
        refused += found_wrong.count();
        for value in &values {
            let Ok(config) = read(&format!("{section}{name} = {value}\n")) else { continue };
            taken += 1;
            // What the gateway does with numbers and times, it can do.
            let now = std::time::Instant::now();
            let limits = config.limits;
            let times = [limits.handshake_time, limits.session.idle, config.grace];
            for time in times.into_iter().chain(limits.session.life).chain(config.keep) {
                assert!(now.checked_add(time).is_some(), "{key} = {value}");
            }
            assert!(limits.handshake_time > Duration::ZERO && limits.session.idle > Duration::ZERO);
            assert!(limits.session.life != Some(Duration::ZERO), "{key} = {value}");
            assert!(config.keep != Some(Duration::ZERO), "{key} = {value}");
            assert!(config.audit.open < tokio::sync::Semaphore::MAX_PERMITS, "{key} = {value}");
            let pots = doorward_session::Pots::new(limits, config.set);
            assert!(!pots.table().is_empty());
        }
    }
    assert!(taken > 40 && refused > 600, "{taken} taken, {refused} refused");
}

#[test]
fn a_table_in_the_place_of_a_setting_and_a_setting_in_the_place_of_a_table_are_named() {
    for section in ["tls", "dial", "agents", "limits", "certificates", "keys", "audit", "stop"] {
        let error = read(&format!("{section} = 5\n")).unwrap_err().to_string();
        assert!(
            error.contains(&format!("{section}: found the number 5; write a table [{section}]"))
        );
        let error = read(&format!("[{section}]\ncolour = 5\n")).unwrap_err().to_string();
        assert!(error.contains(&format!("line 2: {section}.colour: there is no setting of this")));
    }
    let error = read("[limits.flows]\nmost = 5").unwrap_err().to_string();
    assert!(error.contains("line 1: limits.flows: found a table; write a whole number"), "{error}");
}

#[test]
fn the_command_line_is_named_where_it_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("doorward.toml");
    std::fs::write(&path, "listen = \"127.0.0.1:1\"\n").unwrap();
    let some = |text: &str| Some(text.to_owned());
    for (over, says) in [
        (Overrides { listen: some("x"), ..Overrides::default() }, "--listen: 'x' is no ADDRESS"),
        (Overrides { domain: some("x"), ..Overrides::default() }, "--domain: 'x' has one label"),
        (
            Overrides { management: some("127.0.0.1:1"), ..Overrides::default() },
            "--management: the settings listen, 127.0.0.1:1, and management, 127.0.0.1:1, have the same",
        ),
        (Overrides { data: Some(PathBuf::new()), ..Overrides::default() }, "--data: the path is"),
    ] {
        let error = Config::read(Some(&path), over, MACHINE).unwrap_err().to_string();
        assert!(error.starts_with(says), "{error}");
    }
}
