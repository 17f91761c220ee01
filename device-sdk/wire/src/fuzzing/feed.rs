//! Makes values of a fuzzer's bytes.

/// Bytes, read as whatever a target needs. It never runs dry: where the bytes end, it is zeros.
#[derive(Clone, Debug)]
pub struct Feed<'b>(&'b [u8]);

impl<'b> Feed<'b> {
    /// Reads `bytes`.
    #[must_use]
    pub fn new(bytes: &'b [u8]) -> Self {
        Self(bytes)
    }

    /// Whether everything has been read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        let (first, rest) =
            self.0.split_first().map_or((0, self.0), |(first, rest)| (*first, rest));
        self.0 = rest;
        first
    }

    /// Yes or no.
    pub fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// A number: a small one, one at an edge, or any.
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

    /// At most `most` bytes; how many there are is read first.
    pub fn bytes(&mut self, most: usize) -> &'b [u8] {
        let length = usize::from(self.byte()) | (usize::from(self.byte() & 3) << 8);
        let (bytes, rest) = self.0.split_at(length.min(most).min(self.0.len()));
        self.0 = rest;
        bytes
    }

    /// A text of at most `most` bytes before what is no UTF-8 is replaced.
    pub fn text(&mut self, most: usize) -> String {
        String::from_utf8_lossy(self.bytes(most)).into_owned()
    }

    /// What is left.
    pub fn rest(&mut self) -> &'b [u8] {
        std::mem::take(&mut self.0)
    }

    /// One of several.
    pub fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[usize::from(self.byte()) % of.len()].clone()
    }
}
