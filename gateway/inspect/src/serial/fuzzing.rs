//! Fuzzing of console lines: checks what must always hold.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use doorward_model::Target;

use super::{Commands, ConsoleLine, LONGEST};

/// The results of lines: whether each was forwarded, and its text.
type Told = Vec<(bool, Vec<u8>)>;

fn told(bytes: &[u8], parts: usize) -> Told {
    let target: Target = "serial:/dev/tty0?line=status&line=show%20*".parse().unwrap();
    let mut commands = Commands::new(target.lines().unwrap().clone());
    let mut told = Told::new();
    for part in bytes.chunks(parts) {
        commands.read(part, |line| match line {
            ConsoleLine::Forward(line) => told.push((true, line.to_vec())),
            ConsoleLine::Refuse(line) => told.push((false, line.to_vec())),
        });
    }
    told
}

/// Splits bytes into lines and their ends, in the simplest way. An incomplete line is left out.
fn lines(bytes: &[u8]) -> Vec<(&[u8], &[u8])> {
    let (mut lines, mut rest) = (Vec::new(), bytes);
    while let Some(end) = rest.iter().position(|byte| b"\r\n".contains(byte)) {
        let ends = if rest[end..].starts_with(b"\r\n") { 2 } else { 1 };
        lines.push((&rest[..end], &rest[end..end + ends]));
        rest = &rest[end + ends..];
    }
    lines
}

fn permitted(line: &[u8]) -> bool {
    let known = line == b"status" || line.starts_with(b"show ");
    known && line.len() <= LONGEST && line.iter().all(|byte| (b' '..=b'~').contains(byte))
}

/// Checks written bytes. The first byte says how they are split.
pub(crate) fn commands(bytes: &[u8]) {
    let Some((&parts, bytes)) = bytes.split_first() else { return };
    let told_of = told(bytes, usize::from(parts).max(1));
    assert_eq!(told_of, told(bytes, bytes.len().max(1)), "it matters how bytes are split");
    let forwarded: Vec<u8> =
        told_of.iter().filter(|(goes_on, _)| *goes_on).flat_map(|(_, line)| line.clone()).collect();
    assert!(lines(&forwarded).iter().all(|(line, _)| permitted(line)), "another line went on");
    // A device that reads seven bits gets the same lines.
    let stripped: Vec<u8> = forwarded.iter().map(|byte| byte & 0x7f).collect();
    assert_eq!(stripped, forwarded, "seven bits of it are something else");
    let plain = |line: &[u8]| line.iter().all(|byte| (b' '..=b'~').contains(byte));
    if lines(bytes).iter().all(|(line, _)| plain(line)) {
        let expected: Vec<u8> = lines(bytes)
            .into_iter()
            .filter(|(line, _)| permitted(line))
            .flat_map(|(line, end)| [line, end].concat())
            .collect();
        assert_eq!(forwarded, expected, "a line that may be written did not go on");
    }
}

/// Lines that people and programs write.
pub(crate) fn commands_corpus() -> Vec<Vec<u8>> {
    let written: [&[u8]; 8] = [
        b"status\rshow version\r\nreboot\nstatus\n",
        b"show \x08\x08\x08\x08\x08reboot\rstatus\r",
        b"status\r\n\r\nstatus\n\rshow a;b\r",
        b"show \xc3\xa9\xe2\x80\xa8\rshow \xff\rshow x\xc4\x8dreboot\r",
        b"stat\x1b[Aus\rsta\0tus\r",
        b"status;reboot\rstatus",
        b"show \x15show\rshow\r",
        &[b'x'; LONGEST + 2],
    ];
    let of = |parts: u8| written.iter().map(move |text| [&[parts][..], text].concat());
    of(1).chain(of(3)).chain(of(255)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_gets_far_is_stood() {
        commands_corpus().iter().for_each(|input| commands(input));
    }
}
