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
        ("advertise = \"home\"", "advertise: it is HOST:PORT"),
        ("[tls]\nleast = \"1.1\"", "tls.least"),
        ("[dial]\nnetworks = [\"10.0.0.0/33\"]", "dial.networks"),
        ("[dial.named]\nPlant = [\"10.0.0.0/8\"]", "dial.named.Plant: 'P' cannot be in a name"),
        ("[dial.named]\nplant = \"10.0.0.0/8\"", "plant"),
        ("[dial.named]\nplant = [\"10.0.0.0\"]", "dial.named.plant"),
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
        (
            "[dial]\ntcp = [\"/x\"]",
            "unknown field `tcp`, expected one of `networks`, `named`, `unix`",
        ),
        ("[dial]\nunix = 5", "line 2"),
        ("[dial]\nprocess = [\"/bin/../x\"]", "dial.process: '/bin/../x'"),
        ("[certificates]\ndevice = \"1s\"", "certificates.device: a certificate is valid for"),
        ("[certificates]\ndevice = \"soon\"", "certificates.device"),
        ("[limits]\nflows = 0", "limits.flows: at least 1"),
        ("[audit]\nmax-bytes = 1", "audit.max-bytes"),
        ("[agents]\ntwice = \"both\"", "agents.twice"),
        ("[limits]\nbuffers = 1", "limits.buffers"),
        ("[keys]\nalgorithm = \"rsa\"", "keys.algorithm"),
    ] {
        let error = read(text).unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
        assert!(error.contains("doorward.toml"), "{error}");
    }
}
