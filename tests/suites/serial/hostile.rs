//! Hostile bytes at serial lines, as a table of what becomes of them: what is typed where only some
//! lines may be, and what a telnet client says who may type and not control.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use doorward_tests::Gateway;
use doorward_tests::running::{PATIENCE, Pty, wait_until};

/// What is typed, what of it the device hears, and how many lines are refused. `line=status`,
/// `line=show *`, `line=set a*b c`, and the marks of this test.
const TYPED: &[(&str, &[u8], &[u8], usize)] = &[
    ("a line", b"status\r", b"status\r", 0),
    ("by a line feed", b"status\n", b"status\n", 0),
    ("by both", b"status\r\n", b"status\r\n", 0),
    ("two in one piece", b"status\rshow a\r", b"status\rshow a\r", 0),
    ("another", b"reboot\r", b"", 1),
    ("another before one", b"reboot\rstatus\r", b"status\r", 1),
    ("another between two", b"status\rreboot\rstatus\r", b"status\rstatus\r", 1),
    ("another behind one, by line feeds", b"status\nreboot\n", b"status\n", 1),
    ("in capitals", b"STATUS\r", b"", 1),
    ("a blank before it", b" status\r", b"", 1),
    ("a blank behind it", b"status \r", b"", 1),
    ("a tab before it", b"\tstatus\r", b"", 1),
    ("its beginning", b"statu\r", b"", 1),
    ("more than it", b"statuses\r", b"", 1),
    ("it twice", b"statusstatus\r", b"", 1),
    ("an empty line", b"\r", b"", 1),
    ("two empty lines", b"\n\n", b"", 2),
    ("empty lines by both", b"\r\n\r\n", b"", 2),
    ("a pattern's beginning alone", b"show\r", b"", 1),
    ("a pattern with nothing for its star", b"show \r", b"show \r", 0),
    ("a pattern's beginning run on", b"showa\r", b"", 1),
    ("a pattern inside a line", b"do show a\r", b"", 1),
    ("a star in the middle", b"set axxb c\r", b"set axxb c\r", 0),
    ("a star in the middle with nothing", b"set ab c\r", b"set ab c\r", 0),
    ("an end that is too early", b"set axxb c d\r", b"", 1),
    ("a piece that comes twice", b"set abb c\r", b"set abb c\r", 0),
    ("a star literally", b"show *\r", b"show *\r", 0),
    ("two commands in one line", b"status;reboot\r", b"", 1),
    ("two commands by &&", b"status&&reboot\r", b"", 1),
    ("a pipe", b"status|sh\r", b"", 1),
    ("a substitution", b"$(status)\r", b"", 1),
    ("a quote", b"'status'\r", b"", 1),
    ("backspaces to another", b"show \x08\x08\x08\x08\x08reboot\r", b"", 1),
    ("deletes to another", b"show \x7f\x7f\x7f\x7f\x7freboot\r", b"", 1),
    ("backspaces to one that may be", b"statuss\x08\r", b"", 1),
    ("control-U and another", b"show \x15reboot\r", b"", 1),
    ("control-W and another", b"show a\x17reboot\r", b"", 1),
    ("control-C and another", b"show a\x03reboot\r", b"", 1),
    ("control-C alone", b"\x03\r", b"", 1),
    ("control-D", b"status\x04\r", b"", 1),
    ("control-Z", b"status\x1a\r", b"", 1),
    ("control-V before an end", b"show \x16\rreboot\r", b"", 2),
    ("a backslash before an end", b"show \\\rreboot\r", b"show \\\r", 1),
    ("control-O, which runs a line on some shells", b"show reboot\x0f\r", b"", 1),
    ("control-P, the line before", b"\x10\r", b"", 1),
    ("an arrow up, the line before", b"\x1b[A\r", b"", 1),
    ("an arrow left within a line", b"show \x1b[D\r", b"", 1),
    ("a paste's brackets", b"\x1b[200~status\x1b[201~\r", b"", 1),
    ("XOFF", b"status\x13\r", b"", 1),
    ("XON", b"\x11status\r", b"", 1),
    ("a bell", b"show \x07\r", b"", 1),
    ("a form feed for an end", b"status\x0creboot\r", b"", 1),
    ("a vertical tab for an end", b"status\x0breboot\r", b"", 1),
    ("a record separator for an end", b"status\x1ereboot\r", b"", 1),
    ("NUL within", b"sta\0tus\r", b"", 1),
    ("NUL behind a return", b"status\r\0\r", b"status\r", 1),
    ("NEL for an end", b"show a\xc2\x85reboot\r", b"", 1),
    ("an eight-bit CSI", b"show \xc2\x9bA\r", b"", 1),
    ("a raw eight-bit CSI", b"show \x9bA\r", b"", 1),
    ("a line separator of Unicode", b"show a\xe2\x80\xa8reboot\r", b"", 1),
    ("a mark that turns text around", b"show \xe2\x80\xaereboot\r", b"", 1),
    ("letters that are not ASCII", b"show \xc3\xa9\r", b"", 1),
    ("what is D and a return on seven bits", b"show x\xc4\x8dreboot\r", b"", 1),
    ("what is a feed on seven bits", b"show x\xc4\x8areboot\r", b"", 1),
    ("what is a delete on seven bits", b"show \xc3\xbfreboot\r", b"", 1),
    ("a raw return with the eighth bit", b"show x\x8dreboot\r", b"", 1),
    ("a raw feed with the eighth bit", b"show x\x8areboot\r", b"", 1),
    ("its last letter with the eighth bit", b"statu\xf3\r", b"", 1),
    ("a tab within", b"show\ta\r", b"", 1),
    ("all that is printable", b"show !~\r", b"show !~\r", 0),
    ("a delete alone", b"show \x7f\r", b"", 1),
    ("letters that only look alike", b"st\xd0\xb0tus\r", b"", 1),
    ("an overlong return", b"show \xc0\x8dreboot\r", b"", 1),
    ("half a character", b"show \xc3\r", b"", 1),
    ("a surrogate", b"show \xed\xa0\x80\r", b"", 1),
    ("all bits", b"show \xff\xff\r", b"", 1),
    ("a return, then one alone", b"status\r\rstatus\r", b"status\rstatus\r", 1),
    ("a feed, then a return", b"status\n\rstatus\r", b"status\nstatus\r", 1),
    ("a return and two feeds", b"status\r\n\nstatus\r", b"status\r\nstatus\r", 1),
    ("a feed that belongs to what was refused", b"reboot\r\nstatus\r", b"status\r", 1),
    ("an end of the next line's own", b"reboot\r\n\nstatus\r", b"status\r", 2),
];

const IAC: u8 = 255;

/// What a telnet client says who may type and not control, and what of it the device hears.
const TELNET: &[(&str, &[u8], &[u8])] = &[
    ("data", b"a", b"a"),
    ("IAC as data", &[b'a', IAC, IAC, b'b'], b"a\xffb"),
    ("a return and NUL, in text", b"a\r\0b", b"a\rb"),
    ("a return and a feed", b"a\r\nb", b"a\r\nb"),
    ("NOP", &[b'a', IAC, 241, b'b'], b"ab"),
    ("break", &[b'a', IAC, 243, b'b'], b"ab"),
    ("interrupt process", &[b'a', IAC, 244, b'b'], b"ab"),
    ("are you there", &[b'a', IAC, 246, b'b'], b"ab"),
    ("erase line", &[b'a', IAC, 248, b'b'], b"ab"),
    ("an end of nothing", &[b'a', IAC, 240, b'b'], b"ab"),
    ("a command that is none", &[b'a', IAC, 7, b'b'], b"ab"),
    ("DO ECHO", &[IAC, 253, 1, b'a'], b"a"),
    ("WILL of an option that is none", &[IAC, 251, 200, b'a'], b"a"),
    ("DO COM-PORT, over and over", &[IAC, 253, 44, IAC, 253, 44, IAC, 251, 44, b'a'], b"a"),
    ("a timing mark", &[IAC, 253, 6, b'a'], b"a"),
    ("a speed", &[IAC, 250, 44, 1, 0, 0, 0x96, 0, IAC, 240, b'a'], b"a"),
    ("a speed of 0", &[IAC, 250, 44, 1, 0, 0, 0, 0, IAC, 240, b'a'], b"a"),
    ("a speed of three bytes", &[IAC, 250, 44, 1, 0, 0x96, 0, IAC, 240, b'a'], b"a"),
    ("a speed of five", &[IAC, 250, 44, 1, 0, 0, 0, 0x96, 0, IAC, 240, b'a'], b"a"),
    (
        "a speed with all bits",
        &[IAC, 250, 44, 1, IAC, IAC, IAC, IAC, IAC, IAC, IAC, IAC, IAC, 240, b'a'],
        b"a",
    ),
    ("data bits", &[IAC, 250, 44, 2, 5, IAC, 240, b'a'], b"a"),
    ("a parity that is none", &[IAC, 250, 44, 3, 99, IAC, 240, b'a'], b"a"),
    ("stop bits without a value", &[IAC, 250, 44, 4, IAC, 240, b'a'], b"a"),
    ("break on", &[IAC, 250, 44, 5, 5, IAC, 240, b'a'], b"a"),
    ("DTR off", &[IAC, 250, 44, 5, 9, IAC, 240, b'a'], b"a"),
    ("flow control by software", &[IAC, 250, 44, 5, 2, IAC, 240, b'a'], b"a"),
    ("a control that is none", &[IAC, 250, 44, 5, 200, IAC, 240, b'a'], b"a"),
    ("what a server says", &[IAC, 250, 44, 101, 0, 0, 0x96, 0, IAC, 240, b'a'], b"a"),
    ("a purge of what was received", &[IAC, 250, 44, 12, 1, IAC, 240, b'a'], b"a"),
    ("a purge of what is no queue", &[IAC, 250, 44, 12, 9, IAC, 240, b'a'], b"a"),
    ("suspended and resumed", &[IAC, 250, 44, 8, IAC, 240, IAC, 250, 44, 9, IAC, 240, b'a'], b"a"),
    ("nothing agreed upon", &[IAC, 250, IAC, 240, b'a'], b"a"),
    ("another option's", &[IAC, 250, 24, 0, b'x', IAC, 240, b'a'], b"a"),
    ("one within another", &[IAC, 250, 44, 1, IAC, 250, 44, 2, 5, IAC, 240, b'a'], b"a"),
    ("one that is broken off", &[IAC, 250, 44, 1, 0, IAC, 241, b'a'], b"a"),
];

/// Somebody at a line: what it said, split at every byte and not, and what came of it.
struct Typing {
    client: TcpStream,
    pty: Pty,
    marks: usize,
}

impl Typing {
    /// Types, and then a mark; what the device hears before that.
    fn heard(&mut self, said: &[u8], whole: bool) -> Vec<u8> {
        self.marks += 1;
        let mark = format!("mark-{}\n", self.marks);
        let said = [said, mark.as_bytes()].concat();
        for piece in said.chunks(if whole { said.len() } else { 1 }) {
            self.client.write_all(piece).unwrap();
        }
        let mut heard = Vec::new();
        while !heard.ends_with(mark.as_bytes()) {
            let mut one = [0];
            self.pty.device.read_exact(&mut one).unwrap();
            heard.push(one[0]);
            assert!(heard.len() < 8192, "{}", String::from_utf8_lossy(&heard));
        }
        heard.truncate(heard.len() - mark.len());
        heard
    }

    /// What the client has been told up to a word of the device's.
    fn told(&mut self) -> Vec<u8> {
        let word = format!("heard-{}\n", self.marks);
        self.pty.device.0.write_all(word.as_bytes()).unwrap();
        let mut told = Vec::new();
        while !told.ends_with(word.as_bytes()) {
            let mut one = [0];
            self.client.read_exact(&mut one).unwrap();
            told.push(one[0]);
        }
        told
    }
}

/// A gateway with a line, at which somebody types who may do that.
fn at_a_line(options: &str, actions: &str) -> (Gateway, Typing, impl Drop) {
    let (gateway, pty) = (Gateway::with("[dial]\nserial = [\"/dev/pts/*\"]\n"), Pty::new());
    let url = format!("serial:{}?baud=9600{options}", pty.path.display());
    gateway.declare("plc/console", &url);
    gateway.enrol("user/typist", &[]);
    gateway.rules(&format!("p, user/typist, plc, console, {actions}, , allow"));
    let (running, at) = gateway.listening("typist", "plc/console");
    let client = TcpStream::connect(at).unwrap();
    client.set_nodelay(true).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    (gateway, Typing { client, pty, marks: 0 }, running)
}

#[test]
fn only_whole_lines_of_the_list_reach_the_device() {
    let patterns = "&line=status&line=show%20*&line=set%20a*b%20c&line=mark-*";
    let (_gateway, mut typing, _running) = at_a_line(patterns, "read|write");
    let long = |length: usize| [b"show ", &*vec![b'x'; length - 5], b"\r"].concat();
    let rows = TYPED
        .iter()
        .map(|(name, said, heard, refused)| (*name, said.to_vec(), heard.to_vec(), *refused));
    let rows = rows.chain([
        ("a line as long as lines may be", long(1024), long(1024), 0),
        ("a line that is longer", long(1025), vec![], 1),
        ("a line that is much longer", long(5000), vec![], 1),
        (
            "a longer one, and one behind it",
            [long(1025), b"status\r".to_vec()].concat(),
            b"status\r".to_vec(),
            1,
        ),
    ]);
    for (name, said, heard, refused) in rows {
        for whole in [true, false] {
            let found = typing.heard(&said, whole);
            let found = String::from_utf8_lossy(&found).into_owned();
            assert_eq!(found, String::from_utf8_lossy(&heard), "{name}, whole: {whole}");
            let told = String::from_utf8_lossy(&typing.told()).into_owned();
            let times = told.matches("(this line is not permitted)").count();
            assert_eq!(times, refused, "{name}, whole: {whole}: {told:?}");
        }
    }
}

#[test]
fn whoever_may_type_sets_nothing_by_telnet() {
    let (_gateway, mut typing, _running) = at_a_line("", "read|write");
    wait_until("the line's settings", || typing.pty.speed() == 9600);
    // It is telnet.
    typing.client.write_all(&[IAC, 253, 3]).unwrap();
    let long = [&[IAC, 250, 44, 1][..], &[1; 500], &[IAC, 240, b'a']].concat();
    let rows = TELNET.iter().map(|(name, said, heard)| (*name, said.to_vec(), heard.to_vec()));
    for (name, said, heard) in rows.chain([("one that is too long", long, b"a".to_vec())]) {
        for whole in [true, false] {
            let found = typing.heard(&said, whole);
            assert_eq!(found, heard, "{name}, whole: {whole}");
            typing.told();
            assert_eq!(typing.pty.speed(), 9600, "{name}");
        }
    }
    is_set_as_declared(&typing.pty);
}

fn is_set_as_declared(pty: &Pty) {
    use rustix::termios::{ControlModes, InputModes};
    let modes = rustix::termios::tcgetattr(&pty.line).unwrap();
    assert!(modes.control_modes.contains(ControlModes::CS8));
    assert!(!modes.control_modes.intersects(ControlModes::PARENB | ControlModes::CSTOPB));
    assert!(!modes.input_modes.intersects(InputModes::IXON | InputModes::IXOFF));
}

/// What was matched as one line would be sent as others.
#[test]
fn where_only_some_lines_may_be_typed_nobody_sets_the_line() {
    let (_gateway, mut typing, _running) = at_a_line("&line=show%20*&line=mark-*", "*");
    wait_until("the line's settings", || typing.pty.speed() == 9600);
    // It is telnet.
    typing.client.write_all(&[IAC, 253, 3]).unwrap();
    // A speed, data bits, parity, stop bits, flow control, break, DTR and RTS.
    let asked: [&[u8]; 10] = [
        &[1, 0, 0, 0x96, 0],
        &[2, 7],
        &[2, 5],
        &[3, 3],
        &[4, 2],
        &[5, 2],
        &[5, 3],
        &[5, 5],
        &[5, 9],
        &[5, 12],
    ];
    for request in asked {
        let said = [&[IAC, 250, 44], request, &[IAC, 240], b"show x\xc4\x8dreboot\rshow a\r"];
        assert_eq!(typing.heard(&said.concat(), true), b"show a\r", "{request:?}");
        let told = String::from_utf8_lossy(&typing.told()).into_owned();
        assert_eq!(
            told.matches("(this line is not permitted)").count(),
            1,
            "{request:?}: {told:?}"
        );
        assert_eq!(typing.pty.speed(), 9600, "{request:?}");
        is_set_as_declared(&typing.pty);
    }
}

/// The declaration itself leaves no line whose letters are read as something else.
#[test]
fn lines_are_declared_for_seven_bits_or_eight() {
    let gateway = Gateway::with("[dial]\nserial = [\"/dev/pts/*\"]\n");
    gateway.owner(&["device", "add", "plc", "--agentless"]);
    for (url, why) in [
        ("serial:/dev/pts/0?bits=5&line=show%20*", "bits=7 or bits=8"),
        ("serial:/dev/pts/0?bits=6&line=show%20*", "bits=7 or bits=8"),
        ("serial+agent:a?bits=6&line=show%20*", "bits=7 or bits=8"),
        ("serial:/dev/pts/0?line=show%20%C3%A9", "printable ASCII"),
    ] {
        let refused = gateway.run("owner", &["interface", "add", "plc/console", url]).failed();
        assert!(refused.contains(why), "{url}: {refused}");
    }
    gateway.owner(&["interface", "add", "plc/console", "serial:/dev/pts/0?bits=7&line=show%20*"]);
}
