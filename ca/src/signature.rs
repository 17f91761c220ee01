//! ECDSA signatures on P-256 in the form of JWS.

/// Converts a DER signature (RFC 3279 section 2.2.3) to r and s, 32 bytes each (RFC 7518 section
/// 3.4). Returns `None` for anything but strict DER, since other parsers could refuse what a
/// lenient parser accepts.
pub(crate) fn fixed(der: &[u8]) -> Option<[u8; 64]> {
    let (both, []) = element(0x30, der)? else { return None };
    let (r, rest) = element(0x02, both)?;
    let (s, []) = element(0x02, rest)? else { return None };
    let mut out = [0; 64];
    let (left, right) = out.split_at_mut(32);
    put(left, r)?;
    put(right, s)?;
    Some(out)
}

/// Returns the content of a DER element and the bytes after it. Only short lengths (below 128) are
/// accepted, which is enough here.
fn element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&[found, length], rest) = der.split_first_chunk()?;
    let fits = found == tag && length < 0x80;
    rest.split_at_checked(length.into()).filter(|_| fits)
}

/// Writes a positive, shortest-form integer, padded with zeros on the left.
fn put(out: &mut [u8], integer: &[u8]) -> Option<()> {
    let digits = match integer {
        [1..128, ..] => integer,
        // DER puts a zero before a number whose first bit is set, since it would be negative.
        [0, digits @ ..] if digits.first().is_some_and(|first| *first >= 128) => digits,
        _ => return None,
    };
    let zeros = out.len().checked_sub(digits.len())?;
    out.get_mut(zeros..)?.copy_from_slice(digits);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn integer(digits: &[u8]) -> Vec<u8> {
        [&[2, digits.len() as u8][..], digits].concat()
    }

    fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
        let whole = parts.concat();
        [&[0x30, whole.len() as u8][..], &whole].concat()
    }

    #[test]
    fn both_numbers_have_32_bytes() {
        let high = [&[0][..], &[0xff; 32]].concat();
        let read = fixed(&sequence(&[integer(&[1]), integer(&high)])).unwrap();
        assert_eq!(read, [&[0; 31][..], &[1], &[0xff; 32]].concat()[..]);
        let read = fixed(&sequence(&[integer(&[0, 0x80]), integer(&[0x7f; 32])])).unwrap();
        assert_eq!(read, [&[0; 31][..], &[0x80], &[0x7f; 32]].concat()[..]);
    }

    #[test]
    fn what_is_not_der_of_two_such_numbers_is_refused() {
        let one = || integer(&[1]);
        for (what, wrong) in [
            ("nothing", vec![]),
            ("no sequence", one()),
            ("one number", sequence(&[one()])),
            ("three", sequence(&[one(), one(), one()])),
            ("something after it", [sequence(&[one(), one()]), vec![0]].concat()),
            ("zero", sequence(&[integer(&[0]), one()])),
            ("an empty number", sequence(&[one(), integer(&[])])),
            ("a negative one", sequence(&[one(), integer(&[0x80])])),
            ("a zero too many", sequence(&[integer(&[0, 1]), one()])),
            ("33 bytes", sequence(&[integer(&[1; 33]), one()])),
            (
                "33 bytes after the sign",
                sequence(&[integer(&[&[0][..], &[0x80; 33]].concat()), one()]),
            ),
            ("a long length", vec![0x30, 0x81, 6, 2, 1, 1, 2, 1, 1]),
            ("a length without end", vec![0x30, 0x80, 2, 1, 1, 2, 1, 1, 0, 0]),
            ("less than announced", vec![0x30, 7, 2, 1, 1, 2, 1, 1]),
            ("more than announced", vec![0x30, 5, 2, 1, 1, 2, 1, 1]),
            ("another kind of number", vec![0x30, 6, 3, 1, 1, 2, 1, 1]),
        ] {
            assert_eq!(fixed(&wrong), None, "{what}");
        }
    }
}
