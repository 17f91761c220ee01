//! A fuzz target for the parsers of system files.

use crate::posture::{LISTEN, TEXT, address, field, first_line, sockets};

/// Checks the system collector's parsers: any file gives facts within their bounds, or none.
pub fn system(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Some(line) = first_line(&text) {
        assert!(!line.is_empty() && line.len() <= TEXT && !line.contains('\n'));
    }
    if let Some(id) = field(&text, "ID") {
        assert!(text.contains(&id) && !id.contains('\n'));
    }
    let lines = text.lines().count();
    assert!(sockets(&text, LISTEN).count() <= lines.saturating_sub(1));
    for word in text.split_whitespace() {
        if let Some(address) = address(word) {
            assert!(word.len() >= 10, "{word} is {address}");
        }
    }
}

pub(super) fn corpus() -> Vec<Vec<u8>> {
    vec![
        b"NAME=\"Debian\"\nID=debian\nVERSION_ID=\"12\"\n".to_vec(),
        b"  sl  local_address rem_address   st\n   0: 0100007F:1F90 00000000:0000 0A 0\n".to_vec(),
        b"  sl  local_address rem_address   st\n   0: 00000000000000000000000001000000:0016 \
          00000000000000000000000000000000:0000 0A 0\n"
            .to_vec(),
        vec![b'x'; 300],
    ]
}
