//! A person at a serial line: a real terminal, with arrows, Ctrl-C and the escape, and an observer.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::Stdio;

use doorward_tests::Gateway;
use doorward_tests::gateway::agent;
use doorward_tests::running::{Pty, Running, number, wait_until};
use rustix::termios::{LocalModes, Termios, tcgetattr, tcsetattr};

/// A terminal of a person, with the agent in it.
struct Terminal {
    pty: Pty,
    /// The modes before the agent began.
    former: Termios,
    program: Running,
    /// What the terminal has shown.
    shown: String,
}

impl Terminal {
    /// `connect` by somebody in a terminal that echoes and edits lines, as terminals do.
    fn connect(gateway: &Gateway, who: &str, options: &[&str]) -> Self {
        let pty = Pty::new();
        let mut modes = tcgetattr(&pty.line).unwrap();
        modes.local_modes |= LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG;
        modes.input_modes |= rustix::termios::InputModes::ICRNL;
        tcsetattr(&pty.line, rustix::termios::OptionalActions::Now, &modes).unwrap();
        let former = tcgetattr(&pty.line).unwrap();
        let end = || Stdio::from(pty.line.try_clone().unwrap());
        let mut command = agent();
        command.args(["connect", "plc/console", "--dir"]).arg(gateway.identity(who)).args(options);
        command.stdin(end()).stdout(end());
        let log: PathBuf = gateway.dir().join(format!("{who}-{}.log", number()));
        let program = Running::start(&mut command, log);
        Self { pty, former, program, shown: String::new() }
    }

    fn local_modes(&self) -> LocalModes {
        tcgetattr(&self.pty.line).unwrap().local_modes
    }

    fn type_in(&mut self, keys: &str) {
        self.pty.device.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until the terminal has shown a text, and returns all that it has shown.
    fn shows(&mut self, text: &str) {
        let mut bytes = [0; 256];
        while !self.shown.contains(text) {
            let count = self.pty.device.read(&mut bytes).unwrap();
            self.shown.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
    }

    /// Waits until the program has said something.
    fn says(&self, text: &str) {
        wait_until(text, || self.program.complaint().contains(text));
    }

    /// Waits for the end, and checks that the terminal is as it was.
    fn ended(&mut self) -> Option<i32> {
        let status = self.program.ended();
        let now = tcgetattr(&self.pty.line).unwrap();
        assert_eq!(now.local_modes, self.former.local_modes);
        assert_eq!(now.input_modes, self.former.input_modes);
        assert_eq!(now.output_modes, self.former.output_modes);
        status
    }
}

fn device_reads(pty: &mut Pty, expected: &str) {
    let mut found = vec![0; expected.len()];
    pty.device.read_exact(&mut found).unwrap();
    assert_eq!(String::from_utf8(found).unwrap(), expected);
}

fn world() -> (Gateway, Pty) {
    let (gateway, pty) = (Gateway::with("[dial]\nserial = [\"/dev/pts/*\"]\n"), Pty::new());
    gateway.declare("plc/console", &format!("serial:{}", pty.path.display()));
    for user in ["typist", "watcher", "mallory"] {
        gateway.enrol(&format!("user/{user}"), &[]);
    }
    gateway.rules(RULES);
    (gateway, pty)
}

const RULES: &str = "p, user/typist, plc, console, *, , allow\n\
                     p, user/watcher, plc, console, read, , allow";

#[test]
fn a_person_types_watches_and_leaves() {
    let (gateway, mut device) = world();
    let mut refused = Terminal::connect(&gateway, "mallory", &[]);
    assert_eq!(refused.ended(), Some(1));
    refused.says("no such interface, or no right to it");

    let mut typist = Terminal::connect(&gateway, "typist", &[]);
    typist.says("connected to plc/console; ~. at the beginning of a line leaves");
    wait_until("raw mode", || {
        !typist.local_modes().intersects(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
    });
    // Enter is CR, arrows and Ctrl-C are the device's, and each key arrives by itself.
    for keys in ["l", "s\r", "\x1b[A", "\x03", "a~.\r", "~~x\r"] {
        typist.type_in(keys);
        device_reads(&mut device, &keys.replace("~~", "~"));
    }
    // Nothing was echoed here: what the device says is all that is shown.
    device.device.write_all(b"login: ").unwrap();
    typist.shows("login: ");
    assert_eq!(typist.shown, "login: ");
    typist.type_in("~?");
    typist.says("~. leaves, ~~ sends ~, ~? shows this list");

    // An observer, by right or by choice, sees all and types nowhere.
    let mut watcher = Terminal::connect(&gateway, "watcher", &[]);
    let mut observer = Terminal::connect(&gateway, "typist", &["--observe"]);
    for one in [&mut watcher, &mut observer] {
        one.says("you only watch: what you type goes nowhere");
        one.type_in("reboot\r\x03");
    }
    let mut heard = 0;
    wait_until("all who watch", || {
        device.device.write_all(b"tick\r\n").unwrap();
        heard += 1;
        heard > 3
    });
    watcher.shows("tick");
    observer.shows("tick");
    typist.type_in("y");
    device_reads(&mut device, "y");
    for one in [&mut watcher, &mut observer] {
        one.type_in("\r~.");
        assert_eq!(one.ended(), Some(0));
    }

    typist.type_in("\r");
    device_reads(&mut device, "\r");
    typist.type_in("~.");
    assert_eq!(typist.ended(), Some(0));
    typist.says("the connection to plc/console is closed");
}

#[test]
fn the_terminal_is_restored_on_every_way_out() {
    let (gateway, _device) = world();
    for signal in ["TERM", "INT", "HUP", "QUIT"] {
        let mut typist = Terminal::connect(&gateway, "typist", &[]);
        typist.says("connected to");
        wait_until("raw mode", || !typist.local_modes().contains(LocalModes::ECHO));
        typist.program.signal(signal);
        assert_eq!(typist.ended(), Some(1), "{signal}");
    }
    let mut typist = Terminal::connect(&gateway, "typist", &[]);
    typist.says("connected to");
    wait_until("raw mode", || !typist.local_modes().contains(LocalModes::ECHO));
    gateway.rules("");
    assert_eq!(typist.ended(), Some(1), "a cut");
    typist.says("the flow was cut or refused");
}

#[test]
fn a_file_as_input_is_carried_as_it_is() {
    let (gateway, mut device) = world();
    let script = gateway.dir().join("script");
    std::fs::write(&script, "~.\nreboot\n").unwrap();
    let mut command = gateway.connect("typist", "plc/console", &[]);
    command.stdin(File::open(&script).unwrap());
    let log = gateway.dir().join("script.log");
    let _running = Running::start(&mut command, log);
    device_reads(&mut device, "~.\nreboot\n");
}
