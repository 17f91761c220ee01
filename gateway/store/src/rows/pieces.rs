//! Stores the files of bundles in pieces, each piece only once.
//!
//! Where a text is cut depends only on the lines near the cut. So two texts that differ in a few
//! lines share all but a few pieces, wherever these lines are.

use std::collections::HashMap;

use aws_lc_rs::digest::{SHA256, digest};
use doorward_model::Revision;
use doorward_policies::BundleText;

use crate::error::StoreError;
use crate::port::{Reading, Tx, values};

/// A piece has at least this many bytes, ...
const LEAST: usize = 16 << 10;
/// ... then it ends at one line in this many, ...
const LINES: u64 = 512;
/// ... and it never has more than this many bytes.
const MOST: usize = 256 << 10;

/// Returns the files of a bundle, with their names.
fn files(text: &BundleText) -> [(&'static str, &str); 5] {
    [
        ("model.conf", &text.model),
        ("policy.csv", &text.policy),
        ("roles.csv", &text.roles),
        ("groups.csv", &text.groups),
        ("tests.toml", &text.tests),
    ]
}

fn file_mut<'a>(text: &'a mut BundleText, name: &str) -> Option<&'a mut String> {
    match name {
        "model.conf" => Some(&mut text.model),
        "policy.csv" => Some(&mut text.policy),
        "roles.csv" => Some(&mut text.roles),
        "groups.csv" => Some(&mut text.groups),
        "tests.toml" => Some(&mut text.tests),
        _ => None,
    }
}

/// Stores the files of a revision. Pieces that are stored already are not stored again.
pub(crate) async fn insert(
    tx: &mut Tx,
    revision: Revision,
    text: &BundleText,
) -> Result<(), StoreError> {
    let mut known = of_revision(tx, Revision(revision.0 - 1)).await?;
    for (file, text) in files(text) {
        for (place, piece) in (0_i64..).zip(Pieces(text)) {
            let digest = digest(&SHA256, piece.as_bytes()).as_ref().to_vec();
            let id = match known.get(&digest) {
                Some(id) => *id,
                None => {
                    let id = enter(tx, &digest, piece).await?;
                    known.insert(digest, id);
                    id
                }
            };
            tx.run(
                "INSERT INTO bundle_pieces (revision, file, place, piece) \
                 VALUES ($1, $2, $3, $4)",
                values![revision.0, file, place, id],
            )
            .await?;
        }
    }
    Ok(())
}

/// Returns the numbers of the pieces of a revision, by their digest.
async fn of_revision(
    reading: &mut Reading,
    revision: Revision,
) -> Result<HashMap<Vec<u8>, i64>, StoreError> {
    let rows = reading
        .all(
            "SELECT p.digest, p.id FROM bundle_pieces b JOIN pieces p ON p.id = b.piece \
         WHERE b.revision = $1 AND p.digest IS NOT NULL",
            values![revision.0],
        )
        .await?;
    rows.iter().map(|row| Ok((row.get("digest")?, row.get("id")?))).collect()
}

/// Returns the number of a piece, which is stored if it is new.
async fn enter(tx: &mut Tx, digest: &[u8], piece: &str) -> Result<i64, StoreError> {
    let known =
        tx.optional("SELECT id FROM pieces WHERE digest = $1", values![digest.to_vec()]).await?;
    let row = match known {
        Some(known) => known,
        None => {
            tx.one(
                "INSERT INTO pieces (digest, text) VALUES ($1, $2) RETURNING id",
                values![digest.to_vec(), piece],
            )
            .await?
        }
    };
    row.get("id")
}

/// Reads the files of a revision.
pub(crate) async fn read(
    reading: &mut Reading,
    revision: Revision,
) -> Result<BundleText, StoreError> {
    let pieces = reading
        .all(
            "SELECT file, piece FROM bundle_pieces \
         WHERE revision = $1 ORDER BY file, place",
            values![revision.0],
        )
        .await?;
    let none = String::new;
    let mut text =
        BundleText { model: none(), policy: none(), roles: none(), groups: none(), tests: none() };
    // One by one, because all pieces at once would hold the bundle in memory twice.
    for row in &pieces {
        let (file, piece): (String, i64) = (row.get("file")?, row.get("piece")?);
        let whole = file_mut(&mut text, &file)
            .ok_or_else(|| StoreError::Row(format!("a bundle has no file '{file}'")))?;
        let row = reading.one("SELECT text FROM pieces WHERE id = $1", values![piece]).await?;
        whole.push_str(&row.get::<String>("text")?);
    }
    text.policy.shrink_to_fit();
    Ok(text)
}

/// The rest of a text, as an iterator of its pieces.
struct Pieces<'a>(&'a str);

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        if self.0.is_empty() {
            return None;
        }
        let mut end = 0;
        let near = self.0.get(..self.0.floor_char_boundary(MOST + 1)).unwrap_or(self.0);
        for line in near.split_inclusive('\n') {
            if end + line.len() > MOST {
                break;
            }
            end += line.len();
            if end >= LEAST && mixed(line).is_multiple_of(LINES) {
                break;
            }
        }
        if end == 0 {
            // A single line is longer than the bound.
            end = self.0.floor_char_boundary(MOST);
        }
        let (piece, rest) = self.0.split_at_checked(end).unwrap_or((self.0, ""));
        self.0 = rest;
        Some(piece)
    }
}

/// Returns a number that looks random, from a line's bytes (FNV-1a). An author can choose lines for
/// it; then pieces are shorter or longer, within the bounds.
fn mixed(line: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = line.bytes().fold(0xcbf2_9ce4_8422_2325, step);
    hash ^ (hash >> 32)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(count: usize) -> Vec<String> {
        (0..count)
            .map(|number| format!("p, role/r{number}, box, web/{number}, get, , allow\n"))
            .collect()
    }

    #[test]
    fn an_edit_makes_few_new_pieces() {
        let mut lines = lines(100_000);
        let former: String = lines.concat();
        let before: std::collections::HashSet<&str> = Pieces(&former).collect();
        assert!(before.len() > 50, "{}", before.len());
        assert!(Pieces(&former).all(|piece| piece.len() <= MOST));
        for (at, more) in [(0, "p, one\n"), (50_000, "p, more\n"), (99_999, "p, rule\n")] {
            lines.insert(at, more.to_owned());
        }
        let edited = lines.concat();
        let new = Pieces(&edited).filter(|piece| !before.contains(piece)).count();
        assert!((1..=6).contains(&new), "{new} new pieces");
    }

    proptest! {
        #[test]
        fn pieces_are_the_text(lines in prop::collection::vec(("[a-zä,]{0,40}", 0..40_usize, any::<bool>()), 0..40)) {
            let line = |(line, times, end): &(String, usize, bool)| {
                line.repeat(times * times * 8) + if *end { "\n" } else { "" }
            };
            let text: String = lines.iter().map(line).collect();
            let pieces: Vec<&str> = Pieces(&text).collect();
            prop_assert_eq!(pieces.concat(), &*text);
            prop_assert!(pieces.iter().all(|piece| !piece.is_empty() && piece.len() <= MOST));
        }
    }
}
