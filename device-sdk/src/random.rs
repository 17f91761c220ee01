use aws_lc_rs::rand;

use crate::error::Error;

/// Random bytes.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| Error::Crypto("make a random number"))?;
    Ok(bytes)
}

/// A number to spread waits by. Nothing secret rests on it.
pub(crate) fn number() -> u64 {
    // Without randomness the waits are the middle ones.
    bytes().map_or(u64::MAX / 2, u64::from_le_bytes)
}
