//! Random bytes from the system.

/// Returns random bytes from the system.
///
/// # Errors
/// Fails when the system has none. The caller must then create no secret.
pub fn random<const N: usize>() -> Result<[u8; N], aws_lc_rs::error::Unspecified> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes)?;
    Ok(bytes)
}
