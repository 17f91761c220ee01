//! Serial consoles where only some lines may be written. A line is stored until it is whole, and
//! then forwarded whole or not at all.

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;

use doorward_model::Lines;

/// The longest line, in bytes. A longer one is not forwarded.
pub const LONGEST: usize = 1024;

/// A reader of lines. They end with a carriage return, a line feed, or both.
#[derive(Debug)]
pub struct Commands {
    lines: Lines,
    held: Vec<u8>,
    /// Whether the stored line is too long.
    long: bool,
    /// Whether the line before a carriage return was forwarded, if that was the last byte.
    returned: Option<bool>,
}

/// What happens to a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsoleLine<'b> {
    /// The line is permitted, and forwarded with its end.
    Forward(&'b [u8]),
    /// The line is refused.
    Refuse(&'b [u8]),
}

impl Commands {
    /// Returns a reader that permits only these lines.
    #[must_use]
    pub fn new(lines: Lines) -> Self {
        Self { lines, held: Vec::new(), long: false, returned: None }
    }

    /// Reads written bytes, and calls `each` with every line that is complete.
    pub fn read(&mut self, bytes: &[u8], mut each: impl FnMut(ConsoleLine<'_>)) {
        for &byte in bytes {
            match (byte, self.returned.take()) {
                // It belongs to the line end before it.
                (b'\n', Some(forwarded)) => {
                    if forwarded {
                        each(ConsoleLine::Forward(b"\n"));
                    }
                    continue;
                }
                (b'\r' | b'\n', _) => {}
                _ if self.held.len() < LONGEST => {
                    self.held.push(byte);
                    continue;
                }
                _ => {
                    self.long = true;
                    continue;
                }
            }
            let permitted = !self.long && self.lines.permit(&self.held);
            if permitted {
                self.held.push(byte);
                each(ConsoleLine::Forward(&self.held));
            } else {
                each(ConsoleLine::Refuse(&self.held));
            }
            self.returned = (byte == b'\r').then_some(permitted);
            (self.long, self.held) = (false, Vec::new());
        }
    }

    /// Returns whether an incomplete line is stored.
    #[must_use]
    pub fn holds(&self) -> bool {
        !self.held.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn commands(query: &str) -> Commands {
        let url = format!("serial:/dev/tty0?{query}");
        let target: doorward_model::Target = url.parse().unwrap();
        Commands::new(target.lines().unwrap().clone())
    }

    /// Returns the forwarded bytes, and the number of refused lines.
    fn read(commands: &mut Commands, pieces: &[&[u8]]) -> (Vec<u8>, usize) {
        let (mut forwarded, mut refused) = (Vec::new(), 0);
        for piece in pieces {
            commands.read(piece, |line| match line {
                ConsoleLine::Forward(bytes) => forwarded.extend_from_slice(bytes),
                ConsoleLine::Refuse(_) => refused += 1,
            });
        }
        (forwarded, refused)
    }

    #[test]
    fn only_whole_lines_of_the_list_go_on() {
        let long = [&b"show "[..], &[b'x'; LONGEST], b"\r"].concat();
        let cases: &[(&str, &[u8], &[u8], usize)] = &[
            ("one", b"status\r", b"status\r", 0),
            ("by a line feed", b"status\n", b"status\n", 0),
            ("by both", b"status\r\nshow a\r\n", b"status\r\nshow a\r\n", 0),
            ("another", b"reboot\r", b"", 1),
            ("one of two", b"reboot\r\nstatus\r\n", b"status\r\n", 1),
            ("without an end", b"status", b"", 0),
            ("an empty one", b"\r", b"", 1),
            ("two commands in a line", b"status;reboot\r", b"", 1),
            ("what a pattern does not hinder", b"show a;reboot\r", b"show a;reboot\r", 0),
            ("corrected by backspace", b"show \x08\x08\x08\x08\x08reboot\r", b"", 1),
            ("cleared by control-U", b"show x\x15reboot\r", b"", 1),
            ("interrupted by control-C", b"show x\x03reboot\r", b"", 1),
            ("ended by control-D", b"show x\x04\r", b"", 1),
            ("an escape", b"show \x1b[A\r", b"", 1),
            ("NUL", b"status\0\r", b"", 1),
            ("a vertical tab for an end", b"status\x0breboot\r", b"", 1),
            ("no UTF-8", b"show \xff\r", b"", 1),
            ("eight bits of a control", b"show \xc2\x9bA\r", b"", 1),
            ("what is a return on seven bits", "show x\u{10d}reboot\r".as_bytes(), b"", 1),
            ("letters that are not ASCII", "show \u{e9}\r".as_bytes(), b"", 1),
            ("a tab", b"show\ta\r", b"", 1),
            ("all that is printable", b"show  !~\r", b"show  !~\r", 0),
            ("a line separator of Unicode", "show \u{2028}reboot\r".as_bytes(), b"", 1),
            ("two line feeds", b"status\n\nstatus\n", b"status\nstatus\n", 1),
            ("a return after a line feed", b"status\n\rstatus\r", b"status\nstatus\r", 1),
            ("two feeds after a return", b"status\r\n\n", b"status\r\n", 1),
            ("a feed after what was refused", b"reboot\r\nstatus\r", b"status\r", 1),
            ("too long", &long, b"", 1),
        ];
        for (name, said, forwarded, refused) in cases {
            let mut commands = commands("line=status&line=show%20*");
            assert_eq!(read(&mut commands, &[said]), (forwarded.to_vec(), *refused), "{name}");
        }
        let mut commands = commands("line=status");
        read(&mut commands, &[b"stat"]);
        assert!(commands.holds());
        assert_eq!(read(&mut commands, &[b"us\r"]).0, b"status\r");
        assert!(!commands.holds());
    }

    proptest! {
        #[test]
        fn it_makes_no_difference_how_bytes_are_split(
            said in prop::collection::vec(
                prop::sample::select(b"\r\nsx \x08\x09\x7f\x8d\xc4\xf3".to_vec()),
                0..60,
            ),
            part in 1usize..9,
        ) {
            let whole = read(&mut commands("line=s*x"), &[&said]);
            let parts: Vec<&[u8]> = said.chunks(part).collect();
            prop_assert_eq!(&whole, &read(&mut commands("line=s*x"), &parts));
            // Only permitted lines are forwarded.
            for line in whole.0.split(|byte| b"\r\n".contains(byte)).filter(|line| !line.is_empty()) {
                prop_assert!(line.starts_with(b"s") && line.ends_with(b"x"));
                prop_assert!(line.iter().all(|byte| (b' '..=b'~').contains(byte)));
            }
        }
    }
}
