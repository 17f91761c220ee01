//! What a person types at an interactive line: bytes for the device, and escapes for this program.

/// What typed bytes mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Typed {
    /// Bytes for the device.
    Send(Vec<u8>),
    /// The person leaves.
    Leave,
    /// The person asks for the list of escapes.
    Help,
}

/// The escapes, each with what it does.
pub(crate) const ESCAPES: [(&str, &str); 3] =
    [("~.", "leaves"), ("~~", "sends ~"), ("~?", "shows this list")];

/// The state of a reader of typed bytes. An escape is a `~` at the beginning of a line and the byte
/// after it, as in cu and ssh.
#[derive(Debug)]
pub(crate) struct KeyReader {
    /// Whether the next byte begins a line.
    begins_line: bool,
    /// Whether a `~` is held that may begin an escape.
    holds_tilde: bool,
}

impl KeyReader {
    /// At the start, a line begins.
    pub(crate) fn new() -> Self {
        Self { begins_line: true, holds_tilde: false }
    }

    /// Reads typed bytes. After [`Typed::Leave`] the rest is dropped.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> Vec<Typed> {
        let (mut all, mut plain) = (Vec::new(), Vec::new());
        for byte in bytes {
            if self.holds_tilde {
                self.holds_tilde = false;
                match byte {
                    b'.' => {
                        send(&mut all, &mut plain);
                        all.push(Typed::Leave);
                        return all;
                    }
                    b'?' => {
                        send(&mut all, &mut plain);
                        all.push(Typed::Help);
                        continue;
                    }
                    b'~' => {}
                    _ => plain.push(b'~'),
                }
            } else if self.begins_line && *byte == b'~' {
                self.holds_tilde = true;
                continue;
            }
            plain.push(*byte);
            self.begins_line = matches!(byte, b'\r' | b'\n');
        }
        send(&mut all, &mut plain);
        all
    }
}

fn send(all: &mut Vec<Typed>, plain: &mut Vec<u8>) {
    if !plain.is_empty() {
        all.push(Typed::Send(std::mem::take(plain)));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(typed: &str) -> Vec<Typed> {
        KeyReader::new().read(typed.as_bytes())
    }

    fn sent(text: &str) -> Typed {
        Typed::Send(text.as_bytes().to_vec())
    }

    #[test]
    fn an_escape_is_at_the_beginning_of_a_line_only() {
        assert_eq!(read("a~.b"), [sent("a~.b")]);
        assert_eq!(read("\x1b[A~."), [sent("\x1b[A~.")]);
        assert_eq!(read("~x\r"), [sent("~x\r")]);
        assert_eq!(read("~~."), [sent("~.")]);
        assert_eq!(read("~"), []);
        assert_eq!(read("ls\r~.rest"), [sent("ls\r"), Typed::Leave]);
        assert_eq!(read("~."), [Typed::Leave]);
        assert_eq!(read("~?~."), [Typed::Help, Typed::Leave], "a line begins still");
        assert_eq!(read("\x03"), [sent("\x03")], "control-C is the device's");
    }

    proptest! {
        /// However the typed bytes arrive, they mean the same, and nothing but escapes is lost.
        #[test]
        fn pieces_mean_the_same(typed in "[a~.?\\r]{0,12}", cut in 0usize..12) {
            let joined = |all: Vec<Typed>| {
                let mut text = String::new();
                for typed in all {
                    match typed {
                        Typed::Send(bytes) => text.push_str(std::str::from_utf8(&bytes).unwrap()),
                        Typed::Leave => return text + "<leave>",
                        Typed::Help => text.push_str("<help>"),
                    }
                }
                text
            };
            let whole = joined(read(&typed));
            let (one, other) = typed.split_at(cut.min(typed.len()));
            let mut keys = KeyReader::new();
            let mut all = keys.read(one.as_bytes());
            if !all.contains(&Typed::Leave) {
                all.extend(keys.read(other.as_bytes()));
            }
            prop_assert_eq!(joined(all), whole.clone());
            if !typed.contains('~') {
                prop_assert_eq!(whole, typed);
            }
        }
    }
}
