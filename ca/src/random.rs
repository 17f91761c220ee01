//! Random bytes from the system.

/// Fresh random bytes from the system.
///
/// # Errors
/// When the system gives none; then nothing secret may be made.
pub fn random<const N: usize>() -> Result<[u8; N], aws_lc_rs::error::Unspecified> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes)?;
    Ok(bytes)
}
