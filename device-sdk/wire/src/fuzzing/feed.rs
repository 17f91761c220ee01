//! Makes values from a fuzzer's bytes.

/// A source of values read from a fuzzer's bytes. After the last byte it yields zeros.
#[derive(Clone, Debug)]
pub struct Feed<'b>(&'b [u8]);

impl<'b> Feed<'b> {
    /// Creates a source from `bytes`.
    #[must_use]
    pub fn new(bytes: &'b [u8]) -> Self {
        Self(bytes)
    }

    /// Returns whether all bytes have been read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the next byte.
    pub fn byte(&mut self) -> u8 {
        let (first, rest) =
            self.0.split_first().map_or((0, self.0), |(first, rest)| (*first, rest));
        self.0 = rest;
        first
    }

    /// Returns a boolean.
    pub fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// Returns a number: a small one, one near a power of two, one near the maximum, or any.
    pub fn number(&mut self) -> u64 {
        let first = self.byte();
        let near = u64::from(self.byte() % 4);
        match first {
            0..=127 => u64::from(first),
            128..=191 => (1u64 << (first & 63)).wrapping_add(near).wrapping_sub(2),
            192..=199 => u64::MAX - near,
            _ => (0..8).fold(0, |number, _| (number << 8) | u64::from(self.byte())),
        }
    }

    /// Returns at most `most` bytes. The first two bytes read give the length.
    pub fn bytes(&mut self, most: usize) -> &'b [u8] {
        let length = usize::from(self.byte()) | (usize::from(self.byte() & 3) << 8);
        let (bytes, rest) = self.0.split_at(length.min(most).min(self.0.len()));
        self.0 = rest;
        bytes
    }

    /// Returns a text made of at most `most` bytes; invalid UTF-8 is replaced.
    pub fn text(&mut self, most: usize) -> String {
        String::from_utf8_lossy(self.bytes(most)).into_owned()
    }

    /// Returns all remaining bytes.
    pub fn rest(&mut self) -> &'b [u8] {
        std::mem::take(&mut self.0)
    }

    /// Returns one of the given values.
    pub fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[usize::from(self.byte()) % of.len()].clone()
    }
}
